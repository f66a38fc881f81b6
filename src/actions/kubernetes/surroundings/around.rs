//! What stands around a workload: quotas, disruption budgets, autoscalers, other controllers. Pure: it reads objects in any
//! version that a cluster serves, and asks for nothing itself; `surroundings.rs` asks.

use super::controllers::{self, Controller};
use super::quota::{self, Room};
use crate::actions::by_hand::word;
use crate::actions::kubernetes::objects::{annotation, condition, count, items, label, name, said, selects, text};
use crate::value::Value;

/// A budget that says how many pods may be missing at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Its name.
    pub(crate) name: String,
    /// How many pods may be taken away now.
    pub(crate) allowed: i64,
    /// How many are healthy.
    pub(crate) healthy: i64,
    /// How many have to be.
    pub(crate) desired: i64,
}

impl Budget {
    /// One line for a person.
    pub(crate) fn sentence(&self) -> String {
        format!(
            "disruption budget {}: {} of its pods are healthy, {} have to be, {} may be taken away now",
            self.name, self.healthy, self.desired, self.allowed
        )
    }
}

/// An autoscaler that sets how many pods a workload has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Autoscaler {
    /// Its name.
    pub(crate) name: String,
    /// The fewest pods it lets there be.
    pub(crate) min: i64,
    /// The most.
    pub(crate) max: i64,
    /// How many there are, as it says.
    pub(crate) current: i64,
    /// How many it wants.
    pub(crate) desired: i64,
    /// Whether it acts at all: one whose workload is scaled to nothing stands still.
    pub(crate) active: bool,
    /// Why it cannot act, in its own words.
    pub(crate) problem: Option<String>,
    /// How it is told to want at least so many, or to stand still.
    pub(crate) command: String,
}

impl Autoscaler {
    /// One line for a person.
    pub(crate) fn sentence(&self) -> String {
        let state = match (&self.problem, self.active) {
            (Some(problem), _) => format!("; it cannot act: {problem}"),
            (None, false) => "; it stands still".to_owned(),
            (None, true) => String::new(),
        };
        format!(
            "autoscaler {} keeps it between {} and {}, wants {} now{state}",
            self.name, self.min, self.max, self.desired
        )
    }

    /// Whether it would change this number of pods.
    pub(crate) fn changes(&self, replicas: i64) -> bool {
        self.active && replicas != 0
    }
}

/// All that stands around one workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Around {
    /// What the namespace's quotas leave for its pods.
    pub(crate) rooms: Vec<Room>,
    /// The disruption budgets that take its pods.
    pub(crate) budgets: Vec<Budget>,
    /// The autoscalers that set its number.
    pub(crate) autoscalers: Vec<Autoscaler>,
    /// Who else manages it.
    pub(crate) controllers: Vec<Controller>,
    /// What could not be looked at, and why, in words.
    pub(crate) unseen: Vec<String>,
}

impl Around {
    /// Reads what stands around a workload out of what was listed in its namespace.
    pub(crate) fn of(workload: &Value, kind: &str, listed: &Listed) -> Self {
        let nothing = Value::Null;
        let template = workload.pointer("/spec/template").unwrap_or(&nothing);
        let labels = template.pointer("/metadata/labels").unwrap_or(&nothing);
        let own_name = text(workload, "/metadata/name").unwrap_or("");
        let takes = |one: &&Value| budget_takes(one, &listed.budgets_version, labels);
        Self {
            rooms: quota::room(&listed.quotas, template),
            budgets: listed.budgets.iter().filter(takes).map(budget).collect(),
            autoscalers: listed.autoscalers.iter().filter_map(|one| autoscaler(one, kind, own_name)).collect(),
            controllers: controllers::controllers(workload),
            unseen: listed.unseen.clone(),
        }
    }

    /// How many more pods the quotas leave room for: the least of all; `None` where nothing counts them.
    pub(crate) fn more_pods(&self) -> Option<i64> {
        self.rooms.iter().filter_map(|room| room.pods).min()
    }

    /// Why more pods than fit are refused, in words that name the quota; `None` where they fit.
    pub(crate) fn too_many(&self, more: i64) -> Option<String> {
        let room =
            self.rooms.iter().filter(|room| room.pods.is_some_and(|pods| pods < more)).min_by_key(|room| room.pods)?;
        Some(format!(
            "quota {} leaves room for {} more, and {more} are wanted: {}",
            room.quota,
            pods_in_words(room.pods.unwrap_or(0)),
            room.tightest.as_deref().unwrap_or("")
        ))
    }

    /// Who would change the workload back.
    pub(crate) fn reverting(&self) -> impl Iterator<Item = &Controller> {
        self.controllers.iter().filter(|one| one.reverts)
    }

