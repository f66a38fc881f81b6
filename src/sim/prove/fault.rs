//! Every step, and every part of an undo, goes wrong in every way: at every attempt, and at the first one alone.

use super::judge::follow;
use super::life::Stand;
use super::story::Story;
use super::{Column, End, Point, Proof};
use crate::run::{Task, Verdict};
use crate::sim::Fault;

/// The ways in which something goes wrong, each with whether it makes sense for what changes nothing.
const WAYS: [(Column, Fault); 7] = [
    (Column::NoEffect, Fault::NoEffect),
    (Column::Failed, Fault::FailedBefore),
    (Column::FailedAfter, Fault::FailedAfter),
    (Column::Unanswered, Fault::UnknownBefore),
    (Column::UnansweredDone, Fault::UnknownAfter),
    (Column::TimedOut, Fault::SilentBefore),
    (Column::TimedOut, Fault::SilentAfter),
];

/// The steps.
pub(super) async fn of_steps(stand: &Stand, forward: &Story, proof: &mut Proof) {
    for task in forward.tasks() {
        of(stand, forward, &task, proof).await;
    }
}

/// The parts of the undo.
pub(super) async fn of_undo(stand: &Stand, story: &Story, proof: &mut Proof) {
    for task in story.tasks().iter().filter(|task| task.is_undo()) {
        of(stand, story, task, proof).await;
    }
}

/// Identities and invariants: each time one was looked at, nobody can tell whether it holds. A run that goes on then has no
/// brake.
pub(super) async fn of_checks(stand: &Stand, forward: &Story, proof: &mut Proof) {
    for (task, checking) in forward.checks() {
        let journal = stand.enter(&forward.scene(stand));
        let Some(check) = stand.playbook().checks.get(checking.place) else { continue };
        let look = Task::at(&check.step.id, checking.item.as_ref());
        stand.stage.fail(&format!("{look}/at/{task}"), None, Fault::FailedBefore);
        let life = forward.start(stand, &journal, None).await;
        let mut outcome = follow(stand, &forward.reference, &journal, life, true).await;
        if outcome.end == End::Ended(Verdict::Succeeded) {
            outcome.findings.push(format!("it went on although `{}` could not be told", checking.name));
        }
        proof.points.push(Point {
            row: format!("{}: {task}", checking.name),
            column: Column::Failed,
            story: forward.title.clone(),
            place: "each time that it is looked at there; nobody can tell whether it holds".to_owned(),
            first_only: false,
            doubt: false,
            asked: outcome.asked,
            end: outcome.end,
            world: outcome.world,
            branches: outcome.branches,
            findings: outcome.findings,
        });
    }
}

async fn of(stand: &Stand, story: &Story, task: &Task, proof: &mut Proof) {
    let changes = stand.playbook().step(&task.step).is_some_and(|step| step.effect.changes());
    for (column, fault) in WAYS.iter().copied().filter(|(_, fault)| changes || !fault.has_effect()) {
        for first_only in [false, true] {
            let journal = stand.enter(&story.scene(stand));
            stand.stage.fail(&task.to_string(), first_only.then_some(1), fault);
            let life = story.start(stand, &journal, None).await;
            let outcome = follow(stand, &story.reference, &journal, life, true).await;
            let attempts = if first_only { "at its first attempt" } else { "at every attempt" };
            let effect = if fault.has_effect() { "its effect is there" } else { "it has no effect" };
            proof.points.push(Point {
                row: task.to_string(),
                column,
                story: story.title.clone(),
                place: format!("{attempts}; {effect}"),
                first_only,
                doubt: story.is_more(&outcome.asked),
                asked: outcome.asked,
                end: outcome.end,
                world: outcome.world,
                branches: outcome.branches,
                findings: outcome.findings,
            });
        }
    }
}
