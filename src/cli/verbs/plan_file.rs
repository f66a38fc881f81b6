//! A plan's file: written for a run that is to be held to it, and read by that run. What a file is held to is the plan's
//! own business; here it meets the disk, the clock and the settings.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::catalog;
use crate::ids::Digest;
use crate::inventory::Inventory;
use crate::plan::{Drift, Here, Plan, PlanFile, PlanFileError};
use crate::spec::Specs;
use crate::value::parse_duration;

use crate::cli::args::{Output, Run};
use crate::cli::books::is_file_name;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files;
use crate::cli::inputs;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::view;

/// The version of this binary.
const TOOL: &str = env!("CARGO_PKG_VERSION");

/// Where the text of a plan is from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// A file here.
    File(&'a Path),
    /// Whoever asks a server for a run.
    Sent,
    /// The server that was asked for it.
    Server,
}

impl Origin<'_> {
    /// As it is called in a sentence.
    fn named(self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Sent => "that was sent".to_owned(),
            Self::Server => "that the server made".to_owned(),
        }
    }

    /// As it is called in a command.
    fn file(self) -> String {
        match self {
            Self::File(path) => quote(&path.display().to_string()),
            Self::Sent | Self::Server => "FILE".to_owned(),
        }
    }
}

/// The plan that a run is held to.
#[derive(Debug)]
pub struct Held {
    /// The plan.
    pub plan: Plan,
    /// How long ago it was made, in seconds.
    pub age: f64,
}

/// The place that a file is made at or held to.
struct Place {
    inventory: Digest,
    environment: String,
    specs: Specs,
    max_age: Option<f64>,
}

impl Place {
    fn of(setup: &Setup, inventory: &Inventory, max_age: Option<f64>) -> Self {
        // An inventory is maps of text and numbers: it always has a JSON form.
        let text = serde_json::to_string(inventory).unwrap_or_default();
        Self {
            inventory: Digest::of(text.as_bytes()),
            environment: inventory.environment.clone(),
            specs: setup.specs(),
            max_age,
        }
    }

    fn here(&self) -> Here<'_> {
        Here {
            tool: TOOL,
            environment: &self.environment,
            inventory: &self.inventory,
            specs: &self.specs,
            now: clock::now().0,
            max_age: self.max_age,
        }
    }
}

/// Writes a plan: whole or not at all, and for the user's eyes alone, as it tells where everything is.
///
/// # Errors
/// When the file cannot be written.
pub fn write(setup: &Setup, path: &Path, plan: &Plan, inventory: &Inventory, age: Option<&str>) -> Result<(), Failure> {
    save(path, &text(setup, plan, inventory, max_age(age)?)?, "plan")
}

/// A plan as the text of its file. How old it may become is what somebody says, else what the settings say.
///
/// # Errors
/// When it has no such text.
pub fn text(setup: &Setup, plan: &Plan, inventory: &Inventory, max_age: Option<f64>) -> Result<String, Failure> {
    let place = Place::of(setup, inventory, max_age.or(setup.config.max_plan_age_seconds));
    let file = PlanFile::new(plan.clone(), &place.here(), clock::now().rfc3339());
    file.write().map_err(|error| Failure::new(Exit::Fault, format!("the plan cannot be written: {error}")))
}

/// Writes a file for the user's eyes alone, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, text: &str, what: &str) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = begin(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|error| {
        // What was begun is not a file that anybody asked for.
        let _ = std::fs::remove_file(&part);
        Failure::new(Exit::Usage, format!("the {what} cannot be written to {}: {error}", path.display()))
            .meaning("nothing was changed")
    })
}

/// A new file for the user's eyes alone. What is there already, a link that somebody laid or what a killed process left, is
/// never written through.
pub fn begin(part: &Path) -> std::io::Result<std::fs::File> {
    let open = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
    match open() {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            std::fs::remove_file(part)?;
            open()
        }
        other => other,
    }
}

/// Reads the plan that a run is to be held to, and holds it to this place and time.
///
/// # Errors
/// When it is refused, with the reason.
pub fn read(setup: &Setup, args: &Run, path: &Path, inventory: &Inventory) -> Result<Held, Failure> {
    let source = files::read(path, "plan")?;
    let held = hold(setup, Origin::File(path), &source.text, max_age(args.max_plan_age.as_deref())?, inventory)?;
    of_what_is_typed(args, path, &held.plan)?;
    Ok(held)
}

/// Holds what is typed beside a plan's file to it.
///
/// # Errors
/// When that says something else.
pub fn of_what_is_typed(args: &Run, path: &Path, plan: &Plan) -> Result<(), Failure> {
    same_playbook(args, path, plan)?;
    same_inputs(args, path, plan)
}

