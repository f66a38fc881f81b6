//! `incident`: what has gone wrong, who owns it, what was run for it.

use clap::{Args, Subcommand};

use super::{Format, Output};
use crate::incident::{Level, Severity};

/// `incident`.
#[derive(Debug, Args)]
pub struct Incident {
    /// What to do with it.
    #[command(subcommand)]
    pub what: IncidentVerb,
}

/// What can be done with incidents.
#[derive(Debug, Subcommand)]
pub enum IncidentVerb {
    /// Open one: something has gone wrong
    Open(IncidentOpen),
    /// The incidents that are not closed, newest first
    List(IncidentList),
    /// One incident on a page: severity, owner, runs and how they stand, what happened last
    Show(IncidentWhich),
    /// Write something down
    Note(IncidentNote),
    /// Say who owns it
    Assign(IncidentAssign),
    /// Say how severe it is
    Severity(IncidentSeverity),
    /// The service is well again
    Resolve(IncidentEnd),
    /// Nothing is left to be done
    Close(IncidentEnd),
    /// It was not over
    Reopen(IncidentEnd),
    /// All that happened in it and in its runs, in one order
    Timeline(IncidentTimeline),
    /// Recompute its hash chain
    Verify(IncidentWhich),
}

impl Incident {
    /// Whether a program reads what is printed.
    pub fn is_for_programs(&self) -> bool {
        let format = match &self.what {
            IncidentVerb::Open(args) => args.output,
            IncidentVerb::List(args) => args.output,
            IncidentVerb::Show(args) | IncidentVerb::Verify(args) => args.output,
            IncidentVerb::Note(args) => args.output,
            IncidentVerb::Assign(args) => args.output,
            IncidentVerb::Severity(args) => args.output,
            IncidentVerb::Resolve(args) | IncidentVerb::Close(args) | IncidentVerb::Reopen(args) => args.output,
            IncidentVerb::Timeline(args) => return args.output != Output::Human,
        };
        format == Format::Json
    }
}

/// `incident open`.
#[derive(Debug, Args)]
pub struct IncidentOpen {
    /// What has gone wrong, in a line
    #[arg(value_name = "TITLE")]
    pub title: String,
    /// How severe it is: P0 (the worst) to P3 [default: the configuration's rules and matrix]
    #[arg(short, long, value_name = "P0-P3", conflicts_with_all = ["impact", "urgency"])]
    pub severity: Option<Severity>,
    /// How far it reaches: high, medium, low
    #[arg(long, value_name = "LEVEL")]
    pub impact: Option<Level>,
    /// How little time it leaves: high, medium, low
    #[arg(long, value_name = "LEVEL")]
    pub urgency: Option<Level>,
    /// A service that suffers; may be given again
    #[arg(long, value_name = "NAME")]
    pub service: Vec<String>,
    /// What it is about, as the configuration's rules know it; may be given again
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub label: Vec<String>,
    /// Who owns it [default: the configuration's]
    #[arg(long, value_name = "NAME")]
    pub owner: Option<String>,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident list`.
#[derive(Debug, Args)]
pub struct IncidentList {
    /// The closed ones too
    #[arg(long)]
    pub all: bool,
    /// How the list is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident show`, `verify`.
#[derive(Debug, Args)]
pub struct IncidentWhich {
    /// An incident: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "INCIDENT", default_value = "latest")]
    pub incident: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident note`.
#[derive(Debug, Args)]
pub struct IncidentNote {
    /// An incident: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "INCIDENT")]
    pub incident: String,
    /// What; - reads it from standard input
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident assign`.
#[derive(Debug, Args)]
pub struct IncidentAssign {
    /// An incident: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "INCIDENT")]
    pub incident: String,
    /// Who owns it from now on [default: you]
    #[arg(value_name = "NAME")]
    pub owner: Option<String>,
    /// Nobody does
    #[arg(long, conflicts_with = "owner")]
    pub nobody: bool,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident severity`.
#[derive(Debug, Args)]
pub struct IncidentSeverity {
    /// An incident: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "INCIDENT")]
    pub incident: String,
    /// How severe it is: P0 (the worst) to P3
    #[arg(value_name = "P0-P3")]
    pub severity: Severity,
    /// Why; it is written into the timeline with your name
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident resolve`, `close`, `reopen`.
#[derive(Debug, Args)]
pub struct IncidentEnd {
    /// An incident: its id, the beginning or end of it, or `latest`
    #[arg(value_name = "INCIDENT")]
    pub incident: String,
    /// Why; it is written into the timeline with your name. Needed where runs of it have not ended
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub output: Format,
}

/// `incident timeline`.
#[derive(Debug, Args)]
pub struct IncidentTimeline {
    /// An incident: its id, the beginning or end of it, or `latest`; also one of elsewhere that has runs here
    #[arg(value_name = "INCIDENT", default_value = "latest")]
    pub incident: String,
    /// How it is given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}
