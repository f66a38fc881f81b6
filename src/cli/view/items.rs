//! What became of each item of a `for_each`, at the end of a run: every item is named once, with what it printed behind it,
//! and those of which the same is to be said are told together. What differs is never hidden among what is alike: two items
//! are alike only where a person would read the same of both, but for their own names.

use std::collections::HashMap;

use crate::cli::paste::Paste;
use crate::cli::reporter::{Crowd, Stand, group_of, steps_of};
use crate::cli::text::{Ink, Line, wrap};
use crate::cli::visible;
use crate::ids::{Digest, ItemId, StepId};
use crate::playbook::Group;
use crate::run::{RunState, Task, TaskState};
use crate::value::{ranges, without_name as mask};

use super::item_words::{Said, said, stands};
use super::{heading, paragraph};

/// So many different things are told of the items that stand the same way; of the others, the names.
const MOST: usize = 8;

/// The items of which the same is to be said.
struct Class<'a> {
    items: Vec<&'a ItemId>,
    word: &'static str,
    /// What each step of it said, with the item's own name left out where they are several.
    said: Vec<Said>,
    stands: String,
}

/// Whether the items of a group are told one by one here, and only counted elsewhere: all but a single one.
pub fn tells(state: &RunState, step: &StepId) -> bool {
    let group = group_of(state, step);
    let entered = group.and_then(|group| state.entered.get(&Task::of(&group.id)));
    entered.is_some_and(|entered| entered.items.len() + entered.excluded.len() > 1)
}

/// All of them.
pub fn lines(state: &RunState, paste: &Paste, width: usize) -> Vec<Line> {
    let groups = state.playbook().groups.iter().filter(|group| group.each().is_some() && tells(state, &group.id));
    groups.flat_map(|group| of_group(state, group, paste, width)).collect()
}

