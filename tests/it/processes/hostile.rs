//! Broken files and folders: a clear sentence, the documented exit code, nothing changed.

use std::os::unix::fs::PermissionsExt as _;

use super::Place;

const STEP: &str = "  - { id: only, run: echo only >> WORLD/log, rollback: none, because: a test }\n";

/// Root may write anywhere, whatever the permissions say.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn a_journal_of_random_bytes_is_refused() {
    for (name, bytes) in [
        ("random", (0..65_536_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<u8>>()),
        ("text", b"this is no database\n".repeat(300)),
    ] {
        let place = Place::new();
        let book = place.book("one", STEP);
        place.expect(0, &["run", &book, "-y"]);
        std::fs::remove_file(place.path("log")).unwrap();
        let folder = place.path("state");
        let mut damaged = 0;
        for entry in
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
        {
            std::fs::write(entry, &bytes).unwrap();
            damaged += 1;
        }
        assert!(damaged > 0);
        for arguments in [
            &["run", &book, "-y"][..],
            &["status"],
            &["list", "--runs"],
            &["timeline", "latest"],
            &["verify", "latest"],
            &["resume", "latest"],
        ] {
            let output = place.run(arguments);
            let said = super::said(&output);
            assert!(
                [Some(65), Some(74)].contains(&output.status.code()),
                "{name}: {arguments:?} {:?}\n{said}",
                output.status
            );
            assert!(said.contains("state") && !said.contains("panicked"), "{said}");
        }
        assert!(place.log().is_empty(), "nothing was started");
    }
}

#[test]
fn a_state_that_cannot_be_written_starts_nothing() {
    let place = Place::new();
    let book = place.book("one", STEP);
    // A file where the folder should be: even root cannot write there.
    std::fs::write(place.path("file"), "").unwrap();
    let mut states = vec![place.path("file"), place.path("file/state"), "/proc/playbook-state".into()];
    if !is_root() {
        std::fs::create_dir(place.path("locked")).unwrap();
        std::fs::set_permissions(place.path("locked"), std::fs::Permissions::from_mode(0o500)).unwrap();
        states.push(place.path("locked"));
    }
    for state in states {
        let state = state.to_str().unwrap();
        let said = place.expect(74, &["run", &book, "-y", "--state", state]);
        assert!(said.contains(state), "{said}");
        assert!(place.log().is_empty());
    }
}

#[test]
fn a_spool_that_cannot_be_written_changes_nothing() {
    let place = Place::new();
    let book = place.book("one", STEP);
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::write(place.path("state/spool"), "").unwrap();
    let output = place.run(&["run", &book, "-y"]);
    let said = super::said(&output);
    assert!([Some(1), Some(70), Some(74)].contains(&output.status.code()), "{:?}\n{said}", output.status.code());
    assert!(said.contains("spool"), "{said}");
    assert!(place.log().is_empty());
}

#[test]
fn playbooks_that_are_none_are_refused() {
    let place = Place::new();
    let good = std::fs::read_to_string(place.book("one", STEP)).unwrap();
    let many: String = (0..8).map(|n| format!("# {}\n", n.to_string().repeat(256 * 1024))).collect();
    let cases: [(&str, Vec<u8>); 8] = [
        ("big", format!("{good}{many}").into_bytes()),
        ("nul", good.replace("A test", "A\0test").into_bytes()),
        ("nul_last", format!("{good}\0").into_bytes()),
        ("latin1", good.replace("A test", "Ä").chars().map(|c| c as u32 as u8).collect()),
        ("empty", Vec::new()),
        ("list", b"- 1\n- 2\n".to_vec()),
        ("deep", "[\n".repeat(100_000).into_bytes()),
        ("bomb", b"a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nname: *c\n".to_vec()),
    ];
    for (name, bytes) in cases {
        let path = place.path(&format!("{name}.yaml"));
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_str().unwrap();
        for arguments in [&["run", path, "-y"][..], &["lint", path], &["plan", path], &["show", path]] {
            let said = place.expect(65, arguments);
            assert!(said.contains(name), "it names the file: {said}");
            assert!(said.len() < 4000, "{} bytes about {name}", said.len());
        }
    }
    let folder = place.path("folder.yaml");
    std::fs::create_dir(&folder).unwrap();
    for verb in ["run", "plan", "show"] {
        let output = place.run(&[verb, folder.to_str().unwrap()]);
        let said = super::said(&output);
        assert!([Some(65), Some(66)].contains(&output.status.code()), "{verb} {:?}\n{said}", output.status.code());
        assert!(said.contains("folder"), "{said}");
    }
    assert!(
        !place.path("state").exists() || place.json(&["list", "--runs", "--output", "json"]) == serde_json::json!([])
    );
    assert!(place.log().is_empty());
}
