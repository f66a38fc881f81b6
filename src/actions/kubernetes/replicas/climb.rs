//! Scaling as it is done: stage by stage, each change conditional on what was read right before, each stage held to its health,
//! and the way back. It never tells a workload more than the next stage, and never overwrites somebody else's number.

use std::time::{Duration, Instant};

use serde_json::json;

use super::stages::{Whose, Wish, whose};
use crate::actions::by_hand::word;
use crate::actions::kubernetes::client::place::{Mode, Patch};
use crate::actions::kubernetes::look::workload::{Workload, existing, is_observed, ready, replicas, set_by, uid};
use crate::actions::kubernetes::surroundings::blockers::{Blocker, Why, in_words};
use crate::actions::kubernetes::{KubernetesError, MANAGER};
use crate::actions::{Call, Context, OutputSink};
use crate::outcome::Report;
use crate::value::{Value, counted};

/// How soon it is looked at again.
const AGAIN: Duration = Duration::from_millis(250);
/// How often what holds it up is looked for, which takes more requests.
const EXPLAIN: Duration = Duration::from_secs(2);
/// How long something that needs somebody has to stand before its pods are given up: images are asked for again, too.
const HOPELESS: Duration = Duration::from_secs(6);
/// How often a change is begun anew because the object changed meanwhile: its controller writes to it all the time.
const TRIES: usize = 40;

/// One workload on its way.
pub(super) struct Climb {
    pub(super) workload: Workload,
    pub(super) wish: Wish,
    /// How many it had when the step first looked, whichever attempt this is.
    pub(super) from: i64,
    ready_before: i64,
    owner_before: Option<String>,
    uid: String,
    stages: Vec<i64>,
    deadline: Instant,
    stage_limit: Duration,
    stable_for: Duration,
    output: OutputSink,
}

/// Tells a workload a number, if it is still as it was read.
pub(super) async fn set(workload: &Workload, now: &Value, to: i64, mode: Mode) -> Result<(), KubernetesError> {
    let version = now.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
    let patch = Patch::Merge(json!({ "metadata": { "resourceVersion": version }, "spec": { "replicas": to } }));
    let scale = workload.place.below("scale");
    if workload.place.resource.group != "apps" {
        return workload.cluster.patch(&scale, &patch, mode).await.map(drop);
    }
    // On the object itself the cluster keeps who wrote the number, which old ones do not for its scale. Many accounts may change
    // the scale alone.
    match workload.cluster.patch(&workload.place, &patch, mode).await {
        Err(KubernetesError::Refused { code: 403, text, .. }) if !text.contains("admission") => {
            workload.cluster.patch(&scale, &patch, mode).await.map(drop)
        }
        other => other.map(drop),
    }
}

impl Climb {
    /// Enters the cluster; what was there before is taken from the intent, so that every attempt stands on the same stages.
    pub(super) async fn begin(context: &Context, call: &Call) -> Result<Self, KubernetesError> {
        let Some(wish) = Wish::read(&call.arguments)? else {
            return Err(KubernetesError::Invalid("how many is not known yet".to_owned()));
        };
        let before = |name: &str| call.before.get(name);
        let Some(from) = before("replicas").and_then(Value::as_i64) else {
            return Err(KubernetesError::Invalid(
                "nobody recorded how many replicas it had, so it is not touched".to_owned(),
            ));
        };
        let seconds =
            |name: &str, or: f64| call.arguments.get(name).and_then(Value::as_f64).unwrap_or(or).clamp(0.0, 1e7);
        let deadline = Instant::now() + call.timeout;
        Ok(Self {
            workload: Workload::open(context, &call.arguments, "workload").await?,
            stages: wish.stages(from),
            wish,
            from,
            ready_before: before("ready").and_then(Value::as_i64).unwrap_or(from),
            owner_before: before("set_by").and_then(Value::as_str).map(str::to_owned),
            uid: before("uid").and_then(Value::as_str).unwrap_or_default().to_owned(),
            deadline,
            stage_limit: Duration::from_secs_f64(seconds("batch_timeout", 120.0)),
            stable_for: Duration::from_secs_f64(seconds("stable_for", 5.0)),
            output: context.output.clone(),
        })
    }

