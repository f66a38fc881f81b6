//! A proof for people: which step × which fault came to which verdict and whether the world came back; which crash was
//! survived without a person; what is asked, what stands, and what must not be.

mod asks;
pub mod json;
pub mod junit;
mod table;

use crate::cli::exit::Exit;
use crate::cli::text::{Ink, Line};
use crate::run::Verdict;
use crate::sim::prove::{End, Group, Point, Proof, World};

use super::{count, heading, paragraph};

/// How many findings are shown; the rest is counted.
const MOST_FINDINGS: usize = 12;

/// A proof and what is said around it.
pub struct Shown<'a> {
    /// What was tried.
    pub proof: &'a Proof,
    /// The playbook and its version.
    pub title: &'a str,
    /// The world.
    pub world: &'a str,
    /// How long it took.
    pub seconds: f64,
    /// The coverage that is wanted, in percent.
    pub wanted: Option<f64>,
}

impl Shown<'_> {
    /// Whether as much is covered as is wanted.
    pub fn covers(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.proof.coverage() >= wanted)
    }

    /// Whether nothing was found.
    pub fn holds(&self) -> bool {
        self.covers() && self.proof.findings().next().is_none()
    }

    /// What the process returns.
    pub fn exit(&self) -> Exit {
        if self.holds() { Exit::Success } else { Exit::Failed }
    }

    /// All of it.
    pub fn lines(&self, width: usize) -> Vec<Line> {
        let mut lines = vec![Line::new()];
        lines.extend(if self.proof.of(Group::Fault).next().is_some() { self.faults(width) } else { Vec::new() });
        lines.extend([heading("When the runner is killed"), Line::new()]);
        lines.extend(table::crashes(self.proof, width));
        let meaning = "points after which the run comes to its end without asking more than it does anyway, and what it \
                       says is true; `2 of 4`: the others ask a person";
        lines.extend(paragraph(meaning, 2, width, Ink::Dim));
        lines.extend(asks::lines(self.proof, width));
        lines.extend(asks::standing(self.proof, width));
        lines.extend(self.blind(width));
        lines.extend(self.findings(width));
        lines.push(Line::new());
        lines.extend(self.result(width));
        lines
    }

    fn faults(&self, width: usize) -> Vec<Line> {
        let mut lines = vec![heading("When a step goes wrong"), Line::new()];
        lines.extend(table::faults(self.proof, width));
        lines.extend(paragraph(
            "= the world is as before the run · + as after a success · ~ neither · * depends on whether its effect is there \
             · asks: a person is asked, see below · once only: it goes wrong at the first attempt alone · exceptions: succeeded with exceptions",
            2,
            width,
            Ink::Dim,
        ));
        lines.push(Line::new());
        lines
    }

    /// Of which steps the world shows nothing.
    fn blind(&self, width: usize) -> Vec<Line> {
        if self.proof.blind.is_empty() {
            return Vec::new();
        }
        let text = format!(
            "This world shows nothing of the changes of {}: whether they came back is told by what was done alone. `after:` \
             in the world says what a step changes.",
            self.proof.blind.join(", ")
        );
        let mut lines = vec![Line::new()];
        lines.extend(paragraph(&text, 0, width, Ink::Dim));
        lines
    }

    /// What must not be.
    fn findings(&self, width: usize) -> Vec<Line> {
        let all: Vec<(&Point, &String)> = self.proof.findings().collect();
        if all.is_empty() {
            return Vec::new();
        }
        let mut lines =
            vec![Line::new(), Line::new().with(Ink::Bad, format!("Found: {}", count(all.len(), "finding")))];
        for (point, finding) in all.iter().take(MOST_FINDINGS) {
            let way = point.column.word().replace('_', " ");
            lines.push(Line::plain("  ").with(Ink::Bad, "✗ ").with(Ink::Bold, format!("{} · {way}", point.row)));
            lines.extend(paragraph(finding, 4, width, Ink::Plain));
            lines.extend(paragraph(&format!("in: {}; {}", point.story, point.place), 4, width, Ink::Dim));
        }
        if all.len() > MOST_FINDINGS {
            let rest = format!("and {} more: --output json has all", all.len() - MOST_FINDINGS);
            lines.push(Line::plain("  ").with(Ink::Dim, rest));
        }
        lines
    }

    /// The figures.
    pub fn result(&self, width: usize) -> Vec<Line> {
        let proof = self.proof;
        let (covered, tried) = proof.covered();
        let found = proof.findings().count();
        let asks = proof.of(Group::Fault).filter(|point| point.doubt).count();
        let (mark, ink) = if self.holds() { ("✓", Ink::Good) } else { ("✗", Ink::Bad) };
        let head = format!(" {}: {}, tried in {:.1} s", self.title, count(proof.points.len(), "point"), self.seconds);
        let mut lines = vec![Line::new().with(ink, mark).with(Ink::Bold, head)];
        let faults = proof.of(Group::Fault).count();
        let mut texts = vec![
            count(found, "finding"),
            format!(
                "crash coverage {:.1} %: {covered} of {tried} kills are survived without asking a person",
                proof.coverage()
            ),
        ];
        if faults > 0 {
            texts.push(format!("{asks} of {faults} faults of steps end in a question to a person"));
        }
        let halts: Vec<&Point> = proof.of(Group::Halt).collect();
        let as_without = halts.iter().filter(|point| !point.doubt && point.findings.is_empty()).count();
        if !halts.is_empty() {
            let tried = halts.len();
            texts.push(format!("{as_without} of {tried} halts begin nothing, and lifted they lead to the same end"));
        }
        for text in texts {
            lines.extend(paragraph(&text, 2, width, Ink::Plain));
        }
        if !self.covers() {
            let wanted = format!("--min-coverage {} is not reached", self.wanted.unwrap_or_default());
            lines.push(Line::plain("  ").with(Ink::Bad, wanted));
        }
        lines
    }
}

