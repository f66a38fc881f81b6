//! A service level, and how the answers of a load stand against it. It only counts.

use std::collections::BTreeMap;

use serde_json::json;

use crate::value::Value;

/// How many reasons are told.
const MOST_REASONS: usize = 10;

/// What has to hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Level {
    success: f64,
    statuses: Vec<u64>,
    /// A share, its name and what it may take at most, in seconds.
    limits: Vec<(f64, &'static str, f64)>,
}

impl Level {
    pub(super) fn read(arguments: &Value) -> Result<Self, String> {
        let number = |name: &str| arguments.get(name).and_then(Value::as_f64);
        let success = number("success").unwrap_or(1.0);
        if !(0.0..=1.0).contains(&success) {
            return Err(format!("`success` is a share from 0 to 1 (0.99 is 99 %), not {success}"));
        }
        let statuses = arguments.get("expect_status").and_then(Value::as_array);
        let shares = [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")];
        let limits = shares.into_iter().filter_map(|(share, name)| Some((share, name, number(name)?)));
        Ok(Self {
            success,
            statuses: statuses.map(|list| list.iter().filter_map(Value::as_u64).collect()).unwrap_or_default(),
            limits: limits.collect(),
        })
    }

    /// Whether a status is a success.
    pub(super) fn is_good(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&u64::from(status)) }
    }
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ended {
    /// From the moment at which it was to leave.
    pub(super) seconds: f64,
    pub(super) status: Option<u16>,
    pub(super) failure: Option<String>,
}

impl Ended {
    pub(super) fn failed(why: impl Into<String>, seconds: f64) -> Self {
        Self { seconds, status: None, failure: Some(why.into()) }
    }

    pub(super) fn rounded(&self) -> f64 {
        rounded(self.seconds)
    }
}

/// All answers so far.
#[derive(Debug)]
pub(super) struct Tally {
    level: Level,
    /// How many are to be sent in all.
    count: usize,
    /// How many were to leave by now.
    pub(super) sent: usize,
    times: Vec<f64>,
    /// How many were answered, and over the limit of the same place in the level.
    slow: Vec<usize>,
    reasons: BTreeMap<String, usize>,
    failures: usize,
}

impl Tally {
    pub(super) fn new(level: Level, count: usize) -> Self {
        let slow = vec![0; level.limits.len()];
        Self { level, count, sent: 0, times: Vec::new(), slow, reasons: BTreeMap::new(), failures: 0 }
    }

    pub(super) fn add(&mut self, ended: Ended) {
        let Some(why) = ended.failure else {
            // Counted as they come: counting anew for each answer would hold up those that are to leave.
            for (slow, (.., limit)) in self.slow.iter_mut().zip(&self.level.limits) {
                *slow += usize::from(ended.seconds > *limit);
            }
            return self.times.push(ended.seconds);
        };
        self.failures += 1;
        let why: String = why.chars().take(160).collect();
        if self.reasons.len() < MOST_REASONS || self.reasons.contains_key(&why) {
            *self.reasons.entry(why).or_default() += 1;
        }
    }

    /// Whether the level cannot be met any more, whatever the rest does; and why.
    fn lost(&self) -> Option<String> {
        let needed = (self.level.success * self.count as f64 - 1e-9).ceil() as usize;
        let first = self.reasons.iter().max_by_key(|(_, times)| **times).map(|(why, _)| format!(": {why}"));
        if self.failures > self.count.saturating_sub(needed) {
            return Some(format!(
                "{} of {} requests failed, and {} have to succeed{}",
                self.failures,
                self.count,
                percent(self.level.success),
                first.unwrap_or_default()
            ));
        }
        self.level.limits.iter().zip(&self.slow).find_map(|((share, name, limit), slow)| {
            let slow = self.failures + slow;
            let room = self.count - rank(*share, self.count);
            (slow > room).then(|| {
                format!(
                    "{slow} of {} requests took more than {:.0} ms (or failed), so {name} is over its limit{}",
                    self.count,
                    limit * 1000.0,
                    first.as_deref().unwrap_or_default()
                )
            })
        })
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost().is_some()
    }

