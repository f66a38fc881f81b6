//! The names of things, each a type of its own, so that a step's id is never taken for a run's.
//! A leaf: it knows nothing of the rest of the house.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that does not have the form its kind asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {kind}: {form}")]
pub struct InvalidName {
    /// What the text was meant to be, as people call it.
    pub kind: &'static str,
    /// The text as given.
    pub text: String,
    /// The form that such a name has.
    pub form: &'static str,
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $form:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.to_owned().try_into()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(InvalidName { kind: $kind, text, form: $form }) }
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name_type! {
    /// One execution of a plan, for example `20261122-152030-k3f9`: the second it started (UTC) and four random letters.
    RunId, "run id", "runs are named like 20261122-152030-k3f9 (letters, digits and hyphens, at most 64)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

name_type! {
    /// An incident: one of ours is named like `inc-20261122-152030-k3f9`; one of an incident service as that names it, for
    /// example `INC-7`.
    IncidentId, "incident id", "incidents are named like inc-20261122-152030-k3f9 or INC-7 (letters, digits, `-`, `_`, `.`; at most 64)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

name_type! {
    /// A step or a group of steps: `[a-z][a-z0-9_]*`; one that came in with a nested playbook is `parent/child`.
    StepId, "step id",
    "an id is a lower-case letter, then lower-case letters, digits and underscores (at most 64), and not `undo`",
    |text| text.len() <= 400 && text.split('/').all(|part| is_identifier(part) && part != "undo")
}

name_type! {
    /// An item of a `for_each`, as people and records name it: `restart@web1`.
    ItemId, "item", "an item is named by letters, digits and . _ : - (at most 64)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
}

name_type! {
    /// What a lock is held on, for example `database/orders`.
    Resource, "resource", "a resource is KIND/NAME, of letters, digits and . _ - / : (at most 200)",
    |text| text.len() <= 200
        && text.split_once('/').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:".contains(&b))
}

name_type! {
    /// A SHA-256 digest, written `sha256:` and 64 hexadecimal digits.
    Digest, "digest", "a digest is sha256: and 64 hexadecimal digits",
    |text| text.strip_prefix("sha256:").is_some_and(|hex| {
        // All of them at once: there are two digests in each record, and a resume reads them all.
        hex.len() == 64 && hex.bytes().fold(true, |fits, b| fits & (b.is_ascii_digit() | (b'a'..=b'f').contains(&b)))
    })
}

impl StepId {
    /// The nested playbook that it came in with; `None` where it stands in the playbook itself.
    pub fn frame(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(frame, _)| frame)
    }

    /// Its name inside the playbook in which it is written.
    pub fn local(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, local)| local)
    }

    /// The same below a nested playbook's step.
    pub fn below(&self, parent: &StepId) -> Self {
        Self(format!("{}/{}", parent.0, self.0))
    }
}

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts([bytes])
    }

    /// The digest of bytes that come in parts: the same as if they stood in one piece.
    pub fn of_parts<'b>(parts: impl IntoIterator<Item = &'b [u8]>) -> Self {
        use sha2::Digest as _;
        let mut sum = sha2::Sha256::new();
        parts.into_iter().for_each(|part| sum.update(part));
        let mut text = String::with_capacity(71);
        text.push_str("sha256:");
        let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
        for byte in sum.finalize() {
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
        Self(text)
    }

    /// The first twelve hexadecimal digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

/// Whether a text has the form of an id: `[a-z][a-z0-9_]*`, at most 64 bytes.
pub fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A name of ours as a part of a file's name, of letters, digits and `. _ -` alone: no two have the same.
pub fn file_name(name: &str) -> String {
    let mut file = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        match letter {
            '.' => file.push_str(".."),
            '/' => file.push_str(".-"),
            '@' => file.push_str("._"),
            ':' => file.push_str(".c"),
            other => file.push(other),
        }
    }
    file
}

/// The name that a file's name stands for; nothing where `file_name` has not made it.
pub fn of_file_name(file: &str) -> Option<String> {
    let mut name = String::with_capacity(file.len());
    let mut letters = file.chars();
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '.' => match letters.next()? {
                '.' => '.',
                '-' => '/',
                '_' => '@',
                'c' => ':',
                _ => return None,
            },
            other => other,
        });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_held_to_their_form() {
        assert!("catch_up".parse::<StepId>().is_ok());
        assert!("switch/promote".parse::<StepId>().is_ok());
        for bad in ["", "Catch", "1st", "a-b", "a b", "a/", "/a", "undo", "a/undo", "a@b"] {
            assert!(bad.parse::<StepId>().is_err(), "{bad:?}");
        }
        assert!("database/orders".parse::<Resource>().is_ok());
        for bad in ["orders", "/orders", "database/", "database/or ders", "database/$(x)"] {
            assert!(bad.parse::<Resource>().is_err(), "{bad:?}");
        }
        assert!("../x".parse::<RunId>().is_err());
    }

    #[test]
    fn a_file_s_name_stands_for_one_name() {
        for name in ["a", "a/undo/1", "sub/a@1.2:3/undo/4", "a@x-undo", "a@._", "a@.-"] {
            assert_eq!(of_file_name(&file_name(name)).as_deref(), Some(name));
        }
        assert_eq!(of_file_name("a.x"), None);
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.as_str(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.short(), "ba7816bf8f01");
    }
}
