//! A journey by hand: a line of curl's for each request, one cookie jar for all of them.

use serde_json::{Value, json};

use crate::actions::by_hand::{comment, http, value};

/// The lines for a person.
pub(super) fn lines(arguments: &Value) -> Vec<String> {
    let mut lines = vec![comment("in one shell, with one jar for the cookies: jar=$(mktemp)")];
    let Some(requests) = arguments.get("requests").and_then(Value::as_array) else {
        lines.push(comment(&format!("the requests: {}", value(arguments, "requests"))));
        return lines;
    };
    for request in requests {
        let part = |name: &str| named(request.get(name).unwrap_or(&Value::Null));
        let method = request.get("method").and_then(Value::as_str).unwrap_or("GET");
        let one = json!({
            "url": arguments.get("url"), "method": method, "path": part("path"), "query": part("query"),
            "headers": part("headers"), "json": part("json"), "body": part("body"),
        });
        if let Some(name) = request.get("name").and_then(Value::as_str) {
            lines.push(comment(name));
        }
        let line = http(&one).into_iter().find(|line| line.starts_with("curl")).unwrap_or_default();
        lines.push(line.replacen("curl ", "curl -b \"$jar\" -c \"$jar\" ", 1));
        for (what, key) in [("with the form", "form"), ("good", "expect"), ("note for later", "take")] {
            if let Some(given) = request.get(key).filter(|given| !given.is_null()) {
                lines.push(comment(&format!("{what}: {}", named(given))));
            }
        }
    }
    lines
}

/// A taken value stands as what a person fills in.
fn named(value: &Value) -> Value {
    match value {
        Value::Object(map) => match map.get("taken").and_then(Value::as_str) {
            Some(name) => {
                let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
                Value::from(format!("{}<{name}>{}", text("before"), text("after")))
            }
            None => Value::Object(map.iter().map(|(key, value)| (key.clone(), named(value))).collect()),
        },
        Value::Array(list) => Value::Array(list.iter().map(named).collect()),
        other => other.clone(),
    }
}
