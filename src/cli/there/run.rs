//! `run` where the run lives in the server: it looks and acts there, and is shown, asked about and followed here. Whoever closes
//! the terminal ends nothing; a first Ctrl-C asks the run to wait behind the step in hand.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::ids::RunId;
use crate::journal::{Journal as _, JournalError, LockRow, Method, Refused, Server as _, read_answer};
use crate::plan::{Plan, Which};
use crate::run::{Event, INVARIANTS, Inheritance, RunState};

use super::super::args::{Output, Run};
use super::super::brakes::Passes;
use super::super::drive::{say_state, show};
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::follow::{Following, exit_of, follow_as};
use super::super::held::Held;
use super::super::narrow;
use super::super::paste::quote;
use super::super::reporter::Reporter;
use super::super::runs::Doing;
use super::super::setup::Setup;
use super::super::signals;
use super::super::terminal;
use super::super::text::{Ink, Line};
use super::super::verbs::held_back::{self, typed, typed_without};
use super::super::verbs::incident::belongs::Belongs;
use super::super::verbs::plan::{show as show_plan, too_weak, weak_failure};
use super::super::verbs::run::{brief, drifted, longest_wait, place};
use super::super::view;
use super::plan::{self, Offer, Planned};

/// How soon it is asked again whether a lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A run that has begun.
#[derive(Deserialize)]
struct Begun {
    run: RunId,
}

/// Runs a playbook in the server, or shows what a run there would do.
///
/// # Errors
/// When it cannot or must not be run.
pub fn run(setup: &Setup, client: &Arc<Client>, args: &Run) -> Result<Exit, Failure> {
    let (offer, held) = match &args.plan {
        Some(path) => {
            let (offer, planned) = plan::offer_of_file(args, path)?;
            (offer, Some(planned))
        }
        None => (
            plan::offer(
                setup,
                client,
                &args.subject,
                args.limit.as_deref().map(narrow::pattern).transpose()?.as_deref(),
            )?,
            None,
        ),
    };
    begin(setup, client, args, offer, held)
}

/// The same over what a run has left undone.
///
/// # Errors
/// When it cannot or must not be run.
pub fn retry(setup: &Setup, client: &Arc<Client>, args: &Run, state: &RunState, which: Which) -> Result<Exit, Failure> {
    let offer = plan::offer_again(&state.run, &state.playbook().name, which);
    begin(setup, client, args, offer, None)
}

fn begin(
    setup: &Setup,
    client: &Arc<Client>,
    args: &Run,
    mut offer: Offer,
    held: Option<Planned>,
) -> Result<Exit, Failure> {
    plan::over(setup, args, &mut offer)?;
    plan::said(&mut offer, &args.starting);
    if let Some(planned) = &held {
        offer.say("plan", json!(planned.file));
    }
    if args.starting.dry_run {
        let (made, _) = plan::made(client, &offer)?;
        if let Some(exit) = held.and_then(|then| drifted(setup, args, &then.plan, &made.plan)) {
            return Ok(exit);
        }
        return Ok(show_plan(setup, &made, &args.subject, args.starting.output));
    }
    let mut belongs = {
        let mut journal = super::journal(client);
        Belongs::of(setup, args.starting.incident.as_deref(), Some(&mut journal))?
    };
    say_state(setup);
    let looked = look(setup, client, args, &mut offer, held, &belongs)?;
    if let Some(incident) = belongs.name(setup, looked.as_ref())? {
        offer.say("incident", json!(incident));
    }
    // From here on a Ctrl-C is meant for the run, which may have begun by the time that it comes.
    let presses = signals::of_a_server()?;
    let run = start(setup, client, args, &offer).map_err(|failure| belongs.told(failure))?;
    if starting_is_quiet(args) {
        say_brief(setup, client, &run)?;
    }
    to_its_rest(setup, client, (args.starting.output, !args.starting.no_wait), (&run, None), &presses)
}

/// Whether nobody saw the plan before the run began, and it may be told.
fn starting_is_quiet(args: &Run) -> bool {
    (args.starting.yes || args.starting.confirm.is_some()) && args.starting.output == Output::Human
}

