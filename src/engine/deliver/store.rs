//! The outbox as targets share it: opened when it is first needed, and anew after an error, as a connection that failed to
//! write says nothing more.

use std::sync::{Arc, Mutex, PoisonError};

use crate::journal::{JournalError, Outbox};

/// How the outbox is opened.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Outbox>, JournalError> + Send + Sync>;

pub(super) struct Store {
    open: Open,
    held: Mutex<Option<Box<dyn Outbox>>>,
}

impl Store {
    pub fn new(open: Open) -> Self {
        Self { open, held: Mutex::new(None) }
    }

    /// Asks the outbox for something.
    ///
    /// # Errors
    /// When it cannot be opened, read or written.
    pub fn with<T>(&self, ask: impl FnOnce(&mut dyn Outbox) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outbox = match held.take() {
            Some(outbox) => outbox,
            None => (self.open)()?,
        };
        let answer = ask(outbox.as_mut())?;
        // After an error it is not put back.
        *held = Some(outbox);
        Ok(answer)
    }
}
