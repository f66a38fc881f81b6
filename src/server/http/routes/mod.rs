//! What is done for each route: a file a family. None of them decides what a run does.

pub mod ask;
pub mod begin;
pub mod halt;
pub mod health;
pub mod hooks;
pub mod incidents;
pub mod outbox;
pub mod playbooks;
pub mod records;
pub mod runs;
pub mod tokens;
