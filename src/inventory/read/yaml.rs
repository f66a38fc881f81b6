//! YAML as Ansible reads it: version 1.1 with its many booleans, anchors, merge keys, and what is encrypted left as it is. A file
//! cannot make it work for long: what aliases stand for is counted before it is written out.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number};

use crate::value::Value;

/// How deep values may be nested, and how many there may be, aliases written out.
const DEEPEST: usize = 64;
const MOST_NODES: usize = 1_000_000;
/// How a text begins that `ansible-vault` has encrypted.
pub(super) const VAULT: &str = "$ANSIBLE_VAULT";

/// What is read, and the keys that stand twice in one mapping, the last of which counts.
pub(super) struct Read {
    pub(super) value: Value,
    pub(super) doubled: Vec<String>,
}

/// Reads a text of one document.
///
/// # Errors
/// What is wrong with it, with its line.
pub(super) fn read(text: &str) -> Result<Read, String> {
    let mut builder = Builder::default();
    // The parser has asserts of its own; a wrong one must end in a refusal, not in a crash.
    let result = catch_unwind(AssertUnwindSafe(|| builder.run(text)));
    result.unwrap_or_else(|_| Err("it cannot be read (a fault in the YAML parser)".to_owned()))?;
    Ok(Read { value: builder.root.unwrap_or(Value::Null), doubled: builder.doubled })
}

enum Open {
    List { anchor: usize, items: Vec<Value> },
    Map { anchor: usize, entries: Map<String, Value>, merged: Vec<Value>, key: Option<Key> },
}

enum Key {
    Name(String),
    Merge,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Open>,
    root: Option<Value>,
    anchors: HashMap<usize, Value>,
    nodes: usize,
    doubled: Vec<String>,
    documents: usize,
}

impl Builder {
    fn run(&mut self, text: &str) -> Result<(), String> {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        options.emit_unresolved_aliases = true;
        options.flow_nesting_limit = DEEPEST + 1;
        options.block_nesting_limit = DEEPEST + 1;
        for result in Parser::new_from_str_with_options(text, options) {
            let (event, place) = result
                .map_err(|error| format!("line {}: this is not valid YAML: {}", error.marker().line(), error.info()))?;
            self.event(event).map_err(|why| format!("line {}: {why}", place.start.line()))?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err("a second document begins here, and there is one in a file".to_owned());
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| tag.to_string()).unwrap_or_default();
                self.count(1)?;
                if self.takes_key() {
                    let plain = style == ScalarStyle::Plain && text == "<<";
                    self.key(if plain { Key::Merge } else { Key::Name(text.into_owned()) });
                    return Ok(());
                }
                let value = scalar(&text, style == ScalarStyle::Plain, &tag);
                self.add(anchor, value)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(Open::List { anchor, items: Vec::new() })?,
            Event::MappingStart(_, anchor, _) => {
                self.open(Open::Map { anchor, entries: Map::new(), merged: Vec::new(), key: None })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).ok_or("an alias leads into itself")?;
                let (nodes, depth) = size(value);
                if self.takes_key() {
                    return Err("an alias cannot be a key".to_owned());
                }
                if self.stack.len() + depth > DEEPEST {
                    return Err(format!("this is nested deeper than {DEEPEST} levels"));
                }
                self.nodes = self.nodes.saturating_add(nodes);
                self.count(0)?;
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.add(0, value)?;
            }
            Event::UnresolvedAlias(name) => return Err(format!("there is no anchor `{}`", name.escape_debug())),
            _ => {}
        }
        Ok(())
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.nodes += more;
        if self.nodes > MOST_NODES {
            return Err("with its aliases written out it would have more than a million values".to_owned());
        }
        Ok(())
    }

    fn takes_key(&self) -> bool {
        matches!(self.stack.last(), Some(Open::Map { key: None, .. }))
    }

    fn key(&mut self, name: Key) {
        if let Some(Open::Map { key, .. }) = self.stack.last_mut() {
            *key = Some(name);
        }
    }

    fn open(&mut self, open: Open) -> Result<(), String> {
        self.count(1)?;
        if self.takes_key() {
            return Err("a list or a mapping cannot be a key".to_owned());
        }
        if self.stack.len() >= DEEPEST {
            return Err(format!("this is nested deeper than {DEEPEST} levels"));
        }
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        match self.stack.pop() {
            Some(Open::List { anchor, items }) => self.add(anchor, Value::Array(items)),
            Some(Open::Map { anchor, entries, merged, .. }) => {
                let mut whole = Map::new();
                // The first of several that are merged wins, and what is written here over all of them.
                for part in merged.into_iter().rev() {
                    let Value::Object(part) = part else { return Err("`<<` merges mappings alone".to_owned()) };
                    whole.extend(part);
                }
                whole.extend(entries);
                self.add(anchor, Value::Object(whole))
            }
            None => Ok(()),
        }
    }

    fn add(&mut self, anchor: usize, value: Value) -> Result<(), String> {
        if anchor != 0 {
            let (nodes, _) = size(&value);
            self.count(nodes)?;
            self.anchors.insert(anchor, value.clone());
        }
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(Open::List { items, .. }) => items.push(value),
            Some(Open::Map { entries, merged, key, .. }) => match (key.take(), value) {
                (Some(Key::Merge), Value::Array(several)) => merged.extend(several),
                (Some(Key::Merge), one) => merged.push(one),
                (Some(Key::Name(name)), value) => {
                    if entries.insert(name.clone(), value).is_some() && self.doubled.len() < 20 {
                        self.doubled.push(name);
                    }
                }
                (None, _) => {}
            },
        }
        Ok(())
    }
}

