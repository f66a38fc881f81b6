//! Groups of steps with real processes: side by side means side by side, a batch is a batch, and a runner that is killed
//! while several commands run finds the end of each.

use nix::sys::signal::Signal;

use super::{Place, until};

/// Two steps of which neither comes to its end before the other has begun.
const MEETING: &str = r#"
  - id: both
    parallel:
      - id: left
        run: touch WORLD/left; while [ ! -e WORLD/right ]; do sleep 0.02; done; echo left >> WORLD/log
        timeout: 30s
        rollback: { none: "it is a log" }
      - id: right
        run: touch WORLD/right; while [ ! -e WORLD/left ]; do sleep 0.02; done; echo right >> WORLD/log
        timeout: 30s
        rollback: { none: "it is a log" }
  - id: after
    run: echo after >> WORLD/log
    rollback: { none: "it is a log" }
"#;

/// Three commands at gates of their own, side by side, each undone by a line of its own.
const GATES: &str = r#"
  - id: before
    run: echo before >> WORLD/log
    rollback: [{ run: "echo undo-before >> WORLD/log", effect: idempotent }]
  - id: three
    parallel:
      - id: one
        run: GATE(one); echo one >> WORLD/log
        rollback: [{ run: "echo undo-one >> WORLD/log", effect: idempotent }]
      - id: two
        run: GATE(two); echo two >> WORLD/log; [ ! -e WORLD/two.fails ]
        rollback: [{ run: "echo undo-two >> WORLD/log", effect: idempotent }]
      - id: three_3
        run: GATE(three); echo three >> WORLD/log
        rollback: [{ run: "echo undo-three >> WORLD/log", effect: idempotent }]
  - id: last
    run: echo last >> WORLD/log
    rollback: { none: "it is a log" }
"#;

fn sorted(mut log: Vec<String>) -> Vec<String> {
    log.sort();
    log
}

#[test]
pub fn parallel_steps_run_at_the_same_time() {
    let place = Place::new();
    let book = place.book("meeting", MEETING);
    place.expect(0, &["run", &book, "-y"]);
    let log = place.log();
    assert_eq!(log.last().map(String::as_str), Some("after"), "{log:?}");
    assert_eq!(sorted(log), ["after", "left", "right"]);
}

#[test]
fn killed_while_three_commands_run_each_is_found_and_none_runs_twice() {
    let place = Place::new();
    let book = place.book("gates", GATES);
    let mut runner = place.start(&["run", &book, "-y"]);
    for gate in ["one", "two", "three"] {
        place.wait_at(gate);
    }
    runner.kill();
    // One ends while nobody looks, two are still under way when the run is taken up again.
    place.open("one");
    until("the end of the first", || place.log().contains(&"one".to_owned()).then_some(()));
    let mut resumed = place.start(&["resume", "latest"]);
    resumed.wait_for("one");
    place.open("two");
    place.open("three");
    resumed.expect(0);
    let log = place.log();
    assert_eq!(log.last().map(String::as_str), Some("last"), "{log:?}");
    assert_eq!(sorted(log), ["before", "last", "one", "three", "two"]);
}

#[test]
pub fn siblings_finish_before_a_failure_is_undone_in_reverse_order() {
    let place = Place::new();
    let book = place.book("gates", GATES);
    std::fs::write(place.path("two.fails"), "").unwrap();
    let mut runner = place.start(&["run", &book, "-y"]);
    for gate in ["one", "two", "three"] {
        place.wait_at(gate);
    }
    place.open("two");
    runner.wait_for("two failed");
    assert!(!place.log().iter().any(|line| line.starts_with("undo")), "its siblings still run");
    place.open("one");
    place.open("three");
    runner.expect(10);
    let log = place.log();
    let undone: Vec<&String> = log.iter().filter(|line| line.starts_with("undo")).collect();
    assert_eq!(undone.len(), 4, "{log:?}");
    assert_eq!(undone.last().map(|line| line.as_str()), Some("undo-before"), "{log:?}");
    assert!(log.iter().position(|line| line == "undo-one") > log.iter().position(|line| line == "three"), "{log:?}");
}

