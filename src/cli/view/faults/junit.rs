//! Faults as JUnit XML: one case a file, so that what is good is counted too.

use std::sync::Arc;

use crate::cli::visible;
use crate::diagnostic::{Diagnostic, Severity, Source};

/// All files and what was found in them. A warning fails no case; it stands in its output.
pub fn report(sources: &[Arc<Source>], faults: &[Diagnostic]) -> String {
    let failed = |source: &Arc<Source>| {
        faults.iter().any(|fault| fault.severity == Severity::Error && Arc::ptr_eq(&fault.source, source))
    };
    let failures = sources.iter().filter(|source| failed(source)).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\"", sources.len());
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!("<testsuites {counts}>\n  <testsuite name=\"playbook lint\" {counts}>\n"));
    for source in sources {
        let own: Vec<&Diagnostic> = faults.iter().filter(|fault| Arc::ptr_eq(&fault.source, source)).collect();
        let name = escape(&source.name);
        if own.is_empty() {
            text.push_str(&format!("    <testcase classname=\"playbook.lint\" name=\"{name}\"/>\n"));
            continue;
        }
        text.push_str(&format!("    <testcase classname=\"playbook.lint\" name=\"{name}\">\n"));
        let errors: Vec<&&Diagnostic> = own.iter().filter(|fault| fault.severity == Severity::Error).collect();
        if let Some(first) = errors.first() {
            let all: Vec<String> = errors.iter().map(|fault| said(fault)).collect();
            text.push_str(&format!(
                "      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                escape(first.code),
                escape(&first.message),
                all.join("\n")
            ));
        }
        let warnings: Vec<String> =
            own.iter().filter(|fault| fault.severity == Severity::Warning).map(|fault| said(fault)).collect();
        if !warnings.is_empty() {
            text.push_str(&format!("      <system-out>{}</system-out>\n", warnings.join("\n")));
        }
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

fn said(fault: &Diagnostic) -> String {
    let level = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    escape(&format!("{fault} [{level} {}]", fault.code))
}

/// XML 1.0 cannot hold control characters in any form, and whoever reads a report should see the others.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let shown = text.split('\n').map(visible::line).collect::<Vec<_>>().join("\n");
    for letter in shown.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(escape("<a b=\"&\">\u{1b}[2J"), "&lt;a b=&quot;&amp;&quot;&gt;^[[2J");
        assert_eq!(escape("a\nb\u{202e}"), "a\nb&lt;U+202E&gt;");
    }
}
