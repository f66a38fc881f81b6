//! The bench is held to two things: every row that needs no peer can be measured, and what it made on the machine is gone when it
//! is over, also when it was killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where cargo puts the bench's own programs when it builds all tests; nothing where only this binary was built.
fn programs() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_playbook")).with_file_name("examples");
    if ["meter", "floor", "bare_sqlite", "bare_ssh", "parse"].iter().all(|name| folder.join(name).is_file()) {
        return Some(folder);
    }
    eprintln!("LEFT OUT, as the bench's programs are not built (cargo build --examples): a test of `make bench`");
    None
}

fn bench(arguments: &[&str], programs: &Path) -> Output {
    let mut command = Command::new(Path::new(ROOT).join("fixtures/bench/run"));
    command
        .args(arguments)
        .env("PLAYBOOK_BIN", env!("CARGO_BIN_EXE_playbook"))
        .env("PLAYBOOK_BENCH_PROGRAMS", programs);
    command
        .env_remove("ONLY")
        .env_remove("ROUNDS")
        .env_remove("HOSTS")
        .env_remove("UPDATE")
        .env_remove("PEERS")
        .output()
        .unwrap()
}

#[test]
fn every_row_that_needs_no_peer_is_measured() {
    let Some(programs) = programs() else { return };
    let output = bench(&["--self-test"], &programs);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}\n{out}");
    for row in [
        "`playbook --version`",
        "bash",
        "the floor",
        "bare SQLite",
        "bare ssh2",
        "`playbook run`, changing",
        "`playbook resume`",
    ] {
        assert!(out.contains(&format!("\n| {row}")), "no row {row} in\n{out}");
    }
}

#[test]
fn a_row_that_cannot_be_measured_fails_the_test_of_itself() {
    let Some(programs) = programs() else { return };
    let without = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(programs.join("meter"), without.path().join("meter")).unwrap();
    let output = bench(&["--self-test", "--only", "thousand"], without.path());
    assert!(!output.status.success());
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("thousand: the floor"), "{err}");
}

/// Hosts of the bench, with a command that ends when we let go of it.
struct Hosts {
    child: Child,
    folder: PathBuf,
    user: String,
}

impl Hosts {
    fn up() -> Hosts {
        let mut command = Command::new(Path::new(ROOT).join("fixtures/bench/hosts"));
        command.args(["--count", "3", "--", "sh", "-c", r#"echo "$BENCH_HOSTS $BENCH_USER"; cat"#]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (folder, user) = line.trim().split_once(' ').unwrap_or_else(|| panic!("the hosts did not start: {line}"));
        Hosts { folder: folder.into(), user: user.to_owned(), child }
    }

    /// What is there of it: processes that name its folder, the folder, the user that it made.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> =
            std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| self.named_by(&entry.path())).collect();
        if self.folder.exists() {
            left.push(self.folder.display().to_string());
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap();
        left.extend(
            users
                .lines()
                .filter(|line| self.user.starts_with("pbbench-") && line.starts_with(&self.user))
                .map(str::to_owned),
        );
        left
    }

    fn named_by(&self, process: &Path) -> Option<String> {
        let line = std::fs::read(process.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(self.folder.to_str().unwrap()).then_some(line)
    }

    fn is_gone(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while !self.left().is_empty() {
            assert!(Instant::now() < until, "left behind: {:?}", self.left());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn hosts_are_gone_when_their_command_ended() {
    let mut hosts = Hosts::up();
    assert!(hosts.left().len() >= 2, "the server and its folder are there: {:?}", hosts.left());
    drop(hosts.child.stdin.take());
    assert!(hosts.child.wait().unwrap().success());
    assert_eq!(hosts.left(), Vec::<String>::new());
}

#[test]
fn hosts_are_gone_when_the_bench_was_killed() {
    let mut hosts = Hosts::up();
    hosts.child.kill().unwrap();
    hosts.child.wait().unwrap();
    hosts.is_gone();
}

#[test]
fn its_peers_are_pinned_and_its_page_can_be_updated() {
    let folder = Path::new(ROOT).join("fixtures/bench/peers");
    for entry in std::fs::read_dir(folder).unwrap() {
        let list = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(list.lines().count() > 3);
        for line in list.lines() {
            assert!(line.contains("=="), "{line} has no version");
        }
    }
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/benchmarks.md")).unwrap();
    let (begin, end) = (page.find("<!-- measured: begin -->").unwrap(), page.find("<!-- measured: end -->").unwrap());
    assert!(begin < end);
}
