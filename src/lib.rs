//! `playbook` runs versioned recovery playbooks step by step, with a truthful dry-run, checkpoints, automatic rollback
//! and a timeline. The rooms of the house, and which may know which, are drawn in `docs/architecture.md`; a test holds
//! the `use crate::` lines to that drawing.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, clippy::print_stdout)
)]

pub mod actions;
pub mod catalog;
pub mod cli;
pub mod client;
pub mod config;
pub mod diagnostic;
pub mod document;
pub mod engine;
pub mod ids;
pub mod incident;
pub mod inventory;
pub mod journal;
pub mod notify;
pub mod outcome;
pub mod plan;
pub mod playbook;
pub mod run;
pub mod server;
pub mod sim;
pub mod spec;
pub mod timeline;
pub mod trigger;
pub mod value;

/// How many cases a property test tries: a few in the inner loop, as many as `PLAYBOOK_TEST_FUZZ_CASES` says in a long job.
#[cfg(test)]
pub(crate) fn fuzz_cases(few: u32) -> u32 {
    std::env::var("PLAYBOOK_TEST_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}
