//! `fmt`: sets the spaces of playbooks. A file is replaced whole or not at all, and only if it means the same afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::args::Fmt;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::faults;
use crate::playbook;

use super::lint::sources;

/// Formats playbooks, or says which are not.
///
/// # Errors
/// When a path does not exist, cannot be read or cannot be written.
pub fn fmt(setup: &Setup, args: &Fmt) -> Result<Exit, Failure> {
    let sources = sources(setup, &args.paths)?;
    let (mut changed, mut refused) = (0_usize, 0_usize);
    for source in &sources {
        match playbook::format(source) {
            Ok(text) if text == source.text => {}
            Ok(text) => {
                if !args.check {
                    replace(Path::new(&source.name), &text)?;
                }
                changed += 1;
                setup.screen.print_whole(&[Line::plain(&source.name)]);
            }
            Err(diagnostics) => {
                refused += 1;
                diagnostics.iter().for_each(|fault| setup.screen.warn(&faults::lines(fault, &setup.screen.err)));
            }
        }
    }
    let bad = refused > 0 || (args.check && changed > 0);
    let what = if args.check { "not formatted" } else { "formatted anew" };
    let (mark, ink) = if bad { ("✗", Ink::Bad) } else { ("✓", Ink::Good) };
    let said = format!(" {} looked at: {changed} {what}, {refused} left as they are", sources.len());
    let mut lines = vec![Line::new().with(ink, mark).with(Ink::Plain, said)];
    if args.check && changed > 0 {
        lines.push(Line::new().with(Ink::Dim, "  playbook fmt     (formats them; comments stay)"));
    }
    setup.screen.say(&lines);
    Ok(if bad { Exit::Invalid } else { Exit::Success })
}

/// Puts a text in the place of a file: first beside it, with its rights, then in one move, so that nobody ever reads half
/// of it.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let fault = |error: std::io::Error| {
        Failure::new(Exit::Invalid, format!("{} cannot be written: {error}", path.display())).meaning("it is as it was")
    };
    // What a link points at is replaced, and not the link.
    let path = path.canonicalize().map_err(fault)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside: PathBuf = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = write_beside(&path, &beside, text).and_then(|()| std::fs::rename(&beside, &path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        fault(error)
    })
}

fn write_beside(path: &Path, beside: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(beside)?;
    file.set_permissions(std::fs::metadata(path)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
