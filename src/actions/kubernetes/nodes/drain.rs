//! `k8s.drain`: a node is cordoned, and its pods leave it through the Eviction API. It never deletes a pod, so that no
//! disruption budget is passed by, and never ends one whose end nobody declared.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::cordon::mark;
use super::evict::{Allowed, Budgets, Eviction, Pod, Pods, Said};
use super::node::{At, Turn, facts, inputs, is_known};
use crate::actions::by_hand::value;
use crate::actions::kubernetes::client::place::Mode;
use crate::actions::kubernetes::kubectl::lines;
use crate::actions::kubernetes::{KubernetesError, needed};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, counted};

/// `k8s.drain`.
#[derive(Debug, Clone, Copy)]
pub struct Drain;

/// How long between two looks at what is left.
const LOOK: Duration = Duration::from_millis(500);
/// How much of its time is kept for saying what is left.
const RESERVE: Duration = Duration::from_secs(1);
/// The most pods that are named.
const TOLD: usize = 20;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "k8s.drain",
    summary: "Cordons a node, and lets its pods leave it as their disruption budgets allow.",
    details: "Every pod of the node, of all namespaces, is evicted, and it is waited until each is gone. An eviction that a \
        PodDisruptionBudget holds up is asked again until the step runs out of time; then it has failed, names the budget with \
        its numbers, and the node stays cordoned until the step is undone. Pods are evicted, never deleted.\n\nAs with `kubectl \
        drain`, what does not simply come up elsewhere has to be declared: pods of a DaemonSet (`ignore_daemonsets` leaves \
        them there), pods without a controller (`bare_pods`: nobody makes them anew), pods with data in an `emptyDir` \
        (`empty_dir_data`: it is gone with them). Where one is found that is not declared, nothing is begun. Static pods stay, \
        as their kubelet runs them.\n\nPods that left do not come back: the undo lets the node take new ones.",
    inputs: [
        inputs(),
        vec![
            FieldSpec::optional("ignore_daemonsets", Type::Boolean, "leave pods of a DaemonSet on the node")
                .or(json!(false)),
            FieldSpec::optional("bare_pods", Type::Boolean, "end pods that have no controller, for good")
                .or(json!(false)),
            FieldSpec::optional("empty_dir_data", Type::Boolean, "end pods with an emptyDir; its data is lost")
                .or(json!(false)),
            FieldSpec::optional("grace", Type::Duration, "how long each pod has to end; its own time where absent"),
        ],
    ]
    .concat(),
    outputs: vec![
        FieldSpec::required("cordoned", Type::Boolean, "whether this step cordoned it"),
        FieldSpec::required("evicted", Type::Integer, "how many pods were evicted").volatile(),
        FieldSpec::required("left", Type::List(Box::new(Type::String)), "pods that stay on it").volatile(),
    ],
    facts: [
        facts(),
        vec![
            FieldSpec::required("pods", Type::Integer, "pods that have to leave").volatile(),
            FieldSpec::required("held", Type::Integer, "of them, those that a disruption budget holds now").volatile(),
        ],
    ]
    .concat(),
    effect: Effect::Idempotent,
    fidelity: Fidelity::Proved,
    proves: "The API takes the cordon and each eviction in its own dry-run, disruption budgets included; where several pods \
        share one, they go one after the other. How long pods take to end, and whether there is room for them elsewhere, is not \
        known before.",
    undo: UndoSpec::Restores {
        how: "It uncordons the node if this step cordoned it and nobody else cordoned it since; pods that left stay away.",
        from_observation: true,
    },
    resource: Some("node/{cluster}/{node}"),
    settle_seconds: 0.0,
    timeout_seconds: 300.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Drain {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let (node, allowed) = (value(arguments, "node"), allowed(arguments));
        let grace = allowed.grace_seconds.map(|seconds| format!("--grace-period={seconds}"));
        let mut drain = vec!["drain", node.as_str()];
        drain.extend(allowed.ignore_daemonsets.then_some("--ignore-daemonsets"));
        drain.extend(allowed.bare_pods.then_some("--force"));
        drain.extend(allowed.empty_dir_data.then_some("--delete-emptydir-data"));
        drain.extend(grace.as_deref());
        let field = format!("--field-selector=spec.nodeName={node}");
        let look = ["get", "pods", "--all-namespaces", field.as_str()];
        let good = "good: what is left is of DaemonSets or static. What hangs: kubectl get poddisruptionbudgets -A. Back: kubectl \
            uncordon";
        lines(inventory, arguments, &[&drain, &look], good)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if !is_known(arguments) {
            return Ok(Prediction::unknown("which node is not known yet"));
        }
        Ok(foresee(context, arguments).await?)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        drain(context, call).await.unwrap_or_else(Report::from)
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let at = At::open(context, &call.arguments).await?;
            let pods = Pods::on(&at.cluster, &at.place.name, &allowed(&call.arguments)).await?;
            Ok::<_, KubernetesError>((at.look().await?, pods))
        };
        match look.await {
            Ok((node, _)) if !node.is_cordoned() => Finding::DidNot { evidence: "it is not cordoned".to_owned() },
            Ok((_, pods)) if !pods.leave.is_empty() || !pods.undecided.is_empty() => {
                let left = pods.leave.len() + pods.undecided.len();
                // Not "it did not": what was there before the first attempt is what the undo goes by, and that cordoned it.
                Finding::CannotTell { evidence: format!("it is cordoned, and {} have not left", counted(left, "pod")) }
            }
            Ok((_, pods)) => {
                let cordoned = call.before.get("unschedulable") != Some(&Value::Bool(true));
                let evicted = call.before.get("pods").cloned().unwrap_or(Value::Null);
                let outputs = json!({ "cordoned": cordoned, "evicted": evicted, "left": bounded(&pods.stay) });
                Finding::TookEffect {
                    evidence: "it is cordoned, and nothing is left that has to leave".to_owned(),
                    outputs,
                }
            }
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let lift = async { At::open(context, &call.arguments).await?.lift(&call.before).await };
        match lift.await {
            Ok(said) => Report::done(format!("{said}; pods that left stay where they are"), Value::Null),
            Err(KubernetesError::Lost(text)) => Report::unknown(text),
            Err(error) => Report::failed(format!("{error}; the node may still be cordoned")),
        }
    }
}

