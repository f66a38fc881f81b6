//! `playbook inventory`: the verbs over inventories of every kind, with real hosts behind them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

#[cfg(feature = "ssh")]
use crate::command::sshd::Sshd;

const INI: &str = "\
lone ansible_host=10.0.0.99
[web]
web[1:3] ansible_user=deploy http_port=80
[db]
db1 ansible_password=hunter2
[shop:children]
web
db
[all:vars]
zone=a
";

/// A folder of its own, with nothing of this machine's settings.
fn playbook(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_playbook"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn hosts_are_listed_by_patterns() {
    let folder = folder(&[("hosts", INI)]);
    let listed = playbook(folder.path(), &["inventory", "list", "--inventory", "hosts"]);
    assert_eq!(code(&listed), 0, "{}", err(&listed));
    let lines: Vec<String> = out(&listed).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[1].starts_with("web1  deploy@web1") && lines[1].ends_with("web, shop"), "{}", lines[1]);
    assert!(lines[4].contains("not connected to: ansible_password: a password in clear text"), "{}", lines[4]);
    assert!(err(&listed).contains("5 hosts, 1 of them not connected to, 3 groups"), "{}", err(&listed));
    let some = playbook(folder.path(), &["inventory", "list", "web:!web2", "--inventory", "hosts", "--output", "json"]);
    let some: Value = serde_json::from_slice(&some.stdout).unwrap();
    let names: Vec<&str> = some["hosts"].as_array().unwrap().iter().filter_map(|host| host["name"].as_str()).collect();
    assert_eq!(names, ["web1", "web3"]);
    assert_eq!(some["hosts"][0]["vars"]["http_port"], 80);
    assert_eq!(some["groups"]["shop"]["children"], serde_json::json!(["web", "db"]));
    let slip = playbook(folder.path(), &["inventory", "list", "wbe", "--inventory", "hosts"]);
    assert_eq!(code(&slip), 65);
    assert!(err(&slip).contains("did you mean `web`?"), "{}", err(&slip));
    let none = playbook(folder.path(), &["inventory", "list"]);
    assert_eq!(code(&none), 66);
    assert!(err(&none).contains("--inventory"), "{}", err(&none));
}

