//! The real binary under strace, which kills it at a chosen system call. Only the runner is to be killed: the recorder and
//! the commands below it are meant to outlive it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
    assert!(counts.contains_key("fsync"), "strace counted no write to the disk: {}\n{counts:?}", said());
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
