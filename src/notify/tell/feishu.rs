//! A group's bot in Feishu (Lark). It takes 100 messages a minute, 5 a second, 20 KB each. What is told goes as text elements of
//! a post, which are shown as they are.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Rate, Receiver, Refusal, Story, Teller, judge_number};
use crate::config::Language;
use crate::notify::http::{Address, headers};
use crate::notify::message::{cut, literal};
use crate::notify::sign;

/// It takes 20 KB of JSON, which may write a letter in six.
const MOST: usize = 6000;

/// A bot.
pub(super) struct Feishu {
    address: Address,
    secret: Option<String>,
    language: Language,
}

impl Feishu {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let secret = receiver.secret().map(str::to_owned);
        Ok(Self { address: receiver.address(None)?, secret, language: receiver.language() })
    }
}

#[async_trait]
impl Teller for Feishu {
    fn rate(&self) -> Rate {
        Rate { interval: 650, burst: 3 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let message = story.about.message(&story.new_moments(), self.language);
        let whole = message.text(MOST, literal);
        let (title, rest) = whole.split_once('\n').unwrap_or((&whole, ""));
        let lines: Vec<Value> = rest.lines().map(|line| json!([{ "tag": "text", "text": line }])).collect();
        let language = if self.language == Language::Zh { "zh_cn" } else { "en_us" };
        let mut body = json!({
            "msg_type": "post",
            "content": { "post": { language: { "title": cut(title, 400), "content": lines } } },
        });
        if let Some(secret) = &self.secret {
            let seconds = story.at.0.div_euclid(1000);
            body["timestamp"] = json!(seconds.to_string());
            body["sign"] = json!(sign::feishu(secret, seconds));
        }
        let answer = self.address.post(body.to_string(), headers()).await?;
        let too_fast = [(11_232, 60), (9499, 60), (99_991_400, 60)];
        judge_number(&self.address, &answer, &["code", "StatusCode"], &too_fast).map(|()| None)
    }
}
