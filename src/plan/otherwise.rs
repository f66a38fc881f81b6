//! The other branch of a step that may not run: what becomes of those behind it if it is skipped. It reads what steps
//! say of each other; nothing is evaluated anew, so where only a run can tell, that is what it says.

use super::{Decided, Plan};
use crate::ids::StepId;
use crate::playbook::Step;

/// What becomes of one step if another is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otherwise {
    /// Which.
    pub step: StepId,
    /// What becomes of it.
    pub then: Then,
    /// On what that rests: the step that it needs, or what it refers to.
    pub why: String,
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is skipped too.
    Skipped,
    /// Its own condition asks for the other one, and decides.
    Decides,
    /// It takes the default that it gives.
    Default,
    /// It refers to what is not there then, and fails unless nothing asks for that.
    Fails,
}

impl Then {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Then::Skipped => "skipped",
            Then::Decides => "decides",
            Then::Default => "default",
            Then::Fails => "fails",
        }
    }
}

/// What becomes of the steps behind one if it is skipped, in their order; those that do not mind are left out.
pub fn otherwise(plan: &Plan, id: &StepId) -> Vec<Otherwise> {
    let steps = &plan.playbook.steps;
    let Some(place) = steps.iter().position(|step| &step.id == id) else { return Vec::new() };
    let condition = steps.get(place).and_then(|step| step.condition.as_ref()).map(|condition| &condition.source);
    let mut gone = vec![id.clone()];
    let mut all = Vec::new();
    for step in steps.iter().skip(place + 1) {
        let planned = plan.steps.iter().find(|planned| planned.id == step.id);
        if planned.is_none_or(|planned| matches!(planned.runs, Decided::No { .. })) {
            continue;
        }
        let same = step.condition.as_ref().map(|condition| &condition.source) == condition && condition.is_some();
        let needed = step.needs.iter().find(|needed| gone.contains(needed));
        let skipped = match needed {
            Some(needed) => Some(format!("it needs {needed}")),
            None => same.then(|| "it has the same condition".to_owned()),
        };
        if let Some(why) = skipped {
            gone.push(step.id.clone());
            all.push(Otherwise { step: step.id.clone(), then: Then::Skipped, why });
        } else if let Some((then, why)) = refers(step, &gone) {
            all.push(Otherwise { step: step.id.clone(), then, why });
        }
    }
    all
}

