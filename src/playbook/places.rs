//! Where each step of a playbook stands, found once and looked up from then on: a run of thousands of steps asks for one at
//! each of its records. It is a help and no truth: what it says is compared with the step that stands there, so a playbook
//! that was changed since is searched as if there were none.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::Step;
use crate::ids::StepId;

/// The places of a playbook's steps. All are alike to whoever compares playbooks, and a copy finds them anew.
#[derive(Debug, Default)]
pub struct Places(OnceLock<HashMap<StepId, usize>>);

impl Places {
    /// The step with this id among these.
    pub(super) fn of<'s>(&self, steps: &'s [Step], id: &StepId) -> Option<&'s Step> {
        let places = self.0.get_or_init(|| {
            // Where two had one id, the first counts.
            steps.iter().enumerate().rev().map(|(place, step)| (step.id.clone(), place)).collect()
        });
        let there = places.get(id).and_then(|place| steps.get(*place)).filter(|step| &step.id == id);
        there.or_else(|| steps.iter().find(|step| &step.id == id))
    }
}

impl Clone for Places {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::Source;
    use crate::playbook::{Playbook, load};
    use crate::spec::{ActionSpec, Effect, Fidelity, Specs, UndoSpec};

    fn book() -> Playbook {
        let look = ActionSpec {
            name: "look",
            summary: "",
            details: "",
            inputs: Vec::new(),
            outputs: Vec::new(),
            facts: Vec::new(),
            effect: Effect::Read,
            fidelity: Fidelity::Probed,
            proves: "",
            undo: UndoSpec::Nothing,
            resource: None,
            settle_seconds: 0.0,
            timeout_seconds: 5.0,
            open_inputs: false,
        };
        let steps = ["first", "second", "third"].map(|id| format!("  - {{ id: {id}, uses: look }}\n")).concat();
        let text = format!("name: three\nversion: 1.0.0\ntitle: Three steps\nowner: us\nsteps:\n{steps}");
        let loaded = load(&Source::new("p.yaml", &text), &Specs::of(&[look]));
        loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn a_playbook_that_was_changed_since_is_not_searched_in_its_old_places() {
        let mut book = book();
        let ids: Vec<_> = book.steps.iter().map(|step| step.id.clone()).collect();
        let found = |book: &Playbook| {
            let one = |id| book.step(id).is_some_and(|step| &step.id == id);
            ids.iter().map(one).collect::<Vec<_>>()
        };
        assert_eq!(found(&book), [true; 3]);
        book.steps.swap(0, 2);
        assert_eq!(found(&book), [true; 3]);
        let last = book.steps.pop();
        assert_eq!(found(&book), [false, true, true]);
        book.steps.extend(last);
        book.steps.remove(0);
        assert_eq!(found(&book), [true, true, false]);
    }
}
