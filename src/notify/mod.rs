//! Calling a person, and telling others what happens. It only sends: it never decides whether or when, and a call that fails
//! is an error value for whoever asked, never a stop of the recovery.

mod command;
mod guard;
mod http;
mod message;
mod moment;
mod sign;
mod tell;
mod text;
mod webhook;

pub use command::CommandNotifier;
pub use moment::{Moment, What};
pub use tell::{
    About, Item, Mask, Rate, Receiver, Refusal, SpanCounts, Story, Takes, Teller, Then, drop_spans,
    incident_for_programs, parts_sent, record_for_programs, span_counts, takes, teller,
};
pub use webhook::WebhookNotifier;

use async_trait::async_trait;
use serde::Serialize;

use crate::config::Config;

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageText {
    /// The run that waits.
    pub run: String,
    /// Its playbook's name.
    pub playbook: String,
    /// The step that it waits at; empty where it is not one step.
    pub step: String,
    /// What is asked, in one sentence.
    pub question: String,
    /// The whole text: what happened, what it means, the commands to answer with.
    pub text: String,
}

/// Why a person could not be called.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The command could not be started.
    #[error("the page command `{program}` cannot be started: {source}")]
    CannotStart {
        /// Its program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The command ended with a failure.
    #[error("the page command `{program}` failed ({status}): {said}")]
    Failed {
        /// Its program.
        program: String,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        said: String,
    },
    /// No end within the limit. A command is killed then.
    #[error("{what} took longer than {seconds} s")]
    TooSlow {
        /// What was waited for.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// The webhook could not be reached.
    #[error("the page webhook {address} cannot be reached: {why}")]
    Unreachable {
        /// Its address, without what may be a secret in it.
        address: String,
        /// Why.
        why: String,
    },
    /// The webhook answered, and refused.
    #[error("the page webhook {address} answered with {status}: {said}")]
    Refused {
        /// Its address, without what may be a secret in it.
        address: String,
        /// The status.
        status: u16,
        /// The beginning of its answer.
        said: String,
    },
}

/// A way to call a person.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// What to call it in a timeline, for example `page command mail`.
    fn name(&self) -> String;

    /// Sends, within a time limit of its own. Gives back what the other side said, for the timeline.
    ///
    /// # Errors
    /// When it is not certain that it was sent.
    async fn send(&self, page: &PageText) -> Result<String, NotifyError>;
}

/// The ways that the configuration asks for; none where it has no `page`.
pub fn from_config(config: &Config) -> Vec<Box<dyn Notifier>> {
    let mut notifiers: Vec<Box<dyn Notifier>> = Vec::new();
    let Some(page) = &config.page else { return notifiers };
    if let Some(command) = &page.command {
        notifiers.push(Box::new(CommandNotifier::new(command.clone())));
    }
    if let Some(address) = &page.webhook {
        notifiers.push(Box::new(WebhookNotifier::new(address.clone())));
    }
    notifiers
}

/// What the other side said, short enough for a line of the timeline, and without control characters, which could
/// otherwise move the cursor of whoever reads it.
fn presentable(bytes: &[u8]) -> String {
    const MOST: usize = 500;
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Page;

    #[test]
    fn every_configured_way_is_used() {
        assert!(from_config(&Config::default()).is_empty());
        let page = Page {
            command: Some(vec!["mail".to_owned(), "dba".to_owned()]),
            webhook: Some("https://user:pass@pages.example/hook/token?key=1".to_owned()),
            repeat_seconds: 60.0,
        };
        let names: Vec<_> =
            from_config(&Config { page: Some(page), ..Config::default() }).iter().map(|n| n.name()).collect();
        assert_eq!(names, ["page command mail", "page webhook https://pages.example"]);
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(presentable(b" paged\x1b[2Jbob\n"), "paged [2Jbob");
        assert!(presentable(&[b'x'; 9999]).chars().count() <= 501);
    }
}
