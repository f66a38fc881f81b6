//! Nodes → typed values, each refusal with its place. What it cannot read it reports and leaves out, so that the rest is
//! read too.

use crate::diagnostic::Span;
use crate::document::{Node, NodeKind};
use crate::spec::Specs;
use crate::value::{Type, Value};

use super::faults::Faults;
use super::{Argument, Expression, Template, cel, template};
use crate::diagnostic::nearest;

/// What reading a playbook works with.
pub(super) struct Reader<'a> {
    pub specs: &'a Specs,
    pub faults: Faults,
}

impl Reader<'_> {
    pub fn wrong_form(&mut self, node: &Node, what: &str, wanted: &str) {
        let message = format!("`{what}` must be {wanted}, not {}", node.describe());
        self.faults.error("wrong-form", node.span, message, None);
    }

    /// A text that says something.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.scalar() {
            Some(scalar) if !scalar.is_null() => Some(scalar.text.clone()),
            _ => {
                self.wrong_form(node, what, "a text");
                None
            }
        }
    }

    /// A value of a declared type.
    pub fn typed(&mut self, node: &Node, what: &str, kind: &Type) -> Option<Value> {
        let text = self.text(node, what)?;
        match kind.parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.faults.error("wrong-type", node.span, format!("`{what}`: {error}"), None);
                None
            }
        }
    }

    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        self.typed(node, what, &Type::Boolean)?.as_bool()
    }

    /// A time span in seconds; `least` is the shortest that makes sense.
    pub fn duration(&mut self, node: &Node, what: &str, least: f64) -> Option<f64> {
        let seconds = self.typed(node, what, &Type::Duration)?.as_f64()?;
        if seconds < least {
            self.faults.error("out-of-range", node.span, format!("`{what}` is too short"), None);
            return None;
        }
        Some(seconds)
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<(String, Span)> {
        match &node.kind {
            NodeKind::Sequence(items) => {
                items.iter().filter_map(|item| self.text(item, what).map(|text| (text, item.span))).collect()
            }
            NodeKind::Scalar(scalar) if !scalar.is_null() => vec![(scalar.text.clone(), node.span)],
            _ => {
                self.wrong_form(node, what, "a text or a list of texts");
                Vec::new()
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = nearest(&text, all.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let message = format!("`{what}` is one of {}, not `{text}`", all.join(", "));
            self.faults.error("unknown-word", node.span, message, help);
        }
        found
    }

    /// A CEL expression; its form is checked here, its names in lint.
    pub fn expression(&mut self, node: &Node, what: &str) -> Option<Expression> {
        let source = self.text(node, what)?;
        if let Err(error) = cel::compile(&source) {
            let span = error.at.map_or(node.span, |at| self.faults.within(node.span, &source, at, 1));
            let help = Some("it is CEL, such as \"inputs.mode == 'planned' && outputs.primaries == 1\"".to_owned());
            self.faults.error("bad-expression", span, format!("`{what}`: {}", error.message), help);
            return None;
        }
        Some(Expression { source, span: node.span })
    }

    /// A text with or without `{{…}}`; the form is checked here, the names in lint.
    pub fn template(&mut self, node: &Node, what: &str) -> Option<Template> {
        let source = self.text(node, what)?;
        if template::is_template(&source)
            && let Err(message) = template::compile(&source)
        {
            self.faults.error("bad-template", node.span, format!("`{what}`: {message}"), None);
            return None;
        }
        Some(Template { source, span: node.span })
    }

    /// A text that becomes an argument as it is, or a template.
    pub fn text_argument(&mut self, node: &Node, what: &str) -> Option<Argument> {
        let template = self.template(node, what)?;
        if template::is_template(&template.source) {
            return Some(Argument::Template(template));
        }
        Some(Argument::Literal(Value::String(template.source)))
    }

    /// An argument of a declared type: a value, a template, `{expr: CEL}`, or a list or map of such.
    pub fn argument(&mut self, node: &Node, what: &str, kind: &Type) -> Option<Argument> {
        if let Some([entry]) = node.entries()
            && entry.key.value == "expr"
        {
            return self.expression(&entry.value, what).map(Argument::Computed);
        }
        match &node.kind {
            NodeKind::Scalar(scalar) if scalar.is_null() => {
                if *kind == Type::Any {
                    return Some(Argument::Literal(Value::Null));
                }
                let help = Some("give it one, or leave the key out".to_owned());
                self.faults.error("no-value", node.span, format!("`{what}` has no value"), help);
                None
            }
            NodeKind::Scalar(scalar) if template::is_template(&scalar.text) => {
                self.template(node, what).map(Argument::Template)
            }
            NodeKind::Scalar(scalar) if *kind == Type::Any && !scalar.plain => {
                Some(Argument::Literal(Value::String(scalar.text.clone())))
            }
            NodeKind::Scalar(_) => self.typed(node, what, kind).map(Argument::Literal),
            NodeKind::Sequence(items) => {
                let item_kind = match kind {
                    Type::List(item) => item.as_ref(),
                    Type::Any => kind,
                    _ => {
                        self.wrong_form(node, what, &format!("a {kind}"));
                        return None;
                    }
                };
                let items: Vec<Argument> =
                    items.iter().filter_map(|item| self.argument(item, what, item_kind)).collect();
                Some(list_argument(items))
            }
            NodeKind::Mapping(entries) if *kind == Type::Any => {
                let entries: Vec<(String, Argument)> = entries
                    .iter()
                    .filter_map(|e| self.argument(&e.value, &e.key.value, kind).map(|a| (e.key.value.clone(), a)))
                    .collect();
                Some(map_argument(entries))
            }
            NodeKind::Mapping(_) => {
                self.wrong_form(node, what, &format!("a {kind}"));
                None
            }
        }
    }
}

/// A list; one value where all its items are.
fn list_argument(items: Vec<Argument>) -> Argument {
    let literal: Option<Vec<Value>> = items.iter().map(as_literal).collect();
    literal.map_or(Argument::List(items), |values| Argument::Literal(Value::Array(values)))
}

fn map_argument(entries: Vec<(String, Argument)>) -> Argument {
    let literal: Option<serde_json::Map<String, Value>> =
        entries.iter().map(|(name, argument)| Some((name.clone(), as_literal(argument)?))).collect();
    literal.map_or(Argument::Map(entries), |values| Argument::Literal(Value::Object(values)))
}

fn as_literal(argument: &Argument) -> Option<Value> {
    match argument {
        Argument::Literal(value) => Some(value.clone()),
        _ => None,
    }
}
