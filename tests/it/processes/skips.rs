//! What a person takes out of a run's hands, with the real binary: while the run waits, while it goes on, after its process
//! was killed.

use super::Place;

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
  - id: fourth
    needs: [third]
    run: echo fourth >> WORLD/log
    rollback: [{ run: "sed -i /fourth/d WORLD/log", effect: idempotent }]
"#;

#[test]
pub fn a_step_ahead_of_a_live_run_is_skipped() {
    let place = Place::new();
    let book = place.book("skipped", STEPS);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("second");
    let said = place.expect(77, &["skip", "latest", "second", "--not-needed", "--reason", "x"]);
    assert!(said.contains("second is under way") && said.contains("playbook watch"), "{said}");
    let said = place.expect(0, &["skip", "latest", "third", "--not-needed", "--reason", "the cache is warm"]);
    assert!(said.contains("skipped too, as they need third: fourth"), "{said}");
    place.open("second");
    runner.expect(3);
    assert_eq!(place.log(), ["first", "second"]);
    let timeline = place.expect(0, &["timeline", "latest"]);
    assert!(timeline.contains("third: not needed") && timeline.contains("the cache is warm"), "{timeline}");
    assert_eq!(place.status()["verdict"], "succeeded_with_exceptions");
    place.expect(0, &["verify", "latest"]);
}

#[test]
fn a_step_of_a_killed_run_is_skipped_by_whoever_takes_it_on() {
    let place = Place::new();
    let book = place.book("skipped", STEPS);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("second");
    runner.kill();
    place.open("second");
    place.expect(3, &["skip", "latest", "third", "--done-by-hand", "--reason", "I did it at the console"]);
    assert_eq!(place.log(), ["first", "second", "fourth"]);
    let status = place.expect(0, &["status", "latest"]);
    assert!(status.contains("third") && status.contains("done by hand"), "{status}");
}

#[test]
fn a_question_prints_the_skips_that_answer_it() {
    let place = Place::new();
    let book = place.book(
        "asked",
        r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: test -e WORLD/mended
    outputs: { at: { regex: '(\d+)', type: integer } }
    rollback: none
    because: a test
    on_failure: pause
  - id: third
    run: echo "third $AT" >> WORLD/log
    env: { AT: "{{steps.second.outputs.at}}" }
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#,
    );
    let said = place.expect(12, &["run", &book, "-y", "--no-wait"]);
    // What comes after it needs what it gives: neither way can be pasted as it stands.
    assert!(!said.contains("playbook skip"), "{said}");
    let said = place.expect(77, &["skip", "latest", "second", "--done-by-hand", "--reason", "done"]);
    assert!(said.contains("third (at)") && said.contains("--with-output at=…"), "{said}");
    place.expect(64, &["skip", "latest", "second", "--done-by-hand", "--with-output", "at=x", "--reason", "done"]);
    place.expect(64, &["skip", "latest", "second", "--done-by-hand", "--with-output", "is=1", "--reason", "done"]);
    place.expect(3, &["skip", "latest", "second", "--done-by-hand", "--with-output", "at=7", "--reason", "done"]);
    assert_eq!(place.log(), ["first", "third 7"]);
}

#[test]
fn a_failed_step_is_passed_over_as_printed() {
    let place = Place::new();
    let steps = STEPS.replace("run: echo third >> WORLD/log", "run: exit 3\n    on_failure: pause");
    let book = place.book("pasted", &steps);
    place.open("second");
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    let status = place.status();
    let skips = status["question"]["skips"].as_array().unwrap().clone();
    let words: Vec<&str> = skips.iter().map(|skip| skip["leads_to"].as_str().unwrap()).collect();
    assert!(words.len() == 2 && words[1].contains("and fourth with it"), "{words:?}");
    let command = skips[1]["command"].as_str().unwrap();
    let shown = place.expect(0, &["status", "latest"]);
    assert!(shown.contains(command), "{command} is not in\n{shown}");
    let words: Vec<&str> = command.split(' ').skip(1).take(4).collect();
    let reason = ["--reason", "not today"];
    place.expect(3, &words.iter().copied().chain(reason).collect::<Vec<_>>());
    assert_eq!(place.log(), ["first", "second"]);
}

#[test]
pub fn an_undo_that_a_person_has_done_is_not_done_again() {
    let place = Place::new();
    let book = place.book(
        "undone",
        r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "exit 4", effect: idempotent }]
  - { id: second, run: exit 3, rollback: none, because: a test }
"#,
    );
    let said = place.expect(11, &["run", &book, "-y"]);
    assert!(said.contains("first/undo --not-needed"), "{said}");
    // The step's own name is enough while the run undoes.
    place.expect(10, &["skip", "latest", "first", "--not-needed", "--reason", "it may stay"]);
    let status = place.status();
    assert!(status["summary"].as_str().unwrap().contains("first: left as it is"), "{status}");
    assert_eq!(place.log(), ["first"]);
}

#[test]
pub fn an_item_and_a_whole_group_are_skipped() {
    let place = Place::new();
    let book = place.book(
        "items",
        r#"
  - id: first
    run: GATE(first); echo first >> WORLD/log
    rollback: none
    because: a test
  - id: restart
    for_each: [web1, web2, web3]
    run: echo "restart $N" >> WORLD/log
    env: { N: "{{item}}" }
    rollback: none
    because: a test
  - id: both
    parallel:
      - { id: left, run: echo left >> WORLD/log, rollback: none, because: a test }
      - { id: right, run: echo right >> WORLD/log, rollback: none, because: a test }
    checkpoint: both_done
  - { id: last, needs: [both], run: echo last >> WORLD/log, rollback: none, because: a test }
"#,
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("first");
    let said = place.expect(77, &["skip", "latest", "restart@web9", "--not-needed", "--reason", "x"]);
    assert!(said.contains("no item web9; it has web1, web2, web3"), "{said}");
    place.expect(0, &["skip", "latest", "restart@web2", "--not-needed", "--reason", "it is gone"]);
    place.expect(0, &["skip", "latest", "both", "--done-by-hand", "--reason", "done"]);
    place.open("first");
    runner.expect(3);
    // What somebody did counts as done: what needs it runs, and its safe state is reached.
    assert_eq!(place.log(), ["first", "restart web1", "restart web3", "last"]);
    assert_eq!(place.status()["checkpoints"][0], "both_done");
    place.expect(0, &["verify", "latest"]);
}
