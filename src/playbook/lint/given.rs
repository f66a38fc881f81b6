//! What a step is given: its arguments fit what its action takes, and no value from outside becomes part of a text that something
//! reads as a program.

use super::super::check::Checker;
use super::super::names::{Guard, Kind, Names};
use super::super::splice_rules;
use super::super::template::{self, Filler, Piece};
use super::super::{Argument, Template};
use super::{Lint, Owner, Use};
use crate::diagnostic::Span;
use crate::spec::Language;
use crate::value::{Type, Value};

impl Lint<'_, '_> {
    pub(super) fn argument(
        &mut self,
        argument: &Argument,
        names: &Names<'_>,
        owner: Option<Owner<'_>>,
        place: Use<'_>,
    ) {
        match argument {
            Argument::Literal(_) => {}
            Argument::Template(template) => self.template(template, names, owner, place),
            Argument::Computed(expression) => {
                let kind = self.expression(expression, names, owner);
                if let Some(reader) = splice_rules::reads_computed(place, &expression.source) {
                    self.spliced(expression.span, "a computed value", None, reader);
                }
                if let Use::Code(_, declared) = place {
                    self.fit(kind, declared, expression.span);
                } else if let Use::Value(declared) = place {
                    self.fit(kind, declared, expression.span);
                }
            }
            Argument::List(items) => {
                let inner = match place {
                    Use::Value(Type::List(item)) => Use::Value(item),
                    Use::Code(language, Type::List(item)) => Use::Code(language, item),
                    other => other,
                };
                items.iter().for_each(|item| self.argument(item, names, owner, inner));
            }
            Argument::Map(entries) => {
                let inner = match place {
                    lines @ Use::Code(Language::Lines, _) => lines,
                    _ => Use::Value(&Type::Any),
                };
                entries.iter().for_each(|(_, entry)| self.argument(entry, names, owner, inner));
            }
        }
    }

    /// Each item is one argument and may hold anything, unless an interpreter reads it as a program: `sh -c "…"`.
    pub(super) fn argv(&mut self, items: &[Argument], names: &Names<'_>, owner: Option<Owner<'_>>) {
        let mut interpreter = false;
        let mut program = false;
        for item in items {
            let place = if program { Use::Line } else { Use::Value(&Type::String) };
            self.argument(item, names, owner, place);
            program = false;
            if let Argument::Literal(Value::String(text)) = item {
                program = interpreter && text.starts_with('-') && !text.starts_with("--") && text.contains(['c', 'e']);
                interpreter |= is_interpreter(text);
            }
        }
    }

    pub(super) fn template(&mut self, given: &Template, names: &Names<'_>, owner: Option<Owner<'_>>, place: Use<'_>) {
        let Ok(pieces) = template::compile(&given.source) else { return };
        let mut checker = Checker::new(names);
        let mut skippable: Vec<(String, Guard<'_>)> = Vec::new();
        let mut spliced: Vec<(String, Option<Type>)> = Vec::new();
        let mut single = None;
        for (number, piece) in pieces.iter().enumerate() {
            let Piece::Value(filler) = piece else { continue };
            filler.each_path(false, &mut |path, guarded| {
                let Some(target) = checker.path(path) else { return };
                if let Some(guard) = target.may_be_skipped.filter(|_| !guarded) {
                    skippable.push((path.to_string(), guard));
                }
                if !splice_rules::is_safe(place, target.declared.as_ref(), number == 0) {
                    spliced.push((path.to_string(), target.declared.clone()));
                }
                single = Some(target.kind);
            });
        }
        self.report(std::mem::take(&mut checker.findings), given.span, &given.source);
        for (path, guard) in skippable {
            self.may_be_skipped(&path, guard, owner, given.span, &given.source);
        }
        for (path, declared) in spliced {
            let span = self.faults.word(given.span, &given.source, &path);
            self.spliced(span, &format!("`{path}`"), declared, splice_rules::reader(place));
        }
        match place {
            Use::Value(declared) | Use::Code(_, declared) => match (template::single(&pieces), single) {
                (Some(Filler::Path(_)), Some(kind)) => self.fit(kind, declared, given.span),
                (Some(_), _) => {}
                (None, _) => self.fit(Kind::Text, declared, given.span),
            },
            Use::Line | Use::Text => {}
        }
    }

    fn spliced(&mut self, span: Span, what: &str, declared: Option<Type>, (reader, help): (&str, &str)) {
        let is = declared.map_or_else(String::new, |declared| format!(" (a {declared})"));
        let message = format!("{what}{is} would become part of the {reader}");
        self.faults.error("spliced-value", span, message, Some(help.to_owned()));
    }

    fn fit(&mut self, kind: Kind, declared: &Type, span: Span) {
        let wanted = Kind::of(declared);
        // A size or a duration may still be written as text.
        let written = kind == Kind::Text && matches!(declared, Type::Size | Type::Duration);
        if kind != wanted && wanted != Kind::Any && !matches!(kind, Kind::Any | Kind::Null) && !written {
            let message = format!("this is {}, and a {declared} is wanted", kind.describe());
            self.faults.error("wrong-type", span, message, None);
        }
    }
}

fn is_interpreter(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    ["sh", "bash", "dash", "ash", "ksh", "zsh", "fish", "python", "perl", "ruby", "node", "psql"].contains(&name)
}
