//! Many operators at once: one gets the lock, the others are told who has it and how to come by, or wait for it; and no two
//! that wait ever block each other.

use nix::sys::signal::Signal;

use crate::processes::{Place, Runner, until};

const HOLDS: &str = r#"
  - id: holds
    run: echo held >> WORLD/log; GATE(holds)
    rollback: none
    because: a test
"#;

/// A run that holds `database/orders` and stands at its gate, and another playbook that wants the same lock.
fn held() -> (Place, Runner, String) {
    let place = Place::new();
    let book = place.book_with("holder", "locks: [\"database/orders\"]", HOLDS);
    let wants = place.book_with(
        "wants",
        "locks: [\"proxy/front\", \"database/orders\"]",
        "  - { id: only, run: echo wants >> WORLD/log, rollback: none, because: a test }\n",
    );
    let runner = place.start(&["run", &book, "-y", "--incident", "INC-7"]);
    place.wait_at("holds");
    (place, runner, wants)
}

#[test]
fn the_second_is_told_who_has_it_and_how_to_come_by() {
    let (place, mut runner, wants) = held();
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let since = place.status()["started"].as_str().unwrap()[..16].replace('T', " ");
    let said = place.expect(13, &["run", &wants, "-y"]);
    let process = format!("(process {})", runner.child.id());
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current()).unwrap().unwrap().name;
    let watch = format!("playbook watch {run}");
    let cancel = format!("playbook cancel {run}");
    let wait = format!("playbook run {wants} -y --wait 2m");
    for part in ["database/orders", "of holder", &run, &since, "INC-7", &user, &process, &watch, &cancel, &wait] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    // Nobody drives it any more: then another command helps.
    runner.kill();
    let said = place.expect(13, &["run", &wants, "-y"]);
    assert!(said.contains("nobody drives it") && said.contains(&format!("playbook resume {run}")), "{said}");
    place.open("holds");
    place.expect(0, &["resume", &run]);
    assert_eq!(place.log(), ["held"], "what was refused did nothing");
}

#[test]
fn who_waits_starts_when_the_lock_is_free() {
    let (place, mut runner, wants) = held();
    let mut waits = place.start(&["run", &wants, "-y", "--wait", "2m"]);
    waits.wait_for("waits: database/orders is held by run");
    waits.wait_for("INC-7");
    assert_eq!(place.json(&["list", "--runs", "--output", "json"]).as_array().unwrap().len(), 1, "it holds nothing");
    place.open("holds");
    runner.expect(0);
    waits.expect(0);
    assert_eq!(place.log(), ["held", "wants"]);
}

#[test]
fn a_wait_has_an_end() {
    let (place, mut runner, wants) = held();
    let said = place.expect(13, &["run", &wants, "-y", "--wait", "300ms"]);
    assert!(said.contains("waits: ") && said.contains("nothing was started"), "{said}");
    let mut waits = place.start(&["run", &wants, "-y", "--wait", "2m"]);
    waits.wait_for("waits: ");
    waits.signal(Signal::SIGINT);
    waits.expect(130);
    for bad in ["0s", "soon", "99d"] {
        place.expect(64, &["run", &wants, "-y", "--wait", bad]);
    }
    // What does not go on by itself is named while it is waited for.
    runner.kill();
    let said = place.expect(13, &["run", &wants, "-y", "--wait", "300ms"]);
    assert!(said.contains("That run does not go on by itself: playbook status"), "{said}");
    assert_eq!(place.log(), ["held"]);
    place.open("holds");
}

/// Ten playbooks over four resources, each of which wants two, listed in all orders; a step that meets another one on its
/// resource says so in a file.
fn ten(place: &Place, with_locks: bool) -> Vec<String> {
    let resources = ["a", "b", "c", "d"];
    let book = |number: usize| {
        let first = resources[number % 4];
        let second = resources[(number + 1 + number / 4) % 4];
        let head = match with_locks {
            true => format!("locks: [\"thing/{first}\", \"thing/{second}\"]"),
            false => String::new(),
        };
        let steps = format!(
            r#"
  - id: works
    run: |
      mkdir WORLD/on-{first} 2>/dev/null || echo {number} met another >> WORLD/met
      mkdir WORLD/on-{second} 2>/dev/null || echo {number} met another >> WORLD/met
      sleep 0.1
      rmdir WORLD/on-{first} WORLD/on-{second} 2>/dev/null || true
      echo {number} >> WORLD/log
    rollback: none
    because: a test
"#
        );
        place.book_with(&format!("one_of_ten_{number}"), &head, &steps)
    };
    (0..10).map(book).collect()
}

fn run_ten(place: &Place, with_locks: bool) {
    let books = ten(place, with_locks);
    let mut all: Vec<Runner> = books.iter().map(|book| place.start(&["run", book, "-y", "--wait", "2m"])).collect();
    for runner in &mut all {
        until("the end of one of ten", || runner.child.try_wait().unwrap());
        runner.expect(0);
    }
    let mut log = place.log();
    log.sort_unstable();
    assert_eq!(log, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
fn ten_that_share_locks_all_come_to_their_end_and_never_meet() {
    let place = Place::new();
    run_ten(&place, true);
    assert_eq!(place.read("met"), "", "two worked on the same thing at the same time");
    let runs = place.json(&["list", "--runs", "--output", "json"]);
    assert!(runs.as_array().unwrap().iter().all(|run| run["verdict"] == "succeeded"), "{runs:#}");
}

/// The control: the same ten without locks do meet.
#[test]
fn ten_without_locks_meet() {
    let place = Place::new();
    run_ten(&place, false);
    assert!(!place.read("met").is_empty(), "they never meet anyway, so the locks show nothing");
}