fn allowed(arguments: &Value) -> Allowed {
    let flag = |name: &str| arguments.get(name).and_then(Value::as_bool).unwrap_or(false);
    let grace = arguments.get("grace").and_then(Value::as_f64);
    Allowed {
        ignore_daemonsets: flag("ignore_daemonsets"),
        bare_pods: flag("bare_pods"),
        empty_dir_data: flag("empty_dir_data"),
        // Zero would be no eviction but a kill: the kubelet is not even asked.
        grace_seconds: grace.map(|seconds| (seconds.ceil() as i64).max(1)),
    }
}

fn bounded(names: &[String]) -> Vec<&str> {
    names.iter().take(TOLD).map(String::as_str).collect()
}

fn undecided(pods: &Pods) -> String {
    let more = pods.undecided.len().saturating_sub(TOLD);
    let mut text = bounded(&pods.undecided).join("; ");
    if more > 0 {
        let _ = write!(text, "; and {more} more");
    }
    text
}

async fn foresee(context: &Context, arguments: &Value) -> Result<Prediction, KubernetesError> {
    let (at, allowed) = (At::open(context, arguments).await?, allowed(arguments));
    let node = at.look().await?;
    let pods = Pods::on(&at.cluster, &at.place.name, &allowed).await?;
    let mut prediction = Prediction::probed(at.facts(&node));
    prediction.notes = node.notes();
    let mut proved = at.rehearse(&Turn::Cordon("plan"), &mut prediction).await?;
    let held = rehearse(&at, &pods, &allowed, &mut prediction, &mut proved).await?;
    prediction.facts["pods"] = pods.leave.len().into();
    prediction.facts["held"] = held.into();
    let what = format!("node {}", needed(arguments, "node")?);
    if node.is_cordoned() {
        prediction.notes.push("it is cordoned already: the undo leaves it so".to_owned());
    } else {
        let (before, after) = (Some("takes new pods".to_owned()), Some("cordoned".to_owned()));
        prediction.changes.push(Change { what, before, after });
    }
    for pod in pods.leave.iter().take(TOLD) {
        let (before, after) = (Some("on it".to_owned()), Some("evicted".to_owned()));
        prediction.changes.push(Change { what: format!("pod {}", pod.word()), before, after });
    }
    if pods.leave.len() > TOLD {
        prediction.notes.push(format!("{} leave it in all", counted(pods.leave.len(), "pod")));
    }
    if !pods.undecided.is_empty() {
        prediction.refusals.push(undecided(&pods));
    }
    if proved {
        prediction.fidelity = Fidelity::Proved;
    }
    prediction.outputs = json!({ "cordoned": !node.is_cordoned() });
    Ok(prediction)
}

