//! Sensitive outputs of reading steps: used by later steps, written down nowhere, read again after a crash.

use super::{holds, telling};
use crate::processes::{Place, said};

const TOKEN: &str = "tok-9f31c0-blackbird";

const LOGIN: &str = r#"
  - id: login
    run: 'echo asked >>WORLD/log; cat WORLD/token >/dev/null || exit 4; printf "{\"token\": \"%s\", \"ttl\": \"5m\"}\n" "$(cat WORLD/token)"; rev WORLD/token >&2'
    effect: read
    outputs: { token: { json: token, sensitive: true }, ttl: { json: ttl, type: string } }
"#;

fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path("token"), TOKEN).unwrap();
    place
}

fn nowhere(place: &Place, said: &str) {
    assert!(!said.contains(TOKEN), "{said}");
    // The login prints it backwards too, which no mask finds: what it prints is withheld whole.
    let backwards: String = TOKEN.chars().rev().collect();
    for text in [TOKEN, &backwards] {
        assert!(!said.contains(text), "{said}");
        assert_eq!(telling(&place.path("state"), text), Vec::<std::path::PathBuf>::new());
        for words in [&["timeline"][..], &["timeline", "--output", "json"], &["status", "--output", "json"]] {
            let shown = place.expect(0, words);
            assert!(!shown.contains(text), "{words:?}: {shown}");
        }
    }
}

#[test]
fn a_later_step_gets_it_and_nobody_else_sees_it() {
    let place = place();
    let book = place.book(
        "uses_token",
        &format!(
            "{LOGIN}  - id: call\n    run: 'test \"$T\" = \"$(cat WORLD/token)\" && echo \"called with $T for $L\" && touch WORLD/called'\n\
             \x20   effect: idempotent\n    env: {{ T: \"{{{{steps.login.outputs.token}}}}\", L: \"{{{{steps.login.outputs.ttl}}}}\" }}\n\
             \x20   rollback: none\n    because: it is a test\n"
        ),
    );
    let plan = place.path("plan.json").display().to_string();
    let world = place.path("world.yaml").display().to_string();
    let planned = place.expect(0, &["plan", &book, "-o", &plan]);
    let saved = place.expect(0, &["plan", &book, "--save-world", &world]);
    assert!(!planned.contains(TOKEN) && !saved.contains(TOKEN), "{planned}{saved}");
    for file in [&plan, &world] {
        let bytes = std::fs::read(file).unwrap();
        assert!(!holds(&bytes, TOKEN) && holds(&bytes, "***"), "{file}");
    }
    let mut command = place.command(&["run", &book, "-y", "--output", "jsonl"]);
    let output = command.env("PLAYBOOK_LOG", "trace").output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(place.path("called").exists() && text.contains("called with *** for 5m"), "{text}");
    nowhere(&place, &text);
    let shown = place.expect(0, &["run", &book, "-y"]);
    nowhere(&place, &shown);
    let text = place.expect(0, &["show", &book, "--by-hand"]);
    assert!(text.contains("the secret output token of step login") && !text.contains(TOKEN), "{text}");
}

