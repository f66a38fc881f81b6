//! Identities and invariants: when each is looked at, and what becomes of the run when one does not hold. Before the point of
//! no return it goes back; behind it a person is asked. A wrong identity changes nothing any more, not even by an undo.

use serde::{Deserialize, Serialize};

use super::super::decide::{Decision, record, under_way};
use super::super::{Condition, Event, Question, QuestionKind, RunState, Task, TaskState, Time};
use super::INVARIANTS;
use crate::ids::ItemId;
use crate::playbook::{Check, CheckKind};

/// When checks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before something is changed.
    Before,
    /// After something was changed.
    After,
    /// Before a checkpoint counts as reached.
    Checkpoint,
}

/// A check that is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due<'a> {
    /// Its place among the playbook's checks.
    pub place: usize,
    /// It.
    pub check: &'a Check,
    /// For which item, where it belongs to a nested playbook that runs for each.
    pub item: Option<ItemId>,
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checking {
    /// Its place among the playbook's checks.
    pub place: usize,
    /// For which item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// Its name.
    pub name: String,
    /// Whether it holds.
    pub condition: Condition,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What it was found at.
    pub task: Task,
    /// What does not hold.
    pub kind: BrokenKind,
    /// What, for a person.
    pub because: String,
    /// The changes after which it was looked at.
    pub after: Vec<Task>,
    /// The checks that do not hold, each by its place and the item that it is about.
    pub checks: Vec<(usize, Option<ItemId>)>,
}

/// What kind of thing does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenKind {
    /// The run talks to somebody else than it is meant to.
    Identity,
    /// An invariant.
    Invariant,
    /// A budget of time.
    Budget,
}

