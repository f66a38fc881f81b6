//! Following a run that another process drives: its records go through the same reporter as those of a run of our own.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::client::AWAY;
use crate::ids::RunId;
use crate::journal::{Journal, JournalError};
use crate::run::{RunState, StopKind};

use super::args::Output;
use super::clock;
use super::exit::Exit;
use super::failure::Failure;
use super::reporter::{self, Reporter};
use super::runs::{self, Doing, is_held};
use super::setup::Setup;
use super::signals;
use super::text::{Ink, Line};
use super::view::halted;

/// How often the journal is looked at.
const PERIOD: Duration = Duration::from_millis(150);

/// What a run does that nobody follows any more.
pub const GOES_ON: &str = "the run goes on";

/// How a run is followed.
pub struct Following<'a> {
    /// For how it is shown.
    pub output: Output,
    /// Whether a person who is awaited is waited for.
    pub wait: bool,
    /// What is known of it and was shown already.
    pub known: Option<RunState>,
    /// What is said where whoever follows has seen enough: what becomes of the run then.
    pub left: &'static str,
    /// Waits for so long; true where whoever follows has seen enough.
    pub enough: &'a mut dyn FnMut(Duration, &dyn Reporter) -> bool,
}

/// Follows a run until it has ended, or nobody drives it any more: how it stands then. What is known of it already is not told
/// again. `None` where the person who looks on has seen enough: that ends the following and not the run.
///
/// # Errors
/// When its records cannot be read.
pub fn follow(
    setup: &Setup,
    output: Output,
    journal: &mut dyn Journal,
    (run, known): (&RunId, Option<RunState>),
) -> Result<Option<(RunState, Doing)>, Failure> {
    let seen = signals::end_of_watching()?;
    let mut enough = |period, _: &dyn Reporter| seen.recv_timeout(period) != Err(RecvTimeoutError::Timeout);
    follow_as(setup, Following { output, wait: true, known, left: GOES_ON, enough: &mut enough }, journal, run)
}

/// The same, as it is said.
///
/// # Errors
/// As `follow`.
pub fn follow_as(
    setup: &Setup,
    following: Following<'_>,
    journal: &mut dyn Journal,
    run: &RunId,
) -> Result<Option<(RunState, Doing)>, Failure> {
    let reporter = reporter::choose(&setup.screen, following.output, &setup.paste);
    let left = following.left;
    let result = until(setup, following, journal, run, reporter.as_ref());
    reporter.finish();
    let followed = result?;
    if followed.is_none() {
        let command = setup.paste.command(format!("watch {run}"));
        setup.screen.say(&[Line::plain(format!("{left}; to follow it again: {command}"))]);
    }
    Ok(followed)
}

fn until(
    setup: &Setup,
    following: Following<'_>,
    journal: &mut dyn Journal,
    run: &RunId,
    reporter: &dyn Reporter,
) -> Result<Option<(RunState, Doing)>, Failure> {
    let Following { output: _, wait, mut known, left: _, enough } = following;
    let (mut halts, mut away) = (Halts::default(), Gone::default());
    loop {
        // The lease before the records: a holder that ends between the two has written its last record by then.
        let lease = match journal.lease(run) {
            Err(error @ JournalError::Unreachable { .. }) if known.is_some() => {
                away.told(setup, reporter, error, run)?;
                if enough(PERIOD, reporter) {
                    return Ok(None);
                }
                continue;
            }
            lease => lease?,
        };
        away.over(setup, reporter);
        let held = is_held(&lease);
        let after = known.as_ref().map_or(0, |state| state.seq);
        // Some at a time: whoever begins to watch late is not to hold all of them twice.
        let read = runs::each_behind(journal, run, after, |record| {
            let state = match known.take() {
                None => RunState::begin(run, &record)?,
                Some(mut state) => {
                    state.apply(&record)?;
                    state
                }
            };
            reporter.record(&record, known.insert(state));
            Ok(true)
        });
        if let Err(failure) = read {
            // Where the server went in between, the next look says so.
            match journal.lease(run) {
                Err(JournalError::Unreachable { .. }) if known.is_some() => continue,
                _ => return Err(failure),
            }
        }
        if let Some(state) = &known {
            let doing = Doing::of_state(state, &lease);
            let rests = !held || (!wait && state.question.is_some());
            if doing == Doing::Ended || rests {
                return Ok(Some((state.clone(), doing)));
            }
        }
        halts.look(setup, journal, reporter);
        if enough(PERIOD, reporter) {
            return Ok(None);
        }
    }
}

/// A server that was there and does not answer.
#[derive(Default)]
struct Gone {
    since: Option<Instant>,
}

impl Gone {
    /// Says it once, and that it is waited for; an error once that was long enough.
    fn told(
        &mut self,
        setup: &Setup,
        reporter: &dyn Reporter,
        error: JournalError,
        run: &RunId,
    ) -> Result<(), Failure> {
        let since = *self.since.get_or_insert_with(|| {
            // Nothing of the picture is known any more: it must not go on as if it were.
            reporter.pause();
            let text = format!(
                "the server does not answer since {} UTC: how the run stands is not known; it is waited for, up to {} s",
                clock::date_and_time(clock::now()),
                AWAY.as_secs()
            );
            setup.screen.warn(&[Line::new().with(Ink::Warn, text)]);
            Instant::now()
        });
        if since.elapsed() < AWAY {
            return Ok(());
        }
        Err(Failure::from(error).naming(run).next(format!("playbook watch {run}     (follows it again)")))
    }

    fn over(&mut self, setup: &Setup, reporter: &dyn Reporter) {
        if let Some(since) = self.since.take() {
            reporter.pause();
            let text = format!("the server answers again, after {} s", since.elapsed().as_secs().max(1));
            setup.screen.warn(&[Line::plain(text)]);
        }
    }
}

/// What is known of halts while a run is followed: they are in no record of it.
#[derive(Default)]
struct Halts {
    looks: u32,
    halted: bool,
}

impl Halts {
    /// How many looks at the run there are for one at this.
    const EVERY: u32 = 5;

    fn look(&mut self, setup: &Setup, journal: &mut dyn Journal, reporter: &dyn Reporter) {
        self.looks += 1;
        if self.looks % Self::EVERY != 1 {
            return;
        }
        // Why it cannot be read is said by the next look at the run itself.
        let Ok(halt) = journal.halted() else { return };
        if halt.is_some() == self.halted {
            return;
        }
        self.halted = halt.is_some();
        reporter.pause();
        let (ink, text) = match &halt {
            Some(halt) => {
                let sentence = halted::sentence(&halted::seen(halt), clock::now());
                (Ink::Warn, format!("{sentence}; the run stands still and goes on by itself once that is lifted"))
            }
            None => (Ink::Plain, "the halt is lifted: the run goes on".to_owned()),
        };
        setup.screen.say(&[Line::new().with(ink, text)]);
    }
}

/// What a run that stands like this returns.
pub fn exit_of(state: &RunState, doing: Doing) -> Exit {
    match (doing, &state.ended, state.stopped) {
        (_, Some((verdict, ..)), _) => Exit::of_ended(state, *verdict),
        (Doing::Stuck, ..) => Exit::Stuck,
        (Doing::Waiting, ..) | (Doing::Stopped, _, Some(StopKind::Paused)) => Exit::Waiting,
        (Doing::Running, ..) => Exit::Success,
        (Doing::Damaged, ..) => Exit::Invalid,
        (Doing::Stopped | Doing::Interrupted | Doing::Ended, ..) => Exit::Interrupted,
    }
}
