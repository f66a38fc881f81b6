//! An application on the host of one of its services: its link, and its releases, as one look sees them. It reads alone;
//! scripts are fixed texts, and every value reaches them through the environment.

use std::path::{Component, Path};
use std::time::Duration;

use super::{ReleaseError, text};
use crate::actions::Context;
use crate::actions::command::{Command, CommandError, Ended, Work, look};
use crate::inventory::Inventory;
use crate::value::Value;

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(12);

/// An application on one host.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) service: String,
    pub(super) host: Option<String>,
    pub(super) link: String,
    pub(super) releases: String,
    complete: String,
    busy: String,
    become_user: Option<String>,
}

/// One release in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) name: String,
    /// When it was put there, in seconds since 1970.
    pub(super) since: i64,
    /// What it is: `whole`, `empty`, `incomplete`, or `link`: no folder.
    pub(super) state: String,
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) machine: Option<String>,
    /// `link`, `odd` (a link that leads to a name with control characters), `folder`, `file`, `absent`.
    pub(super) kind: String,
    /// What the link says, as it stands.
    pub(super) leads: Option<String>,
    /// The release that it leads to.
    pub(super) current: Option<String>,
    pub(super) dangling: bool,
    busy: bool,
    parent: String,
    user: String,
    folder_missing: bool,
    odd: u64,
    /// The newest first.
    pub(super) releases: Vec<Release>,
}

impl Target {
    /// The application on the host of a service.
    pub(super) fn find(inventory: &Inventory, application: &str, service: &str) -> Result<Self, ReleaseError> {
        let invalid = |error: crate::inventory::InventoryError| ReleaseError::Invalid(error.to_string());
        let found = inventory.application(application).map_err(invalid)?;
        let host = inventory.service(service).map_err(invalid)?.host.clone();
        if !found.services.iter().any(|one| one == service) {
            return Err(ReleaseError::Invalid(format!(
                "the inventory does not say that {service} runs {application}: its services are {}",
                found.services.join(", ")
            )));
        }
        let path = |path: &str| found.path_for(path, inventory, service);
        Ok(Self {
            service: service.to_owned(),
            host,
            link: path(&found.current),
            releases: path(&found.releases),
            complete: found.complete.clone().unwrap_or_default(),
            busy: found.busy.as_deref().map(path).unwrap_or_default(),
            become_user: found.become_user.clone(),
        })
    }

    /// The same, named by the arguments of a step.
    pub(super) fn of(inventory: &Inventory, arguments: &Value) -> Result<Self, ReleaseError> {
        let given = |name: &str| {
            text(arguments, name).ok_or_else(|| ReleaseError::Invalid(format!("`{name}` is not known yet, or no text")))
        };
        Self::find(inventory, given("application")?, given("service")?)
    }

    /// Where it is, for a person.
    pub(super) fn place(&self) -> String {
        match &self.host {
            Some(host) => format!("{} on {host}", self.service),
            None => self.service.clone(),
        }
    }

    /// A script of ours on its host.
    pub(super) fn command(&self, script: &str, values: &[(&str, &str)]) -> Command {
        let own = [
            ("PLAYBOOK_PATH", self.link.as_str()),
            ("PLAYBOOK_RELEASES", &self.releases),
            ("PLAYBOOK_COMPLETE", &self.complete),
            ("PLAYBOOK_BUSY", &self.busy),
        ];
        let environment = own.iter().chain(values).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Command {
            host: self.host.clone(),
            work: Work::Script(script.to_owned()),
            environment: environment.collect(),
            shell: None,
            become_user: self.become_user.clone(),
        }
    }

    /// Looks at it.
    pub(super) async fn look(&self, context: &Context) -> Result<Seen, ReleaseError> {
        let ended = look(&context.quiet(), &self.command(include_str!("look.sh"), &[]), LOOK).await.map_err(told)?;
        if ended.exit_code == Some(0) {
            return Ok(Seen::of(&ended.output.stdout.text));
        }
        Err(ReleaseError::Invalid(format!("{} cannot be looked at: {}", self.place(), last_words(&ended))))
    }

    /// What the link has to say to lead to a release: relative where it is so now.
    pub(super) fn wording(&self, now: &str, release: &str) -> String {
        let (now, releases) = (Path::new(now), Path::new(&self.releases));
        let plain = now.components().all(|part| matches!(part, Component::Normal(_)));
        let around = Path::new(&self.link).parent().unwrap_or(Path::new("/"));
        match now.parent() {
            Some(parent) if plain && around.join(parent) == releases => parent.join(release).display().to_string(),
            _ => releases.join(release).display().to_string(),
        }
    }

