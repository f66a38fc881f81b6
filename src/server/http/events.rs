//! A run's records as they come, as server-sent events: each with its number as the id, so that whoever lost the connection
//! goes on behind the last one that they saw. It ends with the run. Whoever does not read is let go of.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Response;
use http_body_util::channel::{Channel, Sender};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::answer::{self, Answer};
use super::call::Call;
use super::connections::Busy;
use super::{App, accept, dispatch, identify, routes, trouble};
use crate::ids::{Digest, RunId};
use crate::journal::{Journal as _, Stored};
use crate::server::Problem;

/// How long whoever follows may take to read a piece.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many pieces wait for whoever reads.
const AHEAD: usize = 4;

/// Somebody who follows a run.
struct Follower {
    app: Arc<App>,
    run: RunId,
    /// The last record that they were told of.
    after: u64,
    token: Option<Digest>,
    sender: Sender<Bytes>,
    stop: watch::Receiver<bool>,
    /// Whoever follows has one of the server's places for that, and keeps the connection from being taken for an idle one.
    _held: (OwnedSemaphorePermit, Option<Arc<Busy>>),
}

/// What was read.
struct Page {
    records: Vec<Stored>,
    /// Whether nothing more can come.
    ended: bool,
}

/// Follows a run.
pub(super) async fn follow(app: &Arc<App>, call: Call, busy: Option<Arc<Busy>>) -> Result<Response<Body>, Problem> {
    let run = call.run()?;
    let place = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| trouble::busy("streams of events"))?;
    let after = call.events.flatten().or_else(|| call.number("after")).unwrap_or(0);
    // A run that is not there is told as such, and not by a stream that ends.
    let first = page(app, &run, after).await?;
    if first.records.is_empty() && first.ended {
        // What tells a browser not to come again.
        return Ok(Answer { status: 204, ..Answer::text("text/event-stream", String::new()) }.response());
    }
    let (sender, body) = Channel::<Bytes>::new(AHEAD);
    let follower = Follower {
        app: Arc::clone(app),
        run,
        after,
        token: call.known.token,
        sender,
        stop: app.stop.clone(),
        _held: (place, busy),
    };
    tokio::spawn(follower.tell(first));
    Ok(answer::events(Body::new(body)))
}

impl Follower {
    async fn tell(mut self, mut page: Page) {
        let (mut told, mut checked) = (Instant::now(), Instant::now());
        loop {
            // Also of a run that always has something to tell: a token that was revoked ends this.
            if checked.elapsed() >= self.app.limits.heartbeat {
                if !self.may_still().await {
                    return;
                }
                checked = Instant::now();
            }
            for stored in &page.records {
                let Ok(text) = routes::records::text(&self.run, stored) else { return };
                // A line end would end the event.
                let text = text.replace(['\r', '\n'], " ");
                if !self.send(format!("id: {}\nevent: record\ndata: {text}\n\n", stored.seq)).await {
                    return;
                }
                self.after = stored.seq;
                told = Instant::now();
            }
            if page.ended {
                return;
            }
            if page.records.is_empty() {
                let stopped = {
                    let wait = pin!(tokio::time::sleep(self.app.limits.look_again));
                    tokio::select! {
                        () = wait => false,
                        () = accept::stopped(&mut self.stop) => true,
                    }
                };
                if stopped {
                    self.send(": the server is about to end; ask again behind the last id\n\n".to_owned()).await;
                    return;
                }
                if told.elapsed() >= self.app.limits.heartbeat {
                    if !self.send(": alive\n\n".to_owned()).await {
                        return;
                    }
                    told = Instant::now();
                }
            }
            match self::page(&self.app, &self.run, self.after).await {
                Ok(next) => page = next,
                // Whoever follows comes again, and is told then.
                Err(_) => return,
            }
        }
    }

    async fn send(&mut self, text: String) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.sender.send_data(Bytes::from(text))).await, Ok(Ok(())))
    }

    /// Whether the token that they came with counts still.
    async fn may_still(&self) -> bool {
        let Some(digest) = self.token.clone() else { return true };
        let app = Arc::clone(&self.app);
        let asked = dispatch::blocking(&self.app, &self.app.doors, move || {
            app.journals.with(|journal| Ok(identify::still_counts(journal, &digest)?))
        });
        asked.await.unwrap_or(false)
    }
}

async fn page(app: &Arc<App>, run: &RunId, after: u64) -> Result<Page, Problem> {
    let (reader, run) = (Arc::clone(app), run.clone());
    let read = dispatch::blocking(app, &app.readers, move || {
        reader.journals.with(|journal| {
            let records = journal.stored_after(&run, after, routes::records::AT_ONCE)?;
            let last = match records.last() {
                Some(last) => Some(last.clone()),
                None => journal.stored_after(&run, after.saturating_sub(1), 1)?.pop(),
            };
            Ok(Page { ended: last.is_some_and(|last| routes::records::ends(&last)), records })
        })
    });
    read.await
}
