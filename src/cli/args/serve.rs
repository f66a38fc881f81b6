//! What can be typed to serve a state.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// `serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen: an address and a port [default: the configuration's, else 127.0.0.1:7341]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Listen on no address, only on the socket
    #[arg(long, conflicts_with = "listen")]
    pub no_listen: bool,
    /// The socket's file [default: the configuration's, else serve.sock in the state folder]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// How long the runs in hand may take to end their step when the server is to end (SIGTERM), such as 2m
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub patience: String,
}
