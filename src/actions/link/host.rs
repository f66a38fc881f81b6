//! What the host says whose routes are switched: its routes to the destination, its devices, by which way the runner came in,
//! and what is known there of earlier switches. Read-only.

use std::time::Duration;

use serde::Deserialize;

use super::desired::{Active, active};
use super::route::{self, Route};
use super::{LinkError, place, section, sections};
use crate::actions::Context;
use crate::actions::command::{Command, Work, look};
use crate::inventory::Link;

/// How long a look may take.
pub(super) const LOOK: Duration = Duration::from_secs(15);

// Both `ip` with its JSON and what is remembered of switches; one look, as each costs a connection.
const ROUTES: &str = r#"
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
command -v ip >/dev/null 2>&1 || { echo "there is no ip here (package iproute2)" >&2; exit 96; }
echo "=== machine"; cat /etc/machine-id 2>/dev/null
echo "=== client"; printf '%s\n' "$SSH_CONNECTION"
echo "=== routes"; ip -j -4 route show table main exact "$PLAYBOOK_DESTINATION" || exit 97
echo "=== printed"; ip -4 route show table main exact "$PLAYBOOK_DESTINATION" | sed 's/ linkdown//; s/ dead//; s/ *$//'
for device in $PLAYBOOK_DEVICES; do
  echo "=== device $device"; ip -j link show dev "$device" 2>/dev/null
done
for target in $PLAYBOOK_TARGETS; do echo "=== target $target"; ip -j -4 route get "$target" 2>/dev/null; done
set -- $SSH_CONNECTION
case $1 in
  *.*) echo "=== management"; ip -j -4 route get "$1" from "$3" 2>/dev/null || ip -j -4 route get "$1";;
esac
exit 0
"#;

// As the user who changes routes, whose home folder it lies in.
const MEMORY: &str = r#"
base=${XDG_STATE_HOME:-${HOME:-/nonexistent}/.local/state}/playbook/routes/$PLAYBOOK_LINK
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
now=$(cut -d. -f1 /proc/uptime)
echo "=== now"; echo "$now"
for file in last original; do
  [ -r "$base/$file" ] && [ "$(head -n 1 "$base/$file")" = "$boot" ] && { echo "=== $file"; tail -n +2 "$base/$file"; }
