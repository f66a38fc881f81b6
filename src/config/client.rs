//! Which `playbook serve` owns the state, and how the command line proves to it who asks. What is at that address is not
//! looked at here.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize};

use super::Config;
use crate::value::{REFERENCE_FORMS, Reference};

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
    // It may be the token itself: it is not repeated.
    let problem = || format!("`server.token` takes a reference ({REFERENCE_FORMS}), and never the token itself");
    Reference::parse(token).is_err().then(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(token: &str) -> Option<String> {
        let server = ServerNamed { token: Some(token.to_owned()), ..ServerNamed::default() };
        problem_of(&Config { server: Some(server), ..Config::default() })
    }

    #[test]
    fn the_token_is_a_reference_and_what_is_none_is_not_repeated() {
        for wrong in ["pbk_hunter2", "token:hunter2", "env:", "file:hunter2"] {
            let problem = problem(wrong).unwrap_or_else(|| panic!("{wrong} passes"));
            assert!(problem.contains("never the token itself") && !problem.contains("hunter2"), "{problem}");
        }
        assert_eq!((problem("env:PLAYBOOK_TOKEN"), problem("file:/run/token")), (None, None));
    }
}
