//! What a run was narrowed to, in words: the same ones in the plan, the timeline, the summary and `status`.

use crate::plan::{Excluded, Item, Limit, Plan, Which};
use crate::run::Task;
use crate::value::ranges;

/// So many that are left out are listed, each with its reason.
const LISTED: usize = 12;
/// About so many columns of names are told.
const COLUMNS: usize = 200;

/// What a plan was narrowed to, a sentence each: by a limit, by what another run left undone.
pub fn words(plan: &Plan) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(limit) = &plan.narrowing.limit {
        all.push(limited(plan, limit));
    }
    if let Some(again) = &plan.narrowing.again {
        let what = match again.which {
            Which::Failed => "failed or was left out",
            Which::Remaining => "is not done",
        };
        let count = again.items.values().map(std::collections::BTreeSet::len).sum();
        all.push(format!("only over what {what} in run {}: {}", again.run, how_many(plan, count, "item")));
    }
    all
}

/// What a limit has come to. One that takes nothing away is told as what it is: whoever gave it may believe that less is touched.
fn limited(plan: &Plan, limit: &Limit) -> String {
    let lists = || plan.groups.iter().filter_map(|group| group.items.as_ref().zip(Some(group.whole)));
    let named = |item: &&Item| item.value.as_str().is_some_and(|name| limit.hosts.contains(name));
    let hosts = lists().flat_map(|(items, _)| items).filter(named).count();
    if hosts > 0 && lists().all(|(_, whole)| whole.is_none()) {
        let all = if hosts == 1 { "the one host is".to_owned() } else { format!("all {hosts} hosts are") };
        return format!("--limit {} takes no host away: {all} gone over", limit.pattern);
    }
    format!("limited to {} by --limit {}", how_many(plan, limit.hosts.len(), "host"), limit.pattern)
}

/// How many of how many: of the lists that were narrowed, where they are known, else of what was named.
fn how_many(plan: &Plan, named: usize, what: &str) -> String {
    let narrowed = plan.groups.iter().filter_map(|group| Some((group.items.as_ref()?.len(), group.whole?)));
    let (left, whole) = narrowed.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let plural = |count: usize| if count == 1 { what.to_owned() } else { format!("{what}s") };
    if whole > 0 { format!("{left} of {whole} {}", plural(whole)) } else { format!("{named} {}", plural(named)) }
}

/// That a `for_each` begins, and over what.
pub(super) fn entered(
    task: &Task,
    items: &[Item],
    batches: &[u32],
    whole: Option<usize>,
    excluded: &[Excluded],
) -> String {
    // One by one is how it goes where nothing else is said.
    let some = batches.iter().any(|size| *size > 1);
    let batches = match batches.len() {
        _ if !some => String::new(),
        1 => ", all at once".to_owned(),
        many => format!(", in {many} batches"),
    };
    let of = whole.map(|whole| format!(" of {whole}")).unwrap_or_default();
    let names = ranges::fold_within(items.iter().map(|item| item.id.as_str()), COLUMNS);
    let head = match items {
        [] => format!(
            "{task} has nothing left to do{}",
            whole.map(|whole| format!(": none of {whole}")).unwrap_or_default()
        ),
        _ => format!("{task} begins, for each of {}{of}{batches}: {names}", items.len()),
    };
    if excluded.is_empty() {
        return head;
    }
    let left_out = named(excluded.iter().map(|one| format!("{} ({})", one.id, one.why)));
    format!("{head}; {} left out: {left_out}", excluded.len())
}

fn named(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let listed = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}
