//! Pairs of links to the same place. It never talks to what it names: it holds what is written to a safe alphabet, as devices
//! and addresses become words of commands.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Inventory;
use super::check::{check_names, check_reference};

/// Two ways to the same destination: the one that is preferred while all is well, and the one for the day on which it is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The host of this inventory whose routes are switched; this very host where absent.
    #[serde(default)]
    pub host: Option<String>,
    /// The user to become there with `sudo -n`, where the one that logs in may not change routes.
    #[serde(default, rename = "become")]
    pub become_user: Option<String>,
    /// Where the routes lead: an IPv4 network such as `10.30.0.0/24`, or `default`.
    pub destination: String,
    /// Addresses in the destination that answer pings: after a switch one of them has to.
    pub targets: Vec<String>,
    /// The way that is preferred.
    pub primary: LinkPath,
    /// The other one.
    pub backup: LinkPath,
    /// The other end, from which the paths are looked at as well.
    #[serde(default)]
    pub far: Option<Far>,
    /// How long after a switch the next one is refused, so that the traffic does not flap, in seconds.
    #[serde(default = "hold_down")]
    pub hold_down_seconds: f64,
}

/// One of the two ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPath {
    /// The network device, for example `eth1`.
    pub device: String,
    /// The router behind it; none on a point-to-point device.
    #[serde(default)]
    pub gateway: Option<String>,
    /// The source address of what goes this way; the device's own where absent.
    #[serde(default)]
    pub source: Option<String>,
    /// The metric of its route: the lowest is preferred.
    pub metric: u32,
    /// Addresses that are reached over this way and answer pings, better far behind it than its next router.
    pub probe: Vec<String>,
}

/// The other end of a pair of links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Far {
    /// The host of this inventory at that end.
    pub host: String,
    /// The primary way, seen from there.
    pub primary: FarPath,
    /// The backup, seen from there.
    pub backup: FarPath,
}

/// A way as the other end sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FarPath {
    /// The network device there.
    pub device: String,
    /// The source address of its pings; the device's own where absent.
    #[serde(default)]
    pub source: Option<String>,
    /// Addresses at this end that are reached over this way and answer pings.
    pub probe: Vec<String>,
}

fn hold_down() -> f64 {
    300.0
}

/// What is wrong with the links, a sentence each.
pub(super) fn problems(inventory: &Inventory, found: &mut Vec<String>) {
    check_names("links", inventory.links.keys(), found);
    for (name, link) in &inventory.links {
        one(inventory, name, link, found);
    }
}

fn one(inventory: &Inventory, name: &str, link: &Link, found: &mut Vec<String>) {
    let place = format!("links.{name}");
    if let Some(host) = &link.host {
        check_reference(&format!("{place}.host"), "host", host, &inventory.hosts, found);
    }
    let network = network(&link.destination);
    if network.is_none() {
        found.push(format!(
            "{place}.destination: it has to be `default` or an IPv4 network with no bit set behind its prefix, such as \
             10.30.0.0/24"
        ));
    }
    check_addresses(&format!("{place}.targets"), &link.targets, found);
    let outside = |target: &&String| match (network, target.parse()) {
        (Some(network), Ok(address)) => !contains(network, address),
        _ => false,
    };
    for target in link.targets.iter().filter(outside) {
        found.push(format!("{place}.targets: {target} is not in {}, so it would not see the switch", link.destination));
    }
    for (which, path) in [("primary", &link.primary), ("backup", &link.backup)] {
        let place = format!("{place}.{which}");
        check_device(&place, &path.device, found);
        check_addresses(&format!("{place}.probe"), &path.probe, found);
        for (key, address) in [("gateway", &path.gateway), ("source", &path.source)] {
            if address.as_ref().is_some_and(|address| address.parse::<Ipv4Addr>().is_err()) {
                found.push(format!("{place}.{key}: it is no IPv4 address"));
            }
        }
    }
    if link.primary.metric >= link.backup.metric {
        found.push(format!("{place}: the primary's metric has to be lower than the backup's: the lowest is preferred"));
    }
    if link.primary.device == link.backup.device && link.primary.gateway == link.backup.gateway {
        found.push(format!(
            "{place}: primary and backup are the same device and gateway, so there is nothing to switch"
        ));
    }
    if !(0.0..=86_400.0).contains(&link.hold_down_seconds) {
        found.push(format!("{place}.hold_down_seconds: it has to be from 0 to 86400"));
    }
    if let Some(far) = &link.far {
        check_reference(&format!("{place}.far.host"), "host", &far.host, &inventory.hosts, found);
        for (which, path) in [("primary", &far.primary), ("backup", &far.backup)] {
            let place = format!("{place}.far.{which}");
            check_device(&place, &path.device, found);
            check_addresses(&format!("{place}.probe"), &path.probe, found);
            if path.source.as_ref().is_some_and(|address| address.parse::<Ipv4Addr>().is_err()) {
                found.push(format!("{place}.source: it is no IPv4 address"));
            }
        }
    }
}

