//! Services: how one is managed on its host, how its health is told, and where its certificate lies. Only the words of the
//! inventory and whether they fit; it asks no service anything.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::check::{check_names, check_reference, check_text, is_address};
use super::{Inventory, InventoryError};

/// A service: a systemd unit, or a process with commands of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// The host of this inventory that it runs on; this very host where absent.
    pub host: Option<String>,
    /// Its systemd unit; or
    pub unit: Option<String>,
    /// the file in which its process says its process id, on its host; or `status` alone.
    pub pid_file: Option<PathBuf>,
    /// A command (an argument list, on its host, as are all of these) that exits with 0 while it runs.
    pub status: Option<Vec<String>>,
    /// What lets it read its files anew, without an outage; `systemctl reload` for a unit.
    pub reload: Option<Vec<String>>,
    /// What restarts it; `systemctl restart` for a unit.
    pub restart: Option<Vec<String>>,
    /// What starts it.
    pub start: Option<Vec<String>>,
    /// What stops it.
    pub stop: Option<Vec<String>>,
    /// What exits with 0 if its configuration is one that it would start with; it changes nothing.
    pub test: Option<Vec<String>>,
    /// The user that these commands become, with `sudo -n`.
    #[serde(rename = "become")]
    pub become_user: Option<String>,
    /// How its health is told: without it, a service that runs counts as healthy.
    pub health: Option<Health>,
    /// The proxy in front of it, by name, and
    pub proxy: Option<String>,
    /// its name there; the service's own name where absent.
    pub server: Option<String>,
    /// Its certificate.
    pub tls: Option<ServiceTls>,
}

/// One look that says whether a service does its work. Exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// An address that has to answer a GET, asked from here.
    pub http: Option<String>,
    /// `http`: the statuses that are good; 200 to 299 where absent.
    pub expect_status: Option<Vec<u16>>,
    /// `ADDRESS:PORT` that has to accept a connection, asked from here.
    pub tcp: Option<String>,
    /// A command on the service's host that has to exit with 0.
    pub command: Option<Vec<String>>,
    /// How long one look may take, in seconds; 3 where absent.
    pub timeout_seconds: Option<f64>,
}

/// A service's certificate: where it is shown, and where it lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceTls {
    /// `ADDRESS:PORT` at which it shows its certificate.
    pub address: String,
    /// The name that clients ask for there; what stands in `address` where absent.
    #[serde(default)]
    pub server_name: Option<String>,
    /// The file with its certificate and those above it, on its host.
    pub certificate: PathBuf,
    /// The file with its private key; the same file where absent.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// A file here with the authorities that have to vouch for it; those of this system where absent.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Inventory {
    /// A service by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn service(&self, name: &str) -> Result<&Service, InventoryError> {
        super::lookup::find("service", name, &self.services)
    }
}

/// What is wrong with the services, a sentence each.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("services", inventory.services.keys(), found);
    for (name, service) in &inventory.services {
        one(inventory, name, service, found);
    }
}

fn one(inventory: &Inventory, name: &str, service: &Service, found: &mut Vec<String>) {
    let place = format!("services.{name}");
    if let Some(host) = &service.host {
        check_reference(&format!("{place}.host"), "host", host, &inventory.hosts, found);
    }
    match (&service.unit, &service.pid_file, &service.status) {
        (Some(_), None, None) | (None, Some(_), _) | (None, None, Some(_)) => {}
        (None, None, None) => found.push(format!(
            "{place}: nothing says how it is managed: write its systemd `unit`, or its `pid_file` with the commands that it \
             has (`reload`, `restart`, `start`, `stop`)"
        )),
        _ => found.push(format!("{place}: a systemd `unit` says itself whether it runs: leave out `pid_file` and `status`")),
    }
    if let Some(unit) = &service.unit {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"@:._\\-".contains(&b);
        if unit.is_empty() || unit.starts_with('-') || !unit.bytes().all(plain) {
            found.push(format!("{place}.unit: {unit:?} is no name of a systemd unit, such as nginx.service"));
        }
    }
    if service.pid_file.as_ref().is_some_and(|path| !path.is_absolute()) {
        found.push(format!("{place}.pid_file: it is a file on the service's host, so write its absolute path"));
    }
    let health = service.health.as_ref();
    let commands = [
        ("status", &service.status),
        ("reload", &service.reload),
        ("restart", &service.restart),
        ("start", &service.start),
        ("stop", &service.stop),
        ("test", &service.test),
        ("health.command", &health.and_then(|health| health.command.clone())),
    ];
    for (key, command) in commands {
        if command.as_ref().is_some_and(|argv| argv.first().is_none_or(String::is_empty)) {
            found.push(format!("{place}.{key}: the command is empty"));
        }
    }
    if let Some(proxy) = &service.proxy {
        check_reference(&format!("{place}.proxy"), "proxy", proxy, &inventory.proxies, found);
    } else if service.server.is_some() {
        found.push(format!("{place}.server: it is a name in a `proxy`, and none is given"));
    }
    health.into_iter().for_each(|health| check_health(&place, health, found));
    service.tls.iter().for_each(|tls| check_tls(&place, tls, found));
}

