//! What was tried and what became of it: the data of a proof. It runs nothing.

use crate::run::{Answer, QuestionKind, Verdict};

/// Everything that was tried.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proof {
    /// Each thing that was tried.
    pub points: Vec<Point>,
    /// The changing steps of which the world shows no change.
    pub blind: Vec<String>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The step or part of an undo that it is about (`hold`, `hold/undo`), or `run` for what is about none.
    pub row: String,
    /// What was done to it.
    pub column: Column,
    /// Which run it happened in, for example `catch_up failed and everything is undone`.
    pub story: String,
    /// Where exactly, for a person who wants to see it again.
    pub place: String,
    /// Whether it went wrong at the first attempt alone.
    pub first_only: bool,
    /// What people were asked, in order, with the safe answer to each.
    pub asked: Vec<Asked>,
    /// How the run came out.
    pub end: End,
    /// How the world stood then.
    pub world: World,
    /// What the other answers to the first question lead to.
    pub branches: Vec<Branch>,
    /// What must not be: a doubled or lost effect, a verdict that lies, a run that nobody can go on with.
    pub findings: Vec<String>,
    /// Whether the run asked people more than it would have, had nothing been done to it.
    pub doubt: bool,
}

/// A question that came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// About what.
    pub task: String,
    /// What kind it is.
    pub kind: QuestionKind,
    /// What a person reads.
    pub message: String,
    /// What was answered; nothing where nobody answered and the deadline's safe default was taken.
    pub answer: Option<Answer>,
}

/// What another answer leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// The answer.
    pub answer: Answer,
    /// How the run came out.
    pub end: End,
    /// How the world stood then.
    pub world: World,
}

/// How a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was killed before there was anything to resume: nothing began.
    NotBegun,
    /// With a verdict.
    Ended(Verdict),
    /// It neither ended nor waits for a person.
    Never,
}

/// How the world stands, by its facts and by what was really done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum World {
    /// As before the run.
    AsBefore,
    /// As after a run at which nothing goes wrong.
    AsAfter,
    /// Neither: what is others than before.
    Differs(Vec<String>),
}

/// What is done to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// It certainly changes nothing.
    NoEffect,
    /// It fails before it has changed anything.
    Failed,
    /// It fails after it has.
    FailedAfter,
    /// No answer; it changed nothing.
    Unanswered,
    /// No answer; it was done.
    UnansweredDone,
    /// The target never says anything.
    TimedOut,
    /// The runner is killed where a record is to become durable.
    Record,
    /// The runner is killed around an effect.
    Effect,
    /// The same, and whoever would have kept how a command ended is lost too.
    Machine,
    /// The runner was killed, and is killed again while it recovers.
    Again,
    /// Everything is halted once a record is durable, and that is lifted later.
    Halted,
}

/// The kinds of things that are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A step goes wrong.
    Fault,
    /// The runner is killed.
    Crash,
    /// Everything is halted.
    Halt,
}

impl Column {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Column; 11] = [
        Column::NoEffect,
        Column::Failed,
        Column::FailedAfter,
        Column::Unanswered,
        Column::UnansweredDone,
        Column::TimedOut,
        Column::Record,
        Column::Effect,
        Column::Machine,
        Column::Again,
        Column::Halted,
    ];

    /// Its name for programs.
    pub fn word(self) -> &'static str {
        match self {
            Column::NoEffect => "no_effect",
            Column::Failed => "failed_before",
            Column::FailedAfter => "failed_after",
            Column::Unanswered => "unknown_before",
            Column::UnansweredDone => "unknown_after",
            Column::TimedOut => "timeout",
            Column::Record => "killed_at_record",
            Column::Effect => "killed_at_effect",
            Column::Machine => "machine_lost",
            Column::Again => "killed_again",
            Column::Halted => "halted_at_record",
        }
    }

    /// Whether it is a crash of the runner.
    pub fn group(self) -> Group {
        match self {
            Column::Record | Column::Effect | Column::Machine | Column::Again => Group::Crash,
            Column::Halted => Group::Halt,
            _ => Group::Fault,
        }
    }
}

impl Proof {
    /// The points of one kind.
    pub fn of(&self, group: Group) -> impl Iterator<Item = &Point> {
        self.points.iter().filter(move |point| point.column.group() == group)
    }

    /// Of the points at which the runner was killed: those that came to the end which they would have come to without it,
    /// with no question more; and all.
    pub fn covered(&self) -> (usize, usize) {
        let covered = self.of(Group::Crash).filter(|point| !point.doubt && point.findings.is_empty());
        (covered.count(), self.of(Group::Crash).count())
    }

    /// The same in percent, rounded down: only all of them are a hundred.
    pub fn coverage(&self) -> f64 {
        let (covered, tried) = self.covered();
        if tried == 0 { 0.0 } else { (covered as f64 * 1000.0 / tried as f64).floor() / 10.0 }
    }

    /// What must not be, each with the point at which it was found.
    pub fn findings(&self) -> impl Iterator<Item = (&Point, &String)> {
        self.points.iter().flat_map(|point| point.findings.iter().map(move |finding| (point, finding)))
    }

    /// The rows, in the order in which they came up.
    pub fn rows(&self, group: Group) -> Vec<&str> {
        let mut rows: Vec<&str> = Vec::new();
        for point in self.of(group) {
            if !rows.contains(&point.row.as_str()) {
                rows.push(&point.row);
            }
        }
        rows
    }
}