/// The plan in two lines, as the run has it.
fn say_brief(setup: &Setup, client: &Arc<Client>, run: &RunId) -> Result<(), Failure> {
    let first = super::journal(client).stored_after(run, 0, 1)?.pop();
    let first = first.map(|first| first.read(run)).transpose()?;
    if let Some(Event::RunStarted { plan, overrides, .. }) = first.map(|record| record.event) {
        setup.screen.say(&brief(&plan));
        let passed = overrides.iter().any(|(brake, _)| brake == INVARIANTS);
        setup.screen.say(&held_back::of_invariants(&plan, passed, &Passes::of(&[], None)?.words(&[INVARIANTS])));
    }
    Ok(())
}

/// Looks at the plan where somebody has to see it, and asks; the plan, where there is one.
fn look(
    setup: &Setup,
    client: &Arc<Client>,
    args: &Run,
    offer: &mut Offer,
    held: Option<Planned>,
    belongs: &Belongs,
) -> Result<Option<Plan>, Failure> {
    let starting = &args.starting;
    let sure = starting.yes || starting.confirm.is_some();
    if sure && args.subject.min_fidelity.is_none() && !belongs.is_new() {
        return Ok(held.map(|planned| planned.plan));
    }
    let planned = match held {
        Some(planned) => planned,
        None => plan::plan(client, offer)?,
    };
    let Planned { plan, file, inherited } = planned;
    let weak = too_weak(&plan, args.subject.min_fidelity);
    if !weak.is_empty() {
        return Err(weak_failure(&weak));
    }
    let changes = plan.playbook.steps.iter().any(|step| step.effect.changes());
    if starting.confirm.is_none() && changes && sure && plan.environment == held_back::PRODUCTION {
        // Known here already: nothing is opened for a run that would be refused.
        let name = &plan.playbook.name;
        let what = format!(
            "{name} is held back on production: it wants the playbook's name once more (--confirm, instead of -y)"
        );
        let command = format!("{} --confirm {}", typed_without(&["-y", "--yes"]), quote(name));
        return Err(Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed").next_typed(command));
    }
    if !sure && changes {
        confirm(setup, args, offer, (&plan, inherited.as_ref()))?;
        // What was looked at is what runs: where the world has changed since, nothing begins. A plan that is sent says that
        // already.
        if args.plan.is_none() {
            offer.say("looked_at", json!(file));
        }
    }
    Ok(Some(plan))
}

/// Shows what would be done, and asks; takes nothing for a yes that is none.
fn confirm(
    setup: &Setup,
    args: &Run,
    offer: &mut Offer,
    (plan, inherited): (&Plan, Option<&Inheritance>),
) -> Result<(), Failure> {
    let (screen, name) = (&setup.screen, &plan.playbook.name);
    if !screen.asks || args.starting.output != Output::Human {
        let production = plan.environment == held_back::PRODUCTION;
        let sure = if production { format!("--confirm {}", quote(name)) } else { "-y".to_owned() };
        return Err(Failure::new(Exit::NotAllowed, format!("{name} changes things, and nobody can be asked here"))
            .meaning("nothing was started or changed")
            .next_typed(format!("{} {sure}", typed()))
            .next_typed(format!("{} --dry-run     (shows what it would do)", typed())));
    }
    let width = screen.text_width();
    screen.warn(&view::plan::lines(plan, width));
    screen.warn(&view::plan::verdict_lines(plan, width));
    screen.warn(&inherited.map(|inheritance| view::inherited::lines(inheritance, width)).unwrap_or_default());
    let refused = |why: String| Failure::new(Exit::NotAllowed, why).meaning("nothing was started or changed");
    if plan.environment == held_back::PRODUCTION {
        let typed = ask(setup, &format!("This is {}. Type {name} to run it on {}:", plan.environment, place(plan)));
        if typed != name.to_lowercase() {
            return Err(refused(format!("the name that was typed is not `{name}`")));
        }
        offer.say("confirm", json!(name));
        return Ok(());
    }
    match ask(setup, &format!("Run {name} on {}? [y/N]", place(plan))).as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(refused("you did not say yes".to_owned())),
    }
}

/// Asks on the terminal; the end of input answers with nothing. Ctrl-C ends this process, and nothing has begun.
fn ask(setup: &Setup, question: &str) -> String {
    terminal::forget_typed();
    setup.screen.prompt(question);
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line);
    line.trim().to_lowercase()
}

