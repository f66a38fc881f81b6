//! Goes through a playbook step by step, asks what is to be looked up at the targets, and writes down what can be foreseen.
//! Nothing is ever invented: what rests on an unknown is unknown, and what rests on an earlier step's change is assumed.

use std::collections::BTreeMap;

use super::digest;
use super::foresee::{check_requirements, outputs_of, subjects};
use super::{Decided, Plan, PlannedStep};
use crate::ids::{Resource, StepId};
use crate::playbook::{
    EvaluateError, Playbook, Scope, Step, Truth, complete_arguments, decide_condition, named_in, render,
    resolve_arguments,
};
use crate::spec::{ActionSpec, Fidelity, Prediction, Specs, UndoSpec};
use crate::value::{Value, contains_unknown, is_unknown, unknown};

/// The form of a plan that this version writes.
const FORMAT: u32 = 1;

/// Why a plan cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A condition, template or argument cannot be evaluated.
    #[error("step {step}: {error}")]
    Evaluate {
        /// In which step; `locks` for the playbook's locks.
        step: String,
        /// What is wrong.
        error: EvaluateError,
    },
    /// A step's arguments are not what its action takes.
    #[error("step {step}: {message}")]
    Arguments {
        /// Which step.
        step: StepId,
        /// What is wrong.
        message: String,
    },
    /// A lock does not name a resource.
    #[error("a lock is not usable: {0}")]
    Lock(String),
    /// The playbook names an action that this binary does not have.
    #[error("step {step} uses {action}, which this binary does not have")]
    NoSuchAction {
        /// Which step.
        step: StepId,
        /// Its action.
        action: String,
    },
}

/// What is to be looked up next.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// For which step.
    pub step: StepId,
    /// With which action.
    pub action: String,
    /// With which arguments; what is not known yet is marked.
    pub arguments: Value,
    /// Whether the command itself is to be run, as its effect is `read`; else the action's read-only look is asked for.
    pub run: bool,
}

/// Makes a plan: ask `look_up`, look, `answer`, until there is nothing more to ask.
#[derive(Debug)]
pub struct Planner {
    playbook: Playbook,
    inputs: Value,
    environment: String,
    specs: Specs,
    locks: Vec<Resource>,
    steps: Vec<PlannedStep>,
    /// What conditions may name of each step.
    known: serde_json::Map<String, Value>,
    /// The same without what moves by itself: an argument that rests on such a value is not known until its step begins, so
    /// that a moved number is no drift.
    steady: serde_json::Map<String, Value>,
    /// What earlier steps change, and which step first does.
    changed: BTreeMap<String, StepId>,
    targets: Vec<String>,
    asked: Option<(Decided, Value)>,
}

impl Planner {
    /// A planner at the first step.
    ///
    /// # Errors
    /// When the locks cannot be named.
    pub fn new(playbook: Playbook, inputs: Value, environment: &str, specs: &Specs) -> Result<Self, PlanError> {
        let mut planner = Self {
            playbook,
            inputs,
            environment: environment.to_owned(),
            specs: specs.clone(),
            locks: Vec::new(),
            steps: Vec::new(),
            known: serde_json::Map::new(),
            steady: serde_json::Map::new(),
            changed: BTreeMap::new(),
            targets: Vec::new(),
            asked: None,
        };
        planner.locks = planner.name_locks()?;
        Ok(planner)
    }

    /// What is to be looked up next; nothing more when the plan is ready.
    ///
    /// # Errors
    /// When a step cannot be planned at all.
    pub fn look_up(&mut self) -> Result<Option<Lookup>, PlanError> {
        while let Some(step) = self.playbook.steps.get(self.steps.len()).cloned() {
            let spec = self.spec(&step)?;
            let runs = self.will_run(&step)?;
            if let Decided::No { .. } = runs {
                self.skip(&step, runs);
                continue;
            }
            let arguments = self.arguments(&step, &spec)?;
            self.note_targets(&spec, &arguments);
            // A command is not run while an argument is unknown, nor where an earlier step would have changed its world.
            let command = !step.effect.changes() && spec.effect.changes();
            let free = !contains_unknown(&arguments) && self.changer(&spec, &arguments).is_none();
            if command && !(free && runs == Decided::Yes) {
                self.asked = Some((runs, arguments));
                self.answer(Prediction::unknown("it is not run while what it rests on is not known"));
                continue;
            }
            self.asked = Some((runs, arguments.clone()));
            return Ok(Some(Lookup { step: step.id, action: step.action, arguments, run: command }));
        }
        Ok(None)
    }

