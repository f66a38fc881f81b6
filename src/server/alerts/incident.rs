//! Which incident an alert belongs to: the open one that knows it, or one that is opened for it where its route wants one.

use super::act::Came;
use super::{Alerts, Later};
use crate::engine::{Clock as _, WallClock};
use crate::ids::IncidentId;
use crate::incident::{AlertState, Incident, IncidentEvent, Levels, Opening, Severity, Standing, classify};
use crate::journal::{Incidents as _, JournalError, SqliteJournal};
use crate::run::Time;
use crate::trigger::Alert;

/// The label whose value is a service.
const SERVICE: &str = "service";
/// The label that says how severe monitoring finds it.
const SEVERITY: &str = "severity";

impl Alerts {
    /// The incident of an alert, in which that is noted; `opened` is the one that another alert of the same delivery has.
    pub(super) fn incident_of(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        opens: bool,
        opened: &mut Option<IncidentId>,
    ) -> Result<Option<IncidentId>, Later> {
        let fires = came.alert.status == AlertState::Firing;
        let incident = match known(journal, came)? {
            // It was noted before the server was killed, or is sent again as another alert has joined its group.
            Some(incident) if says_the_same(&incident, came) => {
                *opened = Some(incident.id.clone());
                return Ok(Some(incident.id));
            }
            Some(incident) => Some(incident.id),
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
            state: came.alert.status,
            labels: came.alert.labels.clone(),
            annotations: came.alert.annotations.clone(),
            since: since(came),
        };
        tell(journal, &incident, came, event)?;
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
        let settings = &self.house.config().incidents;
        let services: Vec<String> = alert.labels.get(SERVICE).cloned().into_iter().collect();
        let (severity, why) = classify(settings, &alert.labels, &services, own(alert), Levels::default());
        Opening {
            labels: alert.labels.clone(),
            services,
            owner: settings.owner.clone(),
            source: source.to_owned(),
            ..Opening::new(title(alert), severity, why)
        }
    }
}

/// How severe monitoring itself finds it: this goes behind what the configuration says, and before what nobody has said.
fn own(alert: &Alert) -> Option<(Severity, String)> {
    let severity = alert.labels.get(SEVERITY)?.parse::<Severity>().ok()?;
    Some((severity, format!("the alert's own label `{SEVERITY}`")))
}

/// What an incident is called that is opened for an alert: not every source has a title for one.
fn title(alert: &Alert) -> &str {
    let named = alert.labels.get("alertname").map(String::as_str);
    let titles = [Some(alert.title.as_str()), named, Some(alert.fingerprint.as_str())];
    titles.into_iter().flatten().find(|title| !title.trim().is_empty()).unwrap_or("an alert")
}

/// The open incident that knows the alert.
fn known(journal: &mut SqliteJournal, came: &Came) -> Result<Option<Incident>, Later> {
    let rows = journal.incidents()?;
    for row in rows.iter().filter(|row| row.damaged.is_none() && row.brief.standing == Standing::Open) {
        let incident = match journal.incident(&row.incident) {
            Ok(incident) => incident,
            // One that is damaged keeps no alert from being worked on.
            Err(JournalError::Corrupt(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        if incident.alerts.contains_key(&key(came)) {
            return Ok(Some(incident));
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

/// Writes to an incident. What makes no sense for it any more, as somebody has closed it meanwhile, keeps nothing else from being
/// worked on.
pub(super) fn tell(
    journal: &mut SqliteJournal,
    incident: &IncidentId,
    came: &Came,
    event: IncidentEvent,
) -> Result<(), Later> {
    match journal.append_to(incident, &came.actor(), WallClock.now(), event) {
        Ok(_) | Err(JournalError::NotNow { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether an incident knows of the alert what it says now.
fn says_the_same(incident: &Incident, came: &Came) -> bool {
    let known = incident.alerts.get(&key(came));
    known.is_some_and(|known| known.state == came.alert.status && known.since == since(came))
}

fn key(came: &Came) -> (String, String) {
    (came.source.to_owned(), came.alert.fingerprint.clone())
}

fn since(came: &Came) -> Option<Time> {
    came.alert.starts_at.map(|at| Time(at.as_millisecond()))
}
