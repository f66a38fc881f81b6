//! Which inventory a command works with, in all of its parts, and what is said of it before anything is done.

use std::path::PathBuf;
use std::sync::Arc;

use super::exit::Exit;
use super::failure::Failure;
use super::files::{named, no_file};
use super::setup::Setup;
use super::text::{Ink, Line};
use crate::inventory::{self, Environment, Inventory};

impl Setup {
    /// Where the inventory is, in all of its parts; nothing where there is none.
    pub fn inventory_files(&self) -> Vec<PathBuf> {
        let typed: Vec<PathBuf> = self.global.inventory.iter().filter_map(|path| named(Some(path))).collect();
        if !typed.is_empty() {
            typed
        } else if !self.config.inventory.is_empty() {
            self.config.inventory.clone()
        } else {
            vec![PathBuf::from("inventory.yaml")].into_iter().filter(|path| path.exists()).collect()
        }
    }

    /// Whether somebody has said where the inventory is: else it merely lies in this folder.
    pub fn has_named_inventory(&self) -> bool {
        !self.global.inventory.is_empty() || !self.config.inventory.is_empty()
    }

    /// The same for a person.
    pub fn inventory_names(&self) -> Option<String> {
        let names: Vec<String> = self.inventory_files().iter().map(|path| path.display().to_string()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The inventory; without one, an empty one of the environment `none`.
    ///
    /// # Errors
    /// When it is named and does not exist, or is invalid.
    pub fn inventory(&self) -> Result<Arc<Inventory>, Failure> {
        let Some(read) = self.read(Environment::Needed)? else {
            return Ok(Arc::new(Inventory { environment: "none".to_owned(), ..Inventory::default() }));
        };
        if !read.notes.is_empty() {
            let notes = super::view::count(read.notes.len(), "note");
            let command = self.paste.command("inventory check --offline");
            let text = format!("the inventory comes with {notes} on what is not taken over: {command}");
            self.screen.say(&[Line::new().with(Ink::Warn, text)]);
        }
        Ok(Arc::new(read.inventory))
    }

    /// The inventory to be looked at, with all that is known of it; nothing where there is none.
    ///
    /// # Errors
    /// When it is named and does not exist, or is invalid.
    pub fn read_inventory(&self) -> Result<Option<inventory::Read>, Failure> {
        self.read(Environment::Open)
    }

    fn read(&self, environment: Environment) -> Result<Option<inventory::Read>, Failure> {
        let files = self.inventory_files();
        let is_file = |path: &&PathBuf| !path.to_string_lossy().starts_with("exec:");
        if let Some(path) = files.iter().filter(is_file).find(|path| !path.exists()) {
            return Err(no_file("inventory", path));
        }
        if files.is_empty() {
            return Ok(None);
        }
        let read = inventory::read(&files, environment);
        read.map(Some).map_err(|error| Failure::new(Exit::Invalid, error.to_string()).meaning("nothing was started"))
    }
}
