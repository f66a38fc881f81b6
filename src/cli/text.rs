//! Lines made of pieces that know their meaning; how a piece looks is decided when the line is rendered for a surface, so
//! colours, width and a terminal without Unicode are each dealt with in one place. Pure.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::visible;

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Nothing special.
    Plain,
    /// A heading.
    Bold,
    /// Beside the point.
    Dim,
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// Look here.
    Warn,
}

/// How a surface shows text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// With colours.
    pub color: bool,
    /// With characters beyond ASCII.
    pub unicode: bool,
    /// How many columns there are; none: as many as it takes.
    pub width: Option<usize>,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(Ink, String)>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line of plain text.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::new().with(Ink::Plain, text)
    }

    /// The line with another piece. Whatever it comes from, nothing in it reaches the terminal as a command.
    #[must_use]
    pub fn with(mut self, ink: Ink, text: impl AsRef<str>) -> Self {
        let text = visible::line(text.as_ref()).into_owned();
        if !text.is_empty() {
            self.pieces.push((ink, text));
        }
        self
    }

    /// The line with another one behind it.
    #[must_use]
    pub fn followed_by(mut self, other: Line) -> Self {
        self.pieces.extend(other.pieces);
        self
    }

    /// The line with spaces up to a column.
    #[must_use]
    pub fn pad_to(mut self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width());
        if missing > 0 {
            self.pieces.push((Ink::Plain, " ".repeat(missing)));
        }
        self
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line as bytes for a surface, cut to its width.
    pub fn render(&self, look: &Look) -> String {
        let mut shown = String::new();
        let limit = look.width.unwrap_or(usize::MAX);
        // Spaces at the end are not worth a mark.
        let trailing: usize =
            self.pieces.iter().rev().map_while(|(_, text)| text.trim().is_empty().then_some(text.len())).sum();
        let cut = self.width() - trailing > limit;
        let mut left = if cut { limit.saturating_sub(1) } else { limit };
        for (ink, text) in &self.pieces {
            let text = fit(text, left);
            left = left.saturating_sub(text.width());
            paint(&mut shown, *ink, &glyphs(text, look.unicode), look.color);
            if left == 0 && cut {
                break;
            }
        }
        if cut {
            shown.push_str(if look.unicode { "…" } else { "~" });
        }
        shown.truncate(shown.trim_end_matches(' ').len());
        shown
    }
}

/// As much of a text as fits into some columns.
pub fn fit(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > columns {
            return text.get(..index).unwrap_or("");
        }
    }
    text
}

/// A text cut to some columns, with a mark where it was cut.
pub fn shorten(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    format!("{}…", fit(text, columns.saturating_sub(1)).trim_end())
}

/// A text in lines of at most so many columns, broken at spaces where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        while word.width() > columns {
            let head = fit(word, columns);
            lines.push(head.to_owned());
            word = word.get(head.len()..).unwrap_or("");
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

fn paint(shown: &mut String, ink: Ink, text: &str, color: bool) {
    let code = match ink {
        Ink::Plain => "",
        Ink::Bold => "1",
        Ink::Dim => "2",
        Ink::Good => "32",
        Ink::Bad => "1;31",
        Ink::Warn => "33",
    };
    if color && !code.is_empty() && !text.is_empty() {
        shown.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
    } else {
        shown.push_str(text);
    }
}

/// For a terminal without Unicode: our own marks have a stand-in of the same width, anything else is a question mark.
fn glyphs(text: &str, unicode: bool) -> String {
    if unicode || text.is_ascii() {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            _ if c.is_ascii() => c,
            '✓' => 'v',
            '✗' => 'x',
            '·' => '.',
            '↷' | '▸' => '>',
            '↩' => '<',
            '→' => '>',
            '─' | '–' | '—' => '-',
            '…' => '~',
            '⚑' => '#',
            '▲' => '!',
            '●' => '*',
            '⠋' | '⠴' => '|',
            '⠙' | '⠦' => '/',
            '⠹' | '⠧' => '-',
            '⠸' | '⠇' | '⠼' | '⠏' => '\\',
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look { color: false, unicode: true, width: Some(10) };

    #[test]
    fn a_line_is_cut_by_columns_not_by_bytes() {
        assert_eq!(Line::plain("0123456789").render(&LOOK), "0123456789");
        assert_eq!(Line::plain("0123456789x").render(&LOOK), "012345678…");
        assert_eq!(Line::plain("数据库无法连接").render(&LOOK), "数据库无…");
        assert_eq!(Line::plain("01234").with(Ink::Bad, "56789x").render(&LOOK), "012345678…");
    }

    #[test]
    fn ascii_has_the_same_width() {
        let look = Look { unicode: false, width: None, ..LOOK };
        assert_eq!(Line::plain("✓ done → ü…").render(&look), "v done > ?~");
    }

    #[test]
    fn colour_is_left_out_where_it_is_not_wanted() {
        let line = Line::new().with(Ink::Bad, "no");
        assert_eq!(line.render(&LOOK), "no");
        assert_eq!(line.render(&Look { color: true, ..LOOK }), "\x1b[1;31mno\x1b[0m");
    }

    #[test]
    fn words_wrap() {
        assert_eq!(wrap("one two three four", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("0123456789abc", 8), ["01234567", "89abc"]);
    }
}
