//! Tokens: how one is made, and how the one that somebody presents is judged. A token is shown once, when it is made; what is
//! kept is its digest. It must never be in a log, an error or a record.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{Caller, Role};
use crate::ids::Digest;
use crate::journal::{NewToken, TokenRow};
use crate::run::Time;

/// What every token begins with, so that it is known where it should not be.
const BEGINNING: &str = "pbk_";

/// How many random bytes a token has.
const BYTES: usize = 32;

/// How long a token may be, at most.
const LONGEST: usize = 128;

/// The longest time for which a token may count, in seconds.
pub const LONGEST_SECONDS: f64 = 366.0 * 86_400.0;

/// How long a token's name may be.
const LONGEST_NAME: usize = 64;

/// Whether a text can be a token's name.
pub fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(plain)
}

/// How rarely it is noted that a token was used, in seconds.
const NOTED_SECONDS: f64 = 3600.0;

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no random numbers: a token that could be guessed is worse than none.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(format!("{BEGINNING}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The text, for the one time in which it is shown.
    pub fn show(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// A text that somebody presents; nothing where it cannot be a token.
    pub fn presented(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = text.len() <= LONGEST && text.starts_with(BEGINNING) && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }
}

/// The token among those that are kept which somebody presents, if it counts now. All of them are compared, each in a time
/// that says nothing of how alike they are.
pub fn find<'t>(tokens: &'t [TokenRow], presented: &Token, at: Time) -> Option<&'t TokenRow> {
    // Under a key of this moment, as what is compared then is nothing that anybody could have chosen.
    let mut random = [0_u8; BYTES];
    getrandom::fill(&mut random).ok()?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &random);
    let digest = presented.digest();
    let same = |row: &TokenRow| {
        let kept = hmac::sign(&key, row.token.digest.as_str().as_bytes());
        hmac::verify(&key, digest.as_str().as_bytes(), kept.as_ref()).is_ok()
    };
    tokens.iter().fold(None, |found, row| if same(row) { Some(row) } else { found }).filter(|row| row.is_live(at))
}

/// Who calls with a token. A role that this version does not know gives nothing.
pub fn caller(row: &TokenRow) -> Caller {
    let role = |word: &String| Role::ALL.into_iter().find(|role| role.word() == word);
    let roles: BTreeSet<Role> = row.token.roles.iter().filter_map(role).collect();
    Caller { name: name(&row.token), roles }
}

/// How records name who calls with a token.
fn name(token: &NewToken) -> String {
    format!("token {}", token.name)
}

/// Whether it is time to note that a token was used.
pub fn is_to_be_noted(row: &TokenRow, at: Time) -> bool {
    row.used.is_none_or(|used| at.seconds_since(used) >= NOTED_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(token: &Token, expires: i64) -> TokenRow {
        TokenRow {
            number: 1,
            token: NewToken {
                name: "ci".into(),
                digest: token.digest(),
                roles: vec!["operator".into(), "of a later version".into()],
                by: "ann".into(),
                at: Time(0),
                expires: Time(expires),
            },
            revoked: None,
            used: None,
        }
    }

    #[test]
    fn a_token_is_long_random_and_never_shown_by_accident() {
        let (one, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert_eq!(one.show().len(), 4 + 43);
        assert_ne!(one, other);
        assert_eq!(Token::presented(one.show()), Some(one.clone()));
        assert!(!format!("{one:?}").contains(one.show()));
        for bad in ["", "pbk", "xyz_abc", "pbk_a b", &format!("pbk_{}", "a".repeat(200))] {
            assert_eq!(Token::presented(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_counts_until_it_expires_or_is_revoked() {
        let token = Token::new().unwrap();
        let live = row(&token, 100);
        let other = row(&Token::new().unwrap(), 100);
        let is_found = |rows: &[TokenRow], at| find(rows, &token, Time(at)).is_some();
        assert!(is_found(&[other.clone(), live.clone(), other.clone()], 99));
        assert!(!is_found(std::slice::from_ref(&live), 100), "it has expired");
        assert!(!is_found(&[TokenRow { revoked: Some(("ann".into(), Time(5))), ..live.clone() }], 50));
        assert!(!is_found(&[other], 50));
        let caller = caller(&live);
        assert_eq!(caller.name, "token ci");
        assert_eq!(caller.roles, BTreeSet::from([Role::Operator]));
    }

    #[test]
    fn use_is_noted_once_an_hour() {
        let row = TokenRow { used: Some(Time(0)), ..row(&Token::new().unwrap(), 100) };
        assert!(!is_to_be_noted(&row, Time(3_599_000)) && is_to_be_noted(&row, Time(3_600_000)));
        assert!(is_to_be_noted(&TokenRow { used: None, ..row }, Time(0)));
    }

    #[test]
    fn the_configuration_knows_the_same_roles() {
        assert_eq!(crate::config::SERVER_ROLES, Role::ALL.map(Role::word));
    }
}
