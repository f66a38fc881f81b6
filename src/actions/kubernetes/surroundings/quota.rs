//! Whether more pods fit: what a namespace's quotas leave, held against what one more pod asks for. It reckons the way
//! the API's own admission does; what it cannot decide it says so, and a dry-run at the server decides.

use crate::actions::kubernetes::objects::{items, name, said};
use crate::value::Value;

/// A quantity in billionths: the API rounds finer ones up.
const BILLION: i128 = 1_000_000_000;

/// What one quota leaves for pods of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// The quota's name.
    pub(crate) quota: String,
    /// How many more pods fit; `None` where nothing in it counts such pods.
    pub(crate) pods: Option<i64>,
    /// What runs out first, in words: `requests.cpu: 1500m of 2 are used, one more pod asks for 1`.
    pub(crate) tightest: Option<String>,
    /// What the quota counts and the template does not say: the API refuses such pods, unless a LimitRange fills it in.
    pub(crate) unsaid: Vec<String>,
}

/// A number of the API (`1500m`, `2`, `1.5Gi`, `1e3`) in billionths.
pub(crate) fn quantity(text: &str) -> Option<i128> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(digits)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || whole.len() > 18 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part = format!("{:0<9}", part.chars().take(9).collect::<String>()).parse::<i128>().ok()?;
    let value = whole.checked_mul(BILLION)?.checked_add(part)?;
    scaled(value, suffix).map(|value| sign * value)
}

fn scaled(value: i128, suffix: &str) -> Option<i128> {
    let up = |by: i128| value.checked_mul(by);
    let down = |by: i128| Some(value.checked_add(by - 1)? / by);
    match suffix {
        "" => Some(value),
        "n" => down(BILLION),
        "u" => down(1_000_000),
        "m" => down(1_000),
        "k" => up(1_000),
        "M" => up(1_000_000),
        "G" => up(BILLION),
        "T" => up(1_000_000_000_000),
        "P" => up(1_000_000_000_000_000),
        "E" => up(1_000_000_000_000_000_000),
        "Ki" => up(1 << 10),
        "Mi" => up(1 << 20),
        "Gi" => up(1 << 30),
        "Ti" => up(1 << 40),
        "Pi" => up(1 << 50),
        "Ei" => up(1 << 60),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let by = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { down(by) } else { up(by) }
        }
    }
}

/// What quotas leave for more pods of this template (an object with `spec`).
pub(crate) fn room(quotas: &[Value], template: &Value) -> Vec<Room> {
    let pod = template.get("spec").unwrap_or(&Value::Null);
    quotas.iter().filter(|quota| counts(quota, pod)).map(|quota| one(quota, pod)).collect()
}

/// Whether a quota's scopes take such pods. A scope that we cannot decide is taken to count: it is told rather once too often.
fn counts(quota: &Value, pod: &Value) -> bool {
    let ends = pod.get("activeDeadlineSeconds").is_some_and(Value::is_number);
    let asks = items(pod, "/containers").iter().chain(items(pod, "/initContainers")).any(|container| {
        ["/resources/requests", "/resources/limits"].iter().any(|at| {
            container
                .pointer(at)
                .and_then(Value::as_object)
                .is_some_and(|map| map.keys().any(|key| key == "cpu" || key == "memory"))
        })
    });
    items(quota, "/spec/scopes").iter().all(|scope| match scope.as_str() {
        Some("Terminating") => ends,
        Some("NotTerminating") => !ends,
        Some("BestEffort") => !asks,
        Some("NotBestEffort") => asks,
        _ => true,
    })
}

fn one(quota: &Value, pod: &Value) -> Room {
    let mut room = Room { quota: name(quota), pods: None, tightest: None, unsaid: Vec::new() };
    // What its controller has not counted yet is only in the spec.
    let hard = ["/status/hard", "/spec/hard"].iter().find_map(|at| quota.pointer(at).and_then(Value::as_object));
    for (resource, limit) in hard.into_iter().flatten() {
        let Some(need) = need(resource, pod) else { continue };
        let Some(limit_text) = limit.as_str() else { continue };
        let used_text = quota.pointer("/status/used").and_then(|used| used.get(resource)).and_then(Value::as_str);
        let (Some(limit), Some(used)) = (quantity(limit_text), quantity(used_text.unwrap_or("0"))) else { continue };
        let Some(need) = need.filter(|need| *need > 0) else {
            room.unsaid.push(said(resource));
            continue;
        };
        let fits = i64::try_from((limit - used).max(0) / need).unwrap_or(i64::MAX);
        if room.pods.is_none_or(|pods| fits < pods) {
            room.pods = Some(fits);
            room.tightest = Some(format!(
                "{}: {} of {} are used, one more pod asks for {}",
                said(resource),
                said(used_text.unwrap_or("0")),
                said(limit_text),
                written(need)
            ));
        }
    }
    room
}

