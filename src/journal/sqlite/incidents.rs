//! The tables of incidents. An incident's row and its records are written in one transaction, in which it is also decided
//! whether what is to be written still makes sense.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::chain::Stored;
use super::super::incidents::{self, Added, IncidentAudit, IncidentRow, Incidents};
use super::super::{JournalError, RunRow, Subject, Verification, boot};
use super::reading::has_table;
use super::rows::{self, Read, integer, optional_text, text};
use super::trouble::{Trouble, explain};
use super::{SqliteJournal, queue};
use crate::ids::IncidentId;
use crate::incident::{Brief, IncidentEvent, IncidentRecord, Opening};
use crate::run::Time;

/// The columns of a record, in the order in which `rows::record` takes them.
const RECORD: &str = "seq, time, 0, actor, previous, hash, event";

impl Incidents for SqliteJournal {
    fn open_as(
        &mut self,
        incident: &IncidentId,
        opening: Opening,
        actor: &str,
        at: Time,
    ) -> Result<IncidentRecord, JournalError> {
        self.spare(rows::to_json(&opening)?.len())?;
        self.write(|transaction| open(transaction, incident, opening, actor, at))
    }

    fn append_to(
        &mut self,
        incident: &IncidentId,
        actor: &str,
        at: Time,
        event: IncidentEvent,
    ) -> Result<IncidentRecord, JournalError> {
        self.spare(rows::to_json(&event)?.len())?;
        self.write(|transaction| append(transaction, incident, actor, at, &event))
    }

    fn incidents(&mut self) -> Result<Vec<IncidentRow>, JournalError> {
        if !self.has_incidents()? {
            return Ok(Vec::new());
        }
        let read = |row: &Row<'_>| match (incident_id(row), brief_of(row)) {
            (Ok(incident), Ok(brief)) => Ok(IncidentRow { incident, brief, damaged: None }),
            (Err(wrong), _) | (_, Err(wrong)) => damaged(row, wrong),
        };
        let query = "SELECT * FROM incidents ORDER BY opened DESC, incident DESC";
        self.list(query, "the list of incidents", read, [])
    }

    fn stored_of(&mut self, incident: &IncidentId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError> {
        if !self.has_incidents()? || !exists(&self.connection, incident).map_err(Trouble::read)? {
            return Err(JournalError::NoSuchIncident(incident.clone()));
        }
        let read = |row: &Row<'_>| {
            let (seq, stored) = rows::record(row);
            stored.map_err(|wrong| format!("record {seq}: {wrong}"))
        };
        let query =
            format!("SELECT {RECORD} FROM incident_records WHERE incident = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let of = params![incident.as_str(), rows::signed(after), most];
        self.list(&query, &format!("incident {incident}"), read, of)
    }

    fn runs_of(&mut self, incident: &IncidentId) -> Result<Vec<RunRow>, JournalError> {
        let now = boot::since_boot();
        let query = "SELECT runs.*, epoch, holder, released, renewed, boot FROM runs LEFT JOIN leases USING (run) \
                     WHERE incident = ?1 ORDER BY started, runs.run";
        let read = |row: &Row<'_>| rows::run_row(row, now, &self.boot);
        self.list(query, &format!("the runs of incident {incident}"), read, [incident.as_str()])
    }

    fn verify_incident(&mut self, incident: &IncidentId) -> Result<Verification, JournalError> {
        if !self.has_incidents()? {
            return Err(JournalError::NoSuchIncident(incident.clone()));
        }
        let found = verify(&mut self.connection, incident).map_err(|error| explain("read", &error))?;
        found.ok_or_else(|| JournalError::NoSuchIncident(incident.clone()))
    }
}

impl SqliteJournal {
    /// Whether there are the tables: a file of form 2 that is only read does not have them.
    fn has_incidents(&self) -> Result<bool, JournalError> {
        Ok(!self.read_only || has_table(&self.connection, "incidents").map_err(Trouble::read)?)
    }
}

/// Opens an incident, in a transaction that may write more.
pub(super) fn open(
    transaction: &Connection,
    incident: &IncidentId,
    opening: Opening,
    actor: &str,
    at: Time,
) -> Result<IncidentRecord, Trouble> {
    if exists(transaction, incident)? {
        return Err(incidents::not_now(incident, "there is an incident with this name already").into());
    }
    let added = incidents::first(incident, opening, actor, at)?;
    add(transaction, incident, &added)?;
    Ok(added.record)
}

