//! What can happen in a run. Everything that a decision rests on is in an event; nothing else is.

use serde::{Deserialize, Serialize};

use super::{
    Answer, Asking, Checking, Condition, Holder, Inheritance, LeaseReason, Moment, Question, RequestKind, Settlement,
    SkipHow, SkipReason, StopKind, Task, Time, Verdict,
};
use crate::ids::{ItemId, Resource, StepId};
use crate::outcome::Report;
use crate::plan::{Excluded, Item, Plan};
use crate::spec::Effect;
use crate::value::Value;

/// The form of the records that this version writes, and the newest that it knows.
pub const FORMAT: u32 = 3;

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename_all = "snake_case")]
pub enum Event {
    /// A run began with this plan. Always the first record.
    RunStarted {
        /// What it executes.
        #[serde(with = "crate::value::shared")]
        plan: std::sync::Arc<Plan>,
        /// What it holds.
        locks: Vec<Resource>,
        /// The incident that it belongs to.
        incident: Option<String>,
        /// The form of the journal.
        format: u32,
        /// The version of this tool.
        tool: String,
        /// Brakes that were passed by name, each with its reason.
        overrides: Vec<(String, String)>,
        /// The steps that whoever started it approved ahead.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approved: Vec<StepId>,
    },
    /// A process holds the run from here on.
    LeaseTaken {
        /// Which.
        holder: Holder,
        /// Why.
        reason: LeaseReason,
    },
    /// A group of steps begins: its `if` holds, and where it is a `for_each` its list is what it is from here on.
    GroupEntered {
        /// Which.
        task: Task,
        /// The list, of a `for_each`, in the order in which it is gone over.
        items: Option<Vec<Item>>,
        /// How many items the list had before it was narrowed, where it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        whole: Option<usize>,
        /// What is left out of the list, and why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        excluded: Vec<Excluded>,
        /// How many items each batch takes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        batches: Vec<u32>,
        /// How many items may fail in all.
        #[serde(default, skip_serializing_if = "is_zero")]
        max_failures: u32,
        /// How many items must be well beside those of the batch in hand.
        #[serde(default, skip_serializing_if = "is_zero")]
        min_healthy: u32,
    },
    /// The next batch of a `for_each` begins, after the pause before it.
    BatchBegan {
        /// The `for_each`.
        task: Task,
        /// Which batch, from 0.
        batch: u32,
    },
    /// A step or a group does not run.
    StepSkipped {
        /// Which.
        #[serde(alias = "step")]
        task: Task,
        /// Why.
        reason: SkipReason,
    },
    /// A step was not begun, as something that must hold does not: it certainly changed nothing.
    StepRefused {
        /// Which.
        #[serde(alias = "step")]
        task: Task,
        /// Which try.
        attempt: u32,
        /// What does not hold, for a person.
        message: String,
        /// Whether trying again may help (the target was not reachable) or not (it said no).
        retryable: bool,
        /// Whether it was refused as the world drifted from the plan.
        drift: bool,
    },
    /// An attempt is about to be made. Durable before the first byte leaves.
    Intent {
        /// What.
        task: Task,
        /// Which try, from 1.
        attempt: u32,
        /// With what: an object.
        arguments: Value,
        /// What was there before, as the action read it; null where it read nothing.
        before: Value,
        /// What the target and the recorder know it by; the same when it is run again for `keyed`.
        key: String,
        /// How often it may run.
        effect: Effect,
        /// How long it may take, in seconds.
        timeout: f64,
        /// After how many seconds the target itself takes it back unless it is confirmed, if it does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reverts_after: Option<f64>,
    },
    /// An attempt ended, as far as the runner could see.
    Outcome {
        /// What.
        task: Task,
        /// Which try.
        attempt: u32,
        /// What is known.
        report: Report,
    },
    /// An attempt whose outcome was missing or unknown was looked into.
    Settled {
        /// What.
        task: Task,
        /// Which try.
        attempt: u32,
        /// What was found.
        settlement: Settlement,
        /// What was seen, for a person.
        evidence: String,
    },
    /// The conditions after a step were looked at, until they held or their time was up.
    Verified {
        /// Which step.
        #[serde(alias = "step")]
        task: Task,
        /// Whether all hold.
        passed: bool,
        /// Each.
        conditions: Vec<Condition>,
    },
    /// An item of a `for_each` failed: what is left of its steps does not run. Whether the whole has failed by that is
    /// decided once the others of its batch are done.
    ItemFailed {
        /// The `for_each`.
        task: Task,
        /// Which item.
        item: ItemId,
        /// What failed.
        because: String,
    },
    /// A step or a group failed and the run goes on, as its `on_failure` says; it ends with exceptions.
    FailureAccepted {
        /// Which.
        #[serde(alias = "step")]
        task: Task,
        /// What failed and where it goes on.
        because: String,
    },
    /// A safe state was reached.
    CheckpointReached {
        /// Its name.
        name: String,
        /// After which step or group.
        step: StepId,
    },
    /// From here on the run undoes.
    RollbackStarted {
        /// The checkpoint to stop at; the start where absent.
        to: Option<String>,
        /// Why.
        because: String,
    },
    /// A person is needed.
    WaitStarted {
        /// For what.
        question: Question,
    },
    /// A person was paged.
    Paged {
        /// How, and whether it worked.
        message: String,
    },
    /// A person answered.
    Answered {
        /// About what.
        task: Task,
        /// What.
        answer: Answer,
        /// Why.
        reason: String,
    },
    /// A person asked for something else to happen with the run.
    Requested {
        /// What.
        request: RequestKind,
        /// Why.
        reason: String,
    },
    /// The run stopped where it was; it can be resumed.
    Stopped {
        /// How.
        kind: StopKind,
        /// Why.
        because: String,
    },
    /// A stopped run goes on.
    Resumed {
        /// Why.
        reason: String,
    },
    /// Everything on the state is halted: nothing new begins in this run either.
    Halted {
        /// The halt's number; it only rises.
        number: i64,
        /// Who halted.
        by: String,
        /// Why; may be empty.
        reason: String,
        /// Since when.
        since: Time,
    },
    /// The halt has ended: the run goes on.
    HaltLifted {
        /// By whom.
        by: String,
        /// Why.
        reason: String,
    },
    /// Something worth telling, without any effect on what comes next.
    Note {
        /// What.
        message: String,
    },
    /// People are asked whether a step or a group may begin.
    ApprovalAsked {
        /// Which.
        task: Task,
        /// Who is asked for what.
        asking: Box<Asking>,
    },
    /// A person said that it may.
    Approved {
        /// What.
        task: Task,
        /// Why.
        reason: String,
        /// Of which roles the person is.
        roles: Vec<String>,
        /// Whether the glass was broken: it counts for all whose approval was missing.
        break_glass: bool,
        /// Whether nobody else is missing.
        complete: bool,
    },
    /// A person said that it may not: it certainly changed nothing.
    Rejected {
        /// What.
        task: Task,
        /// Why.
        reason: String,
    },
    /// Identities and invariants were looked at.
    Checked {
        /// Before or after what.
        task: Task,
        /// When.
        moment: Moment,
        /// The changes that are looked at by it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        after: Vec<Task>,
        /// What each came to.
        found: Vec<Checking>,
    },
    /// It took longer from one step to another than it may.
    BudgetExceeded {
        /// From which.
        from: StepId,
        /// To which.
        to: StepId,
        /// How long it may take, in seconds.
        max: f64,
        /// How long it has taken so far.
        taken: f64,
    },
    /// A person has taken a step, a group, an item or a part of an undo out of the run's hands.
    SkippedByPerson {
        /// Which.
        task: Task,
        /// What was said of it.
        how: SkipHow,
        /// What later steps are told that it gave, as the person says (an object).
        outputs: Value,
        /// Why.
        reason: String,
        /// Whether that answers what the run asked.
        answers: bool,
    },
    /// The run takes the place of another one, which has ended by that.
    Inherited {
        /// What it has from it.
        inheritance: Box<Inheritance>,
    },
    /// A step that only reads runs again, as a sensitive output of it is needed that this runner does not have in memory: it
    /// was read by one before it. Durable before the first byte leaves; that it failed shows in what needed it.
    ReadAgain {
        /// What runs again.
        task: Task,
        /// What needs it.
        needed_by: Task,
    },
    /// The run is over.
    RunEnded {
        /// How.
        verdict: Verdict,
        /// How the world stands now, in one sentence.
        summary: String,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_zero(number: &u32) -> bool {
    *number == 0
}
