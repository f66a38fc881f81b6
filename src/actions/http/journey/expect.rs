//! What an answer has to be, and what is taken out of it. It decides over what was read, and asks nobody.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};

use super::hidden::Hidden;
use super::request::only;
use crate::value::Value;

/// The longest value that is taken out of an answer.
const LONGEST: usize = 8 * 1024;

/// An answer as far as it was read.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Why the body is not all of it.
    pub(super) broken: Option<String>,
    /// It is not all of it as no more is read.
    pub(super) capped: bool,
}

/// How an answer may be quoted.
pub(super) struct Quotes<'a> {
    pub(super) hidden: &'a Hidden,
    /// Whether its text may be quoted at all.
    pub(super) text: bool,
}

impl Quotes<'_> {
    fn first_line(&self, text: &str) -> String {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).filter(|_| self.text);
        line.map_or_else(String::new, |line| format!(": {}", self.hidden.quote(line)))
    }
}

impl Answer {
    /// Where it leads, if it is a redirect within the place that was asked.
    ///
    /// # Errors
    /// A redirect to anywhere else.
    pub(super) fn redirect(&self, from: &Url) -> Result<Option<Url>, String> {
        let Some(to) = self.headers.get(LOCATION).filter(|_| (300..400).contains(&self.status)) else {
            return Ok(None);
        };
        let to = to.to_str().ok().and_then(|text| from.join(text).ok());
        let to = to.ok_or_else(|| format!("it answered {} with a Location that is no address", self.status))?;
        let place =
            |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default());
        if place(&to) != place(from) {
            let host = to.host_str().unwrap_or("nowhere");
            return Err(format!("it answered {} and leads away to {host}, which is not followed", self.status));
        }
        Ok(Some(to))
    }

    fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| match &self.broken {
            Some(why) => why.clone(),
            None => format!("the answer is no JSON ({error})"),
        })
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

/// What an answer has to be.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expect {
    statuses: Vec<u16>,
    contains: Option<String>,
    lacks: Option<String>,
    json: Vec<(Path, Value)>,
    headers: Vec<(String, String)>,
    within: Option<f64>,
}

impl Expect {
    pub(super) fn read(given: Option<&Value>) -> Result<Self, String> {
        let Some(given) = given.filter(|value| !value.is_null()) else { return Ok(Self::default()) };
        let map = only(given, "expect", &["status", "contains", "lacks", "json", "headers", "within"])?;
        let text = |name: &str| match map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(other) => Err(format!("`expect.{name}` is a text that is not empty, not {other}")),
        };
        let pairs = |name: &str| match map.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(pairs)) => Ok(pairs.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
            Some(_) => Err(format!("`expect.{name}` is a map")),
        };
        let json = pairs("json")?.into_iter().map(|(path, value)| Ok((Path::read(&path)?, value)));
        let headers = pairs("headers")?.into_iter().map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            other => Err(format!("`expect.headers.{name}` is a text, not {other}")),
        });
        Ok(Self {
            statuses: statuses(map.get("status"))?,
            contains: text("contains")?,
            lacks: text("lacks")?,
            json: json.collect::<Result<_, String>>()?,
            headers: headers.collect::<Result<_, String>>()?,
            within: match map.get("within") {
                None | Some(Value::Null) => None,
                Some(value) => Some(seconds(value).ok_or("`expect.within` is a time, such as 500ms")?),
            },
        })
    }

    /// Whether it is a status that it has to be.
    pub(super) fn fits(&self, status: u16) -> bool {
        if self.statuses.is_empty() { (200..300).contains(&status) } else { self.statuses.contains(&status) }
    }

    /// Holds an answer to it.
    ///
    /// # Errors
    /// The first thing that is not so, for a person.
    pub(super) fn hold(&self, answer: &Answer, took: Duration, quotes: &Quotes<'_>) -> Result<(), String> {
        let status = answer.status;
        if !self.fits(status) {
            let wanted: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
            let wanted = if wanted.is_empty() { "200 to 299".to_owned() } else { wanted.join(" or ") };
            return Err(format!("it answered {status}, not {wanted}{}", quotes.first_line(&answer.text())));
        }
        for (name, wanted) in &self.headers {
            match answer.header(name) {
                Some(value) if value.contains(wanted) => {}
                Some(value) => {
                    return Err(format!("its header {name} is `{}`, without `{wanted}`", quotes.hidden.quote(&value)));
                }
                None => return Err(format!("it has no header {name}")),
            }
        }
        self.hold_body(answer, quotes)?;
        match self.within {
            Some(limit) if took.as_secs_f64() > limit => {
                Err(format!("it took {:.0} ms, more than {:.0} ms", took.as_secs_f64() * 1000.0, limit * 1000.0))
            }
            _ => Ok(()),
        }
    }

    fn hold_body(&self, answer: &Answer, quotes: &Quotes<'_>) -> Result<(), String> {
        let text = answer.text();
        let rest = || answer.broken.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        if let Some(wanted) = self.contains.as_ref().filter(|wanted| !text.contains(*wanted)) {
            return Err(format!("its text does not hold `{}`{}{}", short(wanted), rest(), quotes.first_line(&text)));
        }
        if let Some(unwanted) = self.lacks.as_ref().filter(|unwanted| text.contains(*unwanted)) {
            return Err(format!("its text holds `{}`", short(unwanted)));
        }
        if !self.json.is_empty() {
            let json = answer.json()?;
            for (path, wanted) in &self.json {
                match path.find(&json) {
                    Some(value) if value == wanted || same_number(value, wanted) => {}
                    Some(value) => {
                        return Err(format!("{path} is {}, not {wanted}", quotes.hidden.quote(&value.to_string())));
                    }
                    None => return Err(format!("{path} is not there")),
                }
            }
        }
        // An answer that says well and breaks off has not arrived.
        match &answer.broken {
            Some(why) if !answer.capped || self.lacks.is_some() => Err(why.clone()),
            _ => Ok(()),
        }
    }
}

