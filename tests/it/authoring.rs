//! Writing playbooks: `lint`, `explain`, `fmt`, `schema` and `new`, through the binary.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

/// Runs the binary in a folder, away from this machine's settings.
fn playbook(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::cargo_bin("playbook").unwrap();
    command.current_dir(folder).env_clear().env("HOME", folder).env("NO_COLOR", "1").args(words);
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const WARNED: &str = "name: x\nversion: 1.0.0\nowner: me\nreviewed: 2020-01-01\nreview_every: 90d\nsteps:\n  - { id: a, argv: [\"true\"], effect: read }\n";

#[test]
fn lint_finds_an_overdue_review_and_strict_makes_an_error_of_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), WARNED).unwrap();
    let relaxed = playbook(folder.path(), &["lint", "x.yaml"]);
    assert_eq!(code(&relaxed), 0, "{}", err(&relaxed));
    assert!(out(&relaxed).contains("overdue-review"), "{}", out(&relaxed));
    assert!(err(&relaxed).contains("0 errors, 1 warning") && err(&relaxed).contains("playbook explain overdue-review"));
    let strict = playbook(folder.path(), &["lint", "x.yaml", "--strict"]);
    assert_eq!(code(&strict), 65);
    assert!(err(&strict).contains("1 error, 0 warnings"), "{}", err(&strict));
}

#[test]
fn lint_speaks_to_programs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), WARNED).unwrap();
    let said = |form: &str| out(&playbook(folder.path(), &["lint", "x.yaml", "--output", form]));
    let faults: serde_json::Value = serde_json::from_str(&said("json")).unwrap();
    let first = &faults.as_array().unwrap()[0];
    assert_eq!(first["file"], "x.yaml");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(4), Some(11)));
    assert_eq!((first["severity"].as_str(), first["code"].as_str()), (Some("warning"), Some("overdue-review")));
    assert!(first["message"].is_string() && first["help"].is_string());
    let sarif: serde_json::Value = serde_json::from_str(&said("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "overdue-review");
    assert!(said("github").starts_with("::warning file=x.yaml,line=4,col=11,"), "{}", said("github"));
    assert!(said("junit").contains("tests=\"1\" failures=\"0\""), "{}", said("junit"));
    let missing = playbook(folder.path(), &["lint", "y.yaml", "--output", "json"]);
    assert_eq!(code(&missing), 66);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out(&missing)).unwrap()["type"], "error");
}

#[test]
fn every_code_can_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    let list = out(&playbook(folder.path(), &["explain"]));
    assert!(list.lines().count() > 60, "{list}");
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let page = playbook(folder.path(), &["explain", name]);
        assert_eq!(code(&page), 0, "{name}");
        assert!(out(&page).contains("Why"), "{name}");
    }
    let none = playbook(folder.path(), &["explain", "no-rolback"]);
    assert_eq!(code(&none), 66);
    assert!(err(&none).contains("no-rollback"), "{}", err(&none));
}

