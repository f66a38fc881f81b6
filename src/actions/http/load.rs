//! `load.check`: whether a service keeps its level under a small, steady load. Everything about it is bounded by ceilings that
//! no playbook can raise: it must never become an attack, and it never sends a request that could change something.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::{Action, ActionError, Call, Context};
use super::describe;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, format_seconds};

mod bounds;
mod level;
#[cfg(test)]
mod tests;

use bounds::{CLIENT, PACE, TURN, hold_address};
use level::{Ended, Level, Tally};

/// What no playbook can go beyond: requests a second, seconds, and requests at the same time.
const MOST_RATE: f64 = 200.0;
const LONGEST: f64 = 120.0;
const MOST_AT_ONCE: usize = 64;
/// How much of an answer is read.
const CAP: usize = 64 * 1024;
/// How long the one request of a plan may take.
const LOOK: Duration = Duration::from_secs(3);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let limit = |name, which| FieldSpec::optional(name, Type::Duration, which);
    ActionSpec {
        name: "load.check",
        summary: "Sends requests at a steady rate for a bounded time, and holds the answers to a service level.",
        details: "Requests leave at their times whether or not the answers to those before have come (an open loop), each on a \
            connection of its own, as new users come. A request's time counts from the moment at which it was to leave, so a \
            service that stands still for a second is seen by all who would have come in that second. One that fails counts as \
            slower than any limit. It stops as soon as the level can no longer be met.\n\nThere are ceilings that nothing \
            raises: 200 requests a second (and never more than 250 in one, when those who waited catch up), 120 s, 64 at the \
            same time, one check at a time in a runner (another one waits for its end, as long as its own timeout leaves it \
            time); GET and HEAD alone; of each answer 64 KiB are read. Addresses that are link-local (a cloud's metadata) or \
            reach many are refused, also behind a name, and no redirect is followed.",
        inputs: vec![
            FieldSpec::required("url", Type::String, "Where to, beginning with http:// or https://.")
                .read_as(Language::Url),
            FieldSpec::optional(
                "path",
                Type::List(Box::new(Type::Any)),
                "What is put behind the path of `url`: a list of parts, each encoded.",
            ),
            FieldSpec::optional("query", Type::Any, "What is asked for: a map of names to values, each encoded."),
            FieldSpec::optional("method", Type::Choice(vec!["GET".to_owned(), "HEAD".to_owned()]), "GET or HEAD.")
                .or(json!("GET")),
            FieldSpec::optional("headers", Type::Any, "Headers: a map of names to values."),
            FieldSpec::required("rate", Type::Number, "Requests a second, at most 200."),
            FieldSpec::required("duration", Type::Duration, "For how long, at most 120 s."),
            FieldSpec::optional("concurrency", Type::Integer, "How many at the same time, at most 64; others wait.")
                .or(json!(16)),
            FieldSpec::optional(
                "expect_status",
                Type::List(Box::new(Type::Integer)),
                "The statuses that are a success; 200 to 299 where absent.",
            ),
            FieldSpec::optional("success", Type::Number, "The share that has to succeed: 0.999 is 99.9 %.")
                .or(json!(1.0)),
            limit("p50", "What half of all requests may take at most."),
            limit("p95", "What 95 of 100 may take at most."),
            limit("p99", "What 99 of 100 may take at most."),
            FieldSpec::optional(
                "request_timeout",
                Type::Duration,
                "A request without an answer for so long has failed.",
            )
            .or(json!(5.0)),
        ],
        outputs: vec![
            FieldSpec::required("met", Type::Boolean, "Whether the level was met.").volatile(),
            FieldSpec::required("sent", Type::Integer, "How many requests left or were to leave.").volatile(),
            FieldSpec::required("succeeded", Type::Integer, "How many succeeded.").volatile(),
            FieldSpec::required("success", Type::Number, "The share of those.").volatile(),
            FieldSpec::optional(
                "p50",
                Type::Number,
                "What half of them took at most, in seconds; null where those failed.",
            )
            .volatile(),
            FieldSpec::optional("p95", Type::Number, "What 95 of 100 took at most.").volatile(),
            FieldSpec::optional("p99", Type::Number, "What 99 of 100 took at most.").volatile(),
            FieldSpec::required("stopped_early", Type::Boolean, "Whether it ended as the level was lost.").volatile(),
            FieldSpec::required("failures", Type::Any, "Why requests failed: reasons and how often, at most 10.")
                .volatile(),
        ],
        facts: vec![
            FieldSpec::optional("status", Type::Integer, "What one request is answered now.").volatile(),
            FieldSpec::optional("seconds", Type::Number, "How long that took.").volatile(),
        ],
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "How one request is answered now; not that the service holds the rate. A dry-run sends that one and no load.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 150.0,
        open_inputs: false,
    }
});

