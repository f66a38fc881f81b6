//! Which hosts of the inventory a `for_each` goes over, with their variables, and which of them answer. It reads the inventory
//! and looks at the hosts; what that means for the plan or the run is decided in `plan/`.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::actions::{Action, ActionError, Context, Table};
use crate::inventory::Inventory;
use crate::plan::{HostFound, HostsAsked};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// What looks whether a host answers: the same that its commands go through.
const REACH: &str = "ssh";

/// The hosts that are asked for; so many are looked at at the same time.
///
/// # Errors
/// When the pattern names what is not there, or nothing.
pub(super) async fn look(
    asked: &HostsAsked,
    actions: &Table,
    context: &Context,
    forks: usize,
) -> Result<Vec<HostFound>, String> {
    let mut hosts = select(&context.inventory, &asked.pattern)?;
    if asked.reach
        && let Some(action) = actions.get(REACH)
    {
        reach(&mut hosts, action, context, forks).await;
    }
    Ok(hosts)
}

/// The hosts that a pattern names, each with its variables.
///
/// # Errors
/// When the pattern names what is not there, or nothing.
pub(super) fn select(inventory: &Inventory, pattern: &str) -> Result<Vec<HostFound>, String> {
    let names = inventory.select(pattern).map_err(|error| error.to_string())?;
    if names.is_empty() {
        return Err(format!("no host of the inventory is meant by `{pattern}`; nothing would be done"));
    }
    let host = |name: String| HostFound { vars: inventory.vars(&name), name, silent: None };
    Ok(names.into_iter().map(host).collect())
}

/// The names of all hosts.
pub(super) fn names(inventory: &Inventory) -> Arc<BTreeSet<String>> {
    Arc::new(inventory.hosts.keys().cloned().collect())
}

/// Looks which hosts answer.
async fn reach(hosts: &mut [HostFound], action: &Arc<dyn Action>, context: &Context, forks: usize) {
    let places = Arc::new(Semaphore::new(forks.max(1)));
    let mut looks = JoinSet::new();
    for (place, host) in hosts.iter().enumerate() {
        let (action, context, places) = (Arc::clone(action), context.clone(), Arc::clone(&places));
        let arguments = serde_json::json!({ "host": host.name, "argv": ["true"] });
        looks.spawn(async move {
            let _place = places.acquire().await;
            let limit = std::time::Duration::from_secs(super::planning::LOOK_SECONDS);
            let why = match tokio::time::timeout(limit, action.plan(&context, &arguments)).await {
                Ok(Ok(prediction)) => prediction.refusals.into_iter().next(),
                Ok(Err(ActionError::Unreachable(why) | ActionError::Invalid(why))) => Some(why),
                Err(_) => Some(format!("no answer within {} s", limit.as_secs())),
            };
            (place, why)
        });
    }
    while let Some(looked) = looks.join_next().await {
        if let Ok((place, why)) = looked
            && let Some(host) = hosts.get_mut(place)
        {
            host.silent = why;
        }
    }
}
