//! Which playbook a command works with, what it nests, and what it is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::{self, Catalog, CatalogError, Shelf};
use crate::diagnostic::{Severity, Source};
use crate::inventory::Inventory;
use crate::plan::Narrowing;
use crate::playbook::{self, Loaded, Playbook};
use crate::value::Value;

use super::exit::Exit;
use super::failure::Failure;
use super::files::{named, nearest, read};
use super::setup::Setup;
use super::text::{Ink, Line};
use super::view::faults;

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

    /// The text of a playbook, by its name or file.
    ///
    /// # Errors
    /// When there is none; names like it are said.
    pub fn source(&self, name: &str) -> Result<Arc<Source>, Failure> {
        if is_file_name(name) {
            return read(Path::new(name), "playbook");
        }
        let there = self.catalog();
        let entries = there.list();
        let (bare, version) = catalog::named(name);
        if entries.iter().any(|entry| entry.name == bare) {
            return there.find(name).map_err(|error| match error {
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
    pub fn load(&self, source: &Arc<Source>, today: Option<playbook::Today<'_>>) -> Loaded {
        self.load_from(source, today, &self.shelf(&source.name))
    }

    /// The same, where the nested ones are looked up on a shelf.
    pub fn load_from(&self, source: &Arc<Source>, today: Option<playbook::Today<'_>>, shelf: &Shelf) -> Loaded {
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

/// Whether a word names a file and not a playbook of the catalog.
pub fn is_file_name(name: &str) -> bool {
    name.contains('/') || [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
}
