//! The bare minimum that a command on many hosts costs with libssh2, for `make bench`: threads that take the next address,
//! connect, log in, run the command, read what it prints, and close. It records nothing, checks no host's key, and keeps
//! nothing: what the tool costs beyond this is what its promises cost.
//!
//!     bare_ssh ADDRESSES PORT USER KEY THREADS COMMAND
//!
//! ADDRESSES is a file with one a line. Prints the milliseconds that passed for each host.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::expect_used)]

use std::io::Read as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use ssh2::Session;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [addresses, port, user, key, threads, command] = arguments.as_slice() else {
        // Whoever runs all examples at once is told how this one is used, and no more.
        println!("usage: bare_ssh ADDRESSES PORT USER KEY THREADS COMMAND");
        return;
    };
    let addresses = std::fs::read_to_string(addresses).expect("the file of addresses");
    let addresses: Vec<&str> = addresses.lines().collect();
    let port: u16 = port.parse().expect("a port");
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads.parse().expect("a number of threads") {
            scope.spawn(|| {
                while let Some(address) = addresses.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(address, port, user, key.as_ref(), command);
                }
            });
        }
    });
    let count = u32::try_from(addresses.len()).expect("fewer hosts");
    println!("{count} hosts, {:.3} ms each", (began.elapsed() / count).as_secs_f64() * 1000.0);
}

fn run(address: &str, port: u16, user: &str, key: &std::path::Path, command: &str) {
    let stream = TcpStream::connect((address, port)).expect("a connection");
    stream.set_nodelay(true).unwrap();
    let mut session = Session::new().unwrap();
    session.set_tcp_stream(stream);
    session.handshake().expect("a handshake");
    session.userauth_pubkey_file(user, None, key, None).expect("a log-in");
    let mut channel = session.channel_session().expect("a channel");
    channel.exec(command).expect("a command");
    let mut printed = Vec::new();
    channel.read_to_end(&mut printed).expect("what it prints");
    channel.wait_close().expect("its end");
    assert_eq!(channel.exit_status().unwrap(), 0, "{address}");
}
