//! Commands on hosts over ssh. What is sent is always the same `sh`, which reads a program from its standard input; a
//! program of which a part is missing does nothing, so a connection that fails before the last byte left has certainly
//! started nothing. After it, only the host knows, and its recorder is asked.

mod answer;
mod connection;
mod ends;
mod exec;
mod key;
mod known_hosts;
mod passwords;
mod pool;
mod programs;
mod terminal;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::answer::{Answer, Marked, REFUSED};
use self::connection::Patience;
use self::exec::{Behind, Failure};
use self::passwords::Reach;
use super::output::Capture;
use super::{Command, CommandError, Ended, Recalled, Wire, output};
use crate::actions::Context;
use crate::outcome::CommandOutput;

/// How long a host may take to answer beyond the command's own time.
const MARGIN: Duration = Duration::from_secs(10);

/// Runs a reading command on a host, killed at its timeout.
pub(super) async fn look(
    context: &Context,
    host: &str,
    command: &Command,
    timeout: Duration,
) -> Result<Ended, CommandError> {
    known(context, host)?;
    let marker = marker();
    let program = programs::look(command, &marker, timeout)?;
    let live = context.output.clone();
    let done = on_thread(context, host, move |given_up, reach, host| {
        let mut stdout = Marked::after(&marker);
        let (mut out, mut err) = (Capture::default(), Capture::default());
        let mut keep = |is_stderr: bool, piece: &[u8]| {
            if is_stderr { &mut err } else { &mut out }.push(piece);
            if !piece.is_empty() {
                live(is_stderr, piece);
            }
        };
        let ran = exec::run(reach, host, &program, Behind::Nothing, timeout, given_up, &mut |is_stderr, piece| {
            if is_stderr { keep(true, piece) } else { keep(false, &stdout.push(piece)) }
        });
        let (exit_code, rest) = stdout.finish();
        keep(false, &rest);
        let output = CommandOutput { stdout: out.finish(), stderr: err.finish() };
        match ran {
            Ok(()) if exit_code.is_some() => Ok(Ended { exit_code, signal: None, timed_out: false, output }),
            Ok(()) => Err(CommandError::Lost(format!("{host} did not say how the command ended"))),
            Err(Failure::TimeUp) => Ok(Ended { exit_code: None, signal: None, timed_out: true, output }),
            Err(Failure::NotSent(why)) => Err(CommandError::Unreachable(why)),
            Err(Failure::Lost(why)) => Err(CommandError::Lost(why)),
        }
    });
    done.await.unwrap_or_else(|why| Err(CommandError::Unreachable(why)))
}

/// Whether a program is there on a host.
pub(super) async fn is_there(
    context: &Context,
    host: &str,
    wanted: &str,
    limit: Duration,
) -> Result<bool, CommandError> {
    known(context, host)?;
    let way = pool::way_to(&context.inventory, host);
    if pool::was_found(&way, wanted) {
        return Ok(true);
    }
    let marker = marker();
    let program = programs::present(wanted, &marker)?;
    let wanted = wanted.to_owned();
    let done = on_thread(context, host, move |given_up, reach, host| {
        let mut stdout = Marked::after(&marker);
        let ran = exec::run(reach, host, &program, Behind::Nothing, limit, given_up, &mut |is_stderr, piece| {
            if !is_stderr {
                stdout.push(piece);
            }
        });
        match (ran, stdout.finish().0) {
            (Ok(()), Some(0)) => {
                pool::found(&way, &wanted);
                Ok(true)
            }
            (Ok(()), Some(_)) => Ok(false),
            (Ok(()), None) => Err(CommandError::Lost(format!("{host} did not say whether `{wanted}` is there"))),
            (Err(Failure::TimeUp), _) => Err(CommandError::Lost(format!("{host} did not answer in time"))),
            (Err(Failure::NotSent(why)), _) => Err(CommandError::Unreachable(why)),
            (Err(Failure::Lost(why)), _) => Err(CommandError::Lost(why)),
        }
    });
    done.await.unwrap_or_else(|why| Err(CommandError::Unreachable(why)))
}

/// Runs a changing command under the recorder of a host, or attaches to it.
pub(super) async fn change(
    context: &Context,
    host: &str,
    command: &Command,
    key: &str,
    timeout: Duration,
    kill_on_timeout: bool,
) -> Result<Ended, CommandError> {
    known(context, host)?;
    let marker = marker();
    let program = programs::change(command, &marker, key, timeout, kill_on_timeout)?;
    let limit = if kill_on_timeout { timeout + MARGIN } else { timeout };
    match ask(context, host, marker, program, Behind::Wishes, limit).await {
        Ok(Recalled::Ended(ended)) => Ok(ended),
        Ok(Recalled::NeverStarted(why)) => Err(CommandError::Unreachable(why)),
        Ok(Recalled::Lost(why)) if why.starts_with(REFUSED) => Err(CommandError::Unreachable(why)),
        Ok(Recalled::StillRunning(why) | Recalled::Lost(why)) | Err(Failure::Lost(why)) => Err(CommandError::Lost(why)),
        Err(Failure::NotSent(why)) => Err(CommandError::Unreachable(why)),
        Err(Failure::TimeUp) => Err(CommandError::Lost(format!(
            "it had not ended on {host} after {} s; it is left to end there, and its recorder keeps the outcome",
            timeout.as_secs_f64()
        ))),
    }
}

