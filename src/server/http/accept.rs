//! The connections of a listener, from their first byte to their last. Each has a task of its own and bounds of its own; what
//! one of them does, or does not do, is nothing to the others.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::App;
use super::connections::{Connections, Place};
use super::dispatch::{self, Routed};
use super::listen::{Accepted, Opened, Stream};
use super::peer::Peer;

/// How often it is looked for connections on which nothing is asked.
const SWEEP: Duration = Duration::from_secs(5);

/// How many headers a request may have.
const HEADERS: usize = 64;

/// Serves a listener until it is to stop; then what is under way may end, for a while.
pub(super) async fn serve(app: Arc<App>, routed: Routed, listener: Opened) {
    let listener = Arc::new(listener);
    let connections = Connections::new(app.limits.connections, app.limits.connections_each);
    app.metrics.watch(&connections);
    let mut tasks = JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP);
    let mut stop = app.stop.clone();
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                connections.sweep(app.limits.idle_time, Instant::now());
                continue;
            }
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match connections.enter(peer.origin(), Instant::now()) {
                Some(place) => {
                    let served = (Arc::clone(&app), routed.clone());
                    tasks.spawn(connection(served, Arc::clone(&listener), stream, peer, place));
                }
                // On all the others something is asked: closing it at once is what a client understands soonest.
                None => app.metrics.refused_connection(),
            },
            Err(error) => {
                // No more descriptors, most likely: the ones that are only held open are given back first.
                tracing::warn!(%error, "a connection could not be accepted");
                connections.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(app.limits.last_words, ended).await;
    tasks.shutdown().await;
}

/// Waits until the server is to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Whoever could have said so is gone: that is a stop too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What every connection works with.
type Served = (Arc<App>, Routed);

async fn connection(served: Served, listener: Arc<Opened>, stream: Accepted, peer: Peer, place: Place) {
    let place = Arc::new(place);
    let shown = listener.certified().map(|certified| certified.config(Instant::now()));
    // The listener is closed as soon as nobody waits on it any more, whatever is still open.
    drop(listener);
    match (stream, shown) {
        (Accepted::Socket(stream), _) => requests(served, stream, peer, place).await,
        (Accepted::Address(stream), None) => requests(served, stream, peer, place).await,
        (Accepted::Address(stream), Some(config)) => {
            let greeted = tokio::select! {
                greeted = tokio::time::timeout(served.0.limits.head_time, TlsAcceptor::from(config).accept(stream)) => greeted,
                () = place.closed() => return,
            };
            match greeted {
                Ok(Ok(stream)) => requests(served, stream, peer, place).await,
                Ok(Err(error)) => tracing::debug!(%error, "a connection did not come to TLS"),
                Err(_) => tracing::debug!("a connection took too long for TLS"),
            }
        }
    }
}

/// Answers what is asked on a connection.
async fn requests((app, routed): Served, stream: impl Stream + 'static, peer: Peer, place: Arc<Place>) {
    let mut stop = app.stop.clone();
    let limits = app.limits.clone();
    let asked_on = Arc::clone(&place);
    let service = service_fn(move |request| {
        let answer = dispatch::answer(Arc::clone(&app), routed.clone(), peer, asked_on.busy(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_buf_size(limits.head.max(8192))
        .max_headers(HEADERS)
        .half_close(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = place.closed() => return,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
