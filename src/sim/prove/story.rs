//! The runs in which things are let go wrong: one that succeeds, one whose step fails so that everything is undone, and ones
//! that are cancelled. Each is played once as it is: what people are asked there is no doubt that a crash made.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::judge::{Outcome, follow};
use super::life::{Life, Scene, Stand, records_of};
use super::{Asked, Column, End, Proof, ProveError, is_success};
use crate::ids::StepId;
use crate::journal::{Failure, MemoryJournal};
use crate::run::{Checking, Event, Record, Task, Verdict};
use crate::sim::{Fault, Moved};

/// What the run is called in which nothing else goes wrong than what is done to it.
pub(super) const FORWARD: &str = "on its way forward";

/// How the world stands after a run at which nothing goes wrong: what all others are held against.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// The facts that are others then.
    pub(super) moved: BTreeSet<Moved>,
    /// The steps whose effect stands then.
    pub(super) standing: BTreeSet<String>,
    /// The tasks that moved a fact on the way.
    pub(super) shown: BTreeSet<String>,
}

/// A run in which things are let go wrong.
pub(super) struct Story {
    /// What it is, for a person.
    pub(super) title: String,
    /// What goes on in it by itself.
    setup: Setup,
    /// What people are asked in it when nothing else goes wrong.
    pub(super) asked: Vec<Asked>,
    /// Its records then.
    pub(super) records: Vec<Record>,
    /// What all runs are held against.
    pub(super) reference: Arc<Reference>,
}

/// What goes on in a story by itself.
#[derive(Debug, Clone, PartialEq)]
enum Setup {
    Nothing,
    /// A step fails at every attempt.
    Fails(String),
    /// It is cancelled once the record of this number is durable.
    Cancelled(u64),
    /// Nobody approves a step.
    Unanswered(StepId),
}

impl Story {
    /// The run at which nothing goes wrong.
    pub(super) async fn forward(stand: &Stand) -> Result<Self, ProveError> {
        let journal = stand.enter(&stand.fresh());
        let life = stand.start(&journal, None, None, None).await;
        let (standing, shown) = (stand.stage.ledger().standing(), stand.stage.movers());
        let reference = Reference { moved: stand.stage.moved(), standing, shown };
        let outcome = follow(stand, &reference, &journal, life, false).await;
        let well = matches!(outcome.end, End::Ended(verdict) if is_success(verdict)) && outcome.asked.is_empty();
        if !well {
            return Err(ProveError::Baseline(why_not(stand, &outcome)));
        }
        let title = FORWARD.to_owned();
        let (asked, records) = (outcome.asked, records_of(&journal));
        Ok(Self { title, setup: Setup::Nothing, asked, records, reference: Arc::new(reference) })
    }

    /// The runs that undo: one whose first approval nobody gives, one whose latest step that can be gone back from fails, one that is cancelled as late as that, one
    /// that is cancelled at its very end.
    pub(super) async fn undoing(stand: &Stand, forward: &Self, proof: &Proof) -> Vec<Self> {
        let mut setups = Vec::new();
        let rolls_back = proof.points.iter().rev().find(|point| {
            point.column == Column::Failed
                && point.row.parse::<Task>().is_ok()
                && !point.first_only
                && point.asked.is_empty()
                && point.end == End::Ended(Verdict::RolledBack)
        });
        if let Some(step) = stand.approved().first() {
            setups.push((format!("nobody approves {step}"), Setup::Unanswered(step.clone())));
        }
        if let Some(point) = rolls_back {
            setups.push((format!("{} fails and everything is undone", point.row), Setup::Fails(point.row.clone())));
        }
        let crossing = forward.records.iter().find(|record| {
            matches!(&record.event, Event::Intent { task, .. }
                if stand.playbook().step(&task.step).is_some_and(|step| step.point_of_no_return))
        });
        if let Some(record) = crossing {
            let title = "it is cancelled just before the point of no return".to_owned();
            setups.push((title, Setup::Cancelled(record.seq - 1)));
        }
        if let Some(end) = forward.records.iter().find(|record| matches!(record.event, Event::RunEnded { .. })) {
            setups.push(("it is cancelled at its very end".to_owned(), Setup::Cancelled(end.seq - 1)));
        }
        let mut stories = Vec::new();
        for (title, setup) in setups {
            let reference = Arc::clone(&forward.reference);
            let mut story = Self { title, setup, asked: Vec::new(), records: Vec::new(), reference };
            let journal = stand.enter(&story.scene(stand));
            let life = story.start(stand, &journal, None).await;
            let outcome = follow(stand, &story.reference, &journal, life, false).await;
            (story.asked, story.records) = (outcome.asked, records_of(&journal));
            stories.push(story);
        }
        stories
    }

