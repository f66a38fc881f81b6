//! Text from outside, made safe to show: a command's output must not move the cursor, retitle the window, or read in
//! another order than it is written. Nothing disappears but colours; what is neutralised stays visible.

use std::borrow::Cow;

use crate::value::{has_hidden, is_hidden, letters};

/// A text as one line without anything that a terminal would obey.
pub fn line(text: &str) -> Cow<'_, str> {
    if !has_hidden(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let text = without_colours(text);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut all = letters(text).peekable();
    while let Some((c, hidden)) = all.next() {
        match c {
            '\r' if all.peek().is_some_and(|(next, _)| *next == '\n') => {}
            c if hidden => show(&mut shown, c),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The lines of a text, each safe to show.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|one| line(one).into_owned())
}

/// A value as JSON in one line: what is not seen, or what a terminal obeys, is written by its number, and reads the same.
pub fn json(value: &serde_json::Value) -> String {
    let text = value.to_string();
    if !text.chars().any(is_hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A hidden character.
fn show(shown: &mut String, c: char) {
    match c {
        '\t' => shown.push(' '),
        '\n' => shown.push_str(" / "),
        // As `cat -v` writes it; a carriage return too, as what follows it would be written over what came before.
        '\0'..='\x1f' => {
            shown.push('^');
            shown.push(char::from(b'@' + c as u8));
        }
        '\x7f' => shown.push_str("^?"),
        c => shown.push_str(&format!("<U+{:04X}>", c as u32)),
    }
}

/// Without `ESC [ … m`: colours are harmless but would read as noise.
fn without_colours(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(start) = rest.find("\x1b[") {
        let (before, sequence) = rest.split_at(start);
        kept.push_str(before);
        let body = sequence.get(2..).unwrap_or("");
        let length = body.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(body.len());
        match body.get(length..).and_then(|tail| tail.strip_prefix('m')) {
            Some(after) => rest = after,
            None => {
                kept.push_str("\x1b[");
                rest = body;
            }
        }
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        assert_eq!(line("plain ünï 数据"), "plain ünï 数据");
        assert_eq!(line("\x1b]0;owned\x07"), "^[]0;owned^G");
        assert_eq!(line("\x1b[2J\x1b[1;1Hgone"), "^[[2J^[[1;1Hgone");
        assert_eq!(line("a\rb\x7f\u{9b}31m"), "a^Mb^?<U+009B>31m");
        assert_eq!(line("all is well\rX\r\ntwo\r\n"), "all is well^MX / two");
        assert_eq!(line("a\x0bb\x0cc\u{85}d"), "a^Kb^Lc<U+0085>d");
        assert_eq!(line("one\ntwo\n"), "one / two");
        assert_eq!(line("abc\u{202e}fed\u{2066}"), "abc<U+202E>fed<U+2066>");
        assert_eq!(line("a\u{200b}b\u{2028}c"), "a<U+200B>b<U+2028>c");
        assert_eq!(line("tag\u{e0041}\u{e0100}\u{3164}"), "tag<U+E0041><U+E0100><U+3164>");
        assert_eq!(line("e\u{301}❤\u{fe0f}"), "e\u{301}❤\u{fe0f}", "what is seen stays");
        assert_eq!(line(&format!("Z{}", "\u{301}".repeat(6))), "Z\u{301}\u{301}\u{301}\u{301}<U+0301><U+0301>");
    }

    #[test]
    fn colours_go_silently() {
        assert_eq!(line("\x1b[1;31mred\x1b[0m"), "red");
        assert_eq!(line("\x1b[31"), "^[[31");
        assert_eq!(line("\x1b[\x1b[31mm"), "^[[m");
    }

    #[test]
    fn every_character_comes_out_harmless() {
        for c in (0..=0x11_0000).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            assert!(line(&text).chars().all(|c| !is_hidden(c)), "{:04x}", c as u32);
        }
    }

    #[test]
    fn json_reads_the_same_and_holds_nothing_hidden() {
        for c in (0..=0x11_0000).filter_map(char::from_u32).filter(|c| is_hidden(*c)) {
            let value = serde_json::json!({ "a": format!("x{c}y"), format!("k{c}"): 1 });
            let text = json(&value);
            assert!(!text.chars().any(is_hidden), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