impl RunState {
    /// The checks that are due at a moment, about a task.
    pub fn checks_due(&self, task: &Task, moment: Moment) -> Vec<Due<'_>> {
        let owed = self.brakes.owed.iter();
        let about: Vec<&Task> = match moment {
            Moment::Before => vec![task],
            Moment::After => owed.chain([task]).collect(),
            Moment::Checkpoint => owed.chain(self.brakes.owed_at_checkpoint.values()).chain([task]).collect(),
        };
        let mut due: Vec<Due<'_>> = Vec::new();
        for (place, check) in self.playbook().checks.iter().enumerate() {
            for task in &about {
                let Some(item) = self.concerns(check, task) else { continue };
                let known = due.iter().any(|due| due.place == place && due.item == item);
                if !known && self.is_due(place, check, item.as_ref(), task, moment) {
                    due.push(Due { place, check, item });
                }
            }
        }
        due
    }

    fn is_due(&self, place: usize, check: &Check, item: Option<&ItemId>, task: &Task, moment: Moment) -> bool {
        let seen = self.brakes.seen.get(&(place, item.cloned()));
        match (check.kind, moment) {
            // A process that takes the run up looks for itself.
            (CheckKind::Identity, Moment::Before) => seen != Some(&self.epoch),
            (CheckKind::Always, Moment::Before) => !task.is_undo() && seen.is_none(),
            (CheckKind::Identity, _) | (CheckKind::Checkpoints, Moment::Before | Moment::After) => false,
            (CheckKind::Always, Moment::After | Moment::Checkpoint) | (CheckKind::Checkpoints, _) => true,
        }
    }

    /// Whether a check is about a task, and for which item then.
    fn concerns(&self, check: &Check, task: &Task) -> Option<Option<ItemId>> {
        let Some(group) = &check.group else { return Some(None) };
        let book = self.playbook();
        let inside = book.step(&task.step).and_then(|step| step.group.as_ref());
        let group = book.around(inside).find(|around| &around.id == group)?;
        let repeated = book.each_around(group.parent.as_ref()).is_some();
        Some(task.item.clone().filter(|_| repeated))
    }

    /// A task has changed something, or may have: what holds all the time is to be looked at.
    pub(in crate::run) fn owe(&mut self, task: &Task) {
        let changes = self.step_of(task).is_some_and(|step| step.effect.changes());
        if self.playbook().checks.is_empty() || task.is_undo() || !changes || self.rollback.is_some() {
            return;
        }
        let (mut always, mut checkpoints) = (false, Vec::new());
        for (place, check) in self.playbook().checks.iter().enumerate() {
            match (check.kind, self.concerns(check, task)) {
                (CheckKind::Always, Some(_)) => always = true,
                (CheckKind::Checkpoints, Some(item)) => checkpoints.push((place, item)),
                _ => {}
            }
        }
        if always && !self.brakes.owed.contains(task) {
            self.brakes.owed.push(task.clone());
        }
        self.brakes.owed_at_checkpoint.extend(checkpoints.into_iter().map(|of| (of, task.clone())));
    }

    /// The same of all that failed half-way and was passed over.
    pub(in crate::run) fn owe_for_failures(&mut self) {
        if self.playbook().checks.is_empty() {
            return;
        }
        // What is under way beside it is owed once it has come to its end: it may change more until then.
        let over = |state: &TaskState| !state.passed && !state.is_in_flight() && state.may_have_effect();
        let failed = |task: &&Task| self.doing(task).is_some_and(over);
        let failed: Vec<Task> = self.order.iter().filter(failed).cloned().collect();
        failed.iter().for_each(|task| self.owe(task));
    }

    /// The run goes forward again after it went back: what stands is looked at before anything is added to it.
    pub(in crate::run) fn owe_for_all(&mut self) {
        if self.playbook().checks.is_empty() {
            return;
        }
        let stands = |task: &&Task| self.doing(task).is_some_and(TaskState::may_have_effect);
        let standing: Vec<Task> = self.order.iter().filter(stands).cloned().collect();
        standing.iter().for_each(|task| self.owe(task));
    }

    pub(in crate::run) fn checked(
        &mut self,
        task: &Task,
        moment: Moment,
        after: &[Task],
        found: &[Checking],
    ) -> Result<(), String> {
        let mut broken: Option<Broken> = None;
        for Checking { place, item, name, condition } in found {
            let check = self.playbook().checks.get(*place).ok_or_else(|| format!("there is no check {place}"))?;
            if condition.held {
                self.brakes.seen.insert((*place, item.clone()), self.epoch);
                continue;
            }
            let kind = match check.kind {
                CheckKind::Identity => BrokenKind::Identity,
                CheckKind::Always | CheckKind::Checkpoints => BrokenKind::Invariant,
            };
            let when = match moment {
                Moment::Before => format!("before {task}"),
                Moment::After | Moment::Checkpoint => format!("after {task}"),
            };
            let passed = kind == BrokenKind::Invariant && self.brakes.passed.contains(INVARIANTS);
            let because = format!(
                "{} `{name}` does not hold {when}: `{}` ({})",
                check.kind.word(),
                condition.source,
                condition.detail
            );
            // Whoever started the run has said that it goes on all the same: it is told, and held against nobody.
            if passed {
                self.brakes.seen.insert((*place, item.clone()), self.epoch);
                self.exceptions.push(because);
                continue;
            }
            match &mut broken {
                // A person who is asked hears of all of it: going on is going on over all of it.
                Some(broken) => {
                    broken.because = format!("{}; {because}", broken.because);
                    broken.checks.push((*place, item.clone()));
                    if kind == BrokenKind::Identity {
                        broken.kind = kind;
                    }
                }
                None => {
                    let own = (moment != Moment::Before).then(|| task.clone());
                    let after = after.iter().cloned().chain(own).collect();
                    broken =
                        Some(Broken { task: task.clone(), kind, because, after, checks: vec![(*place, item.clone())] });
                }
            }
        }
        self.brakes.owed.retain(|owed| !after.contains(owed));
        if moment == Moment::Checkpoint {
            self.brakes.owed_at_checkpoint.retain(|_, owed| owed != task && !after.contains(owed));
        }
        if broken.is_some() {
            self.brakes.broken = broken;
        }
        Ok(())
    }

    /// A person has answered what is to become of something that does not hold.
    pub(in crate::run) fn mended(&mut self, again: bool) {
        let Some(broken) = self.brakes.broken.take() else { return };
        match again {
            true => broken.after.iter().for_each(|task| self.owe(task)),
            // It is known that they do not hold: without that, what comes before the first change would ask for ever.
            false => self.brakes.seen.extend(broken.checks.into_iter().map(|check| (check, self.epoch))),
        }
    }

    /// The run goes back: what was owed on the way forward is not looked at any more.
    pub(in crate::run) fn forget_checks(&mut self) {
        self.brakes.broken = None;
        self.brakes.owed.clear();
        self.brakes.owed_at_checkpoint.clear();
    }

    /// The tasks whose changes are looked at by a look at this moment, each once.
    pub fn owed(&self, moment: Moment) -> Vec<Task> {
        let at_checkpoint = self.brakes.owed_at_checkpoint.values().filter(|_| moment == Moment::Checkpoint);
        let mut all: Vec<Task> = match moment {
            Moment::Before => Vec::new(),
            Moment::After | Moment::Checkpoint => self.brakes.owed.iter().chain(at_checkpoint).cloned().collect(),
        };
        all.sort();
        all.dedup();
        all
    }
}

