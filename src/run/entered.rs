//! A group of steps that was entered: the items of a `for_each`, the batches that they are taken in, and how far it has
//! come. What is walked, undone and shown of batches is read from here; it was frozen when the group was entered.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::Time;
use crate::ids::ItemId;
use crate::plan::{Batches, Excluded, Item};
use crate::playbook::OnItemFailure;

/// A group of steps that was entered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entered {
    /// Of a `for_each`: its items, in the order in which they are taken.
    pub items: Vec<Item>,
    /// What is left out of the list, and why.
    pub excluded: Vec<Excluded>,
    /// Those that failed, and how.
    pub failed: BTreeMap<ItemId, String>,
    /// How many of the items, from the first on, are dealt with.
    pub dealt_with: usize,
    /// How many may fail in all.
    pub max_failures: u32,
    /// How many must be well beside those of the batch in hand.
    pub min_healthy: u32,
    /// How many batches have begun.
    pub begun: usize,
    /// When the last batch that is dealt with came to its end.
    pub rested: Option<Time>,
    /// What becomes of an item that fails; of a record of before that was said, nothing.
    pub on_item_failure: Option<OnItemFailure>,
    /// How many items failed in the batches that are dealt with.
    failed_earlier: usize,
    /// How many of them are not put back, so that they have to be taken for unhealthy.
    unhealthy_earlier: usize,
    /// The same of the items of the batch in hand that are dealt with.
    failed_in_hand: usize,
    unhealthy_in_hand: usize,
    /// How many of those batches had no failure, and of how many that is written down.
    whole: usize,
    told: usize,
    /// Whether something failed in the last of those batches.
    last_failed: bool,
    /// The places in the batch in hand that may have something left to be done; whatever else is there has nothing.
    open: BTreeSet<usize>,
    /// Where each batch ends.
    ends: Vec<usize>,
    /// Where each item stands.
    places: BTreeMap<ItemId, usize>,
}

impl Entered {
    /// With these items, in these batches.
    pub fn new(items: Vec<Item>, batches: &Batches, on_item_failure: Option<OnItemFailure>) -> Self {
        let mut ends: Vec<usize> = batches
            .sizes
            .iter()
            .scan(0_usize, |end, size| {
                *end = end.saturating_add(*size as usize).min(items.len());
                Some(*end)
            })
            .collect();
        // Whatever a record says, no item is in no batch.
        if ends.last().is_none_or(|end| *end < items.len()) && !items.is_empty() {
            ends.push(items.len());
        }
        let places = items.iter().enumerate().map(|(place, item)| (item.id.clone(), place)).collect();
        let Batches { max_failures, min_healthy, .. } = *batches;
        let mut entered = Self { items, max_failures, min_healthy, on_item_failure, ends, places, ..Self::default() };
        entered.open = entered.range(0).collect();
        entered
    }

    /// How many batches there are.
    pub fn batches(&self) -> usize {
        self.ends.len()
    }

    /// One of its items.
    pub fn item(&self, id: &ItemId) -> Option<&Item> {
        self.places.get(id).and_then(|place| self.items.get(*place))
    }

    /// Which batch an item is in, from 0; behind the last one where it is in none.
    pub fn batch_of(&self, item: &ItemId) -> usize {
        self.places.get(item).map_or(self.ends.len(), |place| self.batch_at(*place))
    }

    /// The items of a batch, from 0.
    pub fn batch(&self, number: usize) -> &[Item] {
        self.items.get(self.range(number)).unwrap_or_default()
    }

    /// The batch in hand: the first in which something is left to be done, or the last one.
    pub fn batch_in_hand(&self) -> usize {
        self.batch_at(self.dealt_with).min(self.ends.len().saturating_sub(1))
    }

    /// Whether more than one item is ever under way at the same time.
    pub fn side_by_side(&self) -> bool {
        (0..self.ends.len()).any(|number| self.range(number).len() > 1)
    }

    /// Where an item stands among the others.
    pub(super) fn place_of(&self, item: &ItemId) -> Option<usize> {
        self.places.get(item).copied()
    }

    /// The places of a batch's items.
    pub(super) fn range(&self, number: usize) -> Range<usize> {
        let before = number.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        before..self.ends.get(number).copied().unwrap_or(before)
    }

    /// Which batch the item at a place is in.
    pub(super) fn batch_at(&self, place: usize) -> usize {
        self.ends.partition_point(|end| *end <= place)
    }

    /// Whether all items are dealt with.
    pub fn is_through(&self) -> bool {
        self.dealt_with == self.items.len()
    }

    /// How many items failed in the batches before the one in hand; counted on, as that is asked at each record.
    pub(super) fn failed_earlier(&self) -> usize {
        self.failed_earlier
    }

