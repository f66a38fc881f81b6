//! Steps that print very much, and one very long line: the memory of the runner and of the recorder stays bounded, and the
//! byte count and hash that are told are those of all that was printed.

use crate::processes::Place;

/// How much is printed, and how long the one line is, in MiB: all of it in `make full`.
fn sizes() -> (u64, u64) {
    if std::env::var_os("PLAYBOOK_TEST_KILLS").is_some() { (1024, 256) } else { (64, 32) }
}

/// The most that a process may take, in KiB. Where less is printed than in `make full`, a process that kept the long line
/// has to be over it all the same: the binary alone takes some 25 MiB.
fn bound() -> u64 {
    if std::env::var_os("PLAYBOOK_TEST_KILLS").is_some() { 128 * 1024 } else { 56 * 1024 }
}

/// The most memory that a process has taken so far, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// The recorder of a step that runs, by its spool.
fn recorder(place: &Place, step: &str) -> u32 {
    let run = std::fs::read_dir(place.path("state/spool")).unwrap().next().unwrap().unwrap().path();
    let folders = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
    let folder = folders.into_iter().find(|path| path.to_string_lossy().contains(&format!("-{step}-"))).unwrap();
    crate::processes::recorder_in(&folder).unwrap().try_into().unwrap()
}

/// What `sha256sum` says of what a command prints.
fn hash(script: &str) -> String {
    let output = std::process::Command::new("sh").args(["-c", &format!("{script} | sha256sum")]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn flood(step: &str, script: &str, mebibytes: u64) {
    let place = Place::new();
    let steps = format!(
        "  - id: {step}\n    timeout: 10m\n    run: |\n      {script}\n      GATE(printed)\n    rollback: none\n    because: it only prints\n"
    );
    let book = place.book("flood", &steps);
    let mut runner = place.start(&["run", &book, "-y"]);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(300);
    while !place.path("printed.here").exists() {
        assert!(
            std::time::Instant::now() < deadline && runner.child.try_wait().unwrap().is_none(),
            "{}",
            runner.said()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (of_runner, of_recorder) = (peak(runner.child.id()), peak(recorder(&place, step)));
    place.open("printed");
    runner.expect(0);
    eprintln!(
        "{step}: {mebibytes} MiB printed; at most {of_runner} KiB in the runner, {of_recorder} KiB in the recorder"
    );
    for (who, peak) in [("runner", of_runner), ("recorder", of_recorder)] {
        assert!(peak < bound(), "the {who} took {peak} KiB");
    }
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let records = timeline["records"].as_array().unwrap();
    let outcome = records.iter().find(|record| record["kind"] == "outcome").unwrap();
    let told = outcome["detail"]["output"]["stdout"].clone();
    let of_status = place.status()["steps"][0]["output"]["stdout"].clone();
    for (where_, told) in [("the timeline", told), ("status", of_status)] {
        assert_eq!(told["bytes"], mebibytes * 1024 * 1024, "{where_}");
        assert_eq!(told["sha256"], hash(script), "{where_}");
    }
}

#[test]
fn much_output_takes_no_memory() {
    let (much, _) = sizes();
    flood("many_lines", &format!("yes 'a line of the flood that comes out of this step' | head -c {much}M"), much);
}

#[test]
fn one_long_line_takes_no_memory() {
    let (_, long) = sizes();
    flood("one_line", &format!("head -c {long}M /dev/zero | tr '\\0' x"), long);
}

/// The control: a process that does keep the line is over the bound, by the same measure.
#[test]
fn a_process_that_keeps_the_line_is_over_the_bound() {
    let (_, long) = sizes();
    let place = Place::new();
    let here = place.path("kept");
    let script = format!("x=$(head -c {long}M /dev/zero | tr '\\0' x); touch {}; read y; echo $x", here.display());
    let mut shell =
        std::process::Command::new("sh").args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    crate::processes::until("the line in memory", || here.exists().then_some(()));
    let kept = peak(shell.id());
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(kept + 25 * 1024 > bound(), "{kept} KiB");
}
