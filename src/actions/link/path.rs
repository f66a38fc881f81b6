//! Whether a way leads to the other end: pings that are bound to its device, from here and from the far side. A device that has
//! a carrier proves nothing, and a reply that came back another way does not count.

use std::time::Duration;

use serde_json::json;

use super::host::{Carrier, carrier, way};
use super::{LinkError, sections};
use crate::actions::Context;
use crate::actions::command::{Command, Work, look};
use crate::inventory::{Far, FarPath, Link, LinkPath};
use crate::value::Value;

// Each target is asked on its own; the largest packet that passes is looked for towards the first that answers. Values come
// from the environment: devices and addresses that the inventory was held to.
const PING: &str = r#"
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
command -v ping >/dev/null 2>&1 || { echo "there is no ping here (package iputils-ping)" >&2; exit 96; }
[ -z "$PLAYBOOK_DEVICE" ] || { echo "=== device"; ip -j link show dev "$PLAYBOOK_DEVICE" 2>/dev/null; }
set -- -n -i 0.2 -W 1
[ -z "$PLAYBOOK_DEVICE" ] || set -- "$@" -I "$PLAYBOOK_DEVICE"
[ -z "$PLAYBOOK_SOURCE" ] || set -- "$@" -I "$PLAYBOOK_SOURCE"
answers=
for target in $PLAYBOOK_TARGETS; do
  if [ -n "$PLAYBOOK_DEVICE" ]; then
    echo "=== way $target"; ip -j -4 route get "$target" oif "$PLAYBOOK_DEVICE" 2>/dev/null
  fi
  echo "=== ping $target"; ping "$@" -q -c "$PLAYBOOK_COUNT" "$target" 2>&1 && answers=${answers:-$target}
done
if [ -n "$answers" ] && [ -n "$PLAYBOOK_SIZES" ]; then
  for size in $PLAYBOOK_SIZES; do
    if ping "$@" -q -M do -s $((size - 28)) -c 2 "$answers" >/dev/null 2>&1; then echo "=== mtu"; echo "$size"; break; fi
  done
fi
exit 0
"#;

/// Sizes of packets that links are known to have, tried from the device's own down.
const SIZES: [u32; 11] = [9000, 1500, 1492, 1480, 1472, 1460, 1420, 1400, 1380, 1280, 576];

/// What became of the pings over one way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Path {
    /// Whether an answer came, in both directions where the far side is asked too.
    pub(super) alive: bool,
    /// How many percent of the pings to its best target got no answer; the worse of both directions.
    pub(super) loss: f64,
    /// The mean time of a round trip to that target, in milliseconds.
    pub(super) round_trip: Option<f64>,
    /// The largest packet that passes, where it was looked for.
    pub(super) mtu: Option<u32>,
    /// Whether the device has a carrier.
    pub(super) carrier: Option<bool>,
    /// What is wrong, for a person.
    pub(super) problem: Option<String>,
}

/// How to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct How {
    /// How many pings go to each target.
    pub(super) packets: u32,
    /// Whether the largest packet that passes is looked for.
    pub(super) sizes: bool,
}

struct Ask<'a> {
    host: Option<&'a str>,
    device: &'a str,
    source: Option<&'a str>,
    gateway: Option<&'a str>,
    targets: &'a [String],
    sizes: String,
}

/// One of the two ways, looked at from here and from the far side.
pub(super) async fn both_ways(
    context: &Context,
    link: &Link,
    path: &LinkPath,
    far: Option<(&Far, &FarPath)>,
    how: How,
    device: Option<Carrier>,
) -> Path {
    let near = Ask {
        host: link.host.as_deref(),
        device: &path.device,
        source: path.source.as_deref(),
        gateway: path.gateway.as_deref(),
        targets: &path.probe,
        sizes: if how.sizes { sizes(device) } else { String::new() },
    };
    let back = async {
        let (far, path) = far?;
        let ask = Ask {
            host: Some(&far.host),
            device: &path.device,
            source: path.source.as_deref(),
            gateway: None,
            targets: &path.probe,
            sizes: String::new(),
        };
        Some((far.host.as_str(), ask_path(context, &ask, how.packets).await))
    };
    let (there, back) = tokio::join!(ask_path(context, &near, how.packets), back);
    let mut found = there.unwrap_or_else(|error| Path { problem: Some(error.to_string()), ..Path::default() });
    match back {
        None => {}
        Some((_, Ok(back))) if back.alive => found.loss = found.loss.max(back.loss),
        Some((host, Ok(back))) => {
            let why = back.problem.unwrap_or_else(|| "nothing answers".to_owned());
            fail(&mut found, format!("seen from {host}: {why}"));
        }
        // Whoever cannot be asked at the far end says nothing of the way: pings from here have gone both directions.
        Some((host, Err(error))) if found.alive => {
            found.problem = Some(format!("{host} could not be asked, so it was looked at from here alone: {error}"));
        }
        Some(_) => {}
    }
    found
}

