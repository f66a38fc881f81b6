//! The bare database under durable steps: SQLite with WAL and `synchronous=FULL`, two commits a step, records of the size of ours.
//!
//! `bare_sqlite STEPS FOLDER` prints how many seconds the steps took. It must never be kinder to the disk than the journal is.

#![allow(clippy::print_stderr, clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use rusqlite::{Connection, params};

fn main() -> ExitCode {
    match measured(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(seconds) => {
            println!("{seconds:.6}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bare_sqlite: {why}");
            ExitCode::FAILURE
        }
    }
}

fn measured(arguments: &[String]) -> Result<f64, Box<dyn std::error::Error>> {
    let [steps, folder] = arguments else { return Err("wanted: bare_sqlite STEPS FOLDER".into()) };
    let steps: i64 = steps.parse()?;
    let mut database = Connection::open(Path::new(folder).join("bare.sqlite3"))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS records (run TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, previous TEXT NOT NULL,
         hash TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID",
    )?;
    let run = format!("run-{}", std::process::id());
    // An intent and an outcome, as long as those of a step that does nothing.
    let (hash, intent, outcome) = ("0".repeat(64), "e".repeat(186), "e".repeat(116));
    let begun = Instant::now();
    for seq in 0..steps * 2 {
        let event = if seq % 2 == 0 { &intent } else { &outcome };
        let transaction = database.transaction()?;
        transaction
            .prepare_cached(
                "INSERT INTO records (run, seq, time, previous, hash, event) VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
            )?
            .execute(params![run, seq, 1_795_000_000_000_i64 + seq, hash, event])?;
        transaction.commit()?;
    }
    Ok(begun.elapsed().as_secs_f64())
}
