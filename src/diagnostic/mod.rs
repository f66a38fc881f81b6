//! Where something stands in a text, and what is said about it. A leaf: it never reads a file and never prints; `cli/`
//! draws the carets.

mod nearest;

pub use nearest::nearest;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place in a source text, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A text with the name that people know it by (a path, or `<input>`).
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What to call it in a message.
    pub name: String,
    /// The text itself.
    pub text: String,
}

impl Source {
    /// A source behind a shared pointer, as every diagnostic of a file carries it.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// The line and column (both from 1, columns in characters) of a byte.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        let mut end = byte.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(..end).unwrap_or("");
        let line = before.as_bytes().iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
        (line, column)
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is refused.
    Warning,
    /// The document is refused.
    Error,
}

/// One thing to say about a text: what, where, and what to write instead.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// A stable code, for example `unknown-key`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The text it is about.
    pub source: Arc<Source>,
    /// Where in it.
    pub span: Span,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.position(self.span.start);
        write!(f, "{}:{line}:{column}: {}", self.source.name, self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_from_one() {
        let source = Source::new("x.yaml", "a: 1\nü: 二三\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(5), (2, 1));
        assert_eq!(source.position(12), (2, 5), "after `ü: 二`");
        assert_eq!(source.position(999), (3, 1));
    }
}
