//! How a run ends, and how the world stands then, in one sentence.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, RunState, Status, Task, Time, Verdict, failed, inherit, left, recovery};
use crate::ids::StepId;
use crate::playbook::Rollback as Way;
use crate::value::ranges;

/// So many names, or ranges of them, are told of what was done for many items.
const MOST_PIECES: usize = 20;

/// Every step is done or rightly skipped.
pub(super) fn succeeded(run: &RunState, now: Time) -> Event {
    inherit::told(run, succeeded_alone(run, now))
}

/// Everything that was to be undone is undone.
pub(super) fn rolled_back(run: &RunState, to: Option<&str>) -> Event {
    inherit::told(run, rolled_back_alone(run, to))
}

/// A person ended it.
pub(super) fn abandoned(run: &RunState, because: &str) -> Event {
    inherit::told(run, abandoned_alone(run, because))
}

fn succeeded_alone(run: &RunState, now: Time) -> Event {
    let recovered = recovery::told(run, now);
    if run.exceptions.is_empty() {
        let summary = format!("{}: done, every step succeeded{recovered}", run.playbook().title);
        return Event::RunEnded { verdict: Verdict::Succeeded, summary };
    }
    let summary = format!("{}: done, with exceptions: {}{recovered}", run.playbook().title, exceptions(run).join("; "));
    Event::RunEnded { verdict: Verdict::SucceededWithExceptions, summary }
}

/// What a success is not quite; of items that failed, those of which the same is to be said together.
fn exceptions(run: &RunState) -> Vec<String> {
    let failed: BTreeSet<&str> =
        run.entered.values().flat_map(|entered| entered.failed.values()).map(String::as_str).collect();
    let others = run.exceptions.iter().filter(|one| !failed.contains(one.as_str())).cloned();
    let of_items = run.entered.values().filter(|entered| !entered.failed.is_empty()).flat_map(failed::alike);
    of_items.chain(others).collect()
}

fn rolled_back_alone(run: &RunState, to: Option<&str>) -> Event {
    let because = run.rollback.as_ref().map_or("", |rollback| rollback.because.as_str());
    let by_person = run.rollback.as_ref().is_some_and(|rollback| rollback.by_person);
    let reached = to.filter(|name| run.checkpoints.iter().any(|point| &point.name == name));
    if let Some(left) = left::told(run, run.kept(to)) {
        let back = reached.map_or_else(String::new, |name| format!(" back to checkpoint {name}"));
        // What people did, or left as it is, stands beside that.
        let too: String = by_hand(run).into_iter().map(|text| format!("; {text}")).collect();
        let summary = format!("what the run did is undone{back}, but for {left}{too} ({because})");
        return Event::RunEnded { verdict: Verdict::Incomplete, summary };
    }
    if let Some(name) = reached {
        let summary = format!("back at checkpoint {name}; what was done before it stands ({because})");
        return Event::RunEnded { verdict: Verdict::RolledBackToCheckpoint, summary };
    }
    let by_hand = by_hand(run);
    if run.touched() || by_person || !by_hand.is_empty() {
        let summary = match kept_on_purpose(run).as_slice() {
            _ if !by_hand.is_empty() => {
                let kept = kept_on_purpose(run).into_iter().chain(by_hand).collect::<Vec<_>>();
                format!("everything that the run did is undone; what stands: {} ({because})", kept.join("; "))
            }
            [] if run.inherited.is_some() => format!("everything that this run did is undone ({because})"),
            [] => format!("everything is as it was before the run ({because})"),
            kept => {
                format!("everything is undone but what the playbook leaves on purpose: {} ({because})", kept.join("; "))
            }
        };
        return Event::RunEnded { verdict: Verdict::RolledBack, summary };
    }
    Event::RunEnded { verdict: Verdict::Failed, summary: format!("nothing was changed ({because})") }
}

fn abandoned_alone(run: &RunState, because: &str) -> Event {
    let standing = standing(run);
    let changes = if standing.is_empty() {
        "nothing is left changed".to_owned()
    } else {
        format!("left as they are: {}", standing.join(", "))
    };
    match run.point_of_no_return() {
        Some(step) => {
            let remaining = remaining(run);
            let rest = if remaining.is_empty() { "none".to_owned() } else { remaining.join(", ") };
            let summary =
                format!("ended behind the point of no return ({step}), {because}; {changes}; not done: {rest}");
            Event::RunEnded { verdict: Verdict::Incomplete, summary }
        }
        None => Event::RunEnded { verdict: Verdict::Abandoned, summary: format!("abandoned, {because}; {changes}") },
    }
}

