//! `playbook prove`: a sound playbook and every shipped one prove clean, and each kind of unsound one is found.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Shows a maintenance page, counts, and tells somebody.
const PAGE: &str = r#"
name: page
version: 1.0.0
title: Show a maintenance page and count that it was shown
steps:
  - { id: before, run: curl -fsS http://localhost/status, effect: read }
  - id: stop
    run: touch maintenance
    effect: idempotent
    rollback: [{ id: start, run: rm -f maintenance, effect: idempotent }]
  - id: count
    run: echo one >> count
    effect: probed
    probe: { run: grep -q one count, took_effect: outputs.exit_code == 0, did_not: outputs.exit_code == 1 }
    rollback: [{ id: uncount, run: rm -f count, effect: idempotent }]
"#;

/// The world that goes with it.
const WORLD: &str = r#"
title: a healthy site
steps:
  before: { outputs: { stdout: ok, stderr: "", exit_code: 0 } }
  stop: { facts: { page: "off" }, after: { page: "on" }, outputs: { stdout: "", stderr: "", exit_code: 0 } }
  stop/undo: { after: { page: "off" }, outputs: { stdout: "", stderr: "", exit_code: 0 } }
  count: { facts: { lines: 0 }, adds: { lines: 1 }, outputs: { stdout: "", stderr: "", exit_code: 0 } }
  count/undo: { after: { lines: 0 }, outputs: { stdout: "", stderr: "", exit_code: 0 } }
  count/probe:
    outputs: { stdout: "", stderr: "", exit_code: 1 }
    shows: [{ when: { lines: 1 }, outputs: { exit_code: 0 } }]
"#;

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_playbook"))
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .args(words)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Proves a playbook in a world; its code and its JSON.
fn prove(book: &str, world: &str, more: &[&str]) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("page.yaml"), book).unwrap();
    std::fs::write(folder.path().join("world.yaml"), world).unwrap();
    let words = ["prove", "./page.yaml", "--world", "world.yaml", "--output", "json"];
    let output = run(folder.path(), &[&words[..], more].concat());
    let proof = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 2, "a proof left something behind: {left:?}");
    (output.status.code().unwrap(), proof)
}

fn findings(proof: &Value) -> Vec<String> {
    let list = proof["findings"].as_array().unwrap();
    list.iter()
        .map(|found| format!("{}: {}", found["step"].as_str().unwrap(), found["finding"].as_str().unwrap()))
        .collect()
}

/// Asserts that something was found, and that it says so.
fn finds(what: &str, proved: &(i32, Value), step: &str, words: &str) {
    let found = findings(&proved.1);
    assert_eq!(proved.0, 1, "{what}: {found:?}");
    assert!(found.iter().any(|found| found.starts_with(step) && found.contains(words)), "{what}: {found:?}");
}

#[test]
fn a_sound_playbook_proves_clean_and_says_what_was_tried() {
    let (code, proof) = prove(PAGE, WORLD, &["--min-coverage", "100"]);
    assert_eq!((code, findings(&proof)), (0, vec![]), "{proof}");
    assert_eq!(proof["coverage"]["percent"], 100.0);
    let points = proof["points"].as_array().unwrap();
    let tried = |step: &str, fault: &str| {
        points.iter().filter(|point| point["step"] == step && point["fault"] == fault).count()
    };
    let faults = ["no_effect", "failed_before", "failed_after", "unknown_before", "unknown_after", "timeout"];
    let kills = ["killed_at_record", "killed_at_effect", "machine_lost", "killed_again"];
    for step in ["stop", "count", "stop/undo", "count/undo"] {
        for fault in faults.iter().chain(&kills) {
            assert!(tried(step, fault) >= 2, "{step}: {fault} was tried {} times", tried(step, fault));
        }
    }
    assert!(proof["crashes"].as_u64().unwrap() > 300, "{}", proof["crashes"]);
    let end = |step: &str, fault: &str| {
        let point = points.iter().find(|point| point["step"] == step && point["fault"] == fault).unwrap();
        (point["end"].as_str().unwrap(), point["world"].as_str().unwrap())
    };
    assert_eq!(end("count", "failed_after"), ("rolled_back", "as_before"));
    assert_eq!(end("count", "unknown_after"), ("succeeded", "as_after_success"));
    assert_eq!(end("stop", "no_effect"), ("failed", "as_before"));
}

/// Steps side by side, items in batches, and a way forward.
const GROUPS: &str = r#"
name: page
version: 1.0.0
steps:
  - id: both
    parallel:
      - { id: a, run: touch a, effect: idempotent, rollback: [{ run: rm -f a, effect: idempotent }] }
      - { id: b, run: touch b, rollback: [{ run: rm -f b, effect: idempotent }] }
  - id: roll
    for_each: [x, y, z]
    batch: { size: 2 }
    on_item_failure: rollback
    env: { ITEM: "{{item}}" }
    run: touch $ITEM
    effect: idempotent
    rollback: [{ run: rm -f $ITEM, env: { ITEM: "{{item}}" }, effect: idempotent }]
