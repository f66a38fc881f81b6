//! How one gets to a host, as another tool's inventory asks for it, and what becomes of that among our hosts. A way that cannot be
//! gone is never replaced by another: the host is refused when it is used.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::inventory::{Host, SecretRef};

/// How many hosts one may go through.
const MOST_JUMPS: usize = 8;

/// What is asked for; what is not said is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) address: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) identity_file: Option<PathBuf>,
    pub(super) password: Option<SecretRef>,
    pub(super) known_hosts: Option<PathBuf>,
    pub(super) timeout: Option<f64>,
    /// The hosts to go through, the first one first; none is a way of its own (`none`).
    pub(super) jumps: Option<Vec<Jump>>,
    /// Why it must not be connected to.
    pub(super) refused: Option<String>,
    pub(super) notes: Vec<String>,
}

/// A host to go through.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Jump {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) identity_file: Option<PathBuf>,
    /// What a configuration of ssh says of it; then the name stands for an address there.
    pub(super) configured: Option<Box<Asked>>,
}

impl Jump {
    /// `[USER@]HOST[:PORT]`, also as an address of `ssh://`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("ssh://").unwrap_or(text).trim_end_matches('/');
        let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user.to_owned()), rest));
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None if rest.matches(':').count() == 1 => rest.split_once(':').map(|(host, port)| (host, Some(port)))?,
            None => (rest, None),
        };
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or(())).transpose().ok()?;
        let good = |text: &str| {
            !text.is_empty() && !text.starts_with('-') && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        (good(host) && user.as_deref().is_none_or(good)).then(|| Self {
            user,
            host: host.to_owned(),
            port,
            ..Self::default()
        })
    }

    /// Several, with commas; nothing where the word is `none`.
    pub(super) fn parse_all(text: &str) -> Option<Vec<Self>> {
        if text.trim().eq_ignore_ascii_case("none") {
            return Some(Vec::new());
        }
        let jumps: Option<Vec<Self>> = text.split(',').map(Self::parse).collect();
        jumps.filter(|jumps| jumps.len() <= MOST_JUMPS)
    }
}

impl Asked {
    /// Says why it must not be connected to; the first reason stands.
    pub(super) fn refuse(&mut self, why: impl Into<String>) {
        self.refused.get_or_insert_with(|| why.into());
    }

    /// What is not said here, as another one says it.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.address = self.address.or(other.address);
        self.port = self.port.or(other.port);
        self.user = self.user.or(other.user);
        self.identity_file = self.identity_file.or(other.identity_file);
        self.password = self.password.or(other.password);
        self.known_hosts = self.known_hosts.or(other.known_hosts);
        self.timeout = self.timeout.or(other.timeout);
        // Another's way is only refused where it is the one that would be gone.
        if self.jumps.is_none() {
            self.jumps = other.jumps;
            self.refused = self.refused.or(other.refused);
        }
        self.notes.extend(other.notes);
        self
    }

    /// Puts it into a host; the hosts to go through are found among the others, or made.
    pub(super) fn apply(self, host: &mut Host, hosts: &mut BTreeMap<String, Host>) {
        host.address = self.address.unwrap_or_else(|| host.address.clone());
        host.port = self.port.unwrap_or(host.port);
        host.user = self.user;
        host.identity_file = self.identity_file;
        host.password = self.password;
        host.known_hosts = self.known_hosts;
        host.connect_timeout_seconds = self.timeout.unwrap_or(host.connect_timeout_seconds);
        host.refused = self.refused;
        host.jump = None;
        if host.refused.is_none() {
            for jump in self.jumps.into_iter().flatten() {
                match made(jump, host.jump.take(), hosts) {
                    Ok(name) => host.jump = Some(name),
                    Err(why) => {
                        host.refused = Some(why);
                        return;
                    }
                }
            }
        }
    }
}

/// The name of a host to go through, which is made where there is none like it.
fn made(jump: Jump, before: Option<String>, hosts: &mut BTreeMap<String, Host>) -> Result<String, String> {
    let plain = jump.user.is_none() && jump.port.is_none() && jump.identity_file.is_none() && before.is_none();
    if plain && hosts.get(&jump.host).is_some_and(|host| !host.only_a_way) {
        return Ok(jump.host);
    }
    let name = jump.host.clone();
    let own = Asked {
        address: None,
        port: jump.port,
        user: jump.user,
        identity_file: jump.identity_file,
        jumps: before.as_ref().map(|_| Vec::new()),
        ..Asked::default()
    };
    let asked = match jump.configured {
        Some(configured) => own.or(*configured),
        None => own,
    };
    let mut host = Host { address: name.clone(), only_a_way: true, place: usize::MAX, ..Host::default() };
    asked.apply(&mut host, hosts);
    if let Some(why) = host.refused {
        return Err(format!("the way leads through {name}: {why}"));
    }
    host.jump = before.or(host.jump);
    let stem = if crate::inventory::check::is_name(&name) { name } else { "jump".to_owned() };
    for number in 1..1_000 {
        let name = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
        match hosts.get(&name) {
            Some(other) if *other == host => return Ok(name),
            Some(_) => {}
            None if crate::inventory::check::is_name(&name) => {
                hosts.insert(name.clone(), host);
                return Ok(name);
            }
            None => break,
        }
    }
    Err(format!("the way leads through {stem}, for which no name is free here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_read_in_all_of_its_forms() {
        let read = |text: &str| Jump::parse(text).map(|jump| (jump.user, jump.host, jump.port));
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read("door"), Some((None, "door".into(), None)));
        assert_eq!(read("me@door:2222"), Some((some("me"), "door".into(), Some(2222))));
        assert_eq!(read("ssh://me@door:22/"), Some((some("me"), "door".into(), Some(22))));
        assert_eq!(read("[2001:db8::1]:22"), Some((None, "2001:db8::1".into(), Some(22))));
        assert_eq!(read("2001:db8::1"), Some((None, "2001:db8::1".into(), None)));
        for bad in ["", "a b", "-oX", "door:", "door:0", "door:x", "@door", "me@", "a\u{1b}b"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(Jump::parse_all("None").unwrap(), []);
        assert!(Jump::parse_all(&["a"; 9].join(",")).is_none());
    }

    #[test]
    fn hosts_to_go_through_are_found_or_made_once() {
        let mut hosts =
            BTreeMap::from([("door".to_owned(), Host { address: "10.0.0.9".to_owned(), ..Host::default() })]);
        let mut through = |jumps: &str| {
            let mut host = Host { address: "x".to_owned(), ..Host::default() };
            let asked = Asked { jumps: Jump::parse_all(jumps), ..Asked::default() };
            asked.apply(&mut host, &mut hosts);
            host.jump.unwrap()
        };
        assert_eq!(through("door"), "door");
        assert_eq!(through("me@door"), "door-2");
        assert_eq!(through("me@door"), "door-2");
        assert_eq!(through("door,far"), "far");
        assert_eq!(through("far"), "far-2", "by itself it is reached straight away");
        assert_eq!(through("me@[2001:db8::1]:2222"), "jump");
        assert_eq!(hosts["far"].jump.as_deref(), Some("door"));
        assert_eq!((hosts["jump"].address.as_str(), hosts["jump"].port), ("2001:db8::1", 2222));
        assert!(hosts["far"].only_a_way && !hosts["door"].only_a_way);
    }
}
