//! Where incidents are kept: the `Incidents` trait, which each store implements beside `Journal`, and what all stores share of
//! it. A record counts only once it is durable. It never says which runs an incident has but from those runs' own records.

use super::chain::Stored;
use super::{Delivered, Journal, JournalError, RunRow, Verification};
use crate::ids::{Digest, IncidentId};
use crate::incident::{Brief, Incident, IncidentError, IncidentEvent, IncidentRecord, Opening, Severity, Standing};
use crate::run::Time;

/// How many records are read at a time where all of them are gone through.
const PAGE: usize = 256;

/// A store of incidents. Every write is durable when the call returns. Calls block for as long as the disk takes.
pub trait Incidents: Send {
    /// Opens an incident under a new name, and says which.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn open(&mut self, opening: Opening, actor: &str, at: Time) -> Result<IncidentId, JournalError> {
        let incident = new_incident_id(at)?;
        self.open_as(&incident, opening, actor, at)?;
        Ok(incident)
    }

    /// Opens an incident under a name.
    ///
    /// # Errors
    /// `NotNow` when there is one with this name.
    fn open_as(
        &mut self,
        incident: &IncidentId,
        opening: Opening,
        actor: &str,
        at: Time,
    ) -> Result<IncidentRecord, JournalError>;

    /// Appends a record, if what it says makes sense for the incident as it stands in that very write.
    ///
    /// # Errors
    /// `NoSuchIncident`; `NotNow` when it makes no sense, and then nothing was written.
    fn append_to(
        &mut self,
        incident: &IncidentId,
        actor: &str,
        at: Time,
        event: IncidentEvent,
    ) -> Result<IncidentRecord, JournalError>;

    /// All incidents, newest first. One whose row cannot be read is there and says so: it must not hide the others.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn incidents(&mut self) -> Result<Vec<IncidentRow>, JournalError>;

    /// So many records of an incident after a sequence number, at most, just as they are stored; their epoch is 0.
    ///
    /// # Errors
    /// `NoSuchIncident`, or `Corrupt` when one cannot even be read as text.
    fn stored_of(&mut self, incident: &IncidentId, after: u64, most: usize) -> Result<Vec<Stored>, JournalError>;

    /// The runs that began in an incident, also in one of elsewhere, oldest first: as their own records say.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn runs_of(&mut self, incident: &IncidentId) -> Result<Vec<RunRow>, JournalError>;

    /// Recomputes an incident's hash chain from what is stored.
    ///
    /// # Errors
    /// `NoSuchIncident`, or when the store cannot be read. A broken chain is a result, not an error.
    fn verify_incident(&mut self, incident: &IncidentId) -> Result<Verification, JournalError>;

    /// So many records after a sequence number, at most.
    ///
    /// # Errors
    /// As `stored_of`, and when one cannot be understood.
    fn some_records_of(
        &mut self,
        incident: &IncidentId,
        after: u64,
        most: usize,
    ) -> Result<Vec<IncidentRecord>, JournalError> {
        self.stored_of(incident, after, most)?.into_iter().map(|stored| read(incident, stored)).collect()
    }

    /// The records of an incident after a sequence number, in order.
    ///
    /// # Errors
    /// As `some_records_of`.
    fn records_of(&mut self, incident: &IncidentId, after: u64) -> Result<Vec<IncidentRecord>, JournalError> {
        self.some_records_of(incident, after, usize::MAX)
    }

    /// What is known of an incident.
    ///
    /// # Errors
    /// `NoSuchIncident`, or `Corrupt` when its records make no sense.
    fn incident(&mut self, incident: &IncidentId) -> Result<Incident, JournalError> {
        let mut known: Option<Incident> = None;
        loop {
            let after = known.as_ref().map_or(0, |known| known.brief.seq);
            let page = self.some_records_of(incident, after, PAGE)?;
            let last = page.len() < PAGE;
            for record in page {
                let taken = match &mut known {
                    None => Incident::begin(incident, &record).map(|begun| known = Some(begun)),
                    Some(known) => known.apply(&record),
                };
                taken.map_err(|error| corrupt(incident, &error.to_string()))?;
            }
            if last {
                return known.ok_or_else(|| corrupt(incident, "it has no records"));
            }
        }
    }
}

/// A store of runs and of incidents, and of what was told of them.
pub trait Kept: Journal + Incidents + Delivered {}

impl<T: Journal + Incidents + Delivered> Kept for T {}

/// An incident in the list of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Which.
    pub incident: IncidentId,
    /// How it stands.
    pub brief: Brief,
    /// What of this row cannot be read, if anything: then the rest of it is not to be relied on.
    pub damaged: Option<String>,
}

impl IncidentRow {
    /// A row that cannot be read.
    pub(super) fn damaged(incident: IncidentId, title: String, opened: Time, wrong: String) -> Self {
        let brief = Brief {
            title,
            // What nobody can read any more is looked at first.
            severity: Severity::P0,
            standing: Standing::Open,
            since: opened,
            owner: None,
            opened,
            updated: opened,
            seq: 0,
            head: IncidentRecord::genesis(&incident),
        };
        Self { incident, brief, damaged: Some(wrong) }
    }
}

/// What one write adds to an incident, and how it stands after it.
#[derive(Debug, Clone)]
pub(super) struct Added {
    pub stored: Stored,
    pub record: IncidentRecord,
    pub brief: Brief,
}

