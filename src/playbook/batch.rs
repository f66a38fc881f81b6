//! How a `for_each` goes over its list, as it is written: in batches of which sizes, what has to stand beside them, what
//! becomes of an item that fails.

use serde::{Deserialize, Serialize, Serializer};

use super::reader::Reader;
use super::words::{self, check_keys};
use super::{Amount, Argument, Each, List, amount, unreachable};
use crate::diagnostic::Span;
use crate::document::{Node, NodeKind};
use crate::value::Value;

/// What becomes of an item of a `for_each` that failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnItemFailure {
    /// It stays as it is, whatever becomes of the run: an undo could put back into service what is not well.
    #[default]
    Leave,
    /// What was done to it is undone before the next batch begins.
    Rollback,
}

impl OnItemFailure {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            OnItemFailure::Leave => "leave",
            OnItemFailure::Rollback => "rollback",
        }
    }

    /// Whether it is what it is where nothing is said.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done about hosts that cannot be reached when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreachable {
    /// Whether they are left out, by name.
    pub exclude: bool,
    /// How many may be.
    pub max: Amount,
}

/// Sizes of batches as they are kept: one alone is written as itself, as it was before there were several.
pub(super) mod sizes {
    use super::{Amount, Deserialize, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Kept {
        One(Amount),
        Several(Vec<Amount>),
    }

    pub fn serialize<S: Serializer>(sizes: &[Amount], serializer: S) -> Result<S::Ok, S::Error> {
        match sizes {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Amount>, D::Error> {
        Ok(match Kept::deserialize(deserializer)? {
            Kept::One(one) => vec![one],
            Kept::Several(several) => several,
        })
    }
}

impl Each {
    /// Over a list, one item after the other, none of which may fail: what holds where a playbook says no more.
    pub fn of(list: impl Into<List>) -> Self {
        Self {
            list: list.into(),
            sizes: vec![Amount::Count(1)],
            max_failures: Amount::Count(0),
            max_targets: None,
            checkpoint: None,
            pause: 0.0,
            min_healthy: None,
            spread: None,
            on_item_failure: OnItemFailure::default(),
            unreachable: None,
        }
    }

    /// Whether no two items are ever under way at the same time, whatever list it is.
    pub fn is_one_by_one(&self) -> bool {
        self.sizes.iter().all(|size| *size == Amount::Count(1))
    }

    /// The amounts that it names, each with the key that it stands under.
    pub fn amounts(&self) -> impl Iterator<Item = (&'static str, &Amount)> {
        let sizes = self.sizes.iter().map(|size| ("size", size));
        let healthy = self.min_healthy.iter().map(|least| ("min_healthy", least));
        let unreachable = self.unreachable.iter().map(|unreachable| ("max", &unreachable.max));
        sizes.chain([("max_failures", &self.max_failures)]).chain(healthy).chain(unreachable)
    }
}

/// Reads `batch:`, and what else is said of how the list is gone over.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, list: List) -> Each {
    let mut each = Each::of(list);
    if let Some(batch) = node.get("batch") {
        match batch.entries() {
            Some(entries) => check_keys(&mut reader.faults, entries, &words::BATCH),
            None => reader.wrong_form(batch, "batch", "a mapping such as `{ size: 2, max_failures: 1 }`"),
        }
        if let Some(sizes) = batch.get("size").and_then(|node| read_sizes(reader, node)) {
            each.sizes = sizes;
        }
        let most = batch.get("max_failures").and_then(|node| amount::read(reader, node, "max_failures", 0));
        each.max_failures = most.unwrap_or(each.max_failures);
        each.min_healthy = batch.get("min_healthy").and_then(|node| amount::read(reader, node, "min_healthy", 0));
        each.pause = batch.get("pause").and_then(|node| reader.duration(node, "pause", 0.0)).unwrap_or(0.0);
        each.spread = batch.get("spread").and_then(|node| read_label(reader, node));
        each.checkpoint = batch.get("checkpoint").and_then(|node| reader.text(node, "checkpoint"));
        check_healthy(reader, batch, &each);
    }
    let ways = [OnItemFailure::Leave, OnItemFailure::Rollback].map(|way| (way.word(), way));
    let way = node.get("on_item_failure").and_then(|node| reader.word(node, "on_item_failure", &ways));
    each.on_item_failure = way.unwrap_or_default();
    each.unreachable = unreachable::read(reader, node, &each);
    each
}

/// One size, or one for each of the first batches: the last one holds for all that follow.
fn read_sizes(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Amount>> {
    match &node.kind {
        NodeKind::Sequence(items) if items.is_empty() => {
            let help = Some("such as `[1, 5, 10%]`, of which the last one repeats".to_owned());
            reader.faults.error("wrong-form", node.span, "`size` has at least one size", help);
            None
        }
        NodeKind::Sequence(items) => {
            let sizes: Vec<Amount> = items.iter().filter_map(|item| amount::read(reader, item, "size", 1)).collect();
            (sizes.len() == items.len()).then_some(sizes)
        }
        _ => amount::read(reader, node, "size", 1).map(|size| vec![size]),
    }
}

fn read_label(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let label = reader.text(node, "spread")?;
    let is_name = |label: &str| {
        let mut letters = label.chars();
        letters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_alphanumeric() || "_-./".contains(letter))
    };
    if is_name(&label) {
        return Some(label);
    }
    let help = "the name alone, such as `spread: rack`: a variable of the hosts, or a field of the items";
    let message = format!("`{label}` is no name of a label");
    reader.faults.error("bad-name", node.span, message, Some(help.to_owned()));
    None
}

/// Where nothing is left that could be taken, whatever list it is, no run need be the first to find out.
fn check_healthy(reader: &mut Reader<'_>, batch: &Node, each: &Each) {
    let place = batch.get("min_healthy").map_or(batch.span, |node| node.span);
    let items = match each.list.argument() {
        _ if each.list.is_of_hosts() => None,
        Argument::Literal(Value::Array(items)) => u32::try_from(items.len()).ok(),
        Argument::List(items) => u32::try_from(items.len()).ok(),
        _ => None,
    };
    let Some(least) = &each.min_healthy else { return };
    let all = *least == Amount::parse("100%").unwrap_or(Amount::Count(0));
    let (least, items) = match (items, items.and_then(|items| least.up(items))) {
        (Some(items), Some(least)) if least >= items => (least.to_string(), format!("{items} items")),
        _ if all => (least.to_string(), "any list".to_owned()),
        _ => return,
    };
    refuse_all(reader, place, &least, &items);
}

fn refuse_all(reader: &mut Reader<'_>, place: Span, least: &str, items: &str) {
    let message = format!("{least} of {items} have to stay healthy, so not one item could ever be taken in hand");
    let help = Some("say a smaller `min_healthy`".to_owned());
    reader.faults.error("nothing-to-take", place, message, help);
}
