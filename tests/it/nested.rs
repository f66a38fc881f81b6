//! Playbooks that nest others, through the binary: found, pinned, run, undone, resumed.

use std::path::PathBuf;

use crate::processes::{Place, said};

/// A playbook that switches something over: two changing steps with an undo each, one of them a checkpoint.
const SWITCH: &str = r#"
  - id: stop
    run: GATE(stop); echo "stop $NAME" >> WORLD/log
    env: { NAME: "{{inputs.name}}" }
    rollback: [{ run: 'echo "start $NAME" >> WORLD/log', env: { NAME: "{{inputs.name}}" }, effect: idempotent }]
    checkpoint: stopped
    service: up
  - id: promote
    run: 'echo "promote $NAME" >> WORLD/log; echo "now $NAME"; test ! -e WORLD/fail-$NAME'
    env: { NAME: "{{inputs.name}}", STOPPED: "{{steps.stop.outputs.exit_code}}" }
    rollback: [{ run: 'echo "demote $NAME" >> WORLD/log', env: { NAME: "{{inputs.name}}" }, effect: idempotent }]
"#;

const HEAD: &str = "inputs: { name: { type: identifier, required: true } }\nlocks: [\"database/{{inputs.name}}\"]";

const BEFORE: &str = r#"
  - id: choose
    run: echo one
    effect: read
    outputs: { name: { regex: "(.*)", type: identifier } }
  - id: begin
    run: echo begin >> WORLD/log
    rollback: [{ run: echo unbegin >> WORLD/log, effect: idempotent }]
"#;

const NESTED: &str = r#"
  - id: switch
    uses: playbook
    with: { name: switch, version: "1.0", inputs: { name: "{{steps.choose.outputs.name}}" } }
"#;

const AFTER: &str = r#"
  - id: tell
    run: echo "tell $SAID" >> WORLD/log
    env: { SAID: "{{steps.switch.steps.promote.outputs.stdout}}" }
    rollback: none
    because: it only tells
"#;

/// A folder with a nested playbook, pinned, and a caller of it; the gate in the nested one is open.
fn place_with(caller: &str) -> (Place, String) {
    let place = Place::new();
    place.book_with("switch", HEAD, SWITCH);
    let book = place.book("caller", caller);
    place.expect(0, &["lock", "."]);
    place.open("stop");
    (place, book)
}

fn three(more: &str) -> String {
    format!("{BEFORE}{}{AFTER}", NESTED.replace("    uses:", &format!("{more}    uses:")))
}

#[test]
fn the_steps_of_a_nested_playbook_run_as_its_own() {
    let (place, book) = place_with(&three(""));
    let said = place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["begin", "stop one", "promote one", "tell now one"], "{said}");
    assert!(said.contains("switch/promote"), "{said}");
    let timeline = place.expect(0, &["timeline"]);
    assert!(timeline.contains("switch/stop") && timeline.contains("switch/promote"), "{timeline}");
    let status = place.expect(0, &["status"]);
    assert!(status.contains("switch/promote"), "{status}");
}

#[test]
fn a_failure_inside_undoes_the_nested_steps_and_the_caller_s() {
    let (place, book) = place_with(&three(""));
    std::fs::write(place.path("fail-one"), "").unwrap();
    place.expect(10, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["begin", "stop one", "promote one", "demote one", "start one", "unbegin"]);
}

#[test]
fn a_nested_playbook_that_fails_may_be_gone_on_from() {
    let nested = NESTED.replace("    uses:", "    on_failure: continue\n    uses:");
    let (place, book) = place_with(&format!(
        "{BEFORE}{nested}  - {{ id: tell, run: echo tell >> WORLD/log, rollback: none, because: a test }}\n"
    ));
    std::fs::write(place.path("fail-one"), "").unwrap();
    let said = place.expect(3, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["begin", "stop one", "promote one", "tell"], "{said}");
    assert!(said.contains("the failure of switch is passed over"), "{said}");
}

#[test]
fn a_runner_that_is_killed_in_a_nested_playbook_is_taken_up_though_the_file_changed() {
    let place = Place::new();
    place.book_with("switch", HEAD, SWITCH);
    let book = place.book("caller", &three(""));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("stop");
    runner.kill();
    place.book_with(
        "switch",
        HEAD,
        "  - { id: other, run: echo other >> WORLD/log, rollback: none, because: a test }\n",
    );
    place.open("stop");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.log(), ["begin", "stop one", "promote one", "tell now one"]);
}

#[test]
fn a_run_goes_back_to_a_nested_checkpoint() {
    let (place, book) = place_with(&format!(
        "{}{}",
        three(""),
        "  - { id: last, run: exit 1, rollback: none, because: a test, on_failure: pause }\n"
    ));
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    place.expect(0, &["rollback", "latest", "--to", "switch/stopped", "--reason", "a test"]);
    assert_eq!(place.log(), ["begin", "stop one", "promote one", "tell now one", "demote one"]);
}

