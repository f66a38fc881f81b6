//! Expressions and templates, evaluated over what is known.

use super::cel::{compile, paths};
use super::convert::{from_cel, kind_of};
use super::template;
use super::walk::{Answer, Found, evaluate, look};
use super::{Argument, Expression, Template};
use crate::diagnostic::Span;
use crate::value::{Value, unknown};

/// What expressions and templates may name. Parts that are not known yet are marked (`value::unknown`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// `inputs`: an object.
    pub inputs: Value,
    /// `steps`: an object of `{outputs: {…}, outcome: "done" | "skipped" | …}` by step id.
    pub steps: Value,
    /// `outputs`: of the step in hand; null where it has none yet.
    pub outputs: Value,
    /// `facts`: of the step in hand; null where none were read.
    pub facts: Value,
    /// `run`: `{id, playbook, version, incident}`.
    pub run: Value,
    /// `item`: of the `for_each` around the step; null where there is none.
    pub item: Value,
    /// `vars`: the inventory's variables of the host in hand, where a `for_each` goes over hosts; else null.
    pub vars: Value,
}

/// A condition, as far as it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It rests on something that is not known: what.
    Undecided(String),
}

/// An expression or template that cannot be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{source_text}`: {message}")]
pub struct EvaluateError {
    /// The expression or template.
    pub source_text: String,
    /// What is wrong.
    pub message: String,
    /// Where it stands.
    pub span: Span,
}

/// Decides a condition.
///
/// # Errors
/// When it names something that does not exist, mixes types, or is no condition.
pub fn decide_condition(expression: &Expression, scope: &Scope) -> Result<Truth, EvaluateError> {
    match walk_through(expression, scope)? {
        Answer::Known(::cel::Value::Bool(true)) => Ok(Truth::True),
        Answer::Known(::cel::Value::Bool(false)) => Ok(Truth::False),
        Answer::Known(other) => {
            Err(fault(expression, format!("a condition is true or false, and this is {}", kind_of(&other))))
        }
        Answer::Unknown(why) => Ok(Truth::Undecided(why)),
    }
}

/// Computes a value; one that rests on something that is not known is marked so.
///
/// # Errors
/// When it names something that does not exist or mixes types.
pub fn compute(expression: &Expression, scope: &Scope) -> Result<Value, EvaluateError> {
    match walk_through(expression, scope)? {
        Answer::Known(value) => from_cel(&value).map_err(|message| fault(expression, message)),
        Answer::Unknown(why) => Ok(unknown(why)),
    }
}

/// Renders a template; a string that is one single `{{…}}` keeps its value's type.
///
/// # Errors
/// When it names something that does not exist.
pub fn render(template: &Template, scope: &Scope) -> Result<Value, EvaluateError> {
    render_with(template, |pieces| template::fill(pieces, scope))
}

fn render_with(
    template: &Template,
    fill: impl Fn(&[template::Piece]) -> Result<Value, String>,
) -> Result<Value, EvaluateError> {
    template::compile(&template.source).and_then(|pieces| fill(&pieces)).map_err(|message| EvaluateError {
        source_text: shorten(&template.source),
        message,
        span: template.span,
    })
}

/// Resolves the arguments of a step into an object.
///
/// # Errors
/// The first argument that cannot be resolved.
pub fn resolve_arguments(arguments: &[(String, Argument)], scope: &Scope) -> Result<Value, EvaluateError> {
    let mut map = serde_json::Map::new();
    for (name, argument) in arguments {
        let value = match argument {
            // A shell reads these. Lint allows only values of safe types in them; this holds targets to their word too.
            Argument::Template(template) if name == "script" || name == "shell" => {
                render_with(template, |pieces| template::fill_line(pieces, scope))?
            }
            _ => resolve(argument, scope)?,
        };
        map.insert(name.clone(), value);
    }
    Ok(Value::Object(map))
}

fn resolve(argument: &Argument, scope: &Scope) -> Result<Value, EvaluateError> {
    match argument {
        Argument::Literal(value) => Ok(value.clone()),
        Argument::Template(template) => render(template, scope),
        Argument::Computed(expression) => compute(expression, scope),
        Argument::List(items) => {
            Ok(Value::Array(items.iter().map(|item| resolve(item, scope)).collect::<Result<_, _>>()?))
        }
        Argument::Map(entries) => {
            let values = entries.iter().map(|(name, entry)| Ok((name.clone(), resolve(entry, scope)?)));
            Ok(Value::Object(values.collect::<Result<_, EvaluateError>>()?))
        }
    }
}

/// For a person: the values that a condition's names have, such as `outputs.lag_bytes = 52428800, inputs.max_lag = 1048576`.
pub fn explain(expression: &Expression, scope: &Scope) -> String {
    let Ok(tree) = compile(&expression.source) else { return String::new() };
    let values = paths(&tree).into_iter().map(|path| match look(&path, scope) {
        Ok(Found::Known(value)) => format!("{path} = {}", shorten(&value.to_string())),
        Ok(Found::Unknown(_)) => format!("{path} is not known yet"),
        Err(_) => format!("{path} is not there"),
    });
    values.collect::<Vec<_>>().join(", ")
}

fn walk_through(expression: &Expression, scope: &Scope) -> Result<Answer, EvaluateError> {
    let tree = compile(&expression.source).map_err(|error| fault(expression, error.message))?;
    evaluate(&tree, scope).map_err(|message| fault(expression, message))
}

fn fault(expression: &Expression, message: String) -> EvaluateError {
    EvaluateError { source_text: shorten(&expression.source), message, span: expression.span }
}

/// A script is a template too; a message needs its beginning only.
fn shorten(text: &str) -> String {
    if text.chars().count() <= 120 {
        return text.to_owned();
    }
    text.chars().take(119).collect::<String>() + "…"
}
