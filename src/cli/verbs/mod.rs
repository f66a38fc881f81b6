//! A file a command. Each reads its words, asks the rooms below, and shows what came of it.

pub mod ask;
pub mod completions;
pub mod diff;
pub mod explain;
pub mod fmt;
pub mod lint;
pub mod list;
pub mod lock;
pub mod new;
pub mod over;
pub mod plan;
pub mod plan_file;
pub mod prove;
mod prove_real;
pub mod rehearse;
pub mod resolve;
pub mod resume;
pub mod run;
pub mod schema;
pub mod show;
pub mod skip;
pub mod status;
pub mod timeline;
pub mod verify;
pub mod watch;
mod world;
