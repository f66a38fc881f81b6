//! A plan for people and for programs: what each step would change, what must hold, how well that is founded, and how far
//! the way back reaches.

use serde_json::{Value, json};

use crate::cli::text::{Ink, Line, wrap};
use crate::plan::{Decided, Plan, PlannedStep, Requirement};
use crate::playbook::{OnFailure, Rollback, Service, Step};
use crate::spec::{Change, Effect, Fidelity};
use crate::value::{format_seconds, why_unknown};

use super::branches;
use super::command::{Command, undo_lines};
use super::{heading, paragraph};

/// What a plan comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requirements that do not hold, each with its step.
    pub violated: Vec<String>,
    /// Steps that would change something, or may.
    pub changing: usize,
    /// Changing steps with `unknown`, `assumed`, `probed`, `proved` predictions.
    pub by_fidelity: [usize; 4],
}

/// What a plan comes to.
pub fn sum(plan: &Plan) -> Sum {
    let mut sum = Sum::default();
    for (step, planned) in pairs(plan) {
        if matches!(planned.runs, Decided::No { .. }) {
            continue;
        }
        if planned.runs == Decided::Yes {
            let broken = requirements(planned).into_iter().filter(|need| matches!(need.decided, Decided::No { .. }));
            sum.violated.extend(broken.map(|need| format!("{}: {}", step.id, need.source)));
        }
        if step.effect.changes() {
            sum.by_fidelity[planned.fidelity as usize] += 1;
            let nothing = planned.prediction.changes.is_empty() && planned.fidelity >= Fidelity::Probed;
            sum.changing += usize::from(!nothing);
        }
    }
    sum
}

/// The word for how well something is founded.
pub fn fidelity_word(fidelity: Fidelity) -> &'static str {
    match fidelity {
        Fidelity::Unknown => "unknown",
        Fidelity::Assumed => "assumed",
        Fidelity::Probed => "probed",
        Fidelity::Proved => "proved",
    }
}

/// The word for how often a step may run.
pub fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "read",
        Effect::Idempotent => "idempotent",
        Effect::Keyed => "keyed",
        Effect::Probed => "probed",
        Effect::Once => "once",
    }
}

fn pairs(plan: &Plan) -> impl Iterator<Item = (&Step, &PlannedStep)> {
    plan.each_step()
}

/// What must hold, and what the action itself would refuse.
fn requirements(planned: &PlannedStep) -> Vec<Requirement> {
    let mut all = planned.requirements.clone();
    for refusal in &planned.prediction.refusals {
        let said = |need: &Requirement| {
            &need.source == refusal || matches!(&need.decided, Decided::No { why } if why == refusal)
        };
        if !all.iter().any(said) {
            all.push(Requirement { source: refusal.clone(), decided: Decided::No { why: String::new() } });
        }
    }
    all
}

/// The whole plan.
pub fn lines(plan: &Plan, width: usize) -> Vec<Line> {
    let book = &plan.playbook;
    let mut lines = vec![heading(&format!("{}@{}  {}", book.name, book.version, book.title))];
    let environment = if plan.environment.is_empty() { "none" } else { &plan.environment };
    lines.push(Line::new().with(Ink::Dim, format!("environment {environment}")));
    lines.extend(inputs(plan));
    for (index, (step, planned)) in pairs(plan).enumerate() {
        lines.push(Line::new());
        if step.point_of_no_return {
            lines
                .push(Line::new().with(Ink::Warn, "▲ point of no return: what this step does is not undone by itself"));
        }
        lines.extend(step_lines(plan, index + 1, step, planned, width));
    }
    lines.push(Line::new());
    lines.extend(reach(plan, width));
    lines.extend(tail(plan, width));
    lines
}

fn inputs(plan: &Plan) -> Vec<Line> {
    let Some(map) = plan.inputs.as_object().filter(|map| !map.is_empty()) else { return Vec::new() };
    let all: Vec<String> = map.iter().map(|(name, value)| format!("{name} = {}", short(value))).collect();
    vec![Line::new().with(Ink::Dim, format!("inputs {}", all.join(", ")))]
}

