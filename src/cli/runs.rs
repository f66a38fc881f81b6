//! Which run is meant, and what is known of it. What it is doing is in `doing.rs`.

use std::sync::Arc;

pub use crate::engine::{Doing, is_held};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{Journal, RunRow, SqliteJournal, Store, Stored};
use crate::run::{IllegalEvent, Record, RunState};

use super::exit::Exit;
use super::failure::Failure;
use super::files::nearest;
use super::setup::Setup;
use super::text::{Ink, Line};

/// The word that means a run without naming it.
const LATEST: &str = "latest";

/// How many records are read at a time: with all that they hold they may be large.
const PAGE: usize = 32;

/// How many runs are listed where a word fits several.
const SHOWN: usize = 5;

/// All runs, newest first. Of those that have not ended the records are read as well: one that breaks the fold is shown as
/// what it is, and stops no other.
///
/// # Errors
/// When the journal cannot be read.
pub fn rows(journal: &mut dyn Journal) -> Result<Vec<RunRow>, Failure> {
    let mut rows = journal.runs()?;
    for row in rows.iter_mut().filter(|row| is_open(row)) {
        row.damaged = sound(journal, &row.run).err().map(|failure| failure.what);
    }
    Ok(rows)
}

/// The journal and the run that a word means: its id, the beginning or end of it, or `latest`.
///
/// # Errors
/// When there is none, or the word fits several.
pub fn find(setup: &Setup, word: &str) -> Result<(Box<dyn Store>, RunId), Failure> {
    seek(setup, word).map(|(journal, run, _)| (journal, run))
}

/// The same, and what is known of the run: thousands of records are read once.
///
/// # Errors
/// As `find`, and when its records are damaged, were changed, or make no sense.
pub fn open(setup: &Setup, word: &str) -> Result<(Box<dyn Store>, RunState), Failure> {
    let (mut journal, run, known) = seek(setup, word)?;
    let state = match known {
        Some(state) => state,
        None => state(journal.as_mut(), &run)?,
    };
    Ok((journal, state))
}

/// Where a run was found, and what is known of it by then.
type Sought = (Box<dyn Store>, RunId, Option<RunState>);

/// The journal, the run that a word means, and what is known of it where it had to be looked at.
fn seek(setup: &Setup, word: &str) -> Result<Sought, Failure> {
    let none = || {
        Failure::new(Exit::NotFound, format!("there are no runs in {}", setup.kept_in()))
            .next("playbook list     (playbooks that can be run)")
            .next("--state DIR or $PLAYBOOK_STATE names another folder for the state")
    };
    let mut journal = setup.existing_journal()?.ok_or_else(none)?;
    let mut rows = journal.runs()?;
    if word != LATEST {
        let run = choose(&rows, word).map_err(|failure| failure.unwrap_or_else(none))?;
        return Ok((journal, run, None));
    }
    // A run whose records break the fold is passed over. Only those that may be meant are looked at: a state may hold many.
    let mut known = None;
    let run = loop {
        let run = choose(&rows, word).map_err(|failure| failure.unwrap_or_else(none))?;
        let Some(row) = rows.iter_mut().find(|row| row.run == run && is_open(row)) else { break run };
        match state(journal.as_mut(), &run) {
            Ok(state) => {
                known = Some(state);
                break run;
            }
            Err(failure) => row.damaged = Some(failure.what),
        }
    };
    if let Some(row) = rows.first_mut().filter(|row| row.run != run && is_open(row)) {
        row.damaged = sound(journal.as_mut(), &row.run).err().map(|failure| failure.what);
    }
    if let Some(row) = rows.iter().find(|row| row.run == run) {
        setup.screen.say(&[Line::new().with(Ink::Dim, taken(row, &rows))]);
    }
    Ok((journal, run, known))
}

/// Whether a run has not ended, as far as its row says.
fn is_open(row: &RunRow) -> bool {
    row.verdict.is_none() && row.damaged.is_none()
}

/// The run that `latest` means: one that somebody drives, else one that has not ended, else the newest. Somebody who stops
/// or watches "the" run must not miss the one under way for a newer one that is over.
fn latest(rows: &[RunRow]) -> Option<&RunRow> {
    let open = |row: &&RunRow| is_open(row);
    let held = rows.iter().filter(open).find(|row| is_held(&row.lease));
    let sound = || rows.iter().find(|row| row.damaged.is_none());
    held.or_else(|| rows.iter().find(open)).or_else(sound).or_else(|| rows.first())
}

/// Which run `latest` was taken for.
fn taken(row: &RunRow, rows: &[RunRow]) -> String {
    let words = format!("latest: run {} of {}, {}", row.run, row.playbook, Doing::of_row(row).word());
    match rows.first().filter(|newest| newest.run != row.run) {
        Some(newest) => format!("{words} (the newer {} is {})", newest.run, Doing::of_row(newest).word()),
        None => words,
    }
}

