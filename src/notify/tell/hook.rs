//! Any address that takes JSON: one message a record, signed as Standard Webhooks says. The id of a message is the same each
//! time it is sent, so that a receiver knows what it has already.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{About, Receiver, Refusal, Story, Teller, judge};
use crate::config::webhook_key;
use crate::notify::http::{Address, header, headers};
use crate::notify::message::cut;
use crate::notify::sign;

/// A longer body is sent without what is large in it: receivers of webhooks need not take more.
const MOST: usize = 200_000;

/// An address that takes webhooks.
pub(super) struct Hook {
    address: Address,
    keys: Vec<Vec<u8>>,
}

impl Hook {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let keys = receiver.secrets.iter().map(|secret| webhook_key(secret)).collect::<Result<_, _>>()?;
        Ok(Self { address: receiver.address(None)?, keys })
    }
}

/// What is told of a record, and only so much of it that it may be sent.
pub(super) fn body(story: &Story<'_>) -> String {
    let record = story.new.first().map(|item| &item.record);
    let (kind, verb) = match story.about {
        About::Run(_) => ("playbook.record", "playbook timeline"),
        About::Incident(_) => ("playbook.incident", "playbook incident timeline"),
    };
    let text = json!({
        "type": kind, "timestamp": record.and_then(|record| record.get("time")), "data": record,
    })
    .to_string();
    if text.len() <= MOST {
        return text;
    }
    let mut data = record.cloned().unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.insert("detail".to_owned(), json!(null));
        // A note stands in both.
        if let Some(Value::String(said)) = fields.get_mut("text") {
            *said = cut(said, MOST / 10);
        }
        fields.insert("left_out".to_owned(), json!(format!("detail: {} bytes; `{verb}` has it", text.len())));
    }
    json!({ "type": kind, "timestamp": data.get("time"), "data": data }).to_string()
}

#[async_trait]
impl Teller for Hook {
    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let body = body(story);
        let seconds = story.at.0.div_euclid(1000);
        let mut headers = headers();
        header(&mut headers, "webhook-id", story.id);
        header(&mut headers, "webhook-timestamp", &seconds.to_string());
        if !self.keys.is_empty() {
            header(&mut headers, "webhook-signature", &sign::webhook(&self.keys, story.id, seconds, &body));
        }
        let answer = self.address.post(body, headers).await?;
        judge(&self.address, &answer).map(|()| None)
    }
}
