//! The scanner's tokens → what can be seen of them in the text (atoms), and how far each line is to be indented.

use granit_parser::{ScalarStyle, Scanner, StrInput, Token, TokenType};

use super::Unfit;
use crate::diagnostic::Span;

/// How far one level is indented.
const STEP: usize = 2;

/// What can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Dash,
    Colon,
    Comma,
    SequenceStart,
    SequenceEnd,
    MappingStart,
    MappingEnd,
    Scalar,
    /// `|` or `>` and what belongs to it.
    Header,
    Comment,
    /// `---` or `...`.
    Marker,
}

/// A visible thing and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// What is to become of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Nobody has said anything of it: a blank one, or one that cannot be set.
    Unset,
    /// It begins at this column.
    At(usize),
    /// The same, and its end belongs to a text: nothing is cut off there.
    Within(usize),
    /// A line of a block: what stands behind the old column is kept as it is, and moved to the new one.
    Block { old: usize, new: usize },
}

/// All that was found.
pub(super) struct Scanned {
    /// In the order of the text.
    pub atoms: Vec<Atom>,
    pub lines: Vec<Line>,
    /// Where each line begins.
    pub starts: Vec<usize>,
}

/// A block list or mapping that is open.
#[derive(Debug, Clone, Copy)]
struct Block {
    is_list: bool,
    /// A list that stands as far left as the key it belongs to: the scanner does not say where such a one ends.
    implied: bool,
    old: usize,
    new: usize,
}

struct Scan<'t> {
    text: &'t str,
    scanned: Scanned,
    blocks: Vec<Block>,
    /// How deep brackets are open, and at which column the line began in which they were.
    flow: usize,
    flow_base: usize,
    key: bool,
    /// Comments on lines of their own: where they go depends on what comes next.
    waiting: Vec<Waiting>,
}

struct Waiting {
    line: usize,
    column: usize,
    blocks: Vec<Block>,
}

pub(super) fn scan(text: &str) -> Result<Scanned, Unfit> {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let lines = vec![Line::Unset; starts.len()];
    let mut scan = Scan {
        text,
        scanned: Scanned { atoms: Vec::new(), lines, starts },
        blocks: Vec::new(),
        flow: 0,
        flow_base: 0,
        key: false,
        waiting: Vec::new(),
    };
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(true);
    for token in Scanner::with_options(StrInput::new(text), options) {
        match token {
            Ok(token) => scan.token(&token)?,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                return Err(Unfit { span: Span { start: at, end: at }, why: error.info().to_owned() });
            }
        }
    }
    scan.place_comments(None);
    scan.scanned.atoms.sort_by_key(|atom| atom.start);
    Ok(scan.scanned)
}

