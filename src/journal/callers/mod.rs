//! What is kept of those who call the server: their tokens, and the keys under which they asked for runs. It must never hold
//! what a token is, nor decide what somebody may do.

mod keys;
mod tokens;

pub use keys::{AskedKey, ClaimedKey, KEPT_SECONDS, Keys};
pub use tokens::{NewToken, TokenRow, Tokens};
