//! The lines of a configuration of ssh: keys and words, conditions, names of files. What they mean is said in `ssh_config`.

use std::path::{Path, PathBuf};

use super::files;
use crate::inventory::select::fits;

/// A condition of a `Match`.
#[derive(Debug, Clone)]
pub(super) struct Criterion {
    /// Whether it must not hold.
    pub(super) no: bool,
    pub(super) kind: String,
    pub(super) patterns: String,
}

/// The key and the rest of a line.
pub(super) fn setting(line: &str) -> Option<(String, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_start();
    Some((key.to_ascii_lowercase(), rest.strip_prefix('=').unwrap_or(rest).trim_start()))
}

/// The words of a line: quotes hold one together, a comment ends it.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' if !quoted && word.is_none() => break,
            space if space.is_whitespace() && !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

pub(super) fn criteria(words: &[String]) -> Option<Vec<Criterion>> {
    const ALONE: [&str; 3] = ["all", "canonical", "final"];
    let mut found = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (no, word) = word.strip_prefix('!').map_or((false, word.as_str()), |word| (true, word));
        let (kind, inline) = word.split_once('=').map_or((word, None), |(kind, value)| (kind, Some(value)));
        let kind = kind.to_ascii_lowercase();
        let patterns = if ALONE.contains(&kind.as_str()) {
            String::new()
        } else {
            inline.map(str::to_owned).or_else(|| words.next().cloned())?
        };
        found.push(Criterion { no, kind, patterns });
    }
    (!found.is_empty()).then_some(found)
}

/// Whether a name is in a list of patterns, where one with `!` shuts it out.
pub(super) fn listed<'p>(patterns: impl Iterator<Item = &'p str>, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits(pattern, name) => return false,
            Some(_) => {}
            None => found |= fits(pattern, name),
        }
    }
    found
}

/// The files that an `Include` means, in order. Relative ones lie in `~/.ssh`, as for ssh.
pub(super) fn included(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let home = std::env::home_dir().unwrap_or_default();
    let path = match Path::new(pattern).strip_prefix("~") {
        Ok(below) => home.join(below),
        Err(_) => home.join(".ssh").join(pattern),
    };
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    if folder.to_string_lossy().contains(['*', '?', '[']) {
        return Err(format!("Include {}: a wildcard in a folder's name is not followed here", pattern.escape_debug()));
    }
    if !name.contains(['*', '?', '[']) {
        return Ok(if path.is_file() { vec![path] } else { Vec::new() });
    }
    let is_meant = |path: &PathBuf| {
        let found = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.is_file() && !found.starts_with('.') && fits(name, found)
    };
    Ok(files::sorted(folder)?.into_iter().filter(is_meant).collect())
}
