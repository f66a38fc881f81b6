//! What goes back: an answer, or a problem document, with the headers that keep a browser from making anything else of it.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{Response, StatusCode};
use serde_json::Value;

use super::trouble;
use crate::server::Problem;

/// What every answer has.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What kind of text it is.
    pub kind: &'static str,
    /// The text.
    pub text: String,
    /// Where what was made is to be found.
    pub place: Option<String>,
}

impl Answer {
    /// JSON.
    pub fn json(value: &Value) -> Self {
        Self::text("application/json", value.to_string())
    }

    /// A text.
    pub fn text(kind: &'static str, text: String) -> Self {
        Self { status: 200, kind, text, place: None }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same with where what was made is to be found.
    #[must_use]
    pub fn found_at(self, place: String) -> Self {
        Self { place: Some(place), ..self }
    }

    /// As it is sent.
    pub fn response(self) -> Response<Body> {
        let mut response = respond(self.status, self.kind, Body::from(self.text));
        if let Some(place) = self.place.and_then(|place| HeaderValue::try_from(place).ok()) {
            response.headers_mut().insert(LOCATION, place);
        }
        response
    }
}

/// A problem, as it is sent.
pub fn refusal(problem: &Problem) -> Response<Body> {
    let text = serde_json::to_string(problem).unwrap_or_default();
    let mut response = respond(problem.status, "application/problem+json", Body::from(text));
    let headers = response.headers_mut();
    if problem.status == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"playbook\""));
    }
    if let Some(seconds) = problem.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The fault that an answer becomes which could not be made.
pub fn fault() -> Response<Body> {
    refusal(&trouble::fault())
}

/// A stream of events.
pub fn events(body: Body) -> Response<Body> {
    respond(200, "text/event-stream", body)
}

/// Adds what every answer has.
pub fn seal(response: &mut Response<Body>, secure: bool) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if secure {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

fn respond(status: u16, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
