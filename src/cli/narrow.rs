//! `--limit`: which hosts of the inventory a run may touch at most.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::files;
use crate::inventory::Inventory;
use crate::plan::{Limit, Narrowing};

/// What was typed, as what a plan is narrowed to.
///
/// # Errors
/// When it names what is not there, or nothing: an empty limit is never taken for none.
pub fn limit(typed: Option<&str>, inventory: &Inventory) -> Result<Narrowing, Failure> {
    let Some(typed) = typed else { return Ok(Narrowing::default()) };
    let pattern = pattern(typed)?;
    let refused = |what: String| {
        Failure::new(Exit::Usage, what)
            .meaning("nothing was started or changed")
            .next("playbook inventory list     (the hosts and groups that there are)")
    };
    if pattern.split([',', ':']).all(|part| part.trim().is_empty()) {
        return Err(refused(format!("`--limit {typed}` names no host; leave it out where every host is meant")));
    }
    let hosts = inventory.select(&pattern).map_err(|error| refused(format!("`--limit {typed}`: {error}")))?;
    if hosts.is_empty() {
        return Err(refused(format!("`--limit {typed}` means no host of the inventory")));
    }
    let limit = Limit { pattern, hosts: hosts.into_iter().collect() };
    Ok(Narrowing { limit: Some(limit), again: None })
}

/// What was typed as a pattern: the lines of a file (`@FILE`) are one.
///
/// # Errors
/// When the file cannot be read.
pub fn pattern(typed: &str) -> Result<String, Failure> {
    match typed.strip_prefix('@') {
        Some(file) => of_file(file),
        None => Ok(typed.trim().to_owned()),
    }
}

/// A file with a host, a group or a pattern a line; what stands behind a `#` is a remark.
fn of_file(file: &str) -> Result<String, Failure> {
    let source = files::read(Path::new(file), "file of hosts")?;
    let lines = source.text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
    Ok(lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inventory.yaml");
        let host = "{ address: 127.0.0.1 }";
        let text = format!(
            "environment: lab\nhosts: {{ web1: {host}, web2: {host}, db1: {host} }}\ngroups: {{ web: [web1, web2], db: [db1] }}\n"
        );
        std::fs::write(&file, text).unwrap();
        crate::inventory::load(&file).unwrap()
    }

    fn hosts(typed: &str) -> Result<Vec<String>, Failure> {
        limit(Some(typed), &inventory()).map(|narrowing| narrowing.limit.unwrap().hosts.into_iter().collect())
    }

    #[test]
    fn what_names_no_host_is_never_taken_for_no_limit() {
        assert_eq!(hosts("web").unwrap(), ["web1", "web2"]);
        assert_eq!(hosts("web:!web1").unwrap(), ["web2"]);
        for nothing in ["", " ", ",", ":,", "web:&db", "web:!web", "nobody"] {
            assert_eq!(hosts(nothing).unwrap_err().exit, Exit::Usage, "{nothing:?}");
        }
        assert!(limit(None, &inventory()).unwrap().is_none());
    }

    #[test]
    fn a_file_of_hosts_has_remarks_and_one_without_a_host_is_no_limit() {
        let folder = tempfile::tempdir().unwrap();
        let of = |text: &str| {
            let file = folder.path().join("hosts");
            std::fs::write(&file, text).unwrap();
            hosts(&format!("@{}", file.display()))
        };
        assert_eq!(of("# last night: web2\nweb1 # the first\n\ndb\n").unwrap(), ["db1", "web1"]);
        assert_eq!(of("# all of them\n").unwrap_err().exit, Exit::Usage);
        assert!(hosts("@/nowhere/hosts").is_err());
    }
}
