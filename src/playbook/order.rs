//! The order of steps: what they need, where they go on after a failure, what they roll back to, what may stand in which
//! group, and the point of no return.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::diagnostic::Span;
use crate::ids::{StepId, is_identifier};
use crate::spec::Effect;

use super::faults::Faults;
use super::level::{GroupDraft, Level};
use super::step::Draft;
use super::{GroupKind, OnFailure, Rollback, Service, Step};
use crate::diagnostic::nearest;

/// A step or a group, as the others see it.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: &'a StepId,
    /// The place of its first step, and the one behind its last.
    first: usize,
    end: usize,
    /// The group around it.
    inside: Option<&'a StepId>,
}

/// The steps and groups, and where each id and checkpoint stands first: looking through thousands for each would take long.
struct Order<'a> {
    level: &'a Level,
    /// The place of each step.
    at: Vec<usize>,
    groups: HashMap<&'a str, &'a GroupDraft>,
    places: HashMap<&'a str, Place<'a>>,
    checkpoints: HashMap<&'a str, Safe<'a>>,
}

/// Where a checkpoint stands: behind a step or a group, or behind each batch of a `for_each`.
#[derive(Clone, Copy)]
struct Safe<'a> {
    at: usize,
    batches_of: Option<Place<'a>>,
}

/// What of a step or a group is checked against the others.
struct Said<'a> {
    place: Place<'a>,
    id: Span,
    needs: Vec<(&'a StepId, Span)>,
    on_failure: Option<(&'a OnFailure, Span)>,
    checkpoint: Option<(&'a str, Span)>,
    /// The one that each of its batches makes.
    batches: Option<(&'a str, Span)>,
}

pub(super) fn check(faults: &mut Faults, level: &Level) {
    let Places { at, groups } = places(level);
    let groups = level.groups.iter().zip(groups).map(|(draft, (first, end))| of_group(draft, first, end));
    let mut said: Vec<Said<'_>> = Vec::with_capacity(level.groups.len() + level.steps.len());
    said.extend(groups.chain(own_steps(level, &at)));
    // A group comes before its first step.
    said.sort_by_key(|said| said.place.first);
    let order = Order::of(faults, level, at, &said);
    for said in &said {
        if faults.is_full() {
            return;
        }
        for (id, span) in &said.needs {
            needed(faults, &order, said.place, id, *span);
        }
        match said.on_failure {
            Some((OnFailure::Step(id), span)) => forward(faults, &order, said.place, id, span),
            Some((OnFailure::RollbackTo(name), span)) => back(faults, &order, said.place.first, name, span),
            _ => {}
        }
        in_group(faults, &order, said);
    }
    let mut gate = None;
    for (step, draft) in level.steps.iter().zip(&level.drafts) {
        if let Some(gate) = gate {
            forward_way(faults, &order, gate, step, draft);
        }
        no_return(faults, step, draft);
        if step.point_of_no_return {
            parallel_gate(faults, &order, step, draft);
            gate = Some(step);
        }
    }
}

/// Where steps and groups stand. A nested playbook that is not inlined has no steps yet and takes one place all the same:
/// else nobody could say what comes before it and what behind it.
struct Places {
    at: Vec<usize>,
    /// The place of a group's first step, and the one behind its last.
    groups: Vec<(usize, usize)>,
}

fn places(level: &Level) -> Places {
    let empty = |draft: &&GroupDraft| draft.group.count == 0 && matches!(draft.group.kind, GroupKind::Nested(_));
    let firsts: Vec<usize> = level.groups.iter().filter(empty).map(|draft| draft.group.first).collect();
    let mut before = 0;
    let mut at = Vec::with_capacity(level.drafts.len());
    for place in 0..level.drafts.len() {
        before += firsts.iter().skip(before).take_while(|first| **first <= place).count();
        at.push(place + before);
    }
    let index: HashMap<&str, usize> =
        level.groups.iter().enumerate().map(|(index, draft)| (draft.group.id.as_str(), index)).collect();
    let mut groups: Vec<(usize, usize)> = Vec::with_capacity(level.groups.len());
    let mut before = 0;
    for draft in &level.groups {
        let first = draft.group.first + before;
        let last = draft.group.range().next_back().and_then(|last| at.get(last));
        groups.push((first, last.map_or(first + 1, |last| last + 1)));
        if empty(&draft) {
            before += 1;
            // One that stands last in a group makes it longer; so few are around it that each is looked at.
            let mut around = draft.group.parent.as_ref().and_then(|id| index.get(id.as_str()).copied());
            let mut left = level.groups.len();
            while let Some(outer) = around.filter(|_| left > 0) {
                left -= 1;
                if let Some((_, end)) = groups.get_mut(outer) {
                    *end = (*end).max(first + 1);
                }
                let parent = level.groups.get(outer).and_then(|draft| draft.group.parent.as_ref());
                around = parent.and_then(|id| index.get(id.as_str()).copied());
            }
        }
    }
    Places { at, groups }
}

fn of_group(draft: &GroupDraft, first: usize, end: usize) -> Said<'_> {
    let group = &draft.group;
    Said {
        place: Place { id: &group.id, first, end, inside: group.parent.as_ref() },
        id: draft.id,
        needs: group.needs.iter().zip(draft.needs.iter().copied()).collect(),
        on_failure: group.on_failure.as_ref().map(|policy| (policy, draft.on_failure.unwrap_or(draft.id))),
        checkpoint: group.checkpoint.as_deref().zip(draft.checkpoint),
        batches: group.each().and_then(|each| Some((each.checkpoint.as_deref()?, draft.id))),
    }
}

/// The steps but those whose `for_each` speaks for them.
fn own_steps<'a>(level: &'a Level, at: &[usize]) -> impl Iterator<Item = Said<'a>> {
    level.steps.iter().zip(&level.drafts).zip(at).map(|((step, draft), place)| {
        let place = *place;
        Said {
            place: Place { id: &step.id, first: place, end: place + 1, inside: step.group.as_ref() },
            id: draft.id,
            needs: step.needs.iter().zip(draft.needs.iter().copied()).collect(),
            on_failure: step.on_failure.as_ref().map(|policy| (policy, draft.on_failure.unwrap_or(draft.id))),
            checkpoint: step.checkpoint.as_deref().zip(draft.checkpoint),
            batches: None,
        }
    })
}

