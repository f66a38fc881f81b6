//! The last screen of a run, which `status` shows too: how it came out, how the world stands now, what was changed, and
//! the exact commands that come next.

use crate::cli::clock;
use crate::cli::paste::{Paste, quote};
use crate::cli::runs::Doing;
use crate::cli::text::{Ink, Line};
use crate::engine::{Ending, EndingKind};
use crate::run::{Question, QuestionKind, RunState, StopKind, Task, Time, Verdict};
use crate::timeline::ended_words;
use crate::value::{format_seconds, ranges};

use super::asked::Sent;
use super::plan::service_ink;
use super::{answers, approval, changed, heading, items, next, paragraph};

/// So many exceptions are told one by one.
const FEW: usize = 8;

/// What a run is doing after this process has left it.
pub fn doing(ending: &Ending) -> Doing {
    match &ending.kind {
        EndingKind::Finished(_) => Doing::Ended,
        EndingKind::Waiting(question) if question.kind == QuestionKind::UndoFailed => Doing::Stuck,
        EndingKind::Waiting(_) => Doing::Waiting,
        // Whoever stops a run that waits for an answer has not answered it.
        EndingKind::Stopped(_) => asking(&ending.state).unwrap_or(Doing::Stopped),
        EndingKind::Left | EndingKind::GivenBack | EndingKind::Halted => Doing::Interrupted,
    }
}

/// What a run is doing that asks something.
fn asking(state: &RunState) -> Option<Doing> {
    let kind = state.question.as_ref()?.kind;
    Some(if kind == QuestionKind::UndoFailed { Doing::Stuck } else { Doing::Waiting })
}

/// The whole screen.
pub fn lines(state: &RunState, doing: Doing, now: Time, paste: &Paste, width: usize) -> Vec<Line> {
    let mut lines = told(state, doing, now, paste, width);
    lines.push(heading("Next"));
    let mut next = next::next(state, doing, paste);
    next.extend(incident(state, paste));
    lines.extend(next::commands(&next, width));
    lines
}

/// How its incident stands, where that is one of this state.
fn incident(state: &RunState, paste: &Paste) -> Option<(String, &'static str)> {
    let ours = state.incident.as_ref().filter(|incident| incident.starts_with("inc-"))?;
    Some((paste.command(format!("incident show {}", quote(ours))), "its incident: what else runs for it"))
}

/// The same without the commands that come next: a rehearsed run is not there to be looked at.
pub fn told(state: &RunState, doing: Doing, now: Time, paste: &Paste, width: usize) -> Vec<Line> {
    let mut lines = vec![headline(state, doing, now)];
    let of = state.incident.as_ref().map(|incident| format!(", incident {incident}")).unwrap_or_default();
    lines.push(Line::new().with(Ink::Dim, format!("  run {}{of}", state.run)));
    lines.push(Line::new());
    lines.extend(world(state, doing, now, width));
    lines.extend(changed::lines(state, width));
    lines.extend(items::lines(state, paste, width));
    lines.extend(question(state, doing, now, paste, width));
    lines
}

/// How it came out, in a line.
pub fn headline(state: &RunState, doing: Doing, now: Time) -> Line {
    let book = format!("{}@{}", state.playbook().name, state.playbook().version);
    let (mark, ink, words) = match (doing, &state.ended) {
        (Doing::Ended, Some((verdict, at, _))) => {
            let (mark, ink) = verdict_mark(state, *verdict);
            let took = format_seconds(at.seconds_since(state.started));
            (mark, ink, format!("{}{}, after {took}", ended_words(state, *verdict), how_many_failed(state)))
        }
        (Doing::Ended, None) => ("?", Ink::Warn, "ended".to_owned()),
        (Doing::Stuck, _) => {
            let words = if state.rollback.is_some() { "is stuck half-way back" } else { "is stuck" };
            ("✗", Ink::Bad, format!("{words}: an undo failed and a person is needed"))
        }
        (Doing::Waiting, _) => {
            let paused = if state.stopped.is_some() { ", and is paused" } else { "" };
            ("?", Ink::Warn, format!("waits for a person{paused}"))
        }
        (Doing::Stopped, _) if state.stopped == Some(StopKind::Interrupted) => {
            ("·", Ink::Warn, "was interrupted; it can be resumed".to_owned())
        }
        (Doing::Stopped, _) => ("·", Ink::Warn, "is paused; it can be resumed".to_owned()),
        (Doing::Interrupted, _) if state.halted.is_some() => {
            ("■", Ink::Bad, "stands still, as everything is halted; no process drives it now".to_owned())
        }
        (Doing::Interrupted, _) => ("?", Ink::Warn, "was left in the middle, and no process drives it now".to_owned()),
        (Doing::Damaged, _) => ("✗", Ink::Bad, "has records that make no sense".to_owned()),
        (Doing::Running, _) if state.halted.is_some() && !state.despite_halt => {
            let words = if state.in_flight().next().is_some() { "ends what is under way" } else { "stands still" };
            ("■", Ink::Bad, format!("{words}, as everything is halted; it goes on by itself once that is lifted"))
        }
        (Doing::Running, _) => {
            let since = format_seconds(now.seconds_since(state.started));
            let back = if state.rollback.is_some() { "undoes what it did" } else { "is running" };
            ("·", Ink::Good, format!("{back}, {since} after it began"))
        }
    };
    Line::new().with(ink, mark).with(Ink::Bold, format!(" {book}")).with(ink, format!(" {words}"))
}

