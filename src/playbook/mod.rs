//! Document → Playbook: the types of a playbook, its expressions and templates, and lint. Pure: it never reads a file and
//! never looks at a target; actions are known to it as `ActionSpec`s alone.

mod amount;
mod arguments;
mod batch;
#[cfg(test)]
mod batch_tests;
mod bind;
#[cfg(test)]
mod bind_tests;
mod brakes;
mod cel;
mod check;
mod command;
mod convert;
#[cfg(test)]
mod counts;
mod difference;
mod effect;
mod evaluate;
#[cfg(test)]
mod evaluate_tests;
mod faults;
mod format;
mod given;
#[cfg(test)]
mod group_tests;
mod groups;
mod head;
mod hosts;
mod idle;
mod index;
mod inline;
mod inputs;
#[cfg(test)]
mod large_tests;
mod level;
mod lint;
mod load;
#[cfg(test)]
mod load_tests;
mod locks;
mod model;
mod names;
mod order;
mod outside;
mod pages;
mod pattern;
mod places;
mod plain;
mod reader;
mod recovers;
mod refer;
mod review;
mod said;
mod schema;
mod secret_places;
mod secrets;
mod sensitive;
mod signatures;
mod skeleton;
mod splice;
mod splice_rules;
mod step;
mod template;
mod triggers;
mod undo;
mod unreachable;
mod walk;
mod words;

pub use amount::{Amount, Percent};
pub use arguments::{ArgumentError, complete_arguments};
pub use batch::{OnItemFailure, Unreachable};
pub use bind::{InputError, bind_inputs, bind_nested, read_inputs};
pub use brakes::{Approval, Budget, Check, CheckKind, OnTimeout, roles_of};
pub use difference::{Difference, Field, How, Part, differences};
pub use evaluate::{EvaluateError, Scope, Truth, compute, decide_condition, explain, render, resolve_arguments};
pub use format::format;
pub use given::{Given, GivenBy};
pub use groups::{Child, Each, Group, GroupKind, Nested};
pub use head::{Head, read_head};
pub use hosts::{List, pattern_of};
pub use inline::{Differs, Found, Library, NotFound, inline};
pub(crate) use load::is_playbook_name;
pub use load::{Loaded, Today, load, load_as_of};
pub use model::*;
pub use outside::{check_outside, fill_outside};
pub use pages::{Page, page, pages};
pub use places::Places;
pub use recovers::{Recovered, Recovers, moment};
pub use refer::Reference;
pub use said::{named_in, said_by};
pub use schema::schema;
pub use secret_places::{SecretUse, fill_secrets, secrets_named};
pub use skeleton::skeleton;
pub use triggers::{TriggeredMode, Triggers};
