//! Who may send alerts, and which playbook an alert asks for: the words of `hooks` and `triggers`. What they mean is said in
//! `docs/triggers.md`; nothing is proved, matched or started here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Config;
use super::incidents::expression;
use crate::value::{Reference, parse_duration};

/// How long a route starts nothing again on the same inputs, where it does not say.
const COOLDOWN: &str = "10m";
/// The longest that a route may wait.
const LONGEST_COOLDOWN: f64 = 7.0 * 86_400.0;

/// Somebody who sends alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What they speak.
    pub kind: HookKind,
    /// References to what they prove themselves with; several while a secret is exchanged.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// How they prove who they are; by the kind's own way where absent.
    #[serde(default)]
    pub proof: Option<HookProof>,
    /// The user of `basic`.
    #[serde(default)]
    pub user: Option<String>,
    /// Grafana: the header with the signature, where it is not the usual one.
    #[serde(default)]
    pub signature_header: Option<String>,
    /// Grafana: the header with the time that is signed, where one is set there.
    #[serde(default)]
    pub timestamp_header: Option<String>,
    /// Where in a body of a form of its own everything stands.
    #[serde(default)]
    pub fields: Option<HookFields>,
}

/// What a sender of alerts speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookKind {
    /// Prometheus' Alertmanager, its webhook of version 4.
    Alertmanager,
    /// Grafana's own alerting.
    Grafana,
    /// PagerDuty's webhooks of version 3.
    Pagerduty,
    /// Standard Webhooks (incident.io and others), with a body of a form of its own.
    StandardWebhooks,
    /// Any JSON.
    Json,
}

impl HookKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Alertmanager, Self::Grafana, Self::Pagerduty, Self::StandardWebhooks, Self::Json];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Pagerduty => "pagerduty",
            Self::StandardWebhooks => "standard_webhooks",
            Self::Json => "json",
        }
    }

    /// How it can prove itself, its usual way first.
    pub fn proofs(self) -> &'static [HookProof] {
        match self {
            Self::Alertmanager | Self::Json => &[HookProof::Bearer, HookProof::Basic],
            Self::Grafana => &[HookProof::Signature, HookProof::Bearer, HookProof::Basic],
            Self::Pagerduty | Self::StandardWebhooks => &[HookProof::Signature],
        }
    }

    /// Whether its body has a form of its own, which `fields` tells.
    fn has_fields(self) -> bool {
        matches!(self, Self::StandardWebhooks | Self::Json)
    }
}

/// How a sender proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookProof {
    /// The body is signed.
    Signature,
    /// `Authorization: Bearer SECRET`.
    Bearer,
    /// `Authorization: Basic …`, of `user` and a secret.
    Basic,
}

impl HookProof {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
        }
    }
}

/// Where things stand in a body of a form of its own: JSON pointers (RFC 6901), counted from the alert but for `delivery`
/// and `alerts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookFields {
    /// The list of alerts; the body is one alert itself where absent.
    pub alerts: Option<String>,
    /// What names this delivery and no other.
    pub delivery: Option<String>,
    /// What names the alert, the same whenever it is sent again.
    pub fingerprint: Option<String>,
    /// Whether it fires; every alert does where absent.
    pub status: Option<String>,
    /// The words of the status that mean that it fires.
    pub firing: Vec<String>,
    /// Those that mean that it is over.
    pub resolved: Vec<String>,
    /// The title.
    pub title: Option<String>,
    /// Since when it fires.
    pub starts_at: Option<String>,
    /// Until when it fired.
    pub ends_at: Option<String>,
    /// A page about it.
    pub link: Option<String>,
    /// An object whose texts, numbers and booleans are labels.
    pub all_labels: Option<String>,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// An object whose texts are annotations.
    pub all_annotations: Option<String>,
}

/// Which playbook an alert asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// What it is called; its place in the list where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// For which alerts.
    #[serde(rename = "match")]
    pub matches: TriggerMatch,
    /// The playbook, by its name in the catalog.
    pub playbook: String,
    /// Its version; the newest where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// Its inputs: values, or texts with `{{labels.NAME}}`.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// What is done.
    pub mode: TriggerMode,
    /// Whether an incident is opened for it.
    #[serde(default)]
    pub incident: TriggerIncident,
    /// For how long nothing is started again by it on the same inputs.
    #[serde(default = "cooldown")]
    pub cooldown: String,
}