    /// What the look for the step asked about last has shown.
    pub fn answer(&mut self, prediction: Prediction) {
        let Some(step) = self.playbook.steps.get(self.steps.len()).cloned() else { return };
        let Some((runs, arguments)) = self.asked.take() else { return };
        let Some(spec) = self.specs.get(&step.action).cloned() else { return };
        let changer = self.changer(&spec, &arguments).cloned();
        let mut outputs = outputs_of(&step, &spec, &prediction, changer.as_ref());
        if runs != Decided::Yes {
            outputs = outputs_of(&step, &spec, &Prediction::unknown("it may not run"), None);
        }
        let scope =
            Scope { outputs: outputs.clone(), facts: prediction.facts.clone(), ..self.scope(&self.known, Some(&step)) };
        let requirements = check_requirements(&step, &prediction, &scope, changer.as_ref());
        let fidelity = fidelity(&prediction, changer.as_ref(), &arguments);
        let steady = steady(&outputs, &spec);
        self.known.insert(step.id.to_string(), serde_json::json!({ "outputs": outputs, "outcome": outcome(&runs) }));
        self.steady.insert(step.id.to_string(), serde_json::json!({ "outputs": steady, "outcome": outcome(&runs) }));
        if step.effect.changes() {
            let mut about = subjects(&spec, &arguments);
            // A command that names no target may change anything that another such command looks at.
            if about.is_empty() {
                about.push(String::new());
            }
            for subject in about {
                self.changed.entry(subject).or_insert_with(|| step.id.clone());
            }
        }
        let from_observation = matches!(spec.undo, UndoSpec::Restores { from_observation: true, .. });
        self.steps.push(PlannedStep {
            undo_covers_unknown: step.covers_partial
                || (from_observation && step.rollback == crate::playbook::Rollback::Action),
            id: step.id,
            runs,
            arguments,
            requirements,
            prediction,
            fidelity,
        });
    }

    /// The plan, once `look_up` has nothing more to ask.
    pub fn finish(self) -> Plan {
        let specs = self.playbook.steps.iter().filter_map(|step| self.specs.get(&step.action));
        let digest = digest::of_content(&self.playbook, &self.inputs, &self.environment, &self.targets, specs);
        let facts_digest = digest::of_facts(&self.playbook, &self.steps, &self.specs);
        Plan {
            format: FORMAT,
            playbook: self.playbook,
            inputs: self.inputs,
            environment: self.environment,
            targets: self.targets,
            locks: self.locks,
            steps: self.steps,
            digest,
            facts_digest,
        }
    }

    fn spec(&self, step: &Step) -> Result<ActionSpec, PlanError> {
        let spec = self.specs.get(&step.action).cloned();
        spec.ok_or_else(|| PlanError::NoSuchAction { step: step.id.clone(), action: step.action.clone() })
    }

    /// What a step's expressions and templates may name: of the steps before it those that it names.
    fn scope(&self, known: &serde_json::Map<String, Value>, step: Option<&Step>) -> Scope {
        let said = step.map(Step::said).unwrap_or_default();
        let named = named_in(&said, known.iter().map(|(id, known)| (id.as_str(), known)));
        let steps = named.into_iter().map(|(id, known)| (id.to_owned(), known.clone())).collect();
        Scope {
            inputs: self.inputs.clone(),
            steps: Value::Object(steps),
            outputs: Value::Null,
            facts: Value::Null,
            run: serde_json::json!({
                "id": unknown("the run has no id yet"), "playbook": self.playbook.name,
                "version": self.playbook.version, "incident": unknown("the run has no incident yet"),
            }),
        }
    }

    fn name_locks(&self) -> Result<Vec<Resource>, PlanError> {
        let mut locks = Vec::new();
        for template in &self.playbook.locks {
            let evaluate = |error| PlanError::Evaluate { step: "locks".to_owned(), error };
            let value = render(template, &self.scope(&self.known, None)).map_err(evaluate)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            locks.push(text.parse::<Resource>().map_err(|error| PlanError::Lock(error.to_string()))?);
        }
        // One order of locking for everybody: two runs never wait for each other.
        locks.sort();
        locks.dedup();
        Ok(locks)
    }

