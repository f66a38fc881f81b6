//! Journals of every format version that was released (fixtures/journals, made by the script there) resume, or are refused
//! with a sentence that says what to do.

use std::path::{Path, PathBuf};

use crate::processes::{Place, said};

/// The newest form of the tables that this version knows.
const KNOWN: u32 = 2;

fn journals() -> Vec<(u32, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/journals");
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            Some((name.strip_prefix("format-")?.strip_suffix(".sqlite3")?.parse().ok()?, path.clone()))
        })
        .collect();
    found.sort();
    found
}

fn with(journal: &Path) -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::copy(journal, place.path("state/playbook.sqlite3")).unwrap();
    place
}

#[test]
fn every_format_that_was_released_is_kept() {
    let formats: Vec<u32> = journals().iter().map(|(format, _)| *format).collect();
    assert!((1..=KNOWN).all(|format| formats.contains(&format)), "{formats:?}");
    assert!(formats.iter().any(|format| *format > KNOWN), "none is there that must be refused");
}

#[test]
fn a_run_of_an_older_version_goes_on() {
    for (format, journal) in journals().iter().filter(|(format, _)| *format <= KNOWN) {
        let place = with(journal);
        place.expect(0, &["verify", "latest"]);
        let timeline = place.json(&["timeline", "latest", "--output", "json"]);
        let start = &timeline["records"][0]["detail"];
        assert_eq!(start["format"], *format, "{journal:?}");
        assert!(start["tool"].as_str().is_some_and(|tool| !tool.is_empty()), "{start:#}");
        assert!(start["digest"].as_str().is_some_and(|digest| digest.len() > 32), "{start:#}");
        // It ran on a machine that cannot be looked at from here: a person has to say that it is gone.
        let held = place.run(&["resume", "latest"]);
        assert_eq!(held.status.code(), Some(13), "{}", said(&held));
        let over = ["resume", "latest", "--take-over", "--reason", "that machine is gone"];
        place.expect(0, &over);
        assert_eq!(place.status()["verdict"], "succeeded");
        place.expect(0, &["verify", "latest"]);
    }
}

#[test]
fn a_journal_of_a_version_to_come_is_refused_with_what_to_do() {
    for (format, journal) in journals().iter().filter(|(format, _)| *format > KNOWN) {
        let place = with(journal);
        let before = std::fs::read(place.path("state/playbook.sqlite3")).unwrap();
        for arguments in [&["resume", "latest"][..], &["status"], &["list", "--runs"], &["verify"]] {
            let told = place.expect(74, arguments).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(told.contains(&format!("its journal has form {format}")), "{told}");
            assert!(told.contains("Use that newer version, or another state folder"), "{told}");
        }
        assert_eq!(std::fs::read(place.path("state/playbook.sqlite3")).unwrap(), before);
    }
}
