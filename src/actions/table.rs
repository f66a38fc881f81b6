//! The actions that there are, by name. What one says about itself is made when its family is first asked for: most runs
//! need one family of many, and the memory of the rest would be touched for nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::{Action, assert, aws, cli, file, haproxy, http, kubernetes, link, pgbouncer, postgres, release, service};
use super::{shell, ssh, tls, wait};
use crate::spec::{ActionSpec, Specs, Told};

/// The actions that there are, by name. A copy costs nothing.
#[derive(Clone, Default)]
pub struct Table {
    families: Arc<Vec<Family>>,
}

/// What makes the actions of a family.
type Make = fn() -> Vec<Arc<dyn Action>>;

/// The first words of the names of a family, and what makes it.
type Built = (&'static [&'static str], Make);

/// Actions whose names begin alike.
struct Family {
    /// What stands before the first dot of their names; none where only the actions themselves can tell.
    words: &'static [&'static str],
    make: Make,
    made: OnceLock<BTreeMap<&'static str, Arc<dyn Action>>>,
}

/// The built-in families. A name whose first word is missing here is not found: a test holds them to that.
const BUILTIN: &[Built] = &[
    (&["assert"], || vec![Arc::new(assert::Assert)]),
    (&["cli"], || vec![Arc::new(cli::Cli)]),
    (&["http", "load"], || vec![Arc::new(http::Http), Arc::new(http::Journey), Arc::new(http::Load)]),
    (&["shell"], || vec![Arc::new(shell::Shell)]),
    (&["ssh"], || vec![Arc::new(ssh::Ssh)]),
    (&["wait"], || vec![Arc::new(wait::Wait)]),
    (&["postgres"], postgres::all),
    (&["haproxy"], haproxy::all),
    (&["file"], file::all),
    (&["pgbouncer"], pgbouncer::all),
    (&["service"], service::all),
    (&["release"], release::all),
    (&["tls"], tls::all),
    (&["link", "route"], link::all),
    (&["k8s"], kubernetes::all),
    (&["ec2", "asg"], aws::all),
];

impl Family {
    fn actions(&self) -> &BTreeMap<&'static str, Arc<dyn Action>> {
        self.made.get_or_init(|| by_name((self.make)()))
    }

    /// Whether it may have an action of which this is what stands before the first dot.
    fn may_have(&self, word: &str) -> bool {
        self.words.is_empty() || self.words.contains(&word)
    }
}

fn by_name(list: Vec<Arc<dyn Action>>) -> BTreeMap<&'static str, Arc<dyn Action>> {
    list.into_iter().map(|action| (action.spec().name, action)).collect()
}

impl Table {
    /// The built-in actions.
    pub fn builtin() -> Self {
        let family = |(words, make): &Built| Family { words, make: *make, made: OnceLock::new() };
        Self { families: Arc::new(BUILTIN.iter().map(family).collect()) }
    }

    /// A table of the given actions.
    pub fn of(list: Vec<Arc<dyn Action>>) -> Self {
        let family = Family { words: &[], make: Vec::new, made: OnceLock::from(by_name(list)) };
        Self { families: Arc::new(vec![family]) }
    }

    /// An action by its name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Action>> {
        let word = name.split('.').next().unwrap_or(name);
        self.families.iter().filter(|family| family.may_have(word)).find_map(|family| family.actions().get(name))
    }

    /// What all actions say about themselves, by name.
    pub fn specs(&self) -> impl Iterator<Item = &ActionSpec> {
        self.all().into_values().map(|action| action.spec())
    }

    /// The same for whoever asks for a few of them by name.
    pub fn told(&self) -> Specs {
        Specs::told_by(Arc::new(self.clone()))
    }

    /// The first words of the families that were asked for.
    #[cfg(test)]
    pub(crate) fn made(&self) -> Vec<&'static str> {
        let made = self.families.iter().filter(|family| family.made.get().is_some());
        made.flat_map(|family| family.words).copied().collect()
    }

    fn all(&self) -> BTreeMap<&'static str, &Arc<dyn Action>> {
        self.families.iter().flat_map(|family| family.actions()).map(|(name, action)| (*name, action)).collect()
    }
}

impl Told for Table {
    fn spec(&self, name: &str) -> Option<&ActionSpec> {
        self.get(name).map(|action| action.spec())
    }

    fn names(&self) -> Vec<&'static str> {
        self.all().into_keys().collect()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_the_first_word_of_its_name() {
        let table = Table::builtin();
        for family in table.families.iter() {
            for name in family.actions().keys() {
                assert!(table.get(name).is_some_and(|action| action.spec().name == *name), "{name}");
            }
        }
        assert!(table.get("postgres").is_none() && table.get("nothing.at_all").is_none() && table.get("").is_none());
        let names = table.told().names().collect::<Vec<_>>();
        assert!(names.is_sorted() && names.contains(&"asg.scale") && names.contains(&"route.switch"), "{names:?}");
    }

    #[test]
    fn one_family_is_made_for_one_name() {
        let table = Table::builtin();
        assert!(table.told().get("postgres.promote").is_some());
        assert_eq!(table.made(), ["postgres"]);
    }
}
