//! What is to stand in a file: given as a value, in a file of the runner's, or in another file at the target. It is held in
//! memory for the one write that needs it, and shown to nobody.

use std::fmt;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::target::Seen;
use super::{LARGEST, path, text};
use crate::actions::command::{base64, hexadecimal};
use crate::value::{Value, contains_unknown};

/// Where it comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// These bytes: a value, or a file of the runner's.
    Bytes {
        bytes: Vec<u8>,
        /// Where they were read, for a person.
        whence: String,
    },
    /// The file at this path, at the target.
    There(String),
    /// It is not known yet.
    Later,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(…)")
    }
}

/// What is to be written, as far as it is known: its digest and its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) sha256: String,
    pub(super) size: u64,
}

impl Source {
    /// Reads `content`, `source` or `from`.
    pub(super) fn read(arguments: &Value) -> Result<Self, String> {
        let given = |name: &&str| arguments.get(*name).is_some_and(|value| !value.is_null());
        let names: Vec<&str> = ["content", "source", "from"].into_iter().filter(given).collect();
        match names.as_slice() {
            [one] if contains_unknown(&arguments[*one]) => Ok(Self::Later),
            ["content"] => {
                let mut content = text(arguments, "content").ok_or("`content` is no text")?.to_owned();
                // A secret comes without the newline at its end, and a file of lines wants one.
                if arguments.get("newline") != Some(&Value::Bool(false)) && !content.ends_with('\n') {
                    content.push('\n');
                }
                Self::of(content.into_bytes(), "the value that is given".to_owned())
            }
            ["source"] => {
                let given = path("source", text(arguments, "source").ok_or("`source` is no text")?)?;
                let unreadable = |error| format!("`source`: {given} cannot be read on this machine: {error}");
                let size = std::fs::metadata(given).map_err(unreadable)?;
                if !size.is_file() {
                    return Err(format!("`source`: {given} on this machine is no file"));
                }
                if size.len() > LARGEST {
                    return Err(too_large(given, size.len()));
                }
                Self::of(std::fs::read(given).map_err(unreadable)?, format!("{given} on this machine"))
            }
            ["from"] => Ok(Self::There(path("from", text(arguments, "from").ok_or("`from` is no text")?)?.to_owned())),
            _ => Err("exactly one of `content`, `source` and `from` says what is to stand in the file".to_owned()),
        }
    }

    fn of(bytes: Vec<u8>, whence: String) -> Result<Self, String> {
        let size = bytes.len() as u64;
        if size > LARGEST { Err(too_large(&whence, size)) } else { Ok(Self::Bytes { bytes, whence }) }
    }

    /// The path at the target that it comes from.
    pub(super) fn there(&self) -> Option<&str> {
        match self {
            Self::There(path) => Some(path),
            _ => None,
        }
    }

    /// Where it comes from, for a person.
    pub(super) fn whence(&self) -> String {
        match self {
            Self::Bytes { whence, .. } => whence.clone(),
            Self::There(path) => format!("{path} at the target"),
            Self::Later => "what is not known yet".to_owned(),
        }
    }

    /// What is to be written, with what a look at the target found.
    pub(super) fn wanted(&self, seen: &Seen) -> Result<Option<Wanted>, String> {
        match self {
            Self::Later => Ok(None),
            Self::Bytes { bytes, .. } => {
                Ok(Some(Wanted { sha256: hexadecimal(&Sha256::digest(bytes)), size: bytes.len() as u64 }))
            }
            Self::There(path) => {
                let size = seen.get("from_size").and_then(|size| size.parse().ok());
                match (seen.get("from_sha256"), size) {
                    (_, Some(size)) if size > LARGEST => Err(too_large(path, size)),
                    (Some(sha256), Some(size)) => Ok(Some(Wanted { sha256: sha256.to_owned(), size })),
                    _ => Ok(None),
                }
            }
        }
    }

    /// What the script reads on its standard input.
    pub(super) fn input(&self) -> String {
        match self {
            Self::Bytes { bytes, .. } => base64(bytes),
            _ => String::new(),
        }
    }
}

/// A digest and a size in a fact or an output.
pub(super) fn told(wanted: Option<&Wanted>) -> Value {
    wanted.map_or(Value::Null, |wanted| json!(wanted.sha256))
}

fn too_large(what: &str, size: u64) -> String {
    format!("{what} has {size} bytes, and at most {LARGEST} are written: what is larger is copied by a tool for data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_says_what_is_to_stand_there() {
        for bad in [
            json!({}),
            json!({ "content": null }),
            json!({ "content": "a", "from": "/b" }),
            json!({ "content": 5 }),
            json!({ "source": "relative" }),
            json!({ "source": "/" }),
            json!({ "source": "/proc/self" }),
            json!({ "from": "/a/../b" }),
        ] {
            assert!(Source::read(&bad).is_err(), "{bad}");
        }
        let bytes = |arguments: Value| Source::read(&arguments).unwrap().wanted(&Seen::default()).unwrap().unwrap();
        assert_eq!(bytes(json!({ "content": "ab" })), bytes(json!({ "content": "ab\n" })));
        assert_eq!(bytes(json!({ "content": "abc", "newline": false })).size, 3);
        let later = json!({ "content": crate::value::unknown("later") });
        assert_eq!(Source::read(&later), Ok(Source::Later));
    }

    #[test]
    fn what_is_to_be_written_is_not_shown_by_accident() {
        let source = Source::read(&json!({ "content": "canary" })).unwrap();
        assert!(!format!("{source:?}").contains("canary"));
        assert!(!format!("{source:?}").contains("99"), "nor as bytes");
    }
}
