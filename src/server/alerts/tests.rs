//! What alerts have done, with a real journal and a runner that only writes down what it was asked for.

mod refused;

use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};

use super::*;
use crate::actions::Table;
use crate::catalog::Entry;
use crate::config::Config;
use crate::diagnostic::Source as Text;
use crate::engine::{Observer, Parts, People, SystemPeople};
use crate::ids::{IncidentId, RunId};
use crate::incident::IncidentEvent;
use crate::inventory::Inventory;
use crate::journal::{Incidents as _, Journal as _};
use crate::plan::{Narrowing, Plan, Which};
use crate::playbook::{Playbook, load};
use crate::run::RequestKind;
use crate::server::{Asked, Begun, Caller, Offered, Wanted};
use crate::spec::Specs;

struct Home {
    folder: tempfile::TempDir,
    config: Config,
    book: Playbook,
}

impl House for Home {
    fn journal(&self) -> Result<SqliteJournal, Problem> {
        SqliteJournal::open(self.folder.path()).map_err(|error| Problem::new(503, 74, error.to_string()))
    }
    fn config(&self) -> &Config {
        &self.config
    }
    fn people(&self) -> Arc<dyn People> {
        Arc::new(SystemPeople::default())
    }
    fn playbooks(&self) -> Vec<Entry> {
        Vec::new()
    }
    fn playbook(&self, name: &str, _: Option<&str>) -> Result<Playbook, Problem> {
        if name == self.book.name {
            Ok(self.book.clone())
        } else {
            Err(Problem::new(404, 66, format!("there is no {name}")))
        }
    }
    fn inventory(&self) -> Result<Arc<Inventory>, Problem> {
        Ok(Arc::default())
    }
    fn bind(&self, _: &Playbook, inputs: &Map<String, Value>, _: &Inventory) -> Result<Value, Problem> {
        Ok(Value::Object(inputs.clone()))
    }
    fn narrowing(&self, _: Option<&str>, _: &Inventory) -> Result<Narrowing, Problem> {
        Ok(Narrowing::default())
    }
    fn again(&self, _: &RunId, _: Which) -> Result<(Playbook, Value, Narrowing), Problem> {
        panic!("nothing is done again here")
    }
    fn plan_file(&self, _: &Plan, _: &Inventory, _: Option<f64>) -> Result<String, Problem> {
        panic!("nothing is planned here")
    }
    fn parts(
        &self,
        _: Arc<Inventory>,
        _: SqliteJournal,
        _: Arc<dyn Observer>,
        _: tokio::sync::watch::Receiver<u32>,
    ) -> Parts {
        panic!("nothing is driven here")
    }
}

