//! Proofs of who sent something: signatures over the raw body, tokens, passwords. Whatever is compared with a secret is
//! compared in a time that does not tell how much of it was right.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use ring::hmac;

use super::error::TriggerError;

/// How far the time that was signed may be from ours, in seconds.
pub const PATIENCE: i64 = 300;
/// The most signatures that are looked at: a sender has as many as it has secrets.
const MAX_SIGNATURES: usize = 16;

/// The headers of a request.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// These headers; one that stands there twice is there twice.
    pub fn new<'a>(all: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        Self(all.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_vec())).collect())
    }

    /// The one header of a name. Of two it could not be said which of them was proved.
    pub(super) fn one(&self, name: &str) -> Result<&str, String> {
        let wanted = name.to_ascii_lowercase();
        let mut found = self.0.iter().filter(|(name, _)| *name == wanted);
        let (Some((_, value)), None) = (found.next(), found.next()) else {
            let there = self.0.iter().filter(|(name, _)| *name == wanted).count();
            return Err(if there == 0 { format!("it has no {name}") } else { format!("it has several {name}") });
        };
        std::str::from_utf8(value).map(str::trim).map_err(|_| format!("its {name} is no text"))
    }
}

/// The secrets of a source. Debugging output does not show them.
#[derive(Clone)]
pub(super) struct Keys(Vec<Vec<u8>>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} of them)", self.0.len())
    }
}

impl Keys {
    pub fn new(all: Vec<Vec<u8>>) -> Self {
        // An empty one would be fitted by anybody.
        Self(all.into_iter().filter(|key| !key.is_empty()).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the signatures is a HMAC-SHA256 over these parts by one of the secrets.
    pub fn signed(&self, parts: &[&[u8]], signatures: &[Vec<u8>]) -> bool {
        let mut fits = false;
        for key in &self.0 {
            let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
            parts.iter().for_each(|part| context.update(part));
            let expected = context.sign();
            for given in signatures.iter().take(MAX_SIGNATURES) {
                fits |= same(given, expected.as_ref());
            }
        }
        fits
    }

    /// Whether this is one of the secrets.
    pub fn hold(&self, given: &[u8]) -> bool {
        self.0.iter().fold(false, |fits, key| fits | same(given, key))
    }
}

/// Whether two are the same, in a time that rests on neither: what is compared are digests of both.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, given, hmac::sign(&key, expected).as_ref()).is_ok()
}

/// Holds a request to `Authorization: Bearer SECRET`.
pub(super) fn bearer(headers: &Headers, keys: &Keys) -> Result<(), String> {
    let given = authorization(headers, "bearer")?;
    if keys.hold(given.as_bytes()) { Ok(()) } else { Err(unfit("its token", keys)) }
}

/// Holds a request to `Authorization: Basic …`.
pub(super) fn basic(headers: &Headers, user: &str, keys: &Keys) -> Result<(), String> {
    let given = authorization(headers, "basic")?;
    let pair = unbase64(given).ok_or("its Authorization is no base64")?;
    let colon = pair.iter().position(|byte| *byte == b':').ok_or("its Authorization is no USER:PASSWORD")?;
    let (name, password) = (pair.get(..colon).unwrap_or_default(), pair.get(colon + 1..).unwrap_or_default());
    // Both are looked at, whether the first is right or not.
    let (known, fits) = (same(name, user.as_bytes()), keys.hold(password));
    if known & fits { Ok(()) } else { Err(unfit("its user or password", keys)) }
}

fn authorization<'a>(headers: &'a Headers, scheme: &str) -> Result<&'a str, String> {
    let header = headers.one("Authorization")?;
    let (given, rest) = header.split_once(' ').unwrap_or((header, ""));
    if given.eq_ignore_ascii_case(scheme) {
        Ok(rest.trim())
    } else {
        Err(format!("its Authorization is not `{scheme}`"))
    }
}

/// What does not fit, and against how many secrets it was held.
pub(super) fn unfit(what: &str, keys: &Keys) -> String {
    match keys.count() {
        0 => format!("{what} cannot be looked at: there is no secret here"),
        1 => format!("{what} does not fit the secret"),
        count => format!("{what} fits none of the {count} secrets"),
    }
}

/// Holds the time that was signed to now.
pub(super) fn recent(seconds: i64, now: Timestamp, patience: i64) -> Result<(), TriggerError> {
    let age = now.as_second().saturating_sub(seconds);
    if age.abs() <= patience {
        return Ok(());
    }
    let (long, when) = (age.unsigned_abs(), if age > 0 { "old" } else { "ahead of our clock" });
    let why = format!("more than {patience} s is too much; look at the clocks of both machines");
    Err(TriggerError::Stale { age: format!("{long} s {when}"), why })
}

/// Hexadecimal digits as bytes.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if text.len() > 128 || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes().chunks(2).map(|pair| Some(digit(*pair.first()?)? * 16 + digit(*pair.get(1)?)?)).collect()
}

/// Base64 as bytes, with or without the signs that fill it up.
pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn base64_and_hexadecimal_are_read() {
        for (text, bytes) in [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("Zm9vYg", b"foob")] {
            assert_eq!(unbase64(text).as_deref(), Some(bytes), "{text}");
        }
        for wrong in ["Z", "Zm9vY", "Zm 9", "Zm9-", "====", "Zg=", "Zh==", "Zm9v\n"] {
            assert_eq!(unbase64(wrong), None, "{wrong}");
        }
        assert_eq!(unhex("00fF"), Some(vec![0, 255]));
        assert!(unhex("0").is_none() && unhex("0g").is_none() && unhex("é").is_none());
    }

    #[test]
    fn no_secret_lets_nobody_in() {
        let none = Keys::new(vec![Vec::new()]);
        assert!(!none.hold(b"") && !none.signed(&[b"x"], &[vec![0; 32]]));
        assert!(!format!("{:?}", Keys::new(vec![b"hunter2".to_vec()])).contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: crate::fuzz_cases(128), ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read_again(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let written = STANDARD.encode(&bytes);
            prop_assert_eq!(unbase64(written.trim_end_matches('=')), Some(bytes.clone()));
            prop_assert_eq!(unbase64(&written), Some(bytes));
        }

        #[test]
        fn only_the_same_is_the_same(a in prop::collection::vec(any::<u8>(), 0..40), b in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert!(same(&a, &a));
        }
    }
}
