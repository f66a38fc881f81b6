//! Putting a template into a workload: only if it is the very object that was read, and what it is told is what it was told
//! then. A change of something else meanwhile (an autoscaler's) is read, and it is tried again; another template never is.

use super::revisions::digest_of;
use super::target::Target;
use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::client::place::{Mode, Patch};
use crate::value::Value;

/// How often somebody else may be quicker.
const TRIES: usize = 8;

/// What is to be done with a workload as it was read.
pub(super) enum Way {
    /// It has what it is to have.
    Already,
    /// It has something that is neither what was there nor what is to be there.
    Other,
    /// These operations change it.
    Change(Value),
}

/// What became of it.
pub(super) enum Put {
    /// It is changed: the object as the API has it now.
    Changed(Value),
    /// It has what it is to have already, and nothing was sent.
    Already,
    /// Somebody else changed its template; nothing was sent.
    Other(Value),
}

/// Puts it there, or asks the API whether it would.
pub(super) async fn put(workload: &Target, way: impl Fn(&Value) -> Way, mode: Mode) -> Result<Put, KubernetesError> {
    let mut object = workload.object().await?;
    for _ in 0..TRIES {
        let operations = match way(&object) {
            Way::Already => return Ok(Put::Already),
            Way::Other => return Ok(Put::Other(object)),
            Way::Change(operations) => operations,
        };
        let refused = match workload.cluster().patch(workload.at(), &Patch::Json(operations), mode).await {
            Ok(changed) => return Ok(Put::Changed(changed)),
            Err(error @ (KubernetesError::Refused { code: 422, .. } | KubernetesError::Conflict(_))) => error,
            Err(error) => return Err(error),
        };
        // The API has one answer for a condition that does not hold and for a template that it does not take.
        let now = workload.object().await?;
        if is_as_read(&object, &now) && matches!(refused, KubernetesError::Refused { .. }) {
            return Err(refused);
        }
        object = now;
    }
    Err(KubernetesError::Conflict(format!(
        "{} is changed by somebody else again and again: nothing was changed. See who that is: `kubectl get {} -o yaml \
         --show-managed-fields`",
        workload.at().with_namespace(),
        workload.for_kubectl()
    )))
}

fn is_as_read(before: &Value, now: &Value) -> bool {
    let same = |pointer: &str| before.pointer(pointer) == now.pointer(pointer);
    same("/metadata/generation") && same("/metadata/uid") && digest_of(before) == digest_of(now)
}
