//! Who else moves a scaling group's numbers: its own policies, its schedules, a replacement of its instances. They are looked
//! for before anything is changed, with the command that holds them. It asks nobody itself.

use super::model::{Group, Policy, Refresh, Schedule};
use crate::actions::by_hand::word;

/// How far ahead a schedule is anybody's concern, in seconds.
const A_DAY: i64 = 24 * 3600;

/// What was read beside a group; what may not be read stands as why not.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    /// Its policies.
    pub policies: Result<Vec<Policy>, String>,
    /// Its schedules.
    pub schedules: Result<Vec<Schedule>, String>,
    /// The replacements that are under way.
    pub refreshes: Result<Vec<Refresh>, String>,
}

/// What was found: who would change it back, and what could not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// Each in a sentence with the command that holds it.
    pub acting: Vec<String>,
    /// What is there and does not act now.
    pub held: Vec<String>,
    /// What could not be looked at.
    pub unseen: Vec<String>,
}

impl Beside {
    /// Who else acts on a group.
    pub fn others(&self, group: &Group, command: &str) -> Others {
        let mut found = Others::default();
        self.policies(group, command, &mut found);
        self.schedules(group, command, &mut found);
        self.refreshes(group, command, &mut found);
        found
    }

    fn policies(&self, group: &Group, command: &str, found: &mut Others) {
        let list = match &self.policies {
            Ok(list) => list,
            Err(why) => return found.unseen.push(format!("its scaling policies cannot be seen: {why}")),
        };
        let names = |acting: bool| {
            let which = list.iter().filter(|policy| policy.enabled == acting);
            which.map(|policy| format!("{} ({})", policy.name, policy.kind)).collect::<Vec<_>>().join(", ")
        };
        let (on, off) = (names(true), names(false));
        if !off.is_empty() {
            found.held.push(format!("scaling policies that are switched off: {off}"));
        }
        if on.is_empty() {
            return;
        }
        match group.is_suspended("AlarmNotification") {
            true => found.held.push(format!("scaling policies that are held (AlarmNotification is suspended): {on}")),
            false => found.acting.push(format!(
                "its scaling policies may change the number back: {on}. They are held, until resume-processes, by: {}",
                suspend(group, command, "AlarmNotification")
            )),
        }
    }

    fn schedules(&self, group: &Group, command: &str, found: &mut Others) {
        let list = match &self.schedules {
            Ok(list) => list,
            Err(why) => return found.unseen.push(format!("its schedules cannot be seen: {why}")),
        };
        for schedule in list {
            let when = schedule.next.as_deref().unwrap_or("at a time that is not told");
            let text = format!("the schedule {} sets {} at {when}", schedule.name, schedule.sets);
            let near = schedule.in_seconds.is_none_or(|left| left <= A_DAY);
            if group.is_suspended("ScheduledActions") || !near {
                found.held.push(text);
            } else {
                found.acting.push(format!(
                    "{text}. It is held, until resume-processes, by: {}",
                    suspend(group, command, "ScheduledActions")
                ));
            }
        }
    }

    fn refreshes(&self, group: &Group, command: &str, found: &mut Others) {
        match &self.refreshes {
            Ok(list) => found.acting.extend(list.iter().map(|refresh| {
                let percent = refresh.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
                format!(
                    "its instances are being replaced (instance refresh {}: {}{percent}). It is ended by: {command} \
                     cancel-instance-refresh --auto-scaling-group-name {}",
                    refresh.id,
                    refresh.status,
                    word(&group.name)
                )
            })),
            Err(why) => {
                found.unseen.push(format!("whether its instances are being replaced cannot be seen: {why}"));
            }
        }
    }
}

impl Group {
    /// Whether it was told to leave a part of its work alone.
    pub fn is_suspended(&self, process: &str) -> bool {
        self.suspended.iter().any(|name| name == process)
    }
}

fn suspend(group: &Group, command: &str, process: &str) -> String {
    let name = word(&group.name);
    format!("{command} suspend-processes --auto-scaling-group-name {name} --scaling-processes {process}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(suspended: &[&str]) -> Group {
        let suspended = suspended.iter().map(|name| String::from(*name)).collect();
        Group { name: "web".into(), suspended, ..Group::default() }
    }

    fn beside() -> Beside {
        let policy = |name: &str, enabled| Policy { name: name.into(), kind: "TargetTrackingScaling".into(), enabled };
        let schedule = |name: &str, in_seconds| Schedule {
            name: name.into(),
            next: Some("2026-11-23T20:00:00Z".into()),
            in_seconds: Some(in_seconds),
            sets: "desired 2".into(),
        };
        Beside {
            policies: Ok(vec![policy("cpu50", true), policy("old", false)]),
            schedules: Ok(vec![schedule("night", 3600), schedule("next-month", 30 * A_DAY)]),
            refreshes: Ok(vec![Refresh { id: "r-1".into(), status: "InProgress".into(), percent: Some(40) }]),
        }
    }

    #[test]
    fn who_acts_is_named_with_the_command_that_holds_it() {
        let found = beside().others(&group(&[]), "aws autoscaling");
        assert_eq!(found.acting.len(), 3, "{found:?}");
        assert!(found.acting[0].contains("cpu50 (TargetTrackingScaling)") && !found.acting[0].contains("old"));
        assert!(found.acting[0].contains(
            "aws autoscaling suspend-processes --auto-scaling-group-name web --scaling-processes AlarmNotification"
        ));
        assert!(found.acting[1].contains("night") && found.acting[2].contains("r-1: InProgress, 40 %"), "{found:?}");
        assert!(found.held.iter().any(|text| text.contains("next-month")), "{found:?}");
    }

    #[test]
    fn who_is_held_or_cannot_be_seen_does_not_stand_in_the_way() {
        let found = beside().others(&group(&["AlarmNotification", "ScheduledActions"]), "aws autoscaling");
        assert_eq!(found.acting.len(), 1, "only the replacement: {found:?}");
        let blind = Beside { policies: Ok(vec![]), schedules: Ok(vec![]), refreshes: Err("not allowed".into()) };
        let found = blind.others(&group(&[]), "aws autoscaling");
        assert!(found.acting.is_empty() && found.unseen[0].ends_with("cannot be seen: not allowed"), "{found:?}");
    }
}
