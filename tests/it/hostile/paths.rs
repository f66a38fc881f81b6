//! Names never lead out of their folder, not by `..`, not by an absolute path, not by a link. A path that a person writes on
//! the command line may be anywhere: that is what it is for.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::Canary;
use crate::processes::{Place, said};

const STEP: &str = "  - { id: only, run: echo ran >> WORLD/log, rollback: none, because: a test }\n";

/// A place with a folder of playbooks, and playbooks outside of it.
fn place() -> (Place, String) {
    let place = Place::new();
    for folder in ["books", "outside", "outside/deep"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    for (name, to) in [("inside", "books"), ("secret", "outside"), ("deep", "outside/deep")] {
        let book = place.book(name, STEP);
        std::fs::rename(&book, place.path(&format!("{to}/{name}.yaml"))).unwrap();
    }
    let books = place.path("books").display().to_string();
    (place, books)
}

#[test]
fn a_playbook_is_found_by_name_only_in_its_folder() {
    let (place, books) = place();
    symlink(place.path("outside/secret.yaml"), place.path("books/secret.yaml")).unwrap();
    symlink(place.path("outside/deep"), place.path("books/deep")).unwrap();
    let run = |name: &str| place.run(&["run", name, "-y", "--playbooks", &books]);
    assert_eq!(run("inside").status.code(), Some(0));
    assert_eq!(place.log().len(), 1);
    for name in ["secret", "deep"] {
        let output = run(name);
        assert_eq!(output.status.code(), Some(66), "{name}: {}", said(&output));
    }
    // What is no name is none; what is a path is a person's own word, and has to be there.
    for name in
        ["..", ".", "in side", "inside\n", "inside\0x", "%2e%2e", "~", "$HOME", "-", "\u{202e}x", "inside@../../x"]
    {
        if name.contains('\0') {
            continue;
        }
        let output = run(name);
        assert!([Some(64), Some(66)].contains(&output.status.code()), "{name:?}: {}", said(&output));
    }
    for path in ["../books/none", "/etc/passwd/x", "books/../outside/none.yaml"] {
        assert_ne!(run(path).status.code(), Some(0), "{path}");
    }
    assert_eq!(place.log().len(), 1, "nothing else ran");
    let there = place.path("outside/secret.yaml").display().to_string();
    assert_eq!(run(&there).status.code(), Some(0), "a path that a person writes may be anywhere");
}

#[test]
fn a_nested_playbook_stays_in_the_folder() {
    let (place, books) = place();
    symlink(place.path("outside/secret.yaml"), place.path("books/secret.yaml")).unwrap();
    for name in
        ["../outside/secret", "/etc/passwd", "secret", "./inside", "books/inside", "inside.yaml", "..", "secret@1.0.0"]
    {
        let steps = format!("  - {{ id: sub, uses: playbook, with: {{ name: \"{name}\", version: \"1.0\" }} }}\n");
        let book = place.book("parent", &steps);
        let output = place.run(&["run", &book, "-y", "--playbooks", &books]);
        assert_eq!(output.status.code(), Some(65), "{name}: {}", said(&output));
    }
    assert!(place.log().is_empty());
    let book = place.book("parent", "  - { id: sub, uses: playbook, with: { name: inside, version: \"1.0\" } }\n");
    place.expect(0, &["run", &book, "-y", "--playbooks", &books]);
}

#[test]
fn a_lock_or_a_world_that_is_a_link_is_not_followed() {
    let (place, books) = place();
    std::fs::write(place.path("outside/playbook.lock"), "playbooks: []\n").unwrap();
    symlink(place.path("outside/playbook.lock"), place.path("books/playbook.lock")).unwrap();
    let book = place.book("parent", "  - { id: sub, uses: playbook, with: { name: inside, version: \"1.0\" } }\n");
    let said = place.expect(65, &["run", &book, "-y", "--playbooks", &books]);
    assert!(said.contains("playbook.lock") && said.contains("link"), "{said}");
    assert!(place.log().is_empty());
    std::fs::create_dir(place.path("worlds")).unwrap();
    std::fs::write(place.path("outside/world.yaml"), "title: from outside\n").unwrap();
    symlink(place.path("outside/world.yaml"), place.path("worlds/inside.yaml")).unwrap();
    let output = place.run(&["rehearse", "inside", "--playbooks", &books]);
    assert!(!crate::processes::said(&output).contains("from outside"), "{}", crate::processes::said(&output));
}

#[test]
fn a_runs_name_is_no_path() {
    let place = Place::new();
    let book = place.book("one", STEP);
    place.expect(0, &["run", &book, "-y"]);
    let canary = Canary::new();
    let verbs = ["status", "timeline", "verify", "resume", "rollback", "watch"];
    for (number, value) in canary.values().iter().filter(|value| !value.starts_with('-')).enumerate() {
        // All verbs take a run's name in one place: each value goes through one of them.
        let verb = verbs[number % verbs.len()];
        let output = place.run(&[verb, value]);
        let code = output.status.code();
        assert!([Some(64), Some(65), Some(66)].contains(&code), "{verb} {value:?}: {code:?} {}", said(&output));
    }
    assert_eq!(place.log().len(), 1);
    canary.is_silent();
}

/// Items of a list name files in the spool: whatever they are, these stay in the state folder.
#[test]
fn items_stay_in_the_spool() {
    let (place, canary) = (Place::new(), Canary::new());
    let items: Vec<String> = canary.values().into_iter().filter(|value| value.len() < 200).collect();
    let list: Vec<String> = items.iter().map(|item| serde_json::json!(item).to_string()).collect();
    let file = place.path("items.json");
    std::fs::write(&file, format!("{{ \"all\": [{}] }}", list.join(", "))).unwrap();
    let steps = "  - { id: find, argv: [cat, WORLD/items.json], effect: read, outputs: { all: { json: all } } }\n\
                 \x20 - { id: each, for_each: \"{{steps.find.outputs.all}}\", run: 'printf \"%s\\0\" \"$ITEM\" >> WORLD/log', \
                 env: { ITEM: \"{{item}}\" }, rollback: none, because: a test }\n";
    let book = place.book("items", steps);
    let outside = || -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(place.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "log" && name != "state")
            .collect();
        names.sort();
        names
    };
    let before = outside();
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(outside(), before);
    let written = std::fs::read_to_string(place.path("log")).unwrap();
    let arrived: Vec<&str> = written.split_terminator('\0').collect();
    assert_eq!(arrived, items.iter().map(String::as_str).collect::<Vec<_>>());
    canary.is_silent();
}

/// A plan's file is written whole, for the user's eyes alone, and never through a link that somebody laid.
#[test]
fn a_plans_file_is_never_written_through_a_link() {
    let place = Place::new();
    let book = place.book("one", STEP);
    let victim = place.path("victim");
    std::fs::write(&victim, "precious").unwrap();
    let file = place.path("out.plan");
    symlink(&victim, &file).unwrap();
    place.expect(0, &["plan", &book, "-o", file.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert!(!file.symlink_metadata().unwrap().is_symlink());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}
