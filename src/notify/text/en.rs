//! English.

use super::{Moment, Piece, QuestionKind, Standing, Tongue, Verdict, What, because, clock, fill, long, ours, theirs};
use crate::incident::{self, Brief, IncidentEvent};
use crate::notify::moment::Wish;
use crate::run::{Answer, SkipHow, StopKind};

pub(super) struct English;

impl Tongue for English {
    fn sentence(&self, moment: &Moment) -> Vec<Piece> {
        let who = || theirs(&moment.actor);
        match &moment.what {
            What::OfIncident(event) => self.of_incident(&moment.actor, event),
            What::Began { overrides } => {
                let mut pieces = fill("{} began it", [who()]);
                for (brake, why) in overrides {
                    pieces.extend(fill("; the brake {} was passed: {}", [theirs(brake), theirs(why)]));
                }
                pieces
            }
            What::TookOver { from, reason } => fill("it takes the place of run {}: {}", [theirs(from), theirs(reason)]),
            What::Asks { task, kind, message, deadline } => {
                let mut pieces =
                    fill("a person is needed ({}), {}: {}", [ours(asked(*kind)), theirs(task), theirs(message)]);
                pieces.extend(match deadline {
                    Some(at) => fill("; without an answer by {} UTC the default is taken", [ours(clock(*at))]),
                    None => fill("; it waits until somebody answers", []),
                });
                pieces
            }
            What::Approval { task, message, roles, min, deadline } => {
                let roles = if roles.is_empty() { ours("anybody") } else { theirs(roles.join(" or ")) };
                let people = if *min == 1 { "one person".to_owned() } else { format!("{min} people") };
                let mut pieces = fill("{} waits for the approval of {} of {}", [theirs(task), ours(people), roles]);
                pieces.extend(because(": {}", message));
                if let Some(at) = deadline {
                    pieces.extend(fill("; until {} UTC", [ours(clock(*at))]));
                }
                pieces
            }
            What::Approved { task, reason, break_glass, complete } => {
                let form = if *break_glass { "{} broke the glass for {}" } else { "{} approved {}" };
                let mut pieces = fill(form, [who(), theirs(task)]);
                pieces.extend(because(": {}", reason));
                if !complete {
                    pieces.push(ours("; somebody else is still missing"));
                }
                pieces
            }
            What::Rejected { task, reason } => fill("{} rejected {}: {}", [who(), theirs(task), theirs(reason)]),
            What::Answered { task, answer, reason } => {
                let mut pieces = fill("{} answered about {}: {}", [who(), theirs(task), ours(answered(*answer))]);
                pieces.extend(because(" ({})", reason));
                pieces
            }
            What::Requested { request, reason } => {
                let mut pieces = match request {
                    Wish::Cancel => fill("{} asked to undo it and end", [who()]),
                    Wish::Rollback(None) => fill("{} asked to roll back to the start", [who()]),
                    Wish::Rollback(Some(to)) => fill("{} asked to roll back to {}", [who(), theirs(to)]),
                    Wish::Abort => fill("{} asked to end it without undoing anything", [who()]),
                    Wish::Pause => fill("{} asked to pause it", [who()]),
                };
                pieces.extend(because(": {}", reason));
                pieces
            }
            What::Skipped { task, how, reason } => {
                let how = match how {
                    SkipHow::DoneByHand => "done by hand",
                    SkipHow::NotNeeded => "not needed",
                };
                fill("{} says that {} is {}: {}", [who(), theirs(task), ours(how), theirs(reason)])
            }
            What::Crossed { task } => fill("the point of no return is crossed: {} begins", [theirs(task)]),
            What::Refused { task, message } => {
                fill("{} was not begun, nothing was changed: {}", [theirs(task), theirs(message)])
            }
            What::Failed { task, unknown, undo, message } => {
                let form = match (unknown, undo) {
                    (false, false) => "{} failed: {}",
                    (false, true) => "the undo of {} failed: {}",
                    (true, false) => "it is not known whether {} took effect: {}",
                    (true, true) => "it is not known whether the undo of {} took effect: {}",
                };
                fill(form, [theirs(task), theirs(message)])
            }
            What::Broken { names } => fill("what must hold does not: {}", [theirs(names.join(", "))]),
            What::Late { from, to, max } => {
                fill("it takes longer from {} to {} than {}", [theirs(from), theirs(to), long(*max)])
            }
            What::Undoing { to: None, because } => fill("it is undone, back to the start: {}", [theirs(because)]),
            What::Undoing { to: Some(to), because } => {
                fill("it is undone, back to {}: {}", [theirs(to), theirs(because)])
            }
            What::Checkpoint { name } => fill("checkpoint {} is reached", [theirs(name)]),
            What::Stopped { kind: StopKind::Paused, because } => fill("it is paused: {}", [theirs(because)]),
            What::Stopped { kind: StopKind::Interrupted, because } => fill("it is interrupted: {}", [theirs(because)]),
            What::Resumed { reason } => [fill("it goes on", []), because(": {}", reason)].concat(),
            What::Halted { by, reason } => {
                [fill("everything is halted by {}", [theirs(by)]), because(": {}", reason)].concat()
            }
            What::HaltLifted { by } => fill("{} lifted the halt", [theirs(by)]),
            What::Ended { verdict, summary, seconds } => {
                fill("over after {}, {}: {}", [long(*seconds), ours(ended(*verdict)), theirs(summary)])
            }
            What::Other { text } => vec![theirs(text)],
        }
    }

