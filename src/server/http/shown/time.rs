//! Times for programs: always UTC.

use jiff::Timestamp;

use crate::run::Time;

/// As RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(time: Time) -> String {
    // The last moment that has a date stands for what is beyond it.
    let stamp = Timestamp::from_millisecond(time.0).unwrap_or(if time.0 < 0 { Timestamp::MIN } else { Timestamp::MAX });
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
