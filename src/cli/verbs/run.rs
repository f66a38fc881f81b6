//! `run`: look, show, ask, go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::plan::{Plan, drift};
use crate::playbook::Playbook;

use crate::cli::args::{Output, Run};
use crate::cli::drive::{Drive, say_state};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inputs;
use crate::cli::paste::quote;
use crate::cli::setup::{Chosen, Setup};
use crate::cli::text::{Ink, Line};
use crate::cli::view::{self, count};
use crate::inventory::Inventory;
use crate::value::parse_duration;

use super::plan::{too_weak, weak_failure};
use super::plan_file;

/// The brakes that this version has.
const BRAKES: [(&str, &str); 1] =
    [("shared-state", "a production inventory whose state is this machine's alone, not that of a `playbook serve`")];

/// Runs a playbook, or shows what a run would do.
///
/// # Errors
/// When it cannot or must not be run.
pub fn run(setup: &Setup, args: &Run) -> Result<Exit, Failure> {
    let overrides = brakes(args)?;
    let (chosen, held, inventory) = chosen(setup, args)?;
    if args.dry_run {
        let made = super::plan::make(setup, chosen, inventory, args.output)?;
        if let Some(exit) = held.and_then(|then| drifted(setup, args, &then, &made.plan)) {
            return Ok(exit);
        }
        return Ok(super::plan::show(setup, &made, &args.subject, args.output));
    }
    // A brake that does not bind here is not passed: it would be an exception of a run that had none.
    let overrides = if inventory.environment == "production" { overrides } else { Vec::new() };
    let must_ask = must_ask(setup, args, &chosen.playbook, &inventory)?;
    let journal = setup.journal()?;
    let mut drive = Drive::new(setup, args.output, inventory, Box::new(journal), !args.no_wait)?;
    say_state(setup);
    let result = go(setup, args, &mut drive, (chosen, held), must_ask, overrides);
    drive.end();
    result
}

/// What is to be run: a playbook with its inputs, or what a plan's file holds of them, with that plan.
fn chosen(setup: &Setup, args: &Run) -> Result<(Chosen, Option<Plan>, Arc<Inventory>), Failure> {
    let Some(path) = &args.plan else {
        let subject = &args.subject;
        let chosen = setup.chosen(subject.name(), &subject.input, subject.inputs_file.as_deref())?;
        return Ok((chosen, None, setup.inventory()?));
    };
    let inventory = setup.inventory()?;
    let then = plan_file::read(setup, args, path, &inventory)?;
    let chosen = Chosen { playbook: then.playbook.clone(), inputs: then.inputs.clone() };
    Ok((chosen, Some(then), inventory))
}

/// Where the world differs from what the plan rests on, nothing is started.
fn drifted(setup: &Setup, args: &Run, then: &Plan, now: &Plan) -> Option<Exit> {
    let list = drift(then, now, &setup.specs());
    if list.is_empty() {
        let text = format!("plan {} holds: the world is what it was made for", then.digest.short());
        setup.screen.say(&[Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)]);
        return None;
    }
    plan_file::show_drift(setup, then, &list, args.output);
    Some(Exit::Drift)
}

fn go(
    setup: &Setup,
    args: &Run,
    drive: &mut Drive,
    (chosen, held): (Chosen, Option<Plan>),
    must_ask: bool,
    overrides: Vec<(String, String)>,
) -> Result<Exit, Failure> {
    let until = longest_wait(args)?.map(|wait| Instant::now() + wait);
    loop {
        let plan = drive.plan(chosen.clone())?;
        // Who held a lock has changed things since: what was planned before it was free is planned again.
        if let Some(until) = until
            && drive.wait_for(&plan.locks, until)?
        {
            continue;
        }
        match begin(setup, args, drive, plan, held.as_ref(), must_ask, &overrides) {
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
    plan: Plan,
    held: Option<&Plan>,
    must_ask: bool,
    overrides: &[(String, String)],
) -> Result<Exit, Failure> {
    if let Some(exit) = held.and_then(|then| drifted(setup, args, then, &plan)) {
        return Ok(exit);
    }
    let weak = too_weak(&plan, args.subject.min_fidelity);
    if !weak.is_empty() {
        return Err(weak_failure(&weak));
    }
    inputs::hold_secrets(&plan, |reference| drive.finds_secret(reference))?;
    let screen = &setup.screen;
    if must_ask {
        let width = screen.text_width();
        screen.warn(&view::plan::lines(&plan, width));
        screen.warn(&view::plan::verdict_lines(&plan, width));
        let answer = drive.ask(&format!("Run {} on {}? [y/N]", plan.playbook.name, place(&plan)));
        if !matches!(answer.as_str(), "y" | "yes") {
            return Err(Failure::new(Exit::NotAllowed, "you did not say yes").meaning("nothing was started or changed"));
        }
    } else if args.output == Output::Human {
        screen.say(&brief(&plan));
    }
    drive.start(plan, args.incident.clone(), overrides.to_vec())
}

/// How long a lock is waited for.
fn longest_wait(args: &Run) -> Result<Option<Duration>, Failure> {
    let Some(text) = &args.wait else { return Ok(None) };
    let seconds = parse_duration(text).filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    let seconds = seconds.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`--wait {text}` is no time: such as 30s, 2m or 1h, at most a day"))
    })?;
    Ok(Some(Duration::from_secs_f64(seconds)))
}

