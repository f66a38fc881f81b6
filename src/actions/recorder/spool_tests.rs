//! What stands in a command's folder, and when it is believed.

use super::*;
use crate::outcome::{CommandOutput, Stream};

#[test]
fn a_folder_is_made_once_and_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().join("key"));
    assert!(spool.create().unwrap());
    assert!(!spool.create().unwrap());
    spool.write_started(&Started::by_this_process()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(spool.folder()), 0o700);
    assert_eq!(mode(&spool.folder().join("started")), 0o600);
    assert_eq!(spool.started().unwrap().pid, std::process::id());
}

#[test]
fn the_latest_output_is_bounded_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().to_owned());
    let mut files = spool.output_files();
    for _ in 0..100 {
        files.append(false, &[b'x'; 64 * 1024]);
    }
    files.append(false, b"the end");
    assert!(std::fs::metadata(folder.path().join("stdout")).unwrap().len() < 2 * KEPT);
    assert!(spool.last_output().unwrap().ends_with("the end"));
}

#[test]
fn an_end_is_noted_in_the_room_that_the_start_took() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().to_owned());
    let stream = Stream { text: "x".repeat(60_000), bytes: 60_000, sha256: "abc".to_owned(), truncated: false };
    let output = CommandOutput { stdout: stream, stderr: Stream::default() };
    let status = Status::Ended(Ended { exit_code: Some(3), signal: None, timed_out: false, output });
    // What is left of it on a full disk fits in there whatever was printed.
    assert!(serde_json::to_vec(&without_text(&status)).unwrap().len() < RESERVE);
    spool.write_started(&Started::by_this_process()).unwrap();
    assert!(spool.has_started() && spool.status().unwrap().is_none());
    spool.write_status(&status).unwrap();
    assert_eq!(spool.status().unwrap(), Some(status));
    assert!(spool.has_started(), "it was started, also once its end is known");
    let files = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(files.map(|file| file.unwrap().file_name()).collect::<Vec<_>>(), ["status"]);
    spool.forget_output().unwrap();
    let Some(Status::Ended(ended)) = spool.status().unwrap() else { panic!("no status") };
    let printed = &ended.output.stdout;
    assert_eq!((ended.exit_code, printed.bytes, printed.truncated), (Some(3), 60_000, true));
    assert!(printed.text.is_empty() && printed.sha256.is_empty() && !ended.output.stderr.truncated);
}

#[test]
fn an_end_that_has_no_name_yet_is_read_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().to_owned());
    let status = Status::NotStarted("x".repeat(100));
    let text = spool.told(&status).unwrap();
    spool.write_started(&Started::by_this_process()).unwrap();
    let whole = std::fs::read(folder.path().join("started")).unwrap();
    for length in 0..text.len() {
        let mut torn = whole.clone();
        torn[..length].copy_from_slice(&text[..length]);
        std::fs::write(folder.path().join("started"), torn).unwrap();
        assert_eq!(spool.end_without_a_name(), None, "{length}");
    }
    spool.write_over_start(&text).unwrap();
    assert_eq!(spool.end_without_a_name(), Some(status));
}

#[test]
fn the_process_of_a_command_stands_beside_who_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::at(folder.path().to_owned());
    spool.write_started(&Started::by_this_process()).unwrap();
    assert_eq!(spool.living_process(), None);
    spool.note_process(Some(std::process::id()));
    assert_eq!(spool.living_process(), Some(std::process::id()));
    assert_eq!(spool.started(), Some(Started::by_this_process()));
}

#[test]
fn keys_are_safe_as_file_names() {
    assert!(check_key("20261122-1.promote-1").is_ok());
    for bad in ["", ".", "..", "a/b", "-rf", "a b", "a\n", "$(x)"] {
        assert!(check_key(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_process_is_told_apart_by_its_start() {
    assert!(start_ticks(std::process::id()).is_some());
    assert_eq!(start_ticks(u32::MAX), None);
}

fn ended(code: i32) -> Status {
    Status::Ended(Ended { exit_code: Some(code), signal: None, timed_out: false, output: CommandOutput::default() })
}

/// The folders of a command that has ended, and of one that is to begin.
fn two(folder: &Path) -> (Spool, Spool) {
    let (first, second) = (Spool::at(folder.join("first-1")), Spool::at(folder.join("second-1")));
    first.create().unwrap();
    first.write_started(&Started::by_this_process()).unwrap();
    first.output_files().append(false, b"what the first one printed");
    first.write_status(&ended(0)).unwrap();
    (first, second)
}

#[test]
fn a_folder_that_is_handed_on_says_nothing_of_the_command_before() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = two(folder.path());
    assert!(first.hand_on(&second).unwrap());
    assert!(!first.folder().exists());
    assert_eq!((second.status().unwrap(), second.has_started(), second.is_void()), (None, false, false));
    assert_eq!((second.last_output(), second.end_without_a_name()), (None, None));
    assert!(!second.create().unwrap(), "it is made");
    second.write_started(&Started::by_this_process()).unwrap();
    assert_eq!((second.status().unwrap(), second.started()), (None, Some(Started::by_this_process())));
    second.write_status(&ended(3)).unwrap();
    assert_eq!(second.status().unwrap(), Some(ended(3)));
    let third = Spool::at(folder.path().join("third-1"));
    assert!(second.hand_on(&third).unwrap(), "and on, and on");
}

#[test]
fn only_what_is_at_its_end_is_handed_on_and_to_nobody_who_has_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = two(folder.path());
    let lock = first.open_to_lock().unwrap();
    lock.lock().unwrap();
    assert!(!first.hand_on(&second).unwrap(), "its recorder has it");
    drop(lock);
    second.create().unwrap();
    assert!(first.hand_on(&second).is_err(), "somebody asks about that command");
    assert!(second.folder().exists() && !second.has_started());
    let third = Spool::at(folder.path().join("third-1"));
    assert!(first.hand_on(&third).is_err(), "it says no more how it ended");
    let (void, running) = (Spool::at(folder.path().join("void-1")), Spool::at(folder.path().join("running-1")));
    void.create().unwrap();
    void.write_void().unwrap();
    assert!(!void.hand_on(&third).unwrap());
    running.create().unwrap();
    running.write_started(&Started::by_this_process()).unwrap();
    assert!(running.hand_on(&third).is_err());
    assert!(!third.folder().exists());
}

#[test]
fn an_end_of_another_command_is_not_believed_and_neither_is_one_that_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = two(folder.path());
    let old = std::fs::read(first.folder().join("status")).unwrap();
    assert!(first.hand_on(&second).unwrap());
    // A power cut: the names are the new ones, what stands in the file is still the old.
    std::fs::write(second.folder().join("status"), old).unwrap();
    assert!(second.status().is_err());
    second.write_started(&Started::by_this_process()).unwrap();
    second.write_status(&ended(0)).unwrap();
    let whole = std::fs::read_to_string(second.folder().join("status")).unwrap();
    std::fs::write(second.folder().join("status"), whole.replace("\"exit_code\":0", "\"exit_code\":1")).unwrap();
    assert!(second.status().is_err());
}

#[test]
fn an_end_is_read_as_earlier_versions_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = two(folder.path());
    std::fs::write(first.folder().join("status"), serde_json::to_vec(&ended(7)).unwrap()).unwrap();
    assert_eq!(first.status().unwrap(), Some(ended(7)));
}
