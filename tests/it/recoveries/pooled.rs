//! `db-failover` of a cluster behind PgBouncer: what pooled clients see of it, that no pool is left paused, and that the
//! switch goes on where there is no pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::failing_at;
use crate::failover::{expect, lab_with_a_row, playbook, run, said, status, world};
use crate::lab::Lab;

/// Clients that write row after row on connections that they keep.
struct Clients {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Seen>,
}

/// What they saw.
#[derive(Default)]
struct Seen {
    rows: Vec<i32>,
    members: Vec<String>,
    errors: Vec<String>,
    longest: Duration,
}

impl Clients {
    fn start(lab: &Lab, part: &str, from: i32) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let (flag, port, next) = (Arc::clone(&stop), lab.port(part), Arc::new(AtomicI32::new(from)));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let clients: Vec<_> =
                    (0..5).map(|_| tokio::spawn(write(port, Arc::clone(&flag), Arc::clone(&next)))).collect();
                let mut all = Seen::default();
                for client in clients {
                    let seen = client.await.unwrap();
                    all.rows.extend(seen.rows);
                    all.errors.extend(seen.errors);
                    all.members.extend(seen.members);
                    all.longest = all.longest.max(seen.longest);
                }
                all
            })
        });
        Clients { stop, thread }
    }

    fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn write(port: u16, stop: Arc<AtomicBool>, next: Arc<AtomicI32>) -> Seen {
    let mut seen = Seen::default();
    let address = format!("host=127.0.0.1 port={port} user=postgres dbname=orders");
    while !stop.load(Ordering::Relaxed) {
        let (client, connection) = match tokio_postgres::connect(&address, NoTls).await {
            Ok(connected) => connected,
            Err(error) => {
                seen.errors.push(error.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        tokio::spawn(connection);
        while !stop.load(Ordering::Relaxed) {
            let (row, began) = (next.fetch_add(1, Ordering::Relaxed), Instant::now());
            let line = format!("insert into orders values ({row}) returning current_setting('cluster_name')");
            let answer = client.simple_query(&line).await;
            seen.longest = seen.longest.max(began.elapsed());
            match answer {
                Ok(messages) => {
                    seen.rows.push(row);
                    let member = messages.iter().find_map(|message| match message {
                        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                        _ => None,
                    });
                    let member = member.unwrap();
                    if !seen.members.contains(&member) {
                        seen.members.push(member);
                    }
                }
                Err(error) => {
                    seen.errors.push(error.to_string());
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    seen
}

fn rows(lab: &Lab, from: i32, to: i32) -> Vec<i32> {
    let there = lab.psql("proxy", &format!("select id from orders where id >= {from} and id < {to}"));
    there.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn pooled_clients_see_a_planned_switch_as_a_wait_and_no_error() {
    let lab = lab_with_a_row();
    let (pooled, direct) = (Clients::start(&lab, "pooler", 1_000), Clients::start(&lab, "proxy", 1_000_000));
    lab.wait_for("pg1", "select count(*) > 50 from orders where id < 1000000", "t");
    lab.wait_for("pg1", "select count(*) > 50 from orders where id >= 1000000", "t");
    let output = expect(&lab, 0, &["run", "db-failover", "-y"]);
    let more =
        lab.psql("pg2", "select count(*) from orders where id between 1000 and 999999").parse::<i32>().unwrap() + 50;
    lab.wait_for("pg2", &format!("select count(*) > {more} from orders where id between 1000 and 999999"), "t");
    let (pooled, direct) = (pooled.end(), direct.end());
    println!(
        "planned switch through PgBouncer: {} writes, {} errors, longest wait {:.2} s; beside the pool {} writes, {} errors",
        pooled.rows.len(),
        pooled.errors.len(),
        pooled.longest.as_secs_f64(),
        direct.rows.len(),
        direct.errors.len()
    );
    assert_eq!(pooled.errors, Vec::<String>::new(), "{output}");
    assert!(
        ["pg1", "pg2"].iter().all(|member| pooled.members.iter().any(|name| name == member)),
        "{:?}",
        pooled.members
    );
    assert!(pooled.longest < Duration::from_secs(20), "{:?}", pooled.longest);
    let there = rows(&lab, 1_000, 1_000_000);
    assert!(pooled.rows.iter().all(|row| there.contains(row)), "an acknowledged row is gone");
    // Who keeps a connection to the proxy itself loses it: so errors are seen here where there are any.
    assert!(!direct.errors.is_empty(), "the clients beside the pool saw nothing of the switch");
    assert!(!lab.is_paused());
    assert_eq!(status(&lab)["service"]["is"], "up");
}

#[test]
fn a_switch_that_fails_lets_the_pools_clients_go_on() {
    let lab = lab_with_a_row();
    let before = world(&lab);
    let clients = Clients::start(&lab, "pooler", 1_000);
    for step in ["pause_pool", "hold", "fence"] {
        let path = failing_at(&lab.dir, "db-failover", step);
        let output = run(&lab, &["run", path.to_str().unwrap(), "-y"]);
        assert_eq!(output.status.code(), Some(10), "{step}: {}", said(&output));
        lab.wait_for("pg2", "select count(*) from pg_stat_wal_receiver where status = 'streaming'", "1");
        assert_eq!(world(&lab), before, "{step}: {}", said(&output));
    }
    let seen = clients.end();
    assert_eq!(seen.errors, Vec::<String>::new());
    println!(
        "three switches that failed, through PgBouncer: no error, longest wait {:.2} s",
        seen.longest.as_secs_f64()
    );
}

#[test]
fn a_runner_killed_with_the_pool_paused_is_resumed_and_lets_them_go_on() {
    let lab = lab_with_a_row();
    let clients = Clients::start(&lab, "pooler", 1_000);
    let mut runner = playbook(&lab)
        .args(["run", "db-failover", "-y"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !lab.is_paused() {
        assert!(Instant::now() < deadline, "the pool was never paused");
    }
    runner.kill().unwrap();
    runner.wait().unwrap();
    let output = expect(&lab, 0, &["resume", "latest"]);
    assert!(!lab.is_paused(), "{output}");
    assert_eq!(lab.psql("pooler", "select current_setting('cluster_name')"), "pg2");
    assert_eq!(clients.end().errors, Vec::<String>::new(), "{output}");
}

#[test]
fn an_unplanned_switch_waits_for_nothing_at_the_lost_primary() {
    let lab = lab_with_a_row();
    // A transaction under way, which dies with its server; its client must not be what the switch waits for.
    let client = super::pgbouncer::Client::begins(&lab);
    let pid = nix::unistd::Pid::from_raw(lab.postmaster("pg1") as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let lost = ["-i", "mode=unplanned", "-i", "accept_data_loss=true"];
    let began = Instant::now();
    let output = expect(&lab, 0, &[&["run", "db-failover", "-y"][..], &lost].concat());
    let took = began.elapsed();
    assert!(!lab.is_paused(), "{output}");
    assert_eq!(lab.psql("pooler", "insert into orders values (2) returning current_setting('cluster_name')"), "pg2");
    assert!(!client.commits(), "a transaction of the lost primary cannot have been committed");
    println!("unplanned switch through PgBouncer: {:.1} s", took.as_secs_f64());
    let steps = status(&lab)["steps"].clone();
    let of = |id: &str| steps.as_array().unwrap().iter().find(|step| step["id"] == id).unwrap()["state"].clone();
    assert_eq!((of("pause_pool"), of("hold_pool")), ("skipped".into(), "done".into()), "{steps}");
}

#[test]
fn a_lost_pooler_does_not_stop_an_unplanned_switch_before_the_promotion() {
    let lab = lab_with_a_row();
    let pooler: i32 = std::fs::read_to_string(lab.dir.join("pgbouncer/pgbouncer.pid")).unwrap().trim().parse().unwrap();
    for pid in [pooler, lab.postmaster("pg1") as i32] {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let arguments = ["run", "db-failover", "-y", "--no-wait", "-i", "mode=unplanned", "-i", "accept_data_loss=true"];
    let output = run(&lab, &arguments);
    // The database serves again; that its clients' way is still broken is for a person to see.
    assert_eq!(output.status.code(), Some(12), "{}", said(&output));
    assert!(said(&output).contains("resume_pool"), "{}", said(&output));
    assert_eq!(lab.psql("proxy", "select current_setting('cluster_name'), pg_is_in_recovery()"), "pg2|f");
    assert_ne!(status(&lab)["service"]["is"], "up");
}

#[test]
fn a_cluster_without_a_pooler_is_switched_without_one() {
    let lab = lab_with_a_row();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let endpoint = format!("endpoint: \"127.0.0.1:{}\"", lab.port("pooler"));
    let changed = inventory
        .replace("    pooler: orders\n", "")
        .replace(&endpoint, &format!("endpoint: \"127.0.0.1:{}\"", lab.port("proxy")));
    assert_eq!(changed.len(), inventory.len() - "    pooler: orders\n".len());
    std::fs::write(lab.inventory(), changed).unwrap();
    let output = expect(&lab, 0, &["run", "db-failover", "-y"]);
    assert!(output.contains("pooler != null` does not hold"), "{output}");
    assert_eq!(status(&lab)["service"]["is"], "up");
    assert_eq!(lab.psql("proxy", "select current_setting('cluster_name')"), "pg2");
}
