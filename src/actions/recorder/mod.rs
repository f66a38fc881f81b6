//! The recorder: a small process of ours that starts a run's local commands, outlives the runner, and keeps what became of
//! them. It must never start a command twice, and never start one after somebody was told that it was not started.
//!
//! How that is held:
//! - The runner makes the command's folder in the spool, or gives its name to one that nobody needs any more. Both are atomic
//!   and replace nothing: whoever finds it there attaches.
//! - The runner opens the folder, takes its lock (`flock`) and hands the open folder to the recorder, as a descriptor in a
//!   message. Such a lock belongs to what was opened, so it is held until the last of the two has gone, and by the message
//!   on its way between them: at no moment, not even when the runner is killed right after it handed the command over, is
//!   it free while a start may still come. Nor does it need process ids to see whether anybody is alive.
//! - Under the lock, the recorder writes `started` before the command exists, and `status`, atomically, after it was
//!   reaped. Then it lets go of the lock and tells the runner, without any polling.
//! - Who asks later reads `status` (the command's end), or waits for the lock. Holding it, it finds `status`, or `started`
//!   alone (the recorder was killed: nobody knows), or neither: then it leaves `void` behind before it says "never
//!   started", and a runner or recorder that comes later finds that and starts nothing.
//! - Who waits for the lock in vain, as a stopped runner holds it, leaves `void` behind without it and looks for `started`
//!   after that; the recorder writes `started` and looks for `void` after that. So never do both go on.
//! - All of this is seen by every process as soon as it is written, whoever is killed; nothing of it is forced to the disk.
//!   A host that goes down may lose it. That shows in its boot id (`boots.rs`): of a command that may have been started
//!   before that, and of which no end is found, nobody knows.
//!
//! One recorder serves all commands that one runner begins in a run. It goes on when the runner is gone, until the last of
//! them has ended; a runner that takes over starts its own. Where it is killed, the ends of all commands that it had in
//! hand are unknown, and the next one gets a new recorder.
//!
//! Each command has a socket of its own. The job comes over that, as arguments and environment are visible to others.
//! Pieces of output go back over it while somebody listens; they are dropped rather than waited for.

pub(crate) mod boots;
pub(crate) mod room;
pub(crate) mod service;
pub(crate) mod spool;

pub use room::set_aside;
pub use service::{InService, ahead, spent};

use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use self::service::Message;
use self::spool::{Spool, Started, Status};
use super::command::supervise::supervise;

/// The hidden first argument under which the binary is its own recorder.
pub const ARGUMENT: &str = "__recorder";

/// What the recorder is to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) argv: Vec<String>,
    /// Variables, beside those that the runner has.
    pub(crate) environment: Vec<(String, String)>,
    /// What the command reads; nothing where absent.
    pub(crate) stdin: Option<String>,
    /// How long it may take.
    pub(crate) limit: Duration,
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Names the binary that is started as the recorder, for a process that is not that binary itself (a test). The first
/// call counts.
pub fn use_program(path: PathBuf) {
    let _ = PROGRAM.set(path);
}

/// Gives up what the commands of an attempt printed, in a run's spool on this machine. The outcome is in the journal by then,
/// without the secrets that may stand in the spool; nobody needs more of it than how it ended.
pub fn forget_output(spool: &Path, attempt: &str) {
    let folders = std::fs::read_dir(spool).into_iter().flatten().flatten();
    // An action that runs several commands names them ATTEMPT-WORD. The attempt of an item that is called ITEM-1 begins like
    // the first one of ITEM, and ends in a number.
    let is_word = |rest: &str| rest.strip_prefix('-').is_some_and(|word| word.bytes().all(|b| b.is_ascii_alphabetic()));
    let is_of = |name: &str| name.strip_prefix(attempt).is_some_and(|rest| rest.is_empty() || is_word(rest));
    for folder in folders.filter(|folder| is_of(&folder.file_name().to_string_lossy())) {
        if let Err(error) = Spool::at(folder.path()).forget_output() {
            tracing::debug!(folder = %folder.path().display(), %error, "what a command printed could not be removed");
        }
    }
}

