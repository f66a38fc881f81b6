//! Threads for what blocks, kept for a while for the next one. They are none of the runtime's: one that still waits for a
//! host must not keep the runner from ending. How many there are is what is worked on at once; nothing ever waits for one.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

/// How long an idle thread stays.
const STAY: Duration = Duration::from_secs(5);
/// What libssh2 and whoever talks in a terminal need, several times over.
const STACK: usize = 512 * 1024;

/// Threads that wait for work.
static IDLE: Mutex<Vec<(u64, Sender<Work>)>> = Mutex::new(Vec::new());

fn idle() -> MutexGuard<'static, Vec<(u64, Sender<Work>)>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has a thread do something.
///
/// # Errors
/// When there is no thread for it: nothing of it was done.
pub(super) fn start(work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let mut work: Work = Box::new(work);
    loop {
        let Some((_, thread)) = idle().pop() else { break };
        // One that has gone gives the work back.
        match thread.send(work) {
            Ok(()) => return Ok(()),
            Err(unsent) => work = unsent.0,
        }
    }
    std::thread::Builder::new().name("ssh".to_owned()).stack_size(STACK).spawn(|| serve(work)).map(|_| ())
}

/// Does one thing after the other, until there was none for a while.
fn serve(first: Work) {
    static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let (sender, receiver) = channel::<Work>();
    let mut work = first;
    loop {
        work();
        idle().push((number, sender.clone()));
        match next(number, &receiver) {
            Some(more) => work = more,
            None => return,
        }
    }
}

fn next(number: u64, receiver: &Receiver<Work>) -> Option<Work> {
    match receiver.recv_timeout(STAY) {
        Ok(work) => Some(work),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            let mut idle = idle();
            let place = idle.iter().position(|(other, _)| *other == number);
            match place {
                Some(place) => {
                    idle.swap_remove(place);
                    None
                }
                // Somebody has taken it just now, and sends.
                None => {
                    drop(idle);
                    receiver.recv().ok()
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_does_one_thing_after_the_other_and_a_second_one_comes_where_it_is_busy() {
        let (sender, receiver) = channel();
        let run = |work: Box<dyn FnOnce() + Send>| {
            let sender = sender.clone();
            start(move || {
                work();
                let _ = sender.send(std::thread::current().id());
            })
            .unwrap();
        };
        let (release, gate) = channel::<()>();
        run(Box::new(move || {
            let _ = gate.recv();
        }));
        run(Box::new(|| {}));
        let second = receiver.recv().unwrap();
        release.send(()).unwrap();
        assert_ne!(receiver.recv().unwrap(), second);
    }
}