/// A bounded load against a service level.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load;

/// What is to be sent, within the ceilings.
#[derive(Debug)]
struct Order {
    message: Message,
    rate: f64,
    count: usize,
    at_once: usize,
    /// How long one request may take, from the moment at which it was to leave.
    patience: Duration,
    level: Level,
}

/// A request that can be made again and again.
#[derive(Debug)]
struct Message(reqwest::Request);

impl Message {
    fn copy(&self, limit: Duration) -> Option<reqwest::Request> {
        let mut copy = self.0.try_clone()?;
        *copy.timeout_mut() = Some(limit);
        Some(copy)
    }
}

#[async_trait]
impl Action for Load {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, _: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        use crate::actions::by_hand::{comment, http, value};
        let mut lines = http(arguments);
        let given = ["success", "p50", "p95", "p99"].into_iter().filter(|name| arguments.get(*name).is_some());
        let level: Vec<String> = given.map(|name| format!("{name} {}", value(arguments, name))).collect();
        lines.push(comment(&format!(
            "again and again, {} times a second for {} s at most; the level: {}",
            value(arguments, "rate"),
            value(arguments, "duration"),
            level.join(", ")
        )));
        lines
    }

    async fn plan(&self, _context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("what is asked is not known yet"));
        }
        let order = order(arguments).map_err(ActionError::Invalid)?;
        let began = Instant::now();
        let ended = one(&order, began, LOOK).await;
        let mut prediction = Prediction::probed(json!({ "status": ended.status, "seconds": ended.rounded() }));
        prediction.notes.push(match (&ended.failure, ended.status) {
            (None, Some(status)) => format!("answers {status} now, in {:.0} ms", ended.seconds * 1000.0),
            (Some(why), _) => format!("does not answer as it has to now: {why}"),
            (None, None) => "does not answer now".to_owned(),
        });
        prediction.notes.push(format!("would send {} requests, {} a second", order.count, order.rate));
        Ok(prediction)
    }

    async fn run(&self, _context: &Context, call: &Call) -> Report {
        let order = match order(&call.arguments) {
            Ok(order) => order,
            Err(why) => return Report::no_effect(why),
        };
        let needed = order.count as f64 / order.rate + order.patience.as_secs_f64();
        if needed >= call.timeout.as_secs_f64() {
            return Report::no_effect(format!(
                "it may take {} in all, which is not less than the step's timeout: raise `timeout`",
                format_seconds(needed)
            ));
        }
        let spare = call.timeout.saturating_sub(Duration::from_secs_f64(needed));
        let Ok(Ok(_turn)) = tokio::time::timeout(spare, TURN.acquire()).await else {
            return Report::no_effect(format!(
                "another load.check was under way in this runner for {}: nothing was sent. Let them run one after the other, or \
                 raise `timeout`",
                format_seconds(spare.as_secs_f64())
            ));
        };
        let target = format!("{} {}", order.message.0.method(), told(order.message.0.url()));
        let tally = send(order).await;
        let outputs = tally.outputs();
        match tally.verdict() {
            Ok(text) => Report::done(format!("{target}: {text}"), outputs),
            Err(text) => Report::failed(format!("{target}: {text}")).with_outputs(outputs),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

/// An address without what may be a secret in it.
fn told(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

fn order(arguments: &Value) -> Result<Order, String> {
    let number = |name: &str| arguments.get(name).and_then(Value::as_f64).filter(|number| number.is_finite());
    let within = |name: &str, most: f64| match number(name) {
        Some(number) if number > 0.0 && number <= most => Ok(number),
        Some(number) => Err(format!("`{name}` is {number}, and has to be more than 0 and at most {most}")),
        None => Err(format!("`{name}` is missing or no number")),
    };
    let rate = within("rate", MOST_RATE)?;
    let duration = within("duration", LONGEST)?;
    let at_once = arguments.get("concurrency").and_then(Value::as_u64).unwrap_or(16);
    let at_once = usize::try_from(at_once).ok().filter(|count| (1..=MOST_AT_ONCE).contains(count));
    let at_once = at_once.ok_or_else(|| format!("`concurrency` has to be from 1 to {MOST_AT_ONCE}"))?;
    let patience = number("request_timeout").unwrap_or(5.0);
    let patience = Duration::try_from_secs_f64(patience).ok().filter(|time| !time.is_zero() && time.as_secs() <= 60);
    let patience = patience.ok_or("`request_timeout` has to be more than 0 and at most 60 s")?;
    let asked = json!({
        "url": arguments.get("url"), "path": arguments.get("path"), "query": arguments.get("query"),
        "method": arguments.get("method"), "headers": arguments.get("headers"),
    });
    let message = super::request(&asked, None)?;
    if !matches!(*message.method(), reqwest::Method::GET | reqwest::Method::HEAD) {
        return Err(format!("`{}` may change something, and is never sent as a load: GET or HEAD", message.method()));
    }
    hold_address(message.url())?;
    // At least one, or nothing would be checked.
    let count = ((rate * duration).floor() as usize).max(1);
    Ok(Order { message: Message(message), rate, count, at_once, patience, level: Level::read(arguments)? })
}

/// Sends all of it, or as much as it takes to see that the level is lost.
async fn send(order: Order) -> Tally {
    let order = std::sync::Arc::new(order);
    let room = std::sync::Arc::new(Semaphore::new(order.at_once));
    let mut under_way = JoinSet::new();
    let mut tally = Tally::new(order.level.clone(), order.count);
    let began = Instant::now();
    let mut next = 0;
    // What is still under way when this is dropped is given up: the set ends its tasks.
    while !(tally.is_lost() || next == order.count && under_way.is_empty()) {
        let due = began + Duration::from_secs_f64(next as f64 / order.rate);
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                tally.add(ended.unwrap_or_else(|_| Ended::failed("it was lost in the runner", 0.0)));
            }
            () = tokio::time::sleep_until(due), if next < order.count => {
                let (order, room) = (std::sync::Arc::clone(&order), std::sync::Arc::clone(&room));
                under_way.spawn(async move { in_turn(&order, &room, due).await });
                next += 1;
                tally.sent = next;
            }
        }
    }
    tally
}

async fn in_turn(order: &Order, room: &Semaphore, due: Instant) -> Ended {
    let place = async {
        let permit = room.acquire().await;
        // Those who waited for a service that stood still must not fall upon it all at once when it comes back.
        PACE.leave().await;
        permit
    };
    match tokio::time::timeout_at(due + order.patience, place).await {
        Ok(Ok(_permit)) => one(order, due, order.patience).await,
        _ => Ended::failed("those before it took all the room until its time was up", order.patience.as_secs_f64()),
    }
}

/// One request that was to leave at `due`.
async fn one(order: &Order, due: Instant, patience: Duration) -> Ended {
    let left = (due + patience).saturating_duration_since(Instant::now());
    let took = || due.elapsed().as_secs_f64();
    let (Ok(client), Some(message)) = (&*CLIENT, order.message.copy(left)) else {
        return Ended::failed("no request can be sent from here", took());
    };
    let answered = tokio::time::timeout(left, async {
        let mut answer = client.execute(message).await?;
        let mut read = 0;
        while let Some(piece) = answer.chunk().await? {
            read += piece.len();
            if read > CAP {
                break;
            }
        }
        Ok::<u16, reqwest::Error>(answer.status().as_u16())
    });
    match answered.await {
        Ok(Ok(status)) if order.level.is_good(status) => Ended { seconds: took(), status: Some(status), failure: None },
        Ok(Ok(status)) => Ended { status: Some(status), ..Ended::failed(format!("answered {status}"), took()) },
        Ok(Err(error)) if error.is_timeout() => Ended::failed("no answer in time", took()),
        Ok(Err(error)) => Ended::failed(describe(&error), took()),
        Err(_) => Ended::failed("no answer in time", took()),
    }
}
