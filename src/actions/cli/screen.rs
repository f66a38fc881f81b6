//! What a device prints, as a person would see it: escape sequences, backspaces and returns are carried out, so that an echo
//! that was typed over and a pager's line that was wiped away leave nothing. It keeps one line, and never more of that than
//! a bound.

/// The longest line that is kept; what goes on behind it is dropped.
const WIDEST: usize = 8 * 1024;

/// Where in an escape sequence the stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Plain,
    /// Behind ESC.
    Escape,
    /// In a control sequence, with what came of it so far: only its number and its last letter mean something here.
    Control(u8),
    /// In a title or another text for the terminal alone.
    Text,
    /// In such a text, behind an ESC that may end it.
    TextEscape,
    /// One more byte belongs to the sequence.
    One,
}

/// The line that is being printed.
#[derive(Debug, Default)]
pub(super) struct Screen {
    line: Vec<u8>,
    column: usize,
    state: State,
}

impl Screen {
    /// Takes bytes, and gives back the lines that they ended.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut ended = Vec::new();
        for byte in bytes {
            self.state = match (self.state, *byte) {
                (State::Plain, b'\n') => {
                    ended.push(self.current());
                    self.clear();
                    State::Plain
                }
                (State::Plain, 0x1b) => State::Escape,
                (State::Plain, byte) => self.print(byte),
                (State::Escape, b'[') => State::Control(0),
                (State::Escape, b']' | b'P' | b'_' | b'^' | b'X') => State::Text,
                (State::Escape, b'(' | b')' | b'*' | b'+' | b'#' | b'%' | b' ') => State::One,
                (State::Control(_), byte @ b'0'..=b'9') => State::Control(byte),
                (State::Control(number), byte @ 0x40..=0x7e) => self.control(number, byte),
                (State::Control(number), _) => State::Control(number),
                (State::Text, 0x07) | (State::TextEscape, b'\\') => State::Plain,
                (State::Text | State::TextEscape, 0x1b) => State::TextEscape,
                (State::Text | State::TextEscape, _) => State::Text,
                (State::Escape | State::One, _) => State::Plain,
            };
        }
        ended
    }

    /// The line that has not ended.
    pub(super) fn current(&self) -> String {
        String::from_utf8_lossy(&self.line).trim_end().to_owned()
    }

    /// Forgets the line that has not ended.
    pub(super) fn clear(&mut self) {
        self.line.clear();
        self.column = 0;
    }

    fn print(&mut self, byte: u8) -> State {
        match byte {
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            b'\t' => {
                self.put(b' ');
            }
            0..=0x1f | 0x7f => {}
            _ => self.put(byte),
        }
        State::Plain
    }

    fn put(&mut self, byte: u8) {
        if self.column >= WIDEST {
            return;
        }
        match self.line.get_mut(self.column) {
            Some(place) => *place = byte,
            None => self.line.push(byte),
        }
        self.column += 1;
    }

    fn control(&mut self, number: u8, last: u8) -> State {
        match (last, number) {
            // To the line's end, or all of it.
            (b'K', 0 | b'0') => self.line.truncate(self.column),
            (b'K' | b'J', _) => self.clear(),
            (b'D', _) => self.column = self.column.saturating_sub(1),
            (b'G' | b'H', _) => self.column = 0,
            _ => {}
        }
        State::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> (Vec<String>, String) {
        let mut screen = Screen::default();
        // Byte by byte: a sequence may be cut anywhere.
        let lines = bytes.iter().flat_map(|byte| screen.push(&[*byte])).collect();
        (lines, screen.current())
    }

    #[test]
    fn what_was_wiped_away_is_not_there() {
        let lines = |bytes: &[u8]| seen(bytes).0;
        assert_eq!(lines(b"one\r\ntwo\r\n"), ["one", "two"]);
        assert_eq!(lines(b" --More-- \r          \rthree\r\n"), ["three"]);
        assert_eq!(
            lines(b"--More--\x08\x08\x08\x08\x08\x08\x08\x08        \x08\x08\x08\x08\x08\x08\x08\x08four\r\n"),
            ["four"]
        );
        assert_eq!(lines(b"\x1b[7m--More--(10%)\x1b[27m\r\x1b[Kfive\r\n"), ["five"]);
        assert_eq!(lines(b"\x1b[?2004hr1# \x1b[1mshow\x1b[0m x\r\n\x1b[?2004l\rsix\r\n"), ["r1# show x", "six"]);
        assert_eq!(
            lines(b"\x1b]0;title of a window\x07seven\n\x1b]0;x\x1b\\eight\n\x1b(Bnine\n"),
            ["seven", "eight", "nine"]
        );
        assert_eq!(seen(b"a\nr1(config)# ").1, "r1(config)#");
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let (lines, current) = seen(&vec![b'x'; 10 * WIDEST]);
        assert!(lines.is_empty());
        assert_eq!(current.len(), WIDEST);
    }

    #[test]
    fn what_is_no_text_is_no_crash() {
        let noise: Vec<u8> = (0..4096_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let _ = seen(&noise);
        assert_eq!(seen(b"caf\xe9\n").0, ["caf\u{fffd}"]);
    }
}
