//! Where a server is reached, as it was typed or configured, and the thread that answers. It must never listen beyond what was
//! said: on an address beyond loopback only with a certificate.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::cli::args::Serve;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::server::alerts::Alerts;
use crate::server::http::{self, Limits, ListenError, Listener, Served};
use crate::server::{House, Runner};

/// The port where none is named.
const PORT: u16 = 7341;
/// The socket's name in the state folder where none is named.
const SOCKET: &str = "serve.sock";

/// Where it is to be reached.
///
/// # Errors
/// When it cannot be.
pub(super) fn listeners(setup: &Setup, args: &Serve) -> Result<Vec<Listener>, Failure> {
    let configured = setup.config.serve.as_ref();
    let mut listeners = Vec::new();
    if !args.no_listen {
        let address = args.listen.or_else(|| configured.and_then(|serve| serve.listen));
        let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
        let tls = configured.and_then(|serve| serve.tls.as_ref());
        listeners.push(Listener::at(address, tls).map_err(failure)?);
    }
    listeners.push(Listener::on(&socket(setup, args)).map_err(failure)?);
    Ok(listeners)
}

fn socket(setup: &Setup, args: &Serve) -> PathBuf {
    let named = args.socket.clone().or_else(|| setup.config.serve.as_ref().and_then(|serve| serve.socket.clone()));
    named.unwrap_or_else(|| setup.state.join(SOCKET))
}

fn failure(error: ListenError) -> Failure {
    let failure = Failure::new(Exit::Usage, error.to_string()).meaning("nothing is served; the state is as it was");
    match error {
        ListenError::InTheClear(_) => failure
            .next("`serve: { tls: { certificate: FILE, key: FILE } }` in the configuration     (docs/server.md)")
            .next("or serve this machine alone: --listen 127.0.0.1:7341, or --no-listen and the socket"),
        ListenError::Taken { .. } => failure
            .next("another place: --listen 127.0.0.1:PORT, --socket PATH (at most 107 letters)")
            .next("or no address at all: --no-listen"),
        ListenError::Answered(_) | ListenError::NoSocket(_) => failure.next("another place: --socket PATH"),
        ListenError::Certificate { .. } => failure.next("mend `serve.tls` in the configuration"),
    }
}

/// The thread that answers.
pub(super) struct Http {
    thread: JoinHandle<Result<(), String>>,
    stop: watch::Sender<bool>,
}

impl Http {
    /// Begins to answer.
    ///
    /// # Errors
    /// When the system gives no thread or no runtime.
    pub(super) fn begin(
        house: Arc<dyn House>,
        runner: Arc<dyn Runner>,
        alerts: Arc<Alerts>,
        listeners: Vec<Listener>,
    ) -> Result<Self, Failure> {
        let fault = |error: std::io::Error| fell(&error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
        let (stop, stopped) = watch::channel(false);
        let served = Served { house, runner, alerts, listeners, limits: Limits::default(), stop: stopped };
        let answer = move || {
            let result = runtime.block_on(http::serve(served)).map_err(|error| error.to_string());
            // What still waits on a thread for a run's first word is left behind.
            runtime.shutdown_background();
            result
        };
        let thread = std::thread::Builder::new().name("http".to_owned()).spawn(answer).map_err(fault)?;
        Ok(Self { thread, stop })
    }

    /// Whether it answers no more.
    pub(super) fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Tells it to take no new requests.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits for its last words.
    ///
    /// # Errors
    /// Why it ended, where it was not told to.
    pub(super) fn end(self) -> Result<(), String> {
        self.thread.join().unwrap_or_else(|_| Err("it fell; what it said last stands above".to_owned()))
    }
}

/// The server cannot be reached any more.
pub(super) fn fell(why: &str) -> Failure {
    Failure::new(Exit::Fault, format!("a part of the server has ended: {why}"))
        .meaning("the runs in hand were given back or left; the next start of the server goes on with them")
        .next("playbook serve")
}
