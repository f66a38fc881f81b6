//! The playbooks that a server has: what runs there is what they say, and not what lies here.

use std::path::PathBuf;

use serde::Deserialize;

use crate::catalog::{self, Entry};
use crate::client::Client;
use crate::journal::{Method, Server as _, escaped, read_answer};
use crate::playbook::Playbook;

use super::super::failure::Failure;

/// All of them.
///
/// # Errors
/// When the server cannot be asked.
pub fn books(client: &Client) -> Result<Vec<Entry>, Failure> {
    #[derive(Deserialize)]
    struct All {
        playbooks: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        playbook: String,
        version: String,
        title: String,
        usable: bool,
    }
    let all: All = read_answer(&client.ask(Method::Get, "/v1/playbooks", None)?)?;
    let entry = |one: One| Entry {
        name: one.playbook,
        version: one.version,
        title: one.title,
        path: PathBuf::new(),
        broken: (!one.usable).then(|| "it has faults; playbook lint says which, on the server's machine".to_owned()),
    };
    Ok(all.playbooks.into_iter().map(entry).collect())
}

/// One of them.
///
/// # Errors
/// When there is none of that name.
pub fn book(client: &Client, name: &str) -> Result<Playbook, Failure> {
    #[derive(Deserialize)]
    struct Whole {
        whole: Playbook,
    }
    let (bare, version) = catalog::named(name);
    let version = version.map_or_else(String::new, |version| format!("&version={}", escaped(version)));
    let text = client.ask(Method::Get, &format!("/v1/playbooks/{bare}?whole=true{version}"), None)?;
    Ok(read_answer::<Whole>(&text)?.whole)
}
