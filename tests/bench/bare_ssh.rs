//! Bare ssh2 on threads: what one connection and one command cost when nothing is recorded, checked or shown.
//!
//! `bare_ssh HOSTS USER PORT KEY KNOWN_HOSTS AT_ONCE COMMAND` logs in at each address of the file HOSTS, so many at once, and runs
//! COMMAND there. It fails unless it ended with 0 everywhere. It must never skip the look at the host's key.

#![allow(clippy::print_stderr, missing_docs)]

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use ssh2::{CheckResult, KnownHostFileKind, Session};

struct Job {
    addresses: Vec<String>,
    user: String,
    port: u16,
    key: PathBuf,
    known_hosts: PathBuf,
    command: String,
}

type Worked<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("bare_ssh: {failed} hosts failed");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("bare_ssh: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Worked<usize> {
    let [hosts, user, port, key, known_hosts, at_once, command] = arguments else {
        return Err("wanted: bare_ssh HOSTS USER PORT KEY KNOWN_HOSTS AT_ONCE COMMAND".into());
    };
    let job = Job {
        addresses: std::fs::read_to_string(hosts)?.lines().map(str::to_owned).collect(),
        user: user.clone(),
        port: port.parse()?,
        key: key.into(),
        known_hosts: known_hosts.into(),
        command: command.clone(),
    };
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..at_once.parse::<usize>().unwrap_or(50) {
            scope.spawn(|| {
                while let Some(address) = job.addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = one(&job, address) {
                        eprintln!("bare_ssh: {address}: {why}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Ok(failed.into_inner())
}

fn one(job: &Job, address: &str) -> Worked<()> {
    let stream = TcpStream::connect((address, job.port))?;
    stream.set_nodelay(true)?;
    let mut session = Session::new()?;
    session.set_tcp_stream(stream);
    session.handshake()?;
    known(&session, &job.known_hosts, address, job.port)?;
    session.userauth_pubkey_file(&job.user, None, &job.key, None)?;
    let mut channel = session.channel_session()?;
    channel.exec(&job.command)?;
    let mut printed = Vec::new();
    channel.read_to_end(&mut printed)?;
    channel.wait_close()?;
    match channel.exit_status()? {
        0 => Ok(()),
        code => Err(format!("the command ended with {code}").into()),
    }
}

fn known(session: &Session, file: &Path, address: &str, port: u16) -> Worked<()> {
    let mut hosts = session.known_hosts()?;
    hosts.read_file(file, KnownHostFileKind::OpenSSH)?;
    let (key, _) = session.host_key().ok_or("no host key")?;
    match hosts.check_port(address, port, key) {
        CheckResult::Match => Ok(()),
        _ => Err("the host's key is not the known one".into()),
    }
}
