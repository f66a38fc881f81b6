//! Many hosts, and a person who stops, answers or gives some of them up: what they are told of what stands in the middle, and
//! that one word is enough for all that are alike.

use nix::sys::signal::Signal;
use serde_json::json;

use super::Place;

/// Hosts, each out, restarted and in again; `how` is what else the list says, and `FAIL`, `STUCK` are names that fail.
fn block(items: usize, how: &str, fail: &str, stuck: &str) -> String {
    let hosts: Vec<String> = (1..=items).map(|number| format!("h{number:02}")).collect();
    format!(
        r#"  - id: roll
    name: Out, restart, in
    for_each: [{}]
    {how}
    steps:
      - id: out
        run: echo "out $H" >> WORLD/log
        env: {{ H: "{{{{item}}}}" }}
        effect: idempotent
        rollback:
          - run: |
              case ",{stuck}," in *,$H,*) test -e WORLD/mended || {{ echo "$H (10.0.0.7:22) is dead" >&2; exit 9; }} ;; esac
              echo "back $H" >> WORLD/log
            env: {{ H: "{{{{item}}}}" }}
            effect: idempotent
      - id: restart
        run: |
          case ",{fail}," in *,$H,*) echo "$H (10.0.0.7:22) is dead" >&2; exit 7 ;; esac
          GATE(restart-$H)
        env: {{ H: "{{{{item}}}}" }}
        effect: idempotent
        rollback: [{{ run: echo "restored $H" >> WORLD/log, env: {{ H: "{{{{item}}}}" }}, effect: idempotent }}]
      - id: in
        run: echo "in $H" >> WORLD/log
        env: {{ H: "{{{{item}}}}" }}
        effect: idempotent
        rollback: none
        because: it is where it was
"#,
        hosts.join(", ")
    )
}

fn open_all(place: &Place, items: usize) {
    (1..=items).for_each(|number| place.open(&format!("restart-h{number:02}")));
}

#[test]
fn who_interrupts_a_block_is_told_which_hosts_stand_in_the_middle_of_it() {
    let place = Place::new();
    let book = place.book("roll", &block(4, "batch: { size: 2 }", "", ""));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("restart-h01");
    place.wait_at("restart-h02");
    runner.signal(Signal::SIGINT);
    runner.wait_for("finishes what is under way");
    open_all(&place, 4);
    runner.expect(130);
    for said in [runner.said(), place.expect(0, &["status"])] {
        assert!(said.contains("h[01-02] are in the middle of roll, and they stay so until the run goes on"), "{said}");
        assert!(said.contains("half done h[01-02] (2)") && said.contains("not done: in"), "{said}");
        assert!(said.contains("2 half done, 2 waiting"), "nothing is in anybody's hand: {said}");
    }
    assert!(!place.read("log").contains("in h0"), "nothing new has begun");
    let said = place.expect(0, &["resume", "latest"]);
    assert!(said.contains("4 of 4 done") && !said.contains("in the middle"), "{said}");
}

#[test]
fn a_pause_can_let_the_hosts_in_hand_come_to_the_end_of_their_block() {
    let place = Place::new();
    let book = place.book("roll", &block(4, "batch: { size: 2 }", "", ""));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("restart-h01");
    place.wait_at("restart-h02");
    let pause = place.start(&["pause", "latest", "--finish-items", "--reason", "the balancer is looked at"]);
    pause.wait_for("has taken it up");
    open_all(&place, 4);
    runner.expect(12);
    let said = runner.said();
    assert!(said.contains("2 of 4 done, 2 waiting") && !said.contains("in the middle"), "{said}");
    let log = place.read("log");
    assert!(log.contains("in h01") && log.contains("in h02") && !log.contains("h03"), "{log}");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.read("log").matches("in h").count(), 4);
}

