//! Whether the dry-run tells the truth: it changes nothing, and what it predicts is what the run then does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{expect, lab_with_a_row, proxy_servers, run, said};
use crate::lab::{Lab, processes_naming};

/// Catalog, rows, roles, slots and settings of both members; the proxy; files with their times.
fn everything(lab: &Lab) -> String {
    let mut all = String::new();
    for member in ["pg1", "pg2"] {
        for sql in [
            "select oid, relname, relkind, relfilenode, relowner, relacl from pg_class order by oid",
            "select oid, nspname, nspowner from pg_namespace order by oid",
            "select oid, proname, proowner from pg_proc where oid >= 16384 order by oid",
            "select rolname, rolsuper, rolreplication, rolcanlogin from pg_roles order by 1",
            "select datname, datdba from pg_database order by 1",
            "select * from orders order by id",
            "select name, setting from pg_settings where source not in ('default', 'client', 'override', 'session') order by 1",
            "select slot_name, active from pg_replication_slots order by 1",
            "select pg_is_in_recovery(), (select timeline_id from pg_control_checkpoint()), pg_postmaster_start_time()",
        ] {
            all.push_str(&format!("{member}: {sql}\n{}\n", lab.psql(member, sql)));
        }
    }
    all.push_str(&proxy_servers(lab));
    files(&lab.dir, &mut all);
    all
}

/// Names, sizes and times of what lies in the lab. The servers write their own data folders and logs all the time, and
/// this test writes the configuration.
fn files(folder: &Path, all: &mut String) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "data" || name == "config.yaml" || name.ends_with(".log") {
            continue;
        }
        let data = entry.path().symlink_metadata().unwrap();
        let time = data.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
        all.push_str(&format!("{} {} {}\n", entry.path().display(), data.len(), time.as_nanos()));
        if data.is_dir() {
            files(&entry.path(), all);
        }
    }
}

/// The lab's processes without the servers' own children, which come and go with connections.
fn processes(lab: &Lab) -> Vec<String> {
    let mut list = processes_naming(&lab.dir);
    list.retain(|line| !line.contains(" postgres: ") && !line.contains("sshd: "));
    list.sort();
    list
}

