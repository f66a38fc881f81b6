//! Evaluates an expression's tree over what is known. `&&`, `||`, `!`, `?:` and paths are decided here, so that an unknown
//! spreads no further than it must; everything else is the CEL library's, over values that are known. It never panics
//! and never runs without an end: lists are bounded, and a fault of the library becomes an error.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, MapEntryExpr, SelectExpr, operators};
use ::cel::{Context, Env, ExecutionError, IdedExpr, Value as Cel};

use super::Scope;
use super::cel::{Part, Path, path_of, paths};
use super::convert::{kind_of, say, to_cel};
use crate::diagnostic::nearest;
use crate::value::{Value, contains_unknown, why_unknown};

/// The longest list that a macro such as `all` runs over.
const MAX_ITEMS: usize = 1000;

thread_local! {
    static STANDARD: Arc<Env> = Arc::new(Env::stdlib());
}

/// A value, or on what it rests that is not known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    Known(Cel),
    Unknown(String),
}

/// What stands at a path.
pub(super) enum Found<'a> {
    Known(&'a Value),
    Unknown(String),
}

type Evaluated = Result<Answer, String>;

pub(super) fn evaluate(expression: &IdedExpr, scope: &Scope) -> Evaluated {
    if let Some(path) = path_of(&expression.expr) {
        return at_path(&path, scope);
    }
    match &expression.expr {
        Expr::Literal(literal) => {
            let value: Result<Cel, _> = literal.to_val().as_ref().try_into();
            value.map(Answer::Known).map_err(|error: ExecutionError| say(&error))
        }
        Expr::Call(call) => evaluate_call(call, scope),
        Expr::Select(select) => evaluate_select(select, scope),
        Expr::List(list) => {
            Ok(all_known(list.elements.iter(), scope)?.map_or_else(Answer::Unknown, |v| Answer::Known(v.into())))
        }
        Expr::Map(map) => {
            let entries: Vec<&MapEntryExpr> = map
                .entries
                .iter()
                .filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some(entry),
                    EntryExpr::StructField(_) => None,
                })
                .collect();
            let parts = entries.iter().flat_map(|entry| [&entry.key, &entry.value]);
            match all_known(parts, scope)? {
                Ok(values) => make_map(values).map(Answer::Known),
                Err(why) => Ok(Answer::Unknown(why)),
            }
        }
        Expr::Comprehension(inner) => evaluate_loop(expression, inner, scope),
        Expr::Ident(_) | Expr::Unspecified | Expr::Struct(_) => Err("this cannot be evaluated".to_owned()),
    }
}

fn evaluate_call(call: &CallExpr, scope: &Scope) -> Evaluated {
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::LOGICAL_AND, [left, right]) => decide(left, right, false, "&&", scope),
        (operators::LOGICAL_OR, [left, right]) => decide(left, right, true, "||", scope),
        (operators::LOGICAL_NOT, [operand]) => match evaluate(operand, scope)? {
            Answer::Known(Cel::Bool(value)) => Ok(Answer::Known(Cel::Bool(!value))),
            Answer::Known(other) => Err(format!("`!` needs true or false, not {}", kind_of(&other))),
            unknown => Ok(unknown),
        },
        (operators::CONDITIONAL, [condition, yes, no]) => choose(condition, yes, no, scope),
        (operators::EQUALS, [left, right]) => compare(left, right, scope, true),
        (operators::NOT_EQUALS, [left, right]) => compare(left, right, scope, false),
        _ => {
            let parts = || call.target.iter().map(AsRef::as_ref).chain(call.args.iter());
            match all_known(parts(), scope)? {
                Ok(values) => {
                    let nulls = name_nulls(parts(), &values);
                    apply_call(call, values).map(Answer::Known).map_err(|message| message + &nulls)
                }
                Err(why) => Ok(Answer::Unknown(why)),
            }
        }
    }
}

