//! What can be typed by whoever reads or checks what a run has written down.

use clap::Args;

use super::Output;

/// `timeline`.
#[derive(Debug, Args)]
pub struct Timeline {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// A run: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,
}