    /// What so large a share of all requests took at most; nothing where it is among those that failed.
    fn at(&self, share: f64) -> Option<f64> {
        let mut times = self.times.clone();
        times.sort_by(f64::total_cmp);
        let all = times.len() + self.failures;
        rank(share, all).checked_sub(1).and_then(|place| times.get(place)).map(|time| rounded(*time))
    }

    /// In a line: how it went, or why the level is lost.
    pub(super) fn verdict(&self) -> Result<String, String> {
        let answered = self.times.len() + self.failures;
        let time =
            |share: f64| self.at(share).map_or_else(|| "–".to_owned(), |time| format!("{:.0} ms", time * 1000.0));
        let times = format!("p50 {}, p95 {}, p99 {}", time(0.5), time(0.95), time(0.99));
        match self.lost() {
            None => Ok(format!("{} of {answered} requests succeeded, {times}", self.times.len())),
            Some(why) if self.sent < self.count => {
                Err(format!("{why}; stopped after {} of them, {} answered; {times}", self.sent, answered))
            }
            Some(why) => Err(format!("{why}; {times}")),
        }
    }

    pub(super) fn outputs(&self) -> Value {
        let answered = self.times.len() + self.failures;
        let share = if answered == 0 { 0.0 } else { self.times.len() as f64 / answered as f64 };
        json!({
            "met": !self.is_lost(), "sent": self.sent, "succeeded": self.times.len(), "success": share,
            "p50": self.at(0.5), "p95": self.at(0.95), "p99": self.at(0.99),
            "stopped_early": self.is_lost() && self.sent < self.count, "failures": self.reasons,
        })
    }
}

/// The place, from 1, of the request that so large a share does not exceed.
fn rank(share: f64, count: usize) -> usize {
    ((share * count as f64 - 1e-9).ceil() as usize).clamp(usize::from(count > 0), count)
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10_000.0).round() / 10_000.0
}

fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(arguments: Value, count: usize, times: &[f64], failed: usize) -> Tally {
        let mut tally = Tally::new(Level::read(&arguments).unwrap(), count);
        times.iter().for_each(|time| tally.add(Ended { seconds: *time, status: Some(200), failure: None }));
        (0..failed).for_each(|_| tally.add(Ended::failed("no", 0.0)));
        tally.sent = times.len() + failed;
        tally
    }

    #[test]
    fn the_level_is_lost_as_soon_as_it_cannot_be_met() {
        let share = json!({ "success": 0.9 });
        assert!(!tally(share.clone(), 100, &[], 10).is_lost());
        assert!(tally(share, 100, &[], 11).is_lost(), "the other 89 cannot make it 90");
        assert!(tally(json!({}), 100, &[0.1], 1).is_lost(), "all have to succeed unless it is said");
        let slow = json!({ "success": 0.5, "p95": 0.2 });
        assert!(!tally(slow.clone(), 100, &[0.3; 5], 0).is_lost());
        assert!(tally(slow.clone(), 100, &[0.3; 6], 0).is_lost());
        assert!(tally(slow, 100, &[0.3; 3], 3).is_lost(), "one that failed is slower than any limit");
        assert!(tally(json!({ "p99": 0.2 }), 1, &[0.3], 0).is_lost(), "one request is all there is");
    }

    #[test]
    fn times_are_those_of_all_requests() {
        let times: Vec<f64> = (1..=100).map(|n| f64::from(n) / 1000.0).collect();
        let all = tally(json!({}), 100, &times, 0);
        assert_eq!((all.at(0.5), all.at(0.95), all.at(0.99)), (Some(0.05), Some(0.095), Some(0.099)));
        let half = tally(json!({ "success": 0.0 }), 200, &times, 100);
        assert_eq!((half.at(0.5), half.at(0.95)), (Some(0.1), None));
        assert_eq!(tally(json!({}), 10, &[], 0).at(0.5), None);
        assert!(tally(json!({}), 2, &[0.1, 0.1], 0).verdict().unwrap().contains("2 of 2"));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut tally = Tally::new(Level::read(&json!({ "success": 0 })).unwrap(), 1000);
        (0..1000).for_each(|n| tally.add(Ended::failed(format!("{n} {}", "x".repeat(1000)), 0.0)));
        assert!(tally.outputs().to_string().len() < 10_000);
        assert!(Level::read(&json!({ "success": 99 })).is_err());
    }
}
