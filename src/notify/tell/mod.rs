//! Who is told what happens in runs: a file a service. Each only sends what it is given, keeps to its service's rules of
//! signing and size, and says whether it arrived. It never decides what is told, when, or how often; it never follows a
//! redirect; and no secret is ever part of what it says.

mod dingtalk;
mod feishu;
mod hook;
mod mail;
mod pagerduty;
mod program;
mod record;
mod slack;
mod smtp;
#[cfg(test)]
mod tests;
mod traces;
mod wecom;

use std::sync::Arc;

pub use record::{incident_for_programs, record_for_programs};
pub use traces::{SpanCounts, drop_spans, span_counts};

use async_trait::async_trait;
use serde_json::Value;

use super::http::{Address, Answer, Silence};
use super::message::Message;
use super::moment::Moment;
use super::text;
use crate::config::{Language, Notify, NotifyKind};
use crate::incident::Incident;
use crate::run::{RunState, Time};
use crate::timeline::spans::Span;
use crate::value::told;

/// Somebody who is told.
#[async_trait]
pub trait Teller: Send + Sync {
    /// How much it takes at once.
    fn rate(&self) -> Rate {
        Rate { interval: 0, burst: 1 }
    }

    /// Sends, within a time limit of its own. Gives back what the service calls the message, where it can be edited or
    /// answered later.
    ///
    /// # Errors
    /// When it is not certain that it arrived.
    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal>;
}

/// What a teller takes in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One record.
    Record,
    /// One moment.
    Moment,
    /// All moments that are new.
    Digest,
    /// Spans that have ended, many at once.
    Spans,
}

/// What targets of a kind take in one message. It is known before their secrets are.
pub fn takes(kind: NotifyKind) -> Takes {
    match kind {
        NotifyKind::Webhook | NotifyKind::Command => Takes::Record,
        NotifyKind::Pagerduty => Takes::Moment,
        NotifyKind::Traces => Takes::Spans,
        NotifyKind::Slack | NotifyKind::Dingtalk | NotifyKind::Feishu | NotifyKind::Wecom | NotifyKind::Mail => {
            Takes::Digest
        }
    }
}

/// How much a service takes: so many messages at once after a while of quiet, then one each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The interval, in milliseconds; 0 where it takes everything.
    pub interval: i64,
    /// How many at once.
    pub burst: i64,
}

/// What is told of, as it stands after what is told.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// A run.
    Run(&'a RunState),
    /// An incident: what is said of it.
    Incident(&'a Incident),
}

impl About<'_> {
    /// What names it among all that is told.
    pub fn key(&self) -> String {
        match self {
            Self::Run(state) => state.run.to_string(),
            Self::Incident(incident) => format!("incident:{}", incident.id),
        }
    }

    /// The playbook's name and the run's id; or the incident's title and id, which may be somebody else's text.
    fn name(&self) -> String {
        match self {
            Self::Run(state) => format!("{} {}", state.playbook().name, state.run),
            Self::Incident(incident) => format!("{} {}", told(&incident.brief.title, false), incident.id),
        }
    }

    /// The message about it, with these moments.
    fn message(&self, moments: &[Moment], language: Language) -> Message {
        match self {
            Self::Run(state) => text::message(state, moments, language),
            Self::Incident(incident) => text::of_incident(incident, moments, language),
        }
    }
}

/// What is told.
#[derive(Debug)]
pub struct Story<'a> {
    /// What is told of, as it stands after all that was read of it: where one record is told at a time, more may be known of it by
    /// now than is told here.
    pub about: About<'a>,
    /// What is new: at least one.
    pub new: &'a [Item],
    /// All moments of it so far, with those that are new.
    pub moments: &'a [Moment],
    /// What this message is known by, however often it is sent: the key of what is told, and its last record.
    pub id: &'a str,
    /// What the service called the message before.
    pub message: Option<&'a str>,
    /// Now.
    pub at: Time,
}

/// A record, as much of it as is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its number.
    pub seq: u64,
    /// What a person wants to know of it.
    pub moment: Option<Moment>,
    /// What programs are told; null for people.
    pub record: Value,
    /// The spans that end with it, for whoever takes those.
    pub spans: Vec<Span>,
}

impl Story<'_> {
    /// The moments that are new.
    pub fn new_moments(&self) -> Vec<Moment> {
        self.new.iter().filter_map(|item| item.moment.clone()).collect()
    }
}

