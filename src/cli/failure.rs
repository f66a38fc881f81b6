//! What is said when a command cannot do what was asked: what happened, what it means for the system now, and what to do
//! next. The exit code goes with it. Hints live here alone: the rooms below say only what happened.

use std::path::Path;

use crate::actions::Table;
use crate::diagnostic::Diagnostic;
use crate::engine::EngineError;
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::JournalError;
use crate::run::IllegalEvent;

use super::clock;
use super::exit::Exit;
use super::held::Held;
use super::paste::{Paste, quote};
use super::screen::Screen;
use super::seen::Left;
use super::text::{Ink, Line, wrap};
use super::view::{faults, halted, stranded};

/// Something to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A sentence, or a command that begins with `playbook`: it gets the flags which say what it acts on.
    Hint(String),
    /// A command that has them already, as it was typed.
    Typed(String),
}

impl Next {
    fn text(&self, paste: &Paste) -> String {
        match self {
            Next::Hint(text) => paste.hint(text),
            Next::Typed(text) => text.clone(),
        }
    }
}

/// What is known of a run whose journal failed.
#[derive(Clone, Copy)]
pub struct Stranded<'a> {
    /// How it was left.
    pub left: &'a Left,
    /// The journal's file.
    pub journal: &'a Path,
    /// How commands are printed.
    pub paste: &'a Paste,
    /// What its steps do.
    pub actions: &'a Table,
    /// What they act on.
    pub inventory: &'a Inventory,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// What the process returns.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// What it means for the system now; may be empty.
    pub meaning: String,
    /// What to do next: sentences or commands, in the order of their likeliness.
    pub next: Vec<Next>,
    /// Faults of a document, with their places.
    pub faults: Vec<Diagnostic>,
    /// What a person can do without the runner, as lines for a shell.
    pub by_hand: Option<Box<str>>,
}

