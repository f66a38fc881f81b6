//! The brakes that hold a run back, as data: what each is, and that a named person may pass it. A brake that does not bind is
//! not passed, so that nobody's timeline tells of an exception that was none. What may never be passed has no row here: a
//! wrong identity at the target, a second writer, a journal that cannot be written.

use crate::config::Config;
use crate::engine::{People, SystemPeople, this_person};
use crate::journal::{RUN_LIMIT, RunLimit};
use crate::playbook::{CheckKind, GroupKind, Playbook};
use crate::run::{BUDGETS, INVARIANTS};

use super::exit::Exit;
use super::failure::Failure;
use super::paste::quote;

/// A brake.
pub struct Brake {
    /// The word for it after `--override`.
    pub name: &'static str,
    /// What it holds back.
    pub what: &'static str,
}

/// A production inventory whose state is this machine's alone.
pub const SHARED_STATE: &str = "shared-state";
/// A freeze window.
pub const FREEZE: &str = "freeze";
/// A fresh plan that has to be there.
pub const REQUIRED_PLAN: &str = "required-plan";
/// A halt, for the undo of one run. It is passed by `rollback --despite-halt`.
pub const HALT: &str = "halt";

/// The most targets that a playbook may touch.
pub const MAX_TARGETS: &str = "max-targets";

/// The brakes that `run --override` passes.
pub const BRAKES: [Brake; 7] = [
    Brake {
        name: SHARED_STATE,
        what: "a production inventory whose state is this machine's alone, not that of a `playbook serve`",
    },
    Brake { name: FREEZE, what: "a freeze window of the configuration" },
    Brake { name: REQUIRED_PLAN, what: "a fresh plan, where the configuration requires one" },
    Brake { name: MAX_TARGETS, what: "more targets than the playbook's `max_targets` allows" },
    Brake { name: INVARIANTS, what: "an invariant that does not hold: it is told, and the run goes on" },
    Brake { name: BUDGETS, what: "a budget of time that is exceeded: it is told, and the run goes on" },
    Brake { name: RUN_LIMIT, what: "as many runs on a resource as the configuration allows in a window" },
];

/// How often runs may begin, as the configuration says.
pub fn limits(config: &Config) -> Vec<RunLimit> {
    let of = |limit: &crate::config::Limit| RunLimit {
        playbook: Some(limit.playbook.clone()).filter(|name| name != "*"),
        runs: limit.runs,
        seconds: limit.seconds(),
    };
    config.limits.iter().map(of).collect()
}

/// The brakes that a person wants to pass, and those that were really in the way.
#[derive(Debug)]
pub struct Passes {
    /// Each with its reason.
    wanted: Vec<(String, String)>,
    /// The reason that was given at all.
    reason: String,
    passed: Vec<(String, String)>,
    /// Who wants to pass them; whoever this process belongs to, where nobody is named. Looked up once, and only where a brake is
    /// in the way that not everybody may pass.
    by: Option<String>,
}

/// What a brake says to somebody who wants to go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is passed: the name and the reason go into the timeline.
    Passed,
    /// It holds, and this passes it.
    Holds,
    /// It holds, and this person may not pass it.
    NotYours(String),
}

impl Passes {
    /// The brakes that were named.
    ///
    /// # Errors
    /// When one does not exist, or there is no reason.
    pub fn of(wanted: &[String], reason: Option<&str>) -> Result<Self, Failure> {
        let reason = reason.unwrap_or_default().to_owned();
        let wanted: Vec<_> = wanted.iter().map(|name| (name.clone(), reason.clone())).collect();
        Ok(Self { reason, ..Self::new(&wanted, None)? })
    }

    /// The same for somebody who is named, each brake with a reason of its own.
    ///
    /// # Errors
    /// When one does not exist, or has no reason.
    pub fn by(wanted: &[(String, String)], by: &str) -> Result<Self, Failure> {
        Self::new(wanted, Some(by.to_owned()))
    }

    fn new(wanted: &[(String, String)], by: Option<String>) -> Result<Self, Failure> {
        if wanted.iter().any(|(_, reason)| reason.trim().is_empty()) {
            return Err(Failure::new(Exit::Usage, "a brake is passed with a reason: --reason TEXT"));
        }
        for (name, _) in wanted {
            if !BRAKES.iter().any(|brake| brake.name == name) {
                let known: Vec<String> =
                    BRAKES.iter().map(|brake| format!("{} ({})", brake.name, brake.what)).collect();
                let what = format!("there is no brake `{name}`; there is: {}", known.join("; "));
                return Err(Failure::new(Exit::Usage, what).meaning("nothing was started"));
            }
        }
        Ok(Self { wanted: wanted.to_vec(), reason: String::new(), passed: Vec::new(), by })
    }

    /// A brake is in the way: whether it is passed.
    pub fn pass(&mut self, config: &Config, name: &str) -> Answer {
        // Who it is matters only where not everybody may.
        if config.overrides.contains_key(name) {
            let by = self.by.get_or_insert_with(this_person);
            if let Err(why) = may_pass(config, by, name) {
                return Answer::NotYours(why);
            }
        }
        let Some(wanted) = self.wanted.iter().find(|(wanted, _)| wanted == name) else { return Answer::Holds };
        if !self.passed.iter().any(|(passed, _)| passed == name) {
            self.passed.push(wanted.clone());
        }
        Answer::Passed
    }

