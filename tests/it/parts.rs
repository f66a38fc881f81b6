//! What the binary is made of: every part comes from crates.io with a checksum, under a licence of the list that
//! `.github/deny.toml` has. `make deny` asks cargo-deny for the same and for advisories; this runs everywhere.

use std::process::Command;

use serde_json::Value;

/// The licences of the configuration of cargo-deny: one list for both.
fn allowed() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.github/deny.toml")).unwrap();
    let list = text.split_once("\nallow = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
    let words = list.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'));
    words.map(|(licence, _)| licence.to_owned()).collect()
}

/// Whether an expression of licences can be fulfilled with those of a list: `A OR B`, `A AND (B OR C)`, and the older `A/B`.
fn fulfilled(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "~WITH~");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut place = 0;
    let holds = either(&words, &mut place, allowed);
    holds && place == words.len()
}

fn either(words: &[&str], place: &mut usize, allowed: &[String]) -> bool {
    let mut holds = both(words, place, allowed);
    while words.get(*place) == Some(&"OR") {
        *place += 1;
        holds |= both(words, place, allowed);
    }
    holds
}

fn both(words: &[&str], place: &mut usize, allowed: &[String]) -> bool {
    let mut holds = one(words, place, allowed);
    while words.get(*place) == Some(&"AND") {
        *place += 1;
        holds &= one(words, place, allowed);
    }
    holds
}

fn one(words: &[&str], place: &mut usize, allowed: &[String]) -> bool {
    let Some(word) = words.get(*place) else { return false };
    *place += 1;
    if *word == "(" {
        let holds = either(words, place, allowed);
        *place += 1;
        return holds && words.get(*place - 1) == Some(&")");
    }
    allowed.iter().any(|licence| *licence == word.replace("~WITH~", " WITH "))
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed: Vec<String> =
        ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).to_vec();
    for good in
        ["MIT", "GPL-3.0 OR MIT", "MIT/X", "(MIT OR X) AND ISC", "Apache-2.0 WITH LLVM-exception", "X OR MIT AND ISC"]
    {
        assert!(fulfilled(good, &allowed), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "GPL-3.0 WITH MIT", "(MIT", "MIT)", "MIT X"] {
        assert!(!fulfilled(bad, &allowed), "{bad}");
    }
}

#[test]
fn every_part_has_a_licence_and_a_source_of_the_list() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    // Offline it needs the parts of every platform, and a build fetches those of its own alone.
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        let lacking = why.contains("--offline") || why.contains("failed to download");
        assert!(lacking, "cargo metadata: {why}");
        eprintln!("skipped: not all parts are on this machine (cargo fetch gets them): {why}");
        return;
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "the parts were not found");
    let allowed = allowed();
    assert!(allowed.len() > 5 && allowed.contains(&"MIT".to_owned()), "{allowed:?}");
    let mut wrong = Vec::new();
    for package in packages {
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or_default();
        if !fulfilled(licence, &allowed) {
            wrong.push(format!("{name}: the licence `{licence}` is not on the list of .github/deny.toml"));
        }
        let ours = package["name"] == "playbook" && package["source"].is_null();
        if !ours && package["source"] != "registry+https://github.com/rust-lang/crates.io-index" {
            wrong.push(format!("{name}: it comes from {} and not from crates.io", package["source"]));
        }
    }
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let parts = lock.split("[[package]]").skip(1).filter(|part| part.contains("source = "));
    wrong.extend(parts.filter(|part| !part.contains("checksum = ")).map(|part| format!("no checksum: {part}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
