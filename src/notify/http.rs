//! One POST to an address of the configuration: no redirect, no address that is forbidden whatever its name resolves to, an end
//! of its own, a short look at the answer. Nothing of an address but scheme and host is ever shown: the rest is often the
//! secret.

use std::error::Error;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HeaderMap;

use super::guard::Guard;
use super::presentable;

/// How long a receiver may take.
pub const LIMIT: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const MOST: usize = 64 * 1024;
/// What a Retry-After is never taken to be longer than, in seconds.
const LONGEST_WAIT: f64 = 3600.0;

/// Somebody who is posted to.
#[derive(Clone)]
pub struct Address {
    url: reqwest::Url,
    client: reqwest::Client,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.shown()).finish()
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// For how long it wants nothing more, in seconds.
    pub retry_after: Option<u32>,
    /// The beginning of its body.
    pub body: String,
}

impl Answer {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, for a line.
    pub fn said(&self) -> String {
        presentable(self.body.as_bytes())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It took too long.
    #[error("{0} took longer than {seconds} s", seconds = LIMIT.as_secs())]
    Slow(String),
    /// It was not reached.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
}

/// Names are looked up by the system, and what they lead to is judged.
struct Guarded(Guard);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, name) = (self.0, name.as_str().to_owned());
        Box::pin(async move {
            let found = guard.resolve(&name, 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Address {
    /// An address, which may be reached through a proxy.
    ///
    /// # Errors
    /// When it is none, or one that nothing is sent to. Nothing of it is repeated but its host.
    pub fn of(text: &str, proxy: Option<&str>) -> Result<Self, String> {
        let url = reqwest::Url::parse(text.trim()).map_err(|_| "its address is none".to_owned())?;
        let guard = Guard::of(url.host_str().unwrap_or_default());
        Self::guarded(url, proxy, guard)
    }

    fn guarded(url: reqwest::Url, proxy: Option<&str>, guard: Guard) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default().to_owned();
        if !matches!(url.scheme(), "https" | "http") || host.is_empty() {
            return Err("its address has to start with https:// or http://".to_owned());
        }
        // A literal address is never looked up, so it is judged here.
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
            guard.check(address).map_err(|forbidden| forbidden.to_string())?;
        }
        // It fails only where somebody was first, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("playbook/", env!("CARGO_PKG_VERSION")));
        builder = match proxy {
            // Then it is the proxy that looks names up, and nobody here sees what they lead to.
            Some(proxy) => {
                builder.proxy(reqwest::Proxy::all(proxy).map_err(|_| "its `proxy` is no address".to_owned())?)
            }
            None => builder.dns_resolver(Guarded(guard)),
        };
        let client = builder.build().map_err(|error| format!("no client can be made: {error}"))?;
        Ok(Self { url, client })
    }

    /// The same host at another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        let mut url = self.url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}{path}"));
        Self { url, client: self.client.clone() }
    }

    /// The same with more in its query.
    #[must_use]
    pub fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        Self { url, client: self.client.clone() }
    }

    /// Scheme and host.
    pub fn shown(&self) -> String {
        shown(&self.url)
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// When nothing came back.
    pub async fn post(&self, body: String, headers: HeaderMap) -> Result<Answer, Silence> {
        let failed = |error: reqwest::Error| self.silence(error);
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8")
            .headers(headers)
            .body(body);
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(reqwest::header::RETRY_AFTER).and_then(|value| wait(value.to_str().ok()?));
        let mut body = Vec::new();
        // A body that never ends is not waited for beyond the limit of the whole, nor kept.
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece);
            if body.len() >= MOST {
                break;
            }
        }
        body.truncate(MOST);
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn silence(&self, error: reqwest::Error) -> Silence {
        if error.is_timeout() {
            return Silence::Slow(self.shown());
        }
        // The innermost cause is what helps: `error sending request` says nothing.
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        Silence::Unreachable(self.shown(), cause.to_string())
    }
}

/// Scheme and host of an address.
pub fn shown(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or("?"))
}

/// How long a Retry-After asks for, in seconds: a number, or a date by our clock.
fn wait(value: &str) -> Option<u32> {
    let seconds = match value.trim().parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
            at.duration_since(jiff::Timestamp::now()).as_secs_f64()
        }
    };
    (seconds.is_finite() && seconds > 0.0).then(|| seconds.min(LONGEST_WAIT).ceil() as u32)
}

/// A header; left out where a value cannot be one.
pub fn header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = reqwest::header::HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// Headers that hold nothing yet.
pub fn headers() -> HeaderMap {
    HeaderMap::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_address_is_refused_as_it_is_written() {
        for text in [
            "http://169.254.169.254/latest/meta-data",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://0.0.0.0:80/",
            "file:///etc/passwd",
            "hunter2",
        ] {
            let error = Address::of(text, None).unwrap_err();
            assert!(!error.contains("hunter2") && !error.contains("meta-data"), "{error}");
        }
        let address = Address::of("https://hooks.example:8443/services/T0/secret?key=1", None).unwrap();
        assert_eq!(address.shown(), "https://hooks.example:8443");
        assert!(!format!("{address:?}").contains("secret"));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_forbidden_address_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let url = || reqwest::Url::parse(&text).unwrap();
        // As a name would be that led elsewhere when the configuration was written.
        let rebound = Address::guarded(url(), None, Guard::of("hooks.example")).unwrap();
        let error = rebound.post("{}".to_owned(), headers()).await.unwrap_err().to_string();
        assert!(error.contains("nothing is sent there"), "{error}");
        let taken = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert!(taken.is_err(), "it was connected to");
    }

    #[test]
    fn a_wait_is_a_number_or_a_date_and_bounded() {
        assert_eq!(wait("30"), Some(30));
        assert_eq!(wait("1.2"), Some(2));
        assert_eq!(wait("999999"), Some(3600));
        assert_eq!(wait("Wed, 21 Oct 2099 07:28:00 GMT"), Some(3600));
        for nothing in ["-1", "0", "soon", "NaN", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(wait(nothing), None, "{nothing}");
        }
    }
}
