//! The two tables of a proof: rows are steps and parts of the undo, columns what was done to them.

use unicode_width::UnicodeWidthStr;

use crate::cli::text::{Ink, Line, shorten};
use crate::run::Verdict;
use crate::sim::prove::{Column, End, Group, Point, Proof, World};

use super::{end, world};

/// A cell, and how it looks.
type Cell = (Ink, String);

/// Step × fault: the verdict and the world. What comes of a fault at the first attempt alone has a row of its own where it
/// is another thing.
pub fn faults(proof: &Proof, width: usize) -> Vec<Line> {
    let columns = columns(Group::Fault);
    let mut rows = Vec::new();
    for row in proof.rows(Group::Fault) {
        let cells = |first_only: bool| -> Vec<Cell> {
            let cell = |column: &Column| {
                fault(
                    proof
                        .of(Group::Fault)
                        .filter(|point| point.row == row && point.column == *column && point.first_only == first_only),
                )
            };
            columns.iter().map(cell).collect()
        };
        let (every, first) = (cells(false), cells(true));
        let differs = every != first;
        rows.push((row.to_owned(), every));
        if differs {
            rows.push(("  once only".to_owned(), first));
        }
    }
    lines(&columns, &rows, width)
}

/// Step × kill: how many of the points were survived without a person.
pub fn crashes(proof: &Proof, width: usize) -> Vec<Line> {
    let any = |column: &Column| proof.points.iter().any(|point| point.column == *column);
    let columns: Vec<Column> = columns(Group::Crash).into_iter().filter(any).collect();
    let mut rows = Vec::new();
    for row in proof.rows(Group::Crash) {
        let cell = |column: &Column| {
            let of = |point: &&Point| point.row == row && point.column == *column;
            crash(&proof.of(Group::Crash).filter(of).collect::<Vec<_>>())
        };
        let name = if row == "run" { "(the run itself)" } else { row };
        rows.push((name.to_owned(), columns.iter().map(cell).collect()));
    }
    lines(&columns, &rows, width)
}

fn columns(group: Group) -> Vec<Column> {
    Column::ALL.into_iter().filter(|column| column.group() == group).collect()
}

/// The heading of a column, in two lines.
fn head(column: Column) -> [&'static str; 2] {
    match column {
        Column::NoEffect => ["not reached,", "no effect"],
        Column::Failed => ["failed,", "no effect"],
        Column::FailedAfter => ["failed,", "effect there"],
        Column::Unanswered => ["no answer,", "no effect"],
        Column::UnansweredDone => ["no answer,", "effect there"],
        Column::TimedOut => ["never", "answers"],
        Column::Record => ["around a", "journal record"],
        Column::Effect => ["around its", "effect"],
        Column::Machine => ["the same, and", "the recorder"],
        Column::Again => ["once more, while", "it recovers"],
        Column::Halted => ["halted and", "lifted"],
    }
}

/// What became of some points: of the worst of them, with a star where the others came out otherwise.
fn fault<'a>(points: impl Iterator<Item = &'a Point>) -> Cell {
    let mut cells: Vec<(usize, Ink, String)> = Vec::new();
    for point in points {
        let cell = if !point.findings.is_empty() {
            (9, Ink::Bad, format!("✗ {}", end(point.end)))
        } else if point.doubt {
            (8, Ink::Warn, "asks".to_owned())
        } else {
            let ink = if matches!(point.world, World::Differs(_)) { Ink::Warn } else { Ink::Good };
            (badness(point.end), ink, format!("{}{}", end(point.end), world(&point.world)))
        };
        if !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    cells.sort_by_key(|(badness, ..)| std::cmp::Reverse(*badness));
    let star = if cells.len() > 1 { "*" } else { "" };
    match cells.into_iter().next() {
        Some((_, ink, text)) => (ink, format!("{text}{star}")),
        None => (Ink::Dim, "·".to_owned()),
    }
}

fn badness(end: End) -> usize {
    match end {
        End::NotBegun => 0,
        End::Never => 7,
        End::Ended(verdict) => match verdict {
            Verdict::Succeeded => 1,
            Verdict::Failed => 2,
            Verdict::RolledBack => 3,
            Verdict::RolledBackToCheckpoint => 4,
            Verdict::SucceededWithExceptions => 5,
            Verdict::Incomplete | Verdict::Abandoned => 6,
        },
    }
}

fn crash(points: &[&Point]) -> Cell {
    let bad = points.iter().filter(|point| !point.findings.is_empty()).count();
    let well = points.iter().filter(|point| point.findings.is_empty() && !point.doubt).count();
    match points.len() {
        0 => (Ink::Dim, "·".to_owned()),
        all if bad > 0 => (Ink::Bad, format!("✗ {bad} of {all}")),
        all if well < all => (Ink::Warn, format!("{well} of {all}")),
        all => (Ink::Good, format!("✓ {all}")),
    }
}

/// The table, its columns as wide as they must be and all of them no wider than there is room.
fn lines(columns: &[Column], rows: &[(String, Vec<Cell>)], width: usize) -> Vec<Line> {
    let first = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0).clamp(4, 24) + 2;
    let mut wide: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            let cells = rows.iter().filter_map(|(_, cells)| cells.get(index)).map(|(_, text)| text.width());
            cells.chain(head(*column).map(UnicodeWidthStr::width)).max().unwrap_or(0)
        })
        .collect();
    let least = 2 + first + wide.iter().sum::<usize>();
    let gap = if least + wide.len() * 2 > width { 1 } else { 2 };
    let room = width.saturating_sub(2 + first + wide.len() * gap);
    while wide.iter().sum::<usize>() > room
        && let Some(widest) = wide.iter_mut().max().filter(|widest| **widest > 6)
    {
        *widest -= 1;
    }
    let place = |index: usize| 2 + first + wide.iter().take(index).map(|wide| wide + gap).sum::<usize>();
    let fitted = |index: usize, text: &str| shorten(text, wide.get(index).copied().unwrap_or(8));
    let mut shown = Vec::new();
    for part in 0..2 {
        let mut line = Line::new();
        for (index, column) in columns.iter().enumerate() {
            let text = head(*column).get(part).copied().unwrap_or_default();
            line = line.pad_to(place(index)).with(Ink::Dim, fitted(index, text));
        }
        shown.push(line);
    }
    for (name, cells) in rows {
        let mut line = Line::plain("  ").with(Ink::Plain, shorten(name, first));
        for (index, (ink, text)) in cells.iter().enumerate() {
            line = line.pad_to(place(index)).with(*ink, fitted(index, text));
        }
        shown.push(line);
    }
    shown
}