impl Failure {
    /// A failure that says what happened.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), meaning: String::new(), next: Vec::new(), faults: Vec::new(), by_hand: None }
    }

    /// The same with what it means now.
    #[must_use]
    pub fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// The same with something to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next.push(Next::Hint(next.into()));
        self
    }

    /// The same with a command that is complete as it stands.
    #[must_use]
    pub fn next_typed(mut self, command: impl Into<String>) -> Self {
        self.next.push(Next::Typed(command.into()));
        self
    }

    /// The same for a run that is known: its hints name it.
    #[must_use]
    pub fn naming(mut self, run: &RunId) -> Self {
        for next in &mut self.next {
            if let Next::Hint(text) = next {
                *text = text.replace(" RUN", &format!(" {run}"));
            }
        }
        self
    }

    /// The same for a run that this process has begun or gone on with: without a journal it starts nothing more, and what it
    /// had started goes on.
    #[must_use]
    pub fn in_run(self, run: &RunId, stranded: Stranded<'_>) -> Self {
        if self.exit != Exit::Journal {
            return self.naming(run);
        }
        let Stranded { left, journal, paste, actions, inventory } = stranded;
        let mut said = stranded::standing(left, clock::now());
        if said.is_empty() {
            said.push("no further step was started; a step that was under way may have taken effect".to_owned());
        }
        let file = quote(&journal.to_string_lossy());
        let name = journal.file_name().unwrap_or_default().to_string_lossy();
        let elsewhere = format!("--journal /OTHER/DISK/{}", quote(&name));
        let mut failure = Self { next: Vec::new(), ..self.meaning(said.join("\n")) }
            .next(format!("make room on, or mend, the disk of {file}, then:"))
            .next("playbook resume RUN")
            .next("or sooner, from a copy on another disk (and never again from this one):")
            .next_typed(format!("cp -p {file}* /OTHER/DISK/"))
            .next_typed(format!("{} {elsewhere}", paste.without_journal(&format!("verify {run}"))))
            .next_typed(format!("{} {elsewhere}", paste.without_journal(&format!("resume {run}"))));
        failure.by_hand =
            Some(stranded::by_hand(left, actions, inventory)).filter(|text| !text.is_empty()).map(Into::into);
        failure.naming(run)
    }

    /// A document with faults.
    pub fn of_faults(what: impl Into<String>, faults: Vec<Diagnostic>) -> Self {
        Self { faults, ..Self::new(Exit::Invalid, what) }
    }

    /// The same for programs.
    pub fn json(&self, paste: &Paste) -> serde_json::Value {
        serde_json::json!({
            "v": 1, "type": "error", "exit": self.exit.code(), "message": self.what, "meaning": self.meaning,
            "next": self.next.iter().map(|next| next.text(paste)).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(faults::json).collect::<Vec<_>>(),
            "by_hand": self.by_hand,
        })
    }

    /// Shows it.
    pub fn show(&self, screen: &Screen, paste: &Paste) {
        let mut lines = Vec::new();
        for fault in &self.faults {
            lines.extend(faults::lines(fault, &screen.err));
        }
        let width = screen.err.width.unwrap_or(110).clamp(30, 120);
        let mut said = wrapped(&self.what, width.saturating_sub(7)).into_iter();
        lines.push(Line::new().with(Ink::Bad, "error: ").with(Ink::Plain, said.next().unwrap_or_default()));
        lines.extend(said.map(|rest| Line::plain(format!("       {rest}"))));
        if !self.meaning.is_empty() {
            let mut said = wrapped(&self.meaning, width.saturating_sub(7)).into_iter();
            lines.push(Line::new().with(Ink::Bold, "  now: ").with(Ink::Plain, said.next().unwrap_or_default()));
            lines.extend(said.map(|rest| Line::plain(format!("       {rest}"))));
        }
        for (index, next) in self.next.iter().enumerate() {
            let head = if index == 0 { " next: " } else { "       " };
            // A command to paste is never broken: the terminal wraps it without adding line ends.
            lines.push(Line::new().with(Ink::Bold, head).with(Ink::Plain, next.text(paste)));
        }
        if let Some(text) = &self.by_hand {
            lines.push(Line::new());
            lines.extend(text.lines().map(Line::plain));
        }
        screen.warn(&lines);
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap(line, width)).collect()
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let what = error.to_string();
        match error {
            JournalError::Locked(row) => Held::of_row(row).failure(),
            JournalError::LeaseLost { run, .. } => Failure::new(Exit::Waiting, what)
                .meaning("this process stopped at once and started nothing more; the other one drives the run")
                .next(format!("playbook watch {run}")),
            JournalError::Halted(halt) => {
                Failure::new(Exit::NotAllowed, halted::sentence(&halted::seen(&halt), clock::now()))
                    .meaning("nothing was started or changed; nothing new begins until the halt is lifted")
                    .next(format!("playbook {}", halted::LIFT))
                    .next("playbook list --runs     (what is open)")
            }
            // Another one began between the look ahead and the write.
            JournalError::OverLimit(_) => Failure::new(Exit::NotAllowed, what)
                .meaning("nothing was started or changed; what keeps coming back is not mended by one more run")
                .next("the same with --override run-limit --reason \"…\" passes it"),
            JournalError::WentOn(run) => Failure::new(Exit::Locked, what)
                .meaning("nothing was started or changed: somebody goes on with it")
                .next(format!("playbook status {run}")),
            JournalError::NoSuchRun(_) => Failure::new(Exit::NotFound, what).next("playbook list --runs"),
            JournalError::NoSuchIncident(_) => Failure::new(Exit::NotFound, what).next("playbook incident list --all"),
            JournalError::NotNow { incident, .. } => Failure::new(Exit::NotAllowed, what)
                .meaning("the incident is as it was")
                .next(format!("playbook incident show {incident}")),
            JournalError::Corrupt(_) => Failure::new(Exit::Invalid, what)
                .meaning("nothing was started; what the journal says can not be relied on")
                .next("playbook verify RUN     (which record does not fit)"),
            JournalError::Checkpoint(_) => Failure::new(Exit::Invalid, what),
            JournalError::Unsuitable(_) => Failure::new(Exit::Journal, what)
                .meaning("nothing was started")
                .next("--state DIR or $PLAYBOOK_STATE names another folder for the state"),
            JournalError::Refused(refused) => super::there::refused(*refused),
            JournalError::Unreachable { away, .. } => super::there::unreachable(what, away),
            JournalError::Strange(_) => super::there::strange(what),
            JournalError::Store { .. } => Failure::new(Exit::Journal, what)
                .meaning("nothing was started or changed")
                .next("playbook doctor     (disk, permissions)")
                .next("--journal FILE names a journal on another disk"),
        }
    }
}

