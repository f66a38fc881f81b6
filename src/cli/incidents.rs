//! Which incident is meant, and how its runs stand.

use crate::ids::IncidentId;
use crate::incident::Standing;
use crate::journal::{IncidentRow, Journal, RunRow, Store};
use crate::run::RunState;

use super::exit::Exit;
use super::failure::Failure;
use super::files::nearest;
use super::runs::{self, Doing};
use super::setup::Setup;
use super::text::{Ink, Line};

/// The word that means an incident without naming it.
pub const LATEST: &str = "latest";

/// How many are listed where a word fits several.
const SHOWN: usize = 5;

/// The journal and the incident of this state that a word means: its id, the beginning or end of it, or `latest`.
///
/// # Errors
/// When there is none, or the word fits several.
pub fn find(setup: &Setup, word: &str) -> Result<(Box<dyn Store>, IncidentRow), Failure> {
    let mut journal = setup.existing_journal()?.ok_or_else(|| none(setup))?;
    let rows = journal.incidents()?;
    let row = choose(&rows, word).map_err(|failure| failure.unwrap_or_else(|| none(setup)))?.clone();
    say_latest(setup, word, &row);
    Ok((journal, row))
}

/// The same where one is meant that is over: `latest` is the newest of those.
///
/// # Errors
/// As `find`.
pub fn find_ended(setup: &Setup, word: &str) -> Result<(Box<dyn Store>, IncidentRow), Failure> {
    if word != LATEST {
        return find(setup, word);
    }
    let mut journal = setup.existing_journal()?.ok_or_else(|| none(setup))?;
    let over = |row: &IncidentRow| row.damaged.is_none() && row.brief.standing != Standing::Open;
    let row = journal.incidents()?.into_iter().find(over).ok_or_else(|| {
        Failure::new(Exit::NotFound, "no incident of this state is resolved or closed").next("playbook incident list")
    })?;
    say_latest(setup, word, &row);
    Ok((journal, row))
}

/// The same, and one of elsewhere where runs of it are here.
///
/// # Errors
/// As `find`.
pub fn find_any(setup: &Setup, word: &str) -> Result<(Box<dyn Store>, IncidentId), Failure> {
    let mut journal = setup.existing_journal()?.ok_or_else(|| none(setup))?;
    let rows = journal.incidents()?;
    match (choose(&rows, word), word.parse::<IncidentId>()) {
        (Ok(row), _) => {
            say_latest(setup, word, row);
            Ok((journal, row.incident.clone()))
        }
        (Err(_), Ok(elsewhere)) if !journal.runs_of(&elsewhere)?.is_empty() => {
            let text = format!("incident {elsewhere} is none of this state: there is what its runs here say");
            setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
            Ok((journal, elsewhere))
        }
        (Err(failure), _) => Err(failure.unwrap_or_else(|| none(setup))),
    }
}

fn none(setup: &Setup) -> Failure {
    Failure::new(Exit::NotFound, format!("there are no incidents in {}", setup.kept_in()))
        .next("playbook incident open \"…\"     (opens one: what has gone wrong, in a line)")
        .next("--state DIR or $PLAYBOOK_STATE names another folder for the state")
}

fn say_latest(setup: &Setup, word: &str, row: &IncidentRow) {
    if word == LATEST {
        let brief = &row.brief;
        let text =
            format!("latest: incident {}, {}, {}: {}", row.incident, brief.severity, brief.standing, brief.title);
        setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
    }
}

/// The incident that `latest` means: the newest open one, else the newest that is not closed, else the newest.
fn latest(rows: &[IncidentRow]) -> Option<&IncidentRow> {
    let sound = || rows.iter().filter(|row| row.damaged.is_none());
    let open = sound().find(|row| row.brief.standing == Standing::Open);
    open.or_else(|| sound().find(|row| row.brief.standing != Standing::Closed))
        .or_else(|| sound().next())
        .or_else(|| rows.first())
}

