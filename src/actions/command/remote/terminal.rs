//! A terminal on a host: a shell channel with a pty, for devices that have a prompt and no shell. It carries bytes and knows
//! nothing of what they mean.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::connection::{Connection, Interrupted, Patience, again};
use super::passwords::Reach;
use crate::actions::command::{Cut, Wire};

/// Columns and rows. Wide, so that a device does not break lines; long, so that most pagers never stop.
const SIZE: (u32, u32, u32, u32) = (500, 1000, 0, 0);
/// How long a device may take to give us a terminal.
const OPEN: Duration = Duration::from_secs(15);

/// A terminal that is open. A connection of its own: many devices allow one terminal on each, and leaving it is how a
/// half-typed line is taken back.
pub(super) struct Terminal {
    connection: Connection,
    channel: Channel,
    patience: Patience,
}

impl Terminal {
    /// Connects and opens a terminal.
    ///
    /// # Errors
    /// Why there is none: nothing was typed.
    pub(super) fn open(reach: &Reach, host: &str, patience: &Patience) -> Result<Self, String> {
        let mut connection = Connection::open(reach, host, &patience.given_up)?;
        let opening = patience.at_most(OPEN);
        let open = |connection: &mut Connection| -> Result<Channel, Interrupted> {
            let mut channel = connection.channel(&opening)?;
            connection.patiently(&opening, |_| channel.request_pty("vt100", None, Some(SIZE)))?;
            connection.patiently(&opening, |_| channel.shell())?;
            Ok(channel)
        };
        let channel = open(&mut connection).map_err(|interrupted| match interrupted {
            Interrupted::Failed(why) | Interrupted::TurnedAway(why) => format!("{host} gives no terminal: {why}"),
            _ => format!("{host} gave no terminal in time"),
        })?;
        Ok(Self { connection, channel, patience: patience.clone() })
    }
}

impl Wire for Terminal {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        let mut left = bytes;
        while !left.is_empty() {
            match again(self.channel.write(left)).map_err(|error| Cut::Lost(error.to_string()))? {
                Some(length) => left = left.get(length..).unwrap_or_default(),
                None => self.connection.wait(&self.patience).map_err(cut)?,
            }
        }
        Ok(())
    }

    fn receive(&mut self, until: Instant) -> Result<Vec<u8>, Cut> {
        let patience = Patience { until: until.min(self.patience.until), ..self.patience.clone() };
        let mut buffer = vec![0; 16 * 1024];
        loop {
            for stream in [0, 1] {
                let read = again(self.channel.stream(stream).read(&mut buffer));
                let length = read.map_err(|error| Cut::Lost(error.to_string()))?.unwrap_or(0);
                if length > 0 {
                    buffer.truncate(length);
                    return Ok(buffer);
                }
            }
            if self.channel.eof() {
                return Err(Cut::Closed);
            }
            match self.connection.wait(&patience) {
                Ok(()) => {}
                Err(Interrupted::TimeUp) => return Ok(Vec::new()),
                Err(other) => return Err(cut(other)),
            }
        }
    }
}

fn cut(interrupted: Interrupted) -> Cut {
    match interrupted {
        Interrupted::TimeUp => Cut::TimeUp,
        Interrupted::GivenUp => Cut::Lost("nobody waited for it any more".to_owned()),
        Interrupted::Failed(why) | Interrupted::TurnedAway(why) => Cut::Lost(why),
    }
}
