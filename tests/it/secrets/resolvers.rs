//! References through the binary: programs and age files. What a reference cannot do is said before anything is begun.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::{command_lines, holds, telling};
use crate::processes::{Place, said, until};

const SECRET: &str = "horse-battery-5521-staple";

const BOOK: &str = "  - id: use\n    run: 'test \"$PW\" = \"$(cat WORLD/secret)\" && echo \"got $PW\" && touch WORLD/used'\n    effect: idempotent\n\
                    \x20   env: { PW: \"{{inputs.password}}\" }\n    rollback: none\n    because: it is a test\n";
const HEAD: &str = "inputs: { password: { type: string, sensitive: true, required: true } }";

fn place() -> (Place, String) {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let book = place.book_with("uses", HEAD, BOOK);
    (place, book)
}

fn script(place: &Place, name: &str, text: &str) -> String {
    let path = place.path(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path.display().to_string()
}

#[test]
fn a_program_gives_a_secret_and_no_shell_is_asked() {
    let (place, book) = place();
    let get =
        script(&place, "get", "test \"$1\" = 'a  b' && test \"$2\" = '$HOME' && cat \"$(dirname \"$0\")/secret\"");
    for reference in [format!("exec:{get} 'a  b' '$HOME'"), format!("exec:[\"{get}\", \"a  b\", \"$HOME\"]")] {
        let _ = std::fs::remove_file(place.path("used"));
        let input = format!("password={reference}");
        let planned = place.expect(0, &["plan", &book, "-i", &input]);
        assert!(planned.contains("is there; its value is never shown") && !planned.contains(SECRET), "{planned}");
        let shown = place.expect(0, &["run", &book, "-y", "-i", &input]);
        assert!(place.path("used").exists() && shown.contains("got ***") && !shown.contains(SECRET), "{shown}");
        assert!(telling(&place.path("state"), SECRET).is_empty());
    }
}

#[test]
fn a_program_that_fails_is_told_without_what_it_printed_and_nothing_is_begun() {
    let (place, book) = place();
    let fails = script(&place, "fails", "echo half-a-secret-line; echo the key is locked >&2; exit 2");
    let input = format!("password=exec:{fails}");
    let shown = place.expect(65, &["run", &book, "-y", "-i", &input]);
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("the key is locked") && !shown.contains("half-a-secret-line"), "{shown}");
    assert!(shown.contains("nothing was started or changed") && !place.path("used").exists(), "{shown}");
    let shown = place.expect(65, &["run", &book, "-y", "-i", "password=exec:no-such-program-here"]);
    assert!(shown.contains("is not installed here"), "{shown}");
}

#[test]
fn a_run_keeps_its_lease_while_a_program_takes_its_time() {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let first = "  - { id: first, run: touch WORLD/armed, effect: idempotent, rollback: none, because: a test }\n";
    let book = place.book_with("uses", HEAD, &format!("{first}{BOOK}"));
    // Only once the run goes on does it take its time.
    let slow = script(
        &place,
        "slow",
        "cd \"$(dirname \"$0\")\"; if [ -e armed ]; then touch waits.here; while [ ! -e waits.go ]; do sleep 0.02; done; fi; cat secret",
    );
    let mut runner = place.start(&["run", &book, "-y", "-i", &format!("password=exec:{slow}")]);
    place.wait_at("waits");
    // A request is taken up within a moment all the same: the loop that renews the lease is not held up.
    let lines = command_lines();
    assert!(!holds(&lines, SECRET) && holds(&lines, "slow"));
    let begun = std::time::Instant::now();
    place.expect(0, &["pause", "latest", "--reason", "a test"]);
    until("the request in the timeline", || place.expect(0, &["timeline", "latest"]).contains("pause").then_some(()));
    // Well before the program would be given up, which would let the loop go on too.
    assert!(begun.elapsed().as_secs() < 9, "{:?}", begun.elapsed());
    place.open("waits");
    assert!(runner.code().is_some());
    assert!(!runner.said().contains(SECRET), "{}", runner.said());
}

#[test]
fn an_age_file_is_decrypted_by_the_program_age() {
    if Command::new("age").arg("--version").output().is_err() {
        eprintln!("skipped: age is not installed (`make setup` installs it)");
        return;
    }
    let (place, book) = place();
    let key = place.path("key.txt");
    let made = Command::new("age-keygen").arg("-o").arg(&key).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let public = Command::new("age-keygen").arg("-y").arg(&key).output().unwrap();
    let public = String::from_utf8(public.stdout).unwrap();
    let file = place.path("db.age").display().to_string();
    let secret = place.path("secret");
    let sealed = Command::new("age").args(["-r", public.trim(), "-o", &file]).arg(&secret).output().unwrap();
    assert!(sealed.status.success(), "{}", said(&sealed));
    let run = |identity: &str, words: &[&str]| {
        let mut command = place.command(words);
        command.args(["-i", &format!("password=age:{file}")]).env("PLAYBOOK_AGE_IDENTITY", identity);
        command.env("HOME", place.path("")).env_remove("SOPS_AGE_KEY_FILE").env_remove("XDG_CONFIG_HOME");
        let output = command.output().unwrap();
        (output.status.code(), said(&output).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, shown) = run(&key.display().to_string(), &["run", &book, "-y"]);
    assert!(code == Some(0) && place.path("used").exists() && !shown.contains(SECRET), "{shown}");
    let (code, shown) = run("", &["run", &book, "-y"]);
    assert!(code == Some(65) && shown.contains("$PLAYBOOK_AGE_IDENTITY"), "{shown}");
    let other = place.path("other.txt");
    assert!(Command::new("age-keygen").arg("-o").arg(&other).output().unwrap().status.success());
    let (code, shown) = run(&other.display().to_string(), &["run", &book, "-y"]);
    assert!(code == Some(65) && shown.contains("age failed"), "{shown}");
}
