//! Proves a playbook in a written world: lets every step go wrong, kills the runner at every boundary of its journal and
//! around every effect, once more while it recovers and while it undoes, and holds what is said in the end against what
//! the world was really done to. The engine, the brain and the journal's rules are the real ones. It must never believe a
//! report, and never count as proved what was not tried.

mod crash;
mod fault;
mod halt;
mod judge;
mod life;
mod point;
mod story;

use std::path::PathBuf;

use serde_json::Value;

use super::Stage;
use crate::actions::Table;
use crate::engine::EngineError;
use crate::playbook::{Playbook, Rollback, Step};
use crate::run::{RunState, Verdict};

pub use point::{Asked, Branch, Column, End, Group, Point, Proof, World};

use life::Stand;
use story::Story;

/// A target that never answers is found out at its timeout, however long that is: no more virtual seconds than these are
/// waited for it.
const LONGEST: f64 = 5.0;

/// Why nothing can be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The plan cannot be made, or the run not be driven.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The playbook does not do its work in this world even when nothing goes wrong.
    #[error("{0}")]
    Baseline(String),
    /// The system gives no runtime.
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
}

/// What is proved, and where.
#[derive(Debug)]
pub struct Subject {
    /// The playbook.
    pub playbook: Playbook,
    /// Its inputs, bound.
    pub inputs: Value,
    /// The real actions, whose specs play.
    pub actions: Table,
    /// The world.
    pub stage: Stage,
    /// A folder for empty spools.
    pub folder: PathBuf,
}

/// Proves a playbook. All time in it is virtual; two threads work on it, each in a world of its own.
///
/// # Errors
/// When no plan can be made, or the playbook does not succeed in this world even when nothing goes wrong.
pub fn prove(mut subject: Subject) -> Result<Proof, ProveError> {
    subject.playbook.steps.iter_mut().for_each(hasten);
    for step in &subject.playbook.steps {
        subject.stage.has_parts(step.id.as_str(), RunState::undo_parts(step).max(1));
    }
    let own = Subject {
        playbook: subject.playbook.clone(),
        inputs: subject.inputs.clone(),
        actions: subject.actions.clone(),
        stage: subject.stage.detached(),
        folder: subject.folder.join("crashes"),
    };
    std::thread::scope(|scope| {
        let forward = scope.spawn(|| alone(crashes(own)));
        let mut proof = alone(rest(subject))?;
        let crashes = forward.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))?;
        // What is done to the way forward comes before what is done to the undo.
        let forward = proof.points.iter().take_while(|point| point.story == story::FORWARD).count();
        proof.points.splice(forward..forward, crashes.points);
        Ok(proof)
    })
}

/// A runtime of its own, whose clock moves on when everything stands still.
fn alone(work: impl Future<Output = Result<Proof, ProveError>>) -> Result<Proof, ProveError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(ProveError::Runtime)?;
    runtime.block_on(work)
}

/// The runner is killed on its way forward.
async fn crashes(subject: Subject) -> Result<Proof, ProveError> {
    let stand = Stand::new(subject).await?;
    let forward = Story::forward(&stand).await?;
    let mut proof = Proof::default();
    crash::everywhere(&stand, &forward, &mut proof).await;
    halt::everywhere(&stand, &forward, &mut proof).await;
    Ok(proof)
}

/// Steps go wrong; and everything that is done to an undo.
async fn rest(subject: Subject) -> Result<Proof, ProveError> {
    let stand = Stand::new(subject).await?;
    let forward = Story::forward(&stand).await?;
    let mut proof = Proof { blind: blind(&stand, &forward), ..Proof::default() };
    fault::of_steps(&stand, &forward, &mut proof).await;
    fault::of_checks(&stand, &forward, &mut proof).await;
    for story in Story::undoing(&stand, &forward, &proof).await {
        fault::of_undo(&stand, &story, &mut proof).await;
        crash::everywhere(&stand, &story, &mut proof).await;
        halt::everywhere(&stand, &story, &mut proof).await;
    }
    Ok(proof)
}

fn hasten(step: &mut Step) {
    step.timeout = step.timeout.min(LONGEST);
    if let Some(probe) = &mut step.probe {
        probe.step.timeout = probe.step.timeout.min(LONGEST);
    }
    if let Rollback::Steps(steps) = &mut step.rollback {
        steps.iter_mut().for_each(hasten);
    }
}

/// The steps of which this world shows no change: they are followed by what was done alone.
fn blind(stand: &Stand, forward: &Story) -> Vec<String> {
    let steps = stand.playbook().steps.iter().map(|step| step.id.as_str());
    let blind = steps.filter(|id| forward.reference.standing.contains(*id) && !forward.reference.shown.contains(*id));
    blind.map(str::to_owned).collect()
}

/// Whether a playbook did its work.
fn is_success(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Succeeded | Verdict::SucceededWithExceptions)
}
