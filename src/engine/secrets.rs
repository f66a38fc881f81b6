//! The secrets of sensitive inputs: read right before an action gets them, and taken out again of all that it says. No
//! record, no plan and no screen ever holds one; what stands there is the reference.
//!
//! What is taken out is the secret itself, each of its longer lines, and its form as a JSON string. A command that prints
//! it in another form (backwards, in base64) tells it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::actions::{Action, ActionError, Call, Context, OutputSink};
use crate::inventory::{SecretRef, resolve_secret};
use crate::outcome::{CommandOutput, Finding, Report, Stream};
use crate::playbook::{InputSpec, Step, fill_secrets, secrets_named};
use crate::spec::Prediction;
use crate::value::Value;

/// What stands in the place of a secret.
const MASK: &str = "***";
/// A shorter text is found everywhere: taking it out would garble what is said and give it away by the gaps.
const LEAST: usize = 4;

/// Secrets to be taken out of what an action says.
#[derive(Clone, Default)]
pub(super) struct Mask {
    /// The longest first: one may be a part of another.
    secrets: Vec<String>,
}

/// The arguments of an action with the secrets in them, and what takes these out again.
pub(super) struct Revealed {
    pub(super) arguments: Value,
    pub(super) mask: Mask,
}

/// Puts the secrets in that a step names.
///
/// # Errors
/// A reference that does not lead to a secret: the reference and why, for a person.
pub(super) fn reveal(
    action: &dyn Action,
    step: &Step,
    inputs: &[InputSpec],
    arguments: &Value,
) -> Result<Revealed, String> {
    let mut mask = Mask::default();
    if !action.takes_secrets() {
        return Ok(Revealed { arguments: arguments.clone(), mask });
    }
    let arguments = fill_secrets(step, inputs, arguments, &mut |reference| {
        let secret = read(reference)?;
        mask.add(&secret);
        Ok(Value::String(secret))
    })?;
    Ok(Revealed { arguments, mask })
}

fn read(reference: &str) -> Result<String, String> {
    let secret = resolve_secret(&SecretRef(reference.to_owned())).map_err(|error| error.to_string())?;
    Ok(secret.expose().to_owned())
}

/// Whether the references that a step, its probe and its undo name lead to secrets: those that do, and what is wrong with
/// the others.
pub(super) fn prove(step: &Step, inputs: &[InputSpec], given: &Value) -> (Vec<String>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for reference in secrets_named(step, inputs).into_iter().filter_map(|name| given.get(name)?.as_str()) {
        match read(reference) {
            Ok(_) => good.push(format!("the secret {reference} is there; its value is never shown")),
            Err(why) => bad.push(why),
        }
    }
    (good, bad)
}

/// What a command's recorder knows of an attempt whose secret cannot be read now: how it ended, and nothing that it
/// printed, as the secret could not be taken out of that.
pub(super) fn withhold(finding: Finding, step: Option<&Step>, why: &str) -> Finding {
    let told = |what: &str| format!("{what}; what it printed is withheld: {why}, so it could not be taken out of that");
    match finding {
        // What its outputs are read from must not be kept, so how it ended is not enough.
        Finding::Ended(_) if step.is_some_and(|step| step.ok_if.is_some() || !step.outputs.is_empty()) => {
            Finding::CannotTell { evidence: told("it has ended") }
        }
        Finding::Ended(report) => {
            let code = report.outputs.get("exit_code").cloned().unwrap_or_default();
            let end = code.as_i64().map_or_else(|| "it has ended".to_owned(), |code| format!("exit code {code}"));
            let outputs = serde_json::json!({ "stdout": "", "stderr": "", "exit_code": code });
            Finding::Ended(Report { outcome: report.outcome, message: told(&end), outputs, output: None })
        }
        Finding::StillRunning { .. } => Finding::StillRunning { evidence: told("it still runs") },
        Finding::CannotTell { .. } => Finding::CannotTell { evidence: told("its recorder cannot say how it ended") },
        // Nothing was printed, or nothing of it is told.
        Finding::DidNot { evidence } => Finding::DidNot { evidence },
        Finding::TookEffect { .. } => {
            Finding::TookEffect { evidence: told("its effect was seen"), outputs: serde_json::json!({}) }
        }
    }
}

