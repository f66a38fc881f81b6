//! Routes as `ip -j` prints them, and as words for `ip route`. What is not understood is refused: a route that cannot be put
//! back exactly is not touched.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::LinkError;

/// How many routes to one destination are read.
const MOST: usize = 32;

/// Who keeps routes that are not ours, by the names and numbers that `ip` prints as `protocol`. What it changes there would
/// be changed back behind our back.
const OWNED: [(&str, &str); 11] = [
    ("zebra", "vtysh"),
    ("bgp", "vtysh"),
    ("ospf", "vtysh"),
    ("isis", "vtysh"),
    ("rip", "vtysh"),
    ("eigrp", "vtysh"),
    ("bird", "birdc"),
    ("babel", "its own console"),
    ("ra", "the router that announces it"),
    ("keepalived", "keepalived.conf"),
    ("18", "keepalived.conf"),
];

/// One route to the destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) device: String,
    pub(super) protocol: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) source: Option<Ipv4Addr>,
    pub(super) metric: u32,
    pub(super) onlink: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Printed {
    dst: String,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    gateway: Option<Ipv4Addr>,
    #[serde(default)]
    dev: Option<String>,
    #[serde(default)]
    protocol: Option<String>,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    prefsrc: Option<Ipv4Addr>,
    #[serde(default)]
    metric: u32,
    #[serde(default)]
    flags: Vec<String>,
}

impl Route {
    /// The words behind `ip route add DESTINATION`.
    pub(super) fn words(&self) -> String {
        let mut words = String::new();
        if let Some(gateway) = self.gateway {
            words.push_str(&format!("via {gateway} "));
        }
        words.push_str(&format!("dev {}", self.device));
        for (key, value) in [("proto", &self.protocol), ("scope", &self.scope)] {
            if let Some(value) = value {
                words.push_str(&format!(" {key} {value}"));
            }
        }
        if let Some(source) = self.source {
            words.push_str(&format!(" src {source}"));
        }
        words.push_str(&format!(" metric {}", self.metric));
        if self.onlink {
            words.push_str(" onlink");
        }
        words
    }

    /// A route from its own words again.
    pub(super) fn from_words(text: &str) -> Option<Self> {
        let mut route = Self {
            gateway: None,
            device: String::new(),
            protocol: None,
            scope: None,
            source: None,
            metric: 0,
            onlink: false,
        };
        let mut words = text.split(' ');
        while let Some(word) = words.next() {
            match word {
                "via" => route.gateway = Some(words.next()?.parse().ok()?),
                "dev" => route.device = safe(words.next()?)?,
                "proto" => route.protocol = Some(safe(words.next()?)?),
                "scope" => route.scope = Some(safe(words.next()?)?),
                "src" => route.source = Some(words.next()?.parse().ok()?),
                "metric" => route.metric = words.next()?.parse().ok()?,
                "onlink" => route.onlink = true,
                _ => return None,
            }
        }
        (!route.device.is_empty()).then_some(route)
    }

    /// Whether it leads over a device and gateway.
    pub(super) fn leads(&self, device: &str, gateway: Option<&str>) -> bool {
        let gateway = gateway.and_then(|gateway| gateway.parse::<Ipv4Addr>().ok());
        self.device == device && self.gateway == gateway
    }

    /// The daemon that keeps it, and what that is told by, where one does.
    pub(super) fn owner(&self) -> Option<(&'static str, &'static str)> {
        let protocol = self.protocol.as_deref()?;
        OWNED.iter().find(|(name, _)| *name == protocol).copied()
    }
}

// A word of a command: what `ip` prints is trusted to be no more than that.
fn safe(word: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
    let fits = word.bytes().all(plain) && word.starts_with(|first: char| first.is_ascii_alphanumeric());
    (fits && word.len() <= 32).then(|| word.to_owned())
}

