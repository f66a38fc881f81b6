//! Many names in few words: `web1 web2 web3` is `web[1-3]`, in the order in which they were given and with the zeros that
//! they were written with. A name that could be misread is quoted and stands for itself. Pure.

/// A number longer than this is no number that anybody counts on.
const DIGITS: usize = 17;

/// Some names that are written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How they are written.
    pub text: String,
    /// How many they are.
    pub count: usize,
}

/// Names in few words, in their order.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let pieces = pieces(names);
    pieces.iter().map(|piece| piece.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// The same of names that are in no order that means anything: as a person would count them.
pub fn fold_sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    fold(sorted(names))
}

/// The pieces of such names.
pub fn sorted_pieces<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Piece> {
    pieces(sorted(names))
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_cached_key(|name| (by_number(name), *name));
    names
}

/// A name by which names are sorted as they are counted: `web2` stands before `web10`.
fn by_number(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut end = 0;
    for (start, stop) in numbers(name) {
        let number = name.get(start..stop).and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX);
        key.push((name.get(end..start).unwrap_or_default().to_owned(), number));
        end = stop;
    }
    key.push((name.get(end..).unwrap_or_default().to_owned(), 0));
    key
}

/// The same in about so many columns: of those that find no room it is said how many they are.
pub fn fold_within<'a>(names: impl IntoIterator<Item = &'a str>, columns: usize) -> String {
    within(names, columns, " ")
}

/// The same for a sentence: `db1, web[1-3]`.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>, columns: usize) -> String {
    within(names, columns, ", ")
}

fn within<'a>(names: impl IntoIterator<Item = &'a str>, columns: usize, between: &str) -> String {
    let pieces = pieces(sorted(names));
    let mut text = String::new();
    let mut left: usize = pieces.iter().map(|piece| piece.count).sum();
    for piece in &pieces {
        if !text.is_empty() && text.len() + between.len() + piece.text.len() > columns {
            return format!("{text} … and {left} more");
        }
        if !text.is_empty() {
            text.push_str(between);
        }
        text.push_str(&piece.text);
        left -= piece.count;
    }
    text
}

/// The pieces that names fold into.
pub fn pieces<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Piece> {
    let mut names = names.into_iter().peekable();
    let mut pieces = Vec::new();
    while let Some(name) = names.next() {
        let Some(mut run) = names.peek().and_then(|next| Run::of(name, next)) else {
            pieces.push(Piece { text: alone(name), count: 1 });
            continue;
        };
        while let Some(number) = names.peek().and_then(|next| run.number_of(next)) {
            run.push(number);
            names.next();
        }
        pieces.push(Piece { count: run.count, text: run.text() });
    }
    pieces
}

/// A name that stands for itself: quoted where it could be taken for several, or for none.
fn alone(name: &str) -> String {
    if is_plain(name) { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

fn is_plain(name: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || "[],\"\\".contains(c);
    !name.is_empty() && !name.contains(odd)
}

/// Names that differ in one number.
struct Run<'a> {
    before: &'a str,
    after: &'a str,
    /// The ranges so far: the first and the last number of each, as they are written.
    ranges: Vec<(&'a str, &'a str)>,
    /// What would follow on the last one.
    next: Option<String>,
    count: usize,
}

impl<'a> Run<'a> {
    /// The beginning of a run, where two names differ in one number alone.
    fn of(first: &'a str, second: &str) -> Option<Self> {
        if !is_plain(first) || first == second {
            return None;
        }
        let mut found = None;
        for (start, end) in numbers(first) {
            let (before, after) = (first.get(..start)?, first.get(end..)?);
            let run = Self { before, after, ranges: Vec::new(), next: None, count: 0 };
            if run.number_of(second).is_some() {
                found = Some((run, first.get(start..end)?));
            }
        }
        let (mut run, number) = found?;
        run.push(number);
        Some(run)
    }

    /// The number of a name, if it is one of these.
    fn number_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let number = name.strip_prefix(self.before)?.strip_suffix(self.after)?;
        let counts = !number.is_empty() && number.len() <= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
        counts.then_some(number)
    }

    fn push(&mut self, number: &'a str) {
        match self.ranges.last_mut().filter(|_| self.next.as_deref() == Some(number)) {
            Some(range) => range.1 = number,
            None => self.ranges.push((number, number)),
        }
        // How a range counts on is decided by how its first number is written.
        let first = self.ranges.last().map_or(number, |range| range.0);
        self.next = following(number, width_of(first));
        self.count += 1;
    }

    fn text(&self) -> String {
        let written = |(first, last): &(&str, &str)| {
            if first == last { (*first).to_owned() } else { format!("{first}-{last}") }
        };
        let ranges: Vec<String> = self.ranges.iter().map(written).collect();
        format!("{}[{}]{}", self.before, ranges.join(","), self.after)
    }
}

/// How many digits the numbers of a range are filled up to, as its first one says.
fn width_of(first: &str) -> usize {
    if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 }
}

fn following(number: &str, width: usize) -> Option<String> {
    let next = number.parse::<u64>().ok()? + 1;
    Some(format!("{next:0width$}"))
}

