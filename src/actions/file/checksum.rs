//! `file.checksum`: whether the files below a folder are those that a manifest names, byte for byte. It reads, here or on a
//! host, follows no link, and tells nothing of what stands in a file.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::{path, text};
use crate::actions::command::{Command, CommandError, Work, look};
use crate::actions::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown};

/// How long a plan lets the host read; what is larger is read by the run alone.
const LOOK: Duration = Duration::from_secs(10);

/// `file.checksum`.
#[derive(Debug, Clone, Copy)]
pub struct Checksum;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let names = |name, what| FieldSpec::required(name, Type::List(Box::new(Type::String)), what);
    ActionSpec {
        name: "file.checksum",
        summary: "Holds the files below a folder to a manifest of SHA-256 checksums.",
        details: "The manifest is what `sha256sum` writes (`find . -type f … -exec sha256sum {} +`), and lies in the folder; names \
            with line ends and backslashes are read as it writes them. Every file below the folder is read but the manifest \
            itself, and a line that names that one counts for nothing. Damaged are those with another checksum, missing those that are not there, extra those that the manifest \
            does not name, odd what is neither file nor folder (a link is never followed). Any of them fails the step; extra \
            ones do not with `allow_extra`. A line that leads out of the folder fails it as well.\n\nWhoever can write both \
            the files and the manifest can make them fit: `manifest_sha256` is the manifest's own checksum, kept elsewhere.\n\n\
            `backup` takes host, folder and manifest from the inventory's backup of that name.",
        inputs: vec![
            FieldSpec::optional("backup", Type::Reference("backup".into()), "the backup of the inventory; else `path`"),
            FieldSpec::optional(
                "host",
                Type::Reference("host".into()),
                "the host that the folder is on; this one where absent",
            ),
            FieldSpec::optional("path", Type::String, "the whole path of the folder"),
            FieldSpec::optional("manifest", Type::String, "the manifest's path in the folder; SHA256SUMS where absent"),
            FieldSpec::optional(
                "manifest_sha256",
                Type::String,
                "what the manifest's own checksum has to be, if that is known",
            ),
            FieldSpec::optional(
                "allow_extra",
                Type::Boolean,
                "files that the manifest does not name are told, and no failure",
            )
            .or(json!(false)),
            FieldSpec::optional("become", Type::Identifier, "the user to become there, with `sudo -n`"),
        ],
        outputs: vec![
            FieldSpec::required("good", Type::Integer, "how many files are as the manifest says"),
            FieldSpec::required("named", Type::Integer, "how many it names"),
            names("damaged", "files with another checksum, the first 20"),
            names("missing", "files that are not there, the first 20"),
            names("extra", "files that it does not name, the first 20"),
            names("odd", "what is neither file nor folder, the first 20"),
            FieldSpec::required("manifest_sha256", Type::String, "the manifest's own checksum"),
        ],
        facts: vec![
            FieldSpec::optional("good", Type::Integer, "how many files are as the manifest says, now"),
            FieldSpec::optional("named", Type::Integer, "how many it names, now"),
        ],
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "Everything, where the files can be read within 10 s: they are. Else only that nothing else stood against it so far.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 1800.0,
        open_inputs: false,
    }
});

/// What is checked.
#[derive(Debug)]
struct Ask {
    host: Option<String>,
    folder: String,
    manifest: String,
    become_user: Option<String>,
    pinned: Option<String>,
    allow_extra: bool,
}

