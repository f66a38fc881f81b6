//! How a workload is brought from one number of replicas to another: where it is to end, in which stages, and which numbers on
//! the way are ours. Pure. The stages follow from what was there first and from the arguments alone, so that a runner that was
//! killed and goes on stands on the same ones, and an undo knows them again.

use crate::actions::kubernetes::KubernetesError;
use crate::value::Value;

/// What a step asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// Where it is to end.
    pub(super) target: i64,
    /// The most that it may ever be told to have.
    pub(super) max: i64,
    /// How much a stage adds.
    pub(super) batch: Amount,
    /// Whether it may become fewer.
    pub(super) allow_shrink: bool,
    /// How many new pods may stay unready.
    pub(super) max_failures: i64,
}

/// A number, or a share of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Count(i64),
    Percent(i64),
}

impl Amount {
    /// `5` or `25%`, more than nothing.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, KubernetesError> {
        let text = text.trim();
        let read = |digits: &str| digits.parse::<i64>().ok().filter(|number| (1..=100_000).contains(number));
        let found = match text.strip_suffix('%') {
            Some(share) => read(share.trim()).map(Self::Percent),
            None => read(text).map(Self::Count),
        };
        found.ok_or_else(|| {
            KubernetesError::Invalid(format!("{name}: write a number (5) or a share (25%); it is {text:?}"))
        })
    }

    /// That much of a whole, rounded up, at least one.
    pub(super) fn of(self, whole: i64) -> i64 {
        match self {
            Self::Count(count) => count,
            Self::Percent(share) => (whole.saturating_mul(share).saturating_add(99) / 100).max(1),
        }
    }
}

impl Wish {
    /// Reads the arguments of `k8s.scale`; nothing while what decides the target is not known yet.
    pub(super) fn read(arguments: &Value) -> Result<Option<Self>, KubernetesError> {
        let invalid = |text: &str| KubernetesError::Invalid(text.to_owned());
        let known = |name: &str| arguments.get(name).filter(|value| !value.is_null());
        let decides = ["replicas", "by", "from", "max", "batch", "max_failures", "allow_shrink"];
        if decides.iter().filter_map(|name| known(name)).any(crate::value::is_unknown) {
            return Ok(None);
        }
        let whole = |name: &str| known(name).and_then(Value::as_i64);
        let target = match (whole("replicas"), known("by")) {
            (Some(replicas), None) => replicas,
            (None, Some(by)) => {
                let by = Amount::read("by", by.as_str().unwrap_or(&by.to_string()))?;
                let from = whole("from").ok_or_else(|| {
                    invalid(
                        "`by` counts from `from`, which is missing: give what a step before read (k8s.get has the output \
                         `replicas`), so that a second attempt does not add them twice",
                    )
                })?;
                from.saturating_add(by.of(from))
            }
            (Some(_), Some(_)) => return Err(invalid("either `replicas` or `by`: both are given")),
            (None, None) => return Err(invalid("say how many: `replicas: 10`, or `by: 50%` with `from`")),
        };
        let max = whole("max").ok_or_else(|| invalid("`max` is missing: the most that it may ever be told to have"))?;
        let batch = known("batch")
            .map_or("25%".to_owned(), |text| text.as_str().map_or_else(|| text.to_string(), str::to_owned));
        let max_failures = whole("max_failures").unwrap_or(0);
        if target < 0 || max_failures < 0 {
            return Err(invalid("`replicas` and `max_failures` are 0 or more"));
        }
        Ok(Some(Self {
            target,
            max,
            batch: Amount::read("batch", &batch)?,
            allow_shrink: known("allow_shrink").and_then(Value::as_bool).unwrap_or(false),
            max_failures,
        }))
    }

    /// Why it must not be brought from this number to the target.
    pub(super) fn refusal(&self, place: &str, from: i64) -> Option<String> {
        let Self { target, max, .. } = self;
        if target > max && *target > from {
            return Some(format!(
                "{target} replicas of {place} are above the ceiling of {max} that the playbook declares (`max`): ask for fewer, or \
                 raise the ceiling where it is declared"
            ));
        }
        if *target < from && !self.allow_shrink {
            return Some(format!(
                "{place} has {from} replicas, and {target} would be fewer: it is never shrunk unless the step says `allow_shrink: true`"
            ));
        }
        None
    }

    /// The numbers on the way, the last one the target; none where it is there already.
    pub(super) fn stages(&self, from: i64) -> Vec<i64> {
        let step = self.batch.of((self.target - from).abs());
        let mut stages = Vec::new();
        let mut at = from;
        while at != self.target {
            at = if at < self.target { self.target.min(at + step) } else { self.target.max(at - step) };
            stages.push(at);
        }
        stages
    }
}

