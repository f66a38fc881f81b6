//! From a reference to its secret, at the moment it is needed. A secret never reaches a log: it has no text form but the
//! one that is asked for by name. Reading one never takes longer than `LIMIT`, and never holds up what goes on beside it.

mod forms;
mod keyring;
mod local;
mod mask;
mod program;
mod vault;

pub use keyring::Secrets;
pub use mask::{MASK, MaskedStream, Masker};

use std::fmt;
use std::time::Duration;

use super::{InventoryError, SecretRef};
use crate::value::Reference;

/// How long reading a secret may take: somebody may have to touch a key first, and a run waits for it all the while.
const LIMIT: Duration = Duration::from_secs(20);
/// What is longer is no secret but a file that somebody mistook for one.
const MOST: usize = 64 * 1024;

/// A secret. Debugging output does not show it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads the secret that a reference names, without the newline at its end. Whoever acts asks `Inventory::secrets` instead,
/// which remembers what has to be masked.
///
/// # Errors
/// When the reference has another form, nothing is there, or it takes too long.
async fn resolve(reference: &SecretRef) -> Result<Secret, InventoryError> {
    // A text of another form may be a password that somebody wrote straight into the file: it is not repeated.
    let failed = |shown: &str, why: String| InventoryError::Secret { reference: shown.to_owned(), why };
    let parsed = Reference::parse(&reference.0).map_err(|why| failed("…", why.to_owned()))?;
    let failed = |why: String| failed(&reference.0, why);
    let text = match tokio::time::timeout(LIMIT, read(&parsed)).await {
        Ok(answer) => answer.map_err(failed)?,
        Err(_) => return Err(failed(format!("it was not there within {} s", LIMIT.as_secs()))),
    };
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    if secret.len() > MOST {
        return Err(failed(format!("it is longer than {} KiB, which no secret is", MOST / 1024)));
    }
    Ok(Secret(secret.to_owned()))
}

async fn read(reference: &Reference) -> Result<String, String> {
    match reference {
        Reference::Environment(name) => local::variable(name),
        Reference::File(path) => local::file(path).await,
        Reference::Program(words) => program::output(words).await,
        Reference::Age(path) => program::decrypted(path).await,
        Reference::Vault { path, field } => vault::field(path, field).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Result<Secret, InventoryError> {
        resolve(&SecretRef(text.to_owned())).await
    }

    #[tokio::test]
    async fn a_file_holds_a_secret_and_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "correct horse \r\n").unwrap();
        let secret = read(&format!("file:{}", path.display())).await.unwrap();
        assert_eq!(secret.expose(), "correct horse ");
        assert!(!format!("{secret:?}").contains("horse"));
        std::fs::write(&path, "\n").unwrap();
        assert!(read(&format!("file:{}", path.display())).await.unwrap_err().to_string().contains("it is empty"));
        std::fs::write(&path, "x".repeat(MOST + 1)).unwrap();
        assert!(
            read(&format!("file:{}", path.display())).await.unwrap_err().to_string().contains("longer than 64 KiB")
        );
    }

    #[tokio::test]
    async fn the_environment_holds_secrets_too() {
        assert!(!read("env:PATH").await.unwrap().expose().is_empty());
        let error = read("env:PLAYBOOK_NO_SUCH_VARIABLE").await.unwrap_err().to_string();
        assert!(error.contains("PLAYBOOK_NO_SUCH_VARIABLE is not set"), "{error}");
        assert!(read("env:").await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_reference_is_not_repeated() {
        for text in ["hunter2", "hunter2:x"] {
            let error = read(text).await.unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
