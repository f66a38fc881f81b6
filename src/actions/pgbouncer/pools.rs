//! What a pooler's databases are doing, as its console tells it. Read by the names of the columns, and without those that a
//! version does not have. It changes nothing.

use std::collections::BTreeMap;

use serde_json::json;

use super::PoolerError;
use super::console::{Console, Row};
use crate::inventory::{Inventory, Pooler};
use crate::value::Value;

/// One database of a pooler.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pool {
    /// `ADDRESS:PORT` of the server it leads to.
    pub(super) address: String,
    /// The database's name there.
    pub(super) database: String,
    pub(super) paused: bool,
    pub(super) disabled: bool,
    pub(super) mode: Option<String>,
    pub(super) clients_active: i64,
    pub(super) clients_waiting: i64,
    /// All server connections, and those of them that serve a client.
    pub(super) servers: i64,
    pub(super) servers_active: i64,
    /// In seconds.
    pub(super) longest_wait: f64,
}

/// A pooler's databases of the inventory, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pools(pub(super) BTreeMap<String, Pool>);

impl Pools {
    /// Looks at them, on a console of its own.
    pub(super) async fn of(inventory: &Inventory, name: &str, pooler: &Pooler) -> Result<Self, PoolerError> {
        Self::through(&Console::open(inventory, pooler).await?, name, pooler).await
    }

    /// Looks at them.
    pub(super) async fn through(console: &Console, name: &str, pooler: &Pooler) -> Result<Self, PoolerError> {
        let databases = console.ask("SHOW DATABASES").await?;
        let pools = console.ask("SHOW POOLS").await?;
        read(name, pooler, &databases, &pools)
    }

