//! What others are told of runs, by the real binary: to receivers on this machine that take it, are away, never answer, or are
//! gone; and with the process killed while a message is on its way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use ring::hmac;
use serde_json::Value;

use crate::processes::{Place, until};

/// 24 bytes, as Standard Webhooks has them.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mood {
    Well,
    Refuses,
    Gone,
    /// It says that what came is nothing that it takes.
    Wrong,
    /// It takes the message, and never says so.
    Silent,
}

#[derive(Debug, Clone)]
pub struct Message {
    id: String,
    timestamp: String,
    signature: String,
    pub head: String,
    pub body: String,
}

/// A receiver of webhooks; it ends with the test.
pub struct Receiver {
    pub address: String,
    mood: Arc<Mutex<Mood>>,
    told: Arc<Mutex<Vec<Message>>>,
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Receiver {
    pub fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook/token-1234567890abcdef", listener.local_addr().unwrap());
        let (mood, told, held) = (Arc::new(Mutex::new(mood)), Arc::default(), Arc::default());
        let (moods, notes, keeps) = (Arc::clone(&mood), Arc::clone(&told), Arc::clone(&held));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (moods, notes, keeps) = (Arc::clone(&moods), Arc::clone(&notes), Arc::clone(&keeps));
                std::thread::spawn(move || serve(stream, &moods, &notes, &keeps));
            }
        });
        Self { address, mood, told, _held: held }
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn told(&self) -> Vec<Message> {
        self.told.lock().unwrap().clone()
    }

    /// The records of a run that it was told, in the order in which they first came: they must be in order.
    #[track_caller]
    fn records(&self, run: &str) -> Vec<u64> {
        let mut all: Vec<u64> = Vec::new();
        for message in self.told() {
            let (of, seq) = message.id.split_once(':').unwrap();
            let seq = seq.parse().unwrap();
            if of == run && !all.contains(&seq) {
                assert!(all.last().is_none_or(|last| *last < seq), "{seq} came behind {all:?}");
                all.push(seq);
            }
        }
        all
    }
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, mood: &Mutex<Mood>, told: &Mutex<Vec<Message>>, held: &Mutex<Vec<TcpStream>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let header = |name: &str| {
            let found = head.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            });
            found.unwrap_or_default()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let now = *mood.lock().unwrap();
        let message = Message {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp"),
            signature: header("webhook-signature"),
            body: String::from_utf8(body).unwrap(),
            head: head.to_ascii_lowercase(),
        };
        if matches!(now, Mood::Well | Mood::Silent) {
            told.lock().unwrap().push(message);
        }
        let status = match now {
            Mood::Well => "204 No Content",
            Mood::Refuses => "503 Service Unavailable",
            Mood::Gone => "410 Gone",
            Mood::Wrong => "400 Bad Request",
            Mood::Silent => {
                held.lock().unwrap().push(stream);
                return;
            }
        };
        // A receiver may well repeat what it was asked for.
        let said = if now == Mood::Refuses { "token-1234567890abcdef is busy" } else { "" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{said}", said.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A place that tells a receiver.
fn place(receiver: &Receiver) -> Place {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    std::fs::write(place.path("address"), &receiver.address).unwrap();
    let path = |name: &str| place.path(name).display().to_string();
    let config = format!(
        "notify:\n  - {{ name: incidents, kind: webhook, address: 'file:{}', secret: 'file:{}' }}\n",
        path("address"),
        path("secret")
    );
    std::fs::write(place.path("config.yaml"), config).unwrap();
    place
}

const STEPS: &str = "
  - id: one
    run: echo one >> WORLD/log
    effect: idempotent
    rollback: none
    because: a test
  - id: two
    run: echo two >> WORLD/log
    effect: idempotent
    rollback: none
    because: a test
";

/// How many records the newest run has, and its id.
fn newest(place: &Place) -> (String, u64) {
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let records = timeline["records"].as_array().unwrap().len() as u64;
    (timeline["run"].as_str().unwrap().to_owned(), records)
}

fn waiting(place: &Place) -> Vec<Value> {
    let outbox = place.json(&["outbox", "list", "--output", "json"]);
    outbox["targets"][0]["waiting"].as_array().unwrap().clone()
}

#[test]
fn a_run_is_told_record_by_record_signed_and_in_order() {
    let receiver = Receiver::new(Mood::Well);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    let said = place.expect(0, &["run", &book, "-y"]);
    assert!(!said.contains("outbox"), "nothing is left, so nothing is said of it:\n{said}");
    let (run, records) = newest(&place);
    assert_eq!(receiver.records(&run), (1..=records).collect::<Vec<_>>());
    let key = base64::engine::general_purpose::STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    for message in receiver.told() {
        let text = format!("{}.{}.{}", message.id, message.timestamp, message.body);
        let sign = base64::engine::general_purpose::STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        assert_eq!(message.signature, format!("v1,{sign}"));
    }
    let last: Value = serde_json::from_str(&receiver.told().last().unwrap().body).unwrap();
    assert_eq!((&last["data"]["kind"], &last["data"]["detail"]["verdict"]), (&"run_ended".into(), &"succeeded".into()));
    let outbox = place.json(&["outbox", "list", "--output", "json"]);
    assert_eq!(outbox["targets"][0]["told_whole"], 1);
    assert!(waiting(&place).is_empty());
    // A dry-run has no record, and tells nothing.
    let before = receiver.told().len();
    place.expect(0, &["run", &book, "--dry-run"]);
    assert_eq!(receiver.told().len(), before);
}

#[test]
fn a_receiver_that_never_answers_holds_up_no_step_and_misses_nothing() {
    let receiver = Receiver::new(Mood::Silent);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    let begun = Instant::now();
    let said = place.expect(0, &["run", &book, "-y"]);
    let took = begun.elapsed();
    // Far below the ten seconds that it waits for an answer.
    assert!(took.as_secs_f64() < 8.0, "{took:?}");
    assert!(said.contains("outbox flush") && said.contains("incidents"), "{said}");
    let (run, records) = newest(&place);
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let moments = timeline["records"].as_array().unwrap();
    let last = moments.last().unwrap()["seconds"].as_f64().unwrap();
    assert!(last < 5.0, "the run itself took {last} s");
    assert_eq!(waiting(&place)[0]["told"], 0);
    receiver.is(Mood::Well);
    place.expect(0, &["outbox", "flush"]);
    assert_eq!(receiver.records(&run), (1..=records).collect::<Vec<_>>());
    assert!(waiting(&place).is_empty());
}

#[test]
fn a_process_that_is_killed_with_a_message_on_its_way_has_it_sent_again() {
    let receiver = Receiver::new(Mood::Refuses);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    place.expect(0, &["run", &book, "-y"]);
    let (run, records) = newest(&place);
    receiver.is(Mood::Silent);
    let mut flush = place.start(&["outbox", "retry"]);
    until("a message on its way", || (!receiver.told().is_empty()).then_some(()));
    flush.kill();
    assert_eq!(receiver.records(&run), [1]);
    receiver.is(Mood::Well);
    // Nobody waits for the one who had it in hand: it is seen that it is gone.
    let begun = Instant::now();
    place.expect(0, &["outbox", "flush"]);
    assert!(begun.elapsed().as_secs() < 20);
    assert_eq!(receiver.records(&run), (1..=records).collect::<Vec<_>>());
    let first = receiver.told().iter().filter(|message| message.id == format!("{run}:1")).count();
    assert_eq!(first, 2, "at least once, with the same id");
}

#[test]
fn what_a_killed_runner_left_goes_with_the_next_run() {
    let receiver = Receiver::new(Mood::Well);
    let place = place(&receiver);
    let long = place.book(
        "long",
        "  - id: wait\n    run: GATE(here)\n    effect: idempotent\n    rollback: none\n    because: a test\n",
    );
    let mut runner = place.start(&["run", &long, "-y"]);
    place.wait_at("here");
    until("the intent to be told", || receiver.told().iter().any(|one| one.body.contains("\"intent\"")).then_some(()));
    runner.kill();
    place.open("here");
    place.expect(0, &["resume", "latest"]);
    let (run, records) = newest(&place);
    assert_eq!(receiver.records(&run), (1..=records).collect::<Vec<_>>());
}

#[test]
fn what_was_given_up_is_shown_and_put_back_by_name() {
    let receiver = Receiver::new(Mood::Gone);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    let said = place.expect(0, &["run", &book, "-y"]);
    assert!(said.contains("given up") && said.contains("outbox list"), "{said}");
    let list = place.expect(0, &["outbox", "list"]);
    for text in ["✗ incidents  webhook", "1 given up", "answered with 410", "playbook outbox retry"] {
        assert!(list.contains(text), "{text} is missing:\n{list}");
    }
    let doctor = place.run(&["doctor", "--output", "json"]);
    let doctor: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let looks = doctor["looks"].as_array().unwrap();
    assert!(looks.iter().any(|look| look["about"] == "notify" && look["level"] == "remark"), "{looks:?}");
    receiver.is(Mood::Well);
    place.expect(1, &["outbox", "flush", "--for", "5s"]);
    assert!(receiver.told().is_empty(), "what was given up is left alone");
    place.expect(66, &["outbox", "retry", "incident"]);
    place.expect(0, &["outbox", "retry", "incidents"]);
    let (run, records) = newest(&place);
    assert_eq!(receiver.records(&run), (1..=records).collect::<Vec<_>>());
}

/// What a server over this state answers to a `GET`.
fn served(place: &Place, path: &str) -> Value {
    let mut server = place.start(&["serve", "--no-listen", "--socket", "s"]);
    server.wait_for("listens on unix:");
    let mut stream = UnixStream::connect(place.path("s")).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.expect(0);
    serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{text}"))
}

#[test]
fn what_was_delivered_is_in_the_timeline_of_the_incident_on_every_way_out() {
    let receiver = Receiver::new(Mood::Gone);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    place.expect(0, &["run", &book, "-y", "--incident", "INC-9"]);
    receiver.is(Mood::Well);
    place.expect(0, &["outbox", "retry"]);
    let (run, records) = newest(&place);
    let whole = place.json(&["incident", "timeline", "INC-9", "--output", "json"]);
    let entries = whole["entries"].as_array().unwrap();
    assert!(entries.iter().map(|entry| entry["time_ms"].as_i64().unwrap()).is_sorted(), "{entries:?}");
    let told: Vec<&Value> = entries.iter().filter(|entry| entry["of"] == "delivery").collect();
    let what: Vec<&str> = told.iter().map(|entry| entry["detail"]["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["given_up", "put_back", "told"]);
    assert!(told.iter().all(|entry| entry["delivery"] == "incidents" && entry["kind"] == "delivery"), "{told:?}");
    assert!(told[0]["detail"]["why"].as_str().unwrap().contains("410"), "{}", told[0]);
    let last = &told[2]["detail"];
    assert_eq!((&last["run"], &last["from"], &last["to"]), (&run.as_str().into(), &1.into(), &records.into()));
    let page = place.expect(0, &["incident", "timeline", "INC-9"]);
    assert!(page.contains("told incidents") && page.contains(&format!("records 1 to {records}")), "{page}");
    let over_http = served(&place, "/v1/incidents/INC-9/timeline");
    assert_eq!(over_http["entries"].as_array().unwrap(), entries);
}

#[test]
fn what_is_said_of_an_incident_is_told_at_once_and_what_was_told_is_in_its_timeline() {
    let receiver = Receiver::new(Mood::Well);
    let place = place(&receiver);
    let said = place.expect(0, &["incident", "open", "orders is down", "--severity", "P1", "--output", "json"]);
    let from = said.find('{').unwrap();
    let id = serde_json::from_str::<Value>(&said[from..]).unwrap()["incident"].as_str().unwrap().to_owned();
    let ids = || receiver.told().into_iter().map(|message| message.id).collect::<Vec<_>>();
    assert_eq!(ids(), [format!("incident:{id}:1")]);
    place.expect(0, &["incident", "note", &id, "it is the disk"]);
    receiver.is(Mood::Refuses);
    place.expect(0, &["incident", "resolve", &id]);
    assert_eq!((&waiting(&place)[0]["incident"], &waiting(&place)[0]["run"]), (&id.as_str().into(), &Value::Null));
    receiver.is(Mood::Well);
    place.expect(0, &["outbox", "retry", "--incident", &id]);
    assert_eq!(ids(), (1..=3).map(|seq| format!("incident:{id}:{seq}")).collect::<Vec<_>>());
    let last: Value = serde_json::from_str(&receiver.told().last().unwrap().body).unwrap();
    assert_eq!((&last["type"], &last["data"]["state"]), (&"playbook.incident".into(), &"resolved".into()));
    let whole = place.json(&["incident", "timeline", &id, "--output", "json"]);
    let told = |entry: &&Value| entry["kind"] == "delivery" && entry["detail"]["run"].is_null();
    assert!(whole["entries"].as_array().unwrap().iter().any(|entry| told(&entry)), "{whole}");
}

#[test]
fn no_secret_and_no_address_is_written_down_or_shown() {
    let receiver = Receiver::new(Mood::Refuses);
    let place = place(&receiver);
    let book = place.book("book", STEPS);
    let mut all = place.expect(0, &["run", &book, "-y"]);
    all.push_str(&place.expect(0, &["outbox", "list"]));
    all.push_str(&place.expect(1, &["outbox", "retry", "--for", "1s", "--output", "json"]));
    for file in std::fs::read_dir(place.path("state")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    assert!(all.contains("answered with 503"), "the failure itself is there");
    for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "token-1234567890abcdef"] {
        assert!(!all.contains(secret), "{secret} is there");
    }
}

#[test]
fn an_address_that_nothing_is_sent_to_is_said_and_the_run_goes_on() {
    let receiver = Receiver::new(Mood::Well);
    let place = place(&receiver);
    std::fs::write(place.path("address"), "http://169.254.169.254/latest/meta-data/iam").unwrap();
    let book = place.book("book", STEPS);
    place.expect(0, &["run", &book, "-y"]);
    let list = place.expect(0, &["outbox", "list"]);
    assert!(list.contains("link-local") && !list.contains("meta-data"), "{list}");
    assert_eq!(place.log(), ["one", "two"]);
}
