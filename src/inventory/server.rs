//! Which server an inventory names, without reading the inventory: whoever only asks that server needs none of the rest, and
//! must not fail, or start a script, for what is wrong with it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The server that files of an inventory name: the first that is found. What cannot be read names none.
pub fn server_of(files: &[PathBuf]) -> Option<String> {
    files.iter().find_map(|path| if path.is_dir() { of_folder(path) } else { of_file(path) })
}

fn of_folder(folder: &Path) -> Option<String> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().filter(|path| path.is_file()).find_map(|path| of_file(path))
}

fn of_file(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        server: Option<String>,
    }
    let text = std::fs::read_to_string(path).ok()?;
    // Most name none, and are not read twice.
    if !text.lines().any(|line| line.starts_with("server:")) {
        return None;
    }
    let options = serde_saphyr::options! { strict_booleans: true };
    let head: Head = serde_saphyr::from_str_with_options(&text, options).ok()?;
    head.server.filter(|server| !server.trim().is_empty())
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
        let broken = file("c.yaml", "server: [\n");
        assert_eq!(server_of(std::slice::from_ref(&named)).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(server_of(&[none.clone(), broken, folder.path().join("missing")]), None);
        assert_eq!(server_of(&[none, named]).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(server_of(&[folder.path().to_path_buf()]).as_deref(), Some("unix:/run/p.sock"));
    }
}
