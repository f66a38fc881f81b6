//! The real binary with local playbooks: real processes, real signals, a state folder of each test's own.

mod brakes;
mod crowds;
mod fleets;
mod groups;
mod halts;
mod hostile;
mod kills;
mod output;
mod over;
mod policies;
mod questions;
mod requests;
mod served;
mod signals;
mod skips;
mod unseen;

use std::cell::Cell;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

thread_local! {
    /// Whether the places of this test have a server.
    static AS_CLIENT: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test once more where a server owns the state.
pub fn as_client(test: fn()) {
    AS_CLIENT.set(true);
    test();
}

/// A folder with a state, a configuration and playbooks. In a playbook's text `WORLD` stands for the folder, and
/// `GATE(name)` for "say that you are here, and wait to be let through".
///
/// Where it is served, a `playbook serve` owns the state, and every command is its client: the same tests hold for both.
pub struct Place {
    // Ended before the folder goes.
    server: OnceLock<Served>,
    served: bool,
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.yaml"), "").unwrap();
        Self { server: OnceLock::new(), served: AS_CLIENT.get(), folder }
    }

    /// The same with a server, which is started with the first command: a configuration is written before that.
    pub fn served() -> Self {
        let mut place = Self::new();
        place.served = true;
        place
    }

    /// The server is killed, and another one is started in its place.
    pub fn restart_server(&mut self) {
        drop(self.server.take());
        let server = Served::start(self);
        assert!(self.server.set(server).is_ok());
    }

    /// The server is killed.
    pub fn stop_server(&mut self) {
        drop(self.server.take());
    }

    /// What the server says of itself.
    pub fn server_log(&self) -> String {
        self.read("serve.err")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a playbook; `steps` is the list below `steps:`.
    pub fn book(&self, name: &str, steps: &str) -> String {
        self.book_with(name, "", steps)
    }

    /// The same with more keys at its head.
    pub fn book_with(&self, name: &str, head: &str, steps: &str) -> String {
        let mut text = format!("name: {name}\nversion: 1.0.0\ntitle: A test\n{head}\nsteps:\n{steps}");
        while let Some((before, rest)) = text.split_once("GATE(") {
            let (gate, after) = rest.split_once(')').unwrap();
            // Whoever outlives the test ends with its folder.
            text = format!(
                "{before}touch WORLD/{gate}.here; while [ -d WORLD ] && [ ! -e WORLD/{gate}.go ]; do sleep 0.02; done{after}"
            );
        }
        let path = self.path(&format!("{name}.yaml"));
        std::fs::write(&path, text.replace("WORLD", self.folder.path().to_str().unwrap())).unwrap();
        // A server runs what its catalog has, by its name.
        if self.served { name.to_owned() } else { path.to_str().unwrap().to_owned() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        if self.served && arguments.first() != Some(&"serve") {
            let server = self.server.get_or_init(|| Served::start(self));
            command.env("PLAYBOOK_SERVER", server.address());
        }
        command
    }

    /// A command that knows no server.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PLAYBOOK_CONFIG", self.path("config.yaml"))
            .env("PLAYBOOK_STATE", self.path("state"))
            .env_remove("PLAYBOOK_INVENTORY")
            .env_remove("PLAYBOOK_PATH")
            .env_remove("PLAYBOOK_SERVER")
            .env_remove("PLAYBOOK_TOKEN")
            .env_remove("OTEL_EXPORTER_OTLP_ENDPOINT")
            .env_remove("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        if self.served {
            command.env("PLAYBOOK_PATH", self.folder.path());
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the binary, which must end with this code; gives back all that it said.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{said}", arguments.join(" "));
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// What it prints as one JSON document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said(&output)))
    }

    pub fn status(&self) -> Value {
        self.json(&["status", "--output", "json"])
    }

    /// Starts the binary and goes on; what it says goes to files.
    pub fn start(&self, arguments: &[&str]) -> Runner {
        self.start_with(arguments, |_| {})
    }

    /// The same with a command that is changed before.
    pub fn start_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Runner {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let stdout = self.path(&format!("runner-{number}.out"));
        let stderr = self.path(&format!("runner-{number}.err"));
        let mut command = self.command(arguments);
        change(&mut command);
        let child =
            command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap()).spawn().unwrap();
        Runner { child, stdout, stderr }
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The words of a file, one a line as the steps wrote them.
    pub fn log(&self) -> Vec<String> {
        self.read("log").lines().map(str::to_owned).collect()
    }

    /// Waits until a step stands at a gate.
    pub fn wait_at(&self, gate: &str) {
        until(&format!("a step at the gate {gate}"), || self.path(&format!("{gate}.here")).exists().then_some(()));
    }

    /// Lets it through.
    pub fn open(&self, gate: &str) {
        std::fs::write(self.path(&format!("{gate}.go")), "").unwrap();
    }

    /// Kills the recorder of the newest attempt of a step, and the command under it.
    pub fn kill_recorded(&self, step: &str) {
        let mut recorded: Vec<PathBuf> = Vec::new();
        for run in std::fs::read_dir(self.path("state/spool")).unwrap() {
            recorded.extend(std::fs::read_dir(run.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
        }
        let middle = format!("-{step}-");
        let folder = recorded.iter().find(|path| path.to_string_lossy().contains(&middle)).expect("the step's spool");
        let command = until("the command's process", || command_in(folder));
        let recorder = Pid::from_raw(recorder_in(folder).unwrap());
        kill(recorder, Signal::SIGKILL).unwrap();
        killpg(Pid::from_raw(command), Signal::SIGKILL).unwrap();
        until("the end of the recorder and its command", || (!runs(recorder.as_raw()) && !runs(command)).then_some(()));
    }
}

/// Who started the command with this spool: its recorder.
pub fn recorder_in(spool: &Path) -> Option<i32> {
    let started = std::fs::read(spool.join("started")).ok()?;
    let started: Value = serde_json::from_slice(started.get(64..)?).ok()?;
    started["pid"].as_i64()?.try_into().ok()
}

/// The command's own process, once its recorder has noted it.
pub fn command_in(spool: &Path) -> Option<i32> {
    let started = std::fs::read(spool.join("started")).ok()?;
    std::str::from_utf8(started.get(..64)?).ok()?.split_once(' ')?.0.parse().ok()
}

pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a command on a terminal of its own and types an answer once it is asked.
pub fn at_a_terminal(mut command: Command, answer: &str) -> (Option<i32>, String) {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let side = || Stdio::from(terminal.slave.try_clone().unwrap());
    let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
    drop(command);
    drop(terminal.slave);
    let mut ours = File::from(terminal.master);
    let (mut said, mut asked) = (String::new(), false);
    let mut bytes = [0; 4096];
    // The terminal fails to be read once nobody has it open on the other side.
    while let Ok(count) = ours.read(&mut bytes) {
        if count == 0 {
            break;
        }
        said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        if !asked && (said.contains("[y/N]") || said.contains(" to run it on ")) {
            asked = true;
            ours.write_all(format!("{answer}\n").as_bytes()).unwrap();
        }
    }
    assert!(asked, "it asked nothing:\n{said}");
    (child.wait().unwrap().code(), said)
}

/// A process of ours that goes on while the test does.
pub struct Runner {
    pub child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Runner {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn said(&self) -> String {
        let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        format!("{}{}", read(&self.stdout), read(&self.stderr))
    }

    pub fn wait_for(&self, text: &str) {
        until(&format!("`{text}` in what it says"), || self.said().contains(text).then_some(()));
    }

    /// Its exit code; it must end by itself.
    pub fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(!self.said().contains("panicked"), "{}", self.said());
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn expect(&mut self, code: i32) {
        let ended = self.code();
        assert_eq!(ended, Some(code), "{}", self.said());
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so. Tests wait for conditions, never for times.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process lives: what only waits to be reaped does not.
pub fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A server of a test's own, ended with it by its own process id.
struct Served {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Served {
    fn address(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    fn start(place: &Place) -> Self {
        let (socket, log) = (place.path("serve.sock"), place.path("serve.err"));
        let socket_text = socket.to_str().unwrap().to_owned();
        let child = place
            .bare(&["serve", "--no-listen", "--socket", &socket_text])
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let server = Self { child, socket, log };
        until("the server", || {
            let said = std::fs::read_to_string(&server.log).unwrap_or_default();
            said.contains("listens on").then_some(())
        });
        server
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("the server said:\n{said}");
        } else {
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}
