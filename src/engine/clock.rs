//! The wall clock of the records, and nothing else: leases go by the boot clock, waits by the runtime's.

use crate::run::Time;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The moment that a record is given.
    fn now(&self) -> Time;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Time {
        Time(jiff::Timestamp::now().as_millisecond())
    }
}
