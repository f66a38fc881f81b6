//! The outbox for people and for programs.

use serde_json::{Value, json};

use super::Found;
use crate::cli::args::Format;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::next::commands;
use crate::cli::view::{count, heading, paragraph};
use crate::cli::visible;
use crate::journal::{Standing, Subject};
use crate::run::Time;
use crate::value::format_seconds;

/// So many runs and incidents of a target are shown to people.
const MOST: usize = 12;

pub(super) fn show(setup: &Setup, found: &Found, output: Format, exit: Exit, back: Option<usize>) {
    if output == Format::Json {
        setup.screen.json(&as_json(setup, found, exit, back));
    } else {
        setup.screen.print_whole(&lines(setup, found, back));
    }
}

/// The names of all targets: those of the configuration first.
fn names(setup: &Setup, found: &Found) -> Vec<String> {
    let mut names: Vec<String> = setup.config.notify.iter().map(|notify| notify.name.clone()).collect();
    names.extend(
        found
            .targets
            .iter()
            .map(|one| one.target.clone())
            .filter(|name| setup.config.notify.iter().all(|notify| &notify.name != name)),
    );
    names
}

fn id_of(standing: &Standing) -> &str {
    match &standing.subject {
        Subject::Run(run) => run.as_str(),
        Subject::Incident(incident) => incident.as_str(),
    }
}

fn as_json(setup: &Setup, found: &Found, exit: Exit, back: Option<usize>) -> Value {
    let moment = |time: Time| time.rfc3339();
    let targets = names(setup, found).into_iter().map(|name| {
        let kind = setup.config.notify.iter().find(|notify| notify.name == name).map(|notify| notify.kind.word());
        let known = found.targets.iter().find(|one| one.target == name);
        let waiting = found.standings.iter().filter(|one| one.target == name).map(|one| {
            let cursor = &one.cursor;
            let is_run = matches!(one.subject, Subject::Run(_));
            let (of_run, of_incident) = (is_run.then(|| id_of(one)), (!is_run).then(|| id_of(one)));
            json!({
                "run": of_run, "playbook": of_run.map(|_| &one.name), "incident": of_incident,
                "title": of_incident.map(|_| &one.name), "told": cursor.told, "records": one.head,
                "attempts": cursor.attempts, "failing_since": cursor.failing_since.map(moment),
                "next": (cursor.attempts > 0 && cursor.dead_at.is_none()).then(|| moment(cursor.next_at)),
                "given_up": cursor.dead_at.map(moment), "why": cursor.failed,
            })
        });
        json!({
            "name": name, "kind": kind, "configured": kind.is_some(), "since": known.map(|known| moment(known.since)),
            "told_whole": known.map_or(0, |known| known.whole), "waiting": waiting.collect::<Vec<_>>(),
        })
    });
    json!({
        "v": 1, "type": "outbox", "exit": exit.code(), "put_back": back, "targets": targets.collect::<Vec<_>>(),
    })
}

fn lines(setup: &Setup, found: &Found, back: Option<usize>) -> Vec<Line> {
    let names = names(setup, found);
    if names.is_empty() {
        let text = "nobody is told anything: `notify:` in the configuration names who (docs/notify.md)";
        return vec![Line::plain(text)];
    }
    let mut lines = Vec::new();
    match back {
        Some(0) => lines.push(Line::plain("nothing was given up or waited for its next try")),
        Some(back) => lines.push(Line::plain(format!("{back} put back and tried"))),
        None => {}
    }
    for name in &names {
        lines.extend(target(setup, found, name));
    }
    let mut next = Vec::new();
    if found.standings.iter().any(|one| one.cursor.attempts > 0) {
        next.push((setup.paste.command("outbox retry"), "tries all of it now, what was given up too"));
    }
    if found.standings.iter().any(|one| one.cursor.dead_at.is_none()) {
        next.push((setup.paste.command("outbox flush"), "tries what is due or comes due in half a minute"));
    }
    if !next.is_empty() {
        lines.push(Line::new());
        lines.push(heading("Next"));
        lines.extend(commands(&next, setup.screen.text_width()));
    }
    lines
}

fn target(setup: &Setup, found: &Found, name: &str) -> Vec<Line> {
    let notify = setup.config.notify.iter().find(|notify| notify.name == name);
    let of_it: Vec<&Standing> = found.standings.iter().filter(|one| one.target == name).collect();
    let dead = of_it.iter().filter(|one| one.cursor.dead_at.is_some()).count();
    let whole = found.targets.iter().find(|one| one.target == name).map_or(0, |known| known.whole);
    let (mark, ink) = match (dead, of_it.len() - dead) {
        (0, 0) => ("✓ ", Ink::Good),
        (0, _) => ("? ", Ink::Warn),
        _ => ("✗ ", Ink::Bad),
    };
    let kind = notify.map_or("no longer in the configuration", |notify| notify.kind.word());
    let mut text = format!("{} told whole", count(usize::try_from(whole).unwrap_or(usize::MAX), "run"));
    for (number, word) in [(of_it.len() - dead, "waiting"), (dead, "given up")] {
        if number > 0 {
            text.push_str(&format!(", {number} {word}"));
        }
    }
    let head = Line::new().with(ink, mark).followed_by(heading(name)).with(Ink::Dim, format!("  {kind}  "));
    let mut lines = vec![head.with(Ink::Plain, text)];
    for one in of_it.iter().take(MOST) {
        lines.push(
            Line::plain("    ")
                .with(Ink::Bold, id_of(one))
                .with(Ink::Dim, format!("  {}  ", visible::line(&one.name)))
                .with(if one.cursor.dead_at.is_some() { Ink::Bad } else { Ink::Plain }, words(one)),
        );
        if let Some(why) = &one.cursor.failed {
            lines.extend(paragraph(why, 6, setup.screen.text_width(), Ink::Dim));
        }
    }
    if let Some(more) = of_it.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.push(Line::new().with(Ink::Dim, format!("    … {more} more (--output json has all)")));
    }
    lines
}

fn words(one: &Standing) -> String {
    let (cursor, now) = (&one.cursor, clock::now());
    let told = if cursor.told == 0 {
        format!("told nothing of {}", count(usize::try_from(one.head).unwrap_or(usize::MAX), "record"))
    } else {
        format!("told {} of {} records", cursor.told, one.head)
    };
    if let Some(at) = cursor.dead_at {
        let tries = count(cursor.attempts as usize, "attempt");
        return format!("{told}; given up {} after {tries}", clock::date_and_time(at));
    }
    if cursor.attempts == 0 {
        return told;
    }
    let tries = count(cursor.attempts as usize, "time");
    let since = cursor.failing_since.map_or(0.0, |since| now.seconds_since(since).max(0.0));
    let again = cursor.next_at.seconds_since(now);
    let again = if again > 0.0 { format!("again in {}", format_seconds(again.ceil())) } else { "due now".to_owned() };
    format!("{told}; tried {tries} in vain for {}, {again}", format_seconds(since.round()))
}
