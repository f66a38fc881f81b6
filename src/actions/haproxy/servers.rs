//! The servers of a backend, as HAProxy's `show servers state` and `show stat` tell them. Reads only.

use std::collections::BTreeMap;

use super::{HaproxyError, safe, socket};
use crate::actions::Context;
use crate::inventory::Proxy;

/// A server of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// What it was told: `ready`, `drain` or `maint`.
    pub(crate) state: &'static str,
    /// What it is: `up`, `down`, `starting` or `stopping`.
    pub(crate) operational: &'static str,
    /// What its health check says (`L4OK`, `L4CON`, …), if it has one.
    pub(crate) check: Option<String>,
    /// Its sessions now.
    pub(crate) sessions: i64,
    /// Where HAProxy sends its connections: the address as it resolved it, and the port.
    pub(crate) address: String,
    pub(crate) port: u16,
    /// The name that it resolved the address from, if it has one.
    pub(crate) resolved_from: Option<String>,
}

/// Asks for all servers of a proxy's backend.
pub(crate) async fn servers(context: &Context, proxy: &Proxy) -> Result<BTreeMap<String, Server>, HaproxyError> {
    let backend = safe("backend", &proxy.backend)?;
    let states = socket::ask(context, proxy, &format!("show servers state {backend}")).await?;
    let mut servers = read_states(&states).ok_or_else(|| {
        HaproxyError::Invalid(format!("HAProxy does not tell the servers of backend {backend}: {}", states.trim()))
    })?;
    let statistics = socket::ask(context, proxy, &format!("show stat {backend} 4 -1")).await?;
    add_statistics(&mut servers, &statistics, backend);
    Ok(servers)
}

fn read_states(text: &str) -> Option<BTreeMap<String, Server>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    // The first line is the form's version: only the one whose columns we know is read.
    if lines.next()?.trim() != "1" {
        return None;
    }
    let columns: Vec<&str> = lines.next()?.trim_start_matches('#').split_whitespace().collect();
    let column = |name: &str| columns.iter().position(|found| *found == name);
    let (name, operational, admin) = (column("srv_name")?, column("srv_op_state")?, column("srv_admin_state")?);
    let (address, port, fqdn) = (column("srv_addr")?, column("srv_port")?, column("srv_fqdn"));
    let mut servers = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bits: u32 = words.get(admin)?.parse().ok()?;
        let server = Server {
            // Forced, inherited and resolver's maintenance; then forced and inherited drain.
            state: if bits & 0x23 != 0 {
                "maint"
            } else if bits & 0x18 != 0 {
                "drain"
            } else {
                "ready"
            },
            operational: match *words.get(operational)? {
                "0" => "down",
                "1" => "starting",
                "2" => "up",
                _ => "stopping",
            },
            check: None,
            sessions: 0,
            address: (*words.get(address)?).to_owned(),
            port: words.get(port)?.parse().ok()?,
            resolved_from: fqdn
                .and_then(|at| words.get(at))
                .filter(|name| **name != "-")
                .map(|name| (*name).to_owned()),
        };
        servers.insert((*words.get(name)?).to_owned(), server);
    }
    Some(servers)
}

fn add_statistics(servers: &mut BTreeMap<String, Server>, text: &str, backend: &str) {
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    for line in lines {
        // Only the columns before the first quoted text are used.
        let words: Vec<&str> = line.split(',').collect();
        let value = |name: &str| columns.iter().position(|found| *found == name).and_then(|i| words.get(i)).copied();
        if value("pxname") != Some(backend) {
            continue;
        }
        if let Some(server) = value("svname").and_then(|name| servers.get_mut(name)) {
            server.sessions = value("scur").and_then(|n| n.parse().ok()).unwrap_or(0);
            server.check =
                value("check_status").map(|s| s.trim_start_matches("* ").to_owned()).filter(|s| !s.is_empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_fqdn srv_port\n\
        2 orders 1 pg1 127.0.0.1 2 0 1 - 5432\n2 orders 2 pg2 127.0.0.1 0 5 1 pg2.example 5433\n\
        2 orders 3 pg3 127.0.0.1 2 8 1 - 5434\n\n";

    #[test]
    fn states_and_checks_are_read() {
        let mut servers = read_states(STATES).unwrap();
        let stat = "# pxname,svname,qcur,qmax,scur,status,check_status,x\norders,pg1,0,0,7,UP,L4OK,\nother,pg2,0,0,9,UP,L4OK,\n";
        add_statistics(&mut servers, stat, "orders");
        let up = Server {
            state: "ready",
            operational: "up",
            check: Some("L4OK".into()),
            sessions: 7,
            address: "127.0.0.1".into(),
            port: 5432,
            resolved_from: None,
        };
        assert_eq!(servers["pg1"], up);
        assert_eq!((servers["pg2"].state, servers["pg2"].sessions), ("maint", 0));
        assert_eq!((servers["pg2"].port, servers["pg2"].resolved_from.as_deref()), (5433, Some("pg2.example")));
        assert_eq!(servers["pg3"].state, "drain");
        assert!(read_states("Can't find backend.\n").is_none());
    }
}
