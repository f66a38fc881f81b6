//! What became of one attempt at the target, as an action reports it. A leaf.

use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What is known of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was asked.
    Done,
    /// It certainly changed nothing.
    NoEffect,
    /// It ended and said that it failed; part of it may have happened.
    Failed,
    /// No answer: it may have happened or not.
    Unknown,
}

/// An action's account of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What is known.
    pub outcome: Outcome,
    /// One line for a person: what was done, or what went wrong and what that means.
    pub message: String,
    /// The action's outputs (an object), complete when the outcome is `done`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub outputs: Value,
    /// What a command printed, if the action ran one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<CommandOutput>,
}

impl Report {
    /// It did what it was asked.
    pub fn done(message: impl Into<String>, outputs: Value) -> Self {
        Self { outcome: Outcome::Done, message: message.into(), outputs, output: None }
    }

    /// It certainly changed nothing.
    pub fn no_effect(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::NoEffect, message: message.into(), outputs: Value::Null, output: None }
    }

    /// It ended and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Failed, message: message.into(), outputs: Value::Null, output: None }
    }

    /// Nobody knows.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { outcome: Outcome::Unknown, message: message.into(), outputs: Value::Null, output: None }
    }

    /// The same report with what a command printed.
    #[must_use]
    pub fn with_output(mut self, output: CommandOutput) -> Self {
        self.output = Some(output);
        self
    }

    /// The same report without a second copy of what a command printed, where its outputs hold that: a run keeps the reports
    /// of a thousand hosts in memory.
    #[must_use]
    pub fn kept_once(mut self) -> Self {
        if let Some(output) = &mut self.output {
            for (name, stream) in [("stdout", &mut output.stdout), ("stderr", &mut output.stderr)] {
                let text = stream.text.strip_suffix('\n').unwrap_or(&stream.text);
                if self.outputs.get(name).and_then(Value::as_str) == Some(text) {
                    stream.text = String::new();
                }
            }
        }
        self
    }

    /// What a command printed, wherever it is kept.
    pub fn printed(&self) -> Option<CommandOutput> {
        let mut output = self.output.clone()?;
        for (name, stream) in [("stdout", &mut output.stdout), ("stderr", &mut output.stderr)] {
            if stream.text.is_empty() && stream.bytes > 0 {
                stream.text = self.outputs.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            }
        }
        Some(output)
    }

    /// The same report with outputs.
    #[must_use]
    pub fn with_outputs(mut self, outputs: Value) -> Self {
        self.outputs = outputs;
        self
    }
}

/// What a command printed, as far as the journal keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandOutput {
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
}

/// One stream of a command: its size and hash in full, its text up to a cap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The text as printed (raw: whoever shows it neutralises it), at most the cap: the head and the tail with a line
    /// between them that says how many bytes were left out. Bytes that are not UTF-8 become U+FFFD.
    pub text: String,
    /// How many bytes were printed in all.
    pub bytes: u64,
    /// The SHA-256 of all of them, in hexadecimal.
    pub sha256: String,
    /// Whether `text` is not the whole of it.
    pub truncated: bool,
}

/// What a read-only look says about an attempt whose outcome is missing.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The attempt's own end was found (the recorder kept it, or the target's transaction log): this is its report.
    Ended(Report),
    /// The effect is there.
    TookEffect {
        /// What was seen.
        evidence: String,
        /// The outputs as far as they can be read now.
        outputs: Value,
    },
    /// The effect is certainly not there.
    DidNot {
        /// What was seen.
        evidence: String,
    },
    /// It has not ended yet: running it again would run it beside itself.
    StillRunning {
        /// What was seen.
        evidence: String,
    },
    /// It cannot be told.
    CannotTell {
        /// What was seen, or why nothing was.
        evidence: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_once_is_still_all_there() {
        let stream = |text: &str| Stream { text: text.to_owned(), bytes: text.len() as u64, ..Stream::default() };
        let output = CommandOutput { stdout: stream("one\ntwo\n"), stderr: stream("masked ***\n") };
        let outputs = serde_json::json!({ "stdout": "one\ntwo", "stderr": "something else" });
        let report = Report::done("exit code 0", outputs).with_output(output).kept_once();
        let kept = report.output.as_ref().unwrap();
        assert_eq!((kept.stdout.text.as_str(), kept.stdout.bytes), ("", 8), "it is in the outputs");
        assert_eq!(kept.stderr.text, "masked ***\n", "what differs is kept");
        let printed = report.printed().unwrap();
        assert_eq!((printed.stdout.text.as_str(), printed.stderr.text.as_str()), ("one\ntwo", "masked ***\n"));
    }
}
