//! Watching a rollout to its end or its deadline: how far it is, and what holds it up, told as soon as it is seen. It only
//! reads; a look that fails is made again, as a rollout goes on without us.

use std::time::{Duration, Instant};

use super::progress::Progress;
use super::revisions;
use super::target::{Seen, Target};
use crate::actions::OutputSink;
use crate::actions::kubernetes::KubernetesError;
use crate::actions::kubernetes::objects::{condition, items, text};
use crate::actions::kubernetes::surroundings::blockers::{self, Blocker, Why};
use crate::actions::kubernetes::surroundings::read::held_up;
use crate::value::Value;

/// How soon it is looked at again.
const AGAIN: Duration = Duration::from_millis(400);

/// How long a rollout is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until when.
    pub(super) deadline: Instant,
    /// How long what needs somebody may hold it up before that is its end.
    pub(super) give_up: Duration,
}

/// How a rollout ended.
#[derive(Debug)]
pub(super) enum End {
    /// All is new, and serves.
    Complete(Seen),
    /// It goes on holding up, or did not end in time: what holds it up, in words.
    Held(String),
    /// Somebody else rolled out something else meanwhile: what is there now.
    Replaced(Seen),
    /// It could not be looked at any more.
    Blind(KubernetesError),
}

/// Watches a rollout of the template with this digest.
pub(super) async fn watch(workload: &Target, digest: &str, patience: Patience, output: &OutputSink) -> End {
    let (mut told, mut hash) = (Told::default(), None);
    loop {
        let wait = match one_look(workload, digest, &mut hash).await {
            Ok(Look::Replaced(seen)) => return End::Replaced(seen),
            Ok(Look::Complete(seen)) => {
                told.say(output, workload, &seen.progress, &[]);
                return End::Complete(seen);
            }
            Ok(Look::Underway(progress, held)) => {
                told.say(output, workload, &progress, &held);
                if let Some(why) = told.gave_up(&progress, &held, patience.give_up) {
                    return End::Held(why);
                }
                None
            }
            Err(error) => Some(error),
        };
        if Instant::now() + AGAIN >= patience.deadline {
            return match wait {
                Some(error) => End::Blind(error),
                None => End::Held(told.at_the_deadline()),
            };
        }
        tokio::time::sleep(AGAIN).await;
    }
}

enum Look {
    Complete(Seen),
    Replaced(Seen),
    Underway(Progress, Vec<Blocker>),
}

/// `hash` is what the new pods say of themselves, as soon as their controller has made that revision.
async fn one_look(workload: &Target, digest: &str, hash: &mut Option<String>) -> Result<Look, KubernetesError> {
    let object = workload.object().await?;
    let progress = Progress::of(&object, workload.kind);
    let is_other = revisions::digest_of(&object) != digest;
    if is_other || progress.is_complete() {
        let seen = workload.look().await?;
        if seen.digest != digest {
            return Ok(Look::Replaced(seen));
        }
        if seen.progress.is_complete() {
            return Ok(Look::Complete(seen));
        }
    }
    if hash.is_none() {
        let kept = workload.revisions(&object).await?;
        *hash = kept.into_iter().find(|revision| revision.digest == digest).map(|revision| revision.hash);
    }
    let pods = match hash {
        Some(hash) => workload.pods(&object, Some(hash)).await?,
        None => Vec::new(),
    };
    let mut held = held_up(workload.cluster(), workload.namespace(), &object, &pods, changed_at(&object)).await?;
    let progress = Progress { gave_up: progress.gave_up && gave_up_since(&object), ..progress };
    held.retain(|one| one.why != Why::Deadline || progress.gave_up);
    Ok(Look::Underway(progress, held))
}

/// When we changed the object last, in the cluster's own time.
fn changed_at(object: &Value) -> Option<&str> {
    let ours = items(object, "/metadata/managedFields").iter();
    ours.filter(|entry| text(entry, "/manager") == Some(crate::actions::kubernetes::MANAGER))
        .filter_map(|entry| text(entry, "/time"))
        .max()
}

/// Whether its controller has given up on this very rollout. What it says of the one before stands until the first pod of this
/// one comes up: a release that is left after its deadline would else end its own way back.
fn gave_up_since(object: &Value) -> bool {
    let said = condition(object, "Progressing").and_then(|one| text(one, "/lastUpdateTime"));
    said.zip(changed_at(object)).is_some_and(|(said, changed)| said > changed)
}

/// What was told last, and since when what holds it up does so.
#[derive(Default)]
struct Told {
    line: String,
    held: String,
    since: Option<Instant>,
    progress: Option<Progress>,
}

impl Told {
    /// Tells a person who watches, where there is something new.
    fn say(&mut self, output: &OutputSink, workload: &Target, progress: &Progress, held: &[Blocker]) {
        let mut line = format!("{}: {}", workload.at().word(), progress.sentence());
        self.held = blockers::in_words(held);
        if held.iter().any(|one| one.why.needs_somebody()) {
            line.push_str(&format!(". HELD UP: {}", self.held));
        }
        self.progress = Some(*progress);
        if line != self.line {
            output(false, format!("{line}\n").as_bytes());
            self.line = line;
        }
    }

    /// Why waiting on is no use, once what needs somebody has held it up for so long, or its own controller has given up.
    fn gave_up(&mut self, progress: &Progress, held: &[Blocker], give_up: Duration) -> Option<String> {
        if progress.gave_up {
            return Some(self.because("its own controller has given up"));
        }
        if !held.iter().any(|one| one.why.needs_somebody()) {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        (since.elapsed() >= give_up).then(|| self.because("it does not go on"))
    }

    fn at_the_deadline(&self) -> String {
        self.because("it did not come to its end in time")
    }

    fn because(&self, what: &str) -> String {
        let progress = self.progress.as_ref().map_or_else(|| "nothing could be seen".to_owned(), Progress::sentence);
        if self.held.is_empty() { format!("{what}: {progress}") } else { format!("{what}: {progress}. {}", self.held) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deadline_of_the_rollout_before_does_not_end_this_one() {
        let object = |said: &str| {
            json!({ "metadata": { "managedFields": [{ "manager": "playbook", "time": "2026-11-23T03:00:05Z" }, { "manager": "kubectl", "time": "2026-11-23T09:00:00Z" }] },
                "status": { "conditions": [{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "lastUpdateTime": said }] } })
        };
        assert!(!gave_up_since(&object("2026-11-23T03:00:04Z")));
        assert!(gave_up_since(&object("2026-11-23T03:10:05Z")));
        assert!(!gave_up_since(&json!({})));
    }
}
