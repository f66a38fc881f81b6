//! The server as a client meets it: over real connections, with a real journal, and a runner that only begins runs.

mod begin;
mod followed;
mod forms;
mod hooks;
mod hostile;
mod incidents;
mod interface;
mod matrix;
mod secure;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Limits, Listener, Rate, Served, serve};
use crate::actions::Table;
use crate::catalog::Entry;
use crate::config::{Config, Hook, HookKind, Serve};
use crate::diagnostic::Source;
use crate::engine::{Clock as _, Observer, Parts, People, SystemPeople, WallClock, new_run_id};
use crate::ids::{Digest, RunId};
use crate::inventory::Inventory;
use crate::journal::{Journal as _, NewToken, SqliteJournal, Tokens as _};
use crate::plan::{Narrowing, Plan, Which};
use crate::playbook::{Playbook, load};
use crate::run::{Event, Holder, RequestKind, Time, Verdict};
use crate::server::alerts::Alerts;
use crate::server::tokens::Token;
use crate::server::{Asked, Begun, Caller, House, Offered, Problem, Role, Runner, Wanted};
use crate::spec::Specs;
use crate::trigger::{self, Routes};

/// A server on loopback, and what it works on.
struct Rig {
    address: SocketAddr,
    socket: PathBuf,
    state: PathBuf,
    runner: Arc<Hand>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    _folder: Arc<tempfile::TempDir>,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let of_it = |line: &&str| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        self.head.lines().find(of_it).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    /// A problem document of this status.
    #[track_caller]
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        problem
    }

    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

impl Rig {
    fn new() -> Self {
        Self::with(None, quick())
    }

    fn with(settings: Option<Serve>, limits: Limits) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), settings, limits)
    }

    fn at(address: SocketAddr, settings: Option<Serve>, limits: Limits) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let state = folder.path().join("state");
        drop(SqliteJournal::open(&state).unwrap());
        let tls = settings.as_ref().and_then(|settings| settings.tls.clone());
        let listener = Listener::at(address, tls.as_ref()).unwrap();
        let Listener::Address { address, .. } = &listener else { panic!("it is an address") };
        let address = SocketAddr::new("127.0.0.1".parse().unwrap(), address.port());
        let socket = folder.path().join("serve.sock");
        let listeners = vec![listener, Listener::on(&socket).unwrap()];
        let runner = Arc::new(Hand { state: state.clone(), ..Hand::default() });
        let config = Config { serve: settings, ..Config::default() };
        let house = Arc::new(Home { state: state.clone(), config });
        let (stop, stopped) = watch::channel(false);
        let monitoring = trigger::Source::of("monitoring", &Hook::of_kind(HookKind::Alertmanager), &["word"]).unwrap();
        let alerts = Alerts::new(house.clone(), runner.clone(), vec![monitoring], Routes::default());
        let alerts = Arc::new(alerts);
        let served = Served { house, runner: runner.clone(), alerts, listeners, limits, stop: stopped };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(served)).unwrap();
        });
        Self { address, socket, state, runner, stop, thread: Some(thread), _folder: folder }
    }

    fn journal(&self) -> SqliteJournal {
        SqliteJournal::open(&self.state).unwrap()
    }

    /// A token with these roles, which counts for so many seconds.
    fn token(&self, name: &str, roles: &[Role], seconds: f64) -> String {
        let token = Token::new().unwrap();
        let at = WallClock.now();
        let new = NewToken {
            name: name.to_owned(),
            digest: token.digest(),
            roles: roles.iter().map(|role| role.word().to_owned()).collect(),
            by: "ann".to_owned(),
            at,
            expires: at.plus_seconds(seconds),
        };
        assert!(self.journal().add_token(&new).unwrap());
        token.show().to_owned()
    }

    fn admin(&self) -> String {
        self.token("admin", &[Role::Admin], 600.0)
    }

    /// Asks on a connection of its own.
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&str>) -> Reply {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let body = body.map_or_else(String::new, |body| {
            format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        });
        let end = if body.is_empty() { "\r\n" } else { "" };
        self.say(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}{body}{end}"))
    }

    fn get(&self, path: &str, token: &str) -> Reply {
        self.ask("GET", path, Some(token), None)
    }

    fn post(&self, path: &str, token: &str, body: &Value) -> Reply {
        self.ask("POST", path, Some(token), Some(&body.to_string()))
    }

    /// Sends just this, and reads until the server closes.
    fn say(&self, text: &str) -> Reply {
        let mut stream = self.connect();
        // It may close before it has read all of that.
        let _ = stream.write_all(text.as_bytes());
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read);
        Reply::of(&read)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// A run in the journal, which nobody drives.
    fn run(&self) -> RunId {
        let run = new_run_id().unwrap();
        begin(&mut self.journal(), &run);
        run
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server ended in a fault");
        }
    }
}

/// Bounds for tests: nobody is held back by how often they ask.
fn quick() -> Limits {
    let often = Rate { per_second: 1e6, burst: 1e6 };
    Limits {
        callers: often,
        strangers: often,
        look_again: Duration::from_millis(20),
        last_words: Duration::from_secs(2),
        ..Limits::default()
    }
}

/// A run, and what was written of it so far.
fn begin(journal: &mut SqliteJournal, run: &RunId) -> crate::journal::Lease {
    let holder = Holder { pid: 1, ..crate::engine::holder::this_process() };
    journal.begin(run, started(), &holder, "ann", Time(1000)).unwrap().0
}

