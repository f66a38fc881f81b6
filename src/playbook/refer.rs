//! Which other steps a step refers to, and where: for whoever asks what becomes of it when one of them is skipped. It looks
//! at the text alone and evaluates nothing.

use super::cel::{self, Path};
use super::template::{self, Piece};
use super::{Argument, Expression, Step, Template};

/// A place at which a step names another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The other step.
    pub step: String,
    /// What is named of it, such as `steps.fence.outputs.position`.
    pub path: String,
    /// Whether it stands in the step's `if`.
    pub in_condition: bool,
    /// Whether the step can do without: it asks for the other's outcome, or has a `default`.
    pub guarded: bool,
}

impl Step {
    /// What it refers to before and while it acts. Its undo is asked when it is undone.
    pub fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        if let Some(condition) = &self.condition {
            of_expression(condition, true, &mut found);
        }
        let verify = self.verify.iter().map(|verify| &verify.expression);
        self.require.iter().chain(verify).for_each(|expression| of_expression(expression, false, &mut found));
        self.arguments.iter().for_each(|(_, argument)| of_argument(argument, &mut found));
        self.key.iter().for_each(|key| of_template(key, &mut found));
        found
    }
}

fn of_argument(argument: &Argument, found: &mut Vec<Reference>) {
    match argument {
        Argument::Literal(_) => {}
        Argument::Template(template) => of_template(template, found),
        Argument::Computed(expression) => of_expression(expression, false, found),
        Argument::List(items) => items.iter().for_each(|item| of_argument(item, found)),
        Argument::Map(entries) => entries.iter().for_each(|(_, entry)| of_argument(entry, found)),
    }
}

fn of_expression(expression: &Expression, in_condition: bool, found: &mut Vec<Reference>) {
    let Ok(tree) = cel::compile(&expression.source) else { return };
    for path in cel::paths(&tree) {
        let asks = |id: &str| {
            let source = &expression.source;
            source.contains(&format!("steps.{id}.outcome")) || source.contains(&format!("has(steps.{id}"))
        };
        note(&path, in_condition, asks, found);
    }
}

fn of_template(given: &Template, found: &mut Vec<Reference>) {
    let Ok(pieces) = template::compile(&given.source) else { return };
    for piece in pieces.iter() {
        if let Piece::Value(filler) = piece {
            filler.each_path(false, &mut |path, guarded| note(path, false, |_| guarded, found));
        }
    }
}

fn note(path: &Path, in_condition: bool, asks: impl Fn(&str) -> bool, found: &mut Vec<Reference>) {
    let Some(step) = path.name(0).filter(|_| path.root == "steps") else { return };
    let guarded = path.name(1) == Some("outcome") || asks(step);
    let reference = Reference { step: step.to_owned(), path: path.to_string(), in_condition, guarded };
    if !found.contains(&reference) {
        found.push(reference);
    }
}
