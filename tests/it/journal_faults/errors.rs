//! ENOSPC and EIO at each write of the journal, by strace's fault injection on the real binary: no step starts after it, the
//! process says how the service stands and ends with 74, and the run goes on once the disk works again, or from a copy.

use std::path::Path;
use std::process::{Command, Output};

use super::cases;
use crate::processes::{Place, said};

const STEPS: &str = r#"
  - id: hold
    run: echo hold >> WORLD/log
    rollback: [{ run: "sed -i /hold/d WORLD/log", effect: idempotent }]
    service: down
  - id: switch
    run: echo switch >> WORLD/log
    rollback: [{ run: "sed -i /switch/d WORLD/log", effect: idempotent }]
  - id: release
    run: echo release >> WORLD/log
    rollback: [{ run: "sed -i /release/d WORLD/log", effect: idempotent }]
    service: up
"#;

/// A last step that fails, so that all is undone.
const FAILS: &str = r#"
  - id: fails
    run: exit 4
    rollback: none
    because: it does nothing
"#;

/// What SQLite calls on its files.
const CALLS: [&str; 5] = ["pwrite64", "fdatasync", "fsync", "ftruncate", "fallocate"];

struct Case {
    place: Place,
    book: String,
    /// The code of a run that nothing disturbs, and what it leaves.
    code: i32,
    left: Vec<&'static str>,
}

impl Case {
    fn new(fails: bool) -> Self {
        let place = Place::new();
        let steps = if fails { format!("{STEPS}{FAILS}") } else { STEPS.to_owned() };
        let book = place.book("faulty", &steps);
        let left = if fails { Vec::new() } else { vec!["hold", "switch", "release"] };
        Self { place, book, code: if fails { 10 } else { 0 }, left }
    }

    /// The run under strace, which looks at the journal's files alone.
    fn traced(&self, options: &[&str], log: &Path) -> Output {
        let state = self.place.path("state");
        let mut command = Command::new("strace");
        command.args(["-qq", "-o"]).arg(log);
        for ending in ["", "-wal", "-shm"] {
            command.arg("-P").arg(state.join(format!("playbook.sqlite3{ending}")));
        }
        command.args(options).arg(env!("CARGO_BIN_EXE_playbook")).args(["run", &self.book, "-y"]);
        let plain = self.place.command(&[]);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.current_dir(self.place.path("")).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// How often a run that nothing disturbs makes this call.
    fn calls(&self, call: &str) -> usize {
        let log = self.place.path("trace");
        let output = self.traced(&["-e", &format!("trace={call}")], &log);
        assert_eq!(output.status.code(), Some(self.code), "{}", said(&output));
        std::fs::read_to_string(log).unwrap().lines().filter(|line| line.contains(call)).count()
    }

    fn intents(&self) -> usize {
        let timeline = self.place.json(&["timeline", "latest", "--output", "json"]);
        let records = timeline["records"].as_array().unwrap();
        records.iter().filter(|record| record["kind"] == "intent").count()
    }

    /// After the fault, with a disk that works: all is as if nothing had been.
    fn goes_on(&self, about: &str, arguments: &[&str]) {
        let mut resume = vec!["resume", "latest"];
        resume.extend(arguments);
        let output = self.place.run(&resume);
        assert_eq!(output.status.code(), Some(self.code), "{about}\n{}", said(&output));
        assert_eq!(self.place.log(), self.left, "{about}");
        self.place.expect(0, &[&["verify", "latest"], arguments].concat());
    }
}

fn can_trace() -> bool {
    let output = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    let can = output.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: strace is missing or may not trace here, so no fault can be injected");
    }
    can
}

/// Fails the call from its Nth time on (or only then), and looks at what became of it. True where the run noticed.
fn fail_at(call: &str, error: &str, when: &str, fails: bool) -> bool {
    let case = Case::new(fails);
    let about = format!("{call} {error} {when} fails={fails}");
    let inject = format!("inject={call}:error={error}:when={when}");
    let output = case.traced(&["-e", &inject], Path::new("/dev/null"));
    let told = said(&output);
    assert!(!told.contains("panicked"), "{about}\n{told}");
    let code = output.status.code();
    if code != Some(74) {
        // A checkpoint or the closing failed: nothing rests on those, as the log has everything.
        assert_eq!(code, Some(case.code), "{about}\n{told}");
        assert_eq!(case.place.log(), case.left, "{about}");
        case.place.expect(0, &["verify", "latest"]);
        return false;
    }
    let runs = case.place.json(&["list", "--runs", "--output", "json"]);
    if runs.as_array().unwrap().is_empty() {
        assert!(case.place.log().is_empty(), "{about}: something was done, and nothing is written down");
        return true;
    }
    if told.contains("By hand") {
        assert!(told.contains("no further step was started") && told.contains("playbook resume 2"), "{about}\n{told}");
    }
    for step in ["hold", "switch", "release"] {
        let begun = told.contains(&format!("{step} was about to begin, and nothing of it was sent"));
        assert!(!begun || !case.place.log().contains(&step.to_owned()), "{about}: {step} was begun\n{told}");
    }
    let done = case.place.log().len();
    assert!(done <= case.intents(), "{about}: {done} steps were begun, and fewer are written down\n{told}");
    case.goes_on(&about, &[]);
    true
}

#[test]
fn an_error_at_any_write_stops_the_run_and_it_goes_on_later() {
    if !can_trace() {
        return;
    }
    let points = cases("PLAYBOOK_TEST_JOURNAL_FAULTS", 4);
    let (mut tried, mut noticed) = (0, 0);
    for fails in [false, true] {
        for call in CALLS {
            let calls = Case::new(fails).calls(call);
            if calls == 0 {
                continue;
            }
            for point in 0..points.min(calls) {
                let at = 1 + point * calls / points.min(calls);
                let error = if point % 2 == 0 { "ENOSPC" } else { "EIO" };
                let when = if point % 3 == 0 { at.to_string() } else { format!("{at}+") };
                tried += 1;
                noticed += usize::from(fail_at(call, error, &when, fails));
            }
        }
    }
    println!("{tried} faults, {noticed} of them stopped the run");
    assert!(noticed * 3 >= tried, "only {noticed} of {tried} faults hit a write that counts");
}
