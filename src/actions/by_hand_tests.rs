//! Each action's lines, for an inventory like the lab's.

use serde_json::json;

use super::*;
use crate::actions::Table;
use crate::value::unknown;

fn inventory() -> Inventory {
    let member = |host: &str, port: u16| json!({ "host": host, "address": "127.0.0.1", "port": port, "data_directory": "/lab/my data", "bin_directory": "/pg/bin" });
    let host = json!({ "address": "10.0.0.1", "port": 2222, "user": "lab", "identity_file": "/lab/key" });
    let slotted = |host: &str, port: u16, slot: &str| {
        let mut all = member(host, port);
        all["slot"] = json!(slot);
        all
    };
    serde_json::from_value(json!({
        "environment": "lab",
        "hosts": { "db1": host, "db2": { "address": "10.0.0.2", "jump": "db1" } },
        "databases": { "orders": {
            "user": "postgres", "dbname": "orders", "password": "env:PGPASS_ORDERS", "proxy": "orders",
            "endpoint": "127.0.0.1:6432", "pooler": "orders", "members": { "pg1": slotted("db1", 5501, "pg1"), "pg2": member("db2", 5502) },
        } },
        "links": { "uplink": {
            "host": "db1", "become": "root", "destination": "default", "targets": ["198.51.100.1"],
            "primary": { "device": "wan1", "gateway": "10.10.1.1", "metric": 100, "probe": ["10.20.1.2"] },
            "backup": { "device": "ppp0", "source": "10.9.9.9", "metric": 200, "probe": ["10.20.2.2"] },
        } },
        "backups": { "orders": { "database": "orders", "host": "db1", "path": "/var/my backups" } },
        "proxies": { "orders": { "socket": "/lab/haproxy.sock", "backend": "orders" } },
        "poolers": { "orders": { "address": "10.0.0.3", "user": "playbook", "password": "env:POOLER_PASSWORD", "cluster": "orders", "databases": ["orders"] } },
        "clusters": {
            "shop": { "kubeconfig": "/lab/kube config", "context": "admin", "namespace": "shop" },
            "blue": { "context": "blue" },
            "home": { "in_cluster": true },
        },
        "clouds": { "main": { "region": "eu-central-1", "profile": "my ops", "account": "012345678901" } },
        "applications": { "shop": {
            "services": ["shop", "queue"], "releases": "/srv/my shop/releases", "current": "/srv/my shop/current",
            "fits": ["{folder}/bin/fits", "--release={release}"],
        } },
        "services": {
            "shop": {
                "host": "db1", "pid_file": "/run/my shop.pid", "become": "root", "test": ["nginx", "-t"],
                "reload": ["nginx", "-s", "reload"], "health": { "http": "http://shop/health?a=1&b" },
                "tls": { "address": "10.0.0.1:443", "server_name": "shop.example", "certificate": "/etc/shop.pem" },
            },
            "queue": { "host": "db2", "unit": "queue@1.service", "health": { "command": ["queue-ping", "it's"] } },
        },
    }))
    .unwrap()
}

/// The actions at a Kubernetes cluster.
fn at_a_cluster() -> Vec<(&'static str, Value)> {
    vec![
        ("k8s.get", json!({ "cluster": "blue", "object": "deployment/web" })),
        ("k8s.get", json!({ "cluster": "home", "namespace": "other", "object": "node/$(x)" })),
        (
            "k8s.wait",
            json!({ "cluster": "blue", "object": "deployment/web", "for": "condition", "condition": "Available" }),
        ),
        ("k8s.wait", json!({ "cluster": "blue", "object": "pod/web-1", "for": "deleted" })),
        ("k8s.scale", json!({ "cluster": "blue", "workload": "deployment/web", "replicas": 9, "max": 20 })),
        ("k8s.scale", json!({ "cluster": "blue", "workload": "deployment/web", "by": "50%", "from": 4, "max": 20 })),
        ("k8s.cordon", json!({ "cluster": "blue", "node": "node1" })),
        ("k8s.uncordon", json!({ "cluster": "blue", "node": "node1" })),
        ("k8s.drain", json!({ "cluster": "blue", "node": "node1" })),
        (
            "k8s.apply",
            json!({ "cluster": "blue", "manifest": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "it's" } } }),
        ),
        (
            "k8s.patch",
            json!({ "cluster": "blue", "object": "deployment/web", "patch": { "spec": { "paused": true } } }),
        ),
        ("k8s.rollout_status", json!({ "cluster": "shop", "workload": "deployment/web" })),
        (
            "k8s.rollout_undo",
            json!({ "cluster": "shop", "namespace": "it's", "workload": "deployment/web", "revision": 3 }),
        ),
        ("k8s.rollout_undo", json!({ "cluster": "elsewhere", "workload": "statefulset/db; x" })),
        ("k8s.rollout_restart", json!({ "cluster": "shop", "workload": "daemonset/agent" })),
    ]
}

