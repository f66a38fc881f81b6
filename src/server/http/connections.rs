//! The connections that a listener has open, and their bounds. Where there are too many, one on which nothing is asked gives
//! its place to the new one: somebody who only holds connections open keeps nobody out. A connection with a request under way
//! is never closed for another one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::peer::Origin;

/// The connections of a listener.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_each: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    next: u64,
    open: BTreeMap<u64, Arc<Open>>,
}

/// One of them.
#[derive(Debug)]
struct Open {
    origin: Origin,
    standing: Mutex<Standing>,
    close: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    /// How many requests are under way on it.
    busy: u32,
    /// Since when there is none.
    since: Instant,
}

/// A connection's place among the others, which it gives back when this is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    number: u64,
    open: Arc<Open>,
}

/// A request that is under way on a connection.
#[derive(Debug)]
pub struct Busy(Arc<Open>);

impl Connections {
    /// None yet; so many may come, and so many from one origin.
    pub fn new(most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { most, most_each, all: Mutex::default() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all().open.len()
    }

    /// A place for a new one; nothing where there is none, and on all others something is asked.
    pub fn enter(self: &Arc<Self>, origin: Origin, now: Instant) -> Option<Place> {
        let mut all = self.all();
        let of_it = all.open.values().filter(|open| open.origin == origin).count();
        if of_it >= self.most_each && !all.evict(|open| open.origin == origin) {
            return None;
        }
        if all.open.len() >= self.most && !all.evict(|_| true) {
            return None;
        }
        let number = all.next;
        all.next += 1;
        let standing = Mutex::new(Standing { busy: 0, since: now });
        let open = Arc::new(Open { origin, standing, close: Notify::new() });
        all.open.insert(number, Arc::clone(&open));
        Some(Place { connections: Arc::clone(self), number, open })
    }

    /// Closes the connection on which nothing was asked for the longest time, as the system has no more of them to give.
    pub fn make_room(&self) {
        self.all().evict(|_| true);
    }

    /// Closes those on which nothing was asked for so long.
    pub fn sweep(&self, idle: Duration, now: Instant) {
        self.all().open.retain(|_, open| {
            let standing = open.standing();
            let stays = standing.busy > 0 || now.saturating_duration_since(standing.since) < idle;
            if !stays {
                open.close.notify_one();
            }
            stays
        });
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    /// Closes the one that was idle for the longest time; false where none is.
    fn evict(&mut self, of: impl Fn(&Open) -> bool) -> bool {
        let idle = self.open.iter().filter(|(_, open)| of(open) && open.standing().busy == 0);
        let Some(number) = idle.min_by_key(|(_, open)| open.standing().since).map(|(number, _)| *number) else {
            return false;
        };
        if let Some(open) = self.open.remove(&number) {
            open.close.notify_one();
        }
        true
    }
}

impl Open {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits until the connection is to be closed.
    pub async fn closed(&self) {
        self.open.close.notified().await;
    }

    /// Notes that a request is under way on it, until that is dropped.
    pub fn busy(&self) -> Busy {
        self.open.standing().busy += 1;
        Busy(Arc::clone(&self.open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.all().open.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut standing = self.0.standing();
        standing.busy = standing.busy.saturating_sub(1);
        standing.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_closed(place: &Place) -> bool {
        let mut closed = std::pin::pin!(place.closed());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        closed.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn the_one_that_was_idle_longest_gives_its_place() {
        let connections = Connections::new(2, 2);
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let first = connections.enter(Origin::User(1), at(0)).unwrap();
        let second = connections.enter(Origin::User(2), at(1)).unwrap();
        let third = connections.enter(Origin::User(3), at(2)).unwrap();
        assert!(is_closed(&first) && !is_closed(&second) && !is_closed(&third));
        assert_eq!(connections.count(), 2);
        drop(first);
        assert_eq!(connections.count(), 2, "its place was given away already");
    }

    #[test]
    fn one_with_a_request_under_way_is_left() {
        let connections = Connections::new(9, 1);
        let place = connections.enter(Origin::User(1), Instant::now()).unwrap();
        let busy = place.busy();
        assert!(connections.enter(Origin::User(1), Instant::now()).is_none());
        assert!(connections.enter(Origin::User(2), Instant::now()).is_some(), "another one's bound is their own");
        connections.sweep(Duration::ZERO, Instant::now() + Duration::from_secs(9));
        assert!(!is_closed(&place));
        drop(busy);
        assert!(connections.enter(Origin::User(1), Instant::now()).is_some());
        assert!(is_closed(&place));
    }

    #[test]
    fn what_is_idle_for_long_is_closed() {
        let connections = Connections::new(9, 9);
        let now = Instant::now();
        let place = connections.enter(Origin::User(1), now).unwrap();
        connections.sweep(Duration::from_secs(5), now + Duration::from_secs(4));
        assert!(!is_closed(&place));
        connections.sweep(Duration::from_secs(5), now + Duration::from_secs(6));
        assert!(is_closed(&place));
    }
}
