//! The page of an action, which is its spec and not a second text; and the page of a playbook.

use crate::cli::text::{Ink, Line, wrap};
use crate::ids::StepId;
use crate::playbook::{Approval, Playbook, Triggers};
use crate::spec::{ActionSpec, Effect, FieldSpec, UndoSpec};
use crate::value::{Type, Value, format_seconds, format_size};

use super::command::{Command, undo_lines};
use super::plan::{effect_word, fidelity_word, short};
use super::{approval, checks, groups, heading, paragraph};

/// The page of an action.
pub fn action(spec: &ActionSpec, width: usize) -> Vec<Line> {
    let mut lines = vec![heading(spec.name)];
    lines.extend(paragraph(spec.summary, 2, width, Ink::Plain));
    for part in spec.details.split("\n\n").filter(|part| !part.trim().is_empty()) {
        lines.push(Line::new());
        lines.extend(paragraph(&part.replace('\n', " "), 2, width, Ink::Plain));
    }
    lines.extend(fields("Inputs (with:)", &spec.inputs, width, true));
    if spec.open_inputs {
        lines.extend(paragraph("Further inputs are taken as they are.", 2, width, Ink::Plain));
    }
    lines.extend(fields("Outputs (outputs.NAME)", &spec.outputs, width, false));
    lines.extend(fields("Facts (facts.NAME, for require and verify)", &spec.facts, width, false));
    lines.push(Line::new());
    lines.push(heading("Effect"));
    let effect = format!("{}: {}", effect_word(spec.effect), effect_meaning(spec.effect));
    lines.extend(paragraph(&effect, 2, width, Ink::Plain));
    if let Some(resource) = spec.resource {
        lines.extend(paragraph(&format!("It changes {resource}."), 2, width, Ink::Plain));
    }
    if spec.effect == Effect::Probed {
        let text = format!("After an unknown outcome it is looked into after {}.", format_seconds(spec.settle_seconds));
        lines.extend(paragraph(&text, 2, width, Ink::Plain));
    }
    let text =
        format!("One attempt may take {} where the playbook does not say.", format_seconds(spec.timeout_seconds));
    lines.extend(paragraph(&text, 2, width, Ink::Plain));
    lines.push(Line::new());
    lines.push(heading("Dry-run"));
    lines.extend(paragraph(
        &format!("At best {}: {}", fidelity_word(spec.fidelity), spec.proves),
        2,
        width,
        Ink::Plain,
    ));
    lines.push(Line::new());
    lines.push(heading("Undo"));
    let undo = match spec.undo {
        UndoSpec::Nothing => "There is nothing to undo.".to_owned(),
        UndoSpec::Impossible(why) => format!("It cannot be undone: {why}"),
        UndoSpec::Restores { how, from_observation: true } => {
            format!("{how} It works from what it observes, so it also covers an attempt whose outcome is unknown.")
        }
        UndoSpec::Restores { how, from_observation: false } => {
            format!("{how} An attempt whose outcome is unknown is not undone without asking a person.")
        }
    };
    lines.extend(paragraph(&undo, 2, width, Ink::Plain));
    lines
}

fn effect_meaning(effect: Effect) -> &'static str {
    match effect {
        Effect::Read => "it changes nothing, and may run again at any time",
        Effect::Idempotent => "running it again leads to the same state",
        Effect::Keyed => "it may run again with the same key: the target removes doubles",
        Effect::Probed => "a read-only look says whether it took effect; only then it may run again",
        Effect::Once => "it must not run twice and nothing can say whether it ran: a person is asked",
    }
}

fn fields(title: &str, fields: &[FieldSpec], width: usize, input: bool) -> Vec<Line> {
    if fields.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading(title)];
    for field in fields {
        let mut notes = vec![field.kind.to_string()];
        match (&field.default, field.required, input) {
            (Some(value), ..) => notes.push(format!("default {}", of_kind(value, &field.kind))),
            (None, true, true) => notes.push("must be given".to_owned()),
            (None, false, true) => notes.push("optional".to_owned()),
            (None, false, false) => notes.push("may be null".to_owned()),
            (None, true, false) => {}
        }
        if !input && !field.stable {
            notes.push("moves by itself".to_owned());
        }
        lines.push(Line::plain("  ").with(Ink::Good, field.name).with(Ink::Dim, format!("  {}", notes.join(", "))));
        lines.extend(paragraph(field.description, 6, width, Ink::Plain));
    }
    lines
}

