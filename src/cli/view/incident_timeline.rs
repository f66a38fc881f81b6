//! The timeline of an incident for people: one entry after the other, as they are read.

use crate::cli::clock;
use crate::cli::text::{Ink, Line, shorten, wrap};
use crate::cli::visible;
use crate::incident::{Entry, Of, SERVICE_UP};
use crate::run::Time;

/// How wide the column is that says who.
const WHO: usize = 14;

/// Tells entries in their order.
pub struct Teller {
    width: usize,
    /// When the first was, and the day of the last.
    begun: Option<(Time, String)>,
    /// Of what the last was.
    of: Option<Of>,
}

impl Teller {
    /// Tells in lines of this width.
    pub fn new(width: usize) -> Self {
        Self { width, begun: None, of: None }
    }

    /// The lines of the next entry. Where another run has the word, it is named first.
    pub fn tell(&mut self, entry: &Entry) -> Vec<Line> {
        let mut lines = Vec::new();
        let day = clock::date_and_time(entry.time).chars().take(10).collect::<String>();
        let (started, last) = self.begun.clone().unwrap_or_else(|| (entry.time, String::new()));
        if last != day {
            lines.push(Line::new().with(Ink::Dim, format!("times are UTC, of {day}")));
        }
        self.begun = Some((started, day));
        if self.of.as_ref() != Some(&entry.of) {
            let who = match &entry.of {
                Of::Incident => "incident".to_owned(),
                Of::Run(run) => format!("run {run}"),
                Of::Delivery(to) => format!("told {to}"),
            };
            lines.push(Line::new().with(Ink::Bold, who));
            self.of = Some(entry.of.clone());
        }
        lines.extend(told(entry, started, self.width));
        lines
    }
}

fn told(entry: &Entry, started: Time, width: usize) -> Vec<Line> {
    let column = 23 + WHO;
    let since = format!("+{:.1}s", entry.time.seconds_since(started));
    let text = visible::line(&entry.text).into_owned();
    let mut texts = wrap(&text, width.saturating_sub(column)).into_iter();
    let head = Line::new()
        .with(Ink::Dim, format!("{since:>9}  {}  ", clock::time_of_day(entry.time)))
        .with(Ink::Dim, shorten(&visible::line(&entry.actor), WHO))
        .pad_to(column);
    let ink = ink(entry);
    let mut lines = vec![head.with(ink, texts.next().unwrap_or_default())];
    lines.extend(texts.map(|text| Line::new().pad_to(column).with(ink, text)));
    lines
}

/// How an entry looks.
pub fn ink(entry: &Entry) -> Ink {
    if entry.kind == SERVICE_UP {
        return Ink::Good;
    }
    if let Of::Run(_) = entry.of {
        return super::timeline::ink(entry.kind, &entry.detail);
    }
    let word = |name: &str| entry.detail.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    match entry.kind {
        "opened" | "closed" => Ink::Bold,
        "resolved" => Ink::Good,
        "reopened" | "severity_changed" | "proposed" => Ink::Warn,
        "alert" if word("state") == "firing" => Ink::Bad,
        "alert" => Ink::Good,
        "damaged" => Ink::Bad,
        "delivery" if word("what") == "given_up" => Ink::Bad,
        "delivery" if word("what") == "told" => Ink::Dim,
        _ => Ink::Plain,
    }
}