/// A value in a line; an unknown one says why it is not known.
pub fn short(value: &Value) -> String {
    match (value, why_unknown(value)) {
        (_, Some(why)) => format!("(not known yet: {why})"),
        (Value::String(text), None) => text.clone(),
        (Value::Null, None) => "–".to_owned(),
        (other, None) => other.to_string(),
    }
}

fn step_lines(plan: &Plan, number: usize, step: &Step, planned: &PlannedStep, width: usize) -> Vec<Line> {
    let mut lines = vec![Line::new().with(Ink::Bold, format!("{number:>2}. {}", step.title))];
    let skipped = matches!(planned.runs, Decided::No { .. });
    let words = format!("    {} · {} · {}", planned.name(), step.action, effect_word(step.effect));
    let ink = if planned.fidelity >= Fidelity::Probed { Ink::Good } else { Ink::Warn };
    let head = Line::new().with(Ink::Dim, words);
    if skipped {
        lines.push(head);
    } else {
        lines.push(head.with(Ink::Dim, " · prediction ").with(ink, fidelity_word(planned.fidelity)));
    }
    match &planned.runs {
        Decided::Yes => lines.extend(what_it_does(step, planned, width)),
        Decided::No { why } => {
            lines.extend(paragraph(&format!("↷ does not run: {why}"), 4, width, Ink::Dim));
        }
        Decided::Undecided { why } => {
            let runs = what_it_does(step, planned, width.saturating_sub(2));
            lines.extend(branches::lines(plan, step, why, runs, width));
        }
    }
    lines
}

/// What a step does if it runs, what must hold before, and how it is undone.
fn what_it_does(step: &Step, planned: &PlannedStep, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    // What is filled in already is shown as it will be sent.
    let command = Command::of_arguments(&step.action, &planned.arguments).or_else(|| Command::of_step(step));
    if let Some(command) = command {
        lines.extend(paragraph(&command.line(), 4, width, Ink::Plain));
    }
    for need in requirements(planned) {
        lines.extend(requirement_lines(&need, width));
    }
    lines.extend(planned.prediction.changes.iter().map(change_line));
    if planned.prediction.changes.is_empty() && step.effect.changes() {
        let text =
            if planned.fidelity >= Fidelity::Probed { "= nothing to change" } else { "~ what it changes is not known" };
        lines.push(Line::plain("    ").with(Ink::Dim, text));
    }
    for note in &planned.prediction.notes {
        lines.extend(paragraph(note, 4, width, Ink::Dim));
    }
    lines.extend(way_back(step, width));
    if let Some(service) = step.service {
        lines
            .push(Line::plain("    service ").with(service_ink(service), service.word()).with(Ink::Plain, " after it"));
    }
    if let Some(name) = &step.checkpoint {
        lines.push(Line::plain("    ").with(Ink::Good, format!("⚑ checkpoint {name}")));
    }
    lines
}

/// How urgent a state of the service is.
pub fn service_ink(service: Service) -> Ink {
    match service {
        Service::Up => Ink::Good,
        Service::Degraded => Ink::Warn,
        Service::Down => Ink::Bad,
    }
}

fn requirement_lines(need: &Requirement, width: usize) -> Vec<Line> {
    let (mark, ink, why) = match &need.decided {
        Decided::Yes => ("✓", Ink::Good, ""),
        Decided::No { why } => ("✗", Ink::Bad, why.as_str()),
        Decided::Undecided { why } => ("?", Ink::Warn, why.as_str()),
    };
    let mut lines = vec![Line::plain("    ").with(ink, mark).with(Ink::Plain, format!(" {}", need.source))];
    if !why.is_empty() && why != need.source {
        lines.extend(paragraph(why, 6, width, ink));
    }
    lines
}

/// One difference: `+` comes into being, `-` goes, `~` becomes another, `=` stays.
fn change_line(change: &Change) -> Line {
    let (mark, ink) = match (&change.before, &change.after) {
        (None, Some(_)) => ("+", Ink::Good),
        (Some(_), None) => ("-", Ink::Bad),
        (Some(before), Some(after)) if before == after => ("=", Ink::Dim),
        _ => ("~", Ink::Warn),
    };
    let line = Line::plain("    ").with(ink, mark).with(Ink::Plain, format!(" {}", change.what));
    match (&change.before, &change.after) {
        (None, None) => line,
        (None, Some(after)) => line.with(Ink::Plain, format!(": {after}")),
        (Some(before), None) => line.with(Ink::Plain, format!(": {before} → gone or not known")),
        (Some(before), Some(after)) if before == after => line.with(Ink::Dim, format!(": {after}")),
        (Some(before), Some(after)) => line.with(Ink::Plain, format!(": {before} → {after}")),
    }
}

