//! Spans that nobody took for so long that nobody looks for them any more. Unlike a message, which waits for a person once it
//! was given up, they are counted and left out.

use super::{SPANS, Target};
use crate::journal::{JournalError, Untold};
use crate::notify::{Takes, drop_spans};

impl Target {
    /// Leaves out the spans that there are by now: nobody is called for them, and those that come after them are tried again.
    /// Whether it is done with them; not so where a record among them cannot be told.
    pub(super) fn drop_spans(&mut self, one: &mut Untold) -> Result<bool, JournalError> {
        let counted = self.count_spans(one);
        // Spans are forgotten as they are counted: whatever comes of it, they are read anew before more is told.
        self.lose(one);
        let Some((to, spans)) = counted? else { return Ok(false) };
        let (claim, now) = (self.claim_of(one), self.now());
        // Where somebody else took it over meanwhile, the spans are theirs to send or to leave out.
        if self.work.store.with(|outbox| outbox.told(&claim, to, None, true, now))? {
            drop_spans(spans);
            tracing::warn!(subject = %one.subject, dropped = spans, "spans that nobody took are left out");
        }
        Ok(true)
    }

    /// How many spans there are by now, and up to which record; nothing where a record cannot be told.
    fn count_spans(&mut self, one: &mut Untold) -> Result<Option<(u64, usize)>, JournalError> {
        let mut spans = 0;
        loop {
            if self.read_on(one, Takes::Spans)?.is_err() {
                return Ok(None);
            }
            let Some(follower) = self.followers.get_mut(&one.subject) else { return Ok(None) };
            spans += follower.items.iter().map(|item| item.spans.len()).sum::<usize>();
            if follower.items.len() < SPANS {
                return Ok(Some((follower.folded, spans)));
            }
            follower.items.clear();
        }
    }
}
