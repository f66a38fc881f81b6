//! An outbox to which something happens while it is used.

use super::*;
use crate::journal::{JournalError, Known, News, Standing, Undelivered, Untold};

type Answer<T> = Result<T, JournalError>;
type Fault = dyn Fn(&mut SqliteJournal, &Claim) -> Answer<()> + Send + Sync;

/// An outbox to which something happens right before it is first written down that a target was told.
struct Faulty {
    outbox: SqliteJournal,
    fault: Arc<Mutex<Option<Arc<Fault>>>>,
}

impl Stage {
    /// How one is opened; the fault is met once, however often that is.
    pub fn faulty_once(
        &self,
        fault: impl Fn(&mut SqliteJournal, &Claim) -> Answer<()> + Send + Sync + 'static,
    ) -> Open {
        let fault: Arc<Fault> = Arc::new(fault);
        let (file, fault) = (self.file(), Arc::new(Mutex::new(Some(fault))));
        Arc::new(move || {
            let outbox = SqliteJournal::open_for_telling(&file)?;
            Ok(Box::new(Faulty { outbox, fault: Arc::clone(&fault) }))
        })
    }
}

pub fn disk_full() -> JournalError {
    JournalError::Store { doing: "written", cause: "the disk is full".to_owned() }
}

impl Outbox for Faulty {
    fn know(&mut self, target: &str, since: Time) -> Answer<()> {
        self.outbox.know(target, since)
    }

    fn untold(&mut self, target: &str) -> Answer<Vec<Untold>> {
        self.outbox.untold(target)
    }

    fn some_records(&mut self, subject: &Subject, after: u64, most: usize) -> Answer<Vec<News>> {
        self.outbox.some_records(subject, after, most)
    }

    fn claim(&mut self, claim: &Claim, told: u64, seen: Option<&str>, pace: Pace, at: Time) -> Answer<Turn> {
        self.outbox.claim(claim, told, seen, pace, at)
    }

    fn told(&mut self, claim: &Claim, to: u64, message: Option<&str>, quiet: bool, at: Time) -> Answer<bool> {
        let fault = self.fault.lock().unwrap().take();
        fault.map_or(Ok(()), |fault| fault(&mut self.outbox, claim))?;
        self.outbox.told(claim, to, message, quiet, at)
    }

    fn undelivered(&mut self, claim: &Claim, failure: &Undelivered, at: Time) -> Answer<bool> {
        self.outbox.undelivered(claim, failure, at)
    }

    fn put_back(&mut self, target: Option<&str>, subject: Option<&Subject>, by: &str, at: Time) -> Answer<usize> {
        self.outbox.put_back(target, subject, by, at)
    }

    fn targets(&mut self) -> Answer<Vec<Known>> {
        self.outbox.targets()
    }

    fn standings_of(&mut self, target: &str) -> Answer<Vec<Standing>> {
        self.outbox.standings_of(target)
    }

    fn oldest_untold(&mut self, target: &str) -> Answer<Option<Time>> {
        self.outbox.oldest_untold(target)
    }

    fn standings(&mut self) -> Answer<Vec<Standing>> {
        self.outbox.standings()
    }

    fn version(&mut self) -> Answer<i64> {
        Outbox::version(&mut self.outbox)
    }
}
