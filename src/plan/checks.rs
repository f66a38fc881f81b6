//! What can be said of identities and invariants before a run: whether each holds now. They are looked at first, before
//! anything that a step would change.

use super::foresee::subjects;
use super::planner::{Lookup, PlanError, Planner, spec_of};
use super::{Decided, Place, PlannedCheck};
use crate::playbook::{Check, Scope, Truth, complete_arguments, decide_condition, explain, resolve_arguments};
use crate::spec::Prediction;
use crate::value::{Value, contains_unknown};

impl Planner {
    /// The next check that is to be looked at.
    pub(super) fn look_up_check(&mut self) -> Result<Option<Lookup>, PlanError> {
        while let Some(check) = self.playbook.checks.get(self.checks.len()).cloned() {
            if check.group.is_some() {
                self.decide(&check, Decided::Undecided { why: "it is looked at while its steps run".to_owned() });
                continue;
            }
            let wrong = |message: String| PlanError::Arguments { step: check.step.id.clone(), message };
            let specs = self.specs.clone();
            let spec = spec_of(&specs, &check.step)?;
            let scope = self.scope_of_checks().map_err(wrong)?;
            let given = resolve_arguments(&check.step.arguments, &scope).map_err(|error| wrong(error.to_string()))?;
            let arguments = complete_arguments(spec, given).map_err(|error| wrong(error.to_string()))?;
            if contains_unknown(&arguments) {
                self.decide(&check, Decided::Undecided { why: "it rests on what is not known yet".to_owned() });
                continue;
            }
            for subject in subjects(spec, &arguments) {
                if !self.targets.contains(&subject) {
                    self.targets.push(subject);
                }
            }
            let run = spec.effect.changes();
            let (step, action) = (check.step.id.clone(), check.step.action.clone());
            return Ok(Some(Lookup { step, item: None, action, arguments, run, hosts: None }));
        }
        Ok(None)
    }

    fn scope_of_checks(&self) -> Result<Scope, String> {
        self.scope(Place { group: None, frame: None, item: None }, "", &self.known)
    }

    /// What a look for a check has shown; false where it was not one for a check.
    pub(super) fn answer_check(&mut self, prediction: &Prediction) -> bool {
        let Some(check) = self.playbook.checks.get(self.checks.len()).cloned() else { return false };
        let outputs = prediction.outputs.clone();
        let decided = match (prediction.refusals.first(), self.scope_of_checks()) {
            // What nobody can be asked about does not hold: the run would stop there.
            (Some(why), _) => Decided::No { why: format!("it cannot be told: {why}") },
            (None, Err(why)) => Decided::Undecided { why },
            (None, Ok(scope)) => {
                let scope = Scope { outputs, ..scope };
                match decide_condition(&check.expression, &scope) {
                    _ if scope.outputs == Value::Null => Decided::Undecided { why: "nobody has looked".to_owned() },
                    Ok(Truth::True) => Decided::Yes,
                    Ok(Truth::False) => Decided::No { why: explain(&check.expression, &scope) },
                    Ok(Truth::Undecided(why)) => Decided::Undecided { why },
                    Err(error) => Decided::Undecided { why: error.message },
                }
            }
        };
        self.put(&check, decided, prediction.outputs.clone());
        true
    }

    fn decide(&mut self, check: &Check, decided: Decided) {
        self.put(check, decided, Value::Null);
    }

    fn put(&mut self, check: &Check, decided: Decided, outputs: Value) {
        self.checks.push(PlannedCheck { name: check.name.clone(), kind: check.kind, decided, outputs });
    }
}