fn choose(rows: &[RunRow], word: &str) -> Result<RunId, Option<Failure>> {
    let latest = latest(rows).ok_or(None)?;
    if word == LATEST {
        return Ok(latest.run.clone());
    }
    if let Some(row) = rows.iter().find(|row| row.run.as_str() == word) {
        return Ok(row.run.clone());
    }
    let fits =
        |row: &&RunRow| !word.is_empty() && (row.run.as_str().starts_with(word) || row.run.as_str().ends_with(word));
    let found: Vec<&RunRow> = rows.iter().filter(fits).collect();
    match found.as_slice() {
        [row] => Ok(row.run.clone()),
        [] => {
            let failure = Failure::new(Exit::NotFound, format!("there is no run `{word}` in this state"));
            let near = nearest(word, rows.iter().map(|row| row.run.as_str()));
            let failure =
                if near.is_empty() { failure } else { failure.meaning(format!("runs like it: {}", near.join(", "))) };
            Err(Some(failure.next("playbook list --runs")))
        }
        several => {
            let names: Vec<&str> = several.iter().take(SHOWN).map(|row| row.run.as_str()).collect();
            let more = if several.len() > SHOWN { ", …" } else { "" };
            let what = format!("`{word}` fits {} runs: {}{more}", several.len(), names.join(", "));
            Err(Some(Failure::new(Exit::NotFound, what).next("write more of the run's id")))
        }
    }
}

/// A run that is to be driven on: nobody has gone on from another copy of its records.
///
/// # Errors
/// When the journal is a copy that the one in the state folder is ahead of.
pub fn newest(setup: &Setup, state: &RunState) -> Result<(), Failure> {
    if !setup.has_moved() || setup.server()?.is_some() {
        return Ok(());
    }
    let run = &state.run;
    // What cannot be read any more is why the journal was moved.
    let Ok(Some(mut old)) = SqliteJournal::open_read_only(&setup.state) else { return Ok(()) };
    let ahead = old.verify(run).is_ok_and(|there| there.records > state.seq);
    let held = old.lease(run).is_ok_and(|lease| is_held(&lease));
    if !ahead && !held {
        return Ok(());
    }
    let file = SqliteJournal::file_in(&setup.state);
    let why = if held { "a process still drives the run from" } else { "there are newer records of the run in" };
    let what = format!("{why} {}, and {} is a copy of it", file.display(), setup.journal_file.display());
    Err(Failure::new(Exit::NotAllowed, what)
        .meaning("nothing was done: two copies that go on would act twice")
        .next("go on without --journal; or copy the journal once more and name the new copy")
        .next("or, where the old one must not be used any more, move it away first"))
}

/// Records that were changed or lost.
pub fn broken(run: &RunId, seq: u64, why: &str) -> Failure {
    Failure::new(Exit::Invalid, format!("the journal of run {run} is broken at record {seq}: {why}"))
        .meaning("records from there on were changed or lost after they were written, or the disk is failing")
        .next(format!("playbook timeline {run}     (what can still be read)"))
        .next("playbook show NAME --by-hand     (what is to be done, without the runner)")
}

/// What is known of a run.
///
/// # Errors
/// When its records are damaged, were changed, or make no sense.
pub fn state(journal: &mut dyn Journal, run: &RunId) -> Result<RunState, Failure> {
    fold(journal, run, |record| record)
}

/// Whether the records of a run are whole and make sense: what its commands printed is gone over, and not kept.
///
/// # Errors
/// As `state`.
pub fn sound(journal: &mut dyn Journal, run: &RunId) -> Result<(), Failure> {
    fold(journal, run, |record| record.light()).map(|_| ())
}

fn fold(journal: &mut dyn Journal, run: &RunId, keep: impl Fn(Record) -> Record) -> Result<RunState, Failure> {
    let mut state: Result<Option<RunState>, IllegalEvent> = Ok(None);
    let verification = journal.go_over(run, &mut |record| match &mut state {
        Ok(None) => state = RunState::begin(run, &record).map(Some),
        Ok(Some(known)) => {
            if let Err(fault) = known.apply(&keep(record)) {
                state = Err(fault);
            }
        }
        Err(_) => {}
    })?;
    // What does not fit says more than what could not be made of it.
    if let Some((seq, why)) = verification.broken {
        return Err(broken(run, seq, &why));
    }
    let state = state.map_err(|fault| Failure::from(fault).naming(run))?;
    state.ok_or_else(|| broken(run, 0, "it has no records"))
}

