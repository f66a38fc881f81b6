//! Which routes there should be, and the lines that lead there and back. Pure: it looks at nothing and changes nothing.
//! There is never a moment without a route: what is to carry the traffic is added before what carried it is taken away.

use std::net::Ipv4Addr;

use super::LinkError;
use super::route::{Route, in_words};
use crate::inventory::{Link, LinkPath};

/// How far behind the backup's metric the primary's is put.
pub(super) const BEHIND: u32 = 1000;

/// Which way carries the traffic: the one with the lowest metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Active {
    Primary,
    Backup,
    /// A way that the inventory does not know.
    Other,
    /// There is no route.
    Nothing,
}

impl Active {
    pub(super) fn word(self) -> &'static str {
        match self {
            Active::Primary => "primary",
            Active::Backup => "backup",
            Active::Other => "other",
            Active::Nothing => "none",
        }
    }
}

fn is_on(route: &Route, path: &LinkPath) -> bool {
    route.leads(&path.device, path.gateway.as_deref())
}

/// Which way the routes prefer.
pub(super) fn active(link: &Link, routes: &[Route]) -> Active {
    match routes.iter().min_by_key(|route| route.metric) {
        None => Active::Nothing,
        Some(route) if is_on(route, &link.primary) => Active::Primary,
        Some(route) if is_on(route, &link.backup) => Active::Backup,
        Some(_) => Active::Other,
    }
}

fn of_path(path: &LinkPath) -> Route {
    let address = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Ipv4Addr>().ok());
    let gateway = address(&path.gateway);
    Route {
        gateway,
        device: path.device.clone(),
        protocol: None,
        // What `ip` gives a route without a gateway by itself.
        scope: gateway.is_none().then(|| "link".to_owned()),
        source: address(&path.source),
        metric: path.metric,
        onlink: false,
    }
}

/// The routes under which the backup carries the traffic.
///
/// # Errors
/// When a third route would carry it, or a daemon owns one that would have to be changed.
pub(super) fn over_backup(link: &Link, routes: &[Route]) -> Result<Vec<Route>, LinkError> {
    let mut wanted: Vec<Route> = routes.to_vec();
    let metric = match routes.iter().find(|route| is_on(route, &link.backup)) {
        Some(route) => route.metric,
        None => {
            let mut route = of_path(&link.backup);
            while routes.iter().any(|other| other.metric == route.metric) {
                route.metric += 1;
            }
            wanted.push(route.clone());
            route.metric
        }
    };
    let third = routes.iter().find(|r| !is_on(r, &link.primary) && !is_on(r, &link.backup) && r.metric < metric);
    if let Some(third) = third {
        return Err(LinkError::Refused(format!(
            "another route would carry the traffic, not the backup: {}. Say in the inventory what it is, or take it away by hand",
            third.words()
        )));
    }
    let highest = wanted.iter().map(|route| route.metric).max().unwrap_or(metric);
    let behind = highest.max(metric).saturating_add(BEHIND);
    for (at, route) in wanted.iter_mut().filter(|r| is_on(r, &link.primary) && r.metric < metric).enumerate() {
        hold_owner(route)?;
        route.metric = behind.saturating_add(u32::try_from(at).unwrap_or(0));
    }
    wanted.sort_by_key(|route| route.metric);
    Ok(wanted)
}

/// The routes under which the primary carries the traffic, where nobody remembers what was there before: those of the
/// inventory.
pub(super) fn over_primary(link: &Link, routes: &[Route]) -> Result<Vec<Route>, LinkError> {
    let ours = |route: &Route| is_on(route, &link.primary) || is_on(route, &link.backup);
    for route in routes.iter().filter(|route| ours(route)) {
        hold_owner(route)?;
    }
    let mut wanted: Vec<Route> = routes.iter().filter(|route| !ours(route)).cloned().collect();
    wanted.extend([of_path(&link.primary), of_path(&link.backup)]);
    wanted.sort_by_key(|route| route.metric);
    match active(link, &wanted) {
        Active::Primary => Ok(wanted),
        _ => Err(LinkError::Refused(format!(
            "another route would carry the traffic, not the primary: {}",
            wanted.first().map(Route::words).unwrap_or_default()
        ))),
    }
}

/// Refuses what a routing daemon would change back.
pub(super) fn hold_owner(route: &Route) -> Result<(), LinkError> {
    match route.owner() {
        Some((daemon, tool)) => Err(LinkError::Refused(format!(
            "the route `{}` belongs to `{daemon}`, which would put it back behind our back: switch it there, by {tool}",
            route.words()
        ))),
        None => Ok(()),
    }
}

