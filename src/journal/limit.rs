//! How often runs may begin: so many on one resource in a window, so that what flaps does not flip a database twice. Counted
//! from the runs' first records, in the same write that begins the next one. It must never count a run that changes nothing.

use std::fmt;

use super::JournalError;
use crate::ids::{Resource, RunId};
use crate::plan::{Decided, Plan};
use crate::run::{Event, Time};
use crate::spec::Fidelity;
use crate::value::format_seconds;

/// The brake that a person passes by name to begin a run all the same.
pub const RUN_LIMIT: &str = "run-limit";

/// How often runs may begin on one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct RunLimit {
    /// Of which playbook; of all of them together where absent.
    pub playbook: Option<String>,
    /// How many.
    pub runs: u32,
    /// In how many seconds.
    pub seconds: f64,
}

/// A run that began before.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// Which.
    pub run: RunId,
    /// Of which playbook.
    pub playbook: String,
    /// When it began.
    pub started: Time,
    /// Who began it.
    pub by: String,
    /// What it held.
    pub locks: Vec<Resource>,
    /// Whether it changes something, or may: no other counts against a limit.
    pub changes: bool,
    /// The run whose failed items it went over, if it was begun for that.
    pub over: Option<RunId>,
}

/// As many runs as may have begun.
#[derive(Debug, Clone, PartialEq)]
pub struct OverLimit {
    /// Which limit.
    pub limit: RunLimit,
    /// On which resource; none where the run holds none.
    pub resource: Option<Resource>,
    /// Those that began, newest first.
    pub earlier: Vec<Earlier>,
}

impl Earlier {
    /// What a first record says.
    pub(super) fn of(run: &RunId, at: Time, by: &str, event: &Event) -> Option<Self> {
        let Event::RunStarted { plan, locks, .. } = event else { return None };
        Some(Self {
            changes: changes(plan),
            run: run.clone(),
            playbook: plan.playbook.name.clone(),
            started: at,
            by: by.to_owned(),
            locks: locks.clone(),
            over: plan.narrowing.again.as_ref().map(|again| again.run.clone()),
        })
    }
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, resource, earlier } = self;
        let of = limit.playbook.as_deref().unwrap_or("any playbook");
        let on = resource.as_ref().map(|resource| format!(" on {resource}")).unwrap_or_default();
        let times = if earlier.len() == 1 { "once".to_owned() } else { format!("{} times", earlier.len()) };
        let per = format_seconds(limit.seconds);
        write!(f, "{of} was begun {times}{on} within {per}, and {} is the limit:", limit.runs)?;
        for (number, run) in earlier.iter().take(5).enumerate() {
            let comma = if number > 0 { ";" } else { "" };
            write!(f, "{comma} {} ({}) by {} at {}", run.run, run.playbook, run.by, clock(run.started))?;
        }
        if earlier.len() > 5 { write!(f, "; and {} more", earlier.len() - 5) } else { Ok(()) }
    }
}

fn clock(at: Time) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| at.to_string(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// The earliest start that any of these limits asks about.
pub(super) fn since(limits: &[RunLimit], at: Time) -> Option<Time> {
    limits.iter().map(|limit| at.plus_seconds(-limit.seconds)).min()
}

/// Whether a run may not begin, as enough have.
pub(super) fn over(
    limits: &[RunLimit],
    plan: &Plan,
    locks: &[Resource],
    earlier: &[Earlier],
    at: Time,
) -> Option<OverLimit> {
    if !changes(plan) {
        return None;
    }
    let book = &plan.playbook.name;
    limits.iter().filter(|limit| limit.playbook.as_ref().is_none_or(|name| name == book)).find_map(|limit| {
        let recent = |run: &&Earlier| {
            run.changes
                && run.started >= at.plus_seconds(-limit.seconds)
                && limit.playbook.as_ref().is_none_or(|name| name == &run.playbook)
        };
        let on = |resource: Option<&Resource>| {
            let held = |run: &&Earlier| match resource {
                Some(resource) => run.locks.contains(resource),
                // What holds nothing is counted by its name.
                None => run.locks.is_empty() && &run.playbook == book,
            };
            let mut found: Vec<Earlier> = earlier.iter().filter(recent).filter(held).cloned().collect();
            found.sort_by_key(|run| std::cmp::Reverse(run.started));
            (found.len() >= limit.runs as usize).then(|| OverLimit {
                limit: limit.clone(),
                resource: resource.cloned(),
                earlier: found,
            })
        };
        if locks.is_empty() { on(None) } else { locks.iter().find_map(|lock| on(Some(lock))) }
    })
}

/// The same as an error.
pub(super) fn check(limits: &[RunLimit], started: &Event, earlier: &[Earlier], at: Time) -> Result<(), JournalError> {
    let Event::RunStarted { plan, locks, .. } = started else { return Ok(()) };
    over(limits, plan, locks, earlier, at).map_or(Ok(()), |over| Err(JournalError::OverLimit(Box::new(over))))
}

/// Whether a plan changes something, or may.
fn changes(plan: &Plan) -> bool {
    plan.each_step().any(|(step, planned)| {
        let nothing = planned.prediction.changes.is_empty() && planned.fidelity >= Fidelity::Probed;
        step.effect.changes() && !matches!(planned.runs, Decided::No { .. }) && !nothing
    })
}
