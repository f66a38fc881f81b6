//! Connections that are open and idle, kept for the next command: connecting costs more than most commands. Only one that
//! ended its command in good order is kept; of too many the one that was not used for the longest time is closed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::inventory::Inventory;

/// How many idle connections to one host are kept.
const IDLE: usize = 4;
/// How many are kept in all: each costs some memory here, and a process on its host.
const MOST: usize = 1000;

/// How long it counts that a host had a program.
const FRESH: Duration = Duration::from_secs(30);

/// Idle things, by what they are good for; the smallest number was not used for the longest time.
struct Idle<T> {
    kept: BTreeMap<u64, (String, T)>,
    numbers: HashMap<String, Vec<u64>>,
    next: u64,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self { kept: BTreeMap::new(), numbers: HashMap::new(), next: 0 }
    }
}

impl<T> Idle<T> {
    fn take(&mut self, way: &str) -> Option<T> {
        let number = self.numbers.get_mut(way)?.pop()?;
        self.kept.remove(&number).map(|(_, kept)| kept)
    }

    /// The one that would be taken next.
    fn next(&mut self, way: &str) -> Option<&mut T> {
        let number = self.numbers.get(way)?.last()?;
        self.kept.get_mut(number).map(|(_, kept)| kept)
    }

    /// Keeps one; what comes back is not kept.
    fn keep(&mut self, way: String, new: T) -> Option<T> {
        let numbers = self.numbers.entry(way.clone()).or_default();
        if numbers.len() >= IDLE {
            return Some(new);
        }
        numbers.push(self.next);
        self.kept.insert(self.next, (way, new));
        self.next += 1;
        if self.kept.len() <= MOST {
            return None;
        }
        let (number, (way, oldest)) = self.kept.pop_first()?;
        if let Some(numbers) = self.numbers.get_mut(&way) {
            numbers.retain(|one| *one != number);
            if numbers.is_empty() {
                self.numbers.remove(&way);
            }
        }
        Some(oldest)
    }
}

static POOL: LazyLock<Mutex<Idle<Connection>>> = LazyLock::new(Mutex::default);

fn pool() -> MutexGuard<'static, Idle<Connection>> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An idle connection that goes this way, if there is one.
pub(super) fn take(way: &str) -> Option<Connection> {
    pool().take(way)
}

/// Keeps a connection for the next command.
pub(super) fn give_back(way: String, connection: Connection) {
    let surplus = pool().keep(way, connection);
    // Closed here, where nobody waits for the pool.
    drop(surplus);
}

/// Notes that a program was found over the connection that would be taken next.
pub(super) fn found(way: &str, program: &str) {
    if let Some(connection) = pool().next(way) {
        connection.found = Some((program.to_owned(), Instant::now()));
    }
}

/// Whether a program was found over the connection that would be taken next, just now: who looks for a plan and again before
/// the step, or for several steps of it, asks a host once. One that has lost its connection since is asked again.
pub(super) fn was_found(way: &str, program: &str) -> bool {
    let mut pool = pool();
    let found = pool.next(way).and_then(|connection| connection.found.as_ref());
    found.is_some_and(|(known, at)| known == program && at.elapsed() < FRESH)
}

/// Everything that a connection depends on: another user, key file or way is another connection.
pub(super) fn way_to(inventory: &Inventory, host: &str) -> String {
    let mut way = String::new();
    let mut next = Some(host);
    // A circle ends here too: connecting refuses it.
    for _ in 0..16 {
        let Some(entry) = next.and_then(|name| inventory.hosts.get(name)) else { break };
        let key = (&entry.identity_file, &entry.password, &entry.known_hosts);
        let place = (&entry.address, entry.port, &entry.user, &entry.jump, entry.connect_timeout_seconds);
        way.push_str(&format!("{key:?} {place:?}\n"));
        next = entry.jump.as_deref();
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_no_host_has_many() {
        let mut idle = Idle::default();
        assert!((0..IDLE).all(|number| idle.keep("a".to_owned(), number).is_none()));
        assert_eq!(idle.keep("a".to_owned(), 99), Some(99));
        // The one that was used last is the likeliest to live.
        assert_eq!(idle.next("a"), Some(&mut (IDLE - 1)));
        assert_eq!(idle.take("a"), Some(IDLE - 1));
        assert_eq!(idle.next("a"), Some(&mut (IDLE - 2)));
        assert_eq!(idle.next("nowhere"), None);
        for number in IDLE..MOST + 1 {
            assert_eq!(idle.keep(format!("host {number}"), number), None);
        }
        // Used again, so it is not the oldest any more.
        let used = idle.take("a").unwrap();
        assert_eq!(idle.keep("a".to_owned(), used), None);
        assert_eq!(idle.keep("one more".to_owned(), 7), Some(0));
        assert_eq!(idle.keep("and one".to_owned(), 8), Some(1));
        assert_eq!(idle.take("a"), Some(used));
        assert_eq!((idle.take("a"), idle.take("nowhere")), (None, None));
        assert_eq!(idle.kept.len(), MOST - 1);
    }
}