/// What an optional value that is absent does to a call is said by its name.
fn name_nulls<'e>(parts: impl Iterator<Item = &'e IdedExpr>, values: &[Cel]) -> String {
    let nulls: Vec<String> = parts
        .zip(values)
        .filter(|(_, value)| matches!(value, Cel::Null))
        .filter_map(|(part, _)| path_of(&part.expr))
        .map(|path| format!("`{path}` is null"))
        .collect();
    if nulls.is_empty() { String::new() } else { format!(": {}", nulls.join(", ")) }
}

/// `&&` (which `false` decides) and `||` (which `true` decides). A left side that is known and decides keeps the right
/// one from being looked at: it may guard it.
fn decide(left: &IdedExpr, right: &IdedExpr, deciding: bool, sign: &str, scope: &Scope) -> Evaluated {
    let truth = |answer: Answer| match answer {
        Answer::Known(Cel::Bool(value)) => Ok(Ok(value)),
        Answer::Known(other) => Err(format!("`{sign}` needs true or false, not {}", kind_of(&other))),
        Answer::Unknown(why) => Ok(Err(why)),
    };
    match truth(evaluate(left, scope)?)? {
        Ok(value) if value == deciding => Ok(Answer::Known(Cel::Bool(deciding))),
        Ok(_) => Ok(match truth(evaluate(right, scope)?)? {
            Ok(value) => Answer::Known(Cel::Bool(value)),
            Err(why) => Answer::Unknown(why),
        }),
        // The left side may yet decide; then a fault on the right is none.
        Err(why) => Ok(match evaluate(right, scope).and_then(truth) {
            Ok(Ok(value)) if value == deciding => Answer::Known(Cel::Bool(deciding)),
            Ok(Err(more)) if more != why => Answer::Unknown(format!("{why}, {more}")),
            _ => Answer::Unknown(why),
        }),
    }
}

fn choose(condition: &IdedExpr, yes: &IdedExpr, no: &IdedExpr, scope: &Scope) -> Evaluated {
    match evaluate(condition, scope)? {
        Answer::Known(Cel::Bool(true)) => evaluate(yes, scope),
        Answer::Known(Cel::Bool(false)) => evaluate(no, scope),
        Answer::Known(other) => Err(format!("`?` needs true or false before it, not {}", kind_of(&other))),
        Answer::Unknown(why) => match (evaluate(yes, scope), evaluate(no, scope)) {
            (Ok(Answer::Known(one)), Ok(Answer::Known(other))) if same(&one, &other) => Ok(Answer::Known(one)),
            _ => Ok(Answer::Unknown(why)),
        },
    }
}

/// Of one type and equal: `1` and `1.0` are equal, and yet `1 / 2` and `1.0 / 2.0` are not.
fn same(one: &Cel, other: &Cel) -> bool {
    kind_of(one) == kind_of(other) && one == other
}

fn compare(left: &IdedExpr, right: &IdedExpr, scope: &Scope, equal: bool) -> Evaluated {
    Ok(match all_known([left, right].into_iter(), scope)? {
        Ok(values) => Answer::Known(Cel::Bool((values.first() == values.get(1)) == equal)),
        Err(why) => Answer::Unknown(why),
    })
}

fn evaluate_select(select: &SelectExpr, scope: &Scope) -> Evaluated {
    if select.test
        && let Some(mut path) = path_of(&select.operand.expr)
    {
        let operand = look(&path, scope)?;
        path.parts.push(Part::Name(select.field.clone()));
        return Ok(match operand {
            Found::Unknown(why) => Answer::Unknown(why),
            // An optional value that is absent is null, so `has` asks whether there is one.
            Found::Known(Value::Object(map)) => match map.get(&select.field) {
                Some(value) if why_unknown(value).is_some() => Answer::Unknown(describe_unknown(&path, value)),
                found => Answer::Known(Cel::Bool(found.is_some_and(|value| !value.is_null()))),
            },
            Found::Known(_) => Answer::Known(Cel::Bool(false)),
        });
    }
    match evaluate(&select.operand, scope)? {
        Answer::Known(value) => {
            let operand = Box::new(variable(0));
            let select = Expr::Select(SelectExpr { operand, field: select.field.clone(), test: select.test });
            run(&IdedExpr { id: 0, expr: select }, vec![(name_of(0), value)]).map(Answer::Known)
        }
        unknown => Ok(unknown),
    }
}

