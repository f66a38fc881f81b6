//! What a step asks of a device, read from its arguments: every line and pattern is looked at before the first byte leaves.

use std::time::Duration;

use regex::Regex;

use super::patterns::{FAIL_ON, Patterns, regex};
use crate::value::{Value, parse_duration};

/// The longest line: some devices cut what is longer without a word.
const LONGEST: usize = 1000;
/// How many lines one list may have.
const MOST: usize = 1000;
/// The shortest time that a confirmation can be made in.
const LEAST_AFTER: f64 = 2.0;

/// What a step asks of a device.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) host: String,
    pub(super) lines: Vec<String>,
    pub(super) expect: Vec<Regex>,
    pub(super) patterns: Patterns,
    pub(super) pager_off: Vec<String>,
    pub(super) revert: Option<Revert>,
}

/// A change that the device takes back by itself.
#[derive(Debug, Clone)]
pub(super) struct Revert {
    /// How long after the lines were sent, at most.
    pub(super) after: Duration,
    /// The lines that let it stand.
    pub(super) confirm: Vec<String>,
    /// What has to hold before.
    pub(super) check: Option<Check>,
}

/// A look at what the lines did.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) lines: Vec<String>,
    pub(super) expect: Vec<Regex>,
    /// How long it is looked at again.
    pub(super) within: Duration,
}

impl Ask {
    /// # Errors
    /// What is wrong, for a person: nothing was sent.
    pub(super) fn of(arguments: &Value) -> Result<Self, String> {
        let host = arguments.get("host").and_then(Value::as_str).ok_or("`host` names no host")?;
        let given = patterns("fail_on", arguments.get("fail_on"))?;
        let fail_on = if arguments.get("fail_on").is_some() { given } else { FAIL_ON.map(str::to_owned).to_vec() };
        let prompt = arguments.get("prompt").and_then(Value::as_str);
        Ok(Self {
            host: host.to_owned(),
            lines: some_lines("lines", arguments.get("lines"))?,
            expect: regexes("expect", arguments.get("expect"))?,
            patterns: Patterns::of(prompt, &fail_on)?,
            pager_off: lines("pager_off", arguments.get("pager_off"))?,
            revert: arguments.get("auto_revert").filter(|given| !given.is_null()).map(Revert::of).transpose()?,
        })
    }

    /// Refuses lines that are known to change something, where only looking is promised: in a dry-run nothing else stands
    /// between them and the device.
    ///
    /// # Errors
    /// The first such line.
    pub(super) fn only_reads(&self) -> Result<(), String> {
        if self.revert.is_some() {
            return Err("`auto_revert` is for lines that change something, and this step only reads".to_owned());
        }
        self.lines.iter().try_for_each(|line| reads(line))
    }
}

impl Revert {
    fn of(given: &Value) -> Result<Self, String> {
        let map = given.as_object().ok_or("`auto_revert` is a map: `{ after: 60s, confirm: [commit] }`")?;
        known("auto_revert", map, &["after", "confirm", "check"])?;
        let after = seconds("auto_revert.after", map.get("after"))?.ok_or("`auto_revert` needs `after`")?;
        if after < LEAST_AFTER {
            return Err(format!("`auto_revert.after`: in less than {LEAST_AFTER} s nothing can be confirmed"));
        }
        let after = Duration::from_secs_f64(after);
        let check = map.get("check").filter(|check| !check.is_null());
        Ok(Self {
            after,
            confirm: some_lines("auto_revert.confirm", map.get("confirm"))?,
            check: check.map(|check| Check::of(check, after)).transpose()?,
        })
    }
}

impl Check {
    fn of(given: &Value, after: Duration) -> Result<Self, String> {
        let map = given.as_object().ok_or("`auto_revert.check` is a map: `{ lines: [show …], expect: [PATTERN] }`")?;
        known("auto_revert.check", map, &["lines", "expect", "within"])?;
        let within = seconds("auto_revert.check.within", map.get("within"))?;
        let check = Self {
            lines: some_lines("auto_revert.check.lines", map.get("lines"))?,
            expect: regexes("auto_revert.check.expect", map.get("expect"))?,
            within: within.map_or(after / 2, Duration::from_secs_f64).min(after),
        };
        check.lines.iter().try_for_each(|line| reads(line))?;
        Ok(check)
    }
}

