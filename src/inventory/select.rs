//! Patterns of hosts, as Ansible has them: `web`, `web:db`, `web:&eu`, `web:!web3`, `web*`, `~regex`, `web[0:2]`, with commas or
//! colons between them. What is left out is typed by somebody under pressure, so a word that means nothing is an error
//! and never an empty list: an exclusion with a slip in it would hit the very host that was to be spared.

use std::collections::HashSet;

use regex::Regex;

use super::group::ALL;
use super::lookup::unknown;
use super::{Inventory, InventoryError};

/// A pattern longer than this was not typed.
const LONGEST: usize = 16 * 1024;
/// How many words a pattern may have.
const MOST_WORDS: usize = 1_000;

/// What a word of a pattern does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Does {
    Add,
    Keep,
    Remove,
}

impl Inventory {
    /// The hosts that a pattern means, each once, in the order in which its words name them and, within a word, of the
    /// inventory. It may mean none (`web:&eu` where no host is in both, or a group without hosts).
    ///
    /// # Errors
    /// When a word of it means nothing here, or cannot be understood.
    pub fn select(&self, pattern: &str) -> Result<Vec<String>, InventoryError> {
        let wrong = |why: &str| InventoryError::Pattern { pattern: shown(pattern), why: why.to_owned() };
        if pattern.len() > LONGEST {
            return Err(wrong("it is longer than any that is typed"));
        }
        let mut words: Vec<(Does, &str)> = words(pattern).into_iter().map(kind).collect();
        if words.len() > MOST_WORDS {
            return Err(wrong("it has more than a thousand words"));
        }
        if words.is_empty() || words.iter().any(|(_, word)| word.is_empty()) {
            return Err(wrong("it is empty, or one of its words is: `all` means every host"));
        }
        // What is added comes first, then what has to be in all, then what is left out, wherever it stands.
        words.sort_by_key(|(does, _)| *does);
        if !words.iter().any(|(does, _)| *does == Does::Add) {
            words.insert(0, (Does::Add, ALL));
        }
        let mut chosen: Vec<&str> = Vec::new();
        let mut there: HashSet<&str> = HashSet::new();
        for (does, word) in words {
            let meant = self.meant(pattern, word, does)?;
            match does {
                Does::Add => chosen.extend(meant.into_iter().filter(|host| there.insert(*host))),
                Does::Keep | Does::Remove => {
                    let meant: HashSet<&str> = meant.into_iter().collect();
                    chosen.retain(|host| meant.contains(*host) == (does == Does::Keep));
                }
            }
        }
        Ok(chosen.into_iter().map(str::to_owned).collect())
    }

    /// The hosts that one word means.
    fn meant<'i>(&'i self, pattern: &str, word: &str, does: Does) -> Result<Vec<&'i str>, InventoryError> {
        let wrong = |why: String| InventoryError::Pattern { pattern: shown(pattern), why };
        if let Some((name, _)) = self.hosts.get_key_value(word) {
            return Ok(vec![name.as_str()]);
        }
        let (name, part) = if word.starts_with('~') { (word, None) } else { subscript(word) };
        let finder = finder(name).map_err(|why| wrong(format!("`{}`: {why}", shown(name))))?;
        let hosts = match &finder {
            None => {
                let host = self.hosts.get_key_value(name).map(|(host, _)| vec![host.as_str()]);
                let found = self.tree().hosts_in(self, name).or(host);
                found.ok_or_else(|| self.nothing_like(name))?
            }
            Some(finder) => {
                let found = self.found(finder);
                // Nothing to spare is fine; nothing to act on is a slip.
                if found.is_empty() && does == Does::Add {
                    return Err(wrong(format!("no host and no group fits `{}`", shown(name))));
                }
                found
            }
        };
        let Some(part) = part else { return Ok(hosts) };
        part.of(&hosts).ok_or_else(|| {
            let (name, count) = (shown(name), hosts.len());
            wrong(format!("`{}` is none of them: `{name}` means {count}, and they are counted from 0", shown(word)))
        })
    }

    fn nothing_like(&self, name: &str) -> InventoryError {
        unknown("host or group", name, self.hosts.keys().chain(self.groups.keys()))
    }

    /// The hosts of all groups whose name fits, then the hosts that fit themselves.
    fn found<'i>(&'i self, finder: &Regex) -> Vec<&'i str> {
        let tree = self.tree();
        let builtin = [ALL, super::UNGROUPED].into_iter().filter(|name| !self.groups.contains_key(*name));
        let groups = builtin.chain(self.groups.keys().map(String::as_str)).filter(|name| finder.is_match(name));
        let of_groups = groups.filter_map(|group| tree.hosts_in(self, group)).flatten();
        let fitting = tree.hosts().iter().map(String::as_str).filter(|host| finder.is_match(host));
        let mut seen = HashSet::new();
        of_groups.chain(fitting).filter(|host| seen.insert(*host)).collect()
    }
}