fn of_group(state: &RunState, group: &Group, paste: &Paste, width: usize) -> Vec<Line> {
    let Some(crowd) = Crowd::of(state, group, &Task::of(&group.id)) else { return Vec::new() };
    let mut lines = vec![heading(&headline(state, &crowd))];
    let mut classes = classes(state, &crowd, group);
    classes.extend(left_out(state, &crowd.task));
    classes.sort_by_key(|class| (rank(class.word), std::cmp::Reverse(class.items.len())));
    let mut told: HashMap<&str, usize> = HashMap::new();
    let mut rest: Vec<(&'static str, Vec<&str>)> = Vec::new();
    for class in &classes {
        let told = told.entry(class.word).or_default();
        *told += 1;
        // What failed is told in full, whatever it takes.
        if *told <= MOST || class.word == FAILED {
            lines.extend(class_lines(class, width));
        } else {
            match rest.iter_mut().find(|(word, _)| *word == class.word) {
                Some((_, names)) => names.extend(class.items.iter().map(|item| item.as_str())),
                None => rest.push((class.word, class.items.iter().map(|item| item.as_str()).collect())),
            }
        }
    }
    for (word, names) in rest {
        let text = format!(
            "… {word} too, and each said something else: {} ({})",
            ranges::fold_sorted(names.iter().copied()),
            names.len()
        );
        lines.extend(paragraph(&text, 2, width, Ink::Dim));
    }
    lines.extend(whole(state, &classes, paste));
    lines.push(Line::new());
    lines
}

/// How many stand how, and how many were left out of the list.
fn headline(state: &RunState, crowd: &Crowd) -> String {
    let excluded = state.entered.get(&crowd.task).map_or(0, |entered| entered.excluded.len());
    let left_out = if excluded > 0 { format!(", {excluded} {LEFT_OUT}") } else { String::new() };
    let mut words = crowd.words();
    if rests(state) {
        words = words.replace("in hand", if state.rollback.is_some() { HALF_BACK } else { HALF });
    }
    format!("{}: {words}{left_out}", crowd.task)
}

/// Whether nothing of a run is under way, so that nothing is in anybody's hand.
fn rests(state: &RunState) -> bool {
    state.in_flight().next().is_none()
}

/// What stands in the middle of its block where a run was stopped or left: nobody sees that from outside, and a host may be out
/// of its balancer there.
pub fn in_the_middle(state: &RunState, width: usize) -> Vec<Line> {
    let blocks = state.playbook().groups.iter().filter(|group| group.each().is_some() && group.count > 1);
    let blocks = blocks.filter(|_| state.rollback.is_none() && rests(state));
    let mut lines = Vec::new();
    for group in blocks {
        let Some(crowd) = Crowd::of(state, group, &Task::of(&group.id)) else { continue };
        let names: Vec<&str> = crowd.in_hand().map(|(item, _)| item.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        let (are, they) = if names.len() == 1 { ("is", "it stays") } else { ("are", "they stay") };
        let text = format!(
            "{} {are} in the middle of {}, and {they} so until the run goes on or is undone",
            ranges::listed(names.iter().copied(), 200),
            group.id
        );
        lines.extend(paragraph(&text, 2, width, Ink::Warn));
    }
    lines
}

/// What the list had, and the run does not touch: those of which the same is said together.
fn left_out<'a>(state: &'a RunState, task: &Task) -> Vec<Class<'a>> {
    let mut classes: Vec<(String, Class<'a>)> = Vec::new();
    for one in state.entered.get(task).into_iter().flat_map(|entered| &entered.excluded) {
        let masked = mask(&one.why, one.id.as_str());
        if let Some((_, class)) = classes.iter_mut().find(|(known, _)| *known == masked) {
            class.items.push(&one.id);
            class.said = vec![Said::sentence("", masked).0];
        } else {
            let said = vec![Said::sentence("", one.why.clone()).0];
            classes.push((masked, Class { items: vec![&one.id], word: LEFT_OUT, said, stands: String::new() }));
        }
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

/// Where the whole of what one printed is.
fn whole(state: &RunState, classes: &[Class<'_>], paste: &Paste) -> Option<Line> {
    let failed = classes.iter().find(|class| class.word == FAILED);
    let cut = classes.iter().find(|class| class.said.iter().any(|said| !said.more.is_empty()));
    let item = failed.or(cut)?.items.first()?;
    let command = paste.command(format!("timeline {} --only @{item}", state.run));
    Some(Line::new().with(Ink::Dim, "  all of one: ").with(Ink::Plain, command))
}

const FAILED: &str = "failed";
const HALF: &str = "half done";
const HALF_BACK: &str = "half undone";
const LEFT_OUT: &str = "left out";
const GIVEN_UP: &str = "given up";

/// Whether a person has given an item up, or a part of its undo.
fn is_given_up(state: &RunState, group: &Group, item: &ItemId) -> bool {
    let left = |task: &Task| state.needs_no_undo(task).is_some();
    state.is_given_up(group, item) || steps_of(state, group).any(|step| left(&Task::at(&step.id, Some(item))))
}

fn in_flight(state: &RunState, group: &Group, item: &ItemId) -> bool {
    let tasks = steps_of(state, group).map(|step| Task::at(&step.id, Some(item)));
    tasks.into_iter().any(|task| state.tasks.get(&task).is_some_and(TaskState::is_in_flight))
}

fn word(stand: Stand) -> &'static str {
    match stand {
        Stand::Done => "ok",
        Stand::Skipped => "skipped",
        Stand::Undone => "undone",
        Stand::Undoing(_) => "being undone",
        Stand::InHand(_) => "in hand",
        Stand::Waiting => "not begun",
        Stand::Unknown => "not known",
        Stand::Failed => FAILED,
    }
}

/// In which order they are told: what went well first, so that what did not is nearest to the prompt.
fn rank(word: &str) -> usize {
    let order = [
        "ok",
        "skipped",
        "not begun",
        "undone",
        "being undone",
        "in hand",
        LEFT_OUT,
        GIVEN_UP,
        HALF,
        HALF_BACK,
        "not known",
        FAILED,
    ];
    order.iter().position(|other| *other == word).unwrap_or(0)
}

fn ink(word: &str) -> (&'static str, Ink) {
    match word {
        "ok" => ("✓", Ink::Good),
        "skipped" => ("↷", Ink::Dim),
        "not begun" => ("·", Ink::Dim),
        "undone" => ("↩", Ink::Warn),
        LEFT_OUT => ("·", Ink::Warn),
        GIVEN_UP => ("↷", Ink::Warn),
        FAILED => ("✗", Ink::Bad),
        _ => ("?", Ink::Warn),
    }
}

fn classes<'a>(state: &'a RunState, crowd: &Crowd, group: &'a Group) -> Vec<Class<'a>> {
    let Some(entered) = state.entered.get(&crowd.task) else { return Vec::new() };
    let mut known: HashMap<Digest, usize> = HashMap::new();
    let mut classes: Vec<Class<'a>> = Vec::new();
    for item in &entered.items {
        let id = &item.id;
        let word = match crowd.stand(id) {
            // Where the run stands still, nothing is in anybody's hand.
            Stand::InHand(_) if !in_flight(state, group, id) => HALF,
            Stand::Undoing(_) if rests(state) => HALF_BACK,
            Stand::Undone | Stand::Skipped if is_given_up(state, group, id) => GIVEN_UP,
            stand => word(stand),
        };
        let because = entered.failed.get(id).map(String::as_str);
        let plain = said(state, group, id, because, &|text| text.to_owned());
        let masked = said(state, group, id, because, &|text| mask(text, id.as_str()));
        let stands = match word {
            "not known" | FAILED | HALF | HALF_BACK | GIVEN_UP => stands(state, group, id, word == HALF),
            _ => String::new(),
        };
        let key = |said: &[(Said, String)]| {
            let all: Vec<&str> = said.iter().flat_map(|(said, key)| [said.step.as_str(), key.as_str()]).collect();
            Digest::of(format!("{word}\n{stands}\n{all:?}").as_bytes())
        };
        // A text without the item's name in it is compared as it is: that may be a word which stands there by chance.
        let (plain_key, masked_key) = (key(&plain), key(&masked));
        let place = known.get(&plain_key).or_else(|| known.get(&masked_key)).copied();
        let place = place.unwrap_or_else(|| {
            let said = plain.into_iter().map(|(said, _)| said).collect();
            classes.push(Class { items: Vec::new(), word, said, stands });
            classes.len() - 1
        });
        if let Some(class) = classes.get_mut(place) {
            // What is said of several is said without the name of the first.
            if !class.items.is_empty() && !known.contains_key(&plain_key) {
                class.said = masked.into_iter().map(|(said, _)| said).collect();
            }
            class.items.push(id);
        }
        known.entry(plain_key).or_insert(place);
        known.entry(masked_key).or_insert(place);
    }
    classes
}

fn class_lines(class: &Class<'_>, width: usize) -> Vec<Line> {
    let (mark, ink) = ink(class.word);
    let names = ranges::fold_sorted(class.items.iter().map(|item| item.as_str()));
    let count = if class.items.len() > 1 { format!(" ({})", class.items.len()) } else { String::new() };
    let head = || Line::plain("  ").with(ink, mark).with(ink, format!(" {:<9} ", class.word));
    let column = head().width();
    let show = |text: &str| visible::line(&text.replace('\0', "<item>")).into_owned();
    let mut names = wrap(&format!("{names}{count}"), width.saturating_sub(column)).into_iter();
    let mut lines = vec![head().with(Ink::Plain, names.next().unwrap_or_default())];
    lines.extend(names.map(|text| Line::new().pad_to(column).with(Ink::Plain, text)));
    for said in &class.said {
        let step = if said.step.is_empty() { String::new() } else { format!("{}: ", said.step) };
        let text_ink = if class.word == FAILED { Ink::Bad } else { Ink::Plain };
        let mut texts = said.text.lines().map(show);
        let first = format!("{step}{}", texts.next().unwrap_or_default());
        // One short answer stands behind the names.
        let alone = class.said.len() == 1 && !said.text.contains('\n') && said.more.is_empty() && lines.len() == 1;
        let fits = lines.last().is_some_and(|line| line.width() + first.chars().count() + 4 <= width);
        match lines.last_mut().filter(|_| alone && fits) {
            Some(line) => *line = std::mem::take(line).with(Ink::Dim, "  → ").with(text_ink, &first),
            None => {
                let mut wrapped = wrap(&first, width.saturating_sub(column + 2)).into_iter();
                let arrow = Line::new().pad_to(column).with(Ink::Dim, "→ ");
                lines.push(arrow.with(text_ink, wrapped.next().unwrap_or_default()));
                lines.extend(wrapped.map(|text| Line::new().pad_to(column + 2).with(text_ink, text)));
            }
        }
        for text in texts.chain((!said.more.is_empty()).then(|| said.more.clone())) {
            let mut wrapped = wrap(&text, width.saturating_sub(column + 2)).into_iter();
            lines.extend(wrapped.by_ref().map(|text| Line::new().pad_to(column + 2).with(text_ink, text)));
        }
    }
    if !class.stands.is_empty() {
        lines.extend(paragraph(&class.stands, column, width, Ink::Dim));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};
    use crate::outcome::Report;
    use crate::plan::Excluded;
    use crate::run::Event;

    fn shown(story: &Story, width: usize) -> String {
        let look = Look { color: false, unicode: true, width: None };
        lines(&story.state, &Paste::default(), width).iter().map(|line| line.render(&look) + "\n").collect()
    }

    #[test]
    fn a_thousand_hosts_are_named_once_each_with_what_they_said() {
        let mut story = Story::with_plan(samples::crowd_plan(1000));
        story.enter("kernel", 1000);
        for batch in 0..20 {
            story.kernels(batch * 50 + 1, batch * 50 + 50);
        }
        let text = shown(&story, 80);
        let expected = "\
kernel: 998 of 1000 done, 2 failed
  ✓ ok        web[0001-0006,0008-0041,0043-0310,0312-1000] (997)  → 6.1.0-18
  ✓ ok        web0042  → 5.10.0-9
  ✗ failed    web[0007,0311] (2)  → exit code 255: no route to <item>
              nothing was changed
  all of one: playbook timeline 20261122-152030-k3f9 --only @web0007

";
        assert_eq!(text, expected);
    }

    #[test]
    fn of_a_block_it_is_said_what_stands_on_those_that_failed() {
        let mut story = Story::with_plan(samples::crowd_plan(12));
        story.enter("kernel", 12).kernels(1, 12).enter("restart", 12);
        for name in samples::hosts(10) {
            story.done(&format!("drain@{name}"), "");
        }
        for name in samples::hosts(8) {
            story.intent(&format!("start@{name}"));
            let long = (0..40).map(|line| format!("line {line} of {name}")).collect::<Vec<_>>().join("\n");
            story.outcome(&format!("start@{name}"), 0.1, samples::printed(&long));
        }
        for name in ["web0009", "web0010"] {
            let task = format!("start@{name}");
            story.intent(&task).outcome(&task, 0.1, Report::failed("exit code 1: no such unit"));
            story.item_failed("restart", name, &format!("{task} failed: exit code 1: no such unit"));
        }
        insta::assert_snapshot!(shown(&story, 100));
    }

    #[test]
    fn what_differs_is_told_of_each_up_to_some_and_never_hidden_behind_the_first() {
        let mut story = Story::with_plan(samples::crowd_plan(40));
        story.enter("kernel", 40);
        for (place, name) in samples::hosts(40).iter().enumerate() {
            story.intent(&format!("kernel@{name}"));
            story.outcome(&format!("kernel@{name}"), 0.1, samples::printed(&format!("up {place} days\x1b[2J")));
        }
        let text = shown(&story, 80);
        assert!(text.contains("each said something else: web[0009-0040] (32)"), "{text}");
        assert!(text.contains("up 7 days") && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn of_a_host_that_cannot_be_put_back_it_is_said_why_not_and_what_was_left_out_is_named() {
        let mut story = Story::with_plan(samples::crowd_plan(12));
        story.enter("kernel", 12).kernels(1, 12).enter("restart", 12);
        for name in samples::hosts(3) {
            story.done(&format!("drain@{name}"), "");
        }
        story.add(0.0, Event::RollbackStarted { to: None, because: "x".to_owned() });
        for name in ["web0003", "web0002"] {
            let undo = format!("drain@{name}/undo");
            let refused = Report::no_effect(format!("{name} (10.0.0.{}:22): Connection refused", name.len()));
            story.intent(&undo).outcome(&undo, 0.1, refused);
        }
        let entered = story.state.entered.get_mut(&"restart".parse().unwrap()).unwrap();
        let why = "unreachable at plan: old1 (10.0.0.9:22): no route".to_owned();
        entered.excluded.push(Excluded { id: "old1".parse().unwrap(), value: "old1".into(), why });
        let text = shown(&story, 100);
        assert!(text.contains("✗ failed    web[0002-0003] (2)  → undo of drain: <item>: Connection refused"), "{text}");
        assert!(text.contains("· left out  old1  → unreachable at plan: old1 (10.0.0.9:22): no route"), "{text}");
        assert!(text.contains("1 left out\n"), "{text}");
    }
}
