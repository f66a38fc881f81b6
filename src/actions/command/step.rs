//! What the actions `shell` and `ssh` share: a command from a step's arguments, a report from its end.

use std::time::Duration;

use serde_json::json;

use super::{Command, CommandError, Ended, Recalled, Work, change, look, recall_sent};
use crate::actions::{ActionError, Call, Context};
use crate::outcome::{Finding, Outcome, Report};
use crate::spec::{Effect, FieldSpec};
use crate::value::{Type, Value, contains_unknown, format_seconds};

/// A person who asks what became of a command waits at least this long for one that still runs.
const LEAST_WAIT: Duration = Duration::from_secs(30);

/// The inputs that both take.
pub(crate) fn inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::optional(
            "script",
            Type::String,
            "What the shell runs, line by line; it gets its values from `environment`. Exactly one of `script` and `argv`.",
        ),
        FieldSpec::optional(
            "argv",
            Type::List(Box::new(Type::Any)),
            "A program and its arguments; no shell reads them, so any value may stand in them.",
        ),
        FieldSpec::optional(
            "environment",
            Type::Any,
            "Variables for the command: a map of names to values. A value that is no text is given as JSON.",
        ),
        FieldSpec::optional(
            "shell",
            Type::String,
            "What runs `script`: a program and its options, for example `bash -eu -o pipefail`; it gets `-c SCRIPT`.",
        )
        .or(json!("/bin/sh -e")),
        FieldSpec::optional(
            "become",
            Type::Identifier,
            "The user to run it as, with `sudo -n`: sudo must not ask for a password.",
        ),
    ]
}

/// The outputs that both give.
pub(crate) fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required(
            "stdout",
            Type::String,
            "What it printed, without the last line's end; of more than 64 KiB the head and the tail.",
        )
        .volatile(),
        FieldSpec::required("stderr", Type::String, "What it printed as errors, kept like `stdout`.").volatile(),
        FieldSpec::optional("exit_code", Type::Integer, "Its exit code; null where a signal ended it.").volatile(),
    ]
}

/// The command that a step's arguments describe.
///
/// # Errors
/// When they describe none, or more than one.
pub(crate) fn command(arguments: &Value, host: Option<&str>) -> Result<Command, ActionError> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let work = match (text("script"), given(arguments, "argv")) {
        (Some(script), None) => Work::Script(script),
        (None, Some(argv)) => Work::Argv(words(argv)?),
        (Some(_), Some(_)) => {
            return Err(ActionError::Invalid("both `script` and `argv` are given: a step runs one of them".to_owned()));
        }
        (None, None) => {
            return Err(ActionError::Invalid(
                "neither `script` nor `argv` is given: there is nothing to run".to_owned(),
            ));
        }
    };
    Ok(Command {
        host: host.map(str::to_owned),
        work,
        environment: environment(arguments)?,
        shell: Some(text("shell").unwrap_or_else(|| "/bin/sh -e".to_owned())),
        become_user: text("become"),
    })
}

fn given<'a>(arguments: &'a Value, name: &str) -> Option<&'a Value> {
    arguments.get(name).filter(|value| !value.is_null())
}

fn words(argv: &Value) -> Result<Vec<String>, ActionError> {
    let words = argv.as_array().filter(|words| !words.is_empty());
    let words =
        words.ok_or_else(|| ActionError::Invalid("`argv` is a list: a program, then its arguments".to_owned()))?;
    words.iter().enumerate().map(|(place, word)| plain_text(&format!("item {place} of `argv`"), word)).collect()
}

fn environment(arguments: &Value) -> Result<Vec<(String, String)>, ActionError> {
    match given(arguments, "environment") {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => {
            map.iter().map(|(name, value)| Ok((name.clone(), plain_text(&format!("`{name}`"), value)?))).collect()
        }
        Some(_) => Err(ActionError::Invalid("`environment` is a map of names to values".to_owned())),
    }
}

/// A value as a command sees it: text as it is, the rest as JSON. An absent one is refused: an empty text in its place has
/// made commands act on `/` before.
fn plain_text(what: &str, value: &Value) -> Result<String, ActionError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(ActionError::Invalid(format!(
            "{what} has no value: what it names is not given. Give the input, or say what stands in its place: \
             {{{{default inputs.NAME ''}}}}"
        ))),
        other => Ok(other.to_string()),
    }
}

/// Refuses at planning time what cannot become a command, and names the program that is needed where that is known.
///
/// # Errors
/// When the arguments describe no command.
pub(crate) fn check(arguments: &Value) -> Result<Option<String>, ActionError> {
    if contains_unknown(arguments) {
        return Ok(None);
    }
    let command = command(arguments, None)?;
    super::quote::validate(&command).map_err(|error| ActionError::Invalid(error.to_string()))?;
    let list = super::quote::argument_list(&command).map_err(|error| ActionError::Invalid(error.to_string()))?;
    // With `become` it is sudo that looks for the program, in the other user's path.
    Ok(if command.become_user.is_some() { Some("sudo".to_owned()) } else { list.into_iter().next() })
}

