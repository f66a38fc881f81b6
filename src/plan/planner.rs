//! Goes through a playbook step by step, asks what is to be looked up at the targets, and writes down what can be foreseen.
//! Nothing is ever invented: what rests on an unknown is unknown, and what rests on an earlier step's change is assumed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::digest;
pub use super::error::PlanError;
use super::foresee::{check_requirements, outputs_of, subjects};
use super::hosts::{Answer, Asking};
use super::unseen::LEFT_TO_THE_RUN;
use super::view::View;
use super::{
    Decided, DoneBefore, HostsAsked, Narrowing, Place, Plan, PlannedCheck, PlannedGroup, PlannedStep, scope_at,
};
use crate::ids::{ItemId, Resource, StepId};
use crate::playbook::{
    Expression, OnFailure, Playbook, Scope, Step, Truth, complete_arguments, decide_condition, resolve_arguments,
};
use crate::spec::{ActionSpec, Fidelity, Prediction, Specs, UndoSpec};
use crate::value::{Value, contains_unknown, is_unknown, unknown};

/// The form of a plan that this version writes.
const FORMAT: u32 = 1;

/// What is to be looked up next.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// For which step.
    pub step: StepId,
    /// For which item of its `for_each`.
    pub item: Option<ItemId>,
    /// With which action.
    pub action: String,
    /// With which arguments; what is not known yet is marked.
    pub arguments: Value,
    /// Whether the command itself is to be run, as its effect is `read`; else the action's read-only look is asked for.
    pub run: bool,
    /// Which hosts of the inventory a group goes over: where this is asked, nothing else is.
    pub hosts: Option<HostsAsked>,
}

/// A step, for an item where it runs for several.
pub(super) type Key = (StepId, Option<ItemId>);

/// A step that is not planned yet.
#[derive(Debug, Clone)]
pub(super) struct Todo {
    pub place: usize,
    pub item: Option<ItemId>,
}

/// Makes a plan: ask `look_up`, look, `answer`, until there is nothing more to ask.
#[derive(Debug, Clone)]
pub struct Planner {
    pub(super) playbook: Playbook,
    pub(super) inputs: Value,
    environment: String,
    pub(super) specs: Specs,
    pub(super) locks: Vec<Resource>,
    pub(super) steps: Vec<PlannedStep>,
    pub(super) checks: Vec<PlannedCheck>,
    pub(super) groups: Vec<PlannedGroup>,
    /// The steps that are not planned yet, in order; those of a `for_each` whose list is known, once for each item.
    pub(super) todo: VecDeque<Todo>,
    /// What conditions may name of each step.
    pub(super) known: BTreeMap<Key, Value>,
    /// The same without what moves by itself: an argument that rests on such a value is not known until its step begins, so
    /// that a moved number is no drift.
    pub(super) steady: BTreeMap<Key, Value>,
    /// What earlier steps change, and which step first does.
    changed: BTreeMap<String, StepId>,
    pub(super) targets: Vec<String>,
    asked: Option<(Decided, Value)>,
    /// What another run has done that this one goes on from.
    pub(super) done: DoneBefore,
    /// What a person has narrowed it to.
    pub(super) narrowing: Narrowing,
    /// The names of the inventory's hosts: a limit binds a list of such as well.
    pub(super) inventory: Arc<BTreeSet<String>>,
    /// Whether its steps are left to the run: none of them is looked at.
    pub(super) unseen: bool,
    /// The hosts that a group waits for.
    pub(super) asking: Option<Asking>,
    /// What the inventory has said, for each group that goes over hosts.
    pub(super) hosts: BTreeMap<Key, Answer>,
}

impl Planner {
    /// A planner at the first step.
    pub fn new(playbook: Playbook, inputs: Value, environment: &str, specs: &Specs) -> Self {
        let todo = (0..playbook.steps.len()).map(|place| Todo { place, item: None }).collect();
        Self {
            playbook,
            inputs,
            environment: environment.to_owned(),
            specs: specs.clone(),
            locks: Vec::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            groups: Vec::new(),
            todo,
            known: BTreeMap::new(),
            steady: BTreeMap::new(),
            changed: BTreeMap::new(),
            targets: Vec::new(),
            asked: None,
            done: DoneBefore::default(),
            narrowing: Narrowing::default(),
            inventory: Arc::default(),
            unseen: false,
            asking: None,
            hosts: BTreeMap::new(),
        }
    }

    /// The same planner, narrowed; `inventory` are the names of all hosts that there are.
    #[must_use]
    pub fn narrowed(mut self, narrowing: Narrowing, inventory: Arc<BTreeSet<String>>) -> Self {
        self.narrowing = narrowing;
        self.inventory = inventory;
        self
    }

