//! The secrets that an action is given: read right before it gets them, and known to the mask from then on. No record, no plan
//! and no screen ever holds one; what stands there is the reference, or `***` for a sensitive output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::mask::Mask;
use super::outputs;
use crate::actions::{Action, Call, Context};
use crate::ids::{ItemId, StepId};
use crate::inventory::{Inventory, MASK, Masker, SecretRef, Secrets};
use crate::outcome::{Finding, Outcome, Report};
use crate::playbook::{Playbook, SecretUse, Step, fill_secrets, secrets_named};
use crate::run::Task;
use crate::value::Value;

/// Sensitive outputs, by the step (and the item of a `for_each`) that read them. They end with this process.
#[derive(Clone, Default)]
pub(super) struct Memory {
    kept: Arc<Mutex<Kept>>,
    /// Taken by whoever reads one again.
    turn: Arc<tokio::sync::Mutex<()>>,
}

type Kept = BTreeMap<(StepId, Option<ItemId>), Value>;

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a reading step read, with its sensitive outputs taken out: these are kept here, and masked from here on.
    pub(super) fn take(&self, step: &Step, item: Option<&ItemId>, report: Report, secrets: &Secrets) -> Report {
        // A world that a plan has saved holds `***` for what was printed, and the outputs beside it.
        let saved = report.outputs.get("stdout").and_then(Value::as_str) == Some(MASK);
        let report = if saved { report } else { outputs::finish(step, report) };
        for (name, value) in report.outputs.as_object().into_iter().flatten() {
            // What was printed around a secret is none, unless the step says that all of it is.
            let printed = ["stdout", "stderr"].contains(&name.as_str()) && !step.sensitive;
            if step.is_secret_output(name) && !printed && !value.is_null() && value.as_str() != Some(MASK) {
                secrets.keep(text(value).trim());
            }
        }
        if report.outcome == Outcome::Done {
            self.kept().insert((step.id.clone(), item.cloned()), report.outputs.clone());
        }
        // What a command printed is withheld whole, also where it failed: nobody knows what in it is the secret then.
        let message = without_printed(&report.message, &report.outputs);
        let outputs = outputs::hidden(step, report.outputs);
        Report { outcome: report.outcome, message, outputs, output: None }
    }

    /// Waits until nobody else reads something again.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    fn get(&self, step: &StepId, item: Option<&ItemId>, name: &str) -> Option<Value> {
        self.kept().get(&(step.clone(), item.cloned()))?.get(name).cloned()
    }
}

/// How much of a line an action repeats in its message.
const REPEATED: usize = 200;

/// A message without what was printed, or answered: an action repeats a line of it at the end.
fn without_printed(message: &str, outputs: &Value) -> String {
    let mut message = message.to_owned();
    let texts = ["stdout", "stderr", "body"].into_iter().filter_map(|name| outputs.get(name).and_then(Value::as_str));
    for text in texts {
        let said = text.lines().map(|line| format!(": {}", line.chars().take(REPEATED).collect::<String>()));
        let told = said.filter(|said| message.ends_with(said.as_str()) && said.len() > 2).map(|said| said.len()).max();
        if let Some(told) = told {
            message.truncate(message.len() - told);
            message.push_str("; what it printed is withheld");
        }
        message = Masker::of_text(text).text(&message);
    }
    message
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The inventory for one more attempt: every secret is read anew in it. One in which none was read is as good, and costs
/// nothing: with a thousand hosts, a copy for each of a thousand attempts would be most of the work of a run.
pub(super) fn anew(inventory: &mut Arc<Inventory>) -> Arc<Inventory> {
    if !inventory.secrets.is_unread() {
        *inventory = Arc::new(inventory.anew());
    }
    Arc::clone(inventory)
}

/// A step, or a part of one, whose arguments hold secrets, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) book: &'a Playbook,
    /// The step of the playbook.
    pub(super) of: &'a StepId,
    pub(super) item: Option<&'a ItemId>,
    /// The step itself, its probe, or a part of its undo.
    pub(super) part: &'a Step,
}

impl At<'_> {
    /// The item of the step whose output is used here: the same, if both stand in the same `for_each`.
    fn item_of(&self, step: &StepId) -> Option<ItemId> {
        let around = |id: &StepId| {
            let group = self.book.step(id).and_then(|step| step.group.as_ref());
            self.book.each_around(group).map(|each| each.id.clone())
        };
        self.item.filter(|_| around(step).is_some() && around(step) == around(self.of)).cloned()
    }

    /// The references that stand in the arguments.
    fn references(&self, arguments: &Value) -> BTreeSet<String> {
        let mut references = BTreeSet::new();
        let _ = fill_secrets(self.part, self.of, self.book, arguments, &mut |place| {
            if let SecretUse::Reference(reference) = place {
                references.insert(reference.to_owned());
            }
            Ok(Value::Null)
        });
        references
    }

    /// The sensitive outputs that are used and not in memory: the tasks that have to read them again.
    pub(super) fn missing(&self, arguments: &Value, memory: &Memory) -> Vec<Task> {
        let mut missing = BTreeSet::new();
        let _ = fill_secrets(self.part, self.of, self.book, arguments, &mut |place| {
            if let SecretUse::Output { step, name } = place {
                let item = self.item_of(step);
                if memory.get(step, item.as_ref(), name).is_none() {
                    missing.insert(Task::at(step, item.as_ref()));
                }
            }
            Ok(Value::Null)
        });
        missing.into_iter().collect()
    }
}

