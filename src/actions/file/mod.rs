//! Files on this machine or on a host of the inventory: what they hold, and one file put in another one's place. What
//! stands in a file never gets into a record: digests, sizes, modes and owners do.

mod by_hand;
mod checksum;
mod source;
mod target;
mod write;

use std::sync::Arc;

pub use checksum::Checksum;
pub use write::Write;

use super::Action;
use crate::value::Value;

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Write), Arc::new(Checksum)]
}

/// The largest file that is written, in bytes: what is larger is data, and no configuration.
const LARGEST: u64 = 16 << 20;

/// The largest file that is replaced, in bytes: it is read to be compared, and a look has seconds for that.
const LARGEST_BEFORE: u64 = 256 << 20;

/// An argument that is a text.
fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}

/// A path that a script may be given: absolute, without a step back, and nothing in it that a line could be broken with.
///
/// # Errors
/// What is wrong with it.
fn path<'a>(name: &str, path: &'a str) -> Result<&'a str, String> {
    let parts = || path.split('/').skip(1);
    if path.len() > 4000 || path.chars().any(char::is_control) {
        return Err(format!("`{name}` is no path that is taken here: it holds a control character, or is too long"));
    }
    if !path.starts_with('/') || parts().any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(format!("`{name}` has to be the whole path of a file, such as /etc/app/app.conf, and is {path:?}"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_whole_and_plain() {
        for good in ["/a", "/etc/app/app.conf", "/srv/ä b/$(x)'"] {
            assert_eq!(path("path", good), Ok(good));
        }
        for bad in ["", "a", "/", "/a/", "/a//b", "/a/../b", "/./a", "/a\nb", "/a\0"] {
            assert!(path("path", bad).is_err(), "{bad:?}");
        }
    }
}