    /// What is to be looked up next; nothing more when the plan is ready.
    ///
    /// # Errors
    /// When a step cannot be planned at all.
    pub fn look_up(&mut self) -> Result<Option<Lookup>, PlanError> {
        if let Some(lookup) = self.look_up_check()? {
            return Ok(Some(lookup));
        }
        while let Some(todo) = self.todo.front().cloned() {
            let Some(step) = self.playbook.steps.get(todo.place).cloned() else { break };
            let Some(around) = self.enter(&step, &todo)? else {
                match self.look_up_hosts() {
                    Some(lookup) => return Ok(Some(lookup)),
                    None => continue,
                }
            };
            let specs = self.specs.clone();
            let spec = spec_of(&specs, &step)?;
            let scope = self
                .scope(Place::of_step(&step, todo.item.as_ref()), &step.said(), &self.known)
                .map_err(broken(&step.id))?;
            let own = self.will_run(&step.id, &step.needs, step.condition.as_ref(), todo.item.as_ref(), &scope)?;
            let runs = both(around, own);
            if let Decided::No { .. } = runs {
                self.skip(&step, runs);
                continue;
            }
            let arguments = self.arguments(&step, &todo, spec)?;
            self.note_targets(spec, &arguments);
            if self.is_done_before(&step, &todo, spec, &arguments, &runs) {
                continue;
            }
            // A command is not run while an argument is unknown, nor where an earlier step would have changed its world.
            let command = !step.effect.changes() && spec.effect.changes();
            let free = !contains_unknown(&arguments) && self.changer(spec, &arguments).is_none();
            let left = match () {
                () if self.unseen => Some(LEFT_TO_THE_RUN),
                () if command && !(free && runs == Decided::Yes) => {
                    Some("it is not run while what it rests on is not known")
                }
                () => None,
            };
            self.asked = Some((runs, arguments.clone()));
            if let Some(why) = left {
                self.answer(Prediction::unknown(why));
                continue;
            }
            let Todo { item, .. } = todo;
            return Ok(Some(Lookup { step: step.id, item, action: step.action, arguments, run: command, hosts: None }));
        }
        self.hold_limit()?;
        self.bound_targets()?;
        self.locks = self.name_locks()?;
        Ok(None)
    }

    /// What the look for the step asked about last has shown.
    pub fn answer(&mut self, prediction: Prediction) {
        if self.leave_hosts_open() || self.answer_check(&prediction) {
            return;
        }
        let Some(todo) = self.todo.pop_front() else { return };
        let Some(step) = self.playbook.steps.get(todo.place).cloned() else { return };
        let Some((runs, arguments)) = self.asked.take() else { return };
        let specs = self.specs.clone();
        let Some(spec) = specs.get(&step.action) else { return };
        let changer = self.changer(spec, &arguments).cloned();
        let mut outputs = outputs_of(&step, spec, &prediction, changer.as_ref());
        if runs != Decided::Yes {
            outputs = outputs_of(&step, spec, &Prediction::unknown("it may not run"), None);
        }
        let place = Place::of_step(&step, todo.item.as_ref());
        let named = self.scope(place, &step.said(), &self.known).unwrap_or_default();
        let scope = Scope { outputs: outputs.clone(), facts: prediction.facts.clone(), ..named };
        let requirements = check_requirements(&step, &prediction, &scope, changer.as_ref());
        let fidelity = fidelity(&prediction, changer.as_ref(), &arguments);
        let steady = steady(&outputs, spec);
        let key = (step.id.clone(), todo.item.clone());
        let outcome = outcome(&runs, passed_over(&self.playbook, &step));
        self.known.insert(key.clone(), serde_json::json!({ "outputs": outputs, "outcome": outcome }));
        self.steady.insert(key, serde_json::json!({ "outputs": steady, "outcome": outcome }));
        if step.effect.changes() {
            let mut about = subjects(spec, &arguments);
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
            item: todo.item,
            runs,
            arguments,
            requirements,
            prediction,
            fidelity,
        });
    }

    /// The plan, once `look_up` has nothing more to ask.
    pub fn finish(self) -> Plan {
        let looks = self.playbook.checks.iter().map(|check| &check.step);
        let specs = self.playbook.steps.iter().chain(looks).filter_map(|step| self.specs.get(&step.action));
        let digest =
            digest::of_content(&self.playbook, &self.inputs, &self.environment, &self.targets, &self.narrowing, specs);
        let facts_digest = digest::of_facts(&self.playbook, &self.steps, &self.specs);
        Plan {
            format: FORMAT,
            playbook: self.playbook,
            inputs: self.inputs,
            environment: self.environment,
            targets: self.targets,
            locks: self.locks,
            steps: self.steps,
            checks: self.checks,
            groups: self.groups,
            narrowing: self.narrowing,
            digest,
            facts_digest,
        }
    }

    pub(super) fn scope(&self, place: Place<'_>, said: &str, known: &BTreeMap<Key, Value>) -> Result<Scope, String> {
        let run = serde_json::json!({
            "id": unknown("the run has no id yet"), "playbook": self.playbook.name,
            "version": self.playbook.version, "incident": unknown("the run has no incident yet"),
        });
        let view = View { known, groups: &self.groups, book: &self.playbook };
        scope_at(&self.playbook, &self.inputs, &run, place, said, &view)
    }

    pub(super) fn will_run(
        &self,
        id: &StepId,
        needs: &[StepId],
        condition: Option<&Expression>,
        item: Option<&ItemId>,
        scope: &Scope,
    ) -> Result<Decided, PlanError> {
        let skipped = |needed: &&StepId| {
            let at = |item: Option<&ItemId>| self.known.get(&((*needed).clone(), item.cloned()));
            let outcome = |known: &Value| known.get("outcome").and_then(Value::as_str) == Some("skipped");
            let group = self.groups.iter().find(|planned| &planned.id == *needed);
            at(item).or_else(|| at(None)).is_some_and(outcome)
                || group.is_some_and(|planned| matches!(planned.runs, Decided::No { .. }))
        };
        if let Some(needed) = needs.iter().find(skipped) {
            return Ok(Decided::No { why: format!("it needs {needed}, which is skipped") });
        }
        // Whoever needs a step that may not run may not run either.
        let doubt = needs.iter().find(|needed| {
            let known = self
                .known
                .get(&((*needed).clone(), item.cloned()))
                .or_else(|| self.known.get(&((*needed).clone(), None)));
            let group = self.groups.iter().find(|planned| &planned.id == *needed);
            known.and_then(|known| known.get("outcome")).is_some_and(is_unknown)
                || group.is_some_and(|planned| matches!(planned.runs, Decided::Undecided { .. }))
        });
        let else_runs = || match doubt {
            Some(needed) => Decided::Undecided { why: format!("it needs {needed}, which may not be done") },
            None => Decided::Yes,
        };
        let Some(condition) = condition else { return Ok(else_runs()) };
        let evaluate = |error| PlanError::Evaluate { step: id.to_string(), error };
        Ok(match decide_condition(condition, scope).map_err(evaluate)? {
            Truth::True => else_runs(),
            Truth::False => Decided::No { why: format!("`{}` does not hold", condition.source) },
            Truth::Undecided(why) => Decided::Undecided { why },
        })
    }

    fn arguments(&self, step: &Step, todo: &Todo, spec: &ActionSpec) -> Result<Value, PlanError> {
        let evaluate = |error| PlanError::Evaluate { step: step.id.to_string(), error };
        let place = Place::of_step(step, todo.item.as_ref());
        let scope = self.scope(place, &step.said(), &self.steady).map_err(broken(&step.id))?;
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

    pub(super) fn skip(&mut self, step: &Step, runs: Decided) {
        let Some(Todo { item, .. }) = self.todo.pop_front() else { return };
        let skipped = serde_json::json!({ "outputs": {}, "outcome": "skipped" });
        self.known.insert((step.id.clone(), item.clone()), skipped.clone());
        self.steady.insert((step.id.clone(), item.clone()), skipped);
        self.steps.push(PlannedStep {
            id: step.id.clone(),
            item,
            runs,
            arguments: Value::Null,
            requirements: Vec::new(),
            prediction: Prediction::probed(serde_json::json!({})),
            undo_covers_unknown: false,
            fidelity: Fidelity::Probed,
        });
    }
}

