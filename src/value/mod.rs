//! Values as steps pass them on, and the types they are declared with. A value is a JSON value; a duration is its seconds
//! (a number), a size its bytes (an integer), an address or an identifier its text. A leaf.

mod environment;
mod hidden;
mod kind;
pub mod ranges;
mod reference;
pub(crate) mod shared;
pub(crate) mod tagged;
mod units;
mod unknown;
mod unnamed;

pub use environment::environment_problem;
pub use hidden::{has_hidden, is_hidden, letters, told, written_out};
pub use kind::{Type, TypeError};
pub use reference::{REFERENCE_FORMS, Reference};
pub use units::{counted, format_seconds, format_size, parse_duration, parse_size};
pub use unknown::{contains_unknown, is_unknown, unknown, why_unknown};
pub use unnamed::without_name;

/// A value at run time.
pub type Value = serde_json::Value;
