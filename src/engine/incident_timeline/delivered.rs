//! What of a run, or of the incident itself, was delivered to whom, given up and put back. It tells what the outbox has written down, and never what was in a
//! message.

use std::collections::VecDeque;

use serde_json::json;

use crate::incident::{Entry, Of, Source};
use crate::journal::{JournalError, Kept, Logged, LoggedKind, Subject};
use crate::run::Time;

/// How many lines are read at a time: they are short.
const PAGE: usize = 128;

/// The deliveries of one subject.
pub(super) struct Delivered {
    subject: Subject,
    begins: Time,
    page: VecDeque<Logged>,
    after: i64,
}

impl Delivered {
    pub fn of(subject: Subject, begins: Time) -> Self {
        Self { subject, begins, page: VecDeque::new(), after: 0 }
    }
}

impl Source<dyn Kept, JournalError> for Delivered {
    fn begins(&self) -> Time {
        self.begins
    }

    fn next(&mut self, journal: &mut (dyn Kept + 'static)) -> Result<Option<Entry>, JournalError> {
        if self.page.is_empty() {
            self.page = journal.deliveries(&self.subject, self.after, PAGE)?.into();
        }
        let Some(line) = self.page.pop_front() else { return Ok(None) };
        self.after = line.number;
        Ok(Some(entry(&self.subject, line)))
    }
}

fn entry(subject: &Subject, line: Logged) -> Entry {
    let (run, what) = match subject {
        Subject::Run(run) => (Some(run), format!("run {run}")),
        Subject::Incident(_) => (None, "the incident".to_owned()),
    };
    let by = match (line.kind, &line.why) {
        (LoggedKind::PutBack, Some(by)) => by.clone(),
        _ => "playbook".to_owned(),
    };
    Entry {
        seq: u64::try_from(line.number).unwrap_or_default(),
        time: line.at,
        actor: by,
        step: None,
        item: None,
        kind: "delivery",
        text: sentence(&what, &line),
        detail: json!({
            "what": line.kind.word(), "run": run, "from": line.from, "to": line.to, "until_ms": line.ended,
            "attempts": line.attempts, "why": line.why,
        }),
        of: Of::Delivery(line.target),
    }
}

fn sentence(what: &str, line: &Logged) -> String {
    let Logged { target, from, to, attempts, .. } = line;
    match line.kind {
        LoggedKind::Told => {
            let (records, were) = match from == to {
                true => (format!("record {from}"), "was"),
                false => (format!("records {from} to {to}"), "were"),
            };
            let mut text = format!("{records} of {what} {were} delivered to {target}");
            let seconds = line.ended.seconds_since(line.at);
            if seconds >= 1.0 {
                text.push_str(&format!(", the last {} s later", seconds.round()));
            }
            // A service that takes digests needs fewer than one a record.
            if u64::from(*attempts) > to - from + 1 {
                text.push_str(&format!(", in {attempts} attempts"));
            }
            text
        }
        LoggedKind::GivenUp => {
            let why = line.why.as_deref().unwrap_or("nobody knows why");
            let tries = if *attempts == 1 { "1 attempt".to_owned() } else { format!("{attempts} attempts") };
            format!("{what} was given up for {target} at record {from}, after {tries}: {why}")
        }
        LoggedKind::PutBack => format!("{what} was put back for {target}, from record {from} on"),
    }
}
