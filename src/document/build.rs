//! The parser's events → nodes. It keeps a stack of its own: the text never decides how deep the program's stack grows.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};

use super::{Entry, MAX_BYTES, MAX_DEPTH, Node, NodeKind, Scalar};
use crate::diagnostic::{Diagnostic, Severity, Source, Span, Spanned};

/// How many faults are collected: each is shown with its line, and a text that is all faults must not take minutes.
const MOST_FAULTS: usize = 50;

/// From how many keys on a mapping keeps an index of them: fewer are looked through in less time than it takes to keep one.
const MANY_KEYS: usize = 24;

/// A list or mapping that is not closed yet.
enum Open {
    Sequence {
        start: usize,
        items: Vec<Node>,
    },
    /// `seen` keeps finding a double key quick, however many there are; it is empty while they are few.
    Mapping {
        start: usize,
        entries: Vec<Entry>,
        key: Option<Spanned<String>>,
        seen: HashMap<String, Span>,
    },
}

struct Builder<'a> {
    source: &'a Arc<Source>,
    faults: Vec<Diagnostic>,
    stack: Vec<Open>,
    root: Option<Node>,
}

pub(super) fn parse(source: &Arc<Source>) -> Result<Node, Vec<Diagnostic>> {
    let mut builder = Builder { source, faults: Vec::new(), stack: Vec::new(), root: None };
    if source.text.len() > MAX_BYTES {
        builder.fault("too-large", Span::default(), "the file is larger than 1 MiB".to_owned(), None);
        return Err(builder.faults);
    }
    // The parser has asserts of its own; a wrong one must end in a refusal, not in a crash.
    let complete = catch_unwind(AssertUnwindSafe(|| builder.read())).unwrap_or_else(|_| {
        let message = "this cannot be read (a fault in the YAML parser)".to_owned();
        builder.fault("parser-fault", Span::default(), message, None);
        false
    });
    if complete && builder.root.is_none() && builder.faults.is_empty() {
        builder.fault("empty-document", Span::default(), "the file is empty".to_owned(), None);
    }
    match builder.root {
        Some(root) if builder.faults.is_empty() => Ok(root),
        _ => Err(builder.faults),
    }
}

