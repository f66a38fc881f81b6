//! What nobody can tell: who is asked sees what was sent, when, what it printed last, what the probe saw, and what each
//! answer leads to; and a step that was half done is put back by what is observed.

use crate::processes::Place;

/// A step that is killed half-way together with its runner and its recorder.
fn half_done(steps: &str) -> Place {
    let place = Place::new();
    for thing in ["a", "b", "c"] {
        std::fs::write(place.path(thing), "old\n").unwrap();
    }
    let book = place.book("half", steps);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("half");
    runner.kill();
    place.kill_recorded("change");
    place
}

/// Changes two of three things and stops there.
const CHANGES: &str = r#"
  - id: before
    run: echo before >> WORLD/log
    rollback: [{ run: "echo undo_before >> WORLD/log", effect: idempotent }]
  - id: change
    run: |
      for thing in a b c; do
        [ $thing = c ] && { echo "two of three"; GATE(half); }
        echo new > WORLD/$thing
      done
    MOREcovers: partial
    rollback:
      - effect: idempotent
        run: |
          for thing in a b c; do
            if grep -qx new WORLD/$thing; then echo old > WORLD/$thing; echo "put back $thing" >> WORLD/log; fi
          done
"#;

#[test]
fn two_of_three_things_are_put_back_by_what_is_observed() {
    let place = half_done(&CHANGES.replace("MORE", ""));
    assert_eq!((place.read("a"), place.read("b"), place.read("c")), ("new\n".into(), "new\n".into(), "old\n".into()));
    place.expect(12, &["resume", "latest", "--no-wait"]);
    place.expect(10, &["resolve", "latest", "change", "--undo", "--reason", "half of it is there"]);
    for thing in ["a", "b", "c"] {
        assert_eq!(place.read(thing), "old\n");
    }
    assert_eq!(
        place.log(),
        ["before", "put back a", "put back b", "undo_before"],
        "what was not changed is not touched"
    );
    assert_eq!(place.status()["verdict"], "rolled_back");
    let timeline = place.expect(0, &["timeline", "latest"]);
    assert!(timeline.contains("half of it is there"), "{timeline}");
}

/// The control: what was believed at the start, that nothing or all of it happened, does not put it back.
#[test]
fn what_was_believed_does_not_put_it_back() {
    let place = half_done(&CHANGES.replace("MORE", ""));
    place.expect(12, &["resume", "latest", "--no-wait"]);
    place.expect(10, &["resolve", "latest", "change", "--did-not", "--reason", "a guess"]);
    assert_eq!((place.read("a"), place.read("c")), ("new\n".into(), "old\n".into()));
}

#[test]
fn who_is_asked_sees_what_was_sent_and_what_was_seen() {
    let probe = "probe: { run: \"echo two are there; exit 7\", ok_if: \"true\", took_effect: \"outputs.exit_code == 0\" }\n    ";
    let place = half_done(&CHANGES.replace("MORE", probe));
    let at_the_end = place.expect(12, &["resume", "latest", "--no-wait"]);
    let status = place.expect(0, &["status", "latest"]);
    let json = place.status();
    let sent = &json["question"]["sent"];
    let begun = sent["at"].as_str().unwrap();
    for screen in [&at_the_end, &status] {
        // A line may be broken anywhere at a space.
        let words = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "$ for thing in a b c; do",
            "echo \"two of three\"",
            &begun[11..19],
            "was killed while the command ran",
            "it last printed: two of three",
            "the probe could not tell (outputs.exit_code = 7; it printed: two are there)",
            "--took-effect --reason \"…\" you looked and its effect is there",
            "--did-not --reason \"…\" you looked and it is not there",
            "--retry --reason \"…\" it runs once more",
            "--undo --reason \"…\" change and everything before it is undone",
            "--abandon --reason \"…\" everything stays as it is now",
        ] {
            assert!(words.contains(part), "{part} is not in\n{screen}");
        }
    }
    assert!(sent["arguments"]["script"].as_str().unwrap().contains("echo new >"), "{sent}");
    let seen = sent["seen"].as_str().unwrap();
    assert!(seen.contains("two of three") && seen.contains("two are there"), "{seen}");
    assert_eq!(json["question"]["answers"].as_array().unwrap().len(), 5);
}