fn known(what: &str, map: &serde_json::Map<String, Value>, words: &[&str]) -> Result<(), String> {
    match map.keys().find(|key| !words.contains(&key.as_str())) {
        Some(key) => Err(format!("`{what}` has no `{key}`; it takes {}", words.join(", "))),
        None => Ok(()),
    }
}

/// A time, as its seconds or as people write it.
fn seconds(what: &str, given: Option<&Value>) -> Result<Option<f64>, String> {
    let found = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => parse_duration(text).or_else(|| text.parse().ok()),
        Some(_) => None,
    };
    let found = found.filter(|found| found.is_finite() && (0.0..=86_400.0).contains(found));
    found.map(Some).ok_or_else(|| format!("`{what}` is a time of at most a day, such as 60s"))
}

fn texts(what: &str, given: Option<&Value>) -> Result<Vec<String>, String> {
    let items = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let text = |item: &Value| match item {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("`{what}` is a list of lines, and one of them is {item}")),
    };
    if items.len() > MOST {
        return Err(format!("`{what}` has more than {MOST} lines"));
    }
    items.iter().map(text).collect()
}

fn patterns(what: &str, given: Option<&Value>) -> Result<Vec<String>, String> {
    texts(what, given)
}

fn regexes(what: &str, given: Option<&Value>) -> Result<Vec<Regex>, String> {
    texts(what, given)?.iter().map(|text| regex(what, text)).collect()
}

fn some_lines(what: &str, given: Option<&Value>) -> Result<Vec<String>, String> {
    let lines = lines(what, given)?;
    if lines.is_empty() { Err(format!("`{what}` has no line: there is nothing to send")) } else { Ok(lines) }
}

fn lines(what: &str, given: Option<&Value>) -> Result<Vec<String>, String> {
    let lines = texts(what, given)?;
    lines.iter().try_for_each(|line| one_line(what, line))?;
    Ok(lines)
}

/// A line is what is typed before one return, and no key that a device answers before that.
fn one_line(what: &str, line: &str) -> Result<(), String> {
    let shown: String = line.escape_debug().take(100).collect();
    if line.trim().is_empty() {
        return Err(format!("`{what}` has an empty line"));
    }
    if let Some(letter) = line.chars().find(|letter| letter.is_control() || "\u{2028}\u{2029}\u{85}".contains(*letter))
    {
        return Err(format!(
            "`{what}`: \"{shown}\" holds {}, which a device takes for a key: a line is one line, of letters that can be seen. \
             Nothing was sent",
            letter.escape_debug()
        ));
    }
    if line.contains('?') {
        return Err(format!(
            "`{what}`: \"{shown}\" holds `?`, which a device answers with help instead of taking the line"
        ));
    }
    if line.len() > LONGEST {
        return Err(format!("`{what}`: \"{shown}…\" is longer than {LONGEST} bytes"));
    }
    Ok(())
}

/// Words at the beginning of a line that change something, and how far makers let them be cut.
const CHANGES: &[(&str, usize)] = &[
    ("configure", 4),
    ("write", 2),
    ("copy", 3),
    ("reload", 3),
    ("reboot", 3),
    ("clear", 2),
    ("no", 2),
    ("set", 3),
    ("unset", 3),
    ("delete", 3),
    ("commit", 3),
    ("rollback", 4),
    ("erase", 3),
    ("format", 4),
    ("request", 3),
    ("shutdown", 4),
    ("debug", 3),
    ("undebug", 3),
    ("undo", 4),
    ("system-view", 3),
    ("edit", 3),
    ("load", 4),
    ("save", 3),
    ("reset", 3),
    ("restart", 4),
    ("install", 4),
    ("upgrade", 4),
    ("execute", 4),
];

/// Refuses a line that is known to change something.
fn reads(line: &str) -> Result<(), String> {
    let lower = line.trim().to_ascii_lowercase();
    let lower = ["do ", "run ", "admin "].iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower).trim();
    let first = lower.split_whitespace().next().unwrap_or_default();
    let changes = CHANGES.iter().any(|(word, least)| first.len() >= *least && word.starts_with(first));
    let writes = lower.contains('>')
        || lower.split('|').skip(1).any(|behind| {
            let word = behind.split_whitespace().next().unwrap_or_default();
            ["redirect", "tee", "append", "save", "file"].contains(&word)
        });
    if changes || writes {
        return Err(format!(
            "`{}` changes something on a device, and where it stands it is only to be looked: it would be sent in a dry-run \
             too. Nothing was sent; put it into a step that changes something",
            line.trim()
        ));
    }
    Ok(())
}

