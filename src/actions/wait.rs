//! `wait`: looks at something again and again until it is as it should be. It changes nothing.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use super::command::{self, Command, Work};
use super::{Action, ActionError, Call, Context, http};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, format_seconds};

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "wait",
    summary: "Waits until something answers, exists or succeeds.",
    details: "Exactly one of `tcp`, `http`, `file`, `command` and `seconds` says what for. It is looked at, then again \
              after each `interval`, until it holds or the step's `timeout` is up: then the step is failed and says what \
              was last seen.",
    inputs: vec![
        FieldSpec::optional("tcp", Type::String, "ADDRESS:PORT that must accept a connection."),
        FieldSpec::optional("http", Type::String, "An address that must answer a GET with one of `expect_status`.")
            .read_as(Language::Url),
        FieldSpec::optional(
            "expect_status",
            Type::List(Box::new(Type::Integer)),
            "For `http`: the statuses to wait for; 200 to 299 where absent.",
        ),
        FieldSpec::optional("file", Type::String, "A path that must exist."),
        FieldSpec::optional(
            "command",
            Type::List(Box::new(Type::String)),
            "A program and its arguments that must exit with 0; it must only read, and each try ends after 5 s.",
        )
        .read_as(Language::Command),
        FieldSpec::optional("seconds", Type::Number, "A time to let pass, in seconds."),
        FieldSpec::optional(
            "host",
            Type::Reference("host".to_owned()),
            "For `file` and `command`: the host of the inventory to look on; this one where absent.",
        ),
        FieldSpec::optional("interval", Type::Duration, "The pause between two looks.").or(json!(1.0)),
    ],
    outputs: vec![
        FieldSpec::required("waited", Type::Number, "How long it took, in seconds.").volatile(),
        FieldSpec::required("last_seen", Type::String, "What the last look showed.").volatile(),
    ],
    facts: vec![FieldSpec::optional("holds", Type::Boolean, "Whether it holds now.").volatile()],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Whether it holds at the time of the plan; not when it will.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// What is waited for.
enum Condition {
    Tcp(String),
    Http(String, Option<Vec<u64>>),
    File(String),
    Command(Command),
    Time(Duration),
}

/// Waits until something holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wait;

#[async_trait]
impl Action for Wait {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::wait(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("what is waited for is not known yet"));
        }
        let condition = condition(arguments).map_err(ActionError::Invalid)?;
        if let Condition::Time(span) = condition {
            let mut prediction = Prediction::probed(json!({"holds": Value::Null}));
            prediction.notes.push(format!("lets {} pass", format_seconds(span.as_secs_f64())));
            return Ok(prediction);
        }
        let (holds, seen) = condition.look(context, Duration::from_secs(2)).await;
        let mut prediction = Prediction::probed(json!({"holds": holds}));
        prediction.notes.push(if holds { format!("holds now: {seen}") } else { format!("does not hold yet: {seen}") });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let condition = match condition(&call.arguments) {
            Ok(condition) => condition,
            Err(why) => return Report::no_effect(why),
        };
        let interval = call.arguments.get("interval").and_then(Value::as_f64).filter(|pause| *pause >= 0.01);
        let interval = Duration::try_from_secs_f64(interval.unwrap_or(1.0)).unwrap_or(Duration::from_secs(1));
        let started = Instant::now();
        let deadline = started + call.timeout;
        let waited = || started.elapsed().as_secs_f64();
        if let Condition::Time(span) = condition {
            if span >= call.timeout {
                let message = "the step's timeout is not longer than the time that it is to wait; raise `timeout`";
                return Report::failed(message);
            }
            tokio::time::sleep(span).await;
            return Report::done("the time has passed", json!({"waited": waited(), "last_seen": ""}));
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let (holds, seen) = condition.look(context, left.min(LOOK)).await;
            let outputs = json!({"waited": waited(), "last_seen": seen});
            if holds {
                return Report::done(format!("after {}: {seen}", format_seconds(waited())), outputs);
            }
            if Instant::now() + interval >= deadline {
                let limit = format_seconds(call.timeout.as_secs_f64());
                return Report::failed(format!("it did not hold within {limit}; last seen: {seen}"))
                    .with_outputs(outputs);
            }
            tokio::time::sleep(interval).await;
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

/// Whether what `arguments` describe, as this action takes them, holds now; and what was seen. For looks at health.
///
/// # Errors
/// When they describe nothing to look at.
pub(crate) async fn holds(context: &Context, arguments: &Value, limit: Duration) -> Result<(bool, String), String> {
    Ok(condition(arguments)?.look(context, limit).await)
}

fn condition(arguments: &Value) -> Result<Condition, String> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).map(str::to_owned);
    let host = text("host");
    let on_host = |argv: Vec<String>| {
        Condition::Command(Command {
            host: host.clone(),
            work: Work::Argv(argv),
            environment: Vec::new(),
            shell: None,
            become_user: None,
        })
    };
    let mut found = Vec::new();
    found.extend(text("tcp").map(Condition::Tcp));
    found.extend(text("http").map(|url| {
        let statuses = arguments.get("expect_status").and_then(Value::as_array);
        Condition::Http(url, statuses.map(|list| list.iter().filter_map(Value::as_u64).collect()))
    }));
    found.extend(text("file").map(|path| match host {
        Some(_) => on_host(vec!["test".to_owned(), "-e".to_owned(), path]),
        None => Condition::File(path),
    }));
    found.extend(arguments.get("command").and_then(Value::as_array).map(|argv| {
        on_host(argv.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect())
    }));
    found.extend(
        arguments
            .get("seconds")
            .and_then(Value::as_f64)
            .and_then(|span| Duration::try_from_secs_f64(span).ok())
            .map(Condition::Time),
    );
    match (found.pop(), found.pop()) {
        (Some(condition), None) => Ok(condition),
        _ => Err("exactly one of `tcp`, `http`, `file`, `command` and `seconds` says what to wait for".to_owned()),
    }
}

