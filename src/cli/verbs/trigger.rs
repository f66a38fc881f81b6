//! `trigger`: what an alert would have had done, from a file of what its source sent. Nothing is proved of a file; all else is
//! as when it comes in: the same routes, what the playbook says of triggers, its inputs' types, and every brake.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::config::{Hook, HookKind};
use crate::engine::new_run_id;
use crate::ids::{Digest, RunId};
use crate::incident::AlertState;
use crate::inventory::Inventory;
use crate::journal::{Claimed, Firing, Hooks as _};
use crate::plan::Narrowing;
use crate::playbook::{Playbook, TriggeredMode};
use crate::trigger::{self, Delivery, MAX_BODY, Routes, Source, TriggerError, Wanted};

use crate::cli::args::{Output, Run, Starting, Subject, Trigger};
use crate::cli::books::Chosen;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Next};
use crate::cli::inputs;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::triggered::{self, Fate, Told};
use crate::cli::view::wish::Wish;

/// Replays what a source of alerts sent.
///
/// # Errors
/// When it cannot be read, or nothing can be routed at all.
pub fn trigger(setup: &Setup, args: &Trigger) -> Result<Exit, Failure> {
    if let Some(client) = setup.server()?.filter(|_| !args.dry_run) {
        let what = format!("the server at {} owns this state, and works on alerts by itself", client.address());
        return Err(Failure::new(Exit::Usage, what)
            .meaning("nothing was started: what is replayed here acts here, beside the server")
            .next("send it to the server: POST /v1/hooks/SOURCE     (docs/triggers.md)")
            .next_typed(format!("{} --dry-run     (what it would have done)", super::held_back::typed()))
            .next("--server none     (replays it on a state of your own)"));
    }
    let source = source(setup, args)?;
    let body = body(&args.from_alert)?;
    let delivery = source.read(&body).map_err(refusal)?;
    let routes = Routes::of(&setup.config).map_err(refusal)?;
    if routes.count() == 0 {
        return Err(Failure::new(Exit::NotFound, "the configuration has no routes, so no alert starts anything")
            .meaning("nothing was started")
            .next("write `triggers:` into the configuration: docs/triggers.md"));
    }
    let told: Vec<Told> =
        delivery.alerts.iter().map(|alert| of_alert(setup, args, &source, &delivery, &routes, alert)).collect();
    let acts = !args.dry_run && told.iter().any(|told| told.wanted().is_some());
    show(setup, args, &source, &delivery, &told, acts);
    if !args.dry_run {
        over(setup, &source, &told)?;
    }
    let mut exit = standing(&told);
    for told in &told {
        let Some((wanted, chosen)) = told.wanted() else { continue };
        if args.dry_run {
            continue;
        }
        let came = act(setup, args, (&source, &told.alert), wanted, chosen.clone()).unwrap_or_else(|failure| {
            // One alert that cannot be served must not keep the next one from it.
            failure.show(&setup.screen, &setup.paste);
            failure.exit
        });
        if exit == Exit::Success {
            exit = came;
        }
    }
    Ok(exit)
}

/// Who sent it.
fn source(setup: &Setup, args: &Trigger) -> Result<Source, Failure> {
    let hooks = &setup.config.hooks;
    let named = match (&args.source, args.kind) {
        (Some(name), _) => {
            let hook = hooks.get(name).ok_or_else(|| {
                let there: Vec<&str> = hooks.keys().map(String::as_str).collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                Failure::new(Exit::NotFound, format!("there is no source `{name}` in the configuration's `hooks`"))
                    .meaning("nothing was started")
                    .next(format!("there are: {there}"))
            })?;
            (name.clone(), hook.clone())
        }
        (None, Some(kind)) => (HookKind::from(kind).word().to_owned(), Hook::of_kind(kind.into())),
        (None, None) => match (hooks.iter().next(), hooks.len()) {
            (Some((name, hook)), 1) => (name.clone(), hook.clone()),
            (_, count) => {
                let what = if count == 0 {
                    "the configuration has no `hooks`"
                } else {
                    "the configuration has several `hooks`"
                };
                return Err(Failure::new(Exit::Usage, format!("{what}, so it has to be said who sent this"))
                    .next("--source NAME, by its name in `hooks`, or --kind alertmanager|grafana|pagerduty"));
            }
        },
    };
    Ok(Source::unproved(&named.0, &named.1))
}

