//! What a group is wished to become, and what stands against it: decided out of what was read, before anything is sent. AWS
//! validates nothing beforehand here, so what it would refuse is refused by us.

use serde_json::Value;

use super::model::{Group, Seen};
use super::others::Others;
use crate::actions::aws::AwsError;
use crate::actions::by_hand::word;
use crate::value::is_unknown;

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    size: Size,
    ceiling: Option<i64>,
    shrink: bool,
    /// Whether it goes on although somebody else may move the number.
    pub beside_others: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    To(i64),
    By(i64),
}

impl Wish {
    /// Reads it out of the arguments; nothing where it is not known yet.
    pub fn of(arguments: &Value) -> Result<Option<Self>, AwsError> {
        let given = |name: &str| arguments.get(name).filter(|value| !value.is_null());
        let (to, by) = (given("to"), given("by"));
        if to.into_iter().chain(by).chain(given("ceiling")).any(is_unknown) {
            return Ok(None);
        }
        let number = |value: &Value| value.as_i64();
        let size = match (to, by) {
            (Some(to), None) => number(to).map(Size::To),
            (None, Some(by)) => number(by).map(Size::By),
            _ => return Err(AwsError::Invalid("give either `to` or `by`: the capacity, or how much more".to_owned())),
        };
        let size = size.ok_or_else(|| AwsError::Invalid("`to` or `by` is no number".to_owned()))?;
        let flag = |name: &str| given(name).and_then(Value::as_bool).unwrap_or_default();
        Ok(Some(Self {
            size,
            ceiling: given("ceiling").and_then(number),
            shrink: flag("shrink"),
            beside_others: given("others").and_then(Value::as_str) == Some("allow"),
        }))
    }

    /// The capacity that is meant, for a group that had this one before the step: so an attempt that is taken up again never
    /// adds twice.
    pub fn target(&self, before: i64) -> i64 {
        match self.size {
            Size::To(to) => to,
            Size::By(by) => before.saturating_add(by),
        }
    }

    /// Why it must not be done.
    pub fn refusals(&self, seen: &Seen, others: &Others, command: &str) -> Vec<String> {
        let group = &seen.group;
        let target = self.target(group.desired);
        let mut found: Vec<String> = self.bad_size(group, target, command).into_iter().collect();
        found.extend(group.leaving.iter().map(|state| format!("{} is being removed ({state})", group.name)));
        if target > group.desired {
            found.extend(cannot_grow(group, command));
        }
        if !self.beside_others {
            let more = "or go on beside them with `others: allow`";
            found.extend(others.acting.iter().map(|text| format!("{text}; {more}")));
        }
        found
    }

    fn bad_size(&self, group: &Group, target: i64, command: &str) -> Option<String> {
        let Group { name, min, max, desired, .. } = group;
        let limits = |option: &str| {
            let name = word(name);
            format!("{command} update-auto-scaling-group --auto-scaling-group-name {name} --{option} {target}")
        };
        if let Some(ceiling) = self.ceiling.filter(|ceiling| target > *ceiling) {
            return Some(format!(
                "{name} would have {target} (it has {desired}), and the playbook's ceiling is {ceiling}: nothing is sent"
            ));
        }
        if target > *max {
            return Some(format!(
                "{name} would have {target} (it has {desired}), and its maximum is {max}: AWS refuses that. Whoever owns the group moves \
                 it by: {}",
                limits("max-size")
            ));
        }
        if target < *min {
            return Some(format!("{name} would have {target}, and its minimum is {min}: {}", limits("min-size")));
        }
        (target < *desired && !self.shrink).then(|| {
            format!(
                "{name} has {desired}, and would be made smaller ({target}): that is done with `shrink: true` alone"
            )
        })
    }
}

/// What it was told to leave alone, without which nothing new would ever serve.
fn cannot_grow(group: &Group, command: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |process: &str, means: &str| {
        if group.is_suspended(process) {
            found.push(format!(
                "{} was told to leave {process} alone: {means}. It is let go on by: {command} resume-processes \
                 --auto-scaling-group-name {} --scaling-processes {process}",
                group.name,
                word(&group.name)
            ));
        }
    };
    add("Launch", "it would start nothing");
    if !group.target_groups.is_empty() || !group.load_balancers.is_empty() {
        add("AddToLoadBalancer", "what it starts would get no clients");
    }
    found
}

