//! Watches over one local child until its end: reads what it prints, kills its process group at its timeout, reaps it.
//! It never waits for descriptors that a daemon inherited, and it never kills a group whose leader ended by itself: what
//! a script leaves running on purpose (a database server) goes on.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::time::{Instant, sleep, sleep_until};

use super::Ended;
use super::output::Capture;
use crate::outcome::CommandOutput;

/// How long a group may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// After the end of the child, how long its output must be silent for it to count as complete where somebody else still
/// holds the descriptor.
const QUIET: Duration = Duration::from_millis(50);
/// After the end of the child, how long its output is read at most.
const DRAIN: Duration = Duration::from_secs(2);

/// Watches a child that leads a process group of its own and whose standard output and error are pipes. `live` gets
/// the pieces as they come (true: standard error).
pub(crate) async fn supervise(
    mut child: Child,
    limit: Duration,
    stdin: Option<String>,
    live: &mut (dyn FnMut(bool, &[u8]) + Send),
) -> std::io::Result<Ended> {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    feed(&mut child, stdin);
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let (mut stdout_kept, mut stderr_kept) = (Capture::default(), Capture::default());
    let (mut stdout_buffer, mut stderr_buffer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut status = None;
    let mut timed_out = false;
    // The next moment at which something is due: first the timeout, then the end of the grace, then the end of silence.
    let mut due = Instant::now() + limit;
    let mut drained = due;
    while status.is_none() || stdout.is_some() || stderr.is_some() {
        // In random order, so that a flood of output cannot hold back the timeout.
        tokio::select! {
            read = piece(&mut stdout, &mut stdout_buffer), if stdout.is_some() => match read {
                Some(piece) => { stdout_kept.push(piece); live(false, piece); }
                None => stdout = None,
            },
            read = piece(&mut stderr, &mut stderr_buffer), if stderr.is_some() => match read {
                Some(piece) => { stderr_kept.push(piece); live(true, piece); }
                None => stderr = None,
            },
            ended = child.wait(), if status.is_none() => {
                status = Some(ended?);
                drained = Instant::now() + DRAIN;
            }
            () = sleep_until(due), if status.is_none() => {
                signal(group, if timed_out { Signal::SIGKILL } else { Signal::SIGTERM });
                timed_out = true;
                due = Instant::now() + GRACE;
            }
            () = sleep(QUIET), if status.is_some() => break,
        }
        if status.is_some() && Instant::now() >= drained {
            break;
        }
    }
    if timed_out {
        end_group(group, due).await;
    }
    let output = CommandOutput { stdout: stdout_kept.finish(), stderr: stderr_kept.finish() };
    Ok(ended(status, timed_out, output))
}

fn ended(status: Option<std::process::ExitStatus>, timed_out: bool, output: CommandOutput) -> Ended {
    use std::os::unix::process::ExitStatusExt as _;
    let exit_code = status.and_then(|status| status.code());
    Ended { exit_code, signal: status.and_then(|status| status.signal()), timed_out, output }
}

/// Writes the child's standard input beside everything else: it may be longer than a pipe holds.
fn feed(child: &mut Child, stdin: Option<String>) {
    if let (Some(mut pipe), Some(text)) = (child.stdin.take(), stdin) {
        tokio::spawn(async move {
            // A child that does not read its input is its own affair.
            let _ = pipe.write_all(text.as_bytes()).await;
        });
    }
}

/// The next piece of a stream; nothing at its end.
async fn piece<'a>(stream: &mut Option<impl AsyncRead + Unpin>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let length = stream.as_mut()?.read(buffer).await.ok().filter(|length| *length > 0)?;
    buffer.get(..length)
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group {
        // A group that is gone already is what was wanted.
        let _ = killpg(group, signal);
    }
}

/// After a timeout nobody of the group stays: what outlived its leader has the rest of the grace, then it is killed.
async fn end_group(group: Option<Pid>, until: Instant) {
    let Some(group) = group else { return };
    while killpg(group, None).is_ok() {
        if Instant::now() >= until {
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Kills a group when it is dropped before it is disarmed: a look that nobody waits for any more does not go on.
pub(crate) struct KillOnDrop(Option<Pid>);

impl KillOnDrop {
    /// Guards the group that a child leads.
    pub(crate) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// The child has ended.
    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        signal(self.0, Signal::SIGKILL);
    }
}
