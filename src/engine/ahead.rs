//! Looks for a plan that need not wait for one another: all of them at once, so that a hundred targets cost the time of the
//! slowest, and not of all. It only looks; what the looks mean is the planner's.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::planning::look;
use super::secrets::Memory;
use crate::actions::{Context, Table};
use crate::ids::{ItemId, StepId};
use crate::plan::{Lookup, Planner};
use crate::playbook::Playbook;
use crate::spec::Prediction;

/// How often it is gone through what is still to be looked at. What rests on the looks before it is known in the next
/// round; a long chain of steps, each resting on the one before, has nothing to be done at once.
const ROUNDS: u32 = 6;

/// What was looked at ahead of its turn.
pub(super) struct Ahead {
    found: HashMap<(StepId, Option<ItemId>), (Lookup, Prediction)>,
    rounds: u32,
    memory: Memory,
    /// How many targets are looked at at the same time.
    forks: usize,
}

impl Ahead {
    pub(super) fn new(memory: Memory, forks: usize) -> Self {
        Self { found: HashMap::new(), rounds: 0, memory, forks }
    }

    /// What a look has found, which is made now with all others that can be, if it was not yet.
    pub(super) async fn look(
        &mut self,
        lookup: &Lookup,
        planner: &Planner,
        book: &Arc<Playbook>,
        actions: &Table,
        context: &Context,
    ) -> Prediction {
        let key = (lookup.step.clone(), lookup.item.clone());
        if !self.found.contains_key(&key) {
            let mut wanted = vec![lookup.clone()];
            if self.rounds < ROUNDS {
                self.rounds += 1;
                wanted.extend(self.possible(planner.clone(), lookup));
            }
            self.make(wanted, book, actions, context).await;
        }
        match self.found.remove(&key) {
            Some((made, prediction)) if made == *lookup => prediction,
            // It was made for other arguments than it has by now.
            _ => {
                self.make(vec![lookup.clone()], book, actions, context).await;
                let found = self.found.remove(&key).map(|(_, prediction)| prediction);
                found.unwrap_or_else(|| Prediction::unknown("nobody has looked"))
            }
        }
    }

    /// The looks behind this one that do not rest on it: those that a planner still asks for when it is told nothing.
    fn possible(&self, mut planner: Planner, first: &Lookup) -> Vec<Lookup> {
        let mut list = Vec::new();
        planner.answer(Prediction::unknown("it is not looked at yet"));
        while let Ok(Some(lookup)) = planner.look_up() {
            let known = self.found.contains_key(&(lookup.step.clone(), lookup.item.clone()));
            if !known && lookup != *first && !crate::value::contains_unknown(&lookup.arguments) {
                list.push(lookup);
            }
            planner.answer(Prediction::unknown("it is not looked at yet"));
        }
        list
    }

    async fn make(&mut self, wanted: Vec<Lookup>, book: &Arc<Playbook>, actions: &Table, context: &Context) {
        let places = Arc::new(Semaphore::new(self.forks.max(1)));
        let mut looks = JoinSet::new();
        for lookup in wanted {
            let Some(action) = actions.get(&lookup.action).cloned() else { continue };
            let (book, context, places) = (Arc::clone(book), context.clone(), Arc::clone(&places));
            let memory = self.memory.clone();
            looks.spawn(async move {
                let _place = places.acquire().await;
                let prediction = match book.looking(&lookup.step) {
                    Some(step) => look(action.as_ref(), &context, (&book, step), &lookup, &memory).await,
                    None => Prediction::unknown("the playbook has no such step"),
                };
                (lookup, prediction)
            });
        }
        while let Some(made) = looks.join_next().await {
            // One that did not come to its end is made again in its turn.
            if let Ok((lookup, prediction)) = made {
                self.found.insert((lookup.step.clone(), lookup.item.clone()), (lookup, prediction));
            }
        }
    }
}
