//! Commands on this very host: looks run under the runner itself, changes under the recorder.

use std::fs::File;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::supervise::{KillOnDrop, supervise};
use super::{Command, CommandError, Ended, Recalled, Work, quote};
use crate::actions::Context;
use crate::actions::recorder::service::{self, Given};
use crate::actions::recorder::spool::{Spool, Status, boot_id};
use crate::actions::recorder::{self, Job, boots, room};

/// How long a recorder may take beyond the command's timeout: the grace of a kill, and a slow disk.
const MARGIN: Duration = Duration::from_secs(15);

/// What was not on the disk when the host went down is gone, and with it whether the command was started.
const REBOOTED: &str = "this host was rebooted, and nothing is known of the command since";

/// Runs a reading command, killed at its timeout.
pub(super) async fn look(context: &Context, command: &Command, timeout: Duration) -> Result<Ended, CommandError> {
    let job = job(command, timeout)?;
    let child =
        recorder::spawn(&job).map_err(|error| CommandError::Invalid(recorder::not_started(&job.argv, &error)))?;
    let mut guard = KillOnDrop::of(&child);
    let output = context.output.clone();
    let mut live = move |is_stderr: bool, piece: &[u8]| output(is_stderr, piece);
    let ended = supervise(child, timeout, job.stdin, &mut live).await;
    guard.disarm();
    ended.map_err(|error| CommandError::Lost(format!("the command could not be waited for: {error}")))
}

/// Runs a changing command under the recorder, or attaches to it where it was started before.
pub(super) async fn change(
    context: &Context,
    command: &Command,
    key: &str,
    timeout: Duration,
) -> Result<Ended, CommandError> {
    let job = job(command, timeout)?;
    let spool = Spool::at(context.spool.join(key));
    room::give_up(&context.spool);
    let made = make(context, &spool).map_err(|error| unreachable(&spool, &error))?;
    let mut wait = timeout + MARGIN;
    if made {
        let mut given = give(context, &spool, key)?;
        let followed = tokio::time::timeout(wait, follow(context, &mut given, &job)).await;
        // The recorder is done, or has gone, or hangs: in any case what it left behind decides.
        wait = if followed.is_ok() { MARGIN } else { Duration::ZERO };
        if followed.is_err() {
            service::leave(&context.spool, &given);
        }
    }
    match recall(context, key, wait).await {
        Recalled::Ended(ended) => Ok(ended),
        Recalled::NeverStarted(why) => Err(CommandError::Unreachable(why)),
        Recalled::StillRunning(why) | Recalled::Lost(why) => Err(CommandError::Lost(why)),
    }
}

/// Makes a command's folder; false where somebody had made it before.
fn make(context: &Context, spool: &Spool) -> std::io::Result<bool> {
    let spent = service::take_spent(&context.spool).map(|name| Spool::at(context.spool.join(name)));
    // Where that cannot be had, or a file system has no such rename, it is made anew.
    if spent.is_some_and(|spent| spent.hand_on(spool).unwrap_or(false)) { Ok(true) } else { spool.create() }
}

/// What the recorder of `key` knows, waiting for a command that still runs.
pub(super) async fn recall(context: &Context, key: &str, wait: Duration) -> Recalled {
    let spool = Spool::at(context.spool.join(key));
    settle(&spool, wait).await.unwrap_or_else(|error| {
        Recalled::Lost(format!("what the recorder kept in {} cannot be read: {error}", spool.folder().display()))
    })
}

async fn settle(spool: &Spool, wait: Duration) -> std::io::Result<Recalled> {
    let run = spool.folder().parent().unwrap_or(spool.folder());
    let ended = || match spool.status() {
        // The host may have gone down before it was on the disk whole.
        Err(_) if boots::has_rebooted(run) => Ok(None),
        read => read,
    };
    // It is there whole or not at all, so it counts without the lock as well.
    if let Some(status) = ended()? {
        return Ok(recalled(status));
    }
    room::give_up(run);
    // Made where it is missing, so that `void` has a place and whoever would start it later finds that.
    spool.create()?;
    let Some(_lock) = lock(spool, wait).await? else {
        // The status is written just before the lock is freed: no reason to wait for the rest.
        if let Some(status) = ended()? {
            return Ok(recalled(status));
        }
        if !spool.has_started() {
            if boots::has_rebooted(run) {
                return Ok(Recalled::Lost(REBOOTED.to_owned()));
            }
            // Whoever was to start it is stopped or hangs, and may wake up at any time. It looks for the mark after it has
            // said that it starts, and this looks for the start after it has left the mark: one of the two is seen.
            spool.write_void()?;
        }
        return Ok(if spool.has_started() {
            Recalled::StillRunning(format!("it still runs{}", last_output(spool)))
        } else {
            Recalled::NeverStarted("whoever was to start it does not move, and will find that it must not".to_owned())
        });
    };
    if let Some(status) = ended()? {
        return Ok(recalled(status));
    }
    if spool.has_started() {
        let end = if boots::has_rebooted(run) { None } else { spool.end_without_a_name() };
        return Ok(end.map_or_else(|| Recalled::Lost(lost(spool)), recalled));
    }
    if boots::has_rebooted(run) {
        return Ok(Recalled::Lost(REBOOTED.to_owned()));
    }
    spool.write_void()?;
    Ok(Recalled::NeverStarted("its recorder never started it".to_owned()))
}

