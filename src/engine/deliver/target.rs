//! One target: what it was not told yet is sent to it, run by run and each run in order; what does not arrive is tried again,
//! later and later, until its time is up. It never sends anything before that is written down as taken in hand, and never says that
//! something arrived before the receiver has said so.

mod claims;
mod left_out;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::follower::Follower;
use super::{Until, Work, backoff, is_gone};
use crate::inventory::Masker;
use crate::journal::{JournalError, Pace, Subject, Turn, Undelivered, Untold};
use crate::notify::{Refusal, Story, Takes, Teller, Then};
use crate::run::Time;
use crate::value::told;

/// How often it is looked whether something was written.
const LOOK: Duration = Duration::from_millis(250);
/// How long it is waited after the outbox could not be read or written.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// How long one message may take, whatever its teller says of its own limit.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a claim holds: longer than reading the secrets and sending the message may take.
const CLAIM: i64 = 120_000;
/// How often it is looked whether another process that has something in hand is still there.
const LOOK_AT_OTHERS: i64 = 2_000;
/// How long a teller is used before its secrets are read again; sooner after a failure.
const FRESH: Duration = Duration::from_secs(600);
const FRESH_AFTER_FAILURE: Duration = Duration::from_secs(30);
/// How many records are read at once.
const SOME: usize = 64;
/// How many records' spans go at once.
const SPANS: usize = 256;
/// The longest account of a failure that is kept.
const WHY: usize = 400;

/// One target.
pub(super) struct Target {
    work: Work,
    teller: Option<Reached>,
    followers: BTreeMap<Subject, Follower>,
    known: bool,
}

/// A teller, and since when.
struct Reached {
    teller: std::sync::Arc<dyn Teller>,
    masker: Masker,
    since: Instant,
    failed: bool,
}

/// What came of one look.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Look {
    /// There is nothing to do until something is written, or this moment comes.
    Idle(Option<Time>),
    /// The target takes no more before this moment.
    Paced(Time),
}

/// What came of one message.
enum Sent {
    /// It arrived, and there may be more.
    More,
    /// Nothing more of this subject can be told now.
    Enough(Option<Time>),
    /// The target takes no more before that.
    Paced(Time),
}

impl Target {
    pub fn new(work: Work) -> Self {
        Self { work, teller: None, followers: BTreeMap::new(), known: false }
    }

