//! What a start, a check and a dry-run touch, counted in calls of the system: a count tells of a slip where a time only tells
//! of a busy machine.

use std::path::Path;
use std::process::Command;

/// The calls that one run of the binary makes; nothing where they cannot be counted here.
fn calls(folder: &Path, words: &[&str]) -> Option<Vec<String>> {
    let trace = folder.join("trace");
    let made = Command::new("strace")
        .args(["-f", "-e", "trace=file,desc,process,network", "-o"])
        .arg(&trace)
        .arg(assert_cmd::cargo::cargo_bin("playbook"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("PATH", "/usr/bin:/bin")
        .output();
    match made {
        Ok(output) if output.status.success() => {
            let text = std::fs::read_to_string(&trace).unwrap();
            Some(text.lines().map(str::to_owned).collect())
        }
        other => {
            eprintln!("skipped: strace is not there or may not trace: {other:?}");
            None
        }
    }
}

fn with<'c>(calls: &'c [String], name: &str) -> Vec<&'c String> {
    calls.iter().filter(|call| call.contains(&format!(" {name}("))).collect()
}

fn ten() -> String {
    let step = |step: u32| {
        format!("  - {{ id: s{step}, argv: [\"true\"], effect: idempotent, rollback: none, because: nothing stays }}\n")
    };
    let steps: String = (0..10).map(step).collect();
    format!("name: ten\nversion: 1.0.0\nowner: me\nsteps:\n{steps}")
}

#[test]
fn a_dry_run_reads_its_file_once_and_leaves_the_disk_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ten.yaml"), ten()).unwrap();
    let Some(calls) = calls(folder.path(), &["run", "ten.yaml", "--dry-run"]) else { return };
    let opened = with(&calls, "openat");
    assert_eq!(opened.iter().filter(|call| call.contains("ten.yaml")).count(), 1, "{opened:#?}");
    let ours = opened.iter().filter(|call| !call.contains("/lib") && !call.contains("/etc/ld")).count();
    assert!(ours <= 8, "{ours} files were opened: {opened:#?}");
    for name in ["mkdir", "fsync", "fdatasync", "unlink", "unlinkat", "rmdir", "rename", "socket", "clone3", "fork"] {
        assert_eq!(with(&calls, name), Vec::<&String>::new(), "{name}");
    }
    assert_eq!(with(&calls, "execve").len(), 1, "no command is started");
    assert!(std::fs::read_dir(folder.path()).unwrap().count() == 2, "the file and the trace");
}

#[test]
fn a_dry_run_of_a_reading_command_starts_it_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("ten.yaml"),
        ten().replace("idempotent, rollback: none, because: nothing stays", "read"),
    )
    .unwrap();
    let Some(calls) = calls(folder.path(), &["run", "ten.yaml", "--dry-run"]) else { return };
    assert_eq!(with(&calls, "mkdir"), Vec::<&String>::new());
    assert!(with(&calls, "execve").len() > 10);
}

#[test]
fn a_start_reads_its_relocations_packed() {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let minor = said.trim().strip_prefix("glibc 2.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 36) {
        eprintln!("skipped: the loader of this machine does not read packed relocations: {said:?}");
        return;
    }
    // What a binary asks of its loader by having them: about two megabytes less are read at each start.
    let asked = b"GLIBC_ABI_DT_RELR";
    let binary = std::fs::read(assert_cmd::cargo::cargo_bin("playbook")).unwrap();
    assert!(binary.windows(asked.len()).any(|bytes| bytes == asked), "fixtures/link.rs does not pack them any more");
}
