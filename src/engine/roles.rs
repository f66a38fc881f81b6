//! Which roles a person has: those that the configuration gives to the user, or to a group that the operating system says
//! the user is in. What it trusts: the configuration's file and the machine's user database (`/etc/passwd`, `/etc/group`, or
//! what `nsswitch.conf` adds to them). Who a user *is*, is said by whoever asks: on a private state the process's own uid. It
//! must never guess: a user or group that the system does not know has no role by it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getgid, getgrouplist, getgroups};

use crate::config::{self, Role};

/// Who may do what.
pub trait People: Send + Sync {
    /// The roles that a user has, sorted; none for a user that nobody knows.
    fn roles_of(&self, user: &str) -> Vec<String>;
}

/// The roles of the configuration, by the users and groups of the operating system.
#[derive(Debug, Clone, Default)]
pub struct SystemPeople {
    roles: BTreeMap<String, Role>,
    /// The configuration to read anew, as somebody may have been given a role since the run began.
    file: Option<PathBuf>,
}

impl SystemPeople {
    /// The roles as the configuration has them.
    pub fn of(roles: &BTreeMap<String, Role>) -> Self {
        Self { roles: roles.clone(), file: None }
    }

    /// The same, as they stand in that file when somebody asks. One that cannot be read by then changes nothing.
    pub fn in_file(roles: &BTreeMap<String, Role>, file: PathBuf) -> Self {
        Self { roles: roles.clone(), file: Some(file) }
    }
}

impl People for SystemPeople {
    fn roles_of(&self, user: &str) -> Vec<String> {
        let now = self.file.as_deref().and_then(|file| config::load(Some(file)).ok()).map(|config| config.roles);
        let roles = now.as_ref().unwrap_or(&self.roles);
        // The user database may be a server far away: it is asked where a role hangs on a group, and not otherwise.
        let by_group = roles.values().any(|role| !role.groups.is_empty());
        given(roles, user, &if by_group { groups_of(user) } else { BTreeSet::new() })
    }
}

/// Somebody who has all of these roles, whatever the name: for simulations, in which nobody real is asked.
#[derive(Debug, Clone, Default)]
pub struct Everybody {
    roles: BTreeSet<String>,
}

impl Everybody {
    /// Somebody with these roles.
    pub fn with(roles: impl IntoIterator<Item = String>) -> Self {
        Self { roles: roles.into_iter().collect() }
    }
}

impl People for Everybody {
    fn roles_of(&self, _: &str) -> Vec<String> {
        self.roles.iter().cloned().collect()
    }
}

fn given(roles: &BTreeMap<String, Role>, user: &str, groups: &BTreeSet<String>) -> Vec<String> {
    let has = |role: &Role| {
        role.users.iter().any(|name| name == user) || role.groups.iter().any(|name| groups.contains(name))
    };
    roles.iter().filter(|(_, role)| has(role)).map(|(name, _)| name.clone()).collect()
}

/// The groups of a user, the primary one too. A group without a name is `gid N`.
fn groups_of(user: &str) -> BTreeSet<String> {
    let gids = match User::from_name(user) {
        Ok(Some(entry)) => CString::new(user).ok().and_then(|name| getgrouplist(&name, entry.gid).ok()),
        // A container often has no name for its user. Its groups are known where it is the one of this very process.
        _ if user == format!("uid {}", Uid::current()) => {
            Some(std::iter::once(getgid()).chain(getgroups().unwrap_or_default()).collect())
        }
        _ => None,
    };
    gids.unwrap_or_default().into_iter().map(group_name).collect()
}

fn group_name(gid: Gid) -> String {
    match Group::from_gid(gid) {
        Ok(Some(group)) => group.name,
        Ok(None) | Err(_) => format!("gid {gid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(users: &[&str], groups: &[&str]) -> Role {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Role { users: owned(users), groups: owned(groups) }
    }

    #[test]
    fn a_role_comes_by_name_or_by_group() {
        let roles = BTreeMap::from([
            ("dba".to_owned(), role(&["alice"], &["dba"])),
            ("incident-commander".to_owned(), role(&[], &["oncall"])),
            ("nobody".to_owned(), role(&["eve"], &[])),
        ]);
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(given(&roles, "alice", &groups(&[])), ["dba"]);
        assert_eq!(given(&roles, "bob", &groups(&["dba", "oncall"])), ["dba", "incident-commander"]);
        // A user who is called like a group is not in it.
        assert!(given(&roles, "oncall", &groups(&["users"])).is_empty());
    }

    #[test]
    fn the_system_says_in_which_groups_a_user_is() {
        let root = User::from_uid(Uid::from_raw(0)).unwrap().unwrap();
        let primary = group_name(root.gid);
        let people = SystemPeople::of(&BTreeMap::from([("admin".to_owned(), role(&[], &[&primary]))]));
        assert_eq!(people.roles_of(&root.name), ["admin"]);
        assert!(people.roles_of("no such user").is_empty());
        // A number is not looked up: only this process' own uid has groups without a name.
        assert!(people.roles_of("uid 4294967290").is_empty());
    }

    #[test]
    fn everybody_has_the_roles_that_were_named() {
        assert_eq!(Everybody::with(["dba".to_owned()]).roles_of("x"), ["dba"]);
        assert!(Everybody::default().roles_of("x").is_empty());
    }
}
