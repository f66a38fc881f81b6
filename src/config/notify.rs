//! Who is told what happens in runs. `docs/notify.md` explains each word. Addresses come from here alone, and no secret ever
//! stands here: where one is wanted, a reference to it does.

use serde::{Deserialize, Deserializer, Serialize};

use super::Config;

use crate::value::{REFERENCE_FORMS, Reference, parse_duration};

/// The longest that a receiver may be away before its messages are given up: three days.
const GIVE_UP_AFTER: f64 = 259_200.0;

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// What it is called here, in the outbox and in timelines.
    pub name: String,
    /// What kind of receiver it is.
    pub kind: NotifyKind,
    /// Where it is: an address, or a reference to one where the address itself is the secret. Of mail: the server.
    #[serde(default)]
    pub address: Option<String>,
    /// References to what messages are signed with or authorised by; several while one is replaced by another.
    #[serde(default, deserialize_with = "one_or_several")]
    pub secret: Vec<String>,
    /// What of a run is told: `all`, `key`, or the names of events; what the kind is for, where absent.
    #[serde(default)]
    pub events: Option<Wanted>,
    /// Only runs of these playbooks; all where empty.
    #[serde(default)]
    pub playbooks: Vec<String>,
    /// Only runs in these environments; all where empty.
    #[serde(default)]
    pub environments: Vec<String>,
    /// In which language people are told.
    #[serde(default)]
    pub language: Language,
    /// Slack with a token: in which channel.
    #[serde(default)]
    pub channel: Option<String>,
    /// Of mail: who sends it.
    #[serde(default)]
    pub from: Option<String>,
    /// Of mail: who gets it.
    #[serde(default, deserialize_with = "one_or_several")]
    pub to: Vec<String>,
    /// Of mail: the user at the server, where it wants one; the secret is the password.
    #[serde(default)]
    pub user: Option<String>,
    /// Of a command: the program and its arguments.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// The proxy that leads there, if one does.
    #[serde(default)]
    pub proxy: Option<String>,
    /// How long it is tried before a message is given up; three days where absent.
    #[serde(default)]
    pub give_up_after: Option<String>,
    /// Of traces: where the server is that shows a run.
    #[serde(skip)]
    pub link: Option<String>,
}

/// The kinds of receivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// Any address that takes JSON, signed as Standard Webhooks says.
    Webhook,
    /// Slack: with a token one message a run, with an incoming webhook digests.
    Slack,
    /// A group's robot in DingTalk.
    Dingtalk,
    /// A group's bot in Feishu (Lark).
    Feishu,
    /// A group's robot in WeCom.
    Wecom,
    /// PagerDuty: events and change events.
    Pagerduty,
    /// Mail over SMTP.
    Mail,
    /// A program, with JSON on its input.
    Command,
    /// What takes traces (OpenTelemetry). It is configured by `traces`, and never stands in the list.
    #[serde(skip_deserializing)]
    Traces,
}

impl NotifyKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Dingtalk => "dingtalk",
            Self::Feishu => "feishu",
            Self::Wecom => "wecom",
            Self::Pagerduty => "pagerduty",
            Self::Mail => "mail",
            Self::Command => "command",
            Self::Traces => "traces",
        }
    }

    /// Whether programs read it: they are told every record.
    pub fn is_for_programs(self) -> bool {
        matches!(self, Self::Webhook | Self::Command)
    }
}

/// What of a run is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wanted {
    /// A word.
    Word(WantedWord),
    /// The names of events, as timelines have them.
    Events(Vec<String>),
}

/// How much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedWord {
    /// Every record.
    All,
    /// What a person wants to know while somebody else deals with it.
    Key,
}

