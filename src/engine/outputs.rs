//! What a command's end means for its step: whether it did well (`ok_if`), and the outputs that are read from what it
//! printed. It touches nothing.

use crate::outcome::{Outcome, Report};
use crate::playbook::{OutputSource, OutputSpec, Scope, Step, Truth, decide_condition, explain};
use crate::value::Value;

/// What stands for a sensitive output wherever it is written down.
pub(super) fn hidden(step: &Step, outputs: Value) -> Value {
    let hide = |name: &str, value: Value| {
        if step.is_secret_output(name) { Value::from(crate::inventory::MASK) } else { value }
    };
    match outputs {
        Value::Object(map) => map.into_iter().map(|(name, value)| (name.clone(), hide(&name, value))).collect(),
        other => other,
    }
}

/// A command's report after the step's `ok_if` and `outputs`; any other report as it is.
pub(super) fn finish(step: &Step, mut report: Report) -> Report {
    let ended = matches!(report.outcome, Outcome::Done | Outcome::Failed);
    // A device that has a prompt has no exit codes, and prints all the same.
    let printed = match report.outputs.get("exit_code") {
        Some(code) => !code.is_null(),
        None => report.outputs.get("stdout").is_some_and(Value::is_string),
    };
    if !ended || !printed {
        return report;
    }
    if let Some(condition) = &step.ok_if {
        let scope = Scope { outputs: report.outputs.clone(), ..Scope::default() };
        match decide_condition(condition, &scope) {
            Ok(Truth::True) => report.outcome = Outcome::Done,
            Ok(_) => {
                report.outcome = Outcome::Failed;
                report.message = format!("`{}` does not hold ({})", condition.source, explain(condition, &scope));
            }
            Err(error) => {
                report.outcome = Outcome::Failed;
                report.message = format!("`ok_if` cannot be evaluated: {error}");
            }
        }
    }
    if report.outcome == Outcome::Done {
        extract_all(step, &mut report);
    }
    report
}

fn extract_all(step: &Step, report: &mut Report) {
    let printed = report.outputs.get("stdout").and_then(Value::as_str).unwrap_or_default().to_owned();
    for output in &step.outputs {
        match extract(output, &printed) {
            Ok(value) => {
                if let Value::Object(outputs) = &mut report.outputs {
                    outputs.insert(output.name.clone(), value);
                }
            }
            Err(why) => {
                // Why may hold what was read instead.
                let secret = step.is_secret_output(&output.name);
                let why = if secret { "it is sensitive, so what was read instead is not told" } else { &why };
                report.outcome = Outcome::Failed;
                report.message = format!("it ended well, but its output `{}` cannot be read: {why}", output.name);
                return;
            }
        }
    }
}

fn extract(output: &OutputSpec, printed: &str) -> Result<Value, String> {
    match &output.from {
        OutputSource::Json(path) => {
            let mut value: &Value =
                &serde_json::from_str(printed).map_err(|error| format!("no JSON was printed ({error})"))?;
            for part in path.split('.').filter(|part| !part.is_empty()) {
                let next = match value {
                    Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                    other => other.get(part),
                };
                value = next.ok_or_else(|| format!("`{part}` of `{path}` is not there"))?;
            }
            output.kind.accept(value).map_err(|error| error.to_string())
        }
        OutputSource::Regex(pattern) => {
            let regex = regex::Regex::new(pattern).map_err(|error| error.to_string())?;
            let groups =
                regex.captures(printed).ok_or_else(|| format!("`{pattern}` matches nothing that was printed"))?;
            let text = groups.get(1).or_else(|| groups.get(0)).map_or("", |group| group.as_str());
            output.kind.parse(text).map_err(|error| error.to_string())
        }
    }
}
