//! The action `cli` on a real router: what it refuses, how it learns that a line was not taken, its pager, its passwords.
//! What the tests of routers share is here.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::failover::{expect, run, said};
use crate::lab::Lab;

pub const PEER_A: &str = "10.255.1.2";
pub const PEER_B: &str = "10.255.2.2";

/// A lab with a router and two peers; nothing where this machine allows no namespaces.
pub fn lab() -> Option<Lab> {
    Lab::in_namespaces("router")
}

/// What a router of the lab answers in its own shell.
pub fn vty(lab: &Lab, router: &str, lines: &[&str]) -> String {
    let folder = PathBuf::from(lab.env("LAB_ROUTERS")).join(router);
    let mut command = Command::new("vtysh");
    command.arg("--vty_socket").arg(&folder).arg("--config_dir").arg(&folder);
    for line in lines {
        command.args(["-c", line]);
    }
    let output = command.output().expect("vtysh runs (fixtures/setup installs it)");
    assert!(output.status.success(), "{lines:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The peer over which our router sends the network's traffic.
pub fn way(lab: &Lab) -> String {
    let route = vty(lab, "r1", &["show ip route 203.0.113.0/24"]);
    let hop = route.lines().find_map(|line| line.trim().strip_prefix("* "));
    hop.and_then(|hop| hop.split(',').next()).unwrap_or("nowhere").to_owned()
}

/// All that a recovery must not change on our router: its configuration.
pub fn world(lab: &Lab) -> String {
    vty(lab, "r1", &["show running-config"])
}

/// Shuts a peer down on our router, by hand.
pub fn shut(lab: &Lab, peer: &str) {
    vty(lab, "r1", &["configure terminal", "router bgp 65001", &format!("neighbor {peer} shutdown")]);
}

/// Waits until something holds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A playbook of one step in a file of the lab.
pub fn book(lab: &Lab, step: &str) -> String {
    let path = lab.dir.join("own.yaml");
    let text =
        format!("name: own\nversion: 1.0.0\ntitle: own\nowner: me\nlocks: [host/r1]\nsteps:\n  - id: it\n{step}\n");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_line_that_the_router_does_not_take_fails_the_step() {
    let Some(lab) = lab() else { return };
    let step = |more: &str| {
        format!(
            "    uses: cli\n    effect: idempotent\n    rollback: none\n    because: a test\n    with:\n      host: r1\n      \
             lines: [configure terminal, router bgp 65001, neighbor 10.255.1.2 nonsense, neighbor 10.255.1.2 shutdown, end]\n{more}"
        )
    };
    let output = run(&lab, &["run", &book(&lab, &step("")), "-y"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("it did not take line 3 of 5 of `lines`, `neighbor 10.255.1.2 nonsense`"),
        "{}",
        said(&output)
    );
    assert!(!world(&lab).contains("shutdown"), "a line behind the one that was not taken was sent");
    // The router itself goes on as if nothing was wrong: it is the pattern that tells.
    expect(&lab, 0, &["run", &book(&lab, &step("      fail_on: ['^never$']")), "-y"]);
    assert!(world(&lab).contains("neighbor 10.255.1.2 shutdown"));
    // Another autonomous system is no other router: it is told so.
    let other = step("").replace("65001", "65009");
    let output = run(&lab, &["run", &book(&lab, &other), "-y"]);
    assert!(said(&output).contains("BGP is already running"), "{}", said(&output));
}

#[test]
fn a_step_that_only_reads_changes_nothing_even_if_it_says_otherwise() {
    let Some(lab) = lab() else { return };
    let before = world(&lab);
    let step = "    uses: cli\n    effect: read\n    with: { host: r1, lines: [configure terminal, router bgp 65001, neighbor 10.255.1.2 shutdown] }";
    for arguments in [&["--dry-run"][..], &["-y"][..]] {
        let output = run(&lab, &[&["run", &book(&lab, step)], arguments].concat());
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("`configure terminal` changes something"), "{}", said(&output));
        assert_eq!(world(&lab), before);
    }
}

#[test]
fn a_pager_is_answered_and_outputs_are_read() {
    let Some(lab) = lab() else { return };
    let step = "    uses: cli\n    effect: read\n    with: { host: r1, lines: [terminal paginate, show bgp neighbors] }\n    \
                outputs: { last: { regex: '(?s)Local host: 10.255.1.1.*Local host: (10.255.2.1),' }, as: { regex: 'local AS (\\d+)', type: integer } }";
    let output = run(&lab, &["run", &book(&lab, step), "-y"]);
    assert!(output.status.success(), "{}", said(&output));
    let status = crate::failover::status(&lab);
    assert_eq!(
        (&status["steps"][0]["outputs"]["last"], &status["steps"][0]["outputs"]["as"]),
        (&"10.255.2.1".into(), &65001.into())
    );
}

#[test]
fn a_router_that_asks_for_a_password_gets_it_and_nobody_else_does() {
    let Some(lab) = lab() else { return };
    if lab.env("LAB_ASKING") == "no" {
        eprintln!("LEFT OUT, as only root's sshd asks for a password keyboard-interactive: a router with a password");
        return;
    }
    let step = "    uses: cli\n    effect: read\n    with: { host: asking, lines: [show version] }";
    let told = expect(&lab, 0, &["run", &book(&lab, step), "-y", "--output", "json"]);
    assert!(told.contains("FRRouting"), "{told}");
    let file = lab.dir.join("password/password");
    let password = std::fs::read_to_string(&file).unwrap().trim_end().to_owned();
    assert!(!told.contains(&password));
    let wrong = lab.dir.join("wrong");
    std::fs::write(&wrong, "wrong battery staple\n").unwrap();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    std::fs::write(lab.inventory(), inventory.replace("file:password/password", "file:wrong")).unwrap();
    let output = run(&lab, &["run", &book(&lab, step), "-y"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("with the password that the inventory names"), "{}", said(&output));
    assert!(!said(&output).contains("battery"), "{}", said(&output));
}
