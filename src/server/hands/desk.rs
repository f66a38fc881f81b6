//! Which runs are in hand, and how many: each in one thread's at a time. It is what says that a run is nobody's, so a place is
//! given up only where the thread that had it touches the run no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::RunId;
use crate::server::Refusal;

/// How many runs are in hand at once. Each has a thread, a connection to the journal and its recorder.
const MOST: usize = 64;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Desk {
    places: Mutex<Places>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    ends: bool,
    /// Each with its run, where it has one yet.
    open: BTreeMap<u64, Option<RunId>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    desk: Arc<Desk>,
    number: u64,
}

impl Desk {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for work on something that is no run yet.
    ///
    /// # Errors
    /// When the server ends, or no place is left.
    pub(super) fn place(self: &Arc<Self>) -> Result<Place, Refusal> {
        let mut places = self.places();
        places.has_room()?;
        Ok(self.open(&mut places, None))
    }

    /// The place of a run that is to be taken in hand.
    ///
    /// # Errors
    /// When it is in hand, the server ends, or no place is left.
    pub(super) fn place_of(self: &Arc<Self>, run: &RunId) -> Result<Place, Refusal> {
        let mut places = self.places();
        places.is_nobodys(run)?;
        places.has_room()?;
        Ok(self.open(&mut places, Some(run.clone())))
    }

    /// The same whatever room is left: what a person has said to a run, and the runs of the server before this one, are not
    /// left lying.
    ///
    /// # Errors
    /// When it is in hand, or the server ends.
    pub(super) fn place_beyond(self: &Arc<Self>, run: &RunId) -> Result<Place, Refusal> {
        let mut places = self.places();
        places.is_nobodys(run)?;
        places.goes_on()?;
        Ok(self.open(&mut places, Some(run.clone())))
    }

    fn open(self: &Arc<Self>, places: &mut Places, run: Option<RunId>) -> Place {
        let number = places.next;
        places.next += 1;
        places.open.insert(number, run);
        Place { desk: Arc::clone(self), number }
    }

    /// # Errors
    /// When the server ends.
    pub(super) fn goes_on(&self) -> Result<(), Refusal> {
        self.places().goes_on()
    }

    /// Whether a run is in hand.
    pub(super) fn has(&self, run: &RunId) -> bool {
        self.places().has(run)
    }

    /// The runs in hand.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.places().open.values().flatten().cloned().collect()
    }

    /// From here on no place is given any more.
    pub(super) fn end(&self) {
        self.places().ends = true;
    }

    /// Waits until nothing is in hand, so long at most or until it is told that it need not: whether that is so.
    pub(super) fn wait(&self, patience: Duration, enough: impl Fn() -> bool) -> bool {
        let until = Instant::now() + patience;
        let mut places = self.places();
        while !places.open.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || enough() {
                return false;
            }
            let tick = left.min(Duration::from_millis(100));
            places = self.changed.wait_timeout(places, tick).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Places {
    fn goes_on(&self) -> Result<(), Refusal> {
        if self.ends { Err(Refusal::Ends) } else { Ok(()) }
    }

    fn has_room(&self) -> Result<(), Refusal> {
        self.goes_on()?;
        if self.open.len() >= MOST { Err(Refusal::Full(MOST)) } else { Ok(()) }
    }

    fn has(&self, run: &RunId) -> bool {
        self.open.values().flatten().any(|other| other == run)
    }

    fn is_nobodys(&self, run: &RunId) -> Result<(), Refusal> {
        if self.has(run) { Err(Refusal::InHand(run.clone())) } else { Ok(()) }
    }
}

impl Place {
    /// Says which run it is the place of.
    pub(super) fn is_of(&self, run: &RunId) {
        self.desk.places().open.insert(self.number, Some(run.clone()));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.places().open.remove(&self.number);
        self.desk.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    #[test]
    fn a_run_is_in_one_hand_and_only_so_many_are() {
        let desk = Arc::new(Desk::default());
        let first = desk.place_of(&run("a")).unwrap();
        assert!(matches!(desk.place_of(&run("a")), Err(Refusal::InHand(_))));
        assert!(matches!(desk.place_beyond(&run("a")), Err(Refusal::InHand(_))));
        let mut others: Vec<Place> = (1..MOST).map(|_| desk.place().unwrap()).collect();
        assert!(matches!(desk.place(), Err(Refusal::Full(MOST))));
        assert!(desk.place_beyond(&run("b")).is_ok(), "an answer is not left lying");
        others[0].is_of(&run("c"));
        assert!(matches!(desk.place_beyond(&run("c")), Err(Refusal::InHand(_))));
        drop(first);
        assert!(desk.place_of(&run("a")).is_ok());
        others.clear();
        assert!(desk.runs().is_empty());
    }

    #[test]
    fn at_the_end_nothing_more_is_taken_and_what_is_there_is_waited_for() {
        let desk = Arc::new(Desk::default());
        let place = desk.place_of(&run("a")).unwrap();
        desk.end();
        assert!(matches!(desk.place(), Err(Refusal::Ends)));
        assert!(matches!(desk.place_beyond(&run("b")), Err(Refusal::Ends)));
        assert!(!desk.wait(Duration::from_millis(1), || false));
        assert!(!desk.wait(Duration::from_secs(600), || true));
        let other = std::thread::spawn(move || drop(place));
        assert!(desk.wait(Duration::from_secs(600), || false));
        other.join().unwrap();
    }
}
