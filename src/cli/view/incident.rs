//! An incident on a page, as somebody reads it who was just woken: how severe, since when, whose, what runs for it and how that
//! stands, what is wanted, what happened last, and the commands that come next.

use serde_json::{Value, json};

use crate::cli::clock;
use crate::cli::incidents::OfIncident;
use crate::cli::paste::Paste;
use crate::cli::runs::Doing;
use crate::cli::text::{Ink, Line, shorten, wrap};
use crate::cli::visible;
use crate::incident::{Began, Entry, Incident, Proposal, Severity, Standing};
use crate::run::Time;
use crate::timeline::verdict_words;
use crate::value::format_seconds;

use super::next::commands;
use super::wish::Wish;
use super::{end, heading, paragraph};

/// So many of a list are told one by one.
const FEW: usize = 12;
/// How wide the names of fields are.
const FIELD: usize = 12;
/// How much of a value that came from outside is shown in a line.
const VALUE: usize = 300;

/// How a severity looks.
pub fn severity_ink(severity: Severity) -> Ink {
    match severity {
        Severity::P0 | Severity::P1 => Ink::Bad,
        Severity::P2 => Ink::Warn,
        Severity::P3 => Ink::Plain,
    }
}

/// The page.
pub fn page(
    incident: &Incident,
    runs: &[OfIncident],
    last: &[(Ink, Entry)],
    now: Time,
    paste: &Paste,
    width: usize,
) -> Vec<Line> {
    let mut lines = vec![headline(incident, now)];
    lines.extend(paragraph(&incident.brief.title, 2, width, Ink::Bold));
    lines.push(Line::new().with(Ink::Dim, format!("  incident {}", incident.id)));
    lines.push(Line::new());
    lines.extend(fields(incident, width));
    lines.extend(alerts(incident, width));
    lines.extend(wanted(incident, runs, paste, width));
    lines.push(Line::new());
    lines.push(heading("Runs"));
    lines.extend(runs.iter().rev().take(FEW).flat_map(|run| run_lines(run, now, paste)));
    if let Some(more) = runs.len().checked_sub(FEW).filter(|more| *more > 0) {
        lines.push(Line::new().with(Ink::Dim, format!("  and {more} older (--output json has them)")));
    }
    if runs.is_empty() {
        lines.push(Line::plain("  none has begun in it"));
    }
    lines.push(Line::new());
    lines.push(heading("What happened last"));
    lines.extend(last.iter().flat_map(|(ink, entry)| happened(*ink, entry, width)));
    lines.push(Line::new());
    lines.push(heading("Next"));
    let next = next(incident, runs);
    let next: Vec<_> = next.into_iter().map(|(command, what)| (paste.command(command), what)).collect();
    lines.extend(commands(&next, width));
    lines
}

fn headline(incident: &Incident, now: Time) -> Line {
    let brief = &incident.brief;
    let long = |since: Time| format_seconds(now.seconds_since(since).max(0.0));
    let (mark, ink, words) = match brief.standing {
        Standing::Open => ("●", severity_ink(brief.severity), format!("open for {}", long(brief.opened))),
        Standing::Resolved => ("✓", Ink::Good, format!("resolved, {} ago", long(brief.since))),
        Standing::Closed => ("✓", Ink::Dim, format!("closed, {} ago", long(brief.since))),
    };
    Line::new()
        .with(ink, format!("{mark} "))
        .with(ink, brief.severity.word())
        .with(Ink::Plain, format!(" {words}"))
        .with(Ink::Dim, format!(", since {} UTC", clock::date_and_time(brief.opened)))
}

fn field(name: &str, text: &str, ink: Ink, width: usize) -> Vec<Line> {
    let clean = visible::line(text);
    let mut texts = wrap(&clean, width.saturating_sub(FIELD + 2)).into_iter();
    let head = Line::new().with(Ink::Dim, format!("  {name}")).pad_to(FIELD + 2);
    let mut lines = vec![head.with(ink, texts.next().unwrap_or_default())];
    lines.extend(texts.map(|text| Line::new().pad_to(FIELD + 2).with(ink, text)));
    lines
}

fn fields(incident: &Incident, width: usize) -> Vec<Line> {
    let brief = &incident.brief;
    let mut lines = field(&format!("why {}", brief.severity), &incident.classified, Ink::Plain, width);
    match &brief.owner {
        Some(owner) => lines.extend(field("owner", owner, Ink::Plain, width)),
        None if brief.standing == Standing::Closed => {}
        None => lines.extend(field("owner", "nobody", Ink::Warn, width)),
    }
    let opening = &incident.opening;
    if !opening.services.is_empty() {
        lines.extend(field("services", &opening.services.join(", "), Ink::Plain, width));
    }
    if !opening.labels.is_empty() {
        let labels: Vec<String> = opening.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.extend(field("labels", &shorten(&labels.join(", "), 2 * VALUE), Ink::Plain, width));
    }
    let by = match opening.source.as_str() {
        "person" => incident.opened_by.clone(),
        "run" => format!("{}, with a run", incident.opened_by),
        source => format!("{source} ({})", incident.opened_by),
    };
    lines.extend(field("opened by", &by, Ink::Plain, width));
    lines
}