    fn of_incident(&self, actor: &str, event: &IncidentEvent) -> Vec<Piece> {
        let who = || theirs(actor);
        let (said, reason) = match event {
            IncidentEvent::Opened(opening) => {
                let mut pieces = fill("{} opened it ({})", [who(), theirs(&opening.why)]);
                if !opening.services.is_empty() {
                    pieces.extend(fill("; suffers: {}", [theirs(opening.services.join(", "))]));
                }
                (pieces, "")
            }
            IncidentEvent::Noted { text } => (fill("{}: {}", [who(), theirs(text)]), ""),
            IncidentEvent::Assigned { owner: Some(owner), reason } => {
                (fill("{} gave it to {}", [who(), theirs(owner)]), reason.as_str())
            }
            IncidentEvent::Assigned { owner: None, reason } => {
                (fill("{} took it from its owner: nobody has it", [who()]), reason.as_str())
            }
            IncidentEvent::SeverityChanged { severity, reason } => {
                (fill("{} says that it is {}", [who(), ours(severity.word())]), reason.as_str())
            }
            IncidentEvent::Alert { .. } => (fill("{} has news of an alert", [who()]), ""),
            IncidentEvent::Proposed { playbook, why, .. } => {
                (fill("a person is to decide whether {} is run", [theirs(playbook)]), why.as_str())
            }
            IncidentEvent::Resolved { reason } => (fill("{} resolved it", [who()]), reason.as_str()),
            IncidentEvent::Closed { reason } => (fill("{} closed it", [who()]), reason.as_str()),
            IncidentEvent::Reopened { reason } => (fill("{} opened it again", [who()]), reason.as_str()),
        };
        [said, because(": {}", reason)].concat()
    }

    fn incident(&self, brief: &Brief, since: &str) -> Vec<Piece> {
        let word = match brief.standing {
            incident::Standing::Open => "open",
            incident::Standing::Resolved => "resolved",
            incident::Standing::Closed => "closed",
        };
        let owner = brief
            .owner
            .as_ref()
            .map_or_else(|| fill("nobody owns it", []), |owner| fill("owned by {}", [theirs(owner)]));
        [fill("incident {} since {} UTC · ", [ours(word), ours(since)]), owner].concat()
    }

    fn standing(&self, standing: Standing) -> Vec<Piece> {
        match standing {
            Standing::Running => fill("under way", []),
            Standing::Waiting(QuestionKind::UndoFailed) => fill("STUCK: an undo failed, locks are held", []),
            Standing::Waiting(kind) => fill("WAITS FOR A PERSON: {}", [ours(asked(kind))]),
            Standing::Undoing => fill("being undone", []),
            Standing::Paused => fill("paused", []),
            Standing::Halted => fill("halted", []),
            Standing::Ended(verdict, seconds) => fill("over after {}: {}", [long(seconds), ours(ended(verdict))]),
        }
    }

    fn service(&self, word: &str, since: &str) -> Vec<Piece> {
        fill("service {} since {} UTC", [ours(word), ours(since)])
    }

    fn place(&self, environment: &str, incident: Option<&str>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if !environment.is_empty() {
            pieces.extend(fill("in {}", [theirs(environment)]));
        }
        if let Some(incident) = incident {
            pieces.extend(fill(if pieces.is_empty() { "incident {}" } else { ", incident {}" }, [theirs(incident)]));
        }
        pieces
    }

    fn left_out(&self) -> &'static str {
        "… {} earlier ones are left out here; the timeline has them"
    }
}

fn asked(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::UnknownOutcome => "nobody knows whether a step took effect",
        QuestionKind::StepFailed => "a step failed",
        QuestionKind::UndoFailed => "an undo failed",
        QuestionKind::BehindPointOfNoReturn => "behind the point of no return",
        QuestionKind::Approval => "an approval",
        QuestionKind::InvariantBroken => "what must hold does not",
        QuestionKind::WrongIdentity => "a target is not the one that is meant",
    }
}

fn answered(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "it took effect",
        Answer::DidNot => "it did not take effect",
        Answer::Retry => "try it again",
        Answer::Undo => "undo it",
        Answer::Abandon => "leave everything as it is and end",
        Answer::GoOn => "go on all the same",
    }
}

fn ended(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::SucceededWithExceptions => "succeeded with exceptions",
        Verdict::Failed => "failed, nothing needed undoing",
        Verdict::RolledBack => "failed and rolled back",
        Verdict::RolledBackToCheckpoint => "failed and rolled back to a checkpoint",
        Verdict::Incomplete => "incomplete, changes stand",
        Verdict::Abandoned => "abandoned, changes may stand",
    }
}
