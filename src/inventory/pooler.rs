//! Poolers in the inventory: a PgBouncer, where its console listens, and which of its databases lead to which cluster. It
//! never talks to one.

use serde::{Deserialize, Serialize};

use super::check::{check_names, check_reference, check_text, is_address};
use super::{Inventory, SecretRef};
use crate::value::Reference;

/// A PgBouncer in front of a database cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pooler {
    /// Where its console listens, which is where its clients connect: an address, or the folder of its Unix socket here.
    pub address: String,
    /// And the port.
    #[serde(default = "pooler_port")]
    pub port: u16,
    /// Who the console is entered as: one of its `admin_users`.
    pub user: String,
    /// The password, by reference.
    #[serde(default)]
    pub password: Option<SecretRef>,
    /// The database cluster that it serves, by name.
    pub cluster: String,
    /// The names that its file gives to that cluster's databases: what is paused and resumed.
    pub databases: Vec<String>,
    /// Where those have to lead, `ADDRESS:PORT`: the proxy, or a member. Where absent, to wherever they led when a plan was made.
    #[serde(default)]
    pub leads_to: Option<String>,
}

impl Pooler {
    /// Whether its console is reached by a Unix socket.
    pub fn is_local(&self) -> bool {
        self.address.starts_with('/')
    }

    /// Its console's address, for a person.
    pub fn place(&self) -> String {
        if self.address.contains(':') && !self.is_local() {
            return format!("[{}]:{}", self.address, self.port);
        }
        format!("{}{}{}", self.address, if self.is_local() { "/.s.PGSQL." } else { ":" }, self.port)
    }
}

/// A name that may stand in a line to the console, in double quotes: there is no other way to give it one.
pub fn is_pool_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    !name.is_empty() && name.len() <= 63 && name.bytes().all(plain)
}

fn pooler_port() -> u16 {
    6432
}

/// What is wrong with the poolers, and with what is said of them elsewhere.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("poolers", inventory.poolers.keys(), found);
    for (name, pooler) in &inventory.poolers {
        one(inventory, &format!("poolers.{name}"), pooler, found);
    }
    for (cluster, database) in &inventory.databases {
        let Some(name) = &database.pooler else { continue };
        let place = format!("databases.{cluster}.pooler");
        check_reference(&place, "pooler", name, &inventory.poolers, found);
        if let Some(other) = inventory.poolers.get(name).filter(|pooler| &pooler.cluster != cluster) {
            found.push(format!("{place}: the pooler {name} says that it serves `{}`", other.cluster));
        }
    }
}

fn one(inventory: &Inventory, place: &str, pooler: &Pooler, found: &mut Vec<String>) {
    check_text(&format!("{place}.address"), &pooler.address, found);
    check_text(&format!("{place}.user"), &pooler.user, found);
    check_reference(&format!("{place}.cluster"), "database", &pooler.cluster, &inventory.databases, found);
    if pooler.port == 0 {
        found.push(format!("{place}.port: it is 0"));
    }
    if let Some(password) = &pooler.password
        && let Err(why) = Reference::parse(&password.0)
    {
        found.push(format!("{place}.password: {why}"));
    }
    if pooler.databases.is_empty() {
        found.push(format!("{place}.databases: it has none, so there is nothing to pause"));
    }
    for name in pooler.databases.iter().filter(|name| !is_pool_name(name) || *name == "pgbouncer") {
        found.push(format!(
            "{place}.databases: `{}` cannot be paused by name: letters, digits and . _ - (at most 63), and not the console's own",
            name.escape_debug()
        ));
    }
    if pooler.leads_to.as_deref().is_some_and(|address| !is_address(address)) {
        found.push(format!("{place}.leads_to: write it as ADDRESS:PORT"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pooler: &str, of_database: &str) -> Vec<String> {
        let text = format!(
            "environment: lab\ndatabases:\n  orders: {{ user: u, dbname: d, pooler: {of_database}, members: {{ pg1: {{ address: a, \
             port: 1, data_directory: /d, bin_directory: /b }} }} }}\n  other: {{ user: u, dbname: d, members: {{ pg1: {{ address: a, \
             port: 1, data_directory: /d, bin_directory: /b }} }} }}\npoolers:\n  front: {pooler}\n"
        );
        super::super::check::problems(&serde_saphyr::from_str(&text).unwrap())
    }

    #[test]
    fn a_pooler_has_to_fit_its_cluster() {
        let good = "{ address: 10.0.0.1, user: playbook, password: env:PW, cluster: orders, databases: [orders] }";
        assert_eq!(told(good, "front"), Vec::<String>::new());
        for (from, to, of_database, place) in [
            ("", "", "frnt", "did you mean `front`?"),
            ("cluster: orders", "cluster: other", "front", "says that it serves `other`"),
            ("cluster: orders", "cluster: nobody", "front", "poolers.front.cluster"),
            ("env:PW", "hunter2", "front", "poolers.front.password"),
            ("[orders]", "[]", "front", "nothing to pause"),
            ("[orders]", "['a\";PAUSE']", "front", "cannot be paused by name"),
            ("[orders]", "[pgbouncer]", "front", "cannot be paused by name"),
            ("[orders]", "['*']", "front", "cannot be paused by name"),
            ("10.0.0.1", "-h", "front", "begins with a hyphen"),
            ("cluster:", "leads_to: '5432', cluster:", "front", "poolers.front.leads_to"),
        ] {
            let found = told(&good.replace(from, to), of_database).join("\n");
            assert!(found.contains(place), "{to}, {of_database}: {found}");
            assert!(!found.contains("hunter2"), "what may be a secret is not shown: {found}");
        }
    }

    #[test]
    fn its_place_is_told_as_a_person_knows_it() {
        let at = |address: &str| {
            let text = format!("{{ address: '{address}', user: u, cluster: c, databases: [d] }}");
            serde_saphyr::from_str::<Pooler>(&text).unwrap().place()
        };
        assert_eq!(at("10.0.0.1"), "10.0.0.1:6432");
        assert_eq!(at("::1"), "[::1]:6432");
        assert_eq!(at("/run/postgresql"), "/run/postgresql/.s.PGSQL.6432");
    }
}
