//! Where a proof came to a question, with what each answer leads to; and where changes stand in the end.

use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, heading, paragraph};
use crate::run::{Answer, QuestionKind};
use crate::sim::prove::{Asked, Group, Point, Proof, World};

use super::{end, world};

/// How many facts are named where the world is another one.
const MOST_FACTS: usize = 4;

/// The questions, by what they are about.
pub fn lines(proof: &Proof, width: usize) -> Vec<Line> {
    let asked: Vec<&Point> = proof.points.iter().filter(|point| point.doubt).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let title = format!("Where a person is asked ({} of {})", count(asked.len(), "point"), proof.points.len());
    let mut lines = vec![Line::new(), heading(&title)];
    let mut groups: Vec<(&Asked, Vec<&Point>)> = Vec::new();
    for point in asked {
        let Some(first) = point.asked.first() else { continue };
        match groups.iter_mut().find(|(other, _)| other.task == first.task && other.kind == first.kind) {
            Some((_, points)) => points.push(point),
            None => groups.push((first, vec![point])),
        }
    }
    for (question, points) in groups {
        let text = format!("{}: {}, in {}", question.task, kind(question.kind), count(points.len(), "point"));
        lines.push(Line::plain("  ").with(Ink::Warn, "? ").with(Ink::Bold, text));
        lines.extend(paragraph(&format!("asks a person: {}", question.message), 4, width, Ink::Plain));
        let mut ways: Vec<String> = Vec::new();
        let mut add = |way: String| {
            if !ways.contains(&way) {
                ways.push(way);
            }
        };
        for point in points {
            let safe = point.asked.first().and_then(|asked| asked.answer);
            add(format!("{} → {} {}", safe.map_or("nobody answers", answer), end(point.end), world(&point.world)));
            for branch in &point.branches {
                add(format!("{} → {} {}", answer(branch.answer), end(branch.end), world(&branch.world)));
            }
        }
        lines.extend(paragraph(&ways.join("   "), 4, width, Ink::Dim));
    }
    lines
}

/// Where the world is neither as before nor as after a success, and what is others.
pub fn standing(proof: &Proof, width: usize) -> Vec<Line> {
    let mut groups: Vec<(&Point, &[String], Vec<&str>)> = Vec::new();
    for point in proof.of(Group::Fault).filter(|point| point.findings.is_empty()) {
        let World::Differs(facts) = &point.world else { continue };
        let row = point.row.as_str();
        match groups.iter_mut().find(|(other, list, _)| other.end == point.end && *list == facts.as_slice()) {
            Some((.., rows)) if rows.contains(&row) => {}
            Some((.., rows)) => rows.push(row),
            None => groups.push((point, facts, vec![row])),
        }
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("Where the world is neither as before nor as after a success")];
    for (point, facts, rows) in groups {
        let text = format!("{}, after {}", end(point.end), rows.join(", "));
        lines.extend(paragraph(&text, 2, width, Ink::Bold));
        let steps: Vec<&str> = facts.iter().filter_map(|fact| fact.strip_suffix(" stands")).collect();
        if !steps.is_empty() {
            lines.extend(paragraph(&format!("stands: {}", steps.join(", ")), 4, width, Ink::Plain));
        }
        let facts: Vec<&String> = facts.iter().filter(|fact| !fact.ends_with(" stands")).collect();
        let more = facts.len().saturating_sub(MOST_FACTS);
        for fact in facts.iter().take(MOST_FACTS) {
            lines.extend(paragraph(fact, 4, width, Ink::Dim));
        }
        if more > 0 {
            lines.push(Line::plain("    ").with(Ink::Dim, format!("and {} more", count(more, "fact"))));
        }
    }
    lines
}

fn kind(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::UnknownOutcome => "nobody knows whether it took effect",
        QuestionKind::StepFailed => "it failed, and what to do is for a person to say",
        QuestionKind::UndoFailed => "its undo failed",
        QuestionKind::BehindPointOfNoReturn => "undone as far as the point of no return",
        QuestionKind::Approval => "nobody has approved it",
        QuestionKind::InvariantBroken => "an invariant does not hold",
        QuestionKind::WrongIdentity => "the target is not who it should be",
    }
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "took effect",
        Answer::DidNot => "did not",
        Answer::Retry => "retry",
        Answer::Undo => "undo",
        Answer::Abandon => "abandon",
        Answer::GoOn => "go on",
    }
}
