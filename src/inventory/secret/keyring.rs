//! The secrets of a process. Whoever needs one asks here: it is read then, not before, and known from then on to all that
//! shows or writes what a target says. Nothing here is ever written down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Masker, Secret, resolve};
use crate::inventory::{InventoryError, SecretRef};

/// What has to be masked: all secrets that were read, and what finds them.
#[derive(Default)]
struct Known {
    secrets: Vec<Secret>,
    masker: Masker,
}

/// The secrets of one attempt: each is read once in it. All attempts of a process share what they know, as one may print what
/// another was given.
#[derive(Clone, Default)]
pub struct Secrets {
    known: Arc<Mutex<Known>>,
    read: Arc<tokio::sync::Mutex<BTreeMap<String, Secret>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Which secrets were read by now makes no inventory another one.
impl PartialEq for Secrets {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Secrets {
    /// For the next attempt: a secret that has changed meanwhile is read anew, and the old one stays masked.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self { known: Arc::clone(&self.known), read: Arc::default() }
    }

    /// Whether none was read yet: for the next attempt it is as good as new then.
    pub fn is_unread(&self) -> bool {
        self.read.try_lock().is_ok_and(|read| read.is_empty())
    }

    /// Reads the secret that a reference names.
    ///
    /// # Errors
    /// When it leads nowhere.
    pub async fn read(&self, reference: &SecretRef) -> Result<Secret, InventoryError> {
        // Who asks for the same at the same time waits for the one answer: a program behind it may ask a person for a touch.
        let mut read = self.read.lock().await;
        if let Some(secret) = read.get(&reference.0) {
            return Ok(secret.clone());
        }
        let secret = resolve(reference).await?;
        self.learn(&secret);
        read.insert(reference.0.clone(), secret.clone());
        Ok(secret)
    }

    /// Takes a text that a target gave us as a secret: it is masked from here on.
    pub fn keep(&self, text: &str) -> Secret {
        let secret = Secret(text.to_owned());
        self.learn(&secret);
        secret
    }

    /// What takes all secrets out that are known by now.
    pub fn masker(&self) -> Masker {
        self.known().masker.clone()
    }

    fn learn(&self, secret: &Secret) {
        let mut known = self.known();
        if !known.secrets.contains(secret) {
            known.secrets.push(secret.clone());
            known.masker = Masker::new(&known.secrets);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_read_once_in_an_attempt_and_anew_in_the_next_and_all_stay_masked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let reference = SecretRef(format!("file:{}", path.display()));
        let secrets = Secrets::default();
        std::fs::write(&path, "first-one").unwrap();
        assert_eq!(secrets.read(&reference).await.unwrap().expose(), "first-one");
        std::fs::write(&path, "second-one").unwrap();
        assert_eq!(secrets.read(&reference).await.unwrap().expose(), "first-one");
        assert!(!secrets.is_unread());
        let next = secrets.anew();
        assert!(next.is_unread());
        assert_eq!(next.read(&reference).await.unwrap().expose(), "second-one");
        next.keep("third-one");
        assert_eq!(secrets.masker().text("first-one second-one third-one"), "*** *** ***");
        assert!(!format!("{secrets:?}").contains("one"));
    }
}
