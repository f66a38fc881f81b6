//! A configuration of OpenSSH's `ssh`: each `Host` without wildcards is a host, and what else is said for it holds as it does
//! for ssh: the first value wins. What is not understood refuses the hosts that it is about.

use std::path::{Path, PathBuf};

use super::ssh_lines::{Criterion, criteria, included, listed, setting, words};
use super::ways::{Asked, Jump};
use super::{files, options};

/// How deep files may include each other, how many there may be, and how many settings.
const DEEPEST: usize = 16;
const MOST_FILES: usize = 256;
const MOST_SETTINGS: usize = 100_000;
/// How many times a way may lead through another host.
const MOST_JUMPS: usize = 8;

/// A condition under which settings hold.
#[derive(Debug, Clone)]
enum When {
    Host(Vec<String>),
    Match(Vec<Criterion>),
}

/// Settings, and all the conditions that have to hold: those of the files that include this one too.
#[derive(Debug)]
struct Block {
    when: Vec<When>,
    settings: Vec<(String, String)>,
}

/// A configuration.
#[derive(Debug, Default)]
pub(super) struct SshConfig {
    blocks: Vec<Block>,
    /// The names that stand for one host each, in order.
    pub(super) names: Vec<String>,
    pub(super) notes: Vec<String>,
    files: usize,
    settings: usize,
}

/// Whether a text is such a configuration and nothing else: its first line is one of ssh's.
pub(super) fn is_one(text: &str) -> bool {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = line.and_then(|line| line.split([' ', '\t', '=']).next()).unwrap_or_default().to_ascii_lowercase();
    const FIRST: [&str; 14] = [
        "host",
        "match",
        "include",
        "user",
        "identityfile",
        "identitiesonly",
        "serveraliveinterval",
        "controlmaster",
        "controlpath",
        "stricthostkeychecking",
        "userknownhostsfile",
        "forwardagent",
        "addkeystoagent",
        "hashknownhosts",
    ];
    FIRST.contains(&word.as_str()) && line.is_some_and(|line| line.len() > word.len())
}

/// Reads a file and those that it includes.
///
/// # Errors
/// What is wrong, with the line.
pub(super) fn read(text: &str) -> Result<SshConfig, String> {
    let mut config = SshConfig::default();
    config.file(text, &[], 0)?;
    Ok(config)
}

impl SshConfig {
    fn file(&mut self, text: &str, outer: &[When], depth: usize) -> Result<(), String> {
        self.files += 1;
        if depth > DEEPEST || self.files > MOST_FILES {
            return Err("it includes too many files, or files that include each other".to_owned());
        }
        let mut when = outer.to_vec();
        self.blocks.push(Block { when: when.clone(), settings: Vec::new() });
        for (number, line) in text.lines().enumerate() {
            let at = |why: &str| format!("line {}: {why}", number + 1);
            let Some((key, rest)) = setting(line) else { continue };
            self.settings += 1;
            if self.settings > MOST_SETTINGS {
                return Err(at("it has more settings than any that is written"));
            }
            match key.as_str() {
                "host" | "match" => {
                    let words = words(rest).ok_or_else(|| at("a quote is not closed"))?;
                    let own = if key == "host" {
                        self.hosts(&words, outer.is_empty());
                        When::Host(words)
                    } else {
                        When::Match(criteria(&words).ok_or_else(|| at("this Match cannot be read"))?)
                    };
                    when = outer.iter().cloned().chain([own]).collect();
                    self.blocks.push(Block { when: when.clone(), settings: Vec::new() });
                }
                "include" => {
                    for pattern in words(rest).ok_or_else(|| at("a quote is not closed"))? {
                        for path in included(&pattern).map_err(|why| at(&why))? {
                            let text = files::text(&path).map_err(|why| at(&format!("{}: {why}", path.display())))?;
                            self.file(&text, &when, depth + 1)
                                .map_err(|why| at(&format!("{}: {why}", path.display())))?;
                        }
                    }
                    self.blocks.push(Block { when: when.clone(), settings: Vec::new() });
                }
                _ => {
                    if let Some(block) = self.blocks.last_mut() {
                        block.settings.push((key, rest.to_owned()));
                    }
                }
            }
        }
        Ok(())
    }

