//! Where secrets come from, and that they are found nowhere else: canaries go through whole runs and are looked for in all
//! that is kept or shown.

mod canaries;
mod modes;
mod outputs;
mod resolvers;
mod vault;

use std::path::{Path, PathBuf};

/// All files below a folder. What goes away meanwhile was not kept.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// The files below a folder that hold a text.
fn telling(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let tells = |path: &PathBuf| std::fs::read(path).is_ok_and(|bytes| holds(&bytes, needle));
    files_below(folder).into_iter().filter(tells).collect()
}

/// The command lines of all processes, as far as they can be read.
fn command_lines() -> Vec<u8> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    processes.filter_map(|path| std::fs::read(path).ok()).flatten().collect()
}
