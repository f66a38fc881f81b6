//! One node of a cluster: whether it takes new pods, who decided that, and how that is turned. It never turns a node that is
//! another one than was looked at, and never takes somebody else's cordon for ours.

use serde_json::json;

use crate::actions::Context;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::{Mode, Patch, Place};
use crate::actions::kubernetes::objects::{annotation, condition, is_set, items, said, text};
use crate::actions::kubernetes::surroundings::controllers::owners_of;
use crate::actions::kubernetes::{KubernetesError, MANAGER, cluster_fact, needed};
use crate::spec::{FieldSpec, Prediction};
use crate::value::{Type, Value, is_unknown};

/// The annotation by which a cordon of ours is known again: it holds the version of the node that was looked at first.
pub(super) const MARK: &str = "playbook/cordoned";
/// How often a change is begun anew because the node changed meanwhile: its kubelet writes to it all the time.
const TRIES: usize = 8;
/// What autoscalers put on a node that they are about to remove.
const LEAVING: [&str; 4] = [
    "ToBeDeletedByClusterAutoscaler",
    "DeletionCandidateOfClusterAutoscaler",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
];

/// The inputs of every action on a node.
pub(super) fn inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("cluster", Type::Reference("cluster".into()), "the cluster's name in the inventory"),
        FieldSpec::required("node", Type::Identifier, "the node's name, as `kubectl get nodes` prints it"),
    ]
}

/// The facts of every action on a node.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        cluster_fact(),
        FieldSpec::optional("node_uid", Type::String, "the node: its uid, which no other node of its name has")
            .identity(),
        FieldSpec::required("unschedulable", Type::Boolean, "whether it is cordoned: no new pod is put on it"),
        FieldSpec::required("ready", Type::Boolean, "whether its kubelet says that it is well"),
        FieldSpec::optional("cordoned_by", Type::String, "who cordoned it, as the cluster keeps it"),
        FieldSpec::optional("mark", Type::String, "what a cordon by this step is known by again").volatile(),
    ]
}

/// Whether all that says which node it is about is known by now.
pub(super) fn is_known(arguments: &Value) -> bool {
    !["cluster", "node"].iter().any(|name| arguments.get(name).is_some_and(is_unknown))
}

/// A node at its cluster.
pub(super) struct At {
    pub(super) cluster: Cluster,
    pub(super) place: Place,
}

/// A node as it was read.
pub(super) struct Node(Value);

impl Node {
    pub(super) fn uid(&self) -> &str {
        text(&self.0, "/metadata/uid").unwrap_or_default()
    }

    pub(super) fn is_cordoned(&self) -> bool {
        is_set(&self.0, "/spec/unschedulable")
    }

    fn version(&self) -> &str {
        text(&self.0, "/metadata/resourceVersion").unwrap_or_default()
    }

    fn is_ready(&self) -> bool {
        condition(&self.0, "Ready").is_some_and(|ready| text(ready, "/status") == Some("True"))
    }

    /// Who wrote that it is cordoned, where the cluster keeps that.
    pub(super) fn cordoned_by(&self) -> Option<String> {
        let owners = owners_of(&self.0, &["spec", "unschedulable"]);
        (self.is_cordoned() && !owners.is_empty()).then(|| owners.join(", "))
    }

    /// Whether its cordon is the one of the step that looked at `before`: its mark is there, and nobody else cordoned it since.
    fn is_cordoned_by(&self, before: &Value) -> bool {
        let owners = owners_of(&self.0, &["spec", "unschedulable"]);
        self.has_mark_of(before) && (owners.is_empty() || owners.iter().any(|owner| owner == MANAGER))
    }

    fn has_mark_of(&self, before: &Value) -> bool {
        let mark = before.get("mark").and_then(Value::as_str);
        mark.is_some() && annotation(&self.0, MARK) == mark
    }

    /// That it is the node that was looked at.
    fn hold(&self, before: &Value, place: &Place) -> Result<(), KubernetesError> {
        match before.get("node_uid").and_then(Value::as_str) {
            Some(was) if was != self.uid() => Err(KubernetesError::Invalid(format!(
                "{} is another one now than when it was looked at (it was removed, and one of the same name came): it is not \
                 touched",
                place.word()
            ))),
            _ => Ok(()),
        }
    }