/// Writes down what it was asked to begin, and answers as it is told.
#[derive(Default)]
struct Hand {
    begun: Mutex<Vec<Wanted>>,
    answer: Mutex<Option<Problem>>,
    /// A cluster, and what is said of it.
    refuses: Mutex<Option<(&'static str, Problem)>>,
}

impl Runner for Hand {
    fn plan(&self, _: &Wanted) -> Result<Offered, Problem> {
        Err(Problem::new(409, 1, "the target is away"))
    }
    fn start(&self, wanted: Wanted) -> Result<Begun, Problem> {
        let refused = self.refuses.lock().unwrap().clone();
        if let Some((_, problem)) = refused.filter(|(cluster, _)| wanted.inputs["cluster"] == *cluster) {
            self.begun.lock().unwrap().push(wanted);
            return Err(problem);
        }
        if let Some(problem) = self.answer.lock().unwrap().clone() {
            self.begun.lock().unwrap().push(wanted);
            return Err(problem);
        }
        let run = wanted.run.clone().unwrap();
        let begun = Begun { run, playbook: wanted.playbook.clone(), version: "1.0.0".to_owned() };
        self.begun.lock().unwrap().push(wanted);
        Ok(begun)
    }
    fn resume(&self, _: &RunId, _: &Caller, _: &str, _: bool) -> Result<(), Problem> {
        panic!("nothing is resumed here")
    }
    fn ask(&self, _: &RunId, _: RequestKind, _: &Caller, _: &str) -> Result<Asked, Problem> {
        panic!("nothing is asked here")
    }
}

struct Server {
    home: Arc<Home>,
    hand: Arc<Hand>,
    alerts: Arc<Alerts>,
}

const TOKEN: &[u8] = b"Bearer right";

impl Server {
    fn of(mode: &str, triggers: &str) -> Self {
        let text = format!(
            "name: heal\nversion: 1.0.0\nseverity: [P1]\n{triggers}inputs: {{ cluster: {{ type: identifier, required: true }} }}\n\
             steps:\n  - {{ id: a, run: x, effect: read, env: {{ A: \"{{{{inputs.cluster}}}}\" }} }}\n"
        );
        let book = load(&Text::new("x.yaml", text), &Specs::of(Table::builtin().specs())).playbook.unwrap();
        let config: Config = serde_json::from_value(json!({
            "hooks": { "monitoring": { "kind": "alertmanager", "secrets": ["env:A"] } },
            "triggers": [{ "name": "down", "match": { "labels": { "alertname": "PrimaryDown" } }, "playbook": "heal",
                "inputs": { "cluster": "{{labels.cluster}}" }, "mode": mode }],
        }))
        .unwrap();
        let home = Arc::new(Home { folder: tempfile::tempdir().unwrap(), config, book });
        Self::over(home, Arc::default())
    }

    /// The next start of the server over the same state.
    fn over(home: Arc<Home>, hand: Arc<Hand>) -> Self {
        let source = Source::of("monitoring", &home.config.hooks["monitoring"], &["right"]).unwrap();
        let routes = Routes::of(&home.config).unwrap();
        let house = Arc::clone(&home) as Arc<dyn House>;
        let alerts = Arc::new(Alerts::new(house, Arc::clone(&hand) as Arc<dyn Runner>, vec![source], routes));
        Self { home, hand, alerts }
    }

    fn take(&self, name: &str, token: &[u8], body: &[u8]) -> Result<Accepted, NotTaken> {
        let headers = Headers::new([("authorization", token)]);
        self.alerts.take_in(&mut self.home.journal().unwrap(), name, &headers, body)
    }

    /// Sends alerts, and says whether they were new.
    fn send(&self, body: &Value) -> bool {
        matches!(self.take("monitoring", TOKEN, body.to_string().as_bytes()).unwrap(), Accepted::New(_))
    }

