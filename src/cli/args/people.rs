//! The verbs with which people say what is to become of a run: go on, go back, wait, answer, approve, skip.

use clap::Args;

use super::{Forks, Output};

/// `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The process that drove it is certainly gone, though it does not look so; needs --reason
    #[arg(long, requires = "reason")]
    pub take_over: bool,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
    /// Do not stay while a person is awaited
    #[arg(long)]
    pub no_wait: bool,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
}

/// `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// What every request takes.
    #[command(flatten)]
    pub ask: Ask,
    /// The checkpoint to stop at [default: the start]
    #[arg(long, value_name = "CHECKPOINT")]
    pub to: Option<String>,
    /// Undo it although everything is halted; needs --reason
    #[arg(long, requires = "reason")]
    pub despite_halt: bool,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
}

/// `cancel`, `abort`, `pause`.
#[derive(Debug, Clone, Args)]
pub struct Ask {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `pause`.
#[derive(Debug, Args)]
pub struct Pause {
    /// What every request takes.
    #[command(flatten)]
    pub ask: Ask,
    /// Items of a `for_each` that are in the middle of their block come to its end first; no other item begins
    #[arg(long)]
    pub finish_items: bool,
}

/// `resolve`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("answer").required(true).args(["took_effect", "did_not", "retry", "undo", "go_on", "abandon"]))]
pub struct Resolve {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The step that the run asks about
    #[arg(value_name = "STEP")]
    pub step: String,
    /// The same answer for every item of which the run asks the same, one after the other: STEP is without an item then
    #[arg(long)]
    pub all: bool,
    /// You looked: its effect is there. It counts as done
    #[arg(long)]
    pub took_effect: bool,
    /// You looked: its effect is certainly not there
    #[arg(long)]
    pub did_not: bool,
    /// Try it again
    #[arg(long)]
    pub retry: bool,
    /// Undo it and what came before it
    #[arg(long)]
    pub undo: bool,
    /// Go on although an invariant does not hold
    #[arg(long)]
    pub go_on: bool,
    /// Leave everything as it is and end the run
    #[arg(long)]
    pub abandon: bool,
    /// Why, or what you saw; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The step that waits for it
    #[arg(value_name = "STEP")]
    pub step: String,
    /// Instead of everybody whose approval is missing, where your role allows it; people are paged. Needs --reason
    #[arg(long, requires = "reason")]
    pub break_glass: bool,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `reject`.
#[derive(Debug, Args)]
pub struct Reject {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The step that waits for an approval
    #[arg(value_name = "STEP")]
    pub step: String,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `skip`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("how").required(true).args(["done_by_hand", "not_needed"]))]
pub struct Skip {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// What is skipped: a step, a group, a step for one item (STEP@ITEM), an item as a whole (GROUP@ITEM), or a part of an undo
    /// (STEP/undo)
    #[arg(value_name = "STEP")]
    pub step: String,
    /// You did it: it counts as done. What must hold after it is looked at
    #[arg(long)]
    pub done_by_hand: bool,
    /// It is not to be done: it counts as skipped, and so does what needs it
    #[arg(long)]
    pub not_needed: bool,
    /// What it gave, for later steps that use that; may be given again
    #[arg(long, value_name = "NAME=VALUE", conflicts_with = "not_needed")]
    pub with_output: Vec<String>,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT", required = true)]
    pub reason: String,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}
