//! The way of a request: is it for us, which route, who asks, may they, does it have the right form; and only then is anything
//! done. What was begun is carried through even where whoever asked has gone, as half of a request is nothing that anybody
//! could go on from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{Method, Response};
use axum::routing::{MethodFilter, on};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::answer::{self, Answer};
use super::call::{self, Call};
use super::connections::Busy;
use super::identify::{self, Credential, Known};
use super::metrics::Label;
use super::peer::Peer;
use super::route::{Access, Route, Work};
use super::{App, events, hosts, table, trouble};
use crate::server::Problem;

/// The router, as it is called.
pub(super) type Routed = TowerToHyperService<Router>;

/// The router, made from the table.
pub(super) fn router(app: &Arc<App>) -> Routed {
    let mut router = Router::new();
    for route in table::routes() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let app = Arc::clone(app);
        let handler = move |request: Request| enter(Arc::clone(&app), route, request);
        router = router.route(route.path, on(filter, handler));
    }
    let router = router
        .fallback(|| async { answer::refusal(&trouble::nothing_there()) })
        .method_not_allowed_fallback(|| async { answer::refusal(&trouble::other_method()) });
    TowerToHyperService::new(router)
}

/// Answers a request of a connection.
pub(super) async fn answer(
    app: Arc<App>,
    routed: Routed,
    peer: Peer,
    busy: Busy,
    request: hyper::Request<Incoming>,
) -> Response<Body> {
    let begun = Instant::now();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        %method,
        path = request.uri().path(),
        route = tracing::field::Empty,
        caller = tracing::field::Empty,
        status = tracing::field::Empty
    );
    let busy = Arc::new(busy);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(Arc::clone(&busy));
    let work = {
        let app = Arc::clone(&app);
        async move {
            match hosts::is_ours(&app, peer, &request) {
                // The router never fails.
                true => routed.call(request).await.unwrap_or_else(|never| match never {}),
                false => answer::refusal(&trouble::other_host()),
            }
        }
    };
    // On a task of its own: whoever asked may hang up, and a fault in it is told instead of closing the connection.
    let mut response = match tokio::spawn(work.instrument(span.clone())).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, "a request ended in a fault of ours");
            answer::fault()
        }
    };
    let label = response.extensions().get::<Label>().copied().unwrap_or_default();
    let status = response.status().as_u16();
    span.record("route", label.0);
    span.record("status", status);
    app.metrics.answered(label, &method, status, begun.elapsed());
    answer::seal(&mut response, matches!(peer, Peer::Address { secure: true, .. }));
    response
}

async fn enter(app: Arc<App>, route: &'static Route, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let mut response = go(&app, route, parts, body).await.unwrap_or_else(|problem| answer::refusal(&problem));
    response.extensions_mut().insert(Label(route.path));
    response
}

async fn go(app: &Arc<App>, route: &'static Route, mut parts: Parts, body: Body) -> Result<Response<Body>, Problem> {
    let Some(peer) = parts.extensions.get::<Peer>().copied() else { return Err(trouble::fault()) };
    let known = admit(app, route, peer, &parts).await?;
    tracing::Span::current().record("caller", known.caller.name.as_str());
    let path = RawPathParams::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| trouble::malformed("the path of the address cannot be read"))?;
    let mut call = Call::of(route, known, &path, &parts.uri, &parts.headers)?;
    if route.body.is_some() {
        // Who proves themself by what they send is no browser's form.
        if route.access != Access::Proof && !call::is_json(&parts.headers) {
            return Err(trouble::not_json());
        }
        call.body = read(app, route, &parts, body).await?;
    }
    if let (Work::Records(_), true) = (route.work, call.events.is_some()) {
        let busy = parts.extensions.get::<Arc<Busy>>().cloned();
        return events::follow(app, call, busy).await;
    }
    let done = work(app, route, call).await.map(Answer::response);
    match done {
        Err(problem) if route.access == Access::Proof && problem.status == 401 => Err(strange(app, peer, problem)),
        done => done,
    }
}

/// Who asks, if they may.
async fn admit(app: &Arc<App>, route: &Route, peer: Peer, parts: &Parts) -> Result<Known, Problem> {
    let credential = Credential::of(peer, &parts.headers);
    let known = match (&credential, route.access) {
        (_, Access::Proof) => return Ok(Known::nobody()),
        // Whether the server lives is told even where its journal is out of reach.
        (Credential::Nobody | Credential::User(_), Access::Open) => return Ok(Known::nobody()),
        _ => {
            let asker = Arc::clone(app);
            let found = blocking(app, &app.doors, move || {
                asker.journals.with(|journal| identify::identify(&asker, journal, &credential))
            });
            match found.await {
                Ok(Some(known)) => known,
                Ok(None) => return Err(strange(app, peer, trouble::nobody())),
                Err(problem) if problem.status == 401 => return Err(strange(app, peer, problem)),
                Err(problem) => return Err(problem),
            }
        }
    };
    app.callers.take(known.caller.name.clone(), Instant::now()).map_err(trouble::too_often)?;
    match route.access {
        Access::Role(role) if !known.caller.may(role) => Err(trouble::lacks(&known.caller.name, role)),
        _ => Ok(known),
    }
}

/// What somebody is told whom nobody knows: the same again and again makes them wait. Who is known waits for nobody.
fn strange(app: &App, peer: Peer, problem: Problem) -> Problem {
    match app.strangers.take(peer.origin(), Instant::now()) {
        Ok(()) => problem,
        Err(seconds) => trouble::too_often(seconds),
    }
}

async fn read(app: &App, route: &Route, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let most = if route.name == "begin_run" { app.limits.plan.max(app.limits.body) } else { app.limits.body };
    let told = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > most as u64) {
        return Err(trouble::too_large(most));
    }
    match tokio::time::timeout(app.limits.body_time, Limited::new(body, most).collect()).await {
        Err(_) => Err(trouble::too_slow()),
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(trouble::too_large(most)),
        Ok(Err(_)) => Err(trouble::malformed("what was sent ended too early")),
    }
}

async fn work(app: &Arc<App>, route: &'static Route, call: Call) -> Result<Answer, Problem> {
    let worker = Arc::clone(app);
    match route.work {
        Work::Told(tell) => Ok(tell(app)),
        Work::Journal(work) | Work::Records(work) => {
            blocking(app, &app.readers, move || worker.journals.with(|journal| work(&worker, journal, &call))).await
        }
        Work::House(work) => blocking(app, &app.readers, move || work(&worker, &call)).await,
        Work::Runner(work) => {
            if *app.stop.borrow() && !route.is_safe() {
                return Err(trouble::stopping());
            }
            blocking(app, &app.askers, move || work(&worker, &call)).await
        }
    }
}

/// Does what may wait for a disk or for a run, on a thread for that, where there is a place. It is carried to its end even
/// where nobody waits for it any more, and keeps its place until then.
pub(super) async fn blocking<T: Send + 'static>(
    app: &App,
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let place = tokio::time::timeout(Duration::from_secs(2), Arc::clone(places).acquire_owned()).await;
    let Ok(Ok(place)) = place else { return Err(trouble::busy("other requests")) };
    let span = tracing::Span::current();
    let task = tokio::task::spawn_blocking(move || {
        let done = span.in_scope(work);
        drop(place);
        done
    });
    match tokio::time::timeout(app.limits.answer_time, task).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => {
            tracing::error!(%error, "a request ended in a fault of ours");
            Err(trouble::fault())
        }
        Err(_) => Err(trouble::too_long(app.limits.answer_time.as_secs())),
    }
}

/// Whether a method is one that the table knows.
pub(super) fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