/// How many items failed, beside a verdict that does not say that anything did.
fn how_many_failed(state: &RunState) -> String {
    let (failed, _) = state.failed_items();
    if failed == 0 { String::new() } else { format!(" ({failed} of {} items failed)", all_items(state)) }
}

fn all_items(state: &RunState) -> usize {
    state.entered.values().map(|entered| entered.items.len()).sum()
}

fn verdict_mark(state: &RunState, verdict: Verdict) -> (&'static str, Ink) {
    match verdict {
        Verdict::Succeeded => ("✓", Ink::Good),
        // Where more failed than not it is allowed by the playbook, and no success that anybody should see at a glance.
        Verdict::SucceededWithExceptions if state.failed_items().0 * 2 > all_items(state) => ("!", Ink::Bad),
        Verdict::SucceededWithExceptions if state.failed_items().0 > 0 => ("!", Ink::Warn),
        Verdict::SucceededWithExceptions => ("✓", Ink::Warn),
        Verdict::RolledBack => ("↩", Ink::Warn),
        Verdict::Failed | Verdict::RolledBackToCheckpoint | Verdict::Incomplete | Verdict::Abandoned => ("✗", Ink::Bad),
    }
}

/// What the service is, since when.
pub fn service_line(state: &RunState, now: Time) -> Option<Line> {
    let (service, since) = state.service?;
    let long = format_seconds(state.ended.as_ref().map_or(now, |(_, at, _)| *at).seconds_since(since));
    let at = clock::time_of_day(since);
    let when = if state.ended.is_some() { format!(" since {at} UTC") } else { format!(" since {at} UTC, for {long}") };
    Some(Line::plain("service ").with(service_ink(service), service.word()).with(Ink::Plain, when))
}

/// What a run that counts as a recovery has come to, or how long it has taken so far.
pub fn recovery_line(state: &RunState, now: Time) -> Option<Line> {
    let recovery = state.recovery()?;
    let (what, from) = (recovery.what.word(), recovery.from_words());
    Some(match recovery.seconds() {
        Some(seconds) => {
            let took = format!("{what} recovered in {}", format_seconds(seconds));
            Line::new().with(Ink::Good, took).with(Ink::Plain, format!(", {from}"))
        }
        None if state.ended.is_some() => Line::new().with(Ink::Bad, format!("{what} NOT recovered by this run")),
        None => {
            let long = format_seconds(now.seconds_since(recovery.since));
            Line::plain(format!("{what} not recovered yet, {long} {from}"))
        }
    })
}

fn world(state: &RunState, doing: Doing, now: Time, width: usize) -> Vec<Line> {
    let mut lines = vec![heading("How the world stands")];
    let busy = named(state.in_flight().map(|(task, _)| task));
    let (names, are, their) = match busy.as_slice() {
        [_] => (busy.join(""), ["is", "was"], "its command may still run, and its outcome is"),
        _ => (busy.join(", "), ["are", "were"], "their commands may still run, and their outcomes are"),
    };
    let summary = match &state.ended {
        Some((_, _, summary)) => shortened(state, summary),
        None if !busy.is_empty() && doing == Doing::Interrupted => {
            format!("{names} {} under way when the run was left; {their} looked into when the run is resumed", are[1])
        }
        None if !busy.is_empty() => format!("{names} {} under way", are[0]),
        None if state.touched() => "what is listed below was changed and stands as it is".to_owned(),
        None => "nothing was changed".to_owned(),
    };
    lines.extend(paragraph(&summary, 2, width, Ink::Plain));
    if state.ended.is_none() && doing != Doing::Running {
        lines.extend(items::in_the_middle(state, width));
    }
    if let Some(service) = service_line(state, now) {
        lines.push(indented(service));
    }
    if let Some(line) = recovery_line(state, now) {
        lines.push(indented(line));
    }
    if let Some(point) = state.point_of_no_return() {
        lines.push(Line::plain("  ").with(Ink::Warn, format!("▲ the point of no return ({point}) is crossed")));
    }
    if let Some(point) = state.checkpoints.last() {
        lines.push(Line::plain(format!("  last checkpoint {}, after {}", point.name, point.step)));
    }
    if let Some(inherited) = &state.inherited {
        lines.extend(super::inherited::lines(inherited, width.saturating_sub(2)).into_iter().map(indented));
    }
    lines.extend(super::narrowed::of_run(state, width));
    if !state.locks.is_empty() {
        let names: Vec<&str> = state.locks.iter().map(|lock| lock.as_str()).collect();
        let word = if state.ended.is_some() { "freed" } else { "held until the run has ended" };
        lines.extend(paragraph(&format!("locks {word}: {}", names.join(", ")), 2, width, Ink::Plain));
    }
    lines.push(Line::new());
    lines
}

