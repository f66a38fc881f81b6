//! What holds a run back before anything is looked at: a production inventory, a freeze window, a plan that has to be there,
//! and that nobody has said yes. All that is in the way is said at once, with the one command that passes it.

use jiff::Timestamp;

use crate::cli::args::{Output, Run};
use crate::cli::brakes::{Answer, FREEZE, MAX_TARGETS, Passes, REQUIRED_PLAN, SHARED_STATE};
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::paste::quote;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::config::Config;
use crate::inventory::Inventory;
use crate::journal::OverLimit;
use crate::plan::{Decided, Plan, PlannedCheck};
use crate::playbook::{CheckKind, Playbook};
use crate::value::format_seconds;

/// The environment in which a run is confirmed by the playbook's name.
pub(in crate::cli) const PRODUCTION: &str = "production";

/// What is asked on the terminal before anything is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nothing.
    Nothing,
    /// A yes.
    Yes,
    /// The playbook's name, typed once more.
    Name,
}

/// Something in the way.
pub(in crate::cli) struct Bar {
    /// The brake.
    pub brake: &'static str,
    /// What it holds against the run.
    pub why: String,
}

/// What is in the way and was not passed.
pub(in crate::cli) struct Bars {
    /// All of it.
    pub left: Vec<Bar>,
    /// Who may pass what this person may not.
    pub not_yours: Vec<String>,
}

