//! Where playbooks lie: folders of YAML files, each with a name and a version in its head. It reads files; it never writes
//! one, never follows a name out of its folders, and a broken file never hides the others.

mod lock;
mod shelf;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Source;
use crate::diagnostic::nearest;
use crate::playbook::{Head, is_playbook_name, read_head};

pub use lock::{FILE as LOCK_FILE, Lock, LockError, Pin};
pub use shelf::Shelf;

/// The largest file that is read, as `document` has it.
const MAX_BYTES: u64 = 1024 * 1024;

/// How deep folders are searched: no farther than anyone sorts playbooks.
const MAX_FOLDERS: usize = 4;

/// The playbooks of some folders.
#[derive(Debug, Clone)]
pub struct Catalog {
    folders: Vec<PathBuf>,
    /// A folder that goes before them; what lies deeper in it is not looked at.
    beside: Option<PathBuf>,
}

/// One playbook, by the head of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name; the file's where it cannot be read.
    pub name: String,
    /// Its version; empty where it cannot be read.
    pub version: String,
    /// What it does, in a line; empty where the file says nothing.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used, where it cannot.
    pub broken: Option<String>,
}

/// Why a playbook is not found or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No file has that name.
    #[error("there is no playbook `{what}`{near}; looked in {folders}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// What it may have meant, as a sentence's middle.
        near: String,
        /// Where it was looked for.
        folders: String,
    },
    /// The name is there, in other versions.
    #[error("there is no version {version} of `{name}`; there are {there}")]
    NoSuchVersion {
        /// The playbook.
        name: String,
        /// The version that was asked for.
        version: String,
        /// The versions that there are, newest first.
        there: String,
    },
    /// Two files say that they are the same version.
    #[error("`{name}` {version} is in two files: {first} and {second}; remove one, or give the path")]
    Ambiguous {
        /// The playbook.
        name: String,
        /// Its version.
        version: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// What was asked for can be no name.
    #[error("`{0}` is neither a file nor a name: a name is lower-case letters, digits, hyphens and underscores")]
    NoName(String),
    /// The file cannot be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// A playbook as it is named, and the version that is asked for behind an `@`.
pub fn named(what: &str) -> (&str, Option<&str>) {
    what.split_once('@').map_or((what, None), |(name, version)| (name, Some(version)))
}

impl Catalog {
    /// A catalog of some folders, the first going before the others.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, beside: None }
    }

    /// The same with what lies beside a file: a folder that nobody called a catalog, so it is not searched any deeper.
    #[must_use]
    pub fn beside(self, folder: PathBuf) -> Self {
        Self { beside: Some(folder), ..self }
    }

    /// All playbooks, by name and then newest first; broken ones with the reason.
    pub fn list(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.files().iter().map(|path| entry_of(path)).collect();
        entries.sort_by(|one, other| {
            one.name.cmp(&other.name).then_with(|| compare_versions(&other.version, &one.version))
        });
        entries
    }

    /// Finds a playbook: a path (with a `/`, or ending in .yaml or .yml), `NAME`, or `NAME@VERSION`, where the version may
    /// be only its beginning; the newest that fits.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub fn find(&self, what: &str) -> Result<Arc<Source>, CatalogError> {
        let is_file = |text: &str| text.ends_with(".yaml") || text.ends_with(".yml");
        if what.contains('/') || (is_file(what) && Path::new(what).exists()) {
            return read(Path::new(what));
        }
        let (name, version) = named(what);
        if !is_playbook_name(name) {
            return Err(CatalogError::NoName(what.to_owned()));
        }
        let entries = self.list();
        let named: Vec<&Entry> = entries.iter().filter(|entry| entry.name == name).collect();
        let usable: Vec<&Entry> = named
            .iter()
            .copied()
            .filter(|entry| version.is_none_or(|version| begins_with(&entry.version, version)))
            .collect();
        let Some(newest) = usable.first() else {
            return Err(match version {
                Some(version) if !named.is_empty() => CatalogError::NoSuchVersion {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    there: named.iter().map(|entry| entry.version.as_str()).collect::<Vec<_>>().join(", "),
                },
                _ => self.not_found(what, name, &entries),
            });
        };
        self.refuse_double(newest, &usable)?;
        read(&newest.path)
    }

    /// Two files of one name and version in one folder: nobody can say which is meant. In a later folder it is hidden.
    fn refuse_double(&self, newest: &Entry, usable: &[&Entry]) -> Result<(), CatalogError> {
        let folder = |entry: &Entry| {
            let all = self.beside.iter().chain(&self.folders);
            all.into_iter().position(|folder| entry.path.starts_with(folder))
        };
        let twin = usable.iter().find(|entry| {
            entry.path != newest.path && entry.version == newest.version && folder(entry) == folder(newest)
        });
        match twin {
            None => Ok(()),
            Some(twin) => Err(CatalogError::Ambiguous {
                name: newest.name.clone(),
                version: newest.version.clone(),
                first: newest.path.display().to_string(),
                second: twin.path.display().to_string(),
            }),
        }
    }

    fn not_found(&self, what: &str, name: &str, entries: &[Entry]) -> CatalogError {
        let names = || entries.iter().map(|entry| entry.name.as_str());
        let near = match nearest(name, names()) {
            Some(near) => format!(" (did you mean `{near}`?)"),
            None if entries.is_empty() => " (there are none)".to_owned(),
            None => {
                let mut all: Vec<&str> = names().take(20).collect();
                all.dedup();
                format!(" (there are {})", all.join(", "))
            }
        };
        let folders = self.beside.iter().filter(|folder| !self.folders.contains(folder)).chain(&self.folders);
        let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
        let folders = if folders.is_empty() { "no folder".to_owned() } else { folders.join(", ") };
        CatalogError::NotFound { what: what.to_owned(), near, folders }
    }

    /// All YAML files, folder by folder, each folder sorted.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if let Some(folder) = &self.beside {
            collect(folder, MAX_FOLDERS, &mut files);
        }
        for folder in &self.folders {
            collect(folder, 0, &mut files);
        }
        files
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(listing) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // What a link leads to lies outside: it is not part of the folder.
        let Ok(kind) = path.symlink_metadata().map(|data| data.file_type()) else { continue };
        if hidden || kind.is_symlink() {
            continue;
        }
        if kind.is_dir() && depth < MAX_FOLDERS {
            collect(&path, depth + 1, files);
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            files.push(path);
        }
    }
}