done
for d in "$base"/*/; do
  [ -r "$d/armed" ] || continue
  read -r armed_boot until after <"$d/armed"
  [ "$armed_boot" = "$boot" ] || continue
  [ -L "$d/decided" ] && continue
  alive=no
  read -r pid ticks <"$d/reverter" 2>/dev/null && [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f20)" = "$ticks" ] && alive=yes
  echo "=== armed"; echo "$(basename "$d") $((until - now)) $alive"
done
exit 0
"#;

/// A network device as `ip -j link` prints it; the rest of it is none of our business.
#[derive(Debug, Clone, Default, Deserialize)]
struct Device {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    mtu: u32,
}

/// The answer to `ip -j route get`, as far as it is needed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Way {
    #[serde(default)]
    pub(super) dev: String,
    #[serde(default)]
    pub(super) gateway: Option<String>,
}

/// A device's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Carrier {
    /// It is up and has a carrier, which proves nothing of what lies behind.
    pub(super) up: bool,
    pub(super) mtu: u32,
}

/// A host and its routes.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) machine: Option<String>,
    pub(super) routes: Vec<Route>,
    /// The same as `ip` prints it for people: what the host compares with right before it acts.
    pub(super) printed: String,
    pub(super) active: Active,
    /// Why no target would see a switch, where that is so.
    pub(super) stray: Option<String>,
    /// By which device the runner's own connection goes back; none where it is on that host.
    pub(super) management: Option<String>,
    pub(super) primary: Option<Carrier>,
    pub(super) backup: Option<Carrier>,
}

/// What a host remembers of switches since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// How many seconds ago the last confirmed switch was, and which attempt it was.
    pub(super) last: Option<(i64, String)>,
    /// The routes that were there before it.
    pub(super) original: Option<Vec<Route>>,
    /// A revert that is armed and undecided: whose, in how many seconds, and whether its process lives.
    pub(super) armed: Option<(String, i64, bool)>,
}

fn command(link: &Link, script: &str, environment: Vec<(String, String)>, become_user: Option<String>) -> Command {
    Command { host: link.host.clone(), work: Work::Script(script.to_owned()), environment, shell: None, become_user }
}

/// A command that changes routes or reads what is remembered of them: as the user who may.
pub(super) fn as_owner(link: &Link, script: &str, environment: Vec<(String, String)>) -> Command {
    command(link, script, environment, link.become_user.clone())
}

/// Looks at a host's routes and devices.
pub(super) async fn see(context: &Context, link: &Link) -> Result<Seen, LinkError> {
    let environment = vec![
        ("PLAYBOOK_DESTINATION".to_owned(), link.destination.clone()),
        ("PLAYBOOK_TARGETS".to_owned(), link.targets.join(" ")),
        ("PLAYBOOK_DEVICES".to_owned(), format!("{} {}", link.primary.device, link.backup.device)),
    ];
    let host = place(link);
    let ended = look(&context.quiet(), &command(link, ROUTES, environment, None), LOOK).await?;
    if ended.exit_code != Some(0) {
        return Err(LinkError::Invalid(format!("the routes of {host} cannot be read: {}", ended.last_words())));
    }
    let all = sections(&ended, host)?;
    let routes = route::read(section(&all, "routes"), &link.destination)?;
    let machine = section(&all, "machine");
    Ok(Seen {
        machine: (!machine.is_empty()).then(|| machine.chars().take(64).collect()),
        active: active(link, &routes),
        stray: stray(link, &routes, |target| way(section(&all, &format!("target {target}"))).map(|way| way.dev)),
        routes,
        printed: section(&all, "printed").to_owned(),
        management: way(section(&all, "management")).map(|way| way.dev),
        primary: carrier(section(&all, &format!("device {}", link.primary.device))),
        backup: carrier(section(&all, &format!("device {}", link.backup.device))),
    })
}

/// Asks a host what it remembers.
pub(super) async fn remember(context: &Context, name: &str, link: &Link) -> Result<Memory, LinkError> {
    let environment = vec![("PLAYBOOK_LINK".to_owned(), name.to_owned())];
    let host = place(link);
    let ended = look(&context.quiet(), &as_owner(link, MEMORY, environment), LOOK).await?;
    if ended.exit_code != Some(0) {
        let words = ended.last_words();
        return Err(LinkError::Invalid(format!("what {host} remembers of switches cannot be read: {words}")));
    }
    Ok(read_memory(&sections(&ended, host)?))
}

/// A target that a more specific route or a rule leads elsewhere answers whatever is switched, which would prove nothing.
fn stray(link: &Link, routes: &[Route], goes_by: impl Fn(&str) -> Option<String>) -> Option<String> {
    let device = &routes.first()?.device;
    let found: Vec<_> = link.targets.iter().map(|target| (target, goes_by(target))).collect();
    let all_elsewhere = found.iter().all(|(_, by)| by.as_ref().is_some_and(|by| by != device));
    let told = || found.iter().map(|(target, by)| format!("{target} by {}", by.as_deref().unwrap_or("nothing")));
    all_elsewhere.then(|| {
        format!(
            "packets leave {} for {}, and not by {device} as the route to {} says: a more specific route or a rule leads them \
             there, so nobody would see whether a switch works. Choose other `targets`, or switch that route",
            place(link),
            told().collect::<Vec<_>>().join(", "),
            link.destination
        )
    })
}

fn read_memory(all: &[(String, String)]) -> Memory {
    let now: Option<i64> = section(all, "now").parse().ok();
    let last = section(all, "last").split_once(' ').and_then(|(at, attempt)| {
        let ago = now?.checked_sub(at.parse().ok()?)?;
        Some((ago, attempt.trim().chars().take(200).collect()))
    });
    let original = section(all, "original");
    let armed = section(all, "armed");
    let mut words = armed.lines().next().unwrap_or_default().split(' ');
    let armed = match (words.next(), words.next().and_then(|left| left.parse().ok()), words.next()) {
        (Some(attempt), Some(left), Some(alive)) => Some((attempt.to_owned(), left, alive == "yes")),
        _ => None,
    };
    Memory {
        last,
        original: (!original.is_empty()).then(|| original.lines().map(Route::from_words).collect()).flatten(),
        armed,
    }
}

/// The answer of `ip -j route get`.
pub(super) fn way(text: &str) -> Option<Way> {
    serde_json::from_str::<Vec<Way>>(text).ok()?.into_iter().next().filter(|way| !way.dev.is_empty())
}

/// The state of a device from `ip -j link show`.
pub(super) fn carrier(text: &str) -> Option<Carrier> {
    let device =
        serde_json::from_str::<Vec<Device>>(text).ok()?.into_iter().find(|device| !device.ifname.is_empty())?;
    let has = |flag: &str| device.flags.iter().any(|found| found == flag);
    Some(Carrier { up: has("UP") && has("LOWER_UP"), mtu: device.mtu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_prints_of_its_devices_and_ways_is_read() {
        let text =
            r#"[{"ifindex":2,"ifname":"wan1","flags":["BROADCAST","UP","LOWER_UP"],"mtu":1500,"link_type":"ether"}]"#;
        assert_eq!(carrier(text), Some(Carrier { up: true, mtu: 1500 }));
        assert_eq!(carrier(&text.replace("LOWER_UP", "NO-CARRIER")).map(|carrier| carrier.up), Some(false));
        assert_eq!(carrier("[{}]"), None);
        let text = r#"[{"dst":"1.2.3.4","gateway":"10.10.1.1","dev":"wan1","prefsrc":"10.10.1.2","flags":[],"uid":0,"cache":[]}]"#;
        assert_eq!(way(text).map(|way| (way.dev, way.gateway)), Some(("wan1".into(), Some("10.10.1.1".into()))));
        assert!(way("").is_none());
    }

    #[test]
    fn what_a_host_remembers_is_read() {
        let all = |pairs: &[(&str, &str)]| {
            read_memory(&pairs.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect::<Vec<_>>())
        };
        let memory = all(&[
            ("now", "1000\n"),
            ("last", "900 run-switch-1\n"),
            ("original", "via 10.10.1.1 dev wan1 metric 100\n"),
            ("armed", "run-switch-2 12 yes\n"),
        ]);
        assert_eq!(memory.last, Some((100, "run-switch-1".to_owned())));
        assert_eq!(memory.original.map(|routes| routes.len()), Some(1));
        assert_eq!(memory.armed, Some(("run-switch-2".to_owned(), 12, true)));
        assert_eq!(
            all(&[("now", "5"), ("last", "x"), ("armed", "a b c"), ("original", "rm -rf /")]),
            Memory::default()
        );
    }
}
