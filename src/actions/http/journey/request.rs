//! One request of a journey as the playbook writes it, and the values of earlier answers in it. A taken value has a place of
//! its own (`{ taken: NAME }`), so that no text that comes from outside is ever read as one.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Url};
use serde_json::json;

use super::MOST_REQUESTS;
use super::expect::{Expect, Source};
use crate::diagnostic::nearest;
use crate::value::Value;

/// What was taken out of earlier answers, by name.
pub(super) type Taken = BTreeMap<String, Value>;

const KEYS: &[&str] =
    &["name", "method", "path", "query", "headers", "json", "form", "body", "expect", "take", "follow"];

/// One request.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) method: Method,
    /// The map as it is written.
    written: Value,
    pub(super) expect: Expect,
    pub(super) take: Vec<(String, Source)>,
    pub(super) follow: usize,
}

/// All requests of a journey; nothing is sent before each of them is well-formed.
///
/// # Errors
/// What is wrong with the first bad one.
pub(super) fn read_all(arguments: &Value) -> Result<Vec<Request>, String> {
    let list = arguments.get("requests").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or("`requests` is a list of maps with at least one in it")?;
    if list.len() > MOST_REQUESTS {
        return Err(format!("a journey has at most {MOST_REQUESTS} requests, and this one has {}", list.len()));
    }
    super::super::address(&json!({ "url": arguments["url"] }))?;
    let mut known = BTreeSet::new();
    let mut requests = Vec::new();
    for (place, given) in list.iter().enumerate() {
        let at = |why: String| format!("request {}: {why}", place + 1);
        let request = Request::read(given, place).map_err(at)?;
        request.check(&arguments["url"], &known).map_err(at)?;
        known.extend(request.take.iter().map(|(name, _)| name.clone()));
        requests.push(request);
    }
    Ok(requests)
}

/// A map that has no other keys than these.
pub(super) fn only<'a>(
    given: &'a Value,
    what: &str,
    keys: &[&str],
) -> Result<&'a serde_json::Map<String, Value>, String> {
    let map = given.as_object().ok_or_else(|| format!("`{what}` is a map"))?;
    match map.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(map),
        Some(odd) => Err(match nearest(odd, keys.iter().copied()) {
            Some(near) => format!("`{what}` knows no `{odd}`; did you mean `{near}`?"),
            None => format!("`{what}` knows no `{odd}`; it has {}", keys.join(", ")),
        }),
    }
}