impl Ask {
    fn read(context: &Context, arguments: &Value) -> Result<Self, String> {
        let backup = match text(arguments, "backup") {
            Some(name) => Some(context.inventory.backup(name).map_err(|error| error.to_string())?),
            None => None,
        };
        let folder = match (&backup, text(arguments, "path")) {
            (Some(_), Some(_)) => return Err("both `backup` and `path` are given: one of them says where".to_owned()),
            (Some(backup), None) => backup.path.display().to_string(),
            (None, Some(folder)) => folder.to_owned(),
            (None, None) => return Err("neither `backup` nor `path` is given: one of them says where".to_owned()),
        };
        let manifest = text(arguments, "manifest").or_else(|| backup.map(|backup| &*backup.manifest));
        let manifest = manifest.unwrap_or("SHA256SUMS").to_owned();
        // Held to what a whole path may be: nothing in it leads elsewhere.
        path("manifest", &format!("/{manifest}"))
            .map_err(|_| format!("`manifest` is a path in the folder, and is {manifest:?}"))?;
        let pinned = text(arguments, "manifest_sha256").filter(|pinned| !pinned.is_empty()).map(str::to_lowercase);
        if pinned
            .as_ref()
            .is_some_and(|pinned| pinned.len() != 64 || !pinned.bytes().all(|byte| byte.is_ascii_hexdigit()))
        {
            return Err("`manifest_sha256` is a SHA-256 checksum: 64 hexadecimal digits".to_owned());
        }
        Ok(Self {
            host: backup.map_or_else(|| text(arguments, "host").map(str::to_owned), |backup| backup.host.clone()),
            folder: path("path", folder.trim_end_matches('/'))?.to_owned(),
            manifest,
            become_user: text(arguments, "become").map(str::to_owned),
            pinned,
            allow_extra: arguments.get("allow_extra") == Some(&Value::Bool(true)),
        })
    }

    fn place(&self) -> String {
        match &self.host {
            Some(host) => format!("{} on {host}", self.folder),
            None => self.folder.clone(),
        }
    }

    /// Reads all files. Nothing where that is not over within `limit`.
    async fn check(&self, context: &Context, limit: Duration) -> Result<Option<Seen>, ActionError> {
        let command = Command {
            host: self.host.clone(),
            work: Work::Script(include_str!("checksum.sh").to_owned()),
            environment: vec![
                ("PLAYBOOK_FOLDER".to_owned(), self.folder.clone()),
                ("PLAYBOOK_MANIFEST".to_owned(), self.manifest.clone()),
            ],
            shell: None,
            become_user: self.become_user.clone(),
        };
        let ended = look(&context.quiet(), &command, limit).await.map_err(|error| match error {
            CommandError::Invalid(why) => ActionError::Invalid(why),
            CommandError::Unreachable(why) | CommandError::Lost(why) => ActionError::Unreachable(why),
        })?;
        if ended.timed_out {
            return Ok(None);
        }
        Seen::of(&ended.output.stdout.text)
            .map(Some)
            .map_err(|why| ActionError::Invalid(format!("{}: {why}", self.place())))
    }

    /// What is wrong, in a sentence; nothing where all is as it has to be.
    fn problem(&self, seen: &Seen) -> Option<String> {
        if let Some(pinned) = self.pinned.as_ref().filter(|pinned| **pinned != seen.manifest) {
            return Some(format!(
                "the manifest {} itself is another one: its checksum is {}, not {pinned}; what it says of the files counts for \
                 nothing",
                self.manifest, seen.manifest
            ));
        }
        let mut wrong = Vec::new();
        for (kind, one, several) in [
            ("bad", "line of the manifest cannot be taken", "lines of the manifest cannot be taken"),
            ("damaged", "file is damaged", "files are damaged"),
            ("missing", "file is missing", "files are missing"),
            ("unreadable", "file cannot be read", "files cannot be read"),
            (
                "odd",
                "is no file (a link, a socket, …), and not followed",
                "are no files (links, sockets, …), and not followed",
            ),
            ("extra", "file is not in the manifest", "files are not in the manifest"),
        ] {
            if (kind == "extra" && self.allow_extra) || seen.count(kind) == 0 {
                continue;
            }
            let (count, names) = (seen.count(kind), seen.names(kind));
            let more = count.saturating_sub(names.len());
            let more = if more == 0 { String::new() } else { format!(", and {more} more") };
            let what = if count == 1 { one } else { several };
            wrong.push(format!("{count} {what}: {}{more}", names.join(", ")));
        }
        if seen.names("missing").iter().any(|name| name.ends_with("\\r")) {
            wrong.push(format!(
                "lines of the manifest end as Windows ends them (CRLF), which \\r stands for: bring it over once more as it \
                 was made, or take them out with sed 's/\\r$//' {}",
                self.manifest
            ));
        }
        if wrong.is_empty() && seen.named == 0 {
            wrong.push(format!("the manifest {} names no file at all", self.manifest));
        }
        (!wrong.is_empty()).then(|| {
            format!(
                "{}; {} of {} named {} whole",
                wrong.join("; "),
                seen.good,
                seen.named,
                if seen.named == 1 { "file is" } else { "files are" }
            )
        })
    }
}

