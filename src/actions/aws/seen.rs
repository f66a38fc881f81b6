//! What AWS shows, as plain data: instances, launch templates, targets. It asks for nothing.

use std::collections::BTreeMap;

use serde_json::json;

use crate::value::Value;

/// The tag that says which step of which run made an instance.
pub(super) const KEY_TAG: &str = "playbook:key";
/// The tag that says which launch template playbook made an instance from.
pub(super) const TEMPLATE_TAG: &str = "playbook:template";

/// An instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) id: String,
    /// `pending`, `running`, `stopping`, `stopped`, `shutting-down` or `terminated`.
    pub(super) state: String,
    pub(super) kind: String,
    /// Its address in its network.
    pub(super) address: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) vcpus: Option<i64>,
    /// Whether it counts against the limits of on-demand instances.
    pub(super) on_demand: bool,
    /// Why it is in its state, where AWS says so.
    pub(super) reason: Option<String>,
}

impl Instance {
    /// Whether it is gone, or on its way out: nothing brings it back.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state.as_str(), "shutting-down" | "terminated")
    }

    /// Itself and its state, for a person.
    pub(super) fn said(&self) -> String {
        let reason = self.reason.as_ref().filter(|_| self.is_gone() || self.state == "stopped");
        let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
        format!("{} is {}{reason}", self.id, self.state)
    }

    /// The group of a scaling group that owns it, if one does: its group replaces what is stopped or ended.
    pub(super) fn group(&self) -> Option<&str> {
        self.tags.get("aws:autoscaling:groupName").map(String::as_str)
    }
}

/// One version of a launch template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) version: i64,
    pub(super) kind: Option<String>,
    pub(super) image: Option<String>,
    pub(super) spot: bool,
}

/// What is launched.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) template: Template,
    pub(super) count: i32,
    pub(super) subnet: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    /// What AWS removes doubles by, and what the instances are known by afterwards.
    pub(super) key: String,
}

/// What instances are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
    Reboot,
    Terminate,
}

impl Verb {
    /// The word for a person.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Reboot => "reboot",
            Self::Terminate => "terminate",
        }
    }

    /// The request's name.
    pub(super) fn request(self) -> &'static str {
        match self {
            Self::Start => "StartInstances",
            Self::Stop => "StopInstances",
            Self::Reboot => "RebootInstances",
            Self::Terminate => "TerminateInstances",
        }
    }
}

/// Whether a change is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// AWS says whether it would do it.
    DryRun,
    /// It is done.
    Real,
}

/// One target of a target group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) port: Option<i32>,
    /// `initial`, `healthy`, `unhealthy`, `unused`, `draining` or `unavailable`.
    pub(super) state: String,
    pub(super) why: Option<String>,
}

/// A target group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TargetGroup {
    pub(super) arn: String,
    pub(super) name: String,
    /// `instance`, `ip`, …
    pub(super) kind: String,
    pub(super) port: Option<i32>,
    /// Whether a load balancer sends anything to it.
    pub(super) in_use: bool,
}

/// The ids of some instances.
pub(super) fn ids(list: &[Instance]) -> Vec<String> {
    list.iter().map(|one| one.id.clone()).collect()
}

/// Each instance and its state, in one line.
pub(super) fn said(list: &[Instance]) -> String {
    list.iter().map(Instance::said).collect::<Vec<_>>().join(", ")
}

/// A map from each instance to a word of it.
pub(super) fn map_of(list: &[Instance], word: impl Fn(&Instance) -> Option<&str>) -> Value {
    Value::Object(list.iter().map(|one| (one.id.clone(), json!(word(one)))).collect())
}
