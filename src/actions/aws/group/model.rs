//! What is known of a scaling group, as plain data: what the API said, and what that means for the capacity that serves.
//! It asks nobody.

use serde_json::{Value, json};

/// A scaling group, as one look showed it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Group {
    /// Its name.
    pub name: String,
    /// What it is known by for ever: a group that was made anew under the same name has another one.
    pub arn: String,
    /// The least capacity that it keeps.
    pub min: i64,
    /// The most that it lets anybody ask for.
    pub max: i64,
    /// The capacity that it was told to have.
    pub desired: i64,
    /// Its instances, those that come and go included.
    pub members: Vec<Member>,
    /// What of its own work it was told to leave alone, such as `Launch`.
    pub suspended: Vec<String>,
    /// The target groups that it registers its instances in.
    pub target_groups: Vec<String>,
    /// Load balancers of the classic kind, whose health is not looked at.
    pub load_balancers: Vec<String>,
    /// By what it chooses which instance it ends when it shrinks, in their order.
    pub ends_by: Vec<String>,
    /// Whether it launches several kinds of instances, so that one that is not to be had does not stop the others.
    pub mixed: bool,
    /// What becomes of it, where it is being removed.
    pub leaving: Option<String>,
}

/// An instance of a group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Member {
    /// Its id.
    pub id: String,
    /// Its type, such as `m5.large`.
    pub kind: String,
    /// Where it stands.
    pub zone: String,
    /// How far it is: `Pending`, `InService`, `Terminating`, …
    pub lifecycle: String,
    /// What the group holds of it: `Healthy` or `Unhealthy`.
    pub health: String,
    /// How much of the capacity it is.
    pub weight: i64,
    /// Whether the group does not end it when it shrinks.
    pub protected: bool,
}

impl Member {
    /// Whether it does its work, as far as the group knows.
    pub fn serves(&self) -> bool {
        self.lifecycle == "InService" && self.health.eq_ignore_ascii_case("healthy")
    }

    /// Whether it is on its way out, or out.
    pub fn leaves(&self) -> bool {
        ["Terminat", "Detach"].iter().any(|word| self.lifecycle.starts_with(word))
    }

    /// What a record keeps of it.
    pub fn told(&self) -> Value {
        json!({
            "id": self.id, "type": self.kind, "zone": self.zone, "state": self.lifecycle, "health": self.health,
            "protected": self.protected,
        })
    }
}

/// A target group of a load balancer, as far as it is about a scaling group's instances.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Targets {
    /// What it is known by.
    pub arn: String,
    /// Each target with its state (`healthy`, `initial`, `unhealthy`, …) and why, where the API says it.
    pub states: Vec<(String, String, Option<String>)>,
}

impl Targets {
    /// Its name, out of `…:targetgroup/NAME/ID`.
    pub fn name(&self) -> &str {
        let mut parts = self.arn.split('/');
        match (parts.next(), parts.next()) {
            (Some(_), Some(name)) => name,
            _ => &self.arn,
        }
    }

    /// Whether clients are sent to an instance by it.
    pub fn sends_to(&self, id: &str) -> bool {
        self.states.iter().any(|(target, state, _)| target == id && state == "healthy")
    }
}

/// One thing that the group did or tries to do, as it tells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Activity {
    /// Its id.
    pub id: String,
    /// What it does, in the API's words.
    pub what: String,
    /// Who or what asked for it, in the API's words.
    pub cause: String,
    /// `Successful`, `InProgress`, `Failed`, …
    pub status: String,
    /// What went wrong, in the API's words.
    pub message: Option<String>,
    /// When it began.
    pub began: String,
}

impl Activity {
    /// It in one line.
    pub fn line(&self) -> String {
        let message = self.message.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        format!("{} {} ({}){message}", self.began, self.what, self.status)
    }
}

/// A scaling policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Policy {
    /// Its name.
    pub name: String,
    /// `TargetTrackingScaling`, `StepScaling`, `SimpleScaling`, `PredictiveScaling`.
    pub kind: String,
    /// Whether it acts at all.
    pub enabled: bool,
}

/// A change of the group's numbers at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Schedule {
    /// Its name.
    pub name: String,
    /// When it acts next, as the API writes it.
    pub next: Option<String>,
    /// In how many seconds that is.
    pub in_seconds: Option<i64>,
    /// The numbers that it sets.
    pub sets: String,
}

/// A replacement of the group's instances that is under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Refresh {
    /// Its id.
    pub id: String,
    /// `InProgress`, `RollbackInProgress`, …
    pub status: String,
    /// How far it is.
    pub percent: Option<i64>,
}

