//! All members of a cluster, looked at in the same moment: who is what. A member with another system identifier is told
//! apart here, once, so that nothing behind it mistakes it for one of ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::PostgresError;
use super::connect::database;
use super::observe::{Facts, Seen, observe};
use crate::inventory::{Database, Inventory};
use crate::value::Value;

/// A cluster as it was seen.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) cluster: String,
    pub(super) members: BTreeMap<String, Seen>,
    /// The identifier that members are held to: the inventory's, else the primary's, else any member's.
    pub(super) system_identifier: Option<String>,
}

impl View {
    /// Looks at all members of a cluster at once.
    pub(super) async fn of(inventory: &Arc<Inventory>, cluster: &str) -> Result<Self, PostgresError> {
        let found = database(inventory, cluster)?;
        let mut looks = tokio::task::JoinSet::new();
        for name in found.members.keys().cloned() {
            let (inventory, cluster) = (Arc::clone(inventory), cluster.to_owned());
            looks.spawn(async move {
                let seen = match database(&inventory, &cluster).map(|d| (d, d.members.get(&name))) {
                    Ok((database, Some(member))) => observe(&inventory, database, member).await,
                    _ => Seen::Mute("the inventory lost it".to_owned()),
                };
                (name, seen)
            });
        }
        let mut members = BTreeMap::new();
        while let Some(look) = looks.join_next().await {
            if let Ok((name, seen)) = look {
                members.insert(name, seen);
            }
        }
        Ok(Self::judge(cluster, found, members))
    }

    /// Holds what was seen to the cluster's identity.
    pub(super) fn judge(cluster: &str, database: &Database, mut members: BTreeMap<String, Seen>) -> Self {
        let all = || members.values().filter_map(|seen| if let Seen::Here(facts) = seen { Some(facts) } else { None });
        let system_identifier = database
            .system_identifier
            .clone()
            .or_else(|| all().find(|facts| !facts.in_recovery).map(|facts| facts.system_identifier.clone()))
            .or_else(|| all().next().map(|facts| facts.system_identifier.clone()));
        for seen in members.values_mut() {
            if let Seen::Here(facts) = seen
                && Some(&facts.system_identifier) != system_identifier.as_ref()
            {
                *seen = Seen::Foreign(facts.system_identifier.clone());
            }
        }
        Self { cluster: cluster.to_owned(), members, system_identifier }
    }

    /// The facts of a member that answered.
    pub(super) fn facts(&self, name: &str) -> Option<&Facts> {
        match self.members.get(name) {
            Some(Seen::Here(facts)) => Some(facts),
            _ => None,
        }
    }

    fn here(&self) -> impl Iterator<Item = (&str, &Facts)> {
        self.members.iter().filter_map(|(name, seen)| match seen {
            Seen::Here(facts) => Some((name.as_str(), facts.as_ref())),
            _ => None,
        })
    }

    /// Members that take writes.
    pub(super) fn primaries(&self) -> Vec<&str> {
        self.here().filter(|(_, facts)| !facts.in_recovery).map(|(name, _)| name).collect()
    }

    /// Members that follow.
    pub(super) fn standbys(&self) -> Vec<&str> {
        self.here().filter(|(_, facts)| facts.in_recovery).map(|(name, _)| name).collect()
    }

