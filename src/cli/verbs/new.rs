//! `new`: a skeleton to fill in. It never writes over a file.

use std::io::Write;
use std::path::PathBuf;

use crate::cli::args::New;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::Line;
use crate::playbook;

/// Writes a skeleton.
///
/// # Errors
/// When the name cannot be one, when there is such a file already, or it cannot be written.
pub fn new(setup: &Setup, args: &New) -> Result<Exit, Failure> {
    if !playbook::is_playbook_name(&args.name) {
        let what = format!("`{}` is no name of a playbook", args.name);
        return Err(Failure::new(Exit::Usage, what)
            .next("take lower-case letters, digits, hyphens and underscores, such as `disk-full`"));
    }
    let folder = args.dir.clone().or_else(|| setup.folders().into_iter().next()).unwrap_or_else(|| PathBuf::from("."));
    let path = folder.join(format!("{}.yaml", args.name));
    // So that what is printed can be pasted, and names a file rather than a playbook of the catalog.
    let shown = if path.components().count() == 1 { PathBuf::from(".").join(&path) } else { path.clone() };
    let word = quote(&shown.display().to_string());
    let text = playbook::skeleton(&args.name, &word, jiff::Zoned::now().date());
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::OpenOptions::new().write(true).create_new(true).open(&path))
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let failure = Failure::new(Exit::Usage, format!("{} is there already", path.display()));
            return Err(failure.meaning("it is as it was").next("choose another name, or another folder with --dir"));
        }
        Err(error) => {
            return Err(Failure::new(Exit::Invalid, format!("{} cannot be written: {error}", path.display())));
        }
    }
    setup.screen.print_whole(&[Line::plain(path.display().to_string())]);
    setup.screen.say(&[
        Line::plain(format!("  playbook lint {word}     (checks it)")),
        Line::plain(format!("  playbook run {word} -C     (a dry-run: it needs no target yet)")),
    ]);
    Ok(Exit::Success)
}
