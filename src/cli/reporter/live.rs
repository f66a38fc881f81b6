//! A run on a terminal: a picture that is drawn again ten times a second, through one bar of indicatif, which knows how to
//! take back what it drew.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::frame::{self, Scene, Window};
use super::{Reporter, interrupt_words};
use crate::cli::clock;
use crate::cli::paste::Paste;
use crate::cli::screen::Screen;
use crate::cli::terminal;
use crate::cli::text::Look;
use crate::engine::Observer;
use crate::ids::StepId;
use crate::run::{Decision, Event, Record, RunState, Task};

/// How much of a line that a command has not ended yet is kept.
const LINE_BYTES: usize = 4096;

/// Shows a run on a terminal.
pub struct Live {
    screen: Screen,
    shared: Arc<Shared>,
}

struct Shared {
    scene: Mutex<Scene>,
    partial: Mutex<Vec<u8>>,
    bar: Mutex<Option<ProgressBar>>,
    over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while drawing must not take the run with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// A picture on stderr.
    pub fn new(screen: Screen, paste: Paste) -> Self {
        let shared = Arc::new(Shared {
            scene: Mutex::new(Scene { paste, ..Scene::default() }),
            partial: Mutex::new(Vec::new()),
            bar: Mutex::new(None),
            over: AtomicBool::new(false),
        });
        let live = Self { screen, shared };
        live.draw_on();
        live
    }

    /// Draws until `over` says that it is enough.
    fn draw_on(&self) {
        let (drawn, look) = (Arc::clone(&self.shared), self.screen.err);
        std::thread::spawn(move || {
            while !drawn.over.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(100));
                drawn.draw(&look);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Scene)) {
        let mut bar = locked(&self.shared.bar);
        if bar.is_none() && !self.shared.over.load(Ordering::Acquire) {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            terminal::silence();
            *bar = Some(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style));
        }
        drop(bar);
        change(&mut locked(&self.shared.scene));
    }
}

impl Shared {
    fn draw(&self, look: &Look) {
        let bar = locked(&self.bar);
        let Some(bar) = bar.as_ref() else { return };
        let (rows, columns) =
            console::Term::stderr().size_checked().map_or((24, 80), |(r, c)| (usize::from(r), usize::from(c)));
        let mut scene = locked(&self.scene);
        scene.turn += 1;
        // One column is left free, as some terminals wrap when the last one is written.
        let window = Window { width: columns.saturating_sub(1), rows: rows.saturating_sub(1) };
        let look = Look { width: Some(window.width), ..*look };
        let lines: Vec<String> = scene.lines(clock::now(), window).iter().map(|line| line.render(&look)).collect();
        drop(scene);
        bar.set_message(lines.join("\n") + "\n ");
        bar.tick();
        // The cursor rests at the start of an empty line: what others write there wraps no line of ours.
        let _ = std::io::stderr().write_all(b"\r");
    }

    fn clear(&self) {
        if let Some(bar) = locked(&self.bar).take() {
            bar.finish_and_clear();
            terminal::restore();
        }
    }
}

impl Observer for Live {
    fn planning(&self, step: &StepId) {
        self.change(|scene| scene.planning = Some(step.to_string()));
    }

    fn record(&self, record: &Record, state: &RunState) {
        let begins = matches!(record.event, Event::Intent { .. });
        self.change(|scene| {
            scene.state = Some(state.clone());
            scene.current = None;
            if begins {
                scene.output.clear();
            }
        });
        if begins {
            locked(&self.shared.partial).clear();
        }
    }

    fn decision(&self, decision: &Decision, state: &RunState) {
        let (task, words, wait) = match decision {
            Decision::Prepare { task, wait } if *wait > 0.0 => (task, "tried again", *wait),
            Decision::Prepare { task, wait } => (task, "looking at the target", *wait),
            Decision::Settle { task, wait } => (task, "looking what became of it", *wait),
            Decision::BetweenBatches { task, wait, .. } => (task, "pausing before the next batch", *wait),
            Decision::Verify { task } => (task, "waiting for what must hold after it", 0.0),
            _ => return,
        };
        let until = (wait > 0.0).then(|| clock::now().plus_seconds(wait));
        self.change(|scene| {
            scene.state = Some(state.clone());
            scene.current = Some((task.clone(), words, until));
        });
    }

    fn output(&self, _task: &Task, _stderr: bool, bytes: &[u8]) {
        let mut partial = locked(&self.shared.partial);
        partial.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&partial).into_owned();
        if let Some(end) = partial.iter().rposition(|byte| *byte == b'\n') {
            partial.drain(..=end);
        }
        let excess = partial.len().saturating_sub(LINE_BYTES);
        partial.drain(..excess);
        drop(partial);
        if let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) {
            self.change(|scene| scene.output = line.to_owned());
        }
    }
}

impl Reporter for Live {
    fn interrupted(&self, times: u32) {
        self.change(|scene| scene.notice = Some(interrupt_words(times)));
    }

    fn finish(&self) {
        if self.shared.over.swap(true, Ordering::AcqRel) {
            return;
        }
        self.shared.clear();
        let scene = locked(&self.shared.scene);
        if scene.state.is_some() {
            self.screen.picture(&frame::last(&Scene { notice: None, output: String::new(), ..scene.clone() }));
        }
    }

    fn resumed(&self) {
        self.change(|scene| scene.notice = None);
        if self.shared.over.swap(false, Ordering::AcqRel) {
            self.draw_on();
        }
    }

    fn pause(&self) {
        self.shared.clear();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.clear();
    }
}