/// The actions on hosts, and what goes on there.
fn on_hosts() -> Vec<(&'static str, Value)> {
    vec![
        (
            "shell",
            json!({ "script": "echo \"$WHO's\"", "shell": "/bin/sh -e", "environment": { "WHO": "a b; rm -rf /" } }),
        ),
        ("ssh", json!({ "host": "db2", "argv": ["systemctl", "restart", "it's"], "become": "root" })),
        (
            "http",
            json!({ "url": "https://x/y?a=1&b=2", "method": "POST", "json": { "a": "it's" }, "headers": { "X-A": "b" } }),
        ),
        (
            "http.journey",
            json!({ "url": "https://shop", "requests": [
                { "name": "log in", "method": "POST", "path": ["session"], "json": { "user": "it's" }, "take": { "token": { "json": "$.token" } } },
                { "path": ["cart"], "headers": { "authorization": { "taken": "token", "before": "Bearer " } }, "expect": { "contains": "total" } },
            ] }),
        ),
        (
            "load.check",
            json!({ "url": "https://shop/", "method": "GET", "rate": 5, "duration": 10, "success": 0.99, "p95": 0.3 }),
        ),
        ("file.checksum", json!({ "host": "db1", "path": "/backups/my orders", "manifest": "SHA256SUMS" })),
        ("wait", json!({ "tcp": "127.0.0.1:5432", "interval": 1.0 })),
        ("wait", json!({ "file": "/tmp/x y", "host": "db1", "interval": 1.0 })),
        ("wait", json!({ "seconds": 5 })),
        (
            "cli",
            json!({ "host": "db1", "lines": ["configure terminal", "neighbor 10.0.0.1 shutdown; x"], "auto_revert": { "after": "60s", "confirm": ["commit"], "check": { "lines": ["show it"] } } }),
        ),
        ("assert", json!({ "that": true, "message": "it is so" })),
        (
            "file.write",
            json!({ "host": "db1", "path": "/etc/app/app conf", "source": "/tmp/new $(x)", "mode": "0640", "owner": "app:app" }),
        ),
        ("file.write", json!({ "path": "/etc/app/key", "content": "vault:secret/app#key" })),
        ("service.status", json!({ "service": "shop" })),
        ("service.status", json!({ "service": "queue" })),
        ("service.reload", json!({ "service": "shop" })),
        ("service.restart", json!({ "service": "shop" })),
        ("service.restart", json!({ "service": "queue" })),
        ("service.start", json!({ "service": "queue" })),
        ("service.stop", json!({ "service": "queue" })),
        ("service.way_back", json!({ "service": "shop" })),
        ("release.status", json!({ "application": "shop" })),
        ("release.fits", json!({ "application": "shop", "release": "r1" })),
        ("release.switch", json!({ "application": "shop", "service": "queue", "release": "r1" })),
        (
            "release.switch",
            json!({ "application": "shop", "service": "shop", "release": unknown("what look will give as `to`") }),
        ),
        ("tls.check", json!({ "service": "shop" })),
        ("tls.check", json!({ "address": "[::1]:8443", "server_name": "$(x)" })),
        ("tls.certificate", json!({ "host": "db1", "certificate": "/etc/new.pem", "key": "/etc/new key.pem" })),
        ("link.status", json!({ "link": "uplink" })),
        ("route.switch", json!({ "link": "uplink" })),
        ("route.restore", json!({ "link": "uplink" })),
    ]
}