impl Request {
    fn read(given: &Value, place: usize) -> Result<Self, String> {
        let map = only(given, "requests", KEYS)?;
        let text = |name: &str| map.get(name).and_then(Value::as_str);
        let method = text("method").unwrap_or("GET").to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method of HTTP"))?;
        let bodies =
            ["json", "form", "body"].into_iter().filter(|name| map.get(*name).is_some_and(|body| !body.is_null()));
        if bodies.count() > 1 {
            return Err("more than one of `json`, `form` and `body` is given: a request has one body".to_owned());
        }
        let take = match map.get("take") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(map)) => map
                .iter()
                .map(|(name, from)| Ok((name.clone(), Source::from_value(name, from)?)))
                .collect::<Result<_, String>>()?,
            Some(_) => return Err("`take` is a map of names".to_owned()),
        };
        let follow = match map.get("follow") {
            None | Some(Value::Null) => 0,
            Some(value) => value.as_u64().filter(|hops| *hops <= 5).ok_or("`follow` is a number from 0 to 5")?,
        };
        Ok(Self {
            name: text("name").map_or_else(|| format!("request {}", place + 1), str::to_owned),
            method,
            written: given.clone(),
            expect: Expect::read(map.get("expect"))?,
            take,
            follow: usize::try_from(follow).unwrap_or(0),
        })
    }

    /// Makes it once with a word for each value that is taken before it, so that what cannot be sent is found before the first
    /// one leaves.
    fn check(&self, url: &Value, known: &BTreeSet<String>) -> Result<(), String> {
        let words = known.iter().map(|name| (name.clone(), Value::from("taken"))).collect();
        let filled = self.filled(&words)?;
        let url = super::super::address(&json!({ "url": url, "path": filled["path"], "query": filled["query"] }))?;
        self.message(&filled, url).map(|_| ())
    }

    /// Whether it is of a method that changes nothing by its definition.
    pub(super) fn only_asks(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// The request for a person; a taken value stands there as its name.
    pub(super) fn told(&self) -> String {
        let part = |value: &Value| match value {
            Value::Object(map) => format!("{{{}}}", map.get("taken").and_then(Value::as_str).unwrap_or("?")),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parts = self.written.get("path").and_then(Value::as_array);
        let path: Vec<String> = parts.map(|parts| parts.iter().map(part).collect()).unwrap_or_default();
        format!("{}, {} /{}", self.name, self.method, path.join("/"))
    }

    /// What is sent, with the taken values in their places.
    ///
    /// # Errors
    /// A name that nothing was taken by.
    pub(super) fn filled(&self, taken: &Taken) -> Result<Value, String> {
        let mut filled = serde_json::Map::new();
        for name in ["path", "query", "headers", "json", "form", "body"] {
            let value = self.written.get(name).map_or(Ok(Value::Null), |value| fill(value, taken))?;
            filled.insert(name.to_owned(), value);
        }
        if !(filled["path"].is_null() || filled["path"].is_array()) {
            return Err("`path` is a list of parts, such as [api, orders]".to_owned());
        }
        Ok(Value::Object(filled))
    }

    /// The message that leaves.
    ///
    /// # Errors
    /// What can be no request. A header's value is not repeated: it may be a secret.
    pub(super) fn message(&self, filled: &Value, url: Url) -> Result<reqwest::Request, String> {
        let mut request = reqwest::Request::new(self.method.clone(), url);
        let mut body = |kind: Option<&'static str>, text: String| {
            if let Some(kind) = kind {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            *request.body_mut() = Some(text.into());
        };
        match (&filled["json"], &filled["form"], &filled["body"]) {
            (Value::Null, Value::Null, Value::Null) => {}
            (Value::Null, Value::Null, Value::String(text)) => body(None, text.clone()),
            (Value::Null, Value::Null, _) => return Err("`body` is a text".to_owned()),
            (Value::Null, form, _) => body(Some("application/x-www-form-urlencoded"), encoded(form)?),
            (json, ..) => body(Some("application/json"), json.to_string()),
        }
        super::super::headers(Some(&filled["headers"]), None, request.headers_mut())?;
        Ok(request)
    }
}

/// Encodes a form as the query of an address is, by the very same code.
fn encoded(form: &Value) -> Result<String, String> {
    let url = super::super::address(&json!({ "url": "http://form/", "query": form }))
        .map_err(|why| why.replace("`query", "`form"))?;
    Ok(url.query().unwrap_or_default().to_owned())
}

fn fill(value: &Value, taken: &Taken) -> Result<Value, String> {
    match value {
        Value::Object(map) if map.contains_key("taken") => {
            let map = only(value, "taken", &["taken", "before", "after"])?;
            let text = |key: &str| map.get(key).and_then(Value::as_str);
            let name = text("taken").ok_or("`taken` is a name of a value that was taken before")?;
            let value = taken.get(name).ok_or_else(|| {
                format!("`{{ taken: {name} }}` names nothing that a request before it takes (`take:`)")
            })?;
            if map.len() == 1 {
                return Ok(value.clone());
            }
            let own = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Ok(Value::from(format!("{}{own}{}", text("before").unwrap_or_default(), text("after").unwrap_or_default())))
        }
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| Ok((key.clone(), fill(value, taken)?)))
            .collect::<Result<_, String>>()
            .map(Value::Object),
        Value::Array(list) => list.iter().map(|value| fill(value, taken)).collect::<Result<_, _>>().map(Value::Array),
        other => Ok(other.clone()),
    }
}
