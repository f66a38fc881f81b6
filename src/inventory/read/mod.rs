//! From files, folders and programs to one inventory: our YAML, Ansible's INI and YAML, a configuration of ssh, and what a program
//! prints. Whatever cannot be taken over is said in a note, and a host that cannot be reached in the way that its file asks for is
//! refused when it is used. Nothing here talks to a host.

mod ansible;
#[cfg(test)]
mod ansible_tests;
mod assemble;
mod draft;
mod files;
mod ini;
mod options;
mod python;
mod ranges;
pub(super) mod reach;
mod script;
#[cfg(test)]
mod script_tests;
mod shell;
mod ssh_config;
mod ssh_lines;
#[cfg(test)]
mod tests;
mod ways;
mod yaml;

use std::collections::HashMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Inventory, InventoryError, load};
use crate::value::Reference;
use draft::Draft;

/// Whose variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A host's.
    Host,
    /// A group's.
    Group,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Group => "group",
        })
    }
}

/// Something that an inventory says and that is not, or not quite, done here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What it is about: `host web1`, `group web`, or a file.
    pub about: String,
    /// What has to be known.
    pub text: String,
}

/// Where something was read.
#[derive(Debug)]
pub struct Source {
    /// The file or the program, as it was named.
    pub name: String,
    /// The folder that paths in it count from.
    folder: PathBuf,
    /// Whether a program printed it.
    untrusted: bool,
}

impl Source {
    fn file(path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        Self { name: path.display().to_string(), folder, untrusted: false }
    }
}

/// Which file said each variable.
pub type Said = HashMap<(Whose, String, String), Arc<Source>>;

/// What was read.
#[derive(Debug)]
pub struct Read {
    /// The inventory.
    pub inventory: Inventory,
    /// What has to be known about it.
    pub notes: Vec<Note>,
    /// The files and programs that it comes from.
    pub sources: Vec<String>,
    said: Said,
}

impl Read {
    /// The file in which a variable of a host or a group stands.
    pub fn source(&self, whose: Whose, owner: &str, name: &str) -> Option<&str> {
        let said = self.said.get(&(whose, owner.to_owned(), name.to_owned())).map(|source| source.name.as_str());
        said.or(match &self.sources[..] {
            [only] => Some(only),
            _ => None,
        })
    }
}

/// Whether an inventory has to name its environment: one that only looks need not know how careful to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// It is acted on.
    Needed,
    /// It is only looked at.
    Open,
}

/// What is read by now.
#[derive(Default)]
struct Gathered {
    ours: Vec<(Arc<Source>, Inventory)>,
    ssh: Vec<(Arc<Source>, ssh_config::SshConfig)>,
    draft: Draft,
    sources: Vec<String>,
    /// How many hosts came before, for their order.
    place: usize,
}

/// Reads an inventory from one or several files, folders and programs (`exec:COMMAND`).
///
/// # Errors
/// When one of them cannot be read, or they do not fit together: all problems, each with its place.
pub fn read(paths: &[PathBuf], environment: Environment) -> Result<Read, InventoryError> {
    let mut gathered = Gathered::default();
    for path in paths {
        gathered.source(path)?;
    }
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    assemble::assemble(gathered, &names.join(", "), environment)
}

impl Gathered {
    fn source(&mut self, path: &Path) -> Result<(), InventoryError> {
        if let Some(command) = path.to_str().filter(|text| text.starts_with("exec:")) {
            let words = match Reference::parse(command) {
                Ok(Reference::Program(words)) => words,
                Ok(_) => return Err(invalid(path, "it is no command")),
                Err(why) => return Err(invalid(path, why)),
            };
            return self.program(path, &words);
        }
        if path.is_dir() {
            self.folder(path)?;
            return self.beside(path, path);
        }
        if self.file(path)? {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            self.beside(path, folder)?;
        }
        Ok(())
    }

    fn beside(&mut self, path: &Path, folder: &Path) -> Result<(), InventoryError> {
        ansible::beside(folder, &mut self.draft).map_err(|why| invalid(path, &why))
    }

    fn folder(&mut self, folder: &Path) -> Result<(), InventoryError> {
        let mut left_out = Vec::new();
        let files = in_folder(folder, &mut left_out)?;
        for path in left_out.iter().filter(|path| path.extension().is_some_and(|end| end == "ini" || end == "cfg")) {
            let text = "it is left out, as Ansible leaves out such files in a folder: rename it, or name it by itself";
            self.draft.note(path.display().to_string(), text);
        }
        files.iter().try_for_each(|path| self.file(path).map(|_| ()))
    }

