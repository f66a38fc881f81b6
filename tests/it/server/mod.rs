//! The server: runs that live in it, and the real binary.

mod clients;
mod hands;
mod matrix;
mod named;
mod over_http;
mod plans;
mod serve;
mod traces;
