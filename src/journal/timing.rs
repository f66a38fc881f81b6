//! How long the journal's writes take in this process, for whoever watches it. Only counted, never decided upon.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The bounds of the counts, in seconds: a disk that takes longer than the last one is in trouble.
pub const WRITE_BOUNDS: [f64; 8] = [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

static COUNTS: [AtomicU64; WRITE_BOUNDS.len() + 1] = [const { AtomicU64::new(0) }; WRITE_BOUNDS.len() + 1];
static MICROSECONDS: AtomicU64 = AtomicU64::new(0);

/// How long the writes of this process took.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteTimes {
    /// How many took at most as long as each of `WRITE_BOUNDS`, and longer than the one before it; the last ones longer than
    /// all of them.
    pub counts: [u64; WRITE_BOUNDS.len() + 1],
    /// How long all of them took, in seconds.
    pub seconds: f64,
}

/// How long the writes of this process took so far.
pub fn write_times() -> WriteTimes {
    let mut counts = [0; WRITE_BOUNDS.len() + 1];
    for (count, counted) in counts.iter_mut().zip(&COUNTS) {
        *count = counted.load(Ordering::Relaxed);
    }
    WriteTimes { counts, seconds: MICROSECONDS.load(Ordering::Relaxed) as f64 / 1e6 }
}

/// Counts one write.
pub(super) fn count_write(took: Duration) {
    let seconds = took.as_secs_f64();
    let place = WRITE_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(WRITE_BOUNDS.len());
    if let Some(counted) = COUNTS.get(place) {
        counted.fetch_add(1, Ordering::Relaxed);
    }
    MICROSECONDS.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
