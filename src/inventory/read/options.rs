//! The arguments of OpenSSH's `ssh`, as inventories of Ansible hold them (`ansible_ssh_common_args`): what our connections know
//! is taken over, what changes nothing for them is passed by, and what would lead elsewhere is refused.

use std::path::{Path, PathBuf};

use super::shell;
use super::ways::{Asked, Jump};

/// Options that change nothing which we do: how a connection is shared, checked for life, encrypted, shown.
const PASSED_BY: [&str; 40] = [
    "addkeystoagent",
    "batchmode",
    "canonicalizehostname",
    "checkhostip",
    "ciphers",
    "compression",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "escapechar",
    "exitonforwardfailure",
    "forwardagent",
    "forwardx11",
    "forwardx11trusted",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "hostbasedauthentication",
    "hostkeyalgorithms",
    "identitiesonly",
    "ipqos",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "loglevel",
    "macs",
    "numberofpasswordprompts",
    "passwordauthentication",
    "permitlocalcommand",
    "preferredauthentications",
    "pubkeyacceptedalgorithms",
    "pubkeyacceptedkeytypes",
    "pubkeyauthentication",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "tcpkeepalive",
    "visualhostkey",
];

/// What is read of one option, by its name in small letters. `false` where it is none that is known here.
pub(super) fn option(name: &str, value: &str, folder: &Path, asked: &mut Asked) -> bool {
    let path = |value: &str| {
        let path = Path::new(value);
        match (path.strip_prefix("~"), std::env::home_dir()) {
            (Ok(below), Some(home)) => home.join(below),
            _ => folder.join(path),
        }
    };
    match name {
        "hostname" => _ = asked.address.get_or_insert_with(|| value.to_owned()),
        "user" => _ = asked.user.get_or_insert_with(|| value.to_owned()),
        "port" => match value.parse::<u16>() {
            Ok(port) if port > 0 => _ = asked.port.get_or_insert(port),
            _ => asked.refuse(format!("its port is `{}`", value.escape_debug())),
        },
        "identityfile" if !value.eq_ignore_ascii_case("none") => {
            _ = asked.identity_file.get_or_insert_with(|| path(value))
        }
        "userknownhostsfile" => known_hosts(value, path, asked),
        "connecttimeout" => match value.parse::<f64>() {
            Ok(seconds) if seconds > 0.0 && seconds <= 3600.0 => _ = asked.timeout.get_or_insert(seconds),
            _ => {}
        },
        "proxyjump" => match (asked.jumps.is_none(), Jump::parse_all(value)) {
            (true, Some(jumps)) => asked.jumps = Some(jumps),
            (true, None) => asked.refuse(format!("its ProxyJump `{}` cannot be read", value.escape_debug())),
            (false, _) => {}
        },
        "proxycommand" => proxy_command(value, folder, asked),
        "stricthostkeychecking" => {
            if ["no", "off", "accept-new"].contains(&value.to_ascii_lowercase().as_str()) {
                let text = "StrictHostKeyChecking is not loosened here: a host's key has to be in the known_hosts file";
                asked.notes.push(text.to_owned());
            }
        }
        "hostkeyalias" => {
            let text = "HostKeyAlias is not read: its key has to be in the known_hosts file under its address";
            asked.notes.push(text.to_owned());
        }
        _ => return PASSED_BY.contains(&name),
    }
    true
}

fn known_hosts(value: &str, path: impl Fn(&str) -> PathBuf, asked: &mut Asked) {
    let mut files = value.split_whitespace();
    let Some(first) = files.next().filter(|first| !first.eq_ignore_ascii_case("none")) else { return };
    if first == "/dev/null" {
        let text = "its UserKnownHostsFile is /dev/null, which pins no key: the host is refused until a file does";
        asked.notes.push(text.to_owned());
    }
    if files.next().is_some() {
        asked.notes.push(format!("of several UserKnownHostsFile only the first is read, {}", first.escape_debug()));
    }
    asked.known_hosts.get_or_insert_with(|| path(first));
}

/// A command that only goes through another host is a jump; any other is not run.
fn proxy_command(value: &str, folder: &Path, asked: &mut Asked) {
    if asked.jumps.is_some() || value.trim().eq_ignore_ascii_case("none") {
        asked.jumps.get_or_insert_default();
        return;
    }
    match through(value, folder) {
        Some(jumps) => asked.jumps = Some(jumps),
        None => asked.refuse(format!(
            "it is reached by a ProxyCommand, which is not run here (`{}`): write ProxyJump, if that is what it does",
            value.chars().take(120).flat_map(char::escape_debug).collect::<String>()
        )),
    }
}

/// `ssh -W %h:%p [-q] [-i KEY] [-p PORT] [USER@]HOST`.
fn through(command: &str, folder: &Path) -> Option<Vec<Jump>> {
    let words = shell::words(command, false).ok()?;
    let (program, rest) = words.split_first()?;
    if Path::new(program).file_name()?.to_str()? != "ssh" {
        return None;
    }
    let mut inner = Asked::default();
    let parsed = arguments(rest, folder, &mut inner).ok()?;
    let [host] = &parsed.positional[..] else { return None };
    if parsed.forward.as_deref().is_none_or(|way| way != "%h:%p" && way != "[%h]:%p") || inner.refused.is_some() {
        return None;
    }
    let jump = Jump::parse(host)?;
    let user = jump.user.or(inner.user);
    let mut all = inner.jumps.unwrap_or_default();
    all.push(Jump { user, port: jump.port.or(inner.port), identity_file: inner.identity_file, ..jump });
    Some(all)
}

