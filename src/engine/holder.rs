//! Says who this process is, so that another one can later tell whether it is gone, and tells that of others. A process id
//! alone is not enough: ids are reused, and start from anew after a boot. Where it cannot be told, it says so or holds the
//! process for alive, as taking a run from a living process makes two writers. It must never end or signal a process.

use std::fs;
use std::io::ErrorKind;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, gethostname};

use super::person;
use crate::journal::boot_id;
use crate::run::Holder;

/// Whether a process that took a lease still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It runs, or nothing says that it does not.
    Alive,
    /// It has certainly ended: it is not there, is another process with the same id, or the machine was booted since.
    Gone,
    /// It runs or ran on another host or in another container, which cannot be looked at from here.
    OtherHost,
}

/// This process. Who that is does not change as long as it runs, so it is looked at once.
pub fn this_process() -> Holder {
    static THIS: OnceLock<Holder> = OnceLock::new();
    THIS.get_or_init(look_at_this_process).clone()
}

fn look_at_this_process() -> Holder {
    let pid = std::process::id();
    let started = match look_at(pid) {
        Sight::Running { started } => started,
        Sight::Absent | Sight::Hidden => 0,
    };
    Holder {
        user: person::name(),
        host: host_name(),
        boot: boot_id(),
        pid,
        namespace: namespace(),
        started,
        serves: false,
    }
}

/// Whether a holder still runs, as far as this process can see.
pub fn is_alive(holder: &Holder) -> Liveness {
    judge(
        holder,
        &Holder { boot: boot_id(), host: host_name(), namespace: namespace(), ..holder.clone() },
        look_at(holder.pid),
    )
}

/// What can be seen of a process id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// Nothing runs under it: there is none, or it has ended and nobody has asked for its status yet.
    Absent,
    /// A process that began at this tick since the boot.
    Running { started: u64 },
    /// There is a process, and its start cannot be read.
    Hidden,
}

fn judge(holder: &Holder, here: &Holder, sight: Sight) -> Liveness {
    // An empty text is one that could not be read: it tells nothing.
    let differs = |theirs: &str, ours: &str| theirs != ours && !theirs.is_empty() && !ours.is_empty();
    if holder.host != here.host {
        return Liveness::OtherHost;
    }
    if differs(&holder.boot, &here.boot) {
        return Liveness::Gone;
    }
    if differs(&holder.namespace, &here.namespace) {
        return Liveness::OtherHost;
    }
    match sight {
        Sight::Absent => Liveness::Gone,
        Sight::Running { started } if holder.started != 0 && started != holder.started => Liveness::Gone,
        Sight::Running { .. } | Sight::Hidden => Liveness::Alive,
    }
}

fn look_at(pid: u32) -> Sight {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(line) => match parse_stat(&line) {
            // A dead process that still waits for its parent does nothing any more.
            Some((b'Z' | b'X' | b'x', _)) => Sight::Absent,
            Some((_, started)) => Sight::Running { started },
            None => Sight::Hidden,
        },
        // It ended while it was read.
        Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => Sight::Absent,
        // `/proc` can be mounted so that it hides the processes of others.
        Err(error) if error.kind() == ErrorKind::NotFound => match i32::try_from(pid).map(Pid::from_raw) {
            Ok(pid) if pid.as_raw() > 0 && kill(pid, None) != Err(Errno::ESRCH) => Sight::Hidden,
            _ => Sight::Absent,
        },
        Err(_) => Sight::Hidden,
    }
}

/// The state and the start time of a `/proc/PID/stat` line. The name in its second field may hold spaces and parentheses,
/// so the fields are counted from behind its last one.
fn parse_stat(line: &str) -> Option<(u8, u64)> {
    let (_, fields) = line.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.bytes().next()?;
    // The state is field 3, the start time field 22.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

/// The namespace that process ids count in, as `/proc` names it.
fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default()
}

fn host_name() -> String {
    gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn holder_of(pid: u32) -> Holder {
        let Sight::Running { started } = look_at(pid) else { panic!("{pid} does not run") };
        Holder { pid, started, ..this_process() }
    }

    #[test]
    fn this_process_is_alive_and_known() {
        let me = this_process();
        assert!(!me.user.is_empty() && !me.host.is_empty());
        assert_eq!(me.boot.len(), 36);
        assert!(me.started > 0);
        assert_eq!(is_alive(&me), Liveness::Alive);
    }

    #[test]
    fn a_killed_process_is_gone_before_and_after_it_is_reaped() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let holder = holder_of(child.id());
        assert_eq!(is_alive(&holder), Liveness::Alive);
        child.kill().unwrap();
        // It is a zombie until it is waited for: the signal's effect is awaited, not guessed.
        while is_alive(&holder) == Liveness::Alive {
            std::thread::yield_now();
        }
        assert!(fs::read_to_string(format!("/proc/{}/stat", holder.pid)).unwrap().contains(") Z "));
        child.wait().unwrap();
        assert_eq!(is_alive(&holder), Liveness::Gone);
    }

    #[test]
    fn a_reused_process_id_is_not_the_same_process() {
        let me = this_process();
        let before = Holder { started: me.started - 1, ..me };
        assert_eq!(is_alive(&before), Liveness::Gone);
    }

    #[test]
    fn hosts_and_boots_are_told_apart() {
        let me = this_process();
        assert_eq!(is_alive(&Holder { boot: "another boot".to_owned(), ..me.clone() }), Liveness::Gone);
        let elsewhere = Holder { host: "another-host".to_owned(), boot: "another boot".to_owned(), ..me };
        assert_eq!(is_alive(&elsewhere), Liveness::OtherHost);
    }

    #[test]
    fn an_absent_process_of_another_container_is_not_gone() {
        let me = this_process();
        let other = Holder { namespace: "pid:[1]".to_owned(), pid: 1, ..me.clone() };
        assert_eq!(judge(&other, &me, Sight::Absent), Liveness::OtherHost);
    }

    #[test]
    fn what_cannot_be_seen_counts_as_alive() {
        let me = this_process();
        assert_eq!(judge(&me, &me, Sight::Hidden), Liveness::Alive);
        let blind = Holder { boot: String::new(), namespace: String::new(), ..me.clone() };
        assert_eq!(judge(&me, &blind, Sight::Running { started: me.started }), Liveness::Alive);
        let unread = Holder { started: 0, ..me.clone() };
        assert_eq!(judge(&unread, &me, Sight::Running { started: 7 }), Liveness::Alive);
        assert_eq!(judge(&unread, &me, Sight::Absent), Liveness::Gone);
    }

    #[test]
    fn names_with_spaces_and_parentheses_do_not_move_the_fields() {
        let rest = "R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["sh", "a b", "a) R 9 (b", "(x))", ")"] {
            assert_eq!(parse_stat(&format!("42 ({name}) {rest}")), Some((b'R', 4711)), "{name}");
        }
        for broken in
            ["", "42", "42 (sh", "42 (sh)", "42 (sh) R 1 2", "42 (sh) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 x"]
        {
            assert_eq!(parse_stat(broken), None, "{broken}");
        }
    }

    #[test]
    fn impossible_process_ids_are_gone() {
        let me = this_process();
        for pid in [u32::MAX, 0x7fff_fff0] {
            assert_eq!(is_alive(&Holder { pid, ..me.clone() }), Liveness::Gone);
        }
    }
}
