//! What a playbook's words do to a run: retries, conditions, needs, verifications, failures, outputs.

use super::Place;

#[test]
pub fn what_may_run_again_is_tried_as_often_as_it_says() {
    let place = Place::new();
    let book = place.book(
        "retried",
        r#"
  - id: third_time
    effect: idempotent
    run: echo try >> WORLD/log; test $(wc -l < WORLD/log) -ge 3
    retry: { attempts: 3, delay: 100ms }
    rollback: none
    because: a test
"#,
    );
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log().len(), 3);
    assert_eq!(place.status()["steps"][0]["attempts"], 3);
    assert!(place.status()["seconds"].as_f64().unwrap() >= 0.15, "it waited between them");
}

#[test]
pub fn what_may_run_once_is_not_tried_again() {
    let place = Place::new();
    let book = place.book(
        "once",
        "  - { id: once, run: echo try >> WORLD/log; exit 5, retry: { attempts: 3, delay: 10ms }, rollback: none, because: a test }\n",
    );
    let output = place.run(&["run", &book, "-y"]);
    assert!([Some(10), Some(65)].contains(&output.status.code()), "{}", super::said(&output));
    assert!(place.log().len() <= 1);
}

#[test]
pub fn conditions_and_needs_skip() {
    let place = Place::new();
    let book = place.book_with(
        "skipped",
        "inputs: { go: { type: boolean, default: false } }",
        r#"
  - { id: maybe, if: inputs.go, run: echo maybe >> WORLD/log, rollback: none, because: a test }
  - { id: needing, needs: [maybe], run: echo needing >> WORLD/log, rollback: none, because: a test }
  - { id: always, run: echo always >> WORLD/log, rollback: none, because: a test }
"#,
    );
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["always"]);
    place.expect(0, &["run", &book, "-y", "-i", "go=true"]);
    assert_eq!(place.log(), ["always", "maybe", "needing", "always"]);
}

#[test]
pub fn a_verification_is_waited_for_and_undone_where_it_does_not_come() {
    let place = Place::new();
    let book = place.book_with(
        "verified",
        "inputs: { value: { type: string } }",
        r#"
  - id: begun
    run: echo begun >> WORLD/log
    rollback: [{ run: "sed -i /begun/d WORLD/log", effect: idempotent }]
    verify: [{ expr: "inputs.value == 'right'", within: 1s }]
"#,
    );
    place.expect(0, &["run", &book, "-y", "-i", "value=right"]);
    assert_eq!(place.log(), ["begun"]);
    std::fs::remove_file(place.path("log")).unwrap();
    let said = place.expect(10, &["run", &book, "-y", "-i", "value=wrong"]);
    assert!(said.contains("inputs.value == 'right'"), "{said}");
    assert!(place.log().is_empty(), "what is done and does not hold is undone");
    assert!(place.status()["seconds"].as_f64().unwrap() >= 1.0, "it was waited for");
}

fn failing(on_failure: &str) -> (Place, String) {
    let place = Place::new();
    let book = place.book(
        "failing",
        &format!(
            r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{{ run: "sed -i /first/d WORLD/log", effect: idempotent }}]
    checkpoint: half
  - id: second
    run: echo second >> WORLD/log
    rollback: [{{ run: "sed -i /second/d WORLD/log", effect: idempotent }}]
  - id: third
    run: test -e WORLD/mended
    effect: idempotent
    rollback: none
    because: it does nothing
    on_failure: {on_failure}
  - {{ id: fourth, run: echo fourth >> WORLD/log, rollback: none, because: a test }}
  - {{ id: fifth, run: echo fifth >> WORLD/log, rollback: none, because: a test }}
"#
        ),
    );
    (place, book)
}

#[test]
pub fn a_failure_is_rolled_back() {
    let (place, book) = failing("rollback");
    place.expect(10, &["run", &book, "-y"]);
    assert!(place.log().is_empty());
}