    /// Goes the whole way, from wherever it stands.
    pub(super) async fn go(&self) -> Report {
        let found = match self.read().await {
            Ok(found) => found,
            Err(error) => return Report::from(error),
        };
        if self.whose(&found) == Whose::Theirs {
            return Report::no_effect(self.theirs(&found));
        }
        let at = replicas(&found);
        let place = self.workload.place.with_namespace();
        let (mut failures, mut stands) = (0, at);
        // A runner that was killed may have told it a stage, and not have seen it healthy.
        if at != self.from {
            match self.gate(at).await {
                Ok(left) => failures = left,
                Err(report) => return report,
            }
        }
        let up = self.wish.target >= self.from;
        for stage in self.stages.iter().copied().filter(|stage| if up { *stage > at } else { *stage < at }) {
            if let Err(error) = self.tell(stands, stage).await {
                return if stands == self.from { Report::from(error) } else { error.after_a_change() };
            }
            stands = stage;
            match self.gate(stage).await {
                Ok(left) => failures = left,
                Err(report) => return report,
            }
        }
        match self.read().await {
            Ok(found) => {
                let but = if failures > 0 { format!(", {} not", counted(failures, "replica")) } else { String::new() };
                let text =
                    format!("{place} has {}, {} ready{but}", counted(self.wish.target, "replica"), ready(&found));
                Report::done(text, self.outputs(&found, self.wish.target != self.from))
            }
            Err(error) => error.after_a_change(),
        }
    }

