//! What a route is: one row of the table from which the router, the document of the interface and the tests are made.

use axum::http::Method;

use super::App;
use super::answer::Answer;
use super::call::Call;
use super::journals::Trouble;
use crate::journal::SqliteJournal;
use crate::server::{Problem, Role};

/// One row of the table.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{run}` for what is named in it.
    pub path: &'static str,
    /// Its name in the document of the interface.
    pub name: &'static str,
    /// Who may.
    pub access: Access,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What its query may say.
    pub query: &'static [Parameter],
    /// What has to be sent, by its name in the document.
    pub body: Option<&'static str>,
    /// What comes back where it goes well: the status, and its name in the document.
    pub gives: Gives,
    /// Which refusals of its own it knows, beside those that all know.
    pub refuses: &'static [u16],
    /// What is done.
    pub work: Work,
}

/// Who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody on this machine; from elsewhere anybody who is known.
    Open,
    /// Whoever has this role.
    Role(Role),
    /// Anybody from anywhere: who it is, is proved by what is sent, to whoever takes it in.
    Proved,
}

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// JSON of this name, with this status.
    Json(u16, &'static str),
    /// JSON of this name, or a stream of events where that is asked for.
    JsonOrEvents(&'static str),
    /// Text of this kind.
    Text(&'static str),
}

/// What a query may say.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it has to be there.
    pub required: bool,
    /// What it means.
    pub about: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number between these.
    Number(u64, u64),
    /// A run's id.
    Run,
    /// A text of at most so many characters, and not an empty one.
    Text(u32),
    /// `true` or `false`.
    Flag,
}

/// What is done.
#[derive(Clone, Copy)]
pub enum Work {
    /// It is told from memory.
    Told(fn(&App) -> Answer),
    /// It looks at the journal, or writes to it.
    Journal(fn(&App, &mut SqliteJournal, &Call) -> Result<Answer, Trouble>),
    /// The same with the playbooks and settings, without the journal.
    House(fn(&App, &Call) -> Result<Answer, Problem>),
    /// It asks for something to be done with runs.
    Runner(fn(&App, &Call) -> Result<Answer, Problem>),
    /// Records: a page of them, or all that come, as events.
    Records(fn(&App, &mut SqliteJournal, &Call) -> Result<Answer, Trouble>),
}

impl Route {
    /// The names in its path.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// What its query may say of a name.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.query.iter().find(|parameter| parameter.name == name)
    }

    /// Whether it is asked something that changes nothing.
    pub fn is_safe(&self) -> bool {
        self.method == Method::GET
    }
}
