//! `retry`: a new run of the same playbook with the same inputs, over what another run has left undone of its lists. It is a
//! run like any other: it looks, shows, asks, takes its locks.

use std::collections::BTreeSet;

use crate::cli::args::{Output, Retry, Run, Starting, Subject};
use crate::cli::books::Chosen;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paste::quote;
use crate::cli::runs::{self, Doing};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::there;
use crate::cli::view::count;
use crate::journal::Journal;
use crate::plan::{Again, Narrowing, Which};
use crate::playbook::Playbook;
use crate::run::RunState;

/// Runs again over what a run has left undone.
///
/// # Errors
/// When that run is not over, nothing is left, or its playbook is another one by now.
pub fn retry(setup: &Setup, args: &Retry) -> Result<Exit, Failure> {
    let which = if args.remaining { Which::Remaining } else { Which::Failed };
    if let Some(client) = setup.server()? {
        let (mut journal, state) = runs::open(setup, &args.run)?;
        let again = left(journal.as_mut(), &state, which)?;
        if args.starting.output == Output::Human {
            setup.screen.say(&told(&state, &again));
        }
        return there::retry(setup, &client, &as_run(args, &state), &state, which);
    }
    let (mut journal, state) = runs::open(setup, &args.run)?;
    let (chosen, again) = again(setup, journal.as_mut(), &state, which)?;
    drop(journal);
    let inventory = runs::inventory(setup, &state)?;
    if args.starting.output == Output::Human {
        setup.screen.say(&told(&state, &again));
    }
    super::run::run_chosen(setup, &as_run(args, &state), (chosen, None, inventory))
}

/// What is run once more where a run has left something undone.
///
/// # Errors
/// When that run is not over, nothing is left, or its playbook is another one by now.
pub(super) fn again(
    setup: &Setup,
    journal: &mut dyn Journal,
    state: &RunState,
    which: Which,
) -> Result<(Chosen, Again), Failure> {
    runs::newest(setup, state)?;
    let again = left(journal, state, which)?;
    let playbook = same_playbook(setup, state, &again)?;
    let narrowing = Narrowing { limit: state.plan.narrowing.limit.clone(), again: Some(again.clone()) };
    Ok((Chosen { playbook, inputs: state.plan.inputs.clone(), narrowing }, again))
}

/// What a run has left undone.
fn left(journal: &mut dyn Journal, state: &RunState, which: Which) -> Result<Again, Failure> {
    if state.ended.is_none() {
        return Err(not_over(state, Doing::of_state(state, &journal.lease(&state.run)?)));
    }
    let again = state.left_undone(which);
    if again.items.values().all(BTreeSet::is_empty) && !has_open_lists(state, &again) {
        return Err(nothing_left(state, which));
    }
    Ok(again)
}

/// A list that nobody knew when that run ended may still have something in it.
fn has_open_lists(state: &RunState, again: &Again) -> bool {
    let lists = state.playbook().groups.iter().filter(|group| group.each().is_some());
    again.which == Which::Remaining && lists.into_iter().any(|group| !again.items.contains_key(&group.id))
}

fn not_over(state: &RunState, doing: Doing) -> Failure {
    let run = &state.run;
    let failure = Failure::new(Exit::NotAllowed, format!("run {run} is not over: it is {}", doing.word())).meaning(
        "nothing was started: what it has left undone is known once it has ended, and it holds its locks until then",
    );
    match doing {
        Doing::Running => failure.next(format!("playbook watch {run}     (follows it to its end)")),
        Doing::Interrupted | Doing::Stopped => failure
            .next(format!("playbook resume {run}     (goes on with it)"))
            .next(format!("playbook abort {run}     (ends it and leaves everything as it is)")),
        _ => failure.next(format!("playbook status {run}     (what it asks, and the answers)")),
    }
}

