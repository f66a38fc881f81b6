//! The real server, asked over its socket as a service asks it: whoever runs it is its admin there.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::processes::{Place, Runner, until};

const TWO: &str = r#"
  - id: first
    run: echo first >> WORLD/log; GATE(first)
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
"#;

/// A place whose catalog has a playbook, and whose server is asked.
pub struct Served {
    pub place: Place,
}

impl Served {
    pub fn new(head: &str, config: &str, inventory: &str) -> Self {
        let place = Place::new();
        let book = place.book_with("two", head, TWO);
        std::fs::create_dir(place.path("playbooks")).unwrap();
        std::fs::rename(book, place.path("playbooks/two.yaml")).unwrap();
        std::fs::write(place.path("config.yaml"), config).unwrap();
        if !inventory.is_empty() {
            std::fs::write(place.path("inventory.yaml"), inventory).unwrap();
        }
        Self { place }
    }

    pub fn serve(&self) -> Runner {
        let runner = self.place.start(&["serve", "--no-listen", "--socket", "s"]);
        runner.wait_for("listens on unix:");
        until("it answers", || (self.get("/readyz").0 == 200).then_some(()));
        runner
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string())
    }

    pub fn begin(&self, body: Value) -> (u16, Value) {
        self.post("/v1/runs", &body)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let Ok(mut stream) = UnixStream::connect(self.place.path("s")) else { return (0, Value::Null) };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(text)))
    }

    pub fn ended(&self, run: &str) -> Value {
        until("the end of the run", || {
            let status = self.place.json(&["status", run, "--output", "json"]);
            (status["verdict"] != Value::Null).then_some(status)
        })
    }
}

fn end(mut server: Runner) {
    server.signal(Signal::SIGTERM);
    server.expect(0);
}

#[test]
fn a_run_that_was_begun_over_http_outlives_a_kill_of_the_server_and_is_the_same_under_its_key() {
    let served = Served::new("", "", "");
    let mut server = served.serve();
    let wanted = json!({ "playbook": "two", "idempotency_key": "alert-7" });
    let (status, begun) = served.begin(wanted.clone());
    assert_eq!(status, 201, "{begun}");
    let run = begun["run"].as_str().unwrap().to_owned();
    served.place.wait_at("first");
    server.kill();
    let server = served.serve();
    assert!(server.said().contains("is gone on with"), "{}", server.said());
    let (status, again) = served.begin(wanted);
    assert_eq!((status, again["run"].as_str()), (200, Some(run.as_str())), "{again}");
    served.place.open("first");
    let state = served.ended(&run);
    assert_eq!(state["verdict"], "succeeded", "{state}");
    assert_eq!(served.place.log(), ["first", "second"]);
    end(server);
}

#[test]
fn what_is_in_the_way_is_told_with_its_status_and_nothing_begins() {
    let freeze = "freeze: [{ name: sale, from: 2020-01-01T00:00:00Z, to: 2099-01-01T00:00:00Z, because: the sale }]\n";
    let served = Served::new("locks: [database/orders]", freeze, "environment: production\n");
    let server = served.serve();
    let passed = json!([{ "brake": "freeze", "reason": "the primary is down" }]);
    let mut wrong = Vec::new();
    for (body, status, part) in [
        (json!({ "playbook": "../two" }), 422, "is named as"),
        (json!({ "playbook": "two", "version": "../../x" }), 400, "never by a file"),
        (json!({ "playbook": "tow" }), 404, "two"),
        (json!({ "playbook": "two" }), 403, "the sale"),
        (json!({ "playbook": "two", "overrides": passed }), 403, "the playbook's name once more"),
        (json!({ "playbook": "two", "overrides": passed, "confirm": "tow" }), 403, "the playbook is `two`"),
        (json!({ "playbook": "two", "overrides": [{ "brake": "frost", "reason": "x" }] }), 400, "no brake `frost`"),
        (json!({ "playbook": "two", "inputs": { "who": "x" } }), 422, "has no input `who`"),
        (json!({ "playbook": "two", "max_plan_age_seconds": 0 }), 422, "more than 0"),
        (json!({ "playbook": "two", "limit": "@/etc/passwd" }), 400, "read by the command line"),
    ] {
        let (told, problem) = served.begin(body.clone());
        let text = problem.to_string();
        let tells_a_place = text.contains("playbook serve -") || text.contains(served.place.path("").to_str().unwrap());
        if told != status || !text.contains(part) || tells_a_place {
            wrong.push(format!("{body}: {told} {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let needs = |body: Value| served.begin(body).1["needs"].clone();
    assert_eq!(needs(json!({ "playbook": "two" })), json!({ "confirm": true, "overrides": ["freeze"] }));
    assert_eq!(needs(json!({ "playbook": "two", "overrides": passed })), json!({ "confirm": true, "overrides": [] }));
    assert_eq!(needs(json!({ "playbook": "tow" })), Value::Null);
    assert_eq!(served.place.json(&["list", "--runs", "--output", "json"]), json!([]));
    let (status, begun) = served.begin(json!({ "playbook": "two", "overrides": passed, "confirm": "two" }));
    assert_eq!(status, 201, "{begun}");
    let run = begun["run"].as_str().unwrap().to_owned();
    served.place.wait_at("first");
    let (status, locked) = served.begin(json!({ "playbook": "two", "overrides": passed, "confirm": "two" }));
    assert_eq!((status, locked["exit"].as_u64()), (409, Some(13)), "{locked}");
    assert!(locked["title"].as_str().unwrap().contains(&run), "{locked}");
    assert_eq!(locked["locked"], json!({ "resource": "database/orders", "run": run }));
    let (status, asked) = served.post(&format!("/v1/runs/{run}/cancel"), &json!({ "reason": "enough" }));
    assert_eq!((status, asked["became"].as_str()), (202, Some("taken_up")), "{asked}");
    served.place.open("first");
    assert_eq!(served.ended(&run)["verdict"], "rolled_back");
    assert!(served.place.log().is_empty());
    let timeline = served.place.expect(0, &["timeline", &run]);
    assert!(
        timeline.contains("the brake freeze was passed: the primary") && timeline.contains("the server (process"),
        "{timeline}"
    );
    end(server);
}

#[test]
fn a_server_that_is_stopped_takes_nothing_more_and_its_runs_go_on_after_the_next_start() {
    let served = Served::new("", "", "");
    let mut server = served.serve();
    let (_, begun) = served.begin(json!({ "playbook": "two" }));
    let run = begun["run"].as_str().unwrap().to_owned();
    served.place.wait_at("first");
    server.signal(Signal::SIGTERM);
    server.wait_for("may end its step");
    served.place.open("first");
    server.expect(0);
    assert_eq!(served.get("/healthz").0, 0, "its socket is gone");
    let server = served.serve();
    assert_eq!(served.ended(&run)["verdict"], "succeeded");
    assert_eq!(served.place.log(), ["first", "second"]);
    end(server);
}
