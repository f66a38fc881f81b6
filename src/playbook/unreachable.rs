//! What a playbook says of hosts that do not answer when the plan is made: whether they are left out, and how many may be.

use crate::document::Node;

use super::reader::Reader;
use super::words::{self, check_keys};
use super::{Each, Unreachable, amount};

/// Reads `unreachable_at_plan:`.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, each: &Each) -> Option<Unreachable> {
    let given = node.get("unreachable_at_plan")?;
    if !each.list.is_of_hosts() {
        let message =
            "`unreachable_at_plan` goes with hosts of the inventory: nobody can look whether other items answer";
        let help = Some("write `for_each: { hosts: … }`, or leave it out".to_owned());
        reader.faults.error("wrong-key", given.span, message, help);
        return None;
    }
    let form = "a mapping such as `{ exclude: true, max: 5% }`";
    let Some(entries) = given.entries() else {
        reader.wrong_form(given, "unreachable_at_plan", form);
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::UNREACHABLE);
    let exclude = given.get("exclude").and_then(|node| reader.boolean(node, "exclude")).unwrap_or(true);
    let Some(max) = given.get("max") else {
        let message = "`unreachable_at_plan` has no `max`: how many hosts may be left out?";
        let help = Some("such as `max: 5%` or `max: 2`; with more than that no plan is made".to_owned());
        reader.faults.error("missing-key", given.span, message, help);
        return None;
    };
    amount::read(reader, max, "max", 0).map(|max| Unreachable { exclude, max })
}
