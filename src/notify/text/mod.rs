//! What people are told of a run, in their language: the same facts in each. Texts of others stand as they are.

mod en;
mod incident;
mod zh;

use super::message::{Message, Piece, Weight, command, fill, ours, theirs};
use super::moment::{Moment, What};
use crate::config::Language;
use crate::incident::{Brief, IncidentEvent};
use crate::run::{Answer, QuestionKind, RunState, Time, Verdict};
use crate::value::format_seconds;

pub use incident::of_incident;

/// A language: each has a file of its own.
trait Tongue {
    /// What happened, in one sentence.
    fn sentence(&self, moment: &Moment) -> Vec<Piece>;
    /// What was said of an incident, by whom, in one sentence.
    fn of_incident(&self, actor: &str, event: &IncidentEvent) -> Vec<Piece>;
    /// How an incident stands.
    fn incident(&self, brief: &Brief, since: &str) -> Vec<Piece>;
    /// How a run stands.
    fn standing(&self, standing: Standing) -> Vec<Piece>;
    /// The state of a service, by its word.
    fn service(&self, word: &str, since: &str) -> Vec<Piece>;
    /// For which incident a run is, and where.
    fn place(&self, environment: &str, incident: Option<&str>) -> Vec<Piece>;
    /// How lines that were left out are told.
    fn left_out(&self) -> &'static str;
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Running,
    Waiting(QuestionKind),
    Undoing,
    Paused,
    Halted,
    Ended(Verdict, f64),
}

/// The message about a run, with these moments of it.
pub fn message(state: &RunState, moments: &[Moment], language: Language) -> Message {
    let tongue = tongue(language);
    let book = state.playbook();
    let mut title = fill("{}@{}", [theirs(&book.name), theirs(&book.version)]);
    title.extend(fill(" · {} · {}", [theirs(&book.title), ours(state.run.as_str())]));
    let standing = standing(state);
    let mut line = tongue.standing(standing);
    if let Some((service, since)) = state.service {
        line.push(ours(" · "));
        line.extend(tongue.service(service.word(), &clock(since)));
    }
    let place = tongue.place(environment(state), state.incident.as_deref());
    if !place.is_empty() {
        line.push(ours(" · "));
        line.extend(place);
    }
    Message {
        weight: weight(standing),
        title,
        standing: line,
        lines: lines(tongue, moments),
        commands: commands(state),
        left_out: tongue.left_out(),
    }
}

fn tongue(language: Language) -> &'static dyn Tongue {
    match language {
        Language::En => &en::English,
        Language::Zh => &zh::Chinese,
    }
}

/// A line for each moment, with the time of day before it.
fn lines(tongue: &dyn Tongue, moments: &[Moment]) -> Vec<Vec<Piece>> {
    let line = |moment: &Moment| [vec![ours(format!("{} ", clock(moment.time)))], tongue.sentence(moment)].concat();
    moments.iter().map(line).collect()
}

/// Where a run acts; empty where nothing says that.
pub fn environment(state: &RunState) -> &str {
    if state.plan.environment == "none" { "" } else { &state.plan.environment }
}

/// One moment on one line.
pub fn line(moment: &Moment, language: Language) -> Vec<Piece> {
    tongue(language).sentence(moment)
}

/// Pieces as they stand.
pub fn plain(pieces: &[Piece]) -> String {
    pieces.iter().map(|piece| piece.text.as_str()).collect()
}

fn standing(state: &RunState) -> Standing {
    if let Some((verdict, at, _)) = &state.ended {
        return Standing::Ended(*verdict, at.seconds_since(state.started).max(0.0));
    }
    if state.halted.is_some() && !state.despite_halt {
        return Standing::Halted;
    }
    match (&state.question, state.stopped, &state.rollback) {
        (Some(question), ..) => Standing::Waiting(question.kind),
        (None, Some(_), _) => Standing::Paused,
        (None, None, Some(_)) => Standing::Undoing,
        (None, None, None) => Standing::Running,
    }
}

fn weight(standing: Standing) -> Weight {
    match standing {
        Standing::Running => Weight::Plain,
        Standing::Ended(Verdict::Succeeded, _) => Weight::Good,
        _ => Weight::Bad,
    }
}

/// What to type next: the answer, where somebody is asked.
fn commands(state: &RunState) -> Vec<Piece> {
    let run = &state.run;
    let mut list = Vec::new();
    if let Some(question) = state.question.as_ref().filter(|_| state.ended.is_none()) {
        let task = &question.task;
        if question.kind == QuestionKind::Approval {
            list.push(format!("playbook approve {run} {task} --reason \"…\""));
            list.push(format!("playbook reject {run} {task} --reason \"…\""));
        } else {
            let flags: Vec<&str> = question.kind.answers().iter().map(|answer| flag(*answer)).collect();
            list.push(format!("playbook resolve {run} {task} {}", flags.join("|")));
        }
    } else if state.stopped.is_some() && state.ended.is_none() {
        list.push(format!("playbook resume {run}"));
    }
    list.push(if state.ended.is_some() {
        format!("playbook timeline {run}")
    } else {
        format!("playbook status {run}")
    });
    list.into_iter().map(command).collect()
}

fn flag(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "--took-effect",
        Answer::DidNot => "--did-not",
        Answer::Retry => "--retry",
        Answer::Undo => "--undo",
        Answer::Abandon => "--abandon",
        Answer::GoOn => "--go-on",
    }
}

/// The time of day (UTC).
pub(super) fn clock(time: Time) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .map_or_else(|_| time.to_string(), |at| at.strftime("%H:%M:%S").to_string())
}

/// A reason behind a sentence; nothing where there is none.
fn because(form: &str, reason: &str) -> Vec<Piece> {
    if reason.is_empty() { Vec::new() } else { fill(form, [theirs(reason)]) }
}

fn long(seconds: f64) -> Piece {
    ours(format_seconds(seconds))
}
