//! `plan`, and `run --dry-run`: look at the targets, read-only, and show what a run would do.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::client::Client;
use crate::inventory::Inventory;
use crate::journal::{LockRow, MemoryJournal};
use crate::plan::{Decided, Plan};
use crate::run::Inheritance;
use crate::spec::Fidelity;

use crate::cli::args::{self, Format, Level, Output, Subject};
use crate::cli::books::Chosen;
use crate::cli::clock;
use crate::cli::drive::Drive;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::narrow;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::there;
use crate::cli::view;

use super::over::{self, Over, Planned};
use super::plan_file;

/// Shows a plan.
///
/// # Errors
/// When it cannot be made.
pub fn plan(setup: &Setup, args: &args::Plan) -> Result<Exit, Failure> {
    if let Some(client) = setup.server()? {
        return there_plan(setup, &client, args);
    }
    let subject = &args.subject;
    let (chosen, inventory) = setup.chosen_here(subject.name(), &subject.input, subject.inputs_file.as_deref())?;
    let narrowing = narrow::limit(args.limit.as_deref(), &inventory)?;
    let chosen = Chosen { narrowing, ..chosen };
    let output = if args.output == Format::Json { Output::Json } else { Output::Human };
    let made = make(setup, chosen, Arc::clone(&inventory), output)?;
    let exit = show(setup, &made, &args.subject, output);
    if let Some(path) = &args.out {
        plan_file::write(setup, path, &made.plan, &inventory, args.max_plan_age.as_deref())?;
        say_saved(setup, path);
    }
    if let Some(path) = &args.save_world {
        plan_file::save(path, &super::rehearse::world_of(setup, &made.plan), "world")?;
    }
    Ok(exit)
}

/// The same by the server that runs live in.
fn there_plan(setup: &Setup, client: &Arc<Client>, args: &args::Plan) -> Result<Exit, Failure> {
    let limit = args.limit.as_deref().map(narrow::pattern).transpose()?;
    let mut offer = there::offer(setup, client, &args.subject, limit.as_deref())?;
    if let Some(age) = plan_file::max_age(args.max_plan_age.as_deref())? {
        offer.say("max_plan_age_seconds", json!(age));
    }
    let (made, file) = there::made(client, &offer)?;
    let output = if args.output == Format::Json { Output::Json } else { Output::Human };
    let exit = show(setup, &made, &args.subject, output);
    if let Some(path) = &args.out {
        plan_file::save(path, &file, "plan")?;
        say_saved(setup, path);
    }
    if let Some(path) = &args.save_world {
        plan_file::save(path, &super::rehearse::world_of(setup, &made.plan), "world")?;
    }
    Ok(exit)
}

fn say_saved(setup: &Setup, path: &Path) {
    let command = setup.paste.command(format!("run --plan {}", quote(&path.display().to_string())));
    setup.screen.say(&[Line::plain(format!("The plan is in {}. To run it: {command}", path.display()))]);
}

/// A plan, and who holds what it would lock.
pub struct Made {
    /// The plan.
    pub plan: Plan,
    /// The locks of it that other runs hold.
    pub locked: Vec<LockRow>,
    /// What its run would have from another one.
    pub inherited: Option<Inheritance>,
}

/// Makes a plan.
///
/// # Errors
/// When it cannot be made.
pub fn make(setup: &Setup, chosen: Chosen, inventory: Arc<Inventory>, output: Output) -> Result<Made, Failure> {
    make_over(setup, chosen, inventory, output, None)
}

/// The same for a run that takes another one's place.
///
/// # Errors
/// When it cannot be made.
pub fn make_over(
    setup: &Setup,
    chosen: Chosen,
    inventory: Arc<Inventory>,
    output: Output,
    over: Option<&Over>,
) -> Result<Made, Failure> {
    let looker = Looker::new(setup)?;
    let mut drive = looker.drive(setup, inventory, output)?;
    let Planned { plan, inherited } = over::plan(&mut drive, chosen, over)?;
    let inherited = inherited.map(|(_, inheritance)| inheritance);
    // What the other run holds, this one would have.
    let theirs = |row: &LockRow| inherited.as_ref().is_none_or(|inheritance| inheritance.from != row.run);
    let locks = drive.journal().locks()?.into_iter();
    let locked: Vec<LockRow> = locks.filter(|row| plan.locks.contains(&row.resource) && theirs(row)).collect();
    drive.end();
    Ok(Made { plan, locked, inherited })
}

