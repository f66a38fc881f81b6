//! What switching to the backup and putting the primary back say of themselves, and their read-only look: what is there, what
//! would change, and what stands in the way. It changes nothing.

use serde_json::json;

use super::desired::{Active, active, over_backup, over_primary, told};
use super::host::{Memory, Seen, remember, see};
use super::path::{How, both_ways};
use super::route::{Route, in_words};
use super::{LinkError, link, place};
use crate::actions::{ActionError, Context};
use crate::inventory::{Link, LinkPath};
use crate::spec::{Change, FieldSpec, Prediction};
use crate::value::{Type, Value, format_seconds};

/// Which way the traffic is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Restore,
}

impl Kind {
    pub(super) fn wanted(self) -> Active {
        match self {
            Kind::Switch => Active::Backup,
            Kind::Restore => Active::Primary,
        }
    }

    /// The way that is switched to, and the one that is left.
    fn ways(self, link: &Link) -> (&LinkPath, &LinkPath) {
        match self {
            Kind::Switch => (&link.backup, &link.primary),
            Kind::Restore => (&link.primary, &link.backup),
        }
    }

    /// The routes of now that are neither from before the step nor its own. What a restore puts is what its host remembered,
    /// which nobody knows afterwards: there nothing counts as somebody else's.
    pub(super) fn foreign(self, link: &Link, before: &[Route], now: &[Route]) -> Vec<Route> {
        let put = match self {
            Kind::Switch => over_backup(link, before),
            Kind::Restore => Ok(now.to_vec()),
        };
        let own = put.unwrap_or_else(|_| now.to_vec());
        let key = |route: &Route| (route.gateway, route.device.clone(), route.metric);
        let known: Vec<_> = own.iter().chain(before).map(key).collect();
        now.iter().filter(|route| !known.contains(&key(route))).cloned().collect()
    }

    pub(super) fn desired(self, link: &Link, seen: &Seen, memory: &Memory) -> Result<Vec<Route>, LinkError> {
        match (self, &memory.original) {
            (Kind::Switch, _) => over_backup(link, &seen.routes),
            // As it was, where the host remembers it, and where that is a state in which the primary carries the traffic.
            (Kind::Restore, Some(routes)) if active(link, routes) == Active::Primary => {
                over_primary(link, &seen.routes).map(|_| routes.clone())
            }
            (Kind::Restore, _) => over_primary(link, &seen.routes),
        }
    }
}

/// The inputs of both actions.
pub(super) fn inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("link", Type::Reference("link".into()), "the pair's name in the inventory"),
        FieldSpec::optional(
            "revert_after",
            Type::Duration,
            "after what time the host puts its routes back by itself unless the runner has confirmed; 0s: never",
        )
        .or(json!(60.0)),
        FieldSpec::optional("within", Type::Duration, "within what time an address in the destination has to answer")
            .or(json!(10.0)),
        FieldSpec::optional(
            "ignore_hold_down",
            Type::Boolean,
            "whether to switch although the last switch was just now",
        )
        .or(json!(false)),
    ]
}

/// The outputs of both actions.
pub(super) fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("active", Type::String, "what carries the traffic now"),
        FieldSpec::required("previous", Type::String, "what carried it before"),
        FieldSpec::optional("recovery_seconds", Type::Number, "from the change of routes to the first answer")
            .volatile(),
        FieldSpec::optional("packets_sent", Type::Integer, "pings from just before the change until the answer")
            .volatile(),
        FieldSpec::optional("packets_lost", Type::Integer, "how many of them were lost").volatile(),
    ]
}

/// The facts of both actions.
pub(super) fn facts() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("active", Type::String, "what carries the traffic: primary, backup, other, none"),
        FieldSpec::required("routes", Type::List(Box::new(Type::String)), "the routes, the preferred one first"),
        FieldSpec::optional("machine", Type::String, "the host's machine id").identity(),
        FieldSpec::required("target_alive", Type::Boolean, "whether the way that is switched to answers"),
        FieldSpec::optional("target_problem", Type::String, "what is wrong with it").volatile(),
        FieldSpec::required(
            "management_over_it",
            Type::Boolean,
            "whether the runner's own way there is the one it leaves",
        ),
    ]
}

/// The arguments of both actions, held to their bounds.
pub(super) struct Settings {
    pub(super) revert_after: u64,
    pub(super) within: u64,
    ignore_hold_down: bool,
}

