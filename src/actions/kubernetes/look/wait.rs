//! `k8s.wait`: until an object of a cluster is as it should be, or the time is up; then what holds it up is named.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::path::{Path, is};
use super::workload::{Workload, existing, is_known, is_observed, ready, replicas};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::kubectl;
use crate::actions::kubernetes::objects::{condition, said, text as at};
use crate::actions::kubernetes::surroundings::blockers::in_words;
use crate::actions::kubernetes::{KubernetesError, cluster_inputs, needed, text};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, format_seconds};

/// How soon it is looked at again.
const AGAIN: Duration = Duration::from_millis(250);
/// What is kept back of the step's time to say what holds it up.
const TO_EXPLAIN: Duration = Duration::from_millis(500);

/// `k8s.wait`.
#[derive(Debug, Clone, Copy)]
pub struct Wait;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.wait",
    summary: "Waits until an object of a Kubernetes cluster is as it should be.",
    details: "`for: ready`: a workload has all of its replicas, or as many as `replicas` says, and they are ready; a pod or a node \
        is ready. `for: condition`: its `condition` is true (`Available`), or what is written (`Progressing=False`). `for: \
        field`: what stands at `field` is `equals`, or is there at all. `for: exists` and `for: deleted`. Once it is so it has \
        to stay so for `stable_for`. When the step's time is up it has failed, and says what holds the pods up: an image, a \
        crash, a quota, no node.",
    inputs: [
        cluster_inputs(),
        vec![
            FieldSpec::required("object", Type::String, "the object, as KIND/NAME"),
            FieldSpec::optional("for", Type::Choice(WORDS.map(str::to_owned).to_vec()), "what is waited for")
                .or(json!("ready")),
            FieldSpec::optional("replicas", Type::Integer, "ready: how many replicas at least; all where absent"),
            FieldSpec::optional("condition", Type::String, "condition: its type, or TYPE=STATUS"),
            FieldSpec::optional("field", Type::String, "field: the place in it, such as status.phase"),
            FieldSpec::optional("equals", Type::String, "field: what has to stand there, as text"),
            FieldSpec::optional("stable_for", Type::Duration, "how long it has to stay so").or(json!(0.0)),
        ],
    ]
    .concat(),
    outputs: vec![
        FieldSpec::required("holds", Type::Boolean, "whether it is so"),
        FieldSpec::required("seen", Type::String, "what was seen last").volatile(),
        FieldSpec::optional("ready", Type::Integer, "a workload: how many of its replicas are ready").volatile(),
    ],
    facts: vec![],
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Whether it is so now; not whether it will be.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

const WORDS: [&str; 5] = ["ready", "condition", "field", "exists", "deleted"];

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Goal {
    Ready(Option<i64>),
    Condition { kind: String, status: String },
    Field { path: Path, place: String, equals: Option<String> },
    Exists,
    Deleted,
}

impl Goal {
    fn read(arguments: &Value) -> Result<Self, KubernetesError> {
        let word = text(arguments, "for").unwrap_or("ready");
        let belongs = [("replicas", "ready"), ("condition", "condition"), ("field", "field"), ("equals", "field")];
        for (name, to) in belongs {
            if to != word && arguments.get(name).is_some_and(|given| !given.is_null()) {
                return Err(KubernetesError::Invalid(format!(
                    "`{name}` goes with `for: {to}`, and this waits for {word}"
                )));
            }
        }
        Ok(match word {
            "condition" => {
                let given = needed(arguments, "condition")?;
                let (kind, status) = given.split_once('=').unwrap_or((given, "True"));
                Self::Condition { kind: kind.to_owned(), status: status.to_owned() }
            }
            "field" => {
                let place = needed(arguments, "field")?;
                let path = Path::read(place).map_err(KubernetesError::Invalid)?;
                Self::Field { path, place: place.to_owned(), equals: text(arguments, "equals").map(str::to_owned) }
            }
            "exists" => Self::Exists,
            "deleted" => Self::Deleted,
            _ => Self::Ready(arguments.get("replicas").and_then(Value::as_i64)),
        })
    }