/// The arguments with the secrets in them.
///
/// # Errors
/// A reference that does not lead to a secret, or an output that nobody has any more: for a person.
pub(super) async fn reveal(
    action: &dyn Action,
    at: At<'_>,
    arguments: &Value,
    secrets: &Secrets,
    memory: &Memory,
) -> Result<Value, String> {
    if !action.takes_secrets() {
        return Ok(arguments.clone());
    }
    let mut read = BTreeMap::new();
    for reference in at.references(arguments) {
        let secret = read_one(secrets, &reference).await?;
        read.insert(reference, secret);
    }
    fill_secrets(at.part, at.of, at.book, arguments, &mut |place| match place {
        SecretUse::Reference(reference) => read
            .get(reference)
            .map(|secret| Value::from(secret.as_str()))
            .ok_or_else(|| "it was not asked for".to_owned()),
        SecretUse::Output { step, name } => memory
            .get(step, at.item_of(step).as_ref(), name)
            .ok_or_else(|| format!("the output `{name}` of step {step} is sensitive, and is in no memory any more")),
    })
}

async fn read_one(secrets: &Secrets, reference: &str) -> Result<String, String> {
    let secret = secrets.read(&SecretRef(reference.to_owned())).await.map_err(|error| error.to_string())?;
    Ok(secret.expose().to_owned())
}

/// Whether the references that a step, its probe and its undo name lead to secrets: those that do, and what is wrong with
/// the others. What a nested playbook is given is known by what its steps are: `arguments`.
pub(super) async fn prove(
    at: At<'_>,
    inputs: &Value,
    arguments: &Value,
    secrets: &Secrets,
) -> (Vec<String>, Vec<String>) {
    let references: BTreeSet<String> = if at.of.frame().is_some() {
        at.references(arguments)
    } else {
        let named = secrets_named(at.part, at.book.inputs_of(at.of));
        named.into_iter().filter_map(|name| inputs.get(name)?.as_str().map(str::to_owned)).collect()
    };
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for reference in references {
        match read_one(secrets, &reference).await {
            Ok(_) => good.push(format!("the secret {reference} is there; its value is never shown")),
            Err(why) => bad.push(why),
        }
    }
    (good, bad)
}

/// What a command's recorder knows of an attempt whose secret cannot be read now: how it ended, and nothing that it
/// printed, as the secret could not be taken out of that.
pub(super) fn withhold(finding: Finding, step: Option<&Step>, why: &str) -> Finding {
    let told = |what: &str| format!("{what}; what it printed is withheld: {why}, so it could not be taken out of that");
    match finding {
        // What its outputs are read from must not be kept, so how it ended is not enough.
        Finding::Ended(_) if step.is_some_and(|step| step.ok_if.is_some() || !step.outputs.is_empty()) => {
            Finding::CannotTell { evidence: told("it has ended") }
        }
        Finding::Ended(report) => {
            let code = report.outputs.get("exit_code").cloned().unwrap_or_default();
            let end = code.as_i64().map_or_else(|| "it has ended".to_owned(), |code| format!("exit code {code}"));
            let outputs = serde_json::json!({ "stdout": "", "stderr": "", "exit_code": code });
            Finding::Ended(Report { outcome: report.outcome, message: told(&end), outputs, output: None })
        }
        Finding::StillRunning { .. } => Finding::StillRunning { evidence: told("it still runs") },
        Finding::CannotTell { .. } => Finding::CannotTell { evidence: told("its recorder cannot say how it ended") },
        // Nothing was printed, or nothing of it is told.
        Finding::DidNot { evidence } => Finding::DidNot { evidence },
        Finding::TookEffect { .. } => {
            Finding::TookEffect { evidence: told("its effect was seen"), outputs: serde_json::json!({}) }
        }
    }
}

/// An attempt ready for its action.
pub(super) struct Ready {
    pub(super) context: Context,
    pub(super) call: Call,
    pub(super) mask: Mask,
}

impl Ready {
    /// The attempt with its secrets in it, and a context whose output is masked.
    ///
    /// # Errors
    /// A reference that does not lead to a secret.
    pub(super) async fn of(
        action: &dyn Action,
        at: At<'_>,
        call: Call,
        context: Context,
        memory: &Memory,
    ) -> Result<Self, String> {
        let secrets = &context.inventory.secrets;
        let arguments = reveal(action, at, &call.arguments, secrets, memory).await?;
        let mask = Mask::of(secrets);
        let mut context = mask.context(context);
        if at.part.keeps_secrets() {
            // Nobody knows what in it is the secret before it has ended.
            context.output = Arc::new(|_, _| {});
        }
        Ok(Self { context, call: Call { arguments, ..call }, mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_does_not_repeat_what_a_step_with_secrets_printed() {
        let long = "k".repeat(300);
        for (stderr, end) in
            [("ok\nrefused: tok-9f31c0\n", "refused: tok-9f31c0"), ("x1\n", "x1"), (&long, &long[..200])]
        {
            let outputs = serde_json::json!({ "stdout": "", "stderr": stderr, "exit_code": 1 });
            let told = without_printed(&format!("exit code 1: {end}"), &outputs);
            assert_eq!(told, "exit code 1; what it printed is withheld");
        }
        let outputs = serde_json::json!({ "status": 500, "body": "your key is tok-9f31c0\n" });
        let told = without_printed("http://x/ answered 500 Internal Server Error: your key is tok-9f31c0", &outputs);
        assert_eq!(told, "http://x/ answered 500 Internal Server Error; what it printed is withheld");
        assert_eq!(without_printed("exit code 0", &serde_json::json!({ "stdout": "" })), "exit code 0");
    }
}