pub(super) fn settings(arguments: &Value) -> Result<Settings, LinkError> {
    let seconds = |name: &str, otherwise: f64| arguments.get(name).and_then(Value::as_f64).unwrap_or(otherwise).ceil();
    let (revert_after, within) = (seconds("revert_after", 60.0), seconds("within", 10.0));
    if !(1.0..=300.0).contains(&within) || !(0.0..=3600.0).contains(&revert_after) {
        return Err(LinkError::Invalid(
            "`within` has to be from 1s to 5m, and `revert_after` from 0s to 1h".to_owned(),
        ));
    }
    if revert_after > 0.0 && revert_after < within + 2.0 {
        return Err(LinkError::Invalid(format!(
            "the host would put its routes back after {revert_after} s, before an answer had its {within} s: let `revert_after` be \
             longer than `within` by 2s at least"
        )));
    }
    let ignore_hold_down = arguments.get("ignore_hold_down").and_then(Value::as_bool).unwrap_or(false);
    Ok(Settings { revert_after: revert_after as u64, within: within as u64, ignore_hold_down })
}

/// After what time the host takes the change back by itself, as far as the arguments say.
pub(super) fn reverts_after(arguments: &Value) -> Option<f64> {
    settings(arguments).ok().map(|settings| settings.revert_after as f64).filter(|seconds| *seconds > 0.0)
}

/// Everything but the pings that stands in the way.
pub(super) fn refusals(
    kind: Kind,
    name: &str,
    link: &Link,
    seen: &Seen,
    memory: &Memory,
    settings: &Settings,
) -> Vec<String> {
    let mut all: Vec<String> = seen.stray.clone().into_iter().collect();
    if let Some((whose, left, true)) = &memory.armed
        && *left > 0
    {
        all.push(format!(
            "a revert is armed on {} (by {whose}, for another {left} s): wait until it is over, or resume that run",
            place(link)
        ));
    }
    if let Some((ago, whose)) = &memory.last
        && !settings.ignore_hold_down
        && (*ago as f64) < link.hold_down_seconds
    {
        all.push(format!(
            "{name} was switched {} ago (by {whose}), and its hold-down is {}: whoever switches to and fro makes it worse. If you \
             mean it, give `ignore_hold_down` (-i ignore_hold_down=true)",
            format_seconds(*ago as f64),
            format_seconds(link.hold_down_seconds)
        ));
    }
    let (_, leaving) = kind.ways(link);
    if settings.revert_after == 0 && seen.management.as_ref() == Some(&leaving.device) {
        all.push(format!(
            "the runner's own connection to {} comes in over {}, which it is about to leave: it could cut itself off for good. Let \
             the host put its routes back by itself (`revert_after: 60s`), or come in by another way",
            place(link),
            leaving.device
        ));
    }
    all
}

/// The read-only look of both actions.
pub(super) async fn foresee(kind: Kind, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
    let Some((name, link)) = link(&context.inventory, arguments)? else {
        return Ok(Prediction::unknown("which link is not known yet"));
    };
    let settings = settings(arguments)?;
    let (to, leaving) = kind.ways(link);
    let far = link.far.as_ref().map(|far| (far, if kind == Kind::Switch { &far.backup } else { &far.primary }));
    let how = How { packets: 3, sizes: false };
    let (seen, memory, target) =
        tokio::join!(see(context, link), remember(context, name, link), both_ways(context, link, to, far, how, None));
    let (seen, memory) = (seen?, memory?);
    let over_it = seen.management.as_ref() == Some(&leaving.device);
    let mut prediction = Prediction::probed(json!({
        "active": seen.active.word(), "routes": in_words(&seen.routes), "machine": seen.machine,
        "target_alive": target.alive, "target_problem": target.problem, "management_over_it": over_it,
    }));
    let wanted = kind.wanted();
    prediction.outputs = json!({ "active": wanted.word(), "previous": seen.active.word() });
    if seen.active == wanted {
        return Ok(prediction);
    }
    prediction.refusals = refusals(kind, name, link, &seen, &memory, &settings);
    if !target.alive {
        let why = target.problem.clone().unwrap_or_else(|| "nothing answers".to_owned());
        prediction.refusals.push(format!("the {} does not lead there: {why}", wanted.word()));
    }
    match kind.desired(link, &seen, &memory) {
        Ok(desired) => prediction.changes.push(Change {
            what: format!("routes to {} on {}", link.destination, place(link)),
            before: Some(told(&seen.routes)),
            after: Some(told(&desired)),
        }),
        Err(error) => prediction.refusals.push(error.to_string()),
    }
    if over_it {
        prediction.notes.push(format!(
            "the runner's own connection comes in over {}: if it is cut off, the host puts its routes back after {}",
            leaving.device,
            format_seconds(settings.revert_after as f64)
        ));
    }
    if seen.routes.iter().any(|route| route.protocol.as_deref() == Some("dhcp")) {
        prediction
            .notes
            .push("a route there comes from DHCP: its client may put it back at the next renewal".to_owned());
    }
    Ok(prediction)
}