    /// What is to be known before anybody acts.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.is_ready() {
            notes.push("its kubelet does not say that it is well: pods on it may not end until it is back".to_owned());
        }
        let taints = items(&self.0, "/spec/taints").iter().filter_map(|taint| text(taint, "/key"));
        for taint in taints.filter(|key| LEAVING.contains(key)) {
            notes.push(format!("an autoscaler is removing it by itself (taint {})", said(taint)));
        }
        notes
    }
}

/// Which way a node is turned.
pub(super) enum Turn<'a> {
    /// It takes no new pods, and carries this mark.
    Cordon(&'a str),
    /// It takes new pods.
    Uncordon,
}

impl Turn<'_> {
    fn cordons(&self) -> bool {
        matches!(self, Turn::Cordon(_))
    }

    fn patch(&self, node: &Node) -> Patch {
        let (mark, cordoned) = match self {
            Turn::Cordon(mark) => (Value::from(*mark), Value::from(true)),
            Turn::Uncordon => (Value::Null, Value::Null),
        };
        let metadata = json!({ "resourceVersion": node.version(), "annotations": { MARK: mark } });
        Patch::Merge(json!({ "metadata": metadata, "spec": { "unschedulable": cordoned } }))
    }
}

impl At {
    /// Enters the cluster.
    pub(super) async fn open(context: &Context, arguments: &Value) -> Result<Self, KubernetesError> {
        let (name, node) = (needed(arguments, "cluster")?, needed(arguments, "node")?);
        let cluster = Cluster::open(&context.inventory, name).await?;
        let nodes = cluster.resource("Node.v1.").await?;
        Ok(Self { place: Place::of(&nodes, "", node), cluster })
    }

    /// Reads the node.
    pub(super) async fn look(&self) -> Result<Node, KubernetesError> {
        match self.cluster.get(&self.place).await? {
            Some(node) => Ok(Node(node)),
            None => Err(KubernetesError::Gone(format!("{} has no {}", self.cluster.place(), self.place.word()))),
        }
    }

    pub(super) fn facts(&self, node: &Node) -> Value {
        json!({
            "cluster_uid": self.cluster.uid(),
            "node_uid": node.uid(),
            "unschedulable": node.is_cordoned(),
            "ready": node.is_ready(),
            "cordoned_by": node.cordoned_by(),
            "mark": node.version(),
        })
    }