    /// Reads a file, and says whether it is one beside which `group_vars/` are looked for.
    fn file(&mut self, path: &Path) -> Result<bool, InventoryError> {
        let (text, is_program) = text(path)?;
        if is_program {
            let program = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            self.program(path, &[program.display().to_string()])?;
            return Ok(true);
        }
        let source = Arc::new(Source::file(path));
        self.sources.push(source.name.clone());
        self.draft.place = self.place;
        let kind = kind(path, &text);
        let done = match &kind {
            Kind::Ours => {
                let inventory = load::file(path, &text)?;
                let from = self.draft.place;
                self.draft.place += inventory.hosts.len();
                let moved = inventory.hosts.into_iter().map(|(name, mut host)| {
                    host.place += from;
                    (name, host)
                });
                let hosts = moved.collect();
                self.ours.push((source, Inventory { hosts, ..inventory }));
                Ok(())
            }
            Kind::Ansible(read) => {
                ansible::note_doubled(read, &source, &mut self.draft);
                ansible::read(&read.value, &source, &mut self.draft)
            }
            Kind::Ini => ini::read(&text, &source, &mut self.draft),
            Kind::SshConfig => ssh_config::read(&text).map(|config| {
                for note in &config.notes {
                    self.draft.note(source.name.clone(), note.clone());
                }
                self.ssh.push((source, config));
            }),
        };
        done.map_err(|why| invalid(path, &why))?;
        self.place = self.draft.place;
        Ok(matches!(kind, Kind::Ansible(_) | Kind::Ini))
    }

    fn program(&mut self, path: &Path, words: &[String]) -> Result<(), InventoryError> {
        let folder = match words.first() {
            Some(program) if program.contains('/') => Source::file(Path::new(program)).folder,
            _ => std::env::current_dir().unwrap_or_default(),
        };
        let source = Arc::new(Source { name: path.display().to_string(), folder, untrusted: true });
        self.sources.push(source.name.clone());
        script::read(words, &source, &mut self.draft).map_err(|why| invalid(path, &why))
    }
}

/// The files of a folder and of those in it that are read, in order; and what is left out by its ending.
///
/// # Errors
/// When one of them cannot be read, or they lie too deep.
pub(super) fn in_folder(folder: &Path, left_out: &mut Vec<PathBuf>) -> Result<Vec<PathBuf>, InventoryError> {
    // Ansible's own list.
    const LEFT_OUT: [&str; 13] =
        [".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".ini", ".cfg", ".retry"];
    fn walk(
        folder: &Path,
        depth: usize,
        (found, left_out): (&mut Vec<PathBuf>, &mut Vec<PathBuf>),
    ) -> Result<(), InventoryError> {
        if depth > 8 {
            return Err(invalid(folder, "its folders lie too deep"));
        }
        for path in files::sorted(folder).map_err(|why| invalid(folder, &why))? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.is_empty() || name.starts_with('.') || ["group_vars", "host_vars", "vars_plugins"].contains(&name) {
                continue;
            }
            if LEFT_OUT.iter().any(|end| name.ends_with(end)) {
                left_out.push(path);
            } else if path.is_dir() {
                walk(&path, depth + 1, (&mut *found, &mut *left_out))?;
            } else {
                found.push(path);
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, 0, (&mut found, left_out))?;
    Ok(found)
}

/// The text of a file, and whether it is a program, which is run for what it prints.
fn text(path: &Path) -> Result<(String, bool), InventoryError> {
    let found =
        std::fs::metadata(path).map_err(|source| InventoryError::Unreadable { path: path.to_owned(), source })?;
    let text = files::text(path).map_err(|why| invalid(path, &why))?;
    let is_program = found.permissions().mode() & 0o111 != 0 && text.starts_with("#!");
    Ok((text, is_program))
}

/// The text of a file of our own form that holds a word; nothing for a program, or a file of another form.
///
/// # Errors
/// When it cannot be read.
pub(super) fn ours_with(path: &Path, word: &str) -> Result<Option<String>, InventoryError> {
    let (text, is_program) = text(path)?;
    // Most do not hold it, and are not read twice.
    let is_it = !is_program && text.contains(word) && matches!(kind(path, &text), Kind::Ours);
    Ok(is_it.then_some(text))
}

fn invalid(path: &Path, why: &str) -> InventoryError {
    InventoryError::Invalid { path: path.to_owned(), rendered: format!("  {why}") }
}

/// What a file is.
enum Kind {
    Ours,
    Ansible(yaml::Read),
    Ini,
    SshConfig,
}

/// What a file is, by its name, else by how it begins.
fn kind(path: &Path, text: &str) -> Kind {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    let is_yaml = ["yaml", "yml", "json"].contains(&end.as_str());
    if !is_yaml && ssh_config::is_one(text) {
        return Kind::SshConfig;
    }
    if end == "ini" || end == "cfg" || !(is_yaml || begins_as_yaml(text)) {
        return Kind::Ini;
    }
    // Ours names its environment; a file that does not is looked at twice.
    if text.lines().any(|line| line.starts_with("environment:")) {
        return Kind::Ours;
    }
    match yaml::read(text) {
        Ok(read) if ansible::is_one(&read.value) => Kind::Ansible(read),
        _ => Kind::Ours,
    }
}

/// Whether a text without a telling name is YAML: a mapping, not sections and lines of hosts.
fn begins_as_yaml(text: &str) -> bool {
    let meaningful = |line: &&str| !line.is_empty() && !line.starts_with(['#', ';']);
    let Some(line) = text.lines().map(str::trim_end).find(meaningful) else { return true };
    let key = line.split_once(':').is_some_and(|(key, rest)| {
        !key.is_empty()
            && !key.contains(['=', '[', ']'])
            && !key.trim().contains(' ')
            && (rest.is_empty() || rest.starts_with(' '))
    });
    key || line.starts_with(['{', '-', '%', '\u{0}']) || line == "---"
}
