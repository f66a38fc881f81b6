//! Takes all known secrets out of what an action says, before anything else sees it. What is a secret is known by the
//! inventory's `Secrets`: references that were read, and sensitive outputs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::actions::{ActionError, Context, OutputSink};
use crate::inventory::{MaskedStream, Masker, Secrets};
use crate::outcome::{CommandOutput, Finding, Report, Stream};
use crate::spec::Prediction;
use crate::value::Value;

/// Where a long stream was cut, in what is kept of it.
const LEFT_OUT: &str = "\n[… ";

/// Takes secrets out of what an action says. An action reads secrets while it works, so what is known is looked at when it
/// speaks, and not before.
#[derive(Clone)]
pub(super) struct Mask {
    secrets: Secrets,
}

impl Mask {
    pub(super) fn of(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone() }
    }

    /// Whether any secret was read by now.
    pub(super) fn knows_secrets(&self) -> bool {
        !self.secrets.masker().is_empty()
    }

    /// What an action says of an attempt, without the secrets.
    pub(super) fn report(&self, report: Report) -> Report {
        let masker = self.secrets.masker();
        if masker.is_empty() {
            return report;
        }
        Report {
            outcome: report.outcome,
            // It often ends with the beginning of what the target said.
            message: masker.cut_off(&report.message),
            outputs: value(&masker, report.outputs),
            output: report.output.map(|output| CommandOutput {
                stdout: stream(&masker, output.stdout),
                stderr: stream(&masker, output.stderr),
            }),
        }
    }

    /// What a look at an attempt found, without the secrets.
    pub(super) fn finding(&self, finding: Finding) -> Finding {
        let masker = self.secrets.masker();
        match finding {
            Finding::Ended(report) => Finding::Ended(self.report(report)),
            Finding::TookEffect { evidence, outputs } => {
                Finding::TookEffect { evidence: masker.text(&evidence), outputs: value(&masker, outputs) }
            }
            Finding::DidNot { evidence } => Finding::DidNot { evidence: masker.text(&evidence) },
            Finding::StillRunning { evidence } => Finding::StillRunning { evidence: masker.text(&evidence) },
            Finding::CannotTell { evidence } => Finding::CannotTell { evidence: masker.text(&evidence) },
        }
    }

    /// What a look at a target came to, without the secrets.
    pub(super) fn look(&self, answer: Result<Prediction, ActionError>) -> Result<Prediction, ActionError> {
        let masker = self.secrets.masker();
        if masker.is_empty() {
            return answer;
        }
        let texts = |list: Vec<String>| list.iter().map(|text| masker.text(text)).collect();
        match answer {
            Ok(mut prediction) => {
                prediction.facts = value(&masker, prediction.facts);
                prediction.outputs = value(&masker, prediction.outputs);
                prediction.refusals = texts(prediction.refusals);
                prediction.notes = texts(prediction.notes);
                for change in &mut prediction.changes {
                    change.what = masker.text(&change.what);
                    change.before = change.before.as_deref().map(|text| masker.text(text));
                    change.after = change.after.as_deref().map(|text| masker.text(text));
                }
                Ok(prediction)
            }
            Err(ActionError::Unreachable(why)) => Err(ActionError::Unreachable(masker.text(&why))),
            Err(ActionError::Invalid(why)) => Err(ActionError::Invalid(masker.text(&why))),
        }
    }

    /// A context whose output is masked for whoever watches.
    pub(super) fn context(&self, context: Context) -> Context {
        let live = Live { secrets: self.secrets.clone(), to: context.output, streams: Mutex::default() };
        Context { output: Arc::new(move |stderr, bytes| live.take(stderr, bytes)), ..context }
    }
}

fn value(masker: &Masker, given: Value) -> Value {
    match given {
        Value::String(text) => Value::String(masker.text(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| value(masker, item)).collect()),
        Value::Object(map) => {
            Value::Object(map.into_iter().map(|(name, item)| (masker.text(&name), value(masker, item))).collect())
        }
        // A secret of digits alone may come back as a number.
        Value::Number(number) => {
            let text = number.to_string();
            let clean = masker.text(&text);
            if clean == text { Value::Number(number) } else { Value::String(clean) }
        }
        other => other,
    }
}