impl<'a> Order<'a> {
    fn of(faults: &mut Faults, level: &'a Level, at: Vec<usize>, said: &[Said<'a>]) -> Self {
        let groups = level.groups.iter().map(|draft| (draft.group.id.as_str(), draft)).collect();
        let places = HashMap::with_capacity(said.len());
        let mut order = Self { level, at, groups, places, checkpoints: HashMap::new() };
        for said in said {
            order.enter(faults, said);
        }
        order
    }

    /// Notes where an id and the checkpoints of a step or a group stand, each of which may be there once.
    fn enter(&mut self, faults: &mut Faults, said: &Said<'a>) {
        let place = said.place;
        match self.places.entry(place.id.as_str()) {
            Entry::Vacant(free) => {
                free.insert(place);
            }
            // A `for_each` around one step is that step.
            Entry::Occupied(one) if one.get().first == place.first && place.inside == Some(one.get().id) => {}
            Entry::Occupied(_) => {
                let message = format!("a step `{}` is there already", place.id);
                faults.error("duplicate-step", said.id, message, Some("give this one another id".to_owned()));
            }
        }
        let own = said.checkpoint.map(|named| (named, None));
        for ((name, span), batches_of) in own.into_iter().chain(said.batches.map(|named| (named, Some(place)))) {
            if !is_identifier(name) {
                let help = Some("lower-case letters, digits and underscores, such as `traffic_moved`".to_owned());
                faults.error("bad-name", span, format!("`{name}` is no name of a checkpoint"), help);
            }
            match self.checkpoints.entry(name) {
                Entry::Vacant(free) => {
                    free.insert(Safe { at: place.end - 1, batches_of });
                }
                Entry::Occupied(_) => {
                    let message = format!("a checkpoint `{name}` is there already");
                    faults.error("duplicate-checkpoint", span, message, None);
                }
            }
        }
    }

    /// The groups around a place, the innermost first.
    fn around(&self, inside: Option<&StepId>) -> impl Iterator<Item = &'a GroupDraft> {
        let mut next = inside.and_then(|id| self.groups.get(id.as_str()).copied());
        std::iter::from_fn(move || {
            let draft = next?;
            next = draft.group.parent.as_ref().and_then(|id| self.groups.get(id.as_str()).copied());
            Some(draft)
        })
    }

    /// The steps with their places.
    fn steps(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Step)> {
        self.at.iter().copied().zip(&self.level.steps)
    }

    fn ids(&self) -> impl Iterator<Item = &'a str> {
        let steps = self.level.steps.iter().map(|step| step.id.as_str());
        steps.chain(self.level.groups.iter().map(|draft| draft.group.id.as_str()))
    }
}

