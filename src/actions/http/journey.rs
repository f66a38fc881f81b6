//! `http.journey`: what a user does, request after request, with what each answer has to be. All requests go to one place;
//! it never follows a redirect away from there, never reads an answer without a bound, and never tells a value that it took
//! out of one.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::super::{Action, ActionError, Call, Context};
use super::{CLIENT, describe};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, format_seconds};

mod by_hand;
mod cookies;
mod expect;
mod hidden;
mod request;
#[cfg(test)]
mod tests;

use cookies::Jar;
use expect::{Answer, Quotes};
use hidden::Hidden;
use request::{Request, Taken};

/// How much of one answer is read.
const CAP: usize = 256 * 1024;

/// The most requests of one journey, and the most redirects of one request.
const MOST_REQUESTS: usize = 50;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "http.journey",
    summary: "Does what a user does, request after request, and holds each answer to what it has to be.",
    details: "The requests go out one after the other, to paths below `url`; the first one that is not answered as it has to be \
        ends the journey. Each is a map:\n\n`name`, `method` (GET), `path` (a list of parts, each encoded), `query`, `headers`, and \
        at most one of `json`, `form` and `body`; `expect` and `take`; `follow` (how many redirects, 0 unless it is said, at \
        most 5, each as a GET and within the place that `url` names).\n\n`expect: { status: 200 or [200, 204], contains: TEXT, \
        lacks: TEXT, json: { $.items[0].id: 7 }, headers: { content-type: TEXT that is in it }, within: 0.5 }` (seconds); 200 to \
        299 where no status is given.\n\n`take: { token: { json: $.token } }` (or `{ header: NAME }`) keeps a value of the answer; \
        `{ taken: token }` stands for it in the parts, queries, headers and bodies behind it, `{ taken: token, before: \"Bearer \" }` \
        with a text around it. What is taken, and cookies (kept as a browser does), is no output, and is masked in what this step \
        says; from a request that takes a value, an answer below 400 is not quoted at all.\n\nWith GET, HEAD \
        and OPTIONS alone it only reads, and runs in a dry-run too. With any other method its effect is `once` unless the step \
        says `effect:`; a login that changes nothing worth keeping may be `effect: read`; with `effect: keyed` each such request \
        carries a header Idempotency-Key that stays the same when the journey is made again. At most 50 requests; of each \
        answer 256 KiB are read, and nothing is unpacked.",
    inputs: vec![
        FieldSpec::required("url", Type::String, "The place, beginning with http:// or https://.")
            .read_as(Language::Url),
        FieldSpec::required("requests", Type::List(Box::new(Type::Any)), "What is asked, in order: a list of maps."),
        FieldSpec::optional("request_timeout", Type::Duration, "How long one answer may take at most.").or(json!(10.0)),
    ],
    outputs: vec![
        FieldSpec::required(
            "requests",
            Type::List(Box::new(Type::Any)),
            "What was asked, each `name`, `status`, `seconds` and `bytes`.",
        )
        .volatile(),
        FieldSpec::required("passed", Type::Integer, "How many were answered as they have to be."),
        FieldSpec::optional("failed", Type::String, "The name of the request that was not; null where all were."),
        FieldSpec::required("seconds", Type::Number, "How long it took in all, in seconds.").volatile(),
    ],
    facts: Vec::new(),
    effect: Effect::Once,
    fidelity: Fidelity::Probed,
    proves: "Everything, where it only reads and nothing before it changes something: the journey is made. Else only that its \
        requests are well-formed.",
    undo: UndoSpec::Impossible("nobody can tell what its requests changed: it is undone by the step's own `rollback:`"),
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// A user's way through a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct Journey;