/// Asks the API about each eviction. How many are held now; what can never go is a refusal.
async fn rehearse(
    at: &At,
    pods: &Pods,
    allowed: &Allowed,
    prediction: &mut Prediction,
    proved: &mut bool,
) -> Result<i64, KubernetesError> {
    let budgets = Budgets::of(&at.cluster, &pods.leave).await;
    if let Some(why) = &budgets.unread {
        prediction.notes.push(format!("disruption budgets could not be read: {why}"));
    }
    prediction.notes.extend(budgets.narrow(&pods.leave));
    let eviction = Eviction::of(&at.cluster).await?;
    let mut held = 0;
    for pod in pods.leave.iter().filter(|pod| !pod.is_ending) {
        match eviction.ask(&at.cluster, pod, allowed.grace_seconds, Mode::DryRun).await {
            Ok(Said::Yes | Said::Gone) => {}
            Ok(Said::NotNow(said)) => {
                held += 1;
                match budgets.never(pod) {
                    Some(why) => prediction.refusals.push(why),
                    None => prediction.notes.push(format!("{} has to wait: {}", pod.word(), budgets.why(pod, &said))),
                }
            }
            // No right to evict is the same for each: one sentence says it.
            Err(KubernetesError::Refused { text, .. }) => {
                prediction.refusals.push(text);
                *proved = false;
                break;
            }
            // Two budgets for one pod are a fault of the cluster's that no eviction gets past.
            Err(KubernetesError::Unreachable(text)) if budgets.holding(pod).len() > 1 => {
                prediction.refusals.push(format!("{} falls under two budgets: {text}", pod.word()));
            }
            Err(error) => return Err(error),
        }
    }
    *proved &= held == 0;
    for list in [&mut prediction.refusals, &mut prediction.notes] {
        list.truncate(TOLD);
    }
    Ok(held)
}

/// What is known of a drain under way.
#[derive(Default)]
struct Way {
    evicted: Vec<String>,
    held: Vec<(Pod, String)>,
    trouble: Option<String>,
}

async fn drain(context: &Context, call: &Call) -> Result<Report, KubernetesError> {
    let deadline = Instant::now() + call.timeout.saturating_sub(RESERVE);
    let (at, allowed) = (At::open(context, &call.arguments).await?, allowed(&call.arguments));
    let pods = Pods::on(&at.cluster, &at.place.name, &allowed).await?;
    if !pods.undecided.is_empty() {
        return Err(KubernetesError::Invalid(format!("nothing was begun: {}", undecided(&pods))));
    }
    let eviction = Eviction::of(&at.cluster).await?;
    let mark = mark(call)?;
    at.turn(&call.before, &Turn::Cordon(mark)).await?;
    let mut way = Way::default();
    match empty(context, &at, &eviction, &allowed, deadline, &mut way).await {
        Ok(Ok(pods)) => {
            let cordoned = call.before.get("unschedulable") != Some(&Value::Bool(true));
            let outputs = json!({ "cordoned": cordoned, "evicted": way.evicted.len(), "left": bounded(&pods.stay) });
            let said = format!("it is cordoned, {} left it", counted(way.evicted.len(), "pod"));
            let stay = if pods.stay.is_empty() { String::new() } else { format!("; {} stay", pods.stay.len()) };
            Ok(Report::done(format!("{said}{stay}"), outputs))
        }
        Ok(Err(left)) => Ok(Report::failed(in_vain(&at, call, &way, &left).await)),
        Err(error) => Ok(error.after_a_change()),
    }
}