/// An attempt ready for its action.
pub(super) struct Ready {
    pub(super) context: Context,
    pub(super) call: Call,
    pub(super) mask: Mask,
}

impl Ready {
    /// The attempt with its secrets in it, and a context whose output is masked.
    ///
    /// # Errors
    /// A reference that does not lead to a secret.
    pub(super) fn of(
        action: &dyn Action,
        step: &Step,
        inputs: &[InputSpec],
        call: Call,
        context: Context,
    ) -> Result<Self, String> {
        let Revealed { arguments, mask } = reveal(action, step, inputs, &call.arguments)?;
        let context = mask.context(context);
        Ok(Self { context, call: Call { arguments, ..call }, mask })
    }
}

impl Mask {
    fn add(&mut self, secret: &str) {
        let json = serde_json::to_string(secret).unwrap_or_default();
        let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default();
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= 2 * LEAST);
        for part in [secret, secret.trim(), json].into_iter().chain(lines) {
            if part.len() >= LEAST && !self.secrets.iter().any(|known| known == part) {
                self.secrets.push(part.to_owned());
            }
        }
        self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// A text without the secrets.
    pub(super) fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(map) => {
                Value::Object(map.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect())
            }
            other => other,
        }
    }

    fn stream(&self, stream: Stream) -> Stream {
        let text = self.text(&stream.text);
        // A digest of what held a secret would let it be guessed at.
        let sha256 = if text == stream.text { stream.sha256 } else { String::new() };
        Stream { text, sha256, ..stream }
    }

    /// What an action says of an attempt, without the secrets.
    pub(super) fn report(&self, report: Report) -> Report {
        if self.secrets.is_empty() {
            return report;
        }
        Report {
            outcome: report.outcome,
            message: self.text(&report.message),
            outputs: self.value(report.outputs),
            output: report
                .output
                .map(|output| CommandOutput { stdout: self.stream(output.stdout), stderr: self.stream(output.stderr) }),
        }
    }

    /// What a look at an attempt found, without the secrets.
    pub(super) fn finding(&self, finding: Finding) -> Finding {
        match finding {
            Finding::Ended(report) => Finding::Ended(self.report(report)),
            Finding::TookEffect { evidence, outputs } => {
                Finding::TookEffect { evidence: self.text(&evidence), outputs: self.value(outputs) }
            }
            Finding::DidNot { evidence } => Finding::DidNot { evidence: self.text(&evidence) },
            Finding::StillRunning { evidence } => Finding::StillRunning { evidence: self.text(&evidence) },
            Finding::CannotTell { evidence } => Finding::CannotTell { evidence: self.text(&evidence) },
        }
    }

    /// What a look at a target came to, without the secrets.
    pub(super) fn look(&self, answer: Result<Prediction, ActionError>) -> Result<Prediction, ActionError> {
        if self.secrets.is_empty() {
            return answer;
        }
        let texts = |list: Vec<String>| list.iter().map(|text| self.text(text)).collect();
        match answer {
            Ok(mut prediction) => {
                prediction.facts = self.value(prediction.facts);
                prediction.outputs = self.value(prediction.outputs);
                prediction.refusals = texts(prediction.refusals);
                prediction.notes = texts(prediction.notes);
                for change in &mut prediction.changes {
                    change.what = self.text(&change.what);
                    change.before = change.before.as_deref().map(|text| self.text(text));
                    change.after = change.after.as_deref().map(|text| self.text(text));
                }
                Ok(prediction)
            }
            Err(ActionError::Unreachable(why)) => Err(ActionError::Unreachable(self.text(&why))),
            Err(ActionError::Invalid(why)) => Err(ActionError::Invalid(self.text(&why))),
        }
    }

    fn context(&self, context: Context) -> Context {
        if self.secrets.is_empty() {
            return context;
        }
        let masked = Masked { mask: self.clone(), to: context.output, held: Mutex::default() };
        Context { output: Arc::new(move |stderr, bytes| masked.take(stderr, bytes)), ..context }
    }
}

