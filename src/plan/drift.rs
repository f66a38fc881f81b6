//! Two plans of the same content, one made before and one made now: where the world differs in what the first rests on.
//! Pure: it compares and never looks. What moves by itself (lag, positions, times) is no drift; neither is an unknown that
//! became known, unless it decides something.

use serde::{Deserialize, Serialize};

use super::{Decided, Plan, PlannedGroup, PlannedStep, changed_variables};
use crate::ids::StepId;
use crate::spec::Specs;
use crate::value::{Value, contains_unknown, unknown, why_unknown};

/// One difference between the world of a plan and the world now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// What differs.
    pub what: DriftKind,
    /// What it was when the plan was made; an unknown is marked (`value::unknown`).
    pub was: Value,
    /// What it is now.
    pub is: Value,
    /// The steps that rest on it; empty where the whole run does.
    pub steps: Vec<StepId>,
}

/// What can differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum DriftKind {
    /// A fact that was read at a target.
    Fact(String),
    /// An argument of a step.
    Argument(String),
    /// Whether a step runs.
    Runs,
    /// Whether a requirement holds, by its source.
    Requirement(String),
    /// What an action would refuse to do.
    Refusal,
    /// What a `for_each` goes over.
    Items,
    /// A variable of a host, by its name and the host's.
    Variable(String),
    /// What the run acts on.
    Targets,
    /// What the run locks.
    Locks,
}

/// Where `now` differs from `then` in something that `then` rests on, in the order of the steps.
pub fn drift(then: &Plan, now: &Plan, specs: &Specs) -> Vec<Drift> {
    let mut found = Found::default();
    found.compare_lists(DriftKind::Targets, &then.targets, &now.targets);
    let locks = |plan: &Plan| plan.locks.iter().map(ToString::to_string).collect::<Vec<_>>();
    found.compare_lists(DriftKind::Locks, &locks(then), &locks(now));
    for was in &then.groups {
        let Some(is) = now.groups.iter().find(|group| group.id == was.id && group.item == was.item) else { continue };
        let list = |group: &PlannedGroup| group.items.clone().map(|items| items.into_iter().map(|item| item.value));
        if let Some(before) = list(was).map(Iterator::collect::<Value>)
            && let after = list(is).map_or(Value::Null, Iterator::collect)
            && before != after
        {
            found.add(DriftKind::Items, before, after, &was.id);
        }
        found.compare_variables(was, is);
    }
    for was in &then.steps {
        let Some(is) = now.step(&was.id, was.item.as_ref()) else { continue };
        if !found.compare_runs(was, is) {
            // Where one of them was skipped, nothing was read that could be compared.
            continue;
        }
        let action = then.playbook.step(&was.id).map_or("", |step| step.action.as_str());
        if let Some(spec) = specs.get(action) {
            for field in spec.facts.iter().filter(|field| field.stable) {
                found.compare_fact(field.name, was, is);
            }
        }
        found.compare_arguments(was, is);
        found.compare_requirements(was, is);
    }
    found.list
}

#[derive(Default)]
struct Found {
    list: Vec<Drift>,
}

impl Found {
    /// The same difference, seen by several steps, is one difference.
    fn add(&mut self, what: DriftKind, was: Value, is: Value, step: &StepId) {
        match self.list.iter_mut().find(|drift| drift.what == what && drift.was == was && drift.is == is) {
            Some(drift) => drift.steps.push(step.clone()),
            None => self.list.push(Drift { what, was, is, steps: vec![step.clone()] }),
        }
    }

    /// What the inventory says of the hosts that both go over.
    fn compare_variables(&mut self, was: &PlannedGroup, is: &PlannedGroup) {
        let now = is.items.as_deref().unwrap_or_default();
        for before in was.items.iter().flatten().filter(|item| !item.vars.is_null()) {
            let Some(after) = now.iter().find(|item| item.id == before.id) else { continue };
            for name in changed_variables(&before.vars, &after.vars) {
                let value = |vars: &Value| vars.get(&name).cloned().unwrap_or(Value::Null);
                let what = DriftKind::Variable(format!("{name} of {}", before.id));
                self.add(what, value(&before.vars), value(&after.vars), &was.id);
            }
        }
    }

    fn compare_lists(&mut self, what: DriftKind, was: &[String], is: &[String]) {
        if was != is {
            self.list.push(Drift { what, was: was.into(), is: is.into(), steps: Vec::new() });
        }
    }

    /// Whether the step runs; `true` where what was read for it can be compared.
    fn compare_runs(&mut self, was: &PlannedStep, is: &PlannedStep) -> bool {
        if decides_differently(&was.runs, &is.runs) {
            let text = |decided: &Decided| match decided {
                Decided::Yes => Value::from("runs"),
                Decided::No { why } => Value::from(format!("does not run: {why}")),
                Decided::Undecided { why } => unknown(why.clone()),
            };
            self.add(DriftKind::Runs, text(&was.runs), text(&is.runs), &was.id);
        }
        !matches!(was.runs, Decided::No { .. }) && !matches!(is.runs, Decided::No { .. })
    }