/// Which of these a word means; `None` where there are none at all.
pub fn choose<'r>(rows: &'r [IncidentRow], word: &str) -> Result<&'r IncidentRow, Option<Failure>> {
    let latest = latest(rows).ok_or(None)?;
    if word == LATEST {
        return Ok(latest);
    }
    if let Some(row) = rows.iter().find(|row| row.incident.as_str() == word) {
        return Ok(row);
    }
    match fits(rows, word).as_slice() {
        [row] => Ok(row),
        [] => {
            let failure = Failure::new(Exit::NotFound, format!("there is no incident `{word}` in this state"));
            let near = nearest(word, rows.iter().map(|row| row.incident.as_str()));
            let failure = match near.as_slice() {
                [] => failure,
                near => failure.meaning(format!("incidents like it: {}", near.join(", "))),
            };
            Err(Some(failure.next("playbook incident list --all")))
        }
        several => {
            let names: Vec<&str> = several.iter().take(SHOWN).map(|row| row.incident.as_str()).collect();
            let more = if several.len() > SHOWN { ", …" } else { "" };
            let what = format!("`{word}` fits {} incidents: {}{more}", several.len(), names.join(", "));
            Err(Some(Failure::new(Exit::NotFound, what).next("write more of the incident's id")))
        }
    }
}

/// The incidents whose id begins or ends with a word.
pub fn fits<'r>(rows: &'r [IncidentRow], word: &str) -> Vec<&'r IncidentRow> {
    let fits = |row: &&IncidentRow| {
        let id = row.incident.as_str();
        !word.is_empty() && (id.starts_with(word) || id.ends_with(word))
    };
    rows.iter().filter(fits).collect()
}

/// A run of an incident: its row, what it is doing, and what is known of it where it has not ended.
pub struct OfIncident {
    /// Its row.
    pub row: RunRow,
    /// What it is doing.
    pub doing: Doing,
    /// What is known of it, where it has not ended and its records make sense.
    pub state: Option<RunState>,
}

impl OfIncident {
    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        self.doing != Doing::Ended
    }

    /// The command that comes next for it: a verb and the run.
    pub fn next(&self) -> Option<String> {
        let run = &self.row.run;
        match self.doing {
            Doing::Running => Some(format!("watch {run}")),
            Doing::Waiting | Doing::Stuck => Some(format!("status {run}")),
            Doing::Stopped | Doing::Interrupted => Some(format!("resume {run}")),
            Doing::Damaged => Some(format!("verify {run}")),
            Doing::Ended => None,
        }
    }
}

/// The runs of an incident, oldest first. Of those that have not ended the records are read as well.
///
/// # Errors
/// When the journal cannot be read.
pub fn runs_of(journal: &mut dyn Store, incident: &IncidentId) -> Result<Vec<OfIncident>, Failure> {
    let rows = journal.runs_of(incident)?;
    Ok(rows.into_iter().map(|row| of_incident(journal, row)).collect())
}

fn of_incident(journal: &mut dyn Journal, mut row: RunRow) -> OfIncident {
    let state = match row.verdict.is_none() && row.damaged.is_none() {
        false => None,
        true => match runs::state(journal, &row.run) {
            Ok(state) => Some(state),
            Err(failure) => {
                row.damaged = Some(failure.what);
                None
            }
        },
    };
    let doing = Doing::of_row(&row);
    OfIncident { row, doing, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{IncidentEvent, Opening, Severity};
    use crate::journal::Incidents as _;
    use crate::journal::MemoryJournal;
    use crate::run::Time;

    fn rows() -> Vec<IncidentRow> {
        let mut journal = MemoryJournal::new();
        for (id, at) in [("inc-1-aaaa", 1), ("inc-2-bbbb", 2), ("inc-3-cccc", 3)] {
            let opening = Opening::new(id, Severity::P1, "said so");
            journal.open_as(&id.parse().unwrap(), opening, "ann", Time(at)).unwrap();
        }
        let newest = "inc-3-cccc".parse().unwrap();
        journal.append_to(&newest, "ann", Time(4), IncidentEvent::Closed { reason: String::new() }).unwrap();
        journal.incidents().unwrap()
    }

    #[test]
    fn latest_is_the_newest_that_is_open() {
        let rows = rows();
        assert_eq!(choose(&rows, LATEST).unwrap().incident.as_str(), "inc-2-bbbb");
        assert_eq!(choose(&rows, "cccc").unwrap().incident.as_str(), "inc-3-cccc");
        assert_eq!(choose(&rows, "inc-1").unwrap().incident.as_str(), "inc-1-aaaa");
        for bad in ["inc-", "zzzz", ""] {
            assert_eq!(choose(&rows, bad).unwrap_err().unwrap().exit, Exit::NotFound, "{bad:?}");
        }
        assert!(choose(&[], LATEST).unwrap_err().is_none());
    }
}
