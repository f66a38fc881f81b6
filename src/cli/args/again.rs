//! What `retry` takes.

use clap::Args;

use super::Starting;

/// `retry`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["failed", "remaining"]))]
pub struct Retry {
    /// A run that is over: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Over the items that failed, or were left out
    #[arg(long)]
    pub failed: bool,
    /// Over all items that are not done: those that failed, were left out, were undone, or never began
    #[arg(long)]
    pub remaining: bool,
    /// How it is started; the incident is that of the run where none is named.
    #[command(flatten)]
    pub starting: Starting,
}
