//! What holds a group up that was told to grow: read out of the words in which the group tells what it tried. It asks nobody,
//! and where it does not know a text it says just that text.

use super::model::Activity;

/// Why a launch did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The region has none of them left for now.
    Capacity,
    /// The account may not have more.
    Quota,
    /// The subnet has no address left.
    Subnet,
    /// The image is not there, or not ours.
    Image,
    /// The template names what is not there, or does not fit.
    Template,
    /// The group's role may not do it.
    Permission,
    /// A hook of the group's owner gave it up, or never answered.
    Hook,
    /// The API was asked too often.
    Throttled,
    /// It says something else.
    Other,
}

/// Words of the API (in small letters), and what they mean. The first that is found counts.
const WORDS: [(&str, Cause); 37] = [
    ("insufficientinstancecapacity", Cause::Capacity),
    ("do not have sufficient", Cause::Capacity),
    ("no spot capacity", Cause::Capacity),
    ("insufficient capacity", Cause::Capacity),
    ("unfulfillablecapacity", Cause::Capacity),
    ("vcpu", Cause::Quota),
    ("instancelimitexceeded", Cause::Quota),
    ("your quota allows", Cause::Quota),
    ("max spot instance count exceeded", Cause::Quota),
    ("maxspotinstancecountexceeded", Cause::Quota),
    ("volumelimitexceeded", Cause::Quota),
    ("address limit", Cause::Quota),
    ("freeaddresses", Cause::Subnet),
    ("enough free addresses", Cause::Subnet),
    ("free ip addresses", Cause::Subnet),
    ("invalidamiid", Cause::Image),
    ("image id", Cause::Image),
    ("ami id", Cause::Image),
    ("not authorized for images", Cause::Image),
    ("not authorized", Cause::Permission),
    ("unauthorizedoperation", Cause::Permission),
    ("authfailure", Cause::Permission),
    ("access denied", Cause::Permission),
    ("accessdenied", Cause::Permission),
    ("invalidkmskey", Cause::Permission),
    ("client error on launch", Cause::Permission),
    ("launch template", Cause::Template),
    ("key pair", Cause::Template),
    ("security group", Cause::Template),
    ("instance profile", Cause::Template),
    ("not currently supported", Cause::Template),
    ("currently not supported", Cause::Template),
    ("not supported", Cause::Template),
    ("invalid device name", Cause::Template),
    ("lifecycle action", Cause::Hook),
    ("requestlimitexceeded", Cause::Throttled),
    ("request limit exceeded", Cause::Throttled),
];

impl Cause {
    /// What a text of the API means.
    pub fn of(text: &str) -> Cause {
        let small = text.to_lowercase();
        WORDS.iter().find(|(word, _)| small.contains(word)).map_or(Cause::Other, |(_, cause)| *cause)
    }

    /// Whether the group can get over it while it is waited for. Of what it cannot, waiting longer only keeps people from the
    /// next means.
    pub fn may_pass(self) -> bool {
        matches!(self, Cause::Capacity | Cause::Subnet | Cause::Hook | Cause::Throttled | Cause::Other)
    }

    /// What it means, and what to do.
    pub fn sentence(self) -> &'static str {
        match self {
            Cause::Capacity => {
                "AWS has no such instances left there for now: other instance types or zones may have them"
            }
            Cause::Quota => "the account's quota is used up: ask for more at Service Quotas, or end what is not needed",
            Cause::Subnet => "the subnet has no address left: give the group another subnet, or free addresses",
            Cause::Image => {
                "the image of the launch template is not there, or not this account's: put a good one into it"
            }
            Cause::Template => "the launch template does not fit: mend it, and let the group use that version",
            Cause::Permission => "the group's service role may not do it (or may not use the key of the volumes)",
            Cause::Hook => {
                "a lifecycle hook of the group gave the instance up, or nobody answered it: look at what answers it"
            }
            Cause::Throttled => "the account asks the API too often just now: the group tries again",
            Cause::Other => "it says so itself",
        }
    }
}