#[test]
fn a_nested_playbook_runs_for_each_item_and_locks_what_each_needs() {
    let each = r#"
  - id: all
    for_each: [east, west]
    on_item_failure: rollback
    steps:
      - id: switch
        uses: playbook
        with: { name: switch, version: "1.0.0", inputs: { name: "{{item}}" } }
      - id: after
        run: echo "after $SAID" >> WORLD/log
        env: { SAID: "{{steps.switch.steps.promote.outputs.stdout}}" }
        rollback: none
        because: it only tells
"#;
    let (place, book) = place_with(each);
    let plan = place.json(&["plan", &book, "--output", "json"]);
    let locks = plan["locks"].as_array().unwrap_or_else(|| panic!("{plan}"));
    assert_eq!(locks, &["database/east", "database/west"]);
    place.expect(0, &["run", &book, "-y"]);
    let once = |name: &str| ["stop ", "promote ", "after now "].map(|what| format!("{what}{name}"));
    assert_eq!(place.log(), [once("east"), once("west")].concat());
    std::fs::remove_file(place.path("log")).unwrap();
    std::fs::write(place.path("fail-west"), "").unwrap();
    place.expect(10, &["run", &book, "-y"]);
    let undone = &place.log()[5..];
    assert_eq!(undone, ["demote west", "start west", "demote east", "start east"], "{:?}", place.log());
}

#[test]
fn an_input_is_what_an_earlier_step_put_out() {
    let place = Place::new();
    place.book_with(
        "greet",
        "inputs: { name: { type: identifier, required: true, max: 5 } }",
        "  - { id: say, run: echo \"hello $NAME\" >> WORLD/log, env: { NAME: \"{{inputs.name}}\" }, rollback: none, because: a test }\n",
    );
    let caller = r#"
  - id: make
    run: printf "$WHO"
    env: { WHO: "{{inputs.who}}" }
    rollback: [{ run: echo unmake >> WORLD/log, effect: idempotent }]
  - { id: greet, uses: playbook, with: { name: greet, version: "1", inputs: { name: "{{steps.make.outputs.stdout}}" } } }
"#;
    let book = place.book_with("caller", "inputs: { who: { type: string, default: maria } }", caller);
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["hello maria"]);
    // What the nested one cannot take is a failure at the moment at which it is known, and undone as any other.
    let refused = place.expect(10, &["run", &book, "-y", "-i", "who=maximilian"]);
    assert!(refused.contains("the most is 5"), "{refused}");
    assert_eq!(place.log(), ["hello maria", "unmake"]);
}

#[test]
fn a_nested_playbook_is_planned_shown_and_rehearsed() {
    let (place, book) = place_with(&three(""));
    let plan = place.expect(0, &["plan", &book]);
    assert!(plan.contains("switch/promote"), "{plan}");
    let shown = place.expect(0, &["show", &book]);
    assert!(shown.contains("switch@1.0.0") && shown.contains("database/{{inputs.name}}"), "{shown}");
    let world = "environment: lab\nsteps:\n  choose: { outputs: { stdout: one, stderr: \"\", exit_code: 0, name: one } }\n  switch/stop: { outputs: { stdout: \"\", stderr: \"\", exit_code: 0 } }\n  switch/promote: { outputs: { stdout: now one, stderr: \"\", exit_code: 0 } }\n  begin: { outputs: { stdout: \"\", stderr: \"\", exit_code: 0 } }\n  tell: { outputs: { stdout: \"\", stderr: \"\", exit_code: 0 } }\n";
    std::fs::write(place.path("world.yaml"), world).unwrap();
    let world = place.path("world.yaml");
    let rehearse = ["rehearse", &book, "--world", world.to_str().unwrap()];
    let told = place.expect(0, &rehearse);
    assert!(told.contains("switch/promote"), "{told}");
    place.expect(10, &[&rehearse[..], &["--fail", "switch/promote"]].concat());
    assert!(place.log().is_empty(), "a rehearsal changes nothing");
}

#[test]
fn lint_says_at_the_caller_s_line_what_cannot_be_nested() {
    let place = Place::new();
    place.book_with("switch", HEAD, SWITCH);
    let book = place.book("caller", &three("").replace("\"1.0\"", "\"2\""));
    let faults = place.json(&["lint", &book, "--output", "json"]);
    let fault = faults.as_array().unwrap().iter().find(|fault| fault["code"] == "unknown-playbook");
    let fault = fault.unwrap_or_else(|| panic!("{faults}"));
    assert_eq!(fault["file"], book);
    let text = std::fs::read_to_string(&book).unwrap();
    let line = text.lines().position(|line| line.contains("id: switch")).unwrap() + 1;
    assert_eq!(fault["line"], line);
    assert!(fault["message"].as_str().unwrap().contains("there are 1.0.0"), "{fault}");
    let said = place.expect(65, &["run", &book, "-y"]);
    assert!(said.contains("nothing was started"), "{said}");
    assert!(place.log().is_empty());
}