#[test]
fn shipped_playbooks_have_nothing_to_say_about() {
    let output = playbook(root(), &["lint", "playbooks", "--output", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let faults: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    // A review that has become due since is for people to do, and not for a test to fail on.
    let others: Vec<_> = faults.as_array().unwrap().iter().filter(|fault| fault["code"] != "overdue-review").collect();
    assert!(others.is_empty(), "{others:?}");
}

#[test]
fn fmt_sets_spaces_keeps_rights_and_refuses_what_does_not_parse() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    let text = "name:   x # why\nversion: 1.0.0\nsteps:\n- {id: a,argv: [\"true\"], effect: read}\n";
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let check = playbook(folder.path(), &["fmt", "--check", "x.yaml"]);
    assert_eq!((code(&check), out(&check).as_str()), (65, "x.yaml\n"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "--check writes nothing");
    let done = playbook(folder.path(), &["fmt", "x.yaml"]);
    assert_eq!((code(&done), out(&done).as_str()), (0, "x.yaml\n"));
    let formatted = "name: x # why\nversion: 1.0.0\nsteps:\n  - { id: a, argv: [\"true\"], effect: read }\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), formatted);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(code(&playbook(folder.path(), &["fmt", "--check", "x.yaml"])), 0);
    std::fs::write(folder.path().join("y.yaml"), "a: [\n").unwrap();
    let refused = playbook(folder.path(), &["fmt", "x.yaml", "y.yaml"]);
    assert_eq!(code(&refused), 65);
    assert!(err(&refused).contains("not-yaml"), "{}", err(&refused));
    assert_eq!(std::fs::read_to_string(folder.path().join("y.yaml")).unwrap(), "a: [\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn shipped_playbooks_are_formatted() {
    let output = playbook(root(), &["fmt", "--check", "playbooks"]);
    assert_eq!(code(&output), 0, "{}", out(&output));
}

#[test]
fn a_new_playbook_passes_lint_and_a_dry_run_and_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let made = playbook(folder.path(), &["new", "disk-full"]);
    assert_eq!((code(&made), out(&made).as_str()), (0, "playbooks/disk-full.yaml\n"), "{}", err(&made));
    for words in [
        &["lint", "--strict"][..],
        &["fmt", "--check"],
        &["run", "disk-full", "-C"],
        &["run", "playbooks/disk-full.yaml", "-C", "-i", "mode=unplanned"],
    ] {
        let output = playbook(folder.path(), words);
        assert_eq!(code(&output), 0, "{words:?}: {}{}", out(&output), err(&output));
    }
    let path = folder.path().join("playbooks/disk-full.yaml");
    std::fs::write(&path, "mine").unwrap();
    assert_eq!(code(&playbook(folder.path(), &["new", "disk-full"])), 64);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(code(&playbook(folder.path(), &["new", "../x"])), 64);
    assert_eq!(code(&playbook(folder.path(), &["new", "x", "--dir", "else/where"])), 0);
    assert!(folder.path().join("else/where/x.yaml").exists());
}

#[test]
fn the_schema_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = playbook(folder.path(), &["schema"]);
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("playbook.schema.json", schema).unwrap();
    compiler.compile("playbook.schema.json", &mut boon::Schemas::new()).unwrap();
}

/// A file of ours as data.
fn data(path: &str) -> serde_json::Value {
    serde_saphyr::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// The script of the GitHub Action, run as GitHub runs it.
#[test]
fn the_github_action_annotates_and_fails() {
    let action = data(".github/actions/lint/action.yml");
    let step = &action["runs"]["steps"][0];
    for (variable, input) in step["env"].as_object().unwrap() {
        let name = input.as_str().unwrap().trim_start_matches("${{ inputs.").trim_end_matches(" }}").to_owned();
        assert!(action["inputs"].get(&name).is_some(), "{variable} is given {name}, which is no input");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yaml"), WARNED).unwrap();
    std::fs::write(folder.path().join("y.yaml"), WARNED.replace("steps:", "stepz:")).unwrap();
    let run = |paths: &str, strict: &str| {
        let mut command = Command::new("bash");
        command.current_dir(folder.path()).args(["-c", step["run"].as_str().unwrap()]);
        command.env("HOME", folder.path()).env("PATHS", paths).env("STRICT", strict);
        command.env("PLAYBOOK", assert_cmd::cargo::cargo_bin("playbook")).output().unwrap()
    };
    assert_eq!(code(&run("x.yaml", "false")), 0);
    assert_eq!(code(&run("x.yaml", "true")), 65);
    let both = run("x.yaml y.yaml", "false");
    assert_eq!(code(&both), 65);
    assert!(out(&both).contains("::error file=y.yaml,line=6,col=1,"), "{}", out(&both));
}

#[test]
fn the_hooks_call_verbs_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for hook in data(".pre-commit-hooks.yaml").as_array().unwrap() {
        let words: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').collect();
        assert_eq!(words[0], "playbook");
        assert_eq!(code(&playbook(folder.path(), &[words[1], "--help"])), 0, "{hook}");
    }
}

const GROUPED: &str = "name: roll
version: 1.0.0
owner: me
inputs: { hosts: { type: list, items: identifier, default: [web1, web2] } }
steps:
  - id: look
    parallel:
      - { id: left, argv: [echo, left], effect: read }
      - { id: right, argv: [echo, right], effect: read }
  - id: restart
    for_each: \"{{inputs.hosts}}\"
    batch: { size: 2 }
    argv: [echo, \"{{item}}\"]
    effect: idempotent
    rollback: none
    because: nothing is left behind
";

#[test]
fn groups_are_planned_shown_and_compared_through_the_binary() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("roll.yaml"), GROUPED).unwrap();
    let many: Vec<String> = (1..=300).map(|number| format!("web{number}")).collect();
    let hosts = format!("hosts={}", many.join(","));
    let plan = playbook(folder.path(), &["plan", "./roll.yaml", "-i", &hosts]);
    assert_eq!(code(&plan), 0, "{}", err(&plan));
    let text = out(&plan) + &err(&plan);
    assert!(text.contains("1–2. at the same time (look)"), "{text}");
    assert!(text.contains("for each of web[1-300] (300), 2 at a time"), "{text}");
    assert!(text.contains("3 in all, 302 with each of their items"), "{text}");
    // A range names each of them, as a plan owes its reader.
    assert!(text.lines().count() < 80, "{} lines", text.lines().count());
    let json = playbook(folder.path(), &["plan", "./roll.yaml", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&json)).unwrap();
    let items = json["groups"][1]["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["id"].as_str().unwrap()).collect::<Vec<_>>(), ["web1", "web2"]);
    assert_eq!((json["steps"][3]["id"].as_str(), json["steps"][3]["item"].as_str()), (Some("restart"), Some("web2")));
    let hand = out(&playbook(folder.path(), &["show", "./roll.yaml", "--by-hand"]));
    assert!(hand.contains("# -- for web1\n") && hand.contains("\necho web2\n"), "{hand}");
    let page = playbook(folder.path(), &["show", "./roll.yaml"]);
    assert!((out(&page) + &err(&page)).contains("3. for each of {{inputs.hosts}}, 2 at a time"));
    std::fs::write(folder.path().join("other.yaml"), GROUPED.replace("size: 2", "size: 1")).unwrap();
    let diff = playbook(folder.path(), &["diff", "./roll.yaml", "./other.yaml"]);
    assert!((out(&diff) + &err(&diff)).contains("batch.size: 2 → 1"), "{}{}", out(&diff), err(&diff));
}