fn cooldown() -> String {
    COOLDOWN.to_owned()
}

/// For which alerts a route is: all of it has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TriggerMatch {
    /// Who sent them, by their name in `hooks`; anybody where absent.
    pub source: Option<String>,
    /// Whether they fire.
    pub status: TriggerStatus,
    /// Their labels: the value itself, or behind `=~`, `!=`, `!~` what Prometheus' matchers mean by that.
    pub labels: BTreeMap<String, String>,
}

/// Which alerts a route is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerStatus {
    /// Those that fire.
    #[default]
    Firing,
    /// Those that are over.
    Resolved,
}

/// What is done for an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerMode {
    /// It is looked at what a run would do.
    DryRun,
    /// A person is told the command, and decides.
    Ask,
    /// The run begins by itself.
    Run,
}

/// Whether an incident is opened for an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerIncident {
    /// One is opened, or the one that is open for the alert is taken.
    #[default]
    Open,
    /// None is.
    None,
}

impl Hook {
    /// A sender of this kind of which nothing else is said: good for reading what it sends, and it can prove nothing.
    pub fn of_kind(kind: HookKind) -> Self {
        let fields = kind.has_fields().then(HookFields::default);
        Self {
            kind,
            secrets: Vec::new(),
            proof: None,
            user: None,
            signature_header: None,
            timestamp_header: None,
            fields,
        }
    }

    /// How it proves itself.
    pub fn proof(&self) -> HookProof {
        let usual = self.kind.proofs().first().copied().unwrap_or(HookProof::Signature);
        let by_user = || self.user.as_ref().map(|_| HookProof::Basic);
        self.proof.or_else(by_user).unwrap_or(usual)
    }

    fn problem(&self) -> Option<String> {
        let proof = self.proof();
        if !self.kind.proofs().contains(&proof) {
            let can: Vec<&str> = self.kind.proofs().iter().map(|proof| proof.word()).collect();
            return Some(format!(
                "{} cannot prove itself by `{}`; it can by {}",
                self.kind.word(),
                proof.word(),
                can.join(", ")
            ));
        }
        if self.secrets.is_empty() {
            return Some(
                "it has no `secrets`, so anybody could send it: name one, such as [env:HOOK_SECRET]".to_owned(),
            );
        }
        if self.secrets.len() > 8 {
            return Some("it has more than 8 `secrets`; keep those that are in use".to_owned());
        }
        // The text itself is not repeated: it may be the secret.
        if let Some(why) = self.secrets.iter().find_map(|text| Reference::parse(text).err()) {
            return Some(format!("one of its `secrets` is no reference: {why}"));
        }
        match (&self.user, proof) {
            (None, HookProof::Basic) => return Some("`proof: basic` needs a `user`".to_owned()),
            (Some(_), HookProof::Signature | HookProof::Bearer) => {
                return Some(format!("`user` goes with `proof: basic`, not with `{}`", proof.word()));
            }
            (Some(user), HookProof::Basic) if user.is_empty() || user.contains(':') => {
                return Some(
                    "`user` is empty or has a colon in it, which no user of basic authentication can".to_owned(),
                );
            }
            _ => {}
        }
        let signed_by_grafana = self.kind == HookKind::Grafana && proof == HookProof::Signature;
        if (self.signature_header.is_some() || self.timestamp_header.is_some()) && !signed_by_grafana {
            return Some("`signature_header` and `timestamp_header` are for the signature of grafana".to_owned());
        }
        match (&self.fields, self.kind.has_fields()) {
            (None, true) => {
                Some(format!("`kind: {}` needs `fields`: where the alert's labels stand", self.kind.word()))
            }
            (Some(_), false) => Some(format!("`fields` are for json and standard_webhooks, not {}", self.kind.word())),
            (Some(fields), true) => fields.problem(),
            (None, false) => None,
        }
    }
}