#[test]
fn one_interrupt_finishes_all_that_is_under_way() {
    let place = Place::new();
    let book = place.book("gates", GATES);
    let mut runner = place.start(&["run", &book, "-y"]);
    for gate in ["one", "two", "three"] {
        place.wait_at(gate);
    }
    runner.signal(Signal::SIGINT);
    runner.wait_for("inish");
    for gate in ["one", "two", "three"] {
        place.open(gate);
    }
    runner.expect(130);
    assert_eq!(sorted(place.log()), ["before", "one", "three", "two"], "what had begun is done, and nothing else");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(sorted(place.log()), ["before", "last", "one", "three", "two"]);
}

/// Each item says when it begins and ends.
const ROLLING: &str = r#"
  - id: roll
    for_each: [a, b, c, d, e]
    batch: { size: 2, max_failures: 1 }
    env: { ITEM: "{{item}}" }
    run: |
      echo "begin $ITEM" >> WORLD/log; sleep 0.1; echo "end $ITEM" >> WORLD/log
      [ ! -e "WORLD/$ITEM.fails" ]
    rollback:
      - env: { ITEM: "{{item}}" }
        run: echo "undo $ITEM" >> WORLD/log
        effect: idempotent
  - id: told
    effect: read
    env: { DONE: "{{json steps.roll.done}}", FAILED: "{{json steps.roll.failed}}" }
    run: echo "done $DONE failed $FAILED"
"#;

