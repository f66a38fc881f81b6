//! The verbs with which people let a run go on, or not.

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