/// Asks the recorder of a host what became of a command.
pub(super) async fn recall(
    context: &Context,
    host: &str,
    key: &str,
    wait: Duration,
    age: Option<Duration>,
) -> Recalled {
    let cannot = |why: String| Recalled::Lost(format!("its recorder cannot be asked: {why}"));
    if let Err(error) = known(context, host) {
        return cannot(error.to_string());
    }
    let marker = marker();
    let program = match programs::recall(&marker, key, wait, age) {
        Ok(program) => program,
        Err(error) => return cannot(error.to_string()),
    };
    match ask(context, host, marker, program, Behind::Nothing, wait + MARGIN).await {
        Ok(recalled) => recalled,
        Err(Failure::NotSent(why) | Failure::Lost(why)) => cannot(why),
        Err(Failure::TimeUp) => cannot(format!("{host} did not answer in time")),
    }
}

/// Opens a terminal on a host and has somebody talk there. No program of ours runs on such a host: what it has instead of a
/// shell decides what the lines mean.
pub(super) async fn converse<T: Send + 'static>(
    context: &Context,
    host: &str,
    limit: Duration,
    talk: impl FnOnce(&mut dyn Wire) -> T + Send + 'static,
) -> Result<T, CommandError> {
    known(context, host)?;
    let done = on_thread(context, host, move |given_up, reach, host| {
        let mut terminal = terminal::Terminal::open(reach, host, &patience(limit, given_up))?;
        Ok(talk(&mut terminal))
    });
    done.await.unwrap_or_else(Err).map_err(CommandError::Unreachable)
}

/// Runs the spool's program and reads its answer.
async fn ask(
    context: &Context,
    host: &str,
    marker: String,
    program: programs::Program,
    behind: Behind,
    limit: Duration,
) -> Result<Recalled, Failure> {
    // Who asks what became of a command has not begun it: nobody watches that one any more.
    let watched = behind == Behind::Wishes;
    let live = context.output.clone();
    let done = on_thread(context, host, move |given_up, reach, host| {
        let mut answer = Answer::after(&marker);
        let mut errors = Vec::new();
        let mut live = |is_stderr: bool, piece: &[u8]| {
            if watched {
                live(is_stderr, piece);
            }
        };
        exec::run(reach, host, &program, behind, limit, given_up, &mut |is_stderr, piece| {
            if is_stderr {
                errors.extend(piece.iter().take(1000_usize.saturating_sub(errors.len())));
            } else {
                answer.push(piece, &mut live);
            }
        })?;
        answer.finish(host, &mut live).ok_or_else(|| {
            let said = String::from_utf8_lossy(&errors).trim().to_owned();
            Failure::Lost(format!("the recorder's answer from {host} broke off: {said}"))
        })
    });
    done.await.unwrap_or_else(|why| Err(Failure::NotSent(why)))
}

/// Runs something that blocks in another thread, which is told when nobody waits for it any more. It is no thread
/// of the runtime: one that still waits for a host must not keep the runner from ending.
async fn on_thread<T: Send + 'static>(
    context: &Context,
    host: &str,
    work: impl FnOnce(&Arc<AtomicBool>, &Reach, &str) -> T + Send + 'static,
) -> Result<T, String> {
    let given_up = GiveUp::default();
    let reach = Reach::of(&context.inventory, host).await?;
    let (flag, host) = (given_up.0.clone(), host.to_owned());
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let work = move || {
        let _ = sender.send(work(&flag, &reach, &host));
    };
    threads::start(work).map_err(|error| format!("no thread can be started: {error}"))?;
    receiver.await.map_err(|_| "the ssh thread ended without a word".to_owned())
}

/// Tells a thread, when it is dropped, that nobody waits any more.
#[derive(Default)]
struct GiveUp(Arc<AtomicBool>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn known(context: &Context, host: &str) -> Result<(), CommandError> {
    context.inventory.host(host).map(|_| ()).map_err(|error| CommandError::Invalid(error.to_string()))
}

/// A line that no login shell prints by accident.
fn marker() -> String {
    let mut random = [0; 8];
    // Without randomness it is still a line that nobody prints.
    let _ = getrandom::fill(&mut random);
    format!("playbook-{}", output::hexadecimal(&random))
}

fn patience(limit: Duration, given_up: &Arc<AtomicBool>) -> Patience {
    Patience { until: Instant::now() + limit, given_up: given_up.clone() }
}
