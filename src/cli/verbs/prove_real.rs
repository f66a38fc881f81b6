//! `prove --real`: the playbook is run for real as a child process, which is killed (kill -9) once a chosen record is
//! durable; the run is resumed, and then what it says must be true of the targets. For a lab: it never runs on an inventory
//! whose environment is production.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cli::args::{Output, Prove};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view;
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{Journal, SqliteJournal};
use crate::outcome::Outcome;
use crate::plan::{Drift, DriftKind, Plan, drift};
use crate::playbook::Rollback;
use crate::run::{Answer, Event, Record, RunState, Settlement, Task, Verdict};
use crate::sim::prove::{Asked, Column, End, Point, Proof, World};
use crate::spec::Effect;

/// How often the journal is looked at while a child runs.
const LOOK: Duration = Duration::from_millis(1);
/// How many questions of one run are answered.
const MOST_QUESTIONS: usize = 4;

/// Runs a playbook for real, kills it, resumes it.
///
/// # Errors
/// When it must not be run here, or does not succeed even when nothing goes wrong.
pub fn prove(setup: &Setup, args: &Prove) -> Result<Exit, Failure> {
    let inventory = allowed(setup, args)?;
    let mut lab = Lab { setup, args, journal: setup.own_journal()? };
    let begun = Instant::now();
    let (title, proof) = lab.all()?;
    let world = format!("the targets of {}", inventory.environment);
    let seconds = begun.elapsed().as_secs_f64();
    let shown = view::prove::Shown { proof: &proof, title: &title, world: &world, seconds, wanted: args.min_coverage };
    Ok(super::prove::show(setup, args, &shown))
}

/// The inventory, if a run may be killed on it.
fn allowed(setup: &Setup, args: &Prove) -> Result<Arc<Inventory>, Failure> {
    let inventory = setup.inventory()?;
    if inventory.environment == "production" {
        let what = "the inventory's environment is production: nothing is killed there on purpose";
        return Err(Failure::new(Exit::NotAllowed, what)
            .meaning("nothing was started or changed")
            .next("--inventory FILE names that of a lab"));
    }
    if !args.yes {
        let what = "--real runs the playbook for real, again and again, and kills it: that wants -y";
        return Err(Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed"));
    }
    Ok(inventory)
}

/// What is run, and on what.
struct Lab<'a> {
    setup: &'a Setup,
    args: &'a Prove,
    journal: SqliteJournal,
}

/// What the targets look like before a run, and after one at which nothing goes wrong.
struct Looks {
    before: Plan,
    after: Plan,
}

