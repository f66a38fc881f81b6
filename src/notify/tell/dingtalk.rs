//! A group's robot in DingTalk. It takes 20 messages a minute and shuts its door for ten minutes where there were more. A text
//! is sent as text, not as Markdown: nothing in it can become a mention or a mark.

use async_trait::async_trait;
use serde_json::json;

use super::{Rate, Receiver, Refusal, Story, Teller, judge_number};
use crate::config::Language;
use crate::notify::http::{Address, headers};
use crate::notify::message::literal;
use crate::notify::sign;

/// It takes 20 KB; JSON may write a letter in six.
const MOST: usize = 6000;

/// A robot.
pub(super) struct Dingtalk {
    address: Address,
    secret: Option<String>,
    language: Language,
}

impl Dingtalk {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let secret = receiver.secret().map(str::to_owned);
        Ok(Self { address: receiver.address(None)?, secret, language: receiver.language() })
    }
}

#[async_trait]
impl Teller for Dingtalk {
    fn rate(&self) -> Rate {
        Rate { interval: 4000, burst: 5 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let message = story.about.message(&story.new_moments(), self.language);
        let body = json!({
            "msgtype": "text", "text": { "content": message.text(MOST, literal) },
            "at": { "atMobiles": [], "atUserIds": [], "isAtAll": false },
        });
        let address = match &self.secret {
            Some(secret) => {
                let (time, sign) = (story.at.0.to_string(), sign::dingtalk(secret, story.at.0));
                self.address.with_query(&[("timestamp", &time), ("sign", &sign)])
            }
            None => self.address.clone(),
        };
        let answer = address.post(body.to_string(), headers()).await?;
        judge_number(&address, &answer, &["errcode"], &[(130_101, 600), (410_100, 600), (90_018, 60)]).map(|()| None)
    }
}