impl Condition {
    /// Whether it holds, and what was seen.
    async fn look(&self, context: &Context, limit: Duration) -> (bool, String) {
        match self {
            Condition::Time(_) => (true, String::new()),
            Condition::File(path) => match tokio::fs::try_exists(path).await {
                Ok(true) => (true, format!("{path} exists")),
                Ok(false) => (false, format!("{path} does not exist")),
                Err(error) => (false, format!("{path}: {error}")),
            },
            Condition::Tcp(address) => {
                match tokio::time::timeout(limit, tokio::net::TcpStream::connect(address)).await {
                    Ok(Ok(_)) => (true, format!("{address} accepts connections")),
                    Ok(Err(error)) => (false, format!("{address}: {error}")),
                    Err(_) => (false, format!("{address}: no answer")),
                }
            }
            Condition::Http(url, wanted) => match http::status_of(url, limit).await {
                Ok(status) => {
                    let fits =
                        wanted.as_ref().map_or((200..300).contains(&status), |list| list.contains(&status.into()));
                    (fits, format!("{url} answered {status}"))
                }
                Err(why) => (false, format!("{url}: {why}")),
            },
            Condition::Command(command) => match command::look(context, command, limit).await {
                Ok(ended) if ended.timed_out => (false, "the command did not end in time".to_owned()),
                Ok(ended) => {
                    let code =
                        ended.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
                    (ended.exit_code == Some(0), code)
                }
                Err(error) => (false, error.to_string()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use std::sync::Arc;

    fn context() -> Context {
        Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) }
    }

    fn call(arguments: Value) -> Call {
        Call {
            attempt: "test-1".to_owned(),
            key: "k".to_owned(),
            arguments,
            before: Value::Null,
            outputs: Value::Null,
            timeout: Duration::from_millis(400),
            kill_on_timeout: false,
            effect: Effect::Read,
            age: None,
        }
    }

    #[tokio::test]
    async fn it_ends_when_the_thing_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flag");
        let call = call(json!({"file": path, "interval": 0.01}));
        let context = context();
        let (report, ()) = tokio::join!(Wait.run(&context, &call), async {
            tokio::task::yield_now().await;
            std::fs::write(&path, "").unwrap();
        });
        assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    }

    #[tokio::test]
    async fn it_fails_at_its_deadline_and_says_what_was_seen() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let report = Wait.run(&context(), &call(json!({"tcp": free.to_string(), "interval": 0.1}))).await;
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(report.message.contains("refused"), "{}", report.message);
        let report = Wait.run(&context(), &call(json!({"command": ["sh", "-c", "exit 3"], "interval": 0.1}))).await;
        assert!(report.message.contains("exit code 3"), "{}", report.message);
    }

    #[tokio::test]
    async fn a_plan_says_whether_it_holds_now() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let prediction = Wait.plan(&context(), &json!({"tcp": address})).await.unwrap();
        assert_eq!(prediction.facts, json!({"holds": true}));
        assert!(Wait.plan(&context(), &json!({"tcp": address, "seconds": 1})).await.is_err());
        assert!(Wait.plan(&context(), &json!({})).await.is_err());
    }
}
