//! The settings of the tool on this machine. A leaf: it reads its file and knows nothing of the rest.

mod model;

pub use model::{Config, Page};
