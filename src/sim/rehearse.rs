//! Actions that play in a written world: each has the spec of a real one and does nothing real. A look finds the world's
//! facts; acting gives the world's outputs and moves its facts on; undoing puts them back.

use std::sync::Arc;

use async_trait::async_trait;

use super::action::task_of;
use super::stage::{Mishap, Scene, Stage, complete, keys};
use crate::actions::{Action, ActionError, Call, Context, Table};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, Prediction};
use crate::value::{Value, contains_unknown, why_unknown};

type Map = serde_json::Map<String, Value>;

/// The actions of a table, playing in a world.
pub fn rehearsed(real: &Table, stage: &Stage) -> Table {
    let played = real.specs().map(|spec| {
        let action: Arc<dyn Action> = Arc::new(Played { spec: spec.clone(), stage: stage.clone() });
        action
    });
    Table::of(played.collect())
}

struct Played {
    spec: ActionSpec,
    stage: Stage,
}

impl Played {
    fn what(&self, arguments: &Value) -> String {
        let key = keys(&self.spec, arguments).pop().unwrap_or_default();
        if key == "*" { self.spec.name.to_owned() } else { format!("{} ({key})", self.spec.name) }
    }

    /// The facts once the step is done: the world's `after`, and facts that have the name of an argument.
    fn after(&self, scene: &Scene, now: &Map, arguments: &Value) -> Map {
        let mut facts = now.clone();
        facts.extend(self.same_named(self.spec.facts.iter().map(|field| field.name), arguments));
        facts.extend(scene.after.clone());
        facts
    }

    /// Fields that a step is given and gives back: the state that a server is told is the state that it has.
    fn same_named(&self, names: impl Iterator<Item = &'static str>, arguments: &Value) -> Map {
        // A look's inputs say what to look for, not what is there.
        let given = names.filter(|_| self.spec.effect.changes()).filter_map(|name| {
            self.spec.input(name)?;
            let value = arguments.get(name).filter(|value| !value.is_null())?;
            Some((name.to_owned(), value.clone()))
        });
        given.collect()
    }

    fn outputs(&self, scene: &Scene, facts: &Map, arguments: &Value) -> Map {
        let mut known = Map::new();
        // A look gives what it finds.
        if self.spec.effect == Effect::Read {
            known.extend(facts.clone().into_iter().filter(|(name, _)| self.spec.output(name).is_some()));
        }
        known.extend(self.same_named(self.spec.outputs.iter().map(|field| field.name), arguments));
        known.extend(scene.outputs.clone());
        complete(self.spec.outputs.iter().map(|field| field.name), known, &self.what(arguments))
    }

    fn move_on(&self, scene: &Scene, arguments: &Value) {
        let now = self.stage.facts(&self.spec, arguments, scene);
        self.stage.set_facts(&self.spec, arguments, self.after(scene, &now, arguments));
    }
}

#[async_trait]
impl Action for Played {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    async fn plan(&self, _: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let (known, scene) = self.stage.scene(&self.spec, arguments, None);
        let now = self.stage.facts(&self.spec, arguments, &scene);
        let names = self.spec.facts.iter().map(|field| field.name);
        let mut prediction = Prediction::probed(Value::Object(complete(names, now.clone(), &self.what(arguments))));
        prediction.outputs = Value::Object(self.outputs(&scene, &now, arguments));
        if !known && !self.spec.facts.is_empty() {
            prediction.fidelity = Fidelity::Unknown;
            prediction.notes.push(format!("the world says nothing of {}", self.what(arguments)));
        }
        if self.spec.effect.changes() {
            let text = |value: Option<&Value>| {
                value.filter(|value| !value.is_null()).map(|value| match value.as_str() {
                    Some(text) => text.to_owned(),
                    None => value.to_string(),
                })
            };
            let after = self.after(&scene, &now, arguments);
            let moved = after.iter().filter(|(name, value)| now.get(*name) != Some(*value) && !contains_unknown(value));
            prediction.changes = moved
                .map(|(name, value)| Change {
                    what: format!("{name} of {}", self.what(arguments)),
                    before: text(now.get(name)),
                    after: text(Some(value)),
                })
                .collect();
        }
        Ok(prediction)
    }

    async fn run(&self, _: &Context, call: &Call) -> Report {
        let (task, _) = task_of(call);
        let step = step_of(&task).to_owned();
        if let Some(missing) = missing(&call.arguments) {
            self.stage.note_lacking(format!("{step}: {missing}"));
            return Report::no_effect(format!("it cannot be rehearsed: {missing}"));
        }
        // What goes wrong in a step goes wrong for each of its items, and not in its undo.
        let whole = || self.stage.mishap(step.split('@').next().unwrap_or_default());
        let mishap = self.stage.mishap(&task).or_else(|| (task == step).then(whole).flatten());
        let (_, scene) = self.stage.scene(&self.spec, &call.arguments, Some(&step));
        let now = self.stage.facts(&self.spec, &call.arguments, &scene);
        if mishap == Some(Mishap::Failed) {
            return Report::failed("the rehearsal lets it fail");
        }
        let mut outputs = self.outputs(&scene, &now, &call.arguments);
        // A command that the world does not know has no exit code that could be judged.
        if outputs.get("exit_code").is_some_and(contains_unknown) {
            outputs.remove("exit_code");
        }
        if call.effect.changes() {
            self.move_on(&scene, &call.arguments);
        }
        match mishap {
            Some(Mishap::Unknown) => Report::unknown("the rehearsal lets nobody answer"),
            _ => Report::done("rehearsed", Value::Object(outputs)),
        }
    }

    async fn probe(&self, _: &Context, call: &Call) -> Finding {
        let (task, _) = task_of(call);
        match self.stage.mishap(&task) {
            Some(Mishap::Unknown) if call.effect == Effect::Once => {
                Finding::CannotTell { evidence: "nothing shows whether it ran".to_owned() }
            }
            Some(Mishap::Unknown) => {
                let (_, scene) = self.stage.scene(&self.spec, &call.arguments, Some(&task));
                let now = self.stage.facts(&self.spec, &call.arguments, &scene);
                let outputs = Value::Object(self.outputs(&scene, &now, &call.arguments));
                Finding::TookEffect { evidence: "the rehearsal's world shows its effect".to_owned(), outputs }
            }
            _ => Finding::DidNot { evidence: "the rehearsal's world does not show its effect".to_owned() },
        }
    }

    async fn undo(&self, _: &Context, call: &Call) -> Report {
        let (_, scene) = self.stage.scene(&self.spec, &call.arguments, None);
        let before = call.before.as_object().cloned().unwrap_or_default();
        let mut facts = self.stage.facts(&self.spec, &call.arguments, &scene);
        facts.extend(before.into_iter().filter(|(_, value)| !contains_unknown(value)));
        self.stage.set_facts(&self.spec, &call.arguments, facts);
        Report::done("rehearsed: it is as it was", Value::Null)
    }
}

/// The step of a task, with its item: `switch/promote@web1` of `switch/promote@web1/undo/1`.
fn step_of(task: &str) -> &str {
    match task.split_once("/undo/") {
        Some((step, _)) => step,
        None => task.strip_suffix("/undo").unwrap_or(task),
    }
}

/// Why an argument is not known, if one is not.
fn missing(value: &Value) -> Option<String> {
    match (value, why_unknown(value)) {
        (_, Some(why)) => Some(why.to_owned()),
        (Value::Object(map), None) => map.values().find_map(missing),
        (Value::Array(items), None) => items.iter().find_map(missing),
        _ => None,
    }
}
