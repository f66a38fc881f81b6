//! A file at its target, here or on a host: looked at, and handed to one of our scripts. Scripts are fixed texts; every value
//! reaches them through the environment, and what is to stand in the file over standard input.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::{LARGEST, LARGEST_BEFORE, path, text};
use crate::actions::command::{Command, CommandError, Ended, Work, look};
use crate::actions::{ActionError, Context};
use crate::value::Value;

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(12);

/// Where a file is, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: Option<String>,
    pub(super) path: String,
    become_user: Option<String>,
    follow: bool,
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    values: BTreeMap<String, String>,
}

impl Target {
    /// Reads `host`, `path`, `become` and `follow_link`.
    pub(super) fn read(arguments: &Value) -> Result<Self, String> {
        let given = text(arguments, "path").ok_or("`path` is not known yet, or no text")?;
        Ok(Self {
            host: text(arguments, "host").map(str::to_owned),
            path: path("path", given)?.to_owned(),
            become_user: text(arguments, "become").map(str::to_owned),
            follow: arguments.get("follow_link") == Some(&Value::Bool(true)),
        })
    }

    /// The same target with the path that a look found: what a link leads to.
    pub(super) fn at(self, path: &str) -> Self {
        Self { path: path.to_owned(), follow: false, ..self }
    }

    /// Where it is, for a person.
    pub(super) fn place(&self) -> String {
        match &self.host {
            Some(host) => format!("{} on {host}", self.path),
            None => self.path.clone(),
        }
    }

    /// A script of ours with its values, for this target.
    pub(super) fn command(&self, script: &str, values: &[(&str, &str)], input: Option<String>) -> Command {
        let mut environment = vec![
            ("PLAYBOOK_PATH".to_owned(), self.path.clone()),
            ("PLAYBOOK_FOLLOW".to_owned(), if self.follow { "yes" } else { "" }.to_owned()),
        ];
        environment.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let script = script.to_owned();
        let work = match input {
            Some(input) => Work::Fed { script, input },
            None => Work::Script(script),
        };
        let become_user = self.become_user.clone();
        Command { host: self.host.clone(), work, environment, shell: None, become_user }
    }

    /// Looks at the file, and at the one that it is to be taken from.
    pub(super) async fn look(&self, context: &Context, from: Option<&str>) -> Result<Seen, ActionError> {
        let (largest, largest_before) = (LARGEST.to_string(), LARGEST_BEFORE.to_string());
        let values = [
            ("PLAYBOOK_FROM", from.unwrap_or_default()),
            ("PLAYBOOK_LARGEST", &largest),
            ("PLAYBOOK_LARGEST_BEFORE", &largest_before),
        ];
        let command = self.command(include_str!("look.sh"), &values, None);
        let ended = look(&context.quiet(), &command, LOOK).await.map_err(|error| match error {
            CommandError::Invalid(why) => ActionError::Invalid(why),
            CommandError::Unreachable(why) | CommandError::Lost(why) => ActionError::Unreachable(why),
        })?;
        if ended.exit_code == Some(0) {
            return Ok(Seen::of(&ended.output.stdout.text));
        }
        Err(ActionError::Invalid(format!("{} cannot be looked at: {}", self.place(), last_words(&ended))))
    }
}