fn started() -> Event {
    crate::run::samples::started("INC-7")
}

fn note(message: &str) -> Event {
    Event::Note { message: message.to_owned() }
}

fn ended() -> Event {
    Event::RunEnded { verdict: Verdict::Succeeded, summary: "traffic flows".to_owned() }
}

/// Where the server finds the journal and the settings; there is one playbook, which cannot be loaded.
struct Home {
    state: PathBuf,
    config: Config,
}

impl House for Home {
    fn journal(&self) -> Result<SqliteJournal, Problem> {
        SqliteJournal::open(&self.state).map_err(|error| super::trouble::of_journal(&error))
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn people(&self) -> Arc<dyn People> {
        Arc::new(SystemPeople::default())
    }

    fn playbooks(&self) -> Vec<Entry> {
        vec![Entry {
            name: "db-failover".to_owned(),
            version: "1.4.0".to_owned(),
            title: "Switch".to_owned(),
            path: "/secret/place/db-failover.yaml".into(),
            broken: Some("/secret/place/db-failover.yaml cannot be read".to_owned()),
        }]
    }

    fn playbook(&self, name: &str, _: Option<&str>) -> Result<Playbook, Problem> {
        match name {
            "db-failover" => Ok(book(name, "triggers: { modes: [dry_run, run], inputs: [cluster] }\n")),
            "by-people" => Ok(book(name, "")),
            _ => Err(Problem::new(404, 66, format!("there is no playbook `{name}`"))),
        }
    }

    fn inventory(&self) -> Result<Arc<Inventory>, Problem> {
        Ok(Arc::default())
    }

    fn bind(&self, _: &Playbook, _: &Map<String, Value>, _: &Inventory) -> Result<crate::value::Value, Problem> {
        Ok(json!({}))
    }

    fn narrowing(&self, _: Option<&str>, _: &Inventory) -> Result<Narrowing, Problem> {
        Ok(Narrowing::default())
    }

    fn again(&self, _: &RunId, _: Which) -> Result<(Playbook, Value, Narrowing), Problem> {
        Err(Problem::new(404, 66, "nothing is left to be done again"))
    }

    fn plan_file(&self, _: &Plan, _: &Inventory, _: Option<f64>) -> Result<String, Problem> {
        Ok("{}".to_owned())
    }

    fn parts(&self, _: Arc<Inventory>, _: SqliteJournal, _: Arc<dyn Observer>, _: watch::Receiver<u32>) -> Parts {
        panic!("the HTTP side drives no run")
    }
}

/// A playbook of one step, with more at its head.
fn book(name: &str, head: &str) -> Playbook {
    let text = format!(
        "name: {name}\nversion: 1.4.0\n{head}inputs: {{ cluster: {{ type: identifier, default: a }} }}\n\
         steps:\n  - {{ id: look, run: uptime, effect: read }}\n"
    );
    let specs = Specs::of(Table::builtin().specs());
    load(&Source::new("book.yaml", text.as_str()), &specs).playbook.unwrap()
}

/// What has runs done: it begins them, and notes what it was asked for.
#[derive(Default)]
struct Hand {
    state: PathBuf,
    begun: AtomicUsize,
    /// Who asked for what.
    asked: Mutex<Vec<String>>,
    /// How the next ones are refused.
    refusal: Mutex<Option<Problem>>,
    /// How long a begin takes.
    takes: Mutex<Duration>,
}

impl Hand {
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn note(&self, what: String) -> Result<(), Problem> {
        assert!(!what.contains("a-fault"), "the runner is at fault");
        self.asked.lock().unwrap().push(what);
        self.refusal.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

impl Runner for Hand {
    fn plan(&self, wanted: &Wanted) -> Result<Offered, Problem> {
        self.note(format!("{} plans {}", wanted.by.name, wanted.playbook))?;
        match started() {
            Event::RunStarted { plan, .. } => Ok(Offered {
                plan: Arc::unwrap_or_clone(plan),
                file: wanted.further.file.then(|| "{}".to_owned()),
                inherited: None,
            }),
            _ => panic!("it starts"),
        }
    }

    fn start(&self, wanted: Wanted) -> Result<Begun, Problem> {
        self.note(format!("{} starts {} {:?}", wanted.by.name, wanted.playbook, wanted.overrides))?;
        let takes = *self.takes.lock().unwrap();
        std::thread::sleep(takes);
        let run = wanted.run.unwrap_or_else(|| new_run_id().unwrap());
        let holder = Holder { pid: 1, ..crate::engine::holder::this_process() };
        let mut journal = SqliteJournal::open(&self.state).unwrap();
        let begun = journal.begin(&run, started(), &holder, "ann", Time(1000));
        begun.map_err(|error| super::trouble::of_journal(&error))?;
        self.begun.fetch_add(1, Ordering::SeqCst);
        Ok(Begun { run, playbook: "db-failover".to_owned(), version: "1.4.0".to_owned() })
    }

    fn resume(&self, run: &RunId, by: &Caller, reason: &str, take_over: bool) -> Result<(), Problem> {
        let how = if take_over { "takes over" } else { "resumes" };
        self.note(format!("{} {how} {run}: {reason}", by.name))
    }

    fn ask(&self, run: &RunId, request: RequestKind, by: &Caller, reason: &str) -> Result<Asked, Problem> {
        let request = serde_json::to_string(&request).unwrap();
        self.note(format!("{} asks {run} {request}: {reason}", by.name))?;
        Ok(Asked::TakenUp)
    }
}
