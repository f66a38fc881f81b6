//! What nobody can tell, a person is asked: what is shown, and what each answer leads to.

use super::Place;

const STEPS: &str = r#"
  - id: before
    run: echo before >> WORLD/log
    rollback: [{ run: "sed -i /before/d WORLD/log", effect: idempotent }]
  - id: send
    run: |
      echo sent >> WORLD/log
      echo "the last thing that it said"
      GATE(send)
    rollback: [{ run: "sed -i /sent/d WORLD/log", effect: idempotent }]
  - id: after
    run: echo after >> WORLD/log
    rollback: [{ run: "sed -i /after/d WORLD/log", effect: idempotent }]
"#;

/// A run whose runner, recorder and command were killed in the middle of a `once` step, and resumed: it asks.
fn asking() -> Place {
    let place = Place::new();
    std::fs::write(
        place.path("config.yaml"),
        format!(
            "page: {{ command: [sh, -c, 'env | grep ^PLAYBOOK_ > {0}; cat >> {0}; echo rang'] }}\n",
            place.path("paged").display()
        ),
    )
    .unwrap();
    let book = place.book("asking", STEPS);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("send");
    runner.wait_for("send");
    runner.kill();
    place.kill_recorded("send");
    let said = place.expect(12, &["resume", "latest"]);
    assert!(said.contains("resolve"), "{said}");
    place
}

fn resolve(place: &Place, code: i32, answer: &str) -> String {
    place.expect(code, &["resolve", "latest", "send", answer, "--reason", "I looked"])
}

#[test]
pub fn the_question_shows_what_was_sent_what_was_said_and_what_can_be_answered() {
    let place = asking();
    let status = place.expect(0, &["status", "latest"]);
    for part in [
        "$ echo sent >>",
        "$ echo \"the last thing",
        "the last thing that it said",
        "--took-effect",
        "--did-not",
        "--retry",
        "--undo",
    ] {
        assert!(status.contains(part), "{part} is not in\n{status}");
    }
    let json = place.status();
    assert_eq!(json["state"], "waiting");
    assert_eq!(json["question"]["kind"], "unknown_outcome");
    let sent = &json["question"]["sent"];
    assert!(sent["seen"].as_str().unwrap().contains("the last thing that it said"), "{sent}");
    assert!(sent["arguments"]["script"].as_str().unwrap().starts_with("echo sent"), "{sent}");
    assert_eq!(json["question"]["answers"].as_array().unwrap().len(), 5);
    let paged = place.read("paged");
    for part in ["PLAYBOOK_STEP=send", "PLAYBOOK_QUESTION=unknown_outcome", "PLAYBOOK_NAME=asking", "playbook status"] {
        assert!(paged.contains(part), "{part} is not in\n{paged}");
    }
    assert!(place.expect(0, &["timeline", "latest"]).contains("rang"), "the page is in the timeline");
    assert_eq!(place.log(), ["before", "sent"], "nothing is done while it asks");
    // Neither a resume nor a question about another step changes that.
    place.expect(12, &["resume", "latest"]);
    place.expect(77, &["resolve", "latest", "before", "--retry", "--reason", "x"]);
    place.expect(64, &["resolve", "latest", "send", "--retry"]);
    place.expect(64, &["resolve", "latest", "send", "--retry", "--reason", " "]);
    assert_eq!(place.log(), ["before", "sent"]);
}

#[test]
pub fn it_took_effect() {
    let place = asking();
    // A person had to help: the run ends well, and not without exceptions.
    resolve(&place, 3, "--took-effect");
    assert_eq!(place.log(), ["before", "sent", "after"]);
    place.expect(0, &["verify", "latest"]);
    assert!(place.expect(0, &["timeline", "latest"]).contains("I looked"));
    // What has an answer is asked no more.
    place.expect(77, &["resolve", "latest", "send", "--took-effect", "--reason", "again"]);
}

#[test]
pub fn it_did_not() {
    let place = asking();
    // It has one try, which is used: that it changed nothing leaves only the step before it to undo.
    resolve(&place, 10, "--did-not");
    assert_eq!(place.log(), ["sent"], "what a person said did not happen is not undone");
}

#[test]
pub fn it_is_tried_again() {
    let place = asking();
    place.open("send");
    resolve(&place, 3, "--retry");
    assert_eq!(place.log(), ["before", "sent", "sent", "after"]);
}

#[test]
pub fn it_is_undone() {
    let place = asking();
    resolve(&place, 10, "--undo");
    assert!(place.log().is_empty());
    assert_eq!(place.status()["verdict"], "rolled_back");
}

#[test]
pub fn it_is_abandoned() {
    let place = asking();
    resolve(&place, 15, "--abandon");
    assert_eq!(place.log(), ["before", "sent"]);
    assert_eq!(place.status()["verdict"], "abandoned");
}

#[test]
pub fn a_command_that_outlived_its_recorder_is_named() {
    let place = Place::new();
    let book = place.book("outlived", STEPS);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("send");
    runner.kill();
    let spool = std::fs::read_dir(place.path("state/spool")).unwrap().next().unwrap().unwrap().path();
    let folder = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path());
    let folder = folder.into_iter().find(|path| path.to_string_lossy().contains("-send-")).unwrap();
    let recorder = super::recorder_in(&folder).unwrap();
    // The command may be at its gate before its recorder has noted which process it is.
    let pid = super::until("the process", || super::command_in(&folder)).to_string();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(recorder), nix::sys::signal::Signal::SIGKILL).unwrap();
    super::until("the recorder's end", || (!super::runs(recorder)).then_some(()));
    place.expect(12, &["resume", "latest"]);
    let status = place.expect(0, &["status", "latest"]);
    assert!(status.contains(&pid), "the process {pid} that still runs is not named in\n{status}");
    place.open("send");
}

#[test]
pub fn a_step_that_kills_its_own_recorder_is_asked_about() {
    let place = Place::new();
    let book = place.book(
        "rude",
        "  - { id: rude, run: kill -9 $PPID; echo rude >> WORLD/log, rollback: none, because: a test }\n",
    );
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    assert_eq!(place.status()["question"]["kind"], "unknown_outcome");
    super::until("the command's own end", || (place.log() == ["rude"]).then_some(()));
    place.expect(3, &["resolve", "latest", "rude", "--took-effect", "--reason", "I saw the line"]);
    assert_eq!(place.log(), ["rude"]);
}
