//! How severe an incident is, and the sentence that says why: label rules first, then impact and urgency. Nobody has to know
//! either to open one.

use std::collections::BTreeMap;

use super::{Level, Severity};
use crate::config::IncidentSettings;
use crate::playbook::Playbook;

/// The label that services count as.
const SERVICE: &str = "service";

/// The severity of an incident with these labels, this impact and this urgency, and why. What nobody said counts as medium.
pub fn classify(
    settings: &IncidentSettings,
    impact: Option<Level>,
    urgency: Option<Level>,
    labels: &BTreeMap<String, String>,
) -> (Severity, String) {
    if let Some(ruled) = by_rule(settings, labels, &[]) {
        return ruled;
    }
    let severity = settings.matrix.severity(impact.unwrap_or(Level::Medium), urgency.unwrap_or(Level::Medium));
    let words = |level: Option<Level>| level.map_or("medium (nobody said)".to_owned(), |level| level.to_string());
    (severity, format!("impact {}, urgency {}", words(impact), words(urgency)))
}

/// The same by the label rules alone; nothing where none fits. Each of these services counts as a label `service`, where the
/// labels have none.
pub fn by_rule(
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

/// The severity of an incident that is opened for a run, of a playbook that says what it is meant for: label rules first, then
/// the worst of those severities, as nobody has had the time to look.
pub fn classify_for_playbook(
    settings: &IncidentSettings,
    book: &Playbook,
    labels: &BTreeMap<String, String>,
) -> (Severity, String) {
    if let Some(ruled) = by_rule(settings, labels, &book.services) {
        return ruled;
    }
    match book.severity.iter().filter_map(|word| word.parse::<Severity>().ok()).min() {
        Some(severity) => (severity, format!("{} is meant for {}", book.name, book.severity.join(", "))),
        None => classify(settings, None, None, labels),
    }
}
