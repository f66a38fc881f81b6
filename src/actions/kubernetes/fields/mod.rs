//! Single objects: applied or patched field by field, and put back where nobody changed them since.

pub(super) mod apply;
mod changed;
mod difference;
pub(super) mod patch;
mod told;
