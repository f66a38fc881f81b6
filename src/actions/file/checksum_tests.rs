//! Folders of ours, held to manifests that the real `sha256sum` wrote, and to forged ones.

use std::path::Path;
use std::process::Command as Program;
use std::sync::Arc;

use super::*;
use crate::outcome::Outcome;

fn sums(folder: &Path) {
    let script = "find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS";
    assert!(Program::new("sh").args(["-c", script]).current_dir(folder).status().unwrap().success());
}

/// A folder with odd names in it, and its manifest.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for name in [
        "a",
        "sub/b",
        "two  blanks",
        "line\nend",
        "back\\slash",
        "-rf",
        "ä'$(id)`",
        "cr\rx",
        " lead",
        "*star",
        "# hash",
    ] {
        std::fs::write(folder.path().join(name), name).unwrap();
    }
    sums(folder.path());
    folder
}

async fn check(folder: &Path, more: Value) -> Report {
    let mut arguments = json!({ "path": folder, "allow_extra": false });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let call = Call {
        attempt: "test-1".to_owned(),
        key: "k".to_owned(),
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: Duration::from_secs(20),
        kill_on_timeout: false,
        effect: Effect::Read,
        age: None,
    };
    let context = Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    Checksum.run(&context, &call).await
}

#[tokio::test]
async fn a_whole_folder_is_whole_whatever_its_files_are_called() {
    let folder = folder();
    let report = check(folder.path(), json!({})).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!((report.outputs["good"].as_u64(), report.outputs["named"].as_u64()), (Some(11), Some(11)));
    let pinned = report.outputs["manifest_sha256"].clone();
    assert_eq!(check(folder.path(), json!({ "manifest_sha256": pinned })).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("line\nend"), "other").unwrap();
    std::fs::remove_file(at("sub/b")).unwrap();
    std::fs::write(at("sub/new"), "x").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", at("link")).unwrap();
    let report = check(folder.path(), json!({})).await;
    assert_eq!(report.outcome, Outcome::Failed);
    for word in [
        "1 file is damaged: line\\nend",
        "1 file is missing: sub/b",
        "not in the manifest: sub/new",
        "followed: link",
        "9 of 11",
    ] {
        assert!(report.message.contains(word), "{word}: {}", report.message);
    }
    std::fs::remove_file(at("link")).unwrap();
    std::fs::write(at("line\nend"), "line\nend").unwrap();
    std::fs::write(at("sub/b"), "sub/b").unwrap();
    assert_eq!(check(folder.path(), json!({})).await.outcome, Outcome::Failed, "one that is not named");
    let report = check(folder.path(), json!({ "allow_extra": true })).await;
    assert_eq!((report.outcome, &report.outputs["extra"]), (Outcome::Done, &json!(["sub/new"])), "{}", report.message);
}

#[tokio::test]
async fn a_manifest_that_names_itself_is_as_good() {
    let folder = folder();
    let manifest = folder.path().join("SHA256SUMS");
    let lines = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{}  ./SHA256SUMS\n{lines}", "0".repeat(64))).unwrap();
    let report = check(folder.path(), json!({})).await;
    assert_eq!((report.outcome, &report.outputs["named"]), (Outcome::Done, &json!(11)), "{}", report.message);
}

#[test]
fn a_program_that_is_missing_is_named() {
    let programs = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/sh", programs.path().join("sh")).unwrap();
    let mut shell = Program::new("/bin/sh");
    shell.args(["-c", include_str!("checksum.sh")]).env("PATH", programs.path());
    let output = shell.env("PLAYBOOK_FOLDER", folder().path()).env("PLAYBOOK_MANIFEST", "SHA256SUMS").output().unwrap();
    let why = Seen::of(&String::from_utf8(output.stdout).unwrap()).unwrap_err();
    assert!(why.contains("no program sha256sum"), "{why}");
}

#[tokio::test]
async fn a_forged_manifest_is_found_where_its_checksum_is_kept_elsewhere() {
    let folder = folder();
    let pinned = check(folder.path(), json!({})).await.outputs["manifest_sha256"].clone();
    std::fs::write(folder.path().join("a"), "forged").unwrap();
    sums(folder.path());
    assert_eq!(
        check(folder.path(), json!({})).await.outcome,
        Outcome::Done,
        "the sums fit, as whoever forged it made them"
    );
    let report = check(folder.path(), json!({ "manifest_sha256": pinned })).await;
    assert!(
        report.message.contains("itself is another one") && report.outcome == Outcome::Failed,
        "{}",
        report.message
    );
}

#[tokio::test]
async fn a_manifest_that_leads_elsewhere_or_is_none_is_refused() {
    let sum = "0".repeat(64);
    for (manifest, word) in [
        (format!("{sum}  ../../etc/passwd\n"), "leads out of the folder"),
        (format!("{sum}  /etc/passwd\n"), "leads out of the folder"),
        (format!("{sum}  sub/../../x\n"), "leads out of the folder"),
        (format!("{sum} x\n"), "none of a manifest"),
        ("hello\n".to_owned(), "none of a manifest"),
        (format!("{sum}  sub/a\n{}  sub/a\n", "1".repeat(64)), "something else of sub/a"),
        (String::new(), "names no file"),
        (format!("{sum}  SHA256SUMS\n"), "names no file"),
        (format!("{sum}  a\r\n"), "as Windows ends them (CRLF)"),
        (format!("{sum}  a\n").repeat(3), "1 file is missing: a"),
        ((0..500).map(|n| format!("{sum}  f{n}\n")).collect(), "and 480 more"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("SHA256SUMS"), manifest).unwrap();
        let report = check(folder.path(), json!({})).await;
        assert_eq!(report.outcome, Outcome::Failed, "{word}");
        assert!(report.message.contains(word) && report.message.len() < 8000, "{word}: {}", report.message);
    }
    let folder = tempfile::tempdir().unwrap();
    assert!(check(folder.path(), json!({})).await.message.contains("there is no manifest"));
    std::os::unix::fs::symlink("/etc/hostname", folder.path().join("SHA256SUMS")).unwrap();
    assert!(check(folder.path(), json!({})).await.message.contains("a link is none"));
    for bad in [
        json!({ "manifest": "../x" }),
        json!({ "path": "relative" }),
        json!({ "path": "/a/../b" }),
        json!({ "manifest_sha256": "x" }),
    ] {
        assert_eq!(check(folder.path(), bad.clone()).await.outcome, Outcome::NoEffect, "{bad}");
    }
}

#[tokio::test]
async fn files_behind_a_linked_folder_are_missing_and_not_read() {
    let (folder, elsewhere) = (folder(), tempfile::tempdir().unwrap());
    std::fs::write(elsewhere.path().join("b"), "sub/b").unwrap();
    std::fs::remove_dir_all(folder.path().join("sub")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("sub")).unwrap();
    let report = check(folder.path(), json!({})).await;
    assert!(
        report.message.contains("missing: sub/b") && report.message.contains("followed: sub"),
        "{}",
        report.message
    );
}
