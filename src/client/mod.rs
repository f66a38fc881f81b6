//! Speaks to the `playbook serve` that owns a state: the client of what `server/` offers. It carries questions and answers, and
//! knows neither what is asked nor what follows from an answer. It must never show a token, and never follow a redirect.

mod address;
mod problem;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::inventory::{SecretRef, Secrets};
use crate::journal::{Away, JournalError, Method, Server};

pub use address::Address;

/// How long an answer may take: a little longer than a server works on one.
const PATIENCE: Duration = Duration::from_secs(75);

/// The same of what is only read: whoever follows a run is not to be deaf for long.
const PATIENCE_TO_READ: Duration = Duration::from_secs(20);

/// How long something may be worked on that is done once.
const LONGEST: Duration = Duration::from_secs(600);

/// How long it may take to be connected.
const TO_CONNECT: Duration = Duration::from_secs(10);

/// How long a server that was there may be away, as it is when it is started anew, before that is an error.
pub const AWAY: Duration = Duration::from_secs(30);

/// How long a server that has much in hand is asked again.
const BUSY: Duration = Duration::from_secs(10);

/// How soon it is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How much of an answer is taken: a page of records is smaller.
const MOST: usize = 64 * 1024 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What names the server names none.
    #[error("`{text}` is no address of a server: {why}")]
    Address {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token cannot be read.
    #[error("the token for the server cannot be read: {0}")]
    Token(String),
    /// Whoever may vouch for the server cannot be read.
    #[error("the certificates of {path} cannot be used: {why}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system does not let us.
    #[error("nothing can be sent to a server: {0}")]
    System(String),
}

/// What lets somebody in.
#[derive(Debug, Clone, Default)]
pub struct Ticket {
    /// A reference to a token.
    pub token: Option<String>,
    /// A file of certificates, as PEM, that vouch for the server.
    pub certificates: Option<PathBuf>,
}

/// A server, spoken to.
pub struct Client {
    address: Address,
    http: reqwest::Client,
    runtime: Runtime,
    token: Option<HeaderValue>,
    /// Whether it ever answered: one that did may be away for a moment.
    met: std::sync::atomic::AtomicBool,
}

impl Client {
    /// Of a server at an address. Nothing is sent yet.
    ///
    /// # Errors
    /// When the token or the certificates cannot be read.
    pub fn of(address: Address, ticket: &Ticket) -> Result<Self, ClientError> {
        let system = |error: String| ClientError::System(error);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| system(error.to_string()))?;
        // On its socket whoever asks is who the system says, and nobody else.
        let wanted = ticket.token.as_ref().filter(|_| !matches!(address, Address::Socket(_)));
        let token = wanted.map(|token| bearer(&runtime, token)).transpose()?;
        // It fails only where somebody was first, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(TO_CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("playbook/", env!("CARGO_PKG_VERSION")));
        if let Address::Socket(path) = &address {
            builder = builder.unix_socket(path.clone());
        }
        if let Some(path) = &ticket.certificates {
            builder = builder.tls_certs_merge(certificates(path)?);
        }
        let http = builder.build().map_err(|error| system(error.to_string()))?;
        Ok(Self { address, http, runtime, token, met: false.into() })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Asks for something that is done once, however often it is sent: under a key. So it is asked again where no answer came, or
    /// where the server works on it still.
    ///
    /// # Errors
    /// As `ask`.
    pub fn once(&self, path: &str, key: &str, body: &Value) -> Result<String, JournalError> {
        let begun = Instant::now();
        self.patiently(AWAY, || {
            loop {
                match self.send(Method::Post, path, Some(body), Some(key)) {
                    Err(JournalError::Refused(refused)) if is_worked_on(&refused) && begun.elapsed() < LONGEST => {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    other => return other,
                }
            }
        })
    }

    /// Asks, and again where the server has too much in hand, or is away for so long at most. That only where it was there
    /// before: whoever asks for the first time is told at once.
    fn patiently(
        &self,
        away: Duration,
        ask: impl Fn() -> Result<String, JournalError>,
    ) -> Result<String, JournalError> {
        let begun = Instant::now();
        loop {
            let wait = match ask() {
                Err(JournalError::Unreachable { .. }) if self.was_met() && begun.elapsed() < away => LOOK_AGAIN,
                Err(JournalError::Refused(refused)) if passes(&refused) && begun.elapsed() < BUSY => {
                    refused.retry_after.map_or(LOOK_AGAIN, |seconds| Duration::from_secs(seconds.min(5)))
                }
                other => return other,
            };
            std::thread::sleep(wait);
        }
    }

    fn was_met(&self) -> bool {
        self.met.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<String, JournalError> {
        self.runtime.block_on(self.exchange(method, path, body, key))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<String, JournalError> {
        let base = match &self.address {
            // A server on its socket answers to the names of loopback.
            Address::Socket(_) => "http://localhost".to_owned(),
            Address::Web(url) => url.as_str().trim_end_matches('/').to_owned(),
        };
        let method = match method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Delete => reqwest::Method::DELETE,
        };
        let patience = if method == reqwest::Method::GET { PATIENCE_TO_READ } else { PATIENCE };
        let mut request = self.http.request(method, format!("{base}{path}")).timeout(patience);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.clone());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| self.silence(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let text = self.text(response).await?;
        self.met.store(true, std::sync::atomic::Ordering::Relaxed);
        if (200..300).contains(&status) { Ok(text) } else { Err(problem::refused(status, retry_after, &text)) }
    }

    async fn text(&self, response: reqwest::Response) -> Result<String, JournalError> {
        let mut response = response;
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| self.silence(&error))? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > MOST {
                return Err(self.unreachable(format!("its answer is longer than {MOST} bytes")));
            }
        }
        String::from_utf8(bytes).map_err(|_| self.unreachable("its answer is no text".to_owned()))
    }

