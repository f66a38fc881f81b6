//! A span, and what it is known by: everything is made from the run's id and the records' numbers, so that whoever makes it
//! anew, in whichever process, makes the same.

use crate::ids::{Digest, RunId};
use crate::run::Time;

/// An identifier of a span, in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanId(String);

impl SpanId {
    /// The span of a whole run.
    pub fn of_run(run: &RunId) -> Self {
        Self(hex(&format!("playbook span {run}"), 16))
    }

    /// What began with a record of a run.
    pub fn of_record(run: &RunId, seq: u64) -> Self {
        Self(hex(&format!("playbook span {run} {seq}"), 16))
    }

    /// Its sixteen digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The trace of a run: thirty-two hexadecimal digits.
pub fn trace_of(run: &RunId) -> String {
    hex(&format!("playbook trace {run}"), 32)
}

/// The first digits of what a text comes to. That all of them are 0, which would be no identifier, happens to nobody.
fn hex(text: &str, digits: usize) -> String {
    let digest = Digest::of(text.as_bytes());
    let all = digest.as_str().trim_start_matches("sha256:");
    all.get(..digits).unwrap_or_default().to_owned()
}

/// What a span is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A whole run.
    Run,
    /// Something that was done in it.
    Task,
}

/// How it came out, in the words of the conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanResult {
    /// It did what it was to do.
    Success,
    /// It did not.
    Failure,
    /// Nobody could tell.
    Error,
    /// It did not run.
    Skip,
    /// A person ended it.
    Cancellation,
}

impl SpanResult {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Skip => "skip",
            Self::Cancellation => "cancellation",
        }
    }

    /// Whether that is an error of the operation.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Failure | Self::Error)
    }
}

/// What an attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Said {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Said {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Something that happened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happened {
    /// When.
    pub at: Time,
    /// What kind of record it is.
    pub name: &'static str,
    /// What happened, in a sentence.
    pub text: String,
}

/// Another span that it has to do with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// In which trace.
    pub trace: String,
    /// Which.
    pub span: SpanId,
}

/// A span: it has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it is known by.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// What it is about.
    pub kind: SpanKind,
    /// Its name: never that of an item, so that there are not too many.
    pub name: String,
    /// When it began.
    pub start: Time,
    /// When it ended; never before it began, whatever the clock did.
    pub end: Time,
    /// How it came out.
    pub result: SpanResult,
    /// Of which class the error is, where it is one.
    pub error: Option<&'static str>,
    /// What went wrong, for a person.
    pub message: Option<String>,
    /// What is known of it beside that, by name.
    pub attributes: Vec<(&'static str, Said)>,
    /// What happened meanwhile.
    pub events: Vec<Happened>,
    /// How much more happened than is told.
    pub events_left_out: u64,
    /// What it has to do with.
    pub links: Vec<Link>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_makes_them_makes_the_same() {
        let run: RunId = "r-1".parse().unwrap();
        assert_eq!(trace_of(&run), trace_of(&run.clone()));
        assert_eq!((trace_of(&run).len(), SpanId::of_run(&run).as_str().len()), (32, 16));
        assert_ne!(SpanId::of_record(&run, 1), SpanId::of_record(&run, 2));
        assert_ne!(SpanId::of_record(&run, 1), SpanId::of_run(&run));
        assert_ne!(trace_of(&run), trace_of(&"r-2".parse().unwrap()));
    }
}
