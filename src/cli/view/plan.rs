//! A plan for people: what each step would change, what must hold, how well that is founded, and how far
//! the way back reaches.

use serde_json::Value;

use crate::cli::text::{Ink, Line, wrap};
use crate::plan::{Decided, Plan, PlannedStep, Requirement};
use crate::playbook::{Service, Step};
use crate::spec::{Effect, Fidelity};
use crate::value::{format_seconds, ranges, why_unknown};

use super::groups::{is_folded, is_whole, some};
use super::{checks, heading, narrowed, paragraph, plan_steps, violated, way_back};

/// How many requirements that do not hold are listed at the end.
const MOST_VIOLATED: usize = 20;
/// How many targets of a kind are listed before those that count on are written as ranges.
const MOST_NAMES: usize = 8;

/// What a plan comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requirements that do not hold, each with its step.
    pub violated: Vec<String>,
    /// The same of items of a `for_each` that bears it: no more of them would fail than may.
    pub borne: Vec<String>,
    /// Steps that would change something, or may.
    pub changing: usize,
    /// Changing steps with `unknown`, `assumed`, `probed`, `proved` predictions.
    pub by_fidelity: [usize; 4],
}

/// What a plan comes to.
pub fn sum(plan: &Plan) -> Sum {
    let mut sum = Sum::default();
    sum.violated.extend(broken_checks(plan));
    for broken in violated::all(plan) {
        let list = if broken.borne { &mut sum.borne } else { &mut sum.violated };
        list.push(broken.text());
    }
    for (step, planned) in pairs(plan) {
        if matches!(planned.runs, Decided::No { .. }) {
            continue;
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
pub(super) fn requirements(planned: &PlannedStep) -> Vec<Requirement> {
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
    lines.extend(inputs(plan, width));
    lines.extend(narrowed::of_plan(plan, width));
    lines.extend(checks::lines(plan, width));
    lines.extend(plan_steps::lines(plan, width));
    lines.push(Line::new());
    lines.extend(way_back::lines(plan, width));
    lines.extend(tail(plan, width));
    lines
}

fn inputs(plan: &Plan, width: usize) -> Vec<Line> {
    let Some(map) = plan.inputs.as_object().filter(|map| !map.is_empty()) else { return Vec::new() };
    let one = |value: &Value| match value {
        Value::Array(items) if items.len() > 1 => some(&items.iter().map(short).collect::<Vec<_>>()),
        other => short(other),
    };
    let all: Vec<String> = map.iter().map(|(name, value)| format!("{name} = {}", one(value))).collect();
    let between = if map.values().any(Value::is_array) { "; " } else { ", " };
    paragraph(&format!("inputs {}", all.join(between)), 0, width, Ink::Dim)
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

/// How urgent a state of the service is.
pub fn service_ink(service: Service) -> Ink {
    match service {
        Service::Up => Ink::Good,
        Service::Degraded => Ink::Warn,
        Service::Down => Ink::Bad,
    }
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
    field("steps", format!("{}, {changing} that can change something{founded}", how_many(plan)));
    field("targets", targets(&plan.targets));
    for (group, names) in unfolded(plan) {
        field("items", format!("{group}: {names}"));
    }
    field("locks", list_or_none(&plan.locks.iter().map(ToString::to_string).collect::<Vec<_>>()));
    if let Some(objective) = plan.playbook.recovery_time {
        field("objective", format!("back within {}", format_seconds(objective)));
    }
    if let Some(recovers) = &plan.playbook.recovers {
        field("counts as", format!("the recovery of a failed {}", recovers.what.word()));
    }
    field("digest", plan.digest.short().to_owned());
    lines
}

/// How many steps there are: `3 in all`, and with the items of each list.
pub fn how_many(plan: &Plan) -> String {
    let all = plan.playbook.steps.len();
    if plan.steps.iter().any(|planned| planned.item.is_some()) {
        format!("{all} in all, {} with each of their items", plan.steps.len())
    } else {
        format!("{all} in all")
    }
}

/// All targets by name; of several of a kind, the kind is said once.
fn targets(targets: &[String]) -> String {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for target in targets {
        let (kind, name) = target.split_once(['/', ' ']).unwrap_or(("", target));
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.push(name),
            None => kinds.push((kind, vec![name])),
        }
    }
    if kinds.iter().all(|(_, names)| names.len() == 1) {
        return list_or_none(targets);
    }
    let told = |names: &Vec<&str>| {
        if names.len() > MOST_NAMES { ranges::fold_sorted(names.iter().copied()) } else { names.join(", ") }
    };
    kinds.iter().map(|(kind, names)| format!("{kind} {}", told(names))).collect::<Vec<_>>().join("; ")
}

/// The items of the lists that are folded above and are no targets by themselves: a plan names each thing that it touches.
fn unfolded(plan: &Plan) -> Vec<(&str, String)> {
    let is_target =
        |name: &str| plan.targets.iter().any(|target| target.split_once('/').is_some_and(|(_, n)| n == name));
    let lists = plan.groups.iter().filter_map(|group| Some((group.id.as_str(), group.items.as_ref()?)));
    let names = lists.map(|(id, items)| (id, items.iter().map(|item| item.id.to_string()).collect::<Vec<_>>()));
    let folded = names.filter(|(_, names)| is_folded(names) && !names.iter().all(|name| is_target(name)));
    let told = |names: &Vec<String>| ranges::fold_sorted(names.iter().map(String::as_str));
    // What found room in a line above is not told twice.
    folded.filter(|(_, names)| !is_whole(names)).map(|(id, names)| (id, told(&names))).collect()
}

fn list_or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

/// Identities and invariants that do not hold.
fn broken_checks(plan: &Plan) -> impl Iterator<Item = String> {
    checks::broken(plan).map(|check| format!("{}: {}", check.kind.word(), check.name))
}

/// What a run would fail by, those items together of which the same is said.
pub fn does_not_hold(plan: &Plan) -> Vec<String> {
    let broken = violated::all(plan);
    let broken = violated::folded(broken.iter().filter(|broken| !broken.borne));
    broken_checks(plan).chain(broken).collect()
}

/// What the plan comes to, in a line or a list.
pub fn verdict_lines(plan: &Plan, width: usize) -> Vec<Line> {
    let fails = does_not_hold(plan);
    let borne = borne_lines(plan, width);
    if fails.is_empty() && borne.is_empty() {
        return vec![
            Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, "every requirement that can be decided now holds"),
        ];
    }
    let mut lines = Vec::new();
    if !fails.is_empty() {
        lines.push(Line::new().with(Ink::Bad, "✗ ").with(Ink::Plain, "a run would fail now; what does not hold:"));
    }
    fails.iter().take(MOST_VIOLATED).for_each(|text| lines.extend(paragraph(text, 4, width, Ink::Bad)));
    if let Some(more) = fails.len().checked_sub(MOST_VIOLATED).filter(|more| *more > 0) {
        let text = format!("… and {more} more, each named above with its step");
        lines.extend(paragraph(&text, 4, width, Ink::Bad));
    }
    lines.extend(borne);
    lines
}

/// The items that would fail, where so many may: a run would end with exceptions.
pub fn borne_lines(plan: &Plan, width: usize) -> Vec<Line> {
    let broken = violated::all(plan);
    let mut lines = Vec::new();
    for (group, (failing, may)) in violated::bearing(plan, &broken) {
        let items = plan.groups.iter().find(|planned| &planned.id == group).and_then(|planned| planned.items.as_ref());
        let all = items.map_or(0, Vec::len);
        let text = format!(
            "{group}: {failing} of {all} items would fail now, and {may} may: the run would end with exceptions"
        );
        let mut texts = wrap(&text, width.saturating_sub(2)).into_iter();
        lines.push(Line::new().with(Ink::Warn, "! ").with(Ink::Plain, texts.next().unwrap_or_default()));
        lines.extend(texts.map(|text| Line::plain("  ").with(Ink::Plain, text)));
    }
    let told = violated::folded(broken.iter().filter(|broken| broken.borne));
    told.iter().take(MOST_VIOLATED).for_each(|text| lines.extend(paragraph(text, 4, width, Ink::Warn)));
    lines
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
    fn a_plan_shows_what_holds_a_run_back() {
        let lines = lines(&samples::braked_plan(), 80);
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
    fn groups_have_a_heading_and_items_that_are_alike_are_shown_once() {
        for (width, hosts) in [(80, 4), (160, 200)] {
            let plan = samples::grouped_plan(hosts);
            let mut lines = lines(&plan, width);
            lines.extend(verdict_lines(&plan, width));
            insta::assert_snapshot!(format!("groups_at_{width}"), shown(&lines));
        }
    }

    #[test]
    fn targets_are_listed_by_name_and_their_kind_is_said_once() {
        let said = |names: &[&str]| targets(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(said(&[]), "none");
        assert_eq!(said(&["database/orders", "proxy/orders"]), "database/orders, proxy/orders");
        assert_eq!(said(&["host/a", "proxy/x", "host/b"]), "host a, b; proxy x");
    }

    #[test]
    fn a_plan_of_many_hosts_stays_readable() {
        let text = shown(&lines(&samples::grouped_plan(200), 80));
        assert!(text.lines().count() < 90, "{} lines", text.lines().count());
        // What differs is told with its name, whatever else is folded.
        assert!(text.contains("patch@web2\n") && text.contains("patch@web3\n"), "{text}");
        assert!(text.contains("✗ facts.free > 10"), "{text}");
        assert_eq!(text.matches("undrain").count(), 3, "its id, its command, and once as left: {text}");
        let mut odd = samples::grouped_plan(40);
        for planned in odd.steps.iter_mut().filter(|planned| planned.id.as_str() == "patch") {
            planned.prediction.notes =
                vec![format!("{} has its own story", planned.name().len() * 7 + planned.name().as_bytes()[9] as usize)];
        }
        let text = shown(&lines(&odd, 80));
        assert!(text.contains("more that differ: "), "{text}");
        assert!(text.find("patch@web3\n") < text.find("more that differ"), "what does not hold is always shown");
    }

    #[test]
    fn no_line_is_wider_than_asked_for() {
        for width in [40, 80] {
            for line in lines(&samples::plan(), width).into_iter().chain(lines(&samples::grouped_plan(30), width)) {
                assert!(line.width() <= width + 40, "{line:?}");
            }
        }
    }
}
