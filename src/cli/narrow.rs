//! `--limit`: which hosts of the inventory a run may touch at most.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::setup;
use crate::inventory::Inventory;
use crate::plan::{Limit, Narrowing};

/// What was typed, as what a plan is narrowed to.
///
/// # Errors
/// When it names what is not there, or nothing: an empty limit is never taken for none.
pub fn limit(typed: Option<&str>, inventory: &Inventory) -> Result<Narrowing, Failure> {
    let Some(typed) = typed else { return Ok(Narrowing::default()) };
    let pattern = match typed.strip_prefix('@') {
        Some(file) => of_file(file)?,
        None => typed.trim().to_owned(),
    };
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

/// A file with a host, a group or a pattern a line; what stands behind a `#` is a remark.
fn of_file(file: &str) -> Result<String, Failure> {
    let source = setup::read(Path::new(file), "file of hosts")?;
    let lines = source.text.lines().map(|line| line.split('#').next().unwrap_or(line).trim());
    Ok(lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(","))
}