impl Lab<'_> {
    fn all(&mut self) -> Result<(String, Proof), Failure> {
        self.reset()?;
        let before = self.look()?;
        let title = format!("{}@{}", before.playbook.name, before.playbook.version);
        self.tell("running it once to its end, with nothing going wrong");
        let (run, _) = self.life(None)?;
        let state = self.state(&run)?;
        let verdict = state.ended.as_ref().map(|(verdict, ..)| *verdict);
        if !matches!(verdict, Some(Verdict::Succeeded | Verdict::SucceededWithExceptions)) {
            return Err(Failure::new(Exit::Failed, "it does not succeed here even when nothing goes wrong")
                .meaning("nothing could be proved; what that run did stands as it says")
                .next(format!("playbook status {run}")));
        }
        let records = state.seq;
        let looks = Looks { before, after: self.look()? };
        let mut proof = Proof::default();
        for at in spread(u64::from(self.args.points), records) {
            self.reset()?;
            let own = self.look()?;
            let (run, killed) = self.life(Some(at))?;
            if let Some(died) = killed {
                let point = self.point(&run, (at, died), &own, &looks)?;
                self.tell(&format!("killed at record {at} of about {records}: run {run}"));
                proof.points.push(point);
            } else {
                self.tell(&format!("run {run} was faster than the kill at record {at}: not counted"));
            }
        }
        self.reset()?;
        Ok((title, proof))
    }

    /// Brings the world back.
    fn reset(&self) -> Result<(), Failure> {
        let Some(command) = &self.args.reset else { return Ok(()) };
        let failed = |why: String| {
            Failure::new(Exit::Failed, format!("the world could not be brought back: `{command}` {why}"))
                .meaning("no further run was started; the targets are as the last one left them")
        };
        let mut reset = Command::new("/bin/sh");
        reset.arg("-c").arg(command).stdin(Stdio::null()).stdout(Stdio::null());
        match reset.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("ended with {status}"))),
            Err(error) => Err(failed(format!("cannot be run: {error}"))),
        }
    }

    /// What the targets look like now.
    fn look(&self) -> Result<Plan, Failure> {
        let chosen = self.setup.chosen(&self.args.name, &self.args.input, self.args.inputs_file.as_deref())?;
        // What brings the world back may have written the inventory anew.
        let inventory = allowed(self.setup, self.args)?;
        Ok(super::plan::make(self.setup, chosen, inventory, Output::Json)?.plan)
    }

    /// One run, killed once so many records are durable: its name, and how many there were when it died.
    fn life(&mut self, kill_at: Option<u64>) -> Result<(RunId, Option<u64>), Failure> {
        let mut words: Vec<String> = vec!["run".into(), self.args.name.clone(), "-y".into(), "--no-wait".into()];
        words.extend(self.args.input.iter().flat_map(|input| ["-i".to_owned(), input.clone()]));
        if let Some(file) = &self.args.inputs_file {
            words.extend(["--inputs-file".to_owned(), file.display().to_string()]);
        }
        let mut child = Ended(self.spawn(&words)?);
        let mut run = None;
        loop {
            let ended = child.0.try_wait().map_err(no_child)?;
            if run.is_none() {
                let rows = self.journal.runs()?;
                run = rows.into_iter().find(|row| row.lease.holder.pid == child.0.id()).map(|row| row.run);
            }
            let records = match &run {
                Some(run) => self.records(run)?.last().map_or(0, |record| record.seq),
                None => 0,
            };
            match (&run, ended) {
                (Some(run), Some(_)) => return Ok((run.clone(), None)),
                (None, Some(status)) => {
                    let what = format!("`playbook {}` did not begin a run: it ended with {status}", words.join(" "));
                    return Err(Failure::new(Exit::Failed, what)
                        .meaning("no further run was started")
                        .next(format!("playbook {}", words.join(" "))));
                }
                (Some(run), None) if kill_at.is_some_and(|at| records >= at) => {
                    child.0.kill().and_then(|()| child.0.wait()).map_err(no_child)?;
                    let run = run.clone();
                    let died = self.records(&run)?.last().map_or(0, |record| record.seq);
                    // The last record may have become durable in the moment of the kill.
                    let over = self.state(&run)?.ended.is_some();
                    return Ok((run, (!over).then_some(died)));
                }
                _ => std::thread::sleep(LOOK),
            }
        }
    }

    /// Resumes a run that was killed, answers what it asks, and holds what it says against the targets.
    fn point(&mut self, run: &RunId, (at, died): (u64, u64), own: &Plan, looks: &Looks) -> Result<Point, Failure> {
        let row = self.records(run)?.last().map_or_else(|| "run".to_owned(), row_of);
        let mut asked = Vec::new();
        self.child(&["resume", run.as_str(), "--no-wait"])?;
        let mut state = self.state(run)?;
        while let Some(question) = state.question.clone().filter(|_| asked.len() < MOST_QUESTIONS) {
            let safe = question.kind.answers().contains(&Answer::Undo) && asked.is_empty();
            let (answer, word) = if safe { (Answer::Undo, "--undo") } else { (Answer::Abandon, "--abandon") };
            let task = question.task.to_string();
            asked.push(Asked {
                task: task.clone(),
                kind: question.kind,
                message: question.message,
                answer: Some(answer),
            });
            self.child(&["resolve", run.as_str(), &task, word, "--reason", "as the proof wants it"])?;
            state = self.state(run)?;
        }
        let mut findings: Vec<String> = doubled(&self.records(run)?, &state);
        if let Some((seq, why)) = self.journal.verify(run)?.broken {
            findings.push(format!("the journal does not hold: record {seq}: {why}"));
        }
        let end = match &state.ended {
            Some((verdict, ..)) => End::Ended(*verdict),
            None => {
                findings.push(format!("run {run} neither ended nor waits for a person who was asked here"));
                End::Never
            }
        };
        let now = self.look()?;
        let specs = self.setup.specs();
        // A world that was made anew is another one in some things (its identity) before anything is done to it.
        let anew: Vec<DriftKind> = drift(&looks.before, own, &specs).into_iter().map(|drift| drift.what).collect();
        let told = |drift: &Drift| format!("{} is {}, was {}", drift.what, drift.is_text(), drift.was_text());
        let before: Vec<String> = drift(own, &now, &specs).iter().map(told).collect();
        let after = drift(&looks.after, &now, &specs);
        let after: Vec<String> = after.iter().filter(|drift| !anew.contains(&drift.what)).map(told).collect();
        findings.extend(lie(end, if leaves(&state) { &[] } else { &before }, &after));
        let world = match end {
            End::Ended(Verdict::Succeeded | Verdict::SucceededWithExceptions) if after.is_empty() => World::AsAfter,
            _ if before.is_empty() => World::AsBefore,
            _ if after.is_empty() => World::AsAfter,
            _ => World::Differs(before),
        };
        let place = format!("killed once record {at} was durable, dead at record {died}; run {run}");
        let (row, story) = (row, "for real".to_owned());
        let (first_only, doubt) = (true, !asked.is_empty());
        let branches = Vec::new();
        Ok(Point {
            row,
            column: Column::Record,
            story,
            place,
            first_only,
            asked,
            end,
            world,
            branches,
            findings,
            doubt,
        })
    }

    fn state(&mut self, run: &RunId) -> Result<RunState, Failure> {
        Ok(RunState::replay(run, &self.records(run)?)?)
    }

    fn records(&mut self, run: &RunId) -> Result<Vec<Record>, Failure> {
        Ok(self.journal.records(run, 0)?)
    }

    fn spawn(&self, words: &[impl AsRef<std::ffi::OsStr>]) -> Result<Child, Failure> {
        let this = std::env::current_exe().map_err(no_child)?;
        let mut command = Command::new(this);
        command.args(words).args(self.setup.flags()).args(["--output", "json"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(no_child)
    }

    fn child(&self, words: &[&str]) -> Result<(), Failure> {
        // What it ended with is in the journal, which is what counts.
        self.spawn(words)?.wait().map(|_| ()).map_err(no_child)
    }

    fn tell(&self, text: &str) {
        self.setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
    }
}

/// A child that does not outlive an error of ours.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // One that has ended already is only asked for its status once more.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn no_child(error: std::io::Error) -> Failure {
    Failure::new(Exit::Fault, format!("a process of this very program cannot be run: {error}"))
        .meaning("no further run was started")
        .next("playbook list --runs     (how the last one stands)")
}

