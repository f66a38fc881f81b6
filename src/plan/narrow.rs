//! What a person has narrowed a plan to: some hosts (`--limit`), or what another run left undone (`retry`). It only ever takes
//! items away: whatever is narrowed touches no more than the whole would have.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::batches::{Beside, batches_beside};
use super::hosts::Excluded;
use super::{Batches, Item, NoBatches, NoItems, hold_number, spread};
use crate::ids::{ItemId, RunId, StepId};
use crate::playbook::{Each, Scope, Unreachable};

/// What a plan is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Narrowing {
    /// To these hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// To what another run left undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Again>,
}

/// Some hosts of the inventory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// As it was given.
    pub pattern: String,
    /// The hosts that it names.
    pub hosts: BTreeSet<String>,
}

/// What another run left undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Again {
    /// Which run.
    pub run: RunId,
    /// What of it is done again.
    pub which: Which,
    /// The items of each of its `for_each`, where it is known which those are; of one that is not here, all.
    pub items: BTreeMap<StepId, BTreeSet<ItemId>>,
}

/// Which items of another run are done again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that failed or were excluded.
    Failed,
    /// All that are not done.
    Remaining,
}

/// A list after it was narrowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Narrowed {
    /// What is left of it.
    pub items: Vec<Item>,
    /// How many items it had, where some were taken away.
    pub whole: Option<usize>,
    /// What is left out of it, and why.
    pub excluded: Vec<Excluded>,
    /// What counts where so many items have to be well.
    pub beside: Beside,
}

impl Narrowed {
    /// Leaves out what does not answer.
    pub fn leave_out(&mut self, silent: &BTreeMap<ItemId, String>) {
        let before = self.items.len();
        let (out, kept): (Vec<Item>, Vec<Item>) =
            std::mem::take(&mut self.items).into_iter().partition(|item| silent.contains_key(&item.id));
        self.items = kept;
        self.beside.silent += before - self.items.len();
        self.excluded.extend(out.into_iter().map(|item| {
            let why = silent.get(&item.id).cloned().unwrap_or_default();
            Excluded { id: item.id, value: item.value, why }
        }));
    }

    /// Holds a list of hosts to how many may not answer, and leaves those out where the playbook says so.
    ///
    /// # Errors
    /// When more do not answer than may, or none does.
    pub(super) fn hold_reach(
        &mut self,
        unreachable: &Unreachable,
        silent: &BTreeMap<String, String>,
        scope: &Scope,
    ) -> Result<(), NoList> {
        let why = |item: &Item| silent.get(item.value.as_str()?).cloned();
        let found: BTreeMap<ItemId, String> =
            self.items.iter().filter_map(|item| Some((item.id.clone(), why(item)?))).collect();
        let of = self.items.len();
        let max = unreachable.max.known(scope).map_err(|message| NoBatches::Amount { key: "max", message })?;
        let items = u32::try_from(of).unwrap_or(u32::MAX);
        // What is not known yet allows nothing.
        let allowed = max.and_then(|max| max.down(items)).unwrap_or(0) as usize;
        if found.len() > allowed || found.len() == of && of > 0 {
            let names: Vec<String> = found.iter().map(|(id, why)| format!("{id} ({why})")).collect();
            return Err(NoItems::Silent { found: names.len(), of, allowed, names: first_of(&names) }.into());
        }
        if unreachable.exclude {
            let told = found.into_iter().map(|(id, why)| (id, format!("unreachable at plan: {why}")));
            self.leave_out(&told.collect());
        }
        Ok(())
    }

    /// Puts it into the order and the batches in which it is gone over; nothing where an amount is not known yet.
    ///
    /// # Errors
    /// When it has more items than it may, or cannot be gone over as the playbook says.
    pub fn in_batches(&mut self, each: &Each, most: Option<u32>, scope: &Scope) -> Result<Option<Batches>, NoList> {
        hold_number(self.items.len(), each.max_targets.or(most))?;
        if self.items.is_empty() {
            // What another run has done already needs no batches.
            return Ok(Some(Batches::default()));
        }
        let batches = batches_beside(each, self.items.len(), self.beside, scope)?;
        self.items = spread(each, std::mem::take(&mut self.items))?;
        Ok(batches)
    }
}

