//! `restore-verify` against a real PostgreSQL pair: a good backup goes into service, a damaged one never does, and whatever
//! fails half-way leaves the world as it was.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::failing_at;
use crate::failover::{expect, playbook, proxy_servers, run, said, status};
use crate::lab::Lab;

/// A lab with tables that are hard to read, and a backup of them. Gives back the checksum of its manifest.
fn lab() -> (Lab, String) {
    let lab = Lab::up();
    lab.psql(
        "proxy",
        "create table orders (id int primary key, v text, at timestamptz default '2026-01-01 00:00 UTC', f float8 default 0.1);
         insert into orders (id, v) select n, 'row ' || n from generate_series(1, 3000) n;
         create table pair (a int, b text, primary key (a, b)); insert into pair values (1, 'x'), (2, E'y\\n\"z');
         create table bare (x float8, b bytea); insert into bare values (0.1, '\\x00ff'), ('NaN', null), ('NaN', null);
         create table \"odd \"\"t; $$ %s\" (\"K ey\" text primary key, playbook_row int, v int default 0);
         insert into \"odd \"\"t; $$ %s\" values ('it''s', 1), (E'a\\nb', 2), ('', 3);
         alter database orders set work_mem = '5MB'; alter database orders set search_path = \"$user\", public;
         grant connect on database orders to pg_monitor with grant option",
    );
    let sum = backup(&lab, &[]);
    (lab, sum)
}

