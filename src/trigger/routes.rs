//! From an alert to the playbook that it asks for: the first route of the configuration that fits it. Why the others did not
//! is told, as that is what is asked when nothing ran. What a route asks for and the alert does not have is an error.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde::Serialize;
use serde_json::{Map, Value};

use super::alert::Alert;
use super::error::TriggerError;
use crate::config::{Config, Trigger, TriggerIncident, TriggerMode, TriggerStatus};
use crate::ids::Digest;
use crate::incident::AlertState;
use crate::playbook::{TriggeredMode, check_outside, fill_outside};

/// What paths of a route's inputs begin with.
const ROOTS: &[&str] = &["labels", "annotations", "alert", "source"];

/// The routes, in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub struct Routes(Vec<Route>);

#[derive(Debug, Clone)]
struct Route {
    name: String,
    source: Option<String>,
    status: AlertState,
    labels: Vec<(String, Matcher)>,
    asks: Trigger,
    /// The inputs that are filled from the alert; the others are the configuration's own.
    filled: BTreeSet<String>,
}

/// What a label has to be, as in Prometheus: a pattern is held to the whole value, and a label that is not there is empty.
#[derive(Debug, Clone)]
enum Matcher {
    Is(String),
    IsNot(String),
    Matches(Regex),
    DoesNotMatch(Regex),
}

/// A run that an alert asks for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wanted {
    /// By which route.
    pub route: String,
    /// Which playbook.
    pub playbook: String,
    /// Which version; the newest where absent.
    pub version: Option<String>,
    /// Its inputs, as texts that its types decide on.
    pub inputs: BTreeMap<String, String>,
    /// Those of them that came from the alert.
    pub from_alert: BTreeSet<String>,
    /// What is to be done.
    pub mode: TriggeredMode,
    /// Whether an incident is to be opened.
    pub incident: bool,
    /// For how many seconds nothing is started again by the route on these inputs.
    pub cooldown: f64,
    /// What names this firing and this route: whoever begins a run by it begins it once.
    pub key: Digest,
    /// What names the route and the inputs: what the cooldown is counted over.
    pub scope: Digest,
}

impl Wanted {
    /// Its inputs, as they are sent: texts, none of which is ever read as a reference.
    pub fn sent(&self) -> Map<String, Value> {
        self.inputs.iter().map(|(name, text)| (name.clone(), Value::String(text.clone()))).collect()
    }
}

/// A route that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// Which.
    pub route: String,
    /// To which playbook.
    pub playbook: String,
    /// Why not.
    pub why: String,
}

/// The route that was taken, and what it asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Which.
    pub route: String,
    /// To which playbook.
    pub playbook: String,
    /// What it asks for, or why that cannot be made from the alert.
    pub wanted: Result<Wanted, TriggerError>,
}

/// What the routes make of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Routed {
    /// Those that were tried before and did not fit.
    pub passed: Vec<Passed>,
    /// The one that does.
    pub taken: Option<Taken>,
}

impl Routes {
    /// The routes of a configuration.
    ///
    /// # Errors
    /// When one cannot be used: the configuration has checked all but its templates.
    pub fn of(config: &Config) -> Result<Self, TriggerError> {
        let all = config.triggers.iter().enumerate();
        Ok(Self(all.map(|(place, asks)| Route::of(asks, place)).collect::<Result<_, _>>()?))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Finds the route of an alert that came in a delivery: the first that fits.
    pub fn route(&self, source: &str, delivery: &str, alert: &Alert) -> Routed {
        let mut passed = Vec::new();
        for route in &self.0 {
            let (name, playbook) = (route.name.clone(), route.asks.playbook.clone());
            match route.misfit(source, alert) {
                Some(why) => passed.push(Passed { route: name, playbook, why }),
                None => {
                    let wanted = route.wanted(source, delivery, alert);
                    return Routed { passed, taken: Some(Taken { route: name, playbook, wanted }) };
                }
            }
        }
        Routed { passed, taken: None }
    }
}

impl Route {
    fn of(asks: &Trigger, place: usize) -> Result<Self, TriggerError> {
        let name = asks.called(place);
        let unusable = |what: String| TriggerError::Unusable(format!("the route {name} of `triggers`: {what}"));
        let mut filled = BTreeSet::new();
        for (input, text) in &asks.inputs {
            if check_outside(text, ROOTS).map_err(|why| unusable(format!("input `{input}`: {why}")))? {
                filled.insert(input.clone());
            }
        }
        let labels = asks.matches.labels.iter().map(|(label, text)| {
            let matcher = Matcher::of(text).map_err(|why| unusable(format!("label `{label}`: {why}")))?;
            Ok((label.clone(), matcher))
        });
        let labels = labels.collect::<Result<_, TriggerError>>()?;
        let status = match asks.matches.status {
            TriggerStatus::Firing => AlertState::Firing,
            TriggerStatus::Resolved => AlertState::Resolved,
        };
        Ok(Self { source: asks.matches.source.clone(), name, status, labels, asks: asks.clone(), filled })
    }

