//! Our scripts against whoever is at work in the same folder. Programs that the scripts call are stood in for by ones that do
//! something else first: what in the world takes luck happens here each time.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Output, Stdio};

use sha2::{Digest as _, Sha256};

use super::*;
use crate::actions::command::{base64, hexadecimal};

fn digest(content: &str) -> String {
    hexadecimal(&Sha256::digest(content))
}

/// A folder `etc` with `app.conf`, a folder `evil`, and one with programs that stand in for others.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etc", "evil", "programs"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self) -> PathBuf {
        self.at("etc/app.conf")
    }

    fn with(self, content: &str, mode: u32) -> Self {
        put(&self.file(), content, mode);
        self
    }

    /// `program` does `first` once, then what it does always.
    fn instead(self, program: &str, first: &str) -> Self {
        let text = format!(
            "#!/bin/sh\nd=${{0%/programs/*}} once=$0.once\nPATH=${{PATH#*:}}; export PATH\n\
             if [ ! -e \"$once\" ]; then {first}\nfi\nexec {program} \"$@\"\n"
        );
        put(&self.at("programs").join(program), &text, 0o755);
        self
    }

    fn run(&self, script: &str, more: &[(&str, &str)], content: &str) -> Output {
        let path = format!("{}:{}", self.at("programs").display(), std::env::var("PATH").unwrap());
        let mut program = Program::new("sh");
        program.args(["-c", script]).env("PATH", path).env("PLAYBOOK_PATH", self.file()).stdin(Stdio::piped());
        for name in ["FROM", "MODE", "OWNER", "OLD_MODE", "OLD_OWNER"] {
            program.env(format!("PLAYBOOK_{name}"), "");
        }
        let mut child =
            program.envs(more.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), base64(content.as_bytes()).as_bytes());
        child.wait_with_output().unwrap()
    }

    fn write(&self, before: &str, content: &str, more: &[(&str, &str)]) -> (i32, String) {
        let wanted = digest(content);
        let mut all = vec![("PLAYBOOK_BEFORE", before), ("PLAYBOOK_WANTED", &wanted)];
        all.extend(more);
        told(self.run(WRITE, &all, content))
    }

    fn undo(&self, before: &str, content: &str, mode: &str, owner: &str) -> (i32, String) {
        let wanted = digest(content);
        let old = [("PLAYBOOK_OLD_MODE", mode), ("PLAYBOOK_OLD_OWNER", owner)];
        told(self.run(UNDO, &[&[("PLAYBOOK_BEFORE", before), ("PLAYBOOK_WANTED", &wanted)], &old[..]].concat(), ""))
    }

    fn holds(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn mode(&self) -> u32 {
        fs::metadata(self.file()).unwrap().mode() & 0o7777
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect();
        names.sort();
        names
    }
}

fn put(path: &Path, content: &str, mode: u32) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn told(output: Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_kill_after_the_rename_is_not_taken_for_one_before_it() {
    // The folder is made durable after the rename: that is when the timeout strikes.
    let folder = Folder::new().with("old\n", 0o640).instead("sync", "[ ! -d \"$1\" ] || kill -TERM $PPID");
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[]);
    assert_eq!((code, folder.holds().as_str()), (0, "new\n"), "{said}");
    // Before it: then it is certain.
    let folder = Folder::new().with("old\n", 0o640).instead("chmod", "kill -TERM $PPID; sleep 0.1");
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[]);
    assert_eq!((code, folder.holds().as_str()), (90, "old\n"), "{said}");
    assert_eq!(folder.names("etc"), ["app.conf"], "it cleans up behind itself");
    let ended = |timed_out, exit_code| Ended { exit_code, signal: None, timed_out, output: Default::default() };
    let outcome = |ended| ended_badly(&ended).outcome;
    assert_eq!(outcome(ended(true, Some(NOTHING))), crate::outcome::Outcome::Unknown);
    assert_eq!(outcome(ended(false, Some(NOTHING))), crate::outcome::Outcome::NoEffect);
}

