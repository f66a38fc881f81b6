//! The same by hand, on the day on which the runner is the casualty. It looks at nothing.

use crate::actions::by_hand::{comment, from_spec, on_host, word};
use crate::inventory::{Inventory, Link, LinkPath};
use crate::spec::ActionSpec;
use crate::value::Value;

pub(super) fn by_hand(spec: &ActionSpec, inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let link = arguments.get("link").and_then(Value::as_str).and_then(|name| inventory.links.get(name));
    let Some(link) = link else { return from_spec(spec, arguments) };
    let at = |line: String| on_host(inventory, link.host.as_deref(), &line);
    let sudo = link.become_user.as_ref().map_or(String::new(), |user| format!("sudo -n -u {} ", word(user)));
    let show = at(format!("ip -4 route show exact {}", word(&link.destination)));
    let add = |path: &LinkPath| at(format!("{sudo}ip route replace {}", words(link, path)));
    let del = |path: &LinkPath| at(format!("{sudo}ip route del {}", words(link, path)));
    let ping = |path: &LinkPath| {
        let target = path.probe.first().map_or("<probe>", String::as_str);
        at(format!("ping -c 5 -I {} {}", word(&path.device), word(target)))
    };
    let whole = at(format!("ping -c 5 {}", link.targets.first().map_or("<target>", String::as_str)));
    match spec.name {
        "route.switch" => vec![
            ping(&link.backup),
            comment("good: answers; else stay where you are"),
            add(&link.backup),
            show.clone(),
            comment(
                "take the primary's away only now, with the very words that were shown; note them for the way back",
            ),
            del(&link.primary),
            whole,
            comment("good: answers; else put the primary's route back at once"),
        ],
        "route.restore" => vec![
            ping(&link.primary),
            comment("good: answers; else stay where you are"),
            add(&link.primary),
            del(&link.backup),
            show,
            comment("good: the primary's route has the lowest metric, as it was noted before the switch"),
            whole,
            comment("good: answers; else put the backup's route back at once"),
        ],
        _ => vec![
            show,
            comment("the one with the lowest metric carries the traffic"),
            ping(&link.primary),
            ping(&link.backup),
            whole,
            comment("good: all of them answer; a device with a carrier proves nothing"),
        ],
    }
}

fn words(link: &Link, path: &LinkPath) -> String {
    let mut line = word(&link.destination);
    for (key, value) in [("via", &path.gateway), ("dev", &Some(path.device.clone())), ("src", &path.source)] {
        if let Some(value) = value {
            line.push_str(&format!(" {key} {}", word(value)));
        }
    }
    format!("{line} metric {}", path.metric)
}
