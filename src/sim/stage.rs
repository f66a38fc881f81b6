//! A world written down for rehearsals: what the actions find and give, by action and by what they act on. Its text is
//! read here, and its facts move on as steps are done and undone. It invents nothing: what it does not say is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::spec::ActionSpec;
use crate::value::{Type, Value, unknown};

type Map = serde_json::Map<String, Value>;

/// What stands in a world's file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StageText {
    /// What it shows, for a person.
    pub title: String,
    /// The environment that it stands for.
    pub environment: String,
    /// What is found and given, by action and then by what it acts on (`database/orders/pg1`, `database/orders`, or `*`
    /// for anything), the more exact one going before.
    pub actions: BTreeMap<String, BTreeMap<String, Scene>>,
    /// What single steps give, by step: over what `actions` says. For commands, which are all one action.
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
}

/// What goes wrong with a step of a rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails and changes nothing.
    Failed,
    /// Nobody answers; it was done all the same.
    Unknown,
}

/// A world that a rehearsal plays in. Clones are views of the same one.
#[derive(Debug, Clone, Default)]
pub struct Stage {
    text: Arc<StageText>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    facts: BTreeMap<(String, String), Map>,
    mishaps: BTreeMap<String, Mishap>,
    lacking: BTreeSet<String>,
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
        Ok(Self { text: Arc::new(text), state: Arc::default() })
    }

    /// What it shows.
    pub fn title(&self) -> &str {
        &self.text.title
    }

    /// The environment that it stands for.
    pub fn environment(&self) -> &str {
        if self.text.environment.is_empty() { "rehearsal" } else { &self.text.environment }
    }

    /// Lets a step go wrong.
    pub fn fail(&self, step: &str, mishap: Mishap) {
        self.state().mishaps.insert(step.to_owned(), mishap);
    }

    /// What a step needed and this world does not say, in words.
    pub fn lacking(&self) -> Vec<String> {
        self.state().lacking.iter().cloned().collect()
    }

    pub(super) fn mishap(&self, step: &str) -> Option<Mishap> {
        self.state().mishaps.get(step).copied()
    }

    pub(super) fn note_lacking(&self, what: String) {
        self.state().lacking.insert(what);
    }

    /// What the world says of an action on a target, the exact over the general.
    pub(super) fn scene(&self, spec: &ActionSpec, arguments: &Value, step: Option<&str>) -> (bool, Scene) {
        let mut scene = Scene::default();
        let mut known = false;
        let mut add = |found: Option<&Scene>| {
            if let Some(found) = found {
                known = true;
                scene.facts.extend(found.facts.clone());
                scene.outputs.extend(found.outputs.clone());
                scene.after.extend(found.after.clone());
            }
        };
        if let Some(by_target) = self.text.actions.get(spec.name) {
            for key in keys(spec, arguments) {
                add(by_target.get(&key));
            }
        }
        let of = |step: &str| self.text.steps.get(step);
        add(step.and_then(|step| step.split_once('@')).and_then(|(step, _)| of(step)));
        add(step.and_then(of));
        (known, scene)
    }

    /// The facts as they are now.
    pub(super) fn facts(&self, spec: &ActionSpec, arguments: &Value, scene: &Scene) -> Map {
        self.state().facts.get(&place(spec, arguments)).cloned().unwrap_or_else(|| scene.facts.clone())
    }

    /// The facts from now on.
    pub(super) fn set_facts(&self, spec: &ActionSpec, arguments: &Value, facts: Map) {
        self.state().facts.insert(place(spec, arguments), facts);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole values are written under the lock, so one that a panicking thread left behind is still sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(spec: &ActionSpec, arguments: &Value) -> (String, String) {
    (spec.name.to_owned(), keys(spec, arguments).pop().unwrap_or_default())
}

/// What a step acts on, from the general to the exact: `*`, `database/orders`, `database/orders/pg1`.
pub fn keys(spec: &ActionSpec, arguments: &Value) -> Vec<String> {
    let mut keys = vec!["*".to_owned()];
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let target = spec.inputs.iter().find_map(|field| match (&field.kind, text(field.name)) {
        (Type::Reference(kind), Some(name)) => Some(format!("{kind}/{name}")),
        _ => None,
    });
    if let Some(mut key) = target {
        keys.push(key.clone());
        let parts = spec.inputs.iter().filter(|field| field.kind == Type::Identifier);
        for part in parts.filter_map(|field| text(field.name)) {
            key = format!("{key}/{part}");
            keys.push(key.clone());
        }
    }
    keys
}

/// The fields that a spec declares, with what is known of each; the others are unknown, and say why.
pub(super) fn complete(names: impl Iterator<Item = &'static str>, known: Map, what: &str) -> Map {
    let mut all = Map::new();
    for name in names {
        all.insert(name.to_owned(), unknown(format!("the world does not say `{name}` of {what}")));
    }
    all.extend(known);
    all
}
