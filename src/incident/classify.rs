//! How severe an incident is, and the sentence that says why: label rules first, then what it brings with itself, then impact
//! and urgency. Nobody has to know any of it to open one, and whoever opens one asks here.

use std::collections::BTreeMap;

use super::{Level, Opening, Severity};
use crate::config::IncidentSettings;
use crate::playbook::Playbook;

/// The label that services count as.
const SERVICE: &str = "service";

/// What somebody said of how far an incident reaches and how little time it leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    /// How far it reaches.
    pub impact: Option<Level>,
    /// How little time it leaves.
    pub urgency: Option<Level>,
}

/// What a person says who opens an incident: a title is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What has gone wrong, in a line.
    pub title: String,
    /// How severe it is: whoever says so is right.
    pub severity: Option<Severity>,
    /// How far it reaches, and how little time it leaves.
    pub levels: Levels,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// The services that suffer.
    pub services: Vec<String>,
    /// Who owns it.
    pub owner: Option<String>,
}

impl Said {
    /// The incident that is opened with it, by whoever is named.
    pub fn opening(self, settings: &IncidentSettings, by: &str) -> Opening {
        let Self { title, severity, levels, labels, services, owner } = self;
        let (severity, why) = match severity {
            Some(severity) => (severity, format!("{by} said so")),
            None => classify(settings, &labels, &services, None, levels),
        };
        let Levels { impact, urgency } = levels;
        let owner = owner.or_else(|| settings.owner.clone());
        Opening { impact, urgency, labels, services, owner, ..Opening::new(title, severity, why) }
    }
}

/// The severity of an incident with these labels and services, and why: what a rule of the configuration says, else what it
/// brings with itself, else impact and urgency. What nobody said counts as medium.
pub fn classify(
    settings: &IncidentSettings,
    labels: &BTreeMap<String, String>,
    services: &[String],
    own: Option<(Severity, String)>,
    levels: Levels,
) -> (Severity, String) {
    by_rule(settings, labels, services).or(own).unwrap_or_else(|| by_levels(settings, levels))
}

/// The severity of an incident that is opened for a run, of a playbook that says what it is meant for: after the rules it is the
/// worst of those severities, as nobody has had the time to look.
pub fn classify_for_playbook(
    settings: &IncidentSettings,
    book: &Playbook,
    labels: &BTreeMap<String, String>,
) -> (Severity, String) {
    let worst = book.severity.iter().filter_map(|word| word.parse::<Severity>().ok()).min();
    let own = worst.map(|severity| (severity, format!("{} is meant for {}", book.name, book.severity.join(", "))));
    classify(settings, labels, &book.services, own, Levels::default())
}

/// By the label rules alone; nothing where none fits. Each of these services counts as a label `service`, where the labels have
/// none.
fn by_rule(
    settings: &IncidentSettings,
    labels: &BTreeMap<String, String>,
    services: &[String],
) -> Option<(Severity, String)> {
    let mut ways = vec![labels.clone()];
    if !labels.contains_key(SERVICE) {
        ways.extend(services.iter().map(|service| {
            let mut labels = labels.clone();
            labels.insert(SERVICE.to_owned(), service.clone());
            labels
        }));
    }
    let (rule, labels) =
        settings.rules.iter().find_map(|rule| Some((rule, ways.iter().find(|way| rule.fits(way))?)))?;
    let named = rule.labels.keys().map(|name| {
        let value = labels.get(name).map(String::as_str).unwrap_or_default();
        format!("{name}={value}")
    });
    Some((rule.severity, format!("a rule for {}", named.collect::<Vec<_>>().join(", "))))
}

/// By impact and urgency alone.
fn by_levels(settings: &IncidentSettings, levels: Levels) -> (Severity, String) {
    let Levels { impact, urgency } = levels;
    let severity = settings.matrix.severity(impact.unwrap_or(Level::Medium), urgency.unwrap_or(Level::Medium));
    let words = |level: Option<Level>| level.map_or("medium (nobody said)".to_owned(), |level| level.to_string());
    (severity, format!("impact {}, urgency {}", words(impact), words(urgency)))
}