/// Shows a plan and says what it comes to.
pub fn show(setup: &Setup, made: &Made, subject: &Subject, output: Output) -> Exit {
    let Made { plan, locked, inherited } = made;
    let weak = too_weak(plan, subject.min_fidelity);
    let sum = view::plan::sum(plan);
    let exit = match () {
        () if !sum.violated.is_empty() || !weak.is_empty() => Exit::Failed,
        () if subject.detailed_exitcode && sum.changing > 0 => Exit::Changes,
        () => Exit::Success,
    };
    if output != Output::Human {
        let mut json = view::plan_json::json(plan, exit.code());
        json["inherited"] = json!(inherited.as_ref().map(view::inherited::json));
        setup.screen.json(&json);
        return exit;
    }
    let width = setup.screen.text_width();
    let mut lines = view::plan::lines(plan, width);
    lines.push(Line::new());
    if let Some(inherited) = inherited {
        lines.extend(view::inherited::lines(inherited, width));
        lines.push(Line::new());
    }
    lines.extend(view::plan::verdict_lines(plan, width));
    for row in locked {
        let since = clock::date_and_time(row.since);
        let text =
            format!("✗ {} is held by run {} since {since} UTC: a run would be refused now", row.resource, row.run);
        lines.push(Line::new().with(Ink::Warn, text));
    }
    for step in &weak {
        lines.push(Line::new().with(Ink::Bad, format!("✗ below --min-fidelity: {step}")));
    }
    lines.push(Line::plain("Dry-run: the targets were only looked at, nothing was changed."));
    setup.screen.print_whole(&lines);
    exit
}

/// Where a look at the targets keeps what it needs. Looking must leave nothing behind: where there is no state yet, none is
/// made.
pub struct Looker {
    scratch: Option<PathBuf>,
}

impl Looker {
    /// The state where there is one, else a folder that goes away again.
    ///
    /// # Errors
    /// When no folder can be named.
    pub fn new(setup: &Setup) -> Result<Self, Failure> {
        if setup.journal_file.exists() {
            return Ok(Self { scratch: None });
        }
        let mut bytes = [0_u8; 8];
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::new(Exit::Fault, format!("there are no random numbers: {error}")))?;
        let name = format!("playbook-look-{:016x}", u64::from_be_bytes(bytes));
        Ok(Self { scratch: Some(std::env::temp_dir().join(name)) })
    }

    /// An engine that looks.
    ///
    /// # Errors
    /// When the journal cannot be opened.
    pub fn drive<'a>(&self, setup: &'a Setup, inventory: Arc<Inventory>, output: Output) -> Result<Drive<'a>, Failure> {
        match &self.scratch {
            None => Drive::new(setup, output, inventory, Box::new(setup.own_journal()?), false),
            Some(folder) => {
                let journal = Box::new(MemoryJournal::new());
                Drive::in_folder(setup, output, inventory, journal, folder.clone(), false)
            }
        }
    }
}

impl Drop for Looker {
    fn drop(&mut self) {
        if let Some(folder) = &self.scratch {
            // What cannot be removed is an empty folder of ours: nothing depends on it.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The changing steps whose prediction is founded less well than asked for.
pub fn too_weak(plan: &Plan, level: Option<Level>) -> Vec<String> {
    let least = match level {
        None => return Vec::new(),
        Some(Level::Assumed) => Fidelity::Assumed,
        Some(Level::Probed) => Fidelity::Probed,
        Some(Level::Proved) => Fidelity::Proved,
    };
    let steps = plan.steps.iter().filter(|planned| {
        let changes = plan.playbook.step(&planned.id).is_some_and(|step| step.effect.changes());
        changes && planned.fidelity < least && !matches!(planned.runs, Decided::No { .. })
    });
    steps.map(|planned| format!("{} is {}", planned.id, view::plan::fidelity_word(planned.fidelity))).collect()
}

/// A run is not started as its plan is founded less well than asked for.
pub fn weak_failure(weak: &[String]) -> Failure {
    Failure::new(Exit::Failed, format!("the plan is founded less well than --min-fidelity asks: {}", weak.join(", ")))
        .meaning("nothing was started or changed")
}
