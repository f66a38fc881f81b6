//! `rehearse`: the same engine in a simulated world, with a journal in memory. Nothing real is looked at, changed or called.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::{Beginning, Everybody};
use crate::journal::MemoryJournal;
use crate::plan::{Decided, Plan};
use crate::playbook::{Playbook, Rollback, Step};
use crate::sim::{Fault, Scene, Stage, StageText, approve_all, keys, rehearsed};
use crate::value::{Value, contains_unknown};

use crate::cli::args::Rehearse;
use crate::cli::drive::{Drive, Place};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::plan::sum;

use super::world;

/// Rehearses a playbook; it ends as a run does.
///
/// # Errors
/// When the playbook, the inputs or the world cannot be read.
pub fn rehearse(setup: &Setup, args: &Rehearse) -> Result<Exit, Failure> {
    let mut chosen =
        world::chosen(setup, args.world.as_deref(), (&args.name, &args.input, args.inputs_file.as_deref()))?;
    let (stage, from) = world::find(setup, args.world.as_deref(), &chosen.playbook.name, &chosen.inputs)?;
    for word in &args.fail {
        mishap(&chosen.playbook, &stage, word)?;
    }
    hasten(&mut chosen.playbook);
    let approved = approve_all(&mut chosen.playbook);
    let head = format!("REHEARSAL in {from}: nothing real is looked at or changed.");
    setup.screen.warn(&[Line::new().with(Ink::Warn, head)]);
    let folder = tempdir()?;
    let place = Place {
        inventory: Arc::new(stage.inventory()),
        journal: Box::new(MemoryJournal::new()),
        folder: folder.0.clone(),
        actions: rehearsed(&setup.actions, &stage),
        pagers: Vec::new(),
        people: Arc::new(Everybody::with(setup.config.roles.keys().cloned())),
        wait: false,
        rehearsal: true,
    };
    let mut drive = Drive::of(setup, args.output, place)?;
    let result = drive.plan(chosen).and_then(|plan| {
        let broken = sum(&plan).violated;
        let lines =
            broken.iter().map(|text| Line::new().with(Ink::Warn, format!("does not hold in this world: {text}")));
        setup.screen.say(&lines.collect::<Vec<_>>());
        drive.start(plan, Beginning::by_person(Vec::new(), approved))
    });
    drive.end();
    for text in stage.lacking() {
        let line = format!("the rehearsal could not go on at {text}; write it into the world");
        setup.screen.warn(&[Line::new().with(Ink::Warn, line)]);
    }
    setup
        .screen
        .warn(&[Line::new().with(Ink::Warn, "That was a rehearsal: there is no such run, and nothing was changed.")]);
    result
}

fn mishap(book: &Playbook, stage: &Stage, word: &str) -> Result<(), Failure> {
    let (step, kind) = word.split_once('=').unwrap_or((word, "failed"));
    let kind = match kind {
        "failed" => Fault::FailedBefore,
        "unknown" => Fault::UnknownAfter,
        other => {
            return Err(Failure::new(Exit::Usage, format!("`{other}` is no way to fail: write STEP or STEP=unknown")));
        }
    };
    if !book.steps.iter().any(|known| known.id.as_str() == step) {
        let steps: Vec<&str> = book.steps.iter().map(|step| step.id.as_str()).collect();
        let what = format!("{} has no step `{step}`; it has {}", book.name, steps.join(", "));
        return Err(Failure::new(Exit::Usage, what).meaning("nothing was started"));
    }
    stage.fail(step, None, kind);
    Ok(())
}

/// Nothing is waited for in a world that stands still.
fn hasten(book: &mut Playbook) {
    fn step(step: &mut Step) {
        step.retry.delay = 0.0;
        step.retry.max_delay = 0.0;
        step.settle = 0.0;
        step.verify.iter_mut().for_each(|verify| verify.within = 0.0);
        if let Rollback::Steps(steps) = &mut step.rollback {
            steps.iter_mut().for_each(self::hasten_step);
        }
    }
    book.steps.iter_mut().for_each(step);
}

fn hasten_step(step: &mut Step) {
    step.retry.delay = 0.0;
    step.retry.max_delay = 0.0;
    step.settle = 0.0;
}

/// A folder of the rehearsal's own, gone afterwards.
pub struct Folder(pub PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is an empty folder of ours: nothing depends on it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Names a folder that nobody else has.
///
/// # Errors
/// When the system has no random numbers.
pub fn tempdir() -> Result<Folder, Failure> {
    let mut bytes = [0_u8; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Fault, format!("there are no random numbers: {error}")))?;
    Ok(Folder(std::env::temp_dir().join(format!("playbook-rehearsal-{:016x}", u64::from_be_bytes(bytes)))))
}

/// The world that a plan found, as the text of a file. What it does not know is left out and named.
pub fn world_of(setup: &Setup, plan: &Plan) -> String {
    let known = |value: &Value| -> serde_json::Map<String, Value> {
        let map = value.as_object().cloned().unwrap_or_default();
        // What stands for a secret output is none, and a rehearsal needs it.
        let tells = |name: &str, value: &Value| secret(name) && value.as_str() != Some(crate::inventory::MASK);
        map.into_iter().filter(|(name, value)| !contains_unknown(value) && !tells(name, value)).collect()
    };
    let mut text = StageText { environment: plan.environment.clone(), ..StageText::default() };
    text.title = format!("recorded from {}@{}", plan.playbook.name, plan.playbook.version);
    let mut lacking = Vec::new();
    for (step, planned) in plan.each_step() {
        let Some(action) = setup.actions.get(&step.action) else { continue };
        if matches!(planned.runs, Decided::No { .. }) {
            continue;
        }
        let spec = action.spec();
        let scene = Scene {
            facts: known(&planned.prediction.facts),
            outputs: known(&planned.prediction.outputs),
            ..Scene::default()
        };
        let missing = spec.outputs.iter().filter(|field| !scene.outputs.contains_key(field.name));
        let missing = missing.filter(|field| spec.effect.changes() || !scene.facts.contains_key(field.name));
        lacking.extend(missing.map(|field| format!("# {}: {} ({})\n", step.id, field.name, field.description)));
        match keys(spec, &planned.arguments).pop().filter(|key| key != "*") {
            Some(key) => {
                let by_target: &mut BTreeMap<String, Scene> = text.actions.entry(step.action.clone()).or_default();
                // The first look is the one before anything is changed.
                by_target.entry(key).or_insert(scene);
            }
            None => {
                text.steps.insert(step.id.to_string(), scene);
            }
        }
    }
    for (check, planned) in plan.playbook.checks.iter().zip(&plan.checks) {
        // What acts on a target is written with what steps find there; a command is known by its own look alone.
        if ["cli", "shell", "ssh"].contains(&check.step.action.as_str()) {
            let scene = Scene { outputs: known(&planned.outputs), ..Scene::default() };
            text.steps.insert(check.step.id.to_string(), scene);
        }
    }
    let body = serde_saphyr::to_string(&text).unwrap_or_default();
    let head = "# A world for `playbook rehearse`. Outputs that only doing gives were not invented; a rehearsal that needs one\n\
                # stops there. `after` may say what a look finds once a step is done. Not known:\n";
    format!("{head}{}{body}", lacking.concat())
}

/// Whether a field's name says that nobody else is to read it.
fn secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["password", "secret", "token", "conninfo", "headers", "authorization"].iter().any(|word| name.contains(word))
}
