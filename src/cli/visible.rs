//! Text from outside, made safe to show: a command's output must not move the cursor, retitle the window, or read in
//! another order than it is written. Nothing disappears but colours; what is neutralised stays visible.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text as one line without anything that a terminal would obey.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| !is_dangerous(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let text = without_colours(text);
    for c in text.trim_end_matches(['\n', '\r']).chars() {
        show(&mut shown, c);
    }
    Cow::Owned(shown)
}

/// The lines of a text, each safe to show.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|one| line(one).into_owned())
}

fn show(shown: &mut String, c: char) {
    match c {
        '\t' => shown.push(' '),
        '\n' => shown.push_str(" / "),
        '\r' => {}
        // As `cat -v` writes it.
        '\0'..='\x1f' => {
            shown.push('^');
            shown.push(char::from(b'@' + c as u8));
        }
        '\x7f' => shown.push_str("^?"),
        // Writing to a String cannot fail.
        c if is_dangerous(c) => drop(write!(shown, "<U+{:04X}>", c as u32)),
        c => shown.push(c),
    }
}

/// Control characters, line and paragraph separators, what changes the direction of reading, and what is not seen at all.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
        assert_eq!(line("a\rb\x7f\u{9b}31m"), "ab^?<U+009B>31m");
        assert_eq!(line("one\ntwo\n"), "one / two");
        assert_eq!(line("abc\u{202e}fed\u{2066}"), "abc<U+202E>fed<U+2066>");
        assert_eq!(line("a\u{200b}b\u{2028}c"), "a<U+200B>b<U+2028>c");
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
            assert!(line(&text).chars().all(|c| !is_dangerous(c)), "{:04x}", c as u32);
        }
    }
}
