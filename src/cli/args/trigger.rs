//! What can be typed to try what an alert would do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Forks, Output};
use crate::config::HookKind;
use crate::playbook::TriggeredMode;

/// `trigger`.
#[derive(Debug, Args)]
pub struct Trigger {
    /// What a source of alerts sent: a file with its JSON, or - for standard input
    #[arg(long, value_name = "FILE")]
    pub from_alert: PathBuf,
    /// Who sent it, by the name in the configuration's `hooks` [default: the only one there is]
    #[arg(long, value_name = "NAME", conflicts_with = "kind")]
    pub source: Option<String>,
    /// What its form is, where no source of the configuration sent it
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: Option<Kind>,
    /// What is done, instead of what the route says; the playbook has to allow it all the same
    #[arg(long, value_enum, value_name = "MODE")]
    pub mode: Option<Mode>,
    /// Only show which route each alert takes, and whether its playbook takes it; no target is looked at
    #[arg(short = 'C', long)]
    pub dry_run: bool,
    /// Start without asking
    #[arg(short, long)]
    pub yes: bool,
    /// What a production inventory wants instead of -y: the playbook's name once more
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// The incident that this belongs to
    #[arg(long, value_name = "ID")]
    pub incident: Option<String>,
    /// Where another run holds a lock: wait for it, at most so long, such as 2m
    #[arg(long, value_name = "TIME")]
    pub wait: Option<String>,
    /// Do not stay while a person is awaited
    #[arg(long)]
    pub no_wait: bool,
    /// How much at once.
    #[command(flatten)]
    pub forks: Forks,
    /// How results are given
    #[arg(long, value_enum, default_value_t = Output::Human)]
    pub output: Output,
}

/// The form of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Prometheus' Alertmanager.
    Alertmanager,
    /// Grafana's own alerting.
    Grafana,
    /// PagerDuty's webhooks of version 3.
    Pagerduty,
}

/// What is done for an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Mode {
    /// Look at the targets, read-only, and show what a run would do.
    DryRun,
    /// Show the command with which a person runs it.
    Ask,
    /// Run it.
    Run,
}

impl From<Kind> for HookKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Alertmanager => Self::Alertmanager,
            Kind::Grafana => Self::Grafana,
            Kind::Pagerduty => Self::Pagerduty,
        }
    }
}

impl From<Mode> for TriggeredMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::DryRun => Self::DryRun,
            Mode::Ask => Self::Ask,
            Mode::Run => Self::Run,
        }
    }
}