#[test]
fn a_dry_run_changes_nothing_at_all() {
    let lab = lab_with_a_row();
    // The first connections fill caches and log files that are none of the dry-run's doing.
    everything(&lab);
    let (before, ran) = (everything(&lab), processes(&lab));
    for words in [
        &["run", "db-failover", "-C"][..],
        &["run", "db-failover", "-C", "-i", "mode=unplanned", "-i", "accept_data_loss=true"],
        &["show", "db-failover", "--by-hand"],
    ] {
        let output = run(&lab, words);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", said(&output));
        let after = everything(&lab);
        let other = |one: &str, two: &str| {
            one.lines().filter(|line| !two.lines().any(|other| other == *line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(before == after, "{words:?} changed\n{:#?}\nto\n{:#?}", other(&before, &after), other(&after, &before));
        let deadline = Instant::now() + Duration::from_secs(10);
        while processes(&lab) != ran {
            assert!(Instant::now() < deadline, "{words:?} left\n{:#?}\nthere were\n{ran:#?}", processes(&lab));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(!lab.dir.join("state").exists(), "a dry-run made a state");
}

/// What a change's target is now, in the words of the predictions.
fn look(lab: &Lab, what: &str) -> String {
    if let Some(server) = what.strip_prefix("server orders/") {
        let servers = proxy_servers(lab);
        let line = servers.lines().find(|line| line.contains(&format!(" {server} "))).unwrap();
        // Bits: 1 is maintenance, 8 is drain; 4 only says that the file begins with maintenance.
        return match line.rsplit(' ').next().unwrap().parse::<u32>().unwrap() & 0b1001 {
            0 => "ready",
            8 => "drain",
            _ => "maint",
        }
        .to_owned();
    }
    if let Some(member) = what.strip_prefix("the role of ") {
        let standby = lab.psql(member, "select pg_is_in_recovery()") == "t";
        let timeline = lab.psql(member, "select timeline_id > 1 from pg_control_checkpoint()") == "t";
        return match (standby, timeline) {
            (true, _) => "standby of the new primary".to_owned(),
            (false, true) => "primary, on a new timeline".to_owned(),
            (false, false) => "primary".to_owned(),
        };
    }
    if what == "a row in playbook.canary" {
        let rows = lab.psql("proxy", "select count(*) > 0 from playbook.canary");
        return if rows == "t" { "written through the endpoint and read back".to_owned() } else { rows };
    }
    panic!("this test cannot look at `{what}`: teach it")
}

/// The outcome of every step that was done, by step.
fn outcomes(lab: &Lab) -> BTreeMap<String, Value> {
    let output = run(lab, &["timeline", "--output", "json"]);
    let timeline: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}"));
    let records = timeline["records"].as_array().unwrap().iter().filter(|record| record["kind"] == "outcome");
    records.map(|record| (record["step"].as_str().unwrap().to_owned(), record["detail"].clone())).collect()
}

#[test]
fn what_the_dry_run_predicts_is_what_the_run_does() {
    let lab = lab_with_a_row();
    let file = lab.dir.join("plan.json");
    expect(&lab, 0, &["plan", "db-failover", "-o", file.to_str().unwrap()]);
    let plan: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    expect(&lab, 0, &["run", "--plan", file.to_str().unwrap(), "-y"]);
    let outcomes = outcomes(&lab);
    let specs = playbook::actions::Table::builtin();
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let changes = |step: &Value| step["prediction"]["changes"].as_array().unwrap().clone();

    // How many predictions came true and how many there were, by fidelity.
    let mut score: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (at, step) in steps.iter().enumerate().filter(|(_, step)| step["runs"]["is"] == "yes") {
        let (id, fidelity) = (step["id"].as_str().unwrap(), step["fidelity"].as_str().unwrap());
        let outcome = &outcomes[id];
        let mut count = |true_now: bool, text: String| {
            let score = score.entry(fidelity.to_owned()).or_default();
            score.0 += u32::from(true_now);
            score.1 += 1;
            if !true_now {
                wrong.push(format!("{fidelity} {id}: {text}"));
            }
        };
        let action = plan["plan"]["playbook"]["steps"][at]["action"].as_str().unwrap();
        let spec = specs.get(action).unwrap().spec();
        for (name, predicted) in step["prediction"]["outputs"].as_object().unwrap() {
            let stable = spec.output(name).is_some_and(|field| field.stable);
            // A part that is not known yet is no prediction.
            if !stable || playbook::value::contains_unknown(predicted) {
                continue;
            }
            let came = &outcome["outputs"][name];
            count(predicted == came, format!("output {name}: predicted {predicted}, came {came}"));
        }
        for change in changes(step) {
            let what = change["what"].as_str().unwrap();
            let predicted = change["after"].as_str().unwrap_or_default();
            let later = steps.iter().skip(at + 1).any(|step| {
                let about = |other: &Value| what.ends_with(other["what"].as_str().unwrap().rsplit(' ').next().unwrap());
                changes(step).iter().any(about)
            });
            // What a later step changes again can only be seen in what the step itself read back when it was done.
            // A pool that is paused is resumed later, for which the plan sees nothing to do yet.
            let later = later || what.starts_with("pool ");
            let seen = match (later, outcome["outputs"]["state"].as_str(), outcome["outputs"]["method"].as_str()) {
                (false, ..) => look(&lab, what),
                (true, Some(state), _) => state.to_owned(),
                (true, None, Some("shutdown")) => "shut down cleanly".to_owned(),
                (true, None, other) => format!("{other:?}"),
            };
            count(seen == predicted, format!("{what}: predicted {predicted}, is {seen}"));
        }
    }
    for (fidelity, (came, all)) in &score {
        println!("predictions of db-failover, {fidelity}: {came} of {all} came true ({} %)", 100 * came / all);
    }
    wrong.iter().for_each(|line| println!("  not so: {line}"));
    assert!(score.contains_key("probed"), "{score:?}");
    for good in ["proved", "probed"] {
        let (came, all) = score.get(good).copied().unwrap_or_default();
        assert_eq!(came, all, "a {good} prediction did not come true: {wrong:#?}");
    }
}

/// Tells HAProxy something, as a colleague might meanwhile.
fn tell_proxy(lab: &Lab, line: &str) {
    use std::io::{Read as _, Write as _};
    let mut socket = std::os::unix::net::UnixStream::connect(lab.dir.join("haproxy.sock")).unwrap();
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.trim(), "", "{line}");
}

#[test]
fn a_proxy_that_somebody_changed_since_the_plan_is_drift() {
    let lab = lab_with_a_row();
    let file = lab.dir.join("plan.json");
    let file = file.to_str().unwrap();
    expect(&lab, 0, &["plan", "db-failover", "-o", file]);
    // More rows move positions, and that is no drift.
    lab.psql("proxy", "insert into orders select generate_series(10, 5000)");
    lab.wait_for("pg2", "select count(*) from orders", "4992");
    expect(&lab, 0, &["run", "--plan", file, "--dry-run"]);
    let before = super::world(&lab);
    tell_proxy(&lab, "set server orders/pg1 state drain");
    let said = expect(&lab, 14, &["run", "--plan", file, "-y"]);
    for word in ["fact state", "was  ready", "is   drain", "hold", "Nothing was started"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    tell_proxy(&lab, "set server orders/pg1 state ready");
    assert_eq!(super::world(&lab), before);
}
