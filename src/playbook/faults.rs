//! Collects what there is to say about a playbook: all of it, not just the first.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Source, Span};

/// The faults of one text.
pub(super) struct Faults {
    source: Arc<Source>,
    list: Vec<Diagnostic>,
    errors: bool,
    /// How many were found beyond those that are kept, until the search was given up.
    more: usize,
}

/// How many are kept: nobody reads more, and a file that is all faults must not take minutes.
const MOST: usize = 200;

impl Faults {
    pub fn new(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), list: Vec::new(), errors: false, more: 0 }
    }

    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Error, code, span, message.into(), help);
    }

    pub fn warn(&mut self, code: &'static str, span: Span, message: impl Into<String>, help: Option<String>) {
        self.add(Severity::Warning, code, span, message.into(), help);
    }

    fn add(&mut self, severity: Severity, code: &'static str, span: Span, message: String, help: Option<String>) {
        self.errors |= severity == Severity::Error;
        if self.list.len() >= MOST {
            self.more += 1;
            return;
        }
        let source = Arc::clone(&self.source);
        let fault = Diagnostic { code, severity, message, help, source, span };
        // A step that is looked at twice says the same thing twice.
        let same = |other: &Diagnostic| other.code == code && other.span == span && other.message == fault.message;
        if !self.list.iter().any(same) {
            self.list.push(fault);
        }
    }

    /// Whether no more are kept: what would only find more of them can end.
    pub fn is_full(&self) -> bool {
        self.more > 0
    }

    pub fn has_errors(&self) -> bool {
        self.errors
    }

    /// The faults in the order of the text.
    pub fn into_list(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|fault| (fault.span.start, fault.span.end));
        if self.more > 0 {
            let end = self.source.text.len();
            self.list.push(Diagnostic {
                code: "more-faults",
                severity: if self.errors { Severity::Error } else { Severity::Warning },
                message: "and more".to_owned(),
                help: Some("mend these first".to_owned()),
                source: self.source,
                span: Span { start: end, end },
            });
        }
        self.list
    }

    /// The place of a part of a scalar, by the part's bytes in the scalar's text; the whole scalar where escapes or
    /// folding moved them.
    pub fn within(&self, whole: Span, text: &str, start: usize, length: usize) -> Span {
        let raw = self.source.text.get(whole.start..whole.end).unwrap_or("");
        match raw.find(text) {
            Some(offset) => {
                let boundary = |mut byte: usize| {
                    byte = byte.min(text.len());
                    while !text.is_char_boundary(byte) {
                        byte += 1;
                    }
                    whole.start + offset + byte
                };
                Span { start: boundary(start), end: boundary(start + length.max(1)) }
            }
            None => whole,
        }
    }

    /// The place of a word in a scalar, if it is found.
    pub fn word(&self, whole: Span, text: &str, word: &str) -> Span {
        let part_of_a_name = |c: char| c.is_alphanumeric() || c == '_';
        let found = text.match_indices(word).find(|(at, _)| {
            let before = text.get(..*at).and_then(|t| t.chars().next_back());
            let after = text.get(at + word.len()..).and_then(|t| t.chars().next());
            !before.is_some_and(|c| part_of_a_name(c) || c == '.') && !after.is_some_and(part_of_a_name)
        });
        found.map_or(whole, |(at, _)| self.within(whole, text, at, word.len()))
    }
}
