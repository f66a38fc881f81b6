//! A run takes another one's place, with the real binary: after its process was killed, while it waits, and with a playbook
//! that somebody has mended.

use super::{Place, Runner};

const HELD: &str = "locks: [\"database/orders\"]";

const STEPS: &str = r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: GATE(second); echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
  - id: third
    run: echo third >> WORLD/log
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#;

/// Another playbook with the same lock.
fn other(place: &Place) -> String {
    place.book_with("other", HELD, "  - { id: only, run: echo other >> WORLD/log, rollback: none, because: a test }\n")
}

/// A run that stands in its second step, and its id.
fn standing() -> (Place, Runner, String) {
    let place = Place::new();
    let book = place.book_with("held", HELD, STEPS);
    let runner = place.start(&["run", &book, "-y"]);
    place.wait_at("second");
    let run = place.status()["run"].as_str().unwrap().to_owned();
    (place, runner, run)
}

/// The words of a printed command that is completed with a reason.
fn paste(place: &Place, code: i32, said: &str, flag: &str) -> String {
    let line = said.lines().find(|line| line.contains(flag)).unwrap_or_else(|| panic!("no {flag} in\n{said}"));
    let command = line.split("     (").next().unwrap().trim().trim_start_matches("next:").trim();
    let command = command.replace("\"…\"", "because");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    place.expect(code, &words)
}

