//! The shipped `db-failover` on a real PostgreSQL pair behind a real proxy: planned and unplanned, with faults before the
//! promotion, and with the runner killed in the middle of it.

mod faults;
mod killed;
mod monitored;
mod planned;
mod truth;
mod unplanned;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::lab::Lab;

/// The binary, with the lab's inventory and a state of the lab's own.
pub fn playbook(lab: &Lab) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
    let config = lab.dir.join("config.yaml");
    std::fs::write(&config, "").unwrap();
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PLAYBOOK_CONFIG", config)
        .env("PLAYBOOK_STATE", lab.dir.join("state"))
        .env("PLAYBOOK_INVENTORY", lab.inventory())
        .env("NO_COLOR", "1")
        .envs(lab.variables("AWS_"))
        .stdin(Stdio::null());
    command
}

/// Runs the binary and gives back what it did.
pub fn run(lab: &Lab, arguments: &[&str]) -> Output {
    playbook(lab).args(arguments).output().unwrap()
}

/// Everything that it said, for a test that fails.
pub fn said(output: &Output) -> String {
    format!(
        "exit {:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Runs the binary, which must end with this code.
pub fn expect(lab: &Lab, code: i32, arguments: &[&str]) -> String {
    let output = run(lab, arguments);
    assert_eq!(output.status.code(), Some(code), "playbook {}\n{}", arguments.join(" "), said(&output));
    said(&output)
}

/// The newest run as `status --output json` tells it.
pub fn status(lab: &Lab) -> Value {
    let output = run(lab, &["status", "--output", "json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said(&output)))
}

/// A lab with a table and a row in it, written through the proxy.
pub fn lab_with_a_row() -> Lab {
    let lab = Lab::up();
    lab.psql("proxy", "create table orders (id int primary key); insert into orders values (1)");
    lab.wait_for("pg2", "select count(*) from orders", "1");
    lab
}

/// What a recovery must not change: roles, identity, the proxy's servers, the pool, and whether writes pass.
pub fn world(lab: &Lab) -> String {
    let mut world = String::new();
    for member in ["pg1", "pg2"] {
        let role = lab.psql(
            member,
            "select pg_is_in_recovery(), (select timeline_id from pg_control_checkpoint()), \
             (select count(*) from pg_stat_wal_receiver where status = 'streaming'), current_setting('primary_conninfo') <> '', \
             (select count(*) from pg_replication_slots where active)",
        );
        world.push_str(&format!("{member}: {role}\n"));
    }
    world.push_str(&proxy_servers(lab));
    world.push_str(&format!("pool paused: {}\n", lab.is_paused()));
    world
}

/// The administrative states of the proxy's servers, as its own runtime socket tells them.
pub fn proxy_servers(lab: &Lab) -> String {
    use std::io::{Read as _, Write as _};
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let line =
        inventory.lines().find_map(|line| line.trim().strip_prefix("socket:")).expect("the inventory names the socket");
    let mut socket = std::os::unix::net::UnixStream::connect(line.trim().trim_matches('"')).unwrap();
    socket.write_all(b"show servers state\n").unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    // Backend, server, administrative state: the others are counters and times.
    let rows = text.lines().filter(|line| !line.starts_with('#') && line.split(' ').count() > 6);
    rows.map(|line| line.split(' ').collect::<Vec<_>>()).map(|f| format!("{} {} {}\n", f[1], f[3], f[6])).collect()
}

/// A folder with a changed copy of the shipped playbook.
pub fn changed_playbook(lab: &Lab, change: impl Fn(&str) -> String) -> PathBuf {
    let text =
        std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("playbooks/db-failover.yaml")).unwrap();
    let path = lab.dir.join("changed.yaml");
    std::fs::write(&path, change(&text)).unwrap();
    path
}

/// The step ids of the shipped playbook, in order.
pub fn step_ids() -> Vec<String> {
    let text =
        std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("playbooks/db-failover.yaml")).unwrap();
    text.lines().filter_map(|line| line.strip_prefix("  - id: ")).map(|id| id.trim().to_owned()).collect()
}
