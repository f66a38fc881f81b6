//! Faults as SARIF 2.1.0, which GitHub's code scanning and editors read.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Severity};
use crate::playbook;

/// A run of lint.
pub fn log(faults: &[Diagnostic]) -> Value {
    let mut codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| rule(code)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "playbook",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            // Columns are counted in characters, as everywhere in lint.
            "columnKind": "unicodeCodePoints",
            "results": faults.iter().map(|fault| result(fault, &codes)).collect::<Vec<_>>(),
        }],
    })
}

fn rule(code: &str) -> Value {
    let page = playbook::page(code);
    let text = |part: fn(&playbook::Page) -> &'static str| page.map_or("", part);
    json!({
        "id": code,
        "shortDescription": { "text": text(|page| page.means) },
        "fullDescription": { "text": text(|page| page.why) },
        "help": { "text": format!("playbook explain {code}") },
    })
}

fn result(fault: &Diagnostic, codes: &[&str]) -> Value {
    let (line, column) = fault.source.position(fault.span.start);
    let (end_line, end_column) = fault.source.position(fault.span.end);
    let text = match &fault.help {
        Some(help) => format!("{} ({help})", fault.message),
        None => fault.message.clone(),
    };
    json!({
        "ruleId": fault.code,
        "ruleIndex": codes.binary_search(&fault.code).unwrap_or(0),
        "level": match fault.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&fault.source.name) },
            "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
        } }],
    })
}

/// A path as a reference: what is not safe in one is written as its bytes.
fn uri(path: &str) -> String {
    const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let path = path.strip_prefix("./").unwrap_or(path);
    format!("{scheme}{}", utf8_percent_encode(path, PLAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_references() {
        assert_eq!(uri("./playbooks/a b.yaml"), "playbooks/a%20b.yaml");
        assert_eq!(uri("/x/ü.yaml"), "file:///x/%C3%BC.yaml");
    }
}
