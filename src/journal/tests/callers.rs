//! Tokens and the keys under which runs are asked for.

use super::*;

fn open() -> (tempfile::TempDir, SqliteJournal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = SqliteJournal::open(folder.path()).unwrap();
    (folder, journal)
}

fn token(name: &str, text: &str) -> NewToken {
    NewToken {
        name: name.to_owned(),
        digest: Digest::of(text.as_bytes()),
        roles: vec!["viewer".to_owned(), "trigger".to_owned()],
        by: "ann".to_owned(),
        at: Time(10),
        expires: Time(100),
    }
}

#[test]
fn a_name_is_of_one_token_that_was_not_revoked() {
    let (folder, mut journal) = open();
    assert!(journal.add_token(&token("ci", "one")).unwrap());
    assert!(!journal.add_token(&token("ci", "two")).unwrap());
    assert!(journal.revoke_token("ci", "bob", Time(20)).unwrap());
    assert!(!journal.revoke_token("ci", "bob", Time(21)).unwrap(), "once is enough");
    assert!(journal.add_token(&token("ci", "two")).unwrap());
    journal.token_used(2, Time(30)).unwrap();
    journal.token_used(2, Time(25)).unwrap();
    journal.token_used(9, Time(25)).unwrap();
    drop(journal);
    let rows = SqliteJournal::open(folder.path()).unwrap().tokens().unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0].token, &rows[1].token), (&token("ci", "one"), &token("ci", "two")));
    assert_eq!(rows[0].revoked, Some(("bob".to_owned(), Time(20))));
    assert_eq!((rows[0].used, rows[1].used), (None, Some(Time(30))));
    assert!(!rows[0].is_live(Time(15)) && rows[1].is_live(Time(99)) && !rows[1].is_live(Time(100)));
}

#[test]
fn a_key_is_of_one_request_and_one_run() {
    let (_folder, mut journal) = open();
    let key = |caller: &str, asked: &str| AskedKey {
        caller: caller.to_owned(),
        key: "k".to_owned(),
        asked: Digest::of(asked.as_bytes()),
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(journal.claim_key(&key("ann", "a"), &first, Time(0)).unwrap(), ClaimedKey::New);
    assert_eq!(journal.claim_key(&key("ann", "a"), &second, Time(1)).unwrap(), ClaimedKey::Before(first.clone()));
    assert_eq!(journal.claim_key(&key("ann", "b"), &second, Time(1)).unwrap(), ClaimedKey::Otherwise);
    assert_eq!(journal.claim_key(&key("bob", "b"), &second, Time(1)).unwrap(), ClaimedKey::New);
    begin(&mut journal, "first", &[]);
    // What has begun keeps its key.
    journal.free_key(&key("ann", "a")).unwrap();
    journal.free_key(&key("bob", "b")).unwrap();
    let third = run("third");
    assert_eq!(journal.claim_key(&key("ann", "a"), &third, Time(2)).unwrap(), ClaimedKey::Before(first.clone()));
    assert_eq!(journal.claim_key(&key("bob", "b"), &third, Time(2)).unwrap(), ClaimedKey::New);
    // For a day at least, and not for ever.
    let day = Time(24 * 3600 * 1000);
    assert_eq!(journal.claim_key(&key("ann", "a"), &third, day).unwrap(), ClaimedKey::Before(first));
    let later = Time(0).plus_seconds(KEPT_SECONDS + 1.0);
    assert_eq!(journal.claim_key(&key("ann", "a"), &third, later).unwrap(), ClaimedKey::New);
}

#[test]
fn of_many_who_claim_a_key_at_once_one_has_it() {
    let (folder, journal) = open();
    drop(journal);
    let claimed: Vec<ClaimedKey> = std::thread::scope(|scope| {
        let claiming: Vec<_> = (0..16)
            .map(|number| {
                let folder = folder.path();
                scope.spawn(move || {
                    let key = AskedKey { caller: "c".into(), key: "k".into(), asked: Digest::of(b"") };
                    let mut journal = SqliteJournal::open(folder).unwrap();
                    journal.claim_key(&key, &run(&format!("r{number}")), Time(5)).unwrap()
                })
            })
            .collect();
        claiming.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claimed.iter().filter(|claimed| **claimed == ClaimedKey::New).count(), 1, "{claimed:?}");
}

#[test]
fn a_journal_without_the_tables_of_callers_gets_them() {
    let folder = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(SqliteJournal::file_in(folder.path())).unwrap();
    // As a version before them made it.
    for form in [
        include_str!("../sqlite/schema.sql"),
        include_str!("../sqlite/form-2.sql"),
        include_str!("../sqlite/form-3.sql"),
        include_str!("../sqlite/form-4.sql"),
    ] {
        connection.execute_batch(form).unwrap();
    }
    connection.pragma_update(None, "application_id", 0x706c_626b).unwrap();
    connection.pragma_update(None, "user_version", 4).unwrap();
    drop(connection);
    let mut journal = SqliteJournal::open(folder.path()).unwrap();
    assert!(journal.add_token(&token("ci", "one")).unwrap());
    journal.try_write(Time(7)).unwrap();
}

#[test]
fn writes_are_counted() {
    let before = write_times();
    let (_folder, mut journal) = open();
    assert!(journal.add_token(&token("ci", "one")).unwrap());
    let after = write_times();
    assert!(after.counts.iter().sum::<u64>() > before.counts.iter().sum());
    assert!(after.seconds > before.seconds);
}
