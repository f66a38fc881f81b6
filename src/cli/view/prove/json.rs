//! A proof for programs: every point, so that nothing has to be believed. `docs/output.md` is its contract.

use serde_json::{Value, json};

use super::Shown;
use crate::sim::prove::{Asked, End, Group, Point, World};

/// The whole proof.
pub fn object(shown: &Shown<'_>) -> Value {
    let proof = shown.proof;
    let (covered, tried) = proof.covered();
    let asks = proof.points.iter().filter(|point| point.doubt).count();
    let (name, version) = shown.title.split_once('@').unwrap_or((shown.title, ""));
    json!({
        "v": 1, "type": "proof", "playbook": name, "version": version, "world": shown.world, "exit": shown.exit().code(),
        "seconds": shown.seconds,
        "coverage": { "percent": proof.coverage(), "without_a_person": covered, "tried": tried, "wanted": shown.wanted },
        "faults": proof.of(Group::Fault).count(), "crashes": tried, "halts": proof.of(Group::Halt).count(), "asks_a_person": asks,
        "findings": proof.findings().map(|(point, finding)| json!({
            "step": point.row, "fault": point.column.word(), "story": point.story, "place": point.place, "finding": finding,
        })).collect::<Vec<_>>(),
        "not_shown_by_the_world": proof.blind,
        "points": proof.points.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(point: &Point) -> Value {
    json!({
        "step": point.row, "fault": point.column.word(), "story": point.story, "place": point.place,
        "first_attempt_only": point.first_only, "end": end(point.end), "world": world(&point.world),
        "differs": differs(&point.world), "asks_a_person": point.doubt,
        "asked": point.asked.iter().map(asked).collect::<Vec<_>>(),
        "other_answers": point.branches.iter().map(|branch| json!({
            "answer": branch.answer, "end": end(branch.end), "world": world(&branch.world), "differs": differs(&branch.world),
        })).collect::<Vec<_>>(),
        "findings": point.findings,
    })
}

fn asked(asked: &Asked) -> Value {
    json!({ "task": asked.task, "kind": asked.kind, "message": asked.message, "answer": asked.answer })
}

fn end(end: End) -> Value {
    match end {
        End::Ended(verdict) => json!(verdict),
        End::NotBegun => json!("not_begun"),
        End::Never => json!("never"),
    }
}

fn world(world: &World) -> &'static str {
    match world {
        World::AsBefore => "as_before",
        World::AsAfter => "as_after_success",
        World::Differs(_) => "differs",
    }
}

fn differs(world: &World) -> &[String] {
    match world {
        World::Differs(list) => list,
        _ => &[],
    }
}