fn place(plan: &Plan) -> String {
    if plan.targets.is_empty() { "this machine".to_owned() } else { view::groups::some(&plan.targets) }
}

/// The plan in two lines.
fn brief(plan: &Plan) -> Vec<Line> {
    let sum = view::plan::sum(plan);
    // What runs: a step of which there are three items is three.
    let steps = count(plan.steps.len(), "step");
    let change = if sum.changing == 1 { "changes" } else { "change" };
    let line = Line::new().with(
        Ink::Dim,
        format!("plan {}: {steps}, {} {change} something, on {}", plan.digest.short(), sum.changing, place(plan)),
    );
    let mut lines = vec![line];
    for broken in sum.violated {
        lines.push(Line::new().with(Ink::Warn, format!("does not hold now: {broken}")));
    }
    lines
}

/// The brakes that are passed by name, each with the reason.
fn brakes(args: &Run) -> Result<Vec<(String, String)>, Failure> {
    let reason = args.reason.clone().unwrap_or_default();
    if !args.overrides.is_empty() && reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "a brake is passed with a reason: --reason TEXT"));
    }
    for brake in &args.overrides {
        if !BRAKES.iter().any(|(name, _)| name == brake) {
            let known: Vec<String> = BRAKES.iter().map(|(name, what)| format!("{name} ({what})")).collect();
            let what = format!("there is no brake `{brake}`; there is: {}", known.join("; "));
            return Err(Failure::new(Exit::Usage, what).meaning("nothing was started"));
        }
    }
    Ok(args.overrides.iter().map(|brake| (brake.clone(), reason.clone())).collect())
}

/// Whether a person is to be asked first.
///
/// # Errors
/// When the run is not allowed as it was asked, with the command that is.
fn must_ask(setup: &Setup, args: &Run, book: &Playbook, inventory: &Inventory) -> Result<bool, Failure> {
    if !book.steps.iter().any(|step| step.effect.changes()) {
        return Ok(false);
    }
    if inventory.environment == "production" {
        return production(args, book).map(|()| false);
    }
    if let Some(name) = &args.confirm {
        confirmed(name, book)?;
        return Ok(false);
    }
    if args.yes {
        return Ok(false);
    }
    if setup.screen.asks && args.output == Output::Human {
        return Ok(true);
    }
    Err(Failure::new(Exit::NotAllowed, format!("{} changes things, and nobody can be asked here", book.name))
        .meaning("nothing was started or changed")
        .next_typed(format!("{} -y", typed()))
        .next_typed(format!("{} --dry-run     (shows what it would do)", typed())))
}

fn confirmed(name: &str, book: &Playbook) -> Result<(), Failure> {
    if name == book.name {
        return Ok(());
    }
    let what = format!("--confirm says `{name}`, but the playbook is `{}`", book.name);
    Err(Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed"))
}

/// A production inventory wants the playbook's name once more, and a state that is shared.
fn production(args: &Run, book: &Playbook) -> Result<(), Failure> {
    let passed = args.overrides.iter().any(|brake| brake == "shared-state");
    if let (Some(name), true) = (&args.confirm, passed) {
        return confirmed(name, book);
    }
    let mut command = typed_without(&["-y", "--yes"]);
    let mut missing = Vec::new();
    if args.confirm.is_none() {
        missing.push("the playbook's name once more (--confirm) instead of -y");
        command.push_str(&format!(" --confirm {}", quote(&book.name)));
    }
    if !passed {
        missing.push(
            "a state that everybody shares: this version has no `playbook serve`, so locks hold on this machine alone, \
             and a named person takes that on with --override shared-state",
        );
        command.push_str(" --override shared-state --reason \"…\"");
    }
    Err(Failure::new(
        Exit::NotAllowed,
        format!("the inventory's environment is production: it wants {}", missing.join("; and ")),
    )
    .meaning("nothing was started or changed")
    .next_typed(command))
}

/// The command as it was typed, ready to paste.
fn typed() -> String {
    typed_without(&[])
}

fn typed_without(flags: &[&str]) -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.filter(|word| !flags.contains(&word.as_str())).map(|word| quote(&word)).collect();
    format!("playbook {}", words.join(" "))
}