/// So many of them are named.
const NAMED: usize = 10;

fn first_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let listed = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// Why a list cannot be gone over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoList {
    /// As a list.
    #[error(transparent)]
    Items(#[from] NoItems),
    /// In batches.
    #[error(transparent)]
    Batches(#[from] NoBatches),
}

impl Narrowing {
    /// Whether it narrows nothing.
    pub fn is_none(&self) -> bool {
        self.limit.is_none() && self.again.is_none()
    }

    /// The list of a `for_each`, narrowed; `is_host` says whether a text names a host of the inventory.
    ///
    /// # Errors
    /// When nothing is left of it, or it cannot be told which of its items the limit means.
    pub fn narrow(
        &self,
        group: &StepId,
        items: Vec<Item>,
        is_host: &dyn Fn(&str) -> bool,
    ) -> Result<Narrowed, NoItems> {
        let whole = items.len();
        let items = match &self.limit {
            Some(limit) => limit.keep(items, is_host)?,
            None => items,
        };
        let mut narrowed = Narrowed { items, ..Narrowed::default() };
        if let Some(again) = &self.again
            && let Some(wanted) = again.items.get(group)
        {
            let there: BTreeSet<&ItemId> = narrowed.items.iter().map(|item| &item.id).collect();
            let gone = wanted.iter().filter(|id| !there.contains(id));
            let why = format!("run {} had it, and the list has it no more", again.run);
            narrowed.excluded =
                gone.map(|id| Excluded { id: id.clone(), value: id.as_str().into(), why: why.clone() }).collect();
            narrowed.items.retain(|item| wanted.contains(&item.id));
        }
        narrowed.whole = (narrowed.items.len() < whole).then_some(whole);
        narrowed.beside.untouched = whole - narrowed.items.len();
        Ok(narrowed)
    }
}

impl Limit {
    fn keep(&self, items: Vec<Item>, is_host: &dyn Fn(&str) -> bool) -> Result<Vec<Item>, NoItems> {
        let host = |item: &Item| item.value.as_str().is_some_and(is_host);
        let (hosts, other): (Vec<Item>, Vec<Item>) = items.into_iter().partition(host);
        match (hosts.as_slice(), other.first()) {
            // It goes over no hosts: the limit says nothing of it.
            ([], _) => return Ok(other),
            ([one, ..], Some(other)) => {
                return Err(NoItems::Mixed { host: one.id.to_string(), other: other.id.to_string() });
            }
            (_, None) => {}
        }
        let whole = hosts.len();
        let kept: Vec<Item> = hosts
            .into_iter()
            .filter(|item| item.value.as_str().is_some_and(|name| self.hosts.contains(name)))
            .collect();
        if kept.is_empty() { Err(NoItems::Limited { pattern: self.pattern.clone(), whole }) } else { Ok(kept) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::playbook::{Amount, Argument};

    fn items(names: &[&str]) -> Vec<Item> {
        super::super::items_of(&json!(names), None).unwrap()
    }

    fn limited(hosts: &[&str]) -> Narrowing {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Narrowing { limit: Some(Limit { pattern: "p".to_owned(), hosts }), again: None }
    }

    fn narrow(narrowing: &Narrowing, names: &[&str]) -> Result<Vec<String>, NoItems> {
        let is_host = |name: &str| name.starts_with("web");
        let narrowed = narrowing.narrow(&"g".parse().unwrap(), items(names), &is_host)?;
        assert_eq!(narrowed.whole, (narrowed.items.len() < names.len()).then_some(names.len()));
        Ok(narrowed.items.iter().map(|item| item.id.to_string()).collect())
    }

    #[test]
    fn a_limit_takes_hosts_away_and_never_adds_one() {
        let limit = limited(&["web2", "web9"]);
        assert_eq!(narrow(&limit, &["web1", "web2", "web3"]).unwrap(), ["web2"]);
        assert_eq!(narrow(&limit, &["eu", "us"]).unwrap(), ["eu", "us"], "no hosts: it says nothing of them");
        assert!(matches!(narrow(&limit, &["web1", "web3"]), Err(NoItems::Limited { whole: 2, .. })));
        assert!(matches!(narrow(&limit, &["web2", "eu"]), Err(NoItems::Mixed { .. })), "nobody can tell what is meant");
        assert_eq!(narrow(&Narrowing::default(), &["web1", "eu"]).unwrap(), ["web1", "eu"]);
    }

    #[test]
    fn what_is_done_again_is_what_was_left_and_is_still_there() {
        let wanted: BTreeSet<ItemId> = ["web2", "web7"].iter().map(|id| id.parse().unwrap()).collect();
        let again = Again {
            run: "20261122-1-aaaa".parse().unwrap(),
            which: Which::Failed,
            items: BTreeMap::from([("g".parse().unwrap(), wanted)]),
        };
        let narrowing = Narrowing { limit: None, again: Some(again) };
        let narrowed = narrowing.narrow(&"g".parse().unwrap(), items(&["web1", "web2"]), &|_| true).unwrap();
        assert_eq!(narrowed.items, items(&["web2"]));
        assert_eq!(narrowed.excluded.len(), 1, "web7 is told as gone: {:?}", narrowed.excluded);
        let other = narrowing.narrow(&"h".parse().unwrap(), items(&["web1"]), &|_| true).unwrap();
        assert_eq!(other.items.len(), 1, "of a list that is not named, all are done");
    }

    fn held(max: &str, exclude: bool, silent: &[&str]) -> Result<Narrowed, NoList> {
        let mut narrowed = Narrowed { items: items(&["web1", "web2", "web3", "web4"]), ..Narrowed::default() };
        let silent = silent.iter().map(|name| ((*name).to_owned(), "no route".to_owned())).collect();
        let unreachable = Unreachable { exclude, max: Amount::parse(max).unwrap() };
        narrowed.hold_reach(&unreachable, &silent, &Scope::default()).map(|()| narrowed)
    }

    #[test]
    fn so_many_may_be_silent_and_are_left_out_by_name_where_the_playbook_says_so() {
        let out = held("1", true, &["web2", "other"]).unwrap();
        assert_eq!(out.items, items(&["web1", "web3", "web4"]));
        assert_eq!((out.excluded.len(), out.excluded[0].why.as_str()), (1, "unreachable at plan: no route"));
        assert_eq!(out.beside, Beside { untouched: 0, silent: 1 }, "it is not well, wherever that is asked");
        let kept = held("1", false, &["web2"]).unwrap();
        assert_eq!((kept.items.len(), kept.excluded.len(), kept.beside), (4, 0, Beside::default()));
        let too_many = held("25%", true, &["web2", "web4"]).unwrap_err().to_string();
        assert!(too_many.contains("web2 (no route), web4 (no route)"), "{too_many}");
        assert!(held("0", true, &["web2"]).is_err(), "none may be");
        // However many may be: where nobody answers, it is not the hosts.
        assert!(held("100%", true, &["web1", "web2", "web3", "web4"]).is_err());
        assert!(held("0", true, &[]).is_ok());
    }

    #[test]
    fn a_list_that_was_narrowed_is_held_to_what_the_whole_would_have_been() {
        let mut narrowed = limited(&["web2", "web3"])
            .narrow(&"g".parse().unwrap(), items(&["web1", "web2", "web3", "web4"]), &|_| true)
            .unwrap();
        assert_eq!(narrowed.beside, Beside { untouched: 2, silent: 0 });
        let mut each = Each::of(Argument::Literal(json!([])));
        each.min_healthy = Some(Amount::Count(3));
        let batches = narrowed.clone().in_batches(&each, None, &Scope::default()).unwrap().unwrap();
        assert_eq!((batches.sizes, batches.min_healthy), (vec![1, 1], 1), "two are well as nobody touches them");
        each.max_targets = Some(1);
        assert!(narrowed.in_batches(&each, None, &Scope::default()).is_err());
        each.max_targets = None;
        assert!(narrowed.in_batches(&each, Some(1), &Scope::default()).is_err());
    }
}