/// Has it begin, once: under a key, so that an answer that was lost is asked for again. A lock may be waited for.
fn start(setup: &Setup, client: &Arc<Client>, args: &Run, offer: &Offer) -> Result<RunId, Failure> {
    let mut told = String::new();
    let until = longest_wait(args)?.map(|wait| Instant::now() + wait);
    loop {
        let refused = match client.once("/v1/runs", &key()?, &offer.body()) {
            Ok(text) => return Ok(read_answer::<Begun>(&text)?.run),
            Err(JournalError::Refused(refused)) => *refused,
            Err(error) => return Err(error.into()),
        };
        if refused.exit != Exit::Locked.code() {
            return Err(held_back_there(refused, args, offer)?);
        }
        match until {
            Some(until) if Instant::now() < until => {
                if told != refused.title {
                    let text = format!("waits: {}; nothing is started yet, and Ctrl-C ends that", refused.title);
                    setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
                    told = refused.title;
                }
                std::thread::sleep(LOOK_AGAIN);
            }
            Some(_) => return Err(locked(client, refused)),
            None => {
                let command = format!("{} --wait 2m     (waits for the lock and starts then)", typed());
                return Err(locked(client, refused).next_typed(command));
            }
        }
    }
}

/// The server knows what a run needs, and not what was typed here: the command that has it is said as it would be typed.
fn held_back_there(mut refused: Refused, args: &Run, offer: &Offer) -> Result<Failure, Failure> {
    let Some(needs) = refused.needs.take() else { return Ok(super::refused(refused)) };
    refused.next.retain(|text| !text.starts_with("playbook run "));
    let mut command = if needs.confirm { typed_without(&["-y", "--yes"]) } else { typed() };
    if needs.confirm {
        command.push_str(&format!(" --confirm {}", quote(&offer.playbook())));
    }
    let passes = Passes::of(&args.starting.overrides, args.starting.reason.as_deref())?;
    let names: Vec<&str> = needs.overrides.iter().map(String::as_str).collect();
    command.push_str(&passes.words(&names));
    Ok(super::refused(refused).next_typed(command))
}

/// The lock that is in the way, with what comes by it as it would be typed here.
fn locked(client: &Arc<Client>, refused: Refused) -> Failure {
    let Some(lock) = &refused.locked else { return super::refused(refused) };
    let mut journal = super::journal(client);
    let is_it = |row: &LockRow| row.resource == lock.resource && row.run == lock.run;
    let row = journal.locks().ok().and_then(|rows| rows.into_iter().find(is_it));
    match row.map(|row| Held::of(&mut journal, row)) {
        Some(Ok(held)) => held.failure(),
        _ => super::refused(refused),
    }
}

/// Longer than a run's id: of two runs that somebody begins at once, neither must be taken for the other one.
fn key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::new(Exit::Fault, format!("there are no random numbers: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Follows a run of one's own to where it rests: the first Ctrl-C asks it to wait behind the step in hand, the second one ends
/// the following alone.
///
/// # Errors
/// When its records cannot be read.
pub fn to_its_rest(
    setup: &Setup,
    client: &Arc<Client>,
    (output, wait): (Output, bool),
    (run, known): (&RunId, Option<RunState>),
    presses: &Receiver<u32>,
) -> Result<Exit, Failure> {
    let mut pressed = 0;
    let mut enough = |period, reporter: &dyn Reporter| match presses.recv_timeout(period) {
        Err(_) => false,
        Ok(_) => {
            pressed += 1;
            if pressed == 1 {
                pause(setup, client, run, reporter);
            }
            pressed > 1
        }
    };
    let left = "the run waits behind the step in hand, as the first Ctrl-C asked";
    let following = Following { output, wait, known, left, enough: &mut enough };
    let Some((state, doing)) = follow_as(setup, following, &mut super::journal(client), run)? else {
        return Ok(Exit::Interrupted);
    };
    let waits = !wait && state.ended.is_none() && state.question.is_some();
    let exit = match exit_of(&state, doing) {
        _ if waits => Exit::Waiting,
        // It was stopped from here, and not by somebody else.
        Exit::Waiting if pressed > 0 && doing == Doing::Stopped => Exit::Interrupted,
        exit => exit,
    };
    show(setup, output, &state, doing, exit);
    Ok(exit)
}

fn pause(setup: &Setup, client: &Client, run: &RunId, reporter: &dyn Reporter) {
    let body = json!({ "reason": "Ctrl-C" });
    match client.ask(Method::Post, &format!("/v1/runs/{run}/pause"), Some(&body)) {
        Ok(_) => reporter.interrupted(1),
        Err(error) => {
            reporter.pause();
            let text = format!("the run could not be asked to wait, and goes on: {error}");
            setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
        }
    }
}