/// Live output on its way to whoever watches. A secret may come in two pieces: what could be the beginning of one is held
/// until it is told from one, or until the action has ended.
struct Masked {
    mask: Mask,
    to: OutputSink,
    held: Mutex<[Vec<u8>; 2]>,
}

impl Masked {
    fn take(&self, stderr: bool, bytes: &[u8]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = &mut held[usize::from(stderr)];
        held.extend_from_slice(bytes);
        let clean = self.replace(held);
        let open = self.open_end(&clean);
        let whole = clean.len() - open;
        if let (Some(ready), Some(rest)) = (clean.get(..whole), clean.get(whole..)) {
            if !ready.is_empty() {
                (self.to)(stderr, ready);
            }
            *held = rest.to_vec();
        }
    }

    fn replace(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            match self.mask.secrets.iter().find(|secret| rest.starts_with(secret.as_bytes())) {
                Some(secret) => {
                    clean.extend_from_slice(MASK.as_bytes());
                    rest = rest.get(secret.len()..).unwrap_or_default();
                }
                None => {
                    clean.push(*first);
                    rest = rest.get(1..).unwrap_or_default();
                }
            }
        }
        clean
    }

    /// How many bytes at the end may be the beginning of a secret.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let begins = |secret: &str| {
            let most = bytes.len().min(secret.len().saturating_sub(1));
            (1..=most).rev().find(|length| bytes.ends_with(secret.as_bytes().get(..*length).unwrap_or_default()))
        };
        self.mask.secrets.iter().filter_map(|secret| begins(secret)).max().unwrap_or(0)
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        let held = self.held.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (stderr, rest) in [false, true].into_iter().zip(held) {
            if !rest.is_empty() {
                (self.to)(stderr, rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(secrets: &[&str]) -> Mask {
        let mut mask = Mask::default();
        secrets.iter().for_each(|secret| mask.add(secret));
        mask
    }

    /// What comes out of pieces that go in.
    fn streamed(secrets: &[&str], pieces: &[&str]) -> String {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let to: OutputSink = Arc::new(move |_, bytes| sink.lock().unwrap().extend_from_slice(bytes));
        let masked = Masked { mask: mask(secrets), to, held: Mutex::default() };
        pieces.iter().for_each(|piece| masked.take(false, piece.as_bytes()));
        drop(masked);
        String::from_utf8(seen.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_secret_is_taken_out_wherever_the_pieces_are_cut() {
        let text = "a canary-1 b canary-12 canary-1";
        for cut in 0..text.len() {
            let (one, other) = text.split_at(cut);
            assert_eq!(streamed(&["canary-1"], &[one, other]), "a *** b ***2 ***", "{cut}");
        }
        let letters: Vec<String> = text.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(streamed(&["canary-1"], &letters), "a *** b ***2 ***");
        assert_eq!(streamed(&["canary-1"], &["ends with cana"]), "ends with cana");
    }

    #[test]
    fn the_longer_of_two_secrets_goes_first_and_lines_count() {
        assert_eq!(mask(&["swordfish", "swordfish-2"]).text("swordfish-2 swordfish"), "*** ***");
        let key = "-----BEGIN KEY-----\nMIIabcdefg\n-----END KEY-----\n";
        assert_eq!(mask(&[key]).text("it printed MIIabcdefg alone"), "it printed *** alone");
        assert_eq!(mask(&["say \"it\""]).text(r#"{"x":"say \"it\""}"#), r#"{"x":"***"}"#);
        assert_eq!(mask(&["abc"]).text("abc"), "abc", "too short to be taken out");
    }

    #[test]
    fn every_part_of_what_an_action_says_is_masked() {
        let stdout = Stream { text: "canary\n".to_owned(), bytes: 7, sha256: "abc".to_owned(), truncated: false };
        let output = CommandOutput { stdout, ..CommandOutput::default() };
        let outputs = serde_json::json!({"stdout": "canary", "list": [{"canary": "x canary"}], "n": 1});
        let report = mask(&["canary"]).report(Report::failed("no canary").with_output(output).with_outputs(outputs));
        let text = serde_json::to_string(&report).unwrap();
        assert!(!text.contains("canary") && text.contains("no ***") && !text.contains("abc"), "{text}");
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
}