fn unknown_step(faults: &mut Faults, order: &Order<'_>, id: &StepId, span: Span) {
    let help = nearest(id.as_str(), order.ids()).map(|near| format!("did you mean `{near}`?"));
    faults.error("unknown-step", span, format!("there is no step `{id}`"), help);
}

fn needed(faults: &mut Faults, order: &Order<'_>, place: Place<'_>, id: &StepId, span: Span) {
    let Some(other) = order.places.get(id.as_str()).copied() else { return unknown_step(faults, order, id, span) };
    if other.end > place.first {
        let help = Some("steps run in the order in which they are listed; move it".to_owned());
        faults.error("later-step", span, format!("step `{id}` does not come before this one"), help);
        return;
    }
    let mine: Vec<&StepId> = order.around(place.inside).map(|draft| &draft.group.id).collect();
    let mut theirs = order.around(other.inside);
    let common = theirs.find(|draft| mine.contains(&&draft.group.id));
    if common.is_some_and(|draft| draft.group.kind == GroupKind::Parallel) {
        let message = format!("step `{id}` runs at the same time as this one, so this one cannot need it");
        faults.error("parallel-sibling", span, message, Some("move this step behind the group".to_owned()));
        return;
    }
    let each = order.around(other.inside).find(|draft| draft.group.each().is_some());
    if let Some(each) = each.filter(|each| !mine.contains(&&each.group.id)) {
        let message = format!("step `{id}` runs for each item of `{}`, and this one is outside of it", each.group.id);
        faults.error("inside-for-each", span, message, Some(format!("need `{}` as a whole", each.group.id)));
    }
}

fn forward(faults: &mut Faults, order: &Order<'_>, place: Place<'_>, id: &StepId, span: Span) {
    let Some(other) = order.places.get(id.as_str()).copied() else { return unknown_step(faults, order, id, span) };
    if other.first <= place.first {
        let help = Some("to go back, use `rollback_to: CHECKPOINT`; to try again, use `retry`".to_owned());
        let message = format!("`on_failure` goes forward only, and step `{id}` does not come after this one");
        faults.error("earlier-step", span, message, help);
        return;
    }
    let parallel = order.around(place.inside).next().is_some_and(|draft| draft.group.kind == GroupKind::Parallel);
    if other.inside != place.inside || parallel {
        let message = format!("step `{id}` stands in another group, and nothing goes on from here to there");
        let help = Some("go on at a step of the same list, or give the whole group an `on_failure`".to_owned());
        faults.error("other-group", span, message, help);
    }
}

fn back(faults: &mut Faults, order: &Order<'_>, place: usize, name: &str, span: Span) {
    let Some(found) = order.checkpoints.get(name).copied() else {
        let help = nearest(name, order.checkpoints.keys().copied()).map(|near| format!("did you mean `{near}`?"));
        faults.error("unknown-checkpoint", span, format!("there is no checkpoint `{name}`"), help);
        return;
    };
    let Safe { at, batches_of } = found;
    // The batches before the one that fails have made theirs by then, also for whoever stands in the group.
    if batches_of.map_or(at >= place, |group| group.first > place) {
        let message = format!("checkpoint `{name}` does not come before this step");
        faults.error("later-checkpoint", span, message, None);
        return;
    }
    let service = service_at(order, at, batches_of.map(|group| group.id));
    let found = batches_of.map_or(at, |group| group.first);
    if let Some(service) = service.filter(|service| *service != Service::Up) {
        let message = format!("the service is {} at checkpoint `{name}`, and the run would end there", service.word());
        let help = Some("go back to a checkpoint at which it is up, to the start (`rollback`), or `pause`".to_owned());
        faults.error("checkpoint-not-up", span, message, help);
    }
    let mut before = order.steps().filter(|(at, _)| *at < place);
    if let Some((_, gate)) = before.rfind(|(at, step)| found < *at && step.point_of_no_return) {
        let message = format!("checkpoint `{name}` lies before the point of no return (step `{}`)", gate.id);
        let help =
            Some("behind it, use `pause`, `continue`, `{step: ID}`, or a checkpoint that lies behind it".to_owned());
        faults.error("crosses-no-return", span, message, help);
    }
}