fn check_health(place: &str, health: &Health, found: &mut Vec<String>) {
    let given = [health.http.is_some(), health.tcp.is_some(), health.command.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        found.push(format!("{place}.health: exactly one of `http`, `tcp` and `command` says how its health is told"));
    }
    if health.timeout_seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 10.0)) {
        found.push(format!("{place}.health.timeout_seconds: it has to be more than 0 and at most 10"));
    }
    if health.tcp.as_deref().is_some_and(|address| !is_address(address)) {
        found.push(format!("{place}.health.tcp: write it as ADDRESS:PORT"));
    }
    if health.http.as_deref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        found.push(format!("{place}.health.http: it begins with http:// or https://"));
    }
    if health.expect_status.is_some() && health.http.is_none() {
        found.push(format!("{place}.health.expect_status: only `http` answers with a status"));
    }
}

fn check_tls(place: &str, tls: &ServiceTls, found: &mut Vec<String>) {
    if !is_address(&tls.address) {
        found.push(format!("{place}.tls.address: write it as ADDRESS:PORT"));
    }
    if let Some(name) = &tls.server_name {
        check_text(&format!("{place}.tls.server_name"), name, found);
    }
    for (key, path) in [("certificate", Some(&tls.certificate)), ("key", tls.key.as_ref())] {
        if path.is_some_and(|path| !path.is_absolute()) {
            found.push(format!("{place}.tls.{key}: it is a file on the service's host, so write its absolute path"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(service: serde_json::Value) -> Vec<String> {
        let inventory: Inventory = serde_json::from_value(json!({
            "environment": "lab",
            "hosts": { "web1": { "address": "10.0.0.1" } },
            "proxies": { "front": { "socket": "/s", "backend": "shop" } },
            "services": { "shop": service },
        }))
        .unwrap();
        super::super::check::problems(&inventory)
    }

    #[test]
    fn a_service_that_fits_is_taken() {
        for good in [
            json!({ "host": "web1", "unit": "nginx@shop.service", "proxy": "front" }),
            json!({ "pid_file": "/run/nginx.pid", "restart": ["nginx"], "health": { "tcp": "[::1]:80" } }),
            json!({ "status": ["pgrep", "x"], "health": { "http": "http://x/health", "expect_status": [204] } }),
            json!({ "unit": "a", "tls": { "address": "10.0.0.1:443", "certificate": "/c", "key": "/k" } }),
        ] {
            assert_eq!(problems(good.clone()), Vec::<String>::new(), "{good}");
        }
    }

    #[test]
    fn what_does_not_fit_is_said_with_its_place() {
        for (bad, word) in [
            (json!({}), "nothing says how it is managed"),
            (json!({ "unit": "a", "pid_file": "/p" }), "leave out `pid_file`"),
            (json!({ "unit": "-x" }), "services.shop.unit"),
            (json!({ "unit": "a; b" }), "services.shop.unit"),
            (json!({ "unit": "a", "host": "web2" }), "no host `web2`"),
            (json!({ "unit": "a", "proxy": "fornt" }), "did you mean `front`?"),
            (json!({ "unit": "a", "server": "x" }), "none is given"),
            (json!({ "pid_file": "run/x" }), "absolute path"),
            (json!({ "unit": "a", "restart": [] }), "services.shop.restart: the command is empty"),
            (json!({ "unit": "a", "health": {} }), "exactly one of"),
            (json!({ "unit": "a", "health": { "http": "x/health" } }), "begins with http://"),
            (json!({ "unit": "a", "health": { "tcp": "x" } }), "ADDRESS:PORT"),
            (json!({ "unit": "a", "health": { "tcp": "x:1", "timeout_seconds": 60 } }), "at most 10"),
            (json!({ "unit": "a", "tls": { "address": "x:1", "certificate": "c" } }), "services.shop.tls.certificate"),
        ] {
            let problems = problems(bad.clone());
            assert!(problems.len() == 1 && problems[0].contains(word), "{bad}: {problems:?}");
        }
    }
}
