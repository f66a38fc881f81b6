//! The programs that are sent to a host: fixed text, with quoted values set before it.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::actions::command::quote::{function, program, quote};
use crate::actions::command::{Command, CommandError, Work};

static LOOK: LazyLock<String> = LazyLock::new(|| bare(include_str!("look.sh")));
static PRESENT: LazyLock<String> = LazyLock::new(|| bare(include_str!("present.sh")));
static SPOOL: LazyLock<String> = LazyLock::new(|| bare(include_str!("spool.sh")));

/// The last line of each program, which runs it. What the runner sends behind it is descriptor 3, and nothing of that is
/// ever taken for a command. Where the program succeeds its shell says so in both streams, and waits for the next one.
pub(super) const CALL: &str =
    "{ playbook_remote 3<&0 </dev/null && echo \"$our_marker.\" && echo \"$our_marker.\" >&2 || exit; }\n";

/// A program for a host's shell.
pub(super) struct Program {
    /// All of it; the last line is the call.
    pub(super) text: String,
    marker: String,
}

impl Program {
    /// All but the call: a shell that gets it runs nothing of it.
    pub(super) fn body(&self) -> &str {
        self.text.strip_suffix(CALL).unwrap_or_default()
    }

    /// What a shell says behind this, and what it says then: that it has read all before it.
    pub(super) fn awake(&self) -> (String, String) {
        (format!("echo {}!\n", self.marker), format!("{}!\n", self.marker))
    }

    /// What stands in both streams behind all that it printed, where its shell waits for the next one.
    pub(super) fn end(&self) -> String {
        format!("{}.\n", self.marker)
    }
}

/// How much longer ago than it is said a command may have been sent: times are kept in whole seconds there.
const MARGIN: Duration = Duration::from_secs(2);

/// A program that looks.
pub(super) fn look(command: &Command, marker: &str, timeout: Duration) -> Result<Program, CommandError> {
    // We give up first; the host's own limit is for a connection that is lost.
    let limit = (whole_seconds(timeout) + 1).to_string();
    assemble(marker, &[("limit", &limit)], Some(command), &LOOK)
}

/// A program that looks whether a program is there.
pub(super) fn present(wanted: &str, marker: &str) -> Result<Program, CommandError> {
    assemble(marker, &[("wanted", wanted)], None, &PRESENT)
}

/// A program that starts a command under the recorder, or attaches to it.
pub(super) fn change(
    command: &Command,
    marker: &str,
    key: &str,
    timeout: Duration,
    kill_on_timeout: bool,
) -> Result<Program, CommandError> {
    let limit = if kill_on_timeout { whole_seconds(timeout).to_string() } else { String::new() };
    let wait = (whole_seconds(timeout) + 10).to_string();
    let values = [("mode", "change"), ("key", key), ("limit", &limit), ("wait", &wait), ("age", "")];
    spool(marker, &values, Some(command))
}

/// A program that asks what became of a command, which was sent so long ago, where that is known.
pub(super) fn recall(marker: &str, key: &str, wait: Duration, age: Option<Duration>) -> Result<Program, CommandError> {
    let wait = wait.as_secs().to_string();
    let age = age.map(|age| whole_seconds(age + MARGIN).to_string()).unwrap_or_default();
    let values = [("mode", "recall"), ("key", key), ("limit", ""), ("wait", &wait), ("age", &age)];
    spool(marker, &values, None)
}

fn spool(marker: &str, values: &[(&str, &str)], command: Option<&Command>) -> Result<Program, CommandError> {
    // By days, so that old output is looked for once a day, and not with every command.
    let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let day = day.to_string();
    let values: Vec<(&str, &str)> = values.iter().copied().chain([("day", day.as_str())]).collect();
    assemble(marker, &values, command, &SPOOL)
}

/// One function that is called at the very end: a host that gets only a part of it, as the connection broke, runs nothing.
fn assemble(
    marker: &str,
    values: &[(&str, &str)],
    command: Option<&Command>,
    text: &str,
) -> Result<Program, CommandError> {
    let mut whole = String::new();
    let own = match command {
        Some(command) if !is_plain(command) => program(command)?,
        Some(command) => {
            whole.push_str(&function(command)?);
            String::new()
        }
        None => String::new(),
    };
    whole.push_str("playbook_remote() {\n");
    let become_user = command.and_then(|command| command.become_user.as_deref()).unwrap_or_default();
    let own = [("marker", marker), ("become", become_user), ("program", own.as_str())];
    for (name, value) in values.iter().copied().chain(own) {
        whole.push_str(&format!("our_{name}={}\n", quote(value)?));
    }
    whole.push_str(text);
    whole.push_str("}\n");
    whole.push_str(CALL);
    Ok(Program { text: whole, marker: marker.to_owned() })
}

/// Whether a command can be begun by the very shell that reads the program, which saves one. Another user's cannot, nor one
/// that is fed, and no variable of the command may decide how the programs before it are found.
fn is_plain(command: &Command) -> bool {
    let decides = |name: &str| name == "PATH" || name == "POSIXLY_CORRECT" || name.starts_with("LD_");
    command.become_user.is_none()
        && !matches!(command.work, Work::Fed { .. })
        && !command.environment.iter().any(|(name, _)| decides(name))
}

/// A program's text without what is only for people: some shells read it byte by byte.
fn bare(text: &str) -> String {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Seconds for a host's `sleep`, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command as Process, Stdio};

    use super::*;

    fn command() -> Command {
        Command {
            host: None,
            work: Work::Argv(["echo", "it's", "# no comment"].map(str::to_owned).to_vec()),
            environment: vec![("LINES".to_owned(), "one\n# two\n  three".to_owned())],
            shell: None,
            become_user: None,
        }
    }

    /// What a host prints that gets this much of a program.
    fn printed(program: &[u8], state: &std::path::Path) -> String {
        let mut shell = Process::new("/bin/sh");
        shell.arg("-s").env("XDG_STATE_HOME", state).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().unwrap();
        // A shell that gave up reads no more.
        let _ = child.stdin.take().unwrap().write_all(program);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    fn a_part_of_a_program_runs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let minute = Duration::from_secs(60);
        let programs = [
            look(&command(), "m", minute).unwrap(),
            change(&command(), "m", "k", minute, true).unwrap(),
            recall("m", "k", minute, None).unwrap(),
        ];
        for program in programs {
            let (text, last) = (program.text.as_bytes(), program.body().len());
            assert_eq!(last + CALL.len(), text.len());
            // Each place near the call, and some before it.
            for length in (0..last).step_by(97).chain(last - 3..text.len() - 2) {
                assert_eq!(printed(&text[..length], folder.path()), "", "{:?}", &program.text[..length]);
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let look = look(&command(), "m", minute).unwrap();
        let whole = printed(look.text.as_bytes(), folder.path());
        assert_eq!(whole, "m\nit's # no comment\nm 0\nm.\n");
    }

    #[test]
    fn values_go_through_unchanged_where_comments_are_taken_out() {
        let mut shown = command();
        shown.work = Work::Argv(["printenv", "LINES"].map(str::to_owned).to_vec());
        let program = look(&shown, "m", Duration::from_secs(60)).unwrap();
        let printed = printed(program.text.as_bytes(), std::path::Path::new("/"));
        assert_eq!(printed, "m\none\n# two\n  three\nm 0\nm.\n");
        assert!(!LOOK.contains('#') && LOOK.len() < include_str!("look.sh").len());
    }
}