/// `all`, `exists`, `map`, `filter`: the library's, over the roots that they name.
fn evaluate_loop(expression: &IdedExpr, inner: &ComprehensionExpr, scope: &Scope) -> Evaluated {
    if let Answer::Unknown(why) = evaluate(&inner.iter_range, scope)? {
        return Ok(Answer::Unknown(why));
    }
    let mut roots: Vec<(String, Cel)> = Vec::new();
    for path in paths(expression) {
        match look(&path, scope) {
            Ok(Found::Known(value)) if contains_unknown(value) => return Ok(Answer::Unknown(format!("`{path}`"))),
            Ok(Found::Known(value)) => check_size(value, &path)?,
            Ok(Found::Unknown(why)) => return Ok(Answer::Unknown(why)),
            // What is missing may be guarded inside the loop; the library says so if it is not.
            Err(_) if root(&path.root, scope).is_some() => {}
            Err(message) => return Err(message),
        }
        if !roots.iter().any(|(known, _)| *known == path.root)
            && let Found::Known(value) = look(&path.head(0), scope)?
        {
            roots.push((path.root, to_cel(value)));
        }
    }
    run(expression, roots).map(Answer::Known)
}

fn check_size(value: &Value, path: &Path) -> Result<(), String> {
    let size = match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    if size > MAX_ITEMS { Err(format!("`{path}` has {size} items; at most {MAX_ITEMS} are looked at")) } else { Ok(()) }
}

fn at_path(path: &Path, scope: &Scope) -> Evaluated {
    Ok(match look(path, scope)? {
        Found::Unknown(why) => Answer::Unknown(why),
        Found::Known(value) if contains_unknown(value) => Answer::Unknown(format!("`{path}`")),
        Found::Known(value) => Answer::Known(to_cel(value)),
    })
}

/// Finds what stands at a path.
pub(super) fn look<'a>(path: &Path, scope: &'a Scope) -> Result<Found<'a>, String> {
    let mut value = root(&path.root, scope).ok_or_else(|| {
        format!("there is no `{}`; an expression can name inputs, steps, outputs, facts and run", path.root)
    })?;
    for (place, part) in path.parts.iter().enumerate() {
        if why_unknown(value).is_some() {
            return Ok(Found::Unknown(describe_unknown(path, value)));
        }
        let next = match (part, value) {
            (Part::Name(name), Value::Object(map)) => map.get(name),
            (Part::Index(index), Value::Array(items)) => usize::try_from(*index).ok().and_then(|i| items.get(i)),
            _ => None,
        };
        value = next.ok_or_else(|| missing(path, place, value, scope))?;
    }
    if why_unknown(value).is_some() {
        return Ok(Found::Unknown(describe_unknown(path, value)));
    }
    Ok(Found::Known(value))
}

fn root<'a>(name: &str, scope: &'a Scope) -> Option<&'a Value> {
    match name {
        "inputs" => Some(&scope.inputs),
        "steps" => Some(&scope.steps),
        "outputs" => Some(&scope.outputs),
        "facts" => Some(&scope.facts),
        "run" => Some(&scope.run),
        "item" => Some(&scope.item),
        "vars" => Some(&scope.vars),
        _ => None,
    }
}

fn missing(path: &Path, place: usize, holder: &Value, scope: &Scope) -> String {
    let whole = path.head(place + 1);
    let before = path.head(place);
    if path.root == "steps"
        && let Some(step) = path.name(0)
        && scope.steps.get(step).and_then(|step| step.get("outcome")).and_then(Value::as_str) == Some("skipped")
    {
        return format!("there is no `{whole}`: step `{step}` was skipped");
    }
    if path.root == "vars"
        && place == 0
        && let Value::Object(vars) = holder
    {
        return no_variable(path, vars, &scope.item);
    }
    match holder {
        Value::Null if place == 0 => format!("there is no `{whole}`: this step has no {before} here"),
        Value::Null => format!("there is no `{whole}`: `{before}` is null"),
        _ => format!("there is no `{whole}`"),
    }
}

