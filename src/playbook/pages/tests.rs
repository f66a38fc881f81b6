use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::actions::Table;
use crate::diagnostic::{Severity, Source};
use crate::playbook::{Differs, Found, Library, NotFound, inline, load_as_of};
use crate::spec::Specs;

/// What cannot be shown in a few lines.
fn made(code: &str) -> Option<String> {
    Some(match code {
        "more-faults" => (0..300).map(|number| format!("key{number}: x\n")).collect(),
        "too-deep" => format!("title: {}{}\n", "[".repeat(65), "]".repeat(65)),
        "too-large" => "x".repeat(1024 * 1024 + 1),
        "too-many-steps" => {
            let steps: String =
                (0..6000).map(|number| format!("- {{ id: a{number}, argv: [x], effect: read }}\n")).collect();
            whole(&steps)
        }
        _ => return None,
    })
}

/// A part of a playbook, made whole.
fn whole(part: &str) -> String {
    let head = "name: x\nversion: 1.0.0\n";
    if part.starts_with("name:") || part.starts_with("# nothing") {
        part.to_owned()
    } else if part.starts_with("- ") {
        let steps: String = part.lines().map(|line| format!("  {line}\n")).collect();
        format!("{head}steps:\n{steps}")
    } else if part.contains("steps:") {
        format!("{head}{part}")
    } else {
        format!("{head}steps:\n  - {{ id: look, argv: [uptime], effect: read }}\n{part}")
    }
}

/// The playbooks that the examples nest.
struct Shelf;

impl Library for Shelf {
    fn find(&self, name: &str, version: &str) -> Result<Found, NotFound> {
        let nesting = |name: &str, version: &str| {
            format!("- {{ id: a, uses: playbook, with: {{ name: {name}, version: \"{version}\" }} }}")
        };
        let (head, step) = match name {
            "switch" | "loose" => (
                "inputs: { cluster: { type: string, required: true } }\n",
                "- { id: a, argv: [echo, \"{{inputs.cluster}}\"], effect: read }".to_owned(),
            ),
            "circle" => ("", nesting("circle", "1.0")),
            "deep" => {
                let number: u32 = version.split('.').next_back().and_then(|number| number.parse().ok()).unwrap_or(0);
                ("", nesting("deep", &format!("1.{}", number + 1)))
            }
            "broken" => {
                let (name, version, first, file) = (name.to_owned(), version.to_owned(), String::new(), String::new());
                return Err(NotFound::Broken { name, version, first, file });
            }
            "changed" => {
                let digest = |text: &str| crate::ids::Digest::of(text.as_bytes());
                return Err(NotFound::Differs(Box::new(Differs {
                    name: name.to_owned(),
                    version: version.to_owned(),
                    pinned: digest("a"),
                    there: digest("b"),
                    lock: "playbook.lock".to_owned(),
                    folder: ".".to_owned(),
                })));
            }
            "unreadable" => return Err(NotFound::Lock("playbook.lock cannot be read".to_owned())),
            _ => return Err(NotFound::Unknown(format!("there is no playbook `{name}`"))),
        };
        let text = format!("name: {name}\nversion: \"{version}\"\n{head}steps:\n  {step}\n");
        let loaded = crate::playbook::load(&Source::new("nested.yaml", text), &Specs::of(Table::builtin().specs()));
        let playbook = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        Ok(Found { playbook: std::sync::Arc::new(playbook), pinned: name != "loose" })
    }
}

fn faults(text: &str) -> Vec<(String, Severity)> {
    let table = Table::builtin();
    let today = jiff::civil::date(2026, 11, 22);
    let loaded = load_as_of(&Source::new("x.yaml", text), &Specs::of(table.specs()), &|| today);
    let source = Source::new("x.yaml", text);
    let unset = crate::playbook::format(&source).err().unwrap_or_default();
    let nested = loaded.playbook.as_ref().map(|book| inline(book, &source, &Shelf).diagnostics).unwrap_or_default();
    loaded
        .diagnostics
        .iter()
        .chain(&unset)
        .chain(&nested)
        .map(|fault| (fault.code.to_owned(), fault.severity))
        .collect()
}

#[test]
fn every_bad_example_gives_its_code_and_every_good_one_is_good() {
    for page in pages() {
        let bad = if page.bad.is_empty() { made(page.code) } else { Some(whole(page.bad)) };
        let Some(bad) = bad else {
            assert_eq!(page.code, "parser-fault", "{} has no example", page.code);
            continue;
        };
        let found = faults(&bad);
        assert!(found.iter().any(|(code, _)| code == page.code), "{}: {found:?}\n{bad}", page.code);
        let good = faults(&whole(page.good));
        let ill = good.iter().any(|(code, severity)| code == page.code || *severity == Severity::Error);
        assert!(!ill, "{}: {good:?}\n{}", page.code, whole(page.good));
    }
}

/// The codes that the sources name.
fn used() -> BTreeSet<String> {
    let pattern =
        regex::Regex::new(r#"(?:(?:\.|\b)(?:error|warn|wrong|find|fault)\(\s*|code: )"([a-z]+(?:-[a-z]+)*)""#);
    let pattern = pattern.unwrap();
    let mut used = BTreeSet::new();
    let mut folders =
        ["src/playbook", "src/document"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
            used.extend(pattern.captures_iter(code).map(|found| found[1].to_owned()));
        }
    }
    used
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let listed: Vec<String> = pages().iter().map(|page| page.code.to_owned()).collect();
    let have: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), have.len(), "a page is there twice");
    let used = used();
    assert!(used.len() > 60, "{used:?}");
    assert_eq!(used, have);
}
