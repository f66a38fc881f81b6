//! What can be typed by whoever writes playbooks.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `lint`.
#[derive(Debug, Args)]
pub struct Lint {
    /// Files or folders [default: every playbook]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How the faults are given
    #[arg(long, value_enum, default_value_t = LintFormat::Human)]
    pub output: LintFormat,
    /// Warnings count as errors
    #[arg(long)]
    pub strict: bool,
}

/// How lint gives the faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// For people.
    #[default]
    Human,
    /// A JSON array.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Workflow commands of GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
}

/// `prove`.
#[derive(Debug, Args)]
pub struct Prove {
    /// The playbook's name, NAME@VERSION, or a file
    #[arg(value_name = "NAME|FILE")]
    pub name: String,
    /// An input; may be given again
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub input: Vec<String>,
    /// A YAML file with inputs; -i wins over it
    #[arg(long, value_name = "FILE")]
    pub inputs_file: Option<PathBuf>,
    /// The world [default: worlds/NAME.yaml or fixtures/worlds/NAME.yaml beside the playbooks]
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// Exit with 1 if less of the crash coverage is reached, in percent. Coverage: of all points at which the runner was
    /// killed, those after which the run came to its end without asking a person anything that it would not have asked
    /// anyway, and with everything that it said being true
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub min_coverage: Option<f64>,
    /// How the proof is given
    #[arg(long, value_enum, default_value_t = ProofFormat::Human)]
    pub output: ProofFormat,
    /// Run it for real, again and again, on what the inventory names: a child process is killed (kill -9) once a record is
    /// durable, and the run is resumed. For a lab: never with a production inventory. Needs -y
    #[arg(long, conflicts_with = "world")]
    pub real: bool,
    /// With --real: at how many records it is killed, spread over the run
    #[arg(long, value_name = "N", default_value_t = 10, requires = "real", value_parser = clap::value_parser!(u16).range(1..))]
    pub points: u16,
    /// With --real: a command (for /bin/sh) that brings the world back; it is run before every run
    #[arg(long, value_name = "COMMAND", requires = "real")]
    pub reset: Option<String>,
    /// With --real: start without asking
    #[arg(short, long, requires = "real")]
    pub yes: bool,
}

/// How a proof is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProofFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object with every point.
    Json,
    /// JUnit XML: a case for each step and what was done to it.
    Junit,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        _ => Err("a number from 0 to 100 is wanted".to_owned()),
    }
}

/// `fmt`.
#[derive(Debug, Args)]
pub struct Fmt {
    /// Files or folders [default: every playbook]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing; name the files that would change, and exit with 65 if there are any
    #[arg(long)]
    pub check: bool,
}

/// `new`.
#[derive(Debug, Args)]
pub struct New {
    /// The playbook's name
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The folder to write it into [default: the first folder of playbooks]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// The code, as lint prints it [default: all of them are listed]
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

/// `lock`.
#[derive(Debug, Args)]
pub struct Lock {
    /// Folders of playbooks [default: every folder of playbooks]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing; show what would change, and exit with 1 if anything would
    #[arg(long)]
    pub check: bool,
}