/// Whether a run is held back, and what is to be asked.
///
/// # Errors
/// When the run is not allowed as it was asked, with the command that is.
pub fn hold(
    setup: &Setup,
    args: &Run,
    book: &Playbook,
    inventory: &Inventory,
    plan_age: Option<f64>,
    passes: &mut Passes,
) -> Result<Ask, Failure> {
    if !book.steps.iter().any(|step| step.effect.changes()) {
        return Ok(Ask::Nothing);
    }
    if let Some(name) = args.starting.confirm.as_ref().filter(|name| **name != book.name) {
        let what = format!("--confirm says `{name}`, but the playbook is `{}`", book.name);
        return Err(Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed"));
    }
    let bars = bars(&setup.config, false, book, inventory, plan_age).pass(&setup.config, passes);
    let production = inventory.environment == PRODUCTION;
    let can_ask = setup.screen.asks && args.starting.output == Output::Human;
    let unconfirmed = production && args.starting.confirm.is_none() && !can_ask;
    if !bars.left.is_empty() || unconfirmed {
        return Err(refusal(book, inventory, &bars, unconfirmed, passes));
    }
    match (args.starting.confirm.is_some(), production, args.starting.yes, can_ask) {
        (true, ..) => Ok(Ask::Nothing),
        (_, true, ..) => Ok(Ask::Name),
        (_, _, true, _) => Ok(Ask::Nothing),
        (.., true) => Ok(Ask::Yes),
        _ => Err(Failure::new(Exit::NotAllowed, format!("{} changes things, and nobody can be asked here", book.name))
            .meaning("nothing was started or changed")
            .next_typed(format!("{} -y", typed()))
            .next_typed(format!("{} --dry-run     (shows what it would do)", typed()))),
    }
}

impl Bars {
    /// Passes those that somebody wants to pass and may.
    pub(in crate::cli) fn pass(mut self, config: &Config, passes: &mut Passes) -> Self {
        let not_yours = &mut self.not_yours;
        self.left.retain(|bar| match passes.pass(config, bar.brake) {
            Answer::Passed => false,
            Answer::Holds => true,
            Answer::NotYours(why) => {
                not_yours.push(why);
                true
            }
        });
        self
    }

    /// All of it in words, with what a confirmation is missing.
    pub(in crate::cli) fn words(&self, book: &Playbook, inventory: &Inventory, confirmation: Option<&str>) -> String {
        let mut what = format!("{} is held back on {}:", book.name, environment(inventory));
        for bar in &self.left {
            what.push_str(&format!("\n- {}: {}", bar.brake, bar.why));
        }
        if let Some(how) = confirmation {
            what.push_str(&format!("\n- it wants the playbook's name once more ({how}), as this is production"));
        }
        what
    }
}

/// Whether an inventory is one of production.
pub(in crate::cli) fn is_production(inventory: &Inventory) -> bool {
    inventory.environment == PRODUCTION
}

/// All that is in the way of a run, on a state that is `shared` or this machine's alone.
pub(in crate::cli) fn bars(
    config: &Config,
    shared: bool,
    book: &Playbook,
    inventory: &Inventory,
    plan_age: Option<f64>,
) -> Bars {
    let environment = &inventory.environment;
    let mut bars = Vec::new();
    if environment == PRODUCTION && !shared {
        let why = "it wants a state that everybody shares, that of a `playbook serve`: locks hold on this machine alone, and \
                   a named person takes that on";
        bars.push(Bar { brake: SHARED_STATE, why: why.to_owned() });
    }
    let now = Timestamp::from_millisecond(clock::now().0).unwrap_or_default();
    for freeze in config.freeze.iter().filter(|freeze| freeze.binds(&book.name, environment, now)) {
        let named = match freeze.except.as_slice() {
            [] => "no playbook is exempt".to_owned(),
            names => format!("exempt are {}", names.join(", ")),
        };
        let why = format!("`{}` freezes it {}: {}; {named}", freeze.name, freeze.words(), freeze.because);
        bars.push(Bar { brake: FREEZE, why });
    }
    if let Some(required) = config.require_plan.as_ref().filter(|required| required.is_for(environment)) {
        let most = format_seconds(required.seconds());
        let again = format!("playbook plan {} -o FILE, look at it, then playbook run --plan FILE", quote(&book.name));
        let why = match plan_age {
            None => Some(format!("it wants a plan that is at most {most} old: {again}")),
            Some(age) if age > required.seconds() => {
                Some(format!("its plan is {} old, and {most} is the limit: {again}", format_seconds(age)))
            }
            Some(_) => None,
        };
        bars.extend(why.map(|why| Bar { brake: REQUIRED_PLAN, why }));
    }
    Bars { left: bars, not_yours: Vec::new() }
}

fn refusal(book: &Playbook, inventory: &Inventory, bars: &Bars, unconfirmed: bool, passes: &Passes) -> Failure {
    let what = bars.words(book, inventory, unconfirmed.then_some("--confirm, instead of -y"));
    let failure = bars
        .not_yours
        .iter()
        .fold(Failure::new(Exit::NotAllowed, what).meaning("nothing was started or changed"), |failure, why| {
            failure.next(why.clone())
        });
    let mut command = if unconfirmed { typed_without(&["-y", "--yes"]) } else { typed() };
    if unconfirmed {
        command.push_str(&format!(" --confirm {}", quote(&book.name)));
    }
    let names: Vec<&str> = bars.left.iter().map(|bar| bar.brake).collect();
    command.push_str(&passes.words(&names));
    let who = if bars.not_yours.is_empty() { "" } else { "     (typed by somebody who may)" };
    failure.next_typed(format!("{command}{who}"))
}

fn environment(inventory: &Inventory) -> &str {
    if inventory.environment.is_empty() { "this machine" } else { &inventory.environment }
}

/// As many runs have begun on a resource as may.
///
/// # Errors
/// When that is not passed.
pub fn limited(setup: &Setup, over: &OverLimit, book: &Playbook, passes: &mut Passes) -> Result<(), Failure> {
    let brake = crate::journal::RUN_LIMIT;
    let failure = || over_the_limit(over, book);
    let command = format!("{}{}", typed(), passes.words(&[brake]));
    match passes.pass(&setup.config, brake) {
        Answer::Passed => Ok(()),
        Answer::Holds => Err(failure().next_typed(command)),
        Answer::NotYours(why) => {
            Err(failure().next(why).next_typed(format!("{command}     (typed by somebody who may)")))
        }
    }
}

/// That as many runs have begun on a resource as may.
pub(in crate::cli) fn over_the_limit(over: &OverLimit, book: &Playbook) -> Failure {
    let what = format!("{} is held back:\n- {}: {over}", book.name, crate::journal::RUN_LIMIT);
    Failure::new(Exit::NotAllowed, what)
        .meaning("nothing was started or changed; what keeps coming back is not mended by one more run")
}

/// What passes an invariant that does not hold now; nothing where all hold, or it is passed.
pub fn of_invariants(plan: &Plan, passed: bool, words: &str) -> Vec<Line> {
    let broken = |check: &PlannedCheck| check.kind == CheckKind::Always && matches!(check.decided, Decided::No { .. });
    if passed || !plan.checks.iter().any(broken) {
        return Vec::new();
    }
    let command = format!("{}{words}", typed());
    vec![Line::new().with(Ink::Warn, format!("it will stop before it changes anything; what passes that: {command}"))]
}

/// More targets would be touched than the playbook allows.
pub fn too_many(failure: Failure) -> Failure {
    let command = typed();
    // Other verbs only look, and pass nothing.
    if !command.starts_with("playbook run ") {
        return failure.next("playbook run … --override max-targets --reason \"…\"     (runs it all the same)");
    }
    failure.next_typed(format!("{command} --override {MAX_TARGETS} --reason \"…\""))
}

/// The command as it was typed, ready to paste.
pub fn typed() -> String {
    typed_without(&[])
}

pub(in crate::cli) fn typed_without(flags: &[&str]) -> String {
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let words: Vec<String> = words.filter(|word| !flags.contains(&word.as_str())).map(|word| quote(&word)).collect();
    format!("playbook {}", words.join(" "))
}
