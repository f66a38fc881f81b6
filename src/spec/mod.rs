//! What an action says about itself, as data: lint, the planner and `show --action` read it. Also what its read-only
//! look at the target returns. A leaf: it never acts.

mod specs;

pub use specs::{Specs, Told};

use serde::{Deserialize, Serialize};

use crate::value::{Type, Value};

/// How often an action may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It changes nothing.
    Read,
    /// Running it again leads to the same state.
    Idempotent,
    /// The target removes doubles by the key that is sent along.
    Keyed,
    /// A probe says whether it took effect.
    Probed,
    /// It must not run twice and nothing can say whether it ran: a person is asked.
    Once,
}

impl Effect {
    /// The word for it, as playbooks write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Idempotent => "idempotent",
            Self::Keyed => "keyed",
            Self::Probed => "probed",
            Self::Once => "once",
        }
    }

    /// Whether the target is changed at all.
    pub fn changes(self) -> bool {
        self != Effect::Read
    }
}

/// How well a prediction is founded, from worst to best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Nothing is known.
    Unknown,
    /// It rests on an earlier step's prediction.
    Assumed,
    /// The target's facts were read and compared.
    Probed,
    /// The target itself validated the change.
    Proved,
}

/// What reads an input as its program: a value from outside must not become a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// A statement: values go apart from it, as parameters.
    Sql,
    /// An address: what is put behind its beginning has to be encoded.
    Url,
    /// A program and its arguments: an interpreter among them reads a program in turn.
    Command,
    /// Lines for a device's prompt, wherever in the input they stand.
    Lines,
}

/// One input, output or fact of an action.
#[derive(Debug, Clone)]
pub struct FieldSpec {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Inputs: whether it must be given. Outputs and facts: whether it is always there (else it may be null).
    pub required: bool,
    /// Inputs: what it is when it is not given.
    pub default: Option<Value>,
    /// Outputs and facts: whether it keeps its value while nobody acts (roles do; lag, positions and times do not).
    pub stable: bool,
    /// Facts: whether it says whom the step talks to. Another one than in the plan is another target: nothing is changed
    /// there, and nobody can override that.
    pub identity: bool,
    /// Inputs: what reads it as its program, if anything does.
    pub language: Option<Language>,
    /// One line for a person, with the unit.
    pub description: &'static str,
}

impl FieldSpec {
    /// A field that must be given (an input) or is always there (an output or fact), and keeps its value.
    pub fn required(name: &'static str, kind: Type, description: &'static str) -> Self {
        Self { name, kind, required: true, default: None, stable: true, identity: false, language: None, description }
    }

    /// A field that may be absent.
    pub fn optional(name: &'static str, kind: Type, description: &'static str) -> Self {
        Self { name, kind, required: false, default: None, stable: true, identity: false, language: None, description }
    }

    /// The same field with a default.
    #[must_use]
    pub fn or(mut self, default: Value) -> Self {
        self.default = Some(default);
        self.required = false;
        self
    }

    /// The same field, read by something as its program.
    #[must_use]
    pub fn read_as(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// The same field, saying whom the step talks to.
    #[must_use]
    pub fn identity(mut self) -> Self {
        self.identity = true;
        self
    }

    /// The same field, moving by itself.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.stable = false;
        self
    }
}

/// What undoing an action means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoSpec {
    /// There is nothing to undo.
    Nothing,
    /// It cannot be undone, and why.
    Impossible(&'static str),
    /// It puts back what the action recorded before it acted.
    Restores {
        /// How, in one sentence.
        how: &'static str,
        /// Whether it works from what it observes, so that it also covers an attempt whose outcome is unknown.
        from_observation: bool,
    },
}

/// What an action says about itself. `playbook show --action NAME` prints just this.
#[derive(Debug, Clone)]
pub struct ActionSpec {
    /// Its name, for example `postgres.promote`.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// More, in a paragraph or two; may be empty.
    pub details: &'static str,
    /// What it takes.
    pub inputs: Vec<FieldSpec>,
    /// What it gives.
    pub outputs: Vec<FieldSpec>,
    /// What its read-only look at the target gives, for `require` and `verify`.
    pub facts: Vec<FieldSpec>,
    /// How often it may run.
    pub effect: Effect,
    /// The best fidelity that its dry-run can reach.
    pub fidelity: Fidelity,
    /// What its dry-run proves, in one sentence.
    pub proves: &'static str,
    /// What undoing it means.
    pub undo: UndoSpec,
    /// The resource that it changes, with its inputs' names in braces, for example `database/{cluster}`; `None` where it
    /// changes nothing, or nobody can say what (a command).
    pub resource: Option<&'static str>,
    /// How long to wait before probing after an unknown outcome, in seconds.
    pub settle_seconds: f64,
    /// How long one attempt may take where the playbook does not say, in seconds.
    pub timeout_seconds: f64,
    /// Extra inputs beyond `inputs` are taken as they are (environment variables of a command).
    pub open_inputs: bool,
}

impl ActionSpec {
    /// An input by its name.
    pub fn input(&self, name: &str) -> Option<&FieldSpec> {
        self.inputs.iter().find(|field| field.name == name)
    }

    /// An output by its name.
    pub fn output(&self, name: &str) -> Option<&FieldSpec> {
        self.outputs.iter().find(|field| field.name == name)
    }
}

/// One difference that an action would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What is changed, for example `server orders/pg1`.
    pub what: String,
    /// Its state now, or `None` where it does not exist or is not known.
    pub before: Option<String>,
    /// Its state afterwards, or `None` where it will not exist or is not known.
    pub after: Option<String>,
}

/// What a read-only look at the target returns: what is there, and what the action would do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What was read at the target (an object with the names of `ActionSpec::facts`). It is recorded in the intent, and
    /// is what the action's undo works from.
    pub facts: Value,
    /// What would change; empty where nothing would.
    pub changes: Vec<Change>,
    /// The outputs as far as they are known beforehand (an object); a missing one is unknown.
    pub outputs: Value,
    /// How well this is founded.
    pub fidelity: Fidelity,
    /// What the action would refuse to do here and why, if it would: the dry-run shows it as a violation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<String>,
    /// Remarks for a person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Prediction {
    /// Facts were read; nothing else is said yet.
    pub fn probed(facts: Value) -> Self {
        Self {
            facts,
            changes: Vec::new(),
            outputs: Value::Object(serde_json::Map::new()),
            fidelity: Fidelity::Probed,
            refusals: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Nothing could be read, and why.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self {
            facts: Value::Object(serde_json::Map::new()),
            changes: Vec::new(),
            outputs: Value::Object(serde_json::Map::new()),
            fidelity: Fidelity::Unknown,
            refusals: Vec::new(),
            notes: vec![why.into()],
        }
    }
}