#[async_trait]
impl Action for Journey {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, _: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        by_hand::lines(arguments)
    }

    async fn plan(&self, _context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("the journey rests on values that are not known yet"));
        }
        let requests = request::read_all(arguments).map_err(ActionError::Invalid)?;
        let writing: Vec<String> = requests.iter().filter(|one| !one.only_asks()).map(Request::told).collect();
        Ok(Prediction::unknown(if writing.is_empty() {
            format!("{} requests; their answers are not known before", requests.len())
        } else {
            format!("{} requests, of which these may change something: {}", requests.len(), writing.join(", "))
        }))
    }

    async fn run(&self, _context: &Context, call: &Call) -> Report {
        let requests = match (request::read_all(&call.arguments), &*CLIENT) {
            (Ok(requests), Ok(_)) => requests,
            (Err(why), _) => return Report::no_effect(why),
            (_, Err(why)) => return Report::no_effect(format!("no request can be sent from here: {why}")),
        };
        Way::new(call).go(&requests).await
    }

    async fn probe(&self, _context: &Context, call: &Call) -> Finding {
        let asks = request::read_all(&call.arguments).is_ok_and(|all| all.iter().all(Request::only_asks));
        if asks || call.effect == Effect::Read {
            return Finding::DidNot { evidence: "a journey that only reads changes nothing".to_owned() };
        }
        Finding::CannotTell {
            evidence: "nobody but the target knows which of the requests it received; ask it, or give the step a probe"
                .to_owned(),
        }
    }

    async fn undo(&self, _context: &Context, _call: &Call) -> Report {
        Report::no_effect("a journey has no undo of its own: the step's `rollback:` says how it is undone")
    }
}

/// A journey under way.
struct Way<'a> {
    call: &'a Call,
    started: Instant,
    each: Duration,
    jar: Jar,
    taken: Taken,
    hidden: Hidden,
    told: Vec<Value>,
    /// Whether a request that may change something has left.
    wrote: bool,
}

/// Why a journey ends before its end.
struct Ends {
    why: String,
    /// No answer, or no whole one, came to a request that may have arrived and may change something.
    unknown: bool,
}

impl From<String> for Ends {
    fn from(why: String) -> Self {
        Self { why, unknown: false }
    }
}

impl<'a> Way<'a> {
    fn new(call: &'a Call) -> Self {
        let each = call.arguments.get("request_timeout").and_then(Value::as_f64);
        let each =
            each.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(Duration::from_secs(10));
        Self {
            call,
            started: Instant::now(),
            each: each.max(Duration::from_millis(1)),
            jar: Jar::default(),
            taken: Taken::new(),
            hidden: Hidden::default(),
            told: Vec::new(),
            wrote: false,
        }
    }

    async fn go(mut self, requests: &[Request]) -> Report {
        let mut failed = None;
        for (place, request) in requests.iter().enumerate() {
            if let Err(ends) = self.one(request).await {
                let told = format!("request {} of {} ({}): {}", place + 1, requests.len(), request.told(), ends.why);
                failed = Some((request.name.clone(), told, ends.unknown));
                break;
            }
        }
        let seconds = rounded(self.started.elapsed());
        let passed = if failed.is_some() { self.told.len().saturating_sub(1) } else { self.told.len() };
        let name = failed.as_ref().map(|(name, ..)| name.clone());
        let outputs = json!({ "requests": self.told, "passed": passed, "failed": name, "seconds": seconds });
        let Some((_, told, unknown)) = failed else {
            let all = requests.len();
            return Report::done(
                format!("all {all} requests were answered as they have to be, in {}", format_seconds(seconds)),
                outputs,
            );
        };
        match (self.wrote, unknown) {
            (_, true) => Report::unknown(format!("{told}; nobody here knows whether it did what was asked")),
            (true, _) => Report::failed(format!("{told}; what was changed up to here stands")),
            (false, _) if self.call.effect == Effect::Read => Report::failed(told),
            (false, _) => Report::no_effect(format!("{told}; nothing that changes something was sent")),
        }
        .with_outputs(outputs)
    }

    async fn one(&mut self, request: &Request) -> Result<(), Ends> {
        let began = Instant::now();
        self.told.push(json!({ "name": request.name, "status": null, "seconds": null, "bytes": null }));
        let filled = request.filled(&self.taken)?;
        let mut url = super::address(
            &json!({ "url": self.call.arguments["url"], "path": filled["path"], "query": filled["query"] }),
        )?;
        let mut sent = request.message(&filled, url.clone())?;
        let mut asks = request.only_asks();
        self.key(&mut sent, asks)?;
        let mut hops = 0;
        let answer = loop {
            let answer = self.send(sent, asks).await?;
            // Where none is to be followed, where it leads is the playbook's to judge.
            match if hops < request.follow { answer.redirect(&url)? } else { None } {
                Some(next) => {
                    hops += 1;
                    asks = true;
                    url = next;
                    sent = reqwest::Request::new(reqwest::Method::GET, url.clone());
                }
                None => break answer,
            }
        };
        if let Some(told) = self.told.last_mut() {
            *told = json!({ "name": request.name, "status": answer.status, "seconds": rounded(began.elapsed()), "bytes": answer.body.len() });
        }
        self.judge(request, &answer, began.elapsed(), asks)
    }