#[test]
fn after_a_crash_it_is_read_again_before_the_step_that_needs_it() {
    let place = place();
    let book = place.book(
        "crashes",
        &format!(
            "{LOGIN}  - {{ id: between, run: 'GATE(between)', effect: idempotent, rollback: none, because: a test }}\n\
             \x20 - id: call\n    run: 'test \"$T\" = \"$(cat WORLD/token)\" && touch WORLD/called'\n    effect: idempotent\n\
             \x20   env: {{ T: \"{{{{steps.login.outputs.token}}}}\" }}\n    rollback: none\n    because: it is a test\n"
        ),
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("between");
    let before = place.log().len();
    runner.kill();
    place.open("between");
    let shown = place.expect(0, &["resume", "latest"]);
    assert!(place.path("called").exists(), "{shown}");
    assert_eq!(place.log().len(), before + 1, "it is read once more, and only then");
    assert!(shown.contains("login reads again what call needs"), "{shown}");
    nowhere(&place, &shown);
    assert!(place.expect(0, &["timeline", "--output", "json"]).contains("\"read_again\""));
}

#[test]
fn an_undo_has_it_after_a_crash_too_and_says_so_when_it_is_gone() {
    let undo = format!(
        "{LOGIN}  - id: change\n    run: touch WORLD/changed\n    effect: idempotent\n    rollback:\n\
         \x20     - {{ id: back, run: 'test \"$T\" = \"$(cat WORLD/token)\" && rm WORLD/changed', effect: idempotent, env: {{ T: \"{{{{steps.login.outputs.token}}}}\" }} }}\n\
         \x20 - {{ id: stop, run: 'GATE(stop); exit 1', effect: idempotent, rollback: none, because: a test }}\n"
    );
    let place = place();
    let book = place.book("undoes", &undo);
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("stop");
    runner.kill();
    std::fs::rename(place.path("token"), place.path("gone")).unwrap();
    place.open("stop");
    let shown = place.expect(11, &["resume", "latest", "--no-wait"]);
    assert!(place.path("changed").exists() && shown.contains("login could not be read again"), "{shown}");
    std::fs::rename(place.path("gone"), place.path("token")).unwrap();
    let shown = place.expect(10, &["resolve", "latest", "change/undo", "--retry", "--reason", "it is back"]);
    assert!(!place.path("changed").exists(), "{shown}");
    nowhere(&place, &shown);
}

#[test]
fn a_whole_step_can_be_sensitive_and_its_items_have_one_each() {
    let place = place();
    let book = place.book(
        "whole",
        "  - id: each\n    for_each: [one, two]\n    steps:\n\
         \x20     - { id: read, run: 'printf \"%s-%s\" \"$(cat WORLD/token)\" \"$I\"', effect: read, sensitive: true, env: { I: \"{{item}}\" } }\n\
         \x20     - id: use\n        run: 'test \"$T\" = \"$(cat WORLD/token)-$I\" && echo \"$T\" && touch \"WORLD/used-$I\"'\n        effect: idempotent\n\
         \x20       env: { T: \"{{steps.read.outputs.stdout}}\", I: \"{{item}}\" }\n        rollback: none\n        because: it is a test\n",
    );
    let shown = place.expect(0, &["run", &book, "-y"]);
    assert!(place.path("used-one").exists() && place.path("used-two").exists(), "{shown}");
    nowhere(&place, &shown);
}

#[test]
fn lint_says_where_one_may_not_stand() {
    let place = place();
    let refused = |steps: &str, word: &str| {
        let book = place.book("bad", steps);
        let shown = place.expect(65, &["lint", &book]);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(word), "{steps}: {shown}");
    };
    let changing = LOGIN.replace("effect: read", "effect: idempotent\n    rollback: none\n    because: a test");
    refused(&changing, "sensitive-output");
    for use_of in [
        "argv: [x, \"{{steps.login.outputs.token}}\"]",
        "run: x, env: { T: \"Bearer {{steps.login.outputs.token}}\" }",
        "run: x, env: { T: \"{{steps.login.outputs.stdout}}!\" }",
        "run: x, if: \"steps.login.outputs.token != ''\"",
        "run: x, become: \"{{steps.login.outputs.token}}\"",
    ] {
        refused(&format!("{LOGIN}  - {{ id: use, effect: read, {use_of} }}\n"), "sensitive-use");
    }
    refused(&format!("{LOGIN}    require: \"outputs.token != ''\"\n"), "sensitive-use");
    refused(&format!("{LOGIN}    ok_if: \"outputs.stdout != ''\"\n"), "sensitive-use");
    let good = place.book("good", &format!("{LOGIN}    require: \"outputs.ttl == '5m'\"\n"));
    place.expect(0, &["lint", &good]);
}

