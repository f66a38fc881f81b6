//! The brain: what has happened in a run (`RunState`, the one fold over its records) and what is to be done next
//! (`decide`). Live runs, resumed runs, replays, simulations and the timeline share them. Pure: no task, file, network or
//! clock; the time is an argument.

mod event;
mod record;
mod task;

pub use event::{
    Answer, Condition, Event, Holder, LeaseReason, Question, QuestionKind, RequestKind, Settlement, SkipReason,
    StopKind, Verdict,
};
pub use record::{Record, Time};
pub use task::{Phase, Task};
