//! The order of steps: what they need, where they go on after a failure, what they roll back to, and the point of no
//! return.

use std::collections::HashMap;

use crate::diagnostic::Span;
use crate::ids::{StepId, is_identifier};
use crate::spec::Effect;

use super::faults::Faults;
use super::step::Draft;
use super::{OnFailure, Rollback, Service};
use crate::diagnostic::nearest;

/// The steps, and where each id and checkpoint stands first: looking through thousands of steps for each would take long.
struct Order<'a> {
    drafts: &'a [Draft],
    steps: HashMap<&'a str, usize>,
    checkpoints: HashMap<&'a str, usize>,
}

pub(super) fn check(faults: &mut Faults, drafts: &[Draft]) {
    let mut order = Order { drafts, steps: HashMap::new(), checkpoints: HashMap::new() };
    for (place, draft) in drafts.iter().enumerate() {
        order.steps.entry(draft.step.id.as_str()).or_insert(place);
        if let Some(name) = &draft.step.checkpoint {
            order.checkpoints.entry(name).or_insert(place);
        }
    }
    let mut gate = None;
    for (place, draft) in drafts.iter().enumerate() {
        if faults.is_full() {
            return;
        }
        duplicates(faults, &order, place, draft);
        for (id, span) in draft.step.needs.iter().zip(&draft.needs) {
            needed(faults, &order, place, id, *span);
        }
        let span = draft.on_failure.unwrap_or(draft.id);
        match &draft.step.on_failure {
            Some(OnFailure::Step(id)) => forward(faults, &order, place, id, span),
            Some(OnFailure::RollbackTo(name)) => back(faults, &order, place, name, span),
            _ => {}
        }
        if let Some(gate) = gate {
            forward_way(faults, gate, draft);
        }
        no_return(faults, draft);
        if draft.step.point_of_no_return {
            gate = Some(draft);
        }
    }
}

fn duplicates(faults: &mut Faults, order: &Order<'_>, place: usize, draft: &Draft) {
    if order.steps.get(draft.step.id.as_str()).is_some_and(|first| *first < place) {
        let message = format!("a step `{}` is there already", draft.step.id);
        faults.error("duplicate-step", draft.id, message, Some("give this one another id".to_owned()));
    }
    if let (Some(name), Some(span)) = (&draft.step.checkpoint, draft.checkpoint) {
        if !is_identifier(name) {
            let help = Some("lower-case letters, digits and underscores, such as `traffic_moved`".to_owned());
            faults.error("bad-name", span, format!("`{name}` is no name of a checkpoint"), help);
        }
        if order.checkpoints.get(name.as_str()).is_some_and(|first| *first < place) {
            faults.error("duplicate-checkpoint", span, format!("a checkpoint `{name}` is there already"), None);
        }
    }
}

fn unknown_step(faults: &mut Faults, order: &Order<'_>, id: &StepId, span: Span) {
    let near = nearest(id.as_str(), order.drafts.iter().map(|draft| draft.step.id.as_str()));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    faults.error("unknown-step", span, format!("there is no step `{id}`"), help);
}

fn needed(faults: &mut Faults, order: &Order<'_>, place: usize, id: &StepId, span: Span) {
    match order.steps.get(id.as_str()).copied() {
        None => unknown_step(faults, order, id, span),
        Some(other) if other >= place => {
            let help = Some("steps run in the order in which they are listed; move it".to_owned());
            faults.error("later-step", span, format!("step `{id}` does not come before this one"), help);
        }
        Some(_) => {}
    }
}

fn forward(faults: &mut Faults, order: &Order<'_>, place: usize, id: &StepId, span: Span) {
    match order.steps.get(id.as_str()).copied() {
        None => unknown_step(faults, order, id, span),
        Some(other) if other <= place => {
            let help = Some("to go back, use `rollback_to: CHECKPOINT`; to try again, use `retry`".to_owned());
            let message = format!("`on_failure` goes forward only, and step `{id}` does not come after this one");
            faults.error("earlier-step", span, message, help);
        }
        Some(_) => {}
    }
}

fn back(faults: &mut Faults, order: &Order<'_>, place: usize, name: &str, span: Span) {
    let drafts = order.drafts;
    let checkpoints = || drafts.iter().filter_map(|draft| draft.step.checkpoint.as_deref());
    let Some(found) = order.checkpoints.get(name).copied() else {
        let help = nearest(name, checkpoints()).map(|near| format!("did you mean `{near}`?"));
        faults.error("unknown-checkpoint", span, format!("there is no checkpoint `{name}`"), help);
        return;
    };
    if found >= place {
        let message = format!("checkpoint `{name}` does not come before this step");
        faults.error("later-checkpoint", span, message, None);
        return;
    }
    let service = drafts.iter().take(found + 1).rev().find_map(|draft| draft.step.service);
    if let Some(service) = service.filter(|service| *service != Service::Up) {
        let message = format!("the service is {} at checkpoint `{name}`, and the run would end there", service.word());
        let help = Some("go back to a checkpoint at which it is up, to the start (`rollback`), or `pause`".to_owned());
        faults.error("checkpoint-not-up", span, message, help);
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

/// Behind the point of no return there is no way back, so a step that cannot be tried again has to say how it goes on.
fn forward_way(faults: &mut Faults, gate: &Draft, draft: &Draft) {
    let step = &draft.step;
    let says = matches!(step.on_failure, Some(OnFailure::Pause | OnFailure::Continue | OnFailure::Step(_)));
    if step.effect != Effect::Once || says {
        return;
    }
    let message = format!(
        "step `{}` stands behind the point of no return (step `{}`), may run only once, and has no way forward",
        step.id, gate.step.id
    );
    let help = "add `on_failure: pause`, `continue` or `{step: ID}`; or say `effect: idempotent`, or give it a `probe`, \
                if it may be tried again";
    faults.error("no-forward-way", draft.on_failure.unwrap_or(draft.id), message, Some(help.to_owned()));
}
