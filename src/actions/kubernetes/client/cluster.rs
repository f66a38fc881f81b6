//! An open cluster of the inventory: objects are read, listed, changed, made and removed. It judges the API's answers, and says
//! what each means; it never takes another cluster for the one that is meant, and never sends a change twice.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::Mutex;

use super::api::Wire;
use super::place::{Mode, Patch, Place, Resource, Selector, address, deletion};
use super::wire::{Answer, Request};
use crate::actions::kubernetes::{KubernetesError, MANAGER};
use crate::inventory::{self, Inventory};

/// How many objects come in one answer.
const PAGE: usize = 250;
/// How many are listed at most.
const MOST: usize = 5_000;
/// How much of what the API says is repeated.
const MOST_LETTERS: usize = 600;

/// An open client to one cluster of the inventory.
pub(in crate::actions::kubernetes) struct Cluster {
    wire: Wire,
    namespace: String,
    uid: Option<String>,
    /// What the API says that it serves, by the address where it says so.
    pub(in crate::actions::kubernetes) served: Mutex<BTreeMap<String, Value>>,
    #[cfg(all(test, feature = "kube"))]
    replay: super::wire::Replay,
}

impl Cluster {
    /// Enters a cluster, and makes sure that it is the one that the inventory means.
    pub(in crate::actions::kubernetes) async fn open(
        inventory: &Inventory,
        name: &str,
    ) -> Result<Self, KubernetesError> {
        let entry = inventory.cluster(name).map_err(|error| KubernetesError::Invalid(error.to_string()))?;
        Self::over(Wire::open(name, entry).await?, entry).await
    }

    async fn over(wire: Wire, entry: &inventory::Cluster) -> Result<Self, KubernetesError> {
        let namespace = entry.namespace.clone().unwrap_or_else(|| wire.namespace().to_owned());
        let mut cluster = Self {
            wire,
            namespace,
            uid: None,
            served: Mutex::default(),
            #[cfg(all(test, feature = "kube"))]
            replay: super::wire::Replay::default(),
        };
        cluster.uid = cluster.identity(entry.uid.as_deref()).await?;
        Ok(cluster)
    }