"#;

#[test]
fn groups_of_steps_prove_clean_for_each_item() {
    let (code, proof) = prove(GROUPS, "title: an empty folder\n", &[]);
    assert_eq!((code, findings(&proof)), (0, vec![]), "{proof}");
    let points = proof["points"].as_array().unwrap();
    for step in ["a", "b", "roll@x", "roll@z", "roll@y/undo"] {
        for fault in ["failed_after", "killed_at_effect"] {
            let tried = points.iter().filter(|point| point["step"] == step && point["fault"] == fault).count();
            assert!(tried >= 2, "{step}: {fault} was tried {tried} times");
        }
    }
    // What several bring at once is one write: it is killed there once, in the name of one of them.
    for beside in [vec!["a", "b"], vec!["roll@x", "roll@y"], vec!["roll@z"], vec!["roll@x/undo", "roll@y/undo"]] {
        let is_of = |point: &&Value| beside.iter().any(|step| point["step"] == *step);
        let tried = points.iter().filter(is_of).filter(|point| point["fault"] == "killed_at_record").count();
        assert!(tried >= 2, "{beside:?} were killed at {tried} records");
    }
    // What runs beside others and fails is undone with them: nothing of the run is left.
    let last = points.iter().find(|point| point["step"] == "roll@z" && point["fault"] == "failed_after").unwrap();
    assert_eq!((last["end"].as_str(), last["world"].as_str()), (Some("rolled_back"), Some("as_before")), "{last}");
}

/// A block in batches, with a pause, in which what fails is left or put back.
const BLOCKS: &str = r#"
name: page
version: 1.0.0
steps:
  - id: roll
    for_each: [w, x, y]
    batch: { size: [1, 2], min_healthy: 1, pause: 1s }
    on_item_failure: leave
    steps:
      - id: drain
        env: { ITEM: "{{item}}" }
        run: touch drain-$ITEM
        effect: idempotent
        rollback: [{ run: rm -f drain-$ITEM, env: { ITEM: "{{item}}" }, effect: idempotent }]
      - id: restart
        env: { ITEM: "{{item}}" }
        run: touch $ITEM
        effect: idempotent
        rollback: [{ run: rm -f $ITEM, env: { ITEM: "{{item}}" }, effect: idempotent }]
  - { id: last, run: touch last, effect: idempotent, rollback: [{ run: rm -f last, effect: idempotent }] }
"#;

#[test]
fn blocks_in_batches_prove_clean_whether_what_fails_is_left_or_put_back() {
    for (way, end, world) in [("leave", "incomplete", "differs"), ("rollback", "rolled_back", "as_before")] {
        let book = BLOCKS.replace("on_item_failure: leave", &format!("on_item_failure: {way}"));
        let (code, proof) = prove(&book, "title: an empty folder\n", &[]);
        assert_eq!((code, findings(&proof)), (0, vec![]), "{way}: {proof}");
        let points = proof["points"].as_array().unwrap();
        let failed =
            points.iter().find(|point| point["step"] == "restart@x" && point["fault"] == "failed_after").unwrap();
        assert_eq!((failed["end"].as_str(), failed["world"].as_str()), (Some(end), Some(world)), "{way}: {failed}");
        for step in ["drain@w/undo", "restart@x/undo", "restart@y/undo"] {
            for fault in ["failed_after", "killed_at_effect", "killed_at_record"] {
                let tried = points.iter().filter(|point| point["step"] == step && point["fault"] == fault).count();
                assert!(tried >= 1, "{way}: {step}: {fault} was tried {tried} times");
            }
        }
    }
}

#[test]
fn an_undo_side_by_side_that_does_not_put_back_is_found() {
    // The undo of one item of a batch leaves something else, while the other's beside it is well.
    let world = "title: a folder\nsteps:\n  restart@x: { facts: { x: 0 }, after: { x: 1 }, outputs: { exit_code: 0 } }\n  \
                 restart@x/undo: { after: { x: 7 }, outputs: { exit_code: 0 } }\n";
    finds(
        "an undo beside another",
        &prove(BLOCKS, world, &[]),
        "last",
        "it says rolled_back, and the world is not as it was",
    );
}

