//! The lab as the tests see it: each test has one of its own, in a folder and on ports of its own, so that they run side
//! by side. It is taken down when the test ends, however it ends: by `Drop`, or by the lab's watchdog when the test process
//! is killed. Where its parts are missing, tests fail and say so; they are never skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A lab that is up.
pub struct Lab {
    /// Its folder.
    pub dir: PathBuf,
    env: String,
}

impl Lab {
    /// Starts a lab of the caller's own, on free ports: the database pair behind its proxy.
    pub fn up() -> Lab {
        Lab::scene("database")
    }

    /// A scene that lives in network namespaces; nothing where this machine allows none, which is said aloud.
    pub fn in_namespaces(scene: &str) -> Option<Lab> {
        let (dir, output) = Lab::start(scene);
        if output.status.code() == Some(69) && said(&output).contains("wants network namespaces") {
            eprintln!("LEFT OUT, as this machine allows no network namespaces: a test with the scene {scene}");
            return None;
        }
        Some(Lab::started(dir, &output))
    }

    /// The same with another scene of `fixtures/lab/scenes`.
    pub fn scene(scene: &str) -> Lab {
        let (dir, output) = Lab::start(scene);
        Lab::started(dir, &output)
    }

    fn start(scene: &str) -> (PathBuf, Output) {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // The lab makes and removes the folder itself, so that a killed test leaves nothing. Short, as sockets lie in it.
        let name = format!("pblab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let owner = std::process::id().to_string();
        let mut command = lab_script();
        command.args(["up", scene, "--port-base", "0", "--owner-pid", &owner, "--dir"]).arg(&dir);
        (dir, command.output().unwrap())
    }

    fn started(dir: PathBuf, output: &Output) -> Lab {
        assert!(output.status.success(), "THE LAB DID NOT START, so this test cannot say anything.\n{}", said(output));
        let env = std::fs::read_to_string(dir.join("env")).unwrap();
        Lab { dir, env }
    }

    /// What the lab says of itself under a name of its `env` file, such as `LAB_PG1_PORT`.
    pub fn env(&self, key: &str) -> &str {
        let line = self.env.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key} in {}", self.env))
    }