fn way_back(step: &Step, width: usize) -> Vec<Line> {
    if !step.effect.changes() {
        return Vec::new();
    }
    let texts = match &step.rollback {
        Rollback::Action => vec!["↩ undone by the action itself, from what it found before".to_owned()],
        Rollback::None { because } => vec![format!("↩ not undone: {because}")],
        Rollback::Steps(_) => undo_lines(step).into_iter().map(|text| format!("↩ undone by: {text}")).collect(),
    };
    let mut lines: Vec<Line> = texts.iter().flat_map(|text| paragraph(text, 4, width, Ink::Dim)).collect();
    let failure = match &step.on_failure {
        None | Some(OnFailure::Rollback) => None,
        Some(OnFailure::RollbackTo(name)) => Some(format!("if it fails: back to checkpoint {name}")),
        Some(OnFailure::Pause) => Some("if it fails: a person is called".to_owned()),
        Some(OnFailure::Continue) => Some("if it fails: the run goes on, with exceptions".to_owned()),
        Some(OnFailure::Step(to)) => Some(format!("if it fails: the run goes on at {to}")),
    };
    lines.extend(failure.map(|text| Line::plain("    ").with(Ink::Dim, text)));
    lines
}

/// How far rollback reaches.
fn reach(plan: &Plan, width: usize) -> Vec<Line> {
    let running =
        || pairs(plan).filter(|(_, planned)| !matches!(planned.runs, Decided::No { .. })).map(|(step, _)| step);
    let text = match running().find(|step| step.point_of_no_return) {
        Some(step) => format!(
            "Until {} everything is undone when a step fails. From {} on it stands: the run stops and calls a person.",
            step.id, step.id
        ),
        None if running().any(|step| step.effect.changes()) => {
            "When a step fails, everything that was changed is undone, back to the start.".to_owned()
        }
        None => "Nothing is changed by any step, so there is nothing to undo.".to_owned(),
    };
    let mut lines = vec![heading("Way back")];
    lines.extend(paragraph(&text, 2, width, Ink::Plain));
    let left: Vec<&str> = running()
        .take_while(|step| !step.point_of_no_return)
        .filter(|step| step.effect.changes() && matches!(step.rollback, Rollback::None { .. }))
        .map(|step| step.id.as_str())
        .collect();
    if !left.is_empty() {
        lines.extend(paragraph(&format!("Left as they are on purpose: {}.", left.join(", ")), 2, width, Ink::Plain));
    }
    lines
}

fn tail(plan: &Plan, width: usize) -> Vec<Line> {
    let sum = sum(plan);
    let mut lines = vec![heading("Plan")];
    let mut field = |name: &str, text: String| {
        let clean = crate::cli::visible::line(&text);
        let mut texts = wrap(&clean, width.saturating_sub(12)).into_iter();
        lines.push(Line::plain(format!("  {name:<10}{}", texts.next().unwrap_or_default())));
        lines.extend(texts.map(|text| Line::plain(format!("{:12}{text}", ""))));
    };
    let changing: usize = sum.by_fidelity.iter().sum();
    let mut founded = Vec::new();
    for fidelity in [Fidelity::Proved, Fidelity::Probed, Fidelity::Assumed, Fidelity::Unknown] {
        let number = sum.by_fidelity[fidelity as usize];
        if number > 0 {
            founded.push(format!("{number} {}", fidelity_word(fidelity)));
        }
    }
    let founded = if founded.is_empty() { String::new() } else { format!(": {}", founded.join(", ")) };
    field("steps", format!("{} in all, {changing} that can change something{founded}", plan.steps.len()));
    field("targets", list_or_none(&plan.targets));
    field("locks", list_or_none(&plan.locks.iter().map(ToString::to_string).collect::<Vec<_>>()));
    if let Some(objective) = plan.playbook.recovery_time {
        field("objective", format!("back within {}", format_seconds(objective)));
    }
    field("digest", plan.digest.short().to_owned());
    lines
}

