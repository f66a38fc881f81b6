//! Expressions and templates, evaluated over what is known.

use crate::diagnostic::Span;
use crate::playbook::{Argument, Expression, Template};
use crate::value::Value;

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
    let _ = scope;
    Err(EvaluateError { source_text: expression.source.clone(), message: String::new(), span: expression.span })
}

/// Computes a value; one that rests on something that is not known is marked so.
///
/// # Errors
/// When it names something that does not exist or mixes types.
pub fn compute(expression: &Expression, scope: &Scope) -> Result<Value, EvaluateError> {
    let _ = scope;
    Err(EvaluateError { source_text: expression.source.clone(), message: String::new(), span: expression.span })
}

/// Renders a template; a string that is one single `{{…}}` keeps its value's type.
///
/// # Errors
/// When it names something that does not exist.
pub fn render(template: &Template, scope: &Scope) -> Result<Value, EvaluateError> {
    let _ = scope;
    Err(EvaluateError { source_text: template.source.clone(), message: String::new(), span: template.span })
}

/// Resolves the arguments of a step into an object.
///
/// # Errors
/// The first argument that cannot be resolved.
pub fn resolve_arguments(arguments: &[(String, Argument)], scope: &Scope) -> Result<Value, EvaluateError> {
    let _ = (arguments, scope);
    Ok(Value::Null)
}

/// For a person: the values that a condition's names have, such as `outputs.lag_bytes = 52428800, inputs.max_lag = 1048576`.
pub fn explain(expression: &Expression, scope: &Scope) -> String {
    let _ = (expression, scope);
    String::new()
}
