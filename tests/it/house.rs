//! Holds the house to its drawing: which room may know which (docs/architecture.md), and that the brain does no I/O.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each room may name after `use crate::`, beside itself.
const ROOMS: [(&str, &[&str]); 23] = [
    ("ids", &[]),
    ("diagnostic", &[]),
    ("value", &[]),
    ("outcome", &["value"]),
    ("spec", &["value"]),
    ("document", LEAVES),
    ("playbook", &["document", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("catalog", &["playbook", "document", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("plan", &["playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("run", &["plan", "playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("timeline", &["run", "plan", "playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("inventory", LEAVES),
    ("config", LEAVES),
    ("incident", &["config", "run", "plan", "playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("trigger", &["config", "incident", "playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("actions", &["inventory", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("journal", &["incident", "run", "plan", "playbook", "ids", "diagnostic", "value", "outcome", "spec"]),
    ("notify", &["timeline", "incident", "run", "config", "ids", "diagnostic", "value", "outcome", "spec"]),
    (
        "engine",
        &[
            "actions",
            "config",
            "diagnostic",
            "ids",
            "incident",
            "inventory",
            "journal",
            "notify",
            "outcome",
            "plan",
            "playbook",
            "run",
            "spec",
            "timeline",
            "value",
        ],
    ),
    (
        "server",
        &[
            "actions",
            "catalog",
            "config",
            "diagnostic",
            "engine",
            "ids",
            "incident",
            "inventory",
            "journal",
            "notify",
            "outcome",
            "plan",
            "playbook",
            "run",
            "spec",
            "timeline",
            "trigger",
            "value",
        ],
    ),
    (
        "sim",
        &[
            "actions",
            "engine",
            "inventory",
            "journal",
            "plan",
            "playbook",
            "run",
            "ids",
            "diagnostic",
            "value",
            "outcome",
            "spec",
        ],
    ),
    ("client", &["inventory", "journal", "run", "ids", "diagnostic", "value", "outcome", "spec"]),
    (
        "cli",
        &[
            "actions",
            "catalog",
            "client",
            "config",
            "diagnostic",
            "document",
            "engine",
            "ids",
            "incident",
            "inventory",
            "journal",
            "notify",
            "outcome",
            "plan",
            "playbook",
            "run",
            "server",
            "sim",
            "spec",
            "timeline",
            "trigger",
            "value",
        ],
    ),
];

const LEAVES: &[&str] = &["ids", "diagnostic", "value", "outcome", "spec"];

/// Rooms that touch no clock, file, network, task or screen.
const PURE: [&str; 12] = [
    "ids",
    "diagnostic",
    "value",
    "outcome",
    "spec",
    "document",
    "playbook",
    "plan",
    "run",
    "timeline",
    "incident",
    "trigger",
];

/// What a pure room would need for that.
const IMPURE: [&str; 14] = [
    "std::fs",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "SystemTime",
    "tokio",
    "rusqlite",
    "nix::",
    "reqwest",
    "println!",
    "Timestamp::now",
];

fn sources() -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path, text);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn room_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without its comments and its tests, which may look anywhere.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

/// The rooms that a code names.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = group.split("};").next().unwrap_or("");
            let mut depth = 0;
            let mut word = String::new();
            for letter in group.chars().chain([',']) {
                match letter {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.push(word.trim().split("::").next().unwrap_or("").to_owned());
                        word.clear();
                    }
                    _ if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
        } else {
            rooms.push(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn each_room_knows_only_what_it_may() {
    let mut trespasses = Vec::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        if room == "lib" || room == "main" || is_test(&path) {
            continue;
        }
        let Some((_, may)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            trespasses.push(format!("{} stands in a room that is not on the drawing", path.display()));
            continue;
        };
        for other in named(&code(&text)) {
            if other != room && !may.contains(&other.as_str()) {
                trespasses.push(format!("{}: {room} may not know {other}", path.display()));
            }
        }
    }
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

#[test]
fn the_pure_rooms_touch_nothing() {
    let mut trespasses = Vec::new();
    for (path, text) in sources() {
        let room = room_of(&path);
        if !PURE.contains(&room.as_str()) || is_test(&path) {
            continue;
        }
        for word in IMPURE {
            if code(&text).contains(word) {
                trespasses.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(trespasses.is_empty(), "{}", trespasses.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_what_it_must() {
    assert_eq!(
        named("use crate::run::Event;\nuse crate::{journal::Journal, ids::{RunId, StepId}};"),
        ["run", "journal", "ids"]
    );
    assert!(code("// use crate::engine::Engine;").is_empty());
}

#[test]
fn files_stay_small() {
    let large: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 450)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(large.is_empty(), "too large for one thing:\n{}", large.join("\n"));
}
