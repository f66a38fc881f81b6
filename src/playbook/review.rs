//! Whether somebody answers for a playbook, and whether it was looked through lately. The day is an argument: this room has
//! no clock.

use jiff::civil::Date;

use crate::diagnostic::Span;
use crate::document::Node;

use super::Playbook;
use super::faults::Faults;
use super::load::Today;

const SECONDS_A_DAY: f64 = 86_400.0;

pub(super) fn check(faults: &mut Faults, playbook: &Playbook, root: &Node, today: Today<'_>) {
    let place = |key: &str| root.get(key).map(|node| node.span);
    let start = Span { start: root.span.start, end: root.span.start };
    if playbook.owner.is_none() {
        let help = Some("add `owner: TEAM`: whoever is called at night when it does not work".to_owned());
        faults.warn("no-owner", place("name").unwrap_or(start), "nobody answers for this playbook", help);
    }
    if playbook.reviewed.is_none() && playbook.review_every.is_none() {
        return;
    }
    let today = today();
    let reviewed = playbook.reviewed.as_ref().and_then(|text| text.parse::<Date>().ok());
    let mended = || Some(format!("go through it, step by step, then write `reviewed: {today}`"));
    match (reviewed, playbook.review_every) {
        (Some(day), _) if day > today => {
            let message = format!("it is said to be reviewed on {day}, and today is {today}");
            faults.warn("future-review", place("reviewed").unwrap_or(start), message, None);
        }
        (Some(day), Some(every)) => {
            // Whole days: nobody reviews at a time of day.
            let due = day.saturating_add(jiff::Span::new().days(((every / SECONDS_A_DAY) as i64).min(MOST_DAYS)));
            if due < today {
                let late = today.since(due).map(|span| span.get_days()).unwrap_or_default();
                let message = format!("its review was due on {due}, {late} days ago");
                faults.warn("overdue-review", place("reviewed").unwrap_or(start), message, mended());
            }
        }
        (None, Some(_)) if playbook.reviewed.is_none() => {
            let message = "it is to be reviewed regularly, and never was";
            faults.warn("overdue-review", place("review_every").unwrap_or(start), message, mended());
        }
        _ => {}
    }
}

/// More than a lifetime; beyond it the calendar ends.
const MOST_DAYS: i64 = 100_000;
