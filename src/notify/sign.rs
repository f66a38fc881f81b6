//! How messages prove whom they are from: the rules of each service, over bytes that are given. No clock, and no secret in any
//! error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The HMAC-SHA256 of some bytes, in base64.
fn hmac_sha256(key: &[u8], text: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    STANDARD.encode(hmac::sign(&key, text))
}

/// The sign of DingTalk: over the time in milliseconds and the secret, with the secret as key. It goes into the address, where it
/// has to be escaped.
pub fn dingtalk(secret: &str, milliseconds: i64) -> String {
    hmac_sha256(secret.as_bytes(), format!("{milliseconds}\n{secret}").as_bytes())
}

/// The sign of Feishu: over nothing, with the time in seconds and the secret as key.
pub fn feishu(secret: &str, seconds: i64) -> String {
    hmac_sha256(format!("{seconds}\n{secret}").as_bytes(), b"")
}

/// The signatures of Standard Webhooks, one for each key, so that a receiver may go over from one to the next.
pub fn webhook(keys: &[Vec<u8>], id: &str, seconds: i64, body: &str) -> String {
    let text = format!("{id}.{seconds}.{body}");
    let all: Vec<String> = keys.iter().map(|key| format!("v1,{}", hmac_sha256(key, text.as_bytes()))).collect();
    all.join(" ")
}

/// Bytes in base64, for mail.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::webhook_key;

    #[test]
    fn the_worked_vectors_of_both_robots() {
        assert_eq!(dingtalk("SECdemo", 1_700_000_000_000), "lOvVf9TQCVugV68mGbSZCg0gzOl1SVjxWi1MyVZCUuA=");
        assert_eq!(feishu("demo", 1_700_000_000), "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=");
    }

    #[test]
    fn the_vector_of_standard_webhooks_and_a_rotation() {
        // The example of the specification.
        let key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let one = webhook(std::slice::from_ref(&key), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(one, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let two = webhook(&[key, vec![7; 24]], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert!(two.starts_with(&one) && two.split(' ').count() == 2);
    }
}