    /// Why it does not fit; nothing where it does.
    fn misfit(&self, source: &str, alert: &Alert) -> Option<String> {
        if let Some(wanted) = self.source.as_ref().filter(|wanted| *wanted != source) {
            return Some(format!("it is for what `{wanted}` sends"));
        }
        if alert.status != self.status {
            return Some(format!("it is for alerts that are {}", self.status.word()));
        }
        self.labels.iter().find_map(|(label, matcher)| {
            let value = alert.labels.get(label);
            let found = value.map_or_else(|| "is not there".to_owned(), |value| format!("is `{}`", short(value)));
            (!matcher.fits(value.map_or("", String::as_str)))
                .then(|| format!("its label `{label}` {found}, and has to {}", matcher.words()))
        })
    }

    fn wanted(&self, source: &str, delivery: &str, alert: &Alert) -> Result<Wanted, TriggerError> {
        let values = alert.values(source);
        let mut inputs = BTreeMap::new();
        for (input, text) in &self.asks.inputs {
            let wrong = |why: String| {
                let (route, book) = (&self.name, &self.asks.playbook);
                TriggerError::Inputs(format!("the route {route} to {book} cannot make its input `{input}`: {why}"))
            };
            let value = fill_outside(text, &values).map_err(wrong)?;
            let value = super::alert::scalar(&value).ok_or_else(|| wrong("it is no single value".to_owned()))?;
            inputs.insert(input.clone(), value);
        }
        let route = format!("{}\n{}", self.name, self.asks.playbook);
        let episode = alert.episode(source, delivery);
        Ok(Wanted {
            key: super::alert::digest(&serde_json::json!([route, episode.as_str()])),
            scope: super::alert::digest(&serde_json::json!([route, inputs])),
            route: self.name.clone(),
            playbook: self.asks.playbook.clone(),
            version: self.asks.version.clone(),
            inputs,
            from_alert: self.filled.clone(),
            mode: mode(self.asks.mode),
            incident: self.asks.incident == TriggerIncident::Open,
            cooldown: self.asks.cooldown_seconds(),
        })
    }
}

fn mode(mode: TriggerMode) -> TriggeredMode {
    match mode {
        TriggerMode::DryRun => TriggeredMode::DryRun,
        TriggerMode::Ask => TriggeredMode::Ask,
        TriggerMode::Run => TriggeredMode::Run,
    }
}

impl Matcher {
    fn of(text: &str) -> Result<Self, String> {
        let whole = |pattern: &str| Regex::new(&format!("^(?s:{pattern})$")).map_err(|error| error.to_string());
        Ok(if let Some(pattern) = text.strip_prefix("=~") {
            Self::Matches(whole(pattern)?)
        } else if let Some(pattern) = text.strip_prefix("!~") {
            Self::DoesNotMatch(whole(pattern)?)
        } else if let Some(value) = text.strip_prefix("!=") {
            Self::IsNot(value.to_owned())
        } else {
            Self::Is(text.to_owned())
        })
    }

    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::IsNot(unwanted) => value != unwanted,
            Self::Matches(pattern) => pattern.is_match(value),
            Self::DoesNotMatch(pattern) => !pattern.is_match(value),
        }
    }

    fn words(&self) -> String {
        let bare = |pattern: &Regex| {
            let text = pattern.as_str();
            text.strip_prefix("^(?s:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text).to_owned()
        };
        match self {
            Self::Is(wanted) => format!("be `{wanted}`"),
            Self::IsNot(unwanted) => format!("be anything but `{unwanted}`"),
            Self::Matches(pattern) => format!("match `{}`", bare(pattern)),
            Self::DoesNotMatch(pattern) => format!("be anything that does not match `{}`", bare(pattern)),
        }
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= 60 { text.to_owned() } else { text.chars().take(59).collect::<String>() + "…" }
}
