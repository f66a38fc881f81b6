//! What a command works with: the settings, the state, the inventory, the playbooks; where each was said, and what it is
//! where nothing was said.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::actions::Table;
use crate::catalog::{Catalog, CatalogError, Shelf};
use crate::client::Client;
use crate::config::{self, Config};
use crate::diagnostic::{Severity, Source};
use crate::engine::{FORKS, SystemPeople};
use crate::inventory::Inventory;
use crate::journal::{SqliteJournal, Store};
use crate::plan::Narrowing;
use crate::playbook::{self, Loaded, Playbook};
use crate::spec::Specs;
use crate::value::Value;

use super::args::Global;
use super::brakes;
use super::exit::Exit;
use super::failure::Failure;
use super::paste::Paste;
use super::screen::Screen;
use super::text::{Ink, Line};
use super::view::faults;

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

/// A playbook and what it is told.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The playbook.
    pub playbook: Playbook,
    /// Its inputs, bound.
    pub inputs: Value,
    /// What it is narrowed to.
    pub narrowing: Narrowing,
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

    /// The folders of playbooks.
    pub fn folders(&self) -> Vec<PathBuf> {
        let typed: Vec<PathBuf> = self.global.playbooks.iter().filter_map(|path| named(Some(path))).collect();
        if !typed.is_empty() {
            typed
        } else if !self.config.playbooks.is_empty() {
            self.config.playbooks.clone()
        } else {
            vec![PathBuf::from("playbooks")]
        }
    }

    /// Where playbooks lie.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.folders())
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

    /// The text of a playbook, by its name or file.
    ///
    /// # Errors
    /// When there is none; names like it are said.
    pub fn source(&self, name: &str) -> Result<Arc<Source>, Failure> {
        if is_file_name(name) {
            return read(Path::new(name), "playbook");
        }
        let catalog = self.catalog();
        let entries = catalog.list();
        let (bare, version) = name.split_once('@').map_or((name, None), |(name, version)| (name, Some(version)));
        if entries.iter().any(|entry| entry.name == bare) {
            return catalog.find(name).map_err(|error| match error {
                CatalogError::NoSuchVersion { .. } => Failure::new(Exit::NotFound, error.to_string())
                    .next(format!("playbook show {} --versions", super::paste::quote(bare))),
                _ => Failure::new(Exit::Invalid, error.to_string()),
            });
        }
        let name = if version.is_some() { bare } else { name };
        let folders: Vec<String> = self.folders().iter().map(|path| path.display().to_string()).collect();
        let failure = Failure::new(Exit::NotFound, format!("there is no playbook `{name}` in {}", folders.join(", ")));
        let near = nearest(name, entries.iter().map(|entry| entry.name.as_str()));
        let failure = match near.as_slice() {
            [] => failure,
            near => failure.meaning(format!("names like it: {}", near.join(", "))),
        };
        Err(failure.next("playbook list     (all that there are)"))
    }

    /// Where the playbooks are looked up that one of this file nests: beside it, then in the catalog; as the locks of both
    /// pin them.
    pub fn shelf(&self, file: &str) -> Shelf {
        let folder = match Path::new(file).parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let mut locked = vec![folder.clone()];
        locked.extend(self.folders().into_iter().filter(|other| other != &folder));
        Shelf::new(self.catalog().beside(folder), self.specs(), locked)
    }

    /// Reads a playbook with those that it nests. With a day, also whether its review is due.
    pub fn load(&self, source: &Arc<Source>, today: Option<jiff::civil::Date>) -> Loaded {
        self.load_from(source, today, &self.shelf(&source.name))
    }

    /// The same, where the nested ones are looked up on a shelf.
    pub fn load_from(&self, source: &Arc<Source>, today: Option<jiff::civil::Date>, shelf: &Shelf) -> Loaded {
        let mut loaded = match today {
            Some(today) => playbook::load_as_of(source, &self.specs(), today),
            None => playbook::load(source, &self.specs()),
        };
        // A copy of thousands of steps, for nothing, where none is nested.
        let nests = |book: &Playbook| book.groups.iter().any(|group| group.nested().is_some());
        if loaded.playbook.as_ref().is_some_and(nests)
            && let Some(book) = loaded.playbook.take()
        {
            let inlined = playbook::inline(&book, source, shelf);
            loaded.playbook = inlined.playbook;
            loaded.diagnostics.extend(inlined.diagnostics);
            loaded.diagnostics.sort_by_key(|fault| (fault.span.start, fault.span.end));
        }
        loaded
    }

    /// A playbook that has passed lint; its warnings are shown.
    ///
    /// # Errors
    /// When there is none, or it has faults: all of them, with their places.
    pub fn playbook(&self, name: &str) -> Result<Playbook, Failure> {
        let source = self.source(name)?;
        let loaded = self.load(&source, None);
        let (errors, warnings): (Vec<_>, Vec<_>) =
            loaded.diagnostics.into_iter().partition(|fault| fault.severity == Severity::Error);
        if let (Some(playbook), true) = (loaded.playbook, errors.is_empty()) {
            warnings.iter().for_each(|warning| self.screen.say(&faults::lines(warning, &self.screen.err)));
            return Ok(playbook);
        }
        let what = format!("{} cannot be run: {}", source.name, faults::count(&errors));
        Err(Failure::of_faults(what, errors).meaning("nothing was started"))
    }

    /// A playbook with its inputs; a slip in a variable that was to give one is said.
    ///
    /// # Errors
    /// When the playbook or an input is invalid.
    pub fn chosen(&self, name: &str, typed: &[String], file: Option<&Path>) -> Result<Chosen, Failure> {
        self.bound(self.playbook(name)?, name, (typed, file), None)
    }

    /// The same for what acts on the targets of the inventory, which comes with it: inputs that name things of it name such
    /// as are there.
    ///
    /// # Errors
    /// When the playbook, the inventory or an input is invalid.
    pub fn chosen_here(
        &self,
        name: &str,
        typed: &[String],
        file: Option<&Path>,
    ) -> Result<(Chosen, Arc<Inventory>), Failure> {
        let playbook = self.playbook(name)?;
        let inventory = self.inventory()?;
        let chosen = self.bound(playbook, name, (typed, file), Some(&inventory))?;
        super::inputs::hold_names(&chosen.playbook, &chosen.inputs, &inventory)?;
        Ok((chosen, inventory))
    }

    /// Binds the inputs; what is missing is named with what the inventory has of it.
    ///
    /// # Errors
    /// When an input is invalid.
    pub fn bound(
        &self,
        playbook: Playbook,
        name: &str,
        (typed, file): (&[String], Option<&Path>),
        inventory: Option<&Inventory>,
    ) -> Result<Chosen, Failure> {
        let (inputs, warnings) = super::inputs::bind(&playbook, name, (typed, file), inventory)?;
        let lines = warnings.into_iter().map(|text| Line::new().with(Ink::Warn, format!("warning: {text}")));
        self.screen.warn(&lines.collect::<Vec<_>>());
        Ok(Chosen { playbook, inputs, narrowing: Narrowing::default() })
    }
}