#[test]
fn a_run_that_lives_is_not_taken_over_and_a_killed_one_is() {
    let (place, mut runner, run) = standing();
    let other = other(&place);
    let over = ["run", &other, "-y", "--take-over", &run, "--reason", "it hangs"];
    let said = place.expect(13, &over);
    assert!(said.contains(&runner.child.id().to_string()), "it says who drives it: {said}");
    assert!(!place.expect(13, &["run", &other, "-y"]).contains("--take-over"), "nobody is told to take a live run");
    runner.kill();
    // Its command goes on without it: nothing is done beside that.
    let said = place.expect(77, &over);
    assert!(said.contains("second") && said.contains("still runs"), "{said}");
    assert_eq!(place.log(), ["first"]);
    place.open("second");
    super::until("the command's end", || (place.log().len() == 2).then_some(()));
    let said = place.expect(13, &["run", &other, "-y"]);
    place.expect(64, &["run", &other, "-y", "--take-over", &run]);
    let dry = place.expect(0, &["run", &other, "--dry-run", "--take-over", &run, "--reason", "x"]);
    assert!(dry.contains("Takes over run") && dry.contains("first, done"), "{dry}");
    assert_eq!(place.status()["run"].as_str().unwrap(), run, "a dry-run begins nothing");
    let said = paste(&place, 3, &said, "--take-over");
    for part in ["second, done", "not undone by this run", "first (done), second (done)"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
    assert_eq!(place.log(), ["first", "second", "other"]);
    let status = place.json(&["status", &run, "--output", "json"]);
    assert_eq!(status["verdict"], "abandoned");
    let new = place.status();
    assert_eq!(new["inherited"]["from"], run.as_str());
    assert_eq!(new["inherited"]["stands"].as_array().unwrap().len(), 2);
    place.expect(15, &["resume", &run]);
    place.expect(0, &["verify", &run]);
    place.expect(0, &["verify", "latest"]);
    place.expect(0, &["run", &other, "-y"]);
}

#[test]
fn a_run_that_waits_with_its_process_there_loses_its_place() {
    let place = Place::new();
    let steps = STEPS.replace("run: echo third >> WORLD/log", "run: exit 3\n    on_failure: pause");
    let book = place.book_with("held", HELD, &steps);
    place.open("second");
    let mut runner = place.start(&["run", &book, "-y"]);
    runner.wait_for("a person is needed");
    let said = place.expect(13, &["run", &other(&place), "-y"]);
    let said = paste(&place, 3, &said, "--take-over");
    assert!(said.contains("third (failed, part of it may have happened)"), "{said}");
    // The process that waited finds that the run is no longer its own.
    runner.expect(12);
    assert_eq!(place.log(), ["first", "second", "other"]);
}

#[test]
fn a_mended_playbook_goes_on_and_its_rollback_reaches_back() {
    for mended in [true, false] {
        let place = Place::new();
        let steps = r#"
  - id: count
    run: wc -l < WORLD/log
    effect: read
    outputs: { lines: { regex: '(\d+)', type: integer } }
  - id: first
    run: echo "first $N" >> WORLD/log
    env: { N: "{{steps.count.outputs.lines}}" }
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log; BROKEN
    on_failure: pause
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
  - id: third
    run: echo "third $N" >> WORLD/log
    env: { N: "{{steps.count.outputs.lines}}" }
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#;
        std::fs::write(place.path("log"), "").unwrap();
        let book = place.book_with("broken", HELD, &steps.replace("BROKEN", "exit 3"));
        place.expect(12, &["run", &book, "-y", "--no-wait"]);
        let run = place.status()["run"].as_str().unwrap().to_owned();
        assert_eq!(place.log(), ["first 0", "second"]);
        let tail = if mended { "true" } else { "exit 4" };
        let steps = steps.replace("BROKEN", tail).replace("    on_failure: pause\n", "");
        let book = place.book_with("broken", HELD, &steps);
        let dry = ["run", &book, "--dry-run", "--continue", &run, "--reason", "mended", "--output", "json"];
        let plan = place.json(&dry);
        let tasks = |outcome: &str| -> Vec<String> {
            let steps = plan["inherited"]["steps"].as_array().unwrap().iter();
            let of_it = steps.filter(|step| step["outcome"] == outcome);
            of_it.map(|step| step["task"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(
            (tasks("done"), tasks("failed")),
            (vec!["count".to_owned(), "first".to_owned()], vec!["second".to_owned()])
        );
        assert_eq!(plan["steps"][0]["runs"]["is"], "no");
        assert_eq!(place.status()["run"].as_str().unwrap(), run, "a dry-run begins nothing");
        let code = if mended { 3 } else { 10 };
        let said = place.expect(code, &["run", &book, "-y", "--continue", &run, "--reason", "mended"]);
        assert!(said.contains("done there, and not done again: count, first"), "{said}");
        match mended {
            // What was read then is what counts, though the file has other lines by now.
            true => assert_eq!(place.log(), ["first 0", "second", "second", "third 0"]),
            false => assert!(place.log().is_empty(), "{:?}", place.log()),
        }
        assert_eq!(place.json(&["status", &run, "--output", "json"])["verdict"], "abandoned");
        place.expect(0, &["verify", "latest"]);
    }
}

#[test]
pub fn what_nobody_would_undo_is_said_with_the_way_out() {
    let place = Place::new();
    let steps = STEPS.replace("run: echo third >> WORLD/log", "run: exit 3\n    on_failure: pause");
    let book = place.book_with("held", HELD, &steps);
    place.open("second");
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let book = place.book_with("held", HELD, &STEPS.replace("echo first", "echo begin"));
    let said = place.expect(77, &["run", &book, "-y", "--continue", &run, "--reason", "mended"]);
    assert!(said.contains("first is done") && said.contains("playbook cancel"), "{said}");
    assert_eq!(place.status()["state"], "waiting");
}

#[test]
pub fn killed_in_the_middle_of_taking_over_one_of_both_holds_the_lock() {
    // Not to wait for anything: the moments of one write are walked through.
    for kill in 0..12_u64 {
        let place = Place::new();
        let steps = STEPS.replace("run: echo third >> WORLD/log", "run: exit 3\n    on_failure: pause");
        let book = place.book_with("held", HELD, &steps);
        place.open("second");
        place.expect(12, &["run", &book, "-y", "--no-wait"]);
        let old = place.status()["run"].as_str().unwrap().to_owned();
        let other = other(&place);
        let mut runner = place.start(&["run", &other, "-y", "--take-over", &old, "--reason", "it hangs"]);
        runner.wait_for("Takes over run");
        std::thread::sleep(std::time::Duration::from_micros(kill * 1500));
        runner.kill();
        let runs = place.json(&["list", "--runs", "--output", "json"]);
        let open: Vec<&str> = runs
            .as_array()
            .unwrap()
            .iter()
            .filter(|run| run["verdict"].is_null())
            .map(|run| run["run"].as_str().unwrap())
            .collect();
        match open.as_slice() {
            [] => assert_eq!(place.log(), ["first", "second", "other"], "kill {kill}: the new run has ended"),
            [one] if *one == old => {
                assert_eq!(place.log(), ["first", "second"], "kill {kill}");
                place.expect(13, &["run", &other, "-y"]);
            }
            [one] => {
                assert_eq!(place.json(&["status", &old, "--output", "json"])["verdict"], "abandoned", "kill {kill}");
                place.expect(13, &["run", &other, "-y"]);
                place.expect(3, &["resume", one]);
                assert_eq!(place.log(), ["first", "second", "other"], "kill {kill}");
            }
            both => panic!("kill {kill}: {both:?}"),
        }
        for run in runs.as_array().unwrap() {
            place.expect(0, &["verify", run["run"].as_str().unwrap()]);
        }
    }
}

#[test]
pub fn items_that_are_done_are_not_done_again() {
    let place = Place::new();
    let steps = r#"
  - id: restart
    for_each: [web1, web2, web3]
    run: echo "restart $N" >> WORLD/log; BROKEN
    env: { N: "{{item}}" }
    on_failure: pause
    rollback: [{ run: "sed -i /$N/d WORLD/log", env: { N: "{{item}}" }, effect: idempotent }]
  - { id: after, run: echo after >> WORLD/log, rollback: none, because: a test }
"#;
    let book = place.book_with("items", HELD, &steps.replace("BROKEN", "test $N != web2 || test -e WORLD/mended"));
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    let run = place.status()["run"].as_str().unwrap().to_owned();
    let done = place.log();
    assert!(done.contains(&"restart web1".to_owned()) && done.contains(&"restart web2".to_owned()), "{done:?}");
    std::fs::write(place.path("mended"), "").unwrap();
    place.expect(3, &["run", &book, "-y", "--continue", &run, "--reason", "mended"]);
    let log = place.log();
    let times = |line: &str| log.iter().filter(|other| *other == line).count();
    let all = ["restart web1", "restart web2", "restart web3", "after"].map(times);
    assert_eq!(all, [1, 2, 1, 1], "{log:?}");
    place.expect(0, &["verify", "latest"]);
}
