//! `run`: look, show, ask, go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::engine::{Beginning, Former};
use crate::journal::{Journal as _, JournalError, Store};
use crate::plan::{Plan, drift};
use crate::run::{INVARIANTS, Inheritance};

use crate::cli::args::{Output, Run};
use crate::cli::books::Chosen;
use crate::cli::brakes::{Passes, SHARED_STATE};
use crate::cli::drive::{Drive, say_state};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inputs;
use crate::cli::narrow;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::there;
use crate::cli::view::{self, count};
use crate::inventory::Inventory;
use crate::value::parse_duration;

use super::ahead;
use super::held_back::{self, Ask, typed};
use super::incident::belongs::Belongs;
use super::over::{self, Over, Planned};
use super::plan::{too_weak, weak_failure};
use super::plan_file::{self, Held};

/// So many of what does not hold are told before a run.
const MOST_BROKEN: usize = 8;

/// What a person has said of a run before it begins.
struct Said {
    ask: Ask,
    passes: Passes,
    belongs: Belongs,
}

/// Runs a playbook, or shows what a run would do.
///
/// # Errors
/// When it cannot or must not be run.
pub fn run(setup: &Setup, args: &Run) -> Result<Exit, Failure> {
    // What was typed wrong is said before anything is read.
    Passes::of(&args.starting.overrides, args.starting.reason.as_deref())?;
    let past = args.starting.overrides.iter().any(|brake| brake == SHARED_STATE);
    let alone = past.then(|| setup.past_the_server()).transpose()?;
    let setup = alone.as_ref().unwrap_or(setup);
    if let Some(client) = setup.server()? {
        return there::run(setup, &client, args);
    }
    let what = chosen(setup, args)?;
    run_chosen(setup, args, what)
}

/// The same where it is known what is to be run.
///
/// # Errors
/// When it cannot or must not be run.
pub fn run_chosen(
    setup: &Setup,
    args: &Run,
    (mut chosen, held, inventory): (Chosen, Option<Held>, Arc<Inventory>),
) -> Result<Exit, Failure> {
    let mut passes = Passes::of(&args.starting.overrides, args.starting.reason.as_deref())?;
    passes.pass_own(&setup.config, &mut chosen.playbook)?;
    let over = Over::of(setup, args)?;
    if args.starting.dry_run {
        let made = super::plan::make_over(setup, chosen, inventory, args.starting.output, over.as_ref())?;
        if let Some(exit) = held.and_then(|then| drifted(setup, args, &then.plan, &made.plan)) {
            return Ok(exit);
        }
        return Ok(super::plan::show(setup, &made, &args.subject, args.starting.output));
    }
    // Opened once: each time costs as much as several steps.
    let mut existing = setup.existing_own_journal()?;
    if let Some(halt) = existing.as_mut().map(|journal| journal.halted()).transpose()?.flatten() {
        return Err(JournalError::Halted(halt).into());
    }
    let belongs = Belongs::of(
        setup,
        args.starting.incident.as_deref(),
        existing.as_mut().map(|journal| journal as &mut dyn Store),
    )?;
    let age = held.as_ref().map(|held| held.age);
    let ask = held_back::hold(setup, args, &chosen.playbook, &inventory, age, &mut passes)?;
    let held = held.map(|held| held.plan);
    let journal = match existing {
        Some(journal) => journal,
        None => setup.own_journal()?,
    };
    let mut drive = Drive::new(setup, args.starting.output, inventory, Box::new(journal), !args.starting.no_wait)?;
    say_state(setup);
    let mut said = Said { ask, passes, belongs };
    let result = go(setup, args, &mut drive, (chosen, held), &mut said, over.as_ref());
    let result = result.map_err(|failure| said.belongs.told(failure));
    drive.end();
    result
}

/// What is to be run: a playbook with its inputs, or what a plan's file holds of them, with that plan.
fn chosen(setup: &Setup, args: &Run) -> Result<(Chosen, Option<Held>, Arc<Inventory>), Failure> {
    let Some(path) = &args.plan else {
        let subject = &args.subject;
        let (chosen, inventory) = setup.chosen_here(subject.name(), &subject.input, subject.inputs_file.as_deref())?;
        let narrowing = narrow::limit(args.limit.as_deref(), &inventory)?;
        return Ok((Chosen { narrowing, ..chosen }, None, inventory));
    };
    let inventory = setup.inventory()?;
    let then = plan_file::read(setup, args, path, &inventory)?;
    let Plan { playbook, inputs, narrowing, .. } = then.plan.clone();
    let chosen = Chosen { playbook, inputs, narrowing };
    Ok((chosen, Some(then), inventory))
}

/// Where the world differs from what the plan rests on, nothing is started.
pub(in crate::cli) fn drifted(setup: &Setup, args: &Run, then: &Plan, now: &Plan) -> Option<Exit> {
    let list = drift(then, now, &setup.specs());
    if list.is_empty() {
        let text = format!("plan {} holds: the world is what it was made for", then.digest.short());
        setup.screen.say(&[Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)]);
        return None;
    }
    plan_file::show_drift(setup, then, &list, args.starting.output);
    Some(Exit::Drift)
}

