//! Whole inventories, as they lie in a folder, and what becomes of them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Environment, Read, Whose, read};
use crate::inventory::{Host, InventoryError};

/// A folder with files.
pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            if text.starts_with("#!") {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        Self(folder)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn try_read(&self, names: &[&str]) -> Result<Read, InventoryError> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.at(name)).collect();
        read(&paths, Environment::Open)
    }

    pub(super) fn read(&self, names: &[&str]) -> Read {
        self.try_read(names).unwrap()
    }

    pub(super) fn error(&self, names: &[&str]) -> String {
        self.try_read(names).unwrap_err().to_string()
    }
}

pub(super) fn one(name: &str, text: &str) -> Read {
    Folder::with(&[(name, text)]).read(&[name])
}

/// The host `h` of an INI file with one line.
fn host(line: &str) -> (Host, Vec<String>) {
    let read = one("hosts", &format!("h {line}\n"));
    let notes = read.notes.iter().map(|note| format!("{}: {}", note.about, note.text)).collect();
    (read.inventory.hosts["h"].clone(), notes)
}

#[test]
fn what_ansible_says_of_reaching_a_host_becomes_ours() {
    let (found, notes) = host(
        "ansible_host=10.0.0.1 ansible_port=2222 ansible_user=deploy ansible_ssh_private_key_file=/k/id ansible_timeout=9",
    );
    assert_eq!((found.address.as_str(), found.port, found.user.as_deref()), ("10.0.0.1", 2222, Some("deploy")));
    assert_eq!((found.identity_file, found.connect_timeout_seconds), (Some("/k/id".into()), 9.0));
    assert_eq!(notes, Vec::<String>::new());
    let (plain, _) = host("");
    assert_eq!((plain.address.as_str(), plain.port, plain.refused), ("h", 22, None));
    let read = one(
        "hosts",
        "[g]\na\nb ansible_ssh_common_args='-o ProxyJump=me@door:2222'\n[g:vars]\nansible_ssh_common_args=-J door\n",
    );
    let hosts = &read.inventory.hosts;
    assert_eq!((hosts["a"].jump.as_deref(), hosts["b"].jump.as_deref()), (Some("door"), Some("door-2")));
    assert_eq!(
        (hosts["door-2"].address.as_str(), hosts["door-2"].port, hosts["door-2"].user.as_deref()),
        ("door", 2222, Some("me"))
    );
    assert_eq!(read.inventory.select("all").unwrap(), ["a", "b"], "what is only a way is no host to act on");
    assert_eq!(read.inventory.vars("a"), json!({ "ansible_ssh_common_args": "-J door" }));
}

#[test]
fn what_cannot_be_done_here_is_said_and_refused_when_used() {
    for (line, word) in [
        ("ansible_connection=winrm", "ansible_connection: hosts are reached over ssh"),
        ("ansible_connection=local", "this very host"),
        ("ansible_connection=community.docker.docker", "over ssh here"),
        ("ansible_shell_type=powershell", "POSIX shell"),
        ("ansible_host='{{ address }}'", "a template of Ansible's"),
        ("ansible_port=x", "no port"),
        ("ansible_ssh_common_args='-o ProxyCommand=\"nc %h %p\"'", "ProxyCommand"),
        ("ansible_password=hunter2", "a password in clear text is not taken: write a reference"),
        ("ansible_ssh_pass=hunter2", "env:NAME"),
    ] {
        let (found, notes) = host(line);
        assert!(found.refused.as_deref().is_some_and(|why| why.contains(word)), "{line}: {:?}", found.refused);
        assert!(notes.iter().any(|note| note.contains(word) && note.starts_with("host h")), "{line}: {notes:?}");
        assert!(!format!("{found:?} {notes:?}").contains("hunter2"), "{line}");
    }
    let (found, notes) = host("ansible_become=true ansible_ssh_common_args='-o StrictHostKeyChecking=no'");
    assert!(found.refused.is_none() && notes.len() == 2, "{notes:?}");
}