/// What a step's action says about itself.
pub(super) fn spec_of<'s>(specs: &'s Specs, step: &Step) -> Result<&'s ActionSpec, PlanError> {
    let missing = || PlanError::NoSuchAction { step: step.id.clone(), action: step.action.clone() };
    specs.get(&step.action).ok_or_else(missing)
}

/// What is wrong with what a step may name.
pub(super) fn broken(step: &StepId) -> impl FnOnce(String) -> PlanError {
    let step = step.clone();
    move |message| PlanError::Arguments { step, message }
}

/// Both must hold.
pub(super) fn both(one: Decided, other: Decided) -> Decided {
    match (one, other) {
        (Decided::No { why }, _) | (_, Decided::No { why }) => Decided::No { why },
        (Decided::Yes, other) => other,
        (one, _) => one,
    }
}

/// The outputs with those marked that do not keep their value while nobody acts.
pub(super) fn steady(outputs: &Value, spec: &ActionSpec) -> Value {
    let mut steady = outputs.clone();
    if let Value::Object(map) = &mut steady {
        for field in spec.outputs.iter().filter(|field| !field.stable) {
            map.insert(field.name.to_owned(), unknown(format!("`{}`, which moves by itself", field.name)));
        }
    }
    steady
}

/// Whether the run may go on behind a step that failed.
fn passed_over(book: &Playbook, step: &Step) -> bool {
    let on = |policy: Option<&OnFailure>| matches!(policy, Some(OnFailure::Continue | OnFailure::Step(_)));
    book.forward_of(&step.id).is_some()
        || on(step.on_failure.as_ref())
        || book.around(step.group.as_ref()).any(|group| on(group.on_failure.as_ref()))
}

fn outcome(runs: &Decided, passed_over: bool) -> Value {
    match runs {
        Decided::Undecided { why } => unknown(why.clone()),
        // A plan does not foresee that nothing fails: whoever asks is told when the step has ended.
        Decided::Yes if passed_over => unknown("whether it fails, as the run goes on then"),
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
