//! Where a server finds what it works on: the same settings, playbooks and inventory as every verb, read anew for each run. What
//! comes over the network is held to the words of the catalog, and none of it is ever a path or a reference.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::told::told;
use crate::catalog::Entry;
use crate::cli::brakes;
use crate::cli::drive::REPEAT_SECONDS;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::verbs::{plan_file, retry};
use crate::cli::{clock, inputs, narrow, runs};
use crate::config::Config;
use crate::engine::{Observer, Parts, People, WallClock};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::SqliteJournal;
use crate::notify;
use crate::plan::{Narrowing, Plan, Which};
use crate::playbook::{Playbook, is_playbook_name};
use crate::server::{House, Problem};
use crate::value::Value;

/// What a server works on.
pub(super) struct Place {
    pub(super) setup: Setup,
}

impl Place {
    /// The same as the command line's, which says nothing of what it reads.
    pub(super) fn of(setup: &Setup) -> Self {
        let mut setup = setup.alone();
        setup.screen.quiet = true;
        setup.screen.asks = false;
        Self { setup }
    }
}

impl Place {
    /// A line in the server's log: its standard error, which nothing silences.
    pub(super) fn log(&self, ink: Ink, text: &str) {
        let line = Line::new().with(Ink::Dim, format!("{} ", clock::now().rfc3339())).with(ink, text);
        self.setup.screen.warn(&[line]);
    }

    /// The journal cannot be used: what the disk said, and where that is, is for the log alone.
    pub(super) fn unusable(&self, failure: Failure) -> Problem {
        if failure.exit != Exit::Journal {
            return told(failure);
        }
        self.log(Ink::Bad, &failure.what);
        let told = told(Failure::new(Exit::Journal, "the server's journal cannot be read or written"));
        told.meaning("nothing was started or changed by this; no run begins a further step without it")
            .next("playbook doctor     (on the server's machine: disk, permissions)")
    }
}

impl House for Place {
    fn journal(&self) -> Result<SqliteJournal, Problem> {
        self.setup.own_journal().map_err(|failure| self.unusable(failure))
    }

    fn config(&self) -> &Config {
        &self.setup.config
    }

    fn people(&self) -> Arc<dyn People> {
        Arc::new(self.setup.people())
    }

    fn playbooks(&self) -> Vec<Entry> {
        self.setup.catalog().list()
    }

    fn playbook(&self, name: &str, version: Option<&str>) -> Result<Playbook, Problem> {
        let fits = |version: &str| version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-".contains(&b));
        if !is_playbook_name(name) || version.is_some_and(|version| version.is_empty() || !fits(version)) {
            let what = "a playbook is named as the catalog has it, with its version beside it: never by a file";
            return Err(told(Failure::new(Exit::Usage, what).next("playbook list     (all that there are)")));
        }
        let name = version.map_or_else(|| name.to_owned(), |version| format!("{name}@{version}"));
        self.setup.playbook(&name).map_err(told)
    }

    fn inventory(&self) -> Result<Arc<Inventory>, Problem> {
        self.setup.inventory().map_err(told)
    }

    fn bind(&self, playbook: &Playbook, inputs: &Map<String, Json>, inventory: &Inventory) -> Result<Value, Problem> {
        inputs::bind_sent(playbook, inputs, inventory).map_err(told)
    }

    fn narrowing(&self, limit: Option<&str>, inventory: &Inventory) -> Result<Narrowing, Problem> {
        if limit.is_some_and(|limit| limit.trim_start().starts_with('@')) {
            let what =
                "a limit names hosts, groups or a pattern of the inventory: a file of them is read by the command line";
            return Err(told(Failure::new(Exit::Usage, what)));
        }
        narrow::limit(limit, inventory).map_err(told)
    }

    fn again(&self, run: &RunId, which: Which) -> Result<(Playbook, Value, Narrowing), Problem> {
        let mut journal = self.journal()?;
        let state = runs::state(&mut journal, run).map_err(told)?;
        runs::inventory(&self.setup, &state).map_err(told)?;
        let (chosen, _) = retry::again(&self.setup, &mut journal, &state, which).map_err(told)?;
        Ok((chosen.playbook, chosen.inputs, chosen.narrowing))
    }

    fn plan_file(&self, plan: &Plan, inventory: &Inventory, max_age: Option<f64>) -> Result<String, Problem> {
        plan_file::text(&self.setup, plan, inventory, max_age).map_err(told)
    }

    fn parts(
        &self,
        inventory: Arc<Inventory>,
        journal: SqliteJournal,
        observer: Arc<dyn Observer>,
        interrupts: tokio::sync::watch::Receiver<u32>,
    ) -> Parts {
        let setup = &self.setup;
        Parts {
            journal: Box::new(journal),
            actions: setup.actions.clone(),
            inventory,
            state: setup.state.clone(),
            observer,
            clock: Arc::new(WallClock),
            pagers: notify::from_config(&setup.config).into_iter().map(Arc::from).collect(),
            people: self.people(),
            limits: brakes::limits(&setup.config),
            repeat_seconds: setup.config.page.as_ref().map_or(REPEAT_SECONDS, |page| page.repeat_seconds),
            interrupts,
            wait: true,
            forks: setup.forks,
        }
    }
}
