//! What switching to the backup and putting the primary back have in common: look, arm, change, verify and confirm within one
//! attempt; say afterwards what became of it; undo it. It never leaves a change unconfirmed on purpose.

use std::time::{Duration, Instant};

use serde_json::json;

use super::applied::{Applied, Became, MARGIN, Plan, Work, work};
use super::desired::{Active, active, lines, over_backup, over_primary, told};
use super::host::{Memory, Seen, remember, see};
use super::path::{How, both_ways, rounded};
use super::route::{Route, from_fact, in_words};
use super::{LinkError, last_words, link, needed_link, place};
use crate::actions::command::Recalled;
use crate::actions::{ActionError, Call, Context};
use crate::inventory::{Link, LinkPath};
use crate::outcome::{Finding, Report};
use crate::spec::{Change, FieldSpec, Prediction};
use crate::value::{Type, Value, format_seconds};

/// Which way the traffic is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Restore,
}

impl Kind {
    fn wanted(self) -> Active {
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

    fn desired(self, link: &Link, seen: &Seen, memory: &Memory) -> Result<Vec<Route>, LinkError> {
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

struct Settings {
    revert_after: u64,
    within: u64,
    ignore_hold_down: bool,
}

fn settings(arguments: &Value) -> Result<Settings, LinkError> {
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
fn refusals(kind: Kind, name: &str, link: &Link, seen: &Seen, memory: &Memory, settings: &Settings) -> Vec<String> {
    let mut all = Vec::new();
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

fn hold_to_before(link: &Link, seen: &Seen, before: &Value) -> Result<(), LinkError> {
    if before.get("machine").and_then(Value::as_str).is_some_and(|was| seen.machine.as_deref() != Some(was)) {
        return Err(LinkError::Refused(format!("{} is another machine than when this step was planned", place(link))));
    }
    match before.get("routes").and_then(from_fact) {
        Some(routes) if routes != seen.routes => Err(LinkError::Refused(format!(
            "the routes to {} on {} were {} when this step was planned, and are {}: nothing is changed",
            link.destination,
            place(link),
            told(&routes),
            told(&seen.routes)
        ))),
        _ => Ok(()),
    }
}

/// Acts, once.
pub(super) async fn act(kind: Kind, context: &Context, call: &Call) -> Result<Report, LinkError> {
    let settings = settings(&call.arguments)?;
    let (name, link) = needed_link(&context.inventory, &call.arguments)?;
    let (seen, memory) = tokio::join!(see(context, link), remember(context, name, link));
    let (seen, memory) = (seen?, memory?);
    hold_to_before(link, &seen, &call.before)?;
    let wanted = kind.wanted().word();
    if seen.active == kind.wanted() {
        let message = format!("{} goes over the {wanted} already", link.destination);
        return Ok(Report::done(message, outputs_of(kind, &seen, None)));
    }
    if let Some(why) = refusals(kind, name, link, &seen, &memory, &settings).into_iter().next() {
        return Err(LinkError::Refused(why));
    }
    let desired = kind.desired(link, &seen, &memory)?;
    let plan = Plan {
        forward: lines(&link.destination, &seen.routes, &desired),
        back: lines(&link.destination, &desired, &seen.routes),
        revert_after: settings.revert_after,
        within: settings.within,
    };
    let work = work(context, name, link, call);
    // What the host does by itself is over by then, and whoever was cut off is let in again.
    let until = Instant::now() + (Duration::from_secs(settings.revert_after) + MARGIN).min(call.timeout);
    let applied = match work.apply(&plan, &seen, left(until)).await {
        Ok(applied) => applied,
        Err(LinkError::Lost(why)) => return Ok(settle_or_unknown(&work, &why, until).await),
        Err(error) => return Err(error),
    };
    if !applied.answered {
        let back = if applied.put_back { "the routes are as they were" } else { "AND THE ROUTES ARE NOT AS THEY WERE" };
        return Ok(Report::failed(format!("{}; {back}", applied.why)));
    }
    let original = if seen.active == Active::Primary { in_words(&seen.routes).join("\n") } else { String::new() };
    let decided = confirm(&work, &original, until).await;
    let outputs = outputs_of(kind, &seen, Some(&applied));
    match decided {
        Ok(word) if word == "confirmed" => Ok(Report::done(success(kind, link, &desired, &applied), outputs)),
        Ok(_) => Ok(settle_or_unknown(&work, "nobody could confirm it in time", until).await),
        Err(error) => Ok(settle_or_unknown(&work, &error.to_string(), until).await),
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn success(kind: Kind, link: &Link, desired: &[Route], applied: &Applied) -> String {
    let route = desired.first().map(Route::words).unwrap_or_default();
    let recovery = applied.recovery.map_or_else(
        || "when the first answer came was not seen".to_owned(),
        |seconds| format!("the first answer came {seconds:.2} s after the change"),
    );
    format!(
        "{} of {} goes over the {} ({route}): {recovery}, {} of {} pings were lost; confirmed",
        link.destination,
        place(link),
        kind.wanted().word(),
        applied.lost,
        applied.sent
    )
}

fn outputs_of(kind: Kind, seen: &Seen, applied: Option<&Applied>) -> Value {
    json!({
        "active": kind.wanted().word(),
        "previous": seen.active.word(),
        "recovery_seconds": applied.and_then(|applied| applied.recovery).map_or(Value::Null, rounded),
        "packets_sent": applied.map(|applied| applied.sent),
        "packets_lost": applied.map(|applied| applied.lost),
    })
}

/// Confirms over connections of its own until it is heard: that the runner still reaches the host is what is confirmed.
async fn confirm(work: &Work<'_>, original: &str, until: Instant) -> Result<String, LinkError> {
    let mut round = 0;
    loop {
        round += 1;
        match work.confirm(round, original).await {
            Err(LinkError::Unreachable(_) | LinkError::Lost(_)) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            other => return other,
        }
    }
}

/// A change that was begun and of which nothing was heard: its host is asked until it has decided.
async fn settle_or_unknown(work: &Work<'_>, why: &str, until: Instant) -> Report {
    match decided(work, until).await {
        Ok(became) => match (became.decided.as_deref(), became.put_back) {
            (Some("reverted"), Some(true)) => Report::failed(format!(
                "{why}: {} put its routes back by itself, and they are as they were",
                place(work.link)
            )),
            _ => Report::unknown(format!("{why}; it is looked into what became of it")),
        },
        Err(error) => Report::unknown(format!("{why}; {error}")),
    }
}

/// Waits until an attempt is decided, or until nothing will decide it any more.
async fn decided(work: &Work<'_>, until: Instant) -> Result<Became, LinkError> {
    loop {
        let became = match work.became().await {
            Ok(became) => became,
            Err(LinkError::Unreachable(_) | LinkError::Lost(_)) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let settled = match (became.decided.as_deref(), became.left) {
            (Some("reverted" | "failed"), _) => became.put_back.is_some(),
            (Some(_), _) => true,
            (None, Some(_)) => !became.alive,
            (None, None) => true,
        };
        if settled || Instant::now() >= until {
            return Ok(became);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// What became of an attempt whose outcome is missing. A revert that is armed is waited for.
pub(super) async fn look_into(kind: Kind, context: &Context, call: &Call) -> Finding {
    let cannot = |evidence: String| Finding::CannotTell { evidence };
    let (name, link) = match needed_link(&context.inventory, &call.arguments) {
        Ok(found) => found,
        Err(error) => return cannot(error.to_string()),
    };
    let work = work(context, name, link, call);
    let whole = reverts_after(&call.arguments).unwrap_or(0.0);
    let until = Instant::now() + Duration::from_secs_f64(whole) + MARGIN;
    // Also makes sure that what was never started never is.
    let applied = match work.recall(MARGIN).await {
        Recalled::NeverStarted(evidence) => return Finding::DidNot { evidence },
        Recalled::Ended(ended) => match work.applied(&ended) {
            Err(LinkError::Refused(evidence)) => return Finding::DidNot { evidence },
            other => other.ok(),
        },
        Recalled::StillRunning(_) | Recalled::Lost(_) => None,
    };
    let (became, seen) = match decided(&work, until).await {
        Ok(became) => (became, see(context, link).await),
        Err(error) => return cannot(error.to_string()),
    };
    match seen {
        Ok(seen) => judge(kind, call, link, &became, &seen, applied.as_ref()),
        Err(error) => cannot(error.to_string()),
    }
}

fn judge(kind: Kind, call: &Call, link: &Link, became: &Became, seen: &Seen, applied: Option<&Applied>) -> Finding {
    let host = place(link);
    let as_before = call.before.get("routes").and_then(from_fact).is_some_and(|routes| routes == seen.routes);
    let now = format!("the routes to {} are: {}", link.destination, told(&seen.routes));
    match (became.decided.as_deref(), as_before) {
        (Some("confirmed"), _) if seen.active == kind.wanted() => {
            let previous = call.before.get("active").cloned().unwrap_or(Value::Null);
            let mut outputs = outputs_of(kind, seen, applied);
            outputs["previous"] = previous;
            Finding::TookEffect { evidence: format!("it was confirmed; {now}"), outputs }
        }
        (Some("reverted"), true) => {
            Finding::DidNot { evidence: format!("nobody confirmed it, so {host} put its routes back by itself; {now}") }
        }
        (Some("failed"), true) => Finding::DidNot {
            evidence: format!("nothing answered over the new routes, so {host} put the old ones back; {now}"),
        },
        (None, true) if became.rebooted => Finding::DidNot {
            evidence: format!("{host} was started again meanwhile, and has its routes as before; {now}"),
        },
        (None, true) if became.left.is_none() || !became.alive => {
            Finding::DidNot { evidence: format!("nothing of it is to be seen; {now}") }
        }
        (decided, _) => {
            let decided = decided.unwrap_or("undecided, and nothing on the host will decide it any more");
            Finding::CannotTell { evidence: format!("it is {decided}; {now}") }
        }
    }
}

/// Puts back the routes that were there before the step.
pub(super) async fn undo(context: &Context, call: &Call) -> Result<Report, LinkError> {
    let (name, link) = needed_link(&context.inventory, &call.arguments)?;
    let host = place(link);
    let before = call.before.get("routes").and_then(from_fact).ok_or_else(|| {
        LinkError::Failed(format!(
            "what routes to {} there were before is not recorded: look at `ip route show` on {host}, and set them by hand",
            link.destination
        ))
    })?;
    let (seen, memory) = tokio::join!(see(context, link), remember(context, name, link));
    let (seen, memory) = (seen?, memory?);
    if seen.routes == before && memory.armed.is_none() {
        return Ok(Report::done(format!("the routes on {host} are as they were: {}", told(&before)), Value::Null));
    }
    let work = work(context, name, link, call);
    let ended = work.undo(&lines(&link.destination, &seen.routes, &before)).await?;
    let after = see(context, link).await?;
    if after.routes == before {
        return Ok(Report::done(format!("the routes on {host} are as they were: {}", told(&before)), Value::Null));
    }
    Err(LinkError::Failed(format!(
        "the routes to {} on {host} should be {} and are {} ({}): set them by hand with `ip route`",
        link.destination,
        told(&before),
        told(&after.routes),
        last_words(&ended)
    )))
}
