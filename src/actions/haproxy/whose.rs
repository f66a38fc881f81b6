//! Whose server an entry of HAProxy's backend leads to: a name alone says nothing, as a backend that was edited sends its
//! connections elsewhere under the same name. It asks no proxy and changes nothing.

use std::net::IpAddr;

use super::Server;
use crate::inventory::Inventory;
use crate::value::Value;

/// Where HAProxy sends a server's connections.
pub(super) fn place(found: &Server) -> String {
    join(&found.address, found.port)
}

/// Holds a server to the address that the inventory gives for it. One that the inventory does not know passes.
///
/// # Errors
/// Where it leads, and where it should.
pub(super) async fn hold(inventory: &Inventory, proxy: &str, server: &str, found: &Server) -> Result<(), String> {
    let Some((who, wanted)) = expected(inventory, proxy, server) else { return Ok(()) };
    if leads_to(found, &wanted).await {
        Ok(())
    } else {
        let is = place(found);
        Err(format!(
            "HAProxy's server {server} leads to {is}, and the inventory says that it is {who} at {wanted}: it is not touched, \
             and no override lifts this. Correct HAProxy's file, or the inventory (`proxy_address` of the member, where the \
             proxy reaches it by another address than we do)"
        ))
    }
}

/// Holds a server to the address that it had when the step was begun.
///
/// # Errors
/// Where it led, and where it leads now.
pub(super) fn hold_to_before(server: &str, found: &Server, before: &Value) -> Result<(), String> {
    let is = place(found);
    match before.get("address").and_then(Value::as_str) {
        Some(was) if was != is => Err(format!(
            "HAProxy's server {server} led to {was} when this step was planned, and now leads to {is}: it is not touched"
        )),
        _ => Ok(()),
    }
}

/// Who the inventory says that a server is, and at which `ADDRESS:PORT`: its own list first, then databases' members.
fn expected(inventory: &Inventory, proxy: &str, server: &str) -> Option<(String, String)> {
    let listed = inventory.proxies.get(proxy).and_then(|proxy| proxy.servers.get(server));
    if let Some(address) = listed {
        return Some((format!("`servers.{server}` of the proxy {proxy}"), address.clone()));
    }
    let behind = inventory.databases.iter().filter(|(_, database)| database.proxy.as_deref() == Some(proxy));
    behind
        .flat_map(|(cluster, database)| database.members.iter().map(move |(name, member)| (cluster, name, member)))
        .find_map(|(cluster, name, member)| {
            let is_it = member.server.as_deref().unwrap_or(name) == server;
            let address = || member.proxy_address.clone().unwrap_or_else(|| join(&member.address, member.port));
            is_it.then(|| (format!("{cluster}'s member {name}"), address()))
        })
}

fn join(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

/// Whether a server's connections go to `ADDRESS:PORT`. A name is taken as HAProxy has it in its file, else resolved here; one
/// that cannot be resolved fits nothing.
async fn leads_to(found: &Server, wanted: &str) -> bool {
    let Some((host, port)) = wanted.rsplit_once(':') else { return false };
    if port.parse() != Ok(found.port) {
        return false;
    }
    let host = host.trim_matches(['[', ']']);
    if host == found.address || found.resolved_from.as_deref() == Some(host) {
        return true;
    }
    let Ok(theirs) = found.address.parse::<IpAddr>() else { return false };
    match host.parse::<IpAddr>() {
        Ok(ours) => ours.to_canonical() == theirs.to_canonical(),
        Err(_) => match tokio::net::lookup_host((host, found.port)).await {
            Ok(mut all) => all.any(|one| one.ip().to_canonical() == theirs.to_canonical()),
            Err(_) => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(address: &str, port: u16, resolved_from: Option<&str>) -> Server {
        let resolved_from = resolved_from.map(str::to_owned);
        let address = address.to_owned();
        Server { state: "ready", operational: "up", check: None, sessions: 0, address, port, resolved_from }
    }

    fn inventory() -> Inventory {
        let member = |address: &str, more: Value| {
            let mut all = json!({ "address": address, "port": 5432, "data_directory": "/d", "bin_directory": "/b" });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        serde_json::from_value(json!({
            "databases": { "orders": { "user": "u", "dbname": "d", "proxy": "front", "members": {
                "pg1": member("10.0.0.1", json!({})),
                "pg2": member("10.0.0.2", json!({ "server": "second", "proxy_address": "192.0.2.2:15432" })),
                "pg3": member("pg3.example.invalid", json!({})),
                "pg4": member("::1", json!({})),
            } } },
            "proxies": { "front": { "socket": "/s", "backend": "orders", "servers": { "web1": "10.0.1.1:80" } } },
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_server_has_to_lead_where_the_inventory_says() {
        let inventory = inventory();
        for (name, found, fits) in [
            ("pg1", server("10.0.0.1", 5432, None), true),
            ("pg1", server("::ffff:10.0.0.1", 5432, None), true),
            ("pg1", server("10.0.0.9", 5432, None), false),
            ("pg1", server("10.0.0.1", 5433, None), false),
            ("second", server("192.0.2.2", 15432, None), true),
            ("second", server("10.0.0.2", 5432, None), false),
            ("pg3", server("10.0.0.3", 5432, Some("pg3.example.invalid")), true),
            ("pg3", server("10.0.0.3", 5432, None), false),
            ("pg4", server("::1", 5432, None), true),
            ("web1", server("10.0.1.1", 80, None), true),
            ("web1", server("10.0.1.2", 80, None), false),
            ("nobody_knows", server("10.9.9.9", 1, None), true),
        ] {
            let held = hold(&inventory, "front", name, &found).await;
            assert_eq!(held.is_ok(), fits, "{name} at {}: {held:?}", place(&found));
        }
    }

    #[test]
    fn a_server_has_to_lead_where_it_led() {
        let found = server("10.0.0.1", 5432, None);
        assert!(hold_to_before("pg1", &found, &json!({ "address": "10.0.0.1:5432" })).is_ok());
        assert!(hold_to_before("pg1", &found, &Value::Null).is_ok());
        assert!(hold_to_before("pg1", &found, &json!({ "address": "10.0.0.2:5432" })).is_err());
    }
}
