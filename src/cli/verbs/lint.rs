//! `lint`: every fault of every playbook, with its place, without looking at any target.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::args::{Lint, LintFormat};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::read;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, faults};
use crate::diagnostic::{Diagnostic, Severity, Source};

/// Checks playbooks.
///
/// # Errors
/// When a path does not exist or cannot be read.
pub fn lint(setup: &Setup, args: &Lint) -> Result<Exit, Failure> {
    let sources = sources(setup, &args.paths)?;
    let today = std::cell::OnceCell::new();
    let today = || *today.get_or_init(|| jiff::Zoned::now().date());
    let mut all: Vec<Diagnostic> = Vec::new();
    let mut last = None;
    for source in &sources {
        let loaded = setup.load(source, Some(&today));
        all.extend(loaded.diagnostics);
        last = loaded.playbook;
    }
    // The process ends in a moment: to give back thousands of steps one by one takes longer than to tell what is wrong.
    std::mem::forget(last);
    if args.strict {
        all.iter_mut().for_each(|fault| fault.severity = Severity::Error);
    }
    let errors = all.iter().filter(|fault| fault.severity == Severity::Error).count();
    let exit = if errors > 0 { Exit::Invalid } else { Exit::Success };
    match args.output {
        LintFormat::Json => setup.screen.json(&all.iter().map(faults::json).collect()),
        LintFormat::Sarif => setup.screen.json(&faults::sarif::log(&all)),
        LintFormat::Github => setup.screen.data(&all.iter().map(faults::github::command).collect::<String>()),
        LintFormat::Junit => setup.screen.data(&faults::junit::report(&sources, &all)),
        LintFormat::Human => show(setup, sources.len(), &all, errors),
    }
    Ok(exit)
}

fn show(setup: &Setup, files: usize, all: &[Diagnostic], errors: usize) {
    for fault in all {
        setup.screen.print_whole(&faults::lines(fault, &setup.screen.out));
    }
    let files = count(files, "playbook");
    let (errors_said, warnings) = (count(errors, "error"), count(all.len() - errors, "warning"));
    let (mark, ink) = if errors > 0 { ("✗", Ink::Bad) } else { ("✓", Ink::Good) };
    let line = Line::new().with(ink, mark).with(Ink::Plain, format!(" {files}: {errors_said}, {warnings}"));
    let mut lines = vec![line];
    let first = all.iter().find(|fault| fault.severity == Severity::Error).or_else(|| all.first());
    if let Some(first) = first {
        lines
            .push(Line::new().with(Ink::Dim, format!("  playbook explain {}     (what it means and why)", first.code)));
    }
    setup.screen.say(&lines);
}

/// The texts to look at: those that were named, else every playbook.
///
/// # Errors
/// When a path does not exist or cannot be read.
pub fn sources(setup: &Setup, paths: &[PathBuf]) -> Result<Vec<Arc<Source>>, Failure> {
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
