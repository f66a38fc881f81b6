//! The types that inputs, outputs and arguments are declared with, and how a value is held to them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Value, parse_duration, parse_size};

/// A declared type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Type {
    /// Any text.
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A time span: `20s`; its value is its seconds.
    Duration,
    /// A number of bytes: `1MiB`; its value is its bytes.
    Size,
    /// One of some words.
    Choice(Vec<String>),
    /// A list of one type.
    List(Box<Type>),
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network in CIDR notation.
    Cidr,
    /// `[A-Za-z0-9][A-Za-z0-9._-]*`: safe in a command line.
    Identifier,
    /// An entry of the inventory, of the kind named: `host`, `database`, `proxy`, `link`.
    Reference(String),
    /// Anything, for what JSON brings.
    Any,
}

/// A value that is not of its declared type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is no {expected}")]
pub struct TypeError {
    /// The value, as short text.
    pub value: String,
    /// What was asked for.
    pub expected: String,
}

impl Type {
    /// Reads a scalar from its source text: what the type says decides, so `no` stays a string and `1.10` a version.
    ///
    /// # Errors
    /// When the text is not of this type.
    pub fn parse(&self, text: &str) -> Result<Value, TypeError> {
        let value = match self {
            Type::String | Type::Choice(_) | Type::Ip | Type::Cidr | Type::Identifier | Type::Reference(_) => {
                Some(Value::from(text))
            }
            Type::Integer => text.parse::<i64>().ok().map(Value::from),
            Type::Number => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
            Type::Boolean => match text {
                "true" => Some(Value::from(true)),
                "false" => Some(Value::from(false)),
                _ => None,
            },
            Type::Duration => parse_duration(text).map(Value::from),
            Type::Size => parse_size(text).map(Value::from),
            Type::List(item) => Some(Value::Array(self.parse_items(item, text)?)),
            Type::Any => Some(plain(text)),
        };
        let value = value.ok_or_else(|| self.mismatch(&Value::from(text)))?;
        self.check(&value)?;
        Ok(value)
    }

    /// The items of a list: `a,b`, or a JSON array. Half of one is refused, as `[a` and `b]` were never meant as names.
    fn parse_items(&self, item: &Type, text: &str) -> Result<Vec<Value>, TypeError> {
        if let Ok(Value::Array(written)) = serde_json::from_str::<Value>(text.trim()) {
            let one = |value: &Value| match value {
                Value::String(text) => item.parse(text),
                Value::Number(_) | Value::Bool(_) => item.parse(&value.to_string()),
                other => item.accept(other),
            };
            return written.iter().map(one).collect();
        }
        let items = text.split(',').map(str::trim).filter(|t| !t.is_empty());
        // `[::1]` and `[::1]:80` are addresses; other brackets are what is left of a list in another notation.
        let is_whole = |t: &str| match (t.strip_prefix('['), t.contains(']')) {
            (Some(rest), true) => rest.contains(':'),
            (None, false) => true,
            _ => false,
        };
        items.map(|t| if is_whole(t) { item.parse(t) } else { Err(self.mismatch(&Value::from(text))) }).collect()
    }

    /// Holds a value to this type. A size or a duration may also still be the text that people write.
    ///
    /// # Errors
    /// When the value is not of this type.
    pub fn accept(&self, value: &Value) -> Result<Value, TypeError> {
        match (self, value) {
            (Type::Size | Type::Duration, Value::String(text)) => self.parse(text),
            (Type::Number, Value::Number(_)) => Ok(value.clone()),
            (Type::List(item), Value::Array(items)) => {
                Ok(Value::Array(items.iter().map(|v| item.accept(v)).collect::<Result<_, _>>()?))
            }
            _ => {
                self.check(value)?;
                Ok(value.clone())
            }
        }
    }

    /// Whether a value of this type may stand in a command line: its alphabet has nothing that a shell reads.
    pub fn is_safe_in_a_line(&self) -> bool {
        matches!(
            self,
            Type::Integer
                | Type::Size
                | Type::Ip
                | Type::Cidr
                | Type::Identifier
                | Type::Choice(_)
                | Type::Reference(_)
        )
    }

