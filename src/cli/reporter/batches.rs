//! Which batch of a `for_each` a run has come to, in words. Pure.

use crate::playbook::Each;
use crate::run::Entered;

/// A batch of a `for_each`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// How many items are before it.
    pub first: usize,
    /// How many items it has.
    pub size: usize,
}

/// The batch in which something is left to be done; the last one where nothing is.
pub fn batch(entered: &Entered, each: &Each) -> Batch {
    let size = each.size.max(1) as usize;
    let all = entered.items.len();
    let of = all.div_ceil(size).max(1);
    let place = (entered.dealt_with / size).min(of - 1);
    let first = place * size;
    Batch { number: place + 1, of, first, size: size.min(all.saturating_sub(first)) }
}

/// How many batches are over.
pub fn batches_over(entered: &Entered, each: &Each) -> usize {
    let size = each.size.max(1) as usize;
    let all = entered.items.len();
    if entered.dealt_with == all { all.div_ceil(size) } else { entered.dealt_with / size }
}

/// How many items may fail before the whole is failed.
pub fn may_fail(_entered: &Entered, each: &Each) -> usize {
    each.max_failures as usize
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
