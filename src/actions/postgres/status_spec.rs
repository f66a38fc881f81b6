//! What `postgres.status` says about itself.

use std::sync::LazyLock;

use serde_json::json;

use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, UndoSpec};
use crate::value::Type;

pub(super) static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "postgres.status",
    summary: "Looks at all members of a cluster: who is primary, who follows, and what would stand in the way of a switch.",
    details: "All members are asked at once, directly. A member with another system identifier than the cluster's is \
        told as `foreign` and makes the step fail. The candidate is the standby with the most of the log, or the one \
        named by `standby`.\n\nWhere no primary answers, it is asked from several places: directly, by the proxy's health \
        check, on its host, and by the standbys' receivers. With `mode: planned` the step fails unless exactly one primary \
        answers; with `mode: unplanned` it fails unless two places say that the primary is gone and none says that it \
        serves (it looks again for `settle` while they differ). `instead` is printed with either failure: the command to \
        use in that case.",
    inputs: vec![
        FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster's name in the inventory"),
        FieldSpec::optional("mode", mode(), "what the cluster has to be fit for; any: nothing, only look")
            .or(json!("any")),
        FieldSpec::optional("primary", Type::String, "the member that has to be the primary; empty: whichever is"),
        FieldSpec::optional("standby", Type::String, "the member that is to be the candidate; empty: the furthest"),
        FieldSpec::optional("instead", Type::String, "the command to print when the mode does not fit"),
        FieldSpec::optional("settle", Type::Duration, "how long to look again while places differ").or(json!(12.0)),
    ],
    outputs: fields(),
    facts: fields(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Everything: it is the same look.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 40.0,
    open_inputs: false,
});

fn mode() -> Type {
    Type::Choice(["planned", "unplanned", "any"].map(String::from).to_vec())
}

fn fields() -> Vec<FieldSpec> {
    let list = || Type::List(Box::new(Type::String));
    vec![
        FieldSpec::required("primaries", Type::Integer, "how many members take writes"),
        FieldSpec::optional("primary", Type::Identifier, "the one that takes writes; null if there is not exactly one"),
        FieldSpec::optional("old_primary", Type::Identifier, "the primary, or the silent member that was it"),
        FieldSpec::optional("standby", Type::Identifier, "the candidate: the standby with the most of the log"),
        FieldSpec::required("standbys", list(), "all standbys that answer"),
        FieldSpec::required("unreachable", list(), "the members that tell nothing"),
        FieldSpec::required("member_states", Type::Any, "each member: primary, standby, down, unknown, foreign"),
        FieldSpec::optional("system_identifier", Type::String, "the cluster's identifier"),
        FieldSpec::optional("timeline", Type::Integer, "the primary's timeline, else the candidate's"),
        FieldSpec::optional("lag_bytes", Type::Size, "what the candidate has not replayed yet; null without a primary")
            .volatile(),
        FieldSpec::optional("receive_lag_bytes", Type::Size, "what the candidate has not received yet").volatile(),
        FieldSpec::optional(
            "replay_lag_bytes",
            Type::Size,
            "what the candidate has received and not replayed; it knows it alone",
        )
        .volatile(),
        FieldSpec::optional("candidate_last_lsn", Type::String, "the last position that the candidate has").volatile(),
        FieldSpec::required("streaming", Type::Boolean, "whether the candidate streams from the primary"),
        FieldSpec::required("replay_paused", Type::Boolean, "whether replay is paused on the candidate"),
        FieldSpec::required("settings_ok", Type::Boolean, "no setting of the candidate is below the primary's"),
        FieldSpec::required("settings_problems", list(), "which are, with both values"),
        FieldSpec::required("slots_ok", Type::Boolean, "slots suffice on the candidate and none would be lost"),
        FieldSpec::required("slots_problems", list(), "which would, or what does not suffice"),
        FieldSpec::optional("sync_problem", Type::String, "why commits would hang on the candidate as a primary"),
        FieldSpec::optional("second_controller", Type::String, "who else manages the cluster and is not paused"),
        FieldSpec::optional("controller_hint", Type::String, "the command that pauses it"),
        FieldSpec::required(
            "primary_gone",
            Type::Boolean,
            "two places say that the primary is gone, none that it serves",
        ),
        FieldSpec::required("seen_dead_by", list(), "the places that say it is gone").volatile(),
        FieldSpec::required("seen_alive_by", list(), "the places that say it serves").volatile(),
        FieldSpec::required("seen_unclear_by", list(), "the places that cannot say").volatile(),
        FieldSpec::optional("proxy", Type::Reference("proxy".into()), "the proxy in front of the cluster"),
        FieldSpec::optional("pooler", Type::Reference("pooler".into()), "the connection pooler in front of it, if any"),
        FieldSpec::optional("primary_server", Type::Identifier, "the old primary's name in the proxy"),
        FieldSpec::optional("standby_server", Type::Identifier, "the candidate's name in the proxy"),
        FieldSpec::required("other_servers", list(), "the names in the proxy of all members but the old primary"),
    ]
}
