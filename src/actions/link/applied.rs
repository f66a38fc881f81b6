//! The commands that change routes on their host, and what they say: carry out under a timed revert, confirm, undo, and look
//! what became of an attempt. The scripts are fixed texts; every value reaches them through the environment.

use std::time::Duration;

use super::host::{LOOK, Seen, as_owner};
use super::{LinkError, last_words, place, quiet, section, sections};
use crate::actions::command::{Command, Ended, Recalled, change, look, recall, recall_sent};
use crate::actions::{Call, Context};
use crate::inventory::Link;

const APPLY: &str = include_str!("apply.sh");
const REVERT: &str = include_str!("revert.sh");
const DECIDE: &str = include_str!("decide.sh");
const ATTEMPT: &str = include_str!("look.sh");

/// What a change takes beyond the time that an answer may take: arming, pings, putting back.
pub(super) const MARGIN: Duration = Duration::from_secs(25);

/// One change of routes on its host.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    pub(super) name: &'a str,
    pub(super) link: &'a Link,
    pub(super) attempt: &'a str,
}

/// What is carried out.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) forward: String,
    pub(super) back: String,
    /// After how many seconds the host puts the routes back; 0: never.
    pub(super) revert_after: u64,
    /// The device by which the traffic is to leave then: an answer to what left by another one does not count.
    pub(super) device: String,
    /// Within how many seconds an answer has to come.
    pub(super) within: u64,
}

/// What the host says of a change that it carried out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Applied {
    /// Whether an address in the destination answered over the new routes.
    pub(super) answered: bool,
    /// Why not.
    pub(super) why: String,
    /// Where it did not: whether the routes are as they were.
    pub(super) put_back: bool,
    /// How many pings were sent from just before the change until the answer, and how many of them were lost.
    pub(super) sent: u32,
    pub(super) lost: u32,
    /// From the change to the first answer, in seconds.
    pub(super) recovery: Option<f64>,
}

/// What became of an attempt, as its host has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Became {
    /// The host knows the attempt.
    pub(super) known: bool,
    /// `confirmed`, `reverted`, `failed`, `undone`.
    pub(super) decided: Option<String>,
    /// Whether the routes were found as they were after they had been put back; none where that is not over yet.
    pub(super) put_back: Option<bool>,
    /// In how many seconds the timed revert is due, since this start of the host.
    pub(super) left: Option<i64>,
    /// Whether the process that is to carry it out lives.
    pub(super) alive: bool,
    /// Whether it was armed before the host was started again.
    pub(super) rebooted: bool,
}

