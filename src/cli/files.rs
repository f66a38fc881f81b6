//! Files that somebody named, and names that somebody may have meant. It never guesses: what is near is said, and not taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::Source;

use super::exit::Exit;
use super::failure::Failure;

/// A path that was really named: an empty variable names nothing.
pub fn named(path: Option<&Path>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_path_buf)
}

/// That a file is not there, with those that may have been meant.
pub fn no_file(kind: &str, path: &Path) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("there is no {kind} at {}", path.display()))
        .meaning("nothing was started");
    match files_like(path).as_slice() {
        [] => failure,
        near => failure.next(format!("files like it: {}", near.join(", "))),
    }
}

/// The files beside a path that somebody may have meant.
fn files_like(path: &Path) -> Vec<String> {
    let Some(name) = path.file_name() else { return Vec::new() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let names: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let near = nearest(&name.to_string_lossy(), names.iter().map(String::as_str));
    near.into_iter().map(|name| path.with_file_name(name).display().to_string()).collect()
}

/// A text file as a source.
///
/// # Errors
/// When it does not exist, cannot be read, or is no text.
pub fn read(path: &Path, kind: &str) -> Result<Arc<Source>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(no_file(kind, path)),
        Err(error) => {
            let what = format!("the {kind} {} cannot be read: {error}", path.display());
            Err(Failure::new(Exit::Invalid, what).meaning("nothing was started"))
        }
    }
}

/// The names that somebody may have meant, the likeliest first.
pub fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(f64, &str)> = all
        .map(|other| {
            let part = if name.len() >= 3 && (other.contains(name) || name.contains(other)) { 0.3 } else { 0.0 };
            // In short words a single slip of the fingers leaves little that is alike: slips are counted as well.
            let longest = name.chars().count().max(other.chars().count());
            let slips = strsim::damerau_levenshtein(name, other);
            let slip = if slips <= 1 + longest / 4 && slips * 2 <= longest { 0.76 } else { 0.0 };
            (strsim::jaro_winkler(name, other).max(slip) + part, other)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(3).map(|(_, other)| other.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let all = ["db-failover", "link-failover", "scale-out"];
        assert_eq!(nearest("db-failver", all.into_iter()), ["db-failover"]);
        assert_eq!(nearest("failover", all.into_iter()).len(), 2);
        assert!(nearest("zzz", all.into_iter()).is_empty());
        assert_eq!(nearest("oen", ["one", "two"].into_iter()), ["one"]);
        assert_eq!(nearest("rnu", ["run", "show", "plan"].into_iter()), ["run"]);
    }

    #[test]
    fn a_file_with_another_ending_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inp.yaml"), "").unwrap();
        let meant = folder.path().join("inp.yaml").display().to_string();
        assert_eq!(files_like(&folder.path().join("inp.yml")), [meant]);
        assert!(files_like(&folder.path().join("other.txt")).is_empty());
    }
}
