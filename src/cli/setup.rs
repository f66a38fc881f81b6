//! What a command works with: the settings and the state; where each was said, and what it is where nothing was said. The
//! inventory is in `inventories.rs`, the playbooks are in `books.rs`, the server is in `there/`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::actions::Table;
use crate::client::Client;
use crate::config::{self, Config};
use crate::engine::{FORKS, SystemPeople};
use crate::journal::{SqliteJournal, Store};
use crate::spec::Specs;

use super::args::Global;
use super::brakes;
use super::exit::Exit;
use super::failure::Failure;
use super::files::{named, no_file};
use super::paste::Paste;
use super::screen::Screen;

/// What a command works with.
#[derive(Clone)]
pub struct Setup {
    /// What we write on.
    pub screen: Screen,
    /// How commands are printed.
    pub paste: Paste,
    /// The settings.
    pub config: Config,
    /// The state folder; it may not exist yet.
    pub state: PathBuf,
    /// The journal's file; it may not exist yet.
    pub journal_file: PathBuf,
    /// What steps do.
    pub actions: Table,
    /// How many hosts or other items are worked on at once.
    pub forks: usize,
    /// The server that owns the state, once it was looked for.
    pub(super) server: Arc<OnceLock<Option<Arc<Client>>>>,
    pub(super) global: Global,
}

impl Setup {
    /// Who has which role: as the configuration says at the moment in which somebody asks.
    pub fn people(&self) -> SystemPeople {
        match config::file(self.global.config.as_deref()) {
            Some(file) => SystemPeople::in_file(&self.config.roles, file),
            None => SystemPeople::of(&self.config.roles),
        }
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// When the configuration cannot be read, or nothing says where the state is.
    pub fn of(global: &Global, screen: Screen) -> Result<Self, Failure> {
        if let Some(path) = global.config.as_deref().filter(|path| !path.exists()) {
            return Err(no_file("configuration", path));
        }
        let config = config::load(global.config.as_deref())
            .map_err(|error| Failure::new(Exit::Invalid, error.to_string()).meaning("nothing was started"))?;
        brakes::check(&config)?;
        let state = named(global.state.as_deref()).or_else(|| config.state.clone()).or_else(default_state).ok_or_else(
            || {
                Failure::new(Exit::Usage, "nothing says where the state is: neither HOME nor XDG_STATE_HOME is set")
                    .next("name a folder with --state DIR or $PLAYBOOK_STATE")
            },
        )?;
        let state = std::path::absolute(&state).unwrap_or(state);
        Ok(Self {
            journal_file: journal_file(global, &state),
            screen,
            paste: Paste::of(global),
            forks: config.forks.map_or(FORKS, usize::from),
            config,
            state,
            actions: Table::builtin(),
            server: Arc::default(),
            global: global.clone(),
        })
    }

    /// The flags that another process of this binary needs to act on the same things.
    pub fn flags(&self) -> Vec<std::ffi::OsString> {
        let mut flags: Vec<std::ffi::OsString> = vec!["--state".into(), self.state.clone().into()];
        // Whoever acts for this process acts where it does.
        flags.extend(["--server".into(), super::there::NONE.into()]);
        flags.extend(self.global.inventory.iter().flat_map(|path| ["--inventory".into(), path.clone().into()]));
        flags.extend(self.global.config.iter().flat_map(|path| ["--config".into(), path.clone().into()]));
        flags.extend(self.global.playbooks.iter().flat_map(|path| ["--playbooks".into(), path.clone().into()]));
        flags
    }

    /// The specs of all actions.
    pub fn specs(&self) -> Specs {
        self.actions.told()
    }

    /// What is kept of runs: by the server that owns the state, or in a journal here, which is made where there is none.
    ///
    /// # Errors
    /// When it cannot be opened, or a server is named that cannot be.
    pub fn journal(&self) -> Result<Box<dyn Store>, Failure> {
        Ok(match self.server()? {
            Some(client) => Box::new(super::there::journal(&client)),
            None => Box::new(self.own_journal()?),
        })
    }

    /// The same, if there is one: looking at what is not there must not make it.
    ///
    /// # Errors
    /// As `journal`.
    pub fn existing_journal(&self) -> Result<Option<Box<dyn Store>>, Failure> {
        if self.server()?.is_some() {
            return self.journal().map(Some);
        }
        Ok(self.existing_own_journal()?.map(|journal| Box::new(journal) as Box<dyn Store>))
    }

    /// The journal that this process writes itself.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn own_journal(&self) -> Result<SqliteJournal, Failure> {
        Ok(SqliteJournal::open_file(&self.journal_file)?)
    }

    /// The same, if there is one.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn existing_own_journal(&self) -> Result<Option<SqliteJournal>, Failure> {
        let there = if self.has_moved() { self.journal_file.exists() } else { self.state.exists() };
        if there { self.own_journal().map(Some) } else { Ok(None) }
    }

    /// Whether the journal is not the one of the state folder.
    pub fn has_moved(&self) -> bool {
        self.journal_file != SqliteJournal::file_in(&self.state)
    }

    /// Where runs are written down, for a person.
    pub fn kept_in(&self) -> String {
        match self.server() {
            Ok(Some(client)) => format!("the server at {}", client.address()),
            _ if self.has_moved() => self.journal_file.display().to_string(),
            _ => self.state.display().to_string(),
        }
    }
}

/// The journal's file: the one that was named (or the one in a folder that was named), else that of the state folder.
fn journal_file(global: &Global, state: &Path) -> PathBuf {
    let Some(path) = named(global.journal.as_deref()) else { return SqliteJournal::file_in(state) };
    let path = std::path::absolute(&path).unwrap_or(path);
    if path.is_dir() { SqliteJournal::file_in(&path) } else { path }
}

fn default_state() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("playbook"))
}
