//! `release.fits`: whether a release fits to what the database is now, as the application's own check says. A release from
//! before a migration may not know the columns of today; only the application can tell.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::target::{Target, last_words, told};
use super::{ReleaseError, application, text};
use crate::actions::command::{Command, Work, look};
use crate::actions::{Action, ActionError, Call, Context, by_hand};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// `release.fits`.
#[derive(Debug, Clone, Copy)]
pub struct Fits;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "release.fits",
    summary: "Asks the application whether a release fits to what the database is now.",
    details: "By the inventory's `fits`, a command on the host of one of the application's services, with the release's name and folder \
        filled in; exit code 0 says that it does. Where there is no such command nobody knows, and `fits` is null: that is told, \
        and never taken for a yes. The command must change nothing.",
    inputs: vec![
        application(),
        FieldSpec::optional("service", Type::Reference("service".into()), "on whose host; its first one where absent"),
        FieldSpec::required("release", Type::Identifier, "the release's name"),
    ],
    outputs: vec![
        FieldSpec::optional("fits", Type::Boolean, "whether it fits; null where the inventory has no check"),
        FieldSpec::required("said", Type::String, "what the check said at its end").volatile(),
    ],
    facts: Vec::new(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "What the check says at the time of the plan.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// The application on the host that is asked, and the command; none where nothing is declared.
fn ask(inventory: &Inventory, arguments: &Value) -> Result<(Target, Option<Vec<String>>), ReleaseError> {
    let invalid = |error: crate::inventory::InventoryError| ReleaseError::Invalid(error.to_string());
    let name = text(arguments, "application").unwrap_or_default();
    let found = inventory.application(name).map_err(invalid)?;
    let service = text(arguments, "service").or(found.services.first().map(String::as_str)).unwrap_or_default();
    let target = Target::find(inventory, name, service)?;
    let release = by_hand::value(arguments, "release");
    let folder = format!("{}/{release}", target.releases);
    let argv = found
        .fits
        .as_ref()
        .map(|argv| argv.iter().map(|word| word.replace("{folder}", &folder).replace("{release}", &release)).collect());
    Ok((target, argv))
}

async fn asked(context: &Context, arguments: &Value, limit: Duration) -> Result<Value, ReleaseError> {
    let (target, argv) = ask(&context.inventory, arguments)?;
    let Some(argv) = argv else {
        return Ok(json!({ "fits": null, "said": "the inventory has no `fits` for this application: nobody knows" }));
    };
    let own = target.command("", &[]);
    let command = Command { work: Work::Argv(argv), environment: Vec::new(), ..own };
    let ended = look(&context.quiet(), &command, limit).await.map_err(told)?;
    if ended.timed_out {
        return Err(ReleaseError::Unreachable(format!("the check on {} did not end in time", target.place())));
    }
    // A check that is not there, or may not be run, has said nothing about the release.
    if matches!(ended.exit_code, None | Some(126 | 127)) {
        return Err(ReleaseError::Invalid(format!(
            "the check cannot be run on {}: {}",
            target.place(),
            last_words(&ended)
        )));
    }
    Ok(json!({ "fits": ended.exit_code == Some(0), "said": last_words(&ended) }))
}

fn sentence(outputs: &Value, arguments: &Value) -> String {
    let (release, said) = (by_hand::value(arguments, "release"), text(outputs, "said").unwrap_or_default());
    match outputs["fits"].as_bool() {
        Some(true) => format!("{release} fits to the database as it is now: {said}"),
        Some(false) => format!("{release} does NOT fit to the database as it is now: {said}"),
        None => format!("whether {release} fits to the database: {said}"),
    }
}

#[async_trait]
impl Action for Fits {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        match ask(inventory, arguments) {
            Ok((target, Some(argv))) => {
                let words: Vec<String> = argv.iter().map(|word| by_hand::word(word)).collect();
                vec![by_hand::on_host(inventory, target.host.as_deref(), &words.join(" "))]
            }
            Ok((_, None)) => {
                vec![by_hand::comment(
                    "the inventory has no `fits` for this application: ask whoever made the migration",
                )]
            }
            Err(_) => by_hand::from_spec(&SPEC, arguments),
        }
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if ["application", "release"].iter().any(|name| arguments.get(*name).is_none_or(is_unknown)) {
            return Ok(Prediction::unknown("which release is not known yet"));
        }
        let mut prediction = Prediction::probed(json!({}));
        prediction.outputs = asked(context, arguments, Duration::from_secs(20)).await?;
        prediction.notes.push(sentence(&prediction.outputs, arguments));
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match asked(context, &call.arguments, call.timeout).await {
            Ok(outputs) => Report::done(sentence(&outputs, &call.arguments), outputs),
            Err(ReleaseError::Invalid(why) | ReleaseError::Unreachable(why)) => Report::failed(why),
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}