/// How a run came out, in a word.
fn end(end: End) -> &'static str {
    match end {
        End::NotBegun => "not begun",
        End::Never => "NEVER ENDS",
        End::Ended(verdict) => match verdict {
            Verdict::Succeeded => "succeeded",
            Verdict::SucceededWithExceptions => "exceptions",
            Verdict::Failed => "failed",
            Verdict::RolledBack => "rolled back",
            Verdict::RolledBackToCheckpoint => "to checkpoint",
            Verdict::Incomplete => "incomplete",
            Verdict::Abandoned => "abandoned",
        },
    }
}

/// How the world stands, in a letter.
fn world(world: &World) -> &'static str {
    match world {
        World::AsBefore => "=",
        World::AsAfter => "+",
        World::Differs(_) => "~",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::run::QuestionKind;
    use crate::sim::prove::{Asked, Column};

    fn point(row: &str, column: Column, end: End, world: World) -> Point {
        Point {
            row: row.to_owned(),
            column,
            story: "on its way forward".to_owned(),
            place: "at every attempt".to_owned(),
            first_only: false,
            asked: Vec::new(),
            end,
            world,
            branches: Vec::new(),
            findings: Vec::new(),
            doubt: false,
        }
    }

    fn proof() -> Proof {
        let rolled = |column| point("hold", column, End::Ended(Verdict::RolledBack), World::AsBefore);
        let question = Asked {
            task: "hold".to_owned(),
            kind: QuestionKind::UnknownOutcome,
            message: "nobody can tell".to_owned(),
            answer: None,
        };
        let asks = Point { doubt: true, asked: vec![question], ..rolled(Column::Record) };
        let lies = Point { findings: vec!["hold took effect 2 times".to_owned()], ..rolled(Column::Effect) };
        let late = point("hold", Column::TimedOut, End::Ended(Verdict::Succeeded), World::AsAfter);
        let points = vec![rolled(Column::Failed), rolled(Column::TimedOut), late, rolled(Column::Record), asks, lies];
        Proof { points, blind: Vec::new() }
    }

    fn shown(proof: &Proof, width: usize) -> Vec<String> {
        let shown = Shown { proof, title: "x@1", world: "w", seconds: 0.1, wanted: None };
        let look = Look { color: false, unicode: true, width: None };
        shown.lines(width).iter().map(|line| line.render(&look)).collect()
    }

    #[test]
    fn cells_show_the_worst_and_the_figures_add_up() {
        let (proof, all) = (proof(), shown(&proof(), 100).join("\n"));
        for part in
            ["rolled back=  ", "rolled back=*", "1 of 2", "✗ 1 of 1", "hold took effect 2 times", "33.3 %: 1 of 3"]
        {
            assert!(all.contains(part), "{part}:\n{all}");
        }
        assert_eq!((proof.covered(), proof.coverage()), ((1, 3), 33.3));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [60, 80, 100] {
            for line in shown(&proof(), width) {
                assert!(unicode_width::UnicodeWidthStr::width(line.as_str()) <= width, "{width}: {line}");
            }
        }
    }
}