/// A value as people write it in a playbook.
fn of_kind(value: &Value, kind: &Type) -> String {
    match (kind, value.as_f64(), value.as_i64()) {
        (Type::Duration, Some(seconds), _) => format_seconds(seconds),
        (Type::Size, _, Some(bytes)) => format_size(bytes),
        _ => short(value),
    }
}

/// The page of a playbook.
pub fn playbook(book: &Playbook, name: &str, width: usize) -> Vec<Line> {
    let mut lines = vec![heading(&format!("{}@{}  {}", book.name, book.version, book.title))];
    if !book.description.is_empty() {
        lines.extend(paragraph(&book.description.replace('\n', " "), 2, width, Ink::Plain));
    }
    let mut field = |name: &str, text: String| {
        let clean = crate::cli::visible::line(&text);
        let mut texts = wrap(&clean, width.saturating_sub(14)).into_iter();
        lines.push(
            Line::new().with(Ink::Dim, format!("  {name:<12}")).with(Ink::Plain, texts.next().unwrap_or_default()),
        );
        lines.extend(texts.map(|text| Line::plain(format!("{:14}{text}", ""))));
    };
    let list = |texts: &[String]| (!texts.is_empty()).then(|| texts.join(", "));
    let optional = [
        ("owner", book.owner.clone()),
        ("reviewed", book.reviewed.clone()),
        ("severity", list(&book.severity)),
        ("symptoms", list(&book.symptoms)),
        ("services", list(&book.services)),
        ("objective", book.recovery_time.map(|seconds| format!("back within {}", format_seconds(seconds)))),
        ("recovers", book.recovers.as_ref().map(|recovers| format!("a failed {}", recovers.what.word()))),
        ("triggers", book.triggers.as_ref().map(triggered)),
        ("max targets", book.max_targets.map(|most| most.to_string())),
        ("locks", list(&book.locks.iter().map(|lock| lock.source.clone()).collect::<Vec<_>>())),
        ("digest", Some(book.digest.short().to_owned())),
    ];
    for (name, text) in optional {
        if let Some(text) = text {
            field(name, text);
        }
    }
    lines.extend(inputs(book, width));
    lines.extend(nested(book, width));
    lines.extend(checks::of_book(book, width));
    lines.extend(steps(book, width));
    lines.push(Line::new());
    lines.push(heading("Next"));
    let given = must_be_given(book);
    lines.push(Line::plain(format!("  playbook plan {name}{given}")));
    lines.push(Line::plain(format!("  playbook run {name}{given} --dry-run")));
    lines
}

/// What an alert may do with it.
fn triggered(triggers: &Triggers) -> String {
    let modes = format!("an alert may {}", triggers.modes_said());
    if triggers.inputs.is_empty() { modes } else { format!("{modes}, and fill {}", triggers.inputs.join(", ")) }
}

/// The inputs that a command for this playbook cannot leave out.
fn must_be_given(book: &Playbook) -> String {
    let needed = book.inputs.iter().filter(|input| input.required);
    needed.map(|input| format!(" -i {}=…", input.name)).collect()
}

fn inputs(book: &Playbook, width: usize) -> Vec<Line> {
    if book.inputs.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), heading("Inputs (-i NAME=VALUE)")];
    for input in &book.inputs {
        let given = match (&input.default, input.required) {
            (_, true) => "must be given".to_owned(),
            (Some(Value::Null) | None, false) => "optional".to_owned(),
            (Some(value), false) => format!("default {}", of_kind(value, &input.kind)),
        };
        let secret = if input.sensitive { ", sensitive: a reference (env:NAME, file:/PATH, …)" } else { "" };
        let notes = format!("  {}, {given}{secret}", input.kind);
        lines.push(Line::plain("  ").with(Ink::Good, &input.name).with(Ink::Dim, notes));
        if !input.description.is_empty() {
            lines.extend(paragraph(&input.description, 6, width, Ink::Plain));
        }
    }
    lines
}