/// The lines of a look.
///
/// # Errors
/// A line that is none, or that is known to change something.
pub(super) fn look(arguments: &Value) -> Result<Vec<String>, String> {
    let lines = lines("look", arguments.get("look"))?;
    lines.iter().try_for_each(|line| reads(line))?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(arguments: Value) -> String {
        Ask::of(&arguments).unwrap_err()
    }

    #[test]
    fn a_line_is_one_line() {
        for hostile in ["a\nb", "a\rb", "show\x03", "\x1b[A", "a\u{7f}", "a\tb", "a\u{85}b", "a\u{2028}b"] {
            let said = error(json!({ "host": "r1", "lines": ["show version", hostile] }));
            assert!(said.contains("takes for a key"), "{hostile:?}: {said}");
        }
        assert!(error(json!({ "host": "r1", "lines": ["show ?"] })).contains("help"));
        assert!(error(json!({ "host": "r1", "lines": [" "] })).contains("empty"));
        assert!(error(json!({ "host": "r1", "lines": [] })).contains("no line"));
        assert!(error(json!({ "host": "r1", "lines": ["x".repeat(2000)] })).contains("longer"));
        assert!(error(json!({ "host": "r1", "lines": [null] })).contains("one of them is null"));
        let confirm = json!({ "host": "r1", "lines": ["a"], "auto_revert": { "after": "60s", "confirm": ["x\ny"] } });
        assert!(error(confirm).contains("takes for a key"));
    }

    #[test]
    fn a_look_never_changes_anything() {
        for bad in [
            "configure terminal",
            "conf t",
            "clear ip bgp *",
            "cl bgp *",
            "no shutdown",
            "wr mem",
            "do clear bgp *",
            "commit confirmed 1",
            "copy running-config startup-config",
            "show running-config | redirect flash:x",
            "show run > x",
            "request system reboot",
        ] {
            let ask = Ask::of(&json!({ "host": "r1", "lines": ["show version", bad] })).unwrap();
            assert!(ask.only_reads().is_err(), "{bad}");
            assert!(look(&json!({ "look": [bad] })).is_err(), "{bad}");
        }
        for good in [
            "show ip route",
            "sh bgp summary",
            "display bgp peer",
            "ping 10.0.0.1",
            "show run | include bgp",
            "/ip route print",
        ] {
            let ask = Ask::of(&json!({ "host": "r1", "lines": [good] })).unwrap();
            assert_eq!(ask.only_reads(), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_reverts_says_when_and_how_it_is_confirmed() {
        let of = |revert: Value| Ask::of(&json!({ "host": "r1", "lines": ["a"], "auto_revert": revert }));
        let revert = of(json!({ "after": "60s", "confirm": ["commit"] })).unwrap().revert.unwrap();
        assert_eq!(
            (revert.after, revert.confirm, revert.check.is_none()),
            (Duration::from_secs(60), vec!["commit".to_owned()], true)
        );
        let check = json!({ "after": 60.0, "confirm": "commit", "check": { "lines": "show x", "expect": ["y"] } });
        assert_eq!(of(check).unwrap().revert.unwrap().check.unwrap().within, Duration::from_secs(30));
        for (bad, says) in [
            (json!({ "confirm": ["commit"] }), "needs `after`"),
            (json!({ "after": "60s" }), "no line"),
            (json!({ "after": "1s", "confirm": ["commit"] }), "less than"),
            (json!({ "after": "soon", "confirm": ["commit"] }), "a time"),
            (json!({ "after": "60s", "confrim": ["commit"] }), "no `confrim`"),
            (
                json!({ "after": "60s", "confirm": ["commit"], "check": { "lines": ["clear bgp *"] } }),
                "only to be looked",
            ),
            (json!("60s"), "is a map"),
        ] {
            let said = of(bad).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }
}
