//! What a run in the server would do: it looks at the targets, and here that is shown.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::catalog;
use crate::client::Client;
use crate::ids::RunId;
use crate::journal::{Journal as _, LockRow, Method, Server as _, escaped, read_answer};
use crate::plan::{Plan, Which};
use crate::run::{InheritMode, Inheritance};
use crate::value::Type;

use super::super::args::{Run, Starting, Subject};
use super::super::books::is_file_name;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::inputs;
use super::super::runs;
use super::super::setup::Setup;
use super::super::verbs::plan::Made;
use super::super::verbs::plan_file::{self, Origin};

/// What is wanted of the server, as it is sent.
#[derive(Debug, Clone)]
pub struct Offer {
    body: Map<String, Value>,
}

/// A plan that the server made.
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// The same as a file, to which a run can be held.
    pub file: String,
    /// What the run would have from another one.
    pub inherited: Option<Inheritance>,
}

impl Offer {
    /// Says one more thing.
    pub fn say(&mut self, name: &str, value: Value) {
        self.body.insert(name.to_owned(), value);
    }

    /// The name of its playbook.
    pub fn playbook(&self) -> String {
        self.body.get("playbook").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// As it is sent.
    pub fn body(&self) -> Value {
        Value::Object(self.body.clone())
    }
}

/// What was typed, for the server: its playbooks are those of its own catalog.
///
/// # Errors
/// When it cannot be said to a server, or an input cannot be read.
pub fn offer(setup: &Setup, client: &Client, subject: &Subject, limit: Option<&str>) -> Result<Offer, Failure> {
    let name = subject.name();
    if is_file_name(name) {
        let what =
            format!("runs live in the server at {}, which runs the playbooks of its own folders", client.address());
        return Err(Failure::new(Exit::Usage, format!("{what}: {name} is a file of this machine"))
            .meaning("nothing was started")
            .next("playbook list     (those that it has)")
            .next("--server none     (runs it here, on the state in this machine's own folder)"));
    }
    let (bare, version) = catalog::named(name);
    let names = takes(client, bare, version)?;
    let sent = inputs::gathered(&names, bare, (&subject.input, subject.inputs_file.as_deref()))?;
    setup.screen.warn(&sent.warnings);
    let mut body = Map::new();
    body.insert("playbook".to_owned(), json!(bare));
    body.insert("inputs".to_owned(), Value::Object(sent.values));
    let said = [("version", version), ("limit", limit)];
    body.extend(said.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
    Ok(Offer { body })
}

/// The same for a plan that lies in a file here.
///
/// # Errors
/// When it is none, or something else is typed beside it.
pub fn offer_of_file(args: &Run, path: &std::path::Path) -> Result<(Offer, Planned), Failure> {
    let (plan, file) = plan_file::look(path)?;
    plan_file::of_what_is_typed(args, path, &plan)?;
    let book = &plan.playbook;
    // A reference to a secret is not sent: the server has its own.
    let given = book.inputs.iter().filter(|input| !input.sensitive);
    let inputs: Map<String, Value> = given
        .filter_map(|input| Some((input.name.clone(), as_written(&input.kind, plan.inputs.get(&input.name)?))))
        .collect();
    let mut body = Map::new();
    body.insert("playbook".to_owned(), json!(book.name));
    body.insert("version".to_owned(), json!(book.version));
    body.insert("inputs".to_owned(), Value::Object(inputs));
    if let Some(limit) = &plan.narrowing.limit {
        body.insert("limit".to_owned(), json!(limit));
    }
    if let Some(age) = plan_file::max_age(args.max_plan_age.as_deref())? {
        body.insert("max_plan_age_seconds".to_owned(), json!(age));
    }
    Ok((Offer { body }, Planned { plan, file, inherited: None }))
}

/// A value of a type as it is written.
fn as_written(kind: &Type, value: &Value) -> Value {
    match (kind, value) {
        (Type::Duration, Value::Number(seconds)) => json!(format!("{seconds}s")),
        (Type::List(of), Value::Array(items)) => Value::Array(items.iter().map(|item| as_written(of, item)).collect()),
        _ => value.clone(),
    }
}

/// What is wanted of a run once more.
pub fn offer_again(run: &RunId, playbook: &str, which: Which) -> Offer {
    let mut body = Map::new();
    body.insert("playbook".to_owned(), json!(playbook));
    body.insert("again".to_owned(), json!({ "run": run, "which": which }));
    Offer { body }
}

/// Whose place is taken, as it was typed.
///
/// # Errors
/// When there is no such run, or no reason.
pub fn over(setup: &Setup, args: &Run, offer: &mut Offer) -> Result<(), Failure> {
    let (word, mode) = match (&args.take_over, &args.continues) {
        (Some(word), _) => (word, InheritMode::TakeOver),
        (None, Some(word)) => (word, InheritMode::Continue),
        (None, None) => return Ok(()),
    };
    let reason = args.starting.reason.clone().unwrap_or_default();
    let (_, run) = runs::find(setup, word)?;
    offer.say("over", json!({ "run": run, "mode": mode, "reason": reason }));
    Ok(())
}

/// What a person says of a start: the brakes that they pass, what they approve, that the glass is broken.
pub fn said(offer: &mut Offer, starting: &Starting) {
    let reason = starting.reason.as_deref().unwrap_or_default();
    let passed: Vec<Value> =
        starting.overrides.iter().map(|brake| json!({ "brake": brake, "reason": reason })).collect();
    let all = [
        ("overrides", (!passed.is_empty()).then(|| json!(passed))),
        ("approved", (!starting.approve.is_empty()).then(|| json!(starting.approve))),
        ("break_glass", starting.break_glass.then(|| json!(reason))),
        ("forks", starting.forks.forks.map(|forks| json!(forks))),
        ("confirm", starting.confirm.as_ref().map(|name| json!(name))),
    ];
    for (name, value) in all {
        if let Some(value) = value {
            offer.say(name, value);
        }
    }
}

/// Has a plan made.
///
/// # Errors
/// When the server cannot make one.
pub fn plan(client: &Client, offer: &Offer) -> Result<Planned, Failure> {
    #[derive(Deserialize)]
    struct Told {
        file: String,
        inherited: Option<Inheritance>,
    }
    let mut offer = offer.clone();
    offer.say("dry_run", json!(true));
    offer.say("file", json!(true));
    // It changes nothing, so it may be asked twice.
    let told: Told = read_answer(&client.ask(Method::Post, "/v1/runs", Some(&offer.body()))?)?;
    let plan = plan_file::look_at(Origin::Server, &told.file)?;
    Ok(Planned { plan, file: told.file, inherited: told.inherited })
}

/// A plan with what stands in its way, as it is shown.
///
/// # Errors
/// When the server cannot make one.
pub fn made(client: &std::sync::Arc<Client>, offer: &Offer) -> Result<(Made, String), Failure> {
    let Planned { plan, file, inherited } = plan(client, offer)?;
    let theirs = offer.body.get("over").and_then(|over| over.get("run")).and_then(Value::as_str);
    let locks = super::journal(client).locks()?.into_iter();
    let locked: Vec<LockRow> =
        locks.filter(|row| plan.locks.contains(&row.resource) && theirs != Some(row.run.as_str())).collect();
    Ok((Made { plan, locked, inherited }, file))
}

/// The names of what a playbook takes.
fn takes(client: &Client, name: &str, version: Option<&str>) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Book {
        inputs: Vec<Input>,
    }
    #[derive(Deserialize)]
    struct Input {
        name: String,
    }
    let version = version.map_or_else(String::new, |version| format!("?version={}", escaped(version)));
    let text = client.ask(Method::Get, &format!("/v1/playbooks/{name}{version}"), None)?;
    let book: Book = read_answer(&text)?;
    Ok(book.inputs.into_iter().map(|input| input.name).collect())
}
