//! The faults of a document: where, what, a caret, and what to write instead.

pub mod github;
pub mod junit;
pub mod sarif;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use crate::cli::text::{Line, Look, shorten};
use crate::cli::visible;
use crate::diagnostic::{Diagnostic, Severity};

/// How much of a line of a document is shown.
const LINE_CHARACTERS: usize = 90;

/// How much of a message is shown: it may quote what is wrong.
const MESSAGE_COLUMNS: usize = 400;

/// `1 error` or `3 errors`.
pub fn count(faults: &[Diagnostic]) -> String {
    super::count(faults.len(), "error")
}

/// A fault as people read it, with an empty line behind it.
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
    text.lines().map(Line::plain).chain([Line::new()]).collect()
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
    severity: miette::Severity,
    message: String,
    help: Option<String>,
    source: Cut,
    label: LabeledSpan,
}

impl Report {
    fn of(fault: &Diagnostic) -> Self {
        // The text is drawn line by line: what a terminal would obey is taken out here, byte for byte, so that the caret
        // stays under what it points at.
        let whole = &fault.source.text;
        let end = fault.span.end.min(whole.len());
        let start = fault.span.start.min(end);
        let near = around(whole, start);
        let (from, end) = (near.start, end.clamp(start, near.end));
        let text: String = whole.get(near).unwrap_or_default().chars().map(harmless).collect();
        let place =
            |byte: usize| whole.get(from..byte).map_or(0, |head| head.chars().map(harmless).map(char::len_utf8).sum());
        let (start, end): (usize, usize) = (place(start), place(end));
        let column = fault.source.position(fault.span.start).1.saturating_sub(1);
        let (text, start, end) = cut(&text, start, end);
        Self {
            severity: match fault.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            message: format!("{} [{}]", shorten(&visible::line(&fault.message), MESSAGE_COLUMNS), fault.code),
            help: fault.help.as_deref().map(|help| visible::line(help).into_owned()),
            source: Cut {
                text,
                name: visible::line(&fault.source.name).into_owned(),
                column,
                above: lines_in(whole, from),
            },
            label: LabeledSpan::new(None, start, end.saturating_sub(start)),
        }
    }
}

/// A text whose lines are no longer than a person reads; it still says where the fault stands in the file.
#[derive(Debug)]
struct Cut {
    text: String,
    name: String,
    /// The fault's column in the file, from 0.
    column: usize,
    /// How many lines of the file stand before it.
    above: usize,
}

impl SourceCode for Cut {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        // Without lines around it, it is the place that is asked for.
        let column = if before == 0 && after == 0 { self.column } else { read.column() };
        let (span, line, lines) = (*read.span(), read.line() + self.above, read.line_count());
        Ok(Box::new(MietteSpanContents::new_named(self.name.clone(), read.data(), span, line, column, lines)))
    }
}

/// The lines around a place, some more than are shown: a large file with many faults is not gone through for each of them.
fn around(text: &str, place: usize) -> std::ops::Range<usize> {
    let (head, tail) = text.split_at_checked(place).unwrap_or((text, ""));
    let from = head.rmatch_indices('\n').nth(3).map_or(0, |(at, _)| at + 1);
    let to = tail.match_indices('\n').nth(3).map_or(text.len(), |(at, _)| place + at + 1);
    from..to
}

fn lines_in(text: &str, end: usize) -> usize {
    text.as_bytes().iter().take(end).filter(|byte| **byte == b'\n').count()
}

/// A text whose long lines are cut: the one with the fault around its start, the others at their end. With it where the
/// fault begins and ends then.
fn cut(text: &str, start: usize, end: usize) -> (String, usize, usize) {
    let mut shown = String::new();
    let (mut new_start, mut new_end) = (start, end);
    let mut begin = 0;
    for line in text.split_inclusive('\n') {
        let behind = begin + line.len();
        let holds = begin <= start && (start < behind || behind == text.len());
        let from = if holds { back(line, start - begin, LINE_CHARACTERS / 3) } else { 0 };
        let to = ahead(line, from, LINE_CHARACTERS);
        if holds {
            let head = if from > 0 { "…".len() } else { 0 };
            new_start = shown.len() + head + (start - begin - from);
            new_end = shown.len() + head + end.min(begin + to).saturating_sub(begin + from).max(start - begin - from);
        }
        if from > 0 {
            shown.push('…');
        }
        shown.push_str(line.get(from..to).unwrap_or_default());
        if to < line.trim_end_matches('\n').len() {
            shown.push_str("…\n");
        }
        begin = behind;
    }
    (shown, new_start, new_end)
}

/// Where a line is cut so that so many characters stand before a place; its start where it is short.
fn back(line: &str, place: usize, characters: usize) -> usize {
    if line.chars().count() <= LINE_CHARACTERS {
        return 0;
    }
    let head = line.get(..place).unwrap_or(line);
    head.char_indices().rev().nth(characters.saturating_sub(1)).map_or(0, |(index, _)| index)
}

/// Where a line ends so many characters on.
fn ahead(line: &str, from: usize, characters: usize) -> usize {
    let rest = line.get(from..).unwrap_or_default();
    rest.char_indices().nth(characters).map_or(line.len(), |(index, _)| from + index)
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

    #[test]
    fn a_fault_far_down_is_shown_as_one_near_the_top() {
        let line = |number: usize| format!("  - id: step_{number:04}\n");
        let text: String = (1..=400).map(line).collect();
        let long = line(1).len();
        for number in [1, 2, 3, 200, 399, 400] {
            let start = (number - 1) * long + 8;
            let shown = shown(&fault(&text, start, start + 9), &LOOK);
            assert!(shown.contains(&format!("[playbooks/x.yaml:{number}:9]")), "{shown}");
            assert!(shown.contains(&format!("{number} │   - id: step_{number:04}")), "{shown}");
            assert_eq!(shown.contains(&format!(" {} │ ", number - 1)), number > 1, "{shown}");
            assert_eq!(shown.contains(&format!(" {} │ ", number + 1)), number < 400, "{shown}");
        }
        let end = shown(&fault(&text, text.len(), text.len()), &LOOK);
        assert!(end.contains("400 │   - id: step_0400"), "{end}");
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
    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("name: x\nrun: {}é!!!{}\nend: 1\n", "a".repeat(50_000), "b".repeat(50_000));
        let start = text.find("!!!").unwrap();
        let shown = shown(&fault(&text, start, start + 3), &LOOK);
        assert!(shown.chars().count() < 900, "{shown}");
        assert!(shown.contains("é!!!b") && shown.contains("end: 1"), "{shown}");
        assert!(shown.contains("x.yaml:2:50007]"), "{shown}");
        let caret = shown.lines().find(|line| line.contains("───") && line.contains('·')).unwrap();
        let line = shown.lines().find(|line| line.contains("!!!")).unwrap();
        let column = |line: &str, what: char| line.chars().position(|c| c == what);
        assert_eq!(column(caret, '─'), column(line, '!'), "{shown}");
    }
}
