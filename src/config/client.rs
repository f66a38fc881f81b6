//! Which `playbook serve` owns the state, and how the command line proves to it who asks. What is at that address is not
//! looked at here.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::Config;

/// The server that owns the state: its address alone, or with what is needed to be let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerNamed {
    /// Where it is: `unix:FILE`, `https://HOST:PORT`, or on loopback `http://HOST:PORT`. Absent where the inventory says it.
    #[serde(default)]
    pub address: Option<String>,
    /// A reference to the token that is sent to it.
    #[serde(default)]
    pub token: Option<String>,
    /// Who may vouch for it beside those whom this machine trusts: a file of certificates, as PEM; relative to the
    /// configuration.
    #[serde(default)]
    pub certificates: Option<PathBuf>,
}

/// An address, or a map with it.
pub(super) fn address_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ServerNamed>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Address(String),
        More(ServerNamed),
    }
    Ok(Option::<Said>::deserialize(deserializer)?.map(|said| match said {
        Said::Address(address) => ServerNamed { address: Some(address), ..ServerNamed::default() },
        Said::More(named) => named,
    }))
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let token = config.server.as_ref()?.token.as_ref()?;
    let reference = token.split_once(':').is_some_and(|(form, rest)| !form.is_empty() && !rest.is_empty());
    (!reference).then(|| "`server.token` is a reference, as env:NAME or file:PATH: never the token itself".to_owned())
}
