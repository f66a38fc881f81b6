//! What is said to a cluster's API: which object, which change. It sends nothing, and lets no name or selector become another
//! part of an address than the one that it stands for.

use serde_json::{Value, json};

use crate::actions::kubernetes::KubernetesError;

/// A kind of objects, as the cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::actions::kubernetes) struct Resource {
    /// The group; empty for the core (pods, nodes, services).
    pub(in crate::actions::kubernetes) group: String,
    /// The version of the group that is spoken.
    pub(in crate::actions::kubernetes) version: String,
    /// The kind, as objects name it: `Deployment`.
    pub(in crate::actions::kubernetes) kind: String,
    /// How addresses name it: `deployments`.
    pub(in crate::actions::kubernetes) plural: String,
    /// Whether its objects lie in a namespace.
    pub(in crate::actions::kubernetes) namespaced: bool,
    /// What can be asked for below an object: `scale`, `status`, `eviction`.
    pub(in crate::actions::kubernetes) subresources: Vec<String>,
}

impl Resource {
    /// As objects name it: `apps/v1`, `v1`.
    pub(in crate::actions::kubernetes) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Where all of its objects are.
    pub(in crate::actions::kubernetes) fn path(&self, namespace: Option<&str>) -> Result<String, KubernetesError> {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}", self.api_version());
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path.push_str(&format!("/namespaces/{}", safe(namespace)?));
        }
        path.push('/');
        path.push_str(&self.plural);
        Ok(path)
    }

    /// As people write it: `deployment`, with its name `deployment/web`.
    pub(in crate::actions::kubernetes) fn word(&self) -> String {
        self.kind.to_lowercase()
    }
}

/// One object, or one to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::actions::kubernetes) struct Place {
    /// What it is.
    pub(in crate::actions::kubernetes) resource: Resource,
    /// Where it lies; none where its kind lies in no namespace.
    pub(in crate::actions::kubernetes) namespace: Option<String>,
    /// Its name.
    pub(in crate::actions::kubernetes) name: String,
    /// What is meant below it.
    pub(in crate::actions::kubernetes) subresource: Option<&'static str>,
}

impl Place {
    /// An object of a kind; the namespace is left out where the kind has none.
    pub(in crate::actions::kubernetes) fn of(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource: resource.clone(),
            namespace: resource.namespaced.then(|| namespace.to_owned()),
            name: name.to_owned(),
            subresource: None,
        }
    }

    /// The same object's part.
    pub(in crate::actions::kubernetes) fn below(&self, subresource: &'static str) -> Self {
        Self { subresource: Some(subresource), ..self.clone() }
    }

    /// Its address.
    pub(in crate::actions::kubernetes) fn path(&self) -> Result<String, KubernetesError> {
        let mut path = format!("{}/{}", self.resource.path(self.namespace.as_deref())?, safe(&self.name)?);
        if let Some(subresource) = self.subresource {
            path.push_str(&format!("/{subresource}"));
        }
        Ok(path)
    }

    /// As people write it: `deployment/web`.
    pub(in crate::actions::kubernetes) fn word(&self) -> String {
        format!("{}/{}", self.resource.word(), self.name)
    }

    /// The same with its namespace: `deployment/web in namespace shop`.
    pub(in crate::actions::kubernetes) fn with_namespace(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in namespace {namespace}", self.word()),
            None => self.word(),
        }
    }
}

/// A name as one part of an address: the names of Kubernetes hold nothing that would end it.
fn safe(name: &str) -> Result<&str, KubernetesError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if name.is_empty() || name.len() > 253 || !name.bytes().all(plain) || name.bytes().all(|b| b == b'.') {
        return Err(KubernetesError::Invalid(format!(
            "{name:?} is no name of an object: letters, digits and - . : only (at most 253)"
        )));
    }
    Ok(name)
}

/// Which objects of a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::actions::kubernetes) struct Selector {
    /// By their labels: `app=web,tier in (a,b)`.
    pub(in crate::actions::kubernetes) labels: Option<String>,
    /// By their fields: `spec.nodeName=node1`.
    pub(in crate::actions::kubernetes) fields: Option<String>,
}

impl Selector {
    /// All of them.
    pub(in crate::actions::kubernetes) fn all() -> Self {
        Self::default()
    }

    /// By their labels.
    pub(in crate::actions::kubernetes) fn labels(text: impl Into<String>) -> Self {
        Self { labels: Some(text.into()), fields: None }
    }

    /// By their fields.
    pub(in crate::actions::kubernetes) fn fields(text: impl Into<String>) -> Self {
        Self { labels: None, fields: Some(text.into()) }
    }

    /// The objects that a workload's `spec.selector` means (`matchLabels`, `matchExpressions`; a plain map for a replication
    /// controller). One that says nothing is refused: it would mean all.
    pub(in crate::actions::kubernetes) fn of_workload(selector: &Value) -> Result<Self, KubernetesError> {
        let is_full = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
        let labels = if is_full { selector.get("matchLabels") } else { Some(selector) };
        let mut parts = Vec::new();
        for (name, value) in labels.and_then(Value::as_object).into_iter().flatten() {
            parts.push(format!("{name}={}", value.as_str().unwrap_or_default()));
        }
        for rule in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
            let values = rule.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let values = values.collect::<Vec<_>>().join(",");
            parts.push(match text("operator") {
                "In" => format!("{} in ({values})", text("key")),
                "NotIn" => format!("{} notin ({values})", text("key")),
                "Exists" => text("key").to_owned(),
                "DoesNotExist" => format!("!{}", text("key")),
                other => {
                    return Err(KubernetesError::Invalid(format!(
                        "a selector with the operator {other:?} is not known here"
                    )));
                }
            });
        }
        if parts.is_empty() {
            return Err(KubernetesError::Invalid(
                "the workload has an empty selector, which would mean every pod".to_owned(),
            ));
        }
        Ok(Self::labels(parts.join(",")))
    }

    /// What is added to an address.
    pub(in crate::actions::kubernetes) fn query(&self) -> Vec<(&'static str, String)> {
        let labels = self.labels.iter().map(|text| ("labelSelector", text.clone()));
        labels.chain(self.fields.iter().map(|text| ("fieldSelector", text.clone()))).collect()
    }
}

