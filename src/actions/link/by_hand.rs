//! The same by hand, on the day on which the runner is the casualty. It looks at nothing.

use super::desired::BEHIND;
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
    let add = |path: &LinkPath| at(format!("{sudo}ip route replace {}", words(link, path, path.metric)));
    let del = |path: &LinkPath| at(format!("{sudo}ip route del {}", words(link, path, path.metric)));
    let ping = |path: &LinkPath| {
        let target = path.probe.first().map_or("<probe>", String::as_str);
        at(format!("ping -c 5 -I {} {}", word(&path.device), word(target)))
    };
    let whole = at(format!("ping -c 5 {}", link.targets.first().map_or("<target>", String::as_str)));
    // The run keeps the primary's route, behind the backup's: who takes it away has to remember all of it.
    let behind = link.backup.metric.saturating_add(BEHIND);
    let behind = |verb: &str| at(format!("{sudo}ip route {verb} {}", words(link, &link.primary, behind)));
    let (primary, backup) = (&link.primary.device, &link.backup.device);
    match spec.name {
        "route.switch" => vec![
            ping(&link.backup),
            comment("good: answers; else stay where you are"),
            show.clone(),
            comment(
                "note what was shown: it is what you go back to. Where metrics differ, the lines below need those shown",
            ),
            comment(&format!("leave out the next line where a route over {backup} is shown already:")),
            add(&link.backup),
            comment("the primary's is kept behind the backup's, and only then leaves its place in front:"),
            behind("replace"),
            del(&link.primary),
            show,
            comment(&format!("good: the route over {backup} has the lowest metric")),
            whole,
            comment("good: answers; else go back at once:"),
            comment(&add(&link.primary)),
            comment(&behind("del")),
        ],
        "route.restore" => vec![
            ping(&link.primary),
            comment("good: answers; else stay where you are"),
            add(&link.primary),
            comment(&format!(
                "away with what a switch left behind of {primary}; an error here means that there was nothing"
            )),
            behind("del"),
            comment(&format!("only if there was no route over {backup} before the switch:")),
            comment(&del(&link.backup)),
            show,
            comment(&format!(
                "good: the route over {primary} has the lowest metric, as it was noted before the switch"
            )),
            whole,
            comment("good: answers; else go to the backup again at once, as the switch does"),
        ],
        _ => vec![
            show,
            comment("the one with the lowest metric carries the traffic"),
            ping(&link.primary),
            ping(&link.backup),
            whole,
            comment(&format!(
                "to leave {primary}: {backup} (the backup) has to answer all, {primary} and the last need not. To go back to \
                 {primary}: all of them. A device with a carrier proves nothing"
            )),
        ],
    }
}

fn words(link: &Link, path: &LinkPath, metric: u32) -> String {
    let mut line = word(&link.destination);
    for (key, value) in [("via", &path.gateway), ("dev", &Some(path.device.clone())), ("src", &path.source)] {
        if let Some(value) = value {
            line.push_str(&format!(" {key} {}", word(value)));
        }
    }
    format!("{line} metric {metric}")
}