    /// The uid of `kube-system`, held to the one that it has to be; none where we may not read it and nothing is demanded.
    async fn identity(&self, wanted: Option<&str>) -> Result<Option<String>, KubernetesError> {
        let what = "look which cluster it is".to_owned();
        let answer = self.ask(&Request::look("/api/v1/namespaces/kube-system".to_owned(), what)).await;
        let place = self.wire.place();
        let found = match (answer, wanted) {
            (Ok(object), _) => object.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned),
            (Err(KubernetesError::Refused { code: 403, .. }), None) => None,
            (Err(KubernetesError::Refused { code: 403, reason, text }), Some(_)) => {
                return Err(KubernetesError::Refused {
                    code: 403,
                    reason,
                    text: format!(
                        "{text}. Without that nobody can say that it is the cluster that the inventory means: let our account \
                         `get` the namespace kube-system"
                    ),
                });
            }
            (Err(error), _) => return Err(error),
        };
        match (wanted, &found) {
            (Some(wanted), found) if found.as_deref() != Some(wanted) => Err(KubernetesError::Invalid(format!(
                "{place} is not the cluster that the inventory means: the uid of its namespace kube-system is {}, and has to \
                 be {wanted}. Nothing was changed there",
                found.as_deref().unwrap_or("not told")
            ))),
            _ => Ok(found),
        }
    }

    /// The namespace of what does not name one.
    pub(in crate::actions::kubernetes) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Which cluster it is: the uid of its namespace `kube-system`, where we may read that.
    pub(in crate::actions::kubernetes) fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    /// Which cluster, for a person: with its address.
    pub(in crate::actions::kubernetes) fn place(&self) -> &str {
        self.wire.place()
    }

    /// Reads an object; nothing where there is none of that name.
    pub(in crate::actions::kubernetes) async fn get(&self, at: &Place) -> Result<Option<Value>, KubernetesError> {
        let request = Request::look(at.path()?, format!("read {}", at.with_namespace()));
        match self.ask(&request).await {
            Ok(object) => Ok(Some(object)),
            Err(KubernetesError::Gone(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the objects of a kind: of one namespace, or of all.
    pub(in crate::actions::kubernetes) async fn list(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        selector: &Selector,
    ) -> Result<Vec<Value>, KubernetesError> {
        let (path, mut found, mut next) = (resource.path(namespace)?, Vec::new(), String::new());
        let mut begun_again = false;
        loop {
            let mut query = selector.query();
            query.push(("limit", PAGE.to_string()));
            if !next.is_empty() {
                query.push(("continue", next.clone()));
            }
            let asked = self.ask(&Request::look(address(&path, &query), format!("list {}", resource.plural))).await;
            let mut page = match asked {
                // What it remembers of a list that is read in pages grows old; what was read so far is of another moment.
                Err(KubernetesError::Refused { code: 410, .. }) if !next.is_empty() && !begun_again => {
                    (found, next, begun_again) = (Vec::new(), String::new(), true);
                    continue;
                }
                other => other?,
            };
            if let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) {
                found.extend(items);
            }
            next = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            if next.is_empty() {
                return Ok(found);
            }
            if found.len() >= MOST {
                return Err(KubernetesError::Invalid(format!(
                    "there are more than {MOST} {} here: name fewer of them",
                    resource.plural
                )));
            }
        }
    }

    /// Changes an object, or asks what would become of it.
    pub(in crate::actions::kubernetes) async fn patch(
        &self,
        at: &Place,
        patch: &Patch,
        mode: Mode,
    ) -> Result<Value, KubernetesError> {
        let query = [patch.query(), mode.query()].concat();
        let what = format!("change {}", at.with_namespace());
        let request = Request::tell("PATCH", address(&at.path()?, &query), patch.media(), patch.body().clone(), what);
        self.tell(request, mode).await
    }

    /// Makes an object, or something below one (an eviction).
    pub(in crate::actions::kubernetes) async fn create(
        &self,
        at: &Place,
        body: &Value,
        mode: Mode,
    ) -> Result<Value, KubernetesError> {
        let path = match at.subresource {
            Some(_) => at.path()?,
            None => at.resource.path(at.namespace.as_deref())?,
        };
        let query = [vec![("fieldManager", MANAGER.to_owned())], mode.query()].concat();
        let what = match at.subresource {
            Some(below) => format!("make a {below} of {}", at.with_namespace()),
            None => format!("make {}", at.with_namespace()),
        };
        self.tell(Request::tell("POST", address(&path, &query), "application/json", body.clone(), what), mode).await
    }

    /// Removes an object, if it still is what is said of it (`uid`, `resourceVersion`).
    pub(in crate::actions::kubernetes) async fn delete(
        &self,
        at: &Place,
        preconditions: &Value,
        mode: Mode,
    ) -> Result<(), KubernetesError> {
        let (path, what) = (address(&at.path()?, &mode.query()), format!("remove {}", at.with_namespace()));
        let request = Request::tell("DELETE", path, "application/json", deletion(preconditions), what);
        self.tell(request, mode).await.map(drop)
    }

    async fn tell(&self, mut request: Request, mode: Mode) -> Result<Value, KubernetesError> {
        request.changes = mode == Mode::Real;
        self.ask(&request).await
    }

    /// Asks, and judges the answer.
    pub(in crate::actions::kubernetes) async fn ask(&self, request: &Request) -> Result<Value, KubernetesError> {
        let answer = self.wire.send(request).await?;
        if (200..300).contains(&answer.status) { Ok(answer.body) } else { Err(self.no(request, &answer)) }
    }

    fn no(&self, request: &Request, answer: &Answer) -> KubernetesError {
        let (place, what) = (self.wire.place(), &request.what);
        let field = |name: &str| answer.body.get(name).and_then(Value::as_str);
        let reason = field("reason").unwrap_or_default();
        let said = field("message").or(answer.body.as_str()).filter(|text| !text.trim().is_empty()).unwrap_or(reason);
        let said: String = said.trim().chars().take(MOST_LETTERS).collect();
        let text = format!("{place} says no to {what}: {said}");
        match answer.status {
            401 => KubernetesError::Refused {
                code: 401,
                reason: "Unauthorized".to_owned(),
                text: format!("{place} does not know who we are (401): our credentials are wrong, or no longer valid"),
            },
            403 => KubernetesError::Refused {
                code: 403,
                reason: reason.to_owned(),
                // A quota is refused by the same number as a missing right, and is no matter of rights.
                text: if said.contains("exceeded quota") {
                    text
                } else {
                    format!("{text} (403, our account may not do that)")
                },
            },
            404 => KubernetesError::Gone(format!("{place} has it not: {said}")),
            409 => KubernetesError::Conflict(text),
            429 => KubernetesError::TooMany(text),
            // The API itself is in trouble: what it was told may have been kept.
            code @ 500.. if request.changes => KubernetesError::Lost(format!(
                "{place} was told to {what}, and answers {code}: {said}; it may have happened or not"
            )),
            code @ 500.. => KubernetesError::Unreachable(format!("{place} answers {code} to {what}: {said}")),
            code => KubernetesError::Refused { code, reason: reason.to_owned(), text },
        }
    }
}

#[cfg(all(test, feature = "kube"))]
impl Cluster {
    /// One that leads to canned answers.
    pub(in crate::actions::kubernetes) fn replay(answers: Vec<(&str, u16, Value)>) -> Self {
        let replay = super::wire::Replay::of(answers);
        Self {
            wire: Wire::replay(replay.clone()),
            namespace: "default".to_owned(),
            uid: Some("0b9c6c2e-2b0f-4f6e-9f57-0f5a3c1d2e3f".to_owned()),
            served: Mutex::default(),
            replay,
        }
    }

    /// What it was asked.
    pub(in crate::actions::kubernetes) fn asked(&self) -> &super::wire::Replay {
        &self.replay
    }
}

#[cfg(all(test, feature = "kube"))]
#[path = "cluster_tests.rs"]
mod tests;
