//! The items of a step that runs for several: those of which the same is foreseen are shown once. What is the same is
//! decided by what a person would read, with the item's name left out of it, so nothing that differs is ever hidden.

use std::collections::HashMap;

use crate::cli::text::{Line, Look};
use crate::plan::{Item, PlannedStep};
use crate::value::without_name as mask;

/// Items of which the same is foreseen.
pub struct Alike<'a> {
    /// Each of them, in the order of the list.
    pub all: Vec<&'a PlannedStep>,
    /// What is shown of the first.
    pub lines: Vec<Line>,
}

/// Puts those together that read the same but for their items, in the order of the first of each.
pub fn alike<'a>(
    planned: &[&'a PlannedStep],
    items: Option<&[Item]>,
    show: impl Fn(&PlannedStep) -> Vec<Line>,
) -> Vec<Alike<'a>> {
    let look = Look { color: false, unicode: true, width: None };
    let values: HashMap<&str, String> =
        items.unwrap_or_default().iter().map(|item| (item.id.as_str(), super::plan::short(&item.value))).collect();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut classes: Vec<Alike<'a>> = Vec::new();
    for one in planned.iter().copied() {
        let lines = show(one);
        let text: String = lines.iter().map(|line| line.render(&look) + "\n").collect();
        let item = one.item.as_ref().map(|item| item.as_str());
        let masked = item.map(|item| mask(&mask(&text, values.get(item).map_or(item, String::as_str)), item));
        // A text without the item in it is compared as it is: the item may be a word that stands there by chance.
        let place = known.get(&text).or_else(|| masked.as_ref().and_then(|masked| known.get(masked))).copied();
        let place = place.unwrap_or_else(|| {
            classes.push(Alike { all: Vec::new(), lines });
            classes.len() - 1
        });
        known.entry(text).or_insert(place);
        if let Some(masked) = masked {
            known.entry(masked).or_insert(place);
        }
        if let Some(class) = classes.get_mut(place) {
            class.all.push(one);
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;
    use crate::spec::Effect;

    #[test]
    fn what_reads_the_same_but_for_the_item_is_one_and_what_differs_is_not() {
        let step = samples::step("a", "A", "shell", Effect::Once);
        let planned: Vec<PlannedStep> =
            ["1", "2", "3", "4"].iter().map(|item| samples::planned_for(&step, item)).collect();
        let classes = |show: &dyn Fn(&str) -> String| -> Vec<Vec<String>> {
            let show = |one: &PlannedStep| vec![Line::plain(show(one.item.as_ref().unwrap().as_str()))];
            let classes = alike(&planned.iter().collect::<Vec<_>>(), None, show);
            classes.iter().map(|class| class.all.iter().map(|one| one.name()).collect()).collect()
        };
        assert_eq!(classes(&|item| format!("restart {item}")).len(), 1);
        assert_eq!(classes(&|_| "exit code 1".to_owned()).len(), 1, "it only looks like an item");
        let odd = classes(&|item| if item == "3" { "✗ 3".to_owned() } else { format!("= {item}") });
        assert_eq!(odd, [vec!["a@1", "a@2", "a@4"], vec!["a@3"]]);
        assert_eq!(classes(&|item| format!("lag {item}0")).len(), 4);
    }
}
