//! Holds resolved arguments to what their action says of them, right before it gets them.

use crate::spec::ActionSpec;
use crate::value::{Type, TypeError, Value, contains_unknown};

use crate::diagnostic::nearest;

/// An argument that an action cannot take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// It must be given, and is absent or null.
    #[error("`{action}` needs `{name}`, and it is not given (or is null)")]
    Missing {
        /// The action.
        action: String,
        /// The argument.
        name: String,
    },
    /// It has another type.
    #[error("`{name}` of `{action}`: {fault}")]
    WrongType {
        /// The action.
        action: String,
        /// The argument.
        name: String,
        /// What is wrong.
        fault: TypeError,
    },
    /// There is no such argument.
    #[error("`{action}` takes no `{name}`{near}")]
    Unknown {
        /// The action.
        action: String,
        /// The argument.
        name: String,
        /// What it may have meant, as a sentence's end.
        near: String,
    },
}

/// Completes the resolved arguments of a step (an object): fills in the action's defaults, holds each value to its
/// declared type, reads a number, size or duration that came as text. A null is as if it were not given. What is not
/// known yet (`value::unknown`) is left as it is.
///
/// # Errors
/// The first argument that the action cannot take.
pub fn complete_arguments(spec: &ActionSpec, resolved: Value) -> Result<Value, ArgumentError> {
    let mut given = match resolved {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    let action = || spec.name.to_owned();
    let mut complete = serde_json::Map::new();
    for field in &spec.inputs {
        let name = field.name;
        let value = given.shift_remove(name).filter(|value| !value.is_null()).or_else(|| field.default.clone());
        match value {
            Some(value) => {
                let value = hold(&field.kind, value).map_err(|fault| ArgumentError::WrongType {
                    action: action(),
                    name: name.to_owned(),
                    fault,
                })?;
                complete.insert(name.to_owned(), value);
            }
            None if field.required => return Err(ArgumentError::Missing { action: action(), name: name.to_owned() }),
            None => {}
        }
    }
    for (name, value) in given {
        if !spec.open_inputs {
            let near = nearest(&name, spec.inputs.iter().map(|field| field.name))
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(ArgumentError::Unknown { action: action(), name, near });
        }
        complete.insert(name, value);
    }
    Ok(Value::Object(complete))
}

fn hold(kind: &Type, value: Value) -> Result<Value, TypeError> {
    if contains_unknown(&value) {
        return Ok(value);
    }
    kind.accept(&value).or_else(|error| match (&value, kind) {
        // What a command printed is text, and ends with a line feed.
        (Value::String(text), Type::Integer | Type::Number | Type::Boolean | Type::Size | Type::Duration) => {
            kind.parse(text.trim()).map_err(|_| error)
        }
        _ => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::{Effect, Fidelity, FieldSpec, UndoSpec};
    use crate::value::unknown;

    fn spec(open_inputs: bool) -> ActionSpec {
        ActionSpec {
            name: "x.y",
            summary: "",
            details: "",
            inputs: vec![
                FieldSpec::required("who", Type::Identifier, ""),
                FieldSpec::optional("wait", Type::Duration, "").or(json!(5.0)),
                FieldSpec::optional("count", Type::Integer, ""),
            ],
            outputs: Vec::new(),
            facts: Vec::new(),
            effect: Effect::Once,
            fidelity: Fidelity::Unknown,
            proves: "",
            undo: UndoSpec::Nothing,
            resource: None,
            settle_seconds: 0.0,
            timeout_seconds: 1.0,
            open_inputs,
        }
    }

    #[test]
    fn arguments_are_completed_and_held_to_their_types() {
        let complete = |value: Value| complete_arguments(&spec(false), value);
        assert_eq!(complete(json!({"who": "a"})), Ok(json!({"who": "a", "wait": 5.0})));
        assert_eq!(
            complete(json!({"who": "a", "wait": "2s", "count": "3\n"})),
            Ok(json!({"who": "a", "wait": 2.0, "count": 3}))
        );
        assert_eq!(complete(json!({"who": "a", "count": null})), Ok(json!({"who": "a", "wait": 5.0})));
        assert_eq!(complete(json!({"who": unknown("later")})).map(|v| v["who"].clone()), Ok(unknown("later")));
        assert!(matches!(complete(json!({})), Err(ArgumentError::Missing { .. })));
        assert!(matches!(complete(json!({"who": null})), Err(ArgumentError::Missing { .. })));
        assert!(matches!(complete(json!({"who": "a; rm"})), Err(ArgumentError::WrongType { .. })));
        let error = complete(json!({"who": "a", "cuont": 1})).unwrap_err().to_string();
        assert_eq!(error, "`x.y` takes no `cuont`; did you mean `count`?");
        assert!(complete_arguments(&spec(true), json!({"who": "a", "z": 1})).is_ok());
    }
}
