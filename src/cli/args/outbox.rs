//! What can be typed about what others are told.

use clap::{Args, Subcommand};

use super::Format;

/// `outbox`.
#[derive(Debug, Args)]
pub struct Outbox {
    /// What about it.
    #[command(subcommand)]
    pub verb: OutboxVerb,
}

/// The verbs of `outbox`.
#[derive(Debug, Subcommand)]
pub enum OutboxVerb {
    /// Who has been told what, what waits, and what was given up
    List(OutboxList),
    /// Put back what was given up or waits for its next try, and try it now
    Retry(OutboxRetry),
    /// Try what is due, or comes due meanwhile
    Flush(OutboxFlush),
}

/// `outbox list`.
#[derive(Debug, Args)]
pub struct OutboxList {
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `outbox retry`.
#[derive(Debug, Args)]
pub struct OutboxRetry {
    /// Only of this target of the configuration's `notify`
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Only of what is said of this incident
    #[arg(long, value_name = "INCIDENT", conflicts_with = "run")]
    pub incident: Option<String>,
    /// How long it is tried, at most
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    pub longest: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `outbox flush`.
#[derive(Debug, Args)]
pub struct OutboxFlush {
    /// How long it is tried, at most
    #[arg(long = "for", value_name = "TIME", default_value = "30s")]
    pub longest: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

impl Outbox {
    /// Whether a program reads what is printed.
    pub fn is_for_programs(&self) -> bool {
        let output = match &self.verb {
            OutboxVerb::List(args) => args.output,
            OutboxVerb::Retry(args) => args.output,
            OutboxVerb::Flush(args) => args.output,
        };
        output == Format::Json
    }
}
