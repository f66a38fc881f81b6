//! Which batch of a `for_each` a run has come to, in words. Pure.

use crate::run::{Entered, Time};
use crate::value::format_seconds;

/// A batch of a `for_each`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// How many items it has.
    pub size: usize,
}

/// The batch in which something is left to be done; the last one where nothing is.
pub fn batch(entered: &Entered) -> Batch {
    let place = entered.batch_in_hand();
    Batch { number: place + 1, of: entered.batches().max(1), size: entered.batch(place).len() }
}

/// How many batches are over.
pub fn batches_over(entered: &Entered) -> usize {
    if entered.is_through() { entered.batches() } else { entered.batch_in_hand() }
}

impl Batch {
    /// `batch 3 of 20 (50 items)`.
    pub fn words(&self) -> String {
        match self.size {
            1 => format!("batch {} of {}", self.number, self.of),
            size => format!("batch {} of {} ({size} items)", self.number, self.of),
        }
    }
}

/// How long it is until the next batch may begin, where the run waits for that: nothing of it is in hand then.
pub fn pause_left(entered: &Entered, pause: f64, now: Time) -> Option<f64> {
    let rested = entered.rested.filter(|_| pause > 0.0 && !entered.is_through())?;
    Some(pause - now.seconds_since(rested)).filter(|left| *left > 0.0)
}

/// The same in words.
pub fn pause_words(left: f64) -> String {
    format!("the next batch begins in {}", format_seconds(left))
}
