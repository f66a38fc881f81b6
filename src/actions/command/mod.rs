//! Running commands, here and over ssh. A changing command runs under a recorder that outlives the runner and the
//! connection, and is known by its key. A value never becomes part of a command line here: arguments are lists, scripts
//! get their values from the environment, and what goes to a host is quoted in one place.

mod local;
mod output;
mod quote;
#[cfg(feature = "ssh")]
mod remote;
pub(crate) mod step;
pub(crate) mod supervise;
#[cfg(not(feature = "ssh"))]
mod without_ssh;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(crate) use self::output::{Capture, base64, hexadecimal};
use super::Context;
use super::recorder::spool::check_key;
use crate::outcome::CommandOutput;

#[cfg(not(feature = "ssh"))]
use self::without_ssh as remote;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The host of the inventory to run it on; this very host where absent.
    pub host: Option<String>,
    /// What is run.
    pub work: Work,
    /// Environment variables, beside those that are there anyway.
    pub environment: Vec<(String, String)>,
    /// What runs a script: a program and its options, split at spaces; it gets `-c SCRIPT`. `/bin/sh` where absent.
    pub shell: Option<String>,
    /// The user to become, with `sudo -n`.
    pub become_user: Option<String>,
}

/// What a command runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A script for the shell.
    Script(String),
    /// A program and its arguments; no shell reads them.
    Argv(Vec<String>),
    /// A script, and what it reads on its standard input: for what must stand in no argument and no variable, as both can
    /// be seen by others.
    Fed {
        /// The script.
        script: String,
        /// What it reads.
        input: String,
    },
}

/// A command that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its exit code; absent where a signal ended it.
    pub exit_code: Option<i32>,
    /// The signal that ended it. On a host over ssh a shell stands between: there it is exit code 128 + signal.
    pub signal: Option<i32>,
    /// Whether it was killed at its timeout, with its process group, and reaped.
    pub timed_out: bool,
    /// What it printed.
    pub output: CommandOutput,
}

/// Why nothing can be said of how a command ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It was certainly not started: trying again may help.
    #[error("{0}")]
    Unreachable(String),
    /// The connection was lost or the time was up after it was sent: nobody knows.
    #[error("{0}")]
    Lost(String),
    /// It makes no sense here and was certainly not started: trying again does not help.
    #[error("{0}")]
    Invalid(String),
}

/// What a recorder knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// The command's own end.
    Ended(Ended),
    /// It was never started, and will not be any more; and how that is known.
    NeverStarted(String),
    /// It still runs; and what it last printed.
    StillRunning(String),
    /// Nobody knows how it ended: its recorder was killed, its host was rebooted or does not answer.
    Lost(String),
}

/// Runs a reading command: no recorder, killed at its timeout.
///
/// # Errors
/// When it could not be started, or its end was not seen.
pub async fn look(context: &Context, command: &Command, timeout: Duration) -> Result<Ended, CommandError> {
    quote::validate(command)?;
    match &command.host {
        None => local::look(context, command, timeout).await,
        Some(host) => remote::look(context, host, command, timeout).await,
    }
}

/// Runs a changing command under the recorder, known by `key`: it is started at most once per key, and calling this again
/// attaches to it. A local one is killed at its timeout; one on another host only with `kill_on_timeout`, else it is left
/// to end and the error is `Lost`.
///
/// # Errors
/// When it was certainly not started (`Unreachable`, `Invalid`), or nobody knows how it ended (`Lost`): then ask `recall`.
pub async fn change(
    context: &Context,
    command: &Command,
    key: &str,
    timeout: Duration,
    kill_on_timeout: bool,
) -> Result<Ended, CommandError> {
    check_key(key).map_err(|error| CommandError::Invalid(error.to_string()))?;
    quote::validate(command)?;
    match &command.host {
        None => local::change(context, command, key, timeout).await,
        Some(host) => remote::change(context, host, command, key, timeout, kill_on_timeout).await,
    }
}

/// What the recorder knows of `key`; waits for a command that still runs, up to `wait`. Once this has said that a
/// command never started, it never starts.
pub async fn recall(context: &Context, command: &Command, key: &str, wait: Duration) -> Recalled {
    recall_sent(context, command, key, wait, None).await
}

/// The same of a command that was sent at most `age` ago, where that is known. A host that was started after that may have
/// forgotten it with the power: there, that nothing is found does not prove that nothing ran.
pub async fn recall_sent(
    context: &Context,
    command: &Command,
    key: &str,
    wait: Duration,
    age: Option<Duration>,
) -> Recalled {
    if let Err(error) = check_key(key) {
        return Recalled::Lost(error.to_string());
    }
    match &command.host {
        None => local::recall(context, key, wait).await,
        Some(host) => remote::recall(context, host, key, wait, age).await,
    }
}

/// Whether a program is there on a host, as its shell finds it.
///
/// # Errors
/// When the host could not be asked.
pub(crate) async fn is_there(
    context: &Context,
    host: &str,
    program: &str,
    limit: Duration,
) -> Result<bool, CommandError> {
    // Quoting it once finds what no program's name can hold.
    quote::quote(program)?;
    remote::is_there(context, host, program, limit).await
}

/// A terminal on a host: bytes to it, and bytes from it.
pub(crate) trait Wire {
    /// Types bytes.
    ///
    /// # Errors
    /// When they may not have got there.
    fn send(&mut self, bytes: &[u8]) -> Result<(), Cut>;

    /// What came, waiting for it until a time; nothing where nothing came.
    ///
    /// # Errors
    /// When nothing will come any more.
    fn receive(&mut self, until: Instant) -> Result<Vec<u8>, Cut>;
}

/// Why a terminal is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "ssh"), allow(dead_code, reason = "without ssh there are no terminals"))]
pub(crate) enum Cut {
    /// The other side closed it.
    Closed,
    /// The connection is gone, and why.
    Lost(String),
    /// Bytes could not be sent in time.
    TimeUp,
}

/// Opens a terminal on a host and has somebody talk there, for `limit` at most.
///
/// # Errors
/// When there is no terminal: then nothing was typed.
pub(crate) async fn converse<T: Send + 'static>(
    context: &Context,
    host: &str,
    limit: Duration,
    talk: impl FnOnce(&mut dyn Wire) -> T + Send + 'static,
) -> Result<T, CommandError> {
    remote::converse(context, host, limit, talk).await
}
