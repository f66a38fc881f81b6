//! The fence of a primary that does not answer: the inventory's methods in order, until one's own probe confirms it. A
//! method that only ran proves nothing.

use std::time::Duration;

use serde_json::json;

use super::cluster::View;
use super::connect::database;
use super::fence::hold;
use super::lsn::Lsn;
use super::member::{before_start, end_of_log, inspect, kill, stop};
use super::{Deadline, PostgresError};
use crate::actions::command::{Command, Work, change, look};
use crate::actions::{Call, Context};
use crate::inventory::{Fence, Member};
use crate::outcome::Report;

/// How long an immediate stop may take before its processes are killed.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Fences by the first method that is confirmed.
pub(super) async fn fence_unplanned(
    context: &Context,
    call: &Call,
    view: &View,
    name: &str,
    found: &Member,
) -> Result<Report, PostgresError> {
    let deadline = Deadline::after(call.timeout);
    let configured = &database(&context.inventory, &view.cluster)?.fence;
    let methods: &[Fence] = if configured.is_empty() { &[Fence::Ssh] } else { configured };
    let mut attempts = Vec::new();
    for (index, method) in methods.iter().enumerate() {
        let key = format!("{}-{index}", call.attempt);
        let (word, tried) = match method {
            Fence::Ssh => ("ssh", by_ssh(context, &key, view, name, found).await),
            Fence::Command { argv, probe } => {
                ("command", by_command(context, &key, (argv, probe), name, found, deadline).await)
            }
        };
        match tried {
            Ok(evidence) => return Ok(fenced(context, view, name, found, word, &evidence, deadline).await),
            // Another cluster's server behind this name: no other method may be let loose on it either.
            Err(PostgresError::Refused(text)) => return Err(PostgresError::Refused(text)),
            Err(error) => attempts.push(format!("{word}: {error}")),
        }
    }
    Err(PostgresError::Failed(format!(
        "nothing confirms that {name} takes no more writes, so nothing may be promoted. Tried: {}. Make sure by hand (power \
         it off, cut its network), then try again",
        attempts.join("; ")
    )))
}

async fn by_ssh(
    context: &Context,
    key: &str,
    view: &View,
    name: &str,
    found: &Member,
) -> Result<String, PostgresError> {
    let seen = inspect(context, found).await?;
    hold(view, name, Some(&seen))?;
    if !seen.processes.is_empty() {
        // What matters is the look afterwards; a stop that fails leaves processes, which are killed.
        stop(context, found, &format!("{key}-stop"), true, AT_ONCE).await?;
        let left = inspect(context, found).await?.processes;
        if !left.is_empty() {
            kill(context, found, &format!("{key}-kill"), &left).await?;
        }
    }
    let deadline = Deadline::after(Duration::from_secs(5));
    loop {
        let seen = inspect(context, found).await?;
        if seen.processes.is_empty() {
            return Ok(format!("no process serves {} (`{}`)", found.data_directory.display(), seen.state));
        }
        if deadline.passed() {
            return Err(PostgresError::Failed(format!("{} processes still serve it", seen.processes.len())));
        }
        deadline.pause().await;
    }
}

async fn by_command(
    context: &Context,
    key: &str,
    (argv, probe): (&[String], &[String]),
    name: &str,
    found: &Member,
    deadline: Deadline,
) -> Result<String, PostgresError> {
    let ended = change(context, &here(argv, name, found), &format!("{key}-fence"), deadline.left(), true)
        .await
        .map_err(before_start)?;
    let said = ended.last_words();
    // A machine takes its time to go down; a command that failed is looked after once, as it may have been too late only.
    let patience = if ended.exit_code == Some(0) { Duration::from_secs(30) } else { Duration::ZERO };
    let until = Deadline::after(deadline.left().min(patience));
    loop {
        let confirmed = look(&context.quiet(), &here(probe, name, found), AT_ONCE).await.map_err(before_start)?;
        if confirmed.exit_code == Some(0) {
            return Ok(format!("`{}` confirms it", probe.join(" ")));
        }
        if until.passed() {
            let told = confirmed.last_words();
            return Err(PostgresError::Failed(format!("it ended ({said}) and its probe does not confirm it ({told})")));
        }
        tokio::time::sleep(Duration::from_millis(500).min(until.left())).await;
    }
}

fn here(argv: &[String], name: &str, found: &Member) -> Command {
    Command {
        host: None,
        work: Work::Argv(argv.iter().map(|word| filled(word, name, found)).collect()),
        environment: Vec::new(),
        shell: None,
        become_user: None,
    }
}

/// A word of a command with what stands for the member. It stays one word, whatever is filled in, and what was filled in is
/// not looked at again.
fn filled(word: &str, name: &str, found: &Member) -> String {
    let host = found.host.as_deref().unwrap_or_default();
    let mut text = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, here) = rest.split_at(at);
        text.push_str(before);
        let known = [("{member}", name), ("{address}", found.address.as_str()), ("{host}", host)];
        match known.into_iter().find_map(|(mark, value)| Some((value, here.strip_prefix(mark)?))) {
            Some((value, after)) => {
                text.push_str(value);
                rest = after;
            }
            None => {
                text.push('{');
                rest = here.get(1..).unwrap_or_default();
            }
        }
    }
    text.push_str(rest);
    text
}

async fn fenced(
    context: &Context,
    view: &View,
    name: &str,
    found: &Member,
    word: &str,
    evidence: &str,
    deadline: Deadline,
) -> Report {
    let seen = inspect(context, found).await.ok();
    let end = match &seen {
        Some(seen) => end_of_log(context, found, seen, deadline.left().min(Duration::from_secs(15))).await,
        None => None,
    };
    let furthest = view.best_standby().and_then(|standby| view.facts(standby)).and_then(|facts| facts.furthest());
    let lost = lost(end, furthest);
    let loss = match lost {
        Some(0) => "its standby has all of its log".to_owned(),
        Some(bytes) => format!("{bytes} bytes of its log are on no standby and would be lost by promoting one"),
        None => "how much of its log no standby has cannot be known".to_owned(),
    };
    let outputs = json!({
        "method": word, "position": null, "timeline": seen.map(|seen| seen.timeline), "lost_bytes": lost,
    });
    Report::done(format!("{name} is fenced ({word}): {evidence}; {loss}"), outputs)
}

/// Log that the old primary has and the furthest standby does not.
fn lost(end: Option<Lsn>, furthest: Option<Lsn>) -> Option<i64> {
    Some(end?.ahead_of(furthest?).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_gets_the_members_names_also_inside_a_word_and_once() {
        let member: Member = serde_json::from_value(json!({
            "host": "{member}", "address": "10.0.0.1; touch x", "port": 1, "data_directory": "/d", "bin_directory": "/b",
        }))
        .unwrap();
        assert_eq!(filled("{host}-ipmi", "pg1", &member), "{member}-ipmi", "what is filled in is not read again");
        assert_eq!(filled("--to={address}", "pg1", &member), "--to=10.0.0.1; touch x", "it stays one word");
        assert_eq!(filled("{member}{member}{x}{", "pg1", &member), "pg1pg1{x}{");
        assert_eq!(filled("plain", "pg1", &member), "plain");
    }

    #[test]
    fn loss_is_known_only_where_both_ends_are() {
        assert_eq!(lost(Some(Lsn(500)), Some(Lsn(400))), Some(100));
        assert_eq!(lost(Some(Lsn(400)), Some(Lsn(400))), Some(0));
        assert_eq!(lost(None, Some(Lsn(400))), None);
        assert_eq!(lost(Some(Lsn(400)), None), None);
    }
}