/// What one more pod takes of a resource: `None` where pods do not count there, `Some(None)` where the template does not say.
fn need(resource: &str, pod: &Value) -> Option<Option<i128>> {
    match resource {
        "pods" | "count/pods" => return Some(Some(BILLION)),
        _ if resource.starts_with("count/") => return None,
        "cpu" | "memory" | "ephemeral-storage" => return Some(asked(pod, "requests", resource)),
        _ => {}
    }
    let (which, what) = resource.split_once('.')?;
    // `requests.storage` counts claims, not pods; other objects have no such word in front.
    let is_pods = matches!(what, "cpu" | "memory" | "ephemeral-storage") || what.starts_with("hugepages-");
    let is_extended = which == "requests" && what.contains('/');
    match which {
        "requests" | "limits" if is_pods => Some(asked(pod, which, what)),
        // A template that asks for none of an extended resource takes none of it.
        _ if is_extended => asked(pod, which, what).map(Some),
        _ => None,
    }
}

/// What all containers ask for together, or the greediest of those that run before them, and the overhead. `None` where one
/// of them does not say: a quota for it refuses such a pod.
fn asked(pod: &Value, which: &str, what: &str) -> Option<i128> {
    let of = |container: &Value| {
        let resources = container.get("resources")?;
        let given = resources.get(which).and_then(|map| map.get(what));
        // Where only a limit is given it is the request too.
        let given = given.or_else(|| resources.get("limits").filter(|_| which == "requests")?.get(what))?;
        given.as_str().map_or_else(|| quantity(&given.to_string()), quantity)
    };
    let mut sum: i128 = 0;
    for container in items(pod, "/containers") {
        sum = sum.checked_add(of(container)?)?;
    }
    let mut first: i128 = 0;
    for container in items(pod, "/initContainers") {
        // One that goes on beside the others counts with them.
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            sum = sum.checked_add(of(container)?)?;
        } else {
            first = first.max(of(container)?);
        }
    }
    let overhead = pod.pointer("/overhead").and_then(|map| map.get(what)).and_then(Value::as_str).and_then(quantity);
    Some(sum.max(first) + overhead.unwrap_or(0))
}

fn written(billionths: i128) -> String {
    match billionths {
        n if n % BILLION == 0 && n / BILLION >= 1 << 20 && (n / BILLION) % (1 << 20) == 0 => {
            format!("{}Mi", n / BILLION / (1 << 20))
        }
        n if n % BILLION == 0 => (n / BILLION).to_string(),
        n => format!("{}m", (n + 999_999) / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_as_the_api_writes_them() {
        for (text, billionths) in [
            ("1", 1_000_000_000),
            ("1500m", 1_500_000_000),
            ("1.5", 1_500_000_000),
            ("0.1", 100_000_000),
            ("1Ki", 1_024_000_000_000),
            ("1k", 1_000_000_000_000),
            ("1e3", 1_000_000_000_000),
            ("5E-1", 500_000_000),
            ("100n", 100),
            ("1n", 1),
            (".5Gi", 536_870_912_000_000_000),
        ] {
            assert_eq!(quantity(text), Some(billionths), "{text}");
        }
        for text in ["", ".", "1Q", "m", "1e", "1 Gi", "99999999999999999999999999", "é1"] {
            assert_eq!(quantity(text), None, "{text}");
        }
    }

    fn template(requests: Value) -> Value {
        json!({ "spec": { "containers": [{ "name": "web", "resources": { "requests": requests } }] } })
    }

    #[test]
    fn a_quota_says_how_many_more_pods_fit_and_what_runs_out_first() {
        let quota = json!({ "metadata": { "name": "team" }, "spec": { "hard": { "pods": "10", "requests.cpu": "4" } },
            "status": { "hard": { "pods": "10", "requests.cpu": "4", "count/deployments.apps": "3" }, "used": { "pods": "3", "requests.cpu": "3" } } });
        let found = room(std::slice::from_ref(&quota), &template(json!({ "cpu": "500m" })));
        assert_eq!(found[0].pods, Some(2));
        assert_eq!(found[0].tightest.as_deref(), Some("requests.cpu: 3 of 4 are used, one more pod asks for 500m"));
        let unsaid = room(std::slice::from_ref(&quota), &template(json!({})));
        assert_eq!((unsaid[0].pods, unsaid[0].unsaid.as_slice()), (Some(7), &["requests.cpu".to_owned()][..]));
    }

    #[test]
    fn the_greediest_start_counts_and_a_limit_alone_is_a_request() {
        let pod = json!({ "containers": [{ "resources": { "limits": { "memory": "1Gi" } } }, { "resources": { "requests": { "memory": "1Gi" } } }],
            "initContainers": [{ "resources": { "requests": { "memory": "3Gi" } } }], "overhead": { "memory": "1Gi" } });
        assert_eq!(asked(&pod, "requests", "memory"), quantity("4Gi"));
        assert_eq!(asked(&pod, "limits", "memory"), None);
    }

    #[test]
    fn a_quota_for_other_pods_does_not_count() {
        let quota = |scope: &str| json!({ "metadata": { "name": "q" }, "spec": { "scopes": [scope], "hard": { "pods": "1" } }, "status": { "hard": { "pods": "1" }, "used": { "pods": "1" } } });
        let asks = template(json!({ "cpu": "1" }));
        assert!(room(&[quota("BestEffort")], &asks).is_empty());
        assert!(room(&[quota("Terminating")], &asks).is_empty());
        assert_eq!(room(&[quota("NotBestEffort")], &asks)[0].pods, Some(0));
    }
}