#[test]
fn a_link_that_is_planted_where_we_write_leads_nowhere() {
    // Under a fixed name it is planted once that was cleared away.
    let planted = "for a; do case $a in *.playbook-new) rm -f \"$a\"; ln -s \"$d/evil/x\" \"$a\"; exit ;; esac; done";
    let folder = Folder::new().with("old\n", 0o640).instead("rm", planted);
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[]);
    assert_eq!((code, folder.names("evil").len()), (0, 0), "{said}");
    assert!(!fs::symlink_metadata(folder.file()).unwrap().is_symlink());
    // And in the place of the private folder as soon as that is made, into a folder that is ours.
    let swapped =
        "w=$(mktemp \"$@\"); mv \"$w\" \"$w.gone\"; chmod 700 \"$d/evil\"; ln -s \"$d/evil\" \"$w\"; echo \"$w\"; exit";
    let folder = Folder::new().with("old\n", 0o640).instead("mktemp", swapped);
    put(&folder.at("evil/new"), "theirs", 0o600);
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[]);
    assert_eq!((code, folder.holds().as_str()), (90, "old\n"), "{said}");
    assert!(said.contains("in the place of") && said.contains("nothing was replaced"), "{said}");
    assert_eq!(fs::read_to_string(folder.at("evil/new")).unwrap(), "theirs", "it was cleared away through the link");
}

#[test]
fn two_that_write_at_once_do_not_write_into_one_file() {
    // In the midst of the first one's writing a second one does all of its own.
    let second = "touch \"$once\"; (cd \"$d\" && sh -c \"$SECOND\" </dev/null)";
    let folder = Folder::new().with("old\n", 0o640).instead("base64", second);
    let other = folder.at("other");
    put(&other, "second\n", 0o600);
    let line = format!(
        "PLAYBOOK_FROM='{}' PLAYBOOK_WANTED={}; export PLAYBOOK_FROM PLAYBOOK_WANTED\n{WRITE}",
        other.display(),
        digest("second\n")
    );
    let (code, said) = folder.write(&digest("old\n"), "the first one\n", &[("SECOND", &line)]);
    assert_eq!(code, 90, "{said}");
    assert!(said.contains("somebody else changed"), "{said}");
    assert_eq!(folder.holds(), "second\n");
    assert_eq!(folder.names("etc").len(), 2, "{:?}", folder.names("etc"));
}

#[test]
fn what_is_made_meanwhile_where_there_was_nothing_stays() {
    for (meanwhile, kind) in [("echo theirs", "file"), ("true", "folder"), ("true", "link")] {
        let make = match kind {
            "file" => format!("touch \"$once\"; {meanwhile} >\"$PLAYBOOK_PATH\""),
            "folder" => "touch \"$once\"; mkdir \"$PLAYBOOK_PATH\"".to_owned(),
            _ => "touch \"$once\"; ln -s \"$d/evil\" \"$PLAYBOOK_PATH\"".to_owned(),
        };
        let folder = Folder::new().instead("chmod", &make);
        let (code, said) = folder.write("absent", "ours\n", &[]);
        assert_eq!(code, 90, "{kind}: {said}");
        assert!(said.contains("made one there just now"), "{said}");
        assert_eq!((folder.names("etc"), folder.names("evil").len()), (vec!["app.conf".to_owned()], 0));
        match kind {
            "file" => assert_eq!(folder.holds(), "theirs\n"),
            "folder" => assert_eq!(folder.names("etc/app.conf").len(), 0),
            _ => assert!(fs::symlink_metadata(folder.file()).unwrap().is_symlink()),
        }
    }
    // A folder in the place of a file that was there.
    let folder = Folder::new()
        .with("old\n", 0o640)
        .instead("mv", "for a; do case $a in new) rm \"$PLAYBOOK_PATH\"; mkdir \"$PLAYBOOK_PATH\" ;; esac; done");
    let (code, said) = folder.write(&digest("old\n"), "ours\n", &[]);
    assert_eq!((code, folder.names("etc/app.conf").len()), (90, 0), "{said}");
}

