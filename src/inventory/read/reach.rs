//! From the variables of a host, as Ansible knows them, to how it is reached. What cannot be done the same way here is said and the
//! host refused when it is used; a password in clear text is never taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ways::Asked;
use super::{Whose, options, yaml};
use crate::inventory::{SecretRef, Variables, group};
use crate::value::{REFERENCE_FORMS, Reference, Value};

/// A variable of a host: its value, and who says it.
pub(super) struct Heard<'i> {
    pub(super) value: &'i Value,
    pub(super) whose: Whose,
    pub(super) owner: &'i str,
    /// The folder that paths count from.
    pub(super) folder: &'i Path,
    /// Whether a program said it.
    pub(super) untrusted: bool,
}

/// Variables that hold a secret: none of them is ever kept as a value.
const SECRET: [&str; 12] = [
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_become_pass",
    "ansible_become_password",
    "ansible_sudo_pass",
    "ansible_su_pass",
    "ansible_ssh_private_key",
    "ansible_ssh_private_key_passphrase",
    "ansible_private_key_passphrase",
    "ansible_paramiko_password",
    "ansible_httpapi_pass",
];

/// Whether a host of its own says how it is reached.
pub(super) fn is_about_reaching(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "ansible_host",
        "ansible_ssh_host",
        "ansible_port",
        "ansible_ssh_port",
        "ansible_user",
        "ansible_ssh_user",
        "ansible_ssh_private_key_file",
        "ansible_private_key_file",
        "ansible_ssh_common_args",
        "ansible_ssh_extra_args",
        "ansible_ssh_args",
        "ansible_connection",
        "ansible_password",
        "ansible_ssh_pass",
    ];
    WORDS.contains(&name)
}

/// Why a variable is not kept as a value that steps may use and that runs write down, if it is not.
pub(super) fn is_kept_out(name: &str, value: &Value, untrusted: bool) -> Option<&'static str> {
    let text = value.as_str().unwrap_or_default();
    if text.starts_with(yaml::VAULT) {
        return Some("it is encrypted by ansible-vault, which is not opened here, and is left out");
    }
    if SECRET.contains(&name) {
        return match name {
            // It was looked at as a way to log in.
            "ansible_password" | "ansible_ssh_pass" => Some(""),
            _ => Some(
                "a secret in clear text is not taken over: `become:` of a step works with `sudo -n`, which asks for none",
            ),
        };
    }
    if untrusted && Reference::parse(text).is_ok() {
        return Some("it looks like a reference to a secret, which a program may not give, and is left out");
    }
    if !group::is_variable(name) {
        return Some("no template can say such a name, and it is left out");
    }
    group::is_secret(name, value)
        .then_some("by its name it is a secret, and every run writes down the variables of its hosts: it is left out")
}

/// Whether nothing in a value is encrypted.
fn opened(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.starts_with(yaml::VAULT),
        Value::Array(items) => items.iter().all(opened),
        Value::Object(entries) => entries.values().all(opened),
        _ => true,
    }
}

/// How a host is reached, by what its variables say; what has to be said of each is given back with who said it.
pub(super) fn asked(heard: &BTreeMap<&str, Heard<'_>>) -> (Asked, Vec<(String, String)>) {
    let mut reader = Reader { heard, asked: Asked::default(), notes: Vec::new() };
    reader.connection();
    reader.asked.address = reader.text(&["ansible_host", "ansible_ssh_host"]);
    if let Some(port) = reader.text(&["ansible_port", "ansible_ssh_port"]) {
        match port.parse::<u16>() {
            Ok(port) if port > 0 => reader.asked.port = Some(port),
            _ => reader.refuse("ansible_port", "it is no port"),
        }
    }
    reader.asked.user = reader.text(&["ansible_user", "ansible_ssh_user"]);
    reader.asked.identity_file = reader.path(&["ansible_ssh_private_key_file", "ansible_private_key_file"]);
    reader.asked.timeout = reader
        .text(&["ansible_ssh_timeout", "ansible_timeout"])
        .and_then(|text| text.parse::<f64>().ok())
        .filter(|seconds| *seconds > 0.0 && *seconds <= 3600.0);
    reader.password();
    reader.arguments();
    reader.become_user();
    (reader.asked, reader.notes)
}

struct Reader<'h, 'i> {
    heard: &'h BTreeMap<&'i str, Heard<'i>>,
    asked: Asked,
    notes: Vec<(String, String)>,
}

