//! `pgbouncer.*` on a real PgBouncer: what it pauses, what becomes of a pause that runs out of time, what it refuses.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::failover::{expect, playbook, run, said, status};
use crate::lab::Lab;

/// A client of the pool in the middle of a transaction.
pub struct Client(Child);

impl Client {
    pub fn begins(lab: &Lab) -> Client {
        let port = lab.port("pooler").to_string();
        let mut psql = Command::new("psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres", "-d", "orders", "-p", &port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        psql.stdin.as_mut().unwrap().write_all(b"begin;\nselect 'open';\n").unwrap();
        let mut line = String::new();
        BufReader::new(psql.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "open");
        Client(psql)
    }

    /// Whether the transaction came to a good end.
    pub fn commits(mut self) -> bool {
        let mut stdin = self.0.stdin.take().unwrap();
        stdin.write_all(b"commit;\n").is_ok() && {
            drop(stdin);
            self.0.wait().unwrap().success()
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A playbook of steps of our own.
fn book(lab: &Lab, steps: &str) -> PathBuf {
    let text = format!("name: pools\nversion: 1.0.0\ntitle: A test\nowner: nobody\nsteps:\n{steps}");
    let path = lab.dir.join("pools.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const PAUSE: &str = "  - { id: pause, uses: pgbouncer.pause, with: { pooler: orders }, timeout: 1s }\n";
const HASTY: &str = "  - { id: pause, uses: pgbouncer.pause, with: { pooler: orders, wait: false } }\n";
const RESUME: &str = "  - { id: resume, uses: pgbouncer.resume, with: { pooler: orders } }\n";
const STATUS: &str = "  - { id: look, uses: pgbouncer.status, with: { pooler: orders } }\n";
const FAULT: &str = "  - { id: fault, run: exit 1, effect: idempotent, rollback: none, because: a test }\n";

#[test]
fn a_pause_that_runs_out_of_time_is_lifted_again() {
    let lab = Lab::up();
    let client = Client::begins(&lab);
    let path = book(&lab, PAUSE);
    let runner = playbook(&lab).args(["run", path.to_str().unwrap(), "-y"]).stdout(Stdio::piped()).spawn().unwrap();
    // It is in force while it is waited for: another client waits, and gets its answer in the end.
    wait_until("the pool is paused", || lab.is_paused());
    assert_eq!(lab.psql("pooler", "select 42"), "42");
    let output = runner.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    let timeline = expect(&lab, 0, &["timeline", "latest"]);
    for word in ["1 server connections of orders were not free within 1 s", "pg_stat_activity: pid", "still in force"] {
        assert!(timeline.contains(word), "{word} is missing:\n{timeline}");
    }
    assert!(timeline.contains("orders is resumed"), "{timeline}");
    assert!(!lab.is_paused());
    assert!(client.commits(), "what was under way is not disturbed");
}

#[test]
fn a_pause_that_is_not_waited_for_is_in_force_at_once() {
    let lab = Lab::up();
    let client = Client::begins(&lab);
    let dry = expect(&lab, 0, &["run", book(&lab, HASTY).to_str().unwrap(), "--dry-run"]);
    assert!(dry.contains("pool orders/orders: serves → paused") && !lab.is_paused(), "{dry}");
    let began = Instant::now();
    let output = expect(&lab, 0, &["run", book(&lab, HASTY).to_str().unwrap(), "-y"]);
    assert!(began.elapsed() < Duration::from_secs(5), "it waited: {output}");
    assert!(output.contains("1 server connections were not waited for"), "{output}");
    assert!(lab.is_paused() && client.commits());
    // Somebody else's pause is left as it is by the undo of ours, and told.
    let again = format!("{PAUSE}{FAULT}");
    let output = expect(&lab, 10, &["run", book(&lab, &again).to_str().unwrap(), "-y"]);
    assert!(output.contains("paused before, and stays so") && lab.is_paused(), "{output}");
    let look = expect(&lab, 0, &["run", book(&lab, STATUS).to_str().unwrap()]);
    assert!(look.contains("paused: orders") && look.contains("orders at 127.0.0.1:"), "{look}");
    // An undone resume is a pause again; a resume that stands lets them go on, and a second one is no failure.
    let undone = format!("{RESUME}{FAULT}");
    expect(&lab, 10, &["run", book(&lab, &undone).to_str().unwrap(), "-y"]);
    assert!(lab.is_paused());
    for told in ["orders is resumed", "orders was not paused"] {
        let output = expect(&lab, 0, &["run", book(&lab, RESUME).to_str().unwrap(), "-y"]);
        assert!(output.contains(told) && !lab.is_paused(), "{output}");
    }
    assert_eq!(lab.psql("pooler", "select 1"), "1");
}

#[test]
fn a_runner_killed_while_it_waits_for_a_pause_is_resumed() {
    let lab = Lab::up();
    let client = Client::begins(&lab);
    let steps = format!("{}{RESUME}", PAUSE.replace("1s", "30s"));
    let path = book(&lab, &steps);
    let mut runner = playbook(&lab).args(["run", path.to_str().unwrap(), "-y"]).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the pool is paused", || lab.is_paused());
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert!(lab.is_paused(), "the PAUSE is in force without whoever gave it");
    let mut resumed = playbook(&lab).args(["resume", "latest"]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("somebody waits for a PAUSE again", || {
        assert!(resumed.try_wait().unwrap().is_none(), "it does not wait for the transaction");
        lab.console("show clients").lines().filter(|line| line.contains("|pgbouncer|")).count() > 1
    });
    assert!(client.commits());
    let output = resumed.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!lab.is_paused());
}

#[test]
fn nothing_is_told_to_a_pool_that_leads_elsewhere_or_lets_nobody_in() {
    let lab = Lab::up();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let with = |from: &str, to: &str| {
        let changed = inventory.replace(from, to);
        assert_ne!(changed, inventory, "{from}");
        std::fs::write(lab.inventory(), changed).unwrap();
    };
    let path = book(&lab, HASTY);
    let leads = format!("leads_to: \"127.0.0.1:{}\"", lab.port("proxy"));
    for (from, to, code, told) in [
        (leads.as_str(), "leads_to: \"127.0.0.1:1\"", 1, "no override lifts this"),
        ("databases: [orders]", "databases: [order]", 1, "has no database `order`"),
        ("user: playbook", "user: watcher", 1, "admin access needed"),
        ("user: playbook", "user: nobody", 1, "admin_users"),
        ("databases: [orders]", "databases: ['o\";PAUSE;\"']", 65, "cannot be paused by name"),
    ] {
        with(from, to);
        let output = expect(&lab, code, &["run", path.to_str().unwrap(), "-y"]);
        std::fs::write(lab.inventory(), &inventory).unwrap();
        assert!(output.contains(told), "{to}: {output}");
        assert!(!lab.is_paused(), "{to}");
    }
    // The console is found at its Unix socket as well.
    with("address: 127.0.0.1\n    port: ", &format!("address: \"{}/pgbouncer\"\n    port: ", lab.dir.display()));
    // Only the pooler has its address in these two lines; the members' stand deeper.
    expect(&lab, 0, &["run", book(&lab, STATUS).to_str().unwrap()]);
}

#[test]
fn a_pool_that_was_led_elsewhere_since_the_plan_is_not_touched() {
    let lab = Lab::up();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let changed = inventory.lines().filter(|line| !line.contains("leads_to:")).collect::<Vec<_>>().join("\n");
    std::fs::write(lab.inventory(), changed).unwrap();
    let (plan, path) = (lab.dir.join("plan.json"), book(&lab, HASTY));
    let plan = plan.to_str().unwrap();
    expect(&lab, 0, &["plan", path.to_str().unwrap(), "-o", plan]);
    let file = lab.dir.join("pgbouncer/pgbouncer.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    let there = |part: &str| format!("port={} ", lab.port(part));
    std::fs::write(&file, text.replace(&there("proxy"), &there("pg2"))).unwrap();
    lab.console("reload");
    let output = run(&lab, &["run", "--plan", plan, "-y"]);
    assert!(!output.status.success() && !lab.is_paused(), "{}", said(&output));
    assert!(said(&output).contains(&format!("127.0.0.1:{}", lab.port("pg2"))), "{}", said(&output));
    std::fs::write(&file, text).unwrap();
    lab.console("reload");
    expect(&lab, 0, &["run", "--plan", plan, "-y"]);
    assert!(lab.is_paused());
}

#[test]
fn a_console_with_a_password_wants_the_right_one() {
    let lab = Lab::up();
    let folder = lab.dir.join("pgbouncer");
    std::fs::write(folder.join("users.txt"), "\"postgres\" \"x\"\n\"playbook\" \"right-one\"\n").unwrap();
    let file = folder.join("pgbouncer.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("auth_type = trust", "auth_type = scram-sha-256")).unwrap();
    lab.console("reload");
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let with = "    user: playbook\n    password: file:console-password\n";
    std::fs::write(lab.inventory(), inventory.replace("    user: playbook\n", with)).unwrap();
    for (password, code) in [("wrong-one", 1), ("right-one", 0)] {
        std::fs::write(lab.dir.join("console-password"), password).unwrap();
        let output = expect(&lab, code, &["run", book(&lab, STATUS).to_str().unwrap()]);
        assert!(!output.contains(password), "{output}");
        assert_eq!(code == 1, output.contains("does not let `playbook` in"), "{output}");
    }
}

#[test]
fn a_reload_says_what_it_changed() {
    let lab = Lab::up();
    let file = lab.dir.join("pgbouncer/pgbouncer.ini");
    let text = std::fs::read_to_string(&file).unwrap();
    let reload =
        "  - { id: reload, uses: pgbouncer.reload, with: { pooler: orders }, rollback: none, because: a test }\n";
    let path = book(&lab, reload);
    let arguments = ["run", path.to_str().unwrap(), "-y"];
    let output = expect(&lab, 0, &arguments);
    assert!(output.contains("nothing is different"), "{output}");
    std::fs::write(&file, text.replace("default_pool_size = 20", "default_pool_size = 7")).unwrap();
    let dry = expect(&lab, 0, &["run", path.to_str().unwrap(), "--dry-run"]);
    assert!(dry.contains("prediction unknown"), "what a file says is not foretold: {dry}");
    expect(&lab, 0, &arguments);
    let reloaded = status(&lab);
    let changed = reloaded["steps"][0]["outputs"]["changed"].to_string();
    assert!(
        changed.contains("default_pool_size: 20 -> 7") && changed.contains("orders.pool_size: 20 -> 7"),
        "{reloaded}"
    );
    // A file that sends the clients elsewhere is told, and is no success where the inventory says where they have to go.
    let elsewhere = text.replace(&format!("port={}", lab.port("proxy")), &format!("port={}", lab.port("pg2")));
    assert_ne!(elsewhere, text);
    std::fs::write(&file, elsewhere).unwrap();
    let output = run(&lab, &arguments);
    assert!(said(&output).contains("leads to 127.0.0.1"), "{}", said(&output));
    assert_ne!(output.status.code(), Some(0));
}