fn backup(lab: &Lab, environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/lab/backup"));
    for key in ["LAB_DIR", "LAB_PG1_PORT", "LAB_PG_BIN"] {
        command.env(key, lab.env(key));
    }
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Everything that a failed restore must not change.
fn world(lab: &Lab) -> String {
    let databases = "select d.oid, datname, shobj_description(d.oid, 'pg_database'), datacl, setconfig from pg_database d \
                     left join pg_db_role_setting on setdatabase = d.oid order by 2";
    let rows = "select count(*), sum(hashtext(o::text)) from orders o";
    format!("{}\n{}\n{}", lab.psql("pg1", databases), lab.psql("pg1", rows), proxy_servers(lab))
}

fn databases(lab: &Lab, like: &str) -> Vec<String> {
    let found = lab.psql("pg1", &format!("select datname from pg_database where datname like '{like}' order by 1"));
    found.lines().map(str::to_owned).collect()
}

/// The dump again, of other rows than were recorded, with sums that fit: what somebody with access to the files can do.
fn forge(lab: &Lab, change: &str) {
    let port = lab.env("LAB_PG1_PORT");
    let script = "set -e; createdb -T template0 forged; pg_restore -d forged \"$B/dump\"; psql -qd forged -c \"$CHANGE\"; \
                  pg_dump -Fc -f \"$B/dump\" forged; dropdb forged; cd \"$B\"; sha256sum dump tables.jsonl > SHA256SUMS";
    let path = format!("{}:/usr/bin:/bin", lab.env("LAB_PG_BIN"));
    let output = Command::new("sh")
        .args(["-c", script])
        .env("B", lab.dir.join("backup"))
        .env("CHANGE", change)
        .env("PATH", path)
        .envs([("PGHOST", "127.0.0.1"), ("PGUSER", "postgres"), ("PGPORT", port)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_good_backup_goes_into_service_and_nothing_is_dropped() {
    let (lab, sum) = lab();
    let before = world(&lab);
    let dry = expect(&lab, 0, &["run", "restore-verify", "--dry-run"]);
    for word in ["nothing was changed", "orders_kept_RUN", "orders_restore_RUN", "4 tables, 3008 rows"] {
        assert!(dry.contains(word), "{word}: {dry}");
    }
    assert_eq!(world(&lab), before, "a dry-run changed something");

    lab.psql("proxy", "insert into orders values (9001, 'late'); delete from orders where id = 1");
    let before = world(&lab);
    let asked = expect(&lab, 10, &["run", "restore-verify", "-y"]);
    for word in ["would lose data", "public.orders 9001 lost", "public.orders 1 back", "-i accept_data_loss=true"] {
        assert!(asked.contains(word), "{word}: {asked}");
    }
    assert_eq!(world(&lab), before);
    let dry = expect(&lab, 0, &["run", "restore-verify", "--dry-run"]);
    assert!(dry.contains("is lost by a switch"), "{dry}");

    // Somebody who does not come through the proxy is sent away, and not waited for.
    let mut beside = Command::new("psql")
        .args(["-XqAt", "-h", "127.0.0.1", "-U", "postgres", "-d", "orders", "-p", lab.env("LAB_PG1_PORT")])
        .args(["-c", "select pg_sleep(600)"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    lab.wait_for(
        "pg1",
        "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and pid <> pg_backend_pid()",
        "1",
    );
    let pinned = format!("manifest_sha256={sum}");
    let accepted = ["run", "restore-verify", "-y", "-i", "accept_data_loss=true", "-i", &pinned];
    let output = expect(&lab, 0, &accepted);
    assert!(!beside.wait().unwrap().success());
    assert_eq!(lab.psql("proxy", "select count(*), max(id), min(id) from orders"), "3000|3000|1", "{output}");
    let kept = databases(&lab, "orders\\_%");
    assert!(kept.len() == 1 && kept[0].starts_with("orders_kept_"), "{kept:?}");
    assert!(output.contains(&kept[0]), "{output}");
    // What belongs to the database and stands in no dump came along.
    let belongs = |name: &str| {
        lab.psql(
            "pg1",
            &format!(
                "select (select array_agg(a::text order by a::text) from unnest(datacl) a), setconfig, datcollate, encoding from pg_database d \
            join pg_db_role_setting on setdatabase = d.oid where datname = '{name}'"
            ),
        )
    };
    assert_eq!(belongs("orders"), belongs(&kept[0]));
    let status = status(&lab);
    assert_eq!((&status["verdict"], &status["service"]["is"]), (&"succeeded".into(), &"up".into()), "{status}");
}

#[test]
fn what_clients_wrote_to_the_restored_database_is_dropped_by_nobody() {
    let (lab, _) = lab();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/restore-verify.yaml");
    let waits = std::fs::read_to_string(shipped)
        .unwrap()
        .replace("    uses: postgres.canary\n", "    uses: postgres.canary\n    verify: [{ expr: \"1 == 2\" }]\n");
    let path = lab.dir.join("restore-verify.yaml");
    std::fs::write(&path, waits).unwrap();
    lab.psql("proxy", "insert into orders values (9001, 'late')");
    let live = lab.psql("pg1", "select oid from pg_database where datname = 'orders'");
    let arguments = ["run", path.to_str().unwrap(), "-y", "-i", "accept_data_loss=true", "--no-wait"];
    expect(&lab, 12, &arguments);
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    lab.psql("proxy", "insert into orders values (7777, 'written to the restored one')");
    let back = run(&lab, &["rollback", &id, "--reason", "it was the wrong backup"]);
    assert!(back.status.success(), "{}", said(&back));
    assert_eq!(lab.psql("pg1", "select oid from pg_database where datname = 'orders'"), live);
    assert_eq!(lab.psql("proxy", "select max(id) from orders"), "9001");
    let left = databases(&lab, "orders\\_%");
    assert!(left.len() == 1 && left[0].starts_with("orders_restore_"), "{left:?}\n{}", said(&back));
    let timeline = expect(&lab, 0, &["timeline", &id]);
    // Lines are broken where the screen ends.
    let timeline = timeline.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["what clients wrote meanwhile is in orders_restore_", "is left, as it says of itself"] {
        assert!(timeline.contains(word), "{word}: {timeline}");
    }
}

#[test]
fn damaged_files_are_named_and_nothing_is_restored() {
    let (lab, sum) = lab();
    let before = world(&lab);
    let file = |name: &str| lab.dir.join("backup").join(name);
    let stops = |more: &[&str], words: &[&str]| {
        let output = expect(&lab, 1, &[&["run", "restore-verify", "-y"], more].concat());
        for word in words {
            assert!(output.contains(word), "{word}: {output}");
        }
        assert_eq!(world(&lab), before);
        let dry = expect(&lab, 1, &[&["run", "restore-verify", "--dry-run"], more].concat());
        assert!(dry.contains(words[0]), "{dry}");
    };
    let dump = std::fs::read(file("dump")).unwrap();
    let mut flipped = dump.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(file("dump"), &flipped).unwrap();
    stops(&[], &["1 file is damaged: dump", "nothing was changed"]);
    std::fs::write(file("dump"), &dump).unwrap();

    std::fs::remove_file(file("tables.jsonl")).unwrap();
    stops(&[], &["1 file is missing: tables.jsonl"]);
    backup(&lab, &[]);
    std::fs::remove_file(file("SHA256SUMS")).unwrap();
    stops(&[], &["there is no manifest SHA256SUMS"]);
    std::fs::write(file("SHA256SUMS"), "").unwrap();
    stops(&[], &["are not in the manifest: dump"]);
    let leads_out = format!("{}  ../../../etc/passwd\n", "0".repeat(64));
    std::fs::write(file("SHA256SUMS"), leads_out).unwrap();
    stops(&[], &["leads out of the folder"]);

    // Sums that fit what was forged, and the manifest's own checksum kept elsewhere.
    backup(&lab, &[]);
    forge(&lab, "update orders set v = 'forged' where id = 5");
    stops(&["-i", &format!("manifest_sha256={sum}")], &["itself is another one"]);
}

#[test]
fn damaged_rows_are_named_and_nothing_is_switched_in() {
    let (lab, _) = lab();
    let before = world(&lab);
    let sampled = |inside: bool| {
        let record = std::fs::read_to_string(lab.dir.join("backup/tables.jsonl")).unwrap();
        let line = record.lines().find(|line| line.contains("\"public.orders\"")).unwrap().to_owned();
        let table: serde_json::Value = serde_json::from_str(&line).unwrap();
        let sample = table["sample"].as_object().unwrap();
        assert_eq!(sample.len(), 1000);
        (1..=3000).find(|id| sample.contains_key(&id.to_string()) == inside).unwrap()
    };
    let (inside, outside) = (sampled(true), sampled(false));
    let cases = [
        (
            format!(
                "update orders set v = 'x' where id = {inside}; insert into pair values (9, 'new'); update bare set x = 0.2 where x = 0.1; \
                 update \"odd \"\"t; $$ %s\" set v = 1 where playbook_row = 1"
            ),
            vec![
                format!("public.orders: 3000 rows, as recorded, but not what was in them; row {inside} is another one"),
                "public.\"odd \"\"t; $$ %s\": 3 rows, as recorded, but not what was in them; row it's is another one"
                    .to_owned(),
                "public.pair: 3 rows, where 2 were recorded; row (9,new) was not there".to_owned(),
                "public.bare: 3 rows, as recorded, but not what was in them; which rows cannot be told".to_owned(),
            ],
        ),
        (
            format!("update orders set v = 'x' where id = {outside}"),
            vec![format!("row {outside} is not in the sample and differs from the live one")],
        ),
        (
            format!("delete from orders where id = {inside}; drop table bare; create table more (n int)"),
            vec![
                format!("2999 rows, where 3000 were recorded; row {inside} is missing"),
                "public.bare: the table is not there".to_owned(),
                "public.more: a table that was not recorded".to_owned(),
            ],
        ),
    ];
    for (change, words) in cases {
        backup(&lab, &[]);
        forge(&lab, &change);
        let output = expect(&lab, 10, &["run", "restore-verify", "-y", "-i", "accept_data_loss=true"]);
        for word in words {
            assert!(output.contains(&word), "{change}\n{word}: {output}");
        }
        assert_eq!(world(&lab), before, "{change}");
    }
    // Not a dump any more, though its sums fit.
    std::fs::write(lab.dir.join("backup/dump"), "hello").unwrap();
    let sums = "cd \"$1\" && sha256sum dump tables.jsonl > SHA256SUMS";
    Command::new("sh").args(["-c", sums, "sh"]).arg(lab.dir.join("backup")).status().unwrap();
    let output = expect(&lab, 1, &["run", "restore-verify", "-y"]);
    assert!(output.contains("is no dump that pg_restore can read"), "{output}");
    assert_eq!(world(&lab), before);
}

#[test]
fn each_changing_step_that_fails_leaves_the_world_as_it_was() {
    let (lab, _) = lab();
    let before = world(&lab);
    let folder = tempfile::tempdir().unwrap();
    for step in ["restore", "hold", "swap", "release", "canary"] {
        let path = failing_at(folder.path(), "restore-verify", step);
        let output = expect(&lab, 10, &["run", path.to_str().unwrap(), "-y"]);
        assert_eq!(world(&lab), before, "{step}: {output}");
        assert_eq!(lab.psql("proxy", "select count(*) from orders"), "3000");
    }
}

/// A `pg_restore` of ours in the inventory: it says that it began, and goes on once it may.
fn instead_of_pg_restore(lab: &Lab, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = lab.dir.join("wrapped");
    std::fs::create_dir_all(&folder).unwrap();
    // Whoever the lab runs as writes into it.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let program = folder.join("pg_restore");
    let real = lab.env("LAB_PG_BIN");
    let here = folder.display();
    let text =
        format!("#!/bin/sh\nif [ \"$1\" != --list ]; then\ncd '{here}'\n{script}\nfi\nexec {real}/pg_restore \"$@\"\n");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let line = format!("path: \"{}\" }}", lab.dir.join("backup").display());
    assert!(inventory.contains(&line), "{inventory}");
    let more = format!("path: \"{}\", bin_directory: \"{here}\" }}", lab.dir.join("backup").display());
    std::fs::write(lab.inventory(), inventory.replace(&line, &more)).unwrap();
    folder
}

fn wait_for_file(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_runner_killed_while_pg_restore_works_is_resumed_and_restores_once() {
    let (lab, _) = lab();
    let script = "echo once >> begun; touch started; while [ ! -e go ]; do sleep 0.05; done";
    let folder = instead_of_pg_restore(&lab, script);
    let mut runner = playbook(&lab)
        .args(["run", "restore-verify", "-y"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_file(&folder.join("started"));
    runner.kill().unwrap();
    runner.wait().unwrap();
    let id = status(&lab)["run"].as_str().unwrap().to_owned();
    std::fs::write(folder.join("go"), "").unwrap();
    let output = expect(&lab, 0, &["resume", &id]);
    assert_eq!(std::fs::read_to_string(folder.join("begun")).unwrap(), "once\n", "{output}");
    assert_eq!(databases(&lab, "orders%").len(), 2, "{output}");
    assert_eq!(lab.psql("proxy", "select count(*) from orders"), "3000");
    expect(&lab, 0, &["verify", &id]);
}

#[test]
fn a_runner_killed_around_the_swap_is_resumed_and_swaps_once() {
    let (lab, _) = lab();
    for round in 0..3_u64 {
        let live = lab.psql("pg1", "select oid from pg_database where datname = 'orders'");
        let mut runner = playbook(&lab)
            .args(["run", "restore-verify", "-y", "-i", "accept_data_loss=true", "--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines().map_while(Result::ok);
        let intent = lines.find(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["kind"] == "intent" && record["step"] == "swap"
        });
        assert!(intent.is_some(), "round {round}: the swap never began");
        // Before the renames, in the middle of them, after them.
        std::thread::sleep(Duration::from_millis(25 * round));
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        let output = expect(&lab, 0, &["resume", &id]);
        let kept = format!("orders_kept_{}", id.replace('-', "_"));
        assert_eq!(lab.psql("pg1", &format!("select oid from pg_database where datname = '{kept}'")), live, "{output}");
        assert_eq!(databases(&lab, "orders\\_restore%"), Vec::<String>::new());
        assert_eq!(lab.psql("proxy", "select count(*) from orders"), "3000");
    }
}

#[test]
fn a_full_disk_is_told_and_what_was_made_is_dropped() {
    let (lab, _) = lab();
    let before = world(&lab);
    let says = "echo 'pg_restore: error: COPY failed: could not extend file: No space left on device' >&2; exit 1";
    instead_of_pg_restore(&lab, says);
    let output = expect(&lab, 10, &["run", "restore-verify", "-y"]);
    for word in ["The disk of the server is full", "The live database was not touched"] {
        assert!(output.contains(word), "{word}: {output}");
    }
    assert_eq!(world(&lab), before);
}

#[test]
fn a_database_whose_name_is_hostile_is_restored_as_any_other() {
    let lab = Lab::up();
    let hostile = "o'r d\"e=rs; drop database orders";
    let quoted = hostile.replace('"', "\"\"");
    lab.psql("pg1", &format!("create database \"{quoted}\""));
    let inventory = std::fs::read_to_string(lab.inventory()).unwrap();
    let written = format!("dbname: {}", serde_json::to_string(hostile).unwrap());
    // A pooler knows the databases that its file names; clients of this one come through the proxy.
    let endpoint = inventory.lines().find(|line| line.trim().starts_with("endpoint:")).unwrap();
    let through_the_proxy = format!("    endpoint: \"127.0.0.1:{}\"", lab.port("proxy"));
    let inventory = inventory.replace(endpoint, &through_the_proxy).replace("dbname: orders", &written);
    std::fs::write(lab.inventory(), inventory).unwrap();
    let sql = |statement: &str| {
        let output = Command::new("psql")
            .args(["-XqAt", "-h", "127.0.0.1", "-U", "postgres", "-p", lab.env("LAB_PG1_PORT"), "-c", statement])
            .env("PGDATABASE", hostile)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    sql("create table t (n int primary key); insert into t values (1), (2)");
    backup(&lab, &[("PGDATABASE", hostile)]);
    sql("delete from t");
    let output = expect(&lab, 0, &["run", "restore-verify", "-y", "--no-wait", "-i", "accept_data_loss=true"]);
    assert_eq!(sql("select count(*) from t"), "2", "{output}");
    assert_eq!(databases(&lab, "o''r d%kept%").len(), 1, "{output}");
    assert_eq!(databases(&lab, "orders"), ["orders"]);
}
