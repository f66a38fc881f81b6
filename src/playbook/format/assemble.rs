//! Lines and gaps → the text. What is no space is copied from the text, byte for byte.

use super::Unfit;
use super::scan::{Atom, Kind, Line, Scanned};
use crate::diagnostic::Span;

pub(super) fn assemble(text: &str, scanned: &Scanned) -> Result<String, Unfit> {
    let gaps = gaps(text, scanned);
    let mut result = String::with_capacity(text.len() + text.len() / 8);
    let mut blank = false;
    for (line, rule) in scanned.lines.iter().enumerate() {
        let from = scanned.starts.get(line).copied().unwrap_or(text.len());
        let to = scanned.starts.get(line + 1).map_or(text.len(), |next| next - 1);
        let whole = text.get(from..to).unwrap_or("");
        let body = whole.trim_start_matches([' ', '\t']);
        let is_blank = body.is_empty();
        if is_blank && matches!(rule, Line::Unset) {
            // One blank line parts two entries; more say no more, and before the first or behind the last none is needed.
            blank = !result.is_empty();
            continue;
        }
        if line + 1 == scanned.lines.len() && whole.is_empty() {
            // Behind the last line end there is no line.
            continue;
        }
        if std::mem::take(&mut blank) {
            result.push('\n');
        }
        let start = from + (whole.len() - body.len());
        match *rule {
            Line::Unset => {
                let span = Span { start, end: to };
                return Err(Unfit { span, why: "this line belongs to nothing".to_owned() });
            }
            Line::At(column) => {
                let body = spaced(text, start, to, &gaps);
                let body = body.trim_end_matches([' ', '\t']);
                indent(&mut result, if body.is_empty() { 0 } else { column });
                result.push_str(body);
            }
            Line::Within(column) => {
                indent(&mut result, if is_blank { 0 } else { column });
                result.push_str(&spaced(text, start, to, &gaps));
            }
            Line::Block { old, new } => {
                let cut = whole.len() - whole.trim_start_matches(' ').len();
                // A line of fewer spaces than the block has is an empty one.
                if cut >= old && whole.len() > old {
                    indent(&mut result, new);
                    result.push_str(whole.get(old..).unwrap_or(""));
                }
            }
        }
        result.push('\n');
    }
    Ok(result)
}

fn indent(result: &mut String, column: usize) {
    result.extend(std::iter::repeat_n(' ', column));
}

/// A gap and what stands in it afterwards.
struct Gap {
    start: usize,
    end: usize,
    with: &'static str,
}

fn gaps(text: &str, scanned: &Scanned) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for pair in scanned.atoms.windows(2) {
        let [before, after] = pair else { continue };
        let Some(between) = text.get(before.end..after.start) else { continue };
        if !between.trim_matches([' ', '\t']).is_empty() {
            continue;
        }
        if let Some(with) = gap(before, after) {
            gaps.push(Gap { start: before.end, end: after.start, with });
        }
    }
    gaps
}

/// What stands between two things on one line; `None` where that is left as it is.
fn gap(before: &Atom, after: &Atom) -> Option<&'static str> {
    use Kind::{Colon, Comma, Comment, Dash, MappingEnd, MappingStart, Marker, SequenceEnd, SequenceStart};
    Some(match (before.kind, after.kind) {
        // Comments may stand in a column of their own.
        (_, Comment) | (Marker, _) => return None,
        (Dash, _) => " ",
        (_, Colon | Comma) => "",
        (MappingStart, MappingEnd) | (SequenceStart, _) | (_, SequenceEnd) => "",
        (Colon | Comma | MappingStart, _) | (_, MappingEnd) => " ",
        _ => return None,
    })
}

/// A part of one line with its gaps set.
fn spaced(text: &str, start: usize, end: usize, gaps: &[Gap]) -> String {
    let mut result = String::with_capacity(end - start);
    let mut at = start;
    let first = gaps.partition_point(|gap| gap.start < start);
    for gap in gaps.iter().skip(first).take_while(|gap| gap.end <= end) {
        result.push_str(text.get(at..gap.start).unwrap_or(""));
        result.push_str(gap.with);
        at = gap.end;
    }
    result.push_str(text.get(at..end).unwrap_or(""));
    result
}
