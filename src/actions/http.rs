//! `http`: one request. It never follows a redirect and never sends a request twice by itself.

use std::sync::LazyLock;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, format_seconds};

mod address;
mod journey;
mod load;

pub(crate) use address::of as address;
pub use journey::Journey;
pub use load::Load;

/// How much of an answer is kept.
const CAP: usize = 64 * 1024;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "http",
    summary: "Sends one HTTP request and checks the status of the answer.",
    details: "Redirects are not followed; `https` is checked against this host's certificates. No connection means that \
              nothing was sent and nothing happened. No answer after sending means that nobody knows: the outcome is \
              unknown, except for GET and HEAD, which change nothing and may run again. With `idempotency_key` the \
              request carries a key that stays the same when it is sent again, so that the target can remove doubles.",
    inputs: vec![
        FieldSpec::required("url", Type::String, "Where to, beginning with http:// or https://.")
            .read_as(Language::Url),
        FieldSpec::optional(
            "path",
            Type::List(Box::new(Type::Any)),
            "What is put behind the path of `url`: a list of parts, each encoded, so that none can leave its place.",
        ),
        FieldSpec::optional("query", Type::Any, "What is asked for: a map of names to values, each encoded."),
        FieldSpec::optional("method", Type::String, "GET, POST, PUT, …").or(json!("GET")),
        FieldSpec::optional("headers", Type::Any, "Headers: a map of names to values."),
        FieldSpec::optional("json", Type::Any, "What to send, as JSON. At most one of `json` and `body`."),
        FieldSpec::optional("body", Type::String, "What to send, as it is."),
        FieldSpec::optional(
            "expect_status",
            Type::List(Box::new(Type::Integer)),
            "The statuses that mean done; 200 to 299 where absent.",
        ),
        FieldSpec::optional(
            "idempotency_key",
            Type::Any,
            "`true` sends the attempt's key as the header Idempotency-Key; a text names another header.",
        )
        .or(json!(false)),
    ],
    outputs: vec![
        FieldSpec::required("status", Type::Integer, "The status of the answer."),
        FieldSpec::required("body", Type::String, "Its body, at most 64 KiB of it.").volatile(),
        FieldSpec::optional("json", Type::Any, "Its body as JSON; null where it is none.").volatile(),
        FieldSpec::required("headers", Type::Any, "Its headers: a map of lower-case names to values.").volatile(),
    ],
    facts: Vec::new(),
    effect: Effect::Once,
    fidelity: Fidelity::Unknown,
    proves: "Nothing about the target; only that the request is well-formed.",
    undo: UndoSpec::Impossible("nobody can tell what a request changed: it is undone by the step's own `rollback:`"),
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

/// No connection is kept: a request on one that the target just closed could not be told from one that it received.
static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| {
    // Somebody else in this process may have installed it already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .retry(reqwest::retry::never())
        .user_agent(concat!("playbook/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| describe(&error))
});

/// One request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Http;

#[async_trait]
impl Action for Http {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, _: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::http(arguments)
    }

    async fn plan(&self, _context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("the request rests on values that are not known yet"));
        }
        let request = request(arguments, None).map_err(ActionError::Invalid)?;
        Ok(Prediction::unknown(format!("{} {}: its answer is not known before", request.method(), request.url())))
    }

    async fn run(&self, _context: &Context, call: &Call) -> Report {
        let key = key_header(call);
        let (client, mut request) =
            match (&*CLIENT, request(&call.arguments, key.as_deref().map(|name| (name, &*call.key)))) {
                (Ok(client), Ok(request)) => (client, request),
                (Err(why), _) => return Report::no_effect(format!("no request can be sent from here: {why}")),
                (_, Err(why)) => return Report::no_effect(why),
            };
        let target = format!("{} {}", request.method(), request.url());
        *request.timeout_mut() = Some(call.timeout);
        match client.execute(request).await {
            Ok(answer) => judge(&target, answer, &call.arguments, is_safe(call)).await,
            Err(error) => unanswered(&target, &error, call),
        }
    }

    async fn probe(&self, _context: &Context, call: &Call) -> Finding {
        if is_safe(call) {
            return Finding::DidNot { evidence: "a request that only reads changes nothing".to_owned() };
        }
        Finding::CannotTell {
            evidence: "nobody but the target knows whether it received the request; ask it, or give the step a probe"
                .to_owned(),
        }
    }

    async fn undo(&self, _context: &Context, _call: &Call) -> Report {
        Report::no_effect("a request has no undo of its own: the step's `rollback:` says how it is undone")
    }
}

