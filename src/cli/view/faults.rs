//! The faults of a document: where, what, a caret, and what to write instead.

pub mod github;
pub mod junit;
pub mod sarif;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::cli::text::{Line, Look};
use crate::cli::visible;
use crate::diagnostic::{Diagnostic, Severity};

/// `1 error` or `3 errors`.
pub fn count(faults: &[Diagnostic]) -> String {
    match faults.len() {
        1 => "1 error".to_owned(),
        several => format!("{several} errors"),
    }
}

/// A fault as people read it.
pub fn lines(fault: &Diagnostic, look: &Look) -> Vec<Line> {
    let theme = if look.unicode { GraphicalTheme::unicode_nocolor() } else { GraphicalTheme::none() };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(look.width.unwrap_or(110).clamp(40, 120))
        .with_context_lines(1)
        .with_links(false);
    let mut text = String::new();
    let report = Report::of(fault);
    if handler.render_report(&mut text, &report).is_err() {
        return vec![Line::plain(fault.to_string())];
    }
    text.lines().map(Line::plain).collect()
}

/// A fault as programs read it.
pub fn json(fault: &Diagnostic) -> serde_json::Value {
    let (line, column) = fault.source.position(fault.span.start);
    let (end_line, end_column) = fault.source.position(fault.span.end);
    serde_json::json!({
        "file": fault.source.name, "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        "severity": fault.severity, "code": fault.code, "message": fault.message, "help": fault.help,
    })
}

/// A fault in the form that miette draws.
#[derive(Debug)]
struct Report {
    code: &'static str,
    severity: miette::Severity,
    message: String,
    help: Option<String>,
    source: NamedSource<String>,
    label: LabeledSpan,
}

impl Report {
    fn of(fault: &Diagnostic) -> Self {
        // The text is drawn line by line: what a terminal would obey is taken out here, byte for byte, so that the caret
        // stays under what it points at.
        let text: String = fault.source.text.chars().map(harmless).collect();
        let end = fault.span.end.min(fault.source.text.len());
        let start = fault.span.start.min(end);
        let place = |byte: usize| {
            fault.source.text.get(..byte).map_or(0, |head| head.chars().map(harmless).map(char::len_utf8).sum())
        };
        let (start, end): (usize, usize) = (place(start), place(end));
        Self {
            code: fault.code,
            severity: match fault.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            message: visible::line(&fault.message).into_owned(),
            help: fault.help.as_deref().map(|help| visible::line(help).into_owned()),
            source: NamedSource::new(visible::line(&fault.source.name), text),
            label: LabeledSpan::new(None, start, end.saturating_sub(start)),
        }
    }
}

fn harmless(c: char) -> char {
    if c == '\n' || c == '\t' || visible::line(c.encode_utf8(&mut [0; 4])).len() == c.len_utf8() {
        c
    } else {
        '\u{fffd}'
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl miette::Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(self.label.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Source, Span};

    const LOOK: Look = Look { color: false, unicode: true, width: Some(80) };

    fn shown(fault: &Diagnostic, look: &Look) -> String {
        lines(fault, look).iter().map(|line| line.render(&Look { width: None, ..*look }) + "\n").collect()
    }

    fn fault(text: &str, start: usize, end: usize) -> Diagnostic {
        Diagnostic {
            code: "unknown-key",
            severity: Severity::Error,
            message: "`stpes` is no key of a playbook".to_owned(),
            help: Some("did you mean `steps`?".to_owned()),
            source: Source::new("playbooks/x.yaml", text),
            span: Span { start, end },
        }
    }

    #[test]
    fn a_fault_has_its_place_a_caret_and_what_to_write() {
        let fault = fault("name: x\nstpes:\n  - id: a\n", 8, 13);
        insta::assert_snapshot!(shown(&fault, &LOOK));
        assert_eq!(json(&fault)["line"], 2);
    }

    fn several() -> (Vec<std::sync::Arc<Source>>, Vec<Diagnostic>) {
        let mut one = fault("name: x\nstpes:\n  - id: a\n", 8, 13);
        one.message.push_str(" <&> 100%, a: b");
        let two = Diagnostic {
            code: "unused-input",
            severity: Severity::Warning,
            message: "input `x` is never used".to_owned(),
            help: None,
            source: std::sync::Arc::clone(&one.source),
            span: Span { start: 0, end: 4 },
        };
        let good = Source::new("playbooks/good one.yaml", "name: y\n");
        (vec![std::sync::Arc::clone(&one.source), good], vec![one, two])
    }

    #[test]
    fn the_forms_for_programs_are_kept() {
        let (sources, faults) = several();
        let all: Vec<serde_json::Value> = faults.iter().map(json).collect();
        insta::assert_snapshot!("json", serde_json::to_string_pretty(&all).unwrap());
        insta::assert_snapshot!("sarif", serde_json::to_string_pretty(&sarif::log(&faults)).unwrap());
        insta::assert_snapshot!("github", faults.iter().map(github::command).collect::<String>());
        insta::assert_snapshot!("junit", junit::report(&sources, &faults));
    }

    #[test]
    fn ascii_and_odd_places_and_hostile_text_do_no_harm() {
        let text = shown(&fault("a: \x1b[2J\u{202e}b\n", 3, 999), &Look { unicode: false, ..LOOK });
        assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text}");
        assert!(text.contains("x.yaml:1:4"), "{text}");
    }
}
