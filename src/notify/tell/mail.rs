//! Mail: one thread a run. The first mail of a run has an id that is made of the run's, the others answer to it, and one that is
//! sent again has the id that it had: a mailbox shows it once.

use async_trait::async_trait;

use super::smtp::{Envelope, Server};
use super::{Rate, Receiver, Refusal, Story, Teller};
use crate::config::Language;
use crate::notify::message::literal;
use crate::notify::{sign, text};

/// Longer mails are cut: the timeline has the rest.
const MOST: usize = 60_000;
/// What one encoded word of a header holds, in bytes.
const WORD: usize = 42;

/// Somebody who gets mail.
pub(super) struct Mail {
    server: Server,
    from: String,
    to: Vec<String>,
    language: Language,
}

impl Mail {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let notify = &receiver.notify;
        let from = notify.from.clone().ok_or("it has no `from`")?;
        for address in std::iter::once(&from).chain(&notify.to) {
            if !is_plain(address) {
                return Err(format!("`{address}` is no plain mail address"));
            }
        }
        let login = notify.user.clone().zip(receiver.secret().map(str::to_owned));
        let server = Server::of(receiver.address.as_deref().ok_or("it has no address")?, login)?;
        Ok(Self { server, from, to: notify.to.clone(), language: receiver.language() })
    }

    fn domain(&self) -> &str {
        self.from.rsplit_once('@').map_or("playbook.invalid", |(_, domain)| domain)
    }
}

/// Whether an address can stand in a header and an envelope as it is.
fn is_plain(address: &str) -> bool {
    let letter = |c: char| c.is_ascii_graphic() && !"<>()[],;:\\\"".contains(c);
    address.len() <= 254
        && address.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && address.matches('@').count() == 1
        && address.chars().all(letter)
}

/// A text as a header has it, in words that each fit into a line.
fn encoded(text: &str) -> String {
    let mut words: Vec<String> = vec![String::new()];
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + letter.len_utf8() <= WORD => word.push(letter),
            _ => words.push(letter.to_string()),
        }
    }
    let words: Vec<String> =
        words.iter().map(|word| format!("=?UTF-8?B?{}?=", sign::base64(word.as_bytes()))).collect();
    words.join("\r\n ")
}

impl Mail {
    /// The mail, and the id of the first one of its thread.
    fn compose(&self, story: &Story<'_>) -> (String, String) {
        let domain = self.domain();
        let message = story.about.message(&story.new_moments(), self.language);
        let first = format!("<playbook.{}@{domain}>", story.about.key().replace(':', "."));
        let (id, thread) = match story.message {
            None => (first.clone(), String::new()),
            Some(before) => (
                format!("<playbook.{}@{domain}>", story.id.replace(':', ".")),
                format!("In-Reply-To: {before}\r\nReferences: {before}\r\n"),
            ),
        };
        let subject = encoded(&format!("[playbook] {}: {}", story.about.name(), text::plain(&message.standing)));
        // A thread keeps together by its subject too, in some readers: the part that changes stands at its end.
        let date = jiff::Timestamp::from_millisecond(story.at.0)
            .ok()
            .and_then(|at| jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).ok())
            .unwrap_or_default();
        let body = sign::base64(message.text(MOST, literal).replace('\n', "\r\n").as_bytes());
        let lines: Vec<&str> = body.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let mail = format!(
            "From: <{}>\r\nTo: {}\r\nSubject: {subject}\r\nDate: {date}\r\nMessage-ID: {id}\r\n{thread}\
             Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}",
            self.from,
            self.to.iter().map(|to| format!("<{to}>")).collect::<Vec<_>>().join(",\r\n "),
            lines.join("\r\n"),
        );
        (mail, story.message.map_or(first, str::to_owned))
    }
}

#[async_trait]
impl Teller for Mail {
    fn rate(&self) -> Rate {
        Rate { interval: 10_000, burst: 3 }
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let (data, thread) = self.compose(story);
        self.server.send(&Envelope { from: &self.from, to: &self.to, data: &data }).await?;
        Ok(Some(thread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_can_add_a_header_or_a_command() {
        assert!(is_plain("ops@example.org") && is_plain("a+b@x"));
        for bad in ["ops", "a@b@c", "a b@c", "a@b\r\nRCPT TO:<x@y>", "<a@b>", "a@b>", "\"a\"@b", "@b", "a@"] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_subject_of_any_letters_is_made_of_short_words() {
        let text = encoded(&"数据库切换 failover ".repeat(9));
        assert!(text.is_ascii() && text.split("\r\n ").all(|word| word.len() <= 75), "{text}");
        use base64::Engine as _;
        let back: String = text
            .split("\r\n ")
            .map(|word| word.trim_start_matches("=?UTF-8?B?").trim_end_matches("?="))
            .map(|word| String::from_utf8(base64::engine::general_purpose::STANDARD.decode(word).unwrap()).unwrap())
            .collect();
        assert_eq!(back, "数据库切换 failover ".repeat(9));
    }
}
