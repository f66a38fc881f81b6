//! Bad input for every verb: a clear message, the documented exit code, nothing changed. And what the verbs do with a run
//! that needs nothing but this machine.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = r#"name: good
version: 1.0.0
title: Writes a file
inputs:
  size: { type: integer, default: 1, description: how many }
steps:
  - id: look
    run: echo looked
    effect: read
  - id: write
    run: touch written
    effect: idempotent
    rollback:
      - id: remove
        run: rm -f written
        effect: idempotent
    checkpoint: written
"#;

/// Fails after it wrote, and its undo works.
const FAILS: &str = r#"name: fails
version: 1.0.0
title: Writes a file and fails
steps:
  - id: write
    run: touch written
    effect: idempotent
    rollback:
      - id: remove
        run: rm -f written
        effect: idempotent
  - id: fail
    run: printf 'red \033[31mtext\033[0m \033]0;title\007'; exit 3
    effect: idempotent
    rollback: none
    because: it does nothing
    on_failure: rollback
"#;

/// Asks a person, as its undo fails.
const STUCK: &str = r#"name: stuck
version: 1.0.0
title: Cannot go back
locks: [thing/one]
steps:
  - id: write
    run: touch written
    effect: idempotent
    rollback:
      - id: remove
        run: exit 1
        effect: idempotent
  - id: fail
    run: exit 3
    effect: idempotent
    rollback: none
    because: it does nothing
"#;

/// A folder of its own with playbooks, and a state that does not exist yet.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("playbooks")).unwrap();
        for (name, text) in [("good", GOOD), ("fails", FAILS), ("stuck", STUCK)] {
            let text = text.replace("written\n", &format!("{}\n", folder.path().join("written").display()));
            let text = text.replace("checkpoint: /", "checkpoint: x/");
            let text = text.lines().map(checkpoint).collect::<Vec<_>>().join("\n");
            std::fs::write(folder.path().join(format!("playbooks/{name}.yaml")), text).unwrap();
        }
        std::fs::write(folder.path().join("empty.yaml"), "").unwrap();
        Self { folder }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for variable in ["PLAYBOOK_INVENTORY", "PLAYBOOK_PATH", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LC_ALL", "TERM"] {
            command.env_remove(variable);
        }
        command.env("PLAYBOOK_STATE", self.state()).env("PLAYBOOK_CONFIG", self.folder.path().join("empty.yaml"));
        command.env("HOME", self.folder.path()).env("LANG", "C.UTF-8");
        command
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the binary, which must end with a code; what it said.
    fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{said}", arguments.join(" "));
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{}", arguments.join(" "), said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said(&output)))
    }

    fn written(&self) -> bool {
        self.folder.path().join("written").exists()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }
}

