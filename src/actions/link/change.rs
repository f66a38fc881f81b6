//! What switching to the backup and putting the primary back have in common: arm, change, verify and confirm within one
//! attempt; say afterwards what became of it; undo it. It never leaves a change unconfirmed on purpose.

use std::time::{Duration, Instant};

use serde_json::json;

use super::applied::{Applied, Became, MARGIN, Plan, Work, work};
use super::desired::{Active, active, lines, told};
use super::foresee::{Kind, refusals, reverts_after, settings};
use super::host::{Seen, remember, see};
use super::path::rounded;
use super::route::{Route, from_fact, in_words};
use super::{LinkError, last_words, needed_link, place};
use crate::actions::command::Recalled;
use crate::actions::{Call, Context};
use crate::inventory::Link;
use crate::outcome::{Finding, Report};
use crate::value::Value;

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
        device: desired.first().map(|route| route.device.clone()).unwrap_or_default(),
    };
    let work = work(context, name, link, call);
    // What the host does by itself is over by then, and whoever was cut off is let in again.
    let until = Instant::now() + (Duration::from_secs(settings.revert_after) + MARGIN).min(call.timeout);
    let applied = match work.apply(&plan, &seen, left(until)).await {
        Ok(applied) => applied,
        Err(LinkError::Lost(why)) => return Ok(settle_or_unknown(&work, &seen.printed, &why, until).await),
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
        Ok(_) => Ok(settle_or_unknown(&work, &seen.printed, "nobody could confirm it in time", until).await),
        Err(error) => Ok(settle_or_unknown(&work, &seen.printed, &error.to_string(), until).await),
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

/// The routes as they are printed now, if the host tells.
async fn printed(work: &Work<'_>) -> Option<String> {
    see(work.context, work.link).await.ok().map(|seen| seen.printed)
}

/// A change that was begun and of which nothing was heard: its host is asked until it has decided.
async fn settle_or_unknown(work: &Work<'_>, before: &str, why: &str, until: Instant) -> Report {
    match decided(work, until).await {
        Ok(became) => match (became.decided.as_deref(), became.put_back) {
            // What the host wrote down then is not believed without a look now.
            (Some("reverted"), Some(true)) if printed(work).await.is_some_and(|now| now == before) => Report::failed(
                format!("{why}: {} put its routes back by itself, and they are as they were", place(work.link)),
            ),
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
    let applied = match work.recall(MARGIN, call.age).await {
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

/// Puts back the routes that were there before the step, and leaves those that somebody else has put there since.
pub(super) async fn undo(kind: Kind, context: &Context, call: &Call) -> Result<Report, LinkError> {
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
    let foreign = kind.foreign(link, &before, &seen.routes);
    let mut wanted = before.clone();
    wanted.extend(foreign.iter().cloned());
    wanted.sort_by_key(|route| route.metric);
    let is_back = |routes: &[Route]| routes.len() == wanted.len() && wanted.iter().all(|route| routes.contains(route));
    let mut last = String::new();
    let mut now = seen.routes;
    if !is_back(&now) || memory.armed.is_some() {
        let work = work(context, name, link, call);
        last = format!(" ({})", last_words(&work.undo(&lines(&link.destination, &now, &wanted)).await?));
        now = see(context, link).await?.routes;
    }
    if !is_back(&now) {
        return Err(LinkError::Failed(format!(
            "the routes to {} on {host} should be {} and are {}{last}: set them by hand with `ip route`",
            link.destination,
            told(&wanted),
            told(&now),
        )));
    }
    if foreign.is_empty() {
        return Ok(Report::done(format!("the routes on {host} are as they were: {}", told(&before)), Value::Null));
    }
    let left = told(&foreign);
    if active(link, &wanted) != active(link, &before) {
        return Err(LinkError::Failed(format!(
            "somebody else has put {left} on {host} since, which carries the traffic now; it is left there, and the others are as \
             they were. Where it is not wanted: `ip route del` it"
        )));
    }
    let message = format!("the routes on {host} are as they were, with {left} that somebody else has put there since");
    Ok(Report::done(message, Value::Null))
}