/// Writes the nested playbook once more, in another version or with another text.
fn rewrite(place: &Place, file: &str, version: &str, what: &str) -> PathBuf {
    let text = std::fs::read_to_string(place.path("switch.yaml")).unwrap();
    let path = place.path(file);
    std::fs::write(
        &path,
        text.replace("version: 1.0.0", &format!("version: {version}")).replace("title: A test", what),
    )
    .unwrap();
    path
}

#[test]
fn a_nested_playbook_is_held_to_what_is_pinned() {
    let (place, book) = place_with(&three(""));
    let lock = place.read("playbook.lock");
    assert!(lock.starts_with("# Written by `playbook lock`"), "{lock}");
    place.expect(0, &["lock", ".", "--check"]);
    // Another text under the same version.
    rewrite(&place, "switch.yaml", "1.0.0", "title: Another");
    let refused = place.expect(65, &["run", &book, "-y"]);
    assert!(refused.contains("playbook.lock pins `switch` 1.0.0 to"), "{refused}");
    assert!(refused.contains("playbook lock"), "{refused}");
    assert!(place.log().is_empty());
    let differs = place.expect(1, &["lock", ".", "--check"]);
    assert!(differs.contains("~ switch 1.0.0"), "{differs}");
    assert_eq!(place.read("playbook.lock"), lock, "--check writes nothing");
    place.expect(0, &["lock", "."]);
    place.expect(0, &["run", &book, "-y"]);
}

#[test]
fn a_newer_version_waits_until_it_is_pinned() {
    let (place, book) = place_with(&three(""));
    let newer = rewrite(&place, "switch-newer.yaml", "1.0.1", "title: Newer");
    let text = std::fs::read_to_string(&newer).unwrap().replace("promote $NAME\"", "push $NAME\"");
    std::fs::write(&newer, text).unwrap();
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log()[2], "promote one", "1.0.0 is pinned");
    let differs = place.expect(1, &["lock", ".", "--check"]);
    assert!(differs.contains("+ switch 1.0.1") && differs.contains("- switch 1.0.0"), "{differs}");
    place.expect(0, &["lock", "."]);
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log()[6], "push one");
}

#[test]
fn what_no_lock_pins_is_a_warning_and_runs() {
    let (place, book) = place_with(&three(""));
    std::fs::remove_file(place.path("playbook.lock")).unwrap();
    let output = place.run(&["lint", &book]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("not-locked"), "{}", said(&output));
    place.expect(65, &["lint", &book, "--strict"]);
    place.expect(0, &["run", &book, "-y"]);
    std::fs::write(place.path("playbook.lock"), "playbooks: 7\n").unwrap();
    let refused = place.expect(65, &["run", &book, "-y"]);
    assert!(refused.contains("playbook.lock cannot be read"), "{refused}");
    place.expect(65, &["lock", ".", "--check"]);
    place.expect(0, &["lock", "."]);
    place.expect(0, &["run", &book, "-y"]);
}

#[test]
fn what_cannot_be_locked_says_why() {
    let place = Place::new();
    let nothing = place.expect(0, &["lock", "."]);
    assert!(nothing.contains("nothing is nested"), "{nothing}");
    assert!(!place.path("playbook.lock").exists());
    place.expect(66, &["lock", "nowhere"]);
    place.book("caller", &three(""));
    let refused = place.expect(65, &["lock", "."]);
    assert!(refused.contains("there is no playbook `switch@1.0`"), "{refused}");
}

#[test]
fn the_example_is_pinned_and_runs() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/good");
    let place = Place::new();
    place.expect(0, &["lock", folder, "--check"]);
    let lint = place.run(&["lint", &format!("{folder}/move-site.yaml"), &format!("{folder}/switch-link.yaml")]);
    assert!(!said(&lint).contains("not-locked") && lint.status.success(), "{}", said(&lint));
    let site = place.path("site");
    std::fs::create_dir(&site).unwrap();
    let input = format!("folder={}", site.display());
    place.expect(0, &["run", &format!("{folder}/move-site.yaml"), "-y", "-i", &input]);
    assert_eq!(std::fs::read_link(site.join("current")).unwrap().to_str(), Some("new"));
    assert!(site.join("moved").exists());
    // The link is put back with the rest.
    std::fs::remove_file(site.join("current")).unwrap();
    std::fs::remove_file(site.join("moved")).unwrap();
    std::fs::create_dir(site.join("moved")).unwrap();
    place.expect(10, &["run", &format!("{folder}/move-site.yaml"), "-y", "-i", &input]);
    assert!(!site.join("current").exists() && !site.join("notice").exists());
}
