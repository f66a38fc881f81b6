//! Asking something of a run that lives in the server, and following what comes of it.

use std::sync::mpsc::RecvTimeoutError;

use serde::Deserialize;

use crate::client::Client;
use crate::journal::{Method, Server as _, asking, read_answer};
use crate::run::{RequestKind, RunState};

use super::super::args::Output;
use super::super::drive::{Asked, show};
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::follow::{Following, GOES_ON, exit_of, follow_as};
use super::super::reporter::Reporter;
use super::super::runs::{self, Doing};
use super::super::setup::Setup;
use super::super::signals;

/// What became of what was asked.
#[derive(Deserialize)]
struct Taken {
    became: Became,
    by: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Became {
    TakenUp,
    DrivenOn,
}

/// Asks for something: the server takes it up where it drives the run already. Else it goes on with the run, which is followed
/// to where it rests; and is asked for whatever `more` says there.
///
/// # Errors
/// When it makes no sense for the run as it stands, or the server cannot be asked.
pub fn request(
    setup: &Setup,
    client: &std::sync::Arc<Client>,
    output: Output,
    state: &RunState,
    (request, reason): (RequestKind, &str),
    mut more: impl FnMut(&RunState) -> Option<RequestKind>,
) -> Result<Asked, Failure> {
    let run = &state.run;
    let mut request = request;
    let mut known = state.clone();
    let seen = signals::end_of_watching()?;
    loop {
        let (verb, body) = asking(&request, reason);
        let text = client.ask(Method::Post, &format!("/v1/runs/{run}/{verb}"), Some(&body));
        let text = text.map_err(|error| Failure::from(error).naming(run))?;
        let taken: Taken = read_answer(&text)?;
        if taken.became == Became::TakenUp {
            return Ok(Asked::TakenUp { by: Some(taken.by) });
        }
        let mut enough = |period, _: &dyn Reporter| seen.recv_timeout(period) != Err(RecvTimeoutError::Timeout);
        let following = Following { output, wait: true, known: Some(known), left: GOES_ON, enough: &mut enough };
        let Some((state, doing)) = follow_as(setup, following, &mut super::journal(client), run)? else {
            return Ok(Asked::Left);
        };
        match more(&state) {
            Some(next) if doing == Doing::Waiting && state.question.is_some() => (request, known) = (next, state),
            _ => {
                show(setup, output, &state, doing, exit_of(&state, doing));
                return Ok(Asked::Rests(Box::new(state)));
            }
        }
    }
}

/// Goes on with a run, and follows it to where it rests.
///
/// # Errors
/// When it has ended or somebody drives it, or the server cannot be asked.
pub fn resume(
    setup: &Setup,
    client: &std::sync::Arc<Client>,
    (output, wait): (Output, bool),
    state: RunState,
    (reason, take_over): (&str, bool),
) -> Result<Exit, Failure> {
    let run = &state.run.clone();
    let presses = signals::of_a_server()?;
    let body = serde_json::json!({ "reason": reason, "take_over": take_over });
    if let Err(error) = client.ask(Method::Post, &format!("/v1/runs/{run}/resume"), Some(&body)) {
        // Of several who resume it at once, one may have brought it to its end meanwhile: that is how it came out.
        let ended = runs::state(&mut super::journal(client), run).is_ok_and(|state| state.ended.is_some());
        if !ended {
            return Err(Failure::from(error).naming(run));
        }
    }
    super::run::to_its_rest(setup, client, (output, wait), (run, Some(state)), &presses)
}
