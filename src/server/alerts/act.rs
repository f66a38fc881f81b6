//! What one alert has done: a dry-run, a proposal to a person, or a run.

use super::incident::tell;
use super::{Alerts, Later};
use crate::engine::{Clock as _, WallClock, new_run_id};
use crate::ids::{IncidentId, RunId};
use crate::incident::{AlertState, IncidentEvent};
use crate::journal::{Claimed, DeliveryRow, Firing, Hooks as _, SqliteJournal};
use crate::playbook::TriggeredMode;
use crate::server::{Caller, Further, Problem, Role, Wanted};
use crate::trigger::{self, Alert};

/// The problem of a server that cannot do anything for a while.
const FOR_A_WHILE: u16 = 503;

/// What was done, or why it was not.
type Became = Result<String, String>;

/// An alert that came in.
pub(super) struct Came<'a> {
    pub row: &'a DeliveryRow,
    pub source: &'a str,
    pub alert: &'a Alert,
}

impl Came<'_> {
    /// Who writes what follows from it.
    pub(super) fn actor(&self) -> String {
        format!("alerts of {}", self.source)
    }
}

impl Alerts {
    /// Notes an alert in its incident, does what its route asks for, and says what became of it.
    pub(super) fn alert(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        opened: &mut Option<IncidentId>,
    ) -> Result<String, Later> {
        let routed = self.routes.route(came.source, &came.row.delivery, came.alert);
        let wanted = routed.taken.as_ref().and_then(|taken| taken.wanted.as_ref().ok());
        // A proposal that nobody sees is none.
        let opens = wanted.is_some_and(|wanted| wanted.incident || wanted.mode == TriggeredMode::Ask);
        let incident = self.incident_of(journal, came, opens, opened)?;
        let mut said = Vec::new();
        if came.alert.status == AlertState::Resolved {
            let runs = journal.resolved(came.source, &came.alert.fingerprint, WallClock.now())?;
            said.push("it is over".to_owned());
            said.extend(runs.iter().map(|run| format!("run {run} was begun by it")));
        }
        match routed.taken {
            None if said.is_empty() => said.push("no route fits it".to_owned()),
            None => {}
            Some(taken) => {
                let became = match &taken.wanted {
                    Ok(wanted) => self.act(journal, came, wanted, incident.as_ref())?,
                    Err(error) => {
                        Err(format!("{} was not started by the route {}: {error}", taken.playbook, taken.route))
                    }
                };
                // What stands in the way is told where somebody looks, and whoever is called for such is; what was done is there
                // by itself.
                if let Err(why) = &became {
                    if let Some(incident) = &incident {
                        note(journal, incident, came, why)?;
                    }
                    self.call(came, incident.as_ref(), &taken.playbook, why);
                    // Only now: whoever is killed before tells it once more.
                    if let Ok(wanted) = &taken.wanted {
                        journal.refuse_firing(&wanted.key, WallClock.now())?;
                    }
                }
                said.push(became.unwrap_or_else(|why| why));
            }
        }
        Ok(said.join("; "))
    }

    /// Does what a route asks for; what was done, or why it was not.
    fn act(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        wanted: &trigger::Wanted,
        incident: Option<&IncidentId>,
    ) -> Result<Became, Later> {
        let (name, route) = (&wanted.playbook, &wanted.route);
        let not_started = |why: String| Ok(Err(not_started(wanted, &why)));
        let run = match wanted.mode {
            TriggeredMode::Run => match self.claim(journal, came, wanted, incident)? {
                Ok(run) => Some(run),
                Err(became) => return Ok(became),
            },
            TriggeredMode::DryRun | TriggeredMode::Ask => None,
        };
        let book = match self.house.playbook(name, wanted.version.as_deref()) {
            Ok(book) => book,
            Err(problem) => return not_started(told(&problem)),
        };
        if let Err(error) = trigger::admit(&book, wanted) {
            return not_started(error.to_string());
        }
        match wanted.mode {
            TriggeredMode::DryRun => match self.runner.plan(&as_run(came, wanted, incident)) {
                Ok(offered) => {
                    let (steps, digest) = (offered.plan.steps.len(), offered.plan.digest.short());
                    let text = format!(
                        "a dry-run of {name} by the route {route} can be planned: {steps} steps, plan {digest}"
                    );
                    if let Some(incident) = incident {
                        note(journal, incident, came, &text)?;
                    }
                    Ok(Ok(text))
                }
                Err(problem) => not_started(told(&problem)),
            },
            TriggeredMode::Ask => {
                let Some(incident) = incident else { return not_started("there is no incident to ask in".to_owned()) };
                tell(journal, incident, came, proposal(wanted, format!("{} (the route {route})", came.alert.title)))?;
                self.call(came, Some(incident), name, &format!("an alert asks for {name}: run it, or do not"));
                Ok(Ok(format!("{name} is proposed in incident {incident}")))
            }
            TriggeredMode::Run => self.start(journal, came, wanted, (run, incident)),
        }
    }

