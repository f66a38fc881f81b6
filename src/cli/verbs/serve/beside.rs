//! What a server does beside answering: it works on the alerts that came in, and tells others what happens. Both go on where they
//! stopped with the next start, and neither is ever waited for by a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::http::fell;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::verbs::outbox;
use crate::engine::deliver::Delivering;
use crate::inventory::{SecretRef, Secrets};
use crate::server::alerts::Alerts;
use crate::server::{House, Runner};
use crate::trigger::{Routes, Source};

/// What takes alerts in, with the secrets that the configuration refers to, as they are now.
///
/// # Errors
/// When a secret is not there, or a route cannot be used: an alert that nobody takes is worse than a server that does not start.
pub(super) fn alerts(setup: &Setup, house: Arc<dyn House>, runner: Arc<dyn Runner>) -> Result<Arc<Alerts>, Failure> {
    let unusable = |error: crate::trigger::TriggerError| {
        Failure::new(Exit::Invalid, error.to_string()).meaning("nothing is served; the state is as it was")
    };
    let routes = Routes::of(&setup.config).map_err(unusable)?;
    let secrets = secrets(setup);
    let mut sources = Vec::new();
    for (name, hook) in &setup.config.hooks {
        let mut found = Vec::new();
        for reference in &hook.secrets {
            found.push(read(&secrets, reference).map_err(|why| {
                Failure::new(
                    Exit::Invalid,
                    format!("a secret of `hooks.{name}` in the configuration is not there: {why}"),
                )
                .meaning("nothing is served: alerts of this source could not be told from anybody's")
            })?);
        }
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        sources.push(Source::of(name, hook, &found).map_err(unusable)?);
    }
    Ok(Arc::new(Alerts::new(house, runner, sources, routes)))
}

/// The secrets as the inventory finds them; without one, those of this machine.
fn secrets(setup: &Setup) -> Secrets {
    setup.inventory().map(|inventory| inventory.secrets.clone()).unwrap_or_default()
}

fn read(secrets: &Secrets, reference: &str) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let found = runtime.block_on(secrets.anew().read(&SecretRef(reference.to_owned())));
    found.map(|secret| secret.expose().to_owned()).map_err(|error| error.to_string())
}

/// The threads beside.
pub(super) struct Beside {
    alerts: Arc<Alerts>,
    ends: Arc<AtomicBool>,
    worker: JoinHandle<()>,
    telling: Option<Delivering>,
}

impl Beside {
    /// Begins both.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn begin(setup: &Setup, alerts: Arc<Alerts>) -> Result<Self, Failure> {
        let ends = Arc::new(AtomicBool::new(false));
        let worker = {
            let (alerts, ends) = (Arc::clone(&alerts), Arc::clone(&ends));
            let work = move || alerts.work(&|| ends.load(Ordering::Acquire));
            std::thread::Builder::new()
                .name("alerts".to_owned())
                .spawn(work)
                .map_err(|error| fell(&error.to_string()))?
        };
        let telling = match setup.config.notify.is_empty() {
            true => None,
            false => match outbox::deliverer(setup, secrets(setup)).start() {
                Ok(telling) => Some(telling),
                Err(error) => {
                    let text = format!("nobody is told what happens until the server is started anew: {error}");
                    setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
                    None
                }
            },
        };
        Ok(Self { alerts, ends, worker, telling })
    }

    /// Whether nobody works on alerts any more.
    pub(super) fn is_over(&self) -> bool {
        self.worker.is_finished()
    }

    /// Takes nothing more in hand. What is being begun for an alert is waited for.
    pub(super) fn stop(&self) {
        self.ends.store(true, Ordering::Release);
        self.alerts.wake();
    }

    /// Tells what is due by now.
    pub(super) fn end(self) {
        // One that fell is no reason not to tell.
        let _ = self.worker.join();
        if let Some(telling) = self.telling {
            telling.end();
        }
    }
}