impl Builder<'_> {
    /// Reads all events; false where it stopped early.
    fn read(&mut self) -> bool {
        let mut options = granit_parser::Options::default();
        options.set_emit_comments(false);
        options.disallow_directives = true;
        // An alias is refused with our own words, wherever it points.
        options.emit_unresolved_aliases = true;
        options.flow_nesting_limit = MAX_DEPTH + 1;
        options.block_nesting_limit = MAX_DEPTH + 1;
        let mut documents = 0_usize;
        for result in Parser::new_from_str_with_options(&self.source.text, options) {
            let (event, place) = match result {
                Ok(pair) => pair,
                Err(error) => {
                    let at = error.marker().byte_offset().unwrap_or_else(|| self.byte_of(error.marker().index()));
                    let span = self.clamp(at, at.saturating_add(1));
                    self.fault("not-yaml", span, format!("this is not valid YAML: {}", error.info()), None);
                    return false;
                }
            };
            let span = self.span_of(&place);
            if let Event::DocumentStart(..) = event {
                documents += 1;
                if documents > 1 {
                    let help = Some("keep one document in a file".to_owned());
                    self.fault("several-documents", span, "a second document begins here".to_owned(), help);
                    return false;
                }
            }
            if !self.event(event, span) {
                return false;
            }
        }
        true
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                let span = self.trim(span, style);
                // The parser writes `~` for a value that is not there; here it is the source text, which is empty.
                let text = if plain && span.start == span.end { String::new() } else { text.into_owned() };
                self.add(Node { span, kind: NodeKind::Scalar(Scalar { text, plain }) });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                self.stack.push(Open::Sequence { start: span.start, items: Vec::new() });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(span, anchor, tag.is_some());
                self.stack.push(Open::Mapping {
                    start: span.start,
                    entries: Vec::new(),
                    key: None,
                    seen: HashMap::new(),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let help = Some("write the value out, or quote it if it is a text that begins with *".to_owned());
                self.fault("alias", span, "aliases (`*name`) are not part of a playbook".to_owned(), help);
                // Something has to stand in its place, so that the rest is still read.
                self.add(Node { span, kind: NodeKind::Scalar(Scalar { text: String::new(), plain: true }) });
            }
            _ => {}
        }
        if self.faults.len() >= MOST_FAULTS {
            return false;
        }
        if self.stack.len() > MAX_DEPTH {
            self.fault("too-deep", span, format!("this is nested deeper than {MAX_DEPTH} levels"), None);
            return false;
        }
        true
    }

    fn refuse_properties(&mut self, span: Span, anchor: usize, tagged: bool) {
        if anchor != 0 {
            let help = Some("write the value out where it is needed".to_owned());
            self.fault("anchor", span, "anchors (`&name`) are not part of a playbook".to_owned(), help);
        }
        if tagged {
            let help = Some("leave the tag out: the declared type decides what a value is".to_owned());
            self.fault("tag", span, "tags (`!name`) are not part of a playbook".to_owned(), help);
        }
    }

    fn close(&mut self, end: Span) {
        match self.stack.pop() {
            // What a list grew to beyond its items is given back: a file of thousands of steps has tens of thousands of lists.
            Some(Open::Sequence { start, mut items }) => {
                items.shrink_to_fit();
                let span = self.hull(start, end, items.last().map(|node| node.span.end));
                self.add(Node { span, kind: NodeKind::Sequence(items) });
            }
            Some(Open::Mapping { start, mut entries, .. }) => {
                entries.shrink_to_fit();
                let span = self.hull(start, end, entries.last().map(|entry| entry.value.span.end));
                self.add(Node { span, kind: NodeKind::Mapping(entries) });
            }
            None => {}
        }
    }

    /// A block ends where its last item does; the parser says so only after the empty lines that follow it.
    fn hull(&self, start: usize, end: Span, last: Option<usize>) -> Span {
        let closed = self.source.text.get(end.start..end.end).is_some_and(|text| matches!(text, "]" | "}"));
        let stop = if closed { end.end } else { last.unwrap_or(end.end) };
        self.clamp(start, stop)
    }

    fn add(&mut self, node: Node) {
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { key: key @ Some(_), entries, .. }) => {
                if let Some(key) = key.take() {
                    entries.push(Entry { key, value: node });
                }
            }
            Some(Open::Mapping { key: None, .. }) => self.add_key(node),
        }
    }

    fn add_key(&mut self, node: Node) {
        let span = node.span;
        let name = match node.kind {
            NodeKind::Scalar(scalar) => scalar.text,
            _ => {
                self.complex_key(span);
                String::new()
            }
        };
        if name == "<<" {
            let help = Some("write the keys out where they are needed".to_owned());
            self.fault("merge-key", span, "merge keys (`<<`) are not part of a playbook".to_owned(), help);
        }
        let Some(Open::Mapping { seen, key, entries, .. }) = self.stack.last_mut() else { return };
        let first = first_of(&name, entries, seen);
        let name = &key.insert(Spanned::new(name, span)).value;
        if let Some(first) = first {
            let name = name.clone();
            let line = self.source.position(first.start).0;
            let again = self.source.position(span.start).0;
            let help = Some(format!("keep one of them; the first is on line {line}"));
            self.fault("duplicate-key", span, format!("`{name}` is given a second time"), help);
            self.fault(
                "duplicate-key",
                first,
                format!("`{name}` is first given here, and again on line {again}"),
                None,
            );
        }
    }

    /// Nobody writes a mapping as a key on purpose: it is a template whose quotes were forgotten.
    fn complex_key(&mut self, span: Span) {
        let before = span.start.checked_sub(1).and_then(|start| self.source.text.get(start..)).unwrap_or("");
        if before.starts_with("{{") {
            let help = Some("write \"{{…}}\" with the quotes".to_owned());
            self.fault("unquoted-template", span, "a value that begins with {{ needs quotes in YAML".to_owned(), help);
        } else {
            self.fault("complex-key", span, "a key is one text, not a list or a mapping".to_owned(), None);
        }
    }

    fn fault(&mut self, code: &'static str, span: Span, message: String, help: Option<String>) {
        let source = Arc::clone(self.source);
        self.faults.push(Diagnostic { code, severity: Severity::Error, message, help, source, span });
    }

    fn span_of(&self, place: &granit_parser::Span) -> Span {
        match place.byte_range() {
            Some(range) => self.clamp(range.start, range.end),
            None => self.clamp(self.byte_of(place.start.index()), self.byte_of(place.end.index())),
        }
    }

    /// A block's span ends in the next line's indentation, and an empty value's behind the line; carets should not.
    fn trim(&self, span: Span, style: ScalarStyle) -> Span {
        if matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted) {
            return span;
        }
        let text = self.source.text.get(span.start..span.end).unwrap_or("");
        Span { start: span.start, end: span.start + text.trim_end().len() }
    }

    fn byte_of(&self, character: usize) -> usize {
        self.source.text.char_indices().nth(character).map_or(self.source.text.len(), |(byte, _)| byte)
    }

    /// A span that lies within the text and cuts no character in two, whatever the parser said.
    fn clamp(&self, start: usize, end: usize) -> Span {
        let text = &self.source.text;
        let start = floor(text, start);
        let mut end = end.min(text.len()).max(start);
        while !text.is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }
}

/// Where a key was given before, if it was.
fn first_of(name: &str, entries: &[Entry], seen: &mut HashMap<String, Span>) -> Option<Span> {
    if entries.len() < MANY_KEYS {
        return entries.iter().find(|entry| entry.key.value == name).map(|entry| entry.key.span);
    }
    for entry in entries.iter().skip(seen.len()) {
        seen.entry(entry.key.value.clone()).or_insert(entry.key.span);
    }
    seen.get(name).copied()
}

fn floor(text: &str, byte: usize) -> usize {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