    /// The names that stand for one host.
    fn hosts(&mut self, words: &[String], own: bool) {
        for word in words.iter().filter(|word| !word.contains(['*', '?', '!'])) {
            if !crate::inventory::check::is_name(word) {
                self.notes.push(format!(
                    "Host {} is left out: a name is made of letters, digits and . _ -",
                    word.escape_debug()
                ));
            } else if !self.names.contains(word) && own {
                self.names.push(word.clone());
            }
        }
    }

    /// How ssh would reach a host.
    pub(super) fn resolve(&self, name: &str, folder: &Path) -> Asked {
        self.resolve_as(&Jump { host: name.to_owned(), ..Jump::default() }, folder, MOST_JUMPS)
    }

    fn resolve_as(&self, typed: &Jump, folder: &Path, left: usize) -> Asked {
        let mut asked = Asked { user: typed.user.clone(), port: typed.port, ..Asked::default() };
        let mut keys: Vec<String> = Vec::new();
        for block in &self.blocks {
            if !block.when.iter().all(|when| self.holds(when, &typed.host, &mut asked)) {
                continue;
            }
            for (key, value) in &block.settings {
                self.take(key, value, &typed.host, folder, (&mut asked, &mut keys));
            }
        }
        if asked.identity_file.is_none() {
            asked.identity_file = chosen(&keys, &typed.host, &asked, folder);
        }
        if keys.len() > 1 {
            let file = asked.identity_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
            asked.notes.push(format!("of {} IdentityFile one is tried, {file}", keys.len()));
        }
        asked.jumps = asked.jumps.take().map(|jumps| self.configured(jumps, folder, left, &mut asked));
        asked
    }

    /// Each host to go through, with what this configuration says of it.
    fn configured(&self, jumps: Vec<Jump>, folder: &Path, left: usize, asked: &mut Asked) -> Vec<Jump> {
        let mut known = Vec::new();
        for (place, jump) in jumps.into_iter().enumerate() {
            // One that is typed as it stands among the hosts is that host.
            let is_entry = place == 0 && jump.user.is_none() && jump.port.is_none() && self.names.contains(&jump.host);
            if is_entry {
                known.push(jump);
                continue;
            }
            if left == 0 {
                asked.refuse("the way leads in a circle, or through too many hosts");
                return Vec::new();
            }
            let mut configured = self.resolve_as(&jump, folder, left - 1);
            if place > 0 {
                configured.jumps = None;
            }
            known.push(Jump { configured: Some(Box::new(configured)), ..jump });
        }
        known
    }

    fn take(&self, key: &str, value: &str, name: &str, folder: &Path, (asked, keys): (&mut Asked, &mut Vec<String>)) {
        let Some(first) = words(value).and_then(|words| words.into_iter().next()) else {
            return asked.refuse(format!("its {key} cannot be read"));
        };
        match key {
            "identityfile" => keys.push(first),
            // Tokens in it stand for other hosts, each time anew: ssh knows them too.
            "proxycommand" => _ = options::option(key, value.trim(), folder, asked),
            "hostname" | "proxyjump" | "user" | "userknownhostsfile" => match tokens(&first, name, asked) {
                Some(first) if key == "userknownhostsfile" && words(value).is_some_and(|words| words.len() > 1) => {
                    options::option(key, &format!("{first} …"), folder, asked);
                }
                Some(first) => _ = options::option(key, &first, folder, asked),
                None => {
                    asked.refuse(format!("its {key} `{}` holds a token that is not known here", first.escape_debug()))
                }
            },
            _ if options::option(key, &first, folder, asked) => {}
            "proxyusefdpass"
            | "canonicaldomains"
            | "addressfamily"
            | "bindaddress"
            | "bindinterface"
            | "certificatefile"
            | "securitykeyprovider"
            | "pkcs11provider"
            | "remotecommand"
            | "tunnel" => {
                asked.notes.push(format!("{key} is not taken over"));
            }
            _ => {}
        }
    }

