//! Following a run that another process drives: its records go through the same reporter as those of a run of our own.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use crate::ids::RunId;
use crate::journal::Journal;
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

/// How a run is followed.
pub struct Following<'a> {
    /// For how it is shown.
    pub output: Output,
    /// Whether a person who is awaited is waited for.
    pub wait: bool,
    /// What is known of it and was shown already.
    pub known: Option<RunState>,
    /// Waits for so long; true where whoever follows has seen enough.
    pub enough: &'a mut dyn FnMut(Duration, &dyn Reporter) -> bool,
}

/// Follows a run until it has ended, or nobody drives it any more: how it stands then. `None` where the person who looks on
/// has seen enough: that ends the following and not the run.
///
/// # Errors
/// When its records cannot be read.
pub fn follow(
    setup: &Setup,
    output: Output,
    journal: &mut dyn Journal,
    run: &RunId,
) -> Result<Option<(RunState, Doing)>, Failure> {
    let seen = signals::end_of_watching()?;
    let mut enough = |period, _: &dyn Reporter| seen.recv_timeout(period) != Err(RecvTimeoutError::Timeout);
    follow_as(setup, Following { output, wait: true, known: None, enough: &mut enough }, journal, run)
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
    let result = until(setup, following, journal, run, reporter.as_ref());
    reporter.finish();
    let followed = result?;
    if followed.is_none() {
        let command = setup.paste.command(format!("watch {run}"));
        setup.screen.say(&[Line::plain(format!("the run goes on; to follow it again: {command}"))]);
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
    let Following { output: _, wait, mut known, enough } = following;
    let mut halts = Halts::default();
    loop {
        // The lease before the records: a holder that ends between the two has written its last record by then.
        let lease = journal.lease(run)?;
        let held = is_held(&lease);
        let after = known.as_ref().map_or(0, |state| state.seq);
        // Some at a time: whoever begins to watch late is not to hold all of them twice.
        runs::each_behind(journal, run, after, |record| {
            let state = match known.take() {
                None => RunState::begin(run, &record)?,
                Some(mut state) => {
                    state.apply(&record)?;
                    state
                }
            };
            reporter.record(&record, known.insert(state));
            Ok(true)
        })?;
        if let Some(state) = &known {
            let doing = Doing::of_state(state, &lease);
            let rests = !held || (!wait && state.question.is_some());
            if doing == Doing::Ended || rests {
                return Ok(Some((state.clone(), doing)));
            }
        }
        halts.look(setup, journal, reporter)?;
        if enough(PERIOD, reporter) {
            return Ok(None);
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

    fn look(&mut self, setup: &Setup, journal: &mut dyn Journal, reporter: &dyn Reporter) -> Result<(), Failure> {
        self.looks += 1;
        if self.looks % Self::EVERY != 1 {
            return Ok(());
        }
        let halt = journal.halted()?;
        if halt.is_some() == self.halted {
            return Ok(());
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
        Ok(())
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
