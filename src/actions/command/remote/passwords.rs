//! Logging in with a password, for hosts whose entry in the inventory names one: routers mostly. It is read right before it
//! is needed, sent only to a host whose key was checked, and kept nowhere.

use std::collections::{BTreeMap, BTreeSet};

use ssh2::{KeyboardInteractivePrompt, Prompt};

use super::connection::{Connection, Interrupted, Patience};
use crate::inventory::{Inventory, Secret};

/// The inventory with the passwords that the way to one host needs.
pub(super) struct Reach {
    pub(super) inventory: std::sync::Arc<Inventory>,
    passwords: BTreeMap<String, Secret>,
}

impl Reach {
    /// Reads the passwords of a host and of those that it is reached through.
    ///
    /// # Errors
    /// Why one cannot be read: nothing was sent.
    pub(super) async fn of(inventory: &std::sync::Arc<Inventory>, host: &str) -> Result<Self, String> {
        let mut passwords = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(host);
        // A way that leads in a circle has an end here; who walks it says so.
        while let Some(name) = next
            && seen.insert(name)
            && let Some(entry) = inventory.hosts.get(name)
        {
            if let Some(reference) = &entry.password {
                let secret = inventory.secrets.read(reference).await;
                passwords.insert(name.to_owned(), secret.map_err(|error| format!("the password of {name}: {error}"))?);
            }
            next = entry.jump.as_deref();
        }
        Ok(Self { inventory: inventory.clone(), passwords })
    }

    pub(super) fn password(&self, host: &str) -> Option<&Secret> {
        self.passwords.get(host)
    }
}

/// Logs in with a password, in the two ways in which hosts ask for one.
pub(super) fn log_in_by_password(
    connection: &mut Connection,
    user: &str,
    password: &Secret,
    patience: &Patience,
) -> Result<(), Interrupted> {
    let methods = connection.patiently(patience, |connection| connection.session.auth_methods(user).map(str::to_owned));
    let methods = match methods {
        // A host that asks for nothing has let us in by now, and that is its own affair.
        _ if connection.session.authenticated() => return Ok(()),
        Ok(methods) => methods,
        Err(interrupted) => return Err(interrupted),
    };
    let offers = |method: &str| methods.split(',').any(|offered| offered == method);
    let mut last = format!("it offers {methods}");
    if offers("password") {
        match connection.patiently(patience, |connection| connection.session.userauth_password(user, password.expose()))
        {
            Err(Interrupted::Failed(why)) => last = why,
            other => return other,
        }
    }
    if offers("keyboard-interactive") {
        let mut answers = Answers { password, asked: 0, unknown: None };
        let ended = connection
            .patiently(patience, |connection| connection.session.userauth_keyboard_interactive(user, &mut answers));
        match ended {
            Err(Interrupted::Failed(why)) => {
                last = answers
                    .unknown
                    .map_or(why, |asked| format!("it asked {asked:?}, which is no question for a password"));
            }
            other => return other,
        }
    }
    Err(Interrupted::Failed(format!("it does not let in {user} with the password that the inventory names ({last})")))
}

/// How often one log-in may ask for the password: more is a host that refuses it again and again.
const ASKED: usize = 3;

/// Answers the questions that a host asks instead of a person.
struct Answers<'p> {
    password: &'p Secret,
    asked: usize,
    /// A question that is none for a password, such as one for a code.
    unknown: Option<String>,
}

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt<'a>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'a>]) -> Vec<String> {
        self.asked += 1;
        prompts.iter().map(|prompt| self.answer(&prompt.text, prompt.echo)).collect()
    }
}

impl Answers<'_> {
    /// What is shown while it is typed is no password: such a question gets nothing.
    fn answer(&mut self, question: &str, echo: bool) -> String {
        if echo || self.asked > ASKED {
            let shown: String = question.chars().filter(|letter| !letter.is_control()).take(100).collect();
            self.unknown.get_or_insert(shown);
            return String::new();
        }
        self.password.expose().to_owned()
    }
}
