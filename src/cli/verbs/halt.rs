//! `halt`: nothing new begins on this state, until somebody lifts it. It needs no server, and no run: once the journal has
//! it, no intent is written any more. What is under way cannot be called back; it is named, and its end is awaited for a
//! while.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cli::args::{Format, Halt};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::runs::is_held;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{count, halted, heading};
use crate::engine::holder;
use crate::ids::RunId;
use crate::journal::{self, JournalError, Store};
use crate::run::RunState;
use crate::value::format_seconds;

/// How long it is waited until each run stands still.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether they do.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Halts everything, or lifts that.
///
/// # Errors
/// When the journal cannot be written: then nothing is halted.
pub fn halt(setup: &Setup, args: &Halt) -> Result<Exit, Failure> {
    let called = Instant::now();
    let reason = args.reason.as_deref().unwrap_or("").trim().to_owned();
    let mut journal = setup.journal()?;
    let by = holder::this_process().user;
    if args.lift {
        if reason.is_empty() {
            return Err(Failure::new(Exit::Usage, "a halt is lifted with a reason: --reason TEXT"));
        }
        return lift(setup, args, journal.as_mut(), &by, &reason);
    }
    let before = journal.halted()?;
    let halt =
        journal.halt(&by, &reason, clock::now()).map_err(|error| unhalted(setup, journal.as_mut(), error.into()))?;
    let fresh = before.is_none();
    if args.output == Format::Human {
        setup.screen.print_whole(&head(setup, &halt, fresh));
    }
    let mut runs = in_hand(journal.as_mut(), &halt)?;
    if args.output == Format::Human {
        setup.screen.print_whole(&runs.iter().map(InHand::line).collect::<Vec<_>>());
    }
    while runs.iter().any(|run| !run.stands) && called.elapsed() < PATIENCE {
        std::thread::sleep(LOOK_AGAIN);
        runs = in_hand(journal.as_mut(), &halt)?;
    }
    let seconds = called.elapsed().as_secs_f64();
    if args.output == Format::Json {
        let object = json!({
            "v": 1, "type": "halt", "exit": 0, "halted": halted::json(&halted::seen(&halt)), "new": fresh,
            "standing_still": runs.iter().all(|run| run.stands), "seconds": seconds,
            "runs": runs.iter().map(InHand::json).collect::<Vec<_>>(),
        });
        setup.screen.json(&object);
    } else {
        setup.screen.print_whole(&foot(setup, &runs, seconds));
    }
    Ok(Exit::Success)
}

/// A run that has not ended, and whether it stands still.
struct InHand {
    run: RunId,
    book: String,
    /// The tasks under way.
    tasks: Vec<String>,
    /// Whether a process drives it.
    held: bool,
    /// Whether somebody let it undo all the same.
    exempt: bool,
    stands: bool,
    damaged: Option<String>,
}

impl InHand {
    fn of(run: RunId, state: &RunState, held: bool, halt: &journal::Halt) -> Self {
        let knows = state.halted.as_ref().is_some_and(|seen| seen.number == halt.number);
        let tasks: Vec<String> = state.in_flight().map(|(task, _)| task.to_string()).collect();
        let exempt = state.despite_halt && knows;
        Self {
            run,
            book: format!("{}@{}", state.playbook().name, state.playbook().version),
            stands: !held || state.ended.is_some() || exempt || (knows && tasks.is_empty()),
            tasks,
            held,
            exempt,
            damaged: None,
        }
    }

    fn words(&self) -> String {
        let tasks = self.tasks.join(", ");
        match (&self.damaged, self.held, tasks.as_str()) {
            (Some(why), ..) => format!("its records cannot be read: {why}"),
            (_, true, _) if self.exempt => "is undone all the same, as somebody let it".to_owned(),
            (_, true, "") if self.stands => "stands still".to_owned(),
            (_, true, "") => "is at no step; it is told".to_owned(),
            (_, true, _) => {
                format!("has {tasks} in hand, which cannot be called back; what comes of it is written down")
            }
            (_, false, "") => "is driven by nobody; nothing of it is under way".to_owned(),
            (_, false, _) => format!("is driven by nobody; {tasks} was under way when it was left and may still be"),
        }
    }

    fn line(&self) -> Line {
        let ink = if self.stands && self.damaged.is_none() { Ink::Plain } else { Ink::Warn };
        Line::plain("  ")
            .with(Ink::Bold, self.run.as_str())
            .with(Ink::Dim, format!("  {}  ", self.book))
            .with(ink, self.words())
    }

    fn json(&self) -> Value {
        json!({
            "run": self.run, "playbook": self.book, "in_hand": self.tasks, "driven": self.held,
            "undone_all_the_same": self.exempt, "standing_still": self.stands, "damaged": self.damaged,
        })
    }
}