#[test]
fn secrets_are_references_or_left_out() {
    let (found, notes) =
        host("ansible_password=env:PW ansible_become_password=hunter2 db_password=hunter3 api_token=env:TOKEN");
    assert_eq!(found.password.unwrap().0, "env:PW");
    assert_eq!(json!(found.vars), json!({ "api_token": "env:TOKEN" }));
    assert!(notes.len() == 2 && !format!("{notes:?}").contains("hunter"), "{notes:?}");
    let folder = Folder::with(&[
        (
            "hosts.yml",
            "all: { hosts: { h: { ansible_password: file:pw, other: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n } } }\n",
        ),
        (
            "vault.yml",
            "all:\n  hosts:\n    h:\n      ansible_password: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n",
        ),
        ("ours.yaml", "environment: lab\nhosts: { h: { address: x, vars: { db_password: hunter2 } } }\n"),
    ]);
    let vault = folder.read(&["vault.yml"]);
    assert!(vault.inventory.hosts["h"].refused.as_deref().unwrap().contains("ansible-vault"));
    assert_eq!(vault.inventory.vars("h"), json!({}));
    let error = folder.error(&["ours.yaml"]);
    assert!(
        error.contains("hosts.h.vars.db_password: by its name it is a secret") && !error.contains("hunter2"),
        "{error}"
    );
    let relative = Folder::with(&[("hosts", "h ansible_password=file:pw\n")]);
    let password = relative.read(&["hosts"]).inventory.hosts["h"].password.clone().unwrap().0;
    assert_eq!(password, format!("file:{}", relative.at("pw").display()));
}

#[test]
fn slips_in_the_ini_form_are_shown_with_their_line() {
    for (text, word) in [
        ("[web]\na\n[db:vars]\nx=1\n", "line 3: [db:vars] is about a group that is not there"),
        ("[web:children]\ndb\n", "line 2: [web:children] names `db`"),
        ("[web\na\n", ""),
        ("[web:hosts:x]\n", "line 1: the section"),
        ("[web:var]\n", "of no kind"),
        ("[we b]\n", "spaces"),
        ("a b\n", "NAME=VALUE"),
        ("a b='c\n", "a quote is not closed"),
        ("[web:vars]\nx\n", "line 2: NAME=VALUE"),
        ("a[1:20000]\n", "more than 10,000 hosts"),
        ("---\n", "line 1"),
        ("a:\n", ""),
    ] {
        let error = Folder::with(&[("hosts.ini", text)]).error(&["hosts.ini"]);
        assert!(error.contains(word) && error.contains("hosts.ini"), "{text:?}: {error}");
    }
    let many: String = (0..3).map(|part| format!("h{part}-[1:5000]\n")).collect();
    assert!(Folder::with(&[("hosts", &many)]).error(&["hosts"]).contains("more than 10000 hosts"));
}

#[test]
fn names_that_would_be_dangerous_elsewhere_are_refused() {
    for name in [
        "../../etc/passwd",
        "'a b'",
        "$(reboot)",
        "-oProxyCommand=x",
        "a\u{1b}31m",
        "2001:db8::1",
        &"a".repeat(65),
        "a/b",
        "é",
    ] {
        let error = Folder::with(&[("hosts", &format!("[g]\n{name}\n"))]).error(&["hosts"]);
        assert!(error.contains("a name is a letter or digit") && !error.contains('\u{1b}'), "{name}: {error}");
    }
    let error = Folder::with(&[("hosts", "[../g]\na\n")]).error(&["hosts"]);
    assert!(error.contains("groups.../g"), "{error}");
    let error = Folder::with(&[("hosts", "h ansible_host=-oProxyCommand=x\n")]).error(&["hosts"]);
    assert!(error.contains("begins with a hyphen"), "{error}");
    assert!(Folder::with(&[("hosts", "[a]\na\n")]).error(&["hosts"]).contains("a host has the same name"));
    assert!(Folder::with(&[("hosts", "[a:children]\nb\n[b:children]\na\n")]).error(&["hosts"]).contains("in a circle"));
}

#[test]
fn a_configuration_of_ssh_is_an_inventory() {
    let read = one(
        "config",
        "Host web?\n  User late\nHost web1 web2\n  HostName %h.example\n  User deploy\n  ProxyJump admin@door:2222\n  UserKnownHostsFile /k\n\
         Host odd\n  ProxyCommand nc %h %p\nHost round\n  ProxyJump about\nHost about\n  ProxyJump round\nMatch host door\n  IdentityFile /k/door\n",
    );
    let hosts = &read.inventory.hosts;
    let web = &hosts["web1"];
    assert_eq!(
        (web.address.as_str(), web.user.as_deref(), web.jump.as_deref()),
        ("web1.example", Some("late"), Some("door"))
    );
    assert_eq!(web.known_hosts, Some("/k".into()));
    let door = &hosts["door"];
    assert_eq!((door.user.as_deref(), door.port, door.only_a_way), (Some("admin"), 2222, true));
    assert_eq!(door.identity_file, Some("/k/door".into()));
    assert!(hosts["odd"].refused.as_deref().unwrap().contains("ProxyCommand"));
    assert!(hosts["round"].refused.as_deref().unwrap().contains("circle"), "{:?}", hosts["round"]);
    assert_eq!(read.inventory.select("all").unwrap(), ["web1", "web2", "odd", "round", "about"]);
    assert!(read.notes.iter().any(|note| note.about == "host odd"));
}

