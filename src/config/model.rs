//! The configuration file. `docs/configuration.md` explains each word.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::brakes::{Limit, RequirePlan, Role};
use super::client::ServerNamed;
use super::freeze::Freeze;
use super::hooks::{Hook, Trigger};
use super::incidents::IncidentSettings;
use super::notify::Notify;
use super::serve::Serve;

/// The settings of the tool on this machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How a person is called when a run waits for one.
    pub page: Option<Page>,
    /// Who is told what happens in runs.
    pub notify: Vec<Notify>,
    /// Where the inventory is: one file, or several that make it up; relative to this file.
    #[serde(deserialize_with = "one_or_several")]
    pub inventory: Vec<PathBuf>,
    /// Where playbooks lie; relative to this file.
    pub playbooks: Vec<PathBuf>,
    /// The state folder; relative to this file.
    pub state: Option<PathBuf>,
    /// The `playbook serve` that owns the state.
    #[serde(deserialize_with = "super::client::address_or_more")]
    pub server: Option<ServerNamed>,
    /// How `playbook serve` does its work.
    pub serve: Option<Serve>,
    /// How long a plan's file may be used, in seconds; an hour where absent.
    pub max_plan_age_seconds: Option<f64>,
    /// How many hosts or other items are worked on at once, 1 to 1000; 50 where absent.
    pub forks: Option<u16>,
    /// Who has which role.
    pub roles: BTreeMap<String, Role>,
    /// Who may pass a brake, by the brake's name; anybody by name where it is not there.
    pub overrides: BTreeMap<String, Vec<String>>,
    /// When nothing is started.
    pub freeze: Vec<Freeze>,
    /// How often runs may begin on one resource.
    pub limits: Vec<Limit>,
    /// Where a run is started with a fresh plan alone.
    pub require_plan: Option<RequirePlan>,
    /// How incidents are classified, and who owns a new one.
    pub incidents: IncidentSettings,
    /// Who may send alerts, by the name in their address.
    pub hooks: BTreeMap<String, Hook>,
    /// Which playbook an alert asks for: the first that fits.
    pub triggers: Vec<Trigger>,
}

/// How a person is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// A command (an argument list, no shell). It gets the text on standard input, and in its environment PLAYBOOK_RUN,
    /// PLAYBOOK_NAME, PLAYBOOK_STEP and PLAYBOOK_QUESTION.
    #[serde(default)]
    pub command: Option<Vec<String>>,
    /// An address that the same is sent to as JSON.
    #[serde(default)]
    pub webhook: Option<String>,
    /// How soon it is repeated while nobody has answered, in seconds.
    #[serde(default = "repeat_seconds")]
    pub repeat_seconds: f64,
}

fn repeat_seconds() -> f64 {
    300.0
}

/// One path, or a list of them.
fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    struct Paths;
    impl<'de> serde::de::Visitor<'de> for Paths {
        type Value = Vec<PathBuf>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a path, or a list of paths")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![PathBuf::from(text)])
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(list))
        }
    }
    deserializer.deserialize_any(Paths)
}