fn nothing_left(state: &RunState, which: Which) -> Failure {
    let run = &state.run;
    if !state.playbook().groups.iter().any(|group| group.each().is_some()) {
        let what = format!("there is nothing to retry in run {run}: {} has no `for_each`", state.playbook().name);
        return Failure::new(Exit::NotFound, what)
            .meaning("nothing was started; a failed step is tried again while its run is open, or by a new run")
            .next(format!("playbook status {run}     (how it ended)"));
    }
    let (what, remaining) = match which {
        Which::Failed => ("no item failed or was left out", state.remaining_items()),
        Which::Remaining => ("every item is done", 0),
    };
    let failure = Failure::new(Exit::NotFound, format!("there is nothing to retry in run {run}: {what}"))
        .meaning("nothing was started");
    if remaining == 0 {
        return failure.next(format!("playbook status {run}     (how it ended)"));
    }
    let items = count(remaining, "item");
    failure.next(format!("playbook retry {run} --remaining     ({items} that were undone again or never began)"))
}

/// The playbook of that run, which must still be the one that its name means: what is done again is what was done before.
fn same_playbook(setup: &Setup, state: &RunState, again: &Again) -> Result<Playbook, Failure> {
    let book = state.playbook();
    let entries = setup.catalog().list();
    let there: Vec<&str> =
        entries.iter().filter(|entry| entry.name == book.name).map(|entry| entry.version.as_str()).collect();
    let changed = |how: String| {
        let items: BTreeSet<&str> = again.items.values().flatten().map(|item| item.as_str()).collect();
        // Only hosts can be said in a limit.
        let are_hosts = setup.inventory().is_ok_and(|here| items.iter().all(|item| here.hosts.contains_key(*item)));
        let (limit, over) = if are_hosts && !items.is_empty() {
            let limit = quote(&items.into_iter().collect::<Vec<_>>().join(","));
            (format!(" --limit {limit}"), "over the same hosts")
        } else {
            (String::new(), "over all of its items")
        };
        Failure::new(Exit::Invalid, format!("the playbook {} of run {} was changed since: {how}", book.name, state.run))
            .meaning("nothing was started: a retry does again what that run did, and nothing else")
            .next(format!("playbook run {}{limit}     (the new one, {over}; with its inputs)", quote(&book.name)))
    };
    if there.is_empty() {
        if state.brakes.any_passed() {
            return Err(changed("it lies in no folder of playbooks, and that run passed brakes of it".to_owned()));
        }
        let text =
            format!("{} lies in no folder of playbooks: it is taken from the record of run {}", book.name, state.run);
        setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
        return Ok(book.clone());
    }
    if !there.contains(&book.version.as_str()) {
        return Err(changed(format!("it was {} and is {}", book.version, there.join(", "))));
    }
    let now = setup.playbook(&format!("{}@{}", book.name, book.version))?;
    if now.digest != book.digest {
        let (was, is) = (book.digest.short(), now.digest.short());
        return Err(changed(format!("version {} had the digest {was} and has {is}", book.version)));
    }
    Ok(now)
}

/// What is done again, and what is not.
fn told(state: &RunState, again: &Again) -> Vec<Line> {
    let left: usize = again.items.values().map(BTreeSet::len).sum();
    let mut text = format!("A new run of {} over {} of run {}.", state.playbook().name, count(left, "item"), state.run);
    text.push_str(" Steps outside of its lists run as the playbook says, from the first on.");
    let mut lines = vec![Line::new().with(Ink::Dim, text)];
    let more = if again.which == Which::Failed { state.remaining_items() } else { 0 };
    if more > 0 {
        let them = if more == 1 {
            "was undone again or never began, and is"
        } else {
            "were undone again or never began, and are"
        };
        let text = format!("{} {them} left as it stands: --remaining goes over all of it.", count(more, "item"));
        lines.push(Line::new().with(Ink::Warn, text));
    }
    lines
}

/// The same as if it had been typed as a run.
fn as_run(args: &Retry, state: &RunState) -> Run {
    let incident = args.starting.incident.clone().or_else(|| state.incident.clone());
    Run {
        subject: Subject {
            name: Some(state.playbook().name.clone()),
            input: Vec::new(),
            inputs_file: None,
            min_fidelity: None,
            detailed_exitcode: false,
        },
        plan: None,
        limit: None,
        max_plan_age: None,
        take_over: None,
        continues: None,
        starting: Starting { incident, ..args.starting.clone() },
        triggered: None,
    }
}