#[test]
pub fn a_failure_is_accepted() {
    let (place, book) = failing("continue");
    place.expect(3, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["first", "second", "fourth", "fifth"]);
    assert_eq!(place.status()["verdict"], "succeeded_with_exceptions");
}

#[test]
pub fn a_failure_goes_on_at_a_later_step() {
    let (place, book) = failing("{ step: fifth }");
    place.expect(3, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["first", "second", "fifth"]);
}

#[test]
pub fn a_failure_is_rolled_back_to_a_checkpoint() {
    let (place, book) = failing("{ rollback_to: half }");
    place.expect(15, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["first"]);
    assert_eq!(place.status()["verdict"], "rolled_back_to_checkpoint");
}

#[test]
fn a_failure_waits_for_a_person() {
    let (place, book) = failing("pause");
    let said = place.expect(12, &["run", &book, "-y", "--no-wait"]);
    assert!(said.contains("playbook resolve"), "{said}");
    assert_eq!(place.log(), ["first", "second"]);
    std::fs::write(place.path("mended"), "").unwrap();
    place.expect(3, &["resolve", "latest", "third", "--retry", "--reason", "mended"]);
    assert_eq!(place.log(), ["first", "second", "fourth", "fifth"]);
}

#[test]
pub fn a_run_that_waits_takes_an_answer_of_another_process() {
    let (place, book) = failing("pause");
    let mut runner = place.start(&["run", &book, "-y"]);
    super::until("the question", || {
        (place.path("state").exists() && !place.status()["question"].is_null()).then_some(())
    });
    assert!(runner.child.try_wait().unwrap().is_none(), "a question with a deadline is waited for");
    place.expect(0, &["resolve", "latest", "third", "--took-effect", "--reason", "by hand"]);
    runner.expect(3);
    assert_eq!(place.log(), ["first", "second", "fourth", "fifth"]);
}

#[test]
pub fn outputs_are_read_and_given_on() {
    let place = Place::new();
    let book = place.book(
        "outputs",
        r#"
  - id: read
    effect: read
    run: |
      echo '{"member": {"name": "pg$(touch WORLD/hurt)", "lag": [1, 22]}}'
    outputs:
      name: { json: member.name, type: string }
      lag: { json: member.lag.1, type: integer }
    require: ["outputs.lag == 22"]
  - id: read_text
    effect: read
    run: echo "version 15.6 (Debian)"
    outputs: { version: { regex: "version ([0-9.]+)", type: string } }
  - id: use
    run: printf '%s\n' "$NAME" "$LAG" "$VERSION" >> WORLD/log
    env: { NAME: "{{steps.read.outputs.name}}", LAG: "{{steps.read.outputs.lag}}", VERSION: "{{steps.read_text.outputs.version}}" }
    rollback: none
    because: a test
"#,
    );
    place.expect(0, &["run", &book, "-y"]);
    let name = format!("pg$(touch {}/hurt)", place.path("").display().to_string().trim_end_matches('/'));
    assert_eq!(place.log(), [name.as_str(), "22", "15.6"]);
    assert!(!place.path("hurt").exists(), "a value is never part of a script");
}

#[test]
pub fn a_requirement_of_a_read_step_stops_the_run_before_anything_changes() {
    let place = Place::new();
    let book = place.book(
        "required",
        r#"
  - { id: look, effect: read, run: "echo 7", outputs: { n: { regex: "(.*)", type: integer } }, require: ["outputs.n > 10"] }
  - { id: change, run: echo change >> WORLD/log, rollback: none, because: a test }
"#,
    );
    let said = place.expect(1, &["run", &book, "-y"]);
    assert!(said.contains("outputs.n > 10") && said.contains('7'), "{said}");
    assert!(place.log().is_empty());
    let said = place.expect(1, &["run", &book, "--dry-run"]);
    assert!(said.contains("outputs.n > 10"), "{said}");
    assert!(place.log().is_empty());
}