/// The actions at databases, and what stands before them.
fn at_databases() -> Vec<(&'static str, Value)> {
    vec![
        ("haproxy.server_state", json!({ "proxy": "orders", "server": "pg1", "state": "drain" })),
        ("pgbouncer.status", json!({ "pooler": "orders" })),
        ("pgbouncer.pause", json!({ "pooler": "orders", "wait": true })),
        ("pgbouncer.pause", json!({ "pooler": "elsewhere", "wait": false })),
        ("pgbouncer.resume", json!({ "pooler": "orders" })),
        ("pgbouncer.reload", json!({ "pooler": "orders" })),
        ("postgres.status", json!({ "cluster": "orders" })),
        ("postgres.query", json!({ "cluster": "orders", "role": "primary", "sql": "select $1", "parameters": [1] })),
        ("postgres.execute", json!({ "cluster": "orders", "member": "pg1", "sql": "delete from t" })),
        ("postgres.fence", json!({ "cluster": "orders", "member": "pg1", "mode": "planned" })),
        ("postgres.fence", json!({ "cluster": "orders", "member": "pg1", "mode": "unplanned" })),
        (
            "postgres.catch_up",
            json!({ "cluster": "orders", "member": "pg2", "position": unknown("what fence will give as `position`") }),
        ),
        ("postgres.promote", json!({ "cluster": "orders", "member": "pg2" })),
        ("postgres.canary", json!({ "cluster": "orders" })),
        ("postgres.read_only", json!({ "cluster": "orders", "member": "pg2" })),
        ("postgres.rejoin", json!({ "cluster": "orders", "member": "pg1" })),
        ("postgres.restore", json!({ "cluster": "orders", "backup": "orders", "label": "20261122-152030-k3f9" })),
        (
            "postgres.compare",
            json!({ "cluster": "orders", "backup": "orders", "database": unknown("what restore will give as `database`") }),
        ),
        (
            "postgres.swap",
            json!({ "cluster": "orders", "database": "orders_restore_x", "label": "20261122-152030-k3f9" }),
        ),
        ("postgres.follow", json!({ "cluster": "orders", "member": "pg2" })),
    ]
}

/// The actions in a cloud's account.
fn in_a_cloud() -> Vec<(&'static str, Value)> {
    vec![
        ("asg.status", json!({ "cloud": "main", "group": "shop front" })),
        ("asg.scale", json!({ "cloud": "main", "group": "shop", "to": 4, "others": "refuse" })),
        ("asg.scale", json!({ "cloud": "elsewhere", "group": "it's", "by": 2 })),
        (
            "ec2.launch",
            json!({ "cloud": "main", "template": "shop", "version": "$Default", "count": 2, "subnet": "subnet-0a" }),
        ),
        (
            "ec2.healthy",
            json!({ "cloud": "main", "instances": ["i-0a"], "port": 8080, "http_path": "/health?a=1&b=2" }),
        ),
        ("ec2.healthy", json!({ "cloud": "elsewhere", "instances": unknown("what launch will give"), "port": 22 })),
        (
            "ec2.register",
            json!({ "cloud": "main", "target_group": "shop", "instances": ["i-0a", "i-0b"], "port": 8080 }),
        ),
        ("ec2.deregister", json!({ "cloud": "main", "target_group": "arn:aws:x", "instances": ["i-0a"] })),
        ("ec2.status", json!({ "cloud": "main", "instances": ["i-0a"] })),
        ("ec2.start", json!({ "cloud": "main", "instances": ["i-0a"] })),
        ("ec2.stop", json!({ "cloud": "main", "instances": ["i-0a", "i-0b"] })),
        ("ec2.reboot", json!({ "cloud": "main", "instances": ["i-0a"] })),
        ("ec2.modify_type", json!({ "cloud": "main", "instance": "i-0a", "instance_type": "m7g.large" })),
    ]
}

#[test]
fn every_action_says_what_a_person_types() {
    let cases: Vec<_> = [on_hosts(), at_databases(), at_a_cluster(), in_a_cloud()].concat();
    let table = Table::builtin();
    let mut text = String::new();
    for (name, arguments) in &cases {
        let lines = table.get(name).unwrap().by_hand(&inventory(), arguments);
        text.push_str(&format!("== {name}\n{}\n\n", lines.join("\n")));
    }
    for spec in table.specs() {
        assert!(cases.iter().any(|(name, _)| *name == spec.name), "{} has no case here", spec.name);
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_value_is_a_word_whatever_is_in_it() {
    for hostile in ["$(rm -rf /)", "a; b", "it's", "`x`", "a\nb", ""] {
        let output = std::process::Command::new("sh").args(["-c", &format!("printf %s {}", word(hostile))]).output();
        assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), hostile);
    }
    assert!(!comment("a\nrm -rf /").contains('\n'));
}
