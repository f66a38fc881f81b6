//! Actions that play in a written world: each has the spec of a real one and does nothing real. A look finds the world's
//! facts; acting gives the world's outputs and moves its facts on; undoing puts them back. What goes wrong is told by the
//! world. A probe tells the truth as far as the real one could: it looks at what was done, never at what was reported.

use std::sync::Arc;

use async_trait::async_trait;

use super::Fault;
use super::action::task_of;
use super::stage::{Scene, Stage, complete, keys};
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
        for (name, more) in &scene.adds {
            let sum = facts.get(name).and_then(Value::as_i64).unwrap_or(0) + more.as_i64().unwrap_or(0);
            facts.insert(name.clone(), sum.into());
        }
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
        let shown = scene.shows.iter().find(|shown| shown.when.iter().all(|(name, is)| facts.get(name) == Some(is)));
        known.extend(shown.map(|shown| shown.outputs.clone()).unwrap_or_default());
        complete(self.spec.outputs.iter().map(|field| field.name), known, &self.what(arguments))
    }

    /// The target is changed, unless it has seen this key before.
    fn take_effect(&self, scene: &Scene, call: &Call) {
        let (task, _) = task_of(call);
        let double = call.effect == Effect::Keyed && !self.stage.with_ledger(|ledger| ledger.is_new(&call.key));
        if !call.effect.changes() || double {
            return;
        }
        let now = self.stage.facts(&self.spec, &call.arguments, scene);
        let after = self.after(scene, &now, &call.arguments);
        self.stage.set_facts(&self.spec, &call.arguments, scene, after, &task);
        self.stage.with_ledger(|ledger| ledger.apply(&task));
    }

    /// Commands run under a recorder, which can be asked how they ended.
    fn is_command(&self) -> bool {
        self.spec.output("exit_code").is_some()
    }

    /// What becomes of an attempt at which something goes wrong. Its effect, if it has one, is there already.
    async fn go_wrong(&self, fault: Fault, call: &Call, done: Report) -> Report {
        let keep = |end: Option<Report>| self.stage.with_ledger(|ledger| ledger.keep(&call.attempt, end));
        let is_local = self.is_command() && keys(&self.spec, &call.arguments).len() == 1;
        match fault {
            Fault::NoEffect => Report::no_effect("the simulated target was not reachable"),
            Fault::FailedBefore | Fault::FailedAfter => {
                let report = Report::failed("the rehearsal lets it fail");
                keep(Some(report.clone()));
                report
            }
            Fault::UnknownBefore | Fault::UnknownAfter => {
                keep(None);
                Report::unknown("the rehearsal lets nobody answer")
            }
            Fault::SilentBefore | Fault::SilentAfter if is_local => {
                tokio::time::sleep(call.timeout).await;
                let report = Report::failed("killed at its timeout; part of it may have happened");
                keep(Some(report.clone()));
                report
            }
            Fault::SilentBefore => std::future::pending().await,
            // It is left to end, and nobody is told.
            Fault::SilentAfter => {
                keep(Some(done));
                std::future::pending().await
            }
            Fault::KilledBefore | Fault::KilledAfter | Fault::LostBefore | Fault::LostAfter => {
                match fault {
                    Fault::KilledAfter => keep(Some(done)),
                    Fault::LostBefore | Fault::LostAfter => keep(None),
                    _ => {}
                }
                self.stage.strike();
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Action for Played {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    /// Where a rehearsal is held, the secrets of the real world need not be there.
    fn takes_secrets(&self) -> bool {
        false
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
        let (task, attempt) = task_of(call);
        if let Some(missing) = missing(&call.arguments) {
            self.stage.note_lacking(format!("{task}: {missing}"));
            return Report::no_effect(format!("it cannot be rehearsed: {missing}"));
        }
        let (_, scene) = self.stage.scene(&self.spec, &call.arguments, Some(&task));
        let now = self.stage.facts(&self.spec, &call.arguments, &scene);
        let mut outputs = self.outputs(&scene, &now, &call.arguments);
        // A command that the world does not know has no exit code that could be judged.
        if outputs.get("exit_code").is_some_and(contains_unknown) {
            outputs.remove("exit_code");
        }
        let done = Report::done("rehearsed", Value::Object(outputs));
        let fault = self.stage.fault(&task, attempt);
        if fault.is_none_or(Fault::has_effect) {
            self.take_effect(&scene, call);
        }
        match fault {
            Some(fault) => self.go_wrong(fault, call, done).await,
            None => {
                self.stage.with_ledger(|ledger| ledger.keep(&call.attempt, Some(done.clone())));
                done
            }
        }
    }

    async fn probe(&self, _: &Context, call: &Call) -> Finding {
        let (task, _) = task_of(call);
        if self.is_command() {
            return match self.stage.with_ledger(|ledger| ledger.kept(&call.attempt)) {
                Some(Some(report)) => Finding::Ended(report),
                Some(None) => Finding::CannotTell { evidence: "its recorder is lost with the machine".to_owned() },
                None => Finding::DidNot { evidence: "it was never started".to_owned() },
            };
        }
        if self.spec.effect == Effect::Once {
            return Finding::CannotTell { evidence: "nothing shows whether it ran".to_owned() };
        }
        if !self.stage.with_ledger(|ledger| ledger.stands(&task)) {
            return Finding::DidNot { evidence: "the rehearsal's world does not show its effect".to_owned() };
        }
        let (_, scene) = self.stage.scene(&self.spec, &call.arguments, Some(&task));
        let now = self.stage.facts(&self.spec, &call.arguments, &scene);
        let outputs = Value::Object(self.outputs(&scene, &now, &call.arguments));
        Finding::TookEffect { evidence: "the rehearsal's world shows its effect".to_owned(), outputs }
    }

    async fn undo(&self, _: &Context, call: &Call) -> Report {
        let (task, attempt) = task_of(call);
        let (_, scene) = self.stage.scene(&self.spec, &call.arguments, None);
        let fault = self.stage.fault(&task, attempt);
        if fault.is_none_or(Fault::has_effect) {
            let before = call.before.as_object().cloned().unwrap_or_default();
            let mut facts = self.stage.facts(&self.spec, &call.arguments, &scene);
            facts.extend(before.into_iter().filter(|(_, value)| !contains_unknown(value)));
            // What was not known before the step is not known after its undo either.
            let known = |name: &String| {
                scene.facts.contains_key(name) || call.before.get(name).is_some_and(|value| !contains_unknown(value))
            };
            facts.retain(|name, _| known(name));
            self.stage.set_facts(&self.spec, &call.arguments, &scene, facts, &task);
            self.stage.with_ledger(|ledger| ledger.apply(&task));
        }
        let done = Report::done("rehearsed: it is as it was", Value::Null);
        match fault {
            Some(fault) => self.go_wrong(fault, call, done).await,
            None => done,
        }
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