/// What the service is once the step at a place is done, as the last step or group before it that says so. What a
/// `for_each` says of itself does not hold before its last batch.
fn service_at(order: &Order<'_>, place: usize, but: Option<&StepId>) -> Option<Service> {
    let steps = order.steps().map(|(at, step)| (at, step.service));
    // A group has the last word, and the outermost of several that end here, as it does in a run.
    let groups = order.level.groups.iter().rev().map(|draft| &draft.group).filter(|group| Some(&group.id) != but);
    let groups = groups.filter_map(|group| Some((order.places.get(group.id.as_str())?.end - 1, group.service)));
    let said = steps.chain(groups).filter(|(at, service)| *at <= place && service.is_some());
    said.max_by_key(|(at, _)| *at).and_then(|(_, service)| service)
}

/// What may not stand inside of a group.
fn in_group(faults: &mut Faults, order: &Order<'_>, said: &Said<'_>) {
    let repeated = |draft: &&GroupDraft| !matches!(draft.group.kind, GroupKind::Nested(_) | GroupKind::Forward { .. });
    let first = said.checkpoint.or(said.batches);
    if let (Some((name, span)), Some(around)) = (first, order.around(said.place.inside).find(repeated)) {
        let message =
            format!("checkpoint `{name}` stands inside of `{}`, half of which may be done there", around.group.id);
        let help = Some(format!("give it to `{}` as a whole", around.group.id));
        faults.error("checkpoint-in-group", span, message, help);
    }
    let own = order.groups.get(said.place.id.as_str()).filter(|own| own.group.parent.as_ref() == said.place.inside);
    if own.is_some_and(|own| own.group.each().is_some())
        && let Some(outer) = order.around(said.place.inside).find(|draft| draft.group.each().is_some())
    {
        let message = format!("a `for_each` stands inside of another (`{}`)", outer.group.id);
        let help = Some("make one list of both, or a nested playbook that is run twice".to_owned());
        faults.error("nested-for-each", said.id, message, help);
    }
}

/// What runs beside it may be done before or after it: nobody could say what its rollback leaves.
fn parallel_gate(faults: &mut Faults, order: &Order<'_>, step: &Step, draft: &Draft) {
    let mut around = order.around(step.group.as_ref());
    let together = |around: &GroupDraft| match &around.group.kind {
        GroupKind::Parallel => true,
        GroupKind::Each(each) => !each.is_one_by_one(),
        GroupKind::Nested(_) | GroupKind::Forward { .. } => false,
    };
    if let Some(group) = around.find(|around| together(around)) {
        let what = if group.group.each().is_some() { "batches of" } else { "parallel" };
        let message = format!("step `{}` is a point of no return inside of the {what} `{}`", step.id, group.group.id);
        let help = Some("move it before or behind the group; items one after the other may each have one".to_owned());
        faults.error("parallel-no-return", draft.id, message, help);
    }
}

fn no_return(faults: &mut Faults, step: &Step, draft: &Draft) {
    if !step.point_of_no_return {
        return;
    }
    if let (Rollback::Steps(_), Some(span)) = (&step.rollback, draft.rollback) {
        let message = "a point of no return has no rollback: it is never crossed backwards";
        let help = "leave out `rollback`, or `point_of_no_return` if it can be undone after all";
        faults.error("undo-of-no-return", span, message, Some(help.to_owned()));
    }
    if !step.effect.changes() {
        let message = format!("step `{}` changes nothing, so it is no point of no return", step.id);
        faults.warn("idle-no-return", draft.id, message, None);
    }
}

/// Behind the point of no return there is no way back, so a step that cannot be tried again has to say how it goes on.
fn forward_way(faults: &mut Faults, order: &Order<'_>, gate: &Step, step: &Step, draft: &Draft) {
    let around = order.around(step.group.as_ref()).map(|around| around.group.on_failure.as_ref());
    let policies = std::iter::once(step.on_failure.as_ref()).chain(around);
    let says = matches!(policies.flatten().next(), Some(OnFailure::Pause | OnFailure::Continue | OnFailure::Step(_)));
    let forward = order.level.groups.iter().any(|draft| draft.group.is_forward_of(&step.id));
    if step.effect != Effect::Once || says || forward {
        return;
    }
    let message = format!(
        "step `{}` stands behind the point of no return (step `{}`), may run only once, and has no way forward",
        step.id, gate.id
    );
    let help = "add `on_failure: pause`, `continue` or `{step: ID}`, or `forward:` steps; or say `effect: idempotent`, or give it a `probe`, \
                if it may be tried again";
    faults.error("no-forward-way", draft.on_failure.unwrap_or(draft.id), message, Some(help.to_owned()));
}