    fn check(&self, value: &Value) -> Result<(), TypeError> {
        let fits = match (self, value) {
            (Type::Any, _)
            | (Type::String, Value::String(_))
            | (Type::Boolean, Value::Bool(_))
            | (Type::Number, Value::Number(_)) => true,
            (Type::Duration, Value::Number(n)) => n.as_f64().is_some_and(|n| n >= 0.0),
            (Type::Integer, Value::Number(n)) => n.is_i64() || n.is_u64(),
            (Type::Size, Value::Number(n)) => n.as_i64().is_some_and(|n| n >= 0),
            (Type::Choice(options), Value::String(text)) => options.contains(text),
            (Type::List(item), Value::Array(items)) => items.iter().all(|v| item.check(v).is_ok()),
            (Type::Ip, Value::String(text)) => text.parse::<IpAddr>().is_ok(),
            (Type::Cidr, Value::String(text)) => is_cidr(text),
            (Type::Identifier | Type::Reference(_), Value::String(text)) => is_word(text),
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.mismatch(value)) }
    }

    fn mismatch(&self, value: &Value) -> TypeError {
        let mut text = match value {
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        if text.chars().count() > 60 {
            text = text.chars().take(57).collect::<String>() + "…`";
        }
        TypeError { value: text, expected: self.to_string() }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::String => f.write_str("string"),
            Type::Integer => f.write_str("integer"),
            Type::Number => f.write_str("number"),
            Type::Boolean => f.write_str("boolean (true or false)"),
            Type::Duration => f.write_str("duration (such as 20s)"),
            Type::Size => f.write_str("size (such as 1MiB)"),
            Type::Choice(options) => write!(f, "choice of {}", options.join(", ")),
            Type::List(item) => write!(f, "list of {item}"),
            Type::Ip => f.write_str("ip address"),
            Type::Cidr => f.write_str("network in CIDR notation"),
            Type::Identifier => f.write_str("identifier (letters, digits and . _ -)"),
            Type::Reference(kind) => write!(f, "{kind} of the inventory"),
            Type::Any => f.write_str("value"),
        }
    }
}

/// What a scalar is where no type is declared: YAML's core words and JSON's numbers, else text.
fn plain(text: &str) -> Value {
    match text {
        "" | "null" | "~" => Value::Null,
        "true" => Value::from(true),
        "false" => Value::from(false),
        _ => {
            let integer = text.parse::<i64>().ok().filter(|n| n.to_string() == text).map(Value::from);
            let float = || {
                // A leading zero is a code or a date, not a number.
                let number = text.contains(['.', 'e']) && !text.starts_with(['0', '+', '.']) || text.starts_with("0.");
                let digits = text.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b));
                text.parse::<f64>().ok().filter(|n| number && digits && n.is_finite()).map(Value::from)
            };
            integer.or_else(float).unwrap_or_else(|| Value::from(text))
        }
    }
}

fn is_word(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 255
        && bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let limit = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= limit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_declared_type_decides() {
        assert_eq!(Type::String.parse("no"), Ok(json!("no")));
        assert_eq!(Type::String.parse("1.10"), Ok(json!("1.10")));
        assert_eq!(Type::Any.parse("1.5"), Ok(json!(1.5)));
        assert_eq!(Type::Any.parse("007"), Ok(json!("007")));
        assert_eq!(Type::Boolean.parse("true"), Ok(json!(true)));
        assert!(Type::Boolean.parse("no").is_err());
        assert_eq!(Type::Size.parse("1MiB"), Ok(json!(1_048_576)));
        assert_eq!(Type::List(Box::new(Type::Integer)).parse("1, 2"), Ok(json!([1, 2])));
        let list = Type::List(Box::new(Type::String));
        for (text, items) in [
            ("", json!([])),
            (" , ", json!([])),
            ("[]", json!([])),
            (" [ ] ", json!([])),
            (r#"["a,b", "c"]"#, json!(["a,b", "c"])),
            (r#"["1.10", 2, true]"#, json!(["1.10", "2", "true"])),
            ("[::1], [::2]:80, a", json!(["[::1]", "[::2]:80", "a"])),
        ] {
            assert_eq!(list.parse(text), Ok(items), "{text}");
        }
        for half in ["[a, b]", "[a]", "[a", "a]", r#"["a""#, "[[]"] {
            assert!(list.parse(half).is_err(), "{half}");
        }
        assert!(Type::List(Box::new(Type::Integer)).parse(r#"[1, "x"]"#).is_err());
        assert!(Type::Choice(vec!["a".into()]).parse("b").is_err());
        assert!(Type::Cidr.parse("10.0.0.0/33").is_err());
        assert!(Type::Identifier.parse("a;b").is_err());
        assert!(Type::Identifier.parse("-rf").is_err());
    }
}
