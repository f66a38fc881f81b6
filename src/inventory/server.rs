//! Which server an inventory names, without reading the inventory: whoever only asks that server needs none of the rest, and
//! must not fail, or start a script, for what does not fit in it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::InventoryError;
use super::read::{in_folder, ours_with};

/// The server that files of an inventory name: the first that is found. A file that is not there names none.
///
/// # Errors
/// When a file cannot be read, or says something of a server and is no YAML: to go on without it would be to work on another
/// state.
pub fn server_of(files: &[PathBuf]) -> Result<Option<String>, InventoryError> {
    for path in files {
        let found = of(path)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn of(path: &Path) -> Result<Option<String>, InventoryError> {
    // What a program prints is Ansible's form.
    if path.to_string_lossy().starts_with("exec:") {
        return Ok(None);
    }
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            in_folder(path, &mut Vec::new())?.iter().find_map(|file| of(file).transpose()).transpose()
        }
        Ok(_) => of_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InventoryError::Unreadable { path: path.to_owned(), source }),
    }
}

fn of_file(path: &Path) -> Result<Option<String>, InventoryError> {
    #[derive(Deserialize)]
    struct Head {
        server: Option<String>,
    }
    let Some(text) = ours_with(path, "server")? else { return Ok(None) };
    let options = serde_saphyr::options! { strict_booleans: true };
    match serde_saphyr::from_str_with_options::<Head>(&text, options) {
        Ok(head) => Ok(head.server.filter(|server| !server.trim().is_empty())),
        Err(error) if says_something(&text) => {
            Err(InventoryError::Invalid { path: path.to_owned(), rendered: error.to_string() })
        }
        // The word is a part of something else there.
        Err(_) => Ok(None),
    }
}

/// Whether a text that cannot be read has a line that names a server in YAML.
fn says_something(text: &str) -> bool {
    let key = |line: &str| {
        let line = line.trim_start_matches(['{', ' ']);
        ["server", "\"server\"", "'server'"]
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(|rest| rest.trim_start().starts_with(':')))
    };
    text.lines().any(|line| !line.starts_with([' ', '\t']) && key(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        }

        fn of(&self) -> Option<String> {
            server_of(&[self.0.path().to_path_buf()]).unwrap()
        }
    }

    #[test]
    fn the_server_is_found_whatever_else_is_wrong() {
        let folder = Folder::new();
        let named =
            folder.file("b.yaml", "environment: production\nserver: unix:/run/p.sock   # ours\nhosts: [nonsense]\n");
        let none = folder.file("a.yaml", "hosts:\n  web:\n    server: nothing of ours\n");
        let of = |files: &[PathBuf]| server_of(files).unwrap();
        assert_eq!(of(std::slice::from_ref(&named)).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(of(&[none.clone(), folder.0.path().join("missing")]), None);
        assert_eq!(of(&[none, named]).as_deref(), Some("unix:/run/p.sock"));
        assert_eq!(folder.of().as_deref(), Some("unix:/run/p.sock"));
        // To go on without it would be to work on another state.
        let broken = folder.file("a.yaml", "server: unix:/run/p.sock\nhosts: [\n");
        assert!(server_of(&[broken]).is_err());
    }

    #[test]
    fn it_is_found_in_every_form_of_yaml_and_in_no_other_file() {
        let folder = Folder::new();
        for text in [
            "\"server\": unix:/s\n",
            "'server' : unix:/s\nenvironment: lab\n",
            "{environment: lab, server: unix:/s}\n",
            "{ \"environment\": \"lab\", \"server\": \"unix:/s\" }\n",
            "environment: lab\n? server\n: unix:/s\n",
        ] {
            assert_eq!(server_of(&[folder.file("a.yaml", text)]).unwrap().as_deref(), Some("unix:/s"), "{text}");
        }
        for (name, text) in [
            ("hosts", "[server]\nserver1 ansible_host=10.0.0.1\n"),
            ("b.yaml", "hosts:\n  webserver: [\n"),
            ("c.yaml", "server:\n  hosts:\n    web1:\n"),
        ] {
            assert_eq!(server_of(&[folder.file(name, text)]).unwrap(), None, "{text}");
        }
        for text in ["\"server\": unix:/s\nhosts: [\n", "{server: unix:/s, hosts: [}\n"] {
            assert!(server_of(&[folder.file("a.yaml", text)]).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_part_of_the_inventory_names_no_server() {
        let folder = Folder::new();
        for name in [".old.yaml", "inventory.yaml~", "inventory.yaml.bak"] {
            folder.file(name, "environment: production\nserver: unix:/run/old.sock\n");
        }
        folder.file("inventory.yaml", "environment: production\n");
        assert_eq!(folder.of(), None);
        // What lies deeper is a part of it, and what cannot be read is not passed over.
        std::fs::create_dir(folder.0.path().join("more")).unwrap();
        let deeper = folder.file("more/b.yaml", "server: unix:/run/p.sock\n");
        assert_eq!(folder.of().as_deref(), Some("unix:/run/p.sock"));
        std::fs::write(deeper, [0xff, 0xfe]).unwrap();
        assert!(server_of(&[folder.0.path().to_path_buf()]).is_err());
    }
}