/// A language for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Notify {
    /// How much of a run is told.
    pub fn wanted(&self) -> Wanted {
        let usual = if self.kind.is_for_programs() { WantedWord::All } else { WantedWord::Key };
        self.events.clone().unwrap_or(Wanted::Word(usual))
    }

    /// How long it is tried before a message is given up, in seconds.
    pub fn give_up_seconds(&self) -> f64 {
        self.give_up_after.as_deref().and_then(parse_duration).unwrap_or(GIVE_UP_AFTER)
    }

    /// Whether the address stands here as a reference.
    pub fn refers_to_address(&self) -> bool {
        self.address.as_deref().is_some_and(|address| Reference::parse(address).is_ok())
    }

    fn problem(&self) -> Option<String> {
        let name = &self.name;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Some(format!(
                "`notify`: `name: {name}` has to be of letters, digits, `-`, `_` and `.`, at most 64"
            ));
        }
        let wrong = |why: &str| Some(format!("`notify.{name}`: {why}"));
        if name == super::traces::NAME {
            return wrong("that name is the one of what `traces:` configures; call it something else");
        }
        if self.secret.iter().any(|secret| Reference::parse(secret).is_err()) {
            // It may be the secret itself: it is not repeated.
            return wrong(&format!("`secret` takes a reference ({REFERENCE_FORMS}), and never the secret itself"));
        }
        if let Some(after) = &self.give_up_after
            && !parse_duration(after).is_some_and(|seconds| (60.0..=31_536_000.0).contains(&seconds))
        {
            return wrong(&format!("`give_up_after: {after}` is no time from 1m to a year, such as 3d"));
        }
        if matches!(&self.events, Some(Wanted::Events(names)) if names.is_empty()) {
            return wrong("`events` is empty: write `all`, `key`, or the names of events");
        }
        self.missing().or_else(|| self.address_problem()).and_then(|why| wrong(&why))
    }

    /// What its kind needs and is not there.
    fn missing(&self) -> Option<String> {
        let needs = |there: bool, what: &str| (!there).then(|| format!("a {} needs {what}", self.kind.word()));
        let address = self.address.is_some();
        match self.kind {
            NotifyKind::Webhook => needs(address, "an `address`"),
            NotifyKind::Dingtalk | NotifyKind::Feishu | NotifyKind::Wecom => {
                needs(address, "an `address`: that of the robot, or a reference to it")
            }
            NotifyKind::Slack if self.channel.is_some() => needs(
                !self.secret.is_empty(),
                "a `secret` with its `channel`: a reference to the token of a bot that may write there",
            ),
            NotifyKind::Slack => {
                needs(address, "an `address` (that of an incoming webhook), or a `channel` and a `secret`")
            }
            NotifyKind::Pagerduty => needs(!self.secret.is_empty(), "a `secret`: a reference to the integration key"),
            NotifyKind::Mail => needs(address, "an `address`: smtps://HOST or smtp://HOST")
                .or_else(|| needs(self.from.is_some(), "`from`"))
                .or_else(|| needs(!self.to.is_empty(), "`to`"))
                .or_else(|| {
                    needs(self.user.is_none() || !self.secret.is_empty(), "a `secret` with its `user`: the password")
                }),
            NotifyKind::Command => {
                needs(self.command.as_ref().is_some_and(|argv| !argv.is_empty()), "a `command`: a list")
            }
            NotifyKind::Traces => None,
        }
    }

    fn address_problem(&self) -> Option<String> {
        let address = self.address.as_deref()?;
        if self.refers_to_address() {
            return None;
        }
        let schemes: &[&str] =
            if self.kind == NotifyKind::Mail { &["smtps://", "smtp://"] } else { &["https://", "http://"] };
        let fits = schemes.iter().any(|scheme| address.starts_with(scheme));
        (!fits).then(|| {
            format!("`address` has to start with {}, or be a reference to one that does", schemes.join(" or "))
        })
    }
}

/// What is wrong with all of them.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    problem_in(&config.notify)
}

fn problem_in(all: &[Notify]) -> Option<String> {
    let twice = all.iter().enumerate().find_map(|(place, one)| {
        let before = all.iter().take(place).any(|other| other.name == one.name);
        before.then(|| format!("`notify`: two are called {}; the outbox tells them apart by their names", one.name))
    });
    twice.or_else(|| all.iter().find_map(Notify::problem))
}

/// One text, or a list of them.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Texts::deserialize(deserializer)? {
        Texts::One(text) => vec![text],
        Texts::Several(list) => list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<String> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let all: Vec<Notify> = serde_saphyr::from_str_with_options(text, options).unwrap();
        problem_in(&all)
    }

    #[test]
    fn what_each_kind_needs_is_said() {
        for (text, word) in [
            ("[{name: a b, kind: webhook, address: 'https://x'}]", "a b"),
            ("[{name: traces, kind: webhook, address: 'https://x'}]", "`traces:`"),
            ("[{name: a, kind: webhook}]", "`address`"),
            ("[{name: a, kind: webhook, address: 'ftp://x'}]", "https://"),
            ("[{name: a, kind: webhook, address: 'https://x', secret: hunter2}]", "never the secret itself"),
            ("[{name: a, kind: slack, channel: C1}]", "`secret`"),
            ("[{name: a, kind: slack}]", "incoming webhook"),
            ("[{name: a, kind: dingtalk}]", "robot"),
            ("[{name: a, kind: pagerduty}]", "integration key"),
            ("[{name: a, kind: mail, address: 'https://x', from: a@b, to: c@d}]", "smtps://"),
            ("[{name: a, kind: mail, address: 'smtp://x', from: a@b}]", "`to`"),
            ("[{name: a, kind: mail, address: 'smtp://x', from: a@b, to: c@d, user: u}]", "the password"),
            ("[{name: a, kind: command, command: []}]", "`command`"),
            ("[{name: a, kind: command, command: [x], events: []}]", "`events`"),
            ("[{name: a, kind: command, command: [x], give_up_after: soon}]", "soon"),
            ("[{name: a, kind: command, command: [x]}, {name: a, kind: command, command: [x]}]", "two are called a"),
        ] {
            let problem = problem(text).unwrap_or_else(|| panic!("{text} passes"));
            assert!(problem.contains(word) && !problem.contains("hunter2"), "{text}: {problem}");
        }
        let fine =
            "[{name: a, kind: wecom, address: 'env:WECOM'}, {name: b, kind: slack, channel: C1, secret: 'env:T'}]";
        assert_eq!(problem(fine), None);
    }

    #[test]
    fn programs_are_told_all_and_people_what_matters() {
        let all: Vec<Notify> =
            serde_saphyr::from_str("[{name: a, kind: command, command: [x]}, {name: b, kind: wecom, address: env:X}]")
                .unwrap();
        assert!(serde_saphyr::from_str::<Vec<Notify>>("[{name: a, kind: traces, address: 'https://x'}]").is_err());
        assert_eq!(all[0].wanted(), Wanted::Word(WantedWord::All));
        assert_eq!(all[1].wanted(), Wanted::Word(WantedWord::Key));
        assert!((all[0].give_up_seconds() - 259_200.0).abs() < 1.0 && all[1].refers_to_address());
    }
}