fn body(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let most = u64::try_from(MAX_BODY + 1).unwrap_or(u64::MAX);
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut body)
    } else {
        match std::fs::File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(crate::cli::files::no_file("file of alerts", path));
            }
            opened => opened.and_then(|file| file.take(most).read_to_end(&mut body)),
        }
    };
    read.map_err(|error| {
        let what = format!("the file of alerts {} cannot be read: {error}", path.display());
        Failure::new(Exit::Invalid, what).meaning("nothing was started")
    })?;
    Ok(body)
}

/// What becomes of one alert, before anything is done.
fn of_alert(
    setup: &Setup,
    args: &Trigger,
    source: &Source,
    delivery: &Delivery,
    routes: &Routes,
    alert: &trigger::Alert,
) -> Told {
    let routed = routes.route(source.name(), &delivery.id, alert);
    let fate = match routed.taken {
        None => Fate::Unrouted,
        Some(taken) => match taken.wanted {
            Err(error) => Fate::Refused { route: taken.route, playbook: taken.playbook, failure: refusal(error) },
            Ok(wanted) => {
                let wanted = Wanted { mode: args.mode.map_or(wanted.mode, Into::into), ..wanted };
                match chosen(setup, &wanted) {
                    Ok(chosen) => Fate::Wanted { wanted, chosen: Box::new(chosen) },
                    Err(failure) => Fate::Refused { route: taken.route, playbook: taken.playbook, failure },
                }
            }
        },
    };
    Told { alert: alert.clone(), passed: routed.passed, fate }
}

/// The playbook with its inputs, where it lets itself be started like this.
fn chosen(setup: &Setup, wanted: &Wanted) -> Result<Chosen, Failure> {
    let name = named(wanted);
    let playbook: Playbook = setup.playbook(&name)?;
    trigger::admit(&playbook, wanted).map_err(refusal)?;
    let inventory: Arc<Inventory> = setup.inventory()?;
    let inputs = inputs::bind_sent(&playbook, &wanted.sent(), &inventory)?;
    Ok(Chosen { playbook, inputs, narrowing: Narrowing::default() })
}

fn named(wanted: &Wanted) -> String {
    match &wanted.version {
        Some(version) => format!("{}@{version}", wanted.playbook),
        None => wanted.playbook.clone(),
    }
}

/// How the routing alone came out: where a playbook refuses, or none of the alerts that fire takes a route, that is not to look
/// like success.
fn standing(told: &[Told]) -> Exit {
    if let Some(refused) = told.iter().find_map(Told::refused) {
        return refused.exit;
    }
    let mut firing = told.iter().filter(|told| told.alert.status == AlertState::Firing).peekable();
    let fires = firing.peek().is_some();
    let none_is_taken = firing.all(|told| matches!(told.fate, Fate::Unrouted));
    if fires && none_is_taken { Exit::NotFound } else { Exit::Success }
}

fn show(setup: &Setup, args: &Trigger, source: &Source, delivery: &Delivery, told: &[Told], acts: bool) {
    if args.output == Output::Human {
        let lines = triggered::lines(source, delivery, told, setup.screen.text_width());
        // What is done next gives the result then.
        if acts { setup.screen.say(&lines) } else { setup.screen.print_whole(&lines) }
    } else if !acts {
        setup.screen.json(&triggered::json(source, delivery, told, standing(told)));
    }
}

/// Does what is wanted.
fn act(
    setup: &Setup,
    args: &Trigger,
    (source, alert): (&Source, &trigger::Alert),
    wanted: &Wanted,
    chosen: Chosen,
) -> Result<Exit, Failure> {
    match wanted.mode {
        TriggeredMode::DryRun => {
            let made = super::plan::make(setup, chosen, setup.inventory()?, args.output)?;
            Ok(super::plan::show(setup, &made, &as_run(args, wanted, None).subject, args.output))
        }
        TriggeredMode::Ask => {
            let inputs = wanted.sent();
            let wish = wish(args, wanted, &inputs);
            if args.output == Output::Human {
                let width = setup.screen.text_width();
                setup.screen.print_whole(&triggered::proposal(wanted, &wish, &setup.paste, width));
            } else {
                setup.screen.json(&json!({
                    "v": 1, "type": "proposal", "exit": Exit::Waiting.code(), "wanted": wanted,
                    "command": setup.paste.command(wish.command()), "left_out": wish.left_out(),
                }));
            }
            Ok(Exit::Waiting)
        }
        TriggeredMode::Run => {
            let command = setup.paste.command(wish(args, wanted, &wanted.sent()).command());
            begin(setup, args, (source, alert), wanted, chosen).map_err(|failure| passable(failure, &command))
        }
    }
}

