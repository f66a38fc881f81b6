//! Freeze windows: when playbooks may not be started, on which environments, and which recoveries may all the same. Only what
//! is written counts: an exemption for recovery has to be named.

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// A window in which nothing is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// What it is called.
    pub name: String,
    /// When it begins: a moment (`2026-12-20T00:00:00Z`), or a day of every week (`fri 18:00`).
    pub from: String,
    /// When it ends, in the same form.
    pub to: String,
    /// In which time zone a day of the week is meant.
    #[serde(default)]
    pub zone: Option<String>,
    /// On which environments; on all where absent.
    #[serde(default)]
    pub environments: Option<Vec<String>>,
    /// Why.
    pub because: String,
    /// The playbooks that may be started all the same.
    #[serde(default)]
    pub except: Vec<String>,
}

/// When it is in force.
enum Window {
    Once(Timestamp, Timestamp),
    Weekly(TimeZone, (Weekday, Time), (Weekday, Time)),
}

impl Freeze {
    /// Whether it keeps a playbook from being started on an environment now.
    pub fn binds(&self, playbook: &str, environment: &str, now: Timestamp) -> bool {
        let here = self.environments.as_ref().is_none_or(|list| list.iter().any(|name| name == environment));
        let named = self.except.iter().any(|name| name == playbook);
        // What cannot be read was refused when the configuration was.
        here && !named && self.window().is_ok_and(|window| window.holds(now))
    }

    /// When it is in force, for a person.
    pub fn words(&self) -> String {
        match &self.zone {
            Some(zone) => format!("every week from {} to {} ({zone})", self.from, self.to),
            None => format!("from {} to {}", self.from, self.to),
        }
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> Option<String> {
        let of = |what: &str| Some(format!("`freeze` {:?}: {what}", self.name));
        if self.name.trim().is_empty() || self.because.trim().is_empty() {
            return of("it needs a `name` and a `because`");
        }
        if self.environments.as_ref().is_some_and(Vec::is_empty) {
            return of("an empty list of `environments` freezes nothing; leave it out for all of them");
        }
        let named = super::brakes::environments_problem("freeze", self.environments.as_deref());
        named.and_then(|why| of(&why)).or_else(|| self.window().err().and_then(|why| of(&why)))
    }

    fn window(&self) -> Result<Window, String> {
        let moments = (self.from.parse::<Timestamp>(), self.to.parse::<Timestamp>());
        match (moments, &self.zone) {
            ((Ok(from), Ok(to)), None) if from < to => Ok(Window::Once(from, to)),
            ((Ok(_), Ok(_)), None) => Err("`to` has to be later than `from`".to_owned()),
            ((Ok(_), Ok(_)), Some(_)) => Err("a moment has its offset in it: leave out `zone`".to_owned()),
            (_, Some(zone)) => {
                let zone =
                    TimeZone::get(zone).map_err(|_| format!("there is no time zone `{zone}` on this machine"))?;
                let (from, to) = (weekly(&self.from)?, weekly(&self.to)?);
                if from == to {
                    Err("`from` and `to` are the same".to_owned())
                } else {
                    Ok(Window::Weekly(zone, from, to))
                }
            }
            (_, None) => Err(format!(
                "`from: {}`, `to: {}`: write two moments (2026-12-20T00:00:00Z), or two days of the week (fri 18:00) and \
                 a `zone` (Europe/Berlin)",
                self.from, self.to
            )),
        }
    }
}

impl Window {
    fn holds(&self, now: Timestamp) -> bool {
        match self {
            Window::Once(from, to) => *from <= now && now < *to,
            Window::Weekly(zone, from, to) => {
                let now: Zoned = now.to_zoned(zone.clone());
                let now = place((now.weekday(), now.time()));
                let (from, to) = (place(*from), place(*to));
                if from < to { from <= now && now < to } else { from <= now || now < to }
            }
        }
    }
}

/// Where in the week a time is: days from Monday, then the time of day.
fn place((day, time): (Weekday, Time)) -> (i8, Time) {
    (day.to_monday_zero_offset(), time)
}

fn weekly(text: &str) -> Result<(Weekday, Time), String> {
    let wrong = || format!("`{text}` is no day of the week with a time: write fri 18:00");
    let (day, time) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let day = match day.to_ascii_lowercase().as_str() {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return Err(wrong()),
    };
    let (hour, minute) = time.trim().split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i8>().map_err(|_| wrong());
    Ok((day, Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(from: &str, to: &str, zone: Option<&str>) -> Freeze {
        Freeze {
            name: "f".to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            zone: zone.map(str::to_owned),
            environments: Some(vec!["production".to_owned()]),
            because: "b".to_owned(),
            except: vec!["db-failover".to_owned()],
        }
    }

    fn holds(freeze: &Freeze, now: &str) -> bool {
        freeze.binds("clear-cache", "production", now.parse().unwrap())
    }

    #[test]
    fn a_window_holds_from_its_first_to_before_its_last_moment() {
        let freeze = freeze("2026-12-20T00:00:00Z", "2027-01-04T08:00:00+01:00", None);
        assert_eq!(freeze.problem(), None);
        for (now, is) in [
            ("2026-12-19T23:59:59Z", false),
            ("2026-12-20T00:00:00Z", true),
            ("2027-01-04T06:59:59Z", true),
            ("2027-01-04T07:00:00Z", false),
        ] {
            assert_eq!(holds(&freeze, now), is, "{now}");
        }
        assert!(!freeze.binds("db-failover", "production", "2026-12-25T00:00:00Z".parse().unwrap()), "it is named");
        assert!(!freeze.binds("clear-cache", "staging", "2026-12-25T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_week_goes_over_its_end_and_follows_the_clocks_of_its_zone() {
        let freeze = freeze("fri 18:00", "Mon 06:00", Some("Europe/Berlin"));
        assert_eq!(freeze.problem(), None);
        for (now, is) in [
            // In winter Berlin is an hour ahead, in summer two.
            ("2026-11-20T16:59:59Z", false),
            ("2026-11-20T17:00:00Z", true),
            ("2026-11-22T12:00:00Z", true),
            ("2026-11-23T04:59:59Z", true),
            ("2026-11-23T05:00:00Z", false),
            ("2026-07-10T15:59:59Z", false),
            ("2026-07-10T16:00:00Z", true),
            ("2026-07-13T04:00:00Z", false),
        ] {
            assert_eq!(holds(&freeze, now), is, "{now}");
        }
        let within = super::tests::freeze("tue 09:00", "tue 17:30", Some("UTC"));
        assert!(holds(&within, "2026-11-24T09:00:00Z") && !holds(&within, "2026-11-24T17:30:00Z"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (from, to, zone, word) in [
            ("2026-12-20T00:00:00Z", "2026-12-20T00:00:00Z", None, "later"),
            ("2026-12-20T00:00:00Z", "2026-12-21T00:00:00Z", Some("UTC"), "zone"),
            ("fri 18:00", "mon 06:00", None, "zone"),
            ("fri 18:00", "mon 06:00", Some("Mars/Olympus"), "Mars/Olympus"),
            ("fri 18:00", "fri 18:00", Some("UTC"), "same"),
            ("fri 24:00", "mon 06:00", Some("UTC"), "fri 24:00"),
            ("someday 18:00", "mon 06:00", Some("UTC"), "someday"),
            ("friday", "mon 06:00", Some("UTC"), "friday"),
        ] {
            let problem = freeze(from, to, zone).problem().unwrap();
            assert!(problem.contains(word), "{from} {to}: {problem}");
        }
    }
}
