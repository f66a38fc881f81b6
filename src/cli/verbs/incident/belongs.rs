//! `run --incident`: to which incident a run belongs. One that is opened for a run is opened right before it begins, after all
//! that may still be refused; and the run's own record says where it belongs, so a process that is killed between the two
//! leaves an incident without a run, which is what there is then.

use std::collections::BTreeMap;

use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::incidents::{LATEST, choose, fits};
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::engine::holder;
use crate::incident::{Opening, Standing, classify_for_playbook};
use crate::journal::{IncidentRow, Store};
use crate::plan::Plan;

/// The word for an incident that is opened with the run.
const NEW: &str = "new";
/// Fewer letters than this are never taken for a part of an incident's id: they may well be a name of elsewhere.
const SHORTEST: usize = 4;

/// To which incident a run belongs.
pub enum Belongs {
    /// None that was named.
    Nowhere,
    /// This one, of this state or of elsewhere.
    To(String),
    /// One that is opened for it.
    New,
    /// The one that was.
    Opened(String),
}

impl Belongs {
    /// What `--incident` means.
    ///
    /// # Errors
    /// When the word is empty, fits several, or means the newest where there is none.
    pub fn of(setup: &Setup, word: Option<&str>, journal: Option<&mut dyn Store>) -> Result<Self, Failure> {
        let Some(word) = word.map(str::trim) else { return Ok(Self::Nowhere) };
        if word == NEW {
            return Ok(Self::New);
        }
        if word.is_empty() {
            return Err(Failure::new(Exit::Usage, "--incident needs a name: an incident's id, `latest` or `new`")
                .meaning("nothing was started"));
        }
        let rows = journal.map(|journal| journal.incidents()).transpose()?.unwrap_or_default();
        let meant = word == LATEST
            || rows.iter().any(|row| row.incident.as_str() == word)
            || (word.len() >= SHORTEST && !fits(&rows, word).is_empty());
        if !meant {
            let text = format!("incident {word} is none of this state: it is taken for one of elsewhere");
            setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
            return Ok(Self::To(word.to_owned()));
        }
        let row = choose(&rows, word).map_err(|failure| failure.unwrap_or_else(none).meaning("nothing was started"))?;
        setup.screen.say(&told(setup, row));
        Ok(Self::To(row.incident.to_string()))
    }

    /// Whether one is to be opened: then the plan has to be known.
    pub fn is_new(&self) -> bool {
        matches!(self, Self::New)
    }

    /// The name of the incident, which is opened here if it is a new one: once, however often a lock is waited for.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn name(&mut self, setup: &Setup, plan: Option<&Plan>) -> Result<Option<String>, Failure> {
        if let (Self::New, Some(plan)) = (&self, plan) {
            *self = Self::Opened(open(setup, plan)?);
        }
        Ok(match self {
            Self::To(name) | Self::Opened(name) => Some(name.clone()),
            Self::Nowhere | Self::New => None,
        })
    }

    /// What has to be known of it where the run could not begin: the same command once more would open a second one.
    pub fn told(&self, failure: Failure) -> Failure {
        match self {
            Self::Opened(id) => {
                failure.next(format!("incident {id} was opened for it and stays: name it, instead of `--incident new`"))
            }
            Self::Nowhere | Self::To(_) | Self::New => failure,
        }
    }
}

fn none() -> Failure {
    Failure::new(Exit::NotFound, "there is no incident in this state").next("--incident new opens one with the run")
}

fn told(setup: &Setup, row: &IncidentRow) -> Vec<Line> {
    let (id, brief) = (&row.incident, &row.brief);
    let text = format!("incident {id}, {}: {}", brief.severity, brief.title);
    let mut lines = vec![Line::new().with(Ink::Dim, text)];
    if brief.standing != Standing::Open {
        let reopen = setup.paste.command(format!("incident reopen {id} --reason \"…\""));
        let text = format!("it is {}; the run belongs to it all the same. If it is not over: {reopen}", brief.standing);
        lines.push(Line::new().with(Ink::Warn, text));
    }
    lines
}

/// Opens an incident for a run of this plan.
fn open(setup: &Setup, plan: &Plan) -> Result<String, Failure> {
    let book = &plan.playbook;
    let settings = &setup.config.incidents;
    let labels: BTreeMap<String, String> =
        [("playbook".to_owned(), book.name.clone()), ("environment".to_owned(), plan.environment.clone())].into();
    let (severity, why) = classify_for_playbook(settings, book, &labels);
    let title = if book.title.trim().is_empty() { &book.name } else { &book.title };
    let opening = Opening {
        labels,
        services: book.services.clone(),
        owner: settings.owner.clone(),
        source: "run".to_owned(),
        ..Opening::new(title.trim(), severity, &why)
    };
    let id = setup.journal()?.open(opening, &holder::this_process().user, clock::now())?;
    let text = format!("incident {id} is opened as {severity} ({why})");
    setup.screen.say(&[Line::new().with(Ink::Plain, text)]);
    Ok(id.to_string())
}
