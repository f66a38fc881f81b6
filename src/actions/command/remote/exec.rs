//! One program on one host: sent whole, its output read as it comes. A shell that only looked is kept with its connection, as
//! starting one costs its host more than most looks do; the next program is called only once that shell has said that it is
//! there and has read all of it, so that a connection which died meanwhile has certainly started nothing.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::connection::{Connection, Interrupted, Patience, again};
use super::ends::Ends;
use super::passwords::Reach;
use super::programs::{CALL, Program};
use super::{patience, pool};

/// How long a host may take to take a program, and to say goodbye.
const BRIEF: Duration = Duration::from_secs(10);

/// How long a shell may wait for its next program. It knows what its host gave it when it began: behind an approval, say,
/// somebody may have set there what a new one would find.
const FRESH: Duration = Duration::from_secs(60);

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

/// How often a host is told that somebody wants to hear what was printed.
const WISH: Duration = Duration::from_millis(200);

/// What the runner sends behind a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing.
    Nothing,
    /// From time to time that somebody wants to hear what was printed. When that ends, nobody does any more.
    Wishes,
}

/// Takes pieces of output: whether it is standard error, and the bytes.
type Sink<'a> = &'a mut dyn FnMut(bool, &[u8]);

/// Runs a program on a host.
pub(super) fn run(
    reach: &Reach,
    host: &str,
    program: &Program,
    behind: Behind,
    limit: Duration,
    given_up: &Arc<AtomicBool>,
    sink: Sink<'_>,
) -> Result<(), Failure> {
    let way = pool::way_to(&reach.inventory, host);
    let (mut connection, channel) = sent(reach, host, &way, program, given_up)?;
    let patience = patience(limit, given_up);
    match finish(&mut connection, channel, program, behind, &patience, sink) {
        Ok(shell) => {
            connection.shell = shell.map(|shell| (shell, Instant::now()));
            pool::give_back(way, connection);
            Ok(())
        }
        // The connection is dropped with whatever still runs on it.
        Err(Interrupted::TimeUp) => Err(Failure::TimeUp),
        Err(Interrupted::GivenUp) => Err(Failure::Lost(format!("nobody waited for {host} any more"))),
        Err(Interrupted::Failed(why) | Interrupted::TurnedAway(why)) => {
            Err(Failure::Lost(format!("the connection to {host} was lost: {why}")))
        }
    }
}

/// A connection on which the program was sent. One that was kept may be dead by now; as nothing ran then, a new one is
/// opened.
fn sent(
    reach: &Reach,
    host: &str,
    way: &str,
    program: &Program,
    given_up: &Arc<AtomicBool>,
) -> Result<(Connection, Channel), Failure> {
    while let Some(mut kept) = pool::take(way) {
        match send(&mut kept, program, &patience(Duration::from_secs(3), given_up)) {
            Ok(channel) => return Ok((kept, channel)),
            Err(Unsent { may_run: true, .. }) => return Err(half_sent(host)),
            Err(_) => {}
        }
    }
    let mut connection = Connection::open(reach, host, given_up).map_err(Failure::NotSent)?;
    match send(&mut connection, program, &patience(BRIEF, given_up)) {
        Ok(channel) => Ok((connection, channel)),
        Err(Unsent { may_run: true, .. }) => Err(half_sent(host)),
        Err(Unsent { why: Interrupted::Failed(why), .. }) => {
            Err(Failure::NotSent(format!("{host} took no command: {why}")))
        }
        Err(_) => Err(Failure::NotSent(format!("{host} took no command in time"))),
    }
}

fn half_sent(host: &str) -> Failure {
    Failure::Lost(format!("the connection to {host} was lost amid the last line that was sent"))
}

/// Why a program did not get there whole.
struct Unsent {
    why: Interrupted,
    /// Whether a part of its last line did: nobody knows what a shell makes of that.
    may_run: bool,
}

impl From<Interrupted> for Unsent {
    fn from(why: Interrupted) -> Self {
        Self { why, may_run: false }
    }
}

