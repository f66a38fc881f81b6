//! What is shown when nothing moves: plans, end screens, timelines, faults, pages. Each makes lines (or JSON) from data and
//! writes nothing, so that snapshots can hold them.

pub mod alike;
pub mod answers;
pub mod approval;
pub mod asked;
pub mod branches;
pub mod by_hand;
pub mod changed;
pub mod checks;
pub mod command;
pub mod diff;
pub mod drift;
pub mod end;
pub mod faults;
pub mod groups;
pub mod halted;
pub mod incident;
pub mod incident_timeline;
pub mod inherited;
pub mod item_words;
pub mod items;
pub mod narrowed;
pub mod next;
pub mod page;
pub mod plan;
pub mod plan_json;
mod plan_steps;
pub mod prove;
pub mod run_json;
#[cfg(test)]
pub mod samples;
pub mod stranded;
pub mod timeline;
pub mod timeline_fold;
pub mod triggered;
pub mod violated;
pub mod way_back;
pub mod wish;

use crate::cli::text::{Ink, Line, wrap};

/// A heading.
pub fn heading(text: &str) -> Line {
    Line::new().with(Ink::Bold, text)
}

/// A paragraph, indented. A command in it stands on a line of its own that is never broken: it is there to be pasted.
pub fn paragraph(text: &str, indent: usize, width: usize, ink: Ink) -> Vec<Line> {
    let clean = crate::cli::visible::line(text);
    let mut lines = Vec::new();
    let mut rest: &str = &clean;
    let mut add = |text: &str, whole: bool| {
        let room = if whole { usize::MAX } else { width.saturating_sub(indent) };
        let texts = wrap(text.trim(), room).into_iter().filter(|text| !text.is_empty());
        lines.extend(texts.map(|text| Line::plain(" ".repeat(indent)).with(ink, text)));
    };
    while let Some(start) = rest.find(COMMAND) {
        let (before, command) = rest.split_at(start);
        let end = command.find([')', ';', '`', '\'']).unwrap_or(command.len());
        add(before, false);
        add(command.get(..end).unwrap_or(command), true);
        rest = command.get(end..).unwrap_or("");
    }
    // What closes the sentence around a command stands alone otherwise.
    let tail = rest.trim_start_matches([')', '`', '\'']);
    add(if rest.len() < clean.len() { tail } else { rest }, false);
    lines
}

/// `1 step`, `2 steps`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// How a command begins that a playbook or an action tells people to run.
const COMMAND: &str = "playbook run ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_sentence_is_never_broken() {
        let text = "it does not answer (If it is gone: playbook run db-failover -i mode=unplanned -i cluster=orders)";
        let shown: Vec<String> = paragraph(text, 2, 30, Ink::Plain)
            .iter()
            .map(|line| line.render(&crate::cli::text::Look { color: false, unicode: true, width: None }))
            .collect();
        assert_eq!(
            shown,
            [
                "  it does not answer (If it is",
                "  gone:",
                "  playbook run db-failover -i mode=unplanned -i cluster=orders"
            ]
        );
    }
}