/// The current state of an address, for `wait`: the status that it answers with.
pub(crate) async fn status_of(url: &str, timeout: std::time::Duration) -> Result<u16, String> {
    let mut request = request(&json!({"url": url}), None)?;
    *request.timeout_mut() = Some(timeout);
    let client = CLIENT.as_ref().map_err(Clone::clone)?;
    client.execute(request).await.map(|answer| answer.status().as_u16()).map_err(|error| describe(&error))
}

fn is_safe(call: &Call) -> bool {
    let method = call.arguments.get("method").and_then(Value::as_str).unwrap_or("GET").to_ascii_uppercase();
    call.effect == Effect::Read || matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS")
}

/// The header that carries the key, if one is to be sent.
fn key_header(call: &Call) -> Option<String> {
    match call.arguments.get("idempotency_key") {
        Some(Value::String(name)) => Some(name.clone()),
        Some(Value::Bool(true)) => Some("Idempotency-Key".to_owned()),
        _ => (call.effect == Effect::Keyed).then(|| "Idempotency-Key".to_owned()),
    }
}

/// The request that the arguments describe.
fn request(arguments: &Value, key: Option<(&str, &str)>) -> Result<reqwest::Request, String> {
    let url = address::of(arguments)?;
    let method = arguments.get("method").and_then(Value::as_str).unwrap_or("GET").to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method of HTTP"))?;
    let mut request = reqwest::Request::new(method, url);
    let json = arguments.get("json").filter(|value| !value.is_null());
    let body = arguments.get("body").and_then(Value::as_str);
    match (json, body) {
        (Some(_), Some(_)) => return Err("both `json` and `body` are given: a request has one body".to_owned()),
        (Some(json), None) => {
            request.headers_mut().insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(json.to_string().into());
        }
        (None, Some(body)) => *request.body_mut() = Some(body.to_owned().into()),
        (None, None) => {}
    }
    headers(arguments.get("headers"), key, request.headers_mut())?;
    Ok(request)
}

fn headers(given: Option<&Value>, key: Option<(&str, &str)>, headers: &mut HeaderMap) -> Result<(), String> {
    let mut insert = |name: &str, value: &str| -> Result<(), String> {
        let name: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header's name"))?;
        // The value is not repeated: it may be a secret.
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of the header {name} holds a line end or another control character"))?;
        headers.insert(name, value);
        Ok(())
    };
    match given {
        None | Some(Value::Null) => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                match value {
                    Value::String(text) => insert(name, text)?,
                    Value::Number(_) | Value::Bool(_) => insert(name, &value.to_string())?,
                    _ => return Err(format!("the header {name} is no text")),
                }
            }
        }
        Some(_) => return Err("`headers` is a map of names to values".to_owned()),
    }
    key.map_or(Ok(()), |(name, value)| insert(name, value))
}

/// What an answer means.
async fn judge(target: &str, mut answer: reqwest::Response, arguments: &Value, safe: bool) -> Report {
    let status = answer.status();
    let headers: serde_json::Map<String, Value> = answer
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    let mut body = Vec::new();
    let mut broken = None;
    while body.len() <= CAP {
        match answer.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => {
                broken = Some(describe(&error));
                break;
            }
        }
    }
    let truncated = body.len() > CAP;
    body.truncate(CAP);
    let json = if truncated { Value::Null } else { serde_json::from_slice(&body).unwrap_or(Value::Null) };
    let text = String::from_utf8_lossy(&body).into_owned();
    let outputs = json!({"status": status.as_u16(), "body": text, "json": json, "headers": headers});
    let said = text.lines().next().map(|line| plain(line, 200)).unwrap_or_default();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    match broken {
        _ if !expected(arguments, status) => Report::failed(format!("{target} answered {status}{said}")),
        // The status is the target's word on what it did; a lost body only takes away the outputs.
        Some(why) if safe => Report::failed(format!("{target} answered {status}, then the answer broke off: {why}")),
        Some(why) => Report::unknown(format!("{target} answered {status}, then the answer broke off: {why}")),
        None => return Report::done(format!("{target} answered {status}"), outputs),
    }
    .with_outputs(outputs)
}

fn expected(arguments: &Value, status: reqwest::StatusCode) -> bool {
    match arguments.get("expect_status").and_then(Value::as_array) {
        Some(list) => list.iter().any(|wanted| wanted.as_u64() == Some(u64::from(status.as_u16()))),
        None => status.is_success(),
    }
}

