//! A program that is told each record as JSON on its input. It gets a process group of its own and is killed with all of it at
//! its limit; there is no shell.

use async_trait::async_trait;

use super::hook::body;
use super::{About, Receiver, Refusal, Story, Teller};
use crate::notify::command::{Ran, run};
use crate::notify::http::LIMIT;

/// A program.
pub(super) struct Program {
    argv: Vec<String>,
    /// What it is told as `PLAYBOOK_SECRET`, where it has one.
    secret: Option<String>,
}

impl Program {
    pub fn of(receiver: &Receiver) -> Result<Self, String> {
        let argv = receiver.notify.command.clone().unwrap_or_default();
        if argv.is_empty() {
            return Err("it has no `command`".to_owned());
        }
        Ok(Self { argv, secret: receiver.secret().map(str::to_owned) })
    }
}

#[async_trait]
impl Teller for Program {
    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let mut variables = vec![("PLAYBOOK_MESSAGE_ID", story.id.to_owned())];
        match story.about {
            About::Run(state) => variables
                .extend([("PLAYBOOK_RUN", state.run.to_string()), ("PLAYBOOK_NAME", state.playbook().name.clone())]),
            About::Incident(incident) => variables.push(("PLAYBOOK_INCIDENT", incident.id.to_string())),
        }
        variables.extend(self.secret.clone().map(|secret| ("PLAYBOOK_SECRET", secret)));
        let program = self.argv.first().cloned().unwrap_or_default();
        match run(&self.argv, &variables, &body(story), LIMIT).await {
            Ran::Ended { status, .. } if status.success() => Ok(None),
            Ran::Ended { status, said } => Err(Refusal::later(format!("`{program}` failed ({status}): {said}"))),
            Ran::TooSlow => {
                Err(Refusal::later(format!("`{program}` took longer than {} s and was killed", LIMIT.as_secs())))
            }
            Ran::CannotStart(error) => Err(Refusal::later(format!("`{program}` cannot be started: {error}"))),
        }
    }
}
