//! The key with which a state signs its checkpoints (ed25519): made on first use, readable by its owner alone. What it signs
//! is another's business. It must never leave the state folder, and never be overwritten.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::JournalError;

/// The name of the file in the state folder.
const FILE: &str = "signing.key";
const SEED: usize = 32;

/// A state's key.
pub struct Key {
    pair: Ed25519KeyPair,
}

/// What a signature is checked with; written in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl Key {
    /// The key of a state folder, made where there is none.
    ///
    /// # Errors
    /// When it cannot be read, made, or is none.
    pub fn of(folder: &Path) -> Result<Self, JournalError> {
        if let Some(key) = Self::existing(folder)? {
            return Ok(key);
        }
        let path = folder.join(FILE);
        let mut seed = [0_u8; SEED];
        getrandom::fill(&mut seed)
            .map_err(|error| JournalError::Checkpoint(format!("there are no random numbers: {error}")))?;
        make(folder, &path, &seed).map_err(|error| JournalError::Store {
            doing: "written",
            cause: format!("no key can be made in {}: {error}", path.display()),
        })?;
        // Another process may have been faster: then its key is the state's.
        Self::existing(folder)?.ok_or_else(|| damaged(&path, "it is not there"))
    }

    /// The key of a state folder, if it has one.
    ///
    /// # Errors
    /// When it cannot be read, or is none.
    pub fn existing(folder: &Path) -> Result<Option<Self>, JournalError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(&path, &error.to_string())),
        };
        let seed = bytes(text.trim()).filter(|seed| seed.len() == SEED);
        let pair = seed.and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).ok());
        pair.map(|pair| Some(Self { pair })).ok_or_else(|| damaged(&path, "it is no key"))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.pair.public_key().as_ref().to_vec())
    }

    /// Signs a text; the signature in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        hexadecimal(self.pair.sign(text.as_bytes()).as_ref())
    }
}

impl PublicKey {
    /// Whether a signature is one of this text by this key.
    pub fn has_signed(&self, text: &str, signature: &str) -> bool {
        bytes(signature).is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, &self.0).verify(text.as_bytes(), &signature).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl FromStr for PublicKey {
    type Err = JournalError;

    fn from_str(text: &str) -> Result<Self, JournalError> {
        bytes(text)
            .filter(|key| key.len() == SEED)
            .map(Self)
            .ok_or_else(|| JournalError::Checkpoint(format!("`{text}` is no public key: it has 64 hexadecimal digits")))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key itself.
        write!(f, "Key({})", self.public())
    }
}

/// Writes it whole under another name and links it: of two processes one wins, and neither sees half a key.
fn make(folder: &Path, path: &Path, seed: &[u8]) -> io::Result<()> {
    let mut mark = [0_u8; 8];
    getrandom::fill(&mut mark)?;
    let whole = folder.join(format!("{FILE}.{}", hexadecimal(&mark)));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole)?;
    file.write_all(format!("{}\n", hexadecimal(seed)).as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&whole, path);
    fs::remove_file(&whole)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}

fn damaged(path: &Path, why: &str) -> JournalError {
    JournalError::Checkpoint(format!("the key {} cannot be used: {why}", path.display()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_private_and_signs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Key::existing(folder.path()).unwrap().is_none());
        let keys: Vec<PublicKey> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| Key::of(folder.path()).unwrap().public())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        let key = Key::of(folder.path()).unwrap();
        assert!(keys.iter().all(|public| *public == key.public()));
        assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        let signature = key.sign("a text");
        let public: PublicKey = key.public().to_string().parse().unwrap();
        assert!(public.has_signed("a text", &signature));
        assert!(!public.has_signed("another", &signature));
        assert!(!public.has_signed("a text", &signature.replace(['0', '1'], "2")));
        assert!(!public.has_signed("a text", "no hex"));
    }

    #[test]
    fn what_is_no_key_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "hello\n").unwrap();
        assert!(Key::of(folder.path()).unwrap_err().to_string().contains("it is no key"));
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), "hello\n");
        assert!("xyz".parse::<PublicKey>().is_err());
    }
}