    /// Whether it is so, and what is seen.
    fn look(&self, object: Option<&Value>) -> (bool, String) {
        let Some(object) = object else { return (*self == Self::Deleted, "it is not there".to_owned()) };
        match self {
            Self::Deleted => {
                let ends = at(object, "/metadata/deletionTimestamp").is_some();
                (false, if ends { "it is being removed" } else { "it is there" }.to_owned())
            }
            Self::Exists => (true, "it is there".to_owned()),
            Self::Condition { kind, status } => match condition(object, kind) {
                Some(found) => {
                    let is = at(found, "/status").unwrap_or("Unknown");
                    let why = at(found, "/message")
                        .or_else(|| at(found, "/reason"))
                        .map_or(String::new(), |why| format!(": {}", said(why)));
                    (is.eq_ignore_ascii_case(status), format!("its condition {} is {}{why}", said(kind), said(is)))
                }
                None => (false, format!("it has no condition {}", said(kind))),
            },
            Self::Field { path, place, equals } => {
                let found = path.of(object);
                let holds = match equals {
                    Some(equals) => is(&found, equals),
                    None => !found.is_null(),
                };
                (holds, format!("{place} is {}", said(&found.to_string())))
            }
            Self::Ready(wanted) => is_ready(object, *wanted),
        }
    }
}

/// Whether a workload has its replicas, or an object with a condition `Ready` has that.
fn is_ready(object: &Value, wanted: Option<i64>) -> (bool, String) {
    if object.pointer("/spec/replicas").is_none() && object.pointer("/status/numberReady").is_none() {
        return Goal::Condition { kind: "Ready".to_owned(), status: "True".to_owned() }.look(Some(object));
    }
    // A daemon set counts in other words.
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let (told, up) = match number("/status/desiredNumberScheduled") {
        Some(told) => (told, number("/status/numberReady").unwrap_or(0)),
        None => (replicas(object), ready(object)),
    };
    let all_new = number("/status/updatedReplicas").is_none_or(|new| new >= told || wanted.is_some());
    let settled = is_observed(object) && (wanted.is_some() || existing(object) <= told);
    let least = wanted.unwrap_or(told);
    (settled && all_new && up >= least, format!("{up} of {told} replicas are ready"))
}

