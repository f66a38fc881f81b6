//! An input that names a thing of the inventory which is not there: refused with the nearest name before anything is
//! started, recorded or locked.

use std::path::Path;
use std::process::{Command, Output};

const BOOK: &str = "name: look
version: 1.0.0
title: Looks at a router
inputs:
  router: { type: host, required: true, description: the router }
  others: { type: list, items: host, default: [r2] }
steps:
  - id: look
    run: \"true\"
    effect: read
";

const INVENTORY: &str = "environment: lab
hosts:
  r1: { address: 127.0.0.1 }
  r2: { address: 127.0.0.1 }
groups:
  both: [r1, r2]
";

fn playbook(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
    command.current_dir(folder).args(["--inventory", "inventory.yaml", "--state", "state"]).args(words);
    command.env_remove("PLAYBOOK_INVENTORY").env_remove("PLAYBOOK_STATE").output().unwrap()
}

#[test]
fn a_name_that_the_inventory_does_not_have_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("look.yaml"), BOOK).unwrap();
    std::fs::write(folder.path().join("inventory.yaml"), INVENTORY).unwrap();
    let run = |words: &[&str]| {
        let output = playbook(folder.path(), words);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let verbs = [vec!["run", "-y"], vec!["run", "--dry-run"], vec!["plan"], vec!["doctor"]];
    let wrong = [
        ("router=r12", "the inventory has no host `r12`: did you mean `r1"),
        ("router=both", "`both` is a group of hosts"),
        ("others=r1,moon", "the inventory has no host `moon`: it has r1, r2"),
    ];
    for verb in &verbs {
        for (input, expected) in wrong {
            let mut words = verb.clone();
            words.extend(["look.yaml", "-i", input]);
            if !input.starts_with("router") {
                words.extend(["-i", "router=r1"]);
            }
            let (code, said) = run(&words);
            let plain = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(code, Some(65), "{words:?}: {said}");
            assert!(plain.contains(expected) && plain.contains("nothing was started"), "{words:?}: {said}");
        }
    }
    let (code, said) = run(&["run", "-y", "look.yaml"]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains("the inventory has r1, r2"), "{said}");
    assert!(!folder.path().join("state").exists(), "a state was made for a run that never began");
    let (code, said) = run(&["run", "-y", "look.yaml", "-i", "router=r2"]);
    assert_eq!(code, Some(0), "{said}");
}
