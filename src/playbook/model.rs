//! A playbook as the rest of the house sees it. It is written into the journal whole, so a resumed run goes on with what it
//! was started with, whatever became of the file.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::ids::{Digest, StepId};
use crate::spec::Effect;
use crate::value::{Type, Value};

use super::places::Places;
use super::{Approval, Budget, Check, Group, Recovers, Triggers};

/// A playbook that has passed lint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// Its name, as `playbook run NAME` takes it.
    pub name: String,
    /// Its version, for example `1.4.0`.
    pub version: String,
    /// What it does, in a line.
    pub title: String,
    /// More, in prose; may be empty.
    pub description: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// When somebody last went through it (a date).
    pub reviewed: Option<String>,
    /// How often somebody should, in seconds.
    pub review_every: Option<f64>,
    /// The severities that it is meant for.
    pub severity: Vec<String>,
    /// What people see when it is needed.
    pub symptoms: Vec<String>,
    /// The services it recovers.
    pub services: Vec<String>,
    /// How soon the service is to be back, in seconds.
    pub recovery_time: Option<f64>,
    /// What its runs count as: recoveries of what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers: Option<Recovers>,
    /// What an alert, or another machine, may do with it; nothing where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggers: Option<Triggers>,
    /// What it is to be told.
    pub inputs: Vec<InputSpec>,
    /// The resources it holds while it runs.
    pub locks: Vec<Template>,
    /// The most targets that a plan may touch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_targets: Option<u32>,
    /// What must hold: whom a run talks to, and invariants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// How long it may take from one step to another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
    /// What it does, in order: the steps of groups and of nested playbooks stand among the others, where they run.
    pub steps: Vec<Step>,
    /// The groups that steps belong to: `parallel`, `for_each`, nested playbooks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// The digest of the text it was read from, and of the playbooks that are nested in it.
    pub digest: Digest,
    /// Where each step stands.
    #[serde(skip)]
    pub places: Places,
}

/// One input of a playbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// What it is when it is not given; null where it is optional and absent.
    pub default: Option<Value>,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it is a secret: its value here is a reference, which is resolved right before an action gets it.
    #[serde(default)]
    pub sensitive: bool,
    /// A regular expression that the whole text must match.
    pub pattern: Option<String>,
    /// The least value, or length of a text or list.
    pub min: Option<f64>,
    /// The greatest value, or length of a text or list.
    pub max: Option<f64>,
    /// One line for a person.
    pub description: String,
}

/// A CEL expression, by its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expression {
    /// The text.
    pub source: String,
    /// Where it stands in the file.
    pub span: Span,
}

/// A string that may hold `{{…}}`, by its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The text.
    pub source: String,
    /// Where it stands in the file.
    pub span: Span,
}

/// One argument of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Argument {
    /// A value that is what it is.
    Literal(Value),
    /// A string with `{{…}}` in it.
    Template(Template),
    /// `{expr: CEL}`.
    Computed(Expression),
    /// A list, with such things in it.
    List(Vec<Argument>),
    /// A map, with such things in it, in the file's order.
    Map(Vec<(String, Argument)>),
}

