//! Commands to paste: what is printed must work as it stands, in this folder, against this state.

use std::path::Path;

use super::args::Global;
use crate::value::{has_hidden, written_out};

/// What has to follow the word `playbook` so that a printed command means the same as this one.
#[derive(Debug, Clone, Default)]
pub struct Paste {
    flags: String,
    /// The same without the one that says where the journal is.
    elsewhere: String,
    /// The one that says which server is asked.
    server: String,
}

impl Paste {
    /// The flags that were typed; those that came from the environment are still there for the next command.
    pub fn of(global: &Global) -> Self {
        let mut flags = String::new();
        let mut add = |flag: &str, variable: &str, path: &Path| {
            if variable.is_empty() || std::env::var_os(variable).is_none_or(|value| value != path.as_os_str()) {
                flags.push_str(&format!(" {flag} {}", quote(&path.to_string_lossy())));
            }
        };
        if let Some(path) = &global.config {
            add("--config", "", path);
        }
        match &global.inventory[..] {
            [only] => add("--inventory", "PLAYBOOK_INVENTORY", only),
            several => several.iter().for_each(|path| add("--inventory", "", path)),
        }
        if let Some(path) = &global.state {
            add("--state", "PLAYBOOK_STATE", path);
        }
        if std::env::var_os("PLAYBOOK_PATH").is_none() {
            global.playbooks.iter().for_each(|path| add("--playbooks", "", path));
        }
        let said = |server: &String| {
            std::env::var_os("PLAYBOOK_SERVER").is_none_or(|value| value.to_string_lossy() != server.as_str())
        };
        let server =
            global.server.as_ref().filter(|server| said(server)).map(|server| format!(" --server {}", quote(server)));
        let elsewhere = flags.clone();
        let mut add = |path: &Path| {
            if std::env::var_os("PLAYBOOK_JOURNAL").is_none_or(|value| value != path.as_os_str()) {
                flags.push_str(&format!(" --journal {}", quote(&path.to_string_lossy())));
            }
        };
        global.journal.iter().for_each(|path| add(path));
        Self { flags, elsewhere, server: server.unwrap_or_default() }
    }

    /// The same where what was done is on the state itself, whatever server is named.
    #[must_use]
    pub fn without_server(self) -> Self {
        Self { server: format!(" --server {}", super::there::NONE), ..self }
    }

    /// A command: `text` without the word `playbook`.
    pub fn command(&self, text: impl AsRef<str>) -> String {
        format!("playbook{}{} {}", self.server, self.flags, text.as_ref())
    }

    /// The same for a journal that the command names itself.
    pub fn without_journal(&self, text: &str) -> String {
        format!("playbook{}{} {text}", self.server, self.elsewhere)
    }

    /// A hint: where it begins with `playbook` it is a command.
    pub fn hint(&self, text: &str) -> String {
        text.strip_prefix("playbook ").map_or_else(|| text.to_owned(), |rest| self.command(rest))
    }
}

/// A word as a shell reads it back.
pub fn quote(word: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    // A line shows such a character in another way than a shell would read it.
    if has_hidden(word) {
        return written_out(word);
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them_differently() {
        assert_eq!(quote("a/b-c.yaml"), "a/b-c.yaml");
        assert_eq!(quote("mode=un planned"), "'mode=un planned'");
        assert_eq!(quote("it's"), r"'it'\''s'");
        assert_eq!(quote(""), "''");
        assert_eq!(quote("$(x)"), "'$(x)'");
        assert_eq!(quote("a\nb\x1b\u{202e}"), r"$'a\nb\033\342\200\256'");
    }

    #[test]
    fn only_commands_get_the_flags() {
        let paste = Paste { flags: " --state s".to_owned(), server: String::new(), elsewhere: String::new() };
        assert_eq!(paste.hint("playbook status x"), "playbook --state s status x");
        assert_eq!(paste.hint("look at the disk"), "look at the disk");
    }
}
