//! Files and folders as inventories are read from them: bounded, in order, and nothing that only looks like one.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// How large a file may be, and what a program prints.
pub(super) const MOST_BYTES: u64 = 16 * 1024 * 1024;
/// How many files a folder may hold, and how deep folders may lie in it.
const MOST_FILES: usize = 20_000;
const DEEPEST: usize = 8;

/// The text of a file.
///
/// # Errors
/// When it cannot be read, is no text, or is larger than any inventory.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let found = std::fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?;
    // A pipe that nobody writes to would hold up everything.
    if !found.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| format!("it cannot be read: {error}"))?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| format!("it cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is larger than {} MiB", MOST_BYTES / 1024 / 1024));
    }
    String::from_utf8(bytes).map_err(|_| "it is no text (not valid UTF-8)".to_owned())
}

/// What lies in a folder, in order; nothing where there is no such folder.
///
/// # Errors
/// When it cannot be read, or holds too much.
pub(super) fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{} cannot be read: {error}", folder.display())),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| format!("{} cannot be read: {error}", folder.display()))?.path());
        if paths.len() > MOST_FILES {
            return Err(format!("{} holds more than {MOST_FILES} files", folder.display()));
        }
    }
    paths.sort();
    Ok(paths)
}

/// All files in a folder and in the folders in it, in order.
///
/// # Errors
/// When one of them cannot be read, or they lie too deep.
pub(super) fn below(folder: &Path) -> Result<Vec<PathBuf>, String> {
    fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), String> {
        // A link to a folder above it would lead on for ever.
        if depth > DEEPEST || found.len() > MOST_FILES {
            return Err(format!("{} leads too deep, or holds too much", folder.display()));
        }
        for path in sorted(folder)? {
            let is_hidden = path.file_name().and_then(|name| name.to_str()).is_none_or(|name| name.starts_with('.'));
            if is_hidden {
                continue;
            }
            if path.is_dir() { walk(&path, depth + 1, found)? } else { found.push(path) }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, 0, &mut found)?;
    Ok(found)
}
