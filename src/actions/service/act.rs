//! Telling a service something: what all of its actions share. One command a call, under the recorder; what came of it is
//! read at the service, never at the command alone.

use std::time::{Duration, Instant};

use serde_json::json;

use super::target::{Seen, Target, Verb, last_words};
use crate::actions::command::{CommandError, Recalled, change, recall_sent};
use crate::actions::{ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{Change, Prediction};
use crate::value::Value;

/// How soon a service is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// What a look says before anybody acts: facts, what would be refused, and what the configuration's test says.
pub(super) async fn foresee(
    context: &Context,
    arguments: &Value,
    verb: Verb,
) -> Result<(Target, Seen, Prediction), ActionError> {
    let target = Target::find(context, arguments)?;
    let seen = target.look(context).await?;
    let mut prediction = Prediction::probed(seen.facts());
    prediction.refusals.clone_from(&seen.refusals);
    prediction.notes.clone_from(&seen.notes);
    prediction.notes.push(format!("{} is {}; health: {}", target.place(), seen.state, seen.health));
    if target.argv(verb).is_none() {
        prediction.refusals.push(missing(&target, verb));
    }
    if verb != Verb::Stop {
        prediction.refusals.extend(bad_configuration(context, &target, &seen).await?);
    }
    Ok((target, seen, prediction))
}

/// A change of a service's process, for the dry-run.
pub(super) fn difference(target: &Target, seen: &Seen, after: &str) -> Change {
    Change {
        what: format!("service {}", target.place()),
        before: Some(seen.state.clone()),
        after: Some(after.to_owned()),
    }
}

fn missing(target: &Target, verb: Verb) -> String {
    let word = verb.word();
    format!(
        "the inventory does not say how {} is told to {word}: write its `{word}: [PROGRAM, ARGUMENT, …]`, or its `unit`",
        target.name
    )
}

/// Why its configuration stands against a start: it would not come back with it.
async fn bad_configuration(context: &Context, target: &Target, seen: &Seen) -> Result<Option<String>, ActionError> {
    let goes_on = if seen.running == Some(true) { "; what runs goes on with the one that it read before" } else { "" };
    Ok(target
        .test(context)
        .await?
        .map(|said| format!("the configuration of {} is not good: {said}{goes_on}", target.place())))
}

/// A report of something that was certainly not done.
pub(super) fn not_done(error: ActionError) -> Report {
    Report::no_effect(error.to_string())
}

/// Looks, and refuses what must not be told.
pub(super) async fn ready(
    context: &Context,
    arguments: &Value,
    verb: Verb,
) -> Result<(Target, Seen, Vec<String>), Report> {
    let target = Target::find(context, arguments).map_err(not_done)?;
    let seen = target.state(context).await.map_err(not_done)?;
    if let Some(why) = seen.refusals.first() {
        return Err(Report::no_effect(why.clone()));
    }
    let Some(argv) = target.argv(verb) else { return Err(Report::no_effect(missing(&target, verb))) };
    if verb != Verb::Stop
        && let Some(why) = bad_configuration(context, &target, &seen).await.map_err(not_done)?
    {
        return Err(Report::no_effect(why));
    }
    Ok((target, seen, argv))
}

/// Runs its command. One that hangs is killed at the step's timeout: it must not keep whoever waits for the service from the
/// next means, and systemd goes on by itself with what systemctl told it.
pub(super) async fn tell(context: &Context, call: &Call, target: &Target, argv: &[String]) -> Result<(), Report> {
    match change(context, &target.command(argv), &key(call), call.timeout, true).await {
        Ok(ended) if ended.exit_code == Some(0) => Ok(()),
        Ok(ended) => {
            let line = by_hand::comment(&argv.join(" "));
            let line = line.trim_start_matches("# ");
            Err(Report::failed(format!("`{line}` for {}: {}", target.place(), last_words(&ended)))
                .with_output(ended.output))
        }
        Err(CommandError::Unreachable(why) | CommandError::Invalid(why)) => Err(Report::no_effect(why)),
        Err(CommandError::Lost(why)) => Err(Report::unknown(why)),
    }
}

/// Looks until it is as it should be, or the time is up: the last look, and whether it is so.
pub(super) async fn until(
    context: &Context,
    target: &Target,
    deadline: Instant,
    is_so: impl Fn(&Seen) -> bool,
) -> Result<(Seen, bool), ActionError> {
    loop {
        let seen = target.state(context).await?;
        let holds = is_so(&seen);
        if holds || Instant::now() + AGAIN >= deadline {
            return Ok((seen, holds));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// The outputs of what changes a service.
pub(super) fn outputs(seen: &Seen, before: &Value) -> Value {
    json!({ "running": seen.running == Some(true), "pid": seen.pid, "previous_pid": before["pid"] })
}

/// What the recorder knows of its command, if that decides already; else a look at the service does.
pub(super) async fn recalled(context: &Context, call: &Call, target: &Target, verb: Verb) -> Option<Finding> {
    let argv = target.argv(verb)?;
    let wait = call.timeout.max(Duration::from_secs(5));
    match recall_sent(context, &target.command(&argv), &key(call), wait, call.age).await {
        Recalled::StillRunning(evidence) => Some(Finding::StillRunning { evidence }),
        Recalled::NeverStarted(evidence) => Some(Finding::DidNot { evidence }),
        Recalled::Ended(_) | Recalled::Lost(_) => None,
    }
}

fn key(call: &Call) -> String {
    format!("{}-told", call.attempt)
}

/// The lines for a person.
pub(super) fn lines_by_hand(inventory: &Inventory, arguments: &Value, verb: Verb) -> Vec<String> {
    let name = by_hand::value(arguments, "service");
    let Ok(service) = inventory.service(&name) else {
        return vec![by_hand::comment(&format!("{} {name}", verb.word()))];
    };
    let target = Target { name, service: service.clone() };
    let mut lines = Vec::new();
    if verb != Verb::Stop {
        lines.extend(service.test.as_ref().map(|argv| line(inventory, &target, argv)));
    }
    match target.argv(verb) {
        Some(argv) => lines.push(line(inventory, &target, &argv)),
        None => lines.push(by_hand::comment(&missing(&target, verb))),
    }
    lines.extend(health_by_hand(inventory, &target));
    lines
}

/// A command on its host, for a shell.
pub(super) fn line(inventory: &Inventory, target: &Target, argv: &[String]) -> String {
    let sudo = target.service.become_user.as_ref().map(|user| format!("sudo -n -u {} ", by_hand::word(user)));
    let words: Vec<String> = argv.iter().map(|word| by_hand::word(word)).collect();
    by_hand::on_host(
        inventory,
        target.service.host.as_deref(),
        &format!("{}{}", sudo.unwrap_or_default(), words.join(" ")),
    )
}

/// How a person sees its health.
pub(super) fn health_by_hand(inventory: &Inventory, target: &Target) -> Vec<String> {
    let Some(health) = &target.service.health else { return Vec::new() };
    if let Some(url) = &health.http {
        return vec![format!("curl -sSf -o /dev/null -w '%{{http_code}}\\n' {}", by_hand::word(url))];
    }
    if let Some((address, port)) = health.tcp.as_deref().and_then(|tcp| tcp.rsplit_once(':')) {
        return vec![format!("nc -z {} {}", by_hand::word(address), by_hand::word(port))];
    }
    health.command.iter().map(|argv| line(inventory, target, argv)).collect()
}