impl Seen {
    fn of(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let mut values = BTreeMap::new();
        for (name, value) in lines.filter(|(_, value)| !value.is_empty()) {
            values.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        Self { values }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The facts: what the file is, and nothing of what stands in it.
    pub(super) fn facts(&self) -> Value {
        json!({
            "exists": self.get("kind").map(|kind| kind != "absent"),
            "path": self.get("path"),
            "link": self.get("link"),
            "sha256": self.get("sha256"),
            "size": self.number("size"),
            "mode": self.get("mode"),
            "owner": self.get("owner"),
            "owner_ids": self.get("owner_ids"),
            "machine": self.get("machine"),
        })
    }

    /// What stands against a write of `size` bytes, in sentences.
    pub(super) fn problems(&self, target: &Target, size: Option<u64>) -> Vec<String> {
        let place = target.place();
        // Whatever else was printed: a link that is not to be followed is the end of it.
        if let Some(link) = self.get("link").filter(|_| !target.follow) {
            return vec![format!(
                "{place} is a link to {link}: give the path that it leads to, or `follow_link: true` to write there"
            )];
        }
        if let Err(why) = path("path", self.get("path").unwrap_or_default()) {
            return vec![format!("what {place} leads to cannot be written to: {why}")];
        }
        let mut found = Vec::new();
        match self.get("folder") {
            Some("none") => found.push(format!("the folder of {place} does not exist")),
            Some("read-only") => found.push(format!(
                "the folder of {place} lies on a file system that is mounted read-only ({}): nobody can write there until it is \
                 mounted for writing. A disk with errors is made read-only by the system: look at `dmesg` first",
                self.get("mount").unwrap_or("?")
            )),
            Some("closed") => found.push(format!(
                "the user {} may not write into the folder of {place}: log in as another user there, or give `become`",
                self.get("user").unwrap_or("that we are")
            )),
            _ => {}
        }
        if self.get("kind") == Some("other") {
            found.push(format!("{place} is no file: a folder, a device or a socket is not replaced"));
        }
        if let Some(size) = self.number("size").filter(|size| *size > LARGEST_BEFORE) {
            found.push(format!(
                "{place} has {size} bytes, and no file of more than {LARGEST_BEFORE} is replaced: that is data, or something has \
                 filled it. Look at it, and move it away by hand"
            ));
        }
        if let (Some(free), Some(size)) = (self.number("free"), size)
            && free.saturating_mul(1024) < size
        {
            found.push(format!("the disk of {place} has {free} KiB left, and {size} bytes are to be written"));
        }
        found
    }
}

/// What a script said at its end, for a person.
pub(super) fn last_words(ended: &Ended) -> String {
    let said = ended.output.stderr.text.lines().map(str::trim).rfind(|line| !line.is_empty());
    said.map_or_else(|| ended.how(), |line| line.chars().take(600).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target::read(&json!({ "path": "/etc/x", "host": "web1" })).unwrap()
    }

    #[test]
    fn a_look_is_read_and_the_first_word_counts() {
        let seen = Seen::of("kind=file\nsize=12\nmode=640\nsha256=ab\nowner=root:root\nsha256=forged\npath=/etc/x\n");
        assert_eq!(seen.facts()["sha256"], "ab");
        assert_eq!((&seen.facts()["size"], &seen.facts()["exists"]), (&json!(12), &json!(true)));
        assert!(seen.problems(&target(), Some(1)).is_empty());
    }

    #[test]
    fn what_stands_against_a_write_is_said_before_it() {
        for (text, word) in [
            ("link=/etc/y\n", "link to /etc/y"),
            ("path=/etc/x\nfolder=none\nkind=absent\n", "does not exist"),
            ("path=/etc/x\nfolder=closed\nuser=deploy\nkind=file\n", "the user deploy may not"),
            ("path=/etc/x\nfolder=open\nkind=other\n", "no file"),
            ("path=/etc/x\nfolder=open\nkind=file\nfree=1\n", "1 KiB left"),
            ("path=/etc/x\nfolder=read-only\nmount=/etc\nkind=file\n", "mounted read-only (/etc)"),
            ("path=/etc/x\nfolder=open\nkind=file\nsize=3221225472\n", "3221225472 bytes"),
            // What a link leads to must never pass for the path, and no path may be anything else than one.
            ("link=x\npath=/tmp/evil\nfolder=open\nkind=absent\n", "is a link to x"),
            ("path=/tmp/\u{85}evil\nfolder=open\nkind=absent\n", "control character"),
            ("folder=open\nkind=absent\n", "cannot be written to"),
        ] {
            let problems = Seen::of(text).problems(&target(), Some(4000));
            assert!(problems.len() == 1 && problems[0].contains(word), "{problems:?}");
        }
    }
}
