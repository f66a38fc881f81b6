//! Backups of databases: where their files lie and what was written down when they were made. It never looks at them.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Inventory;
use super::check::{check_names, check_reference};

/// A backup of a database, as `pg_dump` made it: a folder with the dump, its checksums and what its tables held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// The cluster of this inventory that it is of.
    pub database: String,
    /// The host of this inventory on which it lies; this very host where absent.
    #[serde(default)]
    pub host: Option<String>,
    /// Its folder there.
    pub path: PathBuf,
    /// The checksums of its files, as `sha256sum` writes them; in its folder.
    #[serde(default = "manifest")]
    pub manifest: String,
    /// The dump: a file of `pg_dump -Fc`, or a folder of `pg_dump -Fd`; in its folder.
    #[serde(default = "dump")]
    pub dump: String,
    /// What its tables held when it was made, a line each (docs/restore-verify.md); in its folder.
    #[serde(default = "tables")]
    pub tables: String,
    /// The folder of `pg_restore` on that host; that of a member of the cluster on the same host where absent.
    #[serde(default)]
    pub bin_directory: Option<PathBuf>,
}

impl Backup {
    /// The folder of `pg_restore`, if anything says where it is.
    pub fn programs<'a>(&'a self, inventory: &'a Inventory) -> Option<&'a Path> {
        let members = inventory.databases.get(&self.database).map(|database| &database.members);
        let beside = || members?.values().find(|member| member.host == self.host).map(|member| &*member.bin_directory);
        self.bin_directory.as_deref().or_else(beside)
    }
}

fn manifest() -> String {
    "SHA256SUMS".to_owned()
}

fn dump() -> String {
    "dump".to_owned()
}

fn tables() -> String {
    "tables.jsonl".to_owned()
}

/// Whether a text is a path below a folder, which leads nowhere else and cannot be taken for an option.
pub(super) fn is_below(text: &str) -> bool {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !text.is_empty()
        && !text.starts_with('-')
        && !text.chars().any(char::is_control)
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && Path::new(text).components().all(plain)
}

/// What is wrong with the backups.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("backups", inventory.backups.keys(), found);
    for (name, backup) in &inventory.backups {
        let place = format!("backups.{}", name.escape_debug());
        check_reference(&format!("{place}.database"), "database", &backup.database, &inventory.databases, found);
        if let Some(host) = &backup.host {
            check_reference(&format!("{place}.host"), "host", host, &inventory.hosts, found);
        }
        for (key, folder) in [("path", Some(&backup.path)), ("bin_directory", backup.bin_directory.as_ref())] {
            let text = folder.map(|folder| folder.display().to_string()).unwrap_or_else(|| "/".to_owned());
            if !text.starts_with('/') || text.chars().any(char::is_control) || text.split('/').any(|part| part == "..")
            {
                found.push(format!("{place}.{key}: it is a folder on the backup's host, so write its absolute path"));
            }
        }
        for (key, file) in [("manifest", &backup.manifest), ("dump", &backup.dump), ("tables", &backup.tables)] {
            if !is_below(file) {
                found.push(format!("{place}.{key}: it lies in the backup's folder, so write its path from there"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_backup_names_lies_in_its_folder() {
        for good in ["dump", "2026/orders.dump", "SHA256SUMS", "a b"] {
            assert!(is_below(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "-x", "a\nb", "a/", "."] {
            assert!(!is_below(bad), "{bad}");
        }
    }

    #[test]
    fn a_backup_that_does_not_fit_is_told() {
        let text = r#"{ "environment": "lab", "backups": { "o": { "database": "orders", "host": "h", "path": "x", "dump": "../d" } } }"#;
        let inventory: Inventory = serde_json::from_str(text).unwrap();
        let mut found = Vec::new();
        problems(&inventory, &mut found);
        let all = found.join("\n");
        for word in ["no database `orders`", "no host `h`", "backups.o.path", "backups.o.dump"] {
            assert!(all.contains(word), "{word}: {all}");
        }
    }
}
