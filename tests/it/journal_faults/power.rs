//! The power is cut under the journal of a real run: every record that was printed before is there afterwards.

use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::cases;
use super::disk::Disk;
use crate::processes::{Place, until};

const STEPS: &str = r#"
  - id: one
    run: sleep 0.02; echo one >> WORLD/log
    rollback: none
    because: a test
  - id: two
    run: sleep 0.02; echo two >> WORLD/log
    rollback: none
    because: a test
  - id: three
    run: sleep 0.02; echo three >> WORLD/log
    rollback: none
    because: a test
"#;

#[test]
fn no_acknowledged_record_is_lost_when_the_power_goes() {
    let Some(disk) = Disk::on_loop(24) else { return };
    let (mut acknowledged, mut cut) = (0, 0);
    for round in 0..cases("PLAYBOOK_TEST_POWER_CUTS", 6) {
        let place = Place::new();
        let book = place.book("cut", STEPS);
        let journal = disk.path(format!("round-{round}.sqlite3"));
        let journal = journal.to_str().unwrap();
        let mut child = place
            .command(&["run", &book, "-y", "--output", "jsonl", "--journal", journal])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let seq = |line: String| {
            let line: Value = serde_json::from_str(&line).unwrap();
            (line["type"] == "record").then(|| line["seq"].as_u64().unwrap())
        };
        let first: Vec<u64> = lines.by_ref().take(1 + round % 9).filter_map(seq).collect();
        disk.cut();
        // What it printed until it noticed counts too: a record is printed once it is durable.
        let last = first.into_iter().chain(lines.filter_map(seq)).max().unwrap();
        let code = child.wait().unwrap().code();
        disk.restart();
        cut += u64::from(code == Some(74));
        acknowledged += last;
        let timeline = place.json(&["timeline", "latest", "--output", "json", "--journal", journal]);
        let records = timeline["records"].as_array().unwrap().len() as u64;
        assert!(records >= last, "round {round}: {last} records were acknowledged, and {records} are there");
        place.expect(0, &["verify", "latest", "--journal", journal]);
        place.expect(0, &["resume", "latest", "--journal", journal]);
        assert_eq!(place.log(), ["one", "two", "three"], "round {round}");
        // Many rounds would fill it.
        std::fs::remove_file(journal).unwrap();
    }
    println!("{cut} cuts in the middle of a run, {acknowledged} records acknowledged before them, none lost");
    assert!(cut > 0);
}

const HALF_WAY: &str = r#"
  - id: before
    run: "true"
    rollback: none
    because: a test
  - id: only
    run: echo only >> WORLD/log; GATE(mid)
    rollback: none
    because: a test
"#;

/// Runs a command as if the host had been booted anew: in a mount namespace in which the boot has another id.
fn rebooted(place: &Place, command: Command) -> Command {
    let id = place.path("boot_id");
    std::fs::write(&id, "8b0c6f7e-0000-4000-8000-000000000000\n").unwrap();
    let script = "mount --bind \"$1\" /proc/sys/kernel/random/boot_id && shift && exec \"$@\"";
    let mut wrapped = Command::new("unshare");
    wrapped.args(["--mount", "sh", "-c", script, "sh"]).arg(id).arg(command.get_program()).args(command.get_args());
    wrapped.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// The power goes under journal and spool in the middle of a command, which had its effect by then. What a resume comes to.
fn cut_half_way(hide_the_reboot: bool) -> Option<(Option<i32>, Vec<String>)> {
    let disk = Disk::on_loop(24)?;
    let place = Place::new();
    let book = place.book("half", HALF_WAY);
    let state = disk.path("state");
    let with_state = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        command.env("PLAYBOOK_STATE", &state);
        command
    };
    let mut runner = place.start_with(&["run", &book, "-y"], |command| _ = command.env("PLAYBOOK_STATE", &state));
    place.wait_at("mid");
    disk.cut();
    runner.kill();
    place.open("mid");
    // The recorder has the disk in use until its command has ended.
    until("the end of the recorder", || (!in_use(&state)).then_some(()));
    disk.restart();
    let resume = with_state(&["resume", "latest"]);
    let mut resume = if hide_the_reboot { resume } else { rebooted(&place, resume) };
    let code = resume.output().unwrap().status.code();
    Some((code, place.log()))
}

/// Whether a recorder of a state still runs.
fn in_use(state: &Path) -> bool {
    let state = state.as_os_str().as_encoded_bytes();
    let lines =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines.into_iter().any(|line| {
        let mut words = line.split(|byte| *byte == 0).skip(1);
        words.next() == Some(&b"__recorder"[..]) && words.next().is_some_and(|spool| spool.starts_with(state))
    })
}

#[test]
fn what_a_power_cut_has_swallowed_is_unknown_and_never_called_not_started() {
    let Some((code, log)) = cut_half_way(false) else { return };
    assert_eq!((code, log), (Some(12), vec!["only".to_owned()]), "a person is asked, and nothing was done twice");
}

/// The control: a reboot that does not show, and the step runs a second time.
#[test]
fn a_reboot_that_does_not_show_is_noticed() {
    let Some((code, log)) = cut_half_way(true) else { return };
    assert_eq!((code, log), (Some(0), vec!["only".to_owned(); 2]));
}