// The kernel's own limit is 15 bytes; it takes more letters, but a hyphen in front would be read as an option.
fn check_device(place: &str, device: &str, found: &mut Vec<String>) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
    let starts_well = device.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !starts_well || device.len() > 15 || !device.bytes().all(plain) {
        found.push(format!("{place}.device: {device:?} is no network device's name"));
    }
}

fn check_addresses(place: &str, addresses: &[String], found: &mut Vec<String>) {
    if addresses.is_empty() || addresses.len() > 8 {
        found.push(format!("{place}: it has to have from one to eight addresses that answer pings"));
    }
    for address in addresses.iter().filter(|address| address.parse::<Ipv4Addr>().is_err()) {
        found.push(format!("{place}: {address:?} is no IPv4 address"));
    }
}

/// The network that a destination stands for, and the length of its prefix.
fn network(destination: &str) -> Option<(u32, u32)> {
    if destination == "default" {
        return Some((0, 0));
    }
    let (address, length) = destination.split_once('/')?;
    let address = u32::from(address.parse::<Ipv4Addr>().ok()?);
    let length = length.parse::<u32>().ok().filter(|length| (1..=32).contains(length))?;
    // `ip` prints a network in this form only: anything else would never be found again.
    let canonical = format!("{}/{length}", Ipv4Addr::from(address)) == destination;
    (canonical && address & !mask(length) == 0).then_some((address, length))
}

fn mask(length: u32) -> u32 {
    u32::MAX.checked_shl(32 - length).unwrap_or(0)
}

fn contains((network, length): (u32, u32), address: Ipv4Addr) -> bool {
    u32::from(address) & mask(length) == network
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl Fn(&mut serde_json::Value)) -> Vec<String> {
        let mut link = serde_json::json!({
            "destination": "10.30.0.0/24", "targets": ["10.30.0.1"],
            "primary": { "device": "wan1", "gateway": "10.10.1.1", "metric": 100, "probe": ["10.20.1.2"] },
            "backup": { "device": "wan2", "gateway": "10.10.2.1", "metric": 200, "probe": ["10.20.2.2"] },
        });
        change(&mut link);
        let mut found = Vec::new();
        one(&Inventory::default(), "uplink", &serde_json::from_value(link).unwrap(), &mut found);
        found
    }

    #[test]
    fn what_could_not_be_switched_or_is_no_word_of_a_command_is_refused() {
        assert_eq!(problems(|_| {}), Vec::<String>::new());
        assert_eq!(problems(|link| link["destination"] = "default".into()), Vec::<String>::new());
        let hostile = ["", "-h", "wan1;id", "wan 1", "../x", "a\nb", "sixteen-letters-x"];
        for device in hostile {
            assert_eq!(problems(|link| link["backup"]["device"] = device.into()).len(), 1, "{device:?}");
        }
        for address in ["", "10.30.0.1; id", "-f", "::1", "example.org", "10.30.0"] {
            for place in ["/targets/0", "/primary/probe/0", "/backup/gateway"] {
                let found = problems(|link| *link.pointer_mut(place).unwrap() = address.into());
                assert!(!found.is_empty(), "{place} {address:?}");
            }
        }
        for destination in ["10.30.0.1/24", "10.30.0.0", "0.0.0.0/0", "::/0", "10.30.0.0/024", "10.30.0.0/33", "all"] {
            let found = problems(|link| link["destination"] = destination.into());
            assert!(found[0].contains("destination"), "{destination}: {found:?}");
        }
        assert!(problems(|link| link["targets"] = serde_json::json!(["10.31.0.1"]))[0].contains("not in 10.30.0.0/24"));
        assert!(problems(|link| link["primary"]["metric"] = 200.into())[0].contains("lowest is preferred"));
        assert!(problems(|link| link["hold_down_seconds"] = (-1).into())[0].contains("hold_down_seconds"));
        assert!(problems(|link| link["host"] = "nobody".into())[0].contains("there is no host `nobody`"));
        assert_eq!(problems(|link| link["backup"] = link["primary"].clone()).len(), 2);
    }
}
