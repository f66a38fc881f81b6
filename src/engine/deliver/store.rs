//! The outbox as targets share it: opened when it is first needed, and anew after an error, as a connection that failed to
//! write says nothing more.

use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::{JournalError, Outbox};

/// How the outbox is opened.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Outbox>, JournalError> + Send + Sync>;

pub(super) struct Store {
    open: Open,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    outbox: Option<Box<dyn Outbox>>,
    /// How often it was opened.
    openings: u64,
}

/// What the outbox was like when somebody looked: another where somebody else has written since.
pub(super) type Version = (u64, i64);

impl Store {
    pub fn new(open: Open) -> Self {
        Self { open, held: Mutex::default() }
    }

    /// Asks the outbox for something.
    ///
    /// # Errors
    /// When it cannot be opened, read or written.
    pub fn with<T>(&self, ask: impl FnOnce(&mut dyn Outbox) -> Result<T, JournalError>) -> Result<T, JournalError> {
        self.ask(|outbox, _| ask(outbox))
    }

    /// What it is like now. The number of a connection says nothing beside that of another: with it goes which it is.
    ///
    /// # Errors
    /// As `with`.
    pub fn version(&self) -> Result<Version, JournalError> {
        self.ask(|outbox, opening| Ok((opening, outbox.version()?)))
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut dyn Outbox, u64) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outbox = match held.outbox.take() {
            Some(outbox) => outbox,
            None => {
                held.openings += 1;
                (self.open)()?
            }
        };
        let answer = ask(outbox.as_mut(), held.openings)?;
        // After an error it is not put back.
        held.outbox = Some(outbox);
        Ok(answer)
    }
}