fn list_or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

/// What the plan comes to, in a line or a list.
pub fn verdict_lines(plan: &Plan, width: usize) -> Vec<Line> {
    let sum = sum(plan);
    if sum.violated.is_empty() {
        return vec![
            Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, "every requirement that can be decided now holds"),
        ];
    }
    let mut lines =
        vec![Line::new().with(Ink::Bad, "✗ ").with(Ink::Plain, "a run would fail now; what does not hold:")];
    sum.violated.iter().for_each(|text| lines.extend(paragraph(text, 4, width, Ink::Bad)));
    lines
}

/// A plan for programs.
pub fn json(plan: &Plan, exit: u8) -> Value {
    let sum = sum(plan);
    json!({
        "v": 1, "type": "plan", "exit": exit,
        "playbook": plan.playbook.name, "version": plan.playbook.version, "title": plan.playbook.title,
        "environment": plan.environment, "inputs": known(&plan.inputs), "targets": plan.targets, "locks": plan.locks,
        "digest": plan.digest, "facts_digest": plan.facts_digest,
        "violated": sum.violated, "changing": sum.changing,
        "steps": pairs(plan).map(|(step, planned)| step_json(plan, step, planned)).collect::<Vec<_>>(),
    })
}

fn step_json(plan: &Plan, step: &Step, planned: &PlannedStep) -> Value {
    let rollback = match &step.rollback {
        Rollback::Action => json!({ "by": "action" }),
        Rollback::None { because } => json!({ "by": "none", "because": because }),
        Rollback::Steps(steps) => {
            json!({ "by": "steps", "steps": steps.iter().map(|step| &step.title).collect::<Vec<_>>() })
        }
    };
    json!({
        "id": step.id, "title": step.title, "action": step.action, "effect": step.effect,
        "runs": planned.runs, "arguments": known(&planned.arguments), "requirements": requirements(planned),
        "changes": planned.prediction.changes, "notes": planned.prediction.notes, "fidelity": planned.fidelity,
        "rollback": rollback, "checkpoint": step.checkpoint, "service": step.service,
        "point_of_no_return": step.point_of_no_return, "otherwise": branches::json(plan, step, planned),
    })
}

/// A value for programs: what is not known yet is `{"unknown": WHY}`.
fn known(value: &Value) -> Value {
    match (value, why_unknown(value)) {
        (_, Some(why)) => json!({ "unknown": why }),
        (Value::Object(map), None) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), known(value))).collect())
        }
        (Value::Array(items), None) => Value::Array(items.iter().map(known).collect()),
        (other, None) => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples;

    fn shown(lines: &[Line]) -> String {
        let look = Look { color: false, unicode: true, width: None };
        lines.iter().map(|line| line.render(&look) + "\n").collect()
    }

    #[test]
    fn a_plan_shows_changes_requirements_how_well_it_is_founded_and_the_way_back() {
        let plan = samples::plan();
        let mut lines = lines(&plan, 80);
        lines.extend(verdict_lines(&plan, 80));
        insta::assert_snapshot!(shown(&lines));
    }

    #[test]
    fn only_a_step_that_certainly_runs_can_violate() {
        let mut plan = samples::plan();
        assert_eq!(sum(&plan).violated, ["roles: outputs.lag_bytes <= inputs.max_lag"]);
        plan.steps[0].runs = Decided::Undecided { why: "who knows".to_owned() };
        assert!(sum(&plan).violated.is_empty());
        plan.steps[1].prediction.refusals = vec!["a second controller manages it".to_owned()];
        assert_eq!(sum(&plan).violated, ["hold: a second controller manages it"]);
    }

    #[test]
    fn what_is_not_known_is_unknown_in_json_and_nothing_of_ours_leaks() {
        let text = json(&samples::plan(), 0).to_string();
        assert!(text.contains(r#""server":{"unknown":"promote has not run yet"}"#), "{text}");
        assert!(!text.contains("\\u0000"), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for width in [40, 80] {
            for line in lines(&samples::plan(), width) {
                assert!(line.width() <= width + 40, "{line:?}");
            }
        }
    }
}