fn fail(found: &mut Path, why: String) {
    let before = found.problem.take().filter(|_| !found.alive);
    found.alive = false;
    found.loss = 100.0;
    found.problem = Some(before.map_or(why.clone(), |before| format!("{before}; {why}")));
}

/// Whether an address in the destination answers over whichever route is preferred.
pub(super) async fn end_to_end(context: &Context, link: &Link, packets: u32) -> Path {
    let ask = Ask {
        host: link.host.as_deref(),
        device: "",
        source: None,
        gateway: None,
        targets: &link.targets,
        sizes: String::new(),
    };
    ask_path(context, &ask, packets).await.unwrap_or_else(|error| Path {
        loss: 100.0,
        problem: Some(error.to_string()),
        ..Path::default()
    })
}

fn sizes(device: Option<Carrier>) -> String {
    let own = device.map_or(1500, |device| device.mtu);
    let smaller = SIZES.iter().filter(|size| **size < own).map(u32::to_string);
    std::iter::once(own.to_string()).chain(smaller).collect::<Vec<_>>().join(" ")
}

async fn ask_path(context: &Context, ask: &Ask<'_>, packets: u32) -> Result<Path, LinkError> {
    let environment = [
        ("PLAYBOOK_DEVICE", ask.device.to_owned()),
        ("PLAYBOOK_SOURCE", ask.source.unwrap_or_default().to_owned()),
        ("PLAYBOOK_TARGETS", ask.targets.join(" ")),
        ("PLAYBOOK_COUNT", packets.to_string()),
        ("PLAYBOOK_SIZES", ask.sizes.clone()),
    ];
    let command = Command {
        host: ask.host.map(str::to_owned),
        work: Work::Script(PING.to_owned()),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        shell: None,
        become_user: None,
    };
    // Five pings a second and one second for the last answer, for each target; a few seconds for sizes.
    let limit = Duration::from_secs_f64(20.0 + ask.targets.len() as f64 * (f64::from(packets) * 0.25 + 2.0));
    let ended = look(&context.quiet(), &command, limit).await?;
    let host = ask.host.unwrap_or("this host");
    if ended.exit_code != Some(0) {
        return Err(LinkError::Invalid(format!("{host} cannot ping: {}", ended.last_words())));
    }
    Ok(read(&sections(&ended, host)?, ask))
}

fn read(all: &[(String, String)], ask: &Ask<'_>) -> Path {
    let text = |name: String| all.iter().find(|(found, _)| *found == name).map_or("", |(_, text)| text.trim());
    let device = (!ask.device.is_empty()).then(|| carrier(text("device".to_owned())));
    let mut best = Path { loss: 100.0, ..Path::default() };
    let mut problems = Vec::new();
    if device == Some(None) {
        problems.push(format!("there is no device {}", ask.device));
    }
    for target in ask.targets {
        if let Err(why) = leads_over(ask, target, text(format!("way {target}"))) {
            problems.push(why);
            continue;
        }
        match summary(text(format!("ping {target}"))) {
            Some((sent, received, round_trip)) if received > 0 => {
                let loss = 100.0 * f64::from(sent.saturating_sub(received)) / f64::from(sent.max(1));
                if !best.alive || loss < best.loss {
                    best = Path { alive: true, loss, round_trip, ..best };
                }
            }
            Some((sent, ..)) => problems.push(format!("{target} answers none of {sent} pings")),
            None => {
                let said = text(format!("ping {target}")).lines().next().unwrap_or("nothing").to_owned();
                problems.push(format!("{target} cannot be pinged: {}", said.chars().take(120).collect::<String>()));
            }
        }
    }
    best.carrier = device.flatten().map(|device| device.up);
    best.mtu = text("mtu".to_owned()).parse().ok();
    best.problem = (!best.alive).then(|| problems.join("; "));
    best
}

