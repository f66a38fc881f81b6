//! Working through the `playbook serve` that owns the state: which one that is, and what it says, in the words of a person at a
//! terminal. Runs live in the server, so nothing here drives one; what is typed here is asked of it.

mod asking;
mod books;
mod plan;
mod run;

use std::sync::Arc;

use crate::client::{Address, Client, ClientError, Ticket};
use crate::inventory;
use crate::journal::{Away, Refused, ServedJournal, Server};

use super::exit::{ALL, Exit};
use super::failure::Failure;
use super::setup::Setup;

pub use asking::{request, resume};
pub use books::{book, books};
pub use plan::{made, offer};
pub use run::{retry, run};

/// What stands for no server at all.
pub const NONE: &str = "none";

/// The variable that names the server.
const SERVER: &str = "PLAYBOOK_SERVER";

/// The variable that holds a token for the server.
const TOKEN: &str = "PLAYBOOK_TOKEN";

/// A server that was named.
struct Named {
    /// As it was written.
    text: String,
    /// Whether somebody meant it, who may send it a token.
    trusted: bool,
}

impl Setup {
    /// The server that owns the state; nothing where this process works on it itself.
    ///
    /// # Errors
    /// When one is named that cannot be spoken to. Nothing is sent yet.
    pub fn server(&self) -> Result<Option<Arc<Client>>, Failure> {
        if let Some(known) = self.server.get() {
            return Ok(known.clone());
        }
        let client = match self.server_named()? {
            None => None,
            Some(named) => Some(Arc::new(self.client(&named)?)),
        };
        Ok(self.server.get_or_init(|| client).clone())
    }

    /// Where the server is, as it was named.
    fn server_named(&self) -> Result<Option<Named>, Failure> {
        let said = self.global.server.clone().filter(|text| !text.trim().is_empty());
        let of_variable = std::env::var(SERVER).ok().is_some_and(|text| Some(text) == said);
        // A journal that is named by its file is worked on here, whatever the surroundings say.
        if self.global.journal.is_some() && (said.is_none() || of_variable) {
            return Ok(None);
        }
        let by_a_person = |text: String| Named { text, trusted: true };
        let named = match said {
            Some(text) => Some(by_a_person(text)),
            None => {
                let of_inventory = inventory::server_of(&self.inventory_files()).map_err(|error| {
                    Failure::new(Exit::Invalid, error.to_string())
                        .meaning("nothing was done: which server owns the state cannot be read there")
                        .next("--server ADDRESS names it; --server none works on the state itself")
                })?;
                let of_config = || self.config.server.as_ref().and_then(|server| server.address.clone());
                let trusted = self.has_named_inventory();
                of_inventory.map(|text| Named { text, trusted }).or_else(|| of_config().map(by_a_person))
            }
        };
        Ok(named.filter(|named| named.text.trim() != NONE))
    }

    fn client(&self, named: &Named) -> Result<Client, Failure> {
        let settings = self.config.server.clone().unwrap_or_default();
        let of_environment = std::env::var_os(TOKEN).filter(|token| !token.is_empty());
        let token = of_environment.map(|_| format!("env:{TOKEN}")).or(settings.token);
        // An inventory that merely lies in this folder must not be told who somebody is.
        let trusted = named.trusted || settings.address.as_deref() == Some(named.text.as_str());
        let ticket = Ticket { token: token.filter(|_| trusted), certificates: settings.certificates };
        Address::of(&named.text).and_then(|address| Client::of(address, &ticket)).map_err(failed)
    }

