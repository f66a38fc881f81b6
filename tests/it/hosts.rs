//! `for_each` over hosts of the inventory: their variables, `--limit`, hosts that do not answer, and `retry`. With the real
//! binary, and a real sshd where it matters whether a host answers.

use serde_json::{Value, json};

use crate::processes::Place;

/// A port of this machine on which nobody listens.
const NOBODY: u16 = 9;

/// Four hosts that need not answer, as the steps below run here.
fn place() -> Place {
    let place = Place::new();
    inventory(&place, &json!({ "http_port": 8080 }));
    std::fs::write(place.path("config.yaml"), "inventory: inventory.yaml\n").unwrap();
    place
}

fn inventory(place: &Place, vars: &Value) {
    let host = |zone: &str| json!({ "address": "127.0.0.1", "port": NOBODY, "vars": { "zone": zone } });
    let inventory = json!({
        "environment": "lab",
        "hosts": { "web1": host("a"), "web2": host("b"), "web3": host("a"), "web4": host("b"), "db1": host("a") },
        "groups": { "web": { "hosts": ["web1", "web2", "web3", "web4"], "vars": vars } },
    });
    std::fs::write(place.path("inventory.yaml"), inventory.to_string()).unwrap();
}

/// Says which hosts it was done for; it fails for those of which a file says so.
const GREET: &str = r#"
  - id: greet
    for_each: { hosts: "{{inputs.group}}" }
    batch: { size: 2, max_failures: 2 }
    env: { NAME: "{{item}}", PORT: "{{vars.http_port}}" }
    run: echo "$NAME $PORT" >> WORLD/log; [ ! -e WORLD/bad-$NAME ]
    effect: idempotent
    rollback: none
    because: it is a log
  - id: after
    if: size(steps.greet.failed) > 0
    env: { FAILED: "{{json steps.greet.failed}}", DONE: "{{json steps.greet.done}}" }
    run: echo "failed $FAILED done $DONE" >> WORLD/log
    effect: idempotent
    rollback: none
    because: it is a log
"#;

/// A step that waits until it is let through.
const GATE: &str = r#"
  - id: wait
    run: GATE(in)
    effect: idempotent
    rollback: none
    because: it only waits
"#;

const GROUP: &str = "inputs: { group: { type: string, default: web } }";

fn greet(place: &Place) -> String {
    place.book_with("greet", GROUP, GREET)
}

fn sorted(place: &Place) -> Vec<String> {
    let mut log = place.log();
    log.sort();
    log
}

fn forget(place: &Place) {
    let _ = std::fs::remove_file(place.path("log"));
}