/// How many values there are in one, itself counted, and how deep they are nested.
fn size(value: &Value) -> (usize, usize) {
    let inner = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        let (nodes, depth) = sizes.fold((1, 0), |(nodes, depth), (more, deep)| (nodes + more, depth.max(deep)));
        (nodes, depth + 1)
    };
    match value {
        Value::Array(items) => inner(&mut items.iter().map(size)),
        Value::Object(entries) => inner(&mut entries.values().map(size)),
        _ => (1, 0),
    }
}

fn scalar(text: &str, plain: bool, tag: &str) -> Value {
    if tag.ends_with("vault") || tag.ends_with("vault-encrypted") {
        return Value::String(if text.starts_with(VAULT) { text.to_owned() } else { VAULT.to_owned() });
    }
    if !plain || !tag.is_empty() {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Value::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// A number of YAML 1.1: octal with a leading zero, in sixties with colons.
fn number(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let bare = digits.replace('_', "");
    let only =
        |letters: &str, allowed: fn(&u8) -> bool| !letters.is_empty() && letters.bytes().all(|byte| allowed(&byte));
    let digit = u8::is_ascii_digit as fn(&u8) -> bool;
    let whole = if let Some(rest) =
        bare.strip_prefix("0b").filter(|rest| only(rest, |byte| matches!(byte, b'0' | b'1')))
    {
        i128::from_str_radix(rest, 2).ok()
    } else if let Some(rest) = bare.strip_prefix("0x").filter(|rest| only(rest, u8::is_ascii_hexdigit)) {
        i128::from_str_radix(rest, 16).ok()
    } else if let Some(rest) = bare.strip_prefix('0').filter(|rest| only(rest, |byte| (b'0'..=b'7').contains(byte))) {
        i128::from_str_radix(rest, 8).ok()
    } else if only(&bare, digit) && (bare == "0" || !bare.starts_with('0')) {
        bare.parse().ok()
    } else {
        sixties(&bare)
    };
    if let Some(whole) = whole {
        let whole = if negative { -whole } else { whole };
        return i64::try_from(whole).map(Number::from).or_else(|_| u64::try_from(whole).map(Number::from)).ok();
    }
    let (mantissa, exponent) = bare.split_once(['e', 'E']).map_or((bare.as_str(), None), |(a, b)| (a, Some(b)));
    let (before, after) = mantissa.split_once('.')?;
    let digits_only = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let signed = |text: &str| text.strip_prefix(['+', '-']).is_some_and(|rest| only(rest, digit));
    let form = digits_only(before) && digits_only(after) && !(before.is_empty() && after.is_empty());
    if !form || exponent.is_some_and(|exponent| !signed(exponent)) {
        return None;
    }
    let found: f64 = format!("0{before}.{after}0e{}", exponent.unwrap_or("0")).parse().ok()?;
    Number::from_f64(if negative { -found } else { found })
}

fn sixties(text: &str) -> Option<i128> {
    let mut parts = text.split(':');
    let first = parts.next().filter(|first| !first.is_empty() && !first.starts_with('0') && text.contains(':'))?;
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i128>().ok())?;
    parts.try_fold(digits(first)?, |sum, part| {
        let part = digits(part).filter(|number| *number < 60 && part.len() <= 2 && !part.is_empty())?;
        sum.checked_mul(60)?.checked_add(part)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Value {
        read(text).map_or_else(Value::String, |read| read.value)
    }

    #[test]
    fn values_are_those_of_the_old_version() {
        for (text, read) in [
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("'yes'", json!("yes")),
            ("0644", json!(420)),
            ("'0644'", json!("0644")),
            ("1_000", json!(1000)),
            ("0x1f", json!(31)),
            ("22:30", json!(1350)),
            ("1.10", json!(1.1)),
            ("1e3", json!("1e3")),
            ("1.0e+3", json!(1000.0)),
            ("10.0.0.1", json!("10.0.0.1")),
            ("2026-01-02", json!("2026-01-02")),
            ("099", json!("099")),
            ("-5", json!(-5)),
            ("~", json!(null)),
            ("", json!(null)),
            ("!!str 5", json!("5")),
            ("!unsafe '{{x}}'", json!("{{x}}")),
            ("!vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", json!("$ANSIBLE_VAULT;1.1;AES256\n6162\n")),
            ("a: &x { b: 1, c: 2 }\nd: { <<: *x, c: 3 }", json!({ "a": { "b": 1, "c": 2 }, "d": { "b": 1, "c": 3 } })),
            ("<<: [{ a: 1 }, { a: 2, b: 2 }]", json!({ "a": 1, "b": 2 })),
        ] {
            assert_eq!(value(text), read, "{text}");
        }
        assert_eq!(read("a: 1\na: 2\n").unwrap().doubled, ["a"]);
    }

    #[test]
    fn a_file_that_would_swallow_the_memory_is_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            laughs.push_str(&format!("a{level}: &a{level} [{}]\n", vec![before; 9].join(", ")));
        }
        assert!(value(&laughs).as_str().unwrap().contains("more than a million values"));
        let mut deep = format!("a0: &a0 {}x{}\n", "[".repeat(40), "]".repeat(40));
        deep.push_str(&format!("a1: &a1 {}*a0{}\n", "[".repeat(40), "]".repeat(40)));
        assert!(value(&deep).as_str().unwrap().contains("deeper than 64"));
        for bad in [
            "a: *b",
            "a: &b [*b]",
            "a: [",
            "? [a]\n: b",
            "a: 1\n---\nb: 1",
            &"[".repeat(100_000),
            "a: \t- b\n\tc",
            "\u{0}",
        ] {
            assert!(read(bad).is_err(), "{bad:.40}");
        }
    }
}