fn stream(masker: &Masker, stream: Stream) -> Stream {
    let text = match stream.text.split_once(LEFT_OUT).filter(|_| stream.truncated) {
        // A secret that stood where the middle was left out would leave its two ends.
        Some((head, rest)) => {
            let (note, tail) = rest.split_once('\n').unwrap_or((rest, ""));
            format!("{}{LEFT_OUT}{note}\n{}", masker.cut_off(head), masker.cut_on(tail))
        }
        None => masker.text(&stream.text),
    };
    // A digest of what held a secret would let it be guessed at.
    let sha256 = if text == stream.text { stream.sha256 } else { String::new() };
    Stream { text, sha256, ..stream }
}

/// Live output on its way to whoever watches.
struct Live {
    secrets: Secrets,
    to: OutputSink,
    streams: Mutex<[MaskedStream; 2]>,
}

impl Live {
    fn take(&self, stderr: bool, bytes: &[u8]) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = streams[usize::from(stderr)].push(&self.secrets.masker(), bytes);
        if !ready.is_empty() {
            (self.to)(stderr, &ready);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let masker = self.secrets.masker();
        let streams = self.streams.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (stderr, stream) in [false, true].into_iter().zip(streams) {
            let rest = stream.finish(&masker);
            if !rest.is_empty() {
                (self.to)(stderr, &rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let known = Secrets::default();
        secrets.iter().for_each(|secret| _ = known.keep(secret));
        Mask::of(&known)
    }

    #[test]
    fn a_secret_is_taken_out_of_live_output_wherever_the_pieces_are_cut() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let context = Context {
            inventory: Arc::default(),
            spool: std::path::PathBuf::new(),
            output: Arc::new(move |_, bytes| sink.lock().unwrap().extend_from_slice(bytes)),
        };
        let known = Secrets::default();
        let masked = Mask::of(&known).context(context);
        // It comes to be known only once the action works.
        known.keep("canary-1");
        ["a can", "ary-", "1 b cana"].iter().for_each(|piece| (masked.output)(false, piece.as_bytes()));
        drop(masked);
        assert_eq!(String::from_utf8(seen.lock().unwrap().clone()).unwrap(), "a *** b cana");
    }

    #[test]
    fn every_part_of_what_an_action_says_is_masked() {
        let stdout = Stream { text: "canary\n".to_owned(), bytes: 7, sha256: "abc".to_owned(), truncated: false };
        let output = CommandOutput { stdout, ..CommandOutput::default() };
        let outputs = serde_json::json!({"stdout": "canary", "list": [{"canary": "x canary"}], "n": 1, "pin": 987_654});
        let report =
            mask(&["canary", "987654"]).report(Report::failed("no canary").with_output(output).with_outputs(outputs));
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("canary") && text.contains("no ***") && !text.contains("abc"), "{text}");
        assert!(!text.contains("987654") && text.contains("\"n\":1"), "{text}");
        let change = crate::spec::Change { what: "canary".to_owned(), before: Some("canary".to_owned()), after: None };
        let mut prediction = Prediction::probed(serde_json::json!({"x": "canary"}));
        prediction.changes.push(change);
        prediction.notes.push("canary".to_owned());
        prediction.refusals.push("canary".to_owned());
        let text = format!("{:?}", mask(&["canary"]).look(Ok(prediction)));
        assert!(!text.contains("canary"), "{text}");
        let error = mask(&["canary"]).look(Err(ActionError::Unreachable("canary".to_owned())));
        assert_eq!(error, Err(ActionError::Unreachable("***".to_owned())));
    }

    #[test]
    fn a_message_that_ends_within_a_secret_does_not_tell_its_beginning() {
        let report = mask(&["canary-4f1d2b97"]).report(Report::failed("x answered 500: no canary-4f1d"));
        assert_eq!(report.message, "x answered 500: no ***");
    }

    #[test]
    fn a_secret_that_the_middle_was_left_out_of_leaves_no_ends() {
        let text = "head canary-4f\n[… 99 bytes left out …]\n1d2b97 tail".to_owned();
        let stdout = Stream { text, bytes: 200, sha256: "abc".to_owned(), truncated: true };
        let output = CommandOutput { stdout, ..CommandOutput::default() };
        let report = mask(&["canary-4f1d2b97"]).report(Report::failed("x").with_output(output));
        assert_eq!(report.output.unwrap().stdout.text, "head ***\n[… 99 bytes left out …]\n*** tail");
    }
}
