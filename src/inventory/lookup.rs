//! Looking things up by name. A name that is not there is answered with the nearest one that is, and it never guesses.

use std::collections::BTreeMap;

use super::{Backup, Cloud, Database, Host, Inventory, InventoryError, Link, Member, Pooler, Proxy};
use crate::diagnostic::nearest;

impl Inventory {
    /// A database cluster by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn database(&self, name: &str) -> Result<&Database, InventoryError> {
        find("database", name, &self.databases)
    }

    /// A proxy by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn proxy(&self, name: &str) -> Result<&Proxy, InventoryError> {
        find("proxy", name, &self.proxies)
    }

    /// A backup by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn backup(&self, name: &str) -> Result<&Backup, InventoryError> {
        find("backup", name, &self.backups)
    }

    /// A pair of links by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn link(&self, name: &str) -> Result<&Link, InventoryError> {
        find("link", name, &self.links)
    }

    /// A connection pooler by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn pooler(&self, name: &str) -> Result<&Pooler, InventoryError> {
        find("pooler", name, &self.poolers)
    }

    /// A cloud by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn cloud(&self, name: &str) -> Result<&Cloud, InventoryError> {
        find("cloud", name, &self.clouds)
    }

    /// A host by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn host(&self, name: &str) -> Result<&Host, InventoryError> {
        if let Some(host) = self.hosts.get(name) {
            return Ok(host);
        }
        match self.tree().hosts_in(self, name) {
            Some(hosts) => Err(InventoryError::Group { name: name.to_owned(), hosts: shortened(&hosts) }),
            None => find("host", name, &self.hosts),
        }
    }

    /// The names of the hosts that a host's or a group's name stands for.
    ///
    /// # Errors
    /// When it is neither.
    pub fn hosts_of(&self, name: &str) -> Result<Vec<&str>, InventoryError> {
        if let Some((host, _)) = self.hosts.get_key_value(name) {
            return Ok(vec![host.as_str()]);
        }
        let known = self.hosts.keys().chain(self.groups.keys());
        self.tree().hosts_in(self, name).ok_or_else(|| unknown("host or group", name, known))
    }

    /// Holds that there is an entry of this name of a kind, which is named as the types of inputs name it. A kind that is
    /// none of the inventory's refuses nothing.
    ///
    /// # Errors
    /// When there is none.
    pub fn holds(&self, kind: &str, name: &str) -> Result<(), InventoryError> {
        match kind {
            "host" => self.host(name).map(drop),
            "database" => self.database(name).map(drop),
            "proxy" => self.proxy(name).map(drop),
            "backup" => self.backup(name).map(drop),
            "service" => self.service(name).map(drop),
            "link" => self.link(name).map(drop),
            "pooler" => self.pooler(name).map(drop),
            "cluster" => self.cluster(name).map(drop),
            "cloud" => self.cloud(name).map(drop),
            "application" => self.application(name).map(drop),
            _ => Ok(()),
        }
    }

    /// The names of all entries of a kind.
    pub fn names(&self, kind: &str) -> Vec<&str> {
        fn keys<T>(map: &BTreeMap<String, T>) -> Vec<&str> {
            map.keys().map(String::as_str).collect()
        }
        match kind {
            "host" => keys(&self.hosts),
            "database" => keys(&self.databases),
            "proxy" => keys(&self.proxies),
            "backup" => keys(&self.backups),
            "service" => keys(&self.services),
            "link" => keys(&self.links),
            "pooler" => keys(&self.poolers),
            "cluster" => keys(&self.clusters),
            "cloud" => keys(&self.clouds),
            "application" => keys(&self.applications),
            _ => Vec::new(),
        }
    }
}

impl Database {
    /// A member by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn member(&self, name: &str) -> Result<&Member, InventoryError> {
        find("member", name, &self.members)
    }
}

pub(super) fn find<'a, T>(
    kind: &'static str,
    name: &str,
    known: &'a BTreeMap<String, T>,
) -> Result<&'a T, InventoryError> {
    known.get(name).ok_or_else(|| unknown(kind, name, known.keys()))
}

pub(super) fn unknown<'a>(
    kind: &'static str,
    name: &str,
    known: impl Iterator<Item = &'a String> + Clone,
) -> InventoryError {
    InventoryError::Unknown {
        kind,
        name: name.to_owned(),
        nearest: nearest(name, known.clone().map(String::as_str)).map(str::to_owned),
        known: known.cloned().collect(),
    }
}

/// The end of the sentence that says a name is not there.
pub(super) fn hint(kind: &str, nearest: Option<&str>, known: &[String]) -> String {
    match (nearest, known) {
        (Some(near), _) => format!(": did you mean `{near}`?"),
        (None, []) => format!(": it has no {kind} at all"),
        (None, known) => format!(": it has {}", shortened(known)),
    }
}

/// The first of many names: nobody reads a thousand of them in an error.
fn shortened<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 12;
    let first: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let host = |address: &str| Host { address: address.to_owned(), ..Host::default() };
        let group = crate::inventory::Group { hosts: vec!["db1".to_owned(), "db2".to_owned()], ..Default::default() };
        Inventory {
            hosts: BTreeMap::from([("db1".to_owned(), host("a")), ("db2".to_owned(), host("b"))]),
            groups: BTreeMap::from([("both".to_owned(), group)]),
            ..Inventory::default()
        }
    }

    #[test]
    fn a_missing_name_is_answered_with_the_nearest() {
        let inventory = inventory();
        assert_eq!(inventory.host("db2").unwrap().address, "b");
        let error = inventory.host("dv2").unwrap_err().to_string();
        assert_eq!(error, "the inventory has no host `dv2`: did you mean `db2`?");
        let error = inventory.host("mailserver").unwrap_err().to_string();
        assert_eq!(error, "the inventory has no host `mailserver`: it has db1, db2");
        let error = inventory.database("orders").unwrap_err().to_string();
        assert_eq!(error, "the inventory has no database `orders`: it has no database at all");
    }

    #[test]
    fn every_kind_of_an_input_is_looked_up() {
        let inventory = inventory();
        for kind in
            ["host", "database", "proxy", "backup", "service", "link", "pooler", "cluster", "cloud", "application"]
        {
            let error = inventory.holds(kind, "dv2").map_err(|error| error.to_string());
            assert!(error.is_err_and(|error| error.contains(&format!("the inventory has no {kind} `dv2`"))), "{kind}");
        }
        assert!(inventory.holds("host", "db2").is_ok() && inventory.holds("moon", "dv2").is_ok());
        assert!(inventory.holds("host", "both").is_err());
        assert_eq!(inventory.names("host"), ["db1", "db2"]);
    }

    #[test]
    fn a_group_stands_for_its_hosts() {
        let inventory = inventory();
        assert_eq!(inventory.hosts_of("both").unwrap(), ["db1", "db2"]);
        assert_eq!(inventory.hosts_of("db2").unwrap(), ["db2"]);
        let error = inventory.host("both").unwrap_err().to_string();
        assert!(
            error.contains("(db1, db2)")
                && error.contains("for_each: { hosts: both }")
                && error.contains(r#"host: "{{item}}""#),
            "{error}"
        );
        assert!(inventory.hosts_of("bosh").unwrap_err().to_string().contains("did you mean `both`"));
    }
}