/// What it means that no answer came.
fn unanswered(target: &str, error: &reqwest::Error, call: &Call) -> Report {
    let why = if error.is_timeout() {
        format!("no answer within {}", format_seconds(call.timeout.as_secs_f64()))
    } else {
        describe(error)
    };
    if error.is_connect() || error.is_builder() {
        Report::no_effect(format!("{target}: no connection, nothing was sent: {why}"))
    } else if is_safe(call) {
        Report::failed(format!("{target}: {why}; it only reads, so it changed nothing"))
    } else {
        Report::unknown(format!("{target}: {why}; the request may have reached its target"))
    }
}

/// A text that comes from outside, for a person: nothing in it moves the cursor or turns the writing around, and it ends after
/// so many letters.
fn plain(text: &str, most: usize) -> String {
    let turns = |letter| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut letters = text.chars().map(|letter| if letter.is_control() || turns(letter) { '\u{fffd}' } else { letter });
    let mut plain: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        plain.pop();
        plain.push('…');
    }
    plain
}

/// An error with its causes, without the address: the caller names it.
fn describe(error: &reqwest::Error) -> String {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes.pop().unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn context() -> Context {
        Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) }
    }

    fn call(arguments: Value) -> Call {
        Call {
            attempt: "test-1".to_owned(),
            key: "run-1.step-1".to_owned(),
            arguments,
            before: Value::Null,
            outputs: Value::Null,
            timeout: Duration::from_millis(500),
            kill_on_timeout: false,
            effect: Effect::Once,
            age: None,
        }
    }

    /// Answers one request with `answer` (nothing: closes the connection) and gives back what was asked.
    async fn server(answer: Option<&'static str>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let length = stream.read(&mut buffer).await.unwrap();
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        });
        (url, task)
    }

    #[tokio::test]
    async fn an_answer_becomes_outputs_and_the_key_is_sent() {
        let (url, asked) =
            server(Some("HTTP/1.1 201 Created\r\nx-id: 7\r\ncontent-length: 11\r\n\r\n{\"ok\":true}")).await;
        let report = Http
            .run(&context(), &call(json!({"url": url, "method": "post", "json": {"a": 1}, "idempotency_key": true})))
            .await;
        let asked = asked.await.unwrap();
        assert!(asked.starts_with("POST /x HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("idempotency-key: run-1.step-1\r\n"), "{asked}");
        assert!(asked.ends_with("{\"a\":1}"), "{asked}");
        assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
        assert_eq!(report.outputs["headers"]["x-id"], "7");
        assert_eq!(report.outputs["json"], json!({"ok": true}));
    }

    #[tokio::test]
    async fn no_connection_is_no_effect_and_no_answer_is_unknown() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = Http.run(&context(), &call(json!({"url": format!("http://{free}/"), "method": "POST"}))).await;
        assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
        let (url, _asked) = server(None).await;
        let lost = Http.run(&context(), &call(json!({"url": url, "method": "POST"}))).await;
        assert_eq!(lost.outcome, Outcome::Unknown, "{}", lost.message);
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let late = Http.run(&context(), &call(json!({"url": url, "method": "POST"}))).await;
        assert_eq!(late.outcome, Outcome::Unknown, "{}", late.message);
        let read = Http.run(&context(), &call(json!({"url": url}))).await;
        assert_eq!(read.outcome, Outcome::Failed, "{}", read.message);
    }

    #[tokio::test]
    async fn an_unexpected_status_and_a_redirect_are_failures() {
        for answer in
            ["HTTP/1.1 302 Found\r\nlocation: /y\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 500 No\r\n\r\nbroken"]
        {
            let (url, _asked) = server(Some(answer)).await;
            let report = Http.run(&context(), &call(json!({"url": url}))).await;
            assert_eq!(report.outcome, Outcome::Failed, "{}", report.message);
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in [
            json!({"url": "ftp://x/"}),
            json!({"url": "x"}),
            json!({"url": "http://x/", "method": "G T"}),
            json!({"url": "http://x/", "json": 1, "body": "x"}),
            json!({"url": "http://x/", "headers": {"a b": "x"}}),
            json!({"url": "http://x/", "headers": {"a": "x\r\ny: z"}}),
        ] {
            assert!(request(&bad, None).is_err(), "{bad}");
        }
    }
}
