//! What takes traces: OTLP over HTTP, its JSON form. Everything that a run is known by stands with the spans; what is refused
//! for good is counted and left out, as the protocol has it, and is never sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{About, Mask, Receiver, Refusal, Story, Teller, Then};
use crate::notify::http::{Address, Answer, headers};
use crate::run::{RunState, Time};
use crate::timeline::spans::{Link, Said, Span, SpanKind, trace_of};
use crate::value::told;

/// The version of the conventions whose words are used.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";
/// How they are numbered in the protocol: a server's, a part's.
const SERVER: u8 = 2;
const INTERNAL: u8 = 1;
/// The status of a span that is an error.
const ERROR: u8 = 2;

static TOLD: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// What became of the spans of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanCounts {
    /// So many were taken.
    pub told: u64,
    /// So many were left out.
    pub dropped: u64,
}

/// What became of the spans of this process so far.
pub fn span_counts() -> SpanCounts {
    SpanCounts { told: TOLD.load(Ordering::Relaxed), dropped: DROPPED.load(Ordering::Relaxed) }
}

/// Counts spans that are left out.
pub fn drop_spans(count: usize) {
    DROPPED.fetch_add(count as u64, Ordering::Relaxed);
}

/// An endpoint of OTLP.
pub(super) struct Traces {
    address: Address,
    headers: HeaderMap,
    link: Option<String>,
    mask: Mask,
}

impl Traces {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let headers = match receiver.secret() {
            Some(text) => headers_of(text)?,
            None => headers(),
        };
        let (link, mask) = (receiver.notify.link.clone(), Arc::clone(&receiver.mask));
        Ok(Self { address: receiver.address(None)?, headers, link, mask })
    }

    /// How many of so many spans an answer leaves out. Only what the protocol names may be sent again.
    fn left_out(&self, answer: &Answer, spans: usize) -> Result<usize, Refusal> {
        if answer.is_success() {
            // A number of 64 bits is a text in this form.
            let count = &answer.json()["partialSuccess"]["rejectedSpans"];
            let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or(0);
            return Ok(usize::try_from(count).unwrap_or(usize::MAX).min(spans));
        }
        if !matches!(answer.status, 429 | 502 | 503 | 504) {
            return Ok(spans);
        }
        let why = format!("{} answered with {}: {}", self.address.shown(), answer.status, answer.said());
        Err(Refusal { why, then: answer.retry_after.map_or(Then::Later, Then::After) })
    }
}

#[async_trait]
impl Teller for Traces {
    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        // An incident has no spans.
        let About::Run(state) = story.about else { return Ok(None) };
        let spans: Vec<&Span> = story.new.iter().flat_map(|item| &item.spans).collect();
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = body(state, &spans, self.link.as_deref()).to_string();
        let answer = self.address.post(body, headers).await?;
        let left_out = self.left_out(&answer, spans.len())?;
        TOLD.fetch_add((spans.len() - left_out) as u64, Ordering::Relaxed);
        if left_out > 0 {
            drop_spans(left_out);
            let (address, said) = (self.address.shown(), (self.mask)(&told(&answer.said(), false)));
            tracing::warn!(address, status = answer.status, left_out, said, "spans were refused");
        }
        Ok(None)
    }
}

/// `name=value,name=value`; what stands for a letter as `%20` does is that letter.
fn headers_of(text: &str) -> Result<HeaderMap, String> {
    let wrong = || "its headers are not of the form name=value,name=value".to_owned();
    let mut headers = headers();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        let name = HeaderName::from_bytes(name.trim().to_ascii_lowercase().as_bytes()).map_err(|_| wrong())?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// What of headers proves who we are, as it is sent: each value without what stands for letters, and each word of it.
pub(super) fn proofs(text: &str) -> Vec<String> {
    let headers = headers_of(text).unwrap_or_default();
    let values: Vec<&str> = headers.values().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect();
    let words = values.iter().flat_map(|value| value.split_whitespace());
    values.iter().copied().chain(words).map(str::to_owned).collect()
}

/// A request: all spans of it are of one run.
fn body(state: &RunState, spans: &[&Span], link: Option<&str>) -> Value {
    let shown = link.map(|link| format!("{link}/v1/runs/{}", state.run));
    let mut resource = vec![
        attribute("service.name", &"playbook".into()),
        attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        attribute("cicd.pipeline.name", &state.playbook().name.as_str().into()),
        attribute("cicd.pipeline.run.id", &state.run.as_str().into()),
        attribute("deployment.environment.name", &state.plan.environment.as_str().into()),
    ];
    resource.extend(shown.as_ref().map(|shown| attribute("cicd.pipeline.run.url.full", &shown.as_str().into())));
    let trace = trace_of(&state.run);
    let spans: Vec<Value> = spans.iter().map(|span| span_of(&trace, span, shown.as_deref())).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{
            "scope": { "name": "playbook", "version": env!("CARGO_PKG_VERSION") }, "spans": spans, "schemaUrl": SCHEMA,
        }],
        "schemaUrl": SCHEMA,
    }] })
}

