//! Waiting for a group that was told a number: until that much serves, or it is clear that it will not. Each step on the way is
//! told to whoever watches. It only looks.

use std::time::Duration;

use tokio::time::Instant;

use super::held::{Held, since, why};
use super::look;
use super::model::{Activity, Seen};
use crate::actions::Context;
use crate::actions::aws::AwsError;
use crate::actions::aws::api::Cloud;

/// How soon a group is looked at again, at first and at last: its instances take minutes, and the API counts who asks.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(10);

/// What is waited for.
pub(super) struct Watch<'a> {
    /// Who watches.
    pub context: &'a Context,
    /// Where.
    pub cloud: &'a Cloud,
    /// The group.
    pub name: &'a str,
    /// What it had before.
    pub before: i64,
    /// What it was told.
    pub wanted: i64,
    /// The newest activity before it was told.
    pub activity: Option<&'a str>,
    /// When the time is up.
    pub deadline: Instant,
}

/// How the waiting ended.
#[derive(Debug)]
pub(super) enum End {
    /// That much serves.
    Arrived(Seen),
    /// It cannot get there.
    Held(Seen, Held),
    /// The time is up, and what held it up, where the group says so.
    Late(Seen, Option<Held>),
    /// Somebody else told it another number; what the group says of that.
    Moved(Seen, Option<String>),
    /// It cannot be looked at any more.
    Blind(AwsError),
}

impl Watch<'_> {
    /// Looks until it is decided.
    pub async fn end(&self) -> End {
        let (mut pause, mut taken, mut said) = (SOON, false, String::new());
        loop {
            match look(self.cloud, self.name).await {
                Ok(seen) => {
                    taken |= seen.group.desired == self.wanted || self.is_more(seen.group.desired);
                    if let Some(end) = self.decide(seen, taken, &mut said).await {
                        return end;
                    }
                }
                Err(error) if !passes(&error) || self.is_over() => return End::Blind(error),
                Err(error) => self.tell(&format!("{error}; it is looked at again")),
            }
            let left = self.deadline.saturating_duration_since(Instant::now());
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 3 / 2).min(LATER);
        }
    }

    async fn decide(&self, seen: Seen, taken: bool, said: &mut String) -> Option<End> {
        let sentence = seen.sentence(self.wanted);
        if *said != sentence {
            self.tell(&sentence);
            *said = sentence;
        }
        // Right after it was told, an older answer may still come: the number of before means something later only.
        let desired = seen.group.desired;
        let moved = desired != self.wanted && (taken || desired != self.before) && !self.is_more(desired);
        if moved {
            let cause = self.activities().await.into_iter().map(|one| one.cause).find(|cause| !cause.is_empty());
            return Some(End::Moved(seen, cause));
        }
        if taken && self.has_arrived(&seen) {
            return Some(End::Arrived(seen));
        }
        let activities = self.activities().await;
        let held = why(since(&activities, self.activity));
        match held {
            Some(held) if !held.cause.may_pass() && !seen.group.mixed => Some(End::Held(seen, held)),
            held if self.is_over() => Some(End::Late(seen, held)),
            _ => None,
        }
    }

    fn grows(&self) -> bool {
        self.wanted >= self.before
    }

    /// Whether it was told even more than was asked for while it grows: that stands against nothing.
    fn is_more(&self, desired: i64) -> bool {
        self.grows() && desired > self.wanted
    }

    fn has_arrived(&self, seen: &Seen) -> bool {
        if self.grows() { seen.healthy() >= self.wanted } else { seen.staying() <= self.wanted }
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// What the group did. Where that may not be seen the waiting goes on without.
    async fn activities(&self) -> Vec<Activity> {
        self.cloud.activities(self.name).await.unwrap_or_default()
    }

    fn tell(&self, text: &str) {
        (self.context.output)(false, format!("{text}\n").as_bytes());
    }
}

/// Whether looking again may help.
fn passes(error: &AwsError) -> bool {
    matches!(error, AwsError::Unreachable(_) | AwsError::Lost(_) | AwsError::Throttled(_))
}
