//! How much a run may need: its records, and those of its undo. It is reckoned from the plan alone, before anything is begun.

use super::PAGE;
use crate::plan::Plan;
use crate::playbook::Step;
use crate::run::{Event, RunState};

/// What a record needs: its place in the table, and a page of its own where it is longer than a quarter of one.
pub(super) const PAGES_A_RECORD: u64 = 2;
/// The records that any run has besides those of its steps: its start, leases, requests, pages, waits, what was found out
/// about attempts whose end nobody saw, its end.
pub(super) const RECORDS_A_RUN: u64 = 32;
/// What so many checks have found fits into one record of the usual size.
const CHECKS_A_RECORD: u64 = 8;
/// Tries beyond this many are not reckoned with: a step that is tried a hundred times is rarely tried a hundred times.
const TRIES: u64 = 3;
/// As many items a list is reckoned to have that is not known yet and has no `max_targets`.
const UNKNOWN_ITEMS: u32 = 100;
/// How many pages a run needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::journal::sqlite) struct Need {
    /// For all of its records and its undo.
    pub all: u64,
    /// For the first record, which is there as soon as the run is.
    first: u64,
    /// For its undo and its end: however much it has written, this is still to come.
    least: u64,
    /// How many of its records were not reckoned with: they have taken nothing of what is meant for the others.
    beside: u64,
}

impl Need {
    /// The same for a run that has so many records of those that no step is reckoned to write.
    pub fn beside(self, records: u64) -> Self {
        Self { beside: records.saturating_sub(RECORDS_A_RUN), ..self }
    }

    /// What is still needed behind so many records. To reckon anew what has been written would have whoever resumes a long run
    /// write it a second time, as room, before anything else.
    pub(super) fn left(self, written: u64) -> u64 {
        if written == 0 {
            return self.all;
        }
        let taken = self.first + written.saturating_sub(1 + self.beside) * PAGES_A_RECORD;
        self.all.saturating_sub(taken).max(self.least)
    }
}

/// Whether a record is one that its step is reckoned to write. A page that is repeated all night and a step that is tried for the
/// tenth time are not: what they took is not missing at the steps behind.
pub(in crate::journal::sqlite) fn is_reckoned(event: &Event) -> bool {
    match event {
        Event::Intent { attempt, .. } | Event::Outcome { attempt, .. } => u64::from(*attempt) <= TRIES,
        Event::RunStarted { .. }
        | Event::GroupEntered { .. }
        | Event::StepSkipped { .. }
        | Event::Verified { .. }
        | Event::ItemFailed { .. }
        | Event::CheckpointReached { .. }
        | Event::ApprovalAsked { .. }
        | Event::Approved { .. }
        | Event::Rejected { .. }
        | Event::Checked { .. }
        | Event::BudgetExceeded { .. } => true,
        _ => false,
    }
}

/// How many pages a run's records and its undo may need, `length` being that of its first record.
pub(in crate::journal::sqlite) fn pages(plan: &Plan, length: usize) -> Need {
    let book = &plan.playbook;
    // Each change is looked at once by all checks together; what they find is as long as there are checks.
    let look = if book.checks.is_empty() { 0 } else { 1 + book.checks.len() as u64 / CHECKS_A_RECORD };
    let of = |step: &Step| records_of(step) + if step.effect.changes() { look } else { 0 };
    let steps: u64 = book.steps.iter().map(|step| of(step) * rounds(plan, step)).sum();
    let approvals = book.steps.iter().filter_map(|step| step.approval.as_ref());
    let approvals = approvals.chain(book.groups.iter().filter_map(|group| group.approval.as_ref()));
    // The question names all targets; it may be asked twice, and each time as many people answer.
    let named = plan.targets.iter().map(String::len).sum::<usize>() as u64 / PAGE;
    let asked: u64 = approvals.map(|approval| 2 * (1 + named + u64::from(approval.min))).sum();
    let undo = |step: &Step| 2 * u64::from(RunState::undo_parts(step)) + if step.effect.changes() { look } else { 0 };
    let undone: u64 = book.steps.iter().map(|step| undo(step) * rounds(plan, step)).sum();
    let first = 2 + length as u64 / PAGE;
    let all = first + (RECORDS_A_RUN + look + steps + asked + book.budgets.len() as u64) * PAGES_A_RECORD;
    Need { all, first, least: (RECORDS_A_RUN + look + undone) * PAGES_A_RECORD, beside: 0 }
}

/// How often a step may run: once, or for each item; where the list of its `for_each` is not known yet, for as many as it
/// may have, or as people would go over at night.
fn rounds(plan: &Plan, step: &Step) -> u64 {
    let Some(each) = plan.playbook.each_around(step.group.as_ref()) else { return 1 };
    let planned = plan.groups.iter().find(|planned| planned.id == each.id);
    match planned.and_then(|planned| planned.items.as_ref()) {
        Some(items) => items.len() as u64,
        None => u64::from(each.each().and_then(|each| each.max_targets).unwrap_or(UNKNOWN_ITEMS)),
    }
}

/// How many records a step and its undo may write: intent and outcome of every try, the conditions, the checkpoint.
fn records_of(step: &Step) -> u64 {
    let tries = u64::from(step.retry.attempts).clamp(1, TRIES);
    let doing = 2 * tries + u64::from(!step.verify.is_empty()) + u64::from(step.checkpoint.is_some());
    // In a group: that it is entered, or that an item failed.
    let group = u64::from(step.group.is_some());
    doing + group + 2 * u64::from(RunState::undo_parts(step))
}
