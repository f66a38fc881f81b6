//! `release.status`: which release each host of an application runs, which there are on all of them, and what would stand
//! against a switch.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::application;
use super::target::{Seen, Target};
use super::{ReleaseError, text};
use crate::actions::{Action, ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// `release.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "release.status",
    summary: "Looks which release each host of an application runs, and which there are.",
    details: "All hosts are asked at the same time. `releases` are those that are whole on every host, the newest first, by the time \
        of their `complete` file, or of their folder where none is declared; the newest hundred of a host are looked at. `previous` is the newest of them that is older than \
        the one that runs: nobody guesses where the hosts run several, or a link leads to none.\n\nWith `to` it says what would stand \
        against a switch to that release (`previous` where absent): `problem` is null where nothing does. A host that does \
        not answer is such a problem, unless its service is in `leave_out`: that one keeps what it runs.",
    inputs: vec![
        application(),
        FieldSpec::optional("to", Type::Identifier, "the release that is to be switched to"),
        FieldSpec::optional(
            "leave_out",
            Type::List(Box::new(Type::Reference("service".into()))),
            "services that are left as they are",
        ),
    ],
    outputs: vec![
        FieldSpec::optional("current", Type::Identifier, "the release that all of them run; null where they differ"),
        FieldSpec::optional("previous", Type::Identifier, "the one before it"),
        FieldSpec::optional("to", Type::Identifier, "the release that is to run: `to`, else `previous`"),
        FieldSpec::required(
            "releases",
            Type::List(Box::new(Type::String)),
            "those that all of them have, the newest first",
        ),
        FieldSpec::required(
            "running",
            Type::Any,
            "the release that each service runs, by service; null where it runs none",
        ),
        FieldSpec::required("services", Type::List(Box::new(Type::String)), "the services that are looked at"),
        FieldSpec::required("to_switch", Type::List(Box::new(Type::String)), "those of them that do not run `to`"),
        FieldSpec::required("away", Type::List(Box::new(Type::String)), "those whose hosts do not answer"),
        FieldSpec::optional("front", Type::String, "where clients reach the application"),
        FieldSpec::optional("problem", Type::String, "what stands against a switch to `to`"),
    ],
    facts: Vec::new(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "What it is at the time of the plan.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// What was seen of one service.
type One = (Target, Result<Seen, ReleaseError>);

async fn look(context: &Context, arguments: &Value) -> Result<Vec<One>, ReleaseError> {
    let name = text(arguments, "application").unwrap_or_default();
    let found = context.inventory.application(name).map_err(|error| ReleaseError::Invalid(error.to_string()))?;
    let left: Vec<&str> = arguments
        .get("leave_out")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if let Some(other) = left.iter().find(|name| !found.services.iter().any(|one| one == *name)) {
        return Err(ReleaseError::Invalid(format!(
            "{other} is none of the services of {name}: {}",
            found.services.join(", ")
        )));
    }
    let asked = found.services.iter().filter(|name| !left.contains(&name.as_str()));
    let targets =
        asked.map(|service| Target::find(&context.inventory, name, service)).collect::<Result<Vec<_>, _>>()?;
    if targets.is_empty() {
        return Err(ReleaseError::Invalid(format!("nothing is left of {name}: all of its services are left out")));
    }
    let mut looks = tokio::task::JoinSet::new();
    for (place, target) in targets.iter().cloned().enumerate() {
        let context = context.clone();
        looks.spawn(async move { (place, target.look(&context).await) });
    }
    let mut seen: BTreeMap<usize, Result<Seen, ReleaseError>> = looks.join_all().await.into_iter().collect();
    let missing = || Err(ReleaseError::Unreachable("nobody looked".to_owned()));
    let one = |(place, target)| (target, seen.remove(&place).unwrap_or_else(missing));
    Ok(targets.into_iter().enumerate().map(one).collect())
}

/// The releases that are whole wherever something was seen, the newest first as the first of them has it.
fn common(all: &[One]) -> Vec<String> {
    let mut seen = all.iter().filter_map(|(_, seen)| seen.as_ref().ok());
    let Some(first) = seen.next() else { return Vec::new() };
    let others: Vec<&Seen> = seen.collect();
    let everywhere = |name: &str| others.iter().all(|seen| seen.whole().any(|release| release.name == name));
    first.whole().map(|release| release.name.clone()).filter(|name| everywhere(name)).collect()
}

/// The release that all run, and the newest that is older.
fn current_and_previous(all: &[One], common: &[String]) -> (Option<String>, Option<String>) {
    let mut running = all.iter().filter_map(|(_, seen)| seen.as_ref().ok()).map(|seen| seen.current.clone());
    let Some(Some(current)) = running.next() else { return (None, None) };
    if running.any(|other| other.as_ref() != Some(&current)) {
        return (None, None);
    }
    let first = all.iter().find_map(|(_, seen)| seen.as_ref().ok());
    let since =
        |name: &str| first.and_then(|seen| seen.releases.iter().find(|one| one.name == name)).map(|one| one.since);
    let own = since(&current);
    let previous = common.iter().find(|name| **name != current && own.is_some() && since(name) < own).cloned();
    (Some(current), previous)
}

fn told(context: &Context, arguments: &Value, all: &[One]) -> Value {
    let common = common(all);
    let (current, previous) = current_and_previous(all, &common);
    let to = text(arguments, "to").map(str::to_owned).or_else(|| previous.clone());
    let services: Vec<&str> = all.iter().map(|(target, _)| target.service.as_str()).collect();
    let runs = |seen: &Result<Seen, ReleaseError>| seen.as_ref().ok().and_then(|seen| seen.current.clone());
    let running: serde_json::Map<String, Value> =
        all.iter().map(|(target, seen)| (target.service.clone(), json!(runs(seen)))).collect();
    let to_switch: Vec<&str> = all
        .iter()
        .filter(|(_, seen)| seen.as_ref().is_ok_and(|seen| seen.current != to))
        .map(|(target, _)| target.service.as_str())
        .collect();
    let away: Vec<&str> =
        all.iter().filter(|(_, seen)| seen.is_err()).map(|(target, _)| target.service.as_str()).collect();
    let name = text(arguments, "application").unwrap_or_default();
    let front = context.inventory.applications.get(name).and_then(|found| found.front.clone());
    let problem = problem(all, to.as_deref(), &common, to_switch.is_empty());
    json!({
        "current": current, "previous": previous, "to": to, "releases": common, "running": running, "services": services,
        "to_switch": to_switch, "away": away, "front": front, "problem": problem,
    })
}

/// The first thing that stands against a switch of all of them, with what to do about it.
fn problem(all: &[One], to: Option<&str>, common: &[String], nothing_to_do: bool) -> Option<String> {
    for (target, seen) in all {
        if let Err(why) = seen {
            return Some(format!(
                "{} cannot be looked at: {why}. To leave it as it is, and switch the others: -i leave_out={}",
                target.place(),
                target.service
            ));
        }
    }
    let Some(to) = to else {
        let there =
            if common.is_empty() { "there is none that all of them have".to_owned() } else { common.join(", ") };
        return Some(format!(
            "nobody can tell which release came before: they run different ones, or none, or the oldest. Name it: -i to=RELEASE; {there}"
        ));
    };
    for (target, seen) in all {
        let Ok(seen) = seen else { continue };
        let other = seen.current.as_deref() != Some(to);
        let found = target.problems(seen).into_iter().next();
        if let Some(problem) = found.or_else(|| target.objection(seen, to)).filter(|_| other) {
            return Some(problem);
        }
    }
    nothing_to_do.then(|| format!("all of them run {to} already: there is nothing to switch"))
}

fn sentence(outputs: &Value) -> String {
    let mut by_release: Vec<(String, Vec<&str>)> = Vec::new();
    for (service, release) in outputs["running"].as_object().into_iter().flatten() {
        let release = release.as_str().unwrap_or("no release that is known").to_owned();
        match by_release.iter_mut().find(|(other, _)| *other == release) {
            Some((_, services)) => services.push(service),
            None => by_release.push((release, vec![service])),
        }
    }
    let running: Vec<String> =
        by_release.iter().map(|(release, services)| format!("{} run {release}", services.join(", "))).collect();
    let to = outputs["to"].as_str().map(|to| format!("; {to} is to run")).unwrap_or_default();
    let against = outputs["problem"].as_str().map(|why| format!("; against it stands: {why}")).unwrap_or_default();
    format!("{}{to}{against}", running.join("; "))
}

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let name = by_hand::value(arguments, "application");
        let Ok(found) = inventory.application(&name) else { return by_hand::from_spec(&SPEC, arguments) };
        let targets = found.services.iter().filter_map(|service| Target::find(inventory, &name, service).ok());
        targets
            .map(|target| {
                let (link, folder) = (by_hand::word(&target.link), by_hand::word(&target.releases));
                by_hand::on_host(inventory, target.host.as_deref(), &format!("readlink {link}; ls -lt {folder}"))
            })
            .collect()
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if arguments.get("application").is_none_or(is_unknown) {
            return Ok(Prediction::unknown("which application is not known yet"));
        }
        let all = look(context, arguments).await?;
        let mut prediction = Prediction::probed(json!({}));
        prediction.outputs = told(context, arguments, &all);
        prediction.notes.push(sentence(&prediction.outputs));
        for (target, seen) in &all {
            prediction.notes.extend(seen.iter().flat_map(|seen| seen.notes(target)));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match look(context, &call.arguments).await {
            Ok(all) => {
                let outputs = told(context, &call.arguments, &all);
                Report::done(sentence(&outputs), outputs)
            }
            Err(ReleaseError::Invalid(why) | ReleaseError::Unreachable(why)) => Report::failed(why),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}