    fn compare_fact(&mut self, name: &str, was: &PlannedStep, is: &PlannedStep) {
        let (before, after) = (fact(was, name), fact(is, name));
        if differs(&before, &after) {
            self.add(DriftKind::Fact(name.to_owned()), before, after, &was.id);
        }
    }

    fn compare_arguments(&mut self, was: &PlannedStep, is: &PlannedStep) {
        let Some(before) = was.arguments.as_object() else { return };
        for (name, before) in before {
            let after = is.arguments.get(name).unwrap_or(&Value::Null);
            if differs(before, after) {
                self.add(DriftKind::Argument(name.clone()), before.clone(), after.clone(), &was.id);
            }
        }
    }

    fn compare_requirements(&mut self, was: &PlannedStep, is: &PlannedStep) {
        let refusals = |step: &PlannedStep| step.prediction.refusals.clone();
        // An action's refusal is words, which may hold numbers that move: what counts is whether there is one.
        let own = |step: &PlannedStep| {
            let refused = refusals(step);
            step.requirements.iter().filter(|need| !refused.contains(&need.source)).cloned().collect::<Vec<_>>()
        };
        for before in own(was) {
            let Some(after) = own(is).into_iter().find(|need| need.source == before.source) else { continue };
            if decides_differently(&before.decided, &after.decided) {
                let text = |decided: &Decided| match decided {
                    Decided::Yes => Value::from("holds"),
                    Decided::No { why } => Value::from(format!("does not hold: {why}")),
                    Decided::Undecided { why } => unknown(why.clone()),
                };
                let what = DriftKind::Requirement(before.source);
                self.add(what, text(&before.decided), text(&after.decided), &was.id);
            }
        }
        let (before, after) = (refusals(was), refusals(is));
        if before.is_empty() != after.is_empty() {
            let text = |list: Vec<String>| if list.is_empty() { Value::Null } else { Value::from(list.join("; ")) };
            self.add(DriftKind::Refusal, text(before), text(after), &was.id);
        }
    }
}

/// A fact as a step read it; one that was not read is unknown, and why.
fn fact(step: &PlannedStep, name: &str) -> Value {
    step.prediction.facts.get(name).cloned().unwrap_or_else(|| {
        let reasons = step.prediction.refusals.iter().chain(&step.prediction.notes);
        unknown(reasons.last().cloned().unwrap_or_else(|| "it was not read".to_owned()))
    })
}

/// A known value that is another one now, or not known any more.
fn differs(was: &Value, is: &Value) -> bool {
    !contains_unknown(was) && was != is
}

/// Whether a decision is another one, or open again; an open one may close as `yes`, as the plan has shown it as possible.
fn decides_differently(was: &Decided, is: &Decided) -> bool {
    match (was, is) {
        (Decided::Yes, Decided::Yes)
        | (Decided::No { .. }, Decided::No { .. })
        | (Decided::Undecided { .. }, Decided::Undecided { .. } | Decided::Yes) => false,
        (Decided::Undecided { .. }, Decided::No { .. })
        | (Decided::Yes, Decided::No { .. } | Decided::Undecided { .. })
        | (Decided::No { .. }, Decided::Yes | Decided::Undecided { .. }) => true,
    }
}

impl std::fmt::Display for DriftKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DriftKind::Fact(name) => write!(f, "fact {name}"),
            DriftKind::Argument(name) => write!(f, "argument {name}"),
            DriftKind::Variable(name) => write!(f, "variable {name}"),
            DriftKind::Runs => f.write_str("whether it runs"),
            DriftKind::Requirement(source) => write!(f, "requirement {source}"),
            DriftKind::Refusal => f.write_str("what the action refuses"),
            DriftKind::Items => f.write_str("the items that it goes over"),
            DriftKind::Targets => f.write_str("targets"),
            DriftKind::Locks => f.write_str("locks"),
        }
    }
}

impl Drift {
    /// What it was, for a person.
    pub fn was_text(&self) -> String {
        text(&self.was)
    }

    /// What it is, for a person.
    pub fn is_text(&self) -> String {
        text(&self.is)
    }
}

fn text(value: &Value) -> String {
    match (value, why_unknown(value)) {
        (_, Some(why)) => format!("not known ({why})"),
        (Value::Null, None) => "none".to_owned(),
        (Value::String(text), None) => text.clone(),
        (other, None) if contains_unknown(other) => "not wholly known".to_owned(),
        (other, None) => other.to_string(),
    }
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
