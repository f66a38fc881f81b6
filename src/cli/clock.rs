//! Times for people: always UTC, so that a timeline reads the same for everybody who looks at it.

use jiff::Timestamp;

use crate::run::Time;

/// Now, by the wall clock.
pub fn now() -> Time {
    Time(Timestamp::now().as_millisecond())
}

/// The time of day (UTC), to the second: `15:20:30`.
pub fn time_of_day(time: Time) -> String {
    format(time, "%H:%M:%S")
}

/// Date and time of day (UTC): `2026-11-22 15:20:30`.
pub fn date_and_time(time: Time) -> String {
    format(time, "%Y-%m-%d %H:%M:%S")
}

fn format(time: Time, form: &str) -> String {
    match Timestamp::from_millisecond(time.0) {
        Ok(stamp) => stamp.strftime(form).to_string(),
        // Beyond the year 9999 nobody needs a date; the number still tells.
        Err(_) => format!("{} ms", time.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc() {
        assert_eq!(time_of_day(Time(1_795_360_830_123)), "15:20:30");
        assert_eq!(date_and_time(Time(0)), "1970-01-01 00:00:00");
        assert_eq!(date_and_time(Time(i64::MAX)), format!("{} ms", i64::MAX));
    }
}