/// The playbooks that are nested in it, with what each of them locks.
fn nested(book: &Playbook, width: usize) -> Vec<Line> {
    let all = book.groups.iter().filter_map(|group| Some((group, group.nested()?)));
    let mut lines = Vec::new();
    for (group, nested) in all {
        if lines.is_empty() {
            lines.extend([Line::new(), heading("Nested playbooks")]);
        }
        let digest = nested.digest.as_ref().map_or("not looked up", |digest| digest.short());
        let said = format!("  {}@{}  ", nested.playbook, nested.version);
        let line = Line::plain("  ").with(Ink::Good, group.id.as_str());
        lines.push(line.with(Ink::Plain, said).with(Ink::Dim, digest));
        let locks: Vec<&str> = nested.locks.iter().map(|lock| lock.source.as_str()).collect();
        if !locks.is_empty() {
            lines.extend(paragraph(&format!("locks {}", locks.join(", ")), 6, width, Ink::Dim));
        }
    }
    lines
}

fn steps(book: &Playbook, width: usize) -> Vec<Line> {
    let mut lines = vec![Line::new(), heading("Steps")];
    let column = book.steps.iter().map(|step| step.id.as_str().len()).max().unwrap_or(0) + 7;
    let mut inside: Vec<&StepId> = Vec::new();
    for (index, step) in book.steps.iter().enumerate() {
        let around = groups::around(book, step);
        // Where a group begins, it is told what it is.
        for (depth, group) in around.iter().enumerate().filter(|(depth, group)| inside.get(*depth) != Some(&&group.id))
        {
            let text = format!("{}. {}", groups::numbers(group), groups::words(group, None));
            lines.extend(paragraph(&text, 2 + 2 * depth, width, Ink::Bold));
            lines.extend(waits(book, group.approval.as_ref(), group.first, 6 + 2 * depth, width));
        }
        inside = around.iter().map(|group| &group.id).collect();
        let indent = " ".repeat(2 * around.len());
        let column = column + indent.len();
        if step.point_of_no_return {
            lines.push(Line::plain(format!("{indent}      ")).with(Ink::Warn, "▲ point of no return"));
        }
        let number = format!("{indent}  {:>2}. ", index + 1);
        let head = Line::plain(number).with(Ink::Good, step.id.as_str()).pad_to(column);
        let notes = format!("  ({}, {})", step.action, effect_word(step.effect));
        lines.push(head.with(Ink::Plain, format!(" {}", step.title)).with(Ink::Dim, notes));
        lines.extend(waits(book, step.approval.as_ref(), index, column + 1, width));
        let command = Command::of_step(step).map(|command| command.line());
        let undo = undo_lines(step).into_iter().map(|text| format!("↩ undone by: {text}"));
        for text in command.into_iter().chain(undo) {
            lines.extend(paragraph(&text, column + 1, width, Ink::Dim));
        }
        let ending = book.groups.iter().filter(|group| group.range().end == index + 1);
        let checkpoints = step.checkpoint.iter().chain(ending.filter_map(|group| group.checkpoint.as_ref()));
        for name in checkpoints {
            lines.push(Line::plain("      ").with(Ink::Good, format!("⚑ checkpoint {name}")));
        }
    }
    lines
}

/// Whose approval a step or a group waits for.
fn waits(book: &Playbook, asked: Option<&Approval>, place: usize, indent: usize, width: usize) -> Vec<Line> {
    let words = asked.map(|asked| approval::words(asked, approval::is_behind(book, place)));
    words.map(|words| paragraph(&words, indent, width, Ink::Warn)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples;

    #[test]
    fn the_page_of_a_playbook_has_its_groups() {
        let look = Look { color: false, unicode: true, width: None };
        let lines = steps(&samples::grouped_plan(2).playbook, 80);
        insta::assert_snapshot!(lines.iter().map(|line| line.render(&look) + "\n").collect::<String>());
    }

    #[test]
    fn what_comes_next_has_the_inputs_that_must_be_given() {
        let mut book = samples::grouped_plan(2).playbook;
        let input = |name: &str, required: bool| crate::playbook::InputSpec {
            name: name.to_owned(),
            kind: Type::String,
            default: None,
            required,
            sensitive: false,
            pattern: None,
            min: None,
            max: None,
            description: String::new(),
        };
        book.inputs = vec![input("router", true), input("lag", false), input("peer", true)];
        assert_eq!(must_be_given(&book), " -i router=… -i peer=…");
    }

    #[test]
    fn the_page_of_a_playbook_has_its_brakes() {
        let look = Look { color: false, unicode: true, width: None };
        let lines = playbook(&samples::braked_plan().playbook, "db-failover", 80);
        insta::assert_snapshot!(lines.iter().map(|line| line.render(&look) + "\n").collect::<String>());
    }
}
