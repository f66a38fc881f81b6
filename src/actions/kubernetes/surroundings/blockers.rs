//! What holds pods up: an image that cannot be had, a container that ends again and again, no room, a quota, an admission
//! webhook, a pause. Pure: it reads a workload, its pods and their events, in the words of whoever says no.

use std::collections::BTreeMap;

use crate::actions::kubernetes::objects::{condition, count, is_set, items, name, said, text};
use crate::value::{Value, counted};

/// Why pods do not come up; the order is that in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The registry does not give the image.
    Image,
    /// A container ends, and ends again.
    CrashLoop,
    /// A container cannot be made: a config map, a secret or a volume is not there.
    Configuration,
    /// A quota is used up.
    Quota,
    /// An admission webhook says no.
    Webhook,
    /// The API refuses the pods for another reason.
    Refused,
    /// No node takes them.
    Unschedulable,
    /// The workload is paused.
    Paused,
    /// A node ended them.
    Ended,
    /// They run and are not ready.
    NotReady,
    /// The controller has given up waiting.
    Deadline,
}

impl Why {
    /// Whether waiting alone seldom helps: somebody has to do something.
    pub(crate) fn needs_somebody(self) -> bool {
        !matches!(self, Why::NotReady | Why::Ended | Why::Unschedulable)
    }
}

/// One thing that holds pods up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocker {
    /// What kind of thing.
    pub(crate) why: Why,
    /// In one sentence, with the image, the exit code, the quota: what it is.
    pub(crate) what: String,
    /// How many pods; 0 where it is the workload as a whole.
    pub(crate) pods: usize,
    /// One of these pods, for whoever looks at it.
    pub(crate) first: Option<String>,
}

impl Blocker {
    /// One line for a person.
    pub(crate) fn sentence(&self) -> String {
        match &self.first {
            Some(first) if self.pods > 1 => {
                format!("{} ({}, such as {first})", self.what, counted(self.pods, "pod"))
            }
            Some(first) => format!("{} (pod {first})", self.what),
            None => self.what.clone(),
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// The workload.
    pub(crate) workload: &'a Value,
    /// Its pods, of the revision that is to come up.
    pub(crate) pods: &'a [Value],
    /// The namespace's events.
    pub(crate) events: &'a [Value],
    /// Events before this time (as the API writes it) are of an earlier time, and do not count.
    pub(crate) since: Option<&'a str>,
}

/// All that holds them up, what needs somebody first.
pub(crate) fn blockers(sight: &Sight) -> Vec<Blocker> {
    let mut found: BTreeMap<(Why, String), Blocker> = BTreeMap::new();
    let mut add = |why: Why, what: String, pod: Option<&Value>| {
        let one =
            found.entry((why, what.clone())).or_insert_with(|| Blocker { why, what, pods: 0, first: pod.map(name) });
        one.pods += usize::from(pod.is_some());
    };
    for (why, what) in of_workload(sight) {
        add(why, what, None);
    }
    for pod in sight.pods {
        if let Some((why, what)) = of_pod(pod, sight) {
            add(why, what, Some(pod));
        }
    }
    let mut list: Vec<Blocker> = found.into_values().collect();
    list.sort_by_key(|one| (!one.why.needs_somebody(), one.why, usize::MAX - one.pods));
    list
}

/// Them all in one line, the first few of them.
pub(crate) fn in_words(blockers: &[Blocker]) -> String {
    let mut words = blockers.iter().take(3).map(Blocker::sentence).collect::<Vec<_>>().join("; ");
    if blockers.len() > 3 {
        words.push_str(&format!("; and {} more", blockers.len() - 3));
    }
    words
}

fn of_workload(sight: &Sight) -> Vec<(Why, String)> {
    let mut found = Vec::new();
    if is_set(sight.workload, "/spec/paused") {
        found.push((
            Why::Paused,
            "its rollout is paused, by somebody: `kubectl rollout resume` lets it go on".to_owned(),
        ));
    }
    let refused = condition(sight.workload, "ReplicaFailure").filter(|one| text(one, "/status") == Some("True"));
    let refused = refused.and_then(|one| text(one, "/message")).or_else(|| refusal_event(sight));
    found.extend(refused.map(refusal));
    let progress = condition(sight.workload, "Progressing").filter(|one| text(one, "/status") == Some("False"));
    if progress.and_then(|one| text(one, "/reason")) == Some("ProgressDeadlineExceeded") {
        let seconds = count(sight.workload, "/spec/progressDeadlineSeconds");
        found.push((Why::Deadline, format!("it made no progress for {seconds} s (its progressDeadlineSeconds)")));
    }
    found
}

/// The newest event in which the workload's own controller, or its replica set's, could not make a pod.
fn refusal_event<'a>(sight: &Sight<'a>) -> Option<&'a str> {
    let own = text(sight.workload, "/metadata/name")?;
    // A pod that came since shows that it was only for a while.
    let youngest = sight.pods.iter().filter_map(|pod| text(pod, "/metadata/creationTimestamp")).max();
    let is_its = |event: &&Value| {
        let object = text(event, "/involvedObject/name").unwrap_or("");
        let is_pod = text(event, "/involvedObject/kind") == Some("Pod");
        text(event, "/reason") == Some("FailedCreate")
            && !is_pod
            && (object == own || object.strip_prefix(own).is_some_and(|rest| rest.starts_with('-')))
    };
    let newest = fresh(sight).filter(is_its).max_by_key(|event| time(event))?;
    let over = youngest.is_some_and(|pod| pod > time(newest));
    text(newest, "/message").filter(|_| !over)
}

