//! Signals: a first interrupt finishes the step in hand, a second leaves at once, a hangup ends nothing.

use std::io::BufRead as _;
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::{Place, runs, until};

const STEPS: &str = r#"
  - id: first
    run: GATE(first); echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
"#;

fn in_the_first_step(arguments: &[&str]) -> (Place, super::Runner) {
    let place = Place::new();
    let book = place.book("signalled", STEPS);
    let mut all = vec!["run", &book, "-y"];
    all.extend_from_slice(arguments);
    let runner = place.start(&all);
    place.wait_at("first");
    (place, runner)
}

fn one_finishes_the_step(signal: Signal) {
    let (place, mut runner) = in_the_first_step(&[]);
    runner.signal(signal);
    runner.wait_for("inish");
    assert!(runner.child.try_wait().unwrap().is_none(), "it waits for the step in hand");
    place.open("first");
    runner.expect(130);
    assert!(runner.said().contains("playbook resume"), "{}", runner.said());
    assert_eq!(place.log(), ["first"]);
    assert_eq!(place.status()["state"], "stopped");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.log(), ["first", "second"]);
}

#[test]
fn one_interrupt_finishes_the_step_in_hand() {
    one_finishes_the_step(Signal::SIGINT);
}

#[test]
fn one_termination_finishes_the_step_in_hand() {
    one_finishes_the_step(Signal::SIGTERM);
}

#[test]
fn two_interrupts_leave_at_once_and_the_command_goes_on() {
    let (place, mut runner) = in_the_first_step(&[]);
    runner.signal(Signal::SIGINT);
    runner.wait_for("inish");
    runner.signal(Signal::SIGINT);
    runner.expect(130);
    assert!(place.log().is_empty(), "the command still stands at its gate");
    assert_eq!(place.status()["state"], "interrupted");
    place.open("first");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.log(), ["first", "second"], "its end was found, it was not run twice");
}

#[test]
fn a_hangup_does_not_end_a_run() {
    let (place, mut runner) = in_the_first_step(&[]);
    runner.signal(Signal::SIGHUP);
    runner.signal(Signal::SIGHUP);
    // A run that was ended by it would not take up what comes after it.
    let mut watch = place.start(&["watch", "latest"]);
    place.open("first");
    runner.expect(0);
    watch.expect(0);
    assert_eq!(place.log(), ["first", "second"]);
}

#[test]
fn an_interrupt_ends_the_watching_and_not_the_run() {
    let (place, mut runner) = in_the_first_step(&[]);
    let mut watch = place.start(&["watch", "latest"]);
    watch.wait_for("first");
    watch.signal(Signal::SIGINT);
    watch.expect(130);
    assert!(watch.said().contains("the run goes on") && watch.said().contains("playbook"), "{}", watch.said());
    place.open("first");
    runner.expect(0);
}

#[test]
fn a_limit_on_the_size_of_files_is_a_journal_that_cannot_be_written() {
    let place = Place::new();
    let book = place.book("limited", STEPS);
    for blocks in [0, 16] {
        let limited = format!("ulimit -f {blocks}; exec \"$@\"");
        let binary = env!("CARGO_BIN_EXE_playbook");
        let output = std::process::Command::new("sh")
            .args(["-c", &limited, "sh", binary, "run", &book, "-y"])
            .env("PLAYBOOK_CONFIG", place.path("config.yaml"))
            .env("PLAYBOOK_STATE", place.path("state"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = super::said(&output);
        assert_eq!(output.status.code(), Some(74), "{blocks} blocks: {said}");
        assert!(said.contains("nothing was started") && !said.contains("RUN"), "{blocks} blocks: {said}");
    }
}

#[test]
fn nobody_reading_any_more_does_not_end_a_run() {
    for output in ["human", "jsonl"] {
        let place = Place::new();
        let book = place.book("unread", STEPS);
        let mut child = place
            .command(&["run", &book, "-y", "--output", output])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        place.wait_at("first");
        let mut line = String::new();
        if output == "jsonl" {
            std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        }
        drop((child.stdout.take(), child.stderr.take()));
        place.open("first");
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "--output {output}");
        assert_eq!(place.log(), ["first", "second"], "--output {output}");
    }
}

#[test]
fn a_timeout_kills_the_whole_process_group() {
    let place = Place::new();
    let book = place.book(
        "slow",
        r#"
  - id: before
    run: echo before >> WORLD/log
    rollback: [{ run: "sed -i /before/d WORLD/log", effect: idempotent }]
  - id: slow
    run: |
      sh -c 'sleep 300 & echo $! > WORLD/grandchild; wait' &
      wait
    timeout: 1s
    rollback: none
    because: it changes nothing
"#,
    );
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(said.contains("killed at its timeout"), "{said}");
    assert!(place.log().is_empty(), "what came before is undone");
    let grandchild: i32 = place.read("grandchild").trim().parse().unwrap();
    until("the end of the grandchild", || (!runs(grandchild)).then_some(()));
    assert_eq!(place.status()["steps"][1]["state"], "failed");
}

#[test]
fn a_timeout_kills_what_ignores_the_first_signal() {
    let place = Place::new();
    let book = place.book(
        "deaf",
        r#"
  - id: deaf
    run: |
      trap '' TERM
      echo $$ > WORLD/deaf
      while [ -d WORLD ]; do sleep 0.05; done
    timeout: 1s
    rollback: none
    because: it changes nothing
"#,
    );
    place.expect(10, &["run", &book, "-y"]);
    let deaf: i32 = place.read("deaf").trim().parse().unwrap();
    assert!(!runs(deaf), "it was reaped before it was called failed");
}
