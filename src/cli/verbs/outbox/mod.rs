//! `outbox`: who has been told what; what was given up is put back. It never tells anything that is not in a record, and never
//! shows more of an address than its host.

mod show;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{Format, Outbox, OutboxList, OutboxRetry, OutboxVerb};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::nearest;
use crate::cli::incidents;
use crate::cli::runs;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::engine::WallClock;
use crate::engine::deliver::{Deliverer, LAST_PUSH, Receivers, Telling};
use crate::engine::holder;
use crate::inventory::Secrets;
use crate::journal::{Known, SqliteJournal, Standing, Subject};
use crate::value::{format_seconds, parse_duration};

/// Shows the outbox, or has what waits in it tried.
///
/// # Errors
/// When the journal cannot be read, or what is named is not there.
pub fn outbox(setup: &Setup, args: &Outbox) -> Result<Exit, Failure> {
    match &args.verb {
        OutboxVerb::List(args) => list(setup, args),
        OutboxVerb::Retry(args) => retry(setup, args),
        OutboxVerb::Flush(args) => {
            push(setup, &args.longest)?;
            told(setup, args.output, None)
        }
    }
}

/// What tells others, for whoever drives runs.
pub fn deliverer(setup: &Setup, secrets: Secrets) -> Deliverer {
    let file = setup.journal_file.clone();
    Deliverer::new(Telling {
        targets: setup.config.notify.clone(),
        tellers: Arc::new(Receivers::new(secrets)),
        clock: Arc::new(WallClock),
        open: Arc::new(move || Ok(Box::new(SqliteJournal::open_for_telling(&file)?))),
        since: clock::now(),
    })
}

/// Tells what is due, for a moment: what a verb ends with that writes something and drives no run. What does not arrive by then
/// goes with the next run, a flush or a server.
pub fn tell_now(setup: &Setup, deliverer: Deliverer) {
    if setup.config.notify.is_empty() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(deliverer.push(LAST_PUSH));
    runtime.shutdown_background();
}

/// What there is: the targets, and what of each is not told.
struct Found {
    targets: Vec<Known>,
    standings: Vec<Standing>,
}

fn look(setup: &Setup) -> Result<Found, Failure> {
    match setup.existing_journal()? {
        Some(mut journal) => Ok(Found { targets: journal.targets()?, standings: journal.standings()? }),
        None => Ok(Found { targets: Vec::new(), standings: Vec::new() }),
    }
}

/// The configured targets that were not told everything, and those for which something was given up.
pub fn waiting(setup: &Setup) -> (Vec<String>, Vec<String>) {
    let (mut late, mut dead) = (Vec::new(), Vec::new());
    let Ok(Some(mut journal)) = setup.existing_journal() else { return (late, dead) };
    for name in setup.config.notify.iter().map(|notify| &notify.name) {
        let Ok(standings) = journal.standings_of(name) else { continue };
        if standings.iter().any(|one| one.cursor.dead_at.is_some()) {
            dead.push(name.clone());
        }
        if standings.iter().any(|one| one.cursor.dead_at.is_none()) {
            late.push(name.clone());
        }
    }
    (late, dead)
}

fn list(setup: &Setup, args: &OutboxList) -> Result<Exit, Failure> {
    show::show(setup, &look(setup)?, args.output, Exit::Success, None);
    Ok(Exit::Success)
}

fn retry(setup: &Setup, args: &OutboxRetry) -> Result<Exit, Failure> {
    let longest = limit(&args.longest)?;
    let found = look(setup)?;
    if let Some(target) = args.target.as_deref().filter(|target| !is_known(setup, &found, target)) {
        let names: BTreeSet<&str> = setup.config.notify.iter().map(|notify| notify.name.as_str()).collect();
        let near = nearest(target, names.iter().copied());
        let failure = Failure::new(Exit::NotFound, format!("nobody called `{target}` is told anything"))
            .meaning("nothing was put back");
        return Err(match near.as_slice() {
            [] => failure.next("playbook outbox list"),
            near => failure.next(format!("names like it: {}", near.join(", "))),
        });
    }
    let subject = match (&args.run, &args.incident) {
        (Some(word), _) => Some(Subject::Run(runs::find(setup, word)?.1)),
        (None, Some(word)) => Some(Subject::Incident(incidents::find(setup, word)?.1.incident)),
        (None, None) => None,
    };
    let by = holder::this_process().user;
    let back = match setup.existing_journal()? {
        Some(mut journal) => journal.put_back(args.target.as_deref(), subject.as_ref(), &by, clock::now())?,
        None => 0,
    };
    deliver_for(setup, longest)?;
    told(setup, args.output, Some(back))
}

fn is_known(setup: &Setup, found: &Found, target: &str) -> bool {
    setup.config.notify.iter().any(|notify| notify.name == target)
        || found.targets.iter().any(|one| one.target == target)
}

fn limit(text: &str) -> Result<Duration, Failure> {
    let seconds = parse_duration(text).filter(|seconds| *seconds > 0.0 && *seconds <= 86_400.0);
    let seconds = seconds.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("`--for {text}` is no time: such as 30s, 2m or 1h, at most a day"))
    })?;
    Ok(Duration::from_secs_f64(seconds))
}

fn push(setup: &Setup, longest: &str) -> Result<(), Failure> {
    deliver_for(setup, limit(longest)?)
}

/// Tells what is due, for so long at most.
fn deliver_for(setup: &Setup, longest: Duration) -> Result<(), Failure> {
    if setup.server()?.is_some() {
        setup.screen.say(&[Line::new().with(Ink::Dim, "the server tells by itself, as soon as somebody listens")]);
        return Ok(());
    }
    if setup.config.notify.is_empty() || setup.existing_own_journal()?.is_none() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Fault, format!("the runtime cannot be started: {error}")))?;
    let text = format!("telling, for {} at most", format_seconds(longest.as_secs_f64()));
    setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
    runtime.block_on(deliverer(setup, Secrets::default()).push(longest));
    runtime.shutdown_background();
    Ok(())
}

/// What is left after trying: 1 where something is.
fn told(setup: &Setup, output: Format, back: Option<usize>) -> Result<Exit, Failure> {
    let found = look(setup)?;
    let configured = |one: &&Standing| setup.config.notify.iter().any(|notify| notify.name == one.target);
    let exit = if found.standings.iter().any(|one| configured(&one)) { Exit::Failed } else { Exit::Success };
    show::show(setup, &found, output, exit, back);
    Ok(exit)
}