fn read(path: &Path) -> Result<Arc<Source>, CatalogError> {
    use std::io::Read as _;
    let unreadable = |reason: String| CatalogError::Unreadable { path: path.display().to_string(), reason };
    let kind = path.metadata().map_err(|error| unreadable(error.to_string()))?;
    if !kind.is_file() {
        // A pipe would be waited for, a device would never end.
        return Err(unreadable("it is no file".to_owned()));
    }
    if kind.len() > MAX_BYTES {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        unreadable(format!("byte {} is no UTF-8; save it as UTF-8", error.utf8_error().valid_up_to()))
    })?;
    Ok(Source::new(path.display().to_string(), text))
}

fn entry_of(path: &Path) -> Entry {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = read(path).map_err(|error| (Head::default(), error.to_string()));
    let (head, broken) = match text.and_then(|text| read_head(&text)) {
        Ok(head) => (head, None),
        Err((head, reason)) => (head, Some(reason)),
    };
    Entry {
        name: head.name.unwrap_or(stem),
        version: head.version.unwrap_or_default(),
        title: head.title.unwrap_or_default(),
        path: path.to_owned(),
        broken,
    }
}

/// Whether a version begins with another, number by number: 1.4 fits 1.4.2 and not 1.40.
pub fn begins_with(version: &str, beginning: &str) -> bool {
    let mut numbers = version.split('.');
    beginning.split('.').all(|number| numbers.next() == Some(number))
}

/// Compares versions by their numbers: 1.10 is newer than 1.9, and 1 is 1.0.
fn compare_versions(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        numbers
    };
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests;