#[test]
fn an_effect_that_comes_twice_is_found() {
    // Declared `idempotent`, and every doing appends: the run that does it again ends in another world.
    let appends =
        WORLD.replace("facts: { page: \"off\" }, after: { page: \"on\" }", "facts: { page: 0 }, adds: { page: 1 }");
    let appends = appends.replace("after: { page: \"off\" }", "after: { page: 0 }");
    finds("an idempotent step that appends", &prove(PAGE, &appends, &[]), "stop", "it says succeeded");
    // A probe that does not see the effect has it done again.
    let blind = WORLD.replace("    shows: [{ when: { lines: 1 }, outputs: { exit_code: 0 } }]\n", "");
    finds("a probe that never sees it", &prove(PAGE, &blind, &[]), "count", "count took effect 2 times");
}

#[test]
fn an_effect_that_is_not_there_is_found() {
    // A probe that always sees the effect: a step that never happened counts as done.
    let dreams = WORLD.replace("    outputs: { stdout: \"\", stderr: \"\", exit_code: 1 }\n    shows: [{ when: { lines: 1 }, outputs: { exit_code: 0 } }]", "    outputs: { stdout: \"\", stderr: \"\", exit_code: 0 }");
    assert_ne!(dreams, WORLD);
    finds("a probe that always sees it", &prove(PAGE, &dreams, &[]), "count", "the world does not have its effect");
}

#[test]
fn an_undo_that_does_not_put_back_is_found() {
    let half = WORLD.replace("stop/undo: { after: { page: \"off\" }", "stop/undo: { after: { page: \"half\" }");
    let proved = prove(PAGE, &half, &[]);
    finds(
        "an undo that leaves something else",
        &proved,
        "count",
        "it says rolled_back, and the world is not as it was",
    );
    finds("and in the undo itself", &proved, "stop/undo", "page of shell is \"half\", was \"off\"");
    // What the playbook leaves on purpose is no lie.
    let left = PAGE.replace(
        "    rollback: [{ id: start, run: rm -f maintenance, effect: idempotent }]",
        "    rollback: none\n    because: somebody takes it away by hand",
    );
    let (code, proof) = prove(&left, WORLD, &[]);
    assert_eq!((code, findings(&proof)), (0, vec![]), "{proof}");
}

#[test]
fn what_a_person_must_say_counts_against_the_coverage() {
    let once = PAGE.replace("    effect: probed\n", "    effect: once\n");
    let probe = once.find("    probe:").unwrap();
    let once = format!("{}{}", &once[..probe], &once[once[probe..].find('\n').unwrap() + probe + 1..]);
    let (code, proof) = prove(&once, WORLD, &[]);
    assert_eq!((code, findings(&proof)), (0, vec![]), "{proof}");
    let covered = proof["coverage"]["percent"].as_f64().unwrap();
    assert!(covered < 100.0, "{covered}");
    let lost = proof["points"]
        .as_array()
        .unwrap()
        .iter()
        .find(|point| point["fault"] == "machine_lost" && point["step"] == "count")
        .unwrap();
    assert_eq!(lost["asked"][0]["kind"], "unknown_outcome", "{lost}");
    let answers: Vec<&str> =
        lost["other_answers"].as_array().unwrap().iter().map(|a| a["answer"].as_str().unwrap()).collect();
    assert!(answers.contains(&"did_not") && answers.contains(&"abandon"), "{answers:?}");
    assert_eq!(prove(&once, WORLD, &["--min-coverage", "100"]).0, 1);
    assert_eq!(prove(&once, WORLD, &["--min-coverage", "50"]).0, 0);
}

#[test]
fn every_shipped_playbook_proves_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(root.join("playbooks")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let begun = std::time::Instant::now();
        // A `once` command has no way to tell after the machine is lost: then a person is rightly asked.
        let least = if name == "db-failover" { "100" } else { "75" };
        let output = run(root, &["prove", &name, "--output", "junit", "--min-coverage", least]);
        eprintln!("{name}: proved in {:.1} s", begun.elapsed().as_secs_f64());
        let report = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
        assert!(report.contains("<testcase classname=\"playbook.prove\" name=\"crash coverage "), "{report}");
        assert!(report.contains("failures=\"0\""), "{report}");
    }
}

