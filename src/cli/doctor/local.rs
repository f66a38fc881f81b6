//! This machine: the version, the clock, the state and its disk, unfinished runs, and whether anybody can be paged.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::Look;
use crate::cli::clock;
use crate::cli::runs::Doing;
use crate::cli::setup::Setup;
use crate::cli::verbs::outbox::waiting;
use crate::cli::view::{count, halted};
use crate::journal::{Halt, JournalError, LockRow, Method, RunRow, Server as _};
use crate::run::Time;
use crate::value::{format_seconds, format_size};

/// Less free space than this stops a run: a journal that cannot be written stops every step.
const LEAST_BYTES: i64 = 64 * 1024 * 1024;
/// Less than this is worth knowing.
const LOW_BYTES: i64 = 1024 * 1024 * 1024;
/// No clock of a working machine is before this: 2026-01-01.
const EARLIEST: Time = Time(1_767_225_600_000);

/// Looks at this machine.
pub(super) fn looks(setup: &Setup) -> Vec<Look> {
    let mut looks = vec![Look::well("version", format!("playbook {}", env!("CARGO_PKG_VERSION")))];
    looks.push(disk(&setup.state));
    looks.push(writable(&setup.state));
    if let Some(folder) = setup.journal_file.parent().filter(|_| setup.has_moved()) {
        looks.push(disk(folder));
        looks.push(writable(folder));
    }
    looks.extend(server(setup));
    match setup.existing_journal() {
        Err(failure) => looks.push(Look::finding("journal", failure.what)),
        Ok(None) => {
            looks.push(Look::well("journal", format!("none yet; the first run makes it in {}", setup.state.display())));
            looks.push(time(None));
        }
        Ok(Some(mut journal)) => {
            looks.splice(0..0, halt(journal.halted()));
            match (journal.runs(), journal.locks()) {
                (Ok(runs), Ok(locks)) => {
                    looks.push(Look::well(
                        "journal",
                        format!("{} in {}", count(runs.len(), "run"), setup.state.display()),
                    ));
                    looks.push(time(runs.iter().map(|row| row.updated).max()));
                    looks.extend(unfinished(&runs, &locks));
                }
                (Err(error), _) | (_, Err(error)) => looks.push(Look::finding("journal", error.to_string())),
            }
        }
    }
    looks.push(page(setup));
    looks.extend(outbox(setup));
    looks
}

/// Whether the server answers that owns the state.
fn server(setup: &Setup) -> Option<Look> {
    let client = match setup.server() {
        Ok(client) => client?,
        Err(failure) => return Some(Look::finding("server", failure.what)),
    };
    Some(match client.ask(Method::Get, "/v1/halt", None) {
        Ok(_) => Look::well("server", format!("answers at {}: runs live there", client.address())),
        Err(error) => Look::finding("server", error.to_string()).hint("playbook serve     (on its machine)"),
    })
}

/// Whether everything is halted.
fn halt(found: Result<Option<Halt>, JournalError>) -> Option<Look> {
    match found {
        Ok(None) => None,
        Ok(Some(halt)) => {
            let text = halted::sentence(&halted::seen(&halt), clock::now());
            Some(Look::finding("halt", text).hint(format!("playbook {}", halted::LIFT)))
        }
        Err(error) => Some(Look::finding("halt", error.to_string())),
    }
}

/// The nearest folder that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

fn disk(state: &Path) -> Look {
    let folder = existing(state);
    let found = match statvfs(folder) {
        Ok(found) => found,
        Err(error) => return Look::finding("disk", format!("{} cannot be looked at: {error}", folder.display())),
    };
    let free = i64::try_from(found.blocks_available().saturating_mul(found.fragment_size())).unwrap_or(i64::MAX);
    let text = format!("{} free for the state in {}", format_size(free), folder.display());
    if free < LEAST_BYTES {
        return Look::finding("disk", text).hint("make room: a journal that cannot be written stops every step");
    }
    if free < LOW_BYTES { Look::remark("disk", text) } else { Look::well("disk", text) }
}

