//! `lint`: every fault of every playbook, with its place, without looking at any target.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::cli::args::{Format, Lint};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::{Setup, read};
use crate::cli::text::{Ink, Line};
use crate::cli::view::faults;
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::playbook;

/// Checks playbooks.
///
/// # Errors
/// When a path does not exist or cannot be read.
pub fn lint(setup: &Setup, args: &Lint) -> Result<Exit, Failure> {
    let sources = sources(setup, &args.paths)?;
    let specs = setup.specs();
    let mut all: Vec<Diagnostic> = Vec::new();
    for source in &sources {
        all.extend(playbook::load(source, &specs).diagnostics);
    }
    let errors = all.iter().filter(|fault| fault.severity == Severity::Error).count();
    let exit = if errors > 0 { Exit::Invalid } else { Exit::Success };
    if args.output == Format::Json {
        setup.screen.json(&json!({
            "v": 1, "type": "lint", "exit": exit.code(), "files": sources.iter().map(|s| &s.name).collect::<Vec<_>>(),
            "errors": errors, "warnings": all.len() - errors, "faults": all.iter().map(faults::json).collect::<Vec<_>>(),
        }));
        return Ok(exit);
    }
    for fault in &all {
        setup.screen.print_whole(&faults::lines(fault, &setup.screen.out));
    }
    let files = if sources.len() == 1 { "1 playbook".to_owned() } else { format!("{} playbooks", sources.len()) };
    let warnings = all.len() - errors;
    let (mark, ink) = if errors > 0 { ("✗", Ink::Bad) } else { ("✓", Ink::Good) };
    let line = Line::new().with(ink, mark).with(Ink::Plain, format!(" {files}: {errors} errors, {warnings} warnings"));
    setup.screen.say(&[line]);
    Ok(exit)
}

/// The texts to look at.
fn sources(setup: &Setup, paths: &[PathBuf]) -> Result<Vec<Arc<Source>>, Failure> {
    let mut files = Vec::new();
    if paths.is_empty() {
        let folders = setup.folders();
        for folder in &folders {
            if folder.is_dir() {
                collect(folder, &mut files)?;
            }
        }
        if files.is_empty() {
            let names: Vec<String> = folders.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::new(Exit::NotFound, format!("there are no playbooks in {}", names.join(", "))));
        }
    }
    for path in paths {
        if path.is_dir() {
            collect(path, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    files.iter().map(|path| read(path, "playbook")).collect()
}

/// The YAML files of a folder and those below it, sorted; hidden ones are left out, and links are not followed in circles.
///
/// # Errors
/// When a folder cannot be read.
pub fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(Exit::Invalid, format!("the folder {} cannot be read: {error}", folder.display()))
    };
    let mut entries: Vec<_> = std::fs::read_dir(folder).map_err(fault)?.collect::<Result<_, _>>().map_err(fault)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let kind = entry.file_type().map_err(fault)?;
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            collect(&path, files)?;
        } else if name.ends_with(".yaml") || name.ends_with(".yml") {
            files.push(path);
        }
    }
    Ok(())
}