/// Tasks by name, those of one step for several items together: `restart@web[1-50]`.
fn named<'a>(tasks: impl Iterator<Item = &'a Task>) -> Vec<String> {
    let mut names: Vec<(&Task, Vec<&str>)> = Vec::new();
    for task in tasks {
        let item = task.item.as_ref().map(|item| item.as_str());
        let same = |(other, items): &&mut (&Task, Vec<&str>)| {
            !items.is_empty() && other.step == task.step && other.phase == task.phase
        };
        match (names.iter_mut().find(same), item) {
            (Some((_, items)), Some(item)) => items.push(item),
            (_, item) => names.push((task, item.into_iter().collect())),
        }
    }
    let name = |(task, items): &(&Task, Vec<&str>)| match items.as_slice() {
        [] | [_] => task.to_string(),
        items => {
            let undo = if task.is_undo() { " (undo)" } else { "" };
            format!("{}@{}{undo}", task.step, ranges::fold_within(items.iter().copied(), 120))
        }
    };
    names.iter().map(name).collect()
}

/// The summary of a run, without a long list of what is told of each item below.
fn shortened(state: &RunState, summary: &str) -> String {
    if state.exceptions.len() <= FEW {
        return summary.to_owned();
    }
    let more = format!("; and {} more", state.exceptions.len() - 3);
    let few = state.exceptions.iter().take(3).cloned().collect::<Vec<_>>().join("; ") + &more;
    summary.replace(&state.exceptions.join("; "), &few)
}

fn indented(line: Line) -> Line {
    Line::plain("  ").followed_by(line)
}

/// What happens where nobody answers. A run that somebody stopped is driven by nobody, so nothing happens by itself there.
fn without_an_answer(state: &RunState, question: &Question, now: Time) -> String {
    let undone = default_words(state, question);
    let paused = state.stopped.is_some();
    match question.deadline.map(|deadline| (clock::time_of_day(deadline), deadline)) {
        Some((at, deadline)) if deadline > now => {
            let left = format_seconds(deadline.seconds_since(now));
            let then = if paused { ", once somebody resumes the run: it is paused" } else { "" };
            format!("Without an answer by {at} UTC (in {left}) {undone}{then}.")
        }
        Some((at, _)) if paused => format!("Nobody answered by {at} UTC: {undone} once somebody resumes the run."),
        Some((at, _)) => {
            format!("Nobody answered by {at} UTC: {undone} as soon as a process takes the run (`resume`).")
        }
        // A yes says that a step may begin, and not that a run goes on which somebody has stopped. Other answers say both.
        None if paused && question.kind == QuestionKind::Approval => {
            "The run is paused: it waits until somebody answers, and resumes it.".to_owned()
        }
        None if paused => "The run is paused: nothing happens until somebody answers, and then it goes on.".to_owned(),
        None => "The run waits until somebody answers.".to_owned(),
    }
}