/// How an object is changed. To be conditional on nobody having changed it since, a merge patch carries
/// `metadata.resourceVersion`, a JSON patch a `test`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::actions::kubernetes) enum Patch {
    /// RFC 7386: what is written replaces, null removes.
    Merge(Value),
    /// RFC 6902: a list of operations, all or none.
    Json(Value),
    /// Lists are merged by their keys; for built-in kinds alone.
    Strategic(Value),
    /// Server-side apply: these fields are ours.
    Apply {
        /// Who owns the fields then.
        manager: String,
        /// Whether they are taken from whoever owns them.
        force: bool,
        /// The object.
        body: Value,
    },
}

impl Patch {
    /// The form that it is sent in.
    pub(in crate::actions::kubernetes) fn media(&self) -> &'static str {
        match self {
            Self::Merge(_) => "application/merge-patch+json",
            Self::Json(_) => "application/json-patch+json",
            Self::Strategic(_) => "application/strategic-merge-patch+json",
            Self::Apply { .. } => "application/apply-patch+yaml",
        }
    }

    /// What is sent.
    pub(in crate::actions::kubernetes) fn body(&self) -> &Value {
        match self {
            Self::Merge(body) | Self::Json(body) | Self::Strategic(body) | Self::Apply { body, .. } => body,
        }
    }

    /// What is added to the address.
    pub(in crate::actions::kubernetes) fn query(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Apply { manager, force, .. } => {
                vec![("fieldManager", manager.clone()), ("force", force.to_string())]
            }
            _ => vec![("fieldManager", crate::actions::kubernetes::MANAGER.to_owned())],
        }
    }
}

/// Whether the API only says what would become of it, after all of its checks, or does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::actions::kubernetes) enum Mode {
    /// `dryRun=All`: admission, quota and validation are asked, and nothing is kept.
    DryRun,
    /// For good.
    Real,
}

impl Mode {
    /// What is added to an address.
    pub(in crate::actions::kubernetes) fn query(self) -> Vec<(&'static str, String)> {
        match self {
            Self::DryRun => vec![("dryRun", "All".to_owned())],
            Self::Real => Vec::new(),
        }
    }
}

/// An address with its query, everything in it encoded.
pub(in crate::actions::kubernetes) fn address(path: &str, query: &[(&'static str, String)]) -> String {
    let mut text = path.to_owned();
    for (index, (name, value)) in query.iter().enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

/// What a deletion says beside its address.
pub(in crate::actions::kubernetes) fn deletion(preconditions: &Value) -> Value {
    let mut body = json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
    if let (Value::Object(map), false) = (&mut body, preconditions.is_null()) {
        map.insert("preconditions".to_owned(), preconditions.clone());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployments() -> Resource {
        Resource {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            plural: "deployments".to_owned(),
            namespaced: true,
            subresources: vec!["scale".to_owned()],
        }
    }

    #[test]
    fn an_object_has_one_address() {
        let place = Place::of(&deployments(), "shop", "web");
        assert_eq!(place.path().unwrap(), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(place.below("scale").path().unwrap(), "/apis/apps/v1/namespaces/shop/deployments/web/scale");
        let nodes = Resource { group: String::new(), plural: "nodes".to_owned(), namespaced: false, ..deployments() };
        assert_eq!(Place::of(&nodes, "shop", "n1").path().unwrap(), "/api/v1/nodes/n1");
    }

    #[test]
    fn a_name_cannot_become_another_part_of_the_address() {
        for bad in
            ["", ".", "..", "a/b", "../secrets/x", "a?dryRun=All", "a#b", "a%2Fb", "a b", "a\n", "é", &"x".repeat(254)]
        {
            assert!(Place::of(&deployments(), "shop", bad).path().is_err(), "{bad:?}");
            assert!(Place::of(&deployments(), bad, "web").path().is_err(), "{bad:?}");
        }
        let query = [("labelSelector", "a=b&dryRun=All,c in (d)".to_owned())];
        assert_eq!(address("/p", &query), "/p?labelSelector=a%3Db%26dryRun%3DAll%2Cc%20in%20%28d%29");
    }

    #[test]
    fn a_workloads_selector_is_read_whole_or_refused() {
        let read = |selector: Value| Selector::of_workload(&selector).map(|found| found.labels.unwrap());
        let full = json!({ "matchLabels": { "app": "web" }, "matchExpressions": [
            { "key": "tier", "operator": "In", "values": ["a", "b"] }, { "key": "x", "operator": "NotIn", "values": ["y"] },
            { "key": "old", "operator": "DoesNotExist" }, { "key": "new", "operator": "Exists" } ] });
        assert_eq!(read(full).unwrap(), "app=web,tier in (a,b),x notin (y),!old,new");
        assert_eq!(read(json!({ "app": "web" })).unwrap(), "app=web");
        for empty in [json!({}), json!(null), json!({ "matchLabels": {} })] {
            assert!(read(empty.clone()).is_err(), "{empty}");
        }
        assert!(read(json!({ "matchExpressions": [{ "key": "a", "operator": "Near" }] })).is_err());
    }
}
