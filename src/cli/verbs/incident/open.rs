//! `incident open`: something has gone wrong. A title is enough; what nobody says is classified by the configuration.

use std::collections::BTreeMap;

use crate::cli::args::{Format, IncidentOpen};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{incident as view, next};
use crate::engine::holder;
use crate::incident::{Levels, Said};

/// Opens one. On standard output there is its name and nothing else.
///
/// # Errors
/// When the title or a label makes no sense, or the journal cannot be written.
pub fn open(setup: &Setup, args: &IncidentOpen) -> Result<Exit, Failure> {
    let labels = labels(&args.label)?;
    if args.title.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "an incident needs a title: what has gone wrong, in a line"));
    }
    let by = holder::this_process().user;
    let said = Said {
        title: args.title.trim().to_owned(),
        severity: args.severity,
        levels: Levels { impact: args.impact, urgency: args.urgency },
        labels,
        services: args.service.clone(),
        owner: args.owner.clone(),
    };
    let mut opening = said.opening(&setup.config.incidents, &by);
    if setup.server()?.is_some() && args.severity.is_none() {
        // It is classified where the rules for that are.
        opening.why.clear();
    }
    let mut journal = setup.journal()?;
    let id = journal.open(opening, &by, clock::now())?;
    let incident = journal.incident(&id)?;
    let (severity, why) = (incident.brief.severity, incident.classified.clone());
    if args.output == Format::Json {
        setup.screen.json(&view::json(&incident, &[], &setup.paste));
        return Ok(Exit::Success);
    }
    let said = Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, format!("opened as {severity} ({why})"));
    setup.screen.say(&[said]);
    setup.screen.print(&[Line::plain(id.as_str())]);
    let commands = [
        (setup.paste.command(format!("run NAME --incident {id}")), "run a playbook for it"),
        (setup.paste.command(format!("incident note {id} \"…\"")), "write something down"),
        (setup.paste.command(format!("incident show {id}")), "how it stands"),
    ];
    setup.screen.say(&next::commands(&commands, setup.screen.text_width()));
    Ok(Exit::Success)
}

fn labels(typed: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut labels = BTreeMap::new();
    for pair in typed {
        let split = pair.split_once('=').filter(|(name, _)| !name.trim().is_empty());
        let (name, value) = split.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`--label {pair}` is no label: NAME=VALUE, such as service=orders"))
                .meaning("no incident was opened")
        })?;
        if labels.insert(name.trim().to_owned(), value.to_owned()).is_some_and(|before| before != value) {
            let what = format!("the label `{name}` was given twice, with different values");
            return Err(Failure::new(Exit::Usage, what).meaning("no incident was opened"));
        }
    }
    Ok(labels)
}