impl<'i> Reader<'_, 'i> {
    fn note(&mut self, name: &str, text: &str) {
        let Some(heard) = self.heard.get(name) else { return };
        self.notes.push((format!("{} {}", heard.whose, heard.owner.escape_debug()), format!("{name}: {text}")));
    }

    fn refuse(&mut self, name: &str, why: &str) {
        self.note(name, why);
        self.asked.refuse(format!("{name}: {why}"));
    }

    /// The first of several names that is said, as a text. A template of Ansible's is none.
    fn text(&mut self, names: &[&'i str]) -> Option<String> {
        let (name, heard) = names.iter().find_map(|name| Some((*name, self.heard.get(name)?)))?;
        let text = match heard.value {
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null => return None,
            _ => {
                self.refuse(name, "it is no text");
                return None;
            }
        };
        if text.contains("{{") || text.contains("{%") {
            self.refuse(name, "it is a template of Ansible's, which is not rendered here: write its value");
            return None;
        }
        if text.starts_with(yaml::VAULT) {
            self.refuse(
                name,
                "it is encrypted by ansible-vault, which is not opened here: write its value, or a reference",
            );
            return None;
        }
        Some(text)
    }

    fn path(&mut self, names: &[&'i str]) -> Option<PathBuf> {
        let text = self.text(names)?;
        let heard = names.iter().find_map(|name| self.heard.get(name))?;
        Some(match (Path::new(&text).strip_prefix("~"), std::env::home_dir()) {
            (Ok(below), Some(home)) => home.join(below),
            _ => heard.folder.join(text),
        })
    }

    fn connection(&mut self) {
        if let Some(connection) = self.text(&["ansible_connection"]) {
            let connection = connection.strip_prefix("ansible.builtin.").unwrap_or(&connection);
            match connection {
                "ssh" | "smart" | "paramiko" | "paramiko_ssh" | "ansible.netcommon.libssh" => {}
                "local" => self.refuse(
                    "ansible_connection",
                    "`local` is this very host: leave `host` out of the step, which then runs here",
                ),
                _ => self.refuse("ansible_connection", "hosts are reached over ssh here, and in no other way"),
            }
        }
        if let Some(shell) = self.text(&["ansible_shell_type"])
            && ["powershell", "cmd"].contains(&shell.as_str())
        {
            self.refuse("ansible_shell_type", "steps need a POSIX shell on their host");
        }
    }

    fn password(&mut self) {
        let names = ["ansible_password", "ansible_ssh_pass"];
        let Some(text) = self.text(&names) else { return };
        let Some((name, heard)) = names.iter().find_map(|name| Some((*name, self.heard.get(name)?))) else { return };
        if heard.untrusted {
            self.refuse(
                name,
                "a program may not give a password, nor a reference to one: write the reference into a file of yours",
            );
        } else if Reference::parse(&text).is_ok() {
            let folder = heard.folder;
            self.asked.password = Some(crate::inventory::load::resolve_reference(folder, &SecretRef(text)));
        } else {
            let relative =
                ["file:", "age:"].iter().any(|kind| text.strip_prefix(kind).is_some_and(|rest| !rest.is_empty()));
            let reference = crate::inventory::load::resolve_reference(heard.folder, &SecretRef(text));
            if relative && Reference::parse(&reference.0).is_ok() {
                self.asked.password = Some(reference);
            } else {
                let why = format!(
                    "a password in clear text is not taken: write a reference in its place ({REFERENCE_FORMS})"
                );
                self.refuse(name, &why);
            }
        }
    }

    fn arguments(&mut self) {
        for name in ["ansible_ssh_extra_args", "ansible_ssh_common_args", "ansible_ssh_args"] {
            let Some(text) = self.text(&[name]) else { continue };
            let Some(heard) = self.heard.get(name) else { continue };
            let mut found = Asked::default();
            options::read(&text, heard.folder, &mut found);
            for note in std::mem::take(&mut found.notes) {
                self.note(name, &note);
            }
            if let Some(why) = found.refused.take() {
                self.refuse(name, &why);
            }
            self.asked = std::mem::take(&mut self.asked).or(found);
        }
    }

    fn become_user(&mut self) {
        let on = |value: &Value| match value {
            Value::Bool(on) => *on,
            Value::String(text) => ["yes", "true", "on", "1"].contains(&text.to_ascii_lowercase().as_str()),
            _ => false,
        };
        if self.heard.get("ansible_become").is_some_and(|heard| on(heard.value)) {
            self.note("ansible_become", "it is not taken over: a step says itself whom it becomes (`become: root`)");
        }
    }
}

/// The variables without those that are kept out; each that is, is said.
pub(super) fn cleaned(vars: &mut Variables, untrusted: impl Fn(&str) -> bool, mut note: impl FnMut(&str, &str)) {
    vars.retain(|name, value| {
        let nested =
            || (!opened(value)).then_some("part of it is encrypted by ansible-vault, so all of it is left out");
        match is_kept_out(name, value, untrusted(name)).or_else(nested) {
            None => true,
            Some("") => false,
            Some(why) => {
                note(name, why);
                false
            }
        }
    });
}
