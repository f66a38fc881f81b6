//! Characters that a reader does not see, or that a terminal obeys. What they are is said here once; how they are shown is the
//! command line's affair.

use unicode_width::UnicodeWidthChar as _;

/// Whether a character is a control, separates lines or paragraphs, changes the direction of reading, or is not seen at all.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            // The last two of these choose between text and emoji, and are seen; the others choose nothing.
            | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// How many marks may stand on one letter: more of them paint over the lines around it.
const MOST_MARKS: usize = 4;

/// The characters of a text, each with whether it is to be told by its number: hidden, or one mark too many on a letter.
pub fn letters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut marks = 0;
    text.chars().map(move |c| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        (c, is_hidden(c) || marks > MOST_MARKS)
    })
}

/// Whether anything in a text is to be told by its number.
pub fn has_hidden(text: &str) -> bool {
    letters(text).any(|(_, hidden)| hidden)
}

/// A word for `sh -c`-like shells of today (bash, zsh, ksh, busybox) that holds hidden characters: each of their bytes is
/// written out, so that what is seen is what is pasted.
pub fn written_out(word: &str) -> String {
    let mut text = String::from("$'");
    for (c, hidden) in letters(word) {
        match c {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\'' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            // Octal: hexadecimal would take in a digit that follows.
            c if hidden => {
                let mut bytes = [0; 4];
                c.encode_utf8(&mut bytes).bytes().for_each(|byte| text.push_str(&format!("\\{byte:03o}")));
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

/// A text with hidden characters told by their numbers, for where people read it on something else than our screens; line
/// ends and tabs stay where lines are wanted.
pub fn told(text: &str, with_lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for (c, hidden) in letters(text) {
        match c {
            '\n' | '\t' if with_lines => shown.push(c),
            '\n' | '\t' => shown.push(' '),
            c if hidden => shown.push_str(&format!("<U+{:04X}>", c as u32)),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_written_out() {
        for word in [
            "a\x1b[31mb",
            "1\u{202e}2\r\n3\t4",
            "it's \\ $(touch x) `id` \u{e0041}7",
            "\x07\u{9b}0",
            "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}7",
        ] {
            let text = written_out(word);
            assert!(!text.chars().any(is_hidden), "{text:?}");
            let output =
                std::process::Command::new("bash").args(["-c", &format!("printf %s {text}")]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{text}");
        }
    }
}