    fn unreachable(&self, cause: String) -> JournalError {
        JournalError::Unreachable { server: self.address.to_string(), cause, away: Away::Silent }
    }

    fn silence(&self, error: &reqwest::Error) -> JournalError {
        if error.is_timeout() && !error.is_connect() {
            return self.unreachable("there was no answer in time".to_owned());
        }
        let mut away = if error.is_connect() { Away::NotThere } else { Away::Silent };
        let mut cause: &dyn std::error::Error = error;
        while let Some(below) = cause.source() {
            cause = below;
            if let Some(error) = cause.downcast_ref::<std::io::Error>() {
                away = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => Away::NotAllowed,
                    _ => away,
                };
            }
            if cause.is::<rustls::Error>() {
                away = Away::NotTrusted;
            }
        }
        let cause = match cause.to_string() {
            text if text.contains("CaUsedAsEndEntity") => {
                format!("{text}: its certificate is an authority's own; make one that is not (docs/server.md)")
            }
            text => text,
        };
        JournalError::Unreachable { server: self.address.to_string(), cause, away }
    }
}

impl Server for Client {
    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, JournalError> {
        // What was asked may have come about, although nobody said so: it is not asked twice. And whoever follows a run says
        // that the server is away, instead of waiting in silence.
        self.patiently(Duration::ZERO, || self.send(method, path, body, None))
    }
}

/// Whether the server still works on what was asked under this very key.
fn is_worked_on(refused: &crate::journal::Refused) -> bool {
    refused.status == 504 || (refused.status == 409 && refused.retry_after.is_some())
}

/// Whether a refusal is for this moment alone, and nothing was done.
fn passes(refused: &crate::journal::Refused) -> bool {
    matches!(refused.status, 429 | 503) && refused.retry_after.is_some()
}

fn bearer(runtime: &Runtime, reference: &str) -> Result<HeaderValue, ClientError> {
    let secrets = Secrets::default();
    let token = runtime.block_on(secrets.read(&SecretRef(reference.to_owned())));
    let token = token.map_err(|error| ClientError::Token(error.to_string()))?;
    let value = HeaderValue::from_str(&format!("Bearer {}", token.expose().trim()));
    let mut value = value.map_err(|_| ClientError::Token(format!("what {reference} holds is no token")))?;
    value.set_sensitive(true);
    Ok(value)
}

fn certificates(path: &PathBuf) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let wrong = |why: String| ClientError::Certificates { path: path.clone(), why };
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&text).map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("there is none in it".to_owned())) } else { Ok(found) }
}