/// The words of a pattern: what stands between commas, and between colons that are in no brackets.
fn words(pattern: &str) -> Vec<&str> {
    let words = pattern.split(',').flat_map(between_colons).map(str::trim);
    words.filter(|word| !word.is_empty()).collect()
}

fn between_colons(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                words.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(text.get(start..).unwrap_or_default());
    words
}

fn kind(word: &str) -> (Does, &str) {
    match word.split_at_checked(1) {
        Some(("&", rest)) => (Does::Keep, rest.trim()),
        Some(("!", rest)) => (Does::Remove, rest.trim()),
        _ => (Does::Add, word),
    }
}

/// Which of the hosts that a word means, counted from 0, from the end where it is negative; both ends are meant.
enum Part {
    One(i64),
    From(usize, Option<usize>),
}

impl Part {
    fn of<'h>(&self, hosts: &[&'h str]) -> Option<Vec<&'h str>> {
        match *self {
            Self::One(number) => {
                let number = if number < 0 { i64::try_from(hosts.len()).ok()? + number } else { number };
                Some(vec![*hosts.get(usize::try_from(number).ok()?)?])
            }
            Self::From(start, end) => {
                let end = end.map_or(hosts.len(), |end| hosts.len().min(end.saturating_add(1)));
                hosts.get(start..end).filter(|part| !part.is_empty()).map(<[&str]>::to_vec)
            }
        }
    }
}

/// `web[2]`, `web[-1]`, `web[0:2]`, `web[0-2]`, `web[1:]`: the name and the part. Other brackets are a glob's.
fn subscript(word: &str) -> (&str, Option<Part>) {
    let part = || {
        let (name, inner) = word.strip_suffix(']')?.rsplit_once('[').filter(|(name, _)| !name.is_empty())?;
        let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<usize>().ok())?;
        if let Ok(one) = inner.parse::<i64>() {
            return (!inner.starts_with('+')).then_some((name, Part::One(one)));
        }
        let (start, end) = inner.split_once([':', '-'])?;
        let end = if end.is_empty() { None } else { Some(number(end)?) };
        Some((name, Part::From(number(start)?, end)))
    };
    part().map_or((word, None), |(name, part)| (name, Some(part)))
}

/// What finds the names that a glob or a regular expression means; nothing where it is a plain name.
fn finder(word: &str) -> Result<Option<Regex>, String> {
    let compile = |text: &str| {
        let built = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
        built.map(Some).map_err(|error| error.to_string().lines().last().unwrap_or_default().trim().to_owned())
    };
    if let Some(expression) = word.strip_prefix('~') {
        return compile(&format!("^(?:{expression})")).map_err(|why| format!("it is no regular expression: {why}"));
    }
    if !word.contains(['*', '?', '[']) {
        return Ok(None);
    }
    compile(&translated(word)).map_err(|why| format!("it is no pattern: {why}"))
}

/// A glob as a regular expression: `*`, `?`, `[a-c]`, `[!a]`.
fn translated(glob: &str) -> String {
    let mut expression = String::from("(?s)^");
    let mut rest = glob;
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            '[' => match set(rest) {
                Some((inner, after)) => {
                    expression.push_str(&inner);
                    rest = after;
                }
                None => expression.push_str("\\["),
            },
            letter => expression.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    expression
}

/// The set of letters behind an opening bracket, and what follows it.
fn set(rest: &str) -> Option<(String, &str)> {
    let (no, inner) = rest.strip_prefix('!').map_or((false, rest), |inner| (true, inner));
    // A closing bracket that stands first is one of the letters.
    let from = usize::from(inner.starts_with(']'));
    let end = inner.get(from..)?.find(']')? + from;
    let escaped =
        |letter: char| if letter == '-' { "-".to_owned() } else { regex::escape(letter.encode_utf8(&mut [0; 4])) };
    let letters: String = inner.get(..end)?.chars().map(escaped).collect();
    Some((format!("[{}{letters}]", if no { "^" } else { "" }), inner.get(end + 1..)?))
}

/// Whether a name fits a pattern of `*` and `?` alone.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go on if the last `*` has to stand for one letter more.
    let mut again: Option<(usize, usize)> = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                again = Some((at + 1, place));
                at += 1;
            }
            Some(letter) if *letter == '?' || Some(letter) == name.get(place) => {
                at += 1;
                place += 1;
            }
            _ => match again {
                Some((star, from)) => {
                    again = Some((star, from + 1));
                    (at, place) = (star, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|letter| *letter == '*'))
}