/// The runs that have not ended.
fn in_hand(journal: &mut dyn Store, halt: &journal::Halt) -> Result<Vec<InHand>, Failure> {
    let mut found = Vec::new();
    for row in journal.runs()?.into_iter().filter(|row| row.verdict.is_none()) {
        // The lease before the records: a holder that ends between the two has written its last record by then.
        let held = row.damaged.is_none() && is_held(&row.lease);
        let records = match journal.records(&row.run, 0) {
            Err(JournalError::Corrupt(why)) => Err(why),
            // What cannot be asked now says nothing of the run: that it stands still least of all.
            records => Ok(records?),
        };
        let state = records.and_then(|records| RunState::replay(&row.run, &records).map_err(|error| error.to_string()));
        found.push(match state {
            Ok(state) => InHand::of(row.run, &state, held, halt),
            Err(why) => InHand {
                run: row.run,
                book: row.playbook,
                tasks: Vec::new(),
                held,
                exempt: false,
                stands: true,
                damaged: Some(why),
            },
        });
    }
    Ok(found)
}

fn head(setup: &Setup, halt: &journal::Halt, fresh: bool) -> Vec<Line> {
    let mark = Line::new().with(Ink::Bad, "■ ");
    let first = if fresh {
        format!("halted: from now on nothing new begins on the state in {}", setup.kept_in())
    } else {
        "it was halted already; nothing was changed by this".to_owned()
    };
    let mut lines = vec![mark.followed_by(heading(&first))];
    let sentence = halted::sentence(&halted::seen(halt), clock::now());
    lines.extend(crate::cli::view::paragraph(&sentence, 2, setup.screen.text_width(), Ink::Plain));
    lines.push(Line::new());
    lines
}

fn foot(setup: &Setup, runs: &[InHand], seconds: f64) -> Vec<Line> {
    let moving: Vec<&InHand> = runs.iter().filter(|run| !run.stands).collect();
    let mut lines = Vec::new();
    let open = count(runs.len(), "run");
    match (runs.is_empty(), moving.is_empty()) {
        (true, _) => lines.push(Line::plain("  no run is open")),
        (false, true) => {
            let text = format!("everything stands still, {} after the call; {open} not ended", format_seconds(seconds));
            lines.push(Line::new());
            lines.push(Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text));
        }
        (false, false) => {
            let text = format!("still under way after {}; nothing follows on what is listed:", format_seconds(seconds));
            lines.push(Line::new());
            lines.push(Line::new().with(Ink::Warn, "? ").with(Ink::Plain, text));
            lines.extend(moving.iter().map(|run| run.line()));
        }
    }
    lines.push(Line::new());
    lines.push(heading("Next"));
    let mut next = vec![(setup.paste.command(halted::LIFT), "everything goes on")];
    if let Some(run) = runs.iter().find(|run| run.damaged.is_none()) {
        next.push((setup.paste.command(format!("status {}", run.run)), "how a run stands"));
        let undo = format!("rollback {} --despite-halt --reason \"…\"", run.run);
        next.push((setup.paste.command(undo), "undo this one all the same"));
    }
    lines.extend(crate::cli::view::next::commands(&next, setup.screen.text_width()));
    lines
}

fn lift(setup: &Setup, args: &Halt, journal: &mut dyn Store, by: &str, reason: &str) -> Result<Exit, Failure> {
    let lifted = journal.lift(by, reason, clock::now())?;
    let halt = lifted.clone().unwrap_or(journal::Halt {
        number: 0,
        by: String::new(),
        reason: String::new(),
        since: clock::now(),
        lifted: None,
    });
    let runs = in_hand(journal, &halt)?;
    if args.output == Format::Json {
        let object = json!({
            "v": 1, "type": "halt", "exit": 0, "halted": null, "lifted": lifted.as_ref().map(|halt| halted::json(&halted::seen(halt))),
            "runs": runs.iter().map(InHand::json).collect::<Vec<_>>(),
        });
        setup.screen.json(&object);
        return Ok(Exit::Success);
    }
    let Some(halt) = lifted else {
        setup.screen.print(&[Line::plain("nothing is halted on this state; nothing was changed")]);
        return Ok(Exit::Success);
    };
    let long = format_seconds(clock::now().seconds_since(halt.since).max(0.0));
    let text = format!("lifted: it was halted by {} for {long}", crate::cli::visible::line(&halt.by));
    let mut lines = vec![Line::new().with(Ink::Good, "✓ ").with(Ink::Plain, text)];
    let (held, left): (Vec<&InHand>, Vec<&InHand>) = runs.iter().partition(|run| run.held);
    lines.extend(held.iter().map(|run| Line::plain(format!("  {}  {}  goes on by itself", run.run, run.book))));
    lines.extend(left.iter().map(|run| {
        let command = setup.paste.command(format!("resume {}", run.run));
        Line::plain(format!("  {}  {}  is driven by nobody: {command}", run.run, run.book))
    }));
    setup.screen.print_whole(&lines);
    Ok(Exit::Success)
}

/// The journal does not take it: what is left is to stop each runner by hand.
fn unhalted(setup: &Setup, journal: &mut dyn Store, failure: Failure) -> Failure {
    let rows = journal.runs().unwrap_or_default();
    let held = rows.iter().filter(|row| row.verdict.is_none() && is_held(&row.lease));
    let failure = failure.meaning(format!(
        "NOTHING IS HALTED. A signal stops a runner once the step in hand has ended; {} of them drive a run of the state in {}",
        held.clone().count(),
        setup.kept_in()
    ));
    held.fold(failure, |failure, row| {
        let holder = &row.lease.holder;
        failure.next_typed(format!("kill -TERM {}     (on {}, drives {})", holder.pid, holder.host, row.run))
    })
}