fn recalled(status: Status) -> Recalled {
    match status {
        Status::Ended(ended) => Recalled::Ended(ended),
        Status::NotStarted(why) => Recalled::NeverStarted(why),
        Status::Unknown(why) => Recalled::Lost(why),
    }
}

/// Takes the lock, waiting for it in a thread of its own: a thread that still waits when the runner ends does not keep it.
async fn lock(spool: &Spool, wait: Duration) -> std::io::Result<Option<File>> {
    let folder = spool.open_to_lock()?;
    match folder.try_lock() {
        Ok(()) => return Ok(Some(folder)),
        Err(std::fs::TryLockError::WouldBlock) => {}
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().name("spool lock".to_owned()).spawn(move || {
        let locked = folder.lock().map(|()| folder);
        // Nobody waits any more: the folder is let go of here, and with it the lock.
        let _ = sender.send(locked);
    })?;
    match tokio::time::timeout(wait, receiver).await {
        Ok(Ok(locked)) => locked.map(Some),
        Ok(Err(_)) => Err(std::io::ErrorKind::Other.into()),
        Err(_) => Ok(None),
    }
}

fn lost(spool: &Spool) -> String {
    let what = match spool.started() {
        Some(started) if started.boot != boot_id() => "this host was rebooted while the command ran".to_owned(),
        Some(started) => format!("its recorder (process {}) was killed while the command ran", started.pid),
        None => "its recorder was killed as it began the command, or as it noted its end".to_owned(),
    };
    let alive = spool
        .living_process()
        .map(|pid| format!("; the command itself still runs as process {pid}, with nobody to see how it ends"))
        .unwrap_or_default();
    format!("{what}{alive}{}", last_output(spool))
}

fn last_output(spool: &Spool) -> String {
    spool.last_output().map(|text| format!("; it last printed: {text}")).unwrap_or_default()
}

/// Gives the command to a recorder, with its lock.
fn give(context: &Context, spool: &Spool, key: &str) -> Result<Given, CommandError> {
    let given = || -> std::io::Result<Option<Given>> {
        let lock = spool.open_to_lock()?;
        // Somebody who asks about this very command holds the lock only for a moment.
        lock.lock()?;
        if spool.is_void() {
            return Ok(None);
        }
        service::give(&context.spool, key, lock).map(Some)
    };
    match given() {
        Ok(Some(given)) => Ok(given),
        Ok(None) => Err(CommandError::Unreachable("it was found never started before, and stays so".to_owned())),
        Err(error) => Err(unreachable(spool, &error)),
    }
}

/// Hands over the job and passes on what comes back, until the recorder is done with it or gone.
async fn follow(context: &Context, given: &mut Given, job: &Job) {
    let Ok(text) = serde_json::to_vec(job) else { return };
    let Ok(length) = u32::try_from(text.len()) else { return };
    let Ok(mut socket) = given.stream() else { return };
    let whole = [&length.to_be_bytes()[..], &text].concat();
    if socket.write_all(&whole).await.is_err() {
        return;
    }
    let mut piece = Vec::new();
    while let (Ok(is_stderr), Ok(length)) = (socket.read_u8().await, socket.read_u32().await) {
        piece.resize(length as usize, 0);
        if socket.read_exact(&mut piece).await.is_err() {
            return;
        }
        (context.output)(is_stderr != 0, &piece);
    }
}

/// What is to be run here. Another user's command gets its values over standard input: as arguments of `sudo` everybody
/// could read them, and as environment `sudo` would drop them.
fn job(command: &Command, limit: Duration) -> Result<Job, CommandError> {
    Ok(match &command.become_user {
        None => {
            let stdin = match &command.work {
                Work::Fed { input, .. } => Some(input.clone()),
                Work::Script(_) | Work::Argv(_) => None,
            };
            Job { argv: quote::argument_list(command)?, environment: command.environment.clone(), stdin, limit }
        }
        Some(user) => Job {
            argv: ["sudo", "-n", "-u", user, "--", "/bin/sh", "-s"].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            stdin: Some(quote::program(command)?),
            limit,
        },
    })
}

fn unreachable(spool: &Spool, error: &std::io::Error) -> CommandError {
    CommandError::Unreachable(format!(
        "the recorder could not be started in {}: {error}; nothing was done",
        spool.folder().display()
    ))
}