/// The changing steps whose effect stands, or may stand.
fn standing(run: &RunState) -> Vec<String> {
    let mut list: Vec<(&Task, String)> = Vec::new();
    for id in &run.order {
        let Some(step) = run.playbook().step(&id.step) else { continue };
        if !step.effect.changes() || run.is_undone(id) {
            continue;
        }
        match run.doing(id) {
            Some(_) if run.undo_begun(id) => list.push((id, " (its undo did not come to its end)".to_owned())),
            Some(state) if matches!(state.status, Status::Unknown | Status::Doubtful | Status::InFlight) => {
                list.push((id, " (not known whether it took effect)".to_owned()));
            }
            Some(state) if state.status == Status::Done => list.push((id, String::new())),
            Some(state) if state.may_have_effect() => {
                list.push((id, " (failed, part of it may have happened)".to_owned()));
            }
            _ => {}
        }
    }
    let mut list = together(&list);
    list.extend(by_hand(run));
    list
}

/// What is to be said of tasks, those of one step of which the same is to be said together: `start@web[1-50] (…)`.
pub(super) fn together(all: &[(&Task, String)]) -> Vec<String> {
    let mut list: Vec<(&Task, &str, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<(&StepId, &str), usize> = BTreeMap::new();
    for (task, text) in all {
        let Some(item) = &task.item else {
            list.push((task, text, Vec::new()));
            continue;
        };
        let place = *known.entry((&task.step, text)).or_insert_with(|| {
            list.push((task, text, Vec::new()));
            list.len() - 1
        });
        if let Some((_, _, items)) = list.get_mut(place) {
            items.push(item.as_str());
        }
    }
    let told = |(task, text, items): &(&Task, &str, Vec<&str>)| match items.as_slice() {
        [] | [_] => format!("{task}{text}"),
        items => format!("{}{text}", each_of(&task.step, items)),
    };
    list.iter().map(told).collect()
}

/// `start@db, start@web[1-50]`.
fn each_of(step: &StepId, items: &[&str]) -> String {
    let pieces = ranges::sorted_pieces(items.iter().copied());
    let more: usize = pieces.iter().skip(MOST_PIECES).map(|piece| piece.count).sum();
    let mut told: Vec<String> = pieces.iter().take(MOST_PIECES).map(|piece| format!("{step}@{}", piece.text)).collect();
    told.extend((more > 0).then(|| format!("{step} of {more} more")));
    told.join(", ")
}

/// The changing steps that were never begun and that a person says are done: nothing of ours can undo them.
fn by_hand(run: &RunState) -> Vec<String> {
    let done = run.tasks.iter().filter(|(task, state)| {
        let changes = run.playbook().step(&task.step).is_some_and(|step| step.effect.changes());
        changes && !task.is_undo() && state.status == Status::Done && run.place_in_order(task).is_none()
    });
    let done = done.map(|(task, _)| format!("{task}: done by hand, and the run cannot undo it"));
    // Of a group that somebody did, none of its steps has a state of its own.
    let groups = run.skips.keys().filter(|task| run.is_group(task) && run.is_done_by_hand(task));
    let groups = groups.map(|task| format!("{task}: done by hand, and the run cannot undo it"));
    let left = run.order.iter().filter_map(|task| Some((task, run.needs_no_undo(task)?)));
    let left = left.map(|(task, skip)| format!("{task}: left as it is, as {} said that it needs no undo", skip.by));
    done.chain(groups).chain(left).collect()
}

/// The steps that were to come.
fn remaining(run: &RunState) -> Vec<String> {
    let steps = run.playbook().steps.iter();
    steps.filter(|step| !run.is_passed(&step.id)).map(|step| step.id.to_string()).collect()
}

/// The steps whose effect stands after a rollback, as the playbook says that it may.
fn kept_on_purpose(run: &RunState) -> Vec<String> {
    let mut list: Vec<(&Task, String)> = Vec::new();
    for id in &run.order {
        let Some(step) = run.playbook().step(&id.step).filter(|step| step.effect.changes()) else { continue };
        if let (Way::None { because }, Some(true)) =
            (&step.rollback, run.doing(id).map(super::TaskState::may_have_effect))
        {
            list.push((id, format!(": {because}")));
        }
    }
    together(&list)
}
