//! `release.switch`: the link to the release that runs leads to another one, at one stroke; its undo lets it lead back.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::target::{Seen, Target, last_words};
use super::{application, text};
use crate::actions::command::{CommandError, Recalled, change, recall};
use crate::actions::{Action, ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// With this code our script says that it certainly changed nothing.
const NOTHING: i32 = 90;

const SWITCH: &str = concat!(include_str!("../file/parts.sh"), include_str!("switch.sh"));

/// `release.switch`.
#[derive(Debug, Clone, Copy)]
pub struct Switch;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "release.switch",
    summary: "Lets the link to the release that runs lead to another one.",
    details: "On the host of one of the application's services. A new link is made in a private folder beside the old one and \
        renamed over it, and the folder is made durable: whoever follows the link finds the old release or the new one, and never \
        nothing. It is relative where it was.\n\nIt is refused where the inventory's `current` is a folder, a file or not there; \
        where the release is not in the folder of releases, is empty, is itself a link, has no `complete` file, or is the one that \
        the link leads to already; and while the `busy` file of a deployment is there. A link that leads nowhere can be switched: \
        that is mended by it.\n\nA link that somebody else switched since it was looked at is not switched, and by the undo it is left \
        as it is. (Between the last look and the rename are a few milliseconds in which nobody can see that.) What serves a release goes on with \
        what it read before: restart it afterwards, and put service.way_back before, so that an undo restarts it too.",
    inputs: vec![
        application(),
        FieldSpec::required("service", Type::Reference("service".into()), "which of its services: on whose host"),
        FieldSpec::required("release", Type::Identifier, "the release's name: that of its folder"),
    ],
    outputs: vec![
        FieldSpec::required("release", Type::Identifier, "the release that the link leads to now"),
        FieldSpec::optional("previous", Type::Identifier, "the one before; null where the link led to none"),
        FieldSpec::required("link", Type::String, "the link"),
    ],
    facts: vec![
        FieldSpec::optional("current", Type::Identifier, "the release that the link leads to"),
        FieldSpec::optional("leads", Type::String, "what the link says, as it stands"),
        FieldSpec::optional("writes", Type::String, "what it is to say"),
        FieldSpec::required("kind", Type::String, "what stands at the link's place: link, folder, file, absent, odd"),
        FieldSpec::optional("machine", Type::String, "the machine id of the system that it is on").identity(),
    ],
    effect: Effect::Probed,
    fidelity: Fidelity::Probed,
    proves: "The link, both releases, and whether the folder can be written to; not that the other release starts.",
    undo: UndoSpec::Restores {
        how: "It lets the link say again what it said before, if it still says what we wrote; else it says so and changes nothing.",
        from_observation: true,
    },
    resource: Some("application/{application}/{service}"),
    settle_seconds: 0.0,
    timeout_seconds: 30.0,
    open_inputs: false,
});

