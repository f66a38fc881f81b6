//! The words of the format: which keys there are, which are kept for a later version, and what the words of other tools
//! are called here. Nothing that is written is ever ignored in silence.

use crate::diagnostic::nearest;
use crate::document::Entry;

use super::faults::Faults;

/// The keys that may stand at one kind of place.
pub(super) struct Words {
    /// What the place is, for a message.
    pub place: &'static str,
    pub known: &'static [&'static str],
    /// Words of the format that this version does not do yet.
    pub later: &'static [&'static str],
}

pub(super) const PLAYBOOK: Words = Words {
    place: "a playbook",
    known: &[
        "$schema",
        "name",
        "version",
        "title",
        "description",
        "owner",
        "reviewed",
        "review_every",
        "severity",
        "symptoms",
        "services",
        "objective",
        "recovers",
        "inputs",
        "locks",
        "defaults",
        "max_targets",
        "identity",
        "invariants",
        "budgets",
        "triggers",
        "steps",
    ],
    later: &[],
};

pub(super) const STEP: Words = Words {
    place: "a step",
    known: &[
        "id",
        "name",
        "uses",
        "with",
        "run",
        "argv",
        "host",
        "become",
        "env",
        "shell",
        "if",
        "needs",
        "effect",
        "probe",
        "settle",
        "key",
        "covers",
        "require",
        "timeout",
        "kill_on_timeout",
        "retry",
        "ok_if",
        "verify",
        "rollback",
        "because",
        "checkpoint",
        "service",
        "point_of_no_return",
        "on_failure",
        "outputs",
        "forward",
        "for_each",
        "batch",
        "on_item_failure",
        "unreachable_at_plan",
        "max_targets",
        "parallel",
        "steps",
        "approval",
        "sensitive",
    ],
    later: &[],
};

/// What may stand in every kind of group.
macro_rules! group {
    ($($key:literal),*) => {
        &["id", "name", "if", "needs", "checkpoint", "service", "on_failure", "approval", $($key),*]
    };
}

pub(super) const PARALLEL: Words = Words { place: "a group of parallel steps", known: group!["parallel"], later: &[] };
pub(super) const BLOCK: Words = Words {
    place: "a block of steps that runs for each item",
    known: group!["for_each", "batch", "max_targets", "on_item_failure", "unreachable_at_plan", "steps"],
    later: &[],
};
/// A step that is another playbook.
pub(super) const CALL: Words = Words { place: "a nested playbook", known: group!["uses", "with"], later: &[] };
/// What such a step is given.
pub(super) const NESTED: Words =
    Words { place: "the `with` of a nested playbook", known: &["name", "version", "inputs"], later: &[] };
/// What a `for_each` over hosts of the inventory says.
pub(super) const HOSTS: Words = Words { place: "`for_each`", known: &["hosts"], later: &[] };
pub(super) const UNREACHABLE: Words = Words { place: "`unreachable_at_plan`", known: &["exclude", "max"], later: &[] };
pub(super) const BATCH: Words = Words {
    place: "a batch",
    known: &["size", "max_failures", "pause", "min_healthy", "spread", "checkpoint"],
    later: &[],
};

/// A step of a `rollback:` list: it cannot be undone, named or branched from.
pub(super) const ROLLBACK_STEP: Words = Words {
    place: "a step of a rollback",
    known: &[
        "id",
        "name",
        "uses",
        "with",
        "run",
        "argv",
        "host",
        "become",
        "env",
        "shell",
        "if",
        "effect",
        "probe",
        "settle",
        "key",
        "require",
        "timeout",
        "kill_on_timeout",
        "retry",
        "ok_if",
        "verify",
        "outputs",
    ],
    later: STEP.later,
};

pub(super) const PROBE: Words = Words {
    place: "a probe",
    known: &[
        "uses",
        "with",
        "run",
        "argv",
        "host",
        "become",
        "env",
        "shell",
        "timeout",
        "ok_if",
        "outputs",
        "took_effect",
        "did_not",
    ],
    later: STEP.later,
};

/// A check of `identity`.
pub(super) const CHECK: Words = Words {
    place: "a check of an identity",
    known: &[
        "name",
        "uses",
        "with",
        "run",
        "argv",
        "host",
        "become",
        "env",
        "shell",
        "timeout",
        "ok_if",
        "outputs",
        "expr",
        "within",
        "broken_by",
    ],
    later: &[],
};
/// A check of `invariants`.
pub(super) const INVARIANT: Words = Words {
    place: "an invariant",
    known: &[
        "name",
        "uses",
        "with",
        "run",
        "argv",
        "host",
        "become",
        "env",
        "shell",
        "timeout",
        "ok_if",
        "outputs",
        "expr",
        "within",
        "broken_by",
        "hold",
    ],
    later: &[],
};
pub(super) const BUDGET: Words = Words { place: "a budget", known: &["from", "to", "max"], later: &[] };
pub(super) const APPROVAL: Words = Words {
    place: "an approval",
    known: &["roles", "min", "timeout", "on_timeout", "prevent_self_approval", "if"],
    later: &[],
};

