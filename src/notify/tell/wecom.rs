//! A group's robot in WeCom. It takes 20 messages a minute, of 4096 bytes of Markdown each. It has no way to escape a letter, so
//! those that mark something stand in their wide form where the text is not ours.

use async_trait::async_trait;
use serde_json::json;

use super::{Rate, Receiver, Refusal, Story, Teller, judge_number};
use crate::config::Language;
use crate::notify::http::{Address, headers};
use crate::notify::message::{Piece, PieceKind, unlinked};

const MOST: usize = 4096;

/// A robot.
pub(super) struct Wecom {
    address: Address,
    language: Language,
}

impl Wecom {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        Ok(Self { address: receiver.address(None)?, language: receiver.language() })
    }
}

pub(super) fn show(piece: &Piece) -> String {
    match piece.kind {
        PieceKind::Theirs => unlinked(&piece.text).chars().map(wide).collect(),
        PieceKind::Command => format!("`{}`", piece.text),
        PieceKind::Ours => piece.text.clone(),
    }
}

fn wide(letter: char) -> char {
    match letter {
        '<' => '＜',
        '>' => '＞',
        '[' => '［',
        ']' => '］',
        '`' => '｀',
        '*' => '＊',
        '#' => '＃',
        '@' => '＠',
        other => other,
    }
}

#[async_trait]
impl Teller for Wecom {
    fn rate(&self) -> Rate {
        Rate { interval: 4000, burst: 5 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let message = story.about.message(&story.new_moments(), self.language);
        let body = json!({ "msgtype": "markdown", "markdown": { "content": message.text(MOST, show) } });
        let answer = self.address.post(body.to_string(), headers()).await?;
        judge_number(&self.address, &answer, &["errcode"], &[(45_009, 60), (45_033, 60)]).map(|()| None)
    }
}