/// The binary that is started as the recorder: this very one, even where its file was replaced meanwhile.
pub(crate) fn program() -> PathBuf {
    PROGRAM.get().cloned().unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// Is the recorder: called first thing in `main` with what follows the hidden argument.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(spool) = arguments.into_iter().next() else {
        return ExitCode::from(64);
    };
    // A session of its own: what is sent to the runner's group or terminal does not reach it. This fails only for the
    // leader of a group, which a process that the runner started never is.
    let _ = nix::unistd::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| runtime.block_on(serve(Path::new(&spool))));
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes commands until the runner is gone, and ends with the last of them.
async fn serve(spool: &Path) -> std::io::Result<()> {
    // Handled rather than ignored: handlers are not passed on to the command, and a dead listener is no reason to end.
    let _hangup = signal(SignalKind::hangup())?;
    let _interrupt = signal(SignalKind::interrupt())?;
    let _terminate = signal(SignalKind::terminate())?;
    // A limit of the size of files is an error of a write, not the end of the recorder.
    let _size_limit = signal(SignalKind::from_raw(nix::libc::SIGXFSZ))?;
    let who = Arc::new(Started::by_this_process());
    let socket = std::os::unix::net::UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let socket = UnixStream::from_std(socket)?;
    let mut commands = JoinSet::new();
    loop {
        tokio::select! {
            message = socket.async_io(Interest::READABLE, || service::receive(&socket)) => match message? {
                Message::Command(name, lock, own) => {
                    commands.spawn(record(Spool::at(spool.join(name)), Arc::clone(&who), lock, own));
                }
                Message::Unusable => {}
                Message::End => break,
            },
            // What became of one is in its folder; the others go on whatever it was.
            Some(_) = commands.join_next() => {}
        }
    }
    while commands.join_next().await.is_some() {}
    Ok(())
}

/// Starts one command and keeps what becomes of it. Its lock is held until that is written.
async fn record(spool: Spool, who: Arc<Started>, lock: OwnedFd, socket: OwnedFd) -> std::io::Result<()> {
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true)?;
    let (mut from_runner, to_runner) = UnixStream::from_std(socket)?.into_split();
    // A runner that died before it had sent the whole job leaves a command that never started.
    let job = receive(&mut from_runner).await?;
    if spool.is_void() || spool.has_started() {
        return Ok(());
    }
    spool.write_started(&who)?;
    if spool.is_void() {
        // Somebody who waited for long gave it up just now, and says that it never started.
        return spool.write_status(&Status::NotStarted("it was given up before it was started".to_owned()));
    }
    let (pieces, mut queue) = tokio::sync::mpsc::channel::<Vec<u8>>(256);
    let sender = tokio::spawn(async move {
        let mut to_runner = to_runner;
        while let Some(piece) = queue.recv().await {
            if to_runner.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
    let status = run(&spool, job, &pieces).await;
    spool.write_status(&status)?;
    drop(lock);
    drop(pieces);
    // A runner that is stopped must not keep its recorder: what it missed is in the spool.
    let _ = tokio::time::timeout(Duration::from_secs(2), sender).await;
    Ok(())
}

/// Runs the job to its end.
async fn run(spool: &Spool, job: Job, pieces: &tokio::sync::mpsc::Sender<Vec<u8>>) -> Status {
    let child = match spawn(&job) {
        Ok(child) => child,
        Err(error) => return Status::NotStarted(not_started(&job.argv, &error)),
    };
    spool.note_process(child.id());
    let mut kept = spool.output_files();
    let mut live = |is_stderr: bool, piece: &[u8]| {
        kept.append(is_stderr, piece);
        let _ = pieces.try_send(frame(is_stderr, piece));
    };
    match supervise(child, job.limit, job.stdin, &mut live).await {
        Ok(ended) => Status::Ended(ended),
        Err(error) => Status::Unknown(format!("the command could not be waited for: {error}")),
    }
}

/// Starts a job in a process group of its own, with pipes.
pub(crate) fn spawn(job: &Job) -> std::io::Result<tokio::process::Child> {
    let (program, arguments) = job.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    tokio::process::Command::new(program)
        .args(arguments)
        .envs(job.environment.iter().map(|(name, value)| (name, value)))
        .stdin(if job.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Why a program could not be started, for a person.
pub(crate) fn not_started(argv: &[String], error: &std::io::Error) -> String {
    let program = argv.first().map_or("", String::as_str);
    format!("`{program}` cannot be started on this host: {error}; nothing was done")
}

/// A piece of output as it goes over the socket: the stream, the length, the bytes.
fn frame(is_stderr: bool, piece: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(piece.len() + 5);
    frame.push(u8::from(is_stderr));
    frame.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes());
    frame.extend_from_slice(piece);
    frame
}

async fn receive(socket: &mut OwnedReadHalf) -> std::io::Result<Job> {
    let length = socket.read_u32().await?;
    let mut text = vec![0; length as usize];
    socket.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}
