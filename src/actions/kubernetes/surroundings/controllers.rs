//! Who else manages an object: a parent in the cluster, Argo CD, Flux, Helm, an operator. They leave marks in its labels,
//! annotations, owners and managed fields; each has its own command by which it is told to stand still.

use serde::{Deserialize, Serialize};

use crate::actions::by_hand::word;
use crate::actions::kubernetes::objects::{annotation, controlled_by, items, label, said, text};
use crate::value::Value;

/// One who manages an object beside us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Controller {
    /// Who, in words: `Argo CD's application shop`.
    pub(crate) who: String,
    /// Whether it changes the object back by itself, soon and unasked. Who does not is only told of.
    pub(crate) reverts: bool,
    /// What is to be done with its own means.
    pub(crate) command: String,
}

impl Controller {
    /// Why a change is refused, or what there is to be known, in one sentence.
    pub(crate) fn sentence(&self) -> String {
        if self.reverts {
            format!("{} manages it and would change it back: {}", self.who, self.command)
        } else {
            format!("{} made it and does not watch it; its next release would change this: {}", self.who, self.command)
        }
    }
}

/// All who manage an object, by the marks that they leave.
pub(crate) fn controllers(object: &Value) -> Vec<Controller> {
    let mut found = Vec::new();
    found.extend(parent(object));
    found.extend(argo(object));
    found.extend(flux(object));
    let lead = found.iter().any(|one| one.reverts);
    found.extend(operator(object));
    // A release of Helm's that Argo CD or Flux makes is theirs.
    if !lead {
        found.extend(helm(object));
    }
    found
}

fn namespace(object: &Value) -> String {
    text(object, "/metadata/namespace").map_or_else(String::new, |namespace| format!(" -n {}", word(namespace)))
}

fn parent(object: &Value) -> Option<Controller> {
    let (kind, name, _) = controlled_by(object)?;
    let command = match kind {
        "Rollout" => format!("act on it with `kubectl argo rollouts undo {}{}`", word(name), namespace(object)),
        _ => format!(
            "act on that one; `kubectl{} get {}/{} -o yaml` shows it",
            namespace(object),
            word(kind),
            word(name)
        ),
    };
    Some(Controller { who: format!("{} {}", said(kind), said(name)), reverts: true, command })
}

fn argo(object: &Value) -> Option<Controller> {
    let tracked = annotation(object, "argocd.argoproj.io/tracking-id").and_then(|id| id.split(':').next());
    let labelled = label(object, "argocd.argoproj.io/instance");
    let applied = is_managed_by(object, |manager| manager.starts_with("argocd"));
    let app = match (tracked.or(labelled), applied) {
        (Some(app), _) => app,
        (None, true) => label(object, "app.kubernetes.io/instance").unwrap_or("APPLICATION"),
        (None, false) => return None,
    };
    Some(Controller {
        who: format!("Argo CD's application {}", said(app)),
        reverts: true,
        command: format!(
            "`argocd app set {} --sync-policy none` lets it stand still (`--sync-policy automated` lets it go on); what is right \
             for good belongs into its repository",
            word(app)
        ),
    })
}

fn flux(object: &Value) -> Option<Controller> {
    let mark = |group: &str| {
        let name = label(object, &format!("{group}.toolkit.fluxcd.io/name"))?;
        Some((name, label(object, &format!("{group}.toolkit.fluxcd.io/namespace")).unwrap_or("flux-system")))
    };
    let (kind, (name, namespace)) = match (mark("kustomize"), mark("helm")) {
        (Some(found), _) => ("kustomization", found),
        (None, Some(found)) => ("helmrelease", found),
        (None, None) => return None,
    };
    let paused = annotation(object, "kustomize.toolkit.fluxcd.io/reconcile") == Some("disabled");
    Some(Controller {
        who: format!("Flux's {kind} {}", said(name)),
        reverts: !paused,
        command: format!(
            "`flux suspend {kind} {name} -n {namespace}` lets it stand still (`flux resume` lets it go on); what is right for \
             good belongs into its repository",
            name = word(name),
            namespace = word(namespace)
        ),
    })
}

fn helm(object: &Value) -> Option<Controller> {
    let release = annotation(object, "meta.helm.sh/release-name")?;
    let namespace = annotation(object, "meta.helm.sh/release-namespace").map(word);
    let place = namespace.map_or_else(String::new, |namespace| format!(" -n {namespace}"));
    Some(Controller {
        who: format!("Helm's release {}", said(release)),
        reverts: false,
        command: format!(
            "`helm history {0}{place}` and `helm rollback {0} REVISION{place}` keep its own account right",
            word(release)
        ),
    })
}

