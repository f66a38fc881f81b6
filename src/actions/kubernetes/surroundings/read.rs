//! Asks a cluster what stands around a workload, each kind in a version that it serves. What our account may not list is told
//! as not seen; it never stops a recovery, as a dry-run at the server still decides.

use super::around::{Around, Listed};
use super::blockers::{Blocker, Sight, blockers};
use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::client::cluster::Cluster;
use crate::actions::kubernetes::client::place::Selector;
use crate::value::Value;

/// What stands around a workload of this kind.
pub(in crate::actions::kubernetes) async fn around(
    cluster: &Cluster,
    namespace: &str,
    workload: &Value,
    kind: &str,
) -> Result<Around, KubernetesError> {
    let mut listed = Listed::default();
    (listed.quotas, _) = list(cluster, namespace, "ResourceQuota.v1.", &mut listed.unseen).await?;
    (listed.budgets, listed.budgets_version) =
        list(cluster, namespace, "PodDisruptionBudget.policy", &mut listed.unseen).await?;
    (listed.autoscalers, _) =
        list(cluster, namespace, "HorizontalPodAutoscaler.autoscaling", &mut listed.unseen).await?;
    Ok(Around::of(workload, kind, &listed))
}

/// All of a kind, and the version in which they were read.
async fn list(
    cluster: &Cluster,
    namespace: &str,
    kind: &str,
    unseen: &mut Vec<String>,
) -> Result<(Vec<Value>, String), KubernetesError> {
    let resource = match cluster.resource(kind).await {
        Ok(resource) => resource,
        // A cluster that does not serve them has none.
        Err(KubernetesError::Invalid(_)) => return Ok((Vec::new(), String::new())),
        Err(error) => return Err(error),
    };
    match cluster.list(&resource, Some(namespace), &Selector::all()).await {
        Ok(found) => Ok((found, resource.version)),
        Err(KubernetesError::Refused { code: 403, .. }) => {
            unseen.push(format!("our account may not list {}, so what they say is not known before", resource.plural));
            Ok((Vec::new(), resource.version))
        }
        Err(error) => Err(error),
    }
}

/// What holds these pods of a workload up. Events that our account may not list are left out.
pub(in crate::actions::kubernetes) async fn held_up(
    cluster: &Cluster,
    namespace: &str,
    workload: &Value,
    pods: &[Value],
    since: Option<&str>,
) -> Result<Vec<Blocker>, KubernetesError> {
    let resource = cluster.resource("Event.v1.").await?;
    let events = match cluster.list(&resource, Some(namespace), &Selector::fields("type=Warning")).await {
        Ok(events) => events,
        Err(KubernetesError::Refused { code: 403, .. } | KubernetesError::Invalid(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(blockers(&Sight { workload, pods, events: &events, since }))
}