    /// The same for a run that is to be begun on the state itself, as a named person wants it although a server is named: only
    /// where that server's state is, and while it is down.
    ///
    /// # Errors
    /// When there is no such state on this machine, or the server lives.
    pub fn past_the_server(&self) -> Result<Self, Failure> {
        let named = self.global.server.as_deref().map(str::trim) == Some(NONE);
        if named || self.server()?.is_none() {
            return Ok(self.alone());
        }
        let refuse = |what: String| Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed");
        if !self.journal_file.exists() {
            let what = format!("there is no state of that server on this machine, in {}", self.state.display());
            return Err(refuse(what)
                .next("on the server's machine, the same; or --state DIR names where its state is")
                .next("--server none as well     (begins a state of its own: locks of others are not seen there)"));
        }
        if let Some(who) = super::verbs::serve::owner_of(&self.journal_file) {
            return Err(refuse(format!("the server that owns this state lives: {who}"))
                .next("the same without --override shared-state     (the server runs it)")
                .next("--server none as well     (runs it beside the server, on the same state)"));
        }
        let alone = self.alone();
        Ok(Self { paste: alone.paste.without_server(), ..alone })
    }

    /// The same for whoever works on the state itself, whatever is named.
    #[must_use]
    pub fn alone(&self) -> Self {
        let server = std::sync::OnceLock::new();
        let _ = server.set(None);
        Self { server: Arc::new(server), ..self.clone() }
    }
}

/// The state of a server.
pub fn journal(client: &Arc<Client>) -> ServedJournal {
    ServedJournal::of(Arc::clone(client) as Arc<dyn Server>)
}

fn failed(error: ClientError) -> Failure {
    let exit = match error {
        ClientError::System(_) => Exit::Fault,
        _ => Exit::Usage,
    };
    Failure::new(exit, error.to_string())
        .meaning("nothing was started or changed")
        .next("`server` of the inventory or the configuration, --server or $PLAYBOOK_SERVER names it; docs/serve.md")
}

/// The server says no.
pub fn refused(refused: Refused) -> Failure {
    let Refused { status, exit, title, detail, next, .. } = refused;
    let exit = ALL.iter().find(|row| row.code == exit).map_or(Exit::Fault, |row| row.exit);
    let failure = Failure::new(exit, title).meaning(detail);
    // Its other clients speak HTTP, and are told what to ask; here the words of the command line are.
    let is_http = |text: &str| ["GET /", "POST /", "DELETE /"].iter().any(|verb| text.starts_with(verb));
    let mut failure = next.into_iter().filter(|text| !is_http(text)).fold(failure, |failure, text| failure.next(text));
    if status == 401 {
        failure = failure
            .next(format!("from another machine: {TOKEN}=pbk_…, or `server.token` of the configuration"))
            .next("it is sent where --server, --inventory or the configuration names the server, and not to what merely lies here");
    }
    failure
}

/// The server answered something that makes no sense.
pub fn strange(what: String) -> Failure {
    Failure::new(Exit::Fault, what)
        .meaning("whether what was asked came about is not known here; what is in the server's journal is safe")
        .next("playbook --version     (here and on the server's machine: they should be the same)")
        .next("playbook list --runs")
}

/// The server was not reached.
pub fn unreachable(what: String, away: Away) -> Failure {
    let nothing = "nothing was asked of it, and nothing was changed";
    match away {
        Away::NotAllowed => Failure::new(Exit::NotAllowed, what)
            .meaning(nothing)
            .next("ask whoever runs it for the group of its socket     (docs/server.md)"),
        Away::NotTrusted => Failure::new(Exit::Journal, what)
            .meaning(nothing)
            .next("`server.certificates` of the configuration vouch for it; http:// and https:// are told apart     (docs/serve.md)"),
        Away::NotThere => Failure::new(Exit::Journal, what)
            .meaning(format!("{nothing}; where it is down, its runs stand still, and its next start goes on with them"))
            .next("on its machine: systemctl status playbook, or playbook serve     (starts it)")
            .next("where it cannot be started, on that machine: playbook run … --override shared-state --reason \"…\"")
            .next("there, for any other command: --server none     (works on the state itself)"),
        Away::Silent => Failure::new(Exit::Journal, what)
            .meaning("whether what was asked came about is not known here; what is in its journal is safe")
            .next("playbook list --runs     (how the runs stand, once it answers)"),
    }
}