/// An operator of this cluster, by the mark that OLM or `managed-by` leaves.
fn operator(object: &Value) -> Option<Controller> {
    if let Some(owner) = label(object, "olm.owner") {
        let command = format!("change it in what that operator reads; `kubectl get csv {} -A` shows it", word(owner));
        return Some(Controller { who: format!("the operator {}", said(owner)), reverts: true, command });
    }
    let by = label(object, "app.kubernetes.io/managed-by")?;
    if matches!(by.to_ascii_lowercase().as_str(), "helm" | "kustomize" | "kubectl" | "argocd" | "flux" | "playbook") {
        return None;
    }
    let command = "see whether it changes it back, and change it there too".to_owned();
    Some(Controller { who: said(by), reverts: false, command })
}

/// Who wrote a field of an object last, by its managed fields: `["spec", "replicas"]` finds the managers that own it.
pub(crate) fn owners_of(object: &Value, path: &[&str]) -> Vec<String> {
    let owns = |entry: &&Value| {
        let mut at = entry.get("fieldsV1");
        for part in path {
            at = at.and_then(|fields| fields.get(format!("f:{part}")));
        }
        at.is_some()
    };
    let entries = items(object, "/metadata/managedFields").iter().filter(owns);
    entries.filter_map(|entry| text(entry, "/manager")).map(said).collect()
}

fn is_managed_by(object: &Value, is_it: impl Fn(&str) -> bool) -> bool {
    items(object, "/metadata/managedFields").iter().filter_map(|entry| text(entry, "/manager")).any(is_it)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn marked(metadata: Value) -> Vec<Controller> {
        controllers(&json!({ "metadata": metadata }))
    }

    #[test]
    fn each_controller_is_known_by_its_mark_and_told_with_its_own_command() {
        for (metadata, who, command, reverts) in [
            (
                json!({ "annotations": { "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:prod/web" } }),
                "Argo CD's application shop",
                "argocd app set shop --sync-policy none",
                true,
            ),
            (
                json!({ "labels": { "argocd.argoproj.io/instance": "shop" } }),
                "Argo CD's application shop",
                "argocd app set shop",
                true,
            ),
            (
                json!({ "labels": { "app.kubernetes.io/instance": "shop" }, "managedFields": [{ "manager": "argocd-controller" }] }),
                "Argo CD's application shop",
                "argocd app set shop",
                true,
            ),
            (
                json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "gitops" } }),
                "Flux's kustomization apps",
                "flux suspend kustomization apps -n gitops",
                true,
            ),
            (
                json!({ "labels": { "helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "prod" }, "annotations": { "meta.helm.sh/release-name": "web" } }),
                "Flux's helmrelease web",
                "flux suspend helmrelease web -n prod",
                true,
            ),
            (
                json!({ "annotations": { "meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "prod" } }),
                "Helm's release web",
                "helm rollback web REVISION -n prod",
                false,
            ),
            (
                json!({ "labels": { "olm.owner": "redis.v1" } }),
                "the operator redis.v1",
                "kubectl get csv redis.v1",
                true,
            ),
            (
                json!({ "labels": { "app.kubernetes.io/managed-by": "strimzi" } }),
                "strimzi",
                "change it there too",
                false,
            ),
            (
                json!({ "namespace": "prod", "ownerReferences": [{ "kind": "Kafka", "name": "k", "controller": true }] }),
                "Kafka k",
                "kubectl -n prod get Kafka/k",
                true,
            ),
            (
                json!({ "namespace": "prod", "ownerReferences": [{ "kind": "Rollout", "name": "web", "controller": true }] }),
                "Rollout web",
                "kubectl argo rollouts undo web -n prod",
                true,
            ),
        ] {
            let found = marked(metadata);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].who.as_str(), found[0].reverts), (who, reverts));
            assert!(found[0].sentence().contains(command), "{}", found[0].sentence());
        }
        assert!(marked(json!({ "labels": { "app.kubernetes.io/managed-by": "Helm" } })).is_empty());
        assert!(
            marked(json!({ "ownerReferences": [{ "kind": "X", "name": "x" }] })).is_empty(),
            "an owner that is no controller"
        );
    }

    #[test]
    fn what_flux_was_told_to_leave_alone_is_not_changed_back() {
        let found = marked(json!({ "labels": { "kustomize.toolkit.fluxcd.io/name": "apps" },
            "annotations": { "kustomize.toolkit.fluxcd.io/reconcile": "disabled" } }));
        assert!(!found[0].reverts);
    }

    #[test]
    fn a_hostile_name_stays_one_word_of_its_command() {
        let found = marked(json!({ "labels": { "argocd.argoproj.io/instance": "x; rm -rf / \u{1b}[2J" } }));
        assert!(!found[0].sentence().contains('\u{1b}'), "{:?}", found[0]);
        assert!(found[0].command.contains("$'x; rm -rf / \\033[2J'"), "{:?}", found[0]);
    }

    #[test]
    fn who_owns_a_field_is_read_from_the_managed_fields() {
        let object = json!({ "metadata": { "managedFields": [
            { "manager": "kubectl", "fieldsV1": { "f:spec": { "f:template": {} } } },
            { "manager": "keda", "fieldsV1": { "f:spec": { "f:replicas": {} } } },
        ] } });
        assert_eq!(owners_of(&object, &["spec", "replicas"]), ["keda"]);
    }
}
