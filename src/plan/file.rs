//! A plan on its way from the person who looked at it to the run that is held to it: one text, whose first line has the
//! digest of all that follows. Pure: it neither reads nor writes a file, and it knows the time only as it is told.
//!
//! The digest finds what was changed by hand or cut off on the way. It is no signature: who can write the file can also
//! compute a digest.

use serde::{Deserialize, Serialize};

use super::{Plan, digest};
use crate::ids::Digest;
use crate::playbook::Playbook;
use crate::spec::Specs;

/// The form of the file that this version writes and reads.
const FORMAT: &str = "playbook-plan/1";

/// How long a plan may be used where nobody says otherwise, in seconds.
pub const DEFAULT_MAX_AGE: f64 = 3600.0;

/// How much the clocks of two machines may differ, in seconds.
const CLOCKS: f64 = 120.0;

/// A plan with what it is held to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// The form of the file.
    pub format: String,
    /// The version of `playbook` that made it.
    pub tool: String,
    /// When, in milliseconds since 1970.
    pub made_at: i64,
    /// The same for people.
    pub made: String,
    /// How long it may be used, in seconds.
    pub max_age_seconds: f64,
    /// The digest of the inventory.
    pub inventory: Digest,
    /// The digest of what the actions that are used say about themselves.
    pub actions: Digest,
    /// The plan.
    pub plan: Plan,
}

/// Why a plan file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanFileError {
    /// It does not begin as one.
    #[error("it is no plan: `playbook plan NAME -o FILE` writes one")]
    NoPlan,
    /// The content is not what the digest says.
    #[error("it was changed after it was made, or not wholly copied: its digest does not fit its content")]
    Tampered,
    /// Another version made it.
    #[error("it was made by playbook {by}, and this is {here}: the two may not mean the same")]
    OtherVersion {
        /// Which.
        by: String,
        /// This one.
        here: String,
    },
    /// The actions say something else about themselves than when it was made.
    #[error("it was made by another build of playbook, whose actions are not the same as this one's")]
    OtherActions,
    /// It was made for another environment.
    #[error("it was made for the environment `{was}`, and this inventory is `{is}`")]
    OtherEnvironment {
        /// Its own.
        was: String,
        /// The one here.
        is: String,
    },
    /// It was made with another inventory.
    #[error("it was made with another inventory, or the inventory was changed since")]
    OtherInventory,
    /// It is too old.
    #[error("it was made {age:.0} s ago, and may be used for {most:.0} s")]
    TooOld {
        /// How old it is, in whole seconds.
        age: u64,
        /// How old it may be.
        most: u64,
    },
    /// It comes from the future.
    #[error("it was made {ahead} s in the future: one of the two clocks is wrong")]
    Future {
        /// By how much, in whole seconds.
        ahead: u64,
    },
}

/// What a file's content must fit.
#[derive(Debug, Clone)]
pub struct Here<'a> {
    /// The version of this binary.
    pub tool: &'a str,
    /// The environment of the inventory.
    pub environment: &'a str,
    /// The digest of the inventory.
    pub inventory: &'a Digest,
    /// What the actions of this binary say about themselves.
    pub specs: &'a Specs,
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// How old a plan may be, where a person says so; else the file says it.
    pub max_age: Option<f64>,
}

/// The digest of what the actions of a playbook say about themselves.
fn of_actions(playbook: &Playbook, specs: &Specs) -> Digest {
    digest::of_specs(playbook.steps.iter().filter_map(|step| specs.get(&step.action)))
}