#[async_trait]
impl Action for Switch {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let release = by_hand::value(arguments, "release");
        let Ok(target) = Target::of(inventory, arguments) else { return by_hand::from_spec(&SPEC, arguments) };
        let link = by_hand::word(&target.link);
        let new = by_hand::word(&format!("{}.new", target.link));
        let to = by_hand::word(&format!("{}/{release}", target.releases));
        let on_host = |line: &str| by_hand::on_host(inventory, target.host.as_deref(), line);
        vec![on_host(&format!("ls -ld {link} {to}/")), on_host(&format!("ln -s {to} {new} && mv -T {new} {link}"))]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let named =
            ["application", "service"].iter().all(|name| arguments.get(*name).is_some_and(|value| !is_unknown(value)));
        if !named {
            return Ok(Prediction::unknown("on which host is not known yet"));
        }
        let target = Target::of(&context.inventory, arguments)?;
        let seen = target.look(context).await?;
        let release = text(arguments, "release");
        let mut prediction = Prediction::probed(facts(&target, &seen, release));
        prediction.refusals = target.problems(&seen);
        prediction.notes = seen.notes(&target);
        let Some(release) = release else {
            prediction.notes.push("which release is not known yet".to_owned());
            return Ok(prediction);
        };
        prediction.refusals.extend(target.objection(&seen, release));
        if seen.current.as_deref() == Some(release) {
            prediction.refusals.push(format!("{} of {} leads to {release} already", target.link, target.place()));
        }
        prediction.outputs = outputs(&target, release, &prediction.facts);
        prediction.changes.push(Change {
            what: format!("link {} of {}", target.link, target.place()),
            before: seen.current.clone().or(seen.leads),
            after: Some(release.to_owned()),
        });
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let target = match Target::of(&context.inventory, &call.arguments) {
            Ok(target) => target,
            Err(error) => return Report::no_effect(error.to_string()),
        };
        let written = (text(&call.before, "leads"), text(&call.before, "writes"), text(&call.arguments, "release"));
        let (Some(from), Some(to), Some(release)) = written else {
            return Report::no_effect(format!(
                "{} of {} is no link that could be switched",
                target.link,
                target.place()
            ));
        };
        match told(context, call, &target, (from, to, release)).await {
            Told::So => Report::done(
                format!(
                    "{} leads to {release} now, and led to {}",
                    target.place(),
                    text(&call.before, "current").unwrap_or(from)
                ),
                outputs(&target, release, &call.before),
            ),
            Told::Nothing(why) => Report::no_effect(why),
            Told::Failed(why) => Report::failed(why),
            Told::Lost(why) => Report::unknown(why),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        let target = match Target::of(&context.inventory, &call.arguments) {
            Ok(target) => target,
            Err(error) => return cannot(error.to_string()),
        };
        let wait = call.timeout.max(Duration::from_secs(5));
        if let Recalled::StillRunning(evidence) = recall(context, &target.command(SWITCH, &[]), &key(call), wait).await
        {
            return Finding::StillRunning { evidence };
        }
        let release = text(&call.arguments, "release").unwrap_or_default();
        match target.look(context).await {
            Ok(seen) => judge(&target, &seen, release, &call.before),
            Err(error) => cannot(error.to_string()),
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let target = match Target::of(&context.inventory, &call.arguments) {
            Ok(target) => target,
            Err(error) => return Report::failed(error.to_string()),
        };
        let (Some(before), Some(wrote)) = (text(&call.before, "leads"), text(&call.before, "writes")) else {
            return Report::failed(format!("it is not recorded where {} led before: set it by hand", target.link));
        };
        match told(context, call, &target, (wrote, before, "")).await {
            Told::So => Report::done(format!("{} leads to {before} again", target.place()), Value::Null),
            Told::Nothing(why) | Told::Failed(why) => Report::failed(why),
            Told::Lost(why) => Report::unknown(why),
        }
    }
}

/// What became of the script.
enum Told {
    So,
    Nothing(String),
    Failed(String),
    Lost(String),
}

/// Runs the script: from what the link says to what it is to say; with a release's name that release is looked at first.
async fn told(context: &Context, call: &Call, target: &Target, (from, to, name): (&str, &str, &str)) -> Told {
    let values = [("PLAYBOOK_FROM", from), ("PLAYBOOK_TO", to), ("PLAYBOOK_NAME", name)];
    let command = target.command(SWITCH, &values);
    match change(context, &command, &key(call), call.timeout, true).await {
        Ok(ended) if ended.exit_code == Some(0) => Told::So,
        Ok(ended) if ended.timed_out => Told::Lost(last_words(&ended)),
        Ok(ended) if ended.exit_code == Some(NOTHING) => Told::Nothing(last_words(&ended)),
        Ok(ended) => Told::Failed(last_words(&ended)),
        Err(CommandError::Unreachable(why) | CommandError::Invalid(why)) => Told::Nothing(why),
        Err(CommandError::Lost(why)) => Told::Lost(why),
    }
}

fn key(call: &Call) -> String {
    format!("{}-switch", call.attempt)
}

fn facts(target: &Target, seen: &Seen, release: Option<&str>) -> Value {
    let writes = release.zip(seen.leads.as_deref()).map(|(release, leads)| target.wording(leads, release));
    json!({
        "current": seen.current, "leads": seen.leads, "writes": writes, "kind": seen.kind, "machine": seen.machine,
    })
}

fn outputs(target: &Target, release: &str, before: &Value) -> Value {
    json!({ "release": release, "previous": before["current"], "link": target.link })
}

fn judge(target: &Target, seen: &Seen, release: &str, before: &Value) -> Finding {
    let leads = seen.leads.as_deref();
    let evidence = format!("{} of {} says {}", target.link, target.place(), leads.unwrap_or("nothing: it is no link"));
    match leads {
        Some(now) if text(before, "writes") == Some(now) => {
            Finding::TookEffect { evidence, outputs: outputs(target, release, before) }
        }
        Some(now) if text(before, "leads") == Some(now) => Finding::DidNot { evidence },
        _ => Finding::CannotTell {
            evidence: format!(
                "{evidence}, and neither what it said before nor what it was to say: somebody else switched it"
            ),
        },
    }
}

#[cfg(test)]
#[path = "switch_tests.rs"]
mod tests;
