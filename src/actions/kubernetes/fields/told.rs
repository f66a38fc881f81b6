//! What the API is told to change of an object, always on condition that it is still the version that was read.

use serde_json::json;

use crate::actions::kubernetes::MANAGER;
use crate::actions::kubernetes::client::place::Patch;
use crate::value::Value;

/// What the API is told.
pub(super) enum Told {
    /// These fields are to be so, and are ours.
    Apply { manifest: Value, force: bool },
    /// RFC 7386.
    Merge(Value),
    /// RFC 6902.
    Json(Value),
    /// Lists by their keys.
    Strategic(Value),
}

impl Told {
    /// The same on condition that the object is still the version that was read.
    pub(super) fn on(&self, object: Option<&Value>) -> Patch {
        let version = object.and_then(|object| object.pointer("/metadata/resourceVersion"));
        let held = |body: &Value| {
            let mut body = body.clone();
            if let Some(version) = version {
                body["metadata"]["resourceVersion"] = version.clone();
            }
            body
        };
        match self {
            Told::Apply { manifest, force } => {
                Patch::Apply { manager: MANAGER.to_owned(), force: *force, body: held(manifest) }
            }
            Told::Merge(body) => Patch::Merge(held(body)),
            Told::Strategic(body) => Patch::Strategic(held(body)),
            Told::Json(operations) => {
                let held = version
                    .map(|version| json!({ "op": "replace", "path": "/metadata/resourceVersion", "value": version }));
                let all = held.into_iter().chain(operations.as_array().into_iter().flatten().cloned());
                Patch::Json(all.collect())
            }
        }
    }

    /// Whether what is not there is made.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Told::Apply { .. })
    }
}