#[test]
fn several_files_are_one_inventory_and_what_contradicts_is_named() {
    let folder = Folder::with(&[
        (
            "ours.yaml",
            "environment: staging\nhosts: { db1: { address: 10.0.0.1, vars: { zone: a } } }\ngroups: { db: [db1], both: { children: [db, web] } }\n",
        ),
        ("hosts.ini", "[web]\nweb1 ansible_user=me\n[db]\ndb1\n[db:vars]\nlevel=1\n"),
        ("other.ini", "[web]\nweb1 ansible_user=you\n"),
        ("same.ini", "[web]\nweb1 ansible_user=me\nweb2\n"),
        ("taken.ini", "db1 ansible_host=10.0.0.2\n"),
        ("lab.yaml", "environment: lab\ncontacts: { dba: me }\n"),
        ("more.yaml", "environment: staging\nhosts: { db1: { address: 10.0.0.9 } }\n"),
        ("config", "Host web1\n  HostName 10.0.0.8\n  User you\n"),
    ]);
    let read = folder.read(&["ours.yaml", "hosts.ini", "same.ini"]);
    let inventory = &read.inventory;
    assert_eq!(inventory.environment, "staging");
    assert_eq!(inventory.select("both").unwrap(), ["db1", "web1", "web2"]);
    assert_eq!(inventory.vars("db1"), json!({ "level": 1, "zone": "a" }));
    assert!(read.source(Whose::Group, "db", "level").unwrap().ends_with("hosts.ini"));
    assert!(read.source(Whose::Host, "db1", "zone").unwrap().ends_with("ours.yaml"));
    for (names, words) in [
        (["hosts.ini", "other.ini"], ["host web1: `ansible_user` is said twice", "other.ini"]),
        (["ours.yaml", "taken.ini"], ["hosts.db1: a file of ours says", "taken.ini"]),
        (["ours.yaml", "lab.yaml"], ["environment is said twice", "lab.yaml"]),
        (["ours.yaml", "more.yaml"], ["hosts.db1 is said twice", "more.yaml"]),
    ] {
        let error = folder.error(&[&names[..], &["hosts.ini"]].concat());
        assert!(words.iter().all(|word| error.contains(word)) && error.contains(names[0]), "{names:?}: {error}");
    }
    // What ssh's configuration says holds where Ansible's inventory says nothing.
    let reached = folder.read(&["hosts.ini", "config"]).inventory.hosts["web1"].clone();
    assert_eq!((reached.address.as_str(), reached.user.as_deref()), ("10.0.0.8", Some("me")));
}

#[test]
fn an_environment_is_named_before_anything_is_acted_on() {
    let folder = Folder::with(&[
        ("hosts", "a\n"),
        ("with", "a\n[all:vars]\nplaybook_environment=staging\n"),
        ("env.yaml", "environment: lab\n"),
        ("ours.yaml", "hosts: {}\n"),
    ]);
    let needed = |names: &[&str]| {
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.at(name)).collect();
        read(&paths, Environment::Needed).map(|read| read.inventory.environment).map_err(|error| error.to_string())
    };
    assert!(needed(&["hosts"]).unwrap_err().contains("`playbook_environment`"));
    assert!(needed(&["ours.yaml"]).unwrap_err().contains("it does not name its `environment`"));
    assert_eq!(needed(&["with"]).unwrap(), "staging");
    assert_eq!(needed(&["hosts", "env.yaml"]).unwrap(), "lab");
    assert_eq!(folder.read(&["hosts"]).inventory.environment, "none");
}