#[test]
fn the_plan_has_the_batches_as_they_will_be_and_the_way_back_of_the_list() {
    let place = Place::new();
    let how = "batch: { size: [1, 3, 50%], max_failures: 20%, min_healthy: 25%, pause: 2s, checkpoint: whole }
    on_failure: { rollback_to: whole }";
    let book = place.book("roll", &block(12, how, "", ""));
    let said = place.expect(0, &["run", &book, "--dry-run"]);
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "4 batches of 1, 3, 6, 2; 2 of 12 may fail; 3 others have to be well while a batch is in hand; a pause of 2.0 s between them",
        "An item of roll that fails stays as it is, whatever is undone.",
        "When more than 2 have failed, no other batch begins, and what was done since checkpoint whole is undone",
        "Left as they are on purpose: in.",
    ] {
        assert!(flat.contains(part), "{part}\n{said}");
    }
    assert!(!flat.contains("back to the start"), "{said}");
    assert!(said.contains("↩ undone by: $ echo \"restored $H\""), "{said}");
    let json = place.json(&["plan", &book, "--output", "json"]);
    let batches = &json["groups"][0]["batches"];
    assert_eq!(batches["sizes"], json!([1, 3, 6, 2]), "{batches}");
    assert_eq!((&batches["max_failures"], &batches["min_healthy"]), (&json!(2), &json!(3)));
    let back = block(3, "batch: { size: 1, max_failures: 1 }\n    on_item_failure: rollback", "", "");
    let said = place.expect(0, &["run", &place.book("back", &back), "--dry-run"]);
    assert!(said.contains("An item of roll that fails is undone by itself"), "{said}");
}

