//! What can be typed by whoever reads or checks what a run has written down.

use std::path::PathBuf;

use clap::Args;

use super::Output;
use crate::cli::view::timeline_fold::Only;

/// `timeline`.
#[derive(Debug, Args)]
pub struct Timeline {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
    /// Only what is about a step (`restart`), a step for an item (`restart@web7`) or an item (`@web7`), with all that its
    /// commands printed
    #[arg(long, value_name = "TASK")]
    pub only: Option<Only>,
    /// Every record, also where those of a batch say the same of many items
    #[arg(long, conflicts_with = "only")]
    pub full: bool,
    /// Write the signed end of the run's chain to a file, to be kept where the journal's writers cannot reach it
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A run: its id, the beginning or end of it, or `latest` [default: the checkpoint's or the timeline's, else latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// A checkpoint (of `timeline --checkpoint`): makes even an end that was cut off visible
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// The key that the checkpoint must be signed with [default: that of the state folder, if it has one]
    #[arg(long, value_name = "HEX", requires = "checkpoint")]
    pub key: Option<String>,
    /// An exported timeline (of `timeline --output json`) instead of the journal, which is not needed then
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    pub timeline: Option<PathBuf>,
}