/// Holds the text of a plan to this place and time.
///
/// # Errors
/// When it is refused, with the reason.
pub fn hold(
    setup: &Setup,
    origin: Origin<'_>,
    text: &str,
    max_age: Option<f64>,
    inventory: &Inventory,
) -> Result<Held, Failure> {
    let refused = |error: PlanFileError, book: &str| refusal(origin, &error, book);
    let file = PlanFile::read(text, TOOL).map_err(|error| refused(error, "NAME"))?;
    let name = file.plan.playbook.name.clone();
    // The shorter of the two that were written down; a person who says one now wins over both.
    let most = max_age.or_else(|| setup.config.max_plan_age_seconds.map(|most| most.min(file.max_age_seconds)));
    let place = Place::of(setup, inventory, most);
    file.check(&place.here()).map_err(|error| refused(error, &name))?;
    let age = (clock::now().0 - file.made_at).max(0) as f64 / 1000.0;
    Ok(Held { plan: file.plan, age })
}

/// A plan's file as it lies there, for whoever holds a run to it elsewhere.
///
/// # Errors
/// When it is none.
pub fn look(path: &Path) -> Result<(Plan, String), Failure> {
    let source = files::read(path, "plan")?;
    Ok((look_at(Origin::File(path), &source.text)?, source.text.clone()))
}

/// The plan of a file's text.
///
/// # Errors
/// When it is none.
pub fn look_at(origin: Origin<'_>, text: &str) -> Result<Plan, Failure> {
    let file = PlanFile::read(text, TOOL).map_err(|error| refusal(origin, &error, "NAME"))?;
    Ok(file.plan)
}

fn refusal(origin: Origin<'_>, error: &PlanFileError, book: &str) -> Failure {
    let file = origin.file();
    let failure = Failure::new(Exit::Invalid, format!("the plan {} is refused: {error}", origin.named()))
        .meaning("nothing was started or changed");
    let failure = match error {
        PlanFileError::TooOld { age, .. } => failure.next(format!(
            "playbook run --plan {file} --max-plan-age {}s     (the world is compared all the same)",
            age + 600
        )),
        _ => failure,
    };
    failure.next(format!("playbook plan {} -o {file}     (makes it again)", quote(book)))
}

/// A name that is given along must be the plan's.
fn same_playbook(args: &Run, path: &Path, plan: &Plan) -> Result<(), Failure> {
    let Some(name) = args.subject.name.as_deref() else { return Ok(()) };
    let book = &plan.playbook;
    if is_file_name(name) {
        let what = format!("a plan has its playbook in it: leave out {name}, or leave out --plan");
        return Err(Failure::new(Exit::Usage, what).meaning("nothing was started or changed"));
    }
    let (asked, version) = catalog::named(name);
    let fits = version.is_none_or(|version| catalog::begins_with(&book.version, version));
    if asked == book.name && fits {
        return Ok(());
    }
    let what =
        format!("the plan {} is refused: it is one of {}@{}, not of {name}", path.display(), book.name, book.version);
    Err(Failure::new(Exit::Invalid, what).meaning("nothing was started or changed"))
}

/// Inputs that are given along must be the plan's.
fn same_inputs(args: &Run, path: &Path, plan: &Plan) -> Result<(), Failure> {
    let refused = |what: String| {
        Err(Failure::new(Exit::Invalid, format!("the plan {} is refused: {what}", path.display()))
            .meaning("nothing was started or changed")
            .next(format!("playbook plan {} -i NAME=VALUE -o FILE     (makes one)", quote(&plan.playbook.name))))
    };
    for (name, text) in inputs::pairs(&args.subject.input)? {
        let Some(input) = plan.playbook.inputs.iter().find(|input| input.name == name) else {
            return refused(format!("its playbook has no input `{name}`"));
        };
        let is = plan.inputs.get(&name).cloned().unwrap_or_default();
        match input.kind.parse(&text) {
            Ok(value) if value == is => {}
            // What was given may be the secret itself.
            _ if input.sensitive => {
                return refused(format!("it was made for {name} = {}, not for what was given", view::plan::short(&is)));
            }
            _ => return refused(format!("it was made for {name} = {}, not for {text}", view::plan::short(&is))),
        }
    }
    Ok(())
}

pub fn max_age(text: Option<&str>) -> Result<Option<f64>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match parse_duration(text).filter(|seconds| *seconds > 0.0) {
        Some(seconds) => Ok(Some(seconds)),
        None => Err(Failure::new(Exit::Usage, format!("`{text}` is no time for --max-plan-age: write 30m or 2h"))),
    }
}

/// Shows where the world differs from what a plan rests on.
pub fn show_drift(setup: &Setup, plan: &Plan, list: &[Drift], output: Output) {
    if output != Output::Human {
        setup.screen.json(&view::drift::json(plan, list, Exit::Drift.code()));
        return;
    }
    let paste = &setup.paste;
    let again = paste.command(format!("plan {} -o FILE", quote(&plan.playbook.name)));
    setup.screen.warn(&view::drift::lines(list, &again, setup.screen.text_width()));
}
