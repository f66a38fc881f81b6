//! What we write on: whether it is a terminal, how wide it is, and which characters and colours it shows. Data goes to
//! stdout, everything else to stderr. A reader that closed the pipe is no error: the run matters more than its report.

use std::io::{IsTerminal, Write};

use super::text::{Line, Look};

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What we write on.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// How stdout shows text.
    pub out: Look,
    /// How stderr shows text.
    pub err: Look,
    /// Whether stderr is a terminal that can redraw lines.
    pub live: bool,
    /// Whether somebody can be asked: stdin and stderr are a terminal.
    pub asks: bool,
    /// Whether only results and errors are wanted.
    pub quiet: bool,
}

impl Screen {
    /// What this process has.
    pub fn of_process(color: Color, quiet: bool) -> Self {
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let unicode = !dumb && speaks_utf8();
        let (out_is, err_is) = (std::io::stdout().is_terminal(), std::io::stderr().is_terminal());
        let plain = dumb || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        let width = |terminal: bool, term: console::Term| {
            term.size_checked().filter(|_| terminal).map(|(_, columns)| usize::from(columns))
        };
        Self {
            out: Look { color: colored(out_is), unicode, width: width(out_is, console::Term::stdout()) },
            err: Look { color: colored(err_is), unicode, width: width(err_is, console::Term::stderr()) },
            live: err_is && !dumb && !quiet,
            asks: err_is && std::io::stdin().is_terminal(),
            quiet,
        }
    }

    /// A result, for stdout.
    pub fn print(&self, lines: &[Line]) {
        write_all(&mut std::io::stdout().lock(), lines, &self.out);
    }

    /// A result whose lines must not be cut, as they hold commands: the terminal wraps them.
    pub fn print_whole(&self, lines: &[Line]) {
        write_all(&mut std::io::stdout().lock(), lines, &Look { width: None, ..self.out });
    }

    /// A question, for stderr, without a line end.
    pub fn prompt(&self, question: &str) {
        let text = Line::plain(question).render(&Look { width: None, ..self.err });
        let mut err = std::io::stderr().lock();
        let _ = write!(err, "{text} ").and_then(|()| err.flush());
    }

    /// A remark, for stderr; left out where only results are wanted.
    pub fn say(&self, lines: &[Line]) {
        if !self.quiet {
            self.warn(lines);
        }
    }

    /// Something that must be seen, for stderr. Nothing of it is cut: it may hold a command to paste, or what is about to be
    /// changed; the terminal wraps it without adding line ends.
    pub fn warn(&self, lines: &[Line]) {
        write_all(&mut std::io::stderr().lock(), lines, &Look { width: None, ..self.err });
    }

    /// A picture for stderr: each of its lines stays one line.
    pub fn picture(&self, lines: &[Line]) {
        write_all(&mut std::io::stderr().lock(), lines, &self.err);
    }

    /// A text that programs read, as it is.
    pub fn data(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// JSON on one line.
    pub fn json(&self, value: &serde_json::Value) {
        self.data(&format!("{}\n", super::visible::json(value)));
    }

    /// How wide a wrapped text on stdout may be.
    pub fn text_width(&self) -> usize {
        self.out.width.unwrap_or(100).clamp(30, 120)
    }
}

fn write_all(to: &mut dyn Write, lines: &[Line], look: &Look) {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.render(look));
        text.push('\n');
    }
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// Whether the locale says UTF-8, in the order in which the C library asks; where nothing is said, terminals of today do.
fn speaks_utf8() -> bool {
    let value =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    value.is_none_or(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// How wide the terminal behind stderr is.
pub fn terminal_width() -> usize {
    console::Term::stderr().size_checked().map_or(80, |(_, columns)| usize::from(columns))
}
