//! Spans of runs, as an endpoint of OpenTelemetry gets them from the real binary: of a run that is undone, of one whose server
//! was killed; and an endpoint that is away or refuses them is nothing that a run notices. What is sent is read by the
//! project's own description of it (PyPI's `opentelemetry-proto`), where that can be had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::over_http::Served;
use crate::outbox::{Mood, Receiver};
use crate::processes::{Place, until};

/// What the test reads requests with, in its version.
const NEEDS: &str = include_str!("../../../fixtures/traces/requirements.txt");
/// Reads a request a line; what is not in the description of the protocol is refused.
const READ: &str = include_str!("../../../fixtures/traces/read.py");

const BREAKS: &str = r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: look
    run: cat WORLD/log
    effect: read
    if: "false"
  - id: second
    run: echo second >> WORLD/log; exit 3
    rollback: [{ run: "sed -i /second/d WORLD/log", effect: idempotent }]
"#;

/// The base address: what a variable has, and the rest is added.
fn base(receiver: &Receiver) -> String {
    receiver.address.split("/hook").next().unwrap().to_owned()
}

/// All spans in the order in which it was told them; the same one told twice must be the same.
fn told(receiver: &Receiver) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for message in receiver.told() {
        let request: Value = serde_json::from_str(&message.body).unwrap();
        let parts = request["resourceSpans"].as_array().unwrap().iter();
        for span in parts.flat_map(|part| part["scopeSpans"][0]["spans"].as_array().unwrap()) {
            let before = all.iter().find(|one| one["spanId"] == span["spanId"]);
            assert!(before.is_none_or(|before| before == span), "{span} was told otherwise before");
            if before.is_none() {
                all.push(span.clone());
            }
        }
    }
    all
}

/// The same by their ids.
fn spans(receiver: &Receiver) -> BTreeMap<String, Value> {
    told(receiver).into_iter().map(|span| (span["spanId"].as_str().unwrap().to_owned(), span)).collect()
}

fn attribute<'s>(span: &'s Value, name: &str) -> &'s str {
    let all = span["attributes"].as_array().unwrap();
    let found = all.iter().find(|one| one["key"] == name);
    found.and_then(|one| one["value"]["stringValue"].as_str()).unwrap_or_default()
}

/// The name of each span, with its result, in the order in which they were told: that in which they ended.
fn results(receiver: &Receiver) -> Vec<(String, String)> {
    let result = |span: &Value| {
        let of_task = attribute(span, "cicd.pipeline.task.run.result");
        if of_task.is_empty() { attribute(span, "cicd.pipeline.result") } else { of_task }.to_owned()
    };
    told(receiver).iter().map(|span| (span["name"].as_str().unwrap().to_owned(), result(span))).collect()
}

/// One trace, one span without a parent, and whatever is named is there.
fn is_a_tree(spans: &BTreeMap<String, Value>) {
    let traces: BTreeSet<&str> = spans.values().map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 1, "{traces:?}");
    assert!(traces.iter().all(|trace| trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit())));
    let roots = spans.values().filter(|span| span["parentSpanId"].is_null()).count();
    assert_eq!(roots, 1);
    for span in spans.values() {
        let parent = span["parentSpanId"].as_str();
        assert!(parent.is_none_or(|parent| spans.contains_key(parent)), "{span} is part of nothing");
        let number = |name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
        assert!(number("startTimeUnixNano") <= number("endTimeUnixNano"));
        for link in span["links"].as_array().unwrap() {
            assert!(spans.contains_key(link["spanId"].as_str().unwrap()), "{span} names what is not there");
        }
    }
}

fn pairs(all: &[(String, String)]) -> Vec<(&str, &str)> {
    all.iter().map(|(name, result)| (name.as_str(), result.as_str())).collect()
}