    /// Works on all that is there; whether something is left for later.
    fn work(&self) -> bool {
        loop {
            match self.alerts.round(&|| false) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
    }

    fn begun(&self) -> Vec<(RunId, String)> {
        let begun = self.hand.begun.lock().unwrap();
        let of = |wanted: &Wanted| (wanted.run.clone().unwrap(), wanted.inputs["cluster"].as_str().unwrap().to_owned());
        begun.iter().map(of).collect()
    }

    /// What the only incident says, by the kinds of its events.
    fn incident(&self) -> (IncidentId, Vec<String>) {
        let mut journal = self.home.journal().unwrap();
        let rows = journal.incidents().unwrap();
        assert_eq!(rows.len(), 1);
        let incident = rows[0].incident.clone();
        let records = journal.some_records_of(&incident, 0, 100).unwrap();
        let kind = |event: &IncidentEvent| serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned();
        (incident, records.iter().map(|record| kind(&record.event)).collect())
    }

    fn became(&self) -> Vec<String> {
        let rows = self.home.journal().unwrap().received(100).unwrap();
        rows.into_iter().map(|row| row.done.map_or_else(String::new, |(_, became)| became)).collect()
    }
}

const ALLOWED: &str = "triggers: { modes: [dry_run, ask, run], inputs: [cluster] }\n";

fn alert(cluster: &str, status: &str) -> Value {
    json!({
        "status": status, "labels": { "alertname": "PrimaryDown", "cluster": cluster, "severity": "P0" },
        "annotations": { "summary": format!("{cluster} is down") }, "startsAt": "2026-11-23T04:05:00Z",
        "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-23T04:09:00Z" },
        "fingerprint": format!("fp-{cluster}"),
    })
}

fn group(alerts: &[Value]) -> Value {
    json!({ "version": "4", "groupKey": "g", "status": "firing", "alerts": alerts })
}

#[test]
fn a_firing_begins_one_run_however_often_it_comes() {
    let server = Server::of("run", ALLOWED);
    let orders = alert("orders", "firing");
    assert!(server.send(&group(std::slice::from_ref(&orders))));
    assert!(!server.send(&group(std::slice::from_ref(&orders))), "the same once more");
    assert!(server.begun().is_empty(), "nothing begins before it is answered");
    assert!(!server.work());
    // Another alert has joined the group.
    assert!(server.send(&group(&[orders, alert("stocks", "firing")])));
    server.work();
    let begun = server.begun();
    let runs: std::collections::BTreeSet<&RunId> = begun.iter().map(|(run, _)| run).collect();
    let clusters: Vec<&str> = begun.iter().map(|(_, cluster)| cluster.as_str()).collect();
    // The runner is asked for the first run again, under the name that it has: it finds it begun.
    assert_eq!((clusters, runs.len()), (vec!["orders", "orders", "stocks"], 2));
    assert_eq!(begun[0].0, begun[1].0);
}

#[test]
fn who_is_killed_before_a_run_has_begun_begins_it_under_the_same_name_later() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    let ends = Problem { retry_after: Some(5), ..Problem::new(503, 74, "the server ends") };
    *server.hand.answer.lock().unwrap() = Some(ends);
    assert!(server.work(), "it has to be tried again");
    assert_eq!(server.became(), [""]);
    *server.hand.answer.lock().unwrap() = None;
    let next = Server::over(server.home, server.hand);
    assert!(!next.work());
    let begun = next.begun();
    assert_eq!((begun.len(), &begun[0].0), (2, &begun[1].0));
    assert!(next.became()[0].contains(begun[0].0.as_str()), "{:?}", next.became());
    assert_eq!(next.incident().1, ["opened", "alert"], "noted once");
}

#[test]
fn what_was_done_is_not_done_again_for_an_alert_that_waits_behind_it() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing"), alert("stocks", "firing")]));
    *server.hand.refuses.lock().unwrap() = Some(("orders", Problem::new(409, 13, "database/orders is held")));
    *server.hand.answer.lock().unwrap() = Some(Problem::new(503, 74, "64 runs are in hand"));
    assert!(server.work() && server.work() && server.work(), "it has to be tried again");
    assert_eq!(server.incident().1, ["opened", "alert", "proposed", "noted", "alert"]);
    *server.hand.answer.lock().unwrap() = None;
    assert!(!server.work());
    let clusters: Vec<String> = server.begun().into_iter().map(|(_, cluster)| cluster).collect();
    assert_eq!(clusters, ["orders", "stocks", "stocks", "stocks", "stocks"]);
    assert!(
        server.became()[0].contains("is held") && server.became()[0].contains("has begun"),
        "{:?}",
        server.became()
    );
}

#[test]
fn an_incident_that_is_damaged_keeps_no_alert_waiting() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    server.work();
    let file = SqliteJournal::file_in(server.home.folder.path());
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute("UPDATE incident_records SET event = 'nonsense' WHERE seq = 2", []).unwrap();
    server.send(&group(&[alert("stocks", "firing")]));
    assert!(!server.work());
    assert_eq!(server.begun().len(), 2);
}

#[test]
fn what_comes_while_the_same_is_mended_is_noted() {
    let server = Server::of("run", ALLOWED);
    let mut second = alert("orders", "firing");
    second["fingerprint"] = json!("another");
    server.send(&group(&[alert("orders", "firing"), second]));
    assert!(!server.work());
    assert_eq!(server.begun().len(), 1);
    assert_eq!(server.incident().1, ["opened", "alert", "alert", "noted"]);
}

