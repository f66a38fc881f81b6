//! Drift for people and for programs: what was, what is, and which steps rest on it.

use serde_json::{Value, json};

use crate::cli::text::{Ink, Line};
use crate::plan::{Drift, Plan};
use crate::value::contains_unknown;

use super::{heading, paragraph};

/// The list, and what to do now.
pub fn lines(list: &[Drift], again: &str, width: usize) -> Vec<Line> {
    let head = match list.len() {
        1 => "The world drifted from the plan in one point:".to_owned(),
        number => format!("The world drifted from the plan in {number} points:"),
    };
    let mut lines = vec![Line::new().with(Ink::Bad, "✗ ").with(Ink::Bold, head)];
    for drift in list {
        lines.push(Line::new());
        lines.extend(paragraph(&drift.what.to_string(), 2, width, Ink::Bold));
        lines.extend(paragraph(&format!("was  {}", drift.was_text()), 4, width, Ink::Plain));
        lines.extend(paragraph(&format!("is   {}", drift.is_text()), 4, width, Ink::Warn));
        let steps: Vec<&str> = drift.steps.iter().map(crate::ids::StepId::as_str).collect();
        let who = if steps.is_empty() { "the whole run".to_owned() } else { steps.join(", ") };
        lines.extend(paragraph(&format!("for  {who}"), 4, width, Ink::Dim));
    }
    lines.push(Line::new());
    lines.push(heading("Nothing was started or changed. Make the plan again, and look at it:"));
    lines.push(Line::plain(format!("  {again}")));
    lines
}

/// The same for programs.
pub fn json(plan: &Plan, list: &[Drift], exit: u8) -> Value {
    let value =
        |value: &Value, text: String| if contains_unknown(value) { json!({ "unknown": text }) } else { value.clone() };
    let list = list.iter().map(|drift| {
        json!({
            "what": drift.what, "was": value(&drift.was, drift.was_text()), "is": value(&drift.is, drift.is_text()),
            "steps": drift.steps,
        })
    });
    json!({
        "v": 1, "type": "drift", "exit": exit, "playbook": plan.playbook.name, "version": plan.playbook.version,
        "digest": plan.digest, "drift": list.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples;
    use crate::plan::DriftKind;
    use crate::value::unknown;

    fn list() -> Vec<Drift> {
        let steps = |ids: &[&str]| ids.iter().map(|id| id.parse().unwrap()).collect();
        vec![
            Drift {
                what: DriftKind::Fact("primary".to_owned()),
                was: json!("pg1"),
                is: json!("pg2"),
                steps: steps(&["roles", "hold"]),
            },
            Drift {
                what: DriftKind::Argument("server".to_owned()),
                was: json!("pg1"),
                is: unknown("no answer within 15 s"),
                steps: steps(&["hold"]),
            },
            Drift { what: DriftKind::Targets, was: json!(["a/b"]), is: json!([]), steps: Vec::new() },
        ]
    }

    #[test]
    fn drift_says_what_was_what_is_and_who_cares() {
        let look = Look { color: false, unicode: true, width: None };
        let lines = lines(&list(), "playbook plan db-failover -o FILE", 80);
        insta::assert_snapshot!(lines.iter().map(|line| line.render(&look) + "\n").collect::<String>());
    }

    #[test]
    fn an_unknown_is_an_unknown_for_programs() {
        let json = json(&samples::plan(), &list(), 14);
        assert_eq!(json["drift"][0]["what"], json!({ "kind": "fact", "name": "primary" }));
        assert_eq!(json["drift"][1]["is"]["unknown"], "not known (no answer within 15 s)");
        assert!(!json.to_string().contains("\\u0000"));
    }
}
