//! Going forward again after everything back to the point of no return was undone: what no longer stands is forgotten, so
//! that it runs once more, and only that.

use super::state::RunState;
use super::task_state::{Status, TaskState};
use super::{Phase, Task};
use crate::ids::StepId;

impl RunState {
    /// Everything back to the point of no return is undone, and a person wants to go forward again.
    pub(super) fn forward_again(&mut self) {
        self.rollback = None;
        self.dealt_with = 0;
        let undone: Vec<StepId> =
            self.playbook().steps.iter().filter(|step| self.is_undone(step)).map(|step| step.id.clone()).collect();
        for (task, state) in &mut self.tasks {
            let is_undone = undone.contains(&task.step);
            if is_undone || (task.phase == Phase::Do && !state.passed) {
                state.allowed = state.counted + 1;
                // What failed half-way and is not undone still counts: the point of no return stays crossed by it.
                state.earlier_effect = !is_undone && state.may_have_effect();
                state.round += u32::from(is_undone);
                state.status = Status::Ready;
                state.passed = false;
                state.verified = None;
            }
        }
        self.forget_what_is_gone();
    }

    /// What has no effect any more has no place in the order of intents, and the safe states that stood on it are gone.
    fn forget_what_is_gone(&mut self) {
        let stands: Vec<bool> =
            self.order.iter().map(|id| self.doing(id).is_some_and(TaskState::may_have_effect)).collect();
        let order = std::mem::take(&mut self.order);
        self.checkpoints.retain(|point| {
            order.iter().position(|id| *id == point.step).is_some_and(|place| stands.get(place) == Some(&true))
        });
        for point in &mut self.checkpoints {
            point.position = stands.iter().take(point.position).filter(|stands| **stands).count();
        }
        self.order = order.into_iter().zip(&stands).filter(|(_, stands)| **stands).map(|(id, _)| id).collect();
        // What was skipped behind the first step that runs again was skipped for what is no longer true.
        let steps = &self.plan.playbook.steps;
        let passed = |id: &StepId| self.skipped.contains_key(id) || self.doing(id).is_some_and(|task| task.passed);
        let first = steps.iter().position(|step| !passed(&step.id)).unwrap_or(steps.len());
        let before: Vec<StepId> = steps.iter().take(first).map(|step| step.id.clone()).collect();
        self.skipped.retain(|id, _| before.contains(id));
        // What was read behind it was read of a world that is gone.
        let reads = self.plan.playbook.steps.iter().skip(first).filter(|step| !step.effect.changes());
        for step in reads {
            let Some(state) = self.tasks.get_mut(&Task::of(&step.id)) else { continue };
            state.allowed = state.counted + 1;
            state.status = Status::Ready;
            state.passed = false;
            state.verified = None;
        }
    }
}
