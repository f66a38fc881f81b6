//! Inventories that a program tells.

use std::path::PathBuf;

use serde_json::json;

use super::tests::{Folder, one};
use super::{Environment, read};

const SCRIPT: &str = "#!/bin/sh\necho x >>\"$0.ran\"\nif [ \"$1\" = --list ]; then cat <<'END'\n\
{ \"web\": { \"hosts\": [\"web1\", \"web2\"], \"vars\": { \"port\": 80 } }, \"all\": { \"children\": [\"web\"] },\n\
  \"db\": [\"db1\"], \"_meta\": { \"hostvars\": { \"web1\": { \"ansible_host\": \"10.0.0.1\", \"zone\": \"a\", \"key\": \"env:HOME\" },\n\
  \"web2\": { \"ansible_password\": \"env:HOME\" } } } }\nEND\nfi\n";

#[test]
fn a_program_is_run_once_and_nothing_that_it_says_is_a_reference() {
    let folder = Folder::with(&[("inv.sh", SCRIPT)]);
    let program = folder.at("inv.sh");
    for path in [program.clone(), PathBuf::from(format!("exec:{}", program.display()))] {
        let read = read(&[path], Environment::Open).unwrap();
        let inventory = &read.inventory;
        assert_eq!(inventory.select("web").unwrap(), ["web1", "web2"]);
        assert_eq!(inventory.hosts["web1"].address, "10.0.0.1");
        assert_eq!(
            inventory.vars("web1"),
            json!({ "port": 80, "ansible_host": "10.0.0.1", "zone": "a" }),
            "`key` is left out"
        );
        assert_eq!(inventory.hosts["web2"].password, None);
        assert!(inventory.hosts["web2"].refused.as_deref().unwrap().contains("a program may not give a password"));
        assert_eq!(read.notes.len(), 2, "{:?}", read.notes);
    }
    assert_eq!(std::fs::read_to_string(folder.at("inv.sh.ran")).unwrap(), "x\n");
}

#[test]
fn a_program_without_meta_is_asked_host_by_host() {
    let script = "#!/bin/sh\nif [ \"$1\" = --list ]; then echo '{\"g\": [\"a\", \"b\"]}'; else printf '{\"me\": \"%s\"}' \"$2\"; fi\n";
    let read = one("inv.sh", script);
    assert_eq!(read.inventory.vars("b"), json!({ "me": "b" }));
}

#[test]
fn a_program_that_fails_or_lies_is_told() {
    for (script, word) in [
        ("echo no access >&2; exit 3", "exit status: 3): no access"),
        ("echo '[]'", "no JSON object"),
        ("echo '{'", "not JSON"),
        ("echo '{\"g\": \"a\"}'", "group `g`"),
        ("echo '{\"g\": {\"hosts\": [1]}}'", "no texts"),
        ("echo '{\"g\": {\"hosts\": [\"../x\"]}, \"_meta\": {\"hostvars\": {}}}'", "a name is a letter or digit"),
        ("echo '{\"g\": {\"hosts\": [\"a\"]}, \"_meta\": {\"hostvars\": {\"a\": 1}}}'", "no mapping"),
    ] {
        let error = Folder::with(&[("inv", &format!("#!/bin/sh\n{script}\n"))]).error(&["inv"]);
        assert!(error.contains(word), "{script}: {error}");
    }
    let error = read(&["exec:no-such-program-here".into()], Environment::Open).unwrap_err().to_string();
    assert!(error.contains("cannot be started"), "{error}");
    let error = read(&["exec:list | head".into()], Environment::Open).unwrap_err().to_string();
    assert!(error.contains("there is no shell"), "{error}");
}
