//! Which incident an alert belongs to: the open one that knows it, or one that is opened for it where its route wants one.

use super::act::Came;
use super::{Alerts, Later};
use crate::engine::{Clock as _, WallClock};
use crate::ids::IncidentId;
use crate::incident::{AlertState, IncidentEvent, Opening, Standing, classify};
use crate::journal::{Incidents as _, JournalError, SqliteJournal};
use crate::run::Time;
use crate::trigger::{Alert, Status};

/// The label whose value is a service.
const SERVICE: &str = "service";

impl Alerts {
    /// The incident of an alert, in which that is noted; `opened` is the one that another alert of the same delivery has.
    pub(super) fn incident_of(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        opens: bool,
        opened: &mut Option<IncidentId>,
    ) -> Result<Option<IncidentId>, Later> {
        let fires = came.alert.status == Status::Firing;
        let incident = match known(journal, came)? {
            Some(incident) => Some(incident),
            None if opens && fires => match opened.clone() {
                Some(incident) => Some(incident),
                None => self.open(journal, came)?,
            },
            None => None,
        };
        let Some(incident) = incident else { return Ok(None) };
        *opened = Some(incident.clone());
        let event = IncidentEvent::Alert {
            source: came.source.to_owned(),
            fingerprint: came.alert.fingerprint.clone(),
            state: if fires { AlertState::Firing } else { AlertState::Resolved },
            labels: came.alert.labels.clone(),
            annotations: came.alert.annotations.clone(),
            since: came.alert.starts_at.map(|at| Time(at.as_millisecond())),
        };
        journal.append_to(&incident, &came.actor(), WallClock.now(), event)?;
        Ok(Some(incident))
    }

    /// Opens one, under a name that follows from the delivery: whoever is killed behind it opens no second one.
    fn open(&self, journal: &mut SqliteJournal, came: &Came) -> Result<Option<IncidentId>, Later> {
        let Some(incident) = name(came) else { return Ok(None) };
        match journal.open_as(&incident, self.opening(came.alert, came.source), &came.actor(), WallClock.now()) {
            Ok(_) | Err(JournalError::NotNow { .. }) => Ok(Some(incident)),
            Err(error) => Err(error.into()),
        }
    }

    fn opening(&self, alert: &Alert, source: &str) -> Opening {
        let (severity, why) = classify(&self.house.config().incidents, None, None, &alert.labels);
        Opening {
            labels: alert.labels.clone(),
            services: alert.labels.get(SERVICE).cloned().into_iter().collect(),
            source: source.to_owned(),
            ..Opening::new(alert.title.as_str(), severity, why)
        }
    }
}

/// The open incident that knows the alert.
fn known(journal: &mut SqliteJournal, came: &Came) -> Result<Option<IncidentId>, Later> {
    let rows = journal.incidents()?;
    for row in rows.iter().filter(|row| row.damaged.is_none() && row.brief.standing == Standing::Open) {
        let alert = (came.source.to_owned(), came.alert.fingerprint.clone());
        if journal.incident(&row.incident)?.alerts.contains_key(&alert) {
            return Ok(Some(row.incident.clone()));
        }
    }
    Ok(None)
}

/// `inc-`, the second in which it came, and four letters that follow from which firing of which alert it is.
fn name(came: &Came) -> Option<IncidentId> {
    let at = jiff::Timestamp::from_millisecond(came.row.received.0).ok()?;
    let stamp = at.strftime("%Y%m%d-%H%M%S").to_string();
    let episode = came.alert.episode(came.source, &came.row.delivery);
    let tail = episode.short().get(..4).unwrap_or("0000").to_owned();
    format!("inc-{stamp}-{tail}").parse().ok()
}
