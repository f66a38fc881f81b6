//! The tokens by which machines and people call the server, as a store keeps them: by their digests alone. Who presents one is
//! judged elsewhere; a store must never see a token itself.

use super::super::JournalError;
use crate::ids::Digest;
use crate::run::Time;

/// A store of tokens.
pub trait Tokens {
    /// Keeps a new one; false where another one that was not revoked has its name already, and then nothing was written.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn add_token(&mut self, token: &NewToken) -> Result<bool, JournalError>;

    /// All of them, revoked and expired ones too, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn tokens(&mut self) -> Result<Vec<TokenRow>, JournalError>;

    /// Revokes the one of that name; false where there is none that was not revoked.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn revoke_token(&mut self, name: &str, by: &str, at: Time) -> Result<bool, JournalError>;

    /// Notes that one was used.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn token_used(&mut self, number: i64, at: Time) -> Result<(), JournalError>;
}

/// A token that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What it is called.
    pub name: String,
    /// The digest of its text.
    pub digest: Digest,
    /// The words of its roles.
    pub roles: Vec<String>,
    /// Who made it.
    pub by: String,
    /// When.
    pub at: Time,
    /// Until when it counts.
    pub expires: Time,
}

/// A token that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its number; it only rises.
    pub number: i64,
    /// What it is and who made it.
    pub token: NewToken,
    /// Who revoked it and when, where somebody did.
    pub revoked: Option<(String, Time)>,
    /// When it was last used, to the hour or so.
    pub used: Option<Time>,
}

impl TokenRow {
    /// Whether it counts.
    pub fn is_live(&self, at: Time) -> bool {
        self.revoked.is_none() && at < self.token.expires
    }
}
