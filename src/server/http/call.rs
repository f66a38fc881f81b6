//! A request, once it is known who asks and whether they may: what its path, its query and its body say, each held to its form.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Query, RawPathParams};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, Uri};
use serde::de::DeserializeOwned;

use super::identify::Known;
use super::object::Object;
use super::route::{Kind, Parameter, Route};
use super::trouble;
use crate::ids::{IncidentId, RunId};
use crate::server::{Caller, Problem};
use crate::trigger::Headers;

/// How long the key of a request may be.
const KEY: usize = 255;

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks.
    pub known: Known,
    /// What its path names.
    path: BTreeMap<String, String>,
    /// What its query says.
    query: BTreeMap<&'static str, String>,
    /// What its head says.
    pub headers: Headers,
    /// What was sent.
    pub body: Bytes,
    /// The key under which it is asked, if under one.
    pub key: Option<String>,
    /// Whether events are wanted, and the last one that was seen before.
    pub events: Option<Option<u64>>,
}

impl Call {
    /// Of a request's head.
    ///
    /// # Errors
    /// When its path, its query or one of its headers is not of the form that it should be.
    pub fn of(
        route: &'static Route,
        known: Known,
        path: &RawPathParams,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let call = Self {
            known,
            path,
            query: query(route, uri)?,
            headers: Headers::new(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))),
            body: Bytes::new(),
            key: key(headers)?,
            events: events(headers)?,
        };
        if call.path.contains_key("run") {
            call.run()?;
        }
        if call.path.contains_key("incident") {
            call.incident()?;
        }
        Ok(call)
    }

    /// Who asks.
    pub fn caller(&self) -> &Caller {
        &self.known.caller
    }

    /// The run that the path names.
    ///
    /// # Errors
    /// When that is no run's id.
    pub fn run(&self) -> Result<RunId, Problem> {
        let text = self.named("run");
        text.parse().map_err(|error: crate::ids::InvalidName| trouble::malformed(error.to_string()))
    }

    /// The incident that the path names.
    ///
    /// # Errors
    /// When that is no incident's id.
    pub fn incident(&self) -> Result<IncidentId, Problem> {
        let text = self.named("incident");
        text.parse().map_err(|error: crate::ids::InvalidName| trouble::malformed(error.to_string()))
    }

    /// What the path names.
    pub fn named(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// What the query says.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A number that the query says.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// What was sent, as what it should be.
    ///
    /// # Errors
    /// When it is no JSON (400), or JSON of another form (422).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let object = serde_json::from_slice(&self.body).map(|Object(sent)| sent);
        object.map_err(|error| match error.classify() {
            serde_json::error::Category::Data => trouble::senseless(format!("what was sent cannot be: {error}")),
            _ => trouble::malformed(format!("what was sent is no JSON: {error}")),
        })
    }
}

/// Whether a text says nothing: there is no character in it that could be seen.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || letter.is_control())
}

/// Whether what is sent says that it is JSON. A form of a web page can say no such thing, so no other site gets anything done
/// here by a browser.
pub fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn query(route: &'static Route, uri: &Uri) -> Result<BTreeMap<&'static str, String>, Problem> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| trouble::malformed("the query of the address cannot be read"))?;
    let mut said = BTreeMap::new();
    for (name, value) in pairs {
        let Some(parameter) = route.parameter(&name) else {
            return Err(trouble::malformed(format!("this address takes no `{name}`")));
        };
        held(parameter, &value)?;
        if said.insert(parameter.name, value).is_some() {
            return Err(trouble::malformed(format!("`{name}` is there twice")));
        }
    }
    match route.query.iter().find(|parameter| parameter.required && !said.contains_key(parameter.name)) {
        Some(missing) => Err(trouble::malformed(format!("`{}` is missing: {}", missing.name, missing.about))),
        None => Ok(said),
    }
}

fn held(parameter: &Parameter, value: &str) -> Result<(), Problem> {
    let (fits, form) = match parameter.kind {
        Kind::Number(least, most) => {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let number = value.parse::<u64>().ok().filter(|_| digits);
            (number.is_some_and(|number| (least..=most).contains(&number)), format!("a number from {least} to {most}"))
        }
        Kind::Run => (value.parse::<RunId>().is_ok(), "a run's id".to_owned()),
        Kind::Text(most) => {
            let fits = !is_blank(value) && value.chars().count() <= most as usize;
            (fits, format!("a text of at most {most} characters, and not an empty one"))
        }
        Kind::Flag => (value == "true" || value == "false", "true or false".to_owned()),
    };
    if fits { Ok(()) } else { Err(trouble::malformed(format!("`{}` has to be {form}", parameter.name))) }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    hold_key(text)?;
    Ok(Some(text.to_owned()))
}

/// Holds a key to its form.
///
/// # Errors
/// When it has another one.
pub fn hold_key(text: &str) -> Result<(), Problem> {
    let plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let fits = text.len() <= KEY && !text.starts_with(' ') && !text.is_empty() && text.bytes().all(plain);
    if fits { Ok(()) } else { Err(trouble::malformed(format!("an Idempotency-Key has 1 to {KEY} plain characters"))) }
}

/// Whether a stream of events is asked for, and behind which one.
fn events(headers: &HeaderMap) -> Result<Option<Option<u64>>, Problem> {
    let last = headers.get("last-event-id").map(|last| last.to_str().unwrap_or_default().parse());
    let last = last.transpose().map_err(|_| trouble::malformed("Last-Event-ID has to be a record's number"))?;
    let kinds = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !kinds.split([',', ';']).any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream")) {
        return Ok(None);
    }
    Ok(Some(last))
}
