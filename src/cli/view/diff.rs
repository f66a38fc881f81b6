//! What one playbook does differently from another, for people.

use crate::cli::text::{Ink, Line};
use crate::playbook::{Difference, Field, How, Part, Playbook};

use super::{heading, paragraph};

/// The whole comparison.
pub fn lines(from: &Playbook, to: &Playbook, list: &[Difference], width: usize) -> Vec<Line> {
    let mut lines = vec![heading(&format!("{}@{} → {}@{}", from.name, from.version, to.name, to.version))];
    if list.is_empty() {
        let text = match from.digest == to.digest {
            true => "They are the same.",
            false => "They do the same; only their texts differ.",
        };
        lines.push(Line::plain(format!("  {text}")));
        return lines;
    }
    for (part, title) in [
        (Part::Head, "Head"),
        (Part::Input, "Inputs"),
        (Part::Lock, "Locks"),
        (Part::Check, "Identities and invariants"),
        (Part::Budget, "Budgets"),
        (Part::Step, "Steps"),
        (Part::Group, "Groups of steps"),
        (Part::WayBack, "Way back"),
    ] {
        let here: Vec<&Difference> = list.iter().filter(|difference| difference.part == part).collect();
        if here.is_empty() {
            continue;
        }
        lines.push(Line::new());
        lines.push(heading(title));
        here.iter().for_each(|difference| lines.extend(one(difference, width)));
    }
    lines
}

fn one(difference: &Difference, width: usize) -> Vec<Line> {
    let (mark, ink) = match difference.how {
        How::Added => ("+", Ink::Good),
        How::Removed => ("-", Ink::Bad),
        How::Moved => ("↕", Ink::Warn),
        How::Changed => ("~", Ink::Warn),
    };
    // A field of the head is its own name.
    if difference.part == Part::Head {
        return difference.fields.iter().flat_map(|field| of_field(field, 2, width)).collect();
    }
    let mut lines = Vec::new();
    if !difference.name.is_empty() {
        lines.push(Line::plain("  ").with(ink, format!("{mark} {}", difference.name)));
    }
    lines.extend(difference.fields.iter().flat_map(|field| of_field(field, 6, width)));
    lines
}

fn of_field(field: &Field, indent: usize, width: usize) -> Vec<Line> {
    let (text, ink) = match (&field.was, &field.is) {
        (None, Some(is)) => (format!("+ {}: {is}", field.name), Ink::Good),
        (Some(was), None) => (format!("- {}: {was}", field.name), Ink::Bad),
        (was, is) => {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            (format!("~ {}: {} → {}", field.name, text(was), text(is)), Ink::Warn)
        }
    };
    paragraph(&text, indent, width, ink)
}
