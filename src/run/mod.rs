//! The brain: what has happened in a run (`RunState`, the one fold over its records) and what is to be done next
//! (`decide`). Live runs, resumed runs, replays, simulations and the timeline share them. Pure: no task, file, network or
//! clock; the time is an argument.

mod again;
mod apply;
mod attempt;
mod brakes;
mod decide;
mod ends;
mod enter;
mod entered;
mod event;
mod failed;
mod follow;
mod found;
mod give_up;
mod go_on;
mod groups;
mod halt;
mod holder;
mod inherit;
mod known;
mod left;
mod order;
mod questions;
mod record;
mod recovery;
mod rest;
mod retry;
mod said;
#[cfg(test)]
pub mod samples;
#[cfg(test)]
mod scale_tests;
mod service;
mod skip;
mod skipped;
mod state;
mod task;
mod task_state;
mod tasks;
mod undo;
mod verdict;
mod walk;

pub use brakes::{
    Approving, Asking, BREAK_GLASS, BUDGETS, Brakes, Broken, BrokenKind, Checking, Due, Given, INVARIANTS, Moment,
    has_a_role, may_break_glass,
};
pub use decide::{Decision, decide};
pub use ends::{StopKind, Verdict};
pub use entered::Entered;
pub use event::{Event, FORMAT};
pub use found::{Condition, Settlement, SkipReason};
pub use go_on::Objections;
pub use holder::{Holder, LeaseReason};
pub use inherit::{InheritMode, Inheritance, InheritedCheckpoint, InheritedStep, Stands, StandsHow};
pub use questions::{Answer, Question, QuestionKind, RequestKind};
pub use record::{Record, Time};
pub use recovery::Recovery;
pub use skip::{Skip, SkipHow};
pub use state::{Asked, Checkpoint, Halted, IllegalEvent, Rollback, RunState};
pub use task::{Phase, Task};
pub use task_state::{Intent, Status, TaskState};
pub use tasks::Tasks;