fn span_of(trace: &str, span: &Span, shown: Option<&str>) -> Value {
    let mut attributes: Vec<Value> = span.attributes.iter().map(|(name, said)| attribute(name, said)).collect();
    attributes.extend(span.error.map(|error| attribute("error.type", &error.into())));
    if span.kind == SpanKind::Task {
        attributes.extend(shown.map(|shown| attribute("cicd.pipeline.task.run.url.full", &shown.into())));
    }
    let events: Vec<Value> = span
        .events
        .iter()
        .map(|event| {
            json!({
                "timeUnixNano": nanoseconds(event.at), "name": event.name,
                "attributes": [attribute("playbook.text", &event.text.as_str().into())],
            })
        })
        .collect();
    let links: Vec<Value> =
        span.links.iter().map(|Link { trace, span }| json!({ "traceId": trace, "spanId": span.as_str() })).collect();
    let mut told = json!({
        "traceId": trace, "spanId": span.id.as_str(), "name": span.name,
        "kind": if span.kind == SpanKind::Run { SERVER } else { INTERNAL },
        "startTimeUnixNano": nanoseconds(span.start), "endTimeUnixNano": nanoseconds(span.end),
        "attributes": attributes, "events": events, "droppedEventsCount": span.events_left_out, "links": links,
        "status": {},
    });
    if let Some(parent) = &span.parent {
        told["parentSpanId"] = json!(parent.as_str());
    }
    if span.result.is_error() {
        told["status"] = json!({ "code": ERROR, "message": span.message });
    }
    told
}

fn attribute(name: &str, said: &Said) -> Value {
    let value = match said {
        Said::Text(text) => json!({ "stringValue": text }),
        Said::Number(number) => json!({ "intValue": number.to_string() }),
        Said::Flag(flag) => json!({ "boolValue": flag }),
    };
    json!({ "key": name, "value": value })
}

/// As a text: a number of 64 bits is one in JSON.
fn nanoseconds(time: Time) -> String {
    (i128::from(time.0.max(0)) * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<u32>, body: &str) -> Answer {
        Answer { status, retry_after, body: body.to_owned() }
    }

    #[test]
    fn only_what_the_protocol_names_is_sent_again() {
        let traces = Traces {
            address: Address::of("http://127.0.0.1:4318/v1/traces", None).unwrap(),
            headers: headers(),
            link: None,
            mask: Arc::new(str::to_owned),
        };
        let left_out = |status, body: &str| traces.left_out(&answer(status, None, body), 3);
        assert_eq!(left_out(200, "{}"), Ok(0));
        assert_eq!(left_out(200, ""), Ok(0));
        assert_eq!(left_out(200, r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}}"#), Ok(2));
        assert_eq!(left_out(200, r#"{"partialSuccess":{"rejectedSpans":99}}"#), Ok(3));
        for status in [301, 400, 401, 404, 410, 413, 500, 501] {
            assert_eq!(left_out(status, ""), Ok(3), "{status}");
        }
        for status in [429, 502, 503, 504] {
            let refusal = left_out(status, "not now").unwrap_err();
            assert_eq!(refusal.then, Then::Later, "{status}");
            assert!(refusal.why.contains("not now"), "{refusal}");
        }
        assert_eq!(traces.left_out(&answer(429, Some(7), ""), 3).unwrap_err().then, Then::After(7));
    }

    #[test]
    fn headers_are_read_as_the_variable_has_them() {
        let headers = headers_of("authorization=Bearer%20hunter2, X-Scope=a=b ,").unwrap();
        assert_eq!(headers["authorization"], "Bearer hunter2");
        assert_eq!(headers["x-scope"], "a=b");
        assert!(!format!("{headers:?}").contains("hunter2"));
        for wrong in ["hunter2", "a b=hunter2", "a=hunter2%0A"] {
            let why = headers_of(wrong).unwrap_err();
            assert!(!why.contains("hunter2"), "{why}");
        }
        let broken = headers_of("a=%2,b=ä%zz%41,c=x%+1").unwrap();
        assert_eq!(
            [&broken["a"], &broken["b"], &broken["c"]].map(HeaderValue::as_bytes),
            ["%2".as_bytes(), "ä%zzA".as_bytes(), b"x%+1"]
        );
    }
}