/// The first record of an incident.
pub(super) fn first(incident: &IncidentId, opening: Opening, actor: &str, at: Time) -> Result<Added, JournalError> {
    if opening.title.trim().is_empty() {
        return Err(not_now(incident, "it needs a title: what has gone wrong, in a line"));
    }
    let head = IncidentRecord::genesis(incident);
    let (stored, record) = entry(incident, 1, head, actor, at, &IncidentEvent::Opened(opening))?;
    let brief = Brief::begin(incident, &record).map_err(|error| not_now(incident, &error.to_string()))?;
    Ok(Added { stored, record, brief })
}

/// The record that follows on what an incident already has.
pub(super) fn next(
    incident: &IncidentId,
    before: &Brief,
    actor: &str,
    at: Time,
    event: &IncidentEvent,
) -> Result<Added, JournalError> {
    before.allows(event).map_err(|error| not_now(incident, &error.to_string()))?;
    let (stored, record) = entry(incident, before.seq + 1, before.head.clone(), actor, at, event)?;
    let mut brief = before.clone();
    brief.apply(&record).map_err(|error| not_now(incident, &error.to_string()))?;
    Ok(Added { stored, record, brief })
}

fn entry(
    incident: &IncidentId,
    seq: u64,
    previous: Digest,
    actor: &str,
    at: Time,
    event: &IncidentEvent,
) -> Result<(Stored, IncidentRecord), JournalError> {
    let text = serde_json::to_string(event).map_err(|error| not_now(incident, &error.to_string()))?;
    let hash = IncidentRecord::hash_of(&previous, seq, at, actor, &text);
    let stored = Stored { seq, time: at, epoch: 0, actor: actor.to_owned(), previous, hash, event: text };
    // What is handed on is what a later process will read.
    let record = read(incident, stored.clone())
        .map_err(|error| not_now(incident, &format!("it could not be read back: {error}")))?;
    Ok((stored, record))
}

/// A stored record with its event read.
pub(super) fn read(incident: &IncidentId, stored: Stored) -> Result<IncidentRecord, JournalError> {
    let Stored { seq, time, epoch: _, actor, previous, hash, event } = stored;
    let event = serde_json::from_str(&event)
        .map_err(|error| corrupt(incident, &format!("record {seq} cannot be read: {error}")))?;
    Ok(IncidentRecord { seq, time, actor, previous, hash, event })
}

/// Goes through an incident's records in order, and compares with what is kept beside them.
pub(super) struct IncidentAudit<'a> {
    incident: &'a IncidentId,
    brief: Option<Brief>,
    records: u64,
    broken: Option<(u64, String)>,
}

impl<'a> IncidentAudit<'a> {
    /// Before the first record.
    pub fn new(incident: &'a IncidentId) -> Self {
        Self { incident, brief: None, records: 0, broken: None }
    }

    /// Looks at the next record: what the store has under this number, or why that is not even a record.
    pub fn record(&mut self, seq: i64, stored: Result<Stored, String>) {
        self.records += 1;
        // Behind the first break nothing can be said: every later record rests on it.
        if self.broken.is_none()
            && let Err(wrong) = stored.and_then(|stored| self.fits(stored))
        {
            self.broken = Some((u64::try_from(seq).unwrap_or(0), wrong));
        }
    }

    fn fits(&mut self, stored: Stored) -> Result<(), String> {
        let expected = stored.expected_hash();
        if stored.hash != expected {
            return Err(format!("its hash is {}, and its content has {expected}: it was changed", stored.hash));
        }
        let record = read(self.incident, stored).map_err(|error| error.to_string())?;
        let why = |error: IncidentError| match error {
            IncidentError::OutOfPlace { why, .. } | IncidentError::NotNow(why) => why,
        };
        match &mut self.brief {
            None => self.brief = Some(Brief::begin(self.incident, &record).map_err(why)?),
            Some(brief) => brief.apply(&record).map_err(why)?,
        }
        Ok(())
    }

    /// Compares with the incident's row, and says what was found.
    pub fn finish(self, listed: Result<Brief, String>) -> Verification {
        let Self { brief, records, broken, .. } = self;
        let head = brief.as_ref().map(|brief| brief.head.clone());
        let at = brief.as_ref().map_or(0, |brief| brief.seq);
        let differs = || match (&brief, listed) {
            (None, _) => Some("all of its records are missing".to_owned()),
            (_, Err(wrong)) => Some(wrong),
            (Some(ours), Ok(listed)) if *ours != listed => {
                Some("the list of incidents does not say what its records say".to_owned())
            }
            _ => None,
        };
        let broken = broken.or_else(|| differs().map(|wrong| (at, wrong)));
        Verification { records, head, broken }
    }
}

/// A name for an incident: the second in which it is opened, and four random letters.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_incident_id(at: Time) -> Result<IncidentId, JournalError> {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let failed = |cause: String| JournalError::Store { doing: "written", cause };
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(|error| failed(format!("no random numbers: {error}")))?;
    let tail: String = bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
    let stamp = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime("%Y%m%d-%H%M%S").to_string();
    format!("inc-{stamp}-{tail}").parse().map_err(|error: crate::ids::InvalidName| failed(error.to_string()))
}

/// A write that makes no sense for the incident as it stands.
pub(super) fn not_now(incident: &IncidentId, why: &str) -> JournalError {
    JournalError::NotNow { incident: incident.clone(), why: why.to_owned() }
}

fn corrupt(incident: &IncidentId, why: &str) -> JournalError {
    JournalError::Corrupt(format!("incident {incident}: {why}"))
}
