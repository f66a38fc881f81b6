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
use crate::cli::verbs::plan_file::{self, Origin};
use crate::cli::verbs::{ahead, held_back};
use crate::cli::view::count;
use crate::cli::{inputs, runs};
use crate::engine::{Beginning, EndingKind, EngineError};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::journal::{HeldLock, JournalError, Needs, OverLimit, RUN_LIMIT};
use crate::plan::{Plan, drift};
use crate::playbook::Playbook;
use crate::run::{RequestKind, RunState};
use crate::server::{Caller, Happening, Known, Problem, Refusal, Rules, Wanted};
use crate::timeline::verdict_words;

const NOTHING: &str = "nothing was started or changed";

impl Rules for Place {
    fn may_plan(&self, wanted: &Wanted, book: &mut Playbook, inventory: &Inventory) -> Result<(), Problem> {
        let passed = self.sent(wanted, inventory).and_then(|_| {
            let mut passes = Passes::by(&wanted.overrides, &wanted.by.name)?;
            passes.pass_own(&self.setup.config, book)
        });
        passed.map_err(told)
    }

    fn may_look(&self, wanted: &Wanted, playbook: &mut Playbook, inventory: &Inventory) -> Result<Known, Problem> {
        self.hold(wanted, playbook, inventory)
    }

    fn may_begin(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        known: Known,
        over: Option<OverLimit>,
        finds: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Problem> {
        self.beginning(wanted, plan, known, over, finds)
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
                let locked = Some(Box::new(HeldLock::of(&row)));
                let held = self.setup.own_journal().and_then(|mut journal| Ok(Held::of(&mut journal, row)?.failure()));
                Problem { locked, ..self.unusable(held.unwrap_or_else(|failure| failure)) }
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
    /// The plan that was sent, which has to count here and now whatever its playbook does.
    fn sent(&self, wanted: &Wanted, inventory: &Inventory) -> Result<Option<plan_file::Held>, Failure> {
        let further = &wanted.further;
        let hold = |text: &String| plan_file::hold(&self.setup, Origin::Sent, text, further.max_plan_age, inventory);
        further.plan.as_ref().map(hold).transpose()
    }

    /// What holds a run back before anything is looked at.
    fn hold(&self, wanted: &Wanted, book: &mut Playbook, inventory: &Inventory) -> Result<Known, Problem> {
        let refuse = |what: String| Failure::new(Exit::NotAllowed, what).meaning(NOTHING);
        let triggered = wanted.by.is_trigger();
        if triggered && !(wanted.overrides.is_empty() && wanted.approved.is_empty()) {
            return Err(told(refuse("a trigger passes no brake and approves nothing: that is a person's".to_owned())));
        }
        let sent = self.sent(wanted, inventory).map_err(told)?;
        let (age, then) = sent.map_or((None, None), |held| (Some(held.age), Some(held.plan)));
        let config = &self.setup.config;
        let mut passes = Passes::by(&wanted.overrides, &wanted.by.name).map_err(told)?;
        passes.pass_own(config, book).map_err(told)?;
        if !book.steps.iter().any(|step| step.effect.changes()) {
            return Ok(Known { passed: passes.passed(), then });
        }
        if let Some(name) = wanted.confirm.as_ref().filter(|name| **name != book.name) {
            return Err(told(refuse(format!("the confirmation says `{name}`, but the playbook is `{}`", book.name))));
        }
        let bars = held_back::bars(config, true, book, inventory, age).pass(config, &mut passes);
        // What a trigger begins was confirmed by whoever wrote that it may.
        let unconfirmed = held_back::is_production(inventory) && wanted.confirm.is_none() && !triggered;
        if bars.left.is_empty() && !unconfirmed {
            return Ok(Known { passed: passes.passed(), then });
        }
        let failure = refuse(bars.words(book, inventory, unconfirmed.then_some("`confirm`")));
        let failure = bars.not_yours.iter().fold(failure, |failure, why| failure.next(why.clone()));
        let overrides = bars.left.iter().map(|bar| bar.brake.to_owned()).collect();
        Err(held_back_by(Needs { confirm: unconfirmed, overrides }, failure, book, &passes))
    }

    fn beginning(
        &self,
        wanted: &Wanted,
        plan: &Plan,
        known: Known,
        over: Option<OverLimit>,
        finds: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Beginning, Problem> {
        self.holds(wanted, known.then, plan).map_err(told)?;
        inputs::hold_secrets(plan, finds).map_err(told)?;
        let (book, config) = (&plan.playbook, &self.setup.config);
        let mut passes = Passes::by(&wanted.overrides, &wanted.by.name).map_err(told)?.after(known.passed);
        if let Some(over) = over {
            let failure = held_back::over_the_limit(&over, book);
            let needs = Needs { confirm: false, overrides: vec![RUN_LIMIT.to_owned()] };
            match passes.pass(config, RUN_LIMIT) {
                Answer::Passed => {}
                Answer::Holds => return Err(held_back_by(needs, failure, book, &passes)),
                Answer::NotYours(why) => return Err(held_back_by(needs, failure.next(why), book, &passes)),
            }
        }
        let incident = wanted.incident.as_ref().map(ToString::to_string);
        if wanted.by.is_trigger() {
            return Ok(Beginning::by_trigger().of_incident(incident));
        }
        let glass = wanted.further.break_glass.as_deref();
        let glass = ahead::glass_broken_by(&self.setup, glass, &wanted.by.name, book).map_err(told)?;
        let approved = ahead::approved_by(&self.setup, &wanted.approved, &wanted.by.name, book).map_err(told)?;
        let passed = passes.passed().into_iter().chain(glass).collect();
        Ok(Beginning::by_person(passed, approved).of_incident(incident))
    }

    /// Holds the world to the plan that was looked at.
    fn holds(&self, wanted: &Wanted, sent: Option<Plan>, plan: &Plan) -> Result<(), Failure> {
        let looked_at = || wanted.further.looked_at.as_ref().map(|text| plan_file::look_at(Origin::Sent, text));
        let Some(then) = sent.map(Ok).or_else(looked_at).transpose()? else { return Ok(()) };
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

/// A run that needs this is refused. Whoever asks over HTTP reads what that is, a person the command.
fn held_back_by(needs: Needs, failure: Failure, book: &Playbook, passes: &Passes) -> Problem {
    let names: Vec<&str> = needs.overrides.iter().map(String::as_str).collect();
    let confirm = if needs.confirm { format!(" --confirm {}", quote(&book.name)) } else { String::new() };
    let command = format!("playbook run {}{confirm}{}", quote(&book.name), passes.words(&names));
    let failure = failure.next(format!("{command}     (by a person who may; with the same inputs)"));
    Problem { needs: Some(Box::new(needs)), ..told(failure) }
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