impl From<IllegalEvent> for Failure {
    fn from(error: IllegalEvent) -> Self {
        Failure::new(Exit::Invalid, format!("the run's journal makes no sense: {error}"))
            .meaning("nothing was started; what the journal says can not be relied on")
            .next("playbook verify RUN     (whether somebody changed the records)")
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Journal(error) => error.into(),
            EngineError::Illegal(error) => error.into(),
            EngineError::TooManyTargets(what) => {
                let failure = Failure::new(Exit::NotAllowed, what).meaning(
                    "nothing was started or changed: a list that is longer than it should be is a mistake first",
                );
                super::verbs::held_back::too_many(failure)
            }
            EngineError::Unreachable(what) => Failure::new(Exit::Failed, what)
                .meaning("nothing was started or changed: too little would be done to call it that"),
            EngineError::Limit(what) => Failure::new(Exit::Usage, what)
                .meaning("nothing was started or changed")
                .next("playbook inventory list     (the hosts and groups that there are)"),
            EngineError::Plan(what) => {
                Failure::new(Exit::Invalid, what).meaning("no plan could be made; nothing was changed")
            }
            EngineError::Held { ref run, .. } => {
                let next = format!("playbook watch {run}");
                let over = format!(
                    "playbook resume {run} --take-over --reason \"…\"     (only if that process is certainly gone)"
                );
                Failure::new(Exit::Locked, error.to_string())
                    .meaning("that process drives the run; two would act twice")
                    .next(next)
                    .next(over)
            }
            EngineError::Objections { ref run, ref objections } => Failure::new(
                Exit::NotAllowed,
                format!("run {run} cannot be gone on from:\n{}", objections.join("\n")),
            )
            .meaning("nothing was started or changed")
            .next(format!("playbook status {run}     (what is open, and how it is settled)"))
            .next(format!(
                "playbook cancel {run} --reason \"…\"     (undoes it; then the playbook can be run from its start)"
            )),
            EngineError::NotNow(what) => Failure::new(Exit::NotAllowed, what).meaning("nothing was done"),
            EngineError::Drift(what) => Failure::new(Exit::Drift, what)
                .meaning("nothing was changed: the world is not what the plan was made for")
                .next("make the plan again and look at it: playbook plan NAME"),
            EngineError::State(what) => Failure::new(Exit::Journal, what)
                .meaning("nothing was started or changed")
                .next("playbook doctor     (disk, permissions)")
                .next("--state DIR or $PLAYBOOK_STATE names another folder for the state"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(failure: &Failure) -> Vec<String> {
        failure.next.iter().map(|next| next.text(&Paste::default())).collect()
    }

    #[test]
    fn a_journal_that_fails_is_another_thing_before_a_run_and_in_it() {
        let fails = || Failure::from(JournalError::Store { doing: "written", cause: "the disk is full".to_owned() });
        let before = fails();
        assert_eq!(before.meaning, "nothing was started or changed");
        assert!(!hints(&before).iter().any(|hint| hint.contains("resume")), "{before:?}");
        let run: RunId = "20261122-1-aaaa".parse().unwrap();
        let stranded = Stranded {
            left: &Left::default(),
            journal: Path::new("/state/playbook.sqlite3"),
            paste: &Paste::default(),
            actions: &Table::builtin(),
            inventory: &Inventory::default(),
        };
        let inside = fails().in_run(&run, stranded);
        assert!(inside.meaning.contains("may have taken effect"), "{inside:?}");
        assert!(hints(&inside).iter().any(|hint| hint == "playbook resume 20261122-1-aaaa"), "{inside:?}");
        assert!(
            hints(&inside).iter().any(|hint| hint.ends_with("--journal /OTHER/DISK/playbook.sqlite3")),
            "{inside:?}"
        );
    }

    #[test]
    fn a_hint_names_the_run() {
        let run: RunId = "20261122-1-aaaa".parse().unwrap();
        let damaged = Failure::from(JournalError::Corrupt("record 3".to_owned())).naming(&run);
        assert!(hints(&damaged)[0].starts_with("playbook verify 20261122-1-aaaa "), "{damaged:?}");
    }
}
