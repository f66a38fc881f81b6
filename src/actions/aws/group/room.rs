//! Whether the account's limit leaves room for what a group would launch: else it tries, fails, and tries again. What cannot be
//! known is said, and never taken for room.

use super::model::Seen;
use crate::actions::aws::api::Cloud;
use crate::actions::aws::limit;

/// What stands against so much more capacity, and what a person is told of it.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub refusal: Option<String>,
    pub note: Option<String>,
}

/// Looks whether there is room for `more`.
pub(super) async fn room(cloud: &Cloud, seen: &Seen, more: i64) -> Room {
    let noted = |text: &str| Room {
        note: Some(format!("whether the account's limit leaves room is not known: {text}")),
        refusal: None,
    };
    if more <= 0 {
        return Room::default();
    }
    let group = &seen.group;
    if group.mixed || group.members.iter().any(|member| member.weight != 1) {
        return noted("the group launches several kinds of instances");
    }
    let Some(kind) = group.members.iter().map(|member| member.kind.as_str()).find(|kind| !kind.is_empty()) else {
        return noted("the group has no instance whose type could be counted");
    };
    let found = limit::room(cloud, kind, more).await;
    let Some(refusal) = found.refusal else { return Room { refusal: None, note: Some(found.note) } };
    // Spot instances have a limit of their own: this one stands in nobody's way there.
    match cloud.running().await {
        Ok(running)
            if running.iter().any(|one| one.on_demand && group.members.iter().any(|member| member.id == one.id)) =>
        {
            Room { refusal: Some(refusal), note: None }
        }
        Ok(_) => noted(&format!("none of its instances is on demand ({})", found.note)),
        Err(error) => noted(&format!("{refusal}; and {}", super::unseen(error))),
    }
}