    /// The only primary.
    pub(super) fn primary(&self) -> Option<&str> {
        match self.primaries().as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The standby that has the most of the log; one that streams is preferred among equals.
    pub(super) fn best_standby(&self) -> Option<&str> {
        self.here()
            .filter(|(_, facts)| facts.in_recovery)
            .max_by_key(|(_, facts)| (facts.timeline, facts.furthest(), facts.streams()))
            .map(|(name, _)| name)
    }

    /// Members with another system identifier: name and identifier.
    pub(super) fn foreign(&self) -> Vec<(&str, &str)> {
        let pairs = self.members.iter().filter_map(|(name, seen)| match seen {
            Seen::Foreign(identifier) => Some((name.as_str(), identifier.as_str())),
            _ => None,
        });
        pairs.collect()
    }

    /// Refuses to touch a member that is not of this cluster.
    pub(super) fn hold_to_identity(&self, member: &str) -> Result<(), PostgresError> {
        match self.members.get(member) {
            Some(Seen::Foreign(found)) => Err(PostgresError::Refused(format!(
                "the server at {member}'s address has the system identifier {found}, not {}'s {}: it is another cluster's \
                 and is not touched; correct the member's address in the inventory",
                self.cluster,
                self.system_identifier.as_deref().unwrap_or("own")
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses where the cluster is another one than the step was begun with: an address leads somewhere else by now.
    pub(super) fn hold_to_before(&self, before: &Value) -> Result<(), PostgresError> {
        match (before.get("system_identifier").and_then(Value::as_str), &self.system_identifier) {
            (Some(was), Some(is)) if was != is => Err(PostgresError::Refused(format!(
                "the cluster {} had the system identifier {was} when this step was planned, and now {is} answers at its \
                 addresses: it is another cluster and is not touched; correct the addresses in the inventory",
                self.cluster
            ))),
            _ => Ok(()),
        }
    }

    /// One word a member: primary, standby, down, unknown, foreign.
    pub(super) fn state(&self, name: &str) -> &'static str {
        match self.members.get(name) {
            Some(Seen::Here(facts)) if facts.in_recovery => "standby",
            Some(Seen::Here(_)) => "primary",
            Some(Seen::Down(_)) => "down",
            Some(Seen::Foreign(_)) => "foreign",
            Some(Seen::Silent(_) | Seen::Mute(_)) | None => "unknown",
        }
    }

    /// `state` of all members.
    pub(super) fn states(&self) -> Value {
        let states = self.members.keys().map(|name| (name.clone(), json!(self.state(name))));
        Value::Object(states.collect())
    }

    /// Why a member told nothing.
    pub(super) fn trouble(&self, name: &str) -> String {
        match self.members.get(name) {
            Some(Seen::Here(_)) => "it answers".to_owned(),
            Some(Seen::Foreign(id)) => format!("it has the system identifier {id}"),
            Some(Seen::Down(text) | Seen::Silent(text) | Seen::Mute(text)) => text.clone(),
            None => "the cluster has no such member".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::postgres::observe::sample;

    fn member(identifier: &str, primary: bool, received: &str) -> Seen {
        let mut facts = sample(10, json!([]));
        facts.system_identifier = identifier.to_owned();
        facts.in_recovery = !primary;
        facts.received = Some(received.to_owned());
        Seen::Here(Box::new(facts))
    }

    fn judge(identifier: Option<&str>, members: &[(&str, Seen)]) -> View {
        let database = serde_json::from_value(json!({
            "system_identifier": identifier, "user": "u", "dbname": "d", "members": {},
        }))
        .unwrap();
        View::judge(
            "orders",
            &database,
            members.iter().map(|(name, seen)| ((*name).to_owned(), seen.clone())).collect(),
        )
    }

    #[test]
    fn another_clusters_server_is_no_member() {
        let members = [("pg1", member("7", true, "0/1")), ("pg2", member("8", true, "0/1"))];
        let view = judge(Some("7"), &members);
        assert_eq!((view.primary(), view.state("pg2")), (Some("pg1"), "foreign"));
        assert!(view.hold_to_identity("pg1").is_ok());
        assert!(view.hold_to_identity("pg2").is_err_and(|error| error.to_string().contains("not touched")));
        assert_eq!(
            judge(None, &members).foreign(),
            [("pg2", "8")],
            "the inventory says nothing: the first primary counts"
        );
    }

    #[test]
    fn the_candidate_has_the_most_of_the_log() {
        let members =
            [("a", member("7", false, "0/5")), ("b", member("7", false, "0/10")), ("c", Seen::Down("x".into()))];
        let view = judge(Some("7"), &members);
        assert_eq!((view.best_standby(), view.primary(), view.state("c")), (Some("b"), None, "down"));
        let both = [("a", member("7", true, "0/5")), ("b", member("7", true, "0/10"))];
        assert_eq!(judge(None, &both).primary(), None, "two are not one");
    }
}
