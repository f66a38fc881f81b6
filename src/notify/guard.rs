//! Where messages may go: never to the metadata services of clouds or to what only this link knows, whatever a name resolves
//! to at the moment at which it is sent. This machine itself only where the configuration names it as such.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Addresses at which clouds give out credentials, beside those that are only on a link.
const METADATA: [IpAddr; 6] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Alibaba Cloud, Azure, Oracle and Tencent.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 0, 23)),
];

/// Which addresses a configured host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    loopback: bool,
}

/// An address that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is {what}: nothing is sent there")]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub what: &'static str,
}

impl Guard {
    /// For a host as it is configured: one that is this machine by its very name may lead to this machine.
    pub fn of(host: &str) -> Self {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let literal = bare.parse::<IpAddr>().is_ok_and(|address| plain(address).is_loopback());
        Self { loopback: literal || bare.eq_ignore_ascii_case("localhost") }
    }

    /// Whether something may be sent to an address.
    ///
    /// # Errors
    /// When it may not.
    pub fn check(self, address: IpAddr) -> Result<(), Forbidden> {
        let inner = plain(address);
        let what = match inner {
            _ if METADATA.contains(&inner) => Some("a metadata service"),
            _ if inner.is_unspecified() => Some("no address"),
            _ if inner.is_multicast() => Some("a multicast address"),
            _ if inner.is_loopback() && !self.loopback => Some("this machine, which the configuration does not name"),
            IpAddr::V4(v4) if v4.is_link_local() => Some("link-local, where metadata services are"),
            IpAddr::V4(v4) if v4.is_broadcast() || v4.octets()[0] == 0 => Some("no address of a host"),
            IpAddr::V6(v6) if (v6.segments()[0] & 0xffc0) == 0xfe80 => Some("link-local"),
            _ => None,
        };
        what.map_or(Ok(()), |what| Err(Forbidden { address, what }))
    }

    /// The addresses of a host, none of which is forbidden: one that is makes all of them suspicious.
    ///
    /// # Errors
    /// When the host has none, or one that nothing is sent to.
    pub async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = tokio::net::lookup_host((bare, port)).await?.collect();
        for address in &found {
            self.check(address.ip())?;
        }
        if found.is_empty() {
            return Err(format!("{bare} has no address").into());
        }
        Ok(found)
    }
}

/// The address that is meant where an IPv4 address is written as an IPv6 one.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let inside = || {
        let ([o1, o2], [o3, o4]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(o1, o2, o3, o4))
    };
    match [a, b, c, d, e, f] {
        // Mapped, translated by NAT64, and the old compatible form but for `::` and `::1`.
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => inside(),
        [0, 0, 0, 0, 0, 0] if high != 0 => inside(),
        // 6to4 holds it in its prefix.
        [0x2002, ..] => {
            let ([o1, o2], [o3, o4]) = (b.to_be_bytes(), c.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(o1, o2, o3, o4))
        }
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_link_local_and_this_machine_are_forbidden() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "100.100.100.200",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            let guard = Guard::of("hooks.example");
            assert!(guard.check(address.parse().unwrap()).is_err(), "{address}");
        }
        for address in ["10.1.2.3", "192.168.0.1", "1.1.1.1", "fd12::1", "2606:4700::1111", "2002:0a00:0001::1"] {
            Guard::of("hooks.example").check(address.parse().unwrap()).unwrap();
        }
    }

    #[test]
    fn this_machine_is_reached_only_by_its_own_name() {
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "127.0.1.1"] {
            Guard::of(host).check(here).unwrap();
        }
        for host in ["localhost.evil.example", "localtest.me", "10.0.0.1", ""] {
            assert!(Guard::of(host).check(here).is_err(), "{host}");
        }
        // Not even that makes a metadata service an address.
        assert!(Guard::of("localhost").check("169.254.169.254".parse().unwrap()).is_err());
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_resolves_to() {
        let error = Guard { loopback: false }.resolve("localhost", 80).await.unwrap_err().to_string();
        assert!(error.contains("this machine"), "{error}");
        assert!(!Guard::of("localhost").resolve("localhost", 80).await.unwrap().is_empty());
    }
}
