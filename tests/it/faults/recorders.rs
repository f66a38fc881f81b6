//! The runner, the connection or both are killed while a command runs: its own end is found, it ran once, and nothing that
//! it printed is missing. With the recorder killed as well nobody knows, and a person is asked: that is the control.

use serde_json::Value;

use crate::processes::{Place, Runner, until};

/// What the command prints, before and behind its gate: more than is kept, so only its size and hash tell that it is whole.
/// The command before it hands its folder on: nothing of that may be taken for this one's.
const PRINTS: &str = r#"
  - { id: before, run: seq 1 5; exit 3, ok_if: outputs.exit_code == 3, rollback: none, because: a test }
  - id: only
    HOSTrun: |
      echo ran >> WORLD/log
      seq 1 20000
      GATE(mid)
      seq 20001 40000
      echo the last words >&2
    rollback: none
    because: a test
  - { id: after, run: echo after >> WORLD/log, rollback: none, because: a test }
"#;

/// A run that stands in the middle of its command.
fn standing(host: &str, prepare: impl Fn(&Place)) -> (Place, Runner) {
    let place = Place::new();
    prepare(&place);
    let book = place.book("recorded", &PRINTS.replace("HOST", host));
    let runner = place.start(&["run", &book, "-y", "--output", "jsonl"]);
    place.wait_at("mid");
    (place, runner)
}

/// Resumes the run while its command still runs, and lets that end then.
fn resume_and_let_it_end(place: &Place) {
    assert_eq!(place.status()["state"], "interrupted");
    let mut resumed = place.start(&["resume", "latest", "--output", "jsonl"]);
    until("an owner", || (place.status()["state"] == "running").then_some(()));
    place.open("mid");
    resumed.expect(0);
}

/// What was found: the command's own end, with all that it printed, and it ran once.
fn assert_found_whole(place: &Place, context: &str) {
    assert_eq!(place.log(), ["ran", "after"], "{context}");
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let records = timeline["records"].as_array().unwrap();
    let settled = records.iter().find(|record| record["kind"] == "settled" && record["step"] == "only");
    let found = &settled.unwrap_or_else(|| panic!("{context}: nothing was settled\n{timeline:#}"))["detail"]["found"];
    assert_eq!((&found["is"], &found["outcome"]), (&Value::from("ended"), &Value::from("done")), "{context}");
    let stdout = &found["output"]["stdout"];
    // `seq 1 40000 | wc -c` and `| sha256sum`.
    assert_eq!(stdout["bytes"], 228_894, "{context}");
    assert_eq!(stdout["sha256"], "4dee400da20bb6b7cfd1721c3383c86bb26571402edfe6631109445b28632130", "{context}");
    assert_eq!(found["output"]["stderr"]["text"], "the last words\n", "{context}");
    assert_eq!(place.status()["verdict"], "succeeded", "{context}");
    place.expect(0, &["verify", "latest"]);
}

/// A person is asked, and nothing else was done.
fn assert_asked(place: &Place) {
    let status = place.status();
    assert_eq!((&status["state"], &status["exit"]), (&Value::from("waiting"), &Value::from(12)), "{status:#}");
    assert_eq!(status["question"]["kind"], "unknown_outcome");
    assert_eq!(status["steps"][1]["state"], "unknown");
    assert_eq!(place.log(), ["ran"]);
}

#[test]
fn the_runner_of_a_local_command_is_killed() {
    let (place, mut runner) = standing("", |_| {});
    runner.kill();
    resume_and_let_it_end(&place);
    assert_found_whole(&place, "the runner of a local command");
}

#[test]
fn the_runner_and_the_recorder_of_a_local_command_are_killed() {
    let (place, mut runner) = standing("", |_| {});
    runner.kill();
    place.kill_recorded("only");
    place.expect(12, &["resume", "latest"]);
    assert_asked(&place);
}

#[test]
fn the_recorder_alone_is_killed_and_the_runner_asks() {
    let (place, mut runner) = standing("", |_| {});
    place.kill_recorded("only");
    runner.expect(12);
    assert_asked(&place);
}

#[test]
fn one_folder_goes_from_command_to_command() {
    let place = Place::new();
    let look = "find STATE/spool -mindepth 2 -maxdepth 2 -type d | wc -l >> WORLD/log; seq 1 9";
    let look = look.replace("STATE", &place.path("state").display().to_string());
    let steps: String =
        (1..=8).map(|n| format!("  - {{ id: s{n}, run: {look:?}, rollback: none, because: a test }}\n")).collect();
    let book = place.book("many", &steps);
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["1"; 8], "each finds the folder of the one before it in its own hands");
}

#[cfg(feature = "ssh")]
mod remote {
    use std::path::{Path, PathBuf};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    use super::*;
    use crate::command::sshd::{Sshd, cut};

    fn standing_there() -> (Sshd, Place, Runner) {
        let sshd = Sshd::start();
        let (place, runner) = standing("host: db1\n    ", |place| crate::faults::with_host(place, &sshd, sshd.port));
        (sshd, place, runner)
    }

    fn kill_it(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        until("its end", || (!crate::processes::runs(pid)).then_some(()));
    }

    /// The recorder on the host, by the file in which it wrote down who it is.
    fn recorder(spool: &Path) -> i32 {
        let of_the_step = |path: &PathBuf| path.to_string_lossy().contains("-only-");
        let folder = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path()).find(of_the_step).unwrap();
        let text = std::fs::read_to_string(folder.join("recorder")).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[test]
    fn the_runner_of_a_remote_command_is_killed() {
        let (_sshd, place, mut runner) = standing_there();
        runner.kill();
        resume_and_let_it_end(&place);
        assert_found_whole(&place, "the runner of a remote command");
    }

    #[test]
    fn the_connection_of_a_remote_command_is_killed() {
        let (sshd, place, mut runner) = standing_there();
        cut(sshd.server_id());
        // It says that it does not know before it looks.
        runner.wait_for("\"outcome\":\"unknown\"");
        place.open("mid");
        runner.expect(0);
        assert_found_whole(&place, "the connection");
    }

    #[test]
    fn the_runner_and_the_connection_of_a_remote_command_are_killed() {
        let (sshd, place, mut runner) = standing_there();
        runner.kill();
        cut(sshd.server_id());
        resume_and_let_it_end(&place);
        assert_found_whole(&place, "the runner and the connection");
    }

    #[test]
    fn the_recorder_of_a_remote_command_is_killed_too() {
        for with_runner in [true, false] {
            let (sshd, place, mut runner) = standing_there();
            if with_runner {
                runner.kill();
                cut(sshd.server_id());
            }
            kill_it(recorder(&sshd.at("state/playbook/spool")));
            if with_runner {
                place.expect(12, &["resume", "latest"]);
            } else {
                runner.expect(12);
            }
            assert_asked(&place);
        }
    }
}
