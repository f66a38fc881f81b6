//! How a run is started, whether anew or over what another one left: the same words in both.

use clap::Args;

use super::{Forks, Output};

/// What every verb takes that starts a run.
#[derive(Debug, Clone, Args)]
pub struct Starting {
    /// Look at the targets, read-only, show what would happen, and end
    #[arg(short = 'C', long = "dry-run", visible_alias = "check")]
    pub dry_run: bool,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
    /// The incident that this belongs to: one of this state (its id, the beginning or end of it, or `latest`), `new` for one
    /// that is opened with the run, or the name that it has elsewhere
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Start without asking
    #[arg(short, long)]
    pub yes: bool,
    /// What a production inventory wants instead of -y: the playbook's name once more
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
    /// Do not stay while a person is awaited
    #[arg(long)]
    pub no_wait: bool,
    /// Where another run holds a lock: wait for it, at most so long, such as 2m
    #[arg(long, value_name = "TIME")]
    pub wait: Option<String>,
    /// Pass a brake; needs --reason
    #[arg(long = "override", value_name = "BRAKE", requires = "reason")]
    pub overrides: Vec<String>,
    /// Approve a step ahead, in your own name; may be given again
    #[arg(long, value_name = "STEP")]
    pub approve: Vec<String>,
    /// Go on without the approvals that the steps want, where your role allows it; needs --reason
    #[arg(long, requires = "reason")]
    pub break_glass: bool,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}
