//! What binds the runs of a server: the brakes of every run, asked for whoever calls. A trigger passes none of them and approves
//! nothing ahead. The confirmation that production wants is in the request, as nobody can be asked.

use std::sync::Arc;

use super::place::Place;
use super::told::told;
use crate::cli::brakes::{self, Answer, Passes};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::held::Held;
use crate::cli::paste::quote;
use crate::cli::text::Ink;
use crate::cli::verbs::{ahead, held_back, plan_file};
use crate::cli::view::count;
use crate::cli::{inputs, runs};
use crate::engine::{Beginning, EndingKind, EngineError};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{JournalError, OverLimit, RUN_LIMIT};
use crate::plan::{Plan, drift};
use crate::playbook::Playbook;
use crate::run::{RequestKind, RunState};
use crate::server::{Caller, Happening, Problem, Refusal, Rules, Wanted};
use crate::timeline::verdict_words;

const NOTHING: &str = "nothing was started or changed";

impl Rules for Place {
    fn may_plan(&self, wanted: &Wanted, book: &mut Playbook) -> Result<(), Problem> {
        let passes = Passes::by(&wanted.overrides, &wanted.by.name);
        passes.and_then(|mut passes| passes.pass_own(&self.setup.config, book)).map_err(told)
    }

    fn may_look(
        &self,
        wanted: &Wanted,
        playbook: &mut Playbook,
        inventory: &Inventory,
    ) -> Result<Vec<(String, String)>, Problem> {
        self.hold(wanted, playbook, inventory).map_err(told)
    }

    fn may_begin(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        passed: Vec<(String, String)>,
        over: Option<OverLimit>,
        finds: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Problem> {
        self.beginning(wanted, plan, passed, over, finds).map_err(told)
    }

    fn may_ask(&self, run: &RunId, request: &RequestKind, by: &Caller) -> Result<(), Problem> {
        if let RequestKind::Rollback { despite_halt: true, .. } = request
            && let Err(why) = brakes::may_pass(&self.setup.config, &by.name, brakes::HALT)
        {
            let failure =
                Failure::new(Exit::NotAllowed, why).meaning("nothing was done; the halt holds this run as well");
            return Err(told(failure.naming(run)));
        }
        Ok(())
    }

    fn inventory_of(&self, state: &RunState) -> Result<Arc<Inventory>, Problem> {
        runs::newest(&self.setup, state).map_err(told)?;
        runs::inventory(&self.setup, state).map_err(told)
    }

    fn problem(&self, refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Engine(EngineError::Journal(JournalError::Locked(row))) => {
                let held = self.setup.own_journal().and_then(|mut journal| Ok(Held::of(&mut journal, row)?.failure()));
                self.unusable(held.unwrap_or_else(|failure| failure))
            }
            // The run stands otherwise than whoever asks believes: no matter of what they may.
            Refusal::Engine(error @ EngineError::NotNow(_)) => Problem { status: 409, ..told(error.into()) },
            Refusal::Engine(error) => self.unusable(error.into()),
            Refusal::Ends => {
                let failure = Failure::new(Exit::Journal, refusal.to_string()).meaning(
                    "nothing was started; the runs in hand end their step, and the next start of the server goes on with them",
                );
                Problem { retry_after: Some(5), ..told(failure) }
            }
            Refusal::Full(_) => {
                let failure = Failure::new(Exit::Locked, refusal.to_string())
                    .meaning(NOTHING)
                    .next("playbook list --runs     (what is in hand, and what waits for a person)");
                Problem { status: 503, retry_after: Some(15), ..told(failure) }
            }
            Refusal::InHand(ref run) => {
                let failure = Failure::new(Exit::Locked, refusal.to_string()).meaning("it goes on by itself");
                told(failure.next(format!("playbook watch {run}")))
            }
            Refusal::Fault(_) => {
                let meaning = "a run that was under way was left; what is in its journal is safe";
                told(Failure::new(Exit::Fault, refusal.to_string()).meaning(meaning).next("playbook list --runs"))
            }
        }
    }

    fn happened(&self, what: &Happening<'_>) {
        let (ink, text) = sentence(what);
        self.log(ink, &text);
    }
}

impl Place {
    /// What holds a run back before anything is looked at.
    fn hold(
        &self,
        wanted: &Wanted,
        book: &mut Playbook,
        inventory: &Inventory,
    ) -> Result<Vec<(String, String)>, Failure> {
        let refuse = |what: String| Failure::new(Exit::NotAllowed, what).meaning(NOTHING);
        let triggered = wanted.by.is_trigger();
        if triggered && !(wanted.overrides.is_empty() && wanted.approved.is_empty()) {
            return Err(refuse("a trigger passes no brake and approves nothing: that is a person's".to_owned()));
        }
        let config = &self.setup.config;
        let mut passes = Passes::by(&wanted.overrides, &wanted.by.name)?;
        passes.pass_own(config, book)?;
        if !book.steps.iter().any(|step| step.effect.changes()) {
            return Ok(passes.passed());
        }
        if let Some(name) = wanted.confirm.as_ref().filter(|name| **name != book.name) {
            return Err(refuse(format!("the confirmation says `{name}`, but the playbook is `{}`", book.name)));
        }
        let age = match &wanted.further.plan {
            Some((text, max_age)) => {
                Some(plan_file::hold(&self.setup, ("that was sent", text), *max_age, inventory)?.age)
            }
            None => None,
        };
        let bars = held_back::bars(config, true, book, inventory, age).pass(config, &mut passes);
        // What a trigger begins was confirmed by whoever wrote that it may.
        let unconfirmed = held_back::is_production(inventory) && wanted.confirm.is_none() && !triggered;
        if bars.left.is_empty() && !unconfirmed {
            return Ok(passes.passed());
        }
        let mut failure = refuse(bars.words(book, inventory, unconfirmed.then_some("`confirm` in the request")));
        for why in &bars.not_yours {
            failure = failure.next(why.clone());
        }
        let names: Vec<&str> = bars.left.iter().map(|bar| bar.brake).collect();
        let confirm = if unconfirmed { format!(" --confirm {}", quote(&book.name)) } else { String::new() };
        let command = format!("playbook run {}{confirm}{}", quote(&book.name), passes.words(&names));
        Err(failure.next(format!("{command}     (by a person who may; with the same inputs)")))
    }

