//! Sets the spaces of a playbook's text: indentation, gaps, blank lines. It changes spaces and line ends and nothing else,
//! so every comment stays; what it made is read again and compared before anybody gets it. It never writes a file.

mod assemble;
mod scan;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Source, Span};
use crate::document::{self, Node, NodeKind};

/// Why a text was left as it is, and where.
struct Unfit {
    span: Span,
    why: String,
}

/// The same document with its spaces set.
///
/// # Errors
/// What is wrong with a text that does not parse; or where it has a form that cannot be set without a risk of changing what
/// it means.
pub fn format(source: &Arc<Source>) -> Result<String, Vec<Diagnostic>> {
    let before = document::parse(source)?;
    // All line ends become one kind first; YAML reads them all the same. A mark of the byte order says nothing.
    let plain = source.text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let set = catch_unwind(AssertUnwindSafe(|| set(&plain)))
        .unwrap_or_else(|_| Err(Unfit { span: Span::default(), why: "the YAML scanner failed on it".to_owned() }));
    let text = set.map_err(|unfit| {
        // The place is one in the plain text; where line ends were other ones, it would point elsewhere.
        let span = if plain == source.text { unfit.span } else { before.span };
        vec![refuse(source, span, &unfit.why)]
    })?;
    let after = document::parse(&Source::new(source.name.clone(), text.as_str()));
    let kept = after.is_ok_and(|after| same(&before, &after)) && bare(&plain).eq(bare(&text));
    if kept { Ok(text) } else { Err(vec![refuse(source, Span::default(), "it would not mean the same afterwards")]) }
}

fn set(text: &str) -> Result<String, Unfit> {
    let scanned = scan::scan(text)?;
    assemble::assemble(text, &scanned)
}

fn refuse(source: &Arc<Source>, span: Span, why: &str) -> Diagnostic {
    Diagnostic {
        code: "cannot-format",
        severity: Severity::Error,
        message: format!("this text is left as it is: {why}"),
        help: Some("write this part in the usual way: `key: value`, `- item`".to_owned()),
        source: Arc::clone(source),
        span,
    }
}

/// Whether two documents say the same, wherever it stands.
fn same(one: &Node, other: &Node) -> bool {
    match (&one.kind, &other.kind) {
        (NodeKind::Scalar(one), NodeKind::Scalar(other)) => one == other,
        (NodeKind::Sequence(one), NodeKind::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (NodeKind::Mapping(one), NodeKind::Mapping(other)) => {
            let pairs = || one.iter().zip(other);
            one.len() == other.len()
                && pairs().all(|(one, other)| one.key.value == other.key.value && same(&one.value, &other.value))
        }
        _ => false,
    }
}

/// The characters that are no space: they are the same before and after, comments and all.
fn bare(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| !matches!(letter, ' ' | '\t' | '\n'))
}
