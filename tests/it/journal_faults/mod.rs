//! The journal under faults that nobody arranged kindly: disks that fail or fill up, power that goes, hands that edit.

#[allow(dead_code, reason = "the unit tests of the journal use the rest of it")]
pub mod disk;
mod edits;
mod errors;
mod exports;
mod full;
mod old;
mod power;

/// How many cases are tried: so many by default, and what a variable says for a night.
fn cases(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
