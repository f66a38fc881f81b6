//! The command line: what is typed, what is shown, how it ends. Exit codes and hints live here alone; whatever a run does,
//! the engine does. Nothing here needs a prompt, and nothing here is shown that a terminal would obey.

mod args;
mod books;
mod brakes;
mod clock;
mod doctor;
mod drive;
pub mod exit;
mod failure;
mod files;
mod follow;
mod held;
mod incidents;
mod inputs;
mod inventories;
mod log;
mod narrow;
mod paste;
mod reporter;
mod runs;
mod screen;
mod seen;
mod setup;
mod signals;
mod terminal;
mod text;
mod there;
mod verbs;
mod view;
mod visible;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser};

use crate::actions::recorder;
use args::{Arguments, Format, LintFormat, Output, ProofFormat, Verb};
use exit::Exit;
use failure::Failure;
use screen::Screen;
use setup::Setup;

/// The whole program.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    // The recorder is this same binary: first of all, as it must come up fast and know nothing of the rest.
    if words.next().is_some_and(|word| word == recorder::ARGUMENT) {
        return recorder::main(words);
    }
    signals::outlive_file_limits();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let error = with_tip(error);
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Success.into() };
        }
    };
    let mut screen = Screen::of_process(arguments.global.color, arguments.global.quiet);
    if log::start() {
        // Lines between a picture that redraws itself would tear both.
        screen.live = false;
    }
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| perform(&arguments, screen)));
    // However it ended: a terminal that echoes nothing would be left to somebody who cannot see what they type.
    terminal::restore();
    match result {
        Ok(exit) => exit.into(),
        Err(_) => {
            let fault = Failure::new(Exit::Fault, "playbook itself is at fault; what it said last stands above")
                .meaning("a run that was under way was left; what is in its journal is safe")
                .next("playbook list --runs     (how the run stands)")
                .next("playbook resume latest     (go on with it)");
            fault.show(&screen, &paste::Paste::of(&arguments.global));
            Exit::Fault.into()
        }
    }
}

/// A verb that was mistyped so that clap sees no likeness (`rnu`) still gets its tip.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    if error.get(ContextKind::SuggestedSubcommand).is_some() {
        return error;
    }
    let command = Arguments::command();
    let near = files::nearest(typed, command.get_subcommands().map(clap::Command::get_name));
    if !near.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(near));
    }
    error
}

fn perform(arguments: &Arguments, screen: Screen) -> Exit {
    let result = match &arguments.verb {
        // It needs no settings: an invalid configuration must not break a shell's start.
        Verb::Completions(args) => verbs::completions::completions(args, &screen),
        verb => Setup::of(&arguments.global, screen).and_then(|mut setup| {
            setup.forks = verb.forks().unwrap_or(setup.forks);
            dispatch(&setup, verb)
        }),
    };
    result.unwrap_or_else(|failure| {
        failure.show(&screen, &paste::Paste::of(&arguments.global));
        if wants_json(&arguments.verb) {
            screen.json(&failure.json(&paste::Paste::of(&arguments.global)));
        }
        failure.exit
    })
}