impl PlanFile {
    /// A file of a plan that was made here and now. `made` is the time for people.
    pub fn new(plan: Plan, here: &Here<'_>, made: String) -> Self {
        Self {
            format: FORMAT.to_owned(),
            tool: here.tool.to_owned(),
            made_at: here.now,
            made,
            max_age_seconds: here.max_age.unwrap_or(DEFAULT_MAX_AGE),
            inventory: here.inventory.clone(),
            actions: of_actions(&plan.playbook, here.specs),
            plan,
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When a value of the plan cannot be written as JSON.
    pub fn write(&self) -> Result<String, serde_json::Error> {
        let content = serde_json::to_string_pretty(self)?;
        let rest = content.strip_prefix('{').unwrap_or(&content);
        Ok(format!("{{\"digest\": \"{}\",{rest}\n", Digest::of(rest.trim_end().as_bytes())))
    }

    /// Reads a file's text and holds it to its digest and version.
    ///
    /// # Errors
    /// When it is no plan of this version, or was changed.
    pub fn read(text: &str, tool: &str) -> Result<Self, PlanFileError> {
        let (digest, rest) = text
            .strip_prefix("{\"digest\": \"")
            .and_then(|text| text.split_once("\","))
            .ok_or(PlanFileError::NoPlan)?;
        let digest: Digest = digest.parse().map_err(|_| PlanFileError::Tampered)?;
        let rest = rest.trim_end();
        if Digest::of(rest.as_bytes()) != digest {
            return Err(PlanFileError::Tampered);
        }
        // Who made it is asked before the rest is read: another version's plan may have another form.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            tool: String,
        }
        let content = format!("{{{rest}");
        let head: Head = serde_json::from_str(&content).map_err(|_| PlanFileError::NoPlan)?;
        let other = PlanFileError::OtherVersion { by: head.tool.clone(), here: tool.to_owned() };
        if head.format != FORMAT || head.tool != tool {
            return Err(other);
        }
        serde_json::from_str(&content).map_err(|_| other)
    }

    /// Holds it to this place and time.
    ///
    /// # Errors
    /// When it was made for another one, or is too old.
    pub fn check(&self, here: &Here<'_>) -> Result<(), PlanFileError> {
        if self.actions != of_actions(&self.plan.playbook, here.specs) {
            return Err(PlanFileError::OtherActions);
        }
        if self.plan.environment != here.environment {
            let was = self.plan.environment.clone();
            return Err(PlanFileError::OtherEnvironment { was, is: here.environment.to_owned() });
        }
        if &self.inventory != here.inventory {
            return Err(PlanFileError::OtherInventory);
        }
        let age = (here.now - self.made_at) as f64 / 1000.0;
        let most = here.max_age.unwrap_or(self.max_age_seconds);
        if age < -CLOCKS {
            return Err(PlanFileError::Future { ahead: -age as u64 });
        }
        if age > most {
            return Err(PlanFileError::TooOld { age: age as u64, most: most as u64 });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn file(now: i64) -> (PlanFile, Digest, Specs) {
        let text = "name: p\nversion: 1.0.0\ntitle: t\nsteps:\n  - { id: one, run: 'true', effect: read }\n";
        let specs = Specs::of(&[crate::spec::ActionSpec {
            name: "shell",
            summary: "",
            details: "",
            inputs: vec![crate::spec::FieldSpec::optional("script", crate::value::Type::String, "")],
            outputs: vec![],
            facts: vec![],
            effect: crate::spec::Effect::Once,
            fidelity: crate::spec::Fidelity::Unknown,
            proves: "",
            undo: crate::spec::UndoSpec::Nothing,
            resource: None,
            settle_seconds: 0.0,
            timeout_seconds: 1.0,
            open_inputs: true,
        }]);
        let loaded = crate::playbook::load(&crate::diagnostic::Source::new("p.yaml", text), &specs);
        let book = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let mut planner = super::super::Planner::new(book, json!({}), "lab", &specs);
        while planner.look_up().unwrap().is_some() {
            planner.answer(crate::spec::Prediction::unknown("no"));
        }
        let inventory = Digest::of(b"inventory");
        let plan = planner.finish();
        let here =
            Here { tool: "1", environment: "lab", inventory: &inventory, specs: &specs, now, max_age: Some(60.0) };
        (PlanFile::new(plan, &here, "now".to_owned()), inventory.clone(), specs)
    }

    #[test]
    fn a_file_is_read_back_as_it_was_written() {
        let (file, ..) = file(1000);
        assert_eq!(PlanFile::read(&file.write().unwrap(), "1").unwrap(), file);
    }

    #[test]
    fn every_changed_byte_is_found() {
        let (file, ..) = file(1000);
        let text = file.write().unwrap();
        for at in (0..text.trim_end().len()).step_by(7) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(PlanFile::read(&changed, "1").is_err(), "byte {at}");
        }
        assert_eq!(PlanFile::read(&text[..text.len() / 2], "1"), Err(PlanFileError::Tampered));
        assert_eq!(PlanFile::read("{}", "1"), Err(PlanFileError::NoPlan));
    }

    #[test]
    fn another_version_is_named() {
        let (file, ..) = file(1000);
        let error = PlanFile::read(&file.write().unwrap(), "2").unwrap_err();
        assert_eq!(error, PlanFileError::OtherVersion { by: "1".to_owned(), here: "2".to_owned() });
    }

    #[test]
    fn it_is_held_to_its_place_and_time() {
        let (file, inventory, specs) = file(1_000_000);
        let other = Digest::of(b"other");
        let here =
            Here { tool: "1", environment: "lab", inventory: &inventory, specs: &specs, now: 1_050_000, max_age: None };
        assert_eq!(file.check(&here), Ok(()));
        let none = Specs::default();
        for (here, word) in [
            (Here { environment: "production", ..here.clone() }, "`production`"),
            (Here { inventory: &other, ..here.clone() }, "another inventory"),
            (Here { specs: &none, ..here.clone() }, "another build"),
            (Here { now: 1_061_000, ..here.clone() }, "61 s ago"),
            (Here { max_age: Some(10.0), ..here.clone() }, "for 10 s"),
            (Here { now: 0, ..here.clone() }, "in the future"),
        ] {
            let error = file.check(&here).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(file.check(&Here { now: 1_061_000, max_age: Some(100.0), ..here }), Ok(()), "a person may say more");
    }
}
