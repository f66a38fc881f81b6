//! `prove`: every step goes wrong in every way and the runner is killed everywhere, in a simulated world, and what the runs
//! say is held against that world. Nothing real is looked at, changed or called.

use crate::cli::args::{ProofFormat, Prove};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view;
use crate::sim::prove::{ProveError, Subject, prove as all};

use super::rehearse::tempdir;
use super::world;

/// Proves a playbook.
///
/// # Errors
/// When the playbook, the inputs or the world cannot be read, or it does not succeed in that world at all.
pub fn prove(setup: &Setup, args: &Prove) -> Result<Exit, Failure> {
    if args.real {
        return super::prove_real::prove(setup, args);
    }
    let chosen = world::chosen(setup, args.world.as_deref(), (&args.name, &args.input, args.inputs_file.as_deref()))?;
    let title = format!("{}@{}", chosen.playbook.name, chosen.playbook.version);
    let (stage, from) = world::find(setup, args.world.as_deref(), &chosen.playbook.name, &chosen.inputs)?;
    let head = format!("PROOF in {from}: nothing real is looked at or changed.");
    setup.screen.say(&[Line::new().with(Ink::Dim, head)]);
    let folder = tempdir()?;
    let subject = Subject {
        playbook: chosen.playbook,
        inputs: chosen.inputs,
        actions: setup.actions.clone(),
        stage,
        folder: folder.0.clone(),
    };
    let begun = std::time::Instant::now();
    let proof = all(subject).map_err(failure)?;
    let seconds = begun.elapsed().as_secs_f64();
    let shown = view::prove::Shown { proof: &proof, title: &title, world: &from, seconds, wanted: args.min_coverage };
    Ok(show(setup, args, &shown))
}

/// Shows a proof; what the process returns.
pub fn show(setup: &Setup, args: &Prove, shown: &view::prove::Shown<'_>) -> Exit {
    match args.output {
        ProofFormat::Json => setup.screen.json(&view::prove::json::object(shown)),
        ProofFormat::Junit => setup.screen.data(&view::prove::junit::report(shown)),
        ProofFormat::Human => {
            let width = setup.screen.out.width.unwrap_or(100).clamp(60, 200);
            let quiet = setup.screen.quiet && shown.holds();
            setup.screen.print(&if quiet { shown.result(width) } else { shown.lines(width) });
        }
    }
    shown.exit()
}

fn failure(error: ProveError) -> Failure {
    match error {
        ProveError::Engine(error) => Failure::from(error),
        ProveError::Baseline(what) => Failure::new(Exit::Failed, what)
            .meaning("nothing could be proved; nothing real was looked at or changed")
            .next("playbook rehearse NAME     (how far it comes in this world)")
            .next("playbook plan NAME --save-world FILE     (records a world from what is really there)"),
        ProveError::Runtime(error) => Failure::new(Exit::Fault, format!("the runtime cannot be started: {error}")),
    }
}