    /// What a person should know of all this before anybody acts.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = self.autoscalers.iter().map(Autoscaler::sentence).collect();
        notes.extend(self.budgets.iter().map(Budget::sentence));
        notes.extend(self.controllers.iter().filter(|one| !one.reverts).map(Controller::sentence));
        for room in &self.rooms {
            if !room.unsaid.is_empty() {
                notes.push(format!(
                    "quota {} counts {}, and its pods do not say theirs: new ones are refused, unless a LimitRange fills it in",
                    room.quota,
                    room.unsaid.join(", ")
                ));
            }
            notes.extend(room.tightest.iter().map(|tightest| {
                let pods = pods_in_words(room.pods.unwrap_or(0));
                format!("quota {} leaves room for {pods} more: {tightest}", room.quota)
            }));
        }
        notes.extend(self.unseen.iter().cloned());
        notes
    }
}

fn pods_in_words(pods: i64) -> String {
    crate::value::counted(pods, "pod")
}

/// What was listed in a workload's namespace, each list in the version that the cluster serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed {
    /// ResourceQuotas.
    pub(crate) quotas: Vec<Value>,
    /// PodDisruptionBudgets.
    pub(crate) budgets: Vec<Value>,
    /// The version of `policy` that these are of: an empty selector means all in `v1` and nothing in `v1beta1`.
    pub(crate) budgets_version: String,
    /// HorizontalPodAutoscalers.
    pub(crate) autoscalers: Vec<Value>,
    /// What could not be listed, and why.
    pub(crate) unseen: Vec<String>,
}

/// Whether a budget takes pods of these labels, in the reading of its version.
pub(crate) fn budget_takes(budget: &Value, version: &str, labels: &Value) -> bool {
    let selector = budget.pointer("/spec/selector");
    let is_empty = selector.is_some_and(|selector| {
        let words = selector.get("matchLabels").and_then(Value::as_object);
        words.is_none_or(serde_json::Map::is_empty) && items(selector, "/matchExpressions").is_empty()
    });
    if is_empty && version == "v1beta1" { false } else { selects(selector, labels) }
}

/// A budget, as it is told.
pub(crate) fn budget(budget: &Value) -> Budget {
    Budget {
        name: name(budget),
        allowed: count(budget, "/status/disruptionsAllowed"),
        healthy: count(budget, "/status/currentHealthy"),
        desired: count(budget, "/status/desiredHealthy"),
    }
}

/// An autoscaler (`v2`, `v2beta2`, `v1`: what is read here is alike in all of them), where it sets this workload's number.
pub(crate) fn autoscaler(one: &Value, kind: &str, workload: &str) -> Option<Autoscaler> {
    let is_its = text(one, "/spec/scaleTargetRef/kind").is_some_and(|target| target.eq_ignore_ascii_case(kind))
        && text(one, "/spec/scaleTargetRef/name") == Some(workload);
    if !is_its {
        return None;
    }
    let acting = condition(one, "ScalingActive").filter(|condition| text(condition, "/status") == Some("False"));
    let disabled = acting.is_some_and(|condition| text(condition, "/reason") == Some("ScalingDisabled"));
    let problem = acting.filter(|_| !disabled).map(|condition| {
        said(text(condition, "/message").or_else(|| text(condition, "/reason")).unwrap_or("it does not say why"))
    });
    let own = text(one, "/metadata/name").unwrap_or("");
    Some(Autoscaler {
        name: said(own),
        min: one.pointer("/spec/minReplicas").and_then(Value::as_i64).unwrap_or(1),
        max: count(one, "/spec/maxReplicas"),
        current: count(one, "/status/currentReplicas"),
        desired: count(one, "/status/desiredReplicas"),
        active: !disabled,
        problem,
        command: its_command(one, own),
    })
}

fn its_command(one: &Value, own: &str) -> String {
    let namespace = text(one, "/metadata/namespace").map_or_else(String::new, |name| format!(" -n {}", word(name)));
    // KEDA writes its autoscalers anew from its own objects.
    if let Some(scaled) = label(one, "scaledobject.keda.sh/name") {
        let paused = annotation(one, "autoscaling.keda.sh/paused").is_some();
        let command =
            format!("kubectl{namespace} annotate scaledobject {} autoscaling.keda.sh/paused-replicas=N", word(scaled));
        return if paused { format!("`{command}` (it is paused already)") } else { format!("`{command}`") };
    }
    format!("`kubectl{namespace} patch hpa {} -p '{{\"spec\":{{\"minReplicas\":N}}}}'`", word(own))
}

#[cfg(test)]
#[path = "around_tests.rs"]
mod tests;
