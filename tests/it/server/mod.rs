//! The server: runs that live in it, and the real binary.

mod hands;
mod serve;
