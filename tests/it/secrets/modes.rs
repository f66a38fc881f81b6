//! What is kept can be read by its owner alone, whatever the user's umask lets through.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::processes::{Place, until};

fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mode = |path: &Path| std::fs::symlink_metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    if mode(folder) & 0o077 != 0 {
        found.push(format!("{} {:o}", folder.display(), mode(folder)));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(open_to_others(&path));
        } else if mode(&path) & 0o177 != 0 {
            found.push(format!("{} {:o}", path.display(), mode(&path)));
        }
    }
    found
}

#[test]
fn every_file_of_the_state_is_its_owners_alone_under_any_umask() {
    let place = Place::new();
    let book = place.book(
        "kept",
        "  - { id: look, run: echo read, effect: read }\n\
         \x20 - { id: change, run: 'echo out; echo err >&2; GATE(here)', effect: idempotent, rollback: none, because: a test }\n",
    );
    // A shell sets the umask, as this process may not for its threads' sake.
    let start = |words: &[&str]| {
        let mut shell = std::process::Command::new("sh");
        let known = place.command(&[]);
        shell.args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_playbook")]).args(words);
        shell.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(place.path(""));
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        shell.spawn().unwrap()
    };
    let plan = place.path("plan.json").display().to_string();
    assert!(start(&["plan", &book, "-o", &plan]).wait().unwrap().success());
    let mut child = start(&["run", &book, "-y"]);
    place.wait_at("here");
    let names = || -> Vec<String> {
        super::files_below(&place.path("state")).iter().map(|path| path.display().to_string()).collect()
    };
    until("what a command printed in the spool", || names().iter().any(|name| name.ends_with("/stdout")).then_some(()));
    assert!(names().iter().any(|name| name.ends_with("-wal")), "{:?}", names());
    assert_eq!(open_to_others(&place.path("state")), Vec::<String>::new(), "while it runs");
    place.open("here");
    assert!(child.wait().unwrap().success());
    assert!(start(&["verify", "--checkpoint", &place.path("checkpoint.json").display().to_string()]).wait().is_ok());
    assert_eq!(open_to_others(&place.path("state")), Vec::<String>::new(), "after it");
    let mode = std::fs::metadata(&plan).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the plan's file");
}