    fn holds(&self, when: &When, name: &str, asked: &mut Asked) -> bool {
        match when {
            When::Host(patterns) => listed(patterns.iter().map(String::as_str), name),
            When::Match(criteria) => {
                let mut unknown = None;
                for criterion in criteria {
                    match matched(criterion, name, asked) {
                        Some(holds) if holds != criterion.no => {}
                        Some(_) => return false,
                        None => unknown = Some(&criterion.kind),
                    }
                }
                if let Some(kind) = unknown {
                    asked.refuse(format!(
                        "its configuration has a `Match {}`, which is not decided here",
                        kind.escape_debug()
                    ));
                    return false;
                }
                true
            }
        }
    }
}

/// Whether a criterion is met; nothing where that cannot be told.
fn matched(criterion: &Criterion, name: &str, asked: &Asked) -> Option<bool> {
    let is_one_of = |text: &str| Some(listed(criterion.patterns.split(','), text));
    match criterion.kind.as_str() {
        "all" => Some(true),
        "host" => is_one_of(asked.address.as_deref().unwrap_or(name)),
        "originalhost" => is_one_of(name),
        "user" => is_one_of(&asked.user.clone().or_else(local_user)?),
        "localuser" => is_one_of(&local_user()?),
        // Names are not made canonical here.
        "canonical" => Some(false),
        _ => None,
    }
}

fn local_user() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name)
}

/// The key that is used: the first that is there, else the first.
fn chosen(keys: &[String], name: &str, asked: &Asked, folder: &Path) -> Option<PathBuf> {
    let path = |key: &String| {
        let mut one = Asked::default();
        options::option("identityfile", &tokens(key, name, asked)?, folder, &mut one);
        one.identity_file
    };
    let paths: Vec<PathBuf> = keys.iter().filter_map(path).collect();
    paths.iter().find(|path| path.exists()).or(paths.first()).cloned()
}