fn statuses(given: Option<&Value>) -> Result<Vec<u16>, String> {
    let one = |value: &Value| {
        let status =
            value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|status| (100..600).contains(status));
        status.ok_or_else(|| format!("`expect.status` is a status or a list of them, not {value}"))
    };
    match given {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) if !list.is_empty() => list.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

fn seconds(value: &Value) -> Option<f64> {
    let seconds = value.as_f64().or_else(|| value.as_str().and_then(crate::value::parse_duration))?;
    (seconds > 0.0).then_some(seconds)
}

/// 7 and 7.0 are one number. Two whole ones are compared as such: a long id has more digits than a float holds.
fn same_number(left: &Value, right: &Value) -> bool {
    let whole = |value: &Value| value.is_i64() || value.is_u64();
    !(whole(left) && whole(right))
        && matches!((left.as_f64(), right.as_f64()), (Some(left), Some(right)) if left == right)
}

fn short(text: &str) -> String {
    if text.chars().count() <= 120 { text.to_owned() } else { text.chars().take(119).collect::<String>() + "…" }
}

/// Where in an answer a value is taken from.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    Json(Path),
    Header(String),
}

impl Source {
    pub(super) fn from_value(name: &str, given: &Value) -> Result<Self, String> {
        let map = only(given, &format!("take.{name}"), &["json", "header"])?;
        let text = |key: &str| map.get(key).and_then(Value::as_str);
        match (text("json"), text("header")) {
            (Some(path), None) => Ok(Self::Json(Path::read(path)?)),
            (None, Some(header)) => Ok(Self::Header(header.to_owned())),
            _ => Err(format!("`take.{name}` is {{ json: PATH }} or {{ header: NAME }}")),
        }
    }

    /// The value in an answer.
    ///
    /// # Errors
    /// When it is not there, or is no text, number or boolean.
    pub(super) fn read(&self, answer: &Answer) -> Result<Value, String> {
        match self {
            Self::Header(name) => {
                answer.header(name).map(Value::from).ok_or_else(|| format!("it has no header {name}"))
            }
            Self::Json(path) => match path.find(&answer.json()?) {
                Some(Value::String(text)) if text.len() > LONGEST => {
                    Err(format!("{path} is longer than {} KiB, which is nothing to go on with", LONGEST / 1024))
                }
                Some(value @ (Value::String(_) | Value::Number(_) | Value::Bool(_))) => Ok(value.clone()),
                Some(_) => Err(format!("{path} is no text and no number")),
                None => Err(format!("{path} is not there")),
            },
        }
    }
}

/// A place in a JSON document: `$.items[0].id`, or the same without its `$.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    text: String,
    parts: Vec<String>,
}

