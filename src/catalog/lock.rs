//! `playbook.lock`: which nested playbooks were looked at and accepted, by name, version and digest. It lies beside the
//! playbooks that nest them; it is sorted, so that a change of one shows as one line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{begins_with, compare_versions};
use crate::ids::Digest;

/// The name of the file.
pub const FILE: &str = "playbook.lock";

/// The first lines of the file.
const HEAD: &str = "# Written by `playbook lock`: which nested playbooks were looked at. Commit it; a nested playbook whose text \
                    is another\n# one is not run. `playbook lock` accepts what is there now, `playbook lock --check` is for CI.\n";

/// One nested playbook that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its name.
    pub name: String,
    /// Its version, whole.
    pub version: String,
    /// The digest of its text.
    pub digest: Digest,
}

/// A lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The file that it was read from; empty for one that was not.
    pub path: PathBuf,
    /// What it pins.
    pub pins: BTreeSet<Pin>,
}

/// A lock that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} cannot be read: {reason}")]
pub struct LockError {
    /// The file.
    pub path: String,
    /// Why.
    pub reason: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    playbooks: Vec<Pin>,
}

impl Lock {
    /// The lock of a folder; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Option<Self>, LockError> {
        let path = folder.join(FILE);
        let fault = |reason: String| LockError { path: path.display().to_string(), reason };
        // What a link leads to lies outside of the folder, and a pipe would be waited for.
        if path.symlink_metadata().is_ok_and(|data| !data.is_file()) {
            return Err(fault("it is a link or no file; put the lock itself there".to_owned()));
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault(error.to_string())),
        };
        let options = serde_saphyr::options! { strict_booleans: true };
        let read: Text = serde_saphyr::from_str_with_options(&text, options)
            .map_err(|error| fault(error.render_with_options(serde_saphyr::RenderOptions::default())))?;
        Ok(Some(Self { path, pins: read.playbooks.into_iter().collect() }))
    }

    /// The text of the file: the same pins give the same text.
    pub fn text(&self) -> String {
        if self.pins.is_empty() {
            return format!("{HEAD}playbooks: []\n");
        }
        let mut text = format!("{HEAD}playbooks:\n");
        for Pin { name, version, digest } in &self.pins {
            text.push_str(&format!("  - {{ name: {name}, version: \"{version}\", digest: \"{digest}\" }}\n"));
        }
        text
    }

    /// What is pinned of a name for a version that may be only the beginning of one: the newest that fits.
    pub fn pin(&self, name: &str, version: &str) -> Option<&Pin> {
        let fits = self.pins.iter().filter(|pin| pin.name == name && begins_with(&pin.version, version));
        fits.max_by(|one, other| compare_versions(&one.version, &other.version))
    }

    /// The folder that it lies in.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(name: &str, version: &str) -> Pin {
        Pin { name: name.to_owned(), version: version.to_owned(), digest: Digest::of(version.as_bytes()) }
    }

    #[test]
    fn what_is_written_is_read_and_sorted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Lock::of_folder(folder.path()), Ok(None));
        let pins = [pin("switch", "1.10"), pin("copy", "2.0.0"), pin("switch", "1.9.1")].into_iter().collect();
        let lock = Lock { path: folder.path().join(FILE), pins };
        std::fs::write(&lock.path, lock.text()).unwrap();
        assert_eq!(Lock::of_folder(folder.path()), Ok(Some(lock.clone())));
        assert!(lock.text().starts_with("# Written by `playbook lock`"), "{}", lock.text());
        assert!(lock.text().find("copy") < lock.text().find("switch"), "{}", lock.text());
        let empty = Lock { path: lock.path.clone(), ..Lock::default() };
        std::fs::write(&lock.path, empty.text()).unwrap();
        assert_eq!(Lock::of_folder(folder.path()), Ok(Some(empty)));
    }

    #[test]
    fn the_newest_that_fits_is_pinned() {
        let lock = Lock { pins: [pin("a", "1.9.1"), pin("a", "1.10"), pin("b", "3")].into(), ..Lock::default() };
        let version = |name, version| lock.pin(name, version).map(|pin| pin.version.as_str());
        assert_eq!(version("a", "1"), Some("1.10"));
        assert_eq!(version("a", "1.9"), Some("1.9.1"));
        assert_eq!(version("a", "2"), None);
        assert_eq!(version("c", "1"), None);
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["playbooks: [{ name: a }]", "pins: []", "playbooks: [{ name: a, version: \"1\", digest: md5:1 }]"]
        {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(Lock::of_folder(folder.path()).is_err(), "{text}");
        }
    }
}