/// What a step makes of the worst of its references to steps that are skipped. Its condition comes first: what it decides
/// may keep the rest from being asked for.
fn refers(step: &Step, gone: &[StepId]) -> Option<(Then, String)> {
    let references: Vec<_> =
        step.references().into_iter().filter(|found| gone.iter().any(|id| id.as_str() == found.step)).collect();
    let first = |matches: &dyn Fn(&crate::playbook::Reference) -> bool| references.iter().find(|found| matches(found));
    let (then, found) = None
        .or_else(|| first(&|found| found.in_condition && found.guarded).map(|found| (Then::Decides, found)))
        .or_else(|| first(&|found| !found.guarded).map(|found| (Then::Fails, found)))
        .or_else(|| first(&|_| true).map(|found| (Then::Default, found)))?;
    Some((then, found.path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::plan::Planner;
    use crate::spec::{Prediction, Specs};
    use crate::value::Value;

    const BOOK: &str = r#"
name: x
version: 1.0.0
steps:
  - { id: look, run: x, effect: read, outputs: { n: { regex: '(\d+)', type: integer } } }
  - { id: change, if: steps.look.outputs.n > 3, run: x, rollback: none, because: a test, outputs: { at: { regex: '(.*)' } } }
  - { id: after, needs: [change], run: x, effect: read }
  - { id: beside, if: steps.look.outputs.n > 3, run: x, effect: read }
  - { id: behind, needs: [after], run: x, effect: read }
  - { id: asks, if: steps.change.outcome == 'done', run: x, effect: read, env: { AT: "{{steps.change.outputs.at}}" } }
  - { id: manages, run: x, effect: read, env: { AT: "{{default steps.change.outputs.at 'x'}}" } }
  - { id: stumbles, run: x, effect: read, env: { AT: "{{steps.change.outputs.at}}" } }
  - { id: computes, uses: assert, with: { that: { expr: "steps.change.outputs.at == 'x'" } } }
  - { id: off, if: "1 > 2", needs: [change], run: x, effect: read }
  - { id: free, run: x, effect: read }
"#;

    #[test]
    fn what_a_command_will_read_after_another_has_acted_is_not_known() {
        const BOOK: &str = r#"
name: x
version: 1.0.0
steps:
  - { id: before, run: cat state, effect: read, outputs: { n: { regex: '(\d+)', type: integer } } }
  - { id: change, run: echo 2 > state, rollback: none, because: a test }
  - { id: after, run: cat state, effect: read, outputs: { n: { regex: '(\d+)', type: integer } } }
  - { id: sure, if: steps.before.outputs.n == 1, run: x, effect: read }
  - { id: unsure, if: steps.after.outputs.n == 1, run: x, effect: read }
"#;
        let specs = Specs::of(Table::builtin().specs());
        let book = crate::playbook::load(&Source::new("x.yaml", BOOK), &specs);
        let mut planner = Planner::new(book.playbook.unwrap(), Value::Null, "none", &specs);
        let mut looked = Vec::new();
        while let Some(lookup) = planner.look_up().unwrap() {
            looked.push(lookup.step.to_string());
            let outputs = serde_json::json!({ "n": 1 });
            planner.answer(Prediction { outputs, ..Prediction::probed(serde_json::json!({})) });
        }
        let plan = planner.finish();
        assert_eq!(looked, ["before", "change"], "what is read now says nothing of what will be read then");
        let runs = |id: &str| plan.steps.iter().find(|step| step.id.as_str() == id).unwrap().runs.clone();
        assert_eq!(runs("sure"), Decided::Yes);
        assert!(matches!(runs("unsure"), Decided::Undecided { .. }), "{:?}", runs("unsure"));
    }

    #[test]
    fn each_step_behind_one_that_is_skipped_says_what_becomes_of_it() {
        let specs = Specs::of(Table::builtin().specs());
        let book = crate::playbook::load(&Source::new("x.yaml", BOOK), &specs);
        let mut planner = Planner::new(book.playbook.unwrap(), Value::Null, "none", &specs);
        while planner.look_up().unwrap().is_some() {
            planner.answer(Prediction::unknown("nobody looked"));
        }
        let plan = planner.finish();
        let all = otherwise(&plan, &"change".parse().unwrap());
        let all = all.iter().map(|found| (found.step.as_str(), found.then, found.why.as_str()));
        assert_eq!(
            all.collect::<Vec<_>>(),
            [
                ("after", Then::Skipped, "it needs change"),
                ("beside", Then::Skipped, "it has the same condition"),
                ("behind", Then::Skipped, "it needs after"),
                ("asks", Then::Decides, "steps.change.outcome"),
                ("manages", Then::Default, "steps.change.outputs.at"),
                ("stumbles", Then::Fails, "steps.change.outputs.at"),
                ("computes", Then::Fails, "steps.change.outputs.at"),
            ]
        );
        assert!(otherwise(&plan, &"free".parse().unwrap()).is_empty());
        // Whoever needs a step that may not run may not run either.
        let runs = |id: &str| plan.steps.iter().find(|step| step.id.as_str() == id).unwrap().runs.clone();
        assert!(matches!(runs("after"), Decided::Undecided { why } if why.contains("change")), "{:?}", runs("after"));
        assert!(matches!(runs("behind"), Decided::Undecided { why } if why.contains("after")), "{:?}", runs("behind"));
        assert!(matches!(runs("off"), Decided::No { .. }));
        assert_eq!(runs("free"), Decided::Yes);
    }
}
