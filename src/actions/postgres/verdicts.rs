//! What would go wrong if a standby became the primary. Pure: facts in, sentences out.

use super::observe::{Facts, SETTINGS};

/// Settings of the candidate that are below the primary's: the old primary, following with larger ones, would not start
/// or would stop at the next change, and clients would find fewer connections than they have.
pub(super) fn settings(primary: &Facts, candidate: &Facts) -> Vec<String> {
    let below = |name: &&str| {
        let (theirs, ours) = (primary.settings.get(*name)?, candidate.settings.get(*name)?);
        (ours < theirs).then(|| format!("{name} is {ours} on the candidate and {theirs} on the primary"))
    };
    SETTINGS.iter().filter_map(below).collect()
}

/// Slots that would be lost, or not fit: logical ones do not come along, and other members' physical ones have to be made.
pub(super) fn slots(primary: &Facts, candidate: &Facts, needed: usize) -> Vec<String> {
    let has = |name: &str| candidate.slots.iter().any(|slot| slot.name == name);
    let mut problems: Vec<String> = primary
        .slots
        .iter()
        .filter(|slot| slot.kind == "logical" && !slot.temporary && !has(&slot.name))
        .map(|slot| format!("the logical slot {} of the primary is not on the candidate and would be lost", slot.name))
        .collect();
    let room = usize::try_from(candidate.max_replication_slots).unwrap_or(0);
    if needed > room {
        problems.push(format!("{needed} slots are needed and the candidate's max_replication_slots is {room}"));
    }
    problems
}

/// Why commits on the candidate would wait for ever once it is the primary: it waits for standbys that are not there.
pub(super) fn synchronous(names: &str, standbys_left: usize) -> Option<String> {
    let names = names.trim();
    if names.is_empty() {
        return None;
    }
    let needed: usize = names
        .trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == ' ')
        .split_once('(')
        .and_then(|(count, _)| count.trim().parse().ok())
        .unwrap_or(1);
    (needed > standbys_left).then(|| {
        format!(
            "the candidate's synchronous_standby_names is `{names}`: it would wait for {needed} standby(s) and has \
             {standbys_left}, so commits would hang; clear it first (alter system set synchronous_standby_names = '')"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::postgres::observe::sample as facts;
    use serde_json::json;

    #[test]
    fn a_smaller_setting_is_told() {
        let none = json!([]);
        assert_eq!(settings(&facts(100, none.clone()), &facts(100, none.clone())), Vec::<String>::new());
        let told = settings(&facts(200, none.clone()), &facts(100, none));
        assert_eq!(told, ["max_connections is 100 on the candidate and 200 on the primary"]);
    }

    #[test]
    fn a_logical_slot_would_be_lost() {
        let slot = json!([{ "name": "cdc", "kind": "logical", "temporary": false }]);
        let none = json!([]);
        assert_eq!(slots(&facts(1, slot.clone()), &facts(1, none.clone()), 1).len(), 1);
        assert_eq!(slots(&facts(1, slot.clone()), &facts(1, slot), 1), Vec::<String>::new());
        assert_eq!(slots(&facts(1, none.clone()), &facts(1, none), 3).len(), 1);
    }

    #[test]
    fn commits_that_would_hang_are_told() {
        assert_eq!(synchronous("", 0), None);
        assert!(synchronous("pg1", 0).is_some());
        assert!(synchronous("*", 1).is_none());
        assert!(synchronous("ANY 2 (a, b, c)", 1).is_some());
        assert!(synchronous("FIRST 1 (a, b)", 1).is_none());
    }
}