impl Scan<'_> {
    fn token(&mut self, token: &Token<'_>) -> Result<(), Unfit> {
        let Some(place) = token.span().byte_range() else { return Err(self.unfit(0, "its places are not known")) };
        let at = place.start;
        match token.token_type() {
            TokenType::BlockSequenceStart => self.open(true, false, at),
            TokenType::BlockMappingStart => self.open(false, false, at),
            TokenType::BlockEnd => {
                self.close_implied();
                self.blocks.pop();
            }
            TokenType::BlockEntry => self.entry(at)?,
            TokenType::Key => {
                if !place.is_empty() {
                    return Err(self.unfit(at, "a key is written with `?`"));
                }
                if self.flow == 0 {
                    self.close_implied();
                    self.key = true;
                }
            }
            TokenType::Value => {
                if self.flow == 0 && self.is_first(at) {
                    return Err(self.unfit(at, "a line begins with `:`"));
                }
                self.atom(Kind::Colon, at, at + 1);
            }
            TokenType::FlowEntry => self.atom(Kind::Comma, at, place.end),
            TokenType::FlowSequenceStart => self.bracket(Kind::SequenceStart, at, place.end),
            TokenType::FlowMappingStart => self.bracket(Kind::MappingStart, at, place.end),
            TokenType::FlowSequenceEnd => self.unbracket(Kind::SequenceEnd, at, place.end),
            TokenType::FlowMappingEnd => self.unbracket(Kind::MappingEnd, at, place.end),
            TokenType::Scalar(ScalarStyle::Literal | ScalarStyle::Folded, _) => self.block_scalar(at, place.end)?,
            TokenType::Scalar(..) => self.scalar(at, place.end),
            TokenType::Comment(_) => self.comment(at, place.end),
            TokenType::DocumentStart | TokenType::DocumentEnd => {
                self.blocks.clear();
                if !place.is_empty() {
                    self.atom(Kind::Marker, at, place.end);
                }
            }
            TokenType::StreamStart | TokenType::StreamEnd => {}
            _ => return Err(self.unfit(at, "it has parts that are not part of a playbook")),
        }
        Ok(())
    }

    fn unfit(&self, at: usize, why: &str) -> Unfit {
        Unfit { span: Span { start: at, end: at }, why: why.to_owned() }
    }

    fn line(&self, at: usize) -> usize {
        self.scanned.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    fn line_start(&self, at: usize) -> usize {
        self.scanned.starts.get(self.line(at)).copied().unwrap_or(0)
    }

    fn part(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or("")
    }

    fn column(&self, at: usize) -> usize {
        self.part(self.line_start(at), at).chars().count()
    }

    /// Whether nothing stands before it on its line.
    fn is_first(&self, at: usize) -> bool {
        self.part(self.line_start(at), at).trim_matches([' ', '\t']).is_empty()
    }

    /// The column of a value that begins on a line of its own.
    fn inner(&self) -> usize {
        self.blocks.last().map_or(0, |block| block.new + STEP)
    }

    fn open(&mut self, is_list: bool, implied: bool, at: usize) {
        let block = Block { is_list, implied, old: self.column(at), new: self.inner() };
        self.blocks.push(block);
    }

    fn close_implied(&mut self) {
        if self.blocks.last().is_some_and(|block| block.implied) {
            self.blocks.pop();
        }
    }

    /// The scanner gives the place behind the dash and the spaces after it.
    fn entry(&mut self, at: usize) -> Result<(), Unfit> {
        let start = self.line_start(at);
        let before = self.part(start, at).trim_end_matches([' ', '\t']);
        let Some(rest) = before.strip_suffix('-') else { return Err(self.unfit(at, "a dash is not found")) };
        let dash = start + rest.len();
        if !self.blocks.last().is_some_and(|block| block.is_list) {
            self.open(true, true, dash);
        }
        self.atom(Kind::Dash, dash, dash + 1);
        Ok(())
    }

    /// The column of a line within brackets.
    fn flow_column(&self) -> usize {
        self.flow_base + STEP * self.flow
    }

    fn bracket(&mut self, kind: Kind, start: usize, end: usize) {
        self.atom(kind, start, end);
        if self.flow == 0 {
            // What stands within goes one level further than the line in which the bracket is opened.
            let line = self.line(start);
            self.flow_base = match self.scanned.lines.get(line) {
                Some(Line::At(column)) => *column,
                _ => self.blocks.last().map_or(0, |block| block.new),
            };
        }
        self.flow += 1;
    }

    fn unbracket(&mut self, kind: Kind, start: usize, end: usize) {
        self.flow = self.flow.saturating_sub(1);
        self.atom(kind, start, end);
    }

    /// Notes an atom; where it is the first on its line it says how far that is indented.
    fn atom(&mut self, kind: Kind, start: usize, end: usize) {
        let is_key = std::mem::take(&mut self.key);
        self.scanned.atoms.push(Atom { kind, start, end });
        if !self.is_first(start) {
            return;
        }
        let column = match kind {
            Kind::Marker => 0,
            _ if self.flow > 0 => self.flow_column(),
            Kind::SequenceEnd | Kind::MappingEnd => self.flow_base,
            Kind::Dash => self.blocks.last().map_or(0, |block| block.new),
            Kind::Scalar if is_key => self.blocks.last().map_or(0, |block| block.new),
            _ => self.inner(),
        };
        self.place_comments(Some((self.column(start), column)));
        let line = self.line(start);
        self.put(line, Line::At(column));
    }

    fn put(&mut self, line: usize, value: Line) {
        if let Some(place) = self.scanned.lines.get_mut(line) {
            *place = value;
        }
    }

    fn scalar(&mut self, start: usize, end: usize) {
        self.atom(Kind::Scalar, start, end);
        let (first, last) = (self.line(start), self.line(end.saturating_sub(1).max(start)));
        if first == last {
            return;
        }
        // The spaces at a line's end may be part of what a quoted text says.
        let quoted = self.part(start, end).starts_with(['"', '\'']);
        let within = if self.flow > 0 { self.flow_column() } else { self.inner() };
        if let Some(Line::At(column)) = self.scanned.lines.get(first).copied().filter(|_| quoted) {
            self.put(first, Line::Within(column));
        } else if quoted {
            // The indentation of this line is known when the line's first atom is; only its end is marked here.
            self.put(first, Line::Within(self.blocks.last().map_or(0, |block| block.new)));
        }
        for line in first + 1..=last {
            self.put(line, if quoted && line < last { Line::Within(within) } else { Line::At(within) });
        }
    }

    fn block_scalar(&mut self, start: usize, end: usize) -> Result<(), Unfit> {
        let Some(header) = self.header() else { return Err(self.unfit(start, "the sign of a block is not found")) };
        let rest = self.part(header, self.text.len());
        let length =
            rest.find(|c: char| !matches!(c, '|' | '>' | '+' | '-') && !c.is_ascii_digit()).unwrap_or(rest.len());
        let sign = self.part(header, header + length).to_owned();
        self.atom(Kind::Header, header, header + length);
        let owner = self.blocks.last().copied();
        let digit = sign.chars().find_map(|c| c.to_digit(10)).map(|digit| digit as usize);
        let first = self.line(header) + 1;
        // Blank lines behind the last one count only where the sign keeps them.
        let keeps = sign.contains('+');
        let mut last = first;
        for line in first..self.scanned.lines.len() {
            let (from, to) = self.bounds(line);
            let own = to < end || !self.part(from, end.max(from)).trim_matches([' ', '\n']).is_empty();
            if from >= end || !own {
                break;
            }
            if keeps || !self.part(from, to).trim_matches(' ').is_empty() {
                last = line + 1;
            }
        }
        let leading = |text: &str| text.len() - text.trim_start_matches(' ').len();
        let found = (first..last).map(|line| self.bounds(line)).map(|(from, to)| self.part(from, to));
        let found = found.filter(|text| !text.trim_matches(' ').is_empty()).map(leading).next();
        let (old_owner, new_owner) = owner.map_or((0, 0), |block| (block.old, block.new));
        let old = digit.map(|digit| old_owner + digit).or(found).unwrap_or(old_owner + STEP);
        let new = new_owner + digit.unwrap_or(STEP);
        for line in first..last {
            self.put(line, Line::Block { old, new });
        }
        Ok(())
    }

    /// Where a line begins and ends, without its line end.
    fn bounds(&self, line: usize) -> (usize, usize) {
        let from = self.scanned.starts.get(line).copied().unwrap_or(self.text.len());
        let next = self.scanned.starts.get(line + 1).map_or(self.text.len(), |next| next - 1);
        (from, next)
    }

    /// The sign that opens a block stands behind the last thing that is no comment.
    fn header(&self) -> Option<usize> {
        let before = self.scanned.atoms.iter().rev().find(|atom| atom.kind != Kind::Comment)?;
        let mut at = before.end;
        loop {
            let rest = self.part(at, self.text.len());
            let skipped = rest.len() - rest.trim_start_matches([' ', '\t', '\n']).len();
            at += skipped;
            match rest.get(skipped..)?.chars().next()? {
                '#' => at += rest.get(skipped..)?.find('\n')?,
                '|' | '>' => return Some(at),
                _ => return None,
            }
        }
    }

    fn comment(&mut self, start: usize, end: usize) {
        self.scanned.atoms.push(Atom { kind: Kind::Comment, start, end });
        if !self.is_first(start) {
            return;
        }
        let line = self.line(start);
        if self.flow > 0 {
            self.put(line, Line::At(self.flow_column()));
            return;
        }
        self.waiting.push(Waiting { line, column: self.column(start), blocks: self.blocks.clone() });
    }

    /// A comment goes with what it stands beside: what follows, where that began at the same column, else the outermost
    /// block that did, else whatever is nearest.
    fn place_comments(&mut self, next: Option<(usize, usize)>) {
        for comment in std::mem::take(&mut self.waiting) {
            let blocks = comment.blocks.iter().map(|block| (block.old, block.new));
            let nearest = next.into_iter().chain(blocks).min_by_key(|(old, _)| old.abs_diff(comment.column));
            self.put(comment.line, Line::At(nearest.map_or(0, |(_, new)| new)));
        }
    }
}
