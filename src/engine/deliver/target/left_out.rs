//! Spans that nobody took for so long that nobody looks for them any more. Unlike a message, which waits for a person once it
//! was given up, they are counted and left out.

use super::{SPANS, Target};
use crate::config::NotifyKind;
use crate::journal::{JournalError, Untold};
use crate::notify::{Takes, drop_spans};

impl Target {
    pub(super) fn is_of_traces(&self) -> bool {
        self.work.notify.kind == NotifyKind::Traces
    }

    /// Leaves out the spans that there are by now: nobody is called for them, and those that come after them are tried again.
    pub(super) fn drop_spans(&mut self, one: &mut Untold) -> Result<bool, JournalError> {
        let mut dropped = 0;
        loop {
            if self.read_on(one, Takes::Spans)?.is_err() {
                return Ok(false);
            }
            let Some(follower) = self.followers.get_mut(&one.subject) else { return Ok(false) };
            dropped += follower.items.iter().map(|item| item.spans.len()).sum::<usize>();
            if follower.items.len() < SPANS {
                break;
            }
            follower.items.clear();
        }
        let to = self.followers.get(&one.subject).map_or(one.cursor.told, |follower| follower.folded);
        let (claim, now) = (self.claim_of(one), self.now());
        self.work.store.with(|outbox| outbox.told(&claim, to, None, true, now))?;
        drop_spans(dropped);
        tracing::warn!(subject = %one.subject, dropped, "spans that nobody took are left out");
        self.lose(one);
        Ok(true)
    }
}
