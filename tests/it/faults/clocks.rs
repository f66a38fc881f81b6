//! The wall clock jumps by three days, forth and back, under a run (libfaketime; the boot clock goes on as it is). Leases,
//! locks, timeouts and retries do not notice. The deadline of a question does: it passes with the clock, and is told.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::processes::{Place, Runner, until};

/// The library, where Debian puts it on this kind of machine.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
    let found = folders.map(|entry| entry.path().join("faketime/libfaketime.so.1")).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: no clock can be made to jump here, as libfaketime is missing (fixtures/setup installs it)");
    }
    found
}

/// A wall clock that can be set while processes run.
struct Clock {
    library: PathBuf,
    file: PathBuf,
    /// Whether the clock since the boot jumps with it, as none does: for the control.
    boot_clock_too: bool,
}

impl Clock {
    fn new(place: &Place) -> Option<Self> {
        let clock = Self { library: library()?, file: place.path("clock"), boot_clock_too: false };
        clock.set("+0");
        // What every test rests on.
        clock.set("+3d");
        let mut date = Command::new("date");
        let said = String::from_utf8(clock.give(date.arg("+%s")).output().unwrap().stdout).unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(said.trim().parse::<u64>().unwrap() > now + 2 * 86_400, "the clock does not jump: {said}");
        clock.set("+0");
        Some(clock)
    }

    /// Sets it, from now on and for all processes that have it.
    fn set(&self, jump: &str) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{jump}\n")).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }

    fn give<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("DONT_FAKE_MONOTONIC", if self.boot_clock_too { "0" } else { "1" })
    }

    /// Starts the binary with this clock.
    fn start(&self, place: &Place, arguments: &[&str]) -> Runner {
        place.start_with(arguments, |command| {
            self.give(command);
        })
    }

    fn run(&self, place: &Place, code: i32, arguments: &[&str]) -> String {
        let mut runner = self.start(place, arguments);
        runner.expect(code);
        runner.said()
    }
}

const JUMPS: [&str; 2] = ["+3d", "-3d"];

#[test]
fn a_jump_frees_no_lock_and_ends_no_lease_and_no_step() {
    for jump in JUMPS {
        let place = Place::new();
        let Some(clock) = Clock::new(&place) else { return };
        let locks = "locks: [\"database/orders\"]";
        let held = place.book_with(
            "held",
            locks,
            "  - { id: works, run: \"GATE(works); echo works >> WORLD/log\", rollback: none, because: a test }\n",
        );
        let other = place.book_with(
            "other",
            locks,
            "  - { id: only, run: echo other >> WORLD/log, rollback: none, because: a test }\n",
        );
        let mut runner = clock.start(&place, &["run", &held, "-y"]);
        place.wait_at("works");
        clock.set(jump);
        // By everybody's clock the lease is three days old, or of the day after tomorrow.
        let said = clock.run(&place, 13, &["run", &other, "-y"]);
        assert!(said.contains("database/orders is held"), "{jump}: {said}");
        clock.run(&place, 13, &["resume", "latest"]);
        assert_eq!(place.status()["state"], "running", "{jump}");
        // Longer than the lease is renewed, with the new time.
        let began = Instant::now();
        until("a renewal", || (began.elapsed() > Duration::from_secs(3)).then_some(()));
        assert!(runner.child.try_wait().unwrap().is_none(), "{jump}: {}", runner.said());
        place.open("works");
        runner.expect(0);
        clock.run(&place, 0, &["run", &other, "-y"]);
        assert_eq!(place.log(), ["works", "other"], "{jump}");
        place.expect(0, &["verify", "latest"]);
    }
}