#[test]
fn a_dry_run_bears_what_the_run_would_bear() {
    let place = Place::new();
    let steps = |most: u32| {
        format!(
            "  - id: look
    for_each: [h1, h2, h3, h4]
    batch: {{ size: 2, max_failures: {most} }}
    uses: assert
    with: {{ that: {{ expr: \"item != 'h2' && item != 'h3'\" }}, message: \"{{{{item}}}} (10.0.0.1:22) is dead\" }}
"
        )
    };
    let said = place.expect(0, &["run", &place.book("bears", &steps(2)), "--dry-run"]);
    assert!(said.contains("look: 2 of 4 items would fail now, and 2 may: the run would end with exceptions"), "{said}");
    assert!(said.contains("look@h[2-3] (2): "), "{said}");
    let said = place.expect(1, &["run", &place.book("fails", &steps(1)), "--dry-run"]);
    assert!(said.contains("a run would fail now") && said.contains("look@h[2-3] (2): "), "{said}");
}

#[test]
fn a_host_that_failed_and_was_put_back_is_told_as_failed_with_why() {
    let place = Place::new();
    let how = "batch: { size: 6, max_failures: 2 }\n    on_item_failure: rollback";
    let book = place.book("roll", &block(6, how, "h02,h05", ""));
    open_all(&place, 6);
    let said = place.expect(3, &["run", &book, "-y"]);
    assert!(said.contains("✗ failed    h[02,05] (2)  → restart: exit code 7: <item> is dead"), "{said}");
    assert!(said.contains("undone again: out, restart"), "{said}");
    assert!(said.contains("roll: 4 of 6 done, 2 failed"), "{said}");
    assert!(said.contains("! roll@1.0.0 succeeded with exceptions (2 of 6 items failed)"), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("restart@<item> failed: exit code 7: <item> is dead (2 items: h[02,05])"), "{said}");
}

#[test]
fn one_answer_is_enough_for_all_hosts_of_which_the_undo_failed() {
    let place = Place::new();
    let book = place.book("roll", &block(10, "batch: { size: 5 }", "h10", "h01,h03,h07"));
    open_all(&place, 10);
    let said = place.expect(11, &["run", &book, "-y"]);
    assert!(said.contains("→ undo of out: exit code 9: <item> is dead") || said.contains("undo of out"), "{said}");
    // The newest batch first: one host of it is stuck, and the two of the other batch are not tried yet.
    let said = place.expect(64, &["resolve", "latest", "out@h07/undo", "--all", "--retry", "--reason", "x"]);
    assert!(said.contains("out/undo --all"), "{said}");
    // What does not help is asked about again: nobody wants it tried for ever.
    let said = place.expect(11, &["resolve", "latest", "out/undo", "--all", "--retry", "--reason", "once more"]);
    assert!(said.contains("answered for 1 item: h07"), "{said}");
    let said =
        place.expect(15, &["resolve", "latest", "out/undo", "--all", "--took-effect", "--reason", "I went there"]);
    assert!(said.contains("answered for 3 items: h[01,03,07]"), "{said}");
    assert_eq!(said.matches("How the world stands").count(), 1, "one last screen: {said}");
    let timeline = place.expect(0, &["timeline", "latest", "--full"]);
    assert_eq!(timeline.matches("it took effect (I went there)").count(), 3, "each has its record: {timeline}");
}

#[test]
fn a_stuck_host_can_be_given_up_as_a_whole_and_is_named() {
    let place = Place::new();
    let book = place.book("roll", &block(3, "batch: { size: 3 }", "h03", "h02"));
    open_all(&place, 3);
    // `out` is the last to be undone there: nothing else is left of it.
    let said = place.expect(11, &["run", &book, "-y"]);
    assert!(!said.contains("is given up"), "{said}");
    let said = place.expect(77, &["abort", "latest", "--reason", "enough"]);
    assert!(said.contains("resolve") && said.contains("out@h02/undo --abandon"), "{said}");
    let said = place.expect(15, &["skip", "latest", "roll@h02", "--not-needed", "--reason", "h02 is scrapped"]);
    assert!(said.contains("given up  h02"), "{said}");
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("out@h02: left as it is, as"), "what stands is said: {said}");
    assert!(place.read("log").contains("back h01"), "the others are undone");
}

#[test]
fn an_item_ahead_is_given_up_in_one_word_and_retried_later() {
    let place = Place::new();
    let book = place.book("roll", &block(3, "batch: { size: 1 }", "", ""));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("restart-h01");
    place.expect(77, &["skip", "latest", "roll@h01", "--not-needed", "--reason", "x"]);
    place.expect(77, &["skip", "latest", "roll@h02", "--done-by-hand", "--reason", "x"]);
    place.expect(77, &["skip", "latest", "roll@h09", "--not-needed", "--reason", "x"]);
    place.expect(0, &["skip", "latest", "roll@h02", "--not-needed", "--reason", "h02 is in repair"]);
    open_all(&place, 3);
    runner.expect(3);
    assert!(!place.read("log").contains("h02"), "nothing of it has begun");
    let said = runner.said();
    assert!(said.contains("given up  h02") && said.contains("retry") && said.contains("--remaining"), "{said}");
    let said = place.expect(0, &["retry", "latest", "--remaining", "-y"]);
    assert!(said.contains("1 of 3 items") && place.read("log").contains("in h02"), "{said}");
    place.expect(0, &["verify", "latest"]);
}

#[test]
fn a_run_that_is_gone_on_with_off_a_terminal_is_told_by_its_batches_too() {
    let place = Place::new();
    let book = place.book("roll", &block(12, "batch: { size: 4 }", "", ""));
    let mut runner = place.start(&["run", &book, "-y"]);
    (1..=4).for_each(|number| place.wait_at(&format!("restart-h{number:02}")));
    runner.kill();
    open_all(&place, 12);
    let said = place.expect(0, &["resume", "latest"]);
    for batch in 1..=3 {
        assert_eq!(said.matches(&format!("roll: batch {batch} of 3 is over")).count(), 1, "{said}");
    }
    assert!(!said.contains("out@h07 begins") && !said.contains("in@h01 is done"), "{said}");
}

#[test]
fn a_run_that_was_called_back_did_not_fail_and_says_how_to_do_it_again() {
    let place = Place::new();
    let book = place.book("roll", &block(4, "batch: { size: 2 }", "", ""));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("restart-h01");
    place.wait_at("restart-h02");
    let cancel = place.start(&["cancel", "latest", "--reason", "the wrong version"]);
    cancel.wait_for("has taken it up");
    open_all(&place, 4);
    runner.expect(10);
    let said = runner.said();
    assert!(said.contains("rolled back, as it was asked for") && !said.contains("failed and rolled back"), "{said}");
    assert!(said.contains("--remaining"), "{said}");
    let few = place.book("few", "  - id: a\n    for_each: [x1, x2, x3]\n    run: test $H != x2\n    env: { H: \"{{item}}\" }\n    effect: read\n    batch: { size: 3, max_failures: 1 }\n");
    let said = place.expect(3, &["run", &few, "-y"]);
    assert!(
        said.contains("✗ failed    x2") && said.contains("✓ ok        x[1,3] (2)"),
        "small lists have their table: {said}"
    );
}