fn go(
    setup: &Setup,
    args: &Run,
    drive: &mut Drive,
    (chosen, held): (Chosen, Option<Plan>),
    said: &mut Said,
    over: Option<&Over>,
) -> Result<Exit, Failure> {
    let until = longest_wait(args)?.map(|wait| Instant::now() + wait);
    loop {
        // What somebody wants to know of the plan, it has to have been looked at for.
        let unseen = over.is_none() && held.is_none() && args.subject.min_fidelity.is_none();
        let planned = match unseen {
            true => Planned { plan: drive.plan_to_run(chosen.clone())?, inherited: None },
            false => over::plan(drive, chosen.clone(), over)?,
        };
        // Who held a lock has changed things since: what was planned before it was free is planned again.
        if let Some(until) = until
            && planned.inherited.is_none()
            && drive.wait_for(&planned.plan.locks, until)?
        {
            continue;
        }
        match begin(setup, args, drive, planned, held.as_ref(), said) {
            Err(failure) if failure.exit == Exit::Locked && until.is_some_and(|until| Instant::now() < until) => {}
            Err(failure) if failure.exit == Exit::Locked && until.is_none() => {
                let command = format!("{} --wait 2m     (waits for the lock and starts then)", typed());
                return Err(failure.next_typed(command));
            }
            result => return result,
        }
    }
}

/// Shows the plan, asks where that is due, and starts.
fn begin(
    setup: &Setup,
    args: &Run,
    drive: &mut Drive,
    Planned { plan, inherited }: Planned,
    held: Option<&Plan>,
    Said { ask, passes, belongs }: &mut Said,
) -> Result<Exit, Failure> {
    let ask = *ask;
    if let Some(exit) = held.and_then(|then| drifted(setup, args, then, &plan)) {
        return Ok(exit);
    }
    let weak = too_weak(&plan, args.subject.min_fidelity);
    if !weak.is_empty() {
        return Err(weak_failure(&weak));
    }
    inputs::hold_secrets(&plan, |reference| drive.finds_secret(reference))?;
    let screen = &setup.screen;
    if let Some(over) = drive.over_limit(&plan)? {
        held_back::limited(setup, &over, &plan.playbook, passes)?;
    }
    if ask != Ask::Nothing {
        let width = screen.text_width();
        screen.warn(&view::plan::lines(&plan, width));
        screen.warn(&view::plan::verdict_lines(&plan, width));
        screen.warn(&told(inherited.as_ref(), width));
        confirm(drive, &plan, ask)?;
    } else if args.starting.output == Output::Human {
        screen.say(&brief(&plan));
        screen.say(&held_back::of_invariants(&plan, passes.has_passed(INVARIANTS), &passes.words(&[INVARIANTS])));
        screen.say(&told(inherited.as_ref(), screen.text_width()));
    }
    let approved = ahead::approved(setup, args, &plan.playbook)?;
    let mut overrides = passes.passed();
    overrides.extend(ahead::break_glass(setup, args, &plan.playbook)?);
    ahead::warn(setup, &plan.playbook);
    let beginning = match &args.triggered {
        Some(run) => {
            drive.call_next(run.clone());
            Beginning::by_trigger()
        }
        None => Beginning::by_person(overrides, approved),
    };
    let beginning = beginning.of_incident(belongs.name(setup, Some(&plan))?);
    match inherited {
        Some((former, inheritance)) => drive.start_over(plan, beginning, &former, inheritance),
        None => drive.start(plan, beginning),
    }
}

/// Asks, and takes nothing for a yes that is none.
fn confirm(drive: &mut Drive, plan: &Plan, ask: Ask) -> Result<(), Failure> {
    let (name, on) = (&plan.playbook.name, place(plan));
    let (sure, lacking) = if ask == Ask::Name {
        let typed = drive.ask(&format!("This is {}. Type {name} to run it on {on}:", plan.environment));
        (typed == name.to_lowercase(), format!("the name that was typed is not `{name}`"))
    } else {
        let answer = drive.ask(&format!("Run {name} on {on}? [y/N]"));
        (matches!(answer.as_str(), "y" | "yes"), "you did not say yes".to_owned())
    };
    if sure { Ok(()) } else { Err(Failure::new(Exit::NotAllowed, lacking).meaning("nothing was started or changed")) }
}

/// What the run has from another one.
fn told(inherited: Option<&(Former, Inheritance)>, width: usize) -> Vec<Line> {
    inherited.map(|(_, inheritance)| view::inherited::lines(inheritance, width)).unwrap_or_default()
}

/// How long a lock is waited for.
pub(in crate::cli) fn longest_wait(args: &Run) -> Result<Option<Duration>, Failure> {
    let Some(text) = &args.starting.wait else { return Ok(None) };
    let seconds = parse_duration(text).filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    let seconds = seconds.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`--wait {text}` is no time: such as 30s, 2m or 1h, at most a day"))
    })?;
    Ok(Some(Duration::from_secs_f64(seconds)))
}

pub(in crate::cli) fn place(plan: &Plan) -> String {
    if plan.targets.is_empty() { "this machine".to_owned() } else { view::groups::some(&plan.targets) }
}

/// The plan in two lines.
pub(in crate::cli) fn brief(plan: &Plan) -> Vec<Line> {
    let sum = view::plan::sum(plan);
    // What runs: a step of which there are three items is three.
    let steps = count(plan.steps.len(), "step");
    let change = if sum.changing == 1 { "changes" } else { "change" };
    let line = Line::new().with(
        Ink::Dim,
        format!("plan {}: {steps}, {} {change} something, on {}", plan.digest.short(), sum.changing, place(plan)),
    );
    let mut lines = vec![line];
    lines.extend(view::narrowed::of_plan(plan, 100));
    let fails = view::plan::does_not_hold(plan);
    for broken in fails.iter().take(MOST_BROKEN) {
        lines.push(Line::new().with(Ink::Warn, format!("does not hold now: {broken}")));
    }
    if let Some(more) = fails.len().checked_sub(MOST_BROKEN).filter(|more| *more > 0) {
        let text = format!("does not hold now: {more} more (--dry-run names them)");
        lines.push(Line::new().with(Ink::Warn, text));
    }
    lines.extend(view::plan::borne_lines(plan, 100));
    lines
}