fn question(state: &RunState, doing: Doing, now: Time, paste: &Paste, width: usize) -> Vec<Line> {
    let Some(question) = state.question.as_ref().filter(|_| doing != Doing::Ended) else { return Vec::new() };
    let mut lines = vec![heading("What is asked")];
    match question.kind {
        QuestionKind::Approval => lines.extend(approval::lines(state, question, width)),
        _ => lines.extend(paragraph(&question.message, 2, width, Ink::Plain)),
    }
    if let Some(sent) = Sent::of(state, question) {
        lines.extend(sent.lines(&question.message, now, width));
    }
    lines.extend(paragraph(&without_an_answer(state, question, now), 2, width, Ink::Plain));
    lines.push(Line::new());
    lines.push(heading("Answers"));
    for choice in answers::choices(state, question) {
        lines.push(Line::plain("  ").with(Ink::Plain, resolve(state, question, choice.flag, paste)));
        lines.extend(paragraph(&choice.leads_to, 6, width, Ink::Dim));
    }
    for choice in answers::skips(state, question) {
        lines.push(Line::plain("  ").with(Ink::Plain, skip(state, question, choice.flag, paste)));
        lines.extend(paragraph(&choice.leads_to, 6, width, Ink::Dim));
    }
    if let Some((item, leads_to)) = answers::giving_up(state, question) {
        lines.push(Line::plain("  ").with(Ink::Plain, give_up(state, &item, paste)));
        lines.extend(paragraph(&leads_to, 6, width, Ink::Dim));
    }
    lines.extend(answers_for_all(state, question, paste, width));
    lines.push(Line::new());
    lines
}

/// The answers that may be given once for all items of which the same is asked.
fn answers_for_all(state: &RunState, question: &Question, paste: &Paste, width: usize) -> Vec<Line> {
    let names = answers::alike(state, question);
    if names.is_empty() {
        return Vec::new();
    }
    let (count, all) = (names.len(), ranges::listed(names, 200));
    let text =
        format!("The same is asked of {count} items ({all}); one answer for all of them, as they are asked about:");
    let mut lines = paragraph(&text, 2, width, Ink::Plain);
    let of = Task { item: None, ..question.task.clone() };
    for flag in ["--retry", "--took-effect"] {
        let command = paste.command(format!("resolve {} {of} --all {flag} --reason \"…\"", state.run));
        lines.push(Line::plain("  ").with(Ink::Plain, command));
    }
    lines
}

/// What happens without an answer.
pub fn default_words(state: &RunState, question: &Question) -> &'static str {
    let approving = state.brakes.approvals.get(&question.task).filter(|_| question.kind == QuestionKind::Approval);
    approving.map_or("it is undone", |approving| approval::default_words(approving.asking.on_timeout))
}

/// The command that skips what is asked about.
pub fn skip(state: &RunState, question: &Question, flag: &str, paste: &Paste) -> String {
    paste.command(format!("skip {} {} {flag} --reason \"…\"", state.run, question.task))
}

/// The command that gives an item up as a whole.
pub fn give_up(state: &RunState, item: &Task, paste: &Paste) -> String {
    paste.command(format!("skip {} {item} --not-needed --reason \"…\"", state.run))
}

/// The command that gives an answer.
pub fn resolve(state: &RunState, question: &Question, flag: &str, paste: &Paste) -> String {
    paste.command(answer(state, question, flag))
}

/// The same, without the program and its settings.
pub fn answer(state: &RunState, question: &Question, flag: &str) -> String {
    let (run, task) = (&state.run, &question.task);
    if flag.starts_with("--") {
        format!("resolve {run} {task} {flag} --reason \"…\"")
    } else {
        format!("{flag} {run} {task} --reason \"…\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};
    use crate::run::Event;

    fn shown(story: &Story, doing: Doing) -> String {
        let look = Look { color: false, unicode: true, width: None };
        let lines = lines(&story.state, doing, story.now(), &Paste::default(), 80);
        lines.iter().map(|line| line.render(&look) + "\n").collect()
    }

    #[test]
    fn a_success_says_what_changed_and_that_the_locks_are_freed() {
        insta::assert_snapshot!(shown(&samples::succeeded(), Doing::Ended));
    }

    #[test]
    fn a_rollback_says_that_everything_is_undone_and_why() {
        insta::assert_snapshot!(shown(&samples::rolled_back(), Doing::Ended));
    }

    #[test]
    fn a_wait_prints_every_answer_ready_to_paste_and_what_it_leads_to() {
        insta::assert_snapshot!(shown(&samples::waiting(), Doing::Waiting));
    }

    #[test]
    fn a_wait_of_a_paused_run_says_what_moves_it() {
        let mut story = samples::waiting();
        assert!(!shown(&story, Doing::Waiting).contains("resume"));
        story.add(1.0, Event::Stopped { kind: StopKind::Paused, because: "lunch".to_owned() });
        let said = shown(&story, Doing::Waiting);
        insta::assert_snapshot!(said);
    }

    #[test]
    fn a_run_that_was_left_says_how_to_go_on() {
        let mut story = Story::begin();
        story.done("roles", "pg1 is primary").intent("hold");
        insta::assert_snapshot!(shown(&story, Doing::Interrupted));
    }
}