    /// One more item is dealt with, and put back where it failed; its batch may have come to its end by that.
    pub(super) fn pass(&mut self, put_back: bool, at: Time) {
        let batch = self.batch_at(self.dealt_with);
        let failed = self.items.get(self.dealt_with).is_some_and(|item| self.failed.contains_key(&item.id));
        self.open.remove(&self.dealt_with);
        self.dealt_with = (self.dealt_with + 1).min(self.items.len());
        self.unhealthy_in_hand += usize::from(failed && !put_back);
        self.failed_in_hand += usize::from(failed);
        if self.batch_at(self.dealt_with) == batch {
            return;
        }
        self.last_failed = self.failed_in_hand > 0;
        self.whole += usize::from(!self.last_failed);
        self.failed_earlier += std::mem::take(&mut self.failed_in_hand);
        self.unhealthy_earlier += std::mem::take(&mut self.unhealthy_in_hand);
        self.rested = Some(at);
        self.open = self.range(batch + 1).collect();
    }

    /// An item that is not the first of those that are left is dealt with.
    pub(super) fn close(&mut self, place: usize) {
        self.open.remove(&place);
    }

    /// The items of the batch in hand that may have something left to be done.
    pub(super) fn open(&self) -> impl Iterator<Item = &Item> {
        self.open.iter().filter_map(|place| self.items.get(*place))
    }

    /// A batch begins.
    pub(super) fn begin(&mut self, batch: usize) {
        self.begun = self.begun.max(batch + 1).min(self.ends.len());
    }

    /// One of its batches' checkpoints is written down.
    pub(super) fn tell(&mut self) {
        self.told += 1;
    }

    /// Whether the last batch that is dealt with is a safe state that is not written down yet. Once the next one has begun it is
    /// too late, as going back to it would leave a part of that.
    pub(super) fn owes_checkpoint(&self) -> bool {
        self.told < self.whole && !self.last_failed && self.begun <= self.batch_at(self.dealt_with)
    }

    /// Why a batch may not begin: too few would be well beside it.
    pub(super) fn too_few_beside(&self, batch: usize) -> Option<String> {
        let (items, in_hand, unhealthy) = (self.items.len(), self.range(batch).len(), self.unhealthy_earlier);
        let well = items.saturating_sub(in_hand + unhealthy);
        (self.min_healthy > 0 && well < self.min_healthy as usize).then(|| {
            format!(
                "batch {} of {} takes {in_hand} of {items} items in hand while {unhealthy} that failed are not healthy: that would \
                 leave {well} healthy, and {} have to stay so",
                batch + 1,
                self.ends.len(),
                self.min_healthy
            )
        })
    }

    /// The same list from its first item on; what is done is passed by at once. So many of its batches' checkpoints stand.
    pub(super) fn begin_anew(&mut self, told: usize) -> BTreeMap<ItemId, String> {
        let failed = std::mem::take(&mut self.failed);
        self.told = told;
        self.dealt_with = 0;
        self.rested = None;
        self.last_failed = false;
        (self.whole, self.failed_earlier, self.unhealthy_earlier) = (0, 0, 0);
        (self.failed_in_hand, self.unhealthy_in_hand) = (0, 0);
        self.open = self.range(0).collect();
        failed
    }

    /// Whether more items failed than may.
    pub fn too_many_failed(&self) -> bool {
        self.failed.len() > self.max_failures as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn entered(items: usize, sizes: &[u32]) -> Entered {
        let item =
            |place: usize| Item { id: format!("i{place}").parse().unwrap(), value: place.into(), vars: Value::Null };
        let batches = Batches { sizes: sizes.to_vec(), max_failures: 1, min_healthy: 2 };
        Entered::new((1..=items).map(item).collect(), &batches, None)
    }

    #[test]
    fn items_are_found_in_their_batches() {
        let entered = entered(6, &[1, 3, 2]);
        let id = |name: &str| name.parse::<ItemId>().unwrap();
        let batches: Vec<usize> = (1..=6).map(|place| entered.batch_of(&id(&format!("i{place}")))).collect();
        assert_eq!(batches, [0, 1, 1, 1, 2, 2]);
        assert_eq!(entered.batch_of(&id("other")), 3);
        let names: Vec<String> = entered.batch(1).iter().map(|item| item.id.to_string()).collect();
        assert_eq!(names, ["i2", "i3", "i4"]);
        assert!(entered.batch(3).is_empty() && entered.batch(99).is_empty());
        assert_eq!((entered.batches(), entered.batch_in_hand(), entered.side_by_side()), (3, 0, true));
    }

    #[test]
    fn whatever_a_record_says_each_item_is_in_one_batch() {
        for sizes in [&[][..], &[2], &[9, 9], &[0, 0]] {
            let entered = entered(3, sizes);
            let whole: usize = (0..entered.batches()).map(|number| entered.batch(number).len()).sum();
            assert_eq!(whole, 3, "{sizes:?}");
        }
        assert_eq!(Entered::default().batches(), 0);
    }
}
