//! Which server an inventory names, without reading the inventory: whoever only asks that server needs none of the rest, and
//! must not fail, or start a script, for what does not fit in it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::InventoryError;

/// The server that files of an inventory name: the first that is found. A file that is not there names none.
///
/// # Errors
/// When a file says something of a server and cannot be read: to go on without it would be to work on another state.
pub fn server_of(files: &[PathBuf]) -> Result<Option<String>, InventoryError> {
    for path in files {
        let found = if path.is_dir() { of_folder(path)? } else { of_file(path)? };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of_folder(folder: &Path) -> Result<Option<String>, InventoryError> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    server_of(&files)
}

fn of_file(path: &Path) -> Result<Option<String>, InventoryError> {
    #[derive(Deserialize)]
    struct Head {
        server: Option<String>,
    }
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    // Most name none, and are not read twice.
    if !text.lines().any(|line| line.starts_with("server:")) {
        return Ok(None);
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    let head: Head = serde_saphyr::from_str_with_options(&text, options)
        .map_err(|error| InventoryError::Invalid { path: path.to_owned(), rendered: error.to_string() })?;
    Ok(head.server.filter(|server| !server.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_found_whatever_else_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let named = file("b.yaml", "environment: production\nserver: unix:/run/p.sock   # ours\nhosts: [nonsense]\n");
        let none = file("a.yaml", "hosts:\n  web:\n    server: nothing of ours\n");
        let of = |files: &[PathBuf]| server_of(files).unwrap();
        assert_eq!(of(std::slice::from_ref(&named)).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(of(&[none.clone(), folder.path().join("missing")]), None);
        assert_eq!(of(&[none, named]).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(of(&[folder.path().to_path_buf()]).as_deref(), Some("unix:/run/p.sock"));
        // To go on without it would be to work on another state.
        let broken = file("a.yaml", "server: unix:/run/p.sock\nhosts: [\n");
        assert!(server_of(&[broken]).is_err());
    }
}
