//! JSON values ↔ the CEL library's, and the library's errors in words for a person.

use std::collections::HashMap;
use std::sync::Arc;

use ::cel::{ExecutionError, Value as Cel};

use crate::value::Value;

pub(super) fn say(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let types: Vec<&str> =
                overload.argument_types().iter().map(|name| if name == "null_type" { "null" } else { name }).collect();
            format!("`{}` does not go with {}", overload.function().trim_matches(['_', '@']), types.join(" and "))
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("{} cannot be compared with {}", kind_of(left), kind_of(right))
        }
        ExecutionError::UnsupportedBinaryOperator(name, left, right) => {
            format!("`{name}` does not go with {} and {}", left.type_of(), right.type_of())
        }
        ExecutionError::FunctionError { function, message } => {
            format!("`{function}`: {}", message.lines().last().unwrap_or(message).trim_start_matches("error: "))
        }
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "the number is too large".to_owned(),
        other => {
            let text = other.to_string();
            if text.chars().count() > 200 { text.chars().take(199).collect::<String>() + "…" } else { text }
        }
    }
}

/// What a value is, for a person.
pub(super) fn kind_of(value: &Cel) -> String {
    match value {
        Cel::Bool(_) => "true or false".to_owned(),
        Cel::Null => "null".to_owned(),
        Cel::Int(_) | Cel::UInt(_) => "a whole number".to_owned(),
        Cel::Float(_) => "a number".to_owned(),
        other => format!("a {}", other.type_of()),
    }
}

pub(super) fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(whole)) => Cel::UInt(whole),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), to_cel(value))).collect::<HashMap<_, _>>().into()
        }
    }
}

/// A value of the library as JSON, its keys sorted: their order there is chance.
pub(super) fn from_cel(value: &Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::List(items) => Value::Array(items.iter().map(from_cel).collect::<Result<_, _>>()?),
        Cel::Map(map) => {
            let mut entries: Vec<(String, &Cel)> = map.map.iter().map(|(key, v)| (key.to_string(), v)).collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(
                entries.into_iter().map(|(key, value)| Ok((key, from_cel(value)?))).collect::<Result<_, String>>()?,
            )
        }
        Cel::Float(number) if !number.is_finite() => return Err("the result is no number".to_owned()),
        Cel::Null | Cel::Bool(_) | Cel::Int(_) | Cel::UInt(_) | Cel::Float(_) | Cel::String(_) => {
            value.json().map_err(|_| "the result is no plain value".to_owned())?
        }
        other => return Err(format!("the result is {}, which nothing takes", kind_of(other))),
    })
}
