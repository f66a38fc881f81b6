//! Taking in hand what a target is to be told, and letting it go: one process at a time, for as long as a message may take.

use super::{CLAIM, Target};
use crate::journal::{Claim, JournalError, Pace, Turn, Untold};
use crate::run::Time;

impl Target {
    /// Takes it in hand, where that is not so already.
    pub(super) fn claim(&mut self, one: &mut Untold, pace: Pace) -> Result<Turn, JournalError> {
        let now = self.now();
        let held = one.cursor.claimed_until.0 - now.0 > CLAIM / 2;
        let ours = one.cursor.claimed_by.as_deref() == Some(self.work.claimant.as_str());
        if pace.interval == 0 && held && ours {
            return Ok(Turn::Now);
        }
        let claim = self.claim_of(one);
        let seen = one.cursor.claimed_by.clone();
        let told = one.cursor.told;
        let turn = self.work.store.with(|outbox| outbox.claim(&claim, told, seen.as_deref(), pace, now))?;
        if turn == Turn::Now {
            one.cursor.claimed_by = Some(self.work.claimant.clone());
            one.cursor.claimed_until = claim.until;
        }
        Ok(turn)
    }

    pub(super) fn claim_of(&self, one: &Untold) -> Claim {
        Claim {
            target: self.name().to_owned(),
            subject: one.subject.clone(),
            by: self.work.claimant.clone(),
            until: Time(self.now().0 + CLAIM),
        }
    }

    /// What is known of it may be wrong by now; and what a thousand runs printed is not kept in memory for a receiver that is
    /// away for days.
    pub(super) fn lose(&mut self, one: &Untold) {
        self.followers.remove(&one.subject);
    }
}