/// Sends a program, whole: to the shell that was kept, or to a new one.
fn send(connection: &mut Connection, program: &Program, patience: &Patience) -> Result<Channel, Unsent> {
    if let Some((mut shell, since)) = connection.shell.take()
        && knows_its_host(since, Instant::now())
    {
        match wake(connection, &mut shell, program, patience) {
            Ok(()) => {
                write(connection, &mut shell, CALL, patience)?;
                return Ok(shell);
            }
            // It has ended, and the connection may be as good as ever.
            Err(Interrupted::Failed(why)) => tracing::debug!(why, "the shell that was kept is gone"),
            Err(interrupted) => return Err(interrupted.into()),
        }
    }
    let mut channel = connection.channel(patience)?;
    connection.patiently(patience, |_| channel.exec("/bin/sh -s"))?;
    write(connection, &mut channel, &program.text, patience)?;
    Ok(channel)
}

/// Whether a shell that has waited since then may still know its host as a new one would.
fn knows_its_host(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < FRESH
}

/// Sends all but the call to a shell that was kept, and waits until it says that it has read that.
fn wake(
    connection: &mut Connection,
    shell: &mut Channel,
    program: &Program,
    patience: &Patience,
) -> Result<(), Interrupted> {
    let (asked, answer) = program.awake();
    let text = format!("{}{asked}", program.body());
    write(connection, shell, &text, patience).map_err(|unsent| unsent.why)?;
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    // Whatever stands before it is of nobody who is still heard.
    while !said.ends_with(answer.as_bytes()) {
        match again(shell.read(&mut buffer)).map_err(|error| Interrupted::Failed(error.to_string()))? {
            Some(length) if length > 0 => {
                said.extend_from_slice(buffer.get(..length).unwrap_or_default());
                // A host that talks without end must not fill the memory here.
                said.drain(..said.len().saturating_sub(answer.len()));
            }
            _ if shell.eof() => return Err(Interrupted::Failed("it has ended".to_owned())),
            _ => connection.wait(patience)?,
        }
    }
    Ok(())
}

/// Sends a text that ends with the call, or stands before it.
fn write(connection: &Connection, channel: &mut Channel, text: &str, patience: &Patience) -> Result<(), Unsent> {
    let mut left = text.as_bytes();
    while !left.is_empty() {
        let may_run = text.ends_with(CALL) && left.len() < CALL.len();
        match again(channel.write(left)) {
            Ok(Some(length)) => left = left.get(length..).unwrap_or_default(),
            Ok(None) => connection.wait(patience).map_err(|why| Unsent { why, may_run })?,
            Err(error) => return Err(Unsent { why: Interrupted::Failed(error.to_string()), may_run }),
        }
    }
    Ok(())
}

/// Reads until the end: of the program, where its shell waits for the next one, and is given back; else of that shell.
fn finish(
    connection: &mut Connection,
    mut channel: Channel,
    program: &Program,
    behind: Behind,
    patience: &Patience,
    sink: Sink<'_>,
) -> Result<Option<Channel>, Interrupted> {
    let mut ends = Ends::of(&program.end());
    let mut told = Instant::now();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut moved = false;
        for is_stderr in [true, false] {
            let read = again(channel.stream(i32::from(is_stderr)).read(&mut buffer));
            if let Some(length) = read.map_err(|error| Interrupted::Failed(error.to_string()))? {
                moved |= length > 0;
                ends.push(is_stderr, buffer.get(..length).unwrap_or_default(), sink);
            }
        }
        if ends.both_seen() {
            return Ok(Some(channel));
        }
        if channel.eof() {
            break;
        }
        // Reading one stream may have brought bytes of the other into memory, which the socket knows nothing of.
        if !moved && channel.read_window().available == 0 {
            connection.wait(patience)?;
        }
        if behind == Behind::Wishes && told.elapsed() >= WISH {
            told = Instant::now();
            // An empty line, which is nothing to do for a shell too. Where it finds no room, the next one may.
            let _ = again(channel.write(b"\n"));
        }
    }
    ends.finish(sink);
    // What the exit code was, the program's own last line says: libssh2 takes one that never came for 0.
    let brief = patience.at_most(BRIEF);
    connection.patiently(&brief, |_| channel.close())?;
    connection.patiently(&brief, |_| channel.wait_close())?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_that_has_waited_long_is_not_used_any_more() {
        let since = Instant::now();
        assert!(knows_its_host(since, since + FRESH / 2));
        assert!(!knows_its_host(since, since + FRESH));
    }
}