/// Goes through the records of a run, some at a time; stops early where it is told `false`.
///
/// # Errors
/// When they cannot be read, or what is done with one of them fails.
pub fn each(
    journal: &mut dyn Journal,
    run: &RunId,
    take: impl FnMut(Record) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    each_behind(journal, run, 0, take)
}

/// The same with those behind a number.
///
/// # Errors
/// As `each`.
pub fn each_behind(
    journal: &mut dyn Journal,
    run: &RunId,
    after: u64,
    mut take: impl FnMut(Record) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    pages(journal, run, after, |stored| take(stored.read(run)?))
}

/// The same with each record as it is stored.
///
/// # Errors
/// As `each`.
pub fn each_stored(
    journal: &mut dyn Journal,
    run: &RunId,
    take: impl FnMut(Stored) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    pages(journal, run, 0, take)
}

fn pages(
    journal: &mut dyn Journal,
    run: &RunId,
    mut after: u64,
    mut take: impl FnMut(Stored) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    loop {
        let page = journal.stored_after(run, after, PAGE).map_err(|error| Failure::from(error).naming(run))?;
        let last = page.len() < PAGE;
        for stored in page {
            after = stored.seq;
            if !take(stored).map_err(|failure| failure.naming(run))? {
                return Ok(());
            }
        }
        if last {
            return Ok(());
        }
    }
}

/// The runs that were begun over what this one has left undone.
///
/// # Errors
/// When the journal cannot be read.
pub fn retried(journal: &mut dyn Journal, state: &RunState) -> Result<Vec<RunId>, Failure> {
    if state.ended.is_none() {
        return Ok(Vec::new());
    }
    Ok(journal.retried(&state.run, state.started)?)
}

/// The inventory for a run that was begun before: it must be of the environment that the run was started in, as names mean
/// other machines in another one.
///
/// # Errors
/// When the inventory cannot be read, or is of another environment.
pub fn inventory(setup: &Setup, state: &RunState) -> Result<Arc<Inventory>, Failure> {
    let inventory = setup.inventory()?;
    let (began, here) = (&state.plan.environment, &inventory.environment);
    if began == here {
        return Ok(inventory);
    }
    let from = setup.inventory_names().unwrap_or_else(|| "none was named".to_owned());
    let what = format!(
        "run {} was started in the environment `{began}`, and the inventory here ({from}) is of `{here}`",
        state.run
    );
    Err(Failure::new(Exit::NotAllowed, what)
        .meaning("nothing was done: the same names would mean other machines")
        .next("name the inventory that the run was started with: --inventory FILE or $PLAYBOOK_INVENTORY"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::holder;
    use crate::engine::samples::row;
    use crate::journal::LeaseInfo;
    use crate::run::Verdict;

    #[test]
    fn a_run_is_meant_by_its_id_its_ends_or_latest() {
        let rows = [row("20261122-2-bbbb"), row("20261122-1-aaaa")];
        let chosen = |word: &str| choose(&rows, word).map(|run| run.to_string());
        assert_eq!(chosen("latest").unwrap(), "20261122-2-bbbb");
        assert_eq!(chosen("aaaa").unwrap(), "20261122-1-aaaa");
        assert_eq!(chosen("20261122-2").unwrap(), "20261122-2-bbbb");
        for bad in ["20261122", "zzzz", ""] {
            assert_eq!(chosen(bad).unwrap_err().unwrap().exit, Exit::NotFound, "{bad:?}");
        }
        assert!(choose(&[], "latest").unwrap_err().is_none());
    }

    #[test]
    fn latest_is_the_run_under_way_then_an_open_one_then_the_newest() {
        let mut rows = [row("c"), row("b"), row("a")];
        rows[0].verdict = Some(Verdict::Succeeded);
        let chosen = |rows: &[RunRow]| choose(rows, "latest").unwrap().to_string();
        assert_eq!(chosen(&rows), "b");
        assert_eq!(taken(&rows[1], &rows), "latest: run b of p, interrupted (the newer c is ended)");
        rows[2].lease = LeaseInfo { holder: holder::this_process(), released: false, ..rows[2].lease.clone() };
        assert_eq!(chosen(&rows), "a");
        rows[1].verdict = Some(Verdict::Failed);
        rows[2].verdict = Some(Verdict::Failed);
        assert_eq!(chosen(&rows), "c");
    }

    #[test]
    fn a_list_that_is_cut_says_so() {
        let rows: Vec<RunRow> = (0..6).map(|number| row(&format!("2026-{number}"))).collect();
        let what = |rows: &[RunRow]| choose(rows, "2026").unwrap_err().unwrap().what;
        assert!(what(&rows).ends_with("2026-4, …"), "{}", what(&rows));
        assert!(what(&rows[..5]).ends_with("2026-4"), "{}", what(&rows));
    }
}
