//! The batches of a `for_each` whose list is known: how many items each takes, in which order, and what must stand beside
//! them. They are worked out once and frozen; a run only reads them.

use std::collections::HashMap;

use super::Item;
use crate::playbook::{Amount, Each, Scope};
use crate::value::Value;

/// The batches in which a list is gone over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batches {
    /// How many items each of them takes, in their order.
    pub sizes: Vec<u32>,
    /// How many items may fail in all of them.
    pub max_failures: u32,
    /// How many items must be well beside those of the batch in hand.
    pub min_healthy: u32,
}

impl std::fmt::Display for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, rest) = (self.sizes.iter().take(6), self.sizes.len().saturating_sub(6));
        let sizes: Vec<String> = first.map(ToString::to_string).collect();
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        write!(f, "{} batches of {}{more}", self.sizes.len(), sizes.join(", "))?;
        write!(f, " ({} may fail, {} have to stay healthy)", self.max_failures, self.min_healthy)
    }
}

/// Why a list cannot be gone over as the playbook says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBatches {
    /// An input says something else than an amount.
    #[error("batch: `{key}` cannot be used: {message}")]
    Amount {
        /// Under which key.
        key: &'static str,
        /// What is wrong.
        message: String,
    },
    /// An input says that nothing is taken at a time.
    #[error("batch: `size` comes to 0, and a batch has at least one item")]
    Empty,
    /// So many have to be well that none may be taken in hand.
    #[error(
        "batch: {least} of {items} items have to stay healthy (`min_healthy: {said}`), so not one of them could be taken in \
         hand; name more items, or say a smaller `min_healthy`"
    )]
    NothingToTake {
        /// How many items there are.
        items: u32,
        /// How many of them must be well.
        least: u32,
        /// As the playbook says it.
        said: String,
    },
    /// No item says where it stands.
    #[error(
        "batch: none of the items has a `{0}` to be spread by (`spread: {0}`), so a batch could take all of one; give the items \
         one, or leave `spread` out"
    )]
    NoLabel(String),
}

/// The batches for so many items; nothing where an amount is not known yet.
///
/// # Errors
/// Why there can be none.
pub fn batches_of(each: &Each, items: usize, scope: &Scope) -> Result<Option<Batches>, NoBatches> {
    batches_beside(each, items, Beside::default(), scope)
}

/// What of a list is not gone over, and yet counts where so many have to be well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// So many were taken away by a person: nobody touches them, so they are as well as they were.
    pub untouched: usize,
    /// So many do not answer: they are not well.
    pub silent: usize,
}

/// The same where the list was narrowed.
///
/// # Errors
/// The same.
pub fn batches_beside(each: &Each, items: usize, beside: Beside, scope: &Scope) -> Result<Option<Batches>, NoBatches> {
    let narrow = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let untouched = narrow(beside.untouched);
    let all = narrow(items.saturating_add(beside.untouched).saturating_add(beside.silent));
    let items = u32::try_from(items).unwrap_or(u32::MAX);
    let known =
        |key: &'static str, amount: &Amount| amount.known(scope).map_err(|message| NoBatches::Amount { key, message });
    let mut sizes = Vec::with_capacity(each.sizes.len());
    for size in &each.sizes {
        let Some(size) = known("size", size)? else { return Ok(None) };
        if size.is_zero() {
            return Err(NoBatches::Empty);
        }
        sizes.push(size.down(items).unwrap_or(1));
    }
    let Some(most) = known("max_failures", &each.max_failures)? else { return Ok(None) };
    let least = match &each.min_healthy {
        Some(least) => match known("min_healthy", least)? {
            Some(least) => least.up(all).unwrap_or(0).saturating_sub(untouched),
            None => return Ok(None),
        },
        None => 0,
    };
    if least >= items && least > 0 {
        let said = each.min_healthy.as_ref().map_or_else(String::new, ToString::to_string);
        return Err(NoBatches::NothingToTake { items, least, said });
    }
    let sizes = cut(&sizes, items, items - least);
    Ok(Some(Batches { sizes, max_failures: most.down(items).unwrap_or(0), min_healthy: least }))
}

/// The batches that a record of before they were frozen stands for.
pub fn batches_written(each: &Each, items: usize) -> Batches {
    batches_of(each, items, &Scope::default()).ok().flatten().unwrap_or_else(|| {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        Batches { sizes: cut(&[1], items, items), ..Batches::default() }
    })
}

/// Cuts so many items into batches; the last size holds for all that follow, and none is larger than what may be taken.
fn cut(sizes: &[u32], items: u32, most: u32) -> Vec<u32> {
    let mut left = items;
    let mut batches = Vec::new();
    let mut sizes = sizes.iter().copied().peekable();
    let mut size = 1;
    while left > 0 {
        size = sizes.next().unwrap_or(size);
        let batch = size.clamp(1, most.max(1)).min(left);
        batches.push(batch);
        left -= batch;
    }
    batches
}

/// The items in the order in which they are taken: as they are listed, or such that of each value of a label no more is in a
/// batch than there is of it in the whole. Where all values have as many items, they take turns.
///
/// # Errors
/// When no item has the label.
pub fn spread(each: &Each, items: Vec<Item>) -> Result<Vec<Item>, NoBatches> {
    let Some(label) = &each.spread else { return Ok(items) };
    let mut numbers: HashMap<String, usize> = HashMap::new();
    // How many items there are of each value, in the order in which the values are first seen.
    let mut counts: Vec<u64> = Vec::new();
    let mut places: Vec<(usize, u64)> = Vec::with_capacity(items.len());
    let mut labelled = false;
    for item in &items {
        let value = value_of(item, label);
        labelled |= value.is_some();
        // What has none is a value of its own: no text of a value is empty.
        let next = numbers.len();
        let number = *numbers.entry(value.map_or_else(String::new, Value::to_string)).or_insert(next);
        if number == counts.len() {
            counts.push(0);
        }
        if let Some(count) = counts.get_mut(number) {
            places.push((number, *count));
            *count += 1;
        }
    }
    if !labelled && !items.is_empty() {
        return Err(NoBatches::NoLabel(label.clone()));
    }
    // The k-th of n of its value stands at (2k + 1) / 2n of the way; compared without rounding.
    let of = |number: usize| counts.get(number).copied().unwrap_or(1).max(1);
    let mut order: Vec<((usize, u64), Item)> = places.into_iter().zip(items).collect();
    order.sort_by(|((one, k), _), ((other, l), _)| {
        let (mine, theirs) = ((2 * k + 1) * of(*other), (2 * l + 1) * of(*one));
        mine.cmp(&theirs).then(one.cmp(other))
    });
    Ok(order.into_iter().map(|(_, item)| item).collect())
}

/// What an item says for a label: a field of it, or a variable of the host that it is.
fn value_of<'i>(item: &'i Item, label: &str) -> Option<&'i Value> {
    let said = |value: &'i Value| value.get(label).filter(|value| !value.is_null());
    said(&item.value).or_else(|| said(&item.vars))
}

#[cfg(test)]
#[path = "batches_tests.rs"]
mod tests;