/// Whose number of replicas it is that is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// It is as it was found.
    AsFound,
    /// This step set it.
    Ours,
    /// Somebody else set it since.
    Theirs,
}

/// Judges a number: ours is one of our stages that nobody else has written since, as far as the cluster keeps who wrote it (an
/// old one does not for everything: then the owner is who it was before).
pub(super) fn whose(found: i64, owner: Option<&str>, from: i64, owner_before: Option<&str>, stages: &[i64]) -> Whose {
    if found == from {
        return Whose::AsFound;
    }
    let is_a_stage = stages.contains(&found);
    let by_nobody_else = owner == owner_before
        || owner.is_some_and(|owner| owner.split(", ").any(|one| one == crate::actions::kubernetes::MANAGER));
    if is_a_stage && by_nobody_else { Whose::Ours } else { Whose::Theirs }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn wish(arguments: Value) -> Result<Wish, String> {
        Wish::read(&arguments).map(Option::unwrap).map_err(|error| error.to_string())
    }

    #[test]
    fn the_target_is_told_or_counted_from_what_was_read() {
        assert_eq!(wish(json!({ "replicas": 10, "max": 20 })).unwrap().target, 10);
        assert_eq!(wish(json!({ "by": "50%", "from": 3, "max": 20 })).unwrap().target, 5);
        assert_eq!(wish(json!({ "by": "4", "from": 3, "max": 20 })).unwrap().target, 7);
        for (bad, why) in [
            (json!({ "by": "4", "max": 20 }), "does not add them twice"),
            (json!({ "replicas": 1, "by": "4", "from": 3, "max": 20 }), "both are given"),
            (json!({ "max": 20 }), "say how many"),
            (json!({ "replicas": 3 }), "`max` is missing"),
            (json!({ "replicas": -3, "max": 1 }), "0 or more"),
            (json!({ "replicas": 3, "max": 5, "batch": "0" }), "batch: write a number"),
            (json!({ "replicas": 3, "max": 5, "batch": "-5%" }), "batch: write a number"),
            (json!({ "by": "lots", "from": 3, "max": 5 }), "by: write a number"),
        ] {
            let error = wish(bad.clone()).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
        assert_eq!(Wish::read(&json!({ "replicas": crate::value::unknown("later"), "max": 3 })), Ok(None));
    }

    #[test]
    fn it_never_goes_beyond_the_ceiling_and_never_shrinks_unasked() {
        let of = |replicas: i64, shrink: bool| {
            wish(json!({ "replicas": replicas, "max": 10, "allow_shrink": shrink })).unwrap()
        };
        assert_eq!(of(10, false).refusal("web", 3), None);
        assert!(of(11, false).refusal("web", 3).unwrap().contains("ceiling of 10"));
        assert!(of(11, true).refusal("web", 3).unwrap().contains("ceiling of 10"));
        assert!(of(2, false).refusal("web", 3).unwrap().contains("never shrunk"));
        assert_eq!(of(2, true).refusal("web", 3), None);
        // What stands above the ceiling already may come down, though not the whole way at once.
        assert_eq!(of(12, true).refusal("web", 20), None);
    }

    #[test]
    fn a_number_is_ours_only_where_nobody_else_wrote_it() {
        let stages = [5, 7, 9];
        for (found, owner, whose_it_is) in [
            (3, Some("kubectl"), Whose::AsFound),
            (5, Some("playbook"), Whose::Ours),
            (9, Some("playbook"), Whose::Ours),
            (5, Some("helm"), Whose::Ours),
            (5, Some("kubectl"), Whose::Theirs),
            (6, Some("playbook"), Whose::Theirs),
            (20, Some("helm"), Whose::Theirs),
        ] {
            assert_eq!(whose(found, owner, 3, Some("helm"), &stages), whose_it_is, "{found} {owner:?}");
        }
    }

    proptest! {
        #[test]
        fn stages_go_the_whole_way_and_never_beyond(from in 0_i64..300, target in 0_i64..300, batch in 1_i64..150, share: bool) {
            let batch = if share { Amount::Percent(batch) } else { Amount::Count(batch) };
            let wish = Wish { target, max: 300, batch, allow_shrink: true, max_failures: 0 };
            let stages = wish.stages(from);
            prop_assert_eq!(stages.last().copied().unwrap_or(from), target);
            let (low, high) = (from.min(target), from.max(target));
            prop_assert!(stages.iter().all(|at| (low..=high).contains(at) && *at != from));
            prop_assert!(stages.windows(2).all(|two| (two[1] - two[0]).signum() == (target - from).signum()));
        }
    }
}
