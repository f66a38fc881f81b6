//! Ctrl-C and its kin while a run is driven. They are only counted here: what a count means, the engine decides. A closed
//! terminal (SIGHUP) does not end a run: the process goes on and `watch` finds the run again.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::exit::Exit;
use super::failure::Failure;
use super::reporter::Reporter;

/// Counts interrupts. Must be called within a runtime.
///
/// # Errors
/// When the system refuses to tell us about signals.
pub fn listen(reporter: Arc<dyn Reporter>) -> Result<(watch::Sender<u32>, watch::Receiver<u32>), Failure> {
    let fault = |error: std::io::Error| Failure::new(Exit::Fault, format!("signals cannot be received: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fault)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(fault)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(fault)?;
    let (sender, receiver) = watch::channel(0);
    let count = sender.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                Some(()) = hangup.recv() => continue,
                else => return,
            }
            count.send_modify(|pressed| *pressed += 1);
            reporter.interrupted(*count.borrow());
        }
    });
    Ok((sender, receiver))
}
