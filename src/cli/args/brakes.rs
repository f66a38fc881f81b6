//! What can be typed to hold everything back, and to let it go.

use clap::Args;

use super::Format;

/// `halt`.
#[derive(Debug, Args)]
pub struct Halt {
    /// End the halt; needs --reason
    #[arg(long, requires = "reason")]
    pub lift: bool,
    /// Why; it is written into the timeline of each run in hand, with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}