    /// Holds an answer to what it has to be, and takes out of it what is asked for.
    fn judge(&mut self, request: &Request, answer: &Answer, took: Duration, asks: bool) -> Result<(), Ends> {
        let found: Vec<_> = request.take.iter().map(|(name, source)| (name, source.read(answer))).collect();
        // Before anything is said of the answer: what is said may quote it.
        found.iter().filter_map(|(_, value)| value.as_ref().ok()).for_each(|value| self.hidden.take(value));
        // A value that could not be found may still be in there, and a short one is not masked.
        let quotes = Quotes { hidden: &self.hidden, text: request.take.is_empty() || answer.status >= 400 };
        let broke_off = answer.broken.is_some() && !answer.capped && request.expect.fits(answer.status);
        let unknown = broke_off && !asks && self.call.effect != Effect::Read;
        request.expect.hold(answer, took, &quotes).map_err(|why| Ends { why, unknown })?;
        for (name, value) in found {
            self.taken.insert(name.clone(), value?);
        }
        Ok(())
    }

    /// A key for the target to remove doubles by, where the step says that it does.
    fn key(&self, request: &mut reqwest::Request, asks: bool) -> Result<(), String> {
        const NAME: &str = "idempotency-key";
        if asks || self.call.effect != Effect::Keyed || request.headers().contains_key(NAME) {
            return Ok(());
        }
        let key = format!("{}-{}", self.call.key, self.told.len());
        let key = key.parse().map_err(|_| "the step's key can be no header".to_owned())?;
        request.headers_mut().insert(NAME, key);
        Ok(())
    }

    async fn send(&mut self, mut request: reqwest::Request, asks: bool) -> Result<Answer, Ends> {
        let asks = asks || self.call.effect == Effect::Read;
        let left = self.call.timeout.saturating_sub(self.started.elapsed());
        if left.is_zero() {
            return Err(format!(
                "it was not sent, as the step's timeout of {} is up",
                format_seconds(self.call.timeout.as_secs_f64())
            )
            .into());
        }
        let url = request.url().clone();
        let own = request.headers_mut().remove(reqwest::header::COOKIE);
        if let Some(cookies) = self.jar.header(&url, own) {
            request.headers_mut().insert(reqwest::header::COOKIE, cookies);
        }
        let limit = left.min(self.each);
        *request.timeout_mut() = Some(limit);
        let client = CLIENT.as_ref().map_err(Clone::clone)?;
        let mut response = match client.execute(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Err(format!("no connection, it was not sent: {}", describe(&error)).into());
            }
            Err(error) => {
                let why = if error.is_timeout() {
                    format!("no answer within {}", format_seconds(limit.as_secs_f64()))
                } else {
                    describe(&error)
                };
                self.wrote |= !asks;
                return Err(Ends { why, unknown: !asks });
            }
        };
        self.wrote |= !asks;
        self.jar.keep(&url, response.headers()).into_iter().for_each(|value| self.hidden.cookie(value));
        let (body, broken) = read(&mut response).await;
        let capped = body.len() == CAP && broken.is_some();
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body, broken, capped })
    }
}

/// The body as far as it is read, and why it is not all of it.
async fn read(response: &mut reqwest::Response) -> (Vec<u8>, Option<String>) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) => return (body, None),
            Err(error) => return (body, Some(format!("the answer broke off: {}", describe(&error)))),
        }
        if body.len() > CAP {
            body.truncate(CAP);
            return (body, Some(format!("the answer is longer than {} KiB, and the rest was not read", CAP / 1024)));
        }
    }
}

fn rounded(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
