//! Python's literals (`ast.literal_eval`), which the values of Ansible's INI files are. Nothing is computed, and what is no literal
//! stays the text that it is.

use serde_json::{Map, Number};

use crate::value::Value;

/// How deep a literal may be nested.
const DEEPEST: usize = 32;

/// The value of a text: a literal of Python's where it is one, else the text itself.
pub(super) fn value(text: &str) -> Value {
    let mut reader = Reader { rest: text.trim_matches([' ', '\t']), inside: 0 };
    let literal = reader.whole();
    literal.unwrap_or_else(|| Value::String(text.to_owned()))
}

struct Reader<'t> {
    rest: &'t str,
    /// How many brackets are open: within them a line may end.
    inside: usize,
}

impl Reader<'_> {
    fn whole(&mut self) -> Option<Value> {
        let first = self.one(0)?;
        self.blank();
        // Without brackets, commas make a tuple too.
        let found = if self.take(",") { self.list(None, vec![first], 0)? } else { first };
        self.blank();
        (self.rest.is_empty() || self.rest.starts_with('#')).then_some(found)
    }

    fn blank(&mut self) {
        let is_blank = |letter: char| letter == ' ' || letter == '\t' || letter == '\x0c';
        self.rest = self.rest.trim_start_matches(is_blank);
        if self.inside > 0 {
            self.rest = self.rest.trim_start();
        }
    }

    fn take(&mut self, word: &str) -> bool {
        self.blank();
        match self.rest.strip_prefix(word) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn one(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.blank();
        let found = match self.rest.chars().next()? {
            '[' => self.bracket("]", depth)?,
            '(' => self.parenthesis(depth)?,
            '{' => self.braces(depth)?,
            '+' | '-' | '.' | '0'..='9' => self.number()?,
            _ => match self.string() {
                Some(text) => Value::String(text),
                None => self.name()?,
            },
        };
        Some(found)
    }

    fn bracket(&mut self, end: &str, depth: usize) -> Option<Value> {
        self.rest = self.rest.get(1..)?;
        self.inside += 1;
        let found = self.list(Some(end), Vec::new(), depth);
        self.inside -= 1;
        found
    }

    /// A value in parentheses is itself, with a comma behind it a tuple.
    fn parenthesis(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.get(1..)?;
        self.inside += 1;
        let found = if self.take(")") {
            Some(Value::Array(Vec::new()))
        } else {
            let first = self.one(depth + 1)?;
            if self.take(")") {
                Some(first)
            } else if self.take(",") {
                self.list(Some(")"), vec![first], depth)
            } else {
                None
            }
        };
        self.inside -= 1;
        found
    }

    /// The rest of a list, to its end.
    fn list(&mut self, end: Option<&str>, mut items: Vec<Value>, depth: usize) -> Option<Value> {
        loop {
            let ended = match end {
                Some(end) => self.take(end),
                None => {
                    self.blank();
                    self.rest.is_empty() || self.rest.starts_with('#')
                }
            };
            if ended {
                return Some(Value::Array(items));
            }
            items.push(self.one(depth + 1)?);
            self.blank();
            if !self.take(",") {
                return match end {
                    Some(end) => self.take(end).then_some(Value::Array(items)),
                    None => Some(Value::Array(items)),
                };
            }
        }
    }

    /// A mapping, or a set, which is a list to everybody else.
    fn braces(&mut self, depth: usize) -> Option<Value> {
        self.rest = self.rest.get(1..)?;
        self.inside += 1;
        let found = if self.take("}") { Some(Value::Object(Map::new())) } else { self.pairs(depth) };
        self.inside -= 1;
        found
    }

    fn pairs(&mut self, depth: usize) -> Option<Value> {
        let first = self.one(depth + 1)?;
        if !self.take(":") {
            return match self.take("}") {
                true => Some(Value::Array(vec![first])),
                false => self.take(",").then(|| self.list(Some("}"), vec![first], depth))?,
            };
        }
        let mut map = Map::new();
        let mut key = first;
        loop {
            map.insert(written(&key)?, self.one(depth + 1)?);
            if self.take("}") {
                return Some(Value::Object(map));
            }
            if !self.take(",") {
                return None;
            }
            if self.take("}") {
                return Some(Value::Object(map));
            }
            key = self.one(depth + 1)?;
            if !self.take(":") {
                return None;
            }
        }
    }

    fn name(&mut self) -> Option<Value> {
        let length =
            self.rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        match name {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            "None" => Some(Value::Null),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Value> {
        let signs = self.rest.len() - self.rest.trim_start_matches(['+', '-', ' ']).len();
        let (sign, rest) = self.rest.split_at_checked(signs)?;
        let negative = sign.matches('-').count() % 2 == 1;
        let mut length = 0;
        let mut before = ' ';
        for letter in rest.chars() {
            let exponent = matches!(before, 'e' | 'E') && !rest.starts_with("0x") && !rest.starts_with("0X");
            if !(letter.is_ascii_alphanumeric()
                || letter == '.'
                || letter == '_'
                || (exponent && matches!(letter, '+' | '-')))
            {
                break;
            }
            before = letter;
            length += letter.len_utf8();
        }
        let (digits, rest) = rest.split_at_checked(length)?;
        let found = number(digits, negative)?;
        self.rest = rest;
        Some(found)
    }

    /// A string, or several side by side, which are one.
    fn string(&mut self) -> Option<String> {
        let mut text = self.piece()?;
        loop {
            let before = self.rest;
            self.blank();
            match self.piece() {
                Some(more) => text.push_str(&more),
                None => {
                    self.rest = before;
                    return Some(text);
                }
            }
        }
    }

    fn piece(&mut self) -> Option<String> {
        let quote = self.rest.find(['\'', '"'])?;
        let (prefix, rest) = self.rest.split_at_checked(quote)?;
        let raw = match prefix.to_ascii_lowercase().as_str() {
            "" | "u" | "b" => false,
            "r" | "br" | "rb" => true,
            _ => return None,
        };
        let single = rest.get(..1)?;
        let triple = single.repeat(3);
        let (quote, long) = if rest.starts_with(&triple) { (triple.as_str(), true) } else { (single, false) };
        let mut rest = rest.get(quote.len()..)?;
        let mut text = String::new();
        loop {
            if let Some(after) = rest.strip_prefix(quote) {
                self.rest = after;
                return Some(text);
            }
            let letter = rest.chars().next().filter(|letter| long || *letter != '\n')?;
            rest = rest.get(letter.len_utf8()..)?;
            if letter != '\\' {
                text.push(letter);
            } else if raw {
                let next = rest.chars().next()?;
                rest = rest.get(next.len_utf8()..)?;
                text.extend(['\\', next]);
            } else {
                rest = escape(rest, &mut text)?;
            }
        }
    }
}

/// What stands behind a backslash; the rest after it.
fn escape<'t>(rest: &'t str, text: &mut String) -> Option<&'t str> {
    let letter = rest.chars().next()?;
    let after = rest.get(letter.len_utf8()..)?;
    let coded = |count: usize| {
        let code = u32::from_str_radix(after.get(..count)?, 16).ok()?;
        Some((char::from_u32(code)?, after.get(count..)?))
    };
    let plain = match letter {
        '\n' => return Some(after),
        '\\' | '\'' | '"' => letter,
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'v' => '\x0b',
        '0'..='7' => {
            let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let (digits, after) = rest.split_at_checked(length)?;
            text.push(char::from_u32(u32::from_str_radix(digits, 8).ok()?)?);
            return Some(after);
        }
        'x' | 'u' | 'U' => {
            let (letter, after) = coded(match letter {
                'x' => 2,
                'u' => 4,
                _ => 8,
            })?;
            text.push(letter);
            return Some(after);
        }
        // By its name (`\N{…}`) no letter is known here.
        'N' => return None,
        other => {
            text.push('\\');
            other
        }
    };
    text.push(plain);
    Some(after)
}