/// Appends a record, in a transaction that may write more.
pub(super) fn append(
    transaction: &Connection,
    incident: &IncidentId,
    actor: &str,
    at: Time,
    event: &IncidentEvent,
) -> Result<IncidentRecord, Trouble> {
    let before = standing(transaction, incident)?;
    let added = incidents::next(incident, &before, actor, at, event)?;
    add(transaction, incident, &added)?;
    Ok(added.record)
}

/// Writes a record, and how its incident stands after it.
fn add(connection: &Connection, incident: &IncidentId, added: &Added) -> Result<(), Trouble> {
    let Brief { title, severity, standing, since, owner, opened, updated, seq, head } = &added.brief;
    connection
        .prepare_cached(
            "INSERT INTO incidents (incident, title, severity, standing, since, owner, opened, updated, head_seq, head_hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             ON CONFLICT (incident) DO UPDATE SET severity = ?3, standing = ?4, since = ?5, owner = ?6, updated = ?8, \
             head_seq = ?9, head_hash = ?10",
        )?
        .execute(params![
            incident.as_str(),
            title,
            severity.word(),
            standing.word(),
            since.0,
            owner,
            opened.0,
            updated.0,
            rows::signed(*seq),
            head.as_str(),
        ])?;
    let Stored { seq, time, epoch: _, actor, previous, hash, event } = &added.stored;
    connection
        .prepare_cached(
            "INSERT INTO incident_records (incident, seq, time, actor, previous, hash, event) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            incident.as_str(),
            rows::signed(*seq),
            time.0,
            actor,
            previous.as_str(),
            hash.as_str(),
            event,
        ])?;
    queue::again(connection, &Subject::Incident(incident.clone()).to_string())
}

fn exists(connection: &Connection, incident: &IncidentId) -> Result<bool, Trouble> {
    Ok(connection.prepare_cached("SELECT 1 FROM incidents WHERE incident = ?1")?.exists([incident.as_str()])?)
}

/// How an incident stands.
fn standing(connection: &Connection, incident: &IncidentId) -> Result<Brief, Trouble> {
    match listed(connection, incident)? {
        None => Err(JournalError::NoSuchIncident(incident.clone()).into()),
        Some(Err(wrong)) => Err(rows::damaged(&format!("incident {incident} in the list of incidents"), &wrong).into()),
        Some(Ok(brief)) => Ok(brief),
    }
}

fn listed(connection: &Connection, incident: &IncidentId) -> rusqlite::Result<Option<Read<Brief>>> {
    connection
        .prepare_cached("SELECT * FROM incidents WHERE incident = ?1")?
        .query_row([incident.as_str()], |row| Ok(brief_of(row)))
        .optional()
}

fn verify(connection: &mut Connection, incident: &IncidentId) -> rusqlite::Result<Option<Verification>> {
    // One snapshot: somebody may be writing.
    let transaction = connection.savepoint()?;
    let listed = listed(&transaction, incident)?;
    let mut found = listed.is_some();
    let mut audit = IncidentAudit::new(incident);
    {
        let query = format!("SELECT {RECORD} FROM incident_records WHERE incident = ?1 ORDER BY seq");
        let mut statement = transaction.prepare_cached(&query)?;
        let mut records = statement.query([incident.as_str()])?;
        while let Some(row) = records.next()? {
            found = true;
            let (seq, stored) = rows::record(row);
            audit.record(seq, stored);
        }
    }
    let listed = listed.unwrap_or_else(|| Err("the list of incidents does not have it".to_owned()));
    Ok(found.then(|| audit.finish(listed)))
}

fn incident_id(row: &Row<'_>) -> Read<IncidentId> {
    rows::parsed(row, "incident")
}

/// A row of `incidents`.
fn brief_of(row: &Row<'_>) -> Read<Brief> {
    Ok(Brief {
        title: text(row, "title")?,
        severity: rows::parsed(row, "severity")?,
        standing: rows::optional_word(row, "standing")?.ok_or("its `standing` is missing")?,
        since: Time(integer(row, "since")?),
        owner: optional_text(row, "owner")?,
        opened: Time(integer(row, "opened")?),
        updated: Time(integer(row, "updated")?),
        seq: rows::count(row, "head_seq")?,
        head: rows::parsed(row, "head_hash")?,
    })
}

/// A row that cannot be read, as far as it can.
fn damaged(row: &Row<'_>, wrong: String) -> Read<IncidentRow> {
    // A name that cannot be read has a word in its place: the incident must not vanish from the list.
    let incident = incident_id(row).or_else(|wrong| "unreadable".parse().map_err(|_| wrong))?;
    let title = text(row, "title").unwrap_or_else(|_| "?".to_owned());
    Ok(IncidentRow::damaged(incident, title, Time(integer(row, "opened").unwrap_or_default()), wrong))
}