impl Path {
    fn read(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no place in an answer: write it as $.items[0].id");
        let rest = text.strip_prefix('$').unwrap_or(text);
        let mut parts = Vec::new();
        for piece in rest.strip_prefix('.').unwrap_or(rest).split('.').filter(|_| !rest.is_empty()) {
            let (name, indices) = piece.split_once('[').map_or((piece, None), |(name, rest)| (name, Some(rest)));
            if name.is_empty() && (indices.is_none() || !parts.is_empty()) {
                return Err(bad());
            }
            parts.extend((!name.is_empty()).then(|| name.to_owned()));
            for index in indices.into_iter().flat_map(|rest| rest.split('[')) {
                let digits = index.strip_suffix(']').filter(|digits| digits.parse::<usize>().is_ok());
                parts.push(digits.ok_or_else(bad)?.to_owned());
            }
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.parts.iter().try_fold(document, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_in_an_answer_is_found() {
        let document = json!({ "a": [{ "b": 1 }, [2, 3]], "c.d": 4 });
        let find = |text: &str| Path::read(text).map(|path| path.find(&document).cloned());
        assert_eq!(find("$.a[0].b"), Ok(Some(json!(1))));
        assert_eq!(find("a[1][1]"), Ok(Some(json!(3))));
        assert_eq!(find("a.0.b"), Ok(Some(json!(1))));
        assert_eq!(find("$"), Ok(Some(document.clone())));
        assert_eq!(find("$.a[9]"), Ok(None));
        for bad in ["$.a[x]", "$.a[", "$..a", "a..b", "$.a[-1]", "$.a[1"] {
            assert!(find(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_expected_is_held() {
        let answer = |status: u16, body: &str| Answer {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            broken: None,
            capped: false,
        };
        let hidden = Hidden::default();
        let quotes = Quotes { hidden: &hidden, text: true };
        let hold = |given: Value, answer: &Answer| {
            Expect::read(Some(&given)).unwrap().hold(answer, Duration::from_millis(40), &quotes)
        };
        let good = answer(200, "{\"n\": 7, \"ok\": true}");
        assert_eq!(
            hold(json!({ "json": { "$.n": 7.0, "ok": true }, "contains": "7", "lacks": "8", "within": "50ms" }), &good),
            Ok(())
        );
        for (given, word) in [
            (json!({ "status": [201, 204] }), "not 201 or 204"),
            (json!({ "contains": "x" }), "does not hold `x`"),
            (json!({ "lacks": "ok" }), "holds `ok`"),
            (json!({ "json": { "$.n": "7" } }), "`$.n` is 7, not \"7\""),
            (json!({ "json": { "$.m": 1 } }), "`$.m` is not there"),
            (json!({ "headers": { "x-a": "b" } }), "no header x-a"),
            (json!({ "within": 0.01 }), "took 40 ms, more than 10 ms"),
        ] {
            let why = hold(given.clone(), &good).unwrap_err();
            assert!(why.contains(word), "{given}: {why}");
        }
        assert!(Expect::default().hold(&answer(302, ""), Duration::ZERO, &quotes).is_err());
        let long = answer(200, "{\"id\": 1234567890123456789}");
        assert_eq!(hold(json!({ "json": { "id": 1_234_567_890_123_456_789_u64 } }), &long), Ok(()));
        assert!(
            hold(json!({ "json": { "id": 1_234_567_890_123_456_788_u64 } }), &long).is_err(),
            "a float calls them one"
        );
        for bad in [
            json!({ "statsu": 200 }),
            json!({ "status": 20 }),
            json!({ "status": [] }),
            json!({ "contains": "" }),
            json!([]),
        ] {
            assert!(Expect::read(Some(&bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_redirect_is_followed_within_its_place_only() {
        let from = Url::parse("http://shop:8080/login").unwrap();
        let to = |place: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, place.parse().unwrap());
            Answer { status: 302, headers, body: Vec::new(), broken: None, capped: false }
                .redirect(&from)
                .map(|url| url.map(|url| url.to_string()))
        };
        assert_eq!(to("/home?x=1"), Ok(Some("http://shop:8080/home?x=1".to_owned())));
        for away in
            ["http://169.254.169.254/latest", "//evil/", "https://shop:8080/", "http://shop/", "file:///etc/passwd"]
        {
            assert!(to(away).unwrap_err().contains("not followed"), "{away}");
        }
    }
}
