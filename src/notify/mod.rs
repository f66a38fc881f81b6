//! How people are called. It only sends.

use async_trait::async_trait;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageText {
    /// The run.
    pub run: String,
    /// Its playbook.
    pub playbook: String,
    /// The step in question.
    pub step: String,
    /// What is asked, in a word.
    pub question: String,
    /// The whole text.
    pub text: String,
}

/// Why a page was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotifyError(pub String);

/// Sends a page.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends it; what it says was done.
    ///
    /// # Errors
    /// When it was not sent.
    async fn send(&self, page: &PageText) -> Result<String, NotifyError>;
}