/// Remarks for a person.
pub(super) fn notes(seen: &Seen, others: &Others, target: i64) -> Vec<String> {
    let group = &seen.group;
    let mut notes = vec![seen.sentence(group.desired)];
    if target > group.desired && group.ends_by.first().is_none_or(|first| first != "NewestInstance") {
        notes.push(format!(
            "undone, the group itself chooses which of its instances it ends ({}): that may be one that serves now",
            if group.ends_by.is_empty() { "Default".to_owned() } else { group.ends_by.join(", ") }
        ));
    }
    if group.is_suspended("HealthCheck") {
        notes.push("HealthCheck is suspended: what it calls healthy it has not looked at".to_owned());
    }
    if !group.load_balancers.is_empty() {
        notes.push(format!("classic load balancers are not looked at: {}", group.load_balancers.join(", ")));
    }
    notes.extend(others.held.iter().chain(&others.unseen).chain(&seen.unseen).cloned());
    notes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seen(suspended: &[&str]) -> Seen {
        let suspended = suspended.iter().map(|name| String::from(*name)).collect();
        let group = Group { name: "web".into(), min: 1, max: 6, desired: 3, suspended, ..Group::default() };
        Seen { group, ..Seen::default() }
    }

    fn refused(arguments: Value, suspended: &[&str], acting: &[&str]) -> String {
        let others = Others { acting: acting.iter().map(|text| String::from(*text)).collect(), ..Others::default() };
        let wish = Wish::of(&arguments).unwrap().unwrap();
        wish.refusals(&seen(suspended), &others, "aws autoscaling").join("\n")
    }

    #[test]
    fn what_is_within_the_limits_is_not_refused() {
        for good in [
            json!({ "to": 6 }),
            json!({ "by": 3, "ceiling": 6 }),
            json!({ "to": 3 }),
            json!({ "to": 1, "shrink": true }),
        ] {
            assert_eq!(refused(good.clone(), &["Terminate"], &[]), "", "{good}");
        }
    }

    #[test]
    fn what_aws_would_refuse_or_never_come_to_an_end_is_refused_before() {
        for (arguments, suspended, word) in [
            (json!({ "to": 7 }), vec![], "--max-size 7"),
            (json!({ "by": 4 }), vec![], "its maximum is 6"),
            (json!({ "by": 2, "ceiling": 4 }), vec![], "ceiling is 4"),
            (json!({ "to": 0, "shrink": true }), vec![], "its minimum is 1"),
            (json!({ "to": 2 }), vec![], "`shrink: true`"),
            (json!({ "by": -1 }), vec![], "`shrink: true`"),
            (
                json!({ "by": 1 }),
                vec!["Launch"],
                "resume-processes --auto-scaling-group-name web --scaling-processes Launch",
            ),
            (json!({ "by": i64::MAX }), vec![], "its maximum is 6"),
        ] {
            let said = refused(arguments.clone(), &suspended, &[]);
            assert!(said.contains(word), "{arguments}: {said}");
        }
        assert_eq!(refused(json!({ "to": 3 }), &["Launch"], &[]), "", "nothing has to be launched");
    }

    #[test]
    fn who_would_move_it_back_is_in_the_way_unless_that_is_allowed() {
        let acting = ["its scaling policies may change the number back: cpu50"];
        assert!(refused(json!({ "by": 1 }), &[], &acting).contains("cpu50"));
        assert_eq!(refused(json!({ "by": 1, "others": "allow" }), &[], &acting), "");
    }

    #[test]
    fn one_size_is_given_and_a_step_taken_up_again_means_the_same_one() {
        assert!(Wish::of(&json!({})).is_err() && Wish::of(&json!({ "to": 1, "by": 1 })).is_err());
        let unknown = crate::value::unknown("what a step gives");
        assert_eq!(Wish::of(&json!({ "to": unknown })).unwrap(), None);
        let wish = Wish::of(&json!({ "by": 2, "to": null })).unwrap().unwrap();
        assert_eq!(wish.target(3), 5);
    }
}
