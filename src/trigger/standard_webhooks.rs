//! Standard Webhooks (standardwebhooks.com), which incident.io and others sign by: an id, a time, and a signature over both
//! and the body.

use super::proof::{self, Headers, Keys};

/// What was proved with the body.
pub(super) struct Signed {
    pub id: String,
    /// In seconds since 1970.
    pub at: i64,
}

/// Whether one of the signatures fits one of the secrets. Whether the time is near is asked by whoever calls.
pub(super) fn prove(headers: &Headers, body: &[u8], keys: &Keys) -> Result<Signed, String> {
    let id = headers.one("webhook-id")?;
    let at = headers.one("webhook-timestamp")?;
    let given = headers.one("webhook-signature")?;
    // `v1a` is another kind of signature, by a key that is not ours.
    let given = given.split(' ').filter_map(|part| proof::unbase64(part.strip_prefix("v1,")?));
    let given: Vec<Vec<u8>> = given.collect();
    if given.is_empty() {
        return Err("its webhook-signature has no `v1,`".to_owned());
    }
    if id.is_empty() || id.len() > 200 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its webhook-id is empty, longer than 200 letters, or has such as cannot be written".to_owned());
    }
    let seconds = at.parse::<i64>().map_err(|_| "its webhook-timestamp is no number".to_owned())?;
    if !keys.signed(&[id.as_bytes(), b".", at.as_bytes(), b".", body], &given) {
        return Err(proof::unfit("its signature", keys));
    }
    Ok(Signed { id: id.to_owned(), at: seconds })
}