/// One look: the group, and whom its target groups send clients to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::actions::aws) struct Seen {
    /// The group.
    pub group: Group,
    /// Its target groups.
    pub targets: Vec<Targets>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
}

impl Seen {
    /// Whether an instance serves, for the group and for each of its target groups.
    fn serves(&self, member: &Member) -> bool {
        member.serves() && self.targets.iter().all(|targets| targets.sends_to(&member.id))
    }

    /// The capacity that serves.
    pub fn healthy(&self) -> i64 {
        self.group.members.iter().filter(|member| self.serves(member)).map(|member| member.weight).sum()
    }

    /// The capacity that is there and stays, whether it serves or not.
    pub fn staying(&self) -> i64 {
        self.group.members.iter().filter(|member| !member.leaves()).map(|member| member.weight).sum()
    }

    /// The ids of its instances that stay, in their order.
    pub fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> =
            self.group.members.iter().filter(|member| !member.leaves()).map(|member| member.id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    /// Those that do not serve, each with what keeps it from that.
    pub fn waiting(&self) -> Vec<String> {
        let members = self.group.members.iter().filter(|member| !self.serves(member) && !member.leaves());
        members.map(|member| format!("{} {}", member.id, self.why_not(member))).collect()
    }

    fn why_not(&self, member: &Member) -> String {
        if member.lifecycle != "InService" {
            return format!("is {}", member.lifecycle);
        }
        if !member.serves() {
            return format!("is {}", member.health.to_lowercase());
        }
        let lacking = self.targets.iter().find(|targets| !targets.sends_to(&member.id));
        let Some(targets) = lacking else { return "serves".to_owned() };
        match targets.states.iter().find(|(id, ..)| *id == member.id) {
            Some((_, state, Some(why))) => format!("is {state} in the target group {} ({why})", targets.name()),
            Some((_, state, None)) => format!("is {state} in the target group {}", targets.name()),
            None => format!("is not in the target group {}", targets.name()),
        }
    }

    /// How it stands, in a sentence.
    pub fn sentence(&self, wanted: i64) -> String {
        let waiting = self.waiting();
        let rest = match waiting.as_slice() {
            [] => String::new(),
            some if some.len() > SHOWN => format!("; {}, and {} more", some[..SHOWN].join(", "), some.len() - SHOWN),
            some => format!("; {}", some.join(", ")),
        };
        format!("{}: {} of {wanted} serve{rest}", self.group.name, self.healthy())
    }
}

/// How many instances a sentence names.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    pub fn member(id: &str, lifecycle: &str) -> Member {
        Member { id: id.into(), lifecycle: lifecycle.into(), health: "Healthy".into(), weight: 1, ..Member::default() }
    }

    fn seen(members: Vec<Member>, states: &[(&str, &str)]) -> Seen {
        let targets = Targets {
            arn: "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/front/73e2d6bc24d8a067".into(),
            states: states.iter().map(|(id, state)| (String::from(*id), String::from(*state), None)).collect(),
        };
        let group = Group { name: "web".into(), min: 1, max: 6, desired: 3, members, ..Group::default() };
        Seen { group, targets: if states.is_empty() { vec![] } else { vec![targets] }, unseen: vec![] }
    }

    #[test]
    fn what_serves_is_in_service_healthy_and_in_every_target_group() {
        let all = || vec![member("i-1", "InService"), member("i-2", "InService"), member("i-3", "Pending:Wait")];
        assert_eq!(seen(all(), &[]).healthy(), 2);
        let seen_by = seen(all(), &[("i-1", "healthy"), ("i-2", "initial")]);
        assert_eq!(seen_by.healthy(), 1);
        assert_eq!(
            seen_by.sentence(3),
            "web: 1 of 3 serve; i-2 is initial in the target group front, i-3 is Pending:Wait"
        );
        let mut ill = all();
        ill[0].health = "Unhealthy".into();
        assert_eq!(seen(ill, &[]).healthy(), 1);
        assert_eq!(seen(all(), &[("i-1", "healthy")]).waiting()[0], "i-2 is not in the target group front");
    }

    #[test]
    fn what_is_warm_or_leaves_does_not_serve_and_weights_count() {
        let mut members =
            vec![member("i-1", "InService"), member("i-2", "Warmed:Stopped"), member("i-3", "Terminating:Wait")];
        members[0].weight = 4;
        let seen = seen(members, &[]);
        assert_eq!((seen.healthy(), seen.staying()), (4, 5));
        assert_eq!(seen.ids(), ["i-1", "i-2"]);
    }
}
