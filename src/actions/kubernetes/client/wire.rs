//! A request to a cluster's API and its answer, as plain data: what the library's side and ours have in common. For tests also
//! canned answers. It sends nothing.

use std::time::Duration;

use serde_json::Value;

/// How long an answer may take to what only reads.
const LOOK: Duration = Duration::from_secs(15);
/// And to a change: a webhook of the cluster's own may think about it for half a minute.
const CHANGE: Duration = Duration::from_secs(35);

/// What is asked.
#[derive(Debug, Clone)]
#[cfg_attr(not(feature = "kube"), allow(dead_code, reason = "without the client nothing is sent"))]
pub(in crate::actions::kubernetes) struct Request {
    /// `GET`, `POST`, `PATCH`, `DELETE`.
    pub(in crate::actions::kubernetes) method: &'static str,
    /// The path with its query.
    pub(in crate::actions::kubernetes) address: String,
    /// The form of the body.
    pub(in crate::actions::kubernetes) media: Option<&'static str>,
    /// The body.
    pub(in crate::actions::kubernetes) body: Option<Value>,
    /// Whether something is different afterwards.
    pub(in crate::actions::kubernetes) changes: bool,
    /// What is asked for, for a person: `change deployment/web in namespace shop`.
    pub(in crate::actions::kubernetes) what: String,
    /// How long the answer may take.
    pub(in crate::actions::kubernetes) limit: Duration,
}

impl Request {
    /// One that only reads.
    pub(in crate::actions::kubernetes) fn look(address: String, what: String) -> Self {
        Self { method: "GET", address, media: None, body: None, changes: false, what, limit: LOOK }
    }

    /// One that says something.
    pub(in crate::actions::kubernetes) fn tell(
        method: &'static str,
        address: String,
        media: &'static str,
        body: Value,
        what: String,
    ) -> Self {
        Self { method, address, media: Some(media), body: Some(body), changes: true, what, limit: CHANGE }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(in crate::actions::kubernetes) struct Answer {
    /// The HTTP status.
    pub(in crate::actions::kubernetes) status: u16,
    /// The body: JSON, or its text where it is none.
    pub(in crate::actions::kubernetes) body: Value,
}

#[cfg(all(test, feature = "kube"))]
pub(in crate::actions::kubernetes) use replay::Replay;

#[cfg(all(test, feature = "kube"))]
mod replay {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    /// An answer that is ready: the `METHOD ADDRESS` that it is for, its status (0 closes the connection), its body.
    type Canned = (String, u16, Value);

    /// Whether an answer is for a request: for any query where it names none, for all that begins so where it ends with `*`.
    fn fits(on: &str, asked: &str) -> bool {
        match on.strip_suffix('*') {
            Some(beginning) => asked.starts_with(beginning),
            None if on.contains('?') => asked == on,
            None => asked.split('?').next() == Some(on),
        }
    }

    /// Canned answers, and what was asked of them. Of several for the same request each is given once, the last for ever;
    /// what has none is not found.
    #[derive(Clone, Default)]
    pub(in crate::actions::kubernetes) struct Replay {
        ready: Arc<Mutex<Vec<Canned>>>,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Replay {
        /// One of these answers.
        pub(in crate::actions::kubernetes) fn of(ready: Vec<(&str, u16, Value)>) -> Self {
            let ready = ready.into_iter().map(|(on, status, body)| (on.to_owned(), status, body)).collect();
            Self { ready: Arc::new(Mutex::new(ready)), asked: Arc::default() }
        }

        /// What was asked: `METHOD ADDRESS`, with the form and the body where there is one.
        pub(in crate::actions::kubernetes) fn asked(&self) -> Vec<String> {
            self.asked.lock().unwrap().clone()
        }

        /// Of those, what is no look.
        pub(in crate::actions::kubernetes) fn told(&self) -> Vec<String> {
            self.asked().into_iter().filter(|line| !line.starts_with("GET ")).collect()
        }

        pub(in crate::actions::kubernetes) fn answer(
            &self,
            asked: &str,
            media: Option<&str>,
            body: &Value,
        ) -> Option<(u16, Value)> {
            let mut line = asked.to_owned();
            if let Some(media) = media {
                line.push_str(&format!(" {media} {body}"));
            }
            self.asked.lock().unwrap().push(line);
            let mut ready = self.ready.lock().unwrap();
            // The longest that fits means it best, whatever the order.
            let longest = ready.iter().filter(|(on, ..)| fits(on, asked)).map(|(on, ..)| on.len()).max();
            let is_it = |canned: &Canned| fits(&canned.0, asked) && Some(canned.0.len()) == longest;
            let Some(first) = ready.iter().position(is_it) else {
                return Some((
                    404,
                    json!({ "kind": "Status", "reason": "NotFound", "message": format!("{asked} not found") }),
                ));
            };
            let (_, status, body) = ready[first].clone();
            if ready.iter().filter(|canned| is_it(canned)).count() > 1 {
                ready.remove(first);
            }
            (status != 0).then_some((status, body))
        }
    }
}
