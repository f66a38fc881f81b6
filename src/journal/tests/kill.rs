//! kill -9 in the middle of writing, again and again: what was acknowledged is there, and the chain is whole.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "PLAYBOOK_TEST_JOURNAL";

/// Not a test of its own: the process that is killed. It writes until then and says which records it has acknowledged.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut journal = SqliteJournal::open(folder.as_ref()).unwrap();
    let info = journal.lease(&run("r1")).unwrap();
    let (lease, _) =
        journal.take(&run("r1"), info.epoch, &holder(std::process::id()), LeaseReason::Resume, "x", Time(1)).unwrap();
    let mut out = std::io::stdout();
    for number in 0_u32.. {
        let events = vec![note(&number.to_string()), note(&"long ".repeat(number as usize % 1000))];
        let records = journal.append(&lease, "x", Time(i64::from(number)), events, &[]).unwrap();
        writeln!(out, "\nacknowledged {}", records[1].seq).unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn no_acknowledged_record_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    begin(&mut SqliteJournal::open(folder.path()).unwrap(), "r1", &["db/a"]);
    for round in 0..20_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::kill::the_process_that_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged =
            lines.filter_map(|line| line.unwrap().strip_prefix("acknowledged ")?.parse::<u64>().ok());
        // Some way on, and then at any moment of the next write.
        let (ahead, spins) = (round * 7 % 23, round * round * 7919 % 400_000);
        let mut last = acknowledged.nth(usize::try_from(ahead).unwrap()).unwrap();
        for _ in 0..spins {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it acknowledged before the kill arrived is still in the pipe.
        last = acknowledged.last().unwrap_or(last);

        let mut journal = SqliteJournal::open(folder.path()).unwrap();
        let verification = journal.verify(&run("r1")).unwrap();
        assert_eq!(verification.broken, None, "round {round}");
        assert!(verification.records >= last, "round {round}: {last} was acknowledged, {verification:?}");
        assert_eq!(journal.locks().unwrap().len(), 1);
    }
}
