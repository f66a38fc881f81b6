//! Whether the account's limit leaves room for a launch: counted in virtual processors, a limit for each family of instance
//! types. What cannot be known is said, and never taken for room.

use super::AwsError;
use super::api::Cloud;
use super::seen::Instance;

/// What is known of the room for a launch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Room {
    pub(super) needed: Option<i64>,
    pub(super) used: Option<i64>,
    pub(super) limit: Option<i64>,
    /// Why it is too little.
    pub(super) refusal: Option<String>,
    pub(super) note: String,
}

/// The families that share a limit, as the letters that their types begin with, and the limit's code.
const FAMILIES: [(&[&str], &str, &str); 6] = [
    (&["a", "c", "d", "h", "i", "m", "r", "t", "z"], "L-1216C47A", "standard (A, C, D, H, I, M, R, T, Z)"),
    (&["f"], "L-74FC7D96", "F"),
    (&["g", "vt"], "L-DB2E81BA", "G and VT"),
    (&["p"], "L-417A185B", "P"),
    (&["x"], "L-7295265B", "X"),
    (&["inf"], "L-1945791B", "Inf"),
];

/// The letters before the generation: `m` of m7g.large, `inf` of inf2.xlarge.
fn letters(kind: &str) -> &str {
    let end = kind.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(kind.len());
    kind.get(..end).unwrap_or_default()
}

fn family(kind: &str) -> Option<(&'static str, &'static str)> {
    let own = letters(kind);
    // im4gn, is4gen and the like are I; trn, dl, hpc, mac and u have limits that are not counted here.
    let own = if matches!(own, "im" | "is") { "i" } else { own };
    FAMILIES.iter().find(|(letters, ..)| letters.contains(&own)).map(|(_, code, name)| (*code, *name))
}

/// Looks whether `count` more of a type have room.
pub(super) async fn room(cloud: &Cloud, kind: &str, count: i64) -> Room {
    match counted(cloud, kind, count).await {
        Ok(room) => room,
        Err(error) => {
            Room { note: format!("whether the account's limit leaves room is not known: {error}"), ..Room::default() }
        }
    }
}

async fn counted(cloud: &Cloud, kind: &str, count: i64) -> Result<Room, AwsError> {
    let each = cloud.vcpus(kind).await?;
    let needed = each.map(|each| each * count);
    let Some((code, name)) = family(kind) else {
        let note = format!("the limit that counts {kind} is none that is looked at here");
        return Ok(Room { needed, note, ..Room::default() });
    };
    let Some(limit) = cloud.quota(code).await? else {
        let note =
            format!("AWS names no limit {code} for {name} instances here, so nobody knows how much room there is");
        return Ok(Room { needed, note, ..Room::default() });
    };
    let running: Vec<Instance> = cloud.running().await?;
    let same = running.iter().filter(|one| one.on_demand && family(&one.kind).is_some_and(|(other, _)| other == code));
    let mut used = 0;
    for one in same {
        match one.vcpus {
            Some(vcpus) => used += vcpus,
            None => used += cloud.vcpus(&one.kind).await?.unwrap_or(0),
        }
    }
    Ok(judged(name, needed, used, limit))
}

fn judged(name: &str, needed: Option<i64>, used: i64, limit: f64) -> Room {
    #[allow(clippy::cast_possible_truncation)] // A limit is a small whole number; a strange one is cut off at the ends.
    let limit = limit as i64;
    let room = Room { needed, used: Some(used), limit: Some(limit), ..Room::default() };
    let Some(needed) = needed else {
        return Room { note: format!("{used} of {limit} vCPUs of {name} on-demand instances are used"), ..room };
    };
    let said = format!("{used} of {limit} vCPUs of {name} on-demand instances are used, and this takes {needed} more");
    if used + needed > limit {
        let why = format!(
            "the account's limit leaves no room: {said}. Ask for more in Service Quotas (an increase may take hours), end what \
             nobody needs, or launch fewer"
        );
        return Room { refusal: Some(why), note: said, ..room };
    }
    Room { note: said, ..room }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_the_limit_of_its_family() {
        for (kind, code) in [
            ("t3.micro", "L-1216C47A"),
            ("m7g.large", "L-1216C47A"),
            ("im4gn.large", "L-1216C47A"),
            ("g5.xlarge", "L-DB2E81BA"),
            ("vt1.3xlarge", "L-DB2E81BA"),
            ("p4d.24xlarge", "L-417A185B"),
            ("x2idn.16xlarge", "L-7295265B"),
            ("inf2.xlarge", "L-1945791B"),
        ] {
            assert_eq!(family(kind).map(|(code, _)| code), Some(code), "{kind}");
        }
        for kind in ["trn1.2xlarge", "mac1.metal", "u-6tb1.56xlarge", "hpc7g.4xlarge", "", "-"] {
            assert_eq!(family(kind), None, "{kind}");
        }
    }

    #[test]
    fn a_launch_that_passes_the_limit_is_refused_and_one_that_reaches_it_is_not() {
        assert_eq!(judged("F", Some(4), 4, 8.0).refusal, None);
        let refusal = judged("F", Some(5), 4, 8.0).refusal.unwrap();
        assert!(refusal.contains("4 of 8 vCPUs") && refusal.contains("5 more"), "{refusal}");
        assert_eq!(judged("F", None, 9, 8.0).refusal, None);
    }
}