fn alerts(incident: &Incident, width: usize) -> Vec<Line> {
    if incident.alerts.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("Alerts")];
    let firing = incident.firing().count();
    for ((source, fingerprint), alert) in incident.firing().take(FEW) {
        let name = alert.labels.get("alertname").unwrap_or(fingerprint);
        let said = alert.annotations.get("summary").or_else(|| alert.annotations.get("description"));
        let said = said.map(|said| format!(": {}", shorten(&visible::line(said), VALUE))).unwrap_or_default();
        let since = clock::time_of_day(alert.since.unwrap_or(alert.at));
        let text = format!("{name} fires since {since} UTC ({source}){said}");
        lines.extend(paragraph(&text, 2, width, Ink::Bad));
    }
    let over = incident.alerts.len() - firing;
    let more = firing.saturating_sub(FEW);
    if more > 0 {
        lines.push(Line::plain(format!("  and {more} more that fire")));
    }
    if over > 0 {
        lines.push(Line::plain("  ").with(Ink::Good, format!("{over} over")));
    }
    lines
}

/// What is wanted and was not run since.
fn open_proposals<'i>(incident: &'i Incident, runs: &[OfIncident]) -> Vec<&'i Proposal> {
    let began: Vec<Began<'_>> = runs.iter().map(|run| (run.row.playbook.as_str(), run.row.started)).collect();
    incident.open_proposals(&began)
}

/// What is wanted, as the command that a person would run.
fn wish_of<'w>(incident: &'w Incident, wish: &'w Proposal) -> Wish<'w> {
    let (playbook, version) = (wish.playbook.as_str(), wish.version.as_deref());
    Wish { playbook, version, inputs: &wish.inputs, incident: Some(incident.id.as_str()) }
}

fn wanted(incident: &Incident, runs: &[OfIncident], paste: &Paste, width: usize) -> Vec<Line> {
    let wishes = open_proposals(incident, runs);
    if wishes.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("Wanted: a person decides")];
    for wish in wishes.into_iter().rev().take(FEW) {
        let text = format!("{}, {} UTC: {}", wish.playbook, clock::time_of_day(wish.at), wish.why);
        lines.extend(paragraph(&shorten(&visible::line(&text), VALUE), 2, width, Ink::Warn));
        let wish = wish_of(incident, wish);
        lines.push(Line::plain(format!("    {}", paste.command(wish.command()))));
        lines.extend(wish.left_out_lines(4, width));
    }
    lines
}

/// A run of an incident and how it stands, in a line with the command that comes next.
pub fn run_line(run: &OfIncident, paste: &Paste) -> Line {
    let next = run.next().map(|next| format!("   {}", paste.command(next))).unwrap_or_default();
    standing(run).with(Ink::Dim, next)
}

fn standing(run: &OfIncident) -> Line {
    let row = &run.row;
    let ink = match run.doing {
        Doing::Ended => Ink::Dim,
        Doing::Running => Ink::Good,
        Doing::Stuck | Doing::Damaged => Ink::Bad,
        Doing::Waiting | Doing::Stopped | Doing::Interrupted => Ink::Warn,
    };
    let words = row.verdict.map_or(run.doing.word(), verdict_words);
    Line::plain("  ")
        .with(Ink::Bold, row.run.as_str())
        .with(Ink::Plain, format!("  {}@{}  ", row.playbook, row.version))
        .with(ink, words)
}

fn run_lines(run: &OfIncident, now: Time, paste: &Paste) -> Vec<Line> {
    let began = format!(", began {} UTC", clock::time_of_day(run.row.started));
    let mut lines = vec![standing(run).with(Ink::Dim, began)];
    if let Some(why) = &run.row.damaged {
        lines.push(Line::plain("    ").with(Ink::Bad, shorten(&visible::line(why), VALUE)));
    }
    if let Some(state) = &run.state {
        lines.extend(end::service_line(state, now).map(|line| Line::plain("    ").followed_by(line)));
        if let Some(question) = &state.question {
            let text = shorten(&visible::line(&question.message), VALUE);
            lines.push(Line::plain("    ").with(Ink::Warn, format!("asks about {}: {text}", question.task)));
        }
    }
    if let Some(next) = run.next() {
        lines.push(Line::plain(format!("    {}", paste.command(next))));
    }
    lines
}

fn happened(ink: Ink, entry: &Entry, width: usize) -> Vec<Line> {
    let text = shorten(&visible::line(&entry.text), VALUE);
    let who = shorten(&visible::line(&entry.actor), 14);
    let column = 28;
    let mut texts = wrap(&text, width.saturating_sub(column)).into_iter();
    let head = Line::plain("  ")
        .with(Ink::Dim, format!("{}  ", clock::time_of_day(entry.time)))
        .with(Ink::Dim, who)
        .pad_to(column);
    let mut lines = vec![head.with(ink, texts.next().unwrap_or_default())];
    lines.extend(texts.map(|text| Line::new().pad_to(column).with(ink, text)));
    lines
}