/// Why it did not arrive, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// What happened, without any secret.
    pub why: String,
    /// What that means for the next try.
    pub then: Then,
}

/// What a refusal means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is tried again.
    Later,
    /// The service wants nothing at all for so many seconds.
    After(u32),
    /// Nobody is there any more, and will not be.
    Gone,
}

impl Refusal {
    /// It is tried again.
    pub fn later(why: impl Into<String>) -> Self {
        Self { why: why.into(), then: Then::Later }
    }
}

impl From<Silence> for Refusal {
    fn from(silence: Silence) -> Self {
        Self::later(silence.to_string())
    }
}

/// A receiver with its secrets in hand.
#[derive(Clone)]
pub struct Receiver {
    /// What the configuration says of it.
    pub notify: Notify,
    /// Its address, where it has one.
    pub address: Option<String>,
    /// Its secrets, the newest first.
    pub secrets: Vec<String>,
    /// Takes its secrets out of what is logged of its answers. What a refusal says is masked by whoever keeps it.
    pub mask: Mask,
}

/// Takes secrets out of a text.
pub type Mask = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("name", &self.notify.name).finish_non_exhaustive()
    }
}

impl Receiver {
    fn language(&self) -> Language {
        self.notify.language
    }

    /// The address to post to, or the usual one of the service.
    fn address(&self, usual: Option<&str>) -> Result<Address, String> {
        let text = self.address.as_deref().or(usual).ok_or("it has no address")?;
        Address::of(text, self.notify.proxy.as_deref())
    }

    fn secret(&self) -> Option<&str> {
        self.secrets.first().map(String::as_str)
    }
}

/// The parts of a secret as a receiver of this kind is sent them, where that is not as the secret stands: it may repeat them.
pub fn parts_sent(kind: NotifyKind, secret: &str) -> Vec<String> {
    match kind {
        NotifyKind::Traces => traces::proofs(secret),
        _ => Vec::new(),
    }
}

/// The teller for a receiver.
///
/// # Errors
/// When what is configured cannot be; nothing secret is repeated.
pub fn teller(receiver: &Receiver) -> Result<Arc<dyn Teller>, String> {
    Ok(match receiver.notify.kind {
        NotifyKind::Webhook => Arc::new(hook::Hook::of(receiver)?),
        NotifyKind::Slack => Arc::new(slack::Slack::of(receiver)?),
        NotifyKind::Dingtalk => Arc::new(dingtalk::Dingtalk::of(receiver)?),
        NotifyKind::Feishu => Arc::new(feishu::Feishu::of(receiver)?),
        NotifyKind::Wecom => Arc::new(wecom::Wecom::of(receiver)?),
        NotifyKind::Pagerduty => Arc::new(pagerduty::Pagerduty::of(receiver)?),
        NotifyKind::Mail => Arc::new(mail::Mail::of(receiver)?),
        NotifyKind::Command => Arc::new(program::Program::of(receiver)?),
        NotifyKind::Traces => Arc::new(traces::Traces::of(receiver)?),
    })
}

/// What a status of HTTP means.
fn judge(address: &Address, answer: &Answer) -> Result<(), Refusal> {
    if answer.is_success() {
        return Ok(());
    }
    let why = format!("{} answered with {}: {}", address.shown(), answer.status, answer.said());
    let then = match (answer.status, answer.retry_after) {
        (410, _) => Then::Gone,
        (_, Some(seconds)) => Then::After(seconds),
        (429, None) => Then::After(60),
        _ => Then::Later,
    };
    Err(Refusal { why, then })
}

/// What an answer of a robot means, whose number is 0 only where it was sent: a status of success says nothing there.
fn judge_number(address: &Address, answer: &Answer, names: &[&str], too_fast: &[(i64, u32)]) -> Result<(), Refusal> {
    judge(address, answer)?;
    let body = answer.json();
    let number = names.iter().find_map(|name| body.get(*name)).and_then(Value::as_i64);
    match number {
        Some(0) => Ok(()),
        Some(number) => {
            let then = too_fast.iter().find(|(code, _)| *code == number);
            let then = then.map_or(Then::Later, |(_, seconds)| Then::After(*seconds));
            Err(Refusal { why: format!("{} refused it: {}", address.shown(), answer.said()), then })
        }
        None => Err(Refusal::later(format!(
            "{} answered what is no answer of its service: {}",
            address.shown(),
            answer.said()
        ))),
    }
}
