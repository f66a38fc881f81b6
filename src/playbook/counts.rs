//! How often the costly things were done, for tests: a count tells of a slip where a time only tells of a busy machine.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static COUNTS: RefCell<BTreeMap<&'static str, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// Counts one.
pub(super) fn count(what: &'static str) {
    COUNTS.with_borrow_mut(|counts| *counts.entry(what).or_default() += 1);
}

/// What was counted in this thread since it was asked for last.
pub(super) fn taken() -> BTreeMap<&'static str, usize> {
    COUNTS.with_borrow_mut(std::mem::take)
}

#[path = "counts_tests.rs"]
mod tests;
