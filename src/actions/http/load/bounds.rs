//! What holds every load in its bounds: whose turn it is, how many may leave in a second, and which addresses get none.
//! Nothing here can be raised from outside.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::super::describe;

/// One at a time in this process: the ceilings are those of the runner, however many steps run side by side.
pub(super) static TURN: Semaphore = Semaphore::const_new(1);

/// A quarter above the highest rate: where those who waited could never catch up, every time after a short pause would be ours
/// and not the service's.
const MOST_IN_A_SECOND: usize = 250;

/// When the last requests left, of all loads of this process.
pub(super) static PACE: Pace = Pace(Mutex::const_new(VecDeque::new()));

/// How many leave in a second.
pub(super) struct Pace(Mutex<VecDeque<Instant>>);

impl Pace {
    /// Waits until one more may leave: in no second more than `MOST_IN_A_SECOND` do.
    pub(super) async fn leave(&self) {
        let mut left = self.0.lock().await;
        if left.len() >= MOST_IN_A_SECOND
            && let Some(first) = left.front().copied()
        {
            tokio::time::sleep_until(first + Duration::from_secs(1)).await;
            left.pop_front();
        }
        left.push_back(Instant::now());
    }
}

/// As the room's other client, but it asks for no address that gets no load, whatever a name leads to by now, and goes through
/// no proxy, behind which nobody here could tell.
pub(super) static CLIENT: LazyLock<Result<reqwest::Client, String>> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .retry(reqwest::retry::never())
        .no_proxy()
        .dns_resolver(Arc::new(Held))
        .user_agent(concat!("playbook/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| describe(&error))
});

/// Looks names up, and gives back none of the addresses that get no load.
pub(super) struct Held;

impl Resolve for Held {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let (bad, good): (Vec<SocketAddr>, Vec<SocketAddr>) = found.partition(|address| is_no_target(address.ip()));
            match bad.first() {
                Some(bad) if good.is_empty() => Err(refusal(bad.ip()).into()),
                _ => Ok(Box::new(good.into_iter()) as Addrs),
            }
        })
    }
}

/// Nobody's metadata service and nobody's whole network is put under load.
///
/// # Errors
/// Why it gets none.
pub(super) fn hold_address(url: &reqwest::Url) -> Result<(), String> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse() {
        Ok(address) if is_no_target(address) => Err(refusal(address)),
        _ => Ok(()),
    }
}

fn refusal(address: IpAddr) -> String {
    format!(
        "{address} is a link-local address, a cloud's metadata service, or stands for many hosts: it is not put under load"
    )
}

/// Where clouds answer with metadata outside of the link-local addresses.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

fn is_no_target(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let many = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    many || address.is_multicast() || address.is_unspecified() || METADATA.contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_second_has_more_than_the_ceiling() {
        tokio::time::pause();
        let pace = Pace(Mutex::const_new(VecDeque::new()));
        let mut left = Vec::new();
        for _ in 0..1000 {
            pace.leave().await;
            left.push(Instant::now());
        }
        let most =
            left.iter().map(|from| left.iter().filter(|at| (*from..*from + Duration::from_secs(1)).contains(at)));
        assert_eq!(most.map(Iterator::count).max(), Some(MOST_IN_A_SECOND));
    }

    #[test]
    fn addresses_that_get_no_load_are_known_behind_a_name_too() {
        for bad in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "0.0.0.0",
            "224.0.0.1",
        ] {
            assert!(is_no_target(bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "100.100.100.201"] {
            assert!(!is_no_target(good.parse().unwrap()), "{good}");
        }
    }
}