/// So many records, spread evenly over a run; its last one ends it.
fn spread(points: u64, records: u64) -> Vec<u64> {
    let last = records.saturating_sub(1).max(1);
    let points = points.min(last);
    let mut list: Vec<u64> =
        (0..points).map(|index| 1 + index * (last - 1) / points.saturating_sub(1).max(1)).collect();
    list.dedup();
    list
}

/// The step that a record is about.
fn row_of(record: &Record) -> String {
    let form = serde_json::to_value(&record.event).unwrap_or_default();
    let text = |name: &str| form.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    text("task").or_else(|| text("step")).unwrap_or_else(|| "run".to_owned())
}

/// Attempts of a step that must not run twice and that took effect twice, as far as the journal was told.
fn doubled(records: &[Record], state: &RunState) -> Vec<String> {
    let mut effects: Vec<&Task> = Vec::new();
    for record in records {
        match &record.event {
            Event::Outcome { task, report, .. } if report.outcome == Outcome::Done => effects.push(task),
            Event::Settled { task, settlement: Settlement::TookEffect { .. }, .. } => effects.push(task),
            Event::Settled { task, settlement: Settlement::Ended { report }, .. }
                if report.outcome == Outcome::Done =>
            {
                effects.push(task);
            }
            _ => {}
        }
    }
    let promised = |task: &Task| {
        let effect = state.step_of(task).map_or(Effect::Read, |step| step.effect);
        matches!(effect, Effect::Probed | Effect::Once) && !task.is_undo()
    };
    let mut found: Vec<String> = Vec::new();
    for task in effects.iter().filter(|task| promised(task)) {
        let times = effects.iter().filter(|other| **other == *task).count();
        let text = format!("{task} took effect {times} times");
        if times > 1 && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Whether a rollback leaves something on purpose.
fn leaves(state: &RunState) -> bool {
    state.playbook().steps.iter().any(|step| {
        let stands = state.doings(&step.id).any(|(_, doing)| doing.may_have_effect());
        step.effect.changes() && matches!(step.rollback, Rollback::None { .. }) && stands
    })
}

fn lie(end: End, before: &[String], after: &[String]) -> Option<String> {
    match end {
        End::Ended(Verdict::Succeeded) if !after.is_empty() => {
            Some(format!("it says succeeded, and the targets are not as after a success: {}", after.join("; ")))
        }
        End::Ended(Verdict::RolledBack | Verdict::Failed) if !before.is_empty() => {
            Some(format!("it says that it is as before the run, and it is not: {}", before.join("; ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_are_spread_over_the_run() {
        assert_eq!(spread(10, 5), [1, 2, 3, 4]);
        assert_eq!(spread(3, 24), [1, 12, 23]);
        assert_eq!(spread(1, 24), [1]);
        assert_eq!(spread(4, 1), [1]);
    }
}