/// Puts a look at what must hold before what would begin: after a change before anything else, and before the first change.
pub(in crate::run) fn hold_back(run: &RunState, mut decisions: Vec<Decision>) -> Vec<Decision> {
    if run.playbook().checks.is_empty() {
        return decisions;
    }
    let due = |task: &Task, moment: Moment| !run.checks_due(task, moment).is_empty();
    let changes = |task: &Task| run.step_of(task).is_some_and(|step| step.effect.changes());
    let after = run.brakes.owed.first().filter(|task| run.rollback.is_none() && due(task, Moment::After));
    let before = || {
        decisions.iter().find_map(|decision| match decision {
            Decision::Prepare { task, .. } if changes(task) && due(task, Moment::Before) => Some(task.clone()),
            _ => None,
        })
    };
    let check = match after {
        Some(task) => Some(Decision::Check { task: task.clone(), moment: Moment::After }),
        None => before().map(|task| Decision::Check { task, moment: Moment::Before }),
    };
    if let Some(check) = check {
        decisions.retain(|decision| !decision.begins());
        decisions.push(check);
    }
    decisions
}

/// A run does not end while a look at what it changed last is owed.
pub(in crate::run) fn before_end(run: &RunState) -> Option<Decision> {
    let task = run.brakes.owed.first()?;
    Some(Decision::Check { task: task.clone(), moment: Moment::After })
}

/// A checkpoint counts as reached once what must hold there was looked at; what is under way goes on meanwhile.
pub(in crate::run) fn with_checkpoint(run: &RunState, decision: Decision, now: Time) -> Vec<Decision> {
    let reaches = matches!(&decision, Decision::Record(event) if matches!(**event, Event::CheckpointReached { .. }));
    let owed =
        run.brakes.owed.last().or_else(|| run.brakes.owed_at_checkpoint.values().next_back()).filter(|_| reaches);
    let Some(task) = owed.filter(|task| !run.checks_due(task, Moment::Checkpoint).is_empty()) else {
        return vec![decision];
    };
    let mut all: Vec<Decision> = run.in_flight().map(|(task, state)| under_way(run, task, state, now)).collect();
    all.push(Decision::Check { task: task.clone(), moment: Moment::Checkpoint });
    all
}

/// What becomes of a run in which something does not hold, once nothing is under way.
pub(in crate::run) fn answer_to(run: &RunState, broken: &Broken) -> Decision {
    let ask = |kind: QuestionKind| {
        let question = Question { task: broken.task.clone(), kind, message: broken.because.clone(), deadline: None };
        record(Event::WaitStarted { question })
    };
    match broken.kind {
        // Who is not who they should be must not be touched: an undo would be a change too.
        BrokenKind::Identity if run.touched() || run.rollback.is_some() => ask(QuestionKind::WrongIdentity),
        BrokenKind::Invariant if run.point_of_no_return().is_some() => ask(QuestionKind::InvariantBroken),
        _ => record(Event::RollbackStarted { to: None, because: broken.because.clone() }),
    }
}