/// Runs a step's command.
pub(crate) async fn run(context: &Context, call: &Call, host: Option<&str>) -> Report {
    let command = match command(&call.arguments, host) {
        Ok(command) => command,
        Err(error) => return Report::no_effect(error.to_string()),
    };
    let ended = match call.effect {
        Effect::Read => look(context, &command, call.timeout).await,
        _ => change(context, &command, &call.attempt, call.timeout, call.kill_on_timeout).await,
    };
    match ended {
        Ok(ended) => report(ended, call.timeout),
        Err(CommandError::Unreachable(why) | CommandError::Invalid(why)) => Report::no_effect(why),
        // A look changes nothing, whatever became of it.
        Err(CommandError::Lost(why)) if call.effect == Effect::Read => Report::failed(why),
        Err(CommandError::Lost(why)) => Report::unknown(why),
    }
}

/// Asks the recorder what became of a step's command.
pub(crate) async fn probe(context: &Context, call: &Call, host: Option<&str>) -> Finding {
    if call.effect == Effect::Read {
        return Finding::CannotTell { evidence: "it only reads: nothing is kept of it".to_owned() };
    }
    let command = match command(&call.arguments, host) {
        Ok(command) => command,
        Err(error) => return Finding::DidNot { evidence: error.to_string() },
    };
    match recall_sent(context, &command, &call.attempt, call.timeout.max(LEAST_WAIT), call.age).await {
        Recalled::Ended(ended) => Finding::Ended(report(ended, call.timeout)),
        Recalled::NeverStarted(evidence) => Finding::DidNot { evidence },
        Recalled::StillRunning(evidence) => Finding::StillRunning { evidence },
        Recalled::Lost(evidence) => Finding::CannotTell { evidence },
    }
}

/// The report of a command that ended. Its outputs are there also where it failed, as `ok_if` decides over them.
fn report(ended: Ended, timeout: Duration) -> Report {
    let last_line = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    let said = last_line(&ended.output.stderr.text).or_else(|| last_line(&ended.output.stdout.text));
    let said = said.map(|line| format!(": {}", line.chars().take(200).collect::<String>())).unwrap_or_default();
    let (outcome, message) = match (ended.timed_out, ended.exit_code, ended.signal) {
        (true, ..) => {
            let limit = format_seconds(timeout.as_secs_f64());
            (Outcome::Failed, format!("killed at its timeout of {limit}; part of it may have happened{said}"))
        }
        (false, Some(0), _) => (Outcome::Done, "exit code 0".to_owned()),
        (false, Some(code), _) => (Outcome::Failed, format!("exit code {code}{said}")),
        (false, None, signal) => {
            let signal = signal.map_or_else(|| "a signal".to_owned(), |number| format!("signal {number}"));
            (Outcome::Failed, format!("ended by {signal}{said}"))
        }
    };
    let outputs = json!({
        "stdout": without_last_newline(&ended.output.stdout.text),
        "stderr": without_last_newline(&ended.output.stderr.text),
        "exit_code": ended.exit_code,
    });
    Report { outcome, message, outputs, output: Some(ended.output) }
}

fn without_last_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::CommandOutput;

    #[test]
    fn a_step_runs_one_thing() {
        assert!(command(&json!({"script": "true"}), None).is_ok());
        assert!(command(&json!({"argv": ["true"], "script": null}), None).is_ok());
        for bad in [
            json!({}),
            json!({"script": "true", "argv": ["true"]}),
            json!({"argv": []}),
            json!({"argv": "true"}),
            json!({"script": "true", "environment": ["A=1"]}),
            json!({"script": "rm -r \"$DIR/cache\"", "environment": {"DIR": null}}),
            json!({"argv": ["rm", "-r", null]}),
        ] {
            assert!(command(&bad, None).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_reach_a_command_as_text() {
        let made = command(&json!({"argv": ["echo", 5, true], "environment": {"A": 1.5, "B": ""}}), None).unwrap();
        assert_eq!(made.work, Work::Argv(vec!["echo".into(), "5".into(), "true".into()]));
        assert_eq!(made.environment, [("A".to_owned(), "1.5".to_owned()), ("B".to_owned(), String::new())]);
    }

    #[test]
    fn a_failed_command_keeps_its_outputs() {
        let mut output = CommandOutput::default();
        output.stdout.text = "one\ntwo\n".to_owned();
        output.stderr.text = "no such server\n\n".to_owned();
        let ended = Ended { exit_code: Some(3), signal: None, timed_out: false, output };
        let report = report(ended, Duration::from_secs(1));
        assert_eq!(report.outcome, Outcome::Failed);
        assert_eq!(report.message, "exit code 3: no such server");
        assert_eq!(report.outputs, json!({"stdout": "one\ntwo", "stderr": "no such server\n", "exit_code": 3}));
    }
}
