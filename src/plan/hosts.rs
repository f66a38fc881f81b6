//! The hosts of a `for_each`: what the inventory is asked for, and what it says. It never looks itself: a planner asks, and is
//! told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Item, Lookup, NoItems, PlanError, Planner};
use crate::ids::{ItemId, StepId};
use crate::value::Value;

/// Which hosts are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsAsked {
    /// The pattern of the inventory.
    pub pattern: String,
    /// Whether it is also to be looked which of them answer.
    pub reach: bool,
}

/// A host of the inventory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostFound {
    /// Its name.
    pub name: String,
    /// Its variables.
    pub vars: Value,
    /// Why it does not answer, where it was looked and it does not.
    pub silent: Option<String>,
}

/// An item that a `for_each` leaves out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    /// How it is named.
    pub id: ItemId,
    /// What it is.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// Why.
    pub why: String,
}

/// What is asked for, and for which group.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub group: StepId,
    pub item: Option<ItemId>,
    pub asked: HostsAsked,
}

/// What the inventory has said of a group's hosts; nothing where it is not known.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub asked: HostsAsked,
    pub hosts: Option<Vec<HostFound>>,
}

/// Hosts as the items of a `for_each`, each with its variables.
///
/// # Errors
/// When there are too many.
pub fn items_of_hosts(hosts: &[HostFound]) -> Result<Vec<Item>, NoItems> {
    let names = Value::Array(hosts.iter().map(|host| Value::from(host.name.as_str())).collect());
    let mut items = super::items_of(&names, None)?;
    for (item, host) in items.iter_mut().zip(hosts) {
        item.vars = host.vars.clone();
    }
    Ok(items)
}

/// The hosts that do not answer, and why.
pub fn silent_of(hosts: &[HostFound]) -> BTreeMap<String, String> {
    hosts.iter().filter_map(|host| Some((host.name.clone(), host.silent.clone()?))).collect()
}

/// The variables that differ between two looks at a host, by name.
pub fn changed_variables(was: &Value, is: &Value) -> Vec<String> {
    let keys = |vars: &Value| vars.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let all: std::collections::BTreeSet<String> = keys(was).into_iter().chain(keys(is)).collect();
    all.into_iter().filter(|name| was.get(name) != is.get(name)).collect()
}

impl Planner {
    /// The look that a group waits for, if one does.
    pub(super) fn look_up_hosts(&self) -> Option<Lookup> {
        let Asking { group, item, asked } = self.asking.clone()?;
        let (action, arguments) = (String::new(), Value::Null);
        Some(Lookup { step: group, item, action, arguments, run: false, hosts: Some(asked) })
    }

    /// Which hosts the inventory has for what was asked last.
    ///
    /// # Errors
    /// When it has none for the pattern: why, and what was probably meant.
    pub fn answer_hosts(&mut self, found: Result<Vec<HostFound>, String>) -> Result<(), PlanError> {
        let Some(Asking { group, item, asked }) = self.asking.take() else { return Ok(()) };
        let hosts = found.map_err(|why| PlanError::Hosts { step: group.clone(), why })?;
        self.hosts.insert((group, item), Answer { asked, hosts: Some(hosts) });
        Ok(())
    }

    /// The same where nobody has looked: which hosts they are is not known then.
    pub(super) fn leave_hosts_open(&mut self) -> bool {
        let Some(Asking { group, item, asked }) = self.asking.take() else { return false };
        self.hosts.insert((group, item), Answer { asked, hosts: None });
        true
    }
}
