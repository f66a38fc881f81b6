//! What the service is, as steps and groups say, and as it is again once they are undone.

use std::sync::Arc;

use super::state::RunState;
use super::{Task, Time};
use crate::ids::StepId;
use crate::playbook::Service;

impl RunState {
    /// What the groups say of the service that have come to their end with this task, the outermost last. It stands with
    /// what was done last in them: once that is undone, it is no longer so.
    pub(super) fn end_groups(&mut self, task: &Task, at: Time) {
        let ended: Vec<(StepId, Service)> =
            self.ended_by(task).filter_map(|group| Some((group.id.clone(), group.service?))).collect();
        let Some((group, service)) = ended.last() else { return };
        let book = Arc::clone(&self.plan);
        let inside = |task: &&Task| {
            let step = book.playbook.step(&task.step).and_then(|step| step.group.as_ref());
            book.playbook.around(step).any(|around| &around.id == group)
        };
        let last = self.order.iter().rfind(inside).cloned();
        if let Some(state) = last.and_then(|last| self.tasks.get_mut(&last)).filter(|state| state.passed) {
            state.served = Some(*service);
        }
        self.serve(Some(*service), at);
    }

    pub(super) fn serve(&mut self, service: Option<Service>, at: Time) {
        if let Some(service) = service
            && self.service.is_none_or(|(now, _)| now != service)
        {
            self.service = Some((service, at));
        }
    }

    /// A step is undone: the service is what it was before that step, as the steps that still stand say.
    pub(super) fn serve_again(&mut self, undone: &Task, at: Time) {
        let served = self.doing(undone).and_then(|state| state.served);
        if served.is_none() || !self.is_undone(undone) {
            return;
        }
        let standing = self.order.iter().filter(|task| *task != undone && !self.is_undone(task));
        let before = standing
            .filter_map(|task| self.doing(task).filter(|state| state.passed).and_then(|state| state.served))
            .next_back();
        // Before any step said otherwise the service was in the state that made somebody start the run: nobody said which.
        match before {
            Some(service) => self.serve(Some(service), at),
            None => self.service = None,
        }
    }
}