    /// The names of those that something holds for.
    pub(super) fn which(&self, holds: impl Fn(&Pool) -> bool) -> Vec<&str> {
        self.0.iter().filter(|(_, pool)| holds(pool)).map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn sum(&self, count: impl Fn(&Pool) -> i64) -> i64 {
        self.0.values().map(count).sum()
    }

    /// Where each leads, for a person and to compare.
    pub(super) fn leads_to(&self) -> String {
        let each = self.0.iter().map(|(name, pool)| format!("{name} at {}/{}", pool.address, pool.database));
        each.collect::<Vec<_>>().join(", ")
    }

    /// When a server connection is given back, where all databases agree on it.
    pub(super) fn mode(&self) -> Option<&str> {
        let mut modes = self.0.values().filter_map(|pool| pool.mode.as_deref());
        modes.next().filter(|first| modes.all(|mode| mode == *first))
    }

    /// The facts that every action of this room reads.
    pub(super) fn facts(&self) -> Value {
        let longest = self.0.values().map(|pool| pool.longest_wait).fold(0.0, f64::max);
        json!({
            "paused": self.which(|pool| pool.paused),
            "disabled": self.which(|pool| pool.disabled),
            "leads_to": self.leads_to(),
            "mode": self.mode(),
            "clients_active": self.sum(|pool| pool.clients_active),
            "clients_waiting": self.sum(|pool| pool.clients_waiting),
            "servers": self.sum(|pool| pool.servers),
            "servers_active": self.sum(|pool| pool.servers_active),
            "longest_wait": longest,
        })
    }

    /// Holds them to where the inventory says that they lead, and to where they led when the step was begun.
    ///
    /// # Errors
    /// Where one leads, and where it should.
    pub(super) fn hold(&self, pooler: &Pooler, before: &Value) -> Result<(), PoolerError> {
        if let Some(wanted) = &pooler.leads_to
            && let Some((name, pool)) = self.0.iter().find(|(_, pool)| !same_place(&pool.address, wanted))
        {
            return Err(PoolerError::Invalid(format!(
                "PgBouncer's database {name} leads to {}, and the inventory says {wanted} (`leads_to`): it is not touched, and no \
                 override lifts this. Correct PgBouncer's file, or the inventory",
                pool.address
            )));
        }
        match before.get("leads_to").and_then(Value::as_str) {
            Some(was) if was != self.leads_to() => Err(PoolerError::Invalid(format!(
                "PgBouncer's databases led elsewhere when this step was planned ({was}) than now ({}): they are not touched",
                self.leads_to()
            ))),
            _ => Ok(()),
        }
    }
}

fn same_place(found: &str, wanted: &str) -> bool {
    let plain = |place: &str| place.replace(['[', ']'], "");
    plain(found) == plain(wanted)
}

fn read(name: &str, pooler: &Pooler, databases: &[Row], pools: &[Row]) -> Result<Pools, PoolerError> {
    let mut found = BTreeMap::new();
    for wanted in &pooler.databases {
        let Some(row) = databases.iter().find(|row| row.get("name") == Some(wanted)) else {
            let known: Vec<&str> = databases.iter().filter_map(|row| Some(row.get("name")?.as_str())).collect();
            return Err(PoolerError::Invalid(format!(
                "the pooler {name} has no database `{wanted}`; it has {}",
                known.join(", ")
            )));
        };
        let Some(paused) = row.get("paused") else {
            return Err(PoolerError::Invalid(format!(
                "the pooler {name} does not tell which of its databases are paused (SHOW DATABASES has no such column): a \
                 PgBouncer of version 1.12 or later is wanted"
            )));
        };
        let mut pool = Pool { paused: flag(paused), ..database(row) };
        for row in pools.iter().filter(|row| row.get("database") == Some(wanted)) {
            count(&mut pool, row);
        }
        found.insert(wanted.clone(), pool);
    }
    Ok(Pools(found))
}

fn database(row: &Row) -> Pool {
    let text = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
    let host = Some(text("host")).filter(|host| !host.is_empty()).unwrap_or("a Unix socket");
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Pool {
        address: format!("{host}:{}", text("port")),
        database: text("database").to_owned(),
        disabled: flag(text("disabled")),
        mode: Some(text("pool_mode").to_owned()).filter(|mode| !mode.is_empty()),
        ..Pool::default()
    }
}

/// Adds a row of SHOW POOLS: there is one for each user.
fn count(pool: &mut Pool, row: &Row) {
    let number = |name: &str| row.get(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    pool.clients_active += number("cl_active");
    pool.clients_waiting += number("cl_waiting");
    pool.servers_active += number("sv_active");
    // All that begin with it are states of server connections, more of them in later versions.
    pool.servers += row.keys().filter(|name| name.starts_with("sv_")).map(|name| number(name)).sum::<i64>();
    let waited = number("maxwait") as f64 + number("maxwait_us") as f64 / 1e6;
    pool.longest_wait = pool.longest_wait.max(waited);
    if pool.mode.is_none() {
        pool.mode = row.get("pool_mode").cloned().filter(|mode| !mode.is_empty());
    }
}

fn flag(text: &str) -> bool {
    matches!(text, "1" | "t" | "true" | "yes" | "on")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pooler(leads_to: Option<&str>) -> Pooler {
        let text =
            json!({ "address": "a", "user": "u", "cluster": "orders", "databases": ["orders"], "leads_to": leads_to });
        serde_json::from_value(text).unwrap()
    }

    fn row(columns: &[(&str, &str)]) -> Row {
        columns.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn versions_with_fewer_and_with_more_columns_are_read() {
        // 1.12 has neither `current_connections` in this place nor the states of cancel requests; 1.24 has more of both.
        let old =
            row(&[("name", "orders"), ("host", "10.0.0.9"), ("port", "5432"), ("database", "db"), ("paused", "0")]);
        let pool =
            row(&[("database", "orders"), ("cl_active", "2"), ("sv_active", "1"), ("sv_idle", "3"), ("maxwait", "4")]);
        let found = read("front", &pooler(None), &[old], &[pool]).unwrap();
        assert_eq!(found.leads_to(), "orders at 10.0.0.9:5432/db");
        assert_eq!((found.sum(|pool| pool.servers), found.mode()), (4, None));
        let new = row(&[
            ("name", "orders"),
            ("host", "::1"),
            ("port", "5432"),
            ("database", "db"),
            ("paused", "1"),
            ("disabled", "1"),
            ("pool_mode", ""),
            ("server_lifetime", ""),
            ("load_balance_hosts", ""),
            ("max_client_connections", "0"),
        ]);
        let each = |user: &str, waiting: &str| {
            row(&[
                ("database", "orders"),
                ("user", user),
                ("cl_waiting", waiting),
                ("sv_active_cancel", "1"),
                ("maxwait", "1"),
                ("maxwait_us", "500000"),
                ("pool_mode", "session"),
                ("load_balance_hosts", ""),
            ])
        };
        let found = read("front", &pooler(None), &[new], &[each("a", "2"), each("b", "1")]).unwrap();
        let facts = found.facts();
        assert_eq!(facts["paused"], json!(["orders"]));
        assert_eq!((&facts["clients_waiting"], &facts["servers"]), (&json!(3), &json!(2)));
        assert_eq!((&facts["longest_wait"], &facts["mode"]), (&json!(1.5), &json!("session")));
        assert_eq!(found.leads_to(), "orders at [::1]:5432/db");
    }

    #[test]
    fn what_it_cannot_tell_is_no_guess() {
        let nameless = read("front", &pooler(None), &[row(&[("name", "other"), ("paused", "0")])], &[]);
        assert!(nameless.is_err_and(|error| error.to_string().contains("no database `orders`; it has other")));
        let ancient = read("front", &pooler(None), &[row(&[("name", "orders")])], &[]);
        assert!(ancient.is_err_and(|error| error.to_string().contains("does not tell which")));
    }

    #[test]
    fn a_database_has_to_lead_where_the_inventory_says_and_where_it_led() {
        let there =
            row(&[("name", "orders"), ("host", "10.0.0.9"), ("port", "5432"), ("database", "db"), ("paused", "0")]);
        let found = read("front", &pooler(None), &[there], &[]).unwrap();
        let before = |place: &str| json!({ "leads_to": format!("orders at {place}/db") });
        for (leads_to, before, fits) in [
            (None, Value::Null, true),
            (Some("10.0.0.9:5432"), before("10.0.0.9:5432"), true),
            (Some("10.0.0.8:5432"), Value::Null, false),
            (Some("10.0.0.9:5433"), Value::Null, false),
            (None, before("10.0.0.8:5432"), false),
        ] {
            assert_eq!(found.hold(&pooler(leads_to), &before).is_ok(), fits, "{leads_to:?}, {before}");
        }
    }
}
