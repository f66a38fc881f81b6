//! Ctrl-C and its kin while a run is driven. They are only counted here: what a count means, the engine decides. A closed
//! terminal (SIGHUP) does not end a run: the process goes on and `watch` finds the run again.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::Poll;

use nix::sys::signal::Signal;
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
    let mut quit = signal(SignalKind::quit()).map_err(fault)?;
    let (sender, receiver) = watch::channel(0);
    let count = sender.clone();
    tokio::spawn(async move {
        loop {
            let presses = tokio::select! {
                Some(()) = interrupt.recv() => 1,
                Some(()) = terminate.recv() => 1,
                // Ctrl-\ means at once; taken by us, it leaves a terminal that echoes.
                Some(()) = quit.recv() => 2,
                Some(()) = hangup.recv() => continue,
                else => return,
            };
            count.send_modify(|pressed| *pressed += presses);
            reporter.interrupted(*count.borrow());
        }
    });
    Ok((sender, receiver))
}

/// Says when somebody who only looks on has seen enough: Ctrl-C and whatever else ends a process. The receiver is also a
/// sleep that such a signal cuts short.
///
/// # Errors
/// When the system refuses to tell us about signals.
pub fn end_of_watching() -> Result<Receiver<()>, Failure> {
    let fault = |error: std::io::Error| Failure::new(Exit::Fault, format!("signals cannot be received: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()];
    let mut signals = {
        let _inside = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>().map_err(fault)?
    };
    std::thread::spawn(move || {
        let any = std::future::poll_fn(|context| {
            let came = |signal: &mut tokio::signal::unix::Signal| signal.poll_recv(context).is_ready();
            if signals.iter_mut().any(came) { Poll::Ready(()) } else { Poll::Pending }
        });
        runtime.block_on(any);
        // Nobody who looks on any more needs to hear it.
        let _ = sender.send(());
    });
    Ok(receiver)
}

/// Tells a server each time that it is to end, and that once more where it is to end at once. A closed terminal is none of
/// that.
///
/// # Errors
/// When the system refuses to tell us about signals.
pub fn of_a_server() -> Result<Receiver<u32>, Failure> {
    let fault = |error: std::io::Error| Failure::new(Exit::Fault, format!("signals cannot be received: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(fault)?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit(), SignalKind::hangup()];
    let mut signals = {
        let _inside = runtime.enter();
        kinds.into_iter().map(signal).collect::<Result<Vec<_>, _>>().map_err(fault)?
    };
    std::thread::spawn(move || {
        let hangup = signals.len() - 1;
        loop {
            let which = std::future::poll_fn(|context| {
                let came = signals.iter_mut().position(|signal| signal.poll_recv(context).is_ready());
                came.map_or(Poll::Pending, Poll::Ready)
            });
            let which = runtime.block_on(which);
            if which != hangup && sender.send(1).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// From here on a limit on the size of files (`ulimit -f`) is an error of the write, which is told as what it is: a journal
/// that cannot be written. Unheard, the signal would end the process in the middle of a run. It is heard and not ignored, as
/// commands would inherit that.
pub fn outlive_file_limits() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let _inside = runtime.enter();
    // Once heard it stays heard, whether or not somebody listens.
    drop(signal(SignalKind::from_raw(Signal::SIGXFSZ as i32)));
}