#[derive(Default)]
struct Parsed {
    positional: Vec<String>,
    forward: Option<String>,
}

/// Reads the arguments in a text.
pub(super) fn read(text: &str, folder: &Path, asked: &mut Asked) {
    let words = match shell::words(text, false) {
        Ok(words) => words,
        Err(why) => return asked.refuse(format!("its arguments for ssh cannot be read: {why}")),
    };
    match arguments(&words, folder, asked) {
        Ok(parsed) if parsed.positional.is_empty() && parsed.forward.is_none() => {}
        Ok(_) => asked.refuse("its arguments for ssh name a host or a forwarding"),
        Err(why) => asked.refuse(why),
    }
}

fn arguments(words: &[String], folder: &Path, asked: &mut Asked) -> Result<Parsed, String> {
    const ALONE: &str = "46AaCfGgKkMNnqTtVvXxYy";
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            parsed.positional.push(word.clone());
            continue;
        };
        let alone = letters.len() - letters.trim_start_matches(|letter| ALONE.contains(letter)).len();
        let Some((flag, inline)) = letters.get(alone..).and_then(|rest| Some((rest.chars().next()?, rest.get(1..)?)))
        else {
            continue;
        };
        let mut value = || {
            let next = if inline.is_empty() { words.next().cloned() } else { Some(inline.to_owned()) };
            next.ok_or_else(|| format!("its arguments for ssh end behind -{flag}"))
        };
        let name = match flag {
            'o' => {
                let text = value()?;
                let (name, value) = text.split_once('=').or_else(|| text.split_once(' ')).unwrap_or((&text, ""));
                let name = name.trim().to_ascii_lowercase();
                if !option(&name, value.trim().trim_matches('"'), folder, asked) {
                    asked.notes.push(format!("the option {} of ssh is not taken over", name.escape_debug()));
                }
                continue;
            }
            'J' => "proxyjump",
            'p' => "port",
            'l' => "user",
            'i' => "identityfile",
            'W' => {
                parsed.forward = Some(value()?);
                continue;
            }
            'F' => {
                value()?;
                asked.notes.push(
                    "-F names a configuration of ssh, which is not read: give it as an --inventory too".to_owned(),
                );
                continue;
            }
            'B' | 'b' | 'c' | 'E' | 'e' | 'm' | 'S' => {
                value()?;
                continue;
            }
            other => {
                return Err(format!("its arguments for ssh hold -{}, which is not known here", other.escape_debug()));
            }
        };
        option(name, &value()?, folder, asked);
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        let mut asked = Asked::default();
        read(text, Path::new("/inv"), &mut asked);
        asked
    }

    fn jumps(text: &str) -> Vec<(Option<String>, String, Option<u16>)> {
        let asked = asked(text);
        assert_eq!(asked.refused, None, "{text}");
        asked.jumps.unwrap_or_default().into_iter().map(|jump| (jump.user, jump.host, jump.port)).collect()
    }

    #[test]
    fn a_jump_is_found_however_it_is_written() {
        let door = [(Some("me".to_owned()), "door".to_owned(), Some(2222))];
        for text in [
            "-J me@door:2222",
            "-o ProxyJump=me@door:2222",
            "-oProxyJump=me@door:2222",
            "-o 'ProxyJump me@door:2222' -qC",
            "-o ProxyCommand=\"ssh -W %h:%p -q me@door -p 2222\"",
            "-o ProxyCommand='/usr/bin/ssh -o User=me -p2222 -W [%h]:%p door'",
        ] {
            assert_eq!(jumps(text), door, "{text}");
        }
        assert_eq!(jumps("-o ControlMaster=auto -o ControlPersist=60s -C"), []);
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for text in [
            "-o ProxyCommand='nc -X 5 -x proxy:1080 %h %p'",
            "-o ProxyCommand='ssh door nc %h %p'",
            "-o ProxyCommand='sh -c \"ssh -W %h:%p door\"'",
            "-o ProxyJump='a b'",
            "-J",
            "-w 0:0",
            "otherhost",
            "-o 'x",
        ] {
            assert!(asked(text).refused.is_some(), "{text}");
        }
    }

    #[test]
    fn the_rest_is_taken_over_or_said() {
        let found = asked(
            "-i keys/id -o UserKnownHostsFile=known -o ConnectTimeout=7 -l me -p 22 -o StrictHostKeyChecking=no -o Tunnel=yes",
        );
        assert_eq!(found.identity_file.as_deref(), Some(Path::new("/inv/keys/id")));
        assert_eq!(found.known_hosts.as_deref(), Some(Path::new("/inv/known")));
        assert_eq!((found.timeout, found.user.as_deref(), found.port), (Some(7.0), Some("me"), Some(22)));
        assert!(found.notes.len() == 2 && found.notes[0].contains("StrictHostKeyChecking"), "{:?}", found.notes);
        assert!(asked("-o UserKnownHostsFile=/dev/null").notes[0].contains("/dev/null"));
    }
}
