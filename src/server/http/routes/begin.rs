//! `POST /v1/runs`: what a run would do, or a run that begins. Under a key it begins once, however often it is asked for and
//! whoever is killed meanwhile: the run's id is written down under the key first, and whether it began is read from the
//! journal alone.

use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::engine::{Clock as _, WallClock, new_run_id};
use crate::ids::{Digest, IncidentId, RunId};
use crate::journal::{AskedKey, ClaimedKey, Keys as _};
use crate::plan::Which;
use crate::playbook::{TriggeredMode, is_playbook_name};
use crate::run::InheritMode;
use crate::server::http::App;
use crate::server::http::answer::Answer;
use crate::server::http::call::{self, Call};
use crate::server::http::{shown, trouble};
use crate::server::{Begun, Caller, Further, Over, Problem, Role, Wanted};
use crate::trigger;

/// What is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asking {
    playbook: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    inputs: Map<String, Value>,
    #[serde(default)]
    incident: Option<IncidentId>,
    #[serde(default)]
    limit: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    confirm: Option<String>,
    #[serde(default, deserialize_with = "crate::server::http::object::all")]
    overrides: Vec<Override>,
    #[serde(default)]
    approved: Vec<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    file: bool,
    #[serde(default)]
    plan: Option<String>,
    #[serde(default)]
    looked_at: Option<String>,
    #[serde(default)]
    max_plan_age_seconds: Option<f64>,
    #[serde(default)]
    over: Option<Place>,
    #[serde(default)]
    again: Option<Again>,
    #[serde(default)]
    break_glass: Option<String>,
    #[serde(default)]
    forks: Option<u16>,
}

/// A run whose place is taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    run: RunId,
    mode: InheritMode,
    reason: String,
}

/// A run of which something is done again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    run: RunId,
    which: Which,
}

impl Asking {
    /// Whether it says something that only a person may say.
    fn is_a_persons(&self) -> bool {
        let plainly = self.overrides.is_empty() && self.approved.is_empty() && self.confirm.is_none();
        let further = self.plan.is_some() || self.looked_at.is_some() || self.over.is_some() || self.again.is_some();
        let further = further || self.break_glass.is_some() || self.forks.is_some();
        !plainly || further || self.file
    }

    /// Holds what only a person says to what makes sense.
    fn hold_further(&self) -> Result<(), Problem> {
        if self.over.as_ref().is_some_and(|place| call::is_blank(&place.reason)) {
            return Err(trouble::senseless("another run's place is taken with a `reason`"));
        }
        if self.break_glass.as_deref().is_some_and(call::is_blank) {
            return Err(trouble::senseless("`break_glass` is the reason for which the glass is broken"));
        }
        if self.forks.is_some_and(|forks| !(1..=1000).contains(&forks)) {
            return Err(trouble::senseless("`forks` is from 1 to 1000"));
        }
        if self.max_plan_age_seconds.is_some_and(|seconds| seconds <= 0.0) {
            return Err(trouble::senseless("`max_plan_age_seconds` is more than 0"));
        }
        Ok(())
    }