/// A ping that is bound to a device but has no route there is sent into the cable of the device, not to the router behind it.
fn leads_over(ask: &Ask<'_>, target: &str, route: &str) -> Result<(), String> {
    let Some(gateway) = ask.gateway.filter(|gateway| *gateway != target) else { return Ok(()) };
    match way(route) {
        Some(way) if way.dev == ask.device && way.gateway.as_deref() == Some(gateway) => Ok(()),
        _ => Err(format!(
            "{target} has no route over {gateway} on {}, so nothing can be said of that way: ip route add {target} via {gateway} dev {}",
            ask.device, ask.device
        )),
    }
}

/// How many pings were sent, how many were answered, and the mean round trip in milliseconds.
fn summary(text: &str) -> Option<(u32, u32, Option<f64>)> {
    let line = text.lines().find(|line| line.contains(" packets transmitted, "))?;
    let sent = line.split(' ').next()?.parse().ok()?;
    let received = line.split(", ").find_map(|part| part.strip_suffix(" received"))?.parse().ok()?;
    let times = text.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "));
    Some((sent, received, times.and_then(|times| times.split('/').nth(1)?.parse().ok())))
}

/// A number with at most two digits behind the point: more of them would be noise.
pub(super) fn rounded(number: f64) -> Value {
    json!((number * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERED: &str = "PING 10.20.2.2 (10.20.2.2) from 10.40.0.1 wan2: 56(84) bytes of data.\n\n--- statistics\n\
        5 packets transmitted, 4 received, 20% packet loss, time 408ms\nrtt min/avg/max/mdev = 0.085/0.199/0.423/0.157 ms\n";

    fn ask<'a>(targets: &'a [String], gateway: Option<&'a str>) -> Ask<'a> {
        Ask { host: None, device: "wan2", source: None, gateway, targets, sizes: String::new() }
    }

    #[test]
    fn the_last_lines_of_ping_are_read() {
        assert_eq!(summary(ANSWERED), Some((5, 4, Some(0.199))));
        let none = "5 packets transmitted, 0 received, +5 errors, 100% packet loss, time 9ms\n";
        assert_eq!(summary(none), Some((5, 0, None)));
        assert_eq!(summary("ping: connect: Network is unreachable\n"), None);
    }

    #[test]
    fn the_best_target_counts_and_only_one_that_is_reached_over_the_way() {
        let device = r#"[{"ifname":"wan2","flags":["UP","LOWER_UP"],"mtu":1500}]"#;
        let over = |gateway: &str| format!(r#"[{{"dst":"10.20.2.2","gateway":"{gateway}","dev":"wan2"}}]"#);
        let section = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let targets = ["10.20.2.2".to_owned(), "10.20.2.3".to_owned()];
        let all = |gateway: &str| {
            [
                section("device", device),
                section("way 10.20.2.2", &over(gateway)),
                section("ping 10.20.2.2", ANSWERED),
                section("way 10.20.2.3", &over("10.10.2.1")),
                section("ping 10.20.2.3", "2 packets transmitted, 0 received, 100% packet loss, time 9ms"),
                section("mtu", "1400\n"),
            ]
        };
        let found = read(&all("10.10.2.1"), &ask(&targets, Some("10.10.2.1")));
        assert_eq!((found.alive, found.loss, found.round_trip, found.mtu), (true, 20.0, Some(0.199), Some(1400)));
        assert_eq!((found.carrier, found.problem), (Some(true), None));
        // Where the ping went another way it proves nothing, although it was answered.
        let found = read(&all("10.10.1.1"), &ask(&targets, Some("10.10.2.1")));
        assert!(!found.alive && found.carrier == Some(true), "{found:?}");
        let problem = found.problem.unwrap();
        assert!(problem.contains("ip route add 10.20.2.2 via 10.10.2.1") && problem.contains("10.20.2.3 answers none"));
    }
}
