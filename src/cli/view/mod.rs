//! What is shown when nothing moves: plans, end screens, timelines, faults, pages. Each makes lines (or JSON) from data and
//! writes nothing, so that snapshots can hold them.

pub mod answers;
pub mod end;
pub mod faults;
pub mod page;
pub mod plan;
pub mod run_json;
#[cfg(test)]
pub mod samples;
pub mod timeline;

use crate::cli::text::{Ink, Line, wrap};

/// A heading.
pub fn heading(text: &str) -> Line {
    Line::new().with(Ink::Bold, text)
}

/// A paragraph, indented.
pub fn paragraph(text: &str, indent: usize, width: usize, ink: Ink) -> Vec<Line> {
    let clean = crate::cli::visible::line(text);
    let lines = wrap(&clean, width.saturating_sub(indent));
    lines.into_iter().map(|line| Line::plain(" ".repeat(indent)).with(ink, line)).collect()
}