#[test]
fn what_fails_to_be_read_is_not_told_either() {
    let place = place();
    let login = |script: &str, read: &str| {
        let text = format!(
            "  - {{ id: login, run: '{script}', effect: read, outputs: {{ token: {{ {read}, sensitive: true }} }} }}\n"
        );
        let shown = place.expect(1, &["run", &place.book("fails", &text), "-y"]);
        nowhere(&place, &shown);
        shown
    };
    // It prints something of another form, and what says so would hold it.
    let shown = login("echo \"{\\\"token\\\": [\\\"$(cat WORLD/token)\\\"]}\"", "json: token, type: string");
    assert!(shown.contains("it is sensitive"), "{shown}");
    let shown = login("echo \"no: $(cat WORLD/token)\" >&2; exit 4", "json: token");
    assert!(shown.contains("exit code 4; what it printed is withheld"), "{shown}");
}

#[test]
fn a_secret_in_a_form_that_only_reading_undoes_is_masked_behind_that() {
    let place = place();
    // Every letter by its number: what reads the JSON has the secret as it is.
    let numbers: String = TOKEN.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
    std::fs::write(place.path("answer"), format!("{{\"said\": \"{numbers}\"}}")).unwrap();
    let knows = format!("file:{}", place.path("token").display());
    let look = "run: 'test -n \"$T\" && cat WORLD/answer'\n    env: { T: \"{{inputs.token}}\" }\n    outputs: { said: { json: said, type: string } }\n";
    let book = place.book_with(
        "numbers",
        &format!(
            "inputs: {{ token: {{ type: string, sensitive: true }} }}\n\
             invariants:\n  - name: said\n    {look}    expr: \"outputs.said == 'x'\""
        ),
        &format!(
            "  - id: told\n    effect: read\n    {look}  - id: use\n    run: touch WORLD/used\n    effect: idempotent\n\
             \x20   env: {{ S: \"{{{{steps.told.outputs.said}}}}\" }}\n    rollback: none\n    because: it is a test\n"
        ),
    );
    let output = place.command(&["run", &book, "-y", "-i", &format!("token={knows}")]).output().unwrap();
    let shown = said(&output);
    assert!(shown.contains("outputs.said = \"***\""), "{shown}");
    nowhere(&place, &shown);
}

#[test]
fn nobody_gives_one_by_hand() {
    let place = place();
    let book = place.book(
        "by_hand",
        &format!(
            "  - {{ id: first, run: 'GATE(first)', effect: idempotent, rollback: none, because: a test }}\n{}",
            LOGIN.trim_start_matches('\n')
        ),
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("first");
    let given = format!("token={TOKEN}");
    let words = ["skip", "latest", "login", "--done-by-hand", "--with-output", &given, "--reason", "x"];
    let output = place.run(&words);
    assert_eq!(output.status.code(), Some(77), "{}", said(&output));
    assert!(said(&output).contains("is sensitive"), "{}", said(&output));
    place.open("first");
    runner.expect(0);
    nowhere(&place, &said(&output));
}

#[test]
fn a_rehearsal_and_a_proof_need_no_secret() {
    let place = place();
    let book = place.book(
        "proved",
        &format!(
            "{LOGIN}  - id: call\n    run: 'touch WORLD/called'\n    effect: idempotent\n\
             \x20   env: {{ T: \"{{{{steps.login.outputs.token}}}}\" }}\n    rollback: none\n    because: it is a test\n"
        ),
    );
    let world = place.path("world.yaml").display().to_string();
    place.expect(0, &["plan", &book, "--save-world", &world]);
    let rehearsed = place.expect(0, &["rehearse", &book, "--world", &world]);
    assert!(!rehearsed.contains(TOKEN) && !place.path("called").exists(), "{rehearsed}");
    let proved = place.expect(0, &["prove", &book, "--world", &world]);
    assert!(!proved.contains(TOKEN), "{proved}");
}
