//! Faults as workflow commands of GitHub Actions: annotations beside the lines of a pull request.

use crate::cli::visible;
use crate::diagnostic::{Diagnostic, Severity};

/// A fault as one line.
pub fn command(fault: &Diagnostic) -> String {
    let (line, column) = fault.source.position(fault.span.start);
    let (end_line, end_column) = fault.source.position(fault.span.end);
    let level = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = fault.message.clone();
    if let Some(help) = &fault.help {
        text.push('\n');
        text.push_str(help);
    }
    let name = fault.source.name.strip_prefix("./").unwrap_or(&fault.source.name);
    let mut place = format!("file={},line={line},col={column}", property(name));
    // GitHub takes an end column only within one line.
    if end_line == line && end_column > column {
        place.push_str(&format!(",endLine={end_line},endColumn={end_column}"));
    }
    format!("::{level} {place},title={}::{}\n", property(fault.code), data(&text))
}

/// What would end the line, or begin another command, is written as its bytes.
fn data(text: &str) -> String {
    let text = text.lines().map(visible::line).collect::<Vec<_>>().join("\n");
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_the_command() {
        assert_eq!(data("50%\r\n::error::x"), "50%25%0A::error::x");
        assert_eq!(data("a\rb\x1b[2J\u{202e}"), "a^Mb^[[2J<U+202E>");
        assert_eq!(property("a,b:c"), "a%2Cb%3Ac");
    }
}
