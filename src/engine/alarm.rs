//! Calls that nobody answers: what people must hear of while the run goes on. Each is sent beside the run, so that a page that
//! takes its time holds nothing up, and what became of it is a record.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::EngineError;
use super::drive::Drive;
use crate::notify::PageText;
use crate::run::Event;

/// How long the end of a run waits for calls that are under way.
const LAST: Duration = Duration::from_secs(10);

/// Calls that are under way.
pub(super) type Alarms = Vec<JoinHandle<String>>;

impl Drive<'_> {
    /// Calls people if an event is one that they must hear of at once.
    pub(super) fn alarm(&self, event: &Event, actor: &str) {
        let (step, question, text) = match event {
            Event::BudgetExceeded { from, to, .. } => {
                (to, "budget_exceeded", format!("it takes longer from {from} to {to} than it may"))
            }
            Event::Approved { task, reason, break_glass: true, .. } => {
                (&task.step, "break_glass", format!("{actor} broke the glass for {task}: {reason}"))
            }
            _ => return,
        };
        let playbook = self.state().playbook().name.clone();
        let run = self.lease.run.to_string();
        let text = format!("{playbook} {run}: {text}\nplaybook status {run}\n");
        let page = PageText { run, playbook, step: step.to_string(), question: question.to_owned(), text };
        for pager in self.tools.pagers {
            let (pager, page) = (Arc::clone(pager), page.clone());
            let call = async move {
                match pager.send(&page).await {
                    Ok(how) => how,
                    Err(error) => format!("nobody could be paged: {error}"),
                }
            };
            self.alarms.borrow_mut().push(tokio::spawn(call));
        }
    }

    /// Records what became of calls that have come to their end.
    pub(super) async fn note_alarms(&self, all: bool) -> Result<(), EngineError> {
        let ready = {
            let mut alarms = self.alarms.borrow_mut();
            let (ready, open): (Alarms, Alarms) = alarms.drain(..).partition(|call| all || call.is_finished());
            *alarms = open;
            ready
        };
        for call in ready {
            let message = match tokio::time::timeout(LAST, call).await {
                Ok(Ok(message)) => message,
                _ => "nobody could be paged: the call did not come to its end".to_owned(),
            };
            // Nothing is written after the end of a run: the call itself was made.
            if self.state().ended.is_none() {
                self.append(vec![Event::Paged { message }])?;
            }
        }
        Ok(())
    }
}
