//! `lock`: pins what the nested playbooks are, so that a change of one is looked at before it runs inside of another.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::catalog::{LOCK_FILE, Lock, Pin, Shelf};
use crate::cli::args::Lock as Arguments;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::read;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, faults};
use crate::diagnostic::{Diagnostic, Severity};

use super::lint::collect;
use super::plan_file::begin;

/// Writes the locks of folders, or says what they would say otherwise.
///
/// # Errors
/// When a folder does not exist, a playbook in it has faults, or a lock cannot be written.
pub fn lock(setup: &Setup, args: &Arguments) -> Result<Exit, Failure> {
    let named = if args.paths.is_empty() { setup.folders() } else { args.paths.clone() };
    let folders: Vec<&PathBuf> = named.iter().filter(|folder| folder.is_dir()).collect();
    if let Some(folder) = named.iter().find(|folder| !folder.is_dir() && !args.paths.is_empty()) {
        let what = format!("there is no folder {}", folder.display());
        return Err(Failure::new(Exit::NotFound, what).next("playbook lock     (every folder of playbooks)"));
    }
    if folders.is_empty() {
        let names: Vec<String> = named.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::new(Exit::NotFound, format!("there are no playbooks in {}", names.join(", "))));
    }
    let mut exit = Exit::Success;
    for folder in folders {
        if !one(setup, folder, args.check)? {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// Whether the lock of a folder says what is there; after it was written it does.
fn one(setup: &Setup, folder: &Path, check: bool) -> Result<bool, Failure> {
    let there = Lock::of_folder(folder);
    // What cannot be read is written anew; in CI that is a fault.
    let before = match (there, check) {
        (Ok(there), _) => there,
        (Err(_), false) => Some(Lock::default()),
        (Err(error), true) => return Err(Failure::new(Exit::Invalid, error.to_string()).next("playbook lock")),
    };
    let after = Lock { path: folder.join(LOCK_FILE), pins: pins(setup, folder)? };
    let name = after.path.display().to_string();
    if before.is_none() && after.pins.is_empty() {
        let said = format!(" nothing is nested in {}, so there is nothing to pin", folder.display());
        setup.screen.say(&[Line::new().with(Ink::Good, "✓").with(Ink::Plain, said)]);
        return Ok(true);
    }
    let changes = changes(&before.clone().unwrap_or_default(), &after);
    let lines: Vec<Line> = changes.iter().map(|(ink, text)| Line::plain("  ").with(*ink, text)).collect();
    setup.screen.print_whole(&lines);
    if changes.is_empty() && before.is_some_and(|before| before.path == after.path) {
        let said = format!(" {name} pins {}", count(after.pins.len(), "playbook"));
        setup.screen.say(&[Line::new().with(Ink::Good, "✓").with(Ink::Plain, said)]);
        return Ok(true);
    }
    if check {
        let said = format!(" {name} does not pin what is there: {}", count(changes.len(), "difference"));
        let next =
            format!("  playbook lock {}     (accepts it, once it was looked at)", quote(&folder.display().to_string()));
        setup.screen.say(&[Line::new().with(Ink::Bad, "✗").with(Ink::Plain, said), Line::new().with(Ink::Dim, next)]);
        return Ok(false);
    }
    write(&after)?;
    let said = format!(" {name} pins {}; commit it", count(after.pins.len(), "playbook"));
    setup.screen.say(&[Line::new().with(Ink::Good, "✓").with(Ink::Plain, said)]);
    Ok(true)
}

/// What the playbooks of a folder nest, as it is now.
fn pins(setup: &Setup, folder: &Path) -> Result<std::collections::BTreeSet<Pin>, Failure> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    let mut pins = std::collections::BTreeSet::new();
    let mut errors: Vec<Diagnostic> = Vec::new();
    for file in &files {
        let source = read(file, "playbook")?;
        if matches!(crate::playbook::read_head(&source), Err((head, _)) if head.name.is_none()) {
            // No playbook: an inventory, a world. Whether it should be one is for lint.
            continue;
        }
        let beside = file.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let catalog = crate::catalog::Catalog::new(with_first(folder, setup.folders())).beside(beside);
        // No lock holds here: what is there now is what is to be pinned.
        let shelf = Shelf::new(catalog, setup.specs(), Vec::new());
        let faults = setup.load_from(&source, None, &shelf).diagnostics;
        errors.extend(faults.into_iter().filter(|fault| fault.severity == Severity::Error));
        pins.extend(shelf.pins());
    }
    if errors.is_empty() {
        return Ok(pins);
    }
    let what = format!("{} cannot be locked: {}", folder.display(), faults::count(&errors));
    Err(Failure::of_faults(what, errors).meaning("the lock is as it was"))
}

fn with_first(folder: &Path, mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    if !folders.iter().any(|known| known == folder) {
        folders.insert(0, folder.to_path_buf());
    }
    folders
}

/// What differs, a line each.
fn changes(before: &Lock, after: &Lock) -> Vec<(Ink, String)> {
    let same = |one: &Pin, other: &Pin| one.name == other.name && one.version == other.version;
    let mut changes = Vec::new();
    for pin in after.pins.difference(&before.pins) {
        let (name, version, now) = (&pin.name, &pin.version, pin.digest.short());
        changes.push(match before.pins.iter().find(|other| same(other, pin)) {
            Some(other) => (Ink::Warn, format!("~ {name} {version}  {} → {now}", other.digest.short())),
            None => (Ink::Good, format!("+ {name} {version}  {now}")),
        });
    }
    for pin in before.pins.difference(&after.pins).filter(|pin| !after.pins.iter().any(|other| same(other, pin))) {
        changes.push((Ink::Bad, format!("- {} {}  {}", pin.name, pin.version, pin.digest.short())));
    }
    changes
}

/// First beside it, then in one move: nobody ever reads half of it.
fn write(lock: &Lock) -> Result<(), Failure> {
    let beside = lock.path.with_file_name(format!(".{LOCK_FILE}.{}.new", std::process::id()));
    let written = begin(&beside)
        .and_then(|file| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644)).map(|()| file))
        .and_then(|mut file| file.write_all(lock.text().as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, &lock.path));
    written.map_err(|error| {
        // It is ours and half done: what cannot be removed is hidden from every folder that is read.
        let _ = std::fs::remove_file(&beside);
        Failure::new(Exit::Invalid, format!("{} cannot be written: {error}", lock.path.display()))
            .meaning("it is as it was")
    })
}