/// The lines from some routes to others: each `put` or `drop` and the words for `ip route`. What is put comes first.
pub(super) fn lines(destination: &str, from: &[Route], to: &[Route]) -> String {
    let put =
        to.iter().filter(|route| !from.contains(route)).map(|route| format!("put {destination} {}\n", route.words()));
    // One of the same metric is replaced by what is put in its place.
    let gone = from.iter().filter(|route| !to.iter().any(|other| other.metric == route.metric));
    let drop = gone.map(|route| format!("drop {destination} {}\n", route.words()));
    put.chain(drop).collect()
}

/// What would change, for a person.
pub(super) fn told(routes: &[Route]) -> String {
    if routes.is_empty() { "no route".to_owned() } else { in_words(routes).join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        serde_json::from_value(serde_json::json!({
            "destination": "10.30.0.0/24", "targets": ["10.30.0.1"],
            "primary": { "device": "wan1", "gateway": "10.10.1.1", "metric": 100, "probe": ["10.20.1.2"] },
            "backup": { "device": "wan2", "gateway": "10.10.2.1", "metric": 200, "probe": ["10.20.2.2"] },
        }))
        .unwrap()
    }

    fn routes(all: &[&str]) -> Vec<Route> {
        all.iter().map(|words| Route::from_words(words).unwrap()).collect()
    }

    #[test]
    fn the_backup_is_there_before_the_primary_steps_back() {
        let before = routes(&["via 10.10.1.1 dev wan1 metric 100"]);
        let wanted = over_backup(&link(), &before).unwrap();
        assert_eq!(in_words(&wanted), ["via 10.10.2.1 dev wan2 metric 200", "via 10.10.1.1 dev wan1 metric 1200"]);
        assert_eq!(
            lines("10.30.0.0/24", &before, &wanted),
            "put 10.30.0.0/24 via 10.10.2.1 dev wan2 metric 200\nput 10.30.0.0/24 via 10.10.1.1 dev wan1 metric 1200\n\
             drop 10.30.0.0/24 via 10.10.1.1 dev wan1 metric 100\n"
        );
        assert_eq!(
            lines("10.30.0.0/24", &wanted, &before),
            "put 10.30.0.0/24 via 10.10.1.1 dev wan1 metric 100\ndrop 10.30.0.0/24 via 10.10.2.1 dev wan2 metric 200\n\
             drop 10.30.0.0/24 via 10.10.1.1 dev wan1 metric 1200\n"
        );
        assert_eq!((active(&link(), &before), active(&link(), &wanted)), (Active::Primary, Active::Backup));
        assert_eq!(over_backup(&link(), &wanted).unwrap(), wanted, "once is enough");
    }

    #[test]
    fn a_backup_that_is_there_keeps_its_route_and_a_lost_primary_is_no_hindrance() {
        let before = routes(&["via 10.10.1.1 dev wan1 metric 100", "via 10.10.2.1 dev wan2 proto static metric 150"]);
        let wanted = over_backup(&link(), &before).unwrap();
        assert_eq!(wanted[0], before[1]);
        assert_eq!(wanted[1].metric, 1150);
        assert_eq!(in_words(&over_backup(&link(), &[]).unwrap()), ["via 10.10.2.1 dev wan2 metric 200"]);
        assert_eq!(active(&link(), &[]), Active::Nothing);
    }

    #[test]
    fn a_third_route_and_a_daemons_route_are_left_alone() {
        let third = routes(&["via 10.10.1.1 dev wan1 metric 100", "via 10.9.9.9 dev eth7 metric 150"]);
        assert!(over_backup(&link(), &third).unwrap_err().to_string().contains("eth7"));
        assert!(over_primary(&link(), &routes(&["dev eth7 metric 5"])).is_err());
        let daemon = routes(&["via 10.10.1.1 dev wan1 proto bgp metric 20"]);
        assert!(over_backup(&link(), &daemon).unwrap_err().to_string().contains("vtysh"));
        assert!(over_primary(&link(), &daemon).unwrap_err().to_string().contains("vtysh"));
    }

    #[test]
    fn without_a_memory_the_inventory_says_how_it_was() {
        let now = routes(&["via 10.10.2.1 dev wan2 metric 200", "via 10.10.1.1 dev wan1 metric 1200"]);
        let wanted = over_primary(&link(), &now).unwrap();
        assert_eq!(in_words(&wanted), ["via 10.10.1.1 dev wan1 metric 100", "via 10.10.2.1 dev wan2 metric 200"]);
    }
}
