//! The key that a secret of Standard Webhooks stands for, the same for what is sent and for what comes in. The secret is never
//! repeated, whatever is wrong with it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// The shortest key, in bytes: a shorter one could be guessed by whoever has seen one signature.
const SHORTEST: usize = 16;

/// The key of a secret: base64, with or without `whsec_` before it.
///
/// # Errors
/// When it is none.
pub fn webhook_key(secret: &str) -> Result<Vec<u8>, String> {
    let text = secret.trim().strip_prefix("whsec_").unwrap_or(secret.trim());
    let key = STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text));
    let key = key.map_err(|_| "the secret is none of Standard Webhooks: `whsec_` and base64".to_owned())?;
    if key.len() < SHORTEST {
        return Err("the secret is too short: Standard Webhooks asks for 24 to 64 bytes".to_owned());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_not_repeated() {
        for bad in ["hunter2!", "whsec_hunter2!", "whsec_c2hvcnQ=", "whsec_", ""] {
            let error = webhook_key(bad).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("c2hvc"), "{error}");
        }
        assert_eq!(webhook_key("whsec_AAAAAAAAAAAAAAAAAAAAAA").unwrap(), [0; 16]);
        assert_eq!(webhook_key(" AAAAAAAAAAAAAAAAAAAAAA==\n").unwrap(), [0; 16]);
    }
}
