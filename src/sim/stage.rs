//! A world written down for rehearsals: what the actions find and give, by action and by what they act on. Its text is
//! read here, and its facts move on as steps are done and undone. It invents nothing: what it does not say is unknown.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;

pub(super) use places::complete;
pub use places::keys;
use places::{of_every_item, place};

use super::{Fault, Ledger};
use crate::inventory::Inventory;
use crate::spec::ActionSpec;
use crate::value::Value;

type Map = serde_json::Map<String, Value>;

/// What stands in a world's file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageText {
    /// What it shows, for a person.
    pub title: String,
    /// The environment that it stands for.
    pub environment: String,
    /// The inputs that it is for, each with the value that it wants; for any inputs where empty.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub inputs: Map,
    /// The hosts that there are, each with its variables: for a `for_each` over hosts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, Map>,
    /// Groups of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Vec<String>>,
    /// What is found and given, by action and then by what it acts on (`database/orders/pg1`, `database/orders`, or `*`
    /// for anything), the more exact one going before.
    pub actions: BTreeMap<String, BTreeMap<String, Scene>>,
    /// What single steps and the looks of checks (`invariant_1`, `identity_1`) give, by step: over what `actions` says. For commands, which are all one action. The parts of an
    /// undo are `STEP/undo`, `STEP/undo/1`, …, a step's `probe:` is `STEP/probe`.
    pub steps: BTreeMap<String, Scene>,
}

/// What is found at one target, and given by acting on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scene {
    /// What a look finds.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub facts: Map,
    /// What the step gives.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub outputs: Map,
    /// The facts that are others once the step is done.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub after: Map,
    /// Facts (whole numbers) that grow by so much with every doing: a second one shows.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub adds: Map,
    /// What the step gives while the facts are so; the first that fits goes before `outputs`. For probes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<Showing>,
}

/// What is given while the facts are so.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Showing {
    /// The facts, each as it must be.
    pub when: Map,
    /// What is given then.
    pub outputs: Map,
}

/// A world that a rehearsal plays in. Clones are views of the same one.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    text: Arc<StageText>,
    state: Arc<Mutex<Saved>>,
    struck: Arc<Notify>,
}

/// Everything of a world that changes, as it was at some moment.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// The facts that were moved, by action and what it acts on.
    facts: BTreeMap<Where, Map>,
    /// What those facts were at first.
    origin: BTreeMap<Where, Map>,
    /// Which task moved a fact last, by the same and its name.
    movers: BTreeMap<(String, String, String), String>,
    /// What goes wrong: with one attempt of a task, or with all of them.
    faults: BTreeMap<(String, Option<u32>), Fault>,
    /// The tasks that moved a fact.
    shown: BTreeSet<String>,
    ledger: Ledger,
    lacking: BTreeSet<String>,
}

impl Moved {
    /// Which fact it is.
    pub fn of(&self) -> (&str, &str, &str) {
        (&self.action, &self.target, &self.fact)
    }
}

impl Saved {
    /// Whether two worlds are the same to whoever acts in them, whatever is still to go wrong.
    pub fn is_like(&self, other: &Self) -> bool {
        self.facts == other.facts && self.ledger.is_like(&other.ledger)
    }
}

/// An action and what it acts on.
type Where = (String, String);

/// A fact that is another one than at first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moved {
    /// The action that looks at it.
    pub action: String,
    /// What it is a fact of; `*` where nobody can say.
    pub target: String,
    /// Its name.
    pub fact: String,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
    /// The task that made it so.
    pub by: String,
}

/// Why a world's file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StageError(String);