    /// The world in which it begins.
    pub(super) fn scene(&self, stand: &Stand) -> Scene {
        let scene = stand.fresh();
        let Setup::Fails(step) = &self.setup else { return scene };
        stand.stage.restore(&scene.world);
        stand.stage.fail(step, None, Fault::FailedBefore);
        Scene { world: stand.stage.save(), ..scene }
    }

    /// Its first life.
    pub(super) async fn start(&self, stand: &Stand, journal: &MemoryJournal, failure: Option<Failure>) -> Life {
        stand.start(journal, failure, self.cancelled_after(), self.unanswered()).await
    }

    /// The same where everything is halted behind a record.
    pub(super) async fn start_halted(&self, stand: &Stand, journal: &MemoryJournal, halt: u64) -> Life {
        stand.start_halted(journal, self.cancelled_after(), self.unanswered(), halt).await
    }

    fn unanswered(&self) -> Option<&StepId> {
        match &self.setup {
            Setup::Unanswered(step) => Some(step),
            _ => None,
        }
    }

    /// Behind which record it is cancelled, if it is.
    pub(super) fn cancelled_after(&self) -> Option<u64> {
        match self.setup {
            Setup::Cancelled(after) => Some(after),
            _ => None,
        }
    }

    /// Whether only what happens once the undo has begun is of interest: what comes before it is another story's.
    pub(super) fn is_undoing(&self) -> bool {
        self.setup != Setup::Nothing
    }

    /// The tasks that were begun in it, in order.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let mut tasks: Vec<Task> = Vec::new();
        for record in &self.records {
            if let Event::Intent { task, arguments, .. } = &record.event
                && !tasks.contains(task)
                && !arguments.is_null()
            {
                tasks.push(task.clone());
            }
        }
        tasks
    }

    /// The checks that were made in it, each with the task that it was made at.
    pub(super) fn checks(&self) -> Vec<(Task, Checking)> {
        let of = |record: &Record| match &record.event {
            Event::Checked { task, found, .. } => found.iter().map(|found| (task.clone(), found.clone())).collect(),
            _ => Vec::new(),
        };
        self.records.iter().flat_map(of).collect()
    }

    /// Whether people were asked more than in the story as it is.
    pub(super) fn is_more(&self, asked: &[Asked]) -> bool {
        let times = |list: &[Asked], question: &Asked| {
            list.iter().filter(|other| other.task == question.task && other.kind == question.kind).count()
        };
        asked.iter().any(|question| times(asked, question) > times(&self.asked, question))
    }
}

/// Why a run at which nothing goes wrong did not succeed.
fn why_not(stand: &Stand, outcome: &Outcome) -> String {
    let lacking = stand.stage.lacking();
    let why = match (lacking.first(), outcome.asked.first(), outcome.findings.first()) {
        (Some(lacking), ..) => format!("the world does not say what it needs at {lacking}"),
        (_, Some(asked), _) => asked.message.clone(),
        (_, _, Some(finding)) => finding.clone(),
        _ => outcome.summary.clone(),
    };
    format!("{} does not succeed in this world even when nothing goes wrong: {why}", stand.playbook().name)
}