/// Begins the run. What is replayed is a firing of its own, and the cooldown holds for it like for those that come in.
fn begin(
    setup: &Setup,
    args: &Trigger,
    (source, alert): (&Source, &trigger::Alert),
    wanted: &Wanted,
    chosen: Chosen,
) -> Result<Exit, Failure> {
    let (inventory, run) = (setup.inventory()?, new_run_id()?);
    let firing = Firing {
        claim: Digest::of(run.as_str().as_bytes()),
        scope: wanted.scope.clone(),
        cooldown: wanted.cooldown,
        run: run.clone(),
        source: source.name().to_owned(),
        fingerprint: alert.fingerprint.clone(),
    };
    let mut journal = setup.own_journal()?;
    if let Claimed::Cooling { run, until } = journal.claim_firing(&firing, clock::now())? {
        let (route, until) = (&wanted.route, clock::date_and_time(until));
        let what =
            format!("the route {route} has begun run {run} on the same, and begins nothing more until {until} UTC");
        return Err(Failure::new(Exit::NotAllowed, what)
            .meaning("nothing was started or changed")
            .next(format!("playbook status {run}     (how that run stands)")));
    }
    let result = super::run::run_chosen(setup, &as_run(args, wanted, Some(run)), (chosen, None, inventory));
    // It stays where the run has begun. One that is left behind holds others back for a while and no longer: what became of the
    // run is the word that counts.
    if let Err(error) = journal.free_firing(&firing.claim) {
        let text =
            format!("the cooldown of the route {} may hold the next alert back for a while: {error}", wanted.route);
        setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
    }
    result
}

/// What is over is known to the runs that it began.
fn over(setup: &Setup, source: &Source, told: &[Told]) -> Result<(), Failure> {
    let Some(mut journal) = setup.existing_own_journal()? else { return Ok(()) };
    for told in told.iter().filter(|told| told.alert.status == AlertState::Resolved) {
        for run in journal.resolved(source.name(), &told.alert.fingerprint, clock::now())? {
            let text = format!("the alert that began run {run} is over, and the run knows it");
            setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
        }
    }
    Ok(())
}

/// A trigger passes no brake; a person may, by running it as themselves.
fn passable(mut failure: Failure, command: &str) -> Failure {
    if failure.exit != Exit::NotAllowed {
        return failure;
    }
    failure.next.retain(|next| match next {
        Next::Hint(text) | Next::Typed(text) => !text.contains("--override"),
    });
    failure.next_typed(format!(
        "{command}     (as yourself: a trigger passes no brake, and the refusal of this says what does)"
    ))
}

/// What is wanted, as the command with which a person runs the same.
fn wish<'w>(args: &'w Trigger, wanted: &'w Wanted, inputs: &'w Map<String, Value>) -> Wish<'w> {
    let (playbook, version) = (wanted.playbook.as_str(), wanted.version.as_deref());
    Wish { playbook, version, inputs, incident: args.incident.as_deref() }
}

/// The same as if it had been typed as a run.
fn as_run(args: &Trigger, wanted: &Wanted, triggered: Option<RunId>) -> Run {
    Run {
        subject: Subject {
            name: Some(named(wanted)),
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
        starting: Starting {
            dry_run: false,
            forks: args.forks.clone(),
            incident: args.incident.clone(),
            yes: args.yes,
            confirm: args.confirm.clone(),
            output: args.output,
            no_wait: args.no_wait,
            wait: args.wait.clone(),
            overrides: Vec::new(),
            approve: Vec::new(),
            break_glass: false,
            reason: None,
        },
        triggered,
    }
}

fn refusal(error: TriggerError) -> Failure {
    let what = error.to_string();
    match error {
        TriggerError::NotAllowed(_) => Failure::new(Exit::NotAllowed, what)
            .meaning("nothing was started")
            .next("playbook explain trigger-input     (which inputs an alert may fill)"),
        TriggerError::Inputs(_) => Failure::new(Exit::Invalid, what)
            .meaning("nothing was started: what an alert does not say is not guessed")
            .next("let the route give a value of its own, or {{default labels.NAME \"…\"}}"),
        TriggerError::Malformed { .. } => Failure::new(Exit::Invalid, what)
            .meaning("nothing was started")
            .next("--source NAME or --kind KIND says what form it has"),
        TriggerError::Unusable(_)
        | TriggerError::TooLarge(_)
        | TriggerError::Stale { .. }
        | TriggerError::Unproved { .. } => Failure::new(Exit::Invalid, what).meaning("nothing was started"),
    }
}
