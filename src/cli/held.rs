//! What stands in a run's way: a lock that another run holds. It says who that is, what that run does just now, and how to
//! come by; it never takes a lock or ends a run.

use crate::ids::Resource;
use crate::journal::{Journal, JournalError, LockRow, RunRow};
use crate::value::format_seconds;

use super::clock;
use super::exit::Exit;
use super::failure::Failure;
use super::runs::Doing;
use super::text::{Ink, Line, wrap};

/// A lock that another run holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    row: LockRow,
    /// The run that holds it; absent where the list of runs does not have it any more.
    run: Option<RunRow>,
}

impl Held {
    /// A lock of these that is held, if any is.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn find(journal: &mut dyn Journal, wanted: &[Resource]) -> Result<Option<Self>, JournalError> {
        let row = journal.locks()?.into_iter().find(|row| wanted.contains(&row.resource));
        row.map(|row| Self::of(journal, row)).transpose()
    }

    /// A lock whose holder is not looked at.
    pub fn of_row(row: LockRow) -> Self {
        Self { row, run: None }
    }

    /// What is known of the holder of a lock.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn of(journal: &mut dyn Journal, row: LockRow) -> Result<Self, JournalError> {
        let run = journal.runs()?.into_iter().find(|run| run.run == row.run);
        Ok(Self { row, run })
    }

    /// Who holds it, since when, for which incident, and what becomes of it.
    pub fn what(&self) -> String {
        let row = &self.row;
        let incident = row.incident.as_deref().map_or(String::new(), |incident| format!(", for incident {incident}"));
        let since = clock::date_and_time(row.since);
        let who = self.who().map_or(String::new(), |who| format!("; {who}"));
        format!("{} is held by run {} of {}, since {since} UTC{incident}{who}", row.resource, row.run, row.playbook)
    }

    /// What its run does, and who drives it.
    fn who(&self) -> Option<String> {
        let run = self.run.as_ref()?;
        let holder = &run.lease.holder;
        let person = format!("{} on {}", holder.user, holder.host);
        Some(match Doing::of_row(run) {
            Doing::Running => format!("{person} drives it (process {})", holder.pid),
            Doing::Waiting => format!("it waits for a person; {person} drove it last"),
            Doing::Stopped => format!("a person stopped it; {person} drove it last"),
            Doing::Interrupted => format!("its process is gone and nobody drives it; {person} did"),
            Doing::Stuck => format!("its undo failed and waits for a person; {person} drove it last"),
            Doing::Ended => "it has just ended".to_owned(),
            Doing::Damaged => format!("its records are damaged; {person} drove it last"),
        })
    }

    /// Whether the lock may become free without anybody doing something about it.
    pub fn may_end_by_itself(&self) -> bool {
        self.run.as_ref().is_none_or(|run| matches!(Doing::of_row(run), Doing::Running | Doing::Ended))
    }

    /// That it is waited for, so long at most.
    pub fn waiting(&self, seconds: f64, width: usize) -> Vec<Line> {
        let mut text = format!(
            "{}\nNothing is started yet. It waits up to {}; Ctrl-C ends that.",
            self.what(),
            format_seconds(seconds.ceil())
        );
        if !self.may_end_by_itself() {
            text.push_str(&format!("\nThat run does not go on by itself: playbook status {}", self.row.run));
        }
        let lines = text.lines().flat_map(|line| wrap(line, width.saturating_sub(7))).enumerate();
        let head = |number| if number == 0 { "waits: " } else { "       " };
        lines.map(|(number, line)| Line::new().with(Ink::Warn, head(number)).with(Ink::Plain, line)).collect()
    }

    /// That a run could not begin for it.
    pub fn failure(&self) -> Failure {
        let id = &self.row.run;
        let failure = Failure::new(Exit::Locked, self.what())
            .meaning("nothing was started: two runs on the same target would work against each other");
        let failure = match self.run.as_ref().map(Doing::of_row) {
            Some(Doing::Interrupted) => failure.next(format!("playbook resume {id}     (goes on with it)")),
            Some(Doing::Stopped) => {
                failure.next(format!("playbook resume {id}     (goes on with it, if whoever stopped it agrees)"))
            }
            Some(Doing::Damaged) => failure.next(format!("playbook verify {id}     (what is wrong with its records)")),
            Some(Doing::Waiting | Doing::Stuck) => {
                failure.next(format!("playbook status {id}     (what it asks, and what can be answered)"))
            }
            _ => failure.next(format!("playbook watch {id}     (what it does; it frees the lock when it ends)")),
        };
        let rests = self.run.as_ref().is_some_and(|run| {
            matches!(Doing::of_row(run), Doing::Interrupted | Doing::Stopped | Doing::Waiting | Doing::Stuck)
        });
        let typed = super::verbs::held_back::typed();
        // A run takes the place of one other run at most.
        let failure = match rests && !typed.contains("--take-over") && !typed.contains("--continue") {
            true => failure.next_typed(format!(
                "{typed} --take-over {id} --reason \"…\"     (ends it as it stands, has its locks, and says what of it is left)"
            )),
            false => failure,
        };
        failure
            .next(format!("playbook cancel {id} --reason \"…\"     (asks it to undo what it did and to free the lock)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::holder;
    use crate::journal::LeaseInfo;
    use crate::run::{QuestionKind, Time};

    fn held(change: impl FnOnce(&mut RunRow)) -> Held {
        let row = LockRow {
            resource: "database/orders".parse().unwrap(),
            run: "20261122-1-aaaa".parse().unwrap(),
            playbook: "db-failover".to_owned(),
            incident: Some("INC-7".to_owned()),
            since: Time(1_795_360_830_000),
        };
        let mut run = RunRow {
            run: row.run.clone(),
            playbook: row.playbook.clone(),
            version: "1.0.0".to_owned(),
            started: row.since,
            updated: row.since,
            verdict: None,
            waiting: None,
            stopped: false,
            damaged: None,
            lease: LeaseInfo { epoch: 1, holder: holder::this_process(), released: false, idle: None, held: None },
        };
        change(&mut run);
        Held { row, run: Some(run) }
    }

    #[test]
    fn it_says_who_since_when_for_what_and_what_to_do() {
        let running = held(|_| {});
        let what = running.what();
        for part in
            ["database/orders", "20261122-1-aaaa", "db-failover", "since 2026-11-22 ", "INC-7", "drives it (process "]
        {
            assert!(what.contains(part), "{part} is not in {what}");
        }
        assert!(running.may_end_by_itself());
        assert!(format!("{:?}", running.failure().next).contains("playbook watch 20261122-1-aaaa"));
    }

    #[test]
    fn what_ends_only_by_a_person_says_so() {
        let gone = held(|run| run.lease.released = true);
        assert!(!gone.may_end_by_itself() && gone.what().contains("nobody drives it"), "{}", gone.what());
        assert!(format!("{:?}", gone.failure().next).contains("playbook resume 20261122-1-aaaa"));
        for question in [QuestionKind::UnknownOutcome, QuestionKind::UndoFailed] {
            let asks = held(|run| run.waiting = Some(question));
            assert!(!asks.may_end_by_itself() && asks.what().contains("a person"), "{}", asks.what());
            assert!(format!("{:?}", asks.failure().next).contains("playbook status 20261122-1-aaaa"));
        }
    }
}