    /// Tells it the next number, if nobody else told it one since.
    async fn tell(&self, stands: i64, stage: i64) -> Result<(), KubernetesError> {
        let mut last = KubernetesError::Conflict("it changes all the time".to_owned());
        for _ in 0..TRIES {
            let now = self.read().await?;
            if replicas(&now) != stands || self.whose(&now) == Whose::Theirs {
                return Err(KubernetesError::Conflict(self.theirs(&now)));
            }
            match set(&self.workload, &now, stage, Mode::Real).await {
                Err(error @ KubernetesError::Conflict(_)) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    /// Waits until a stage is healthy; how many of its replicas are not, where that many may be.
    async fn gate(&self, stage: i64) -> Result<i64, Report> {
        let limit = self.deadline.min(Instant::now() + self.stage_limit);
        let (mut watch, mut told) = (Watch::default(), String::new());
        loop {
            let found = self.read().await.map_err(KubernetesError::after_a_change)?;
            if replicas(&found) != stage {
                return Err(Report::failed(self.theirs(&found)));
            }
            // What was unready before is nobody's failure here.
            let whole = stage - (self.from - self.ready_before).clamp(0, stage);
            let (up, seen) = (ready(&found), is_observed(&found));
            let fewer = existing(&found) <= stage;
            let line = self.line(stage, up);
            if line != told {
                (self.output)(false, line.as_bytes());
                told = line;
            }
            let late = Instant::now() >= limit;
            let enough = whole - if late { self.wish.max_failures } else { 0 };
            let healthy = seen && up >= enough && (self.wish.target >= self.from || fewer);
            if watch.has_been(healthy, self.stable_for) {
                return Ok((whole - up).max(0));
            }
            if late && !(healthy && Instant::now() < (limit + self.stable_for).min(self.deadline)) {
                let blockers = self.workload.blockers(&found, None).await;
                return Err(self.stuck(stage, up, whole, &blockers, "in time"));
            }
            if !healthy && watch.may_explain() {
                let blockers = self.workload.blockers(&found, None).await;
                if watch.is_hopeless(
                    &blockers,
                    (whole - up).max(0),
                    self.wish.max_failures + self.from - self.ready_before,
                ) {
                    return Err(self.stuck(stage, up, whole, &blockers, "by waiting"));
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn line(&self, stage: i64, up: i64) -> String {
        let number = self.stages.iter().position(|one| *one == stage).map_or(0, |index| index + 1);
        let word = self.workload.place.word();
        let of =
            if self.stages.len() > 1 { format!("stage {number} of {}: ", self.stages.len()) } else { String::new() };
        let end = if stage == self.wish.target { String::new() } else { format!(", {} in the end", self.wish.target) };
        format!("{word}: {of}{up} of {stage} replicas ready{end}\n")
    }

    fn stuck(&self, stage: i64, up: i64, whole: i64, blockers: &[Blocker], how: &str) -> Report {
        let place = self.workload.place.with_namespace();
        let why = match blockers {
            [] => "the cluster does not say why".to_owned(),
            some => in_words(some),
        };
        let missing = (whole - up).max(0);
        Report::failed(format!(
            "{} of {place} did not get ready {how} ({up} of {stage} are), and {} may stay so: {why}. It is told to have {stage}; \
             it had {}",
            counted(missing, "replica"),
            self.wish.max_failures,
            self.from
        ))
    }

    /// Puts back what was there, unless somebody else changed it since.
    pub(super) async fn back(&self) -> Report {
        let place = self.workload.place.with_namespace();
        let mut told = false;
        for _ in 0..TRIES {
            let found = match self.read().await {
                Ok(found) => found,
                Err(KubernetesError::Gone(text)) => {
                    return Report::failed(format!("{text}; there is nothing to put back"));
                }
                Err(error) => return error.after_a_change(),
            };
            match self.whose(&found) {
                Whose::AsFound if !told => {
                    return Report::done(format!("{place} has {} as before", self.from), Value::Null);
                }
                Whose::AsFound => return self.wait_for_the_end().await,
                Whose::Theirs => return Report::failed(self.not_put_back(&found)),
                Whose::Ours => match set(&self.workload, &found, self.from, Mode::Real).await {
                    Ok(()) => told = true,
                    Err(KubernetesError::Conflict(_)) => {}
                    Err(error) => return error.after_a_change(),
                },
            }
        }
        Report::failed(format!("{place} changes so often that its former number could not be restored: try again"))
    }

    /// The pods that were added end by themselves; until they have it is not as before.
    async fn wait_for_the_end(&self) -> Report {
        let place = self.workload.place.with_namespace();
        loop {
            match self.read().await {
                Ok(found) if is_observed(&found) && existing(&found) <= self.from => {
                    return Report::done(format!("{place} has {} again", counted(self.from, "replica")), Value::Null);
                }
                Ok(found) if Instant::now() + AGAIN >= self.deadline => {
                    return Report::failed(format!(
                        "{place} is told to have {} again, and still has {}: they take long to end",
                        self.from,
                        counted(existing(&found), "pod")
                    ));
                }
                Ok(_) => tokio::time::sleep(AGAIN).await,
                Err(error) => return error.after_a_change(),
            }
        }
    }

    async fn read(&self) -> Result<Value, KubernetesError> {
        let found = self.workload.read().await?;
        if !self.uid.is_empty() && uid(&found) != self.uid {
            return Err(KubernetesError::Invalid(format!(
                "{} is another one now than when it was looked at (it was removed, and one of the same name came): it is not \
                 touched",
                self.workload.place.with_namespace()
            )));
        }
        Ok(found)
    }

    /// Whose number stands there.
    pub(super) fn whose(&self, found: &Value) -> Whose {
        whose(replicas(found), set_by(found).as_deref(), self.from, self.owner_before.as_deref(), &self.stages)
    }

    /// Whether it has arrived, and is as healthy as it was.
    pub(super) fn is_there(&self, found: &Value) -> bool {
        let missing = self.from - self.ready_before + self.wish.max_failures;
        replicas(found) == self.wish.target && is_observed(found) && ready(found) >= self.wish.target - missing
    }

    pub(super) fn outputs(&self, found: &Value, changed: bool) -> Value {
        json!({ "previous": self.from, "replicas": replicas(found), "ready": ready(found), "changed": changed })
    }

    fn who(found: &Value) -> String {
        match set_by(found) {
            Some(who) if who != MANAGER => format!("somebody else ({who})"),
            _ => "somebody else".to_owned(),
        }
    }

    fn theirs(&self, found: &Value) -> String {
        format!(
            "{} is told to have {} now, by {}: this step found {} and does not overwrite that",
            self.workload.place.with_namespace(),
            counted(replicas(found), "replica"),
            Self::who(found),
            self.from
        )
    }

    fn not_put_back(&self, found: &Value) -> String {
        let Workload { place, namespace, .. } = &self.workload;
        format!(
            "{} is told to have {} now, by {}, so it is left as it is: it had {} before this run. To restore that: kubectl -n {} \
             scale {} --replicas={}",
            place.with_namespace(),
            counted(replicas(found), "replica"),
            Self::who(found),
            self.from,
            word(namespace),
            word(&place.word()),
            self.from
        )
    }
}

/// What a gate has seen so far.
#[derive(Default)]
struct Watch {
    healthy_since: Option<Instant>,
    hopeless_since: Option<Instant>,
    explained: Option<Instant>,
}

impl Watch {
    /// Whether it has been healthy for so long without a break.
    fn has_been(&mut self, healthy: bool, long: Duration) -> bool {
        if !healthy {
            self.healthy_since = None;
            return false;
        }
        self.hopeless_since = None;
        self.healthy_since.get_or_insert_with(Instant::now).elapsed() >= long
    }

    fn may_explain(&mut self) -> bool {
        if self.explained.is_some_and(|last| last.elapsed() < EXPLAIN) {
            return false;
        }
        self.explained = Some(Instant::now());
        true
    }

    /// Whether more pods than may be are held up by what waiting does not mend, and have been for a while.
    fn is_hopeless(&mut self, blockers: &[Blocker], missing: i64, may_be: i64) -> bool {
        let of_all = |one: &Blocker| matches!(one.why, Why::Quota | Why::Webhook | Why::Refused) && one.pods == 0;
        let pods: usize = blockers.iter().filter(|one| one.why.needs_somebody()).map(|one| one.pods).sum();
        let given_up = if blockers.iter().any(of_all) { missing } else { i64::try_from(pods).unwrap_or(i64::MAX) };
        if given_up <= may_be.max(0) {
            self.hopeless_since = None;
            return false;
        }
        self.hopeless_since.get_or_insert_with(Instant::now).elapsed() >= HOPELESS
    }
}