fn writable(state: &Path) -> Look {
    let folder = existing(state);
    match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Look::well("state", format!("{} can be written", folder.display())),
        Err(error) => Look::finding("state", format!("{} cannot be written: {error}", folder.display()))
            .hint("--state DIR or $PLAYBOOK_STATE names another folder"),
    }
}

/// A clock that is wrong makes deadlines and timelines wrong.
fn time(newest: Option<Time>) -> Look {
    let now = clock::now();
    let text = format!("{} UTC", clock::date_and_time(now));
    if now < EARLIEST {
        return Look::finding("clock", format!("{text} is in the past")).hint("set this machine's clock");
    }
    match newest.map(|newest| newest.seconds_since(now)).filter(|ahead| *ahead > 5.0) {
        Some(ahead) => Look::finding(
            "clock",
            format!("{text}, but the newest record is {} ahead of it: the clock was set back", format_seconds(ahead)),
        )
        .hint("set this machine's clock"),
        None => Look::well("clock", text),
    }
}

/// Runs that have not ended, and what they hold.
fn unfinished(runs: &[RunRow], locks: &[LockRow]) -> Vec<Look> {
    let mut looks = Vec::new();
    for row in runs {
        let doing = Doing::of_row(row);
        if doing == Doing::Ended {
            continue;
        }
        let held: Vec<&str> =
            locks.iter().filter(|lock| lock.run == row.run).map(|lock| lock.resource.as_str()).collect();
        let holds = if held.is_empty() { "holds no locks".to_owned() } else { format!("holds {}", held.join(", ")) };
        let text = format!("{} of {} is {}; it {holds}", row.run, row.playbook, doing.word());
        let look = if held.is_empty() { Look::remark("run", text) } else { Look::finding("run", text) };
        looks.push(look.hint(format!("playbook status {}", row.run)));
    }
    looks
}

fn page(setup: &Setup) -> Look {
    match &setup.config.page {
        Some(page) if page.command.is_some() || page.webhook.is_some() => {
            let mut ways = Vec::new();
            ways.extend(
                page.command.as_ref().and_then(|argv| argv.first()).map(|program| format!("command {program}")),
            );
            ways.extend(page.webhook.as_ref().map(|_| "a webhook".to_owned()));
            Look::well("page", ways.join(" and "))
        }
        _ => Look::remark("page", "nobody is called when a run waits for a person")
            .hint("`page:` in the configuration names a command or a webhook (docs/configuration.md)"),
    }
}

/// Who is told what happens, and whether they take it. None of it stops a run.
fn outbox(setup: &Setup) -> Option<Look> {
    if setup.config.notify.is_empty() {
        return None;
    }
    let names: Vec<&str> = setup.config.notify.iter().map(|notify| notify.name.as_str()).collect();
    let look = match waiting(setup) {
        (_, dead) if !dead.is_empty() => {
            let text = format!("what {} did not take in time was given up", dead.join(", "));
            Look::remark("notify", text).hint("playbook outbox retry")
        }
        (late, _) if !late.is_empty() => {
            Look::remark("notify", format!("not told everything yet: {}", late.join(", "))).hint("playbook outbox list")
        }
        _ => Look::well("notify", names.join(", ")),
    };
    Some(look)
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_is_a_finding() {
        assert_eq!(time(None).level, Level::Well);
        assert_eq!(time(Some(clock::now().plus_seconds(3600.0))).level, Level::Finding);
        assert_eq!(time(Some(clock::now().plus_seconds(-3600.0))).level, Level::Well);
    }

    #[test]
    fn a_folder_that_does_not_exist_yet_is_judged_by_the_one_that_does() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b/c")), folder.path());
        assert_eq!(writable(&folder.path().join("a/b/c")).level, Level::Well);
    }
}
