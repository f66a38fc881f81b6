//! The reply is lost after the effect: the outcome is unknown, never failed; then it is settled by the key, the probe, the
//! recorder, the transaction's id or the roles, and the effect is there once.

use serde_json::Value;

use super::proxy::{Lose, Proxy};
use super::target::Target;
use crate::failover::{expect, lab_with_a_row, playbook};
use crate::lab::Lab;
use crate::processes::Place;

const POST: Lose = Lose { text: "POST", later: 0 };

/// The records of a step, as `kind` and what they say of it.
fn of_step(timeline: &Value, step: &str) -> Vec<(String, String)> {
    let records = timeline["records"].as_array().unwrap().iter().filter(|record| record["step"] == step);
    let word = |record: &Value| {
        let detail = &record["detail"];
        let word = detail["outcome"].as_str().or_else(|| detail["found"]["is"].as_str());
        (record["kind"].as_str().unwrap().to_owned(), word.unwrap_or_default().to_owned())
    };
    records.map(word).collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(kind, word)| ((*kind).to_owned(), (*word).to_owned())).collect()
}

/// A request whose reply is lost; gives back the place, what the target counted, and the records of the step.
fn request(effect: &str, code: i32) -> (Place, Vec<String>, Vec<(String, String)>) {
    let target = Target::start();
    let proxy = Proxy::start(target.address.port(), Some(POST));
    let place = Place::new();
    let step = format!(
        "  - id: send\n    uses: http\n    with: {{ url: \"http://{}/x\", method: POST }}\n    rollback: none\n    because: a test\n    {}\n",
        proxy.address,
        effect.replace("TARGET", &target.address.to_string())
    );
    let book = place.book("request", &step);
    place.expect(code, &["run", &book, "-y", "--no-wait"]);
    assert_eq!(proxy.lost(), 1, "no reply was lost");
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    (place, target.requests("x"), of_step(&timeline, "send"))
}

#[test]
fn a_request_whose_reply_is_lost_is_asked_about() {
    let (place, requests, records) = request("effect: once", 12);
    assert_eq!(requests.len(), 1);
    assert_eq!(
        records,
        pairs(&[("intent", ""), ("outcome", "unknown"), ("settled", "cannot_tell"), ("wait_started", "")])
    );
    assert_eq!(place.status()["question"]["kind"], "unknown_outcome");
    place.expect(3, &["resolve", "latest", "send", "--took-effect", "--reason", "its log has it"]);
}

#[test]
fn a_request_with_a_key_is_sent_again_with_the_same_key() {
    let (_place, requests, records) = request("effect: keyed\n    retry: { attempts: 2, delay: 10ms }", 0);
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1], "another key is another request: the target would do it twice");
    let expected =
        [("intent", ""), ("outcome", "unknown"), ("settled", "run_again"), ("intent", ""), ("outcome", "done")];
    assert_eq!(records, pairs(&expected));
}

#[test]
fn a_request_with_a_probe_is_looked_at_and_not_sent_again() {
    let probe = "probe: { uses: http, with: { url: \"http://TARGET/x\" }, took_effect: \"outputs.body == '1'\", did_not: \"outputs.body == '0'\" }";
    let (_place, requests, records) = request(probe, 0);
    assert_eq!(requests.len(), 1);
    assert_eq!(records, pairs(&[("intent", ""), ("outcome", "unknown"), ("settled", "took_effect")]));
}

/// The control: a request that is called idempotent and is not, so that nobody looks, has its effect twice.
#[test]
fn without_a_look_the_effect_is_there_twice() {
    let (_place, requests, _) = request("effect: idempotent\n    retry: { attempts: 2, delay: 10ms }", 0);
    assert_eq!(requests.len(), 2);
}

