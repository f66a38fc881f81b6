//! `file.write`: one file put in another one's place, whole or not at all, and put back by its undo.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::source::{Source, Wanted, told};
use super::target::{Seen, Target, last_words};
use super::text;
use crate::actions::command::{Command, CommandError, Ended, Recalled, change, recall};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// With this code our script says that it certainly changed nothing.
const NOTHING: i32 = 90;

const WRITE: &str = concat!(include_str!("parts.sh"), include_str!("write.sh"));
const UNDO: &str = concat!(include_str!("parts.sh"), include_str!("undo.sh"));

/// `file.write`.
#[derive(Debug, Clone, Copy)]
pub struct Write;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "file.write",
    summary: "Puts a file in the place of another one, whole or not at all.",
    details: "Exactly one of `content`, `source` and `from` says what is to stand in it. It is written in a private folder \
        beside the file (`.NAME.playbook-new.…`, another one for each attempt), made durable, compared by its SHA-256 and \
        renamed over the file, so that whoever opens that finds the old one or the new one and never a part. Owner and mode \
        stay unless others are given; a new file gets mode 600. Access lists and extended attributes are not carried \
        over.\n\nThe file that was there stays beside it as `.NAME.playbook-DIGEST`, under a second name of the same file, \
        and is what the undo puts back, with the mode and owner of then. Such files are removed by a later write, 90 days on; \
        where the old content must not stay (a key that leaked), remove it once the run is over.\n\nA file that somebody \
        else changed or made since it was looked at is not replaced, and by the undo it is not touched; a file of more than \
        256 MiB is never replaced. What stands in the files is in no record, no argument of a process and no variable: what \
        is written goes over standard input, and digests, sizes, modes and owners are what is kept. (The digest of a short \
        password can be guessed from: such a file wants a longer one.)",
    inputs: vec![
        FieldSpec::optional(
            "host",
            Type::Reference("host".into()),
            "the host that the file is on; this machine where absent",
        ),
        FieldSpec::required("path", Type::String, "the whole path of the file"),
        FieldSpec::optional("content", Type::String, "what is to stand in it: a text; a secret by its reference"),
        FieldSpec::optional(
            "newline",
            Type::Boolean,
            "`content`: it ends with a newline, also where the text does not",
        )
        .or(json!(true)),
        FieldSpec::optional("source", Type::String, "the whole path of a file on the runner that is to stand there"),
        FieldSpec::optional("from", Type::String, "the whole path of a file at the target that is to stand there"),
        FieldSpec::optional("mode", Type::String, "its mode, such as 0640; that of the file before where absent"),
        FieldSpec::optional("owner", Type::String, "USER or USER:GROUP; that of the file before where absent"),
        FieldSpec::optional(
            "follow_link",
            Type::Boolean,
            "where the path is a link: write to what it leads to. Refused otherwise",
        )
        .or(json!(false)),
        FieldSpec::optional("become", Type::Identifier, "the user to become there, with `sudo -n`"),
    ],
    outputs: vec![
        FieldSpec::required("path", Type::String, "the file"),
        FieldSpec::required("sha256", Type::String, "the SHA-256 of what stands in it now"),
        FieldSpec::optional("previous_sha256", Type::String, "that of what stood there; null where there was no file"),
        FieldSpec::required("changed", Type::Boolean, "whether it is another one than before"),
        FieldSpec::optional("snapshot", Type::String, "where the file from before is kept"),
    ],
    facts: vec![
        FieldSpec::optional(
            "exists",
            Type::Boolean,
            "whether there is a file; null behind a link that is not followed",
        ),
        FieldSpec::optional("path", Type::String, "the file, behind a link that is followed"),
        FieldSpec::optional("link", Type::String, "what the path leads to, if it is a link"),
        FieldSpec::optional("sha256", Type::String, "the SHA-256 of what stands in it"),
        FieldSpec::optional("size", Type::Size, "its bytes"),
        FieldSpec::optional("mode", Type::String, "its mode, such as 640"),
        FieldSpec::optional("owner", Type::String, "its owner, USER:GROUP"),
        FieldSpec::optional("owner_ids", Type::String, "its owner in numbers, UID:GID"),
        FieldSpec::optional("wanted_sha256", Type::String, "the SHA-256 of what is to stand in it"),
        FieldSpec::optional("machine", Type::String, "the machine id of the system that it is on").identity(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The file, its folder, the room on its disk and what is to be written are read and compared; nothing is written.",
    undo: UndoSpec::Restores {
        how: "It puts the file back that was there before (or none), if the one that is there is still ours; else it says so \
            and changes nothing.",
        from_observation: true,
    },
    // Which service or lock a file belongs to, its path does not say. A lock of the file itself could not be written down where
    // host and path come from a step, as locks are taken before there are steps: each attempt writes beside the file under a
    // name of its own instead, and replaces only what it looked at.
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// What a call asks for.
struct Ask {
    target: Target,
    source: Source,
    mode: String,
    owner: String,
}

impl Ask {
    fn read(arguments: &Value) -> Result<Self, String> {
        let mode = text(arguments, "mode").unwrap_or_default();
        let digits = mode.len() <= 4 && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
        if !mode.is_empty() && (mode.len() < 3 || !digits) {
            return Err(format!("`mode` is three or four digits from 0 to 7, such as 0640, and is {mode:?}"));
        }
        let owner = text(arguments, "owner").unwrap_or_default();
        let word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !owner.is_empty() && (!owner.split(':').all(word) || owner.split(':').count() > 2) {
            return Err(format!("`owner` is USER or USER:GROUP, and is {owner:?}"));
        }
        Ok(Self {
            target: Target::read(arguments)?,
            source: Source::read(arguments)?,
            // As `stat` prints it: 0640 is 640, and 000 is 0.
            mode: u32::from_str_radix(mode, 8).map(|mode| format!("{mode:o}")).unwrap_or_default(),
            owner: owner.to_owned(),
        })
    }

    /// Whether the file is another one afterwards: what stands in it, its mode or its owner.
    fn differs(&self, before: &Value, wanted: &Wanted) -> bool {
        let is = |name: &str| before.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (names, ids) = (is("owner"), is("owner_ids"));
        let known = names.split(':').zip(ids.split(':').chain(["", ""]));
        let owner_fits = self.owner.is_empty()
            || self.owner.split(':').zip(known).all(|(given, (name, id))| given == name || given == id);
        is("sha256") != wanted.sha256 || !(self.mode.is_empty() || is("mode") == self.mode) || !owner_fits
    }

    fn command(&self, before: &str, wanted: &str) -> Command {
        let values = [
            ("PLAYBOOK_BEFORE", before),
            ("PLAYBOOK_WANTED", wanted),
            ("PLAYBOOK_MODE", &self.mode),
            ("PLAYBOOK_OWNER", &self.owner),
            ("PLAYBOOK_FROM", self.source.there().unwrap_or_default()),
        ];
        self.target.command(WRITE, &values, Some(self.source.input()))
    }
}

/// What stood there before, as the scripts know it.
fn before_of(facts: &Value) -> Option<&str> {
    match facts.get("exists").and_then(Value::as_bool)? {
        true => text(facts, "sha256"),
        false => Some("absent"),
    }
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// The change for a person: digests, and never what stands in the file.
fn difference(ask: &Ask, facts: &Value, wanted: &Wanted) -> Change {
    let text = |name: &str| facts.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let before = text("sha256");
    let size = facts.get("size").and_then(Value::as_u64).unwrap_or_default();
    let told = |sha: &str, size: u64, mode: &str, owner: &str| {
        format!("sha256 {}…, {size} bytes, mode {mode}, {owner}", short(sha))
    };
    let kept = |given: &str, name: &str, new: &str| match (given.is_empty(), facts.get("exists")) {
        (false, _) => given.to_owned(),
        (true, Some(Value::Bool(true))) => text(name),
        _ => new.to_owned(),
    };
    let (mode, owner) = (kept(&ask.mode, "mode", "600"), kept(&ask.owner, "owner", "ours"));
    Change {
        what: format!("file {}", ask.target.place()),
        before: (before_of(facts) != Some("absent")).then(|| told(&before, size, &text("mode"), &text("owner"))),
        after: Some(told(&wanted.sha256, wanted.size, &mode, &owner)),
    }
}

#[async_trait]
impl Action for Write {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::lines(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if text(arguments, "path").is_none() || arguments.get("host").is_some_and(crate::value::is_unknown) {
            return Ok(Prediction::unknown("which file is not known yet"));
        }
        let ask = Ask::read(arguments).map_err(ActionError::Invalid)?;
        let seen = ask.target.look(context, ask.source.there()).await?;
        let wanted = ask.source.wanted(&seen).map_err(ActionError::Invalid)?;
        let mut facts = seen.facts();
        facts["wanted_sha256"] = told(wanted.as_ref());
        let mut prediction = Prediction::probed(facts);
        prediction.refusals = seen.problems(&ask.target, wanted.as_ref().map(|wanted| wanted.size));
        let Some(wanted) = wanted else {
            prediction.notes.push("what is to stand in it is not known yet".to_owned());
            return Ok(prediction);
        };
        prediction.outputs = outputs(&ask.target, &prediction.facts, &wanted, ask.differs(&prediction.facts, &wanted));
        if ask.differs(&prediction.facts, &wanted) {
            prediction.changes.push(difference(&ask, &prediction.facts, &wanted));
            prediction.notes.push(format!("it is taken from {}", ask.source.whence()));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let ask = match Ask::read(&call.arguments) {
            Ok(ask) => ask,
            Err(why) => return Report::no_effect(why),
        };
        let seen = match ask.target.look(context, ask.source.there()).await {
            Ok(seen) => seen,
            Err(error) => return Report::no_effect(error.to_string()),
        };
        match ask.source.wanted(&seen) {
            Ok(Some(wanted)) => replace(context, call, ask, &seen, &wanted).await,
            Ok(None) => Report::no_effect("what is to stand in the file is not known"),
            Err(why) => Report::no_effect(why),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let cannot = |evidence: String| Finding::CannotTell { evidence };
        let ask = match Ask::read(&call.arguments) {
            Ok(ask) => ask,
            Err(why) => return cannot(why),
        };
        let wait = call.timeout.max(Duration::from_secs(5));
        if let Recalled::StillRunning(evidence) = recall(context, &ask.command("", ""), &key(call), wait).await {
            return Finding::StillRunning { evidence };
        }
        // What was written to, wherever a link leads by now.
        let written = text(&call.before, "path").unwrap_or(&ask.target.path).to_owned();
        let ask = Ask { target: ask.target.at(&written), ..ask };
        let seen = match ask.target.look(context, ask.source.there()).await {
            Ok(seen) => seen,
            Err(error) => return cannot(error.to_string()),
        };
        let facts = seen.facts();
        let Some(is) = before_of(&facts) else {
            return cannot(format!("{} is a link now, or no file that can be read", ask.target.place()));
        };
        let evidence = format!("the sha256 of {} is {}", ask.target.place(), short(is));
        match ask.source.wanted(&seen) {
            Ok(Some(wanted)) if !ask.differs(&facts, &wanted) => {
                let outputs = outputs(&ask.target, &call.before, &wanted, ask.differs(&call.before, &wanted));
                Finding::TookEffect { evidence, outputs }
            }
            _ if before_of(&call.before) == Some(is) => Finding::DidNot { evidence },
            _ => cannot(format!("{evidence}, and neither what was there before nor what was to be written")),
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let Some(before) = before_of(&call.before) else {
            return Report::failed("what stood there before is not recorded: put the file back by hand");
        };
        let ready = Ask::read(&call.arguments);
        let path = text(&call.before, "path");
        let (Ok(ask), Some(path)) = (ready, path) else {
            return Report::failed("it is not recorded which file was written: put it back by hand");
        };
        let target = ask.target.at(path);
        let values = [
            ("PLAYBOOK_BEFORE", before),
            ("PLAYBOOK_WANTED", text(&call.before, "wanted_sha256").unwrap_or("unknown")),
            ("PLAYBOOK_OLD_MODE", text(&call.before, "mode").unwrap_or_default()),
            ("PLAYBOOK_OLD_OWNER", text(&call.before, "owner_ids").unwrap_or_default()),
        ];
        let command = target.command(UNDO, &values, None);
        match change(context, &command, &format!("{}-file", call.attempt), call.timeout, true).await {
            Ok(ended) if ended.exit_code == Some(0) => {
                let what =
                    if before == "absent" { "is gone again".to_owned() } else { format!("is again {}", short(before)) };
                Report::done(format!("{} {what}", target.place()), Value::Null)
            }
            Ok(ended) => Report::failed(last_words(&ended)),
            Err(CommandError::Lost(why)) => Report::unknown(why),
            Err(error) => Report::failed(error.to_string()),
        }
    }
}

/// What the recorder knows the write by.
fn key(call: &Call) -> String {
    format!("{}-file", call.attempt)
}

fn outputs(target: &Target, before: &Value, wanted: &Wanted, changed: bool) -> Value {
    let path = text(before, "path").unwrap_or(&target.path);
    let was = text(before, "sha256");
    let snapshot = was.filter(|_| changed).map(|was| snapshot(path, was));
    json!({ "path": path, "sha256": wanted.sha256, "previous_sha256": was, "changed": changed, "snapshot": snapshot })
}

/// Where the file from before is kept; the scripts name it so too.
fn snapshot(path: &str, sha256: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/.{name}.playbook-{}", sha256.get(..16).unwrap_or(sha256))
}

async fn replace(context: &Context, call: &Call, ask: Ask, seen: &Seen, wanted: &Wanted) -> Report {
    if let Some(problem) = seen.problems(&ask.target, Some(wanted.size)).into_iter().next() {
        return Report::no_effect(problem);
    }
    if text(&call.before, "wanted_sha256").is_some_and(|planned| planned != wanted.sha256) {
        return Report::no_effect(format!(
            "{} changed since this step was looked at: nothing was written. Look at it, and run again",
            ask.source.whence()
        ));
    }
    let (Some(before), Some(path)) = (before_of(&call.before), text(&call.before, "path")) else {
        return Report::no_effect("what is there now could not be looked at: nothing was written");
    };
    if seen.get("path") != Some(path) {
        let leads = seen.get("path").unwrap_or("nowhere");
        return Report::no_effect(format!(
            "{} led to {path} when it was looked at, and leads to {leads} now: nothing was written",
            ask.target.place()
        ));
    }
    let (changed, place) = (ask.differs(&call.before, wanted), ask.target.place());
    let outputs = outputs(&ask.target, &call.before, wanted, changed);
    if !changed && seen.get("sha256") == Some(before) {
        return Report::done(format!("{place} is what it should be already"), outputs);
    }
    let ask = Ask { target: ask.target.at(path), ..ask };
    let ended = change(context, &ask.command(before, &wanted.sha256), &key(call), call.timeout, true).await;
    match ended {
        Ok(ended) if ended.exit_code == Some(0) => {
            let kept = outputs["snapshot"].as_str().map(|path| format!("; the one before is kept as {path}"));
            let sha = short(&wanted.sha256);
            Report::done(format!("{place} is {sha}…, {} bytes{}", wanted.size, kept.unwrap_or_default()), outputs)
        }
        Ok(ended) => ended_badly(&ended),
        Err(CommandError::Unreachable(why) | CommandError::Invalid(why)) => Report::no_effect(why),
        Err(CommandError::Lost(why)) => Report::unknown(why),
    }
}

fn ended_badly(ended: &Ended) -> Report {
    let said = last_words(ended);
    if ended.timed_out {
        // What it says of itself as it is killed is no account of what came before: whoever asks has to look.
        return Report::unknown(format!("it was ended at its timeout, before or after the file was replaced: {said}"));
    }
    if ended.exit_code == Some(NOTHING) { Report::no_effect(said) } else { Report::failed(said) }
}

#[cfg(test)]
#[path = "scripts_tests.rs"]
mod tests;