fn newest(place: &Place) -> String {
    place.status()["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_group_is_gone_over_with_the_variables_of_each_host() {
    let place = place();
    let book = greet(&place);
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(sorted(&place), ["web1 8080", "web2 8080", "web3 8080", "web4 8080"]);
    forget(&place);
    place.expect(0, &["run", &book, "-y", "-i", "group=web:!web3"]);
    assert_eq!(sorted(&place), ["web1 8080", "web2 8080", "web4 8080"]);
    let said = place.expect(65, &["run", &book, "-y", "-i", "group=wbe"]);
    assert!(said.contains("wbe") && said.contains("`web`"), "{said}");
    // An empty pattern is never all of them.
    place.expect(65, &["run", &book, "-y", "-i", "group="]);
}

#[test]
fn a_condition_may_ask_a_variable_and_one_that_is_not_there_is_named() {
    let place = place();
    let steps = |variable: &str| {
        format!(
            "  - id: greet\n    for_each: {{ hosts: web }}\n    if: vars.zone == 'b'\n    env: {{ NAME: \"{{{{item}}}}\", \
             IT: \"{{{{{variable}}}}}\" }}\n    run: echo \"$NAME $IT\" >> WORLD/log\n    effect: idempotent\n    \
             rollback: none\n    because: it is a log\n"
        )
    };
    let book = place.book("zones", &steps("default vars.nothing 'x'"));
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(sorted(&place), ["web2 x", "web4 x"]);
    let book = place.book("slip", &steps("vars.http_prot"));
    let said = place.expect(65, &["run", &book, "-y"]);
    assert!(said.contains("web") && said.contains("`http_prot`") && said.contains("vars.http_port"), "{said}");
}

#[test]
fn a_variable_never_becomes_part_of_a_command_line_and_is_there_for_hosts_alone() {
    let place = place();
    let lint = |name: &str, step: &str| {
        let book = place.book(name, &format!("  - {{ id: a, {step}, effect: read }}\n"));
        let output = place.run(&["lint", &book]);
        crate::processes::said(&output)
    };
    assert!(lint("line", "for_each: { hosts: web }, run: \"echo {{vars.zone}}\"").contains("spliced-value"));
    assert!(!lint("item", "for_each: { hosts: web }, run: \"echo {{item}}\"").contains("spliced-value"));
    assert!(!lint("argv", "for_each: { hosts: web }, argv: [echo, \"{{vars.zone}}\"]").contains("spliced-value"));
    assert!(lint("list", "for_each: [a, b], argv: [echo, \"{{vars.zone}}\"]").contains("unknown-name"));
    assert!(lint("more", "for_each: { hosts: web, size: 2 }, argv: [echo]").contains("error"));
    assert!(lint("none", "for_each: { hosts: \"\" }, argv: [echo]").contains("names no host"));
    let unreachable = "unreachable_at_plan: { exclude: true, max: 5% }";
    assert!(lint("values", &format!("for_each: [a, b], {unreachable}, argv: [echo]")).contains("wrong-key"));
    assert!(lint("max", "for_each: { hosts: web }, unreachable_at_plan: {}, argv: [echo]").contains("missing-key"));
}

#[test]
fn a_limit_takes_hosts_away_and_stands_wherever_the_run_is_shown() {
    let place = place();
    let book = greet(&place);
    let sentence = "limited to 2 of 4 hosts by --limit web2,web4";
    assert!(place.expect(0, &["plan", &book, "--limit", "web2,web4"]).contains(sentence));
    let said = place.expect(0, &["run", &book, "-y", "--limit", "web2,web4"]);
    assert_eq!(sorted(&place), ["web2 8080", "web4 8080"]);
    assert!(said.contains(sentence), "{said}");
    let all = place.expect(0, &["plan", &book, "--limit", "all"]);
    assert!(
        all.contains("--limit all takes no host away: all 4 hosts are gone over"),
        "no more of them than there are: {all}"
    );
    assert!(place.expect(0, &["timeline", "latest"]).contains(sentence));
    assert!(place.expect(0, &["status"]).contains(sentence));
    assert_eq!(place.status()["narrowed"]["limit"]["hosts"], json!(["web2", "web4"]));
    // The same without it: all of them, and another digest.
    let digest = |more: &[&str]| {
        let words = [&["plan", &book, "--output", "json"], more].concat();
        place.json(&words)["digest"].as_str().unwrap().to_owned()
    };
    assert_ne!(digest(&["--limit", "web1,web2,web3,web4"]), digest(&[]), "a limit is a part of what was asked for");
    forget(&place);
    std::fs::write(place.path("some"), "# of last night\nweb1 # the first\n\nweb3\n").unwrap();
    place.expect(0, &["run", &book, "-y", "--limit", "@some"]);
    assert_eq!(sorted(&place), ["web1 8080", "web3 8080"]);
    // What it leaves nothing of, and what it cannot mean, is refused before anything runs.
    forget(&place);
    for (limit, words) in [("db1", "none of the 4 hosts"), ("wbe1", "wbe1"), ("", "names no host"), ("@none", "none")] {
        let output = place.run(&["run", &book, "-y", "--limit", limit]);
        let said = crate::processes::said(&output);
        assert!(matches!(output.status.code(), Some(64..=66)) && said.contains(words), "{limit}: {said}");
    }
    assert!(place.log().is_empty());
}

#[test]
fn a_limit_binds_a_list_of_hosts_too_and_never_guesses() {
    let place = place();
    let steps = |list: &str| {
        format!(
            "  - id: greet\n    for_each: {list}\n    env: {{ NAME: \"{{{{item}}}}\" }}\n    run: echo \"$NAME\" >> \
             WORLD/log\n    effect: idempotent\n    rollback: none\n    because: it is a log\n"
        )
    };
    let book = place.book("listed", &steps("[web1, web2]"));
    place.expect(0, &["run", &book, "-y", "--limit", "web2"]);
    assert_eq!(sorted(&place), ["web2"]);
    let mixed = place.book("mixed", &steps("[web1, elsewhere]"));
    assert!(place.expect(64, &["run", &mixed, "-y", "--limit", "web1"]).contains("elsewhere"));
    let none = place.book("none", &steps("[eu, us]"));
    assert!(place.expect(64, &["run", &none, "-y", "--limit", "web1"]).contains("would limit nothing"));
    assert_eq!(sorted(&place), ["web2"], "nothing of those ran");
}

#[test]
fn a_plan_with_a_limit_is_run_with_it() {
    let place = place();
    let book = greet(&place);
    place.expect(0, &["plan", &book, "--limit", "web3", "-o", "plan.json"]);
    place.expect(64, &["run", "--plan", "plan.json", "-y", "--limit", "web1"]);
    place.expect(0, &["run", "--plan", "plan.json", "-y"]);
    assert_eq!(sorted(&place), ["web3 8080"]);
}

#[test]
fn what_failed_is_done_again_alone_and_both_runs_say_so() {
    let place = place();
    let book = greet(&place);
    for bad in ["bad-web2", "bad-web3"] {
        std::fs::write(place.path(bad), "").unwrap();
    }
    let said = place.expect(3, &["run", &book, "-y"]);
    let first = newest(&place);
    assert!(said.contains(&format!("retry {first} --failed")), "{said}");
    let told = place.log().into_iter().find(|line| line.starts_with("failed")).unwrap();
    assert_eq!(told, r#"failed ["web2","web3"] done ["web1","web4"]"#);
    std::fs::remove_file(place.path("bad-web2")).unwrap();
    forget(&place);
    // It is a run like any other: off a terminal it wants to be told.
    place.expect(77, &["retry", &first, "--failed"]);
    assert!(place.log().is_empty());
    let said = place.expect(3, &["retry", &first, "--failed", "-y"]);
    assert!(said.contains("2 of 4 items"), "{said}");
    assert_eq!(sorted(&place)[1..], ["web2 8080", "web3 8080"]);
    let second = newest(&place);
    assert!(place.expect(0, &["timeline", &second]).contains(&first));
    assert_eq!(place.json(&["status", &first, "--output", "json"])["retried_by"], json!([second]));
    assert!(place.expect(0, &["status", &first]).contains(&second));
    // Only what failed in the second is left for a third.
    std::fs::remove_file(place.path("bad-web3")).unwrap();
    forget(&place);
    place.expect(0, &["retry", &second, "--failed", "-y"]);
    assert_eq!(sorted(&place), ["web3 8080"]);
    let third = newest(&place);
    let said = place.expect(66, &["retry", &third, "--failed", "-y"]);
    assert!(said.contains("nothing to retry"), "{said}");
}

#[test]
fn a_list_of_which_nothing_failed_is_passed_by() {
    let place = place();
    let steps = format!(
        "  - id: first\n    for_each: {{ hosts: \"web1,web2\" }}\n    env: {{ NAME: \"{{{{item}}}}\" }}\n    run: echo \
         \"first $NAME\" >> WORLD/log\n    effect: idempotent\n    rollback: none\n    because: it is a log\n{}",
        GREET.replace("    for_each:", "    needs: [first]\n    for_each:")
    );
    let book = place.book_with("two", GROUP, &steps);
    std::fs::write(place.path("bad-web4"), "").unwrap();
    place.expect(3, &["run", &book, "-y"]);
    std::fs::remove_file(place.path("bad-web4")).unwrap();
    forget(&place);
    let said = place.expect(0, &["retry", "latest", "--failed", "-y"]);
    assert_eq!(sorted(&place), ["web4 8080"], "what needs a list that is done already runs all the same\n{said}");
}

#[test]
fn what_is_not_over_or_was_changed_is_not_done_again() {
    let place = place();
    std::fs::create_dir(place.path("playbooks")).unwrap();
    let text = std::fs::read_to_string(greet(&place)).unwrap();
    let file = place.path("playbooks/greet.yaml");
    std::fs::write(&file, &text).unwrap();
    std::fs::write(place.path("bad-web2"), "").unwrap();
    place.expect(3, &["run", "greet", "-y"]);
    std::fs::write(&file, text.replace("echo", "printf '%s\\n'")).unwrap();
    let said = place.expect(65, &["retry", "latest", "--failed", "-y"]);
    assert!(said.contains("was changed since") && said.contains("--limit web2"), "{said}");
    std::fs::write(&file, text.replace("1.0.0", "1.1.0")).unwrap();
    let said = place.expect(65, &["retry", "latest", "--failed", "-y"]);
    assert!(said.contains("it was 1.0.0 and is 1.1.0"), "{said}");
    std::fs::write(&file, &text).unwrap();
    // What is gone over is no host: there is no limit that says it.
    let list = "  - id: each\n    for_each: [x, y]\n    batch: { size: 2, max_failures: 1 }\n    env: { NAME: '{{item}}' }\n    \
                run: test \"$NAME\" = y\n    effect: idempotent\n    rollback: none\n    because: a test\n";
    let file = place.path("playbooks/letters.yaml");
    std::fs::rename(place.book("letters", list), &file).unwrap();
    place.expect(3, &["run", "letters", "-y"]);
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().replace("= y", "= z")).unwrap();
    let said = place.expect(65, &["retry", "latest", "--failed", "-y"]);
    assert!(said.contains("playbook run letters     (the new one, over all of its items"), "{said}");
    let book = place.book("gate", GATE);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("in");
    let said = place.expect(77, &["retry", "latest", "--failed", "-y"]);
    assert!(said.contains("is not over") && said.contains("watch"), "{said}");
    place.open("in");
    runner.expect(0);
}

#[test]
fn a_batch_that_stopped_the_run_leaves_the_rest_to_remaining() {
    let place = place();
    let book = place.book_with("greet", GROUP, &GREET.replace("max_failures: 2", "max_failures: 0"));
    std::fs::write(place.path("bad-web1"), "").unwrap();
    let said = place.run(&["run", &book, "-y"]);
    assert_ne!(said.status.code(), Some(0));
    std::fs::remove_file(place.path("bad-web1")).unwrap();
    forget(&place);
    let said = place.expect(0, &["retry", "latest", "--remaining", "-y"]);
    let log = sorted(&place);
    assert!(log.contains(&"web1 8080".to_owned()) && log.contains(&"web4 8080".to_owned()), "{log:?}\n{said}");
    assert!(!log.contains(&"web2 8080".to_owned()), "it was done and stands: {log:?}");
}

/// What a run was limited to and what it was told, its retry is too; also where nobody knew the list when the run ended.
#[test]
fn a_retry_has_the_limit_and_the_inputs_of_the_run() {
    let place = place();
    let steps = format!(
        "  - id: which\n    run: test -e WORLD/ready && echo web\n    effect: idempotent\n    rollback: none\n    because: it \
         only looks\n{}",
        GREET
            .replace("{{inputs.group}}", "{{steps.which.outputs.stdout}}")
            .replace("echo \"$NAME $PORT\"", "echo \"$NAME $WORD\"")
            .replace("PORT: \"{{vars.http_port}}\"", "WORD: \"{{inputs.word}}\"")
    );
    let book = place.book_with("later", "inputs: { word: { type: string, default: hello } }", &steps);
    let words = ["run", &book, "-y", "--limit", "web2,web3", "-i", "word=bye"];
    assert_ne!(place.run(&words).status.code(), Some(0), "it fails before its list is known");
    assert!(place.log().is_empty());
    std::fs::write(place.path("ready"), "").unwrap();
    let said = place.expect(0, &["retry", "latest", "--remaining", "-y"]);
    assert_eq!(sorted(&place), ["web2 bye", "web3 bye"], "{said}");
}

#[test]
fn what_passed_a_brake_is_not_done_again_from_its_record_alone() {
    let place = place();
    let freeze = "freeze:\n  - name: year-end\n    from: 2020-01-01T00:00:00Z\n    to: 2120-01-01T00:00:00Z\n    environments: \
                  [lab]\n    because: the books are closed\n";
    std::fs::write(place.path("config.yaml"), format!("inventory: inventory.yaml\n{freeze}")).unwrap();
    let book = greet(&place);
    std::fs::write(place.path("bad-web2"), "").unwrap();
    place.expect(3, &["run", &book, "-y", "--override", "freeze", "--reason", "the site is down"]);
    std::fs::write(place.path("config.yaml"), "inventory: inventory.yaml\n").unwrap();
    forget(&place);
    let said = place.expect(65, &["retry", "latest", "--failed", "-y"]);
    assert!(said.contains("passed brakes"), "{said}");
    assert!(place.log().is_empty());
}

#[test]
fn an_inventory_that_was_changed_since_is_drift() {
    let place = place();
    let book = place.book_with("gated", GROUP, &format!("{GATE}{GREET}"));
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("in");
    runner.kill();
    place.open("in");
    inventory(&place, &json!({ "http_port": 9090 }));
    let output = place.run(&["resume", "latest"]);
    let said = crate::processes::said(&output);
    assert!(output.status.code() != Some(0) && said.contains("drifted") && said.contains("http_port"), "{said}");
    assert!(place.log().is_empty(), "{:?}", place.log());
}

/// Two hosts of which one does not answer.
#[cfg(feature = "ssh")]
fn half_there(place: &Place, sshd: &crate::command::sshd::Sshd, port: u16) {
    let host = |port: u16| json!({ "address": "127.0.0.1", "port": port, "identity_file": sshd.at("user"), "known_hosts": sshd.at("known_hosts") });
    let inventory = json!({
        "environment": "lab", "hosts": { "web1": host(sshd.port), "web2": host(port), "web3": host(sshd.port) },
        "groups": { "web": ["web1", "web2", "web3"] },
    });
    std::fs::write(place.path("inventory.yaml"), inventory.to_string()).unwrap();
    std::fs::write(place.path("config.yaml"), "inventory: inventory.yaml\n").unwrap();
}

#[test]
#[cfg(feature = "ssh")]
fn hosts_that_do_not_answer_are_left_out_by_name_up_to_a_number() {
    let sshd = crate::command::sshd::Sshd::start();
    let place = Place::new();
    half_there(&place, &sshd, NOBODY);
    let book = |name: &str, says: &str| {
        let steps = format!(
            "  - id: greet\n    for_each: {{ hosts: web }}\n    {says}\n    host: \"{{{{item}}}}\"\n    env: {{ NAME: \
             \"{{{{item}}}}\" }}\n    run: echo \"$NAME\" >> WORLD/log\n    effect: idempotent\n    rollback: none\n    \
             because: it is a log\n"
        );
        place.book(name, &steps)
    };
    let strict = book("strict", "unreachable_at_plan: { exclude: true, max: 0 }");
    let said = place.expect(1, &["run", &strict, "-y"]);
    assert!(said.contains("1 of 3 hosts do not answer") && said.contains("web2"), "{said}");
    assert!(place.log().is_empty());
    // Looked at, and nothing left out: then it is a failed item like any other.
    let kept = book("kept", "unreachable_at_plan: { exclude: false, max: 1 }");
    assert!(place.expect(1, &["plan", &kept, "--output", "json"]).contains("\"id\":\"web2\""));
    let lenient = book("lenient", "unreachable_at_plan: { exclude: true, max: 40% }");
    let said = place.expect(3, &["run", &lenient, "-y"]);
    assert!(said.contains("left out") && said.contains("unreachable at plan"), "{said}");
    assert_eq!(sorted(&place), ["web1", "web3"]);
    let status = place.status();
    assert_eq!(status["excluded"][0]["item"], "web2");
    assert_eq!(status["verdict"], "succeeded_with_exceptions");
    // It answers again: what was left out is done, and nothing else.
    half_there(&place, &sshd, sshd.port);
    forget(&place);
    place.expect(0, &["retry", "latest", "--failed", "-y"]);
    assert_eq!(sorted(&place), ["web2"]);
}

#[test]
fn a_rehearsal_and_a_proof_have_the_hosts_of_their_world() {
    let place = place();
    let book = greet(&place);
    let world = "title: two hosts\nhosts: { web1: { http_port: 1 }, web2: { http_port: 2 } }\ngroups: { web: [web1, web2] }\n\
                 steps: { greet: { outputs: { exit_code: 0 } } }\n";
    std::fs::write(place.path("world.yaml"), world).unwrap();
    let said = place.expect(0, &["rehearse", &book, "--world", "world.yaml"]);
    assert!(said.contains("web1") && said.contains("web2") && !said.contains("web3"), "{said}");
    assert!(place.log().is_empty());
}