/// One step, or one step of a `rollback:` list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// Where it stands in the file.
    pub span: Span,
    /// The group that it belongs to, the innermost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<StepId>,
    /// What it does, for a person; its id where the file says nothing.
    pub title: String,
    /// The action. `run:` and `argv:` are read as `shell`, or `ssh` where `host:` is given.
    pub action: String,
    /// Its arguments, by name.
    pub arguments: Vec<(String, Argument)>,
    /// The action's effect, or what the step says instead (`run:` and `argv:` alone may).
    pub effect: Effect,
    /// It runs only if this holds.
    pub condition: Option<Expression>,
    /// Steps that must be done.
    pub needs: Vec<StepId>,
    /// What must hold before it acts (on a `read` step: of what it read).
    pub require: Vec<Expression>,
    /// What must hold after it is done.
    pub verify: Vec<Verify>,
    /// What decides whether a command that ended did well; exit code 0 where absent.
    pub ok_if: Option<Expression>,
    /// How long one attempt may take, in seconds.
    pub timeout: f64,
    /// Whether a changing remote command is killed at its timeout.
    pub kill_on_timeout: bool,
    /// How often and how soon it is tried again.
    pub retry: Retry,
    /// A read-only step that says whether the effect of a `probed` command is there.
    pub probe: Option<Box<Probe>>,
    /// How long to wait before probing after an unknown outcome, in seconds.
    pub settle: f64,
    /// The key under which the target removes doubles, for `keyed`.
    pub key: Option<Template>,
    /// `covers: partial`: its rollback also puts back what an unknown or half-done attempt left.
    pub covers_partial: bool,
    /// How it is undone.
    pub rollback: Rollback,
    /// The name of the safe state that stands after it.
    pub checkpoint: Option<String>,
    /// What the service is after it.
    pub service: Option<Service>,
    /// Whether the run cannot go back past it by itself.
    pub point_of_no_return: bool,
    /// What happens when it fails; the default depends on the point of no return.
    pub on_failure: Option<OnFailure>,
    /// Outputs that it reads from what its command printed.
    pub outputs: Vec<OutputSpec>,
    /// Who has to say that it may begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Whether all of its outputs live in memory alone.
    #[serde(default, skip_serializing_if = "is_not")]
    pub sensitive: bool,
}

/// A condition that must come true within a time after a step is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verify {
    /// The condition.
    pub expression: Expression,
    /// How long it may take to come true, in seconds.
    pub within: f64,
}

/// How often and how soon a step is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// All tries, the first counted in.
    pub attempts: u32,
    /// The wait before the second try, in seconds.
    pub delay: f64,
    /// What each wait is multiplied by.
    pub backoff: f64,
    /// The longest wait, in seconds.
    pub max_delay: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, delay: 1.0, backoff: 2.0, max_delay: 30.0 }
    }
}

/// A read-only step that says whether an effect is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// What looks: its effect is `read`.
    pub step: Step,
    /// Over its `outputs`: the effect is there.
    pub took_effect: Expression,
    /// Over its `outputs`: the effect is certainly not there. Where absent, nothing ever says so.
    pub did_not: Option<Expression>,
}

/// How a step is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollback {
    /// By the action's own undo, from what it recorded before it acted.
    Action,
    /// Not at all, and why that is right.
    None {
        /// Why; the action's own words where the file says nothing.
        because: String,
    },
    /// By these steps, in this order.
    Steps(Vec<Step>),
}

/// What the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// It serves.
    Up,
    /// It serves with losses.
    Degraded,
    /// It does not serve.
    Down,
}

impl Service {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Service::Up => "up",
            Service::Degraded => "degraded",
            Service::Down => "down",
        }
    }
}

/// What happens when a step fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Undo everything, back to the start or to the point of no return.
    Rollback,
    /// Undo back to the named checkpoint.
    RollbackTo(String),
    /// Page and wait for a person.
    Pause,
    /// Go on; the run ends as succeeded with exceptions.
    Continue,
    /// Go on at a later step; what lies between is skipped.
    Step(StepId),
}

/// An output read from what a command printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputSpec {
    /// Its name.
    pub name: String,
    /// Where it is found.
    pub from: OutputSource,
    /// Its type.
    pub kind: Type,
    /// Whether it lives in memory alone: no plan and no record ever holds it.
    #[serde(default, skip_serializing_if = "is_not")]
    pub sensitive: bool,
}

/// For what is left out where it says nothing: the digests of the playbooks from before it was there stay as they were.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde hands over a reference
fn is_not(flag: &bool) -> bool {
    !flag
}

/// Where an output is found in a command's standard output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputSource {
    /// A path of names and indexes into the JSON that was printed, for example `items.0.name`.
    Json(String),
    /// The first group of a regular expression's first match.
    Regex(String),
}

impl Playbook {
    /// A step by its id.
    pub fn step(&self, id: &StepId) -> Option<&Step> {
        self.places.of(&self.steps, id)
    }

    /// A step, or the look of a check, by its id.
    pub fn looking(&self, id: &StepId) -> Option<&Step> {
        self.step(id).or_else(|| self.checks.iter().map(|check| &check.step).find(|step| &step.id == id))
    }
}