/// Who refuses pods, by the words in which the API says so.
pub(crate) fn refusal(message: &str) -> (Why, String) {
    let words = said(message);
    if message.contains("exceeded quota") || message.contains("failed quota") {
        (Why::Quota, format!("a quota refuses its pods: {words}"))
    } else if message.contains("admission webhook") || message.contains("failed calling webhook") {
        (Why::Webhook, format!("an admission webhook refuses its pods: {words}"))
    } else {
        (Why::Refused, format!("the API refuses its pods: {words}"))
    }
}

fn time(event: &Value) -> &str {
    ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .find_map(|at| text(event, at))
        .unwrap_or("")
}

fn fresh<'a>(sight: &Sight<'a>) -> impl Iterator<Item = &'a Value> {
    let since = sight.since.and_then(|since| since.get(..19));
    sight.events.iter().filter(move |event| since.is_none_or(|since| time(event).get(..19).unwrap_or("") >= since))
}

/// The newest event of a pod with one of these reasons.
fn event<'a>(sight: &Sight<'a>, pod: &Value, reasons: &[&str], starts: &str) -> Option<&'a str> {
    let own = text(pod, "/metadata/name");
    let is_its = |event: &&Value| {
        text(event, "/involvedObject/name") == own
            && text(event, "/reason").is_some_and(|reason| reasons.contains(&reason))
            && text(event, "/message").is_some_and(|message| message.starts_with(starts))
    };
    sight.events.iter().filter(is_its).max_by_key(|event| time(event)).and_then(|event| text(event, "/message"))
}

/// What holds one pod up; nothing where it is ready, or on its way out.
fn of_pod(pod: &Value, sight: &Sight) -> Option<(Why, String)> {
    let ready = condition(pod, "Ready").is_some_and(|one| text(one, "/status") == Some("True"));
    if ready || text(pod, "/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let statuses = || items(pod, "/status/initContainerStatuses").iter().chain(items(pod, "/status/containerStatuses"));
    if let Some(found) = statuses().find_map(|status| of_container(status, pod, sight)) {
        return Some(found);
    }
    let scheduled = condition(pod, "PodScheduled").filter(|one| text(one, "/status") == Some("False"));
    if let Some(one) = scheduled {
        let words = said(text(one, "/message").unwrap_or("it does not say why"));
        return Some((Why::Unschedulable, format!("no node takes it: {words}")));
    }
    if text(pod, "/status/phase") == Some("Failed") {
        let words = ["/status/reason", "/status/message"].iter().filter_map(|at| text(pod, at)).collect::<Vec<_>>();
        return Some((Why::Ended, format!("it was ended: {}", said(&words.join(", ")))));
    }
    let mount = ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"];
    let started = statuses().any(|status| status.pointer("/state/running").is_some());
    if let Some(words) = event(sight, pod, &mount, "").filter(|_| !started) {
        return Some((Why::Configuration, format!("it cannot be started: {}", said(words))));
    }
    let probe = event(sight, pod, &["Unhealthy"], "");
    let words = match probe {
        Some(probe) if started => format!("it runs and is not ready: {}", said(probe)),
        _ if started => "it runs and is not ready yet".to_owned(),
        _ => "it has not started yet".to_owned(),
    };
    Some((Why::NotReady, words))
}

fn of_container(status: &Value, pod: &Value, sight: &Sight) -> Option<(Why, String)> {
    let own = said(text(status, "/name").unwrap_or(""));
    let reason = text(status, "/state/waiting/reason").unwrap_or("");
    let message = text(status, "/state/waiting/message").unwrap_or("");
    match reason {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "ImageInspectError" => {
            // "Back-off pulling image" says nothing of why; the registry's own words stand in an event.
            let told = event(sight, pod, &["Failed"], "Failed to pull image").filter(|_| reason == "ImagePullBackOff");
            let words = said(told.unwrap_or(message));
            let image = image(status, pod);
            return Some((Why::Image, format!("{reason}: container {own} does not get the image {image}: {words}")));
        }
        "CrashLoopBackOff" => return Some((Why::CrashLoop, crashed(status, &own))),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            return Some((Why::Configuration, format!("{reason}: container {own}: {}", said(message))));
        }
        _ => {}
    }
    // Between two starts it has no word for it yet.
    let ended = status.pointer("/state/terminated").is_some_and(|ended| count(ended, "/exitCode") != 0);
    (ended && count(status, "/restartCount") > 0).then(|| (Why::CrashLoop, crashed(status, &own)))
}

fn crashed(status: &Value, own: &str) -> String {
    let nothing = Value::Null;
    let last =
        ["/lastState/terminated", "/state/terminated"].iter().find_map(|at| status.pointer(at)).unwrap_or(&nothing);
    let how = match (last.get("exitCode").and_then(Value::as_i64), text(last, "/reason")) {
        (Some(code), Some(reason)) if reason != "Error" => format!("exit code {code}, {}", said(reason)),
        (Some(code), _) => format!("exit code {code}"),
        (None, _) => "it is not told how".to_owned(),
    };
    let words = text(last, "/message").map(|message| format!(": {}", said(message))).unwrap_or_default();
    format!("CrashLoopBackOff: container {own} ends again and again ({how}){words}")
}

/// The image that its template asks for; the runtime's own word for it may be another one.
fn image(status: &Value, pod: &Value) -> String {
    let own = text(status, "/name");
    let mut containers = items(pod, "/spec/initContainers").iter().chain(items(pod, "/spec/containers"));
    let asked = containers.find(|container| text(container, "/name") == own).and_then(|one| text(one, "/image"));
    said(asked.or_else(|| text(status, "/image")).unwrap_or("?"))
}

#[cfg(test)]
#[path = "blockers_tests.rs"]
mod tests;