#[async_trait]
impl Action for Wait {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let object = value(arguments, "object");
        let namespace = kubectl::namespace(inventory, arguments);
        let mut words: Vec<&str> = namespace.iter().map(String::as_str).collect();
        let wanted;
        match text(arguments, "for") {
            Some("deleted") => words.extend(["wait", "--for=delete", &object]),
            Some("condition") => {
                wanted = format!("--for=condition={}", value(arguments, "condition"));
                words.extend(["wait", &wanted, &object]);
            }
            Some("field") => {
                wanted = format!("jsonpath={{.{}}}", value(arguments, "field").trim_start_matches('.'));
                words.extend(["get", &object, "-o", &wanted]);
            }
            _ => words.extend(["get", &object, "--watch"]),
        }
        kubectl::lines(inventory, arguments, &[&words], "good: it is as you wait for")
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let goal = Goal::read(arguments)?;
        if !is_known(arguments, "object") {
            return Ok(Prediction::unknown("which object is not known yet"));
        }
        let workload = Workload::open(context, arguments, "object").await?;
        let object = workload.cluster.get(&workload.place).await?;
        let (holds, seen) = goal.look(object.as_ref());
        let mut prediction = Prediction::probed(json!({}));
        prediction.notes.push(format!("{}: {seen}", workload.place.with_namespace()));
        if holds {
            prediction.outputs = json!({ "holds": true });
        } else {
            // What comes before it may bring it about, or nobody does.
            prediction.fidelity = Fidelity::Unknown;
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let deadline = Instant::now() + call.timeout.saturating_sub(TO_EXPLAIN);
        match wait(context, call, deadline).await {
            Ok(report) => report,
            Err(error) => Report::from(error),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

async fn wait(context: &Context, call: &Call, deadline: Instant) -> Result<Report, KubernetesError> {
    let goal = Goal::read(&call.arguments)?;
    let workload = Workload::open(context, &call.arguments, "object").await?;
    let stable = call.arguments.get("stable_for").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 1e7);
    let place = workload.place.with_namespace();
    let (mut since, mut told) = (None::<Instant>, String::new());
    loop {
        // A cluster that cannot be reached for a moment is waited for as well: a recovery is when that happens.
        let (object, holds, seen) = match workload.cluster.get(&workload.place).await {
            Ok(object) => {
                let (holds, seen) = goal.look(object.as_ref());
                (object, holds, seen)
            }
            Err(KubernetesError::Unreachable(why) | KubernetesError::TooMany(why)) => (None, false, why),
            Err(error) => return Err(error),
        };
        if seen != told {
            (context.output)(false, format!("{}: {seen}\n", workload.place.word()).as_bytes());
            told.clone_from(&seen);
        }
        if !holds {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed().as_secs_f64() >= stable {
            let up = object.as_ref().filter(|object| object.pointer("/spec/replicas").is_some()).map(ready);
            let outputs = json!({ "holds": true, "seen": seen, "ready": up });
            return Ok(Report::done(format!("{place}: {seen}"), outputs));
        }
        if Instant::now() + AGAIN >= deadline {
            let limit = format_seconds(call.timeout.as_secs_f64());
            let why = match &object {
                Some(object) if matches!(goal, Goal::Ready(_)) => in_words(&workload.blockers(object, None).await),
                _ => String::new(),
            };
            let why = if why.is_empty() { why } else { format!(". What holds it up: {why}") };
            return Ok(Report::failed(format!("{place} is not as it should be after {limit}: {seen}{why}")));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(arguments: Value) -> Goal {
        Goal::read(&arguments).unwrap()
    }

    #[test]
    fn a_workload_is_ready_when_its_controller_has_seen_and_counted_all_of_it() {
        let of = |spec: i64, observed: i64, pods: i64, up: i64, new: i64| {
            json!({ "metadata": { "generation": 2 }, "spec": { "replicas": spec }, "status": { "observedGeneration": observed,
                "replicas": pods, "readyReplicas": up, "updatedReplicas": new } })
        };
        let all = goal(json!({ "for": "ready" }));
        assert!(all.look(Some(&of(3, 2, 3, 3, 3))).0);
        for not in [of(3, 1, 3, 3, 3), of(3, 2, 3, 2, 3), of(3, 2, 4, 4, 3), of(3, 2, 3, 3, 1)] {
            assert!(!all.look(Some(&not)).0, "{not}");
        }
        let some = goal(json!({ "for": "ready", "replicas": 2 }));
        assert!(some.look(Some(&of(3, 2, 3, 2, 3))).0 && !some.look(Some(&of(3, 2, 3, 1, 3))).0);
        let daemons =
            json!({ "status": { "desiredNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 3 } });
        assert_eq!(all.look(Some(&daemons)), (false, "2 of 3 replicas are ready".to_owned()));
        let node =
            json!({ "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": "KubeletDown" }] } });
        assert_eq!(all.look(Some(&node)), (false, "its condition Ready is False: KubeletDown".to_owned()));
    }

    #[test]
    fn conditions_fields_and_ends_are_waited_for() {
        let pod = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        for (arguments, holds) in [
            (json!({ "for": "condition", "condition": "Ready" }), true),
            (json!({ "for": "condition", "condition": "Ready=False" }), false),
            (json!({ "for": "condition", "condition": "Old" }), false),
            (json!({ "for": "field", "field": "status.phase", "equals": "Running" }), true),
            (json!({ "for": "field", "field": "status.phase" }), true),
            (json!({ "for": "field", "field": "status.none" }), false),
            (json!({ "for": "exists" }), true),
            (json!({ "for": "deleted" }), false),
        ] {
            assert_eq!(goal(arguments.clone()).look(Some(&pod)).0, holds, "{arguments}");
        }
        assert!(goal(json!({ "for": "deleted" })).look(None).0 && !goal(json!({ "for": "ready" })).look(None).0);
        for bad in [json!({ "for": "field" }), json!({ "for": "ready", "field": "x" }), json!({ "for": "condition" })] {
            assert!(Goal::read(&bad).is_err(), "{bad}");
        }
    }
}
