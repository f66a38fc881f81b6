//! Who watches a run and shows it while it goes on: lines that redraw themselves on a terminal, plain lines elsewhere, or
//! JSON. Replays (`watch`) go through the same code as live runs. It never decides anything, and a closed output never
//! stops a run.

mod batches;
mod block;
mod crowd;
mod entries;
mod frame;
mod header;
mod json;
mod live;
mod many;
mod mirror;
mod plain;
mod rows;

use std::sync::Arc;

use super::args::Output;
use super::paste::Paste;
use super::screen::Screen;
use crate::engine::Observer;

pub use block::{Block, reason};
pub use crowd::{Crowd, Crowds, FEW, Stand, group_of, steps_of};
pub use entries::{Entry, entries};
pub use rows::Mark;

/// An observer with an end.
pub trait Reporter: Observer {
    /// Ctrl-C was pressed, so many times now.
    fn interrupted(&self, times: u32) {
        let _ = times;
    }

    /// Nothing more will come: what redraws itself is left standing as it is.
    fn finish(&self) {}

    /// After `finish`: the same run goes on.
    fn resumed(&self) {}

    /// A question is about to be asked on the terminal, or something else to be written: nothing redraws until the next
    /// record.
    fn pause(&self) {}
}

/// Shows nothing until the end.
struct Quiet;

impl Observer for Quiet {}
impl Reporter for Quiet {}

/// The reporter that fits what was asked for and what we write on.
pub fn choose(screen: &Screen, output: Output, paste: &Paste) -> Arc<dyn Reporter> {
    match output {
        Output::Json => Arc::new(Quiet),
        Output::Jsonl => Arc::new(json::Lines::new(*screen)),
        Output::Human if screen.quiet => Arc::new(Quiet),
        Output::Human if screen.live => Arc::new(live::Live::new(*screen, paste.clone())),
        Output::Human => Arc::new(plain::Plain::new(*screen, paste.clone())),
    }
}

/// What Ctrl-C means, so many times pressed.
fn interrupt_words(times: u32) -> &'static str {
    if times <= 1 {
        "interrupted: it finishes what is under way, then stops; again: leave at once"
    } else {
        "leaving at once; a command under way goes on; `resume` looks what became of it"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_fit_into_a_window_of_eighty_columns() {
        for times in [1, 2] {
            assert!(interrupt_words(times).chars().count() <= 78, "{}", interrupt_words(times));
        }
    }
}