#[test]
fn mode_and_owner_of_then_come_back_whatever_was_kept_before() {
    let folder = Folder::new().with("same\n", 0o600);
    let (before, mode) = (digest("same\n"), |mode| [("PLAYBOOK_MODE", mode)]);
    assert_eq!(folder.write(&before, "same\n", &mode("644")), (0, String::new()));
    assert_eq!(folder.write(&before, "same\n", &mode("640")), (0, String::new()));
    assert_eq!(folder.mode(), 0o640);
    assert_eq!(folder.undo(&before, "same\n", "644", ""), (0, String::new()));
    assert_eq!((folder.mode(), folder.names("etc")), (0o644, vec!["app.conf".to_owned()]));
    // What was kept got another mode by somebody, or is gone.
    let folder = Folder::new().with("old\n", 0o644);
    let before = digest("old\n");
    assert_eq!(folder.write(&before, "new\n", &[]).0, 0);
    let kept = folder.names("etc").remove(0);
    fs::set_permissions(folder.at("etc").join(kept), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(folder.undo(&before, "new\n", "644", ""), (0, String::new()));
    assert_eq!((folder.mode(), folder.holds().as_str()), (0o644, "old\n"));
    fs::set_permissions(folder.file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(folder.undo(&before, "new\n", "644", ""), (0, String::new()));
    assert_eq!((folder.mode(), folder.names("etc")), (0o644, vec!["app.conf".to_owned()]));
    if fs::metadata(folder.file()).unwrap().uid() == 0 {
        assert_eq!(folder.write(&before, "old\n", &[("PLAYBOOK_OWNER", "1:1")]), (0, String::new()));
        assert_eq!(fs::metadata(folder.file()).unwrap().uid(), 1);
        assert_eq!(folder.undo(&before, "old\n", "644", "0:0"), (0, String::new()));
        assert_eq!(fs::metadata(folder.file()).unwrap().uid(), 0);
    }
}

#[test]
fn the_same_content_with_another_mode_is_not_taken_for_our_work() {
    let folder = Folder::new().with("new\n", 0o666);
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[("PLAYBOOK_MODE", "600")]);
    assert_eq!((code, folder.mode()), (90, 0o666), "{said}");
    assert!(said.contains("another mode or owner (666, "), "{said}");
    assert_eq!(folder.write(&digest("old\n"), "new\n", &[("PLAYBOOK_MODE", "666")]).0, 0);
}

#[test]
fn only_what_is_ours_and_old_is_swept_away() {
    // `find` says of everything that it is old enough.
    let old = "for a; do [ \"$a\" != -ctime ] || { echo old; exit; }; done";
    let folder = Folder::new().with("old\n", 0o600).instead("find", old);
    let ours = format!(".app.conf.playbook-{}", &digest("ancient\n")[..16]);
    put(&folder.at("etc").join(&ours), "ancient\n", 0o600);
    let spoiled = format!(".app.conf.playbook-{}", &digest("other\n")[..16]);
    put(&folder.at("etc").join(&spoiled), "not that\n", 0o600);
    for theirs in [".app.conf.playbook-x", ".app.conf.playbook-x.playbook-0123456789abcdef"] {
        put(&folder.at("etc").join(theirs), "theirs\n", 0o600);
    }
    let (young, left) =
        (folder.at("etc/.app.conf.playbook-new.young1"), folder.at("etc/.app.conf.playbook-new.older1"));
    for folder in [&young, &left] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        put(&folder.join("new"), "half", 0o600);
    }
    let days = std::time::SystemTime::now() - std::time::Duration::from_secs(2 * 86_400);
    fs::File::open(&left).unwrap().set_modified(days).unwrap();
    let (code, said) = folder.write(&digest("old\n"), "new\n", &[]);
    assert_eq!(code, 0, "{said}");
    let names = folder.names("etc");
    assert!(young.exists() && !left.exists(), "{names:?}");
    assert!(!names.contains(&ours) && names.contains(&spoiled), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with(".app.conf.playbook-x")).count(), 2, "{names:?}");
}
