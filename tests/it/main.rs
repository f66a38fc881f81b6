//! The integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs
)]

mod authoring;
mod bench;
mod brakes;
mod cli;
mod command;
mod core;
mod failover;
mod faults;
mod hostile;
mod hosts;
mod house;
mod incidents;
mod inventory;
mod journal_faults;
mod journeys;
mod kubernetes;
mod lab;
mod light;
mod named;
mod nested;
mod outbox;
mod parts;
mod plans;
mod postgres_actions;
mod processes;
mod prove;
mod recoveries;
mod secrets;
mod sensitive;
mod server;
mod targets;
mod tokens;
mod triggers;