/// What holds it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    /// Why.
    pub cause: Cause,
    /// In the API's words.
    pub text: String,
    /// How many of its tries failed for it.
    pub tries: usize,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tries = if self.tries > 1 { format!(" ({} tries)", self.tries) } else { String::new() };
        write!(f, "{}{tries}. The group says: {}", self.cause.sentence(), self.text)
    }
}

/// The activities that began after the one that was the newest before, newest first as the API gives them.
pub(super) fn since<'a>(activities: &'a [Activity], newest_before: Option<&str>) -> &'a [Activity] {
    let end = newest_before.and_then(|id| activities.iter().position(|one| one.id == id));
    &activities[..end.unwrap_or(activities.len())]
}

/// What holds up a group: the newest failure, and how often that came.
pub(super) fn why(activities: &[Activity]) -> Option<Held> {
    let failed = |one: &&Activity| matches!(one.status.as_str(), "Failed" | "Cancelled") && one.message.is_some();
    let newest = activities.iter().find(failed)?;
    let text = newest.message.clone()?;
    let cause = Cause::of(&text);
    let same = |one: &&Activity| one.message.as_deref().is_some_and(|text| Cause::of(text) == cause);
    Some(Held { cause, text, tries: activities.iter().filter(failed).filter(same).count() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of the service's own documentation ("Troubleshoot issues in Amazon EC2 Auto Scaling").
    const DOCUMENTED: [(&str, Cause); 14] = [
        (
            "We currently do not have sufficient m5.large capacity in the Availability Zone you requested (eu-west-1a). Our system \
             will be working on provisioning additional capacity. Launching EC2 instance failed.",
            Cause::Capacity,
        ),
        (
            "Could not launch Spot Instances. InsufficientInstanceCapacity - There is no Spot capacity available that matches your \
             request. Launching EC2 instance failed.",
            Cause::Capacity,
        ),
        (
            "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the \
             specified instance type belongs to. Launching EC2 instance failed.",
            Cause::Quota,
        ),
        (
            "Your quota allows for 0 more running instance(s). You requested at least 1. Launching EC2 instance failed.",
            Cause::Quota,
        ),
        ("Max spot instance count exceeded. Launching EC2 instance failed.", Cause::Quota),
        ("The image id 'ami-0123' does not exist. Launching EC2 instance failed.", Cause::Image),
        ("AMI ID ami-0123 is pending, and cannot be run. Launching EC2 instance failed.", Cause::Image),
        (
            "There are not enough free addresses in subnet 'subnet-1' to satisfy the requested number of instances.",
            Cause::Subnet,
        ),
        ("The key pair 'old' does not exist. Launching EC2 instance failed.", Cause::Template),
        ("The security group 'sg-1' does not exist. Launching EC2 instance failed.", Cause::Template),
        ("The requested configuration is currently not supported. Launching EC2 instance failed.", Cause::Template),
        ("You are not authorized to perform this operation. Launching EC2 instance failed.", Cause::Permission),
        ("Client.InternalError: Client error on launch", Cause::Permission),
        (
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token 85c3 was abandoned: Heartbeat Timeout",
            Cause::Hook,
        ),
    ];

    fn failed(id: &str, text: &str) -> Activity {
        Activity { id: id.into(), status: "Failed".into(), message: Some(text.into()), ..Activity::default() }
    }

    #[test]
    fn the_documented_texts_are_told_apart() {
        for (text, cause) in DOCUMENTED {
            assert_eq!(Cause::of(text), cause, "{text}");
        }
        assert_eq!(Cause::of("something new"), Cause::Other);
    }

    #[test]
    fn what_was_there_before_holds_nothing_up_now() {
        let list = [failed("3", DOCUMENTED[0].0), failed("2", DOCUMENTED[0].0), failed("1", DOCUMENTED[5].0)];
        let held = why(since(&list, Some("1"))).unwrap();
        assert_eq!((held.cause, held.tries), (Cause::Capacity, 2));
        assert!(held.to_string().contains("(2 tries)"), "{held}");
        assert_eq!(why(since(&list, Some("3"))), None);
        assert_eq!(why(since(&list, None)).unwrap().tries, 2);
    }
}