/// That nothing is wrong.
fn whole(seen: &Seen, place: &str) -> String {
    match seen.named {
        1 => format!("the one file in {place} is whole"),
        several => format!("all {several} files in {place} are whole"),
    }
}

/// What the script found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    manifest: String,
    named: usize,
    good: usize,
    findings: Vec<(String, String)>,
    counts: Vec<(String, usize)>,
}

impl Seen {
    fn of(text: &str) -> Result<Self, String> {
        let mut seen = Self::default();
        let mut ended = false;
        for line in text.lines() {
            let (kind, rest) = line.split_once('\t').unwrap_or((line, ""));
            match kind {
                "stop" => return Err(rest.to_owned()),
                "manifest" => seen.manifest = rest.to_owned(),
                "named" => seen.named = rest.parse().unwrap_or(0),
                "good" => seen.good = rest.parse().unwrap_or(0),
                "count" => {
                    let (kind, count) = rest.split_once('\t').unwrap_or((rest, "0"));
                    seen.counts.push((kind.to_owned(), count.parse().unwrap_or(usize::MAX)));
                }
                "end" => ended = true,
                _ => seen.findings.push((kind.to_owned(), rest.to_owned())),
            }
        }
        // Half an answer would leave out what is wrong.
        if ended && seen.manifest.len() == 64 {
            Ok(seen)
        } else {
            Err("the files could not be read to the end".to_owned())
        }
    }

    fn names(&self, kind: &str) -> Vec<String> {
        self.findings.iter().filter(|(of, _)| of == kind).map(|(_, name)| name.clone()).collect()
    }

    fn count(&self, kind: &str) -> usize {
        self.counts.iter().find(|(of, _)| of == kind).map_or(0, |(_, count)| *count)
    }

    fn outputs(&self) -> Value {
        json!({
            "good": self.good, "named": self.named, "damaged": self.names("damaged"), "missing": self.names("missing"),
            "extra": self.names("extra"), "odd": self.names("odd"), "manifest_sha256": self.manifest,
        })
    }
}

#[async_trait]
impl Action for Checksum {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        use crate::actions::by_hand::{comment, on_host, value, word};
        let backup = text(arguments, "backup").and_then(|name| inventory.backups.get(name));
        let host = backup.map_or_else(|| text(arguments, "host"), |backup| backup.host.as_deref());
        let folder = backup.map_or_else(|| value(arguments, "path"), |backup| backup.path.display().to_string());
        let manifest =
            text(arguments, "manifest").or_else(|| backup.map(|backup| &*backup.manifest)).unwrap_or("SHA256SUMS");
        let line = format!("cd {} && sha256sum --check --strict --quiet {}", word(&folder), word(manifest));
        vec![
            on_host(inventory, host, &line),
            comment("good: it prints nothing; and no file beside those of the manifest"),
        ]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if contains_unknown(arguments) {
            return Ok(Prediction::unknown("which files is not known yet"));
        }
        let ask = Ask::read(context, arguments).map_err(ActionError::Invalid)?;
        let Some(seen) = ask.check(context, LOOK).await? else {
            return Ok(Prediction::unknown(format!(
                "{} cannot be read within {} s: the run does",
                ask.place(),
                LOOK.as_secs()
            )));
        };
        let mut prediction = Prediction::probed(json!({ "good": seen.good, "named": seen.named }));
        prediction.outputs = seen.outputs();
        prediction.refusals.extend(ask.problem(&seen).map(|why| format!("{}: {why}", ask.place())));
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let ask = match Ask::read(context, &call.arguments) {
            Ok(ask) => ask,
            Err(why) => return Report::no_effect(why),
        };
        match ask.check(context, call.timeout).await {
            Ok(Some(seen)) => match ask.problem(&seen) {
                None => Report::done(whole(&seen, &ask.place()), seen.outputs()),
                Some(why) => Report::failed(format!("{}: {why}", ask.place())).with_outputs(seen.outputs()),
            },
            Ok(None) => Report::failed(format!("{} could not be read to the end in the step's timeout", ask.place())),
            Err(ActionError::Invalid(why)) => Report::failed(why),
            Err(ActionError::Unreachable(why)) => Report::no_effect(why),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

#[cfg(test)]
#[path = "checksum_tests.rs"]
mod tests;
