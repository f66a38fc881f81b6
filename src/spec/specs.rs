//! The specs of all actions, by name. Whoever keeps the actions may bring each spec into being when it is first asked for:
//! most playbooks name a handful of the ninety. It never makes one up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::ActionSpec;

/// Who can tell what actions say about themselves.
pub trait Told: Send + Sync {
    /// What one says, by its name.
    fn spec(&self, name: &str) -> Option<&ActionSpec>;

    /// All names, sorted.
    fn names(&self) -> Vec<&'static str>;
}

/// The specs of all actions, by name. A copy costs nothing.
#[derive(Clone)]
pub struct Specs {
    told: Arc<dyn Told>,
}

impl Specs {
    /// A set of specs.
    pub fn of<'a>(specs: impl IntoIterator<Item = &'a ActionSpec>) -> Self {
        let list: BTreeMap<&'static str, ActionSpec> =
            specs.into_iter().map(|spec| (spec.name, spec.clone())).collect();
        Self { told: Arc::new(list) }
    }

    /// The specs that somebody else keeps.
    pub fn told_by(told: Arc<dyn Told>) -> Self {
        Self { told }
    }

    /// A spec by its action's name.
    pub fn get(&self, name: &str) -> Option<&ActionSpec> {
        self.told.spec(name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.told.names().into_iter()
    }
}

impl Default for Specs {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl fmt::Debug for Specs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Told for BTreeMap<&'static str, ActionSpec> {
    fn spec(&self, name: &str) -> Option<&ActionSpec> {
        self.get(name)
    }

    fn names(&self) -> Vec<&'static str> {
        self.keys().copied().collect()
    }
}
