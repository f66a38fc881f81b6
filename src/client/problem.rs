//! What a server says when it refuses something: a problem document (RFC 9457) of ours, or whatever stands between here and it
//! has to say.

use serde::Deserialize;

use crate::journal::{HeldLock, JournalError, Needs, Refused};

/// How much of an answer is told that is no problem document.
const SHOWN: usize = 200;

#[derive(Deserialize)]
struct Problem {
    title: String,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    next: Vec<String>,
    exit: u8,
    #[serde(default)]
    needs: Option<Needs>,
    #[serde(default)]
    locked: Option<HeldLock>,
}

/// A refusal, read.
pub(super) fn refused(status: u16, retry_after: Option<u64>, text: &str) -> JournalError {
    let refused = match serde_json::from_str::<Problem>(text) {
        Ok(Problem { title, detail, next, exit, needs, locked }) => {
            Refused { status, exit, title, detail: detail.unwrap_or_default(), next, retry_after, needs, locked }
        }
        Err(_) => {
            let said: String = text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
            let title = format!("the server answered {status}, and not as a `playbook serve` does");
            Refused { status, exit: 74, title, detail: said, next: Vec::new(), retry_after, needs: None, locked: None }
        }
    };
    JournalError::Refused(Box::new(refused))
}