/// What `ip -j -4 route show table main exact DESTINATION` prints, the preferred one first.
///
/// # Errors
/// When it is no such list, or has a route that could not be put back exactly.
pub(super) fn read(text: &str, destination: &str) -> Result<Vec<Route>, LinkError> {
    let odd = |what: String| {
        LinkError::Refused(format!(
            "a route to {destination} has what this action could not put back exactly ({what}): it changes nothing. Switch \
             it by hand"
        ))
    };
    // Without any route `ip` prints an empty list, or nothing at all.
    let text = if text.trim().is_empty() { "[]" } else { text };
    let printed: Vec<Printed> = serde_json::from_str(text).map_err(|error| odd(error.to_string()))?;
    if printed.len() > MOST {
        return Err(odd(format!("{} routes to one destination", printed.len())));
    }
    let mut routes = Vec::new();
    for one in printed {
        let same = one.dst == destination || format!("{}/32", one.dst) == destination;
        if !same || one.r#type.as_deref().is_some_and(|kind| kind != "unicast") {
            return Err(odd(format!("a route to {} of the kind {:?}", one.dst, one.r#type)));
        }
        let word = |value: Option<String>| match value {
            None => Ok(None),
            Some(text) => safe(&text).map(Some).ok_or_else(|| odd(format!("the word {text:?}"))),
        };
        // That a device is down is its state, not the route's.
        let flag = one.flags.iter().find(|flag| !["onlink", "linkdown", "dead"].contains(&flag.as_str()));
        if let Some(flag) = flag {
            return Err(odd(format!("the flag {flag:?}")));
        }
        routes.push(Route {
            gateway: one.gateway,
            device: word(one.dev)?.ok_or_else(|| odd("no device".to_owned()))?,
            protocol: word(one.protocol)?,
            scope: word(one.scope)?,
            source: one.prefsrc,
            metric: one.metric,
            onlink: one.flags.iter().any(|flag| flag == "onlink"),
        });
    }
    routes.sort_by_key(|route| route.metric);
    if let Some(pair) = routes.windows(2).find(|pair| pair[0].metric == pair[1].metric) {
        return Err(odd(format!("two routes of the metric {}", pair[0].metric)));
    }
    Ok(routes)
}

/// All of them in words, for facts and for a person.
pub(super) fn in_words(routes: &[Route]) -> Vec<String> {
    routes.iter().map(Route::words).collect()
}

/// Routes from the words of a fact.
pub(super) fn from_fact(fact: &crate::value::Value) -> Option<Vec<Route>> {
    fact.as_array()?.iter().map(|words| Route::from_words(words.as_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"[{"dst":"10.30.0.0/24","gateway":"10.10.2.1","dev":"wan2","protocol":"static","metric":200,"flags":["linkdown"]},
        {"dst":"10.30.0.0/24","gateway":"10.10.1.1","dev":"wan1","prefsrc":"10.40.0.1","metric":100,"flags":[]}]"#;

    #[test]
    fn routes_are_read_and_come_back_from_their_words() {
        let routes = read(TWO, "10.30.0.0/24").unwrap();
        assert_eq!(
            in_words(&routes),
            ["via 10.10.1.1 dev wan1 src 10.40.0.1 metric 100", "via 10.10.2.1 dev wan2 proto static metric 200"]
        );
        for route in &routes {
            assert_eq!(Route::from_words(&route.words()).as_ref(), Some(route));
        }
        assert_eq!(read("", "default").unwrap(), []);
        assert_eq!(read("[]\n", "default").unwrap(), []);
        let one = r#"[{"dst":"10.30.0.1","dev":"wg0","scope":"link","flags":["onlink"]}]"#;
        assert_eq!(in_words(&read(one, "10.30.0.1/32").unwrap()), ["dev wg0 scope link metric 0 onlink"]);
    }

    #[test]
    fn what_could_not_be_put_back_is_not_touched() {
        for bad in [
            r#"[{"dst":"default","flags":[],"nexthops":[{"gateway":"10.0.0.1","dev":"a"}]}]"#,
            r#"[{"dst":"default","gateway":"10.0.0.1","dev":"a","flags":[],"metrics":[{"mtu":1400}]}]"#,
            r#"[{"dst":"default","type":"blackhole","dev":"a","flags":[]}]"#,
            r#"[{"dst":"default","gateway":"10.0.0.1","dev":"a","flags":["offload"]}]"#,
            r#"[{"dst":"default","gateway":"10.0.0.1","dev":"a; reboot","flags":[]}]"#,
            r#"[{"dst":"default","gateway":"10.0.0.1","dev":"-a","flags":[]}]"#,
            r#"[{"dst":"10.9.0.0/16","gateway":"10.0.0.1","dev":"a","flags":[]}]"#,
            r#"[{"dst":"default","dev":"a","flags":[]},{"dst":"default","dev":"b","flags":[]}]"#,
            r#"[{"dst":"default","flags":[]}]"#,
            "Error: something",
            "{}",
        ] {
            let error = read(bad, "default").unwrap_err().to_string();
            assert!(error.contains("changes nothing"), "{bad}: {error}");
        }
        for bad in ["", "via x dev a", "dev a; reboot", "dev a metric -1", "dev", "dev a table 5"] {
            assert_eq!(Route::from_words(bad), None, "{bad:?}");
        }
    }
}
