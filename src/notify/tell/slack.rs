//! Slack. With a bot's token: one message a run, which is edited. With an incoming webhook: digests, as those cannot be edited.
//! Texts go as elements of rich text, which Slack shows as they are: nothing in them is a mention, a link or a mark.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Rate, Receiver, Refusal, Story, Teller, Then, judge};
use crate::config::Language;
use crate::notify::http::{Address, Answer, header, headers};
use crate::notify::message::{Message, Piece, cut, literal, mark, unlinked};

/// What of a message is body: Slack cuts texts of some thousand letters.
const MOST: usize = 2800;
/// Answers to an edit after which there is nothing that could be edited any more.
const LOST: [&str; 4] = ["message_not_found", "edit_window_closed", "cant_update_message", "channel_not_found"];

/// A channel.
pub(super) struct Slack {
    address: Address,
    /// The token and the channel; an incoming webhook has neither.
    bot: Option<(String, String)>,
    language: Language,
}

impl Slack {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let language = receiver.language();
        let Some(channel) = receiver.notify.channel.clone() else {
            return Ok(Self { address: receiver.address(None)?, bot: None, language });
        };
        let token = receiver.secret().ok_or("it has no token")?.to_owned();
        Ok(Self { address: receiver.address(Some("https://slack.com/api"))?, bot: Some((token, channel)), language })
    }

    async fn call(&self, token: &str, method: &str, body: &Value) -> Result<Value, Refusal> {
        let mut all = headers();
        header(&mut all, "authorization", &format!("Bearer {token}"));
        let address = self.address.at(method);
        let answer = address.post(body.to_string(), all).await?;
        judge(&address, &answer)?;
        Ok(answer_of(&answer))
    }

    /// Edits the message that there is, or writes a new one.
    async fn write(&self, token: &str, channel: &str, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let body = body(&story.about.message(story.moments, self.language));
        let known = story.message.and_then(|message| message.split_once(' '));
        if let Some((place, ts)) = known {
            let mut edit = body.clone();
            edit["channel"] = json!(place);
            edit["ts"] = json!(ts);
            let said = self.call(token, "/chat.update", &edit).await?;
            let error = said.get("error").and_then(Value::as_str).unwrap_or_default();
            if said.get("ok") == Some(&json!(true)) {
                return Ok(story.message.map(str::to_owned));
            }
            if !LOST.contains(&error) {
                return Err(refused(&said));
            }
        }
        let mut new = body;
        new["channel"] = json!(channel);
        let said = self.call(token, "/chat.postMessage", &new).await?;
        let field = |name: &str| said.get(name).and_then(Value::as_str);
        match (said.get("ok"), field("channel"), field("ts")) {
            (Some(Value::Bool(true)), Some(channel), Some(ts)) => Ok(Some(format!("{channel} {ts}"))),
            _ => Err(refused(&said)),
        }
    }
}

fn answer_of(answer: &Answer) -> Value {
    let body = answer.json();
    if body.is_object() { body } else { json!({ "ok": false, "error": answer.said() }) }
}

fn refused(said: &Value) -> Refusal {
    let error = said.get("error").and_then(Value::as_str).unwrap_or("an answer that is none of Slack's");
    let then = if error == "ratelimited" { Then::After(30) } else { Then::Later };
    Refusal { why: format!("Slack refused it: {}", cut(error, 300)), then }
}

/// The text that notifications show: there `&`, `<` and `>` are all that means anything.
fn escaped(text: &str) -> String {
    unlinked(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

pub(super) fn body(message: &Message) -> Value {
    let join = |pieces: &[Piece]| cut(&pieces.iter().map(literal).collect::<String>(), 600);
    let (title, standing) = (join(&message.title), join(&message.standing));
    let lines = message.body(MOST, |pieces| join(pieces));
    let commands: Vec<&str> = message.commands.iter().map(|piece| piece.text.as_str()).collect();
    json!({
        "text": escaped(&format!("{title}: {standing}")),
        "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false, "mrkdwn": false,
        "blocks": [{ "type": "rich_text", "elements": [
            { "type": "rich_text_section", "elements": [
                { "type": "text", "text": format!("{} {title}", mark(message.weight)), "style": { "bold": true } },
                { "type": "text", "text": format!("\n{standing}{lines}") },
            ]},
            { "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": commands.join("\n") }] },
        ]}],
    })
}

#[async_trait]
impl Teller for Slack {
    fn rate(&self) -> Rate {
        Rate { interval: 1250, burst: 1 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        if let Some((token, channel)) = &self.bot {
            return self.write(token, channel, story).await;
        }
        let body = body(&story.about.message(&story.new_moments(), self.language));
        let answer = self.address.post(body.to_string(), headers()).await?;
        judge(&self.address, &answer)?;
        if answer.body.trim() == "ok" {
            return Ok(None);
        }
        Err(Refusal::later(format!("{} answered what is no answer of Slack: {}", self.address.shown(), answer.said())))
    }
}
