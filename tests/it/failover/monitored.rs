//! A real Prometheus sees the primary die, a real Alertmanager tells a real server, and the alert ends in a switched database: the
//! time from the failure to the first good write is measured.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{lab_with_a_row, playbook, run, said, status};
use crate::lab::Lab;

const TOKEN: &str = "what-alertmanager-knows";

/// A server on a port of its own, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(lab: &Lab, port: u16) -> Server {
    let config = json!({
        "playbooks": [concat!(env!("CARGO_MANIFEST_DIR"), "/playbooks")],
        "hooks": { "monitoring": { "kind": "alertmanager", "secrets": ["env:ALERTS_TOKEN"] } },
        "triggers": [{
            "name": "db-down", "playbook": "db-failover", "mode": "run", "incident": "open",
            "match": { "source": "monitoring", "labels": { "alertname": "PrimaryDown", "severity": "=~P0|P1" } },
            "inputs": { "cluster": "{{labels.cluster}}", "mode": "unplanned", "accept_data_loss": "true" },
        }],
    });
    let mut command = playbook(lab);
    std::fs::write(lab.dir.join("config.yaml"), config.to_string()).unwrap();
    let log = std::fs::File::create(lab.dir.join("serve.log")).unwrap();
    let child = command
        .args(["serve", "--listen", &format!("127.0.0.1:{port}")])
        .env("ALERTS_TOKEN", TOKEN)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let server = Server(child);
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "the server does not answer\n{}", log_of(lab));
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn log_of(lab: &Lab) -> String {
    std::fs::read_to_string(lab.dir.join("serve.log")).unwrap_or_default()
}

/// Whether there is what watches; said aloud where there is not.
fn watched(lab: &Lab, port: u16) -> bool {
    let token = lab.dir.join("alerts-token");
    std::fs::write(&token, TOKEN).unwrap();
    let up = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/lab/monitoring"))
        .args(["up", "--hook", &format!("http://127.0.0.1:{port}/v1/hooks/monitoring"), "--token-file"])
        .arg(&token)
        .arg("--dir")
        .arg(&lab.dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if up.status.code() == Some(69) {
        eprintln!("LEFT OUT, as Prometheus and Alertmanager are not here (fixtures/setup monitoring): {}", said(&up));
        return false;
    }
    assert!(up.status.success(), "{}", said(&up));
    true
}

/// Now, by the wall clock.
fn milliseconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// The timeline says how long it took, and that fits what was measured from outside: an alert begins later than the failure, and
/// the playbook says that the service is up once its own canary was read back, a moment around the first good write of others.
fn holds_how_long_it_took(lab: &Lab, died_at: i64, good: Duration) {
    let told = run(lab, &["incident", "timeline", "latest", "--output", "json"]);
    let timeline: Value = serde_json::from_slice(&told.stdout).unwrap();
    let up = timeline["entries"].as_array().unwrap().iter().find(|entry| entry["kind"] == "service_up").unwrap();
    let (began, seconds) = (up["detail"]["since"].as_i64().unwrap(), up["detail"]["seconds"].as_f64().unwrap());
    eprintln!("the timeline: {}", up["text"]);
    assert!(began >= died_at, "monitoring knew of it before it was so: {up}");
    let up_at = (up["time_ms"].as_i64().unwrap() - died_at) as f64 / 1000.0;
    assert!((up_at - good.as_secs_f64()).abs() < 5.0, "up after {up_at} s, the first good write after {good:?}: {up}");
    assert!(seconds > 0.0 && seconds <= up_at + 0.001, "{up}");
}

#[test]
fn an_alert_on_the_dead_primary_ends_in_a_switched_database() {
    let lab = lab_with_a_row();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let _server = serve(&lab, port);
    if !watched(&lab, port) {
        return;
    }
    let pid = nix::unistd::Pid::from_raw(lab.postmaster("pg1").try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let (died, died_at) = (Instant::now(), milliseconds());
    // A client that knows nothing of it: its write waits at the proxy until there is a primary again.
    let good = loop {
        if lab.try_psql("proxy", "insert into orders values (7)").status.success() {
            break died.elapsed();
        }
        assert!(died.elapsed() < Duration::from_secs(120), "nothing was switched\n{}", log_of(&lab));
    };
    eprintln!("from the death of the primary to the first good write: {:.1} s", good.as_secs_f64());
    assert_eq!(lab.psql("pg2", "select pg_is_in_recovery()"), "f", "the standby is the primary");
    let ended = |lab: &Lab| Some(status(lab)).filter(|status| status["verdict"].is_string());
    let state = loop {
        if let Some(state) = ended(&lab) {
            break state;
        }
        assert!(died.elapsed() < Duration::from_secs(180), "the run does not end\n{}", log_of(&lab));
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(
        (state["playbook"].as_str(), state["verdict"].as_str()),
        (Some("db-failover"), Some("succeeded")),
        "{state}"
    );
    // One run, whatever Alertmanager sent again meanwhile, and all of it in one incident.
    let runs: Value = serde_json::from_slice(&run(&lab, &["list", "--runs", "--output", "json"]).stdout).unwrap();
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "{runs}");
    holds_how_long_it_took(&lab, died_at, good);
    let timeline = said(&run(&lab, &["incident", "timeline", "latest"]));
    for text in ["PrimaryDown", "db-failover", "promote"] {
        assert!(timeline.contains(text), "{text} is missing in the timeline:\n{timeline}");
    }
}
