//! A run for programs: one JSON object a line, as things happen (`docs/output.md`).

use serde_json::json;

use super::Reporter;
use crate::cli::screen::Screen;
use crate::cli::view::run_json;
use crate::engine::Observer;
use crate::run::{Record, RunState, Task};
use crate::timeline;

/// Writes a run as JSON lines.
pub struct Lines {
    screen: Screen,
}

impl Lines {
    /// Lines on stdout.
    pub fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

impl Observer for Lines {
    fn record(&self, record: &Record, state: &RunState) {
        let entry = timeline::entry(record, state);
        self.screen.json(&run_json::entry(&state.run, &entry, state.started));
    }

    fn output(&self, task: &Task, stderr: bool, bytes: &[u8]) {
        let stream = if stderr { "stderr" } else { "stdout" };
        let text = String::from_utf8_lossy(bytes);
        self.screen.json(&json!({ "v": 1, "type": "output", "task": task, "stream": stream, "text": text }));
    }
}

impl Reporter for Lines {}
