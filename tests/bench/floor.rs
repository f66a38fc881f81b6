//! The floor under a durable step: a recorder and its command are started, and two small writes are brought to the disk.
//!
//! `floor STEPS FOLDER` does that STEPS times and nothing else: no plan, no state, no screen. What a run of as many steps is held
//! against. It must never leave out one of the processes or writes that a durable step cannot do without.

#![allow(clippy::print_stderr, missing_docs)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let worked = match arguments.as_slice() {
        [folder, recorded, ..] if recorded == "--recorder" => recorder(Path::new(folder)),
        [steps, folder] => run(steps, Path::new(folder)),
        _ => Err("wanted: floor STEPS FOLDER".into()),
    };
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("floor: {why}");
            ExitCode::FAILURE
        }
    }
}

type Worked = Result<(), Box<dyn std::error::Error>>;

fn run(steps: &str, folder: &Path) -> Worked {
    let myself = std::env::current_exe()?;
    let mut journal = File::create(folder.join("floor.journal"))?;
    for _ in 0..steps.parse::<u32>()? {
        durable(&mut journal, b"intent\n")?;
        let status = Command::new(&myself).arg(folder).arg("--recorder").stdin(Stdio::null()).status()?;
        if !status.success() {
            return Err(format!("a recorder ended with {status}").into());
        }
        durable(&mut journal, b"outcome\n")?;
    }
    Ok(())
}

fn durable(journal: &mut File, record: &[u8]) -> Worked {
    journal.write_all(record)?;
    journal.sync_data()?;
    Ok(())
}

/// What stands between a run and its command: it starts it, and keeps its exit code.
fn recorder(folder: &Path) -> Worked {
    let status = Command::new("true").stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    std::fs::write(folder.join("floor.status"), status.to_string())?;
    Ok(())
}