/// Where the numbers in a name are.
fn numbers(name: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut start = None;
    for (place, byte) in name.bytes().enumerate() {
        match (byte.is_ascii_digit(), start) {
            (true, None) => start = Some(place),
            (false, Some(first)) => {
                found.push((first, place));
                start = None;
            }
            _ => {}
        }
    }
    found.extend(start.map(|first| (first, name.len())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is folded, name by name.
    fn unfold(text: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if rest.starts_with('"') {
                let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                names.push(stream.next().unwrap().unwrap());
                rest = rest[stream.byte_offset()..].trim_start_matches(' ');
                continue;
            }
            let (piece, tail) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = tail;
            let Some((before, inner)) = piece.split_once('[') else {
                names.push(piece.to_owned());
                continue;
            };
            let (inner, after) = inner.split_once(']').unwrap();
            for range in inner.split(',') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let width = if range.contains('-') { width_of(first) } else { first.len() };
                for number in first.parse::<u64>().unwrap()..=last.parse().unwrap() {
                    names.push(format!("{before}{number:0width$}{after}"));
                }
            }
        }
        names
    }

    fn folded(names: &[&str]) -> String {
        fold(names.iter().copied())
    }

    #[test]
    fn names_that_count_on_are_a_range() {
        assert_eq!(folded(&["web1", "web2", "web3"]), "web[1-3]");
        assert_eq!(folded(&["web008", "web009", "web010", "web011"]), "web[008-011]");
        assert_eq!(folded(&["web8", "web9", "web10"]), "web[8-10]");
        assert_eq!(folded(&["web1", "web2", "web4", "web7", "web8"]), "web[1-2,4,7-8]");
        assert_eq!(folded(&["r1-web1.eu", "r1-web2.eu", "r2-web1.eu"]), "r1-web[1-2].eu r2-web1.eu");
        assert_eq!(folded(&["127.0.0.1", "127.0.0.2"]), "127.0.0.[1-2]");
        assert_eq!(folded(&["3", "1", "2"]), "[3,1-2]", "the order is kept");
        assert_eq!(folded(&["db", "web1", "web2", "cache"]), "db web[1-2] cache");
        assert_eq!(folded(&[]), "");
        assert_eq!(folded(&["web1"]), "web1");
    }

    #[test]
    fn names_whose_order_means_nothing_are_counted_up() {
        let sorted = |names: &[&str]| fold_sorted(names.iter().copied());
        assert_eq!(sorted(&["web10", "web1", "web2", "web9", "db3", "web3"]), "db3 web[1-3,9-10]");
        assert_eq!(listed(["web2", "db", "web1"], 80), "db, web[1-2]");
        assert_eq!(sorted(&["r2-web1", "r1-web10", "r1-web9"]), "r1-web[9-10] r2-web1");
        assert_eq!(sorted(&["b", "a", "", "99999999999999999999", "2"]), "\"\" 2 99999999999999999999 a b");
    }

    #[test]
    fn what_could_be_misread_stays_as_it_is() {
        assert_eq!(folded(&["web[1-3]", "web4"]), "\"web[1-3]\" web4");
        assert_eq!(folded(&["a b1", "a b2"]), "\"a b1\" \"a b2\"");
        assert_eq!(folded(&["", "x"]), "\"\" x");
        assert_eq!(folded(&["数据库1", "数据库2"]), "数据库[1-2]");
        assert_eq!(folded(&["web1", "web01"]), "web[1,01]", "two hosts, and no range");
        assert_eq!(folded(&["web1", "web1"]), "web1 web1", "the same is never counted on");
    }

    #[test]
    fn a_thousand_are_one_piece_and_what_finds_no_room_is_counted() {
        let names: Vec<String> = (1..=1000).map(|number| format!("web{number:04}")).collect();
        assert_eq!(fold(names.iter().map(String::as_str)), "web[0001-1000]");
        let odd: Vec<String> = (1..=50).map(|number| format!("{}x", "ab".repeat(number))).collect();
        let text = fold_within(odd.iter().map(String::as_str), 40);
        assert!(text.ends_with("more") && text.contains('…'), "{text}");
        let shown = text.split(" … and ").next().unwrap().split(' ').count();
        assert!(text.ends_with(&format!("and {} more", 50 - shown)), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_folded_unfolds_to_the_same_names_in_the_same_order(
            names in prop::collection::vec("(web|db|r1-web|)(0{0,2}[0-9]{1,3}|[0-9]{1,2})(|\\.eu|-0[1-3]|x)", 0..60)
        ) {
            let text = fold(names.iter().map(String::as_str));
            prop_assert_eq!(unfold(&text), names);
        }

        #[test]
        fn so_do_ranges_with_gaps_and_names_of_any_kind(
            first in 0u64..120, count in 1u64..200, gap in 2u64..50, width in 0usize..4, odd in "\\PC{0,8}"
        ) {
            let mut names: Vec<String> =
                (first..first + count).filter(|number| number % gap != 0).map(|n| format!("h{n:0width$}")).collect();
            names.insert(names.len() / 2, odd);
            let text = fold(names.iter().map(String::as_str));
            prop_assert_eq!(unfold(&text), names);
        }

        #[test]
        fn every_name_is_counted_once(names in prop::collection::vec("(web|db)[0-9]{1,2}", 0..60)) {
            let counted: usize = pieces(names.iter().map(String::as_str)).iter().map(|piece| piece.count).sum();
            prop_assert_eq!(counted, names.len());
        }
    }
}