    fn beginning(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        passed: Vec<(String, String)>,
        over: Option<OverLimit>,
        finds: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Failure> {
        self.holds(wanted, plan)?;
        inputs::hold_secrets(plan, finds)?;
        let (book, config) = (&plan.playbook, &self.setup.config);
        let mut passes = Passes::by(&wanted.overrides, &wanted.by.name)?.after(passed);
        if let Some(over) = over {
            let failure = held_back::over_the_limit(&over, book);
            match passes.pass(config, RUN_LIMIT) {
                Answer::Passed => {}
                Answer::Holds => {
                    let command = format!("playbook run {}{}", quote(&book.name), passes.words(&[RUN_LIMIT]));
                    return Err(failure.next(format!("{command}     (by a person; with the same inputs)")));
                }
                Answer::NotYours(why) => return Err(failure.next(why)),
            }
        }
        let incident = wanted.incident.as_ref().map(ToString::to_string);
        if wanted.by.is_trigger() {
            return Ok(Beginning::by_trigger().of_incident(incident));
        }
        let glass = wanted.further.break_glass.as_deref();
        let glass = ahead::glass_broken_by(&self.setup, glass, &wanted.by.name, book)?;
        let approved = ahead::approved_by(&self.setup, &wanted.approved, &wanted.by.name, book)?;
        let passed = passes.passed().into_iter().chain(glass).collect();
        Ok(Beginning::by_person(passed, approved).of_incident(incident))
    }

    /// Holds the world to the plan that was looked at.
    fn holds(&self, wanted: &Wanted, plan: &Plan) -> Result<(), Failure> {
        let further = &wanted.further;
        let Some(text) = further.plan.as_ref().map(|(text, _)| text).or(further.looked_at.as_ref()) else {
            return Ok(());
        };
        let then = plan_file::look_at("that was sent", text)?;
        let list = drift(&then, plan, &self.setup.specs());
        let again = format!("playbook plan {} -o FILE     (makes it again)", quote(&plan.playbook.name));
        if list.is_empty() && then.digest == plan.digest {
            return Ok(());
        }
        if list.is_empty() {
            let what = "the server would run another plan than the one that was looked at: its playbook, inputs or targets differ";
            return Err(Failure::new(Exit::Drift, what).meaning("nothing was started or changed").next(again));
        }
        let points: Vec<String> = list
            .iter()
            .map(|drift| format!("{}: was {}, is {}", drift.what, drift.was_text(), drift.is_text()))
            .collect();
        let what =
            format!("the world drifted from the plan in {}:\n{}", count(points.len(), "point"), points.join("\n"));
        Err(Failure::new(Exit::Drift, what).meaning("nothing was started or changed").next(again))
    }
}

/// What is written into the server's log.
fn sentence(what: &Happening<'_>) -> (Ink, String) {
    match what {
        Happening::Begun { run, playbook, by } => (Ink::Plain, format!("run {run} of {playbook} has begun, for {by}")),
        Happening::Adopted { run, playbook } => {
            (Ink::Plain, format!("run {run} of {playbook} is gone on with: the server that drove it has ended"))
        }
        Happening::DrivenOn { run, by } => (Ink::Plain, format!("run {run} is gone on with, as {by} wants it")),
        Happening::Out { run, how } => match how {
            EndingKind::Finished(verdict) => (Ink::Plain, format!("run {run} has ended: {}", verdict_words(*verdict))),
            EndingKind::Waiting(question) => {
                (Ink::Warn, format!("run {run} waits for a person, without a deadline: {}", question.message))
            }
            EndingKind::Stopped(_) => (Ink::Plain, format!("run {run} is stopped; playbook resume {run} goes on")),
            EndingKind::Halted => (Ink::Warn, format!("run {run} is left as everything is halted")),
            EndingKind::GivenBack => {
                (Ink::Plain, format!("run {run} is given back: the next start of the server goes on with it"))
            }
            EndingKind::Left => {
                (Ink::Warn, format!("run {run} is left in the middle of a step; the next start asks what became of it"))
            }
        },
        Happening::Failed { run, problem, again } => {
            let then = again.map_or_else(
                || "nobody drives it".to_owned(),
                |seconds| format!("it is tried again in {seconds} s, and by every start of the server"),
            );
            (Ink::Bad, format!("run {run} cannot be driven on: {}; {then}", problem.title))
        }
    }
}