/// A value with what its tokens (`%h`, `%r`, `${HOME}`) stand for; nothing where one is not known here.
fn tokens(text: &str, name: &str, asked: &Asked) -> Option<String> {
    let home = || std::env::home_dir().map(|home| home.display().to_string());
    let mut whole = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => match letters.next()? {
                '%' => whole.push('%'),
                'h' => whole.push_str(asked.address.as_deref().unwrap_or(name)),
                'n' => whole.push_str(name),
                'p' => whole.push_str(&asked.port.unwrap_or(22).to_string()),
                'r' => whole.push_str(&asked.user.clone().or_else(local_user)?),
                'u' => whole.push_str(&local_user()?),
                'd' => whole.push_str(&home()?),
                _ => return None,
            },
            '$' if letters.as_str().starts_with('{') => {
                let (variable, rest) = letters.as_str().get(1..)?.split_once('}')?;
                whole.push_str(&std::env::var(variable).ok()?);
                letters = rest.chars();
            }
            letter => whole.push(letter),
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> SshConfig {
        read(text).unwrap()
    }

    #[test]
    fn the_first_value_wins_and_wildcards_apply() {
        let config = config(
            "User early\n\nHost web1 web2 *.lan !no.lan\n  HostName %h.example\n  Port=2222\n  User late\n\
             Host db \"quoted\" # a comment\n  HostName 10.0.0.5\n\
             Match host 10.0.0.* user early\n  Port 2022\nMatch host *.example\n  UserKnownHostsFile /known /other\nHost *\n  Port 9\n  IdentityFile /none/a\n  IdentityFile /none/%n\n",
        );
        assert_eq!(config.names, ["web1", "web2", "db", "quoted"]);
        let web1 = config.resolve("web1", Path::new("/inv"));
        assert_eq!(
            (web1.address.as_deref(), web1.port, web1.user.as_deref()),
            (Some("web1.example"), Some(2222), Some("early"))
        );
        assert_eq!(web1.identity_file.as_deref(), Some(Path::new("/none/a")));
        assert_eq!(web1.known_hosts.as_deref(), Some(Path::new("/known")));
        assert_eq!(config.resolve("db", Path::new("/")).port, Some(2022));
        assert_eq!(config.resolve("no.lan", Path::new("/")).port, Some(9));
    }

    #[test]
    fn ways_through_others_are_those_of_ssh() {
        let config = config(
            "Host a\n ProxyJump door\nHost b\n ProxyJump me@door:2222,far\nHost c\n ProxyCommand ssh -W %h:%p door\n\
             Host d\n ProxyJump none\nHost door\n HostName 10.0.0.9\nHost far\n ProxyJump a\n User remote\nHost *\n ProxyJump door\n",
        );
        let jumps = |name: &str| config.resolve(name, Path::new("/")).jumps.unwrap();
        assert_eq!(jumps("a")[0].host, "door");
        assert!(jumps("a")[0].configured.is_none());
        let [door, far] = &jumps("b")[..] else { panic!() };
        assert_eq!(door.configured.as_ref().unwrap().address.as_deref(), Some("10.0.0.9"));
        assert_eq!(far.configured.as_ref().unwrap().user.as_deref(), Some("remote"));
        assert_eq!(far.configured.as_ref().unwrap().jumps, None, "what is typed goes before its own way");
        assert_eq!(jumps("c")[0].host, "door");
        assert_eq!(jumps("d"), []);
    }

    #[test]
    fn what_is_not_understood_refuses_the_host() {
        let config = config(
            "Host a\n ProxyCommand nc %h %p\nMatch host b exec \"test -f /x\"\n Port 1\nHost c\n HostName %L.x\nMatch final host d\n User x\nHost e\n Port x\n",
        );
        for name in ["a", "b", "c", "d", "e"] {
            assert!(config.resolve(name, Path::new("/")).refused.is_some(), "{name}");
        }
        assert_eq!(config.resolve("f", Path::new("/")).refused, None);
        for bad in ["Host \"a", "Match", "Match host", "Include a/*/b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_included_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("10.conf"), "Host in1\n Port 1\n").unwrap();
        std::fs::write(at("20.conf"), "Port 2\n").unwrap();
        std::fs::write(at("loop"), format!("Include {}\n", at("loop").display())).unwrap();
        let text = format!("Host x\n Include {}\n Port 3\nHost *\n Port 4\n", at("*.conf").display());
        let found = config(&text);
        let port = |name: &str| found.resolve(name, Path::new("/")).port;
        assert_eq!((port("x"), port("y"), port("in1")), (Some(2), Some(4), Some(4)));
        assert_eq!(found.names, ["x"], "`in1` is never reached: it stands in what is said for x alone");
        assert!(config(&format!("Include {}\n", at("10.conf").display())).names.contains(&"in1".to_owned()));
        assert!(read(&std::fs::read_to_string(at("loop")).unwrap()).unwrap_err().contains("include each other"));
    }

    #[test]
    fn a_configuration_is_told_from_other_files() {
        for text in ["Host a\n", "# x\n\nInclude x\n", "host=a\n", "  Match all\n"] {
            assert!(is_one(text), "{text}");
        }
        for text in ["[web]\nHost a\n", "host:\n  a: b\n", "web1 ansible_host=x\n", "", "host\n", "hosts: {}\n"] {
            assert!(!is_one(text), "{text}");
        }
    }
}
