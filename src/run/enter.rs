//! The fold of what is written of a group: that it is entered, that its next batch begins, that one of its items failed. A
//! list and its batches are frozen here; nothing is ever added to them.

use super::entered::Entered;
use super::{Event, Record, RunState, Task};
use crate::ids::ItemId;
use crate::plan::{Batches, Excluded, batches_written};
use crate::playbook::Group;

impl RunState {
    /// A group begins: its items and batches are what they are from here on.
    pub(super) fn enter(&mut self, record: &Record) -> Result<(), String> {
        let Event::GroupEntered { task, items, batches, max_failures, min_healthy, excluded, .. } = &record.event
        else {
            return Ok(());
        };
        self.known(&task.step)?;
        self.is_approved(task, record.time)?;
        self.exceptions.extend(left_out(task, excluded));
        let nothing = items.as_ref().is_some_and(Vec::is_empty);
        let items = items.clone().unwrap_or_default();
        let each = self.playbook().group(&task.step).and_then(Group::each);
        let (batches, way) = match each {
            // A record of before batches were frozen: what the playbook says is what was gone by, and whatever failed was
            // undone with the rest.
            Some(each) if batches.is_empty() => (batches_written(each, items.len()), None),
            each => {
                let batches =
                    Batches { sizes: batches.clone(), max_failures: *max_failures, min_healthy: *min_healthy };
                (batches, each.map(|each| each.on_item_failure))
            }
        };
        let mut entered = Entered::new(items, &batches, way);
        entered.excluded.clone_from(excluded);
        self.entered.insert(task.clone(), entered);
        if nothing {
            self.end_groups(task, record.time);
        }
        Ok(())
    }

    pub(super) fn begin_batch(&mut self, task: &Task, batch: u32) -> Result<(), String> {
        self.may_begin_batch(task, batch)?;
        let entered = self.entered.get_mut(task).ok_or_else(|| format!("{task} was never entered"))?;
        entered.begin(batch as usize);
        Ok(())
    }

    pub(super) fn fail_item(&mut self, task: &Task, item: &ItemId, because: &str) -> Result<(), String> {
        let entered = self.entered.get_mut(task).ok_or_else(|| format!("{task} was never entered"))?;
        if entered.place_of(item).is_none() {
            return Err(format!("{task} has no item {item}"));
        }
        entered.failed.insert(item.clone(), because.to_owned());
        self.exceptions.push(because.to_owned());
        Ok(())
    }
}

/// What is left out of a list is no success.
fn left_out(task: &Task, excluded: &[Excluded]) -> Option<String> {
    if excluded.is_empty() {
        return None;
    }
    let names: Vec<String> = excluded.iter().map(|one| format!("{} ({})", one.id, one.why)).collect();
    Some(format!("{task} left out {}: {}", names.len(), names.join(", ")))
}
