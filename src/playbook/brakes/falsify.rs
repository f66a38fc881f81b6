//! Whether a check can fail: looks for outputs for which its expression is false, among values that its own words suggest.
//! It proves that a check can fail by an example; that none was found proves nothing, so an author can show one.

use ::cel::IdedExpr;
use ::cel::common::ast::{Expr, LiteralValue};

use crate::diagnostic::Span;
use crate::value::{Type, Value};

use super::super::cel::{self, Part, Path, each_child};
use super::super::names::Fields;
use super::super::{Expression, Scope, Truth, decide_condition};

/// The most combinations that are tried: an expression over many outputs is broken by one of them sooner than that.
const MOST: usize = 20_000;

/// What came of the search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// It can fail.
    Fails,
    /// It asks for no output: what is read cannot make it fail.
    NoOutputs,
    /// No example was found.
    NotFound,
}

/// Looks for outputs that break an expression.
pub(super) fn can_fail(source: &str, fields: &Fields) -> Search {
    // What cannot be compiled is reported already.
    let Ok(tree) = cel::compile(source) else { return Search::Fails };
    let mut paths: Vec<Path> = cel::paths(&tree).into_iter().filter(|path| path.root != "run").collect();
    paths.sort_by_key(ToString::to_string);
    paths.dedup();
    if !paths.iter().any(|path| path.root == "outputs" && !path.parts.is_empty()) {
        return Search::NoOutputs;
    }
    let mut literals = Vec::new();
    collect(&tree, &mut literals);
    let choices: Vec<Vec<Value>> = paths.iter().map(|path| candidates(path, fields, &literals)).collect();
    let expression = Expression { source: source.to_owned(), span: Span { start: 0, end: 0 } };
    let total = choices.iter().map(Vec::len).fold(1_usize, usize::saturating_mul).min(MOST);
    for number in 0..total {
        let mut rest = number;
        let (mut outputs, mut inputs) = (Value::Null, Value::Null);
        for (path, values) in paths.iter().zip(&choices) {
            let value = values.get(rest % values.len().max(1)).cloned().unwrap_or_default();
            rest /= values.len().max(1);
            let whole = if path.root == "outputs" { &mut outputs } else { &mut inputs };
            put(whole, &path.parts, value);
        }
        let scope = Scope { outputs, inputs, ..Scope::default() };
        if decide_condition(&expression, &scope) == Ok(Truth::False) {
            return Search::Fails;
        }
    }
    Search::NotFound
}

/// The values that stand in an expression.
fn collect(expression: &IdedExpr, found: &mut Vec<Value>) {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => found.push(Value::from(text.inner())),
        Expr::Literal(LiteralValue::Int(number)) => found.push(Value::from(*number.inner())),
        Expr::Literal(LiteralValue::UInt(number)) => found.push(Value::from(*number.inner())),
        Expr::Literal(LiteralValue::Double(number)) => found.push(Value::from(*number.inner())),
        other => each_child(other, &mut |child| collect(child, found)),
    }
}

/// What a path may be: around the numbers, beside the words that the expression has, of the declared type.
fn candidates(path: &Path, fields: &Fields, literals: &[Value]) -> Vec<Value> {
    let declared = match path.parts.as_slice() {
        [Part::Name(name)] if path.root == "outputs" => fields.kind_of(name),
        _ => None,
    };
    let numbers = || {
        let near =
            literals.iter().filter_map(Value::as_i64).flat_map(|n| [n.saturating_sub(1), n, n.saturating_add(1)]);
        let mut list: Vec<i64> = near.chain([0, 1, -1, 1_000_000_007]).collect();
        list.sort_unstable();
        list.dedup();
        list.into_iter().map(Value::from).collect::<Vec<_>>()
    };
    let texts = || {
        let mut list: Vec<Value> = literals.iter().filter(|value| value.is_string()).cloned().collect();
        list.extend([Value::from(""), Value::from("something else")]);
        list
    };
    let lists = || {
        let all = Value::Array(literals.to_vec());
        vec![Value::Array(Vec::new()), Value::Array(vec![Value::from("something else")]), all]
    };
    let flags = || vec![Value::from(false), Value::from(true)];
    let mut list = match declared {
        Some(Type::Boolean) => flags(),
        Some(Type::Integer | Type::Number | Type::Size | Type::Duration) => numbers(),
        Some(Type::List(_)) => lists(),
        Some(Type::Choice(options)) => options.into_iter().map(Value::from).collect(),
        Some(Type::Any) | None => [flags(), numbers(), texts(), lists()].concat(),
        Some(_) => texts(),
    };
    // Whatever is declared, it may be missing.
    list.push(Value::Null);
    list
}

/// Puts a value where a path leads.
fn put(whole: &mut Value, parts: &[Part], value: Value) {
    let Some((first, rest)) = parts.split_first() else {
        *whole = value;
        return;
    };
    match first {
        Part::Name(name) => {
            if !whole.is_object() {
                *whole = Value::Object(serde_json::Map::new());
            }
            if let Some(map) = whole.as_object_mut() {
                put(map.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        Part::Index(index) => {
            if !whole.is_array() {
                *whole = Value::Array(Vec::new());
            }
            let place = usize::try_from(*index).unwrap_or(0).min(16);
            if let Some(list) = whole.as_array_mut() {
                list.resize(list.len().max(place + 1), Value::Null);
                if let Some(item) = list.get_mut(place) {
                    put(item, rest, value);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(source: &str) -> Search {
        can_fail(source, &Fields::open())
    }

    #[test]
    fn what_can_fail_is_found_to() {
        for source in [
            "outputs.primaries <= 1",
            "outputs.primaries == inputs.wanted",
            "outputs.state == 'up' && outputs.exit_code == 0",
            "outputs.state in ['up', 'degraded']",
            "outputs.free > 10 * 1024",
            "size(outputs.members) > 1",
            "outputs.a.b[1].c == 'x'",
            "!outputs.in_recovery",
            "outputs.stdout.contains('ok')",
            "outputs.stdout.matches('^7[0-9]+')",
        ] {
            assert_eq!(search(source), Search::Fails, "{source}");
        }
    }

    #[test]
    fn what_cannot_is_not() {
        assert_eq!(search("true"), Search::NoOutputs);
        assert_eq!(search("inputs.x == 1"), Search::NoOutputs);
        for source in ["outputs.n == outputs.n", "outputs.n >= 0 || outputs.n < 0 || true", "outputs.up || true"] {
            assert_eq!(search(source), Search::NotFound, "{source}");
        }
    }
}
