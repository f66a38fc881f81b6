//! A stand-in for the room of commands, to compile against. It runs everything here, without a recorder.

use std::process::Stdio;
use std::time::Duration;

use crate::actions::Context;
use crate::outcome::{CommandOutput, Stream};

/// A command.
#[derive(Debug, Clone)]
pub struct Command {
    /// Where; here if absent.
    pub host: Option<String>,
    /// What.
    pub work: Work,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// The shell of a script.
    pub shell: Option<String>,
    /// As whom.
    pub become_user: Option<String>,
}

/// What is run.
#[derive(Debug, Clone)]
pub enum Work {
    /// A script.
    Script(String),
    /// An argument list.
    Argv(Vec<String>),
}

/// How it ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether its time was up.
    pub timed_out: bool,
    /// What it printed.
    pub output: CommandOutput,
}

/// Why nobody knows how it ended.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// Certainly not started.
    #[error("{0}")]
    Unreachable(String),
    /// Nobody knows.
    #[error("{0}")]
    Lost(String),
    /// It makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// Reads.
///
/// # Errors
/// When it could not be started.
pub async fn look(_context: &Context, command: &Command, timeout: Duration) -> Result<Ended, CommandError> {
    execute(command, timeout).await
}

/// Changes.
///
/// # Errors
/// When it could not be started.
pub async fn change(
    _context: &Context,
    command: &Command,
    _key: &str,
    timeout: Duration,
    _kill_on_timeout: bool,
) -> Result<Ended, CommandError> {
    execute(command, timeout).await
}

async fn execute(command: &Command, timeout: Duration) -> Result<Ended, CommandError> {
    let argv = match &command.work {
        Work::Script(script) => vec!["/bin/sh".to_owned(), "-c".to_owned(), script.clone()],
        Work::Argv(argv) => argv.clone(),
    };
    let (program, arguments) = argv.split_first().ok_or_else(|| CommandError::Invalid("no program".to_owned()))?;
    let child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(command.environment.iter().cloned())
        .stdin(Stdio::null())
        .output();
    let output = match tokio::time::timeout(timeout, child).await {
        Ok(output) => output.map_err(|e| CommandError::Unreachable(e.to_string()))?,
        Err(_) => {
            return Ok(Ended { exit_code: None, signal: None, timed_out: true, output: CommandOutput::default() });
        }
    };
    let stream = |bytes: &[u8]| Stream {
        text: String::from_utf8_lossy(bytes).into_owned(),
        bytes: bytes.len() as u64,
        sha256: String::new(),
        truncated: false,
    };
    Ok(Ended {
        exit_code: output.status.code(),
        signal: None,
        timed_out: false,
        output: CommandOutput { stdout: stream(&output.stdout), stderr: stream(&output.stderr) },
    })
}