#[test]
fn a_jump_neither_stretches_nor_cuts_a_timeout_or_a_retry() {
    for jump in JUMPS {
        let place = Place::new();
        let Some(clock) = Clock::new(&place) else { return };
        let book = place.book(
            "timed",
            r#"
  - id: tried
    effect: idempotent
    run: echo try >> WORLD/log; test $(wc -l < WORLD/log) -ge 2
    retry: { attempts: 2, delay: 4s }
    rollback: none
    because: a test
  - id: slow
    run: touch WORLD/slow.here; while [ -d WORLD ]; do sleep 0.05; done
    timeout: 2s
    rollback: none
    because: a test
"#,
        );
        let mut runner = clock.start(&place, &["run", &book, "-y"]);
        let began = Instant::now();
        // The wall clock says once how long the wait is: from then on it may jump.
        runner.wait_for("tried is tried again in");
        clock.set(jump);
        until("the second try", || (place.log() == ["try", "try"]).then_some(()));
        // Between one half and the whole of the delay, by the boot clock.
        assert!(began.elapsed() > Duration::from_secs(2), "{jump}: it did not wait: {:?}", began.elapsed());
        place.wait_at("slow");
        clock.set(if jump == "+3d" { "-3d" } else { "+3d" });
        runner.expect(10);
        assert!(runner.said().contains("killed at its timeout"), "{jump}: {}", runner.said());
        assert!(began.elapsed() < Duration::from_secs(30), "{jump}: {:?}", began.elapsed());
    }
}

const PRINTS: &str = r#"
  - id: prints
    run: touch WORLD/prints.here; while [ ! -e WORLD/prints.go ]; do echo .; sleep 0.05; done
    rollback: none
    because: a test
"#;

/// The control: where the clock since the boot jumps as well, a step is ended by it, so it is that one which counts.
#[test]
fn a_jump_of_the_boot_clock_would_end_a_step() {
    for boot_clock_too in [true, false] {
        let place = Place::new();
        let Some(mut clock) = Clock::new(&place) else { return };
        clock.boot_clock_too = boot_clock_too;
        let book = place.book("prints", PRINTS);
        let mut runner = clock.start(&place, &["run", &book, "-y"]);
        place.wait_at("prints");
        clock.set("+3d");
        if boot_clock_too {
            runner.expect(10);
            assert!(runner.said().contains("killed at its timeout"), "{}", runner.said());
        } else {
            let began = Instant::now();
            until("some time", || (began.elapsed() > Duration::from_secs(1)).then_some(()));
            place.open("prints");
            runner.expect(0);
        }
    }
}

/// A run that asks and waits until a deadline.
const ASKS: &str = r#"
  - id: before
    run: echo before >> WORLD/log
    rollback: [{ run: "echo undone >> WORLD/log", effect: idempotent }]
  - { id: fails, effect: idempotent, run: exit 3, on_failure: pause, rollback: none, because: a test }
"#;

fn asking(place: &Place, clock: &Clock) -> Runner {
    let book = place.book("asks", ASKS);
    let runner = clock.start(place, &["run", &book, "-y"]);
    until("a question", || (place.status()["state"] == "waiting").then_some(()));
    runner
}

fn told(place: &Place) -> String {
    place.expect(0, &["timeline", "latest"]).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_deadline_passes_with_the_wall_clock_and_is_told() {
    for with_runner in [true, false] {
        let place = Place::new();
        let Some(clock) = Clock::new(&place) else { return };
        let mut runner = asking(&place, &clock);
        if with_runner {
            clock.set("+3d");
            runner.expect(10);
        } else {
            // Nobody holds the run while the time passes: the next one who takes it applies it.
            runner.kill();
            clock.set("+3d");
            clock.run(&place, 10, &["resume", "latest"]);
        }
        assert_eq!(place.log(), ["before", "undone"], "with a runner: {with_runner}");
        assert!(told(&place).contains("nobody answered in time"), "{}", told(&place));
    }
}

/// The control, and the other way round: without a jump forth the deadline has not passed, and a person still decides.
#[test]
fn a_clock_that_is_set_back_takes_nobodys_time_to_answer() {
    let place = Place::new();
    let Some(clock) = Clock::new(&place) else { return };
    let mut runner = asking(&place, &clock);
    clock.set("-3d");
    let began = Instant::now();
    until("some time", || (began.elapsed() > Duration::from_secs(2)).then_some(()));
    assert!(runner.child.try_wait().unwrap().is_none(), "{}", runner.said());
    assert_eq!(place.log(), ["before"], "nothing is undone");
    clock.run(&place, 0, &["resolve", "latest", "fails", "--took-effect", "--reason", "by hand"]);
    runner.expect(3);
    assert_eq!(place.log(), ["before"]);
    assert!(told(&place).contains("by hand"), "{}", told(&place));
}