fn checkpoint(line: &str) -> String {
    if line.trim_start().starts_with("checkpoint:") { "    checkpoint: written".to_owned() } else { line.to_owned() }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn bad_input_ends_with_the_documented_code_a_clear_message_and_nothing_changed() {
    let place = Place::new();
    place.write("broken.yaml", "name: x\nstpes: []\n");
    place.write("binary.yaml", "name: \u{0}\u{1}");
    place.write("bad-inputs.yaml", "size: [1, 2");
    place.write("bad-inventory.yaml", "hosts: 7\n");
    place.write("production.yaml", "environment: production\n");
    let cases: &[(i32, &[&str], &str)] = &[
        (64, &[], "Usage"),
        (64, &["nonsense"], "nonsense"),
        (64, &["run"], "NAME"),
        (64, &["run", "good", "--nonsense"], "--nonsense"),
        (64, &["run", "good", "-i", "size"], "NAME=VALUE"),
        (64, &["run", "good", "-i", "size=1", "-i", "size=2"], "twice"),
        (64, &["run", "good", "-y", "--override", "shared-state"], "--reason"),
        (64, &["run", "good", "-y", "--override", "nonsense", "--reason", "x"], "shared-state"),
        (64, &["run", "good", "-y", "--override", "shared-state", "--reason", " "], "reason"),
        (64, &["run", "good", "--output", "xml"], "jsonl"),
        (64, &["run", "good", "--min-fidelity", "sure"], "probed"),
        (65, &["run", "good", "-y", "-i", "size=many"], "size"),
        (65, &["run", "good", "-y", "-i", "sise=1"], "sise"),
        (65, &["run", "./broken.yaml", "-y"], "broken.yaml:2:1"),
        (65, &["run", "./binary.yaml", "-y"], "binary.yaml"),
        (65, &["run", "good", "-y", "--inputs-file", "bad-inputs.yaml"], "bad-inputs.yaml"),
        (65, &["run", "good", "-y", "--inventory", "bad-inventory.yaml"], "bad-inventory.yaml"),
        (66, &["run", "god", "-y"], "names like it: good"),
        (66, &["run", "./none.yaml", "-y"], "none.yaml"),
        (66, &["run", "good", "-y", "--inputs-file", "none.yaml"], "none.yaml"),
        (66, &["run", "good", "-y", "--inventory", "none.yaml"], "none.yaml"),
        (66, &["run", "good", "-y", "--config", "none.yaml"], "none.yaml"),
        (77, &["run", "good"], "playbook run good -y"),
        (77, &["run", "good", "--confirm", "other"], "other"),
        (
            77,
            &["run", "good", "-y", "--inventory", "production.yaml"],
            "--confirm good --override shared-state --reason",
        ),
        (77, &["run", "good", "--confirm", "good", "--inventory", "production.yaml"], "--override shared-state"),
        (1, &["run", "good", "-y", "--min-fidelity", "proved"], "write is"),
        (64, &["plan"], "NAME"),
        (66, &["plan", "god"], "good"),
        (65, &["plan", "good", "-i", "size=many"], "size"),
        (65, &["lint", "broken.yaml"], "broken.yaml:2:1"),
        (66, &["lint", "none.yaml"], "none.yaml"),
        (66, &["lint", "--playbooks", "nowhere"], "nowhere"),
        (64, &["list", "extra"], "extra"),
        (64, &["show"], "--action"),
        (64, &["show", "good", "--action", "shell"], "--action"),
        (66, &["show", "god"], "good"),
        (66, &["show", "--action", "shel"], "shell"),
        (66, &["status"], "no runs"),
        (66, &["status", "x"], "no runs"),
        (66, &["watch"], "no runs"),
        (66, &["resume", "x"], "no runs"),
        (64, &["resume"], "RUN"),
        (64, &["resume", "x", "--take-over"], "--reason"),
        (64, &["resume", "x", "--take-over", "--reason", ""], "reason"),
        (66, &["rollback", "x"], "no runs"),
        (64, &["rollback"], "RUN"),
        (66, &["cancel", "x"], "no runs"),
        (66, &["abort", "x"], "no runs"),
        (66, &["pause", "x"], "no runs"),
        (64, &["resolve", "x"], "STEP"),
        (64, &["resolve", "x", "step", "--reason", "y"], "--took-effect"),
        (64, &["resolve", "x", "step", "--retry", "--undo", "--reason", "y"], "--undo"),
        (64, &["resolve", "x", "step", "--retry"], "--reason"),
        (64, &["resolve", "x", "step", "--retry", "--reason", ""], "reason"),
        (64, &["resolve", "x", "Step!", "--retry", "--reason", "y"], "Step!"),
        (66, &["resolve", "x", "step", "--retry", "--reason", "y"], "no runs"),
        (66, &["timeline", "x"], "no runs"),
        (66, &["verify", "x"], "no runs"),
        (66, &["doctor", "god"], "good"),
        (64, &["doctor", "good", "extra"], "extra"),
        (64, &["completions", "tcsh-3"], "bash"),
    ];
    for (code, arguments, word) in cases {
        let said = place.expect(*code, arguments);
        assert!(said.contains(word), "playbook {} does not say `{word}`:\n{said}", arguments.join(" "));
    }
    assert!(!place.written(), "something was changed");
    let left: Vec<PathBuf> = match std::fs::read_dir(place.state()) {
        Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    // A run that was refused by its plan had opened the journal; no run was begun in it.
    let list = place.json(0, &["list", "--runs", "--output", "json"]);
    assert_eq!(list, serde_json::json!([]), "{left:?}");
}

#[test]
fn looking_makes_no_state() {
    let place = Place::new();
    place.expect(0, &["run", "good", "--dry-run"]);
    place.expect(0, &["plan", "good"]);
    place.expect(0, &["list", "--runs"]);
    place.expect(0, &["lint"]);
    place.expect(0, &["doctor", "good"]);
    place.expect(2, &["plan", "good", "--detailed-exitcode"]);
    let plan = place.json(0, &["plan", "good", "--output", "json"]);
    assert_eq!((&plan["v"], &plan["type"], &plan["steps"][1]["id"]), (&1.into(), &"plan".into(), &"write".into()));
    assert!(!place.state().exists() && !place.written());
}

#[test]
fn a_run_is_listed_shown_told_and_verified() {
    let place = Place::new();
    let said = place.expect(0, &["run", "good", "-y", "--incident", "INC-7"]);
    assert!(place.written());
    assert!(said.contains(&format!("state: {}", place.state().display())), "a run says where its state is:\n{said}");
    let list = place.json(0, &["list", "--runs", "--output", "json"]);
    let run = list[0]["run"].as_str().unwrap();
    assert_eq!((&list[0]["state"], &list[0]["verdict"]), (&"ended".into(), &"succeeded".into()));
    let status = place.json(0, &["status", "--output", "json"]);
    assert_eq!((&status["run"], &status["incident"], &status["exit"]), (&run.into(), &"INC-7".into(), &0.into()));
    let tail = run.rsplit('-').next().unwrap();
    let timeline = place.json(0, &["timeline", tail, "--output", "json"]);
    assert_eq!(timeline["records"][0]["kind"], "run_started");
    assert!(place.expect(0, &["timeline"]).contains("looked"));
    place.expect(0, &["verify", run]);
    place.expect(0, &["watch", run]);
    place.expect(0, &["resume", run]);
    for verb in ["cancel", "abort", "pause", "rollback"] {
        assert!(place.expect(77, &[verb, run]).contains("has ended"));
    }
    place.expect(77, &["resolve", run, "write", "--retry", "--reason", "x"]);
    assert!(place.expect(66, &["status", "nonsense"]).contains("nonsense"));
    assert_eq!(place.json(66, &["timeline", "nonsense", "--output", "json"])["type"], "error");
    assert!(place.written(), "asking changed something");
}

#[test]
fn a_failed_run_is_undone_and_what_a_command_printed_does_no_harm() {
    let place = Place::new();
    let output = place.run(&["run", "fails", "-y", "--color", "never"]);
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert!(!place.written(), "it was not undone");
    let timeline = place.expect(0, &["timeline", "--color", "never"]);
    for text in [said(&output), timeline] {
        assert!(!text.contains('\x1b') && !text.contains('\x07'), "{text:?}");
        assert!(text.contains("red text ^[]0;title^G"), "{text}");
    }
}

#[test]
fn a_stuck_run_says_what_can_be_answered_and_an_answer_ends_it() {
    let place = Place::new();
    let said = place.expect(11, &["run", "stuck", "-y"]);
    assert!(said.contains("write/undo --took-effect --reason"), "{said}");
    let list = place.json(0, &["list", "--runs", "--output", "json"]);
    assert_eq!(list[0]["state"], "stuck");
    // Its lock is held: another run is refused, and says by whom.
    let refused = place.expect(13, &["run", "stuck", "-y"]);
    assert!(refused.contains(list[0]["run"].as_str().unwrap()), "{refused}");
    place.expect(1, &["doctor"]);
    place.expect(77, &["resolve", "latest", "fail", "--retry", "--reason", "x"]);
    // In another environment the same names mean other machines.
    place.write("other.yaml", "environment: staging\n");
    for verb in ["resume", "cancel", "abort", "pause", "rollback"] {
        let said = place.expect(77, &[verb, "latest", "--inventory", "other.yaml"]);
        assert!(said.contains("staging"), "{said}");
    }
    assert!(place.expect(77, &["resolve", "latest", "write", "--undo", "--reason", "x"]).contains("--took-effect"));
    place.expect(11, &["resolve", "latest", "write", "--retry", "--reason", "once more"]);
    place.expect(15, &["resolve", "latest", "write", "--abandon", "--reason", "by hand"]);
    let timeline = place.expect(0, &["timeline"]);
    assert!(timeline.contains("by hand"), "{timeline}");
}

#[test]
fn programs_get_one_object_a_line_and_an_end() {
    let place = Place::new();
    let output = place.run(&["run", "good", "-y", "--output", "jsonl"]);
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["v"] == 1));
    assert_eq!(lines[0]["kind"], "run_started");
    let end = lines.last().unwrap();
    assert_eq!((&end["type"], &end["verdict"], &end["exit"]), (&"end".into(), &"succeeded".into(), &0.into()));
    assert_eq!(place.json(77, &["run", "good", "--output", "json"])["exit"], 77);
}

