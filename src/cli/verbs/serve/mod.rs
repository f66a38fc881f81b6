//! `serve`: owns a state where several people or a service work together. Runs live here and outlive whoever asked for them. A
//! first SIGTERM or Ctrl-C lets each run end the step in hand and gives it back; a second one leaves at once. Nothing is lost by
//! either: the next start goes on. It must never own a state beside another server.

mod beside;
mod http;
mod owner;
mod place;
mod ready;
mod rules;
mod told;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::cli::args::Serve;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Next};
use crate::cli::log;
use crate::cli::setup::Setup;
use crate::cli::signals;
use crate::cli::text::{Ink, Line};
use crate::cli::view::count;
use crate::ids::RunId;
use crate::server::http::Listener;
use crate::server::{Hands, House, Problem, Rules};
use crate::value::{format_seconds, parse_duration};
use beside::Beside;
use http::Http;
use owner::Owner;
pub(in crate::cli) use owner::owner_of;
use place::Place;

/// How soon it is seen that the server cannot be reached any more.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Serves the state until it is told to end.
///
/// # Errors
/// When another server owns the state, or it cannot be served.
pub fn serve(setup: &Setup, args: &Serve) -> Result<Exit, Failure> {
    // It is the server: it asks none.
    let setup = &setup.alone();
    let patience = patience(&args.patience)?;
    log::start_of_a_server();
    // Made where there is none: also its folder, in which the lock lies.
    drop(setup.own_journal()?);
    let owner = Owner::of(&setup.journal_file)?;
    let presses = signals::of_a_server()?;
    // Where it cannot listen it takes nothing in hand either: whoever mends that starts it once more.
    let listeners = http::listeners(setup, args)?;
    let places: Vec<String> = listeners.iter().map(Listener::place).collect();
    let place = Arc::new(Place::of(setup));
    let (house, rules): (Arc<dyn House>, Arc<dyn Rules>) = (place.clone(), place);
    let hands = Hands::new(Arc::clone(&house), rules);
    let alerts = beside::alerts(setup, Arc::clone(&house), Arc::new(hands.clone()))?;
    say_where(setup);
    warn_of_inventory(setup);
    let adopted = hands.adopt().map_err(failure)?;
    say_adopted(setup, &adopted);
    let beside = Beside::begin(setup, Arc::clone(&alerts))?;
    let http = Http::begin(house, Arc::new(hands.clone()), alerts, listeners)?;
    owner.listens(&places.join(" and "));
    say_places(setup, &places);
    ready::tell("READY=1");
    let fell = wait(&presses, &http, &beside);
    ready::tell("STOPPING=1");
    http.stop();
    beside.stop();
    let exit = end(setup, &hands, patience, &presses);
    beside.end();
    match http.end() {
        Ok(()) if !fell => Ok(exit),
        Ok(()) => Err(http::fell("it ended by itself")),
        Err(why) => Err(http::fell(&why)),
    }
}

/// Waits until the server is told to end; true where it cannot be reached or works on no alerts any more, which is an end too:
/// whoever started it starts it again.
fn wait(presses: &Receiver<u32>, http: &Http, beside: &Beside) -> bool {
    loop {
        match presses.recv_timeout(LOOK_AGAIN) {
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) if http.is_over() || beside.is_over() => return true,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn end(setup: &Setup, hands: &Hands, patience: Duration, presses: &Receiver<u32>) -> Exit {
    let open = hands.in_hand();
    if !open.is_empty() {
        let text = format!(
            "it ends: {} in hand may end its step, for up to {}; once more ends it at once",
            count(open.len(), "run"),
            format_seconds(patience.as_secs_f64())
        );
        setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
    }
    let left = hands.end(patience, || presses.try_recv().is_ok());
    if left.is_empty() {
        setup.screen.say(&[Line::plain("it has ended; nothing was left in the middle of a step")]);
        return Exit::Success;
    }
    let names: Vec<&str> = left.iter().map(RunId::as_str).collect();
    let text = format!(
        "it has ended with {} in the middle of a step: {}. What was begun goes on; the next start of the server asks what \
         became of it, and goes on with the run",
        count(left.len(), "run"),
        names.join(", ")
    );
    setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
    Exit::Interrupted
}

fn patience(text: &str) -> Result<Duration, Failure> {
    let seconds = parse_duration(text).filter(|seconds| *seconds >= 0.0 && *seconds <= 86_400.0);
    let refused =
        || Failure::new(Exit::Usage, format!("`--patience {text}` is no time: such as 30s, 2m or 1h, at most a day"));
    seconds.map(Duration::from_secs_f64).ok_or_else(refused)
}

fn say_where(setup: &Setup) {
    setup.screen.say(&[Line::new()
        .with(Ink::Bold, "playbook serve")
        .with(Ink::Plain, format!(" {} owns the state in {}", env!("CARGO_PKG_VERSION"), setup.kept_in()))]);
}

fn say_places(setup: &Setup, places: &[String]) {
    for place in places {
        setup.screen.say(&[Line::new().with(Ink::Plain, format!("listens on {place}"))]);
    }
}

/// Halts, answers and what needs no targets are served all the same.
fn warn_of_inventory(setup: &Setup) {
    if let Err(failure) = setup.inventory() {
        let text = format!("no run can begin or go on until this is mended: {}", failure.what);
        setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
    }
}

fn say_adopted(setup: &Setup, adopted: &[RunId]) {
    if !adopted.is_empty() {
        let are = if adopted.len() == 1 { "is" } else { "are" };
        let text = format!("{} of the server before this one {are} gone on with", count(adopted.len(), "run"));
        setup.screen.say(&[Line::plain(text)]);
    }
}

/// A problem as this command's own failure.
fn failure(problem: Problem) -> Failure {
    let exit = super::super::exit::ALL.iter().find(|row| row.code == problem.exit).map_or(Exit::Fault, |row| row.exit);
    let mut failure = Failure::new(exit, problem.title).meaning(problem.detail.unwrap_or_default());
    failure.next.extend(problem.next.into_iter().map(Next::Hint));
    failure
}