impl Stage {
    /// Reads a world.
    ///
    /// # Errors
    /// When the text is none.
    pub fn read(text: &str) -> Result<Self, StageError> {
        let options = serde_saphyr::options! { strict_booleans: true };
        let text: StageText = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| StageError(error.render_with_options(serde_saphyr::RenderOptions::default())))?;
        Ok(Self { text: Arc::new(text), state: Arc::default(), struck: Arc::default() })
    }

    /// The same world for somebody else: what is done to the one is not done to the other.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { text: Arc::clone(&self.text), state: Arc::new(Mutex::new(self.save())), struck: Arc::default() }
    }

    /// What it shows.
    pub fn title(&self) -> &str {
        &self.text.title
    }

    /// The environment that it stands for.
    pub fn environment(&self) -> &str {
        if self.text.environment.is_empty() { "rehearsal" } else { &self.text.environment }
    }

    /// What playbooks act on here: its hosts alone, none of which is a real one.
    pub fn inventory(&self) -> Inventory {
        let host = |(name, vars): (&String, &Map)| (name.clone(), json!({ "address": name, "vars": vars }));
        let hosts: Map = self.text.hosts.iter().map(host).collect();
        let whole = json!({ "environment": self.environment(), "hosts": hosts, "groups": self.text.groups });
        let bare = || Inventory { environment: self.environment().to_owned(), ..Inventory::default() };
        serde_json::from_value(whole).unwrap_or_else(|_| bare())
    }

    /// How many inputs it asks for, where the given ones are those; else the first that is another one.
    ///
    /// # Errors
    /// The input's name, and the value that this world is for.
    pub fn fits(&self, inputs: &Value) -> Result<usize, (String, String)> {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let given = |name: &str| inputs.get(name).map(plain).unwrap_or_default();
        match self.text.inputs.iter().find(|(name, wanted)| plain(wanted) != given(name)) {
            Some((name, wanted)) => Err((name.clone(), plain(wanted))),
            None => Ok(self.text.inputs.len()),
        }
    }

    /// The inputs that it is for, each as it is typed.
    pub fn inputs(&self) -> Vec<(String, String)> {
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.text.inputs.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
    }

    /// Lets an attempt (from 1) of a task go wrong, or every attempt.
    pub fn fail(&self, task: &str, attempt: Option<u32>, fault: Fault) {
        self.state().faults.insert((task.to_owned(), attempt), fault);
    }

    /// Nothing goes wrong any more.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// Says of how many parts a step's undo is made.
    pub fn has_parts(&self, step: &str, parts: u32) {
        self.state().ledger.has_parts(step, parts);
    }

    /// What was really done.
    pub fn ledger(&self) -> Ledger {
        self.state().ledger.clone()
    }

    /// Everything that changes, as it is now.
    pub fn save(&self) -> Saved {
        self.state().clone()
    }

    /// The world as it was when that was saved.
    pub fn restore(&self, saved: &Saved) {
        *self.state() = saved.clone();
    }

    /// The facts that are others than at first.
    pub fn moved(&self) -> BTreeSet<Moved> {
        let state = self.state();
        let mut moved = BTreeSet::new();
        for ((action, target), facts) in &state.facts {
            let origin = state.origin.get(&(action.clone(), target.clone()));
            for (fact, is) in facts {
                let was = origin.and_then(|origin| origin.get(fact)).unwrap_or(&Value::Null);
                if was != is {
                    moved.insert(Moved {
                        action: action.clone(),
                        target: target.clone(),
                        fact: fact.clone(),
                        was: was.to_string(),
                        is: is.to_string(),
                        by: state
                            .movers
                            .get(&(action.clone(), target.clone(), fact.clone()))
                            .cloned()
                            .unwrap_or_default(),
                    });
                }
            }
        }
        moved
    }

    /// The tasks that moved a fact.
    pub fn movers(&self) -> BTreeSet<String> {
        self.state().shown.clone()
    }

    /// Waits until a fault kills the runner.
    pub async fn struck(&self) {
        self.struck.notified().await;
    }

    pub(super) fn strike(&self) {
        self.struck.notify_one();
    }

    /// What a step needed and this world does not say, in words.
    pub fn lacking(&self) -> Vec<String> {
        self.state().lacking.iter().cloned().collect()
    }

    pub(super) fn fault(&self, task: &str, attempt: u32) -> Option<Fault> {
        let state = self.state();
        let of = |task: &str| {
            let at = |attempt| state.faults.get(&(task.to_owned(), attempt)).copied();
            at(Some(attempt)).or_else(|| at(None))
        };
        of(task).or_else(|| of(&of_every_item(task)?))
    }

    pub(super) fn with_ledger<T>(&self, work: impl FnOnce(&mut Ledger) -> T) -> T {
        work(&mut self.state().ledger)
    }

    pub(super) fn note_lacking(&self, what: String) {
        self.state().lacking.insert(what);
    }

    /// What the world says of an action on a target, the exact over the general.
    pub(super) fn scene(&self, spec: &ActionSpec, arguments: &Value, task: Option<&str>) -> (bool, Scene) {
        let mut scene = Scene::default();
        let mut known = false;
        let mut add = |found: Option<&Scene>| {
            if let Some(found) = found {
                known = true;
                scene.facts.extend(found.facts.clone());
                scene.outputs.extend(found.outputs.clone());
                scene.after.extend(found.after.clone());
                scene.adds.extend(found.adds.clone());
                scene.shows.splice(0..0, found.shows.clone());
            }
        };
        if let Some(by_target) = self.text.actions.get(spec.name) {
            for key in keys(spec, arguments) {
                add(by_target.get(&key));
            }
        }
        let of = |task: &str| self.text.steps.get(task);
        // The look of a check is written once, whatever it is made at.
        add(task.and_then(|task| task.split_once("/at/")).and_then(|(look, _)| of(look)));
        add(task.and_then(of_every_item).as_deref().and_then(of));
        add(task.and_then(of));
        // Commands act on one and the same machine: what the world says of it beside one step holds beside all of them.
        if task.is_some() && keys(spec, arguments).len() == 1 {
            for (fact, value) in self.text.steps.values().flat_map(|other| &other.facts) {
                scene.facts.entry(fact.clone()).or_insert_with(|| value.clone());
            }
        }
        (known, scene)
    }

    /// The facts as they are now.
    pub(super) fn facts(&self, spec: &ActionSpec, arguments: &Value, scene: &Scene) -> Map {
        let mut facts = scene.facts.clone();
        facts.extend(self.state().facts.get(&place(spec, arguments)).cloned().unwrap_or_default());
        facts
    }

    /// The facts from now on.
    pub(super) fn set_facts(&self, spec: &ActionSpec, arguments: &Value, scene: &Scene, facts: Map, task: &str) {
        let place = place(spec, arguments);
        let mut state = self.state();
        let now = state.facts.get(&place).unwrap_or(&scene.facts);
        let moved: Vec<String> =
            facts.iter().filter(|(name, value)| now.get(*name) != Some(*value)).map(|(name, _)| name.clone()).collect();
        if !moved.is_empty() {
            state.shown.insert(task.to_owned());
        }
        for name in moved {
            state.movers.insert((place.0.clone(), place.1.clone(), name), task.to_owned());
        }
        let origin = state.origin.entry(place.clone()).or_default();
        for (fact, value) in &scene.facts {
            origin.entry(fact.clone()).or_insert_with(|| value.clone());
        }
        state.facts.insert(place, facts);
    }

    fn state(&self) -> MutexGuard<'_, Saved> {
        // Whole values are written under the lock, so one that a panicking thread left behind is still sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(stage: &Stage) -> Vec<(String, String)> {
        stage.moved().into_iter().map(|moved| (moved.was, moved.is)).collect()
    }

    #[test]
    fn what_was_moved_and_put_back_is_as_before() {
        let specs = crate::actions::Table::builtin();
        let spec = specs.get("shell").unwrap().spec();
        let text = "steps: { a: { facts: { page: off_ } }, b: { facts: { lines: 0 } } }";
        let stage = Stage::read(text).unwrap();
        let (_, scene) = stage.scene(spec, &Value::Null, Some("a"));
        // What the world says beside one command holds beside the others.
        let mut facts = stage.facts(spec, &Value::Null, &scene);
        assert_eq!(facts.get("lines"), Some(&Value::from(0)));
        let saved = stage.save();
        facts.insert("page".to_owned(), "on_".into());
        stage.set_facts(spec, &Value::Null, &scene, facts.clone(), "a");
        assert_eq!(moved(&stage), [("\"off_\"".to_owned(), "\"on_\"".to_owned())]);
        assert!(!stage.save().is_like(&saved));
        let other = stage.detached();
        facts.insert("page".to_owned(), "off_".into());
        stage.set_facts(spec, &Value::Null, &scene, facts, "a/undo");
        assert_eq!((moved(&stage).len(), moved(&other).len()), (0, 1));
        stage.restore(&saved);
        assert!(stage.save().is_like(&saved) && stage.movers().is_empty());
    }
}