#[test]
fn a_folder_is_read_file_by_file() {
    let folder = Folder::with(&[
        ("inv/10-hosts", "[web]\nweb1\n"),
        ("inv/20-more.yml", "web: { hosts: { web2: } }\n"),
        ("inv/30-old.ini", "[web]\nweb3\n"),
        ("inv/readme.md", "no inventory\n"),
        ("inv/.hidden", "web9\n"),
        ("inv/group_vars/web.yml", "port: 80\n"),
        ("inv/group_vars/nobody.yml", "port: [\n"),
        ("inv/host_vars/web2/a.yml", "port: 81\n"),
        ("inv/host_vars/web2/b.yml", "zone: b\n"),
        ("inv/host_vars/../group_vars/all", "$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
    ]);
    let read = folder.read(&["inv"]);
    assert_eq!(read.inventory.select("all").unwrap(), ["web1", "web2"]);
    assert_eq!(
        (read.inventory.vars("web1"), read.inventory.vars("web2")),
        (json!({ "port": 80 }), json!({ "port": 81, "zone": "b" }))
    );
    let notes: Vec<&str> = read.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(
        notes.len() == 2 && notes[1].contains("ansible-vault") && notes[0].contains("left out, as Ansible"),
        "{notes:?}"
    );
    assert!(read.source(Whose::Host, "web2", "zone").unwrap().ends_with("b.yml"));
}

#[test]
fn what_looks_like_a_file_and_is_none_holds_up_nothing() {
    let folder = Folder::with(&[("big", "")]);
    std::fs::File::options().write(true).open(folder.at("big")).unwrap().set_len(17 * 1024 * 1024).unwrap();
    assert!(folder.error(&["big"]).contains("larger than 16 MiB"));
    nix::unistd::mkfifo(&folder.at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(folder.error(&["pipe"]).contains("no file"));
    std::fs::write(folder.at("bytes"), [0xff, 0xfe]).unwrap();
    assert!(folder.error(&["bytes"]).contains("UTF-8"));
    assert!(folder.error(&["none"]).contains("cannot be read"));
    std::os::unix::fs::symlink(".", folder.at("round")).unwrap();
    assert!(Folder::with(&[("d/x", "a\n")]).read(&["d"]).inventory.hosts.contains_key("a"));
}

#[test]
fn ten_thousand_hosts_are_read_in_a_moment() {
    let text = "[g]\nweb[0:9999] ansible_ssh_common_args='-J me@door' port=80\n[g:vars]\nzone=a\n";
    let began = std::time::Instant::now();
    let read = one("hosts", text);
    assert_eq!(read.inventory.select("g:!web1*").unwrap().len(), 8_889);
    assert!(began.elapsed() < std::time::Duration::from_secs(60), "{:?}", began.elapsed());
    eprintln!("10,000 hosts read and chosen in {:?}", began.elapsed());
}

/// Whatever is in a file, reading it ends, and with an answer.
#[test]
fn no_text_is_too_strange() {
    let seeds: Vec<Vec<u8>> = vec![
        include_bytes!("../../../fixtures/inventories/ansible/hosts.ini").to_vec(),
        include_bytes!("../../../fixtures/inventories/yaml/hosts.yaml").to_vec(),
        b"Host a b*\n  ProxyJump u@c:22\nMatch host x !user y\n  Port 1\nHost *\n  IdentityFile ~/.ssh/%h\n".to_vec(),
        b"environment: lab\nhosts: { a: { address: x, vars: { b: [1] } } }\ngroups: { g: { hosts: [a], children: [h] }, h: [a] }\n".to_vec(),
    ];
    let folder = tempfile::tempdir().unwrap();
    let pieces: [&[u8]; 14] =
        [b"[", b"]", b":", b"{", b"&a", b"*a", b"\n", b"\"", b"'", b"=", b"<<: ", b"[a:z]", b"\xff", b"\x00"];
    // A simple generator with a fixed seed: the same texts each time.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let (mut good, mut bad) = (0, 0);
    for round in 0..1_500 {
        let mut text = seeds[round % seeds.len()].clone();
        for _ in 0..=next(6) {
            let (at, piece) = (next(text.len() + 1), pieces[next(pieces.len())]);
            match next(3) {
                0 => drop(text.splice(at..at, piece.iter().copied())),
                1 => text.truncate(at),
                _ => drop(text.drain(at.min(text.len())..(at + next(9)).min(text.len()))),
            }
        }
        let name = ["hosts", "hosts.yml", "config", "inventory.yaml"][next(4)];
        let path = folder.path().join(name);
        std::fs::write(&path, &text).unwrap();
        match read(&[path], Environment::Open) {
            Ok(read) => {
                good += 1;
                let _ = read
                    .inventory
                    .select("all:!a*")
                    .map(|hosts| hosts.iter().map(|host| read.inventory.vars(host)).collect::<Vec<Value>>());
            }
            Err(error) => {
                bad += 1;
                assert!(!error.to_string().contains('\u{1b}'));
            }
        }
    }
    assert!(good > 50 && bad > 50, "both ways are taken: {good} {bad}");
}
