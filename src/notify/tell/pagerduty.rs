//! PagerDuty. That a run begins and ends are change events; that it needs a person, or ended badly, is an incident with the run
//! as its key, which is acknowledged when somebody answers and resolved when the run goes on to a good end.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{About, Rate, Receiver, Refusal, Story, Teller, Then, judge};
use crate::config::Language;
use crate::notify::http::{Address, headers};
use crate::notify::message::cut;
use crate::notify::moment::{Moment, What};
use crate::notify::text;
use crate::run::{QuestionKind, Verdict};

/// The longest summary that it takes, in letters.
const SUMMARY: usize = 1000;

/// A service's integration.
pub(super) struct Pagerduty {
    address: Address,
    key: String,
    language: Language,
}

impl Pagerduty {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let key = receiver.secret().ok_or("it has no integration key")?.to_owned();
        let address = receiver.address(Some("https://events.pagerduty.com"))?;
        Ok(Self { address, key, language: receiver.language() })
    }
}

/// What is sent about a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sends {
    Change,
    Trigger(&'static str),
    Acknowledge,
    Resolve,
}

fn sends(moment: &Moment) -> Vec<Sends> {
    match &moment.what {
        What::Began { .. } => vec![Sends::Change],
        What::Asks { kind: QuestionKind::UndoFailed, .. } => vec![Sends::Trigger("critical")],
        What::Asks { .. } => vec![Sends::Trigger("error")],
        What::Approval { .. } => vec![Sends::Trigger("warning")],
        What::Approved { complete: true, .. } => vec![Sends::Resolve],
        What::Answered { .. } | What::Approved { .. } | What::Rejected { .. } | What::Requested { .. } => {
            vec![Sends::Acknowledge]
        }
        What::Ended { verdict: Verdict::Succeeded | Verdict::SucceededWithExceptions, .. } => {
            vec![Sends::Resolve, Sends::Change]
        }
        // Somebody ended it by name: nobody has to be told to look.
        What::Ended { verdict: Verdict::Abandoned, .. } => vec![Sends::Resolve, Sends::Change],
        What::Ended { verdict: Verdict::Incomplete, .. } => vec![Sends::Trigger("critical"), Sends::Change],
        What::Ended { .. } => vec![Sends::Trigger("error"), Sends::Change],
        // Who is called for an incident is for whoever opened it to say.
        What::OfIncident(_) => vec![Sends::Change],
        _ => Vec::new(),
    }
}

impl Pagerduty {
    fn body(&self, story: &Story<'_>, moment: &Moment, sends: Sends) -> Value {
        let line = text::plain(&text::line(moment, self.language));
        let summary: String = format!("{}: {line}", story.about.name()).chars().take(SUMMARY).collect();
        let at = jiff::Timestamp::from_millisecond(moment.time.0).map(|at| at.to_string()).unwrap_or_default();
        let mut details = json!({ "message_id": story.id, "what": cut(&line, 2000) });
        let (component, group, place) = match story.about {
            About::Run(state) => {
                details["run"] = json!(state.run);
                details["playbook"] = json!(state.playbook().name);
                details["version"] = json!(state.playbook().version);
                details["incident"] = json!(state.incident);
                details["environment"] = json!(state.plan.environment);
                details["next"] = json!(format!("playbook status {}", state.run));
                (state.playbook().name.as_str(), state.plan.environment.as_str(), text::environment(state))
            }
            About::Incident(incident) => {
                details["incident"] = json!(incident.id);
                details["severity"] = json!(incident.brief.severity.word());
                details["next"] = json!(format!("playbook incident show {}", incident.id));
                ("incident", "", "")
            }
        };
        let source = Some(place).filter(|name| !name.is_empty()).unwrap_or("playbook");
        if sends == Sends::Change {
            return json!({
                "routing_key": self.key,
                "payload": { "summary": summary, "timestamp": at, "source": source, "custom_details": details },
            });
        }
        let mut body = json!({ "routing_key": self.key, "dedup_key": format!("playbook-{}", story.about.key()) });
        match sends {
            Sends::Acknowledge => body["event_action"] = json!("acknowledge"),
            Sends::Resolve => body["event_action"] = json!("resolve"),
            Sends::Trigger(severity) => {
                body["event_action"] = json!("trigger");
                body["client"] = json!("playbook");
                body["payload"] = json!({
                    "summary": summary, "timestamp": at, "source": source, "severity": severity,
                    "component": component, "group": group, "class": "playbook run",
                    "custom_details": details,
                });
            }
            Sends::Change => {}
        }
        body
    }
}

#[async_trait]
impl Teller for Pagerduty {
    fn rate(&self) -> Rate {
        Rate { interval: 600, burst: 10 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        for moment in story.new_moments() {
            for sends in sends(&moment) {
                let path = if sends == Sends::Change { "/v2/change/enqueue" } else { "/v2/enqueue" };
                let address = self.address.at(path);
                let answer = address.post(self.body(story, &moment, sends).to_string(), headers()).await?;
                judge(&address, &answer)?;
                if answer.json().get("status").and_then(Value::as_str) != Some("success") {
                    let why = format!("{} answered what is no answer of PagerDuty: {}", address.shown(), answer.said());
                    return Err(Refusal { why, then: Then::Later });
                }
            }
        }
        Ok(None)
    }
}
