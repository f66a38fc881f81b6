//! Runs one command and says what it cost: wall time, processor time and memory of it and of every process that it left behind.
//!
//! It is a program of its own because a process carries the memory of whoever started it in its own peak until it is another
//! program: started from Python, nothing would ever seem smaller than Python.
//!
//! `meter RESULT OUTPUT -- COMMAND…` writes one line of JSON to RESULT, and what the command prints to OUTPUT. It must never
//! measure its own start.

#![allow(clippy::print_stderr, missing_docs)]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

fn main() -> ExitCode {
    match metered(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("meter: {why}");
            ExitCode::from(70)
        }
    }
}

fn metered(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let [result, output, dashes, program, rest @ ..] = arguments else {
        return Err("wanted: meter RESULT OUTPUT -- COMMAND…".into());
    };
    if dashes != "--" {
        return Err("wanted: meter RESULT OUTPUT -- COMMAND…".into());
    }
    // What detaches itself (a recorder, a kept ssh connection) becomes a child of this process, and is counted.
    nix::sys::prctl::set_child_subreaper(true)?;
    let printed = File::create(output)?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).stdout(printed.try_clone()?).stderr(printed);
    let begun = Instant::now();
    let mut child = command.spawn().map_err(|why| format!("{program}: {why}"))?;
    let status = child.wait()?;
    let wall = begun.elapsed();
    let own = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let left = reap_what_is_left(Duration::from_millis(2000));
    let all = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    std::fs::write(result, line(status, wall, &own, &all, left))?;
    Ok(())
}

/// Waits for what the command left behind; what is still there at the end is counted by the caller, not ended by us.
fn reap_what_is_left(patience: Duration) -> bool {
    let until = Instant::now() + patience;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return false,
            Ok(WaitStatus::StillAlive) if Instant::now() > until => return true,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
            Ok(_) | Err(_) => {}
        }
    }
}

fn line(status: ExitStatus, wall: Duration, own: &Usage, all: &Usage, left: bool) -> String {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    format!(
        "{{\"code\": {code}, \"seconds\": {:.6}, \"own_cpu\": {:.6}, \"cpu\": {:.6}, \"rss_kib\": {}, \"left\": {left}}}\n",
        wall.as_secs_f64(),
        processor(own),
        processor(all),
        all.max_rss(),
    )
}

fn processor(usage: &Usage) -> f64 {
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0)).as_secs_f64()
}