    /// The variables of its `env` file whose names begin so: what a program has to find in its environment.
    pub fn variables(&self, prefix: &str) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.env.lines().filter_map(|line| line.split_once('='));
        lines.filter(move |(name, _)| name.starts_with(prefix))
    }

    /// Its inventory file.
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("inventory.yaml")
    }

    /// The port of a part: `pg1`, `pg2`, `proxy`, …
    pub fn port(&self, part: &str) -> u16 {
        self.env(&format!("LAB_{}_PORT", part.to_uppercase())).parse().unwrap()
    }

    /// Runs SQL at `pg1`, `pg2` or through the `proxy`, and gives back what psql prints, unaligned and without headings.
    pub fn psql(&self, part: &str, sql: &str) -> String {
        let output = self.try_psql(part, sql);
        assert!(output.status.success(), "{part}: {sql}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The same where a failure is an answer too.
    pub fn try_psql(&self, part: &str, sql: &str) -> Output {
        Command::new("psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-d", "orders"])
            .args(["-p", &self.port(part).to_string(), "-c", sql])
            // Longer than the proxy holds a connection.
            .env("PGCONNECT_TIMEOUT", "35")
            .stdin(Stdio::null())
            .output()
            .expect("psql runs (fixtures/setup installs it)")
    }

    /// Says a line on PgBouncer's console, and gives back what it prints.
    pub fn console(&self, line: &str) -> String {
        let output = Command::new("psql")
            .args(["-XqAt", "-h", "127.0.0.1", "-U", "playbook", "-d", "pgbouncer"])
            .args(["-p", &self.port("pooler").to_string(), "-c", line])
            .stdin(Stdio::null())
            .output()
            .expect("psql runs (fixtures/setup installs it)");
        assert!(output.status.success(), "{line}\n{}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Whether the pool `orders` is paused.
    pub fn is_paused(&self) -> bool {
        let databases = self.console("show databases");
        let row = databases.lines().find(|line| line.starts_with("orders|")).unwrap_or_else(|| panic!("{databases}"));
        // The last two columns of PgBouncer 1.18 are `paused` and `disabled`.
        row.ends_with("|1|0")
    }

    /// The server process of `pg1` or `pg2`, for a test that kills it.
    pub fn postmaster(&self, member: &str) -> u32 {
        let file = self.dir.join(member).join("data/postmaster.pid");
        std::fs::read_to_string(&file).unwrap().lines().next().unwrap().trim().parse().unwrap()
    }

    /// Waits until SQL at a part answers with a text.
    pub fn wait_for(&self, part: &str, sql: &str, answer: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let output = self.try_psql(part, sql);
            if output.status.success() && String::from_utf8_lossy(&output.stdout).trim_end() == answer {
                return;
            }
            assert!(Instant::now() < deadline, "{part}: {sql} never said {answer}\n{}", said(&output));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn down(&self) -> Output {
        lab_command("down", &self.dir).output().unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let output = self.down();
        // A panic while a failed test unwinds would hide why it failed.
        if !output.status.success() && !std::thread::panicking() {
            panic!("the lab does not go down\n{}", said(&output));
        }
    }
}

fn lab_command(verb: &str, dir: &Path) -> Command {
    let mut command = lab_script();
    command.arg(verb).arg("--dir").arg(dir);
    command
}

fn lab_script() -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/lab"));
    command.stdin(Stdio::null());
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The processes whose command line or environment names a folder, as `pid command`.
pub fn processes_naming(dir: &Path) -> Vec<String> {
    let name = dir.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let (line, environment) = (read("cmdline"), read("environ"));
        let (line, environment) = (String::from_utf8_lossy(&line), String::from_utf8_lossy(&environment));
        if line.contains(&name) || environment.contains(&name) {
            found.push(format!("{} {}", entry.file_name().display(), line.replace('\0', " ")));
        }
    }
    found
}

#[test]
fn the_lab_comes_up_replicates_and_leaves_nothing() {
    let lab = Lab::up();
    let dir = lab.dir.clone();
    lab.psql("proxy", "create table t (n int); insert into t values (42)");
    lab.wait_for("pg2", "select n from t", "42");
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "t");
    let inventory = playbook::inventory::load(&lab.inventory()).unwrap();
    let orders = inventory.database("orders").unwrap();
    let identifier = lab.psql("pg2", "select system_identifier from pg_control_system()");
    assert_eq!(orders.system_identifier, Some(identifier));
    assert!(!processes_naming(&dir).is_empty(), "the search for processes finds none even while the lab is up");
    drop(lab);
    assert!(!dir.exists());
    assert_eq!(processes_naming(&dir), Vec::<String>::new());
}

/// What a test would leave behind that is killed: its lab's owner is gone, and nobody calls `down`.
#[test]
fn a_lab_without_its_owner_takes_itself_down() {
    let dir = std::env::temp_dir().join(format!("pblab-{}-orphan", std::process::id()));
    let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
    let arguments = ["--port-base", "0", "--owner-pid", &owner.id().to_string()];
    let output = lab_command("up", &dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while dir.exists() || !processes_naming(&dir).is_empty() {
        assert!(Instant::now() < deadline, "{} is left, and {:?}", dir.display(), processes_naming(&dir));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_damaged_lab_is_made_anew_and_a_whole_one_is_left_alone() {
    let lab = Lab::up();
    lab.psql("proxy", "create table t (n int)");
    let again = lab_command("up", &lab.dir).args(["--port-base", "0"]).output().unwrap();
    assert!(again.status.success(), "{}", said(&again));
    assert_eq!(lab.psql("proxy", "select count(*) from t"), "0", "the table is still there");
    let killed = Command::new("kill").args(["-9", &lab.postmaster("pg2").to_string()]).status().unwrap();
    assert!(killed.success());
    let status = lab_command("status", &lab.dir).output().unwrap();
    assert_eq!(status.status.code(), Some(3), "{}", said(&status));
    let repaired = lab_command("up", &lab.dir).args(["--port-base", "0"]).output().unwrap();
    assert!(repaired.status.success(), "{}", said(&repaired));
    assert!(lab_command("status", &lab.dir).output().unwrap().status.success());
}

#[test]
fn the_lab_never_removes_what_it_did_not_make() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("precious");
    std::fs::write(&file, "x").unwrap();
    for verb in ["up", "down"] {
        let output = lab_command(verb, folder.path()).output().unwrap();
        assert!(!output.status.success(), "{verb}");
        assert!(said(&output).contains("nothing was touched"), "{}", said(&output));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }
}