/// What was typed, short enough for a line.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inventory() -> Inventory {
        let host = || json!({ "address": "10.0.0.1" });
        let mut hosts = serde_json::Map::new();
        for name in ["web10", "web2", "web3", "web1", "db1", "db2.eu", "lone"] {
            hosts.insert(name.to_owned(), host());
        }
        serde_json::from_value(json!({
            "environment": "lab",
            "hosts": hosts,
            "groups": {
                "web": ["web10", "web2", "web3", "web1"],
                "db": { "hosts": ["db1", "db2.eu"] },
                "eu": ["web2", "db2.eu"],
                "shop": { "children": ["web", "db"] },
                "none": { "children": ["nobody"] },
                "nobody": { "vars": { "a": 1 } },
            },
        }))
        .unwrap()
    }

    fn chosen(pattern: &str) -> String {
        inventory().select(pattern).map_or_else(|error| error.to_string(), |hosts| hosts.join(" "))
    }

    #[test]
    fn patterns_mean_what_they_mean_to_ansible() {
        for (pattern, hosts) in [
            ("web", "web10 web2 web3 web1"),
            ("web1", "web1"),
            ("all", "web10 web2 web3 web1 db1 db2.eu lone"),
            ("*", "web10 web2 web3 web1 db1 db2.eu lone"),
            ("ungrouped", "lone"),
            ("shop", "web10 web2 web3 web1 db1 db2.eu"),
            ("db:web", "db1 db2.eu web10 web2 web3 web1"),
            ("db,web1", "db1 db2.eu web1"),
            ("db1,web1:web2", "db1 web1 web2"),
            ("web:&eu", "web2"),
            ("web:!web3", "web10 web2 web1"),
            ("!web3:web", "web10 web2 web1"),
            ("!shop", "lone"),
            ("&eu", "web2 db2.eu"),
            ("web:&db", ""),
            ("none", ""),
            ("web?", "web2 web3 web1"),
            ("web1*", "web10 web1"),
            ("web[0]", "web10"),
            ("web[-1]", "web1"),
            ("web[1:2]", "web2 web3"),
            ("web[1-2]", "web2 web3"),
            ("web[2:]", "web3 web1"),
            ("web[1:9]:!web3", "web2 web1"),
            ("shop[4:5]", "db1 db2.eu"),
            ("web[12]*", "web10 web2 web1"),
            ("*.eu", "db2.eu"),
            ("db?.[!a-d]u", "db2.eu"),
            ("~web[23]", "web2 web3"),
            ("~(web1|db)", "db1 db2.eu web10 web1"),
            ("web:!nothing*", "web10 web2 web3 web1"),
            (" web1 , web2 ", "web1 web2"),
        ] {
            assert_eq!(chosen(pattern), hosts, "{pattern}");
        }
    }

    #[test]
    fn a_word_that_means_nothing_is_an_error() {
        for (pattern, why) in [
            ("wbe", "no host or group `wbe`: did you mean `web`?"),
            ("web:!wbe3", "did you mean `web3`?"),
            ("web:&ue", "did you mean `eu`?"),
            ("", "it is empty"),
            (":,", "it is empty"),
            ("web:!", "it is empty"),
            ("mail*", "no host and no group fits `mail*`"),
            ("web[4]", "`web` means 4"),
            ("web[-5]", "`web` means 4"),
            ("web[7:]", "`web` means 4"),
            ("~(", "no regular expression"),
            ("web[z-a]", "no pattern"),
            ("we\u{1b}[31mb", "\\u{1b}"),
        ] {
            let said = chosen(pattern);
            assert!(said.contains(why), "{pattern}: {said}");
            assert!(!said.contains('\u{1b}'), "{pattern}");
        }
        assert!(chosen(&"a".repeat(LONGEST + 1)).contains("longer"));
        assert!(chosen(&"web1:".repeat(2_000)).contains("a thousand words"));
    }

    #[test]
    fn a_thousand_hosts_are_no_work() {
        let names: Vec<String> = (0..4_000).map(|number| format!("host-{number:04}")).collect();
        let hosts: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), json!({ "address": "::1", "vars": { "a": name } }))).collect();
        let groups: serde_json::Map<_, _> =
            (0..30).map(|group| (format!("g{group}"), json!({ "hosts": names, "vars": { "b": group } }))).collect();
        let inventory: Inventory =
            serde_json::from_value(json!({ "environment": "lab", "hosts": hosts, "groups": groups })).unwrap();
        let began = std::time::Instant::now();
        for name in &names {
            assert_eq!(inventory.select(name).unwrap().join(" "), *name);
            assert_eq!(inventory.vars(name), json!({ "b": 9, "a": name }));
        }
        assert_eq!(inventory.select("g0:!host-1*").unwrap().len(), 3_000);
        // In milliseconds where nothing is walked twice; in minutes where each look walks all groups.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