#[test]
fn a_host_and_a_group_are_shown_with_where_it_all_comes_from() {
    let folder = folder(&[
        (
            "ours.yaml",
            "environment: lab\nhosts: { db1: { address: 10.0.0.1, port: 2222, password: env:PW, jump: door, vars: { role: primary } }, door: { address: d } }\n",
        ),
        ("hosts", "[web]\nweb1\n[web:vars]\nport=80\n[all:vars]\nport=1\n"),
    ]);
    let show = |name: &str| {
        playbook(folder.path(), &["inventory", "show", name, "--inventory", "ours.yaml", "--inventory", "hosts"])
    };
    let text = out(&show("db1"));
    for word in [
        "10.0.0.1:2222 through door",
        "env:PW",
        "role",
        "\"primary\"",
        "the host itself, ours.yaml",
        "group all, hosts",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let text = out(&show("web1"));
    assert!(text.contains("port  80  group web, hosts"), "{text}");
    let text = out(&show("web"));
    assert!(text.contains("a group of 1 host") && text.contains("port"), "{text}");
    assert_eq!(code(&show("wbe1")), 65);
    let json = playbook(folder.path(), &["inventory", "show", "web1", "--output", "json", "--inventory", "hosts"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["vars"]["port"], json["from"]["port"].as_str()), (&Value::from(80), Some("group web, hosts")));
}

#[test]
fn the_graph_is_drawn_as_ansible_draws_it() {
    let folder = folder(&[("hosts", INI)]);
    let graph = playbook(folder.path(), &["inventory", "graph", "--inventory", "hosts"]);
    let drawn = "@all:\n  |--@ungrouped:\n  |  |--lone\n  |--@shop:\n  |  |--@web:\n  |  |  |--web1\n  |  |  |--web2\n  |  |  |--web3\n\
                 \u{20} |  |--@db:\n  |  |  |--db1\n";
    assert_eq!(out(&graph), drawn);
    let part = playbook(folder.path(), &["inventory", "graph", "db", "--inventory", "hosts"]);
    assert_eq!(out(&part), "@db:\n  |--db1\n");
    let host = playbook(folder.path(), &["inventory", "graph", "web1", "--inventory", "hosts"]);
    assert!(code(&host) == 65 && err(&host).contains("inventory show web1"), "{}", err(&host));
}

#[test]
fn a_check_of_the_files_alone_finds_what_speaks_against_a_host() {
    let folder =
        folder(&[("hosts", INI), ("good", "[web]\nweb1 ansible_ssh_common_args='-o StrictHostKeyChecking=no'\n")]);
    let check = |file: &str| playbook(folder.path(), &["inventory", "check", "--offline", "--inventory", file]);
    let found = check("hosts");
    assert_eq!(code(&found), 1);
    assert!(out(&found).contains("✗ db1 is not connected to: ansible_password"), "{}", out(&found));
    assert!(!out(&found).contains("hunter2") && !err(&found).contains("hunter2"));
    let good = check("good");
    assert_eq!(code(&good), 0, "{}", out(&good));
    assert!(out(&good).contains("? host web1: ansible_ssh_common_args: StrictHostKeyChecking"), "{}", out(&good));
    let missing = playbook(folder.path(), &["inventory", "check", "--inventory", "nowhere"]);
    assert_eq!(code(&missing), 66, "{}", err(&missing));
}

#[cfg(feature = "ssh")]
#[test]
fn hosts_of_every_kind_of_inventory_are_reached() {
    let sshd = Sshd::start();
    let at = |name: &str| sshd.at(name).display().to_string();
    let (port, key, known) = (sshd.port, at("user"), at("known_hosts"));
    let args = format!("-o UserKnownHostsFile={known}");
    let ini = format!(
        "[near]\nnear[1:3] ansible_host=127.0.0.1 ansible_port={port} ansible_ssh_private_key_file={key} ansible_ssh_common_args='{args}'\n"
    );
    let config = format!(
        "Host first second\n  HostName 127.0.0.1\n  Port {port}\n  IdentityFile {key}\n  UserKnownHostsFile {known}\nHost second\n  ProxyJump first\n"
    );
    let script = format!(
        "#!/bin/sh\necho '{{\"g\": [\"made\"], \"_meta\": {{\"hostvars\": {{\"made\": {{\"ansible_host\": \"127.0.0.1\", \"ansible_port\": {port}, \
         \"ansible_ssh_private_key_file\": \"{key}\", \"ansible_ssh_common_args\": \"{args}\"}}}}}}}}'\n"
    );
    let folder = folder(&[("hosts", &ini), ("config", &config), ("script", &script)]);
    let program = format!("exec:sh {}", folder.path().join("script").display());
    let check = |more: &[&str]| {
        let args = [
            "inventory",
            "check",
            "--inventory",
            "hosts",
            "--inventory",
            "config",
            "--inventory",
            &program,
            "--forks",
            "2",
        ];
        playbook(folder.path(), &[&args[..], more].concat())
    };
    let all = check(&[]);
    assert_eq!(code(&all), 0, "{}{}", out(&all), err(&all));
    assert!(out(&all).contains("6 hosts, and all of them answer with their pinned key"), "{}", out(&all));
    // The same hosts with another key pinned: nobody is let in by mistake.
    sshd.pin("user.pub");
    let none = check(&["near*", "--output", "json"]);
    assert_eq!(code(&none), 1);
    let none: Value = serde_json::from_slice(&none.stdout).unwrap();
    assert_eq!((none["found"].as_array().unwrap().len(), &none["tried"]), (3, &Value::from(3)));
    assert!(none["found"][0]["why"].as_str().unwrap().contains("its key is not the one"), "{none}");
}

#[cfg(feature = "ssh")]
#[test]
fn a_run_wants_to_know_its_environment_and_goes_over_hosts_of_ansible() {
    let sshd = Sshd::start();
    let book = "name: touch\nversion: 1.0.0\ntitle: Says who it is\nsteps:\n  - id: say\n    host: near\n    run: echo here\n    effect: read\n";
    let line = format!(
        "near ansible_host=127.0.0.1 ansible_port={} ansible_ssh_private_key_file={} ansible_ssh_common_args='-o UserKnownHostsFile={}'\n",
        sshd.port,
        sshd.at("user").display(),
        sshd.at("known_hosts").display()
    );
    let folder = folder(&[("hosts", &line), ("touch.yaml", book), ("lab.yaml", "environment: lab\n")]);
    let run = |more: &[&str]| {
        playbook(folder.path(), &[&["run", "touch.yaml", "-y", "--state", "st", "--inventory", "hosts"], more].concat())
    };
    let unnamed = run(&[]);
    assert_eq!(code(&unnamed), 65);
    assert!(err(&unnamed).contains("playbook_environment"), "{}", err(&unnamed));
    let named = run(&["--inventory", "lab.yaml"]);
    assert_eq!(code(&named), 0, "{}", err(&named));
}

#[cfg(feature = "ssh")]
#[test]
fn a_host_that_must_not_be_connected_to_is_not() {
    let sshd = Sshd::start();
    let book = "name: touch\nversion: 1.0.0\ntitle: Says who it is\nsteps:\n  - id: say\n    host: near\n    run: echo here\n    effect: read\n";
    let line = format!(
        "near ansible_host=127.0.0.1 ansible_port={} ansible_ssh_private_key_file={} ansible_ssh_common_args='-o UserKnownHostsFile={}'",
        sshd.port,
        sshd.at("user").display(),
        sshd.at("known_hosts").display()
    );
    let refused = format!("{line} ansible_connection=winrm\n[all:vars]\nplaybook_environment=lab\n");
    let folder = folder(&[("hosts", &refused), ("touch.yaml", book)]);
    let run = playbook(folder.path(), &["run", "touch.yaml", "-y", "--state", "st", "--inventory", "hosts"]);
    assert_ne!(code(&run), 0);
    assert!(err(&run).contains("ansible_connection: hosts are reached over ssh here"), "{}", err(&run));
}

#[test]
fn what_a_file_holds_is_never_obeyed_by_a_terminal() {
    let folder =
        folder(&[("hosts", "[web]\nweb1 note=\"\\033]0;title\\007\" colour='\u{1b}[31mred'\n[bad\u{1b}]x]\n")]);
    for args in [&["inventory", "list"][..], &["inventory", "show", "web1"], &["inventory", "check", "--offline"]] {
        let output = playbook(folder.path(), &[args, &["--inventory", "hosts"]].concat());
        assert!(!out(&output).contains('\u{1b}') && !err(&output).contains('\u{1b}'), "{args:?}");
    }
}
