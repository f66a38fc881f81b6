//! A run begins, or only its plan is made. Every look and every brake is the same as on the command line; who calls is told as
//! soon as the run's first record is durable, or why it did not begin.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::desk::Place;
use super::work::Work;
use super::{Inner, Reply, go_on};
use crate::engine::{Former, Observer, Silent};
use crate::ids::RunId;
use crate::inventory::Inventory;
use crate::plan::{Narrowing, Plan};
use crate::playbook::Playbook;
use crate::run::{InheritMode, Inheritance, Record, RunState};
use crate::server::{Begun, Happening, Offered, Problem, Refusal, Wanted};
use crate::value::Value;

/// What is run, and on what.
struct Chosen {
    playbook: Playbook,
    inputs: Value,
    narrowing: Narrowing,
    inventory: Arc<Inventory>,
}

fn chosen(inner: &Inner, wanted: &Wanted) -> Result<Chosen, Problem> {
    let inventory = inner.house.inventory()?;
    if let Some((run, which)) = &wanted.further.again {
        let (playbook, inputs, narrowing) = inner.house.again(run, *which)?;
        return Ok(Chosen { playbook, inputs, narrowing, inventory });
    }
    let playbook = inner.house.playbook(&wanted.playbook, wanted.version.as_deref())?;
    let inputs = inner.house.bind(&playbook, &wanted.inputs, &inventory)?;
    let narrowing = inner.house.narrowing(wanted.limit.as_deref(), &inventory)?;
    Ok(Chosen { playbook, inputs, narrowing, inventory })
}

/// Says what a run would do.
///
/// # Errors
/// When no plan can be made.
pub(super) fn plan(inner: &Inner, wanted: &Wanted) -> Result<Offered, Problem> {
    let Chosen { mut playbook, inputs, narrowing, inventory } = chosen(inner, wanted)?;
    inner.rules.may_plan(wanted, &mut playbook, &inventory)?;
    let forks = wanted.further.forks;
    let mut work = Work::at_once(inner, Arc::clone(&inventory), &wanted.by.name, Arc::new(Silent), forks)?;
    let planned = planned(inner, &mut work, wanted, (playbook, inputs, narrowing));
    work.end();
    let (plan, inherited) = planned?;
    let further = &wanted.further;
    let file = further.file.then(|| inner.house.plan_file(&plan, &inventory, further.max_plan_age)).transpose()?;
    Ok(Offered { plan, file, inherited: inherited.map(|(_, inheritance)| inheritance) })
}

/// The plan, with what the run has from another one whose place it takes.
fn planned(
    inner: &Inner,
    work: &mut Work,
    wanted: &Wanted,
    (playbook, inputs, narrowing): (Playbook, Value, Narrowing),
) -> Result<(Plan, Option<(Former, Inheritance)>), Problem> {
    let problem = |refusal: Refusal| inner.rules.problem(refusal);
    let Some(over) = &wanted.further.over else {
        return Ok((work.plan(playbook, inputs, narrowing).map_err(problem)?, None));
    };
    let former = work.engine.former(&over.run).map_err(|error| problem(error.into()))?;
    inner.rules.inventory_of(&former.state)?;
    let (mut plan, inheritance) = match over.mode {
        InheritMode::TakeOver => {
            let plan = work.plan(playbook, inputs, narrowing).map_err(problem)?;
            (plan, Inheritance::take_over(&former.state, &over.reason))
        }
        InheritMode::Continue => work.plan_on((playbook, inputs, narrowing), &former, &over.reason).map_err(problem)?,
    };
    plan.locks = Inheritance::locks(&former.state, &plan.locks);
    Ok((plan, Some((former, inheritance))))
}

/// Begins a run and drives it.
pub(super) fn begin(inner: &Arc<Inner>, place: Place, wanted: &Wanted, reply: Reply<Begun>) {
    match begun_before(inner, wanted) {
        Ok(None) => {}
        Ok(Some(begun)) => return reply.say(Ok(begun)),
        Err(problem) => return reply.say(Err(problem)),
    }
    let told = Arc::new(Told {
        inner: Arc::clone(inner),
        place,
        by: wanted.by.name.clone(),
        reply: Mutex::new(Some(reply)),
        run: OnceLock::new(),
    });
    if let Err(problem) = try_to_begin(inner, wanted, &told)
        && let Some(reply) = told.reply()
    {
        reply.say(Err(problem));
    }
}

/// The run that has the id already which this one is to have.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn begun_before(inner: &Inner, wanted: &Wanted) -> Result<Option<Begun>, Problem> {
    let Some(run) = &wanted.run else { return Ok(None) };
    let begun = Begun::of(&mut inner.house.journal()?, run);
    begun.map_err(|error| inner.rules.problem(error.into()))
}

fn try_to_begin(inner: &Arc<Inner>, wanted: &Wanted, told: &Arc<Told>) -> Result<(), Problem> {
    let problem = |refusal: Refusal| inner.rules.problem(refusal);
    let Chosen { mut playbook, inputs, narrowing, inventory } = chosen(inner, wanted)?;
    let known = inner.rules.may_look(wanted, &mut playbook, &inventory)?;
    let observer = Arc::clone(told) as Arc<dyn Observer>;
    let forks = wanted.further.forks;
    let mut work = Work::at_once(inner, inventory, &wanted.by.name, observer, forks)?;
    work.is_not_halted().map_err(problem)?;
    let (plan, inherited) = planned(inner, &mut work, wanted, (playbook, inputs, narrowing))?;
    let over = work.engine.over_limit(&plan).map_err(|error| problem(error.into()))?;
    let mut finds = |reference: &str| work.finds(reference);
    let beginning = inner.rules.may_begin(wanted, &plan, known, over, &mut finds)?;
    inner.desk.goes_on().map_err(problem)?;
    if let Some(run) = &wanted.run {
        work.engine.call_next(run.clone());
    }
    let result = work.drive(async move |engine| match &inherited {
        Some((former, inheritance)) => engine.start_over(plan, beginning, former, inheritance.clone()).await,
        None => engine.start(plan, beginning).await,
    });
    match (told.run(), result) {
        (Some(run), result) => {
            go_on::end(inner, &run, work, result);
            Ok(())
        }
        (None, Err(refusal)) => Err(problem(refusal)),
        (None, Ok(_)) => Err(problem(Refusal::Fault("a run ended that had not begun".to_owned()))),
    }
}

/// Tells who called as soon as the run has begun.
struct Told {
    inner: Arc<Inner>,
    place: Place,
    by: String,
    reply: Mutex<Option<Reply<Begun>>>,
    run: OnceLock<RunId>,
}

impl Told {
    /// The run, once it has begun.
    fn run(&self) -> Option<RunId> {
        self.run.get().cloned()
    }

    /// Who called, if they were told nothing yet.
    fn reply(&self) -> Option<Reply<Begun>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Observer for Told {
    fn record(&self, _: &Record, state: &RunState) {
        if self.run.set(state.run.clone()).is_err() {
            return;
        }
        self.place.is_of(&state.run);
        let book = state.playbook();
        self.inner.rules.happened(&Happening::Begun { run: &state.run, playbook: &book.name, by: &self.by });
        let begun = Begun { run: state.run.clone(), playbook: book.name.clone(), version: book.version.clone() };
        if let Some(reply) = self.reply() {
            reply.say(Ok(begun));
        }
    }
}
