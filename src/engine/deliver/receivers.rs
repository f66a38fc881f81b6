//! How targets are reached: their secrets are read right before they are used, and are never part of what is said of a failure.

use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Notify;
use crate::inventory::{Masker, SecretRef, Secrets};
use crate::notify::{Mask, Receiver, Takes, Teller, parts_sent, takes, teller};

/// Who makes the tellers of targets.
#[async_trait]
pub trait Tellers: Send + Sync {
    /// What a target takes in one message: known without any of its secrets.
    fn takes(&self, notify: &Notify) -> Takes;

    /// The teller of a target, with its secrets as they are now, and what takes them out of a text.
    ///
    /// # Errors
    /// When a secret is not there, or what is configured cannot be.
    async fn make(&self, notify: &Notify) -> Result<(Arc<dyn Teller>, Masker), String>;
}

/// The tellers of real services.
#[derive(Clone, Default)]
pub struct Receivers {
    secrets: Secrets,
}

impl Receivers {
    /// With these secrets: what is read here is masked wherever they are.
    pub fn new(secrets: Secrets) -> Self {
        Self { secrets }
    }
}

#[async_trait]
impl Tellers for Receivers {
    fn takes(&self, notify: &Notify) -> Takes {
        takes(notify.kind)
    }

    async fn make(&self, notify: &Notify) -> Result<(Arc<dyn Teller>, Masker), String> {
        // Anew: one that was replaced is not used for longer.
        let secrets = self.secrets.anew();
        let mut known = Vec::new();
        for reference in &notify.secret {
            let secret = secrets.read(&SecretRef(reference.clone())).await.map_err(|error| error.to_string())?;
            known.push(secret.expose().to_owned());
        }
        let address = match &notify.address {
            Some(reference) if notify.refers_to_address() => {
                let secret = secrets.read(&SecretRef(reference.clone())).await.map_err(|error| error.to_string())?;
                Some(secret.expose().to_owned())
            }
            address => address.clone(),
        };
        // A receiver may repeat parts of its address in what it answers: each part that could be a key is masked.
        let parts = address.as_deref().map(secret_parts).unwrap_or_default();
        let sent = known.iter().flat_map(|secret| parts_sent(notify.kind, secret));
        let all: Vec<String> = known.iter().cloned().chain(parts).chain(sent).collect();
        let masker = Masker::of_texts(all.iter().map(String::as_str));
        let mask = masker.clone();
        let mask: Mask = Arc::new(move |text| mask.text(text));
        Ok((teller(&Receiver { notify: notify.clone(), address, secrets: known, mask })?, masker))
    }
}

/// The parts of an address that may be a key: whatever stands behind its host and is long enough for one.
fn secret_parts(address: &str) -> Vec<String> {
    let behind = address.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let before = address.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map_or("", |(user, _)| user);
    let parts = behind.split(['/', '?', '&', '=']).chain(before.split(':'));
    parts.filter(|part| part.len() >= 16).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_address_that_may_be_keys() {
        let parts = secret_parts("https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef0123");
        assert_eq!(parts, ["0123456789abcdef0123"]);
        assert!(secret_parts("https://hooks.example/short/path").is_empty());
    }

    #[tokio::test]
    async fn what_a_receiver_is_sent_of_a_secret_is_masked_too() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("headers");
        std::fs::write(&secret, "authorization=Bearer%20hunter%2B2,x-key=s3s4me").unwrap();
        let mut notify: Notify =
            serde_saphyr::from_str("{name: traces, kind: webhook, address: 'http://127.0.0.1:1'}").unwrap();
        notify.kind = crate::config::NotifyKind::Traces;
        notify.secret = vec![format!("file:{}", secret.display())];
        let (_, masker) = Receivers::default().make(&notify).await.unwrap();
        assert_eq!(masker.text("neither hunter+2 nor s3s4me"), "neither *** nor ***");
    }
}
