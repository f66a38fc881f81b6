//! What a person types to write a file whole or not at all.

use super::text;
use crate::actions::by_hand;
use crate::inventory::Inventory;
use crate::value::Value;

/// The lines for a person: the old one kept, the new one beside it, then moved over it.
pub(super) fn lines(inventory: &Inventory, arguments: &Value) -> Vec<String> {
    let host = text(arguments, "host");
    let path = by_hand::value(arguments, "path");
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let (old, new) = (format!("{folder}/.{name}.by-hand"), format!("{folder}/.{name}.new"));
    let word = by_hand::word;
    let there = |line: String| by_hand::on_host(inventory, host, &line);
    let given = |name: &str| arguments.get(name).is_some_and(|value| !value.is_null());
    let keep = there(format!("cp -p -- {} {}", word(&path), word(&old)));
    let begin = there(format!("cp -p -- {} {}", word(&path), word(&new)));
    let fill = if given("from") {
        there(format!("cat -- {} >{}", word(&by_hand::value(arguments, "from")), word(&new)))
    } else if given("source") {
        let put = there(format!("cat >{}", word(&new)));
        match host {
            Some(_) => format!("{put} <{}", word(&by_hand::value(arguments, "source"))),
            None => format!("cat -- {} >{}", word(&by_hand::value(arguments, "source")), word(&new)),
        }
    } else {
        by_hand::comment(&format!("write what it is to hold into {new} (with an editor: not as an argument)"))
    };
    let mut lines = vec![keep, begin, fill];
    if given("mode") {
        lines.push(there(format!("chmod {} {}", word(&by_hand::value(arguments, "mode")), word(&new))));
    }
    if given("owner") {
        lines.push(there(format!("chown {} {}", word(&by_hand::value(arguments, "owner")), word(&new))));
    }
    lines.push(there(format!("mv -f -- {} {}", word(&new), word(&path))));
    lines.push(by_hand::comment(&format!("back: mv -f -- {} {}", word(&old), word(&path))));
    lines
}
