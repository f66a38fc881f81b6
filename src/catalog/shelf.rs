//! Where nested playbooks are looked up: the catalog, what `playbook.lock` pins, and what was read before.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::{Catalog, Lock, Pin};
use crate::diagnostic::Severity;
use crate::playbook::{Differs, Found, Library, NotFound, load};
use crate::spec::Specs;

/// Nested playbooks by name and version.
pub struct Shelf {
    catalog: Catalog,
    specs: Specs,
    /// The folders whose locks hold; none where what is there now is to be pinned.
    locked: Vec<PathBuf>,
    locks: RefCell<Option<Result<Vec<Lock>, NotFound>>>,
    read: RefCell<HashMap<(String, String), Result<Found, NotFound>>>,
}

impl Shelf {
    /// The playbooks of a catalog, as these folders' locks pin them.
    pub fn new(catalog: Catalog, specs: Specs, locked: Vec<PathBuf>) -> Self {
        Self { catalog, specs, locked, locks: RefCell::default(), read: RefCell::default() }
    }

    /// All that was found so far, as a lock pins it.
    pub fn pins(&self) -> BTreeSet<Pin> {
        let read = self.read.borrow();
        let found = read.values().filter_map(|found| found.as_ref().ok()).map(|found| &found.playbook);
        found
            .map(|book| Pin { name: book.name.clone(), version: book.version.clone(), digest: book.digest.clone() })
            .collect()
    }

    /// What pins a playbook; the lock of an earlier folder goes before that of a later one.
    fn pin(&self, name: &str, version: &str) -> Result<Option<(Lock, Pin)>, NotFound> {
        let mut locks = self.locks.borrow_mut();
        let read = || {
            let read = self.locked.iter().map(|folder| Lock::of_folder(folder));
            let read: Result<Vec<Option<Lock>>, _> = read.collect();
            read.map(|locks| locks.into_iter().flatten().collect()).map_err(|error| NotFound::Lock(error.to_string()))
        };
        let locks: &Vec<Lock> = locks.get_or_insert_with(read).as_ref().map_err(Clone::clone)?;
        Ok(locks.iter().find_map(|lock| Some((lock.clone(), lock.pin(name, version)?.clone()))))
    }

    fn look(&self, name: &str, version: &str) -> Result<Found, NotFound> {
        let pin = self.pin(name, version)?;
        let exact = pin.as_ref().map_or(version, |(_, pin)| pin.version.as_str());
        let source = self.catalog.find(&format!("{name}@{exact}")).map_err(|error| {
            NotFound::Unknown(match &pin {
                Some((lock, pin)) => format!("{} pins `{name}` {}: {error}", lock.path.display(), pin.version),
                None => error.to_string(),
            })
        })?;
        let loaded = load(&source, &self.specs);
        let Some(playbook) = loaded.playbook else {
            let first = loaded.diagnostics.iter().find(|fault| fault.severity == Severity::Error);
            return Err(NotFound::Broken {
                name: name.to_owned(),
                version: exact.to_owned(),
                first: first.map(ToString::to_string).unwrap_or_default(),
                file: source.name.clone(),
            });
        };
        if let Some((lock, pin)) = pin.as_ref().filter(|(_, pin)| pin.digest != playbook.digest) {
            return Err(NotFound::Differs(Box::new(Differs {
                name: name.to_owned(),
                version: pin.version.clone(),
                pinned: pin.digest.clone(),
                there: playbook.digest,
                lock: lock.path.display().to_string(),
                folder: lock.folder().display().to_string(),
            })));
        }
        Ok(Found { playbook: Arc::new(playbook), pinned: pin.is_some() })
    }
}

impl Library for Shelf {
    fn find(&self, name: &str, version: &str) -> Result<Found, NotFound> {
        let key = (name.to_owned(), version.to_owned());
        if let Some(found) = self.read.borrow().get(&key) {
            return found.clone();
        }
        let found = self.look(name, version);
        self.read.borrow_mut().insert(key, found.clone());
        found
    }
}
