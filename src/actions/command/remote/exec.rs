//! One program on one host: sent whole, its output read as it comes.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ssh2::Channel;

use super::connection::{Connection, Interrupted, Patience, again};
use super::passwords::Reach;
use super::{patience, pool};

/// How long a host may take to take a program, and to say goodbye.
const BRIEF: Duration = Duration::from_secs(10);

/// Why a program's end was not seen.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not sent whole, so nothing ran.
    NotSent(String),
    /// The connection was lost after it was sent.
    Lost(String),
    /// It had not ended in time.
    TimeUp,
}

/// Takes pieces of output: whether it is standard error, and the bytes.
type Sink<'a> = &'a mut dyn FnMut(bool, &[u8]);

/// Runs a program on a host.
pub(super) fn run(
    reach: &Reach,
    host: &str,
    program: &str,
    limit: Duration,
    given_up: &Arc<AtomicBool>,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let (mut connection, channel) = sent(reach, host, program, given_up)?;
    let patience = patience(limit, given_up);
    match finish(&mut connection, channel, &patience, sink) {
        Ok(()) => {
            pool::give_back(&reach.inventory, host, connection);
            Ok(())
        }
        // The connection is dropped with whatever still runs on it.
        Err(Interrupted::TimeUp) => Err(Failure::TimeUp),
        Err(Interrupted::GivenUp) => Err(Failure::Lost(format!("nobody waited for {host} any more"))),
        Err(Interrupted::Failed(why)) => Err(Failure::Lost(format!("the connection to {host} was lost: {why}"))),
    }
}

/// A connection on which the program was sent. One that was kept may be dead by now; as nothing ran then, a new one is
/// opened.
fn sent(
    reach: &Reach,
    host: &str,
    program: &str,
    given_up: &Arc<AtomicBool>,
) -> Result<(Connection, Channel), Failure> {
    while let Some(mut kept) = pool::take(&reach.inventory, host) {
        if let Ok(channel) = send(&mut kept, program, &patience(Duration::from_secs(3), given_up)) {
            return Ok((kept, channel));
        }
    }
    let mut connection = Connection::open(reach, host, given_up).map_err(Failure::NotSent)?;
    match send(&mut connection, program, &patience(BRIEF, given_up)) {
        Ok(channel) => Ok((connection, channel)),
        Err(Interrupted::Failed(why)) => Err(Failure::NotSent(format!("{host} took no command: {why}"))),
        Err(_) => Err(Failure::NotSent(format!("{host} took no command in time"))),
    }
}

/// Opens a channel and sends a program, whole.
fn send(connection: &mut Connection, program: &str, patience: &Patience) -> Result<Channel, Interrupted> {
    let mut channel = connection.channel(patience)?;
    connection.patiently(patience, |_| channel.exec("/bin/sh -s"))?;
    let mut left = program.as_bytes();
    while !left.is_empty() {
        match again(channel.write(left)).map_err(|error| Interrupted::Failed(error.to_string()))? {
            Some(length) => left = left.get(length..).unwrap_or_default(),
            None => connection.wait(patience)?,
        }
    }
    Ok(channel)
}

/// Reads until the end.
fn finish(
    connection: &mut Connection,
    mut channel: Channel,
    patience: &Patience,
    sink: Sink<'_>,
) -> Result<(), Interrupted> {
    connection.patiently(patience, |_| channel.send_eof())?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut moved = false;
        for is_stderr in [true, false] {
            let read = again(channel.stream(i32::from(is_stderr)).read(&mut buffer));
            if let Some(length) = read.map_err(|error| Interrupted::Failed(error.to_string()))? {
                moved |= length > 0;
                sink(is_stderr, buffer.get(..length).unwrap_or_default());
            }
        }
        if channel.eof() {
            break;
        }
        // Reading one stream may have brought bytes of the other into memory, which the socket knows nothing of.
        if !moved && channel.read_window().available == 0 {
            connection.wait(patience)?;
        }
    }
    // What the exit code was, the program's own last line says: libssh2 takes one that never came for 0.
    let brief = patience.at_most(BRIEF);
    connection.patiently(&brief, |_| channel.close())?;
    connection.patiently(&brief, |_| channel.wait_close())
}