    /// The name of the run that a firing begins, at most once for a firing of an alert and a route; else what became of it.
    fn claim(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        wanted: &trigger::Wanted,
        incident: Option<&IncidentId>,
    ) -> Result<Result<RunId, Became>, Later> {
        let run = match new_run_id() {
            Ok(run) => run,
            Err(error) => return Ok(Err(Err(not_started(wanted, &error.to_string())))),
        };
        let claim = Firing {
            claim: wanted.key.clone(),
            scope: wanted.scope.clone(),
            cooldown: wanted.cooldown,
            run,
            source: came.source.to_owned(),
            fingerprint: came.alert.fingerprint.clone(),
        };
        Ok(match journal.claim_firing(&claim, WallClock.now())? {
            Claimed::New => Ok(claim.run),
            Claimed::Before(run) => Ok(run),
            // People were told, and may be at work by hand: nothing begins behind their backs because another alert has joined.
            Claimed::Refused => {
                let why = "it was refused when this firing came first, and is not tried again";
                Err(Ok(not_started(wanted, why)))
            }
            Claimed::Cooling { run, until } => {
                let until = jiff::Timestamp::from_millisecond(until.0).map(|at| at.to_string()).unwrap_or_default();
                let why = format!("run {run} was, and nothing is started on the same again before {until}");
                let text = not_started(wanted, &why);
                // It is mended already: nobody need be called once for each alert of a group.
                if let Some(incident) = incident {
                    note(journal, incident, came, &text)?;
                }
                Err(Ok(text))
            }
        })
    }

    /// Begins a run under the name that was claimed for it.
    fn start(
        &self,
        journal: &mut SqliteJournal,
        came: &Came,
        wanted: &trigger::Wanted,
        (run, incident): (Option<RunId>, Option<&IncidentId>),
    ) -> Result<Became, Later> {
        match self.runner.start(Wanted { run, ..as_run(came, wanted, incident) }) {
            Ok(begun) => Ok(Ok(format!("run {} of {}@{} has begun", begun.run, begun.playbook, begun.version))),
            // The claim stays: the next try begins the run under the same name.
            Err(problem) if problem.status == FOR_A_WHILE => Err(Later::Problem(problem)),
            Err(problem) => {
                // A person may do what the alert could not.
                if let Some(incident) = incident {
                    let why = format!(
                        "{} (the route {}), and the run could not begin by itself",
                        came.alert.title, wanted.route
                    );
                    tell(journal, incident, came, proposal(wanted, why))?;
                }
                Ok(Err(not_started(wanted, &told(&problem))))
            }
        }
    }
}

fn not_started(wanted: &trigger::Wanted, why: &str) -> String {
    format!("{} was not started by the route {}: {why}", wanted.playbook, wanted.route)
}

/// The same as the runner knows it. It is nobody's decision at this moment, so every brake binds it.
fn as_run(came: &Came, wanted: &trigger::Wanted, incident: Option<&IncidentId>) -> Wanted {
    Wanted {
        run: None,
        playbook: wanted.playbook.clone(),
        version: wanted.version.clone(),
        inputs: wanted.sent(),
        incident: incident.cloned(),
        limit: None,
        overrides: Vec::new(),
        approved: Vec::new(),
        confirm: None,
        by: Caller { name: came.actor(), roles: [Role::Trigger].into() },
        further: Further::default(),
    }
}

/// A problem in one sentence, with the best of what to do next.
fn told(problem: &Problem) -> String {
    match problem.next.first() {
        Some(next) => format!("{}. Next: {next}", problem.title),
        None => problem.title.clone(),
    }
}

fn note(journal: &mut SqliteJournal, incident: &IncidentId, came: &Came, text: &str) -> Result<(), Later> {
    tell(journal, incident, came, IncidentEvent::Noted { text: text.to_owned() })
}

/// What is proposed to a person.
fn proposal(wanted: &trigger::Wanted, why: String) -> IncidentEvent {
    let (playbook, version) = (wanted.playbook.clone(), wanted.version.clone());
    IncidentEvent::Proposed { playbook, version, inputs: wanted.sent(), why }
}