#[test]
fn a_run_that_is_undone_is_a_trace_with_a_span_for_each_attempt() {
    let receiver = Receiver::new(Mood::Well);
    let place = Place::new();
    let book = place.book("breaks", BREAKS);
    let mut command = place.command(&["run", &book, "-y"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", base(&receiver));
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20hunter2");
    assert_eq!(command.output().unwrap().status.code(), Some(10));
    let spans = spans(&receiver);
    is_a_tree(&spans);
    let results = results(&receiver);
    assert_eq!(
        pairs(&results),
        [
            ("first", "success"),
            ("look", "skip"),
            ("second", "failure"),
            ("undo second", "success"),
            ("undo first", "success"),
            ("RUN breaks", "failure"),
        ]
    );
    let named = |name: &str| spans.values().find(|span| span["name"] == name).unwrap();
    assert_eq!((attribute(named("second"), "error.type"), &named("second")["status"]["code"]), ("failed", &json!(2)));
    assert_eq!(attribute(named("RUN breaks"), "error.type"), "rolled_back");
    assert_eq!(named("undo first")["links"][0]["spanId"], named("first")["spanId"]);
    assert_eq!((&named("RUN breaks")["kind"], &named("first")["kind"]), (&json!(2), &json!(1)));
    let first = &receiver.told()[0];
    assert!(first.head.starts_with("post /v1/traces ") && first.head.contains("authorization: bearer hunter2"));
    assert!(first.head.contains("content-type: application/json\r\n"), "{}", first.head);
    let run = place.json(&["timeline", "latest", "--output", "json"])["run"].as_str().unwrap().to_owned();
    assert!(first.body.contains(&format!(r#"{{"key":"cicd.pipeline.run.id","value":{{"stringValue":"{run}"}}}}"#)));
    for file in std::fs::read_dir(place.path("state")).unwrap().map(|file| file.unwrap().path()) {
        let kept = std::fs::read(&file).unwrap_or_default();
        assert!(!kept.windows(7).any(|part| part == b"hunter2"), "{} has the header", file.display());
    }
    is_read_by_others(&receiver);
}

/// Holds what was sent against the description of the protocol.
fn is_read_by_others(receiver: &Receiver) {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return eprintln!("skipped: opentelemetry-proto is not here: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = receiver.told().into_iter().map(|message| message.body).collect();
    let (script, requests) = (folder.path().join("read.py"), folder.path().join("requests"));
    std::fs::write(&script, READ).unwrap();
    std::fs::write(&requests, lines.join("\n")).unwrap();
    let output = Command::new(python).arg(script).arg(requests).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.trim(), spans(receiver).len().to_string(), "so many spans were read");
}

/// The Python that has it: installed once, whole or not at all.
fn python() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))).ok_or("nothing says where a cache is")?;
    let digest = playbook::ids::Digest::of(NEEDS.as_bytes());
    let wanted = cache.join("playbook-tests").join(format!("traces-{}", digest.short()));
    if !wanted.exists() {
        let made = wanted.with_extension(format!("new-{}", std::process::id()));
        std::fs::create_dir_all(&made).map_err(|error| error.to_string())?;
        std::fs::write(made.join("requirements.txt"), NEEDS).map_err(|error| error.to_string())?;
        let installed = done(Command::new("python3").args(["-m", "venv"]).arg(&made)).and_then(|()| {
            let mut pip = Command::new(made.join("bin/python"));
            pip.args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-input", "--timeout", "15"]);
            done(pip.arg("-r").arg(made.join("requirements.txt")))
        });
        if installed.is_err() || std::fs::rename(&made, &wanted).is_err() {
            let _ = std::fs::remove_dir_all(&made);
        }
        installed?;
    }
    Ok(wanted.join("bin/python"))
}

fn done(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

#[test]
fn a_run_whose_server_was_killed_goes_on_in_the_same_trace() {
    let receiver = Receiver::new(Mood::Well);
    let config = format!("traces: {{ endpoint: '{}', link: 'https://runner.example' }}\n", base(&receiver));
    let served = Served::new("", &config, "");
    let mut server = served.serve();
    let (status, begun) = served.begin(json!({ "playbook": "two" }));
    assert_eq!(status, 201, "{begun}");
    let run = begun["run"].as_str().unwrap();
    served.place.wait_at("first");
    server.kill();
    assert!(receiver.told().is_empty(), "nothing has ended");
    let server = served.serve();
    served.place.open("first");
    assert_eq!(served.ended(run)["verdict"], "succeeded");
    until("the span of the run", || spans(&receiver).values().any(|span| span["kind"] == 2).then_some(()));
    let spans = spans(&receiver);
    is_a_tree(&spans);
    let results = results(&receiver);
    assert_eq!(pairs(&results), [("first", "success"), ("second", "success"), ("RUN two", "success")]);
    let whole = spans.values().find(|span| span["kind"] == 2).unwrap();
    let leases = whole["events"].as_array().unwrap().iter().filter(|event| event["name"] == "lease_taken").count();
    assert_eq!(leases, 2, "{whole}");
    let shown = format!("https://runner.example/v1/runs/{run}");
    assert!(receiver.told()[0].body.contains(&shown));
    // What it is told is nothing that timelines tell of.
    assert!(!served.place.expect(0, &["timeline", run]).contains("traces"));
    server.signal(Signal::SIGTERM);
}

#[test]
fn an_endpoint_that_never_answers_delays_no_step_and_is_no_matter_for_whoever_runs_it() {
    let receiver = Receiver::new(Mood::Silent);
    let place = Place::new();
    std::fs::write(place.path("config.yaml"), format!("traces: {{ endpoint: '{}' }}\n", base(&receiver))).unwrap();
    let book = place.book("breaks", BREAKS);
    let begun = Instant::now();
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(begun.elapsed().as_secs_f64() < 8.0, "{:?}", begun.elapsed());
    assert!(!said.contains("outbox") && !said.contains("traces"), "{said}");
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let last = timeline["records"].as_array().unwrap().last().unwrap()["seconds"].as_f64().unwrap();
    assert!(last < 5.0, "the run itself took {last} s");
    // What was not taken goes later, and is the same trace.
    receiver.is(Mood::Well);
    place.expect(0, &["outbox", "flush"]);
    is_a_tree(&spans(&receiver));
    assert_eq!(spans(&receiver).len(), 6);
}

#[test]
fn many_spans_go_in_several_requests() {
    const ITEMS: usize = 600;
    let receiver = Receiver::new(Mood::Refuses);
    let place = Place::new();
    std::fs::write(place.path("config.yaml"), format!("traces: {{ endpoint: '{}' }}\n", base(&receiver))).unwrap();
    let items: Vec<String> = (0..ITEMS).map(|number| format!("web{number:03}")).collect();
    let book = place.book(
        "many",
        &format!(
            "  - id: look\n    for_each: [{}]\n    batch: {{ size: {ITEMS} }}\n    if: item == 'none'\n    run: 'true'\n    effect: read\n",
            items.join(", ")
        ),
    );
    place.expect(0, &["run", &book, "-y"]);
    assert!(receiver.told().is_empty());
    receiver.is(Mood::Well);
    place.expect(0, &["outbox", "retry"]);
    let spans = spans(&receiver);
    assert_eq!(spans.len(), ITEMS + 1);
    is_a_tree(&spans);
    assert!(receiver.told().len() >= 3, "{} requests", receiver.told().len());
    let longest = receiver.told().iter().map(|message| message.body.len()).max().unwrap();
    assert!(longest < 1 << 20, "{longest} bytes");
}

#[test]
fn what_is_refused_for_good_is_counted_and_not_sent_again() {
    let receiver = Receiver::new(Mood::Wrong);
    let hook = Receiver::new(Mood::Refuses);
    let config = format!(
        "traces: {{ endpoint: '{}' }}\nnotify: [{{ name: incidents, kind: webhook, address: '{}' }}]\n",
        base(&receiver),
        hook.address
    );
    let served = Served::new("", &config, "");
    let server = served.serve();
    let (_, incident) = served.post("/v1/incidents", &json!({ "title": "down", "impact": "high", "urgency": "high" }));
    let incident = incident["incident"].as_str().unwrap().to_owned();
    let (_, begun) = served.begin(json!({ "playbook": "two", "incident": incident }));
    served.place.wait_at("first");
    served.place.open("first");
    served.ended(begun["run"].as_str().unwrap());
    let metrics = || served.get("/metrics").1.as_str().unwrap_or_default().to_owned();
    let line = |text: &str, line: &str| text.lines().any(|found| found == line);
    until("the count", || line(&metrics(), "playbook_spans_total{result=\"dropped\"} 3").then_some(()));
    until("it fails", || {
        line(&metrics(), "playbook_notify_runs{target=\"incidents\",state=\"failing\"} 1").then_some(())
    });
    let metrics = metrics();
    for wanted in [
        "playbook_spans_total{result=\"told\"} 0",
        "playbook_notify_runs{target=\"traces\",state=\"told\"} 1",
        "playbook_notify_runs{target=\"traces\",state=\"failing\"} 0",
        "playbook_notify_runs{target=\"incidents\",state=\"told\"} 0",
        "playbook_notify_runs{target=\"incidents\",state=\"given_up\"} 0",
        "playbook_notify_untold_records{target=\"traces\"} 0",
        "playbook_notify_oldest_untold_seconds{target=\"traces\"} 0",
        "playbook_incidents_open{severity=\"P0\"} 1",
        "playbook_incidents_open{severity=\"P1\"} 0",
        "playbook_runs_ended{verdict=\"succeeded\"} 1",
        "playbook_runs_ended{verdict=\"incomplete\"} 0",
    ] {
        assert!(line(&metrics, wanted), "{wanted} is missing:\n{metrics}");
    }
    let oldest = metrics
        .lines()
        .find_map(|line| line.strip_prefix("playbook_notify_oldest_untold_seconds{target=\"incidents\"} "));
    let oldest: f64 = oldest.unwrap().parse().unwrap();
    assert!(oldest > 0.0 && oldest < 60.0, "{oldest}");
    server.signal(Signal::SIGTERM);
}