/// The commands that come next, without the program, and what each does.
fn next(incident: &Incident, runs: &[OfIncident]) -> Vec<(String, &'static str)> {
    let id = &incident.id;
    let open = runs.iter().any(OfIncident::is_open);
    let mut next = Vec::new();
    if incident.brief.owner.is_none() && incident.brief.standing == Standing::Open {
        next.push((format!("incident assign {id}"), "it is yours"));
    }
    match incident.brief.standing {
        Standing::Open => {
            next.push((format!("run NAME --incident {id}"), "run a playbook for it"));
            next.push((format!("incident note {id} \"…\""), "write something down"));
            let resolve = if open { " --reason \"…\"" } else { "" };
            next.push((format!("incident resolve {id}{resolve}"), "the service is well again"));
        }
        Standing::Resolved => {
            next.push((format!("incident close {id}"), "nothing is left to be done"));
            next.push((format!("incident reopen {id} --reason \"…\""), "it was not over"));
        }
        Standing::Closed => next.push((format!("incident reopen {id} --reason \"…\""), "it was not over")),
    }
    next.push((format!("incident timeline {id}"), "all that happened, in one order"));
    next
}

/// An incident for programs, with the commands that come next. `docs/output.md` is its contract: add, never rename.
pub fn json(incident: &Incident, runs: &[OfIncident], paste: &Paste) -> Value {
    let proposals = open_proposals(incident, runs).into_iter().map(|proposal| {
        let wish = wish_of(incident, proposal);
        let mut told = proposal.json();
        told["command"] = json!(paste.command(wish.command()));
        told["left_out"] = json!(wish.left_out());
        told
    });
    let rows = runs.iter().map(|run| crate::cli::verbs::list::row_json(&run.row));
    let mut told = incident.json(proposals.collect(), rows.collect());
    let next = runs.iter().filter_map(OfIncident::next);
    let next = next.chain(self::next(incident, runs).into_iter().map(|(command, _)| command));
    told["next"] = next.map(|command| paste.command(command)).collect();
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::incident::{AlertState, IncidentEvent, IncidentRecord, Opening, entry};

    fn of(events: Vec<IncidentEvent>) -> (Incident, Vec<(Ink, Entry)>) {
        let id = "inc-20261122-152030-k3f9".parse().unwrap();
        let mut records: Vec<IncidentRecord> = Vec::new();
        for (number, event) in events.into_iter().enumerate() {
            let seq = number as u64 + 1;
            let previous = records.last().map_or(IncidentRecord::genesis(&id), |last| last.hash.clone());
            let time = Time(1_795_360_830_000 + 61_000 * number as i64);
            let text = serde_json::to_string(&event).unwrap();
            let hash = IncidentRecord::hash_of(&previous, seq, time, "ann", &text);
            records.push(IncidentRecord { seq, time, actor: "ann".to_owned(), previous, hash, event });
        }
        let last = records.iter().map(entry).map(|entry| (super::super::incident_timeline::ink(&entry), entry));
        (Incident::replay(&id, &records).unwrap(), last.collect())
    }

    fn sample() -> (Incident, Vec<(Ink, Entry)>) {
        let mut opening = Opening::new("the orders database is down", Severity::P1, "impact high, urgency medium");
        opening.services = vec!["orders".to_owned(), "checkout".to_owned()];
        opening.labels.insert("env".to_owned(), "production".to_owned());
        let inputs = serde_json::json!({ "cluster": "orders; rm -rf /", "lag": 5, "key": "exec:rm -rf /" });
        of(vec![
            IncidentEvent::Opened(opening),
            IncidentEvent::Alert {
                source: "alertmanager".to_owned(),
                fingerprint: "f00".to_owned(),
                state: AlertState::Firing,
                labels: [("alertname".to_owned(), "PostgresDown\u{1b}[2J".to_owned())].into(),
                annotations: [("summary".to_owned(), "pg1 does not answer".to_owned())].into(),
                since: None,
            },
            IncidentEvent::Proposed {
                playbook: "db-failover".to_owned(),
                version: None,
                inputs: inputs.as_object().unwrap().clone(),
                why: "PostgresDown fires".to_owned(),
            },
            IncidentEvent::Noted { text: "ann looks at pg1".to_owned() },
        ])
    }

    #[test]
    fn a_page_says_what_is_wrong_whose_it_is_and_what_comes_next() {
        let (incident, last) = sample();
        let look = Look { color: false, unicode: true, width: None };
        let now = incident.brief.updated.plus_seconds(5.0);
        let lines = page(&incident, &[], &last, now, &Paste::default(), 80);
        insta::assert_snapshot!(lines.iter().map(|line| line.render(&look) + "\n").collect::<String>());
    }

    #[test]
    fn an_incident_for_programs_keeps_its_form() {
        insta::assert_json_snapshot!(json(&sample().0, &[], &Paste::default()));
    }
}