    /// Passes those brakes of a playbook itself that were named and that it has.
    ///
    /// # Errors
    /// When this person may not.
    pub fn pass_own(&mut self, config: &Config, book: &mut Playbook) -> Result<(), Failure> {
        for (name, there) in own(book) {
            if !there || !self.wants(name) {
                continue;
            }
            if let Answer::NotYours(why) = self.pass(config, name) {
                return Err(Failure::new(Exit::NotAllowed, why).meaning("nothing was started or changed"));
            }
            if name == MAX_TARGETS {
                unbounded(book);
            }
        }
        Ok(())
    }

    /// Those that were in the way and passed, each with the reason.
    pub fn passed(&self) -> Vec<(String, String)> {
        self.passed.clone()
    }

    /// Those that were passed before the plan was made count on.
    #[must_use]
    pub fn after(self, passed: Vec<(String, String)>) -> Self {
        Self { passed, ..self }
    }

    fn wants(&self, name: &str) -> bool {
        self.wanted.iter().any(|(wanted, _)| wanted == name)
    }

    /// Whether a brake was in the way and is passed.
    pub fn has_passed(&self, name: &str) -> bool {
        self.passed.iter().any(|(passed, _)| passed == name)
    }

    /// What is to be added to a command, so that it passes these.
    pub fn words(&self, names: &[&str]) -> String {
        let missing = names.iter().filter(|name| !self.wants(name));
        let mut words: String = missing.map(|name| format!(" --override {}", quote(name))).collect();
        if !words.is_empty() && self.reason.trim().is_empty() {
            words.push_str(" --reason \"…\"");
        }
        words
    }
}

/// The brakes that a playbook may have of its own, and whether it has.
fn own(book: &Playbook) -> [(&'static str, bool); 3] {
    let each = book.groups.iter().filter_map(|group| group.each());
    let counted = book.max_targets.is_some() || each.clone().any(|each| each.max_targets.is_some());
    let invariant = book.checks.iter().any(|check| check.kind != CheckKind::Identity);
    [(MAX_TARGETS, counted), (INVARIANTS, invariant), (BUDGETS, !book.budgets.is_empty())]
}

/// Takes its bounds from a playbook, as somebody has said that it may touch more.
fn unbounded(book: &mut Playbook) {
    book.max_targets = None;
    for group in &mut book.groups {
        if let GroupKind::Each(each) = &mut group.kind {
            each.max_targets = None;
        }
    }
}

/// Whether somebody may pass a brake: anybody by name, unless the configuration says which roles may.
///
/// # Errors
/// A sentence that says who may.
pub fn may_pass(config: &Config, user: &str, name: &str) -> Result<(), String> {
    let Some(roles) = config.overrides.get(name) else { return Ok(()) };
    let has = SystemPeople::of(&config.roles).roles_of(user);
    if roles.iter().any(|role| has.contains(role)) {
        return Ok(());
    }
    let own = if has.is_empty() { "no role".to_owned() } else { format!("the roles {}", has.join(", ")) };
    Err(match roles.as_slice() {
        [] => format!("the configuration lets nobody pass {name} (`overrides.{name}` is empty)"),
        roles => format!("{name} may be passed by {} alone, and {user} has {own}", roles.join(" or ")),
    })
}

/// A configuration that speaks of brakes which do not exist protects nothing.
///
/// # Errors
/// With the word that is none.
pub fn check(config: &Config) -> Result<(), Failure> {
    let known = || BRAKES.iter().map(|brake| brake.name).chain([HALT]);
    match config.overrides.keys().find(|name| !known().any(|brake| brake == name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let list = known().collect::<Vec<_>>().join(", ");
            let what = format!(
                "the configuration's `overrides` names the brake `{name}`, and there is none; there is: {list}"
            );
            Err(Failure::new(Exit::Invalid, what).meaning("nothing was started"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn only_what_was_in_the_way_is_passed_and_a_role_may_be_asked_for() {
        let mut config = Config::default();
        let wanted = ["freeze".to_owned(), "run-limit".to_owned()];
        let mut passes = Passes::of(&wanted, Some("the primary is down")).unwrap();
        assert_eq!(passes.pass(&config, "freeze"), Answer::Passed);
        assert_eq!(passes.pass(&config, "freeze"), Answer::Passed);
        assert_eq!(passes.pass(&config, "shared-state"), Answer::Holds);
        assert_eq!(passes.passed(), [("freeze".to_owned(), "the primary is down".to_owned())]);
        assert_eq!(passes.words(&["freeze", "shared-state"]), " --override shared-state");
        assert_eq!(Passes::of(&[], None).unwrap().words(&["freeze"]), " --override freeze --reason \"…\"");

        config.roles.insert("ic".to_owned(), Role { users: vec!["no such user".to_owned()], groups: Vec::new() });
        config.overrides.insert("freeze".to_owned(), vec!["ic".to_owned()]);
        config.overrides.insert("run-limit".to_owned(), Vec::new());
        let told = |answer| match answer {
            Answer::NotYours(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(told(passes.pass(&config, "freeze")).contains("by ic alone"));
        assert!(told(passes.pass(&config, "run-limit")).contains("nobody"));
        config.roles.insert("ic".to_owned(), Role { users: vec![this_person()], groups: Vec::new() });
        assert_eq!(passes.pass(&config, "freeze"), Answer::Passed);
    }

    #[test]
    fn a_brake_has_a_name_and_a_reason() {
        assert!(Passes::of(&["nonsense".to_owned()], Some("x")).unwrap_err().what.contains("shared-state"));
        assert!(Passes::of(&["freeze".to_owned()], Some(" ")).unwrap_err().what.contains("reason"));
        let mut config = Config::default();
        config.overrides.insert("freze".to_owned(), Vec::new());
        assert!(check(&config).unwrap_err().what.contains("freze"));
    }
}
