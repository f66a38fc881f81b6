//! From a reference to its secret, at the moment it is needed. A secret never reaches a log: it has no text form but the
//! one that is asked for by name.

use std::fmt;

use super::{InventoryError, SecretRef};

/// A secret. Debugging output does not show it.
#[derive(Clone, PartialEq, Eq)]
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

/// Reads the secret that a reference names: `env:NAME` or `file:PATH`, without the newline at its end.
///
/// # Errors
/// When the reference has another form, or nothing is there.
pub fn resolve_secret(reference: &SecretRef) -> Result<Secret, InventoryError> {
    // An unknown form may be a password that somebody wrote straight into the file: it is not repeated.
    let shown = if is_reference(reference) { reference.0.as_str() } else { "…" };
    let failed = |why: String| InventoryError::Secret { reference: shown.to_owned(), why };
    let text = match reference.0.split_once(':') {
        Some(("env", name)) => std::env::var_os(name)
            .ok_or_else(|| failed(format!("the environment variable {name} is not set")))?
            .into_string()
            .map_err(|_| failed(format!("the environment variable {name} is not valid UTF-8")))?,
        Some(("file", path)) => std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?,
        _ => return Err(failed("a reference is `env:NAME` or `file:PATH`".to_owned())),
    };
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(Secret(secret.to_owned()))
}

fn is_reference(reference: &SecretRef) -> bool {
    reference.0.starts_with("env:") || reference.0.starts_with("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Secret, InventoryError> {
        resolve_secret(&SecretRef(text.to_owned()))
    }

    #[test]
    fn a_file_holds_a_secret_and_a_newline() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "correct horse \r\n").unwrap();
        let secret = resolve(&format!("file:{}", path.display())).unwrap();
        assert_eq!(secret.expose(), "correct horse ");
        assert!(!format!("{secret:?}").contains("horse"));
        std::fs::write(&path, "\n").unwrap();
        assert!(resolve(&format!("file:{}", path.display())).is_err());
    }

    #[test]
    fn the_environment_holds_secrets_too() {
        assert!(!resolve("env:PATH").unwrap().expose().is_empty());
        let error = resolve("env:PLAYBOOK_NO_SUCH_VARIABLE").unwrap_err().to_string();
        assert!(error.contains("PLAYBOOK_NO_SUCH_VARIABLE is not set"), "{error}");
        assert!(resolve("env:").is_err());
    }

    #[test]
    fn what_is_no_reference_is_not_repeated() {
        for text in ["hunter2", "hunter2:x"] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
