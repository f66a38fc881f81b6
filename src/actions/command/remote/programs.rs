//! The programs that are sent to a host: fixed text, with quoted values set before it.

use std::time::Duration;

use crate::actions::command::quote::{program, quote};
use crate::actions::command::{Command, CommandError};

const LOOK: &str = include_str!("look.sh");
const SPOOL: &str = include_str!("spool.sh");
const RECORDER: &str = include_str!("recorder.sh");

/// A program that looks.
pub(super) fn look(command: &Command, marker: &str, timeout: Duration) -> Result<String, CommandError> {
    // We give up first; the host's own limit is for a connection that is lost.
    let limit = (whole_seconds(timeout) + 1).to_string();
    let become_user = command.become_user.as_deref().unwrap_or_default();
    let program = program(command)?;
    assemble(&[("marker", marker), ("become", become_user), ("limit", &limit), ("program", &program)], LOOK)
}

/// A program that starts a command under the recorder, or attaches to it.
pub(super) fn change(
    command: &Command,
    marker: &str,
    key: &str,
    timeout: Duration,
    kill_on_timeout: bool,
) -> Result<String, CommandError> {
    let limit = if kill_on_timeout { whole_seconds(timeout).to_string() } else { String::new() };
    let follow_for = (whole_seconds(timeout) + 10).to_string();
    spool(&[
        ("mode", "change"),
        ("marker", marker),
        ("key", key),
        ("become", command.become_user.as_deref().unwrap_or_default()),
        ("limit", &limit),
        ("follow_for", &follow_for),
        ("program", &program(command)?),
    ])
}

/// A program that asks what became of a command.
pub(super) fn recall(marker: &str, key: &str, wait: Duration) -> Result<String, CommandError> {
    spool(&[
        ("mode", "recall"),
        ("marker", marker),
        ("key", key),
        ("become", ""),
        ("limit", ""),
        ("follow_for", &wait.as_secs().to_string()),
        ("program", ""),
    ])
}

fn spool(values: &[(&str, &str)]) -> Result<String, CommandError> {
    let mut values = values.to_vec();
    values.push(("recorder", RECORDER));
    assemble(&values, SPOOL)
}

/// One function that is called at the very end: a host that gets only a part of it, as the connection broke, runs nothing.
fn assemble(values: &[(&str, &str)], text: &str) -> Result<String, CommandError> {
    let mut whole = String::from("playbook_remote() {\n");
    for (name, value) in values {
        whole.push_str(&format!("{name}={}\n", quote(value)?));
    }
    whole.push_str(text);
    whole.push_str("\n}\nplaybook_remote </dev/null\n");
    Ok(whole)
}

/// Seconds for a host's `sleep`, rounded up.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}
