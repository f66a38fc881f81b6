//! The verbs with which people let a run go on, or not, or take a step into their own hands.

use clap::Args;

use super::Output;

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
    /// What is skipped: a step, a group, one item (STEP@ITEM), or a part of an undo (STEP/undo)
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
