//! Faults of processes that nobody arranged kindly: kills at every system call, lost replies, stopped runners, jumping
//! clocks, floods of output, many operators at once. Each has a control that shows that the test would notice the damage.
//! What it came to is told in docs/reliability.md.

mod asked;
mod clocks;
mod crowds;
mod databases;
mod everywhere;
mod floods;
mod paused;
pub mod proxy;
mod recorders;
mod replies;
mod scenes;
mod strace;
mod target;

/// How many kills a test of the real binary makes: few in `make test`, many in `make full`.
pub fn kills(few: usize) -> usize {
    std::env::var("PLAYBOOK_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}

/// An inventory with one host, `db1`, behind a port of this machine.
#[cfg(feature = "ssh")]
pub fn with_host(place: &crate::processes::Place, sshd: &crate::command::sshd::Sshd, port: u16) {
    // It pins the server's key under the server's own port.
    let pinned = std::fs::read_to_string(sshd.at("known_hosts")).unwrap();
    std::fs::write(place.path("known_hosts"), pinned.replace(&format!(":{} ", sshd.port), &format!(":{port} ")))
        .unwrap();
    let inventory = serde_json::json!({ "environment": "lab", "hosts": { "db1": {
        "address": "127.0.0.1", "port": port, "identity_file": sshd.at("user"), "known_hosts": place.path("known_hosts"),
    } } });
    std::fs::write(place.path("inventory.yaml"), inventory.to_string()).unwrap();
    std::fs::write(place.path("config.yaml"), "inventory: inventory.yaml\n").unwrap();
}

/// Whether a record is among those that a timeline has, as it was told; there it has the chain's fields too.
pub fn is_kept(told: &serde_json::Value, kept: &[serde_json::Value]) -> bool {
    let told = told.as_object().unwrap();
    kept.iter().any(|record| told.iter().all(|(name, value)| record.get(name) == Some(value)))
}