    /// Tells until it is told to end, and what is due by then.
    pub async fn follow(mut self, mut until: Until) {
        let mut seen = None;
        let mut wake: Option<Time> = None;
        loop {
            // Before the look: what was written until it was told to end is looked at once more.
            let deadline = *until.borrow_and_update();
            let version = self.work.store.version();
            let due = wake.is_some_and(|wake| wake <= self.now());
            let look = match version {
                Ok(version) if seen == Some(version) && !due => Ok(Look::Idle(wake)),
                Ok(version) => {
                    seen = Some(version);
                    self.look().await
                }
                Err(error) => Err(error),
            };
            let wait = match look {
                // Whoever ends does not wait for a receiver that is away.
                Ok(Look::Idle(next)) if deadline.is_some_and(|end| next.is_none() || !end.patient) => return,
                Ok(Look::Idle(next)) => {
                    wake = next;
                    LOOK
                }
                Ok(Look::Paced(free)) => {
                    wake = Some(free);
                    let millis = free.0.saturating_sub(self.now().0).clamp(1, 250);
                    Duration::from_millis(millis.unsigned_abs())
                }
                Err(_) if deadline.is_some() => return,
                Err(error) => {
                    tracing::warn!(target = self.work.notify.name, %error, "the outbox is left for a while");
                    seen = None;
                    AFTER_TROUBLE
                }
            };
            if deadline.is_some_and(|end| Instant::now() + wait >= end.at) {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                changed = until.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    seen = None;
                }
            }
        }
    }

    fn now(&self) -> Time {
        self.work.clock.now()
    }

    fn name(&self) -> &str {
        &self.work.notify.name
    }

    fn takes(&self) -> Takes {
        self.work.tellers.takes(&self.work.notify)
    }

    /// Tells what is due.
    async fn look(&mut self) -> Result<Look, JournalError> {
        if !self.known {
            let (name, since) = (self.name().to_owned(), self.work.since);
            self.work.store.with(|outbox| outbox.know(&name, since))?;
            self.known = true;
        }
        let name = self.name().to_owned();
        let untold = self.work.store.with(|outbox| outbox.untold(&name))?;
        self.followers
            .retain(|subject, follower| !follower.is_over() || untold.iter().any(|one| &one.subject == subject));
        let mut next: Option<Time> = None;
        for one in untold {
            match self.tell_all(one).await? {
                Sent::Paced(free) => return Ok(Look::Paced(free)),
                Sent::More => {}
                Sent::Enough(again) => next = [next, again].into_iter().flatten().min(),
            }
        }
        Ok(Look::Idle(next))
    }

    /// Tells a subject as far as it is written, or until something stands in the way.
    async fn tell_all(&mut self, mut one: Untold) -> Result<Sent, JournalError> {
        if one.cursor.dead_at.is_some() {
            return Ok(Sent::Enough(None));
        }
        let now = self.now();
        // A clock that was set back must not keep anything away for longer than a wait can be.
        if one.cursor.next_at > now && one.cursor.next_at.0 - now.0 <= 3_700_000 {
            return Ok(Sent::Enough(Some(one.cursor.next_at)));
        }
        if let Some(other) = one.cursor.claimed_by.as_deref().filter(|by| *by != self.work.claimant)
            && one.cursor.claimed_until > now
            && !is_gone(other)
        {
            let look_again = Time(now.0 + LOOK_AT_OTHERS).min(one.cursor.claimed_until);
            return Ok(Sent::Enough(Some(look_again)));
        }
        loop {
            match self.tell_next(&mut one).await? {
                Sent::More => {}
                end => return Ok(end),
            }
        }
    }

    /// Tells the next message of a subject. Secrets are read only where there is one.
    async fn tell_next(&mut self, one: &mut Untold) -> Result<Sent, JournalError> {
        let takes = self.takes();
        if let Err(why) = self.read_on(one, takes)? {
            return self.give_word(one, Refusal::later(why), 0, &Masker::default());
        }
        let Some(follower) = self.followers.get(&one.subject) else { return Ok(Sent::Enough(None)) };
        if follower.items.is_empty() {
            return self.pass_over(one, follower.folded);
        }
        let (teller, masker) = match self.reach().await {
            Ok(reached) => reached,
            Err(why) => return self.give_word(one, Refusal::later(why), 0, &Masker::default()),
        };
        let rate = teller.rate();
        let turn = self.claim(one, Pace { interval: rate.interval, burst: rate.burst })?;
        if turn != Turn::Now {
            return Ok(self.not_now(turn));
        }
        let ahead = rate.interval * (rate.burst - 1).max(0);
        let (to, result) = self.send(one, teller.as_ref(), takes).await;
        match result {
            Ok(message) => self.arrived(one, to, message),
            Err(refusal) => self.give_word(one, refusal, ahead, &masker),
        }
    }

    /// When it is looked again at what could not be taken in hand: it comes back by itself, also where nobody writes anything.
    fn not_now(&self, turn: Turn) -> Sent {
        match turn {
            Turn::NotBefore(free) => Sent::Paced(free),
            Turn::Taken | Turn::Now => Sent::Enough(Some(Time(self.now().0 + LOOK_AT_OTHERS))),
        }
    }

    /// The teller, with secrets that are fresh.
    async fn reach(&mut self) -> Result<(std::sync::Arc<dyn Teller>, Masker), String> {
        let stale = |reached: &Reached| {
            let age = reached.since.elapsed();
            age > FRESH || (reached.failed && age > FRESH_AFTER_FAILURE)
        };
        if self.teller.as_ref().is_none_or(stale) {
            self.teller = None;
            let (teller, masker) = self.work.tellers.make(&self.work.notify).await?;
            self.teller = Some(Reached { teller, masker, since: Instant::now(), failed: false });
        }
        match &self.teller {
            Some(reached) => Ok((std::sync::Arc::clone(&reached.teller), reached.masker.clone())),
            None => Err("it cannot be reached".to_owned()),
        }
    }

    /// Reads records until there is something to tell, or none is left; a digest takes all that there are.
    fn read_on(&mut self, one: &mut Untold, takes: Takes) -> Result<Result<(), String>, JournalError> {
        let subject = one.subject.clone();
        let follower = self.followers.entry(subject.clone()).or_insert_with(|| Follower::new(subject.clone()));
        follower.told(one.cursor.told);
        let most = match takes {
            Takes::Record | Takes::Moment => 1,
            Takes::Spans => SPANS,
            Takes::Digest => usize::MAX,
        };
        while follower.items.len() < most || follower.folded < one.cursor.told {
            let after = follower.folded;
            let records = match self.work.store.with(|outbox| outbox.some_records(&subject, after, SOME)) {
                // Whatever is wrong with one run stops no other.
                Err(JournalError::Corrupt(why)) => return Ok(Err(why)),
                records => records?,
            };
            for record in &records {
                if let Err(fault) = follower.take(record, one.cursor.told, &self.work.notify, takes) {
                    self.followers.remove(&subject);
                    return Ok(Err(format!("it cannot be told: {fault}")));
                }
            }
            if records.len() < SOME {
                break;
            }
        }
        follower.items.make_contiguous();
        Ok(Ok(()))
    }

    /// Nothing of what was read is for this target.
    fn pass_over(&mut self, one: &mut Untold, to: u64) -> Result<Sent, JournalError> {
        if to <= one.cursor.told {
            return Ok(Sent::Enough(None));
        }
        let turn = self.claim(one, Pace::FREE)?;
        if turn != Turn::Now {
            return Ok(self.not_now(turn));
        }
        let (claim, now) = (self.claim_of(one), self.now());
        let message = one.cursor.message.clone();
        if !self.work.store.with(|outbox| outbox.told(&claim, to, message.as_deref(), true, now))? {
            return Ok(self.not_now(Turn::Taken));
        }
        one.cursor.told = to;
        Ok(Sent::Enough(None))
    }

    /// Sends what is next; up to which record that tells, and whether it arrived.
    async fn send(&self, one: &Untold, teller: &dyn Teller, takes: Takes) -> (u64, Result<Option<String>, Refusal>) {
        let follower = self.followers.get(&one.subject);
        let Some((follower, about)) = follower.and_then(|follower| Some((follower, follower.about()?))) else {
            return (one.cursor.told, Err(Refusal::later("there is nothing to tell")));
        };
        // It was put in one piece as it was read.
        let (all, _) = follower.items.as_slices();
        let new = match takes {
            Takes::Digest => all,
            Takes::Spans => all.get(..SPANS).unwrap_or(all),
            Takes::Record | Takes::Moment => all.get(..1).unwrap_or_default(),
        };
        let last = new.last().map_or(one.cursor.told, |item| item.seq);
        let to = if new.len() == all.len() { follower.folded } else { last };
        let id = format!("{}:{last}", about.key());
        let story = Story {
            about,
            new,
            moments: &follower.moments,
            id: &id,
            message: one.cursor.message.as_deref(),
            at: self.now(),
        };
        match tokio::time::timeout(LIMIT, teller.tell(&story)).await {
            Ok(result) => (to, result),
            Err(_) => (to, Err(Refusal::later(format!("it took longer than {} s", LIMIT.as_secs())))),
        }
    }

    /// It arrived: the cursor moves on.
    fn arrived(&mut self, one: &mut Untold, to: u64, message: Option<String>) -> Result<Sent, JournalError> {
        let (claim, now) = (self.claim_of(one), self.now());
        let message = message.or_else(|| one.cursor.message.clone());
        // What was taken is not sent again, also where that cannot be written down now.
        if let Some(follower) = self.followers.get_mut(&one.subject) {
            follower.told(to);
        }
        // Where the time of a run went is nothing that happened in it: timelines do not tell of it.
        let quiet = self.takes() == Takes::Spans;
        let held = self.work.store.with(|outbox| outbox.told(&claim, to, message.as_deref(), quiet, now))?;
        if !held {
            // Somebody else took it over meanwhile: it may arrive twice, and they go on.
            self.lose(one);
            return Ok(Sent::Enough(None));
        }
        one.cursor.told = to;
        one.cursor.message = message;
        one.cursor.attempts = 0;
        one.cursor.failing_since = None;
        Ok(if to >= one.head { Sent::Enough(None) } else { Sent::More })
    }

    /// It did not: that is noted, with when it is tried again.
    fn give_word(
        &mut self,
        one: &mut Untold,
        refusal: Refusal,
        ahead: i64,
        masker: &Masker,
    ) -> Result<Sent, JournalError> {
        if let Some(reached) = &mut self.teller {
            reached.failed = true;
        }
        // Where nothing was claimed yet, nothing could be made ready either.
        let turn = self.claim(one, Pace::FREE)?;
        if turn != Turn::Now {
            return Ok(self.not_now(turn));
        }
        let now = self.now();
        let attempts = one.cursor.attempts + 1;
        let id = format!("{}:{}", one.subject, one.cursor.told);
        let wait = backoff::wait(self.name(), &id, attempts);
        let asked = match refusal.then {
            Then::After(seconds) => Some(i64::from(seconds) * 1000),
            Then::Later | Then::Gone => None,
        };
        let failing = one.cursor.failing_since.map_or(0.0, |since| now.seconds_since(since));
        let over = refusal.then == Then::Gone || failing > self.work.notify.give_up_seconds();
        if over && self.takes() == Takes::Spans && self.drop_spans(one)? {
            return Ok(Sent::Enough(None));
        }
        let again = (!over).then(|| Time(now.0 + wait.max(asked.unwrap_or(0))));
        let why: String = masker.text(&told(&refusal.why, false)).chars().take(WHY).collect();
        tracing::debug!(target = self.work.notify.name, subject = %one.subject, why, attempts, "it did not arrive");
        let failure = Undelivered { why, again, quiet_until: asked.map(|asked| Time(now.0 + asked + ahead)) };
        let claim = self.claim_of(one);
        self.work.store.with(|outbox| outbox.undelivered(&claim, &failure, now))?;
        self.lose(one);
        Ok(match asked {
            Some(asked) => Sent::Paced(Time(now.0 + asked)),
            None => Sent::Enough(again),
        })
    }
}
