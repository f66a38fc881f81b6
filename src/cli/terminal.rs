//! The terminal's own habits, where they are in our way: keys that it echoes into a picture, and answers that were typed
//! before their question was there. Whatever is changed is put back, and never by a process in the background.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::termios::{FlushArg, LocalFlags, SetArg, tcflush, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// Whether the terminal does not echo because we said so.
static SILENCED: AtomicBool = AtomicBool::new(false);

/// The terminal behind stderr echoes no keys until `restore`: an echoed `^C` or line end would tear a picture.
pub fn silence() {
    if !SILENCED.load(Ordering::Acquire) && set_echo(std::io::stderr(), false) {
        SILENCED.store(true, Ordering::Release);
    }
}

/// The terminal echoes again, if it did before. Harmless at any time.
pub fn restore() {
    if SILENCED.swap(false, Ordering::AcqRel) {
        set_echo(std::io::stderr(), true);
    }
}

/// Drops what was typed and not read: an answer counts only if its question was there to be seen.
pub fn forget_typed() {
    forget_typed_of(std::io::stdin());
}

fn forget_typed_of(terminal: impl AsFd) {
    if in_front(&terminal) {
        // Something that is no terminal has no keys to forget.
        let _ = tcflush(terminal, FlushArg::TCIFLUSH);
    }
}

/// Turns the echo on or off; true if it is another than before.
fn set_echo(terminal: impl AsFd, echo: bool) -> bool {
    let Ok(mut settings) = tcgetattr(&terminal) else { return false };
    if settings.local_flags.contains(LocalFlags::ECHO) == echo || !in_front(&terminal) {
        return false;
    }
    settings.local_flags.set(LocalFlags::ECHO, echo);
    // Sent to the background between the look and the change, the process would be stopped by this signal: a run must not.
    let stopped = SigSet::from(Signal::SIGTTOU);
    let before = stopped.thread_swap_mask(SigmaskHow::SIG_BLOCK);
    let done = tcsetattr(&terminal, SetArg::TCSANOW, &settings).is_ok();
    if let Ok(before) = before {
        let _ = before.thread_set_mask();
    }
    done
}

/// Whether the terminal is ours to change: a job in the background would be stopped for it.
fn in_front(terminal: &impl AsFd) -> bool {
    // A terminal that does not control this process knows no jobs of it.
    tcgetpgrp(terminal).map_or(true, |group| group == getpgrp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::pty::openpty;

    fn echoes(terminal: &impl AsFd) -> bool {
        tcgetattr(terminal).unwrap().local_flags.contains(LocalFlags::ECHO)
    }

    fn readable(terminal: &impl AsFd) -> bool {
        let mut all = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
        poll(&mut all, PollTimeout::from(200u16)).unwrap() > 0
    }

    #[test]
    fn the_echo_goes_and_comes_back() {
        let pair = openpty(None, None).unwrap();
        assert!(echoes(&pair.slave));
        assert!(set_echo(&pair.slave, false));
        assert!(!echoes(&pair.slave));
        assert!(!set_echo(&pair.slave, false), "what is off already is not turned off once more");
        assert!(set_echo(&pair.slave, true));
        assert!(echoes(&pair.slave));
    }

    #[test]
    fn an_answer_that_came_before_its_question_is_forgotten() {
        let pair = openpty(None, None).unwrap();
        nix::unistd::write(&pair.master, b"y\n").unwrap();
        assert!(readable(&pair.slave));
        forget_typed_of(&pair.slave);
        assert!(!readable(&pair.slave));
        nix::unistd::write(&pair.master, b"n\n").unwrap();
        assert!(readable(&pair.slave), "what is typed afterwards counts");
    }

    #[test]
    fn what_is_no_terminal_is_left_alone() {
        let file = tempfile::tempfile().unwrap();
        assert!(!set_echo(&file, false));
        forget_typed_of(&file);
    }
}