    /// Lets the API say whether it would be turned. What it says no to is a refusal.
    pub(super) async fn rehearse(&self, turn: &Turn<'_>, prediction: &mut Prediction) -> Result<bool, KubernetesError> {
        for _ in 0..TRIES {
            let node = self.look().await?;
            if node.is_cordoned() == turn.cordons() {
                return Ok(true);
            }
            match self.cluster.patch(&self.place, &turn.patch(&node), Mode::DryRun).await {
                Ok(_) => return Ok(true),
                Err(KubernetesError::Conflict(_)) => {}
                Err(KubernetesError::Refused { text, .. }) => {
                    prediction.refusals.push(text);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Turns it, if it is still the node that was looked at; whether anything had to be changed.
    pub(super) async fn turn(&self, before: &Value, turn: &Turn<'_>) -> Result<bool, KubernetesError> {
        for _ in 0..TRIES {
            let node = self.look().await?;
            node.hold(before, &self.place)?;
            if node.is_cordoned() == turn.cordons() {
                return Ok(false);
            }
            match self.cluster.patch(&self.place, &turn.patch(&node), Mode::Real).await {
                Ok(_) => return Ok(true),
                Err(KubernetesError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.restless())
    }

    /// Lifts the cordon of the step that looked at `before`, and no other one; what became of it, for a person.
    pub(super) async fn lift(&self, before: &Value) -> Result<String, KubernetesError> {
        if is_set(before, "/unschedulable") {
            return Ok("it was cordoned before, and stays so".to_owned());
        }
        for _ in 0..TRIES {
            let Some(node) = self.cluster.get(&self.place).await?.map(Node) else {
                return Ok("the node is gone".to_owned());
            };
            if node.hold(before, &self.place).is_err() {
                return Ok("the node is gone, and another one has its name: that one is not touched".to_owned());
            }
            let (patch, said) = match (node.is_cordoned(), node.is_cordoned_by(before)) {
                (true, true) => (Turn::Uncordon.patch(&node), "it takes new pods again".to_owned()),
                (true, false) => {
                    let who = node.cordoned_by().unwrap_or_else(|| "somebody else".to_owned());
                    return Ok(format!("it was cordoned by {who} since: it stays so"));
                }
                // Somebody uncordoned it; the mark that is left says nothing any more.
                (false, _) if node.has_mark_of(before) => {
                    (Turn::Uncordon.patch(&node), "somebody uncordoned it already".to_owned())
                }
                (false, _) => return Ok("it is not cordoned".to_owned()),
            };
            match self.cluster.patch(&self.place, &patch, Mode::Real).await {
                Ok(_) => return Ok(said),
                Err(KubernetesError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(self.restless())
    }

    fn restless(&self) -> KubernetesError {
        KubernetesError::Conflict(format!(
            "{} changed each time before it could be turned ({TRIES} tries): somebody else is at work on it",
            self.place.word()
        ))
    }
}

#[cfg(all(test, feature = "kube"))]
mod tests {
    use super::*;

    fn node(uid: &str, version: &str, more: Value) -> Value {
        let mut node = json!({ "metadata": { "name": "n1", "uid": uid, "resourceVersion": version } });
        for (name, value) in more.as_object().unwrap() {
            match name.as_str() {
                "spec" => node["spec"] = value.clone(),
                name => node["metadata"][name] = value.clone(),
            }
        }
        node
    }

    fn at(answers: Vec<(&'static str, u16, Value)>) -> At {
        let cluster = Cluster::replay(answers);
        let nodes = crate::actions::kubernetes::client::place::Resource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "Node".to_owned(),
            plural: "nodes".to_owned(),
            namespaced: false,
            subresources: Vec::new(),
        };
        At { place: Place::of(&nodes, "", "n1"), cluster }
    }

    const GET: &str = "GET /api/v1/nodes/n1";
    const PATCH: &str = "PATCH /api/v1/nodes/n1";

    fn before() -> Value {
        json!({ "node_uid": "u", "unschedulable": false, "mark": "5" })
    }

    #[tokio::test]
    async fn a_heartbeat_between_look_and_change_costs_one_more_try() {
        let at = at(vec![
            (GET, 200, node("u", "5", json!({}))),
            (PATCH, 409, json!({ "message": "the object has been modified" })),
            (GET, 200, node("u", "6", json!({}))),
            (PATCH, 200, json!({})),
        ]);
        assert_eq!(at.turn(&before(), &Turn::Cordon("5")).await, Ok(true));
        let told = at.cluster.asked().told();
        assert!(
            told[0].contains(r#""resourceVersion":"5""#) && told[1].contains(r#""resourceVersion":"6""#),
            "{told:?}"
        );
        assert!(
            told[1].contains(r#""playbook/cordoned":"5""#) && told[1].contains(r#""unschedulable":true"#),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn another_node_of_the_same_name_is_not_touched() {
        let at = at(vec![(GET, 200, node("other", "9", json!({})))]);
        let error = at.turn(&before(), &Turn::Cordon("5")).await.unwrap_err();
        assert!(matches!(&error, KubernetesError::Invalid(text) if text.contains("another one")), "{error}");
        assert!(at.lift(&before()).await.unwrap().contains("not touched"));
        assert!(at.cluster.asked().told().is_empty());
    }

    #[tokio::test]
    async fn only_the_cordon_of_this_step_is_lifted() {
        let by = |manager: &str| json!([{ "manager": manager, "fieldsV1": { "f:spec": { "f:unschedulable": {} } } }]);
        let cordoned = json!({ "unschedulable": true });
        let mark = json!({ "playbook/cordoned": "5" });
        for (what, more, lifts) in [
            ("ours", json!({ "spec": cordoned, "annotations": mark, "managedFields": by("playbook") }), true),
            ("ours, where fields are not kept", json!({ "spec": cordoned, "annotations": mark }), true),
            (
                "cordoned anew",
                json!({ "spec": cordoned, "annotations": mark, "managedFields": by("kubectl-cordon") }),
                false,
            ),
            (
                "another run's",
                json!({ "spec": cordoned, "annotations": { "playbook/cordoned": "4" }, "managedFields": by("playbook") }),
                false,
            ),
            ("without a mark", json!({ "spec": cordoned, "managedFields": by("playbook") }), false),
        ] {
            let at = at(vec![(GET, 200, node("u", "8", more)), (PATCH, 200, json!({}))]);
            let said = at.lift(&before()).await.unwrap();
            assert_eq!(at.cluster.asked().told().len(), usize::from(lifts), "{what}: {said}");
        }
        let was = json!({ "node_uid": "u", "unschedulable": true, "mark": "5" });
        let at = at(vec![]);
        assert!(at.lift(&was).await.unwrap().contains("cordoned before"));
    }
}
