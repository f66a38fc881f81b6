//! Commands and their recorder, here and over a real sshd on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod actions;
mod local;
#[cfg(feature = "ssh")]
mod remote;
#[cfg(feature = "ssh")]
mod shells;
#[cfg(feature = "ssh")]
pub mod sshd;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use playbook::actions::command::{Command, Work};
use playbook::actions::{Context, recorder};
use playbook::inventory::Inventory;

/// Values that hurt where quoting is wrong.
const HOSTILE: [&str; 10] = [
    "",
    "'",
    "'; touch hurt; '",
    "$(touch hurt)",
    "`touch hurt`",
    "a\nb\\\n",
    "\"$HOME\" ${IFS} *",
    "−ü 数据库 🚑",
    "\\'",
    "-n",
];

/// Prints ten MiB.
const FLOOD: &str = "head -c 10485760 /dev/zero | tr '\\0' x";
/// And what `sha256sum` says of them.
const SHA256_OF_FLOOD: &str = "462a12a876c0364e4f1f3d12ed33dcae125f1198010ff78d8f4c3f4de0412d49";

/// What was printed while a command ran.
type Seen = Arc<Mutex<Vec<u8>>>;

fn context(spool: &Path, inventory: Inventory) -> (Context, Seen) {
    recorder::use_program(env!("CARGO_BIN_EXE_playbook").into());
    let seen = Seen::default();
    let into = seen.clone();
    let output = Arc::new(move |_: bool, piece: &[u8]| into.lock().unwrap().extend_from_slice(piece));
    (Context { inventory: Arc::new(inventory), spool: spool.to_owned(), output }, seen)
}

fn script(host: Option<&str>, text: &str) -> Command {
    Command {
        host: host.map(str::to_owned),
        work: Work::Script(text.to_owned()),
        environment: Vec::new(),
        shell: None,
        become_user: None,
    }
}

/// Prints each argument and each variable in brackets: what arrives is what was sent, or it is not.
fn hostile(host: Option<&str>) -> (Command, String) {
    let mut argv: Vec<String> =
        ["sh", "-c", "for a in \"$@\"; do printf '[%s]' \"$a\"; done; printf '{%s}' \"$V0\" \"$V5\" \"$V7\"", "sh"]
            .map(str::to_owned)
            .to_vec();
    argv.extend(HOSTILE.map(str::to_owned));
    let environment = HOSTILE.iter().enumerate().map(|(n, value)| (format!("V{n}"), (*value).to_owned())).collect();
    let mut expected: String = HOSTILE.iter().map(|value| format!("[{value}]")).collect();
    for n in [0, 5, 7] {
        expected.push_str(&format!("{{{}}}", HOSTILE[n]));
    }
    let mut command = script(host, "");
    command.work = Work::Argv(argv);
    command.environment = environment;
    (command, expected)
}

/// Waits until something is so. Tests wait for conditions, never for times.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn kill(pid: u32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), signal).unwrap();
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}