/// A variable that a host does not have: which host, and the one that was probably meant.
fn no_variable(path: &Path, vars: &serde_json::Map<String, Value>, host: &Value) -> String {
    let name = path.name(0).unwrap_or_default();
    let host = host.as_str().unwrap_or("it");
    let near = match nearest(name, vars.keys().map(String::as_str)) {
        Some(near) => format!("; did you mean `vars.{near}`?"),
        None if vars.is_empty() => "; it has none".to_owned(),
        None => String::new(),
    };
    format!("the inventory gives the host {host} no variable `{name}`{near}")
}

fn describe_unknown(path: &Path, value: &Value) -> String {
    match why_unknown(value) {
        Some(why) if !why.is_empty() => format!("`{path}` ({why})"),
        _ => format!("`{path}`"),
    }
}

/// Evaluates all parts: their values, or on what the first unknown one rests. A fault comes before an unknown.
fn all_known<'e>(parts: impl Iterator<Item = &'e IdedExpr>, scope: &Scope) -> Result<Result<Vec<Cel>, String>, String> {
    let mut values = Vec::new();
    let mut unknown = None;
    for part in parts {
        match evaluate(part, scope)? {
            Answer::Known(value) => values.push(value),
            Answer::Unknown(why) => unknown = unknown.or(Some(why)),
        }
    }
    Ok(unknown.map_or(Ok(values), Err))
}

/// Lets the library do one call, its operands put into variables.
fn apply_call(call: &CallExpr, mut values: Vec<Cel>) -> Result<Cel, String> {
    if is_arithmetic(&call.func_name) {
        widen(&mut values);
    }
    let offset = usize::from(call.target.is_some());
    let call = CallExpr {
        func_name: call.func_name.clone(),
        target: call.target.as_ref().map(|_| Box::new(variable(0))),
        args: (offset..values.len()).map(variable).collect(),
    };
    let variables = values.into_iter().enumerate().map(|(place, value)| (name_of(place), value)).collect();
    run(&IdedExpr { id: 0, expr: Expr::Call(call) }, variables)
}

fn is_arithmetic(name: &str) -> bool {
    [operators::ADD, operators::SUBSTRACT, operators::MULTIPLY, operators::DIVIDE].contains(&name)
}

/// Durations are fractions and sizes whole numbers; between the two, arithmetic is that of fractions.
fn widen(values: &mut [Cel]) {
    if values.iter().any(|value| matches!(value, Cel::Float(_))) {
        for value in values {
            match *value {
                Cel::Int(number) => *value = Cel::Float(number as f64),
                Cel::UInt(number) => *value = Cel::Float(number as f64),
                _ => {}
            }
        }
    }
}

fn make_map(values: Vec<Cel>) -> Result<Cel, String> {
    let mut map = HashMap::new();
    let mut values = values.into_iter();
    while let (Some(key), Some(value)) = (values.next(), values.next()) {
        match key {
            Cel::String(key) => map.insert(key.as_str().to_owned(), value),
            other => return Err(format!("a key is a string, not {}", kind_of(&other))),
        };
    }
    Ok(map.into())
}

fn name_of(place: usize) -> String {
    format!("@{place}")
}

fn variable(place: usize) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Ident(name_of(place)) }
}

fn run(expression: &IdedExpr, variables: Vec<(String, Cel)>) -> Result<Cel, String> {
    // The library has asserts of its own; a wrong one must not end a recovery.
    catch_unwind(AssertUnwindSafe(|| {
        let mut context = Context::with_env(STANDARD.with(Arc::clone));
        for (name, value) in variables {
            context.add_variable_from_value(name, value);
        }
        Cel::resolve(expression, &context).map_err(|error| say(&error))
    }))
    .unwrap_or_else(|_| Err("this cannot be evaluated (a fault in the expression library)".to_owned()))
}