/// A path that was really named: an empty variable names nothing.
pub(super) fn named(path: Option<&Path>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty()).map(Path::to_path_buf)
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

/// Whether a word names a file and not a playbook of the catalog.
pub fn is_file_name(name: &str) -> bool {
    name.contains('/') || [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
}

pub(super) fn no_file(kind: &str, path: &Path) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("there is no {kind} at {}", path.display()))
        .meaning("nothing was started");
    match files_like(path).as_slice() {
        [] => failure,
        near => failure.next(format!("files like it: {}", near.join(", "))),
    }
}

/// The files beside a path that somebody may have meant.
fn files_like(path: &Path) -> Vec<String> {
    let Some(name) = path.file_name() else { return Vec::new() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let names: Vec<String> = files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let near = nearest(&name.to_string_lossy(), names.iter().map(String::as_str));
    near.into_iter().map(|name| path.with_file_name(name).display().to_string()).collect()
}

/// A text file as a source.
///
/// # Errors
/// When it does not exist, cannot be read, or is no text.
pub fn read(path: &Path, kind: &str) -> Result<Arc<Source>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(no_file(kind, path)),
        Err(error) => {
            let what = format!("the {kind} {} cannot be read: {error}", path.display());
            Err(Failure::new(Exit::Invalid, what).meaning("nothing was started"))
        }
    }
}

/// The names that somebody may have meant, the likeliest first.
pub fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut near: Vec<(f64, &str)> = all
        .map(|other| {
            let part = if name.len() >= 3 && (other.contains(name) || name.contains(other)) { 0.3 } else { 0.0 };
            // In short words a single slip of the fingers leaves little that is alike: slips are counted as well.
            let longest = name.chars().count().max(other.chars().count());
            let slips = strsim::damerau_levenshtein(name, other);
            let slip = if slips <= 1 + longest / 4 && slips * 2 <= longest { 0.76 } else { 0.0 };
            (strsim::jaro_winkler(name, other).max(slip) + part, other)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.into_iter().take(3).map(|(_, other)| other.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let all = ["db-failover", "link-failover", "scale-out"];
        assert_eq!(nearest("db-failver", all.into_iter()), ["db-failover"]);
        assert_eq!(nearest("failover", all.into_iter()).len(), 2);
        assert!(nearest("zzz", all.into_iter()).is_empty());
        assert_eq!(nearest("oen", ["one", "two"].into_iter()), ["one"]);
        assert_eq!(nearest("rnu", ["run", "show", "plan"].into_iter()), ["run"]);
    }

    #[test]
    fn a_file_with_another_ending_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("inp.yaml"), "").unwrap();
        let meant = folder.path().join("inp.yaml").display().to_string();
        assert_eq!(files_like(&folder.path().join("inp.yml")), [meant]);
        assert!(files_like(&folder.path().join("other.txt")).is_empty());
    }
}
