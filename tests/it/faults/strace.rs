//! The real binary under strace, which kills it at a chosen system call. Only the runner is to be killed: the recorder and
//! the commands below it are meant to outlive it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::processes::until;

/// The system calls by which something reaches the disk, a target or another process.
const EFFECTS: &[&str] = &[
    "write",
    "pwrite64",
    "writev",
    "pwritev",
    "sendto",
    "sendmsg",
    "fsync",
    "fdatasync",
    "ftruncate",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "clone",
    "clone3",
    "fork",
    "vfork",
    "connect",
    "flock",
    "socketpair",
];

/// The call by which the journal gets to the disk.
pub const FLUSH: &str = "fdatasync";

/// One call at which a process can be killed: which, and the how many-th of it.
pub type Point = (String, u32);

/// What of a runner is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Watched {
    /// Its main thread: all that is written to the journal, and all that goes out but over ssh.
    MainThread,
    /// All threads. Processes that it starts would be watched and killed too: for runs that start none here.
    AllThreads,
}

impl Watched {
    fn options(self) -> &'static [&'static str] {
        if self == Watched::AllThreads { &["-f"] } else { &[] }
    }
}

/// The calls that a command made, as points, spread over all kinds of calls in the order of their names.
pub fn points(watched: Watched, command: Command, folder: &Path) -> (Vec<Point>, Output) {
    let summary = folder.join("strace-summary");
    let mut strace = wrapped(command, watched, &["-c", "-U", "calls,name", "-o", summary.to_str().unwrap()]);
    let output = strace.output().expect("strace runs (fixtures/setup installs it)");
    let text = std::fs::read_to_string(&summary).unwrap();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(Ok(count)), Some(name)) = (words.next().map(str::parse::<u32>), words.next()) else { continue };
        if EFFECTS.contains(&name) {
            counts.insert(name, count);
        }
    }
    let said = || String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(counts.contains_key(FLUSH), "strace counted no write to the disk: {}\n{counts:?}", said());
    let all = counts.into_iter().flat_map(|(name, count)| (1..=count).map(move |number| (name.to_owned(), number)));
    (all.collect(), output)
}

/// Runs a command that is killed as it enters a call, which is then not made. Says whether it came to that.
pub fn killed_at(watched: Watched, command: Command, (call, number): &Point) -> (bool, Output) {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let mut strace = wrapped(command, watched, &["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
    let output = strace.output().expect("strace runs (fixtures/setup installs it)");
    // strace ends as the process that it watched did.
    (output.status.signal() == Some(9), output)
}

/// A process that was stopped (SIGSTOP) as it entered a call, under the strace that watches it.
pub struct Stopped {
    strace: Child,
    /// The process itself.
    pub process: Pid,
}

impl Stopped {
    /// Lets it go on, to its end; gives back its exit code and what it told on its standard output.
    pub fn go_on(mut self) -> (Option<i32>, Vec<u8>) {
        kill(self.process, Signal::SIGCONT).unwrap();
        let mut told = Vec::new();
        self.strace.stdout.take().unwrap().read_to_end(&mut told).unwrap();
        (self.strace.wait().unwrap().code(), told)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if matches!(self.strace.try_wait(), Ok(None)) {
            let _ = kill(self.process, Signal::SIGKILL);
            let _ = self.strace.wait();
        }
    }
}

/// Runs a command until it is stopped as it enters a call; nothing where it ends without making that call.
pub fn stopped_at(command: Command, (call, number): &Point, folder: &Path) -> Option<Stopped> {
    let log = folder.join("strace-log");
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=STOP:when={number}");
    let options = ["-o", log.to_str().unwrap(), "-e", &trace, "-e", &inject];
    let mut strace = wrapped(command, Watched::MainThread, &options);
    let mut strace = strace.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("strace runs");
    let stopped = until("a stop or an end", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let ended = strace.try_wait().unwrap().is_some();
        (ended || text.contains("--- stopped by SIGSTOP ---")).then_some(!ended)
    });
    if !stopped {
        return None;
    }
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", strace.id())).unwrap();
    let process = Pid::from_raw(children.split_whitespace().next().unwrap().parse().unwrap());
    Some(Stopped { strace, process })
}

/// The same command, watched.
fn wrapped(command: Command, watched: Watched, options: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace
        .args(watched.options())
        .args(options)
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}