/// Lets the pods leave until none is left, or time is up: then it is what is left.
async fn empty(
    context: &Context,
    at: &At,
    eviction: &Eviction,
    allowed: &Allowed,
    deadline: Instant,
    way: &mut Way,
) -> Result<Result<Pods, Pods>, KubernetesError> {
    loop {
        way.held.clear();
        match Pods::on(&at.cluster, &at.place.name, allowed).await {
            Ok(pods) => {
                way.trouble = None;
                round(context, at, eviction, allowed, &pods, way).await?;
                let is_empty = pods.leave.is_empty() && pods.undecided.is_empty();
                match (is_empty, Instant::now() >= deadline) {
                    (true, _) => return Ok(Ok(pods)),
                    (false, true) => return Ok(Err(pods)),
                    (false, false) => {}
                }
            }
            // The API may be away for a moment: it is what is being repaired, perhaps.
            Err(KubernetesError::Unreachable(why)) if Instant::now() < deadline => way.trouble = Some(why),
            Err(error) => return Err(error),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn round(
    context: &Context,
    at: &At,
    eviction: &Eviction,
    allowed: &Allowed,
    pods: &Pods,
    way: &mut Way,
) -> Result<(), KubernetesError> {
    for pod in pods.leave.iter().filter(|pod| !pod.is_ending) {
        match eviction.ask(&at.cluster, pod, allowed.grace_seconds, Mode::Real).await {
            Ok(Said::Yes) => {
                (context.output)(false, format!("{} leaves\n", pod.word()).as_bytes());
                way.evicted.push(pod.word());
            }
            Ok(Said::Gone) => {}
            Ok(Said::NotNow(said)) => way.held.push((pod.clone(), said)),
            // The next look says whether it leaves; to ask again does no harm, as its uid goes along.
            Err(KubernetesError::Unreachable(why) | KubernetesError::Lost(why)) => {
                way.trouble = Some(why);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is left, why, and what that means now.
async fn in_vain(at: &At, call: &Call, way: &Way, left: &Pods) -> String {
    let budgets = Budgets::of(&at.cluster, &left.leave).await;
    // By what holds them: one budget may hold many.
    let mut by_cause: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in left.leave.iter().take(TOLD) {
        let held = way.held.iter().find(|(held, _)| held.uid == pod.uid);
        let cause = match held {
            Some((_, said)) => format!("held by {}", budgets.why(pod, said)),
            None => "asked to end and not gone yet".to_owned(),
        };
        by_cause.entry(cause).or_default().push(pod.word());
    }
    let mut names: Vec<String> =
        by_cause.iter().map(|(cause, pods)| format!("{} ({cause})", pods.join(", "))).collect();
    names.extend(left.undecided.iter().take(TOLD).cloned());
    let all = left.leave.len() + left.undecided.len();
    let trouble = way.trouble.as_ref().map_or(String::new(), |why| format!(". Last trouble: {why}"));
    format!(
        "after {:.0} s {} of {} are left: {}{trouble}. {} left it; it stays cordoned until this step is undone",
        call.timeout.as_secs_f64(),
        counted(all, "pod"),
        at.place.word(),
        names.join("; "),
        counted(way.evicted.len(), "pod"),
    )
}
