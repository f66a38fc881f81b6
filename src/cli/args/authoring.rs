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
