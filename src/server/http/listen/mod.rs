//! Where the server is reached: an address of this machine, with TLS or without, and a socket for the users of this machine.
//! Beyond loopback nothing is spoken in the clear.

mod socket;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::Peer;
use crate::config;
pub use tls::Certified;

/// Why it cannot be listened somewhere.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody beyond this machine could read along.
    #[error(
        "{0} can be reached from other machines, and there is no certificate: what is said there could be read and changed \
         on the way. Name a certificate and its key in `serve.tls`, or listen on 127.0.0.1"
    )]
    InTheClear(SocketAddr),
    /// The address or the socket cannot be had.
    #[error("the server cannot listen on {place}: {source}")]
    Taken {
        /// Where.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("another process listens on the socket {}", .0.display())]
    Answered(PathBuf),
    /// What lies where the socket is to be is something else.
    #[error("{} is there, and is no socket: it is left as it is", .0.display())]
    NoSocket(PathBuf),
    /// The certificate or its key cannot be used.
    #[error("{} cannot be used: {why}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// Where the server is reached.
#[derive(Debug)]
pub enum Listener {
    /// At an address.
    Address {
        /// What is listened on.
        listener: std::net::TcpListener,
        /// The address, with the port that the system gave where none was named.
        address: SocketAddr,
        /// What it proves with who it is.
        certified: Option<Certified>,
    },
    /// By the users of this machine.
    Socket {
        /// What is listened on.
        listener: std::os::unix::net::UnixListener,
        /// Its file.
        path: PathBuf,
    },
}

/// What bytes come over.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Listener {
    /// Listens at an address of this machine.
    ///
    /// # Errors
    /// `InTheClear` beyond loopback without a certificate; else when the address or the certificate cannot be used.
    pub fn at(address: SocketAddr, tls: Option<&config::Tls>) -> Result<Self, ListenError> {
        if !address.ip().to_canonical().is_loopback() && tls.is_none() {
            return Err(ListenError::InTheClear(address));
        }
        let certified = tls.map(Certified::read).transpose()?;
        let taken = |source| ListenError::Taken { place: address.to_string(), source };
        let listener = std::net::TcpListener::bind(address).map_err(taken)?;
        listener.set_nonblocking(true).map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Self::Address { listener, address, certified })
    }

    /// Listens on a socket in the file system: its owner, and those of its group, may connect.
    ///
    /// # Errors
    /// When something else is there, or it cannot be made.
    pub fn on(path: &Path) -> Result<Self, ListenError> {
        let listener = socket::listen(path)?;
        Ok(Self::Socket { listener, path: path.to_owned() })
    }

    /// Where it is, as a client names it.
    pub fn place(&self) -> String {
        match self {
            Self::Address { address, certified: Some(_), .. } => format!("https://{address}"),
            Self::Address { address, certified: None, .. } => format!("http://{address}"),
            Self::Socket { path, .. } => format!("unix:{}", path.display()),
        }
    }

    /// Makes it ready to be waited on.
    pub(super) fn open(self) -> Result<Opened, ListenError> {
        let place = self.place();
        let taken = |source| ListenError::Taken { place, source };
        Ok(match self {
            Self::Address { listener, address, certified } => Opened::Address {
                listener: tokio::net::TcpListener::from_std(listener).map_err(taken)?,
                loopback: address.ip().to_canonical().is_loopback(),
                certified,
            },
            Self::Socket { listener, path } => Opened::Socket {
                listener: tokio::net::UnixListener::from_std(listener).map_err(taken)?,
                _file: socket::File::of(path),
            },
        })
    }
}

/// A listener that is waited on.
#[derive(Debug)]
pub(super) enum Opened {
    /// At an address.
    Address {
        /// What is waited on.
        listener: tokio::net::TcpListener,
        /// Whether nobody beyond this machine reaches it.
        loopback: bool,
        /// What it proves with who it is.
        certified: Option<Certified>,
    },
    /// By the users of this machine.
    Socket {
        /// What is waited on.
        listener: tokio::net::UnixListener,
        /// Its file, which goes with it.
        _file: socket::File,
    },
}

/// A connection that was accepted; what TLS has to say is still to come.
pub(super) enum Accepted {
    /// From an address.
    Address(tokio::net::TcpStream),
    /// From a user of this machine.
    Socket(tokio::net::UnixStream),
}

impl Opened {
    /// The next connection, and where it comes from.
    pub async fn accept(&self) -> io::Result<(Accepted, Peer)> {
        match self {
            Self::Address { listener, loopback, certified } => {
                let (stream, address) = listener.accept().await?;
                // Small answers are to leave at once.
                let _ = stream.set_nodelay(true);
                let peer = Peer::Address { address: address.ip(), loopback: *loopback, secure: certified.is_some() };
                Ok((Accepted::Address(stream), peer))
            }
            Self::Socket { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                let uid = stream.peer_cred()?.uid();
                Ok((Accepted::Socket(stream), Peer::User { uid }))
            }
        }
    }

    /// What the server proves with who it is on it.
    pub fn certified(&self) -> Option<&Certified> {
        match self {
            Self::Address { certified, .. } => certified.as_ref(),
            Self::Socket { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_loopback_nothing_is_spoken_in_the_clear() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0"] {
            let error = Listener::at(open.parse().unwrap(), None).unwrap_err();
            assert!(matches!(error, ListenError::InTheClear(_)), "{open}: {error}");
        }
        let here = Listener::at("127.0.0.1:0".parse().unwrap(), None).unwrap();
        assert!(here.place().starts_with("http://127.0.0.1:") && !here.place().ends_with(":0"));
    }

    #[test]
    fn an_address_that_is_taken_is_said() {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = Listener::at(first.local_addr().unwrap(), None).unwrap_err().to_string();
        assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
    }
}