/// A number as Python writes it. One that JSON has no place for stays a text.
fn number(text: &str, negative: bool) -> Option<Value> {
    let lower = text.to_ascii_lowercase();
    if lower.is_empty() || lower.starts_with('_') || lower.ends_with('_') || lower.contains("__") {
        return None;
    }
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, lower.get(2..)?),
        Some("0o") => (8, lower.get(2..)?),
        Some("0b") => (2, lower.get(2..)?),
        _ => (10, lower.as_str()),
    };
    let digits = digits.replace('_', "");
    let whole = digits.bytes().all(|byte| byte.is_ascii_digit()) || radix != 10;
    if whole {
        // `007` is no number in Python, `00` is.
        if radix == 10 && digits.len() > 1 && digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let found = i128::from_str_radix(&digits, radix).ok().filter(|_| !digits.starts_with(['+', '-']))?;
        let found = if negative { -found } else { found };
        let small = i64::try_from(found).map(Number::from).or_else(|_| u64::try_from(found).map(Number::from)).ok()?;
        return Some(Value::Number(small));
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte)) {
        return None;
    }
    let found: f64 = digits.parse().ok()?;
    Number::from_f64(if negative { -found } else { found }).map(Value::Number)
}

/// A key of a mapping, as JSON writes it.
fn written(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Null => Some("null".to_owned()),
        Value::Bool(_) | Value::Number(_) => Some(key.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn literals_are_read_as_python_reads_them() {
        for (text, read) in [
            ("1", json!(1)),
            ("-1", json!(-1)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("True", json!(true)),
            ("None", json!(null)),
            ("'a'", json!("a")),
            ("\"a\\n\"", json!("a\n")),
            ("'a' \"b\"", json!("ab")),
            ("r'a\\n'", json!("a\\n")),
            ("[1, 'a', [True]]", json!([1, "a", [true]])),
            ("[1, 2,]", json!([1, 2])),
            ("(1, 2)", json!([1, 2])),
            ("(1)", json!(1)),
            ("1, 2", json!([1, 2])),
            ("{'a': 1, 2: {'b': []}}", json!({ "a": 1, "2": { "b": [] } })),
            ("{'a'}", json!(["a"])),
            ("{}", json!({})),
            ("8080  # the port", json!(8080)),
            ("00", json!(0)),
        ] {
            assert_eq!(value(text), read, "{text}");
        }
        for text in [
            "true",
            "yes",
            "007",
            "1.2.3",
            "10.0.0.1",
            "a b",
            "",
            "[1",
            "[a]",
            "{'a': b}",
            "1_",
            "0x",
            "'a",
            "'a'b",
            "1 2",
            "99999999999999999999999",
            "1e999",
            "/srv/x",
            "--1-",
            "f'x'",
            "__import__('os')",
            "1+2j",
            "0x+1",
        ] {
            assert_eq!(value(text), json!(text), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(value(&deep), json!(deep));
    }
}
