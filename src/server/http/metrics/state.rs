//! What stands in the state, counted when somebody asks: runs, incidents, and whether others were told. What is counted by is
//! from lists that are known: words of ours, and the targets of the configuration.

use std::collections::BTreeMap;

use super::super::journals::Trouble;
use super::{head, line};
use crate::config::{Config, Severity};
use crate::engine::{Clock as _, Doing, WallClock};
use crate::incident::Standing;
use crate::journal::{Incidents as _, Journal as _, Outbox as _, SqliteJournal, Subject};
use crate::run::Verdict;

pub(super) fn runs(text: &mut String, journal: &mut SqliteJournal) -> Result<(), Trouble> {
    let mut ended: BTreeMap<&'static str, u64> = Verdict::ALL.into_iter().map(|verdict| (verdict.word(), 0)).collect();
    let mut open: BTreeMap<&'static str, u64> =
        [Doing::Running, Doing::Waiting, Doing::Stopped, Doing::Interrupted, Doing::Stuck, Doing::Damaged]
            .into_iter()
            .map(|doing| (doing.word(), 0))
            .collect();
    for row in journal.runs()? {
        match row.verdict {
            Some(verdict) => *ended.entry(verdict.word()).or_default() += 1,
            None => *open.entry(Doing::of_row(&row).word()).or_default() += 1,
        }
    }
    head(text, "playbook_runs_ended", "gauge", "Runs in this state that have ended, by how.");
    ended.iter().for_each(|(verdict, count)| {
        line(text, "playbook_runs_ended", &format!("verdict=\"{verdict}\""), count);
    });
    head(text, "playbook_runs_open", "gauge", "Runs in this state that have not ended, by what they are doing.");
    open.iter().for_each(|(word, count)| line(text, "playbook_runs_open", &format!("state=\"{word}\""), count));
    head(text, "playbook_locks_held", "gauge", "Locks that are held.");
    line(text, "playbook_locks_held", "", journal.locks()?.len());
    head(text, "playbook_halted", "gauge", "Whether everything on this state is halted.");
    line(text, "playbook_halted", "", u8::from(journal.halted()?.is_some()));
    Ok(())
}

pub(super) fn incidents(text: &mut String, journal: &mut SqliteJournal) -> Result<(), Trouble> {
    let mut open: BTreeMap<Severity, u64> = Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
    for row in journal.incidents()? {
        // Of one that cannot be read nothing counts; `verify` says so.
        if row.damaged.is_none() && row.brief.standing == Standing::Open {
            *open.entry(row.brief.severity).or_default() += 1;
        }
    }
    head(text, "playbook_incidents_open", "gauge", "Incidents that are not resolved yet, by severity.");
    open.iter().for_each(|(severity, count)| {
        line(text, "playbook_incidents_open", &format!("severity=\"{}\"", severity.word()), count);
    });
    Ok(())
}

/// How one target stands.
#[derive(Default)]
struct Told {
    whole: u64,
    waiting: u64,
    failing: u64,
    given_up: u64,
    records: u64,
    oldest: f64,
}

pub(super) fn deliveries(text: &mut String, journal: &mut SqliteJournal, config: &Config) -> Result<(), Trouble> {
    // Only who is configured: a name that was once there makes no line for ever.
    let mut targets: BTreeMap<&str, Told> =
        config.notify.iter().map(|notify| (notify.name.as_str(), Told::default())).collect();
    if targets.is_empty() {
        return Ok(());
    }
    for known in journal.targets()? {
        if let Some(told) = targets.get_mut(known.target.as_str()) {
            told.whole = known.whole;
        }
    }
    for standing in journal.standings()? {
        let Some(told) = targets.get_mut(standing.target.as_str()) else { continue };
        let cursor = &standing.cursor;
        told.records += standing.head.saturating_sub(cursor.told);
        // Incidents are told too; what is counted one by one are runs.
        if !matches!(standing.subject, Subject::Run(_)) {
            continue;
        }
        match (cursor.dead_at.is_some(), cursor.attempts > 0) {
            (true, _) => told.given_up += 1,
            (false, true) => told.failing += 1,
            (false, false) => told.waiting += 1,
        }
    }
    let now = WallClock.now();
    for (target, told) in &mut targets {
        told.oldest = journal.oldest_untold(target)?.map_or(0.0, |at| now.seconds_since(at).max(0.0));
    }
    show(text, &targets);
    Ok(())
}

fn show(text: &mut String, targets: &BTreeMap<&str, Told>) {
    let name = "playbook_notify_runs";
    head(text, name, "gauge", "Runs that a target is told, by how far that has come.");
    for (target, told) in targets {
        for (state, count) in
            [("told", told.whole), ("waiting", told.waiting), ("failing", told.failing), ("given_up", told.given_up)]
        {
            line(text, name, &format!("target=\"{target}\",state=\"{state}\""), count);
        }
    }
    let name = "playbook_notify_untold_records";
    head(text, name, "gauge", "Records that a target was not told.");
    targets.iter().for_each(|(target, told)| line(text, name, &format!("target=\"{target}\""), told.records));
    let name = "playbook_notify_oldest_untold_seconds";
    head(
        text,
        name,
        "gauge",
        "Age of the oldest record that a target was not told and will be; 0 where there is none.",
    );
    targets.iter().for_each(|(target, told)| line(text, name, &format!("target=\"{target}\""), told.oldest));
}