#[cfg(feature = "ssh")]
#[test]
fn a_remote_command_whose_connection_is_cut_is_found_by_its_recorder() {
    let sshd = crate::command::sshd::Sshd::start();
    let proxy = Proxy::start(sshd.port, None);
    let place = Place::new();
    super::with_host(&place, &sshd, proxy.address.port());
    let steps =
        "  - { id: send, host: db1, run: \"echo ran >> WORLD/log; GATE(sent)\", rollback: none, because: a test }\n";
    let book = place.book("cut", steps);
    let mut runner = place.start(&["run", &book, "-y", "--output", "jsonl"]);
    place.wait_at("sent");
    proxy.cut();
    runner.wait_for("\"outcome\":\"unknown\"");
    place.open("sent");
    runner.expect(0);
    assert_eq!(place.log(), ["ran"]);
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    assert_eq!(of_step(&timeline, "send"), pairs(&[("intent", ""), ("outcome", "unknown"), ("settled", "ended")]));
}

/// A playbook of one step in a lab, whose way to a member goes through a proxy.
fn in_lab(lab: &Lab, member: &str, proxy: &Proxy, step: &str) -> Value {
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let (direct, through) = (format!("port: {}", lab.port(member)), format!("port: {}", proxy.address.port()));
    assert!(inventory.contains(&direct), "{inventory}");
    let file = lab.dir.join("through-the-proxy.yaml");
    std::fs::write(&file, inventory.replace(&direct, &through)).unwrap();
    let book = lab.dir.join("one.yaml");
    let head = "name: one\nversion: 1.0.0\ntitle: A test\nlocks: [database/orders]\nsteps:\n";
    std::fs::write(&book, format!("{head}  - {{ id: send, {step}, rollback: none, because: a test }}\n")).unwrap();
    let output = playbook(lab)
        .args(["run", book.to_str().unwrap(), "-y", "--inventory", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", crate::failover::said(&output));
    assert_eq!(proxy.lost(), 1, "no reply was lost\n{}", crate::failover::said(&output));
    let output = playbook(lab).args(["timeline", "latest", "--output", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_commit_whose_reply_is_lost_is_found_by_its_transaction() {
    let lab = lab_with_a_row();
    let proxy = Proxy::start(lab.port("pg1"), Some(Lose { text: "commit", later: 0 }));
    let step = "uses: postgres.execute, with: { cluster: orders, sql: \"insert into orders values (77)\" }";
    let timeline = in_lab(&lab, "pg1", &proxy, step);
    assert_eq!(
        of_step(&timeline, "send"),
        pairs(&[("intent", ""), ("outcome", "unknown"), ("settled", "took_effect")])
    );
    // The primary key would refuse a second one; that none was tried shows in the single intent.
    assert_eq!(lab.psql("pg1", "select count(*) from orders where id = 77"), "1");
    expect(&lab, 0, &["verify", "latest"]);
}

#[test]
fn a_promotion_whose_reply_is_lost_is_found_by_the_roles() {
    let lab = lab_with_a_row();
    let timeline_of = |member: &str| lab.psql(member, "select timeline_id from pg_control_checkpoint()");
    assert_eq!(timeline_of("pg2"), "1");
    let old = nix::unistd::Pid::from_raw(lab.postmaster("pg1").try_into().unwrap());
    nix::sys::signal::kill(old, nix::sys::signal::Signal::SIGINT).unwrap();
    crate::processes::until("the end of the old primary", || (!crate::processes::runs(old.as_raw())).then_some(()));
    // The statement is prepared first; the reply to its execution is the one that counts.
    let proxy = Proxy::start(lab.port("pg2"), Some(Lose { text: "pg_promote", later: 1 }));
    let timeline = in_lab(&lab, "pg2", &proxy, "uses: postgres.promote, with: { cluster: orders, member: pg2 }");
    assert_eq!(
        of_step(&timeline, "send"),
        pairs(&[("intent", ""), ("outcome", "unknown"), ("settled", "took_effect")])
    );
    lab.psql("pg2", "checkpoint");
    assert_eq!(timeline_of("pg2"), "2", "promoted once");
}
