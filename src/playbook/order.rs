//! The order of steps: what they need, where they go on after a failure, what they roll back to, and the point of no
//! return.

use crate::diagnostic::Span;
use crate::ids::{StepId, is_identifier};

use super::faults::Faults;
use super::step::Draft;
use super::words::nearest;
use super::{OnFailure, Rollback};

pub(super) fn check(faults: &mut Faults, drafts: &[Draft]) {
    for (place, draft) in drafts.iter().enumerate() {
        duplicates(faults, drafts, place, draft);
        for (id, span) in draft.step.needs.iter().zip(&draft.needs) {
            needed(faults, drafts, place, id, *span);
        }
        let span = draft.on_failure.unwrap_or(draft.id);
        match &draft.step.on_failure {
            Some(OnFailure::Step(id)) => forward(faults, drafts, place, id, span),
            Some(OnFailure::RollbackTo(name)) => back(faults, drafts, place, name, span),
            _ => {}
        }
        no_return(faults, draft);
    }
}

fn duplicates(faults: &mut Faults, drafts: &[Draft], place: usize, draft: &Draft) {
    let earlier = drafts.get(..place).unwrap_or_default();
    if earlier.iter().any(|other| other.step.id == draft.step.id) {
        let message = format!("a step `{}` is there already", draft.step.id);
        faults.error("duplicate-step", draft.id, message, Some("give this one another id".to_owned()));
    }
    if let (Some(name), Some(span)) = (&draft.step.checkpoint, draft.checkpoint) {
        if !is_identifier(name) {
            let help = Some("lower-case letters, digits and underscores, such as `traffic_moved`".to_owned());
            faults.error("bad-name", span, format!("`{name}` is no name of a checkpoint"), help);
        }
        if earlier.iter().any(|other| other.step.checkpoint.as_ref() == Some(name)) {
            faults.error("duplicate-checkpoint", span, format!("a checkpoint `{name}` is there already"), None);
        }
    }
}

fn position(drafts: &[Draft], id: &StepId) -> Option<usize> {
    drafts.iter().position(|draft| draft.step.id == *id)
}

fn unknown_step(faults: &mut Faults, drafts: &[Draft], id: &StepId, span: Span) {
    let near = nearest(id.as_str(), drafts.iter().map(|draft| draft.step.id.as_str()));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    faults.error("unknown-step", span, format!("there is no step `{id}`"), help);
}

fn needed(faults: &mut Faults, drafts: &[Draft], place: usize, id: &StepId, span: Span) {
    match position(drafts, id) {
        None => unknown_step(faults, drafts, id, span),
        Some(other) if other >= place => {
            let help = Some("steps run in the order in which they are listed; move it".to_owned());
            faults.error("later-step", span, format!("step `{id}` does not come before this one"), help);
        }
        Some(_) => {}
    }
}

fn forward(faults: &mut Faults, drafts: &[Draft], place: usize, id: &StepId, span: Span) {
    match position(drafts, id) {
        None => unknown_step(faults, drafts, id, span),
        Some(other) if other <= place => {
            let help = Some("to go back, use `rollback_to: CHECKPOINT`; to try again, use `retry`".to_owned());
            let message = format!("`on_failure` goes forward only, and step `{id}` does not come after this one");
            faults.error("earlier-step", span, message, help);
        }
        Some(_) => {}
    }
}

fn back(faults: &mut Faults, drafts: &[Draft], place: usize, name: &str, span: Span) {
    let checkpoints = || drafts.iter().filter_map(|draft| draft.step.checkpoint.as_deref());
    let Some(found) = drafts.iter().position(|draft| draft.step.checkpoint.as_deref() == Some(name)) else {
        let help = nearest(name, checkpoints()).map(|near| format!("did you mean `{near}`?"));
        faults.error("unknown-checkpoint", span, format!("there is no checkpoint `{name}`"), help);
        return;
    };
    if found >= place {
        let message = format!("checkpoint `{name}` does not come before this step");
        faults.error("later-checkpoint", span, message, None);
        return;
    }
    let crossed = drafts.iter().take(place).rposition(|draft| draft.step.point_of_no_return);
    if let Some(crossed) = crossed.filter(|crossed| found < *crossed)
        && let Some(gate) = drafts.get(crossed)
    {
        let message = format!("checkpoint `{name}` lies before the point of no return (step `{}`)", gate.step.id);
        let help =
            Some("behind it, use `pause`, `continue`, `{step: ID}`, or a checkpoint that lies behind it".to_owned());
        faults.error("crosses-no-return", span, message, help);
    }
}

fn no_return(faults: &mut Faults, draft: &Draft) {
    if !draft.step.point_of_no_return {
        return;
    }
    if let (Rollback::Steps(_), Some(span)) = (&draft.step.rollback, draft.rollback) {
        let message = "a point of no return has no rollback: it is never crossed backwards";
        let help = "leave out `rollback`, or `point_of_no_return` if it can be undone after all";
        faults.error("undo-of-no-return", span, message, Some(help.to_owned()));
    }
    if !draft.step.effect.changes() {
        let message = format!("step `{}` changes nothing, so it is no point of no return", draft.step.id);
        faults.warn("idle-no-return", draft.id, message, None);
    }
}
