//! What a cluster serves: which versions of a group, which kind by which name. It asks the API itself, as what is there differs
//! from version to version and with what was installed, and it never guesses.

use serde_json::Value;

use super::cluster::Cluster;
use super::place::Resource;
use super::wire::Request;
use crate::actions::kubernetes::KubernetesError;
use crate::diagnostic::nearest;

/// Groups that are looked into before others, which may serve an older copy of the same kinds (`extensions`).
const FIRST: [&str; 5] = ["", "apps", "autoscaling", "batch", "policy"];

/// What a person writes for a kind: `deploy`, `Deployment.apps`, `Deployment.v1.apps`.
struct Asked<'a> {
    name: &'a str,
    version: Option<&'a str>,
    group: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn read(text: &'a str) -> Result<Self, KubernetesError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if text.is_empty() || text.len() > 253 || !text.bytes().all(plain) {
            return Err(KubernetesError::Invalid(format!(
                "{text:?} is no kind: write deployment, pods, Deployment.apps"
            )));
        }
        let Some((name, rest)) = text.split_once('.') else {
            return Ok(Self { name: text, version: None, group: None });
        };
        let (first, group) = rest.split_once('.').unwrap_or((rest, ""));
        if is_version(first) {
            return Ok(Self { name, version: Some(first), group: Some(group) });
        }
        Ok(Self { name, version: None, group: Some(rest) })
    }

    fn is(&self, entry: &Value) -> bool {
        let same = |field: &str| {
            entry.get(field).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(self.name))
        };
        let short = entry.get("shortNames").and_then(Value::as_array).into_iter().flatten();
        same("kind")
            || same("name")
            || same("singularName")
            || short.filter_map(Value::as_str).any(|text| text == self.name)
    }
}

fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    rest.starts_with(|first: char| first.is_ascii_digit()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Cluster {
    /// A kind of objects by what people call it, in the version that the cluster prefers: `Deployment`, `deployments`, `deploy`,
    /// `Deployment.apps`, `Deployment.v1.apps`.
    pub(in crate::actions::kubernetes) async fn resource(&self, kind: &str) -> Result<Resource, KubernetesError> {
        let asked = Asked::read(kind)?;
        let (mut known, mut silent) = (Vec::new(), Vec::new());
        for group in self.groups(asked.group).await? {
            let versions = match asked.version {
                Some(version) => vec![version.to_owned()],
                None => self.served(&group).await?,
            };
            for version in versions {
                let path = listing(&group, &version);
                let entries = match self.look(&path).await {
                    Ok(list) => list,
                    Err(KubernetesError::Gone(_)) => continue,
                    // An aggregated API that is down takes its own kinds with it, and no others.
                    Err(KubernetesError::Unreachable(_)) if !FIRST.contains(&group.as_str()) => {
                        silent.push(group.clone());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let entries = entries.get("resources").and_then(Value::as_array).cloned().unwrap_or_default();
                if let Some(found) = read(&entries, &asked, &group, &version) {
                    return Ok(found);
                }
                known.extend(entries.iter().filter_map(|entry| entry.get("name")?.as_str().map(str::to_owned)));
            }
        }
        let near = nearest(asked.name, known.iter().map(String::as_str).filter(|name| !name.contains('/')));
        let near = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        silent.dedup();
        let silent = if silent.is_empty() { String::new() } else { format!(" (not told: {})", silent.join(", ")) };
        Err(KubernetesError::Invalid(format!("{} serves no kind `{kind}`{near}{silent}", self.place())))
    }

    /// The versions that the cluster serves of a group, the one that it prefers first; none where it does not have the group.
    pub(in crate::actions::kubernetes) async fn served(&self, group: &str) -> Result<Vec<String>, KubernetesError> {
        if group.is_empty() {
            let versions = self.look("/api").await?;
            return Ok(texts(versions.get("versions")));
        }
        let groups = self.look("/apis").await?;
        let all = groups.get("groups").and_then(Value::as_array).into_iter().flatten();
        let Some(found) = all.into_iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(group)) else {
            return Ok(Vec::new());
        };
        let preferred = found.pointer("/preferredVersion/version").and_then(Value::as_str);
        let mut versions: Vec<String> = preferred.map(str::to_owned).into_iter().collect();
        for entry in found.get("versions").and_then(Value::as_array).into_iter().flatten() {
            if let Some(version) = entry.get("version").and_then(Value::as_str).filter(|text| Some(*text) != preferred)
            {
                versions.push(version.to_owned());
            }
        }
        Ok(versions)
    }

    /// The groups to look into, in that order.
    async fn groups(&self, wanted: Option<&str>) -> Result<Vec<String>, KubernetesError> {
        if let Some(group) = wanted {
            return Ok(vec![group.to_owned()]);
        }
        let groups = self.look("/apis").await?;
        let all = groups.get("groups").and_then(Value::as_array).into_iter().flatten();
        let others = all.filter_map(|entry| entry.get("name")?.as_str()).filter(|name| !FIRST.contains(name));
        Ok(FIRST.into_iter().chain(others).map(str::to_owned).collect())
    }

    /// What the API says of itself at an address, asked once.
    async fn look(&self, path: &str) -> Result<Value, KubernetesError> {
        let mut served = self.served.lock().await;
        if let Some(known) = served.get(path) {
            return Ok(known.clone());
        }
        let found = self.ask(&Request::look(path.to_owned(), "say what it serves".to_owned())).await?;
        served.insert(path.to_owned(), found.clone());
        Ok(found)
    }
}

fn listing(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn read(entries: &[Value], asked: &Asked<'_>, group: &str, version: &str) -> Option<Resource> {
    let name = |entry: &Value| entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let found = entries.iter().find(|entry| !name(entry).contains('/') && asked.is(entry))?;
    let plural = name(found);
    let below = format!("{plural}/");
    Some(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: found.get("kind").and_then(Value::as_str)?.to_owned(),
        namespaced: found.get("namespaced").and_then(Value::as_bool).unwrap_or(false),
        subresources: entries.iter().filter_map(|entry| name(entry).strip_prefix(&below).map(str::to_owned)).collect(),
        plural,
    })
}