#[test]
fn what_cannot_be_proved_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("page.yaml"), PAGE).unwrap();
    std::fs::write(at.join("world.yaml"), WORLD).unwrap();
    std::fs::write(at.join("bad.yaml"), "actoins: {}").unwrap();
    let expect = |code: i32, words: &[&str], part: &str| {
        let output = run(at, words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{words:?}: {}", said(&output));
    };
    expect(64, &["prove", "./page.yaml", "--world", "world.yaml", "--min-coverage", "101"], "0 to 100");
    expect(66, &["prove", "nothing"], "no playbook");
    expect(66, &["prove", "./page.yaml", "--world", "none.yaml"], "no world");
    expect(65, &["prove", "./page.yaml", "--world", "bad.yaml"], "cannot be read");
    // A world in which it does not even succeed proves nothing, and says so.
    let asks = PAGE.replace("effect: read }", "effect: read, require: [\"outputs.stdout == 'ok'\"] }");
    std::fs::write(at.join("asks.yaml"), asks).unwrap();
    expect(1, &["prove", "./asks.yaml"], "does not succeed in this world even when nothing goes wrong");
    // What a world does not say is followed by what was done alone, and that is said.
    expect(0, &["prove", "./page.yaml"], "This world shows nothing of the changes of stop, count");
    let human = run(at, &["prove", "./page.yaml", "--world", "world.yaml"]);
    assert_eq!(human.status.code(), Some(0));
    for part in [
        "When a step goes wrong",
        "When the runner is killed",
        "crash coverage 100.0 %",
        "asks a person",
        "✓ page@1.0.0",
    ] {
        assert!(said(&human).contains(part), "{part}: {}", said(&human));
    }
}

#[test]
fn for_real_a_killed_process_is_resumed_and_each_step_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let step = |name: &str| {
        let undo = format!("rollback: [{{ id: un{name}, run: rm -f {name}, effect: idempotent }}]");
        format!("  - {{ id: {name}, run: \"sleep 0.1; echo {name} >> {name}; sleep 0.1\", effect: once, {undo} }}\n")
    };
    let head = "name: lines\nversion: 1.0.0\ntitle: Write lines\nsteps:\n";
    std::fs::write(at.join("lines.yaml"), format!("{head}{}{}", step("one"), step("two"))).unwrap();
    std::fs::write(at.join("inventory.yaml"), "environment: lab\n").unwrap();
    std::fs::write(at.join("production.yaml"), "environment: production\n").unwrap();
    let refused = |words: &[&str], part: &str| {
        let output = run(at, &[&["prove", "./lines.yaml", "--real"][..], words].concat());
        assert_eq!(output.status.code(), Some(77), "{words:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{words:?}: {}", said(&output));
    };
    refused(&[], "wants -y");
    refused(&["-y", "--inventory", "production.yaml"], "production");
    assert!(!at.join("one").exists(), "it was run all the same");

    let words = ["prove", "./lines.yaml", "--real", "-y", "--points", "4", "--output", "json"];
    let output = run(at, &[&words[..], &["--reset", "echo again >> resets"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let proof: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = proof["points"].as_array().unwrap();
    // A kill that came too late is told and not counted; not all of them can have come too late.
    assert!(!points.is_empty() && points.len() <= 4, "{proof}");
    assert!(points.iter().all(|point| point["end"] == "succeeded"), "{proof}");
    let lines = |name: &str| std::fs::read_to_string(at.join(name)).unwrap().lines().count();
    assert_eq!((lines("one"), lines("two")), (5, 5), "a step was done twice or not at all: {proof}");
    assert_eq!(lines("resets"), 6, "before each of the five runs, and after the last");
    // A world that cannot be brought back ends it before anything is run.
    let output = run(at, &[&words[..], &["--reset", "false"]].concat());
    assert_eq!((output.status.code(), lines("one")), (Some(1), 5), "{}", said(&output));
}

/// Each check is let fail wherever it is looked at, and the first approval is given by nobody.
#[test]
fn approvals_and_checks_are_proved_too() {
    let invariant = "invariants:\n  - { name: the disk has room, run: df, outputs: { free: { regex: '(\\d+)', \
                     type: integer } }, expr: outputs.free > 10 }\nsteps:\n";
    let book = PAGE
        .replace("steps:\n", invariant)
        .replace("    effect: probed\n", "    effect: probed\n    approval: { roles: [dba], min: 2, timeout: 5m }\n");
    let world =
        format!("{WORLD}  invariant_1: {{ outputs: {{ stdout: '99', stderr: '', exit_code: 0, free: 99 }} }}\n");
    let proved = prove(&book, &world, &[]);
    assert_eq!((proved.0, findings(&proved.1)), (0, Vec::new()), "{}", proved.1);
    let points = proved.1["points"].as_array().unwrap();
    let told = |row: &str| {
        let of_it = points.iter().filter(|point| point["step"].as_str() == Some(row));
        of_it.map(|point| point["end"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for (row, end) in [("the disk has room: stop", "failed"), ("the disk has room: count", "rolled_back")] {
        assert!(told(row).contains(&end.to_owned()), "{row}: {:?}", told(row));
    }
    let unanswered = points.iter().filter(|point| point["story"] == "nobody approves count");
    assert!(unanswered.count() > 10, "{}", proved.1);
    // A check that the world breaks is found before anything else is tried.
    let broken = world.replace("99", "1");
    assert_eq!(prove(&book, &broken, &[]).0, 1);
}