impl Work<'_> {
    fn command(&self, script: &str, more: &[(&str, String)]) -> Command {
        let mut environment = vec![
            ("PLAYBOOK_LINK".to_owned(), self.name.to_owned()),
            ("PLAYBOOK_ATTEMPT".to_owned(), self.attempt.to_owned()),
            ("PLAYBOOK_DESTINATION".to_owned(), self.link.destination.clone()),
        ];
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        as_owner(self.link, script, environment)
    }

    fn apply_key(&self) -> String {
        format!("{}-apply", self.attempt)
    }

    /// Changes the routes under a timed revert. Where the connection breaks meanwhile, its recorder on the host is asked for
    /// as long as `until` is away: that the runner cut itself off is just what the revert is for.
    pub(super) async fn apply(&self, plan: &Plan, seen: &Seen, wait: Duration) -> Result<Applied, LinkError> {
        let command = self.command(
            APPLY,
            &[
                ("PLAYBOOK_EXPECTED", seen.printed.clone()),
                ("PLAYBOOK_FORWARD", plan.forward.clone()),
                ("PLAYBOOK_BACK", plan.back.clone()),
                ("PLAYBOOK_AFTER", plan.revert_after.to_string()),
                ("PLAYBOOK_WITHIN", plan.within.to_string()),
                ("PLAYBOOK_DEVICE", plan.device.clone()),
                ("PLAYBOOK_TARGETS", self.link.targets.join(" ")),
                ("PLAYBOOK_REVERT", REVERT.to_owned()),
            ],
        );
        let limit = Duration::from_secs(plan.within) + MARGIN;
        let context = quiet(self.context);
        match change(&context, &command, &self.apply_key(), limit, false).await {
            Ok(ended) => self.applied(&ended),
            Err(crate::actions::command::CommandError::Lost(why)) => {
                match recall(&context, &command, &self.apply_key(), wait).await {
                    Recalled::Ended(ended) => self.applied(&ended),
                    Recalled::NeverStarted(why) => Err(LinkError::Unreachable(why)),
                    Recalled::StillRunning(_) | Recalled::Lost(_) => Err(LinkError::Lost(why)),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the recorder of the host knows of the change.
    pub(super) async fn recall(&self, wait: Duration, age: Option<Duration>) -> Recalled {
        recall_sent(&quiet(self.context), &self.command(APPLY, &[]), &self.apply_key(), wait, age).await
    }

    /// Reads what the change said.
    pub(super) fn applied(&self, ended: &Ended) -> Result<Applied, LinkError> {
        let host = place(self.link);
        match ended.exit_code {
            Some(0) => Ok(read_applied(&sections(ended, host)?)),
            Some(90..=95) => {
                Err(LinkError::Refused(format!("{host} refused, and changed nothing: {}", last_words(ended))))
            }
            _ => Err(LinkError::Lost(format!("changing the routes of {host} broke off ({})", last_words(ended)))),
        }
    }

    /// Confirms a change, and has it remembered; says what was decided in the end.
    pub(super) async fn confirm(&self, round: u32, original: &str) -> Result<String, LinkError> {
        let values = [("PLAYBOOK_DECISION", "confirmed".to_owned()), ("PLAYBOOK_ORIGINAL", original.to_owned())];
        // Each time another key: one that was never started must never start later.
        let key = format!("{}-confirm-{round}", self.attempt);
        let ended = change(&quiet(self.context), &self.command(DECIDE, &values), &key, LOOK, true).await?;
        let all = sections(&ended, place(self.link))?;
        match section(&all, "decided") {
            "" => Err(LinkError::Lost(format!(
                "{} does not say whether it heard: {}",
                place(self.link),
                last_words(&ended)
            ))),
            word => Ok(word.to_owned()),
        }
    }

    /// Puts routes back, and disarms whatever is armed.
    pub(super) async fn undo(&self, back: &str) -> Result<Ended, LinkError> {
        let values = [("PLAYBOOK_DECISION", "undone".to_owned()), ("PLAYBOOK_BACK", back.to_owned())];
        let key = format!("{}-undo", self.attempt);
        Ok(change(&quiet(self.context), &self.command(DECIDE, &values), &key, LOOK * 2, true).await?)
    }

    /// What became of the attempt.
    pub(super) async fn became(&self) -> Result<Became, LinkError> {
        let ended = look(&quiet(self.context), &self.command(ATTEMPT, &[]), LOOK).await?;
        if ended.exit_code != Some(0) {
            return Err(LinkError::Invalid(format!("{} cannot be asked: {}", place(self.link), last_words(&ended))));
        }
        Ok(read_became(&sections(&ended, place(self.link))?))
    }
}

/// The attempt of a call, as a name of a folder on the host.
pub(super) fn work<'a>(context: &'a Context, name: &'a str, link: &'a Link, call: &'a Call) -> Work<'a> {
    Work { context, name, link, attempt: &call.attempt }
}

fn read_applied(all: &[(String, String)]) -> Applied {
    let (sent, lost, recovery) = read_pings(section(all, "pings"), section(all, "switched").parse().unwrap_or(0.0));
    Applied {
        answered: section(all, "ok") == "yes",
        why: section(all, "why").to_owned(),
        put_back: section(all, "result") == "same",
        sent,
        lost,
        recovery,
    }
}

fn read_became(all: &[(String, String)]) -> Became {
    let text = |name: &str| Some(section(all, name)).filter(|text| !text.is_empty());
    let rebooted = text("left").is_some() && text("boot") != Some("same");
    Became {
        known: text("there").is_some(),
        decided: text("decided").map(str::to_owned),
        put_back: text("result").map(|result| result == "same"),
        left: text("left").filter(|_| !rebooted).and_then(|left| left.parse().ok()),
        alive: text("alive") == Some("yes"),
        rebooted,
    }
}

/// How many pings were sent and lost, and how long after the change the first answer came. A ping that was on its way when
/// the looking ended is not called lost.
fn read_pings(text: &str, switched: f64) -> (u32, u32, Option<f64>) {
    let number = |line: &str| -> Option<u32> {
        line.split_once("icmp_seq=")?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let answers: Vec<(f64, u32)> = text
        .lines()
        .filter(|line| line.contains(" bytes from "))
        .filter_map(|line| Some((line.strip_prefix('[')?.split_once(']')?.0.parse().ok()?, number(line)?)))
        .collect();
    let total = text.lines().find_map(|line| line.split_once(" packets transmitted, ")?.0.parse().ok());
    let last = answers.iter().map(|(_, number)| *number).max();
    let sent = last.or(total).unwrap_or(0);
    let answered = u32::try_from(answers.len()).unwrap_or(u32::MAX);
    let first = answers.iter().map(|(at, _)| at - switched).filter(|after| *after >= 0.0).min_by(f64::total_cmp);
    (sent, sent.saturating_sub(answered), first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_and_when_the_answers_came_back_is_counted() {
        let text = "PING 10.30.0.1\n[100.10] 64 bytes from 10.30.0.1: icmp_seq=1 ttl=63 time=0.4 ms\n\
            [100.50] no answer yet for icmp_seq=2\n[100.70] no answer yet for icmp_seq=3\n\
            [101.05] 64 bytes from 10.30.0.1: icmp_seq=4 ttl=63 time=0.4 ms\n\n--- 10.30.0.1 ping statistics ---\n\
            5 packets transmitted, 2 received, 60% packet loss, time 9ms\n";
        let (sent, lost, recovery) = read_pings(text, 100.45);
        assert_eq!((sent, lost), (4, 2), "the fifth was still on its way");
        assert!((recovery.unwrap() - 0.6).abs() < 0.001, "{recovery:?}");
        let none =
            "[1.0] no answer yet for icmp_seq=1\n3 packets transmitted, 0 received, 100% packet loss, time 9ms\n";
        assert_eq!(read_pings(none, 0.0), (3, 3, None));
        assert_eq!(read_pings("", 0.0), (0, 0, None));
    }

    #[test]
    fn what_became_of_an_attempt_is_read() {
        let all = |pairs: &[(&str, &str)]| {
            read_became(&pairs.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect::<Vec<_>>())
        };
        assert!(!all(&[]).known);
        let armed = all(&[("there", "yes"), ("boot", "same"), ("left", "12"), ("alive", "yes"), ("decided", "")]);
        assert_eq!((armed.left, armed.alive, armed.decided, armed.rebooted), (Some(12), true, None, false));
        let gone = all(&[("there", "yes"), ("boot", ""), ("left", "12"), ("alive", "")]);
        assert!(gone.rebooted && gone.left.is_none());
        let back = all(&[("there", "yes"), ("decided", "reverted"), ("result", "same")]);
        assert_eq!((back.decided.as_deref(), back.put_back), (Some("reverted"), Some(true)));
    }
}
