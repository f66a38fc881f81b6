//! Held to Ansible itself: what `ansible-inventory --list` and `ansible --list-hosts` said of the inventories in
//! `fixtures/inventories`, recorded there with the version; and said once more, where Ansible is installed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{Environment, Read, read};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/inventories")
}

fn ours(file: &str) -> Read {
    read(&[folder().join(file)], Environment::Open).unwrap()
}

fn recorded(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What `--list` prints, against what is read here.
fn compare(read: &Read, list: &Value) {
    let inventory = &read.inventory;
    let vars = list["_meta"]["hostvars"].as_object().unwrap();
    for (host, vars) in vars {
        assert_eq!(&inventory.vars(host), vars, "{host}");
    }
    let mut all = BTreeSet::new();
    for (name, group) in list.as_object().unwrap().iter().filter(|(name, _)| *name != "_meta") {
        all.extend(names(&group["hosts"]));
        let empty = crate::inventory::Group::default();
        let found = inventory.groups.get(name).unwrap_or(&empty);
        if name == "all" {
            let tops: BTreeSet<&str> =
                names(&group["children"]).into_iter().filter(|name| *name != "ungrouped").collect();
            // It names those too that were written below it, and are in others as well.
            assert!(inventory.top_groups().iter().all(|name| tops.contains(name)));
            continue;
        }
        if name == "ungrouped" {
            assert_eq!(inventory.hosts_of(name).unwrap().into_iter().collect::<BTreeSet<_>>(), names(&group["hosts"]));
            continue;
        }
        assert_eq!(found.hosts.iter().map(String::as_str).collect::<BTreeSet<_>>(), names(&group["hosts"]), "{name}");
        assert_eq!(
            found.children.iter().map(String::as_str).collect::<BTreeSet<_>>(),
            names(&group["children"]),
            "{name}"
        );
    }
    assert_eq!(inventory.hosts.keys().map(String::as_str).collect::<BTreeSet<_>>(), all);
    assert!(all.len() >= 7 && vars.len() >= 7, "there is something to compare");
}

#[test]
fn the_ini_form_means_what_it_means_to_ansible() {
    compare(&ours("ansible/hosts.ini"), &recorded("ansible.json")["list"]);
}

#[test]
fn the_yaml_form_means_what_it_means_to_ansible() {
    compare(&ours("yaml/hosts.yaml"), &recorded("yaml.json")["list"]);
}

#[test]
fn patterns_choose_what_they_choose_for_ansible_and_in_its_order() {
    let inventory = ours("ansible/hosts.ini").inventory;
    let recorded = recorded("ansible.json");
    let patterns = recorded["patterns"].as_object().unwrap();
    for (pattern, hosts) in patterns {
        let chosen = inventory.select(pattern).unwrap();
        // All hosts come in the inventory's order here, and group by group there.
        if ["all", "*", "!web", "web:!eu"].contains(&pattern.as_str()) {
            assert_eq!(chosen.iter().map(String::as_str).collect::<BTreeSet<_>>(), names(hosts), "{pattern}");
        } else {
            assert_eq!(json!(chosen), *hosts, "{pattern}");
        }
    }
    assert!(patterns.len() > 25);
}

/// Where one may be: in PATH, or among the peers of the bench.
fn programs() -> Vec<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache"))).unwrap_or_default();
    let peers = std::fs::read_dir(cache.join("playbook-bench")).into_iter().flatten().flatten();
    let peers = peers.map(|entry| entry.path().join("bin/ansible-inventory")).filter(|path| path.exists());
    [PathBuf::from("ansible-inventory")].into_iter().chain(peers).collect()
}

#[test]
fn the_installed_ansible_says_the_same() {
    // It leaves folders at home.
    let home = tempfile::tempdir().unwrap();
    let command = |program: &PathBuf| {
        let mut command = Command::new(program);
        command.env("HOME", home.path());
        command
    };
    let answers =
        |program: &PathBuf| command(program).arg("--version").output().is_ok_and(|output| output.status.success());
    let program = programs().into_iter().find(answers);
    let Some(program) = program else {
        eprintln!("left out: no ansible-inventory is installed, so only its recorded answers were compared");
        return;
    };
    for file in ["ansible/hosts.ini", "yaml/hosts.yaml"] {
        let output = command(&program).arg("-i").arg(folder().join(file)).arg("--list").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        compare(&ours(file), &serde_json::from_slice(&output.stdout).unwrap());
    }
}