#[test]
fn a_closed_output_stops_no_run() {
    let place = Place::new();
    let mut child = place
        .command(&["run", "good", "-y", "--output", "jsonl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.written());
}

#[test]
fn shells_get_their_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.expect(0, &["completions", shell]).contains("timeline"), "{shell}");
    }
}

#[test]
fn help_and_version_are_no_errors_and_tell_the_exit_codes() {
    let place = Place::new();
    assert!(place.expect(0, &["--help"]).contains("130  interrupted"));
    place.expect(0, &["--version"]);
    for verb in
        ["run", "plan", "lint", "list", "show", "status", "watch", "resume", "rollback", "cancel", "abort", "pause"]
    {
        place.expect(0, &[verb, "--help"]);
    }
}

#[test]
fn the_playbook_of_the_readme_passes_lint() {
    let place = Place::new();
    let readme = include_str!("../../README.md");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    place.write("readme.yaml", example);
    assert!(place.expect(0, &["lint", "readme.yaml"]).contains("0 errors, 0 warnings"));
}

#[test]
fn ctrl_c_finishes_the_step_in_hand_and_the_run_can_be_resumed() {
    use std::io::BufRead as _;
    let place = Place::new();
    let text = GOOD
        .replace("run: echo looked", "run: sleep 0.7")
        .replace("touch written", "true")
        .replace("rm -f written", "true");
    place.write("slow.yaml", &text);
    let mut child =
        place.command(&["run", "./slow.yaml", "-y", "--output", "jsonl"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(r#""kind":"intent""#)), "the first step never began");
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    // A closed terminal ends nothing; Ctrl-C does, after the step in hand.
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let end: Value = serde_json::from_str(&lines.last().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(
        (&end["state"], &end["steps"][0]["state"], &end["steps"][1]["state"]),
        (&"stopped".into(), &"done".into(), &"pending".into())
    );
    assert_eq!(place.json(0, &["list", "--runs", "--output", "json"])[0]["state"], "stopped");
    place.expect(0, &["resume", "latest"]);
    assert_eq!(place.json(0, &["status", "--output", "json"])["verdict"], "succeeded");
}

#[test]
fn ctrl_c_before_the_start_starts_nothing() {
    let place = Place::new();
    let looked = place.folder.path().join("looked");
    let text = GOOD.replace("run: echo looked", &format!("run: touch {}; sleep 20", looked.display()));
    let text = text.replace("touch written", "true").replace("rm -f written", "true");
    place.write("slow.yaml", &text);
    let child = place.command(&["run", "./slow.yaml", "-y"]).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !looked.exists() {
        assert!(std::time::Instant::now() < deadline, "the plan never looked");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert_eq!(place.json(0, &["list", "--runs", "--output", "json"]), serde_json::json!([]));
}

#[test]
fn a_production_run_with_its_brake_passed_is_told_with_the_reason() {
    let place = Place::new();
    place.write("production.yaml", "environment: production\n");
    let words = ["run", "good", "--inventory", "production.yaml", "--confirm", "good", "--override", "shared-state"];
    let words = [&words[..], &["--reason", "the server is down"]].concat();
    place.expect(3, &words);
    assert!(place.expect(0, &["timeline"]).contains("the server is down"));
    // Elsewhere the brake does not bind, and passing it is no exception.
    place.expect(0, &["run", "good", "-y", "--override", "shared-state", "--reason", "x"]);
}

#[test]
fn a_run_is_followed_paused_and_cancelled_from_another_process() {
    let place = Place::new();
    let text = FAILS
        .replace("exit 3", "sleep 2")
        .replace("written", &place.folder.path().join("written").display().to_string());
    place.write("slow.yaml", &text.replace("on_failure: rollback", "timeout: 20s"));
    let mut child =
        place.command(&["run", "./slow.yaml", "-y"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !place.written() {
        assert!(std::time::Instant::now() < deadline, "the run wrote nothing");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(place.json(0, &["list", "--runs", "--output", "json"])[0]["state"], "running");
    place.expect(13, &["resume", "latest"]);
    let watch = place.command(&["watch"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = place.expect(0, &["cancel", "latest", "--reason", "not today"]);
    assert!(said.contains("undone"), "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(10));
    assert_eq!(watch.wait_with_output().unwrap().status.code(), Some(10));
    assert!(!place.written());
    assert!(place.expect(0, &["timeline"]).contains("not today"));
}