#[test]
fn a_person_is_asked_by_the_incident() {
    let server = Server::of("ask", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    server.work();
    let (incident, events) = server.incident();
    assert_eq!(events, ["opened", "alert", "proposed"]);
    assert!(incident.as_str().starts_with("inc-"), "{incident}");
    assert!(server.begun().is_empty());
    // It is over: its incident is found again.
    server.send(&group(&[alert("orders", "resolved")]));
    server.work();
    assert_eq!(server.incident().1, ["opened", "alert", "proposed", "alert"]);
}

#[test]
fn a_run_hears_that_its_alert_is_over() {
    let server = Server::of("run", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    server.work();
    let run = server.begun()[0].0.clone();
    let alerts = |server: &Server| server.home.journal().unwrap().alerts_of(&run).unwrap().unwrap();
    assert_eq!(alerts(&server).resolved, None);
    server.send(&group(&[alert("orders", "resolved")]));
    server.work();
    assert!(alerts(&server).resolved.is_some());
}

#[test]
fn what_is_not_proved_is_not_written_down() {
    let server = Server::of("run", ALLOWED);
    let body = group(&[alert("orders", "firing")]).to_string();
    let refused = |name: &str, token: &[u8], body: &[u8]| server.take(name, token, body).unwrap_err();
    let unproved = refused("monitoring", b"Bearer wrong", body.as_bytes());
    assert!(matches!(unproved, NotTaken::Refused(TriggerError::Unproved { .. })), "{unproved}");
    assert!(matches!(refused("nobody", TOKEN, body.as_bytes()), NotTaken::NoSource(_)));
    assert!(matches!(refused("monitoring", TOKEN, b"{"), NotTaken::Refused(TriggerError::Malformed { .. })));
    assert!(server.became().is_empty());
}

#[test]
fn an_incident_that_somebody_closed_keeps_nothing_else_from_being_worked_on() {
    let server = Server::of("ask", ALLOWED);
    server.send(&group(&[alert("orders", "firing")]));
    server.work();
    let (incident, _) = server.incident();
    let mut journal = server.home.journal().unwrap();
    for event in [IncidentEvent::Resolved { reason: String::new() }, IncidentEvent::Closed { reason: String::new() }] {
        journal.append_to(&incident, "ann", WallClock.now(), event).unwrap();
    }
    // What the next delivery says of it finds no open one.
    server.send(&group(&[alert("orders", "resolved"), alert("stocks", "firing")]));
    assert!(!server.work());
    assert_eq!(server.became().len(), 2);
}

#[test]
fn a_person_is_called_where_one_is_needed() {
    let Server { home, alerts, .. } = Server::of("ask", ALLOWED);
    drop(alerts);
    let mut home = Arc::into_inner(home).unwrap();
    let said = home.folder.path().join("said");
    let script = format!("cat > {0}.new; mv {0}.new {0}", said.display());
    home.config.page = Some(crate::config::Page {
        command: Some(vec!["sh".to_owned(), "-c".to_owned(), script]),
        webhook: None,
        repeat_seconds: 60.0,
    });
    let server = Server::over(Arc::new(home), Arc::default());
    server.send(&group(&[alert("orders", "firing")]));
    server.work();
    let text = loop {
        match std::fs::read_to_string(&said) {
            Ok(text) => break text,
            Err(_) => std::thread::yield_now(),
        }
    };
    assert!(text.contains("orders is down") && text.contains("heal") && text.contains("incident inc-"), "{text}");
}

#[test]
fn it_works_on_what_comes_and_ends_when_it_is_told() {
    let server = Server::of("run", ALLOWED);
    let ends = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (alerts, told) = (Arc::clone(&server.alerts), Arc::clone(&ends));
    let thread = std::thread::spawn(move || alerts.work(&|| told.load(std::sync::atomic::Ordering::SeqCst)));
    server.send(&group(&[alert("orders", "firing")]));
    while server.begun().is_empty() {
        std::thread::yield_now();
    }
    ends.store(true, std::sync::atomic::Ordering::SeqCst);
    server.alerts.wake();
    thread.join().unwrap();
}