    fn will_run(&self, step: &Step) -> Result<Decided, PlanError> {
        let outcome = |id: &StepId| self.known.get(id.as_str()).and_then(|known| known.get("outcome")?.as_str());
        if let Some(needed) = step.needs.iter().find(|id| outcome(id) == Some("skipped")) {
            return Ok(Decided::No { why: format!("it needs {needed}, which is skipped") });
        }
        // Whoever needs a step that may not run may not run either.
        let doubt = step.needs.iter().find(|id| {
            let known = self.known.get(id.as_str());
            known.and_then(|known| known.get("outcome")).is_some_and(is_unknown)
        });
        let else_runs = || match doubt {
            Some(needed) => Decided::Undecided { why: format!("it needs {needed}, which may not run") },
            None => Decided::Yes,
        };
        let Some(condition) = &step.condition else { return Ok(else_runs()) };
        let evaluate = |error| PlanError::Evaluate { step: step.id.to_string(), error };
        Ok(match decide_condition(condition, &self.scope(&self.known, Some(step))).map_err(evaluate)? {
            Truth::True => else_runs(),
            Truth::False => Decided::No { why: format!("`{}` does not hold", condition.source) },
            Truth::Undecided(why) => Decided::Undecided { why },
        })
    }

    fn arguments(&self, step: &Step, spec: &ActionSpec) -> Result<Value, PlanError> {
        let evaluate = |error| PlanError::Evaluate { step: step.id.to_string(), error };
        let scope = self.scope(&self.steady, Some(step));
        let given = resolve_arguments(&step.arguments, &scope).map_err(evaluate)?;
        complete_arguments(spec, given)
            .map_err(|error| PlanError::Arguments { step: step.id.clone(), message: error.to_string() })
    }

    fn note_targets(&mut self, spec: &ActionSpec, arguments: &Value) {
        for subject in subjects(spec, arguments) {
            if !self.targets.contains(&subject) {
                self.targets.push(subject);
            }
        }
    }

    /// The earlier step that changes what this one is about, if any does. A step that names no target of its own may be
    /// about anything.
    fn changer(&self, spec: &ActionSpec, arguments: &Value) -> Option<&StepId> {
        let about = subjects(spec, arguments);
        if about.is_empty() && spec.effect.changes() {
            return self.changed.values().next();
        }
        about.iter().find_map(|subject| self.changed.get(subject))
    }

    fn skip(&mut self, step: &Step, runs: Decided) {
        let skipped = serde_json::json!({ "outputs": {}, "outcome": "skipped" });
        self.known.insert(step.id.to_string(), skipped.clone());
        self.steady.insert(step.id.to_string(), skipped);
        self.steps.push(PlannedStep {
            id: step.id.clone(),
            runs,
            arguments: Value::Null,
            requirements: Vec::new(),
            prediction: Prediction::probed(serde_json::json!({})),
            undo_covers_unknown: false,
            fidelity: Fidelity::Probed,
        });
    }
}

/// The outputs with those marked that do not keep their value while nobody acts.
fn steady(outputs: &Value, spec: &ActionSpec) -> Value {
    let mut steady = outputs.clone();
    if let Value::Object(map) = &mut steady {
        for field in spec.outputs.iter().filter(|field| !field.stable) {
            map.insert(field.name.to_owned(), unknown(format!("`{}`, which moves by itself", field.name)));
        }
    }
    steady
}

fn outcome(runs: &Decided) -> Value {
    match runs {
        Decided::Undecided { why } => unknown(why.clone()),
        _ => Value::from("done"),
    }
}

/// What an action says of its prediction, no better than what the prediction rests on.
fn fidelity(prediction: &Prediction, changer: Option<&StepId>, arguments: &Value) -> Fidelity {
    if contains_unknown(arguments) {
        return Fidelity::Unknown;
    }
    let cap = if changer.is_some() { Fidelity::Assumed } else { Fidelity::Proved };
    prediction.fidelity.min(cap)
}
