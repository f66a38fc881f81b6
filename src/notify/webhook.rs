//! A person is called through a webhook: one POST of JSON. It never follows a redirect (the text would go to an address
//! that nobody configured) and never shows more of its address than scheme and host (the rest is often the secret).

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;

use super::{Notifier, NotifyError, PageText, presentable};

/// Posts the text as JSON: `run`, `playbook`, `step`, `question`, `text`.
#[derive(Clone)]
pub struct WebhookNotifier {
    address: String,
    limit: Duration,
}

impl std::fmt::Debug for WebhookNotifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookNotifier").field("address", &self.shown()).finish_non_exhaustive()
    }
}

impl WebhookNotifier {
    /// The address to post to.
    pub fn new(address: String) -> Self {
        Self { address, limit: Duration::from_secs(5) }
    }

    fn shown(&self) -> String {
        match reqwest::Url::parse(&self.address) {
            Ok(url) => super::http::shown(&url),
            Err(_) => "(not a valid address)".to_owned(),
        }
    }

    fn failed(&self, error: reqwest::Error) -> NotifyError {
        if error.is_timeout() {
            let what = format!("the page webhook {}", self.shown());
            return NotifyError::TooSlow { what, seconds: self.limit.as_secs() };
        }
        // The innermost cause is what helps: `error sending request` says nothing.
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        NotifyError::Unreachable { address: self.shown(), why: cause.to_string() }
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    fn name(&self) -> String {
        format!("page webhook {}", self.shown())
    }

    async fn send(&self, page: &PageText) -> Result<String, NotifyError> {
        // It fails only where somebody was first, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(self.limit)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| self.failed(error))?;
        let mut response = client.post(&self.address).json(page).send().await.map_err(|error| self.failed(error))?;
        let status = response.status();
        // One piece is enough to show, and a body that never ends is not waited for.
        let said = response.chunk().await.ok().flatten().unwrap_or_default();
        let said = presentable(said.get(..said.len().min(4096)).unwrap_or_default());
        if status.is_success() {
            return Ok(if said.is_empty() { status.to_string() } else { said });
        }
        Err(NotifyError::Refused { address: self.shown(), status: status.as_u16(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn page() -> PageText {
        PageText {
            run: "r-1".to_owned(),
            playbook: "db-failover".to_owned(),
            step: String::new(),
            question: "go on?".to_owned(),
            text: "数据库".to_owned(),
        }
    }

    /// Answers one request with the given text (none: never) and gives back what was asked.
    async fn server(answer: Option<&'static str>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook/token", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).await.unwrap();
                asked.extend_from_slice(&piece[..count]);
            }
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                None => std::future::pending().await,
            }
            String::from_utf8(asked).unwrap()
        });
        (address, task)
    }

    #[tokio::test]
    async fn the_text_arrives_as_json() {
        let (address, task) = server(Some("HTTP/1.1 202 Accepted\r\ncontent-length: 4\r\n\r\nsent")).await;
        assert_eq!(WebhookNotifier::new(address).send(&page()).await.unwrap(), "sent");
        let asked = task.await.unwrap();
        let body: serde_json::Value = serde_json::from_str(asked.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(body["text"], "数据库");
        assert_eq!(body["run"], "r-1");
    }

    #[tokio::test]
    async fn a_refusal_and_a_redirect_are_failures() {
        let moved = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n";
        for (answer, status) in [("HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\nbusy", "500"), (moved, "307")] {
            let (address, _task) = server(Some(answer)).await;
            let error = WebhookNotifier::new(address).send(&page()).await.unwrap_err().to_string();
            assert!(error.contains(status) && !error.contains("token"), "{error}");
        }
    }

    #[tokio::test]
    async fn silence_and_a_closed_door_are_failures() {
        let (address, _task) = server(None).await;
        let slow = WebhookNotifier { address, limit: Duration::from_millis(300) };
        let error = slow.send(&page()).await.unwrap_err();
        assert!(matches!(error, NotifyError::TooSlow { .. }), "{error}");
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = WebhookNotifier::new(format!("http://{closed}/token")).send(&page()).await.unwrap_err().to_string();
        assert!(error.contains("refused") && !error.contains("token"), "{error}");
        assert!(WebhookNotifier::new("https://".to_owned()).send(&page()).await.is_err());
    }

    #[tokio::test]
    async fn an_https_address_does_not_panic_for_want_of_a_provider() {
        let (address, _task) = server(None).await;
        let address = address.replace("http://", "https://");
        let notifier = WebhookNotifier { address, limit: Duration::from_millis(300) };
        assert!(notifier.send(&page()).await.is_err());
    }
}