#[test]
fn a_batch_ends_before_the_next_one_begins() {
    let place = Place::new();
    let book = place.book("rolling", ROLLING);
    std::fs::write(place.path("c.fails"), "").unwrap();
    let said = place.expect(3, &["run", &book, "-y"]);
    assert!(said.contains(r#"done ["a","b","d","e"] failed ["c"]"#), "{said}");
    let mut open = 0;
    for line in place.log() {
        open += if line.starts_with("begin") { 1 } else { -1 };
        assert!((0..=2).contains(&open), "{:?}", place.log());
    }
    let log = place.log();
    let at = |line: &str| log.iter().position(|known| known == line).unwrap();
    assert!(at("end a").max(at("end b")) < at("begin c").min(at("begin d")), "{log:?}");
    assert_eq!(place.status()["verdict"], "succeeded_with_exceptions");
}

#[test]
pub fn too_many_failures_undo_only_the_items_that_were_begun() {
    let place = Place::new();
    let book = place.book("rolling", ROLLING);
    for item in ["a", "b"] {
        std::fs::write(place.path(&format!("{item}.fails")), "").unwrap();
    }
    // As nothing else is said they stay as they are, and that is no clean way back.
    let said = place.expect(15, &["run", &book, "-y"]);
    assert!(said.contains("roll@a, roll@b"), "{said}");
    assert_eq!(sorted(place.log()), ["begin a", "begin b", "end a", "end b"]);
    std::fs::remove_file(place.path("log")).unwrap();
    let book =
        place.book("rolling", &ROLLING.replace("    env: { ITEM", "    on_item_failure: rollback\n    env: { ITEM"));
    place.expect(10, &["run", &book, "-y"]);
    let log = sorted(place.log());
    assert_eq!(log, ["begin a", "begin b", "end a", "end b", "undo a", "undo b"]);
}

/// The list comes from a step that changes what it reads from, so nobody knows it before.
const FROZEN: &str = r#"
  - id: make
    run: printf '["x","y","z"]' > WORLD/list; cat WORLD/list
    outputs: { list: { json: "" } }
    rollback: { none: "a file" }
  - id: roll
    for_each: "{{steps.make.outputs.list}}"
    max_targets: 3
    env: { ITEM: "{{item}}" }
    run: GATE(roll); echo "$ITEM" >> WORLD/log
    rollback: { none: "a log" }
"#;

#[test]
pub fn what_turns_out_to_be_no_list_is_gone_over_by_nobody() {
    let place = Place::new();
    let steps = FROZEN.replace("cat WORLD/list", "echo '{\"list\":\"x\"}'");
    let book = place.book("frozen", &steps.replace("json: \"\"", "json: list"));
    place.open("roll");
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(said.contains("goes over a list"), "{said}");
    assert!(place.log().is_empty());
}

#[test]
pub fn a_frozen_list_outlives_the_runner_and_what_it_was_made_from() {
    let place = Place::new();
    let steps = FROZEN.replace("cat WORLD/list", "printf '{\"list\":'; cat WORLD/list; printf '}'");
    let book = place.book("frozen", &steps.replace("json: \"\"", "json: list"));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("roll");
    runner.kill();
    std::fs::write(place.path("list"), "[\"other\"]").unwrap();
    place.open("roll");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.log(), ["x", "y", "z"]);
}

#[test]
pub fn a_list_that_is_empty_double_or_too_long_is_no_plan() {
    let place = Place::new();
    let steps = r#"
  - id: roll
    for_each: "{{inputs.hosts}}"
    max_targets: 2
    env: { ITEM: "{{item}}" }
    run: echo "$ITEM" >> WORLD/log
    rollback: { none: "a log" }
"#;
    let head = "inputs: { hosts: { type: list, items: identifier, default: [] } }";
    let book = place.book_with("lists", head, steps);
    for (hosts, says) in [("", "is empty"), ("a,a", "twice"), ("a,b,c", "2 are allowed")] {
        let given = format!("hosts={hosts}");
        let arguments =
            if hosts.is_empty() { vec!["run", &book, "-y"] } else { vec!["run", &book, "-y", "-i", &given] };
        let output = place.run(&arguments);
        let said = super::said(&output);
        assert!(![Some(0), Some(70)].contains(&output.status.code()) && said.contains(says), "{hosts}: {said}");
    }
    assert!(place.log().is_empty());
    place.expect(0, &["run", &book, "-y", "-i", "hosts=a,b"]);
    assert_eq!(place.log(), ["a", "b"]);
}

#[test]
pub fn a_plan_looks_at_all_targets_at_the_same_time() {
    let place = Place::new();
    // Nobody comes to an end before all have begun.
    let steps = r#"
  - id: look
    for_each: [a, b, c, d, e]
    effect: read
    timeout: 20s
    env: { ITEM: "{{item}}" }
    run: |
      touch "WORLD/$ITEM.here"
      while [ "$(ls WORLD | grep -c 'here$')" -lt 5 ]; do sleep 0.02; done
      echo "$ITEM looked"
"#;
    let book = place.book("looks", steps);
    let plan = place.json(&["plan", &book, "--output", "json"]);
    for step in plan["steps"].as_array().unwrap() {
        assert_eq!(step["fidelity"], "probed", "{step}");
    }
}

/// Six items at once, unless fewer are allowed: each says that it begins, waits for the gate, and says that it ends.
const SIX: &str = r#"
  - id: six
    for_each: [a, b, c, d, e, f]
    batch: { size: 6 }
    env: { ITEM: "{{item}}" }
    run: |
      echo "+$ITEM" >> WORLD/log
      while [ ! -e WORLD/go ]; do sleep 0.02; done
      echo "-$ITEM" >> WORLD/log
    timeout: 60s
    rollback: { none: "it is a log" }
"#;

/// How many were under way at once at most.
fn at_once(log: &[String]) -> i32 {
    let depths = log.iter().scan(0, |depth, line| {
        *depth += if line.starts_with('+') { 1 } else { -1 };
        Some(*depth)
    });
    depths.max().unwrap_or(0)
}

#[test]
pub fn no_more_items_are_worked_on_at_once_than_is_said() {
    for (forks, expected) in [("2", 2), ("50", 6)] {
        let place = Place::new();
        let book = place.book("six", SIX);
        let mut runner = place.start(&["run", &book, "-y", "--forks", forks]);
        until("the first", || (place.log().len() == expected).then_some(()));
        std::fs::write(place.path("go"), "").unwrap();
        runner.expect(0);
        assert_eq!((at_once(&place.log()), place.log().len()), (expected as i32, 12), "{forks}: {:?}", place.log());
    }
}

#[test]
fn an_interrupt_lets_nothing_begin_for_which_there_was_no_place() {
    let place = Place::new();
    let book = place.book("six", SIX);
    let mut runner = place.start(&["run", &book, "-y", "--forks", "2"]);
    until("the first", || (place.log().len() == 2).then_some(()));
    runner.signal(Signal::SIGINT);
    runner.wait_for("inish");
    std::fs::write(place.path("go"), "").unwrap();
    runner.expect(130);
    assert_eq!(place.log().len(), 4, "{:?}", place.log());
    // Nothing waits for a place that somebody else holds for ever: with one, they go one after the other.
    place.expect(0, &["resume", "latest", "--forks", "1"]);
    assert_eq!(place.log().len(), 12);
    assert_eq!(at_once(&place.log()), 2);
}