    fn wanted(self, by: Caller) -> Wanted {
        let Self { playbook, version, inputs, incident, limit, confirm, overrides, approved, .. } = self;
        let Self { file, plan, looked_at, max_plan_age_seconds, over, again, break_glass, forks, .. } = self;
        let further = Further {
            plan,
            max_plan_age: max_plan_age_seconds,
            file,
            looked_at,
            over: over.map(|Place { run, mode, reason }| Over { run, mode, reason }),
            again: again.map(|Again { run, which }| (run, which)),
            break_glass,
            forks,
        };
        let overrides = overrides.into_iter().map(|Override { brake, reason }| (brake, reason)).collect();
        Wanted { run: None, playbook, version, inputs, incident, limit, overrides, approved, confirm, by, further }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Override {
    brake: String,
    reason: String,
}

/// `POST /v1/runs`.
pub fn begin(app: &App, call: &Call) -> Result<Answer, Problem> {
    let asking: Asking = call.read()?;
    let key = key(call, &asking)?;
    let dry = asking.dry_run;
    let wanted = wanted(call, asking)?;
    if wanted.by.is_trigger() {
        admit(app, &wanted, if dry { TriggeredMode::DryRun } else { TriggeredMode::Run })?;
    }
    if dry {
        let offered = app.runner.plan(&wanted)?;
        let mut told = shown::plan::json(None, &offered.plan);
        if let Some(file) = offered.file {
            told["file"] = Value::String(file);
            told["inherited"] = json!(offered.inherited);
        }
        return Ok(Answer::json(&told));
    }
    if *app.stop.borrow() {
        return Err(trouble::stopping());
    }
    match key {
        None => app.runner.start(wanted).map(|begun| told(&begun, 201)),
        Some(key) => once(app, key, wanted),
    }
}

/// Whether the playbook lets itself be started by what is no person.
fn admit(app: &App, wanted: &Wanted, mode: TriggeredMode) -> Result<(), Problem> {
    let book = app.house.playbook(&wanted.playbook, wanted.version.as_deref())?;
    let filled = wanted.inputs.keys().map(String::as_str);
    trigger::admit_from(&book, mode, filled, &wanted.by.name).map_err(|error| {
        Problem::new(403, trouble::NOT_ALLOWED, error.to_string())
            .meaning("nothing was started")
            .next("a token with the role operator starts any playbook")
    })
}

/// The key under which it is asked: of the header, or of what is sent.
fn key(call: &Call, asking: &Asking) -> Result<Option<AskedKey>, Problem> {
    let key = match (&call.key, &asking.idempotency_key) {
        (Some(header), Some(sent)) if header != sent => {
            let what = "the header Idempotency-Key and `idempotency_key` differ";
            return Err(Problem::new(409, 64, what).meaning("nothing was done").next("send one of them"));
        }
        (Some(key), _) | (None, Some(key)) => key.clone(),
        (None, None) => return Ok(None),
    };
    call::hold_key(&key)?;
    // The bytes that were sent: whoever asks the same again sends the same again.
    Ok(Some(AskedKey { caller: call.caller().name.clone(), key, asked: Digest::of(&call.body) }))
}

fn wanted(call: &Call, asking: Asking) -> Result<Wanted, Problem> {
    // Never a path, whoever looks for it later.
    if !is_playbook_name(&asking.playbook) {
        return Err(trouble::senseless("a playbook is named as `GET /v1/playbooks` has it"));
    }
    let by = call.caller().clone();
    if by.is_trigger() && asking.is_a_persons() {
        return Err(trouble::lacks(&by.name, Role::Operator)
            .next("a trigger passes no brake, approves nothing and confirms nothing: leave them out"));
    }
    let approves = !asking.approved.is_empty() || asking.break_glass.is_some();
    if approves && !by.may(Role::Approver) {
        return Err(trouble::lacks(&by.name, Role::Approver)
            .next("leave it out: the run asks for its approvals when it comes to them"));
    }
    if let Some(silent) = asking.overrides.iter().find(|passed| call::is_blank(&passed.reason)) {
        return Err(trouble::senseless(format!("the brake {} is passed with a `reason`", silent.brake)));
    }
    asking.hold_further()?;
    Ok(asking.wanted(by))
}

/// A run that begins once.
fn once(app: &App, key: AskedKey, wanted: Wanted) -> Result<Answer, Problem> {
    let Some(_held) = Held::of(app, &key) else {
        let mut problem = Problem::new(409, 13, "the same is asked right now, and its run begins")
            .meaning("nothing was done by this request");
        problem.retry_after = Some(1);
        return Err(problem);
    };
    let fresh = new_run_id().map_err(|error| {
        tracing::error!(%error, "a run could not be given a name");
        trouble::fault()
    })?;
    let claimed = app.journals.with(|journal| Ok(journal.claim_key(&key, &fresh, WallClock.now())?))?;
    let run = match claimed {
        ClaimedKey::New => fresh,
        ClaimedKey::Before(run) => {
            if let Some(begun) = app.journals.with(|journal| Ok(Begun::of(journal, &run)?))? {
                return Ok(told(&begun, 200));
            }
            // Whoever asked for it before was killed before it began.
            run
        }
        ClaimedKey::Otherwise => {
            return Err(trouble::senseless("something else was asked under this Idempotency-Key before")
                .next("send the same as then, or use a key of its own"));
        }
    };
    match app.runner.start(Wanted { run: Some(run.clone()), ..wanted }) {
        Ok(begun) => Ok(told(&begun, 201)),
        Err(problem) => {
            // What was refused may be asked again; and what began after all is told as what it is.
            if let Ok(Some(begun)) = app.journals.with(|journal| Ok(Begun::of(journal, &run)?)) {
                return Ok(told(&begun, 201));
            }
            if let Err(error) = app.journals.with(|journal| Ok(journal.free_key(&key)?)) {
                tracing::warn!(problem = %error.title, "the key of a run that was refused is kept");
            }
            Err(problem)
        }
    }
}

fn told(begun: &Begun, status: u16) -> Answer {
    let Begun { run, playbook, version } = begun;
    let value = json!({ "run": run, "playbook": playbook, "version": version, "new": status == 201 });
    Answer::json(&value).with_status(status).found_at(format!("/v1/runs/{run}"))
}

/// A key whose run begins right now, by this very request.
struct Held<'a> {
    app: &'a App,
    key: AskedKey,
}

impl<'a> Held<'a> {
    fn of(app: &'a App, key: &AskedKey) -> Option<Self> {
        // What is asked under it does not matter here: two at once under one key are one too many.
        let key = AskedKey { asked: Digest::of(b""), ..key.clone() };
        let fresh = app.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        // Made only where it is ours: what is dropped lets the key go.
        fresh.then(|| Self { app, key })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.app.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