impl HookFields {
    fn problem(&self) -> Option<String> {
        let single = [
            ("alerts", &self.alerts),
            ("delivery", &self.delivery),
            ("fingerprint", &self.fingerprint),
            ("status", &self.status),
            ("title", &self.title),
            ("starts_at", &self.starts_at),
            ("ends_at", &self.ends_at),
            ("link", &self.link),
            ("all_labels", &self.all_labels),
            ("all_annotations", &self.all_annotations),
        ];
        let single = single.into_iter().filter_map(|(name, pointer)| Some((name, pointer.as_ref()?)));
        let all = single.chain(self.labels.iter().map(|(name, pointer)| (name.as_str(), pointer)));
        for (name, pointer) in all {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Some(format!(
                    "`fields.{name}: {pointer}` is no JSON pointer, which begins with a slash: /data/id"
                ));
            }
        }
        if self.labels.is_empty() && self.all_labels.is_none() {
            return Some("`fields` names no labels, so no route could tell its alerts apart".to_owned());
        }
        if let Some(both) = self.firing.iter().find(|word| self.resolved.contains(word)) {
            return Some(format!("`fields`: `{both}` is both in `firing` and in `resolved`"));
        }
        if self.status.is_none() && !(self.firing.is_empty() && self.resolved.is_empty()) {
            return Some("`fields` has `firing` or `resolved`, and no `status` whose words they are".to_owned());
        }
        None
    }
}

impl Trigger {
    /// For how long nothing is started again, in seconds.
    pub fn cooldown_seconds(&self) -> f64 {
        parse_duration(&self.cooldown).unwrap_or(0.0)
    }

    /// What it is called, at this place of the list.
    pub fn called(&self, place: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("{}", place + 1))
    }

    fn problem(&self, hooks: &BTreeMap<String, Hook>) -> Option<String> {
        if !is_name(&self.playbook) {
            return Some(format!("`playbook: {}` is no name of a playbook", self.playbook));
        }
        if let Some(name) = self.name.as_ref().filter(|name| !is_name(name)) {
            return Some(format!("`name: {name}`: lower-case letters, digits, hyphens and underscores"));
        }
        if let Some(source) = self.matches.source.as_ref().filter(|source| !hooks.contains_key(*source)) {
            return Some(format!("`match.source: {source}` is not in `hooks`"));
        }
        if self.matches.labels.is_empty() && self.mode == TriggerMode::Run {
            return Some("it has no `match.labels`, so that every alert would start a run".to_owned());
        }
        for (label, wanted) in &self.matches.labels {
            if let Some(pattern) = expression(wanted) {
                let (right, literal) = (format!("=~.*({pattern}).*"), regex::escape(wanted));
                return Some(format!(
                    "`match.labels.{label}: {wanted}` is the form of `incidents.rules`; here a pattern is written `{right}`, as it is \
                     held to the whole value; where the strokes are the label's own: `=~{literal}`"
                ));
            }
            let pattern = wanted.strip_prefix("=~").or_else(|| wanted.strip_prefix("!~"));
            if let Some(error) = pattern.and_then(|pattern| regex::Regex::new(pattern).err()) {
                return Some(format!("`match.labels.{label}: {wanted}` cannot be read: {error}"));
            }
        }
        let fits = parse_duration(&self.cooldown).is_some_and(|seconds| seconds <= LONGEST_COOLDOWN);
        (!fits).then(|| format!("`cooldown: {}` is no time: write 30s or 10m, at most 7d", self.cooldown))
    }
}

/// A name that can stand in an address and in a sentence.
fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let hook = config.hooks.iter().find_map(|(name, hook)| {
        if !is_name(name) {
            return Some(format!("`hooks.{name}`: a name has lower-case letters, digits, hyphens and underscores"));
        }
        Some(format!("`hooks.{name}`: {}", hook.problem()?))
    });
    hook.or_else(|| {
        let mut all = config.triggers.iter().enumerate();
        all.find_map(|(place, trigger)| {
            let why = trigger.problem(&config.hooks)?;
            Some(format!("`triggers`, the {}. route (to {}): {why}", place + 1, trigger.playbook))
        })
    })
}