fn dispatch(setup: &Setup, verb: &Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Run(args) => verbs::run::run(setup, args),
        Verb::Plan(args) => verbs::plan::plan(setup, args),
        Verb::Rehearse(args) => verbs::rehearse::rehearse(setup, args),
        Verb::Prove(args) => verbs::prove::prove(setup, args),
        Verb::Lint(args) => verbs::lint::lint(setup, args),
        Verb::Explain(args) => verbs::explain::explain(setup, args),
        Verb::Fmt(args) => verbs::fmt::fmt(setup, args),
        Verb::Lock(args) => verbs::lock::lock(setup, args),
        Verb::New(args) => verbs::new::new(setup, args),
        Verb::Schema => verbs::schema::schema(setup),
        Verb::List(args) => verbs::list::list(setup, args),
        Verb::Show(args) => verbs::show::show(setup, args),
        Verb::Diff(args) => verbs::diff::diff(setup, args),
        Verb::Trigger(args) => verbs::trigger::trigger(setup, args),
        Verb::Status(args) => verbs::status::status(setup, args),
        Verb::Watch(args) => verbs::watch::watch(setup, args),
        Verb::Resume(args) => verbs::resume::resume(setup, args),
        Verb::Retry(args) => verbs::retry::retry(setup, args),
        Verb::Rollback(args) => verbs::ask::rollback(setup, args),
        Verb::Cancel(args) => verbs::ask::cancel(setup, args),
        Verb::Abort(args) => verbs::ask::abort(setup, args),
        Verb::Pause(args) => verbs::ask::pause(setup, args),
        Verb::Resolve(args) => verbs::resolve::resolve(setup, args),
        Verb::Approve(args) => verbs::approve::approve(setup, args),
        Verb::Reject(args) => verbs::approve::reject(setup, args),
        Verb::Halt(args) => verbs::halt::halt(setup, args),
        Verb::Skip(args) => verbs::skip::skip(setup, args),
        Verb::Timeline(args) => verbs::timeline::timeline(setup, args),
        Verb::Verify(args) => verbs::verify::verify(setup, args),
        Verb::Incident(args) => verbs::incident::incident(setup, args),
        Verb::Outbox(args) => verbs::outbox::outbox(setup, args),
        Verb::Inventory(args) => verbs::inventory::inventory(setup, args),
        Verb::Token(args) => verbs::token::token(setup, args),
        Verb::Doctor(args) => doctor::doctor(setup, args),
        Verb::Serve(args) => verbs::serve::serve(setup, args),
        Verb::Completions(args) => verbs::completions::completions(args, &setup.screen),
    }
}

/// Whether a program reads what is printed, so that a failure is to be JSON as well.
fn wants_json(verb: &Verb) -> bool {
    match verb {
        Verb::Run(args) => args.starting.output != Output::Human,
        Verb::Trigger(args) => args.output != Output::Human,
        Verb::Watch(args) => args.output != Output::Human,
        Verb::Rehearse(args) => args.output != Output::Human,
        Verb::Resume(args) => args.output != Output::Human,
        Verb::Retry(args) => args.starting.output != Output::Human,
        Verb::Rollback(args) => args.ask.output != Output::Human,
        Verb::Pause(args) => args.ask.output != Output::Human,
        Verb::Cancel(args) | Verb::Abort(args) => args.output != Output::Human,
        Verb::Resolve(args) => args.output != Output::Human,
        Verb::Approve(args) => args.output != Output::Human,
        Verb::Reject(args) => args.output != Output::Human,
        Verb::Skip(args) => args.output != Output::Human,
        Verb::Timeline(args) => args.output != Output::Human,
        Verb::Plan(args) => args.output == Format::Json,
        Verb::Prove(args) => args.output == ProofFormat::Json,
        Verb::Lint(args) => matches!(args.output, LintFormat::Json | LintFormat::Sarif),
        Verb::List(args) => args.output == Format::Json,
        Verb::Status(args) => args.output == Format::Json,
        Verb::Halt(args) => args.output == Format::Json,
        Verb::Incident(args) => args.is_for_programs(),
        Verb::Outbox(args) => args.is_for_programs(),
        Verb::Inventory(args) => args.is_for_programs(),
        Verb::Token(args) => args.is_for_programs(),
        Verb::Doctor(args) => args.output == Format::Json,
        Verb::Diff(args) => args.output == Format::Json,
        Verb::Explain(_)
        | Verb::Fmt(_)
        | Verb::Lock(_)
        | Verb::New(_)
        | Verb::Schema
        | Verb::Show(_)
        | Verb::Verify(_)
        | Verb::Serve(_)
        | Verb::Completions(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_verb_gets_a_tip() {
        let tip = |verb: &str| with_tip(Arguments::try_parse_from(["playbook", verb]).unwrap_err()).to_string();
        assert!(tip("rnu").contains("'run'"), "{}", tip("rnu"));
        assert!(tip("statsu").contains("'status'"), "{}", tip("statsu"));
        assert!(!tip("zzzzzz").contains("tip"), "{}", tip("zzzzzz"));
    }
}