    /// What stands against any switch here, in sentences.
    pub(super) fn problems(&self, seen: &Seen) -> Vec<String> {
        let (place, link) = (self.place(), &self.link);
        let mut found = Vec::new();
        match seen.kind.as_str() {
            "link" => {}
            "odd" => found.push(format!("{link} of {place} leads to a name with characters that are none of a release's")),
            "absent" => found.push(format!(
                "there is no link {link} of {place}: whatever runs there was not started by it. Look who removed it; ln -s makes it"
            )),
            kind => found.push(format!(
                "{link} of {place} is a {kind} and no link: releases are not switched there, and it is left as it is. Somebody \
                 deployed by hand, or the inventory's `current` is another one"
            )),
        }
        if seen.folder_missing {
            found.push(format!("there is no folder {} of {place} with its releases", self.releases));
        }
        if seen.busy {
            found.push(format!(
                "somebody deploys to {place} now: {} is there. Wait, or stop that; remove the file if nobody does",
                self.busy
            ));
        }
        match seen.parent.as_str() {
            "open" => {}
            "read-only" => found.push(format!(
                "the folder of {link} of {place} is on a file system that is mounted read-only: nothing can be switched there. A disk \
                 with errors is made read-only by the system: look at `dmesg` first"
            )),
            _ => found.push(format!(
                "the user {} may not write into the folder of {link} of {place}: log in as another user there, or give the \
                 application its `become`",
                seen.user
            )),
        }
        found
    }

    /// Why this release cannot be switched to, if it cannot.
    pub(super) fn objection(&self, seen: &Seen, release: &str) -> Option<String> {
        let place = self.place();
        let Some(found) = seen.releases.iter().find(|one| one.name == release) else {
            let whole: Vec<&str> = seen.whole().take(6).map(|one| one.name.as_str()).collect();
            let there = if whole.is_empty() { "no release at all".to_owned() } else { whole.join(", ") };
            return Some(format!("there is no release {release} of {place} in {}: it has {there}", self.releases));
        };
        match found.state.as_str() {
            "whole" => None,
            "empty" => Some(format!("the release {release} of {place} is an empty folder")),
            "incomplete" => {
                Some(format!("the release {release} of {place} is not complete: it has no {}", self.complete))
            }
            _ => Some(format!(
                "{release} of {place} is a link or a file, and no release's folder: it could lead anywhere"
            )),
        }
    }
}

impl Seen {
    /// Reads what look.sh printed.
    pub(super) fn of(text: &str) -> Self {
        let mut seen = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match name {
                "machine" => seen.machine = Some(value.to_owned()),
                "user" => value.clone_into(&mut seen.user),
                "parent" => value.clone_into(&mut seen.parent),
                "busy" => seen.busy = true,
                "folder" => seen.folder_missing = true,
                "kind" => value.clone_into(&mut seen.kind),
                "leads" => seen.leads = Some(value.to_owned()),
                "dangling" => seen.dangling = true,
                "current" => seen.current = Some(value.to_owned()),
                "odd" => seen.odd = value.parse().unwrap_or_default(),
                "release" => seen.releases.extend(release_of(value)),
                _ => {}
            }
        }
        seen.releases.sort_by(|one, other| other.since.cmp(&one.since).then_with(|| other.name.cmp(&one.name)));
        seen
    }

    /// The releases that can be switched to, the newest first.
    pub(super) fn whole(&self) -> impl Iterator<Item = &Release> {
        self.releases.iter().filter(|release| release.state == "whole")
    }

    /// Remarks for a person.
    pub(super) fn notes(&self, target: &Target) -> Vec<String> {
        let mut notes = Vec::new();
        if self.dangling {
            let leads = self.leads.as_deref().unwrap_or("?");
            notes.push(format!("{} of {} leads to {leads}, and nothing is there", target.link, target.place()));
        }
        if self.odd > 0 {
            notes.push(format!(
                "{} in {} of {} have names with other characters than letters, digits and . _ -, and are not looked at",
                self.odd,
                target.releases,
                target.place()
            ));
        }
        notes
    }
}

fn release_of(text: &str) -> Option<Release> {
    let mut words = text.splitn(3, ' ');
    let (since, state, name) = (words.next()?, words.next()?, words.next()?);
    Some(Release { name: name.to_owned(), since: since.parse().ok()?, state: state.to_owned() })
}

/// What became of a look, where it brought nothing.
pub(super) fn told(error: CommandError) -> ReleaseError {
    match error {
        CommandError::Invalid(why) => ReleaseError::Invalid(why),
        CommandError::Unreachable(why) | CommandError::Lost(why) => ReleaseError::Unreachable(why),
    }
}

/// What a script said at its end, for a person.
pub(super) fn last_words(ended: &Ended) -> String {
    let all = format!("{}\n{}", ended.output.stdout.text, ended.output.stderr.text);
    let said = all.lines().map(str::trim).rfind(|line| !line.is_empty());
    said.map_or_else(|| ended.how(), |line| line.chars().take(600).collect())
}