pub(super) const INPUT: Words = Words {
    place: "an input",
    known: &["type", "options", "items", "required", "default", "sensitive", "pattern", "min", "max", "description"],
    later: &[],
};

pub(super) const OBJECTIVE: Words = Words { place: "an objective", known: &["recovery_time"], later: &[] };
pub(super) const RECOVERS: Words = Words { place: "what a run recovers", known: &["what", "since"], later: &[] };
pub(super) const TRIGGERS: Words =
    Words { place: "what a trigger may do", known: &["modes", "inputs", "because"], later: &[] };
pub(super) const DEFAULTS: Words = Words { place: "the defaults", known: &["timeout", "retry"], later: &[] };
pub(super) const RETRY: Words =
    Words { place: "a retry", known: &["attempts", "delay", "backoff", "max_delay"], later: &[] };
pub(super) const VERIFY: Words = Words { place: "a verification", known: &["expr", "within"], later: &[] };
pub(super) const OUTPUT: Words =
    Words { place: "an output", known: &["json", "regex", "type", "sensitive"], later: &[] };
pub(super) const ON_FAILURE: Words = Words { place: "on_failure", known: &["rollback_to", "step"], later: &[] };

/// What people write who come from Ansible, GitHub Actions, Rundeck and the like.
const FOREIGN: &[(&str, &str)] = &[
    ("when", "if"),
    ("condition", "if"),
    ("only_if", "if"),
    ("timeout-minutes", "timeout (such as `timeout: 5m`)"),
    ("timeout_minutes", "timeout (such as `timeout: 5m`)"),
    ("timeout_seconds", "timeout (such as `timeout: 30s`)"),
    ("onFailure", "on_failure"),
    ("on-failure", "on_failure"),
    ("onError", "on_failure"),
    ("on_error", "on_failure"),
    ("ignore_errors", "on_failure: continue"),
    ("continue-on-error", "on_failure: continue"),
    ("continue_on_error", "on_failure: continue"),
    ("register", "outputs"),
    ("cmd", "run (a script) or argv (a list)"),
    ("command", "run (a script) or argv (a list)"),
    ("script", "run (a script) or argv (a list)"),
    ("depends_on", "needs"),
    ("depends-on", "needs"),
    ("dependsOn", "needs"),
    ("retries", "retry (such as `retry: {attempts: 3}`)"),
    ("delegate_to", "host"),
    ("hosts", "host"),
    ("environment", "env"),
    ("become_user", "become"),
    ("sudo", "become"),
    ("undo", "rollback"),
    ("compensate", "rollback"),
    ("tasks", "steps"),
    ("jobs", "steps"),
    ("parameters", "inputs"),
    ("params", "inputs"),
    ("vars", "inputs"),
    ("action", "uses"),
    ("args", "with"),
    ("changed_when", "effect"),
    ("failed_when", "ok_if"),
    ("until", "verify (with `within`), or the action `wait`"),
    ("idempotent", "effect: idempotent"),
    ("enum", "options (with `type: choice`)"),
    ("choices", "options (with `type: choice`)"),
    ("regex", "pattern"),
    ("loop", "for_each"),
    ("with_items", "for_each"),
    ("foreach", "for_each"),
    ("forEach", "for_each"),
    ("matrix", "for_each"),
    ("strategy", "for_each"),
    ("secret", "sensitive"),
    ("no_log", "sensitive (on the input that holds the secret, or on the step that reads one)"),
    ("any_errors_fatal", "max_failures"),
    ("fail-fast", "max_failures"),
    ("max-parallel", "batch (such as `batch: {size: 2}`)"),
    ("throttle", "batch (such as `batch: {size: 2}`)"),
    ("block", "steps (with `for_each`) or parallel"),
    ("serial", "batch (such as `batch: {size: 2}`)"),
    ("max_fail_percentage", "max_failures"),
];

/// Says what is wrong with each key that may not stand there.
pub(super) fn check_keys(faults: &mut Faults, entries: &[Entry], words: &Words) {
    for entry in entries {
        let key = entry.key.value.as_str();
        if words.known.contains(&key) {
            continue;
        }
        let span = entry.key.span;
        if words.later.contains(&key) {
            let message = format!("`{key}` is not in this version yet");
            faults.error(
                "not-yet",
                span,
                message,
                Some("leave it out, or wait for the version that has it".to_owned()),
            );
            continue;
        }
        let here = |name: &str| words.known.iter().any(|known| name.split([' ', ':']).next() == Some(known));
        let foreign = FOREIGN.iter().find(|(word, ours)| *word == key && here(ours)).map(|(_, ours)| *ours);
        let help = match foreign {
            Some(ours) => Some(format!("here it is called {}", quoted(ours))),
            None => nearest(key, words.known.iter().copied()).map(|near| format!("did you mean `{near}`?")),
        };
        let help = help.or_else(|| Some(format!("there are {}", words.known.join(", "))));
        faults.error("unknown-key", span, format!("{} has no `{key}`", words.place), help);
    }
}

fn quoted(ours: &str) -> String {
    if ours.contains('`') || ours.contains('(') { ours.to_owned() } else { format!("`{ours}`") }
}
