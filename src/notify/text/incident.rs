//! What people are told of an incident: its title, how it stands, what was said of it.

use super::{Message, Moment, Weight, clock, command, fill, lines, ours, theirs, tongue};
use crate::config::{Language, Severity};
use crate::incident::{Incident, Standing};

/// The message about an incident, with these moments of it.
pub fn of_incident(incident: &Incident, moments: &[Moment], language: Language) -> Message {
    let tongue = tongue(language);
    let brief = &incident.brief;
    let mut title = fill("{} {}", [ours(brief.severity.word()), theirs(&brief.title)]);
    title.extend(fill(" · {}", [ours(incident.id.as_str())]));
    let verb = if brief.standing == Standing::Open { "show" } else { "timeline" };
    Message {
        weight: weight(brief.standing, brief.severity),
        title,
        standing: tongue.incident(brief, &clock(brief.since)),
        lines: lines(tongue, moments),
        commands: vec![command(format!("playbook incident {verb} {}", incident.id))],
        left_out: tongue.left_out(),
    }
}

fn weight(standing: Standing, severity: Severity) -> Weight {
    match (standing, severity) {
        (Standing::Open, Severity::P0 | Severity::P1) => Weight::Bad,
        (Standing::Open, _) => Weight::Plain,
        (Standing::Resolved | Standing::Closed, _) => Weight::Good,
    }
}
