//! What became of a run, held against the world: it is followed until it has ended, questions are answered as somebody would
//! who looked and says the truth, and then verdict, journal and world must say the same. It believes the world.

use std::collections::BTreeSet;

use super::life::{Life, Stand, run_of};
use super::story::Reference;
use super::{Asked, Branch, End, World, is_success};
use crate::engine::EndingKind;
use crate::journal::MemoryJournal;
use crate::playbook::{Rollback, Step};
use crate::run::{Answer, Question, QuestionKind, RequestKind, RunState, Task, Verdict};
use crate::sim::Moved;
use crate::spec::Effect;

/// How many questions a run may ask after something went wrong once.
const MOST_QUESTIONS: usize = 8;

/// What became of a run.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) asked: Vec<Asked>,
    pub(super) end: End,
    pub(super) world: World,
    pub(super) branches: Vec<Branch>,
    pub(super) findings: Vec<String>,
    /// How the run says that the world stands.
    pub(super) summary: String,
}

/// Follows a run to its end; where a first question comes up, the other answers are followed too if that is wanted.
pub(super) async fn follow(
    stand: &Stand,
    reference: &Reference,
    journal: &MemoryJournal,
    mut life: Life,
    every_answer: bool,
) -> Outcome {
    let mut outcome = Outcome {
        asked: Vec::new(),
        end: End::Never,
        world: World::AsBefore,
        branches: Vec::new(),
        findings: Vec::new(),
        summary: String::new(),
    };
    let mut kills = 0;
    loop {
        life = match life {
            Life::Killed if run_of(journal).is_none() => {
                outcome.end = End::NotBegun;
                break;
            }
            Life::Killed if kills > MOST_QUESTIONS => Life::Endless,
            Life::Killed => {
                kills += 1;
                stand.resume(journal, None).await
            }
            Life::Rests(EndingKind::Finished(verdict)) => {
                outcome.end = End::Ended(verdict);
                break;
            }
            Life::Rests(EndingKind::Waiting(question)) if outcome.asked.len() < MOST_QUESTIONS => {
                if every_answer && outcome.asked.is_empty() {
                    branch(stand, reference, journal, &question, &mut outcome).await;
                }
                let answer = safe_answer(&question, &outcome.asked);
                outcome.asked.push(Asked {
                    task: question.task.to_string(),
                    kind: question.kind,
                    message: question.message.clone(),
                    answer,
                });
                reply(stand, journal, &question, answer).await
            }
            other => {
                outcome.findings.push(never(&other));
                break;
            }
        };
    }
    judge(stand, reference, journal, &mut outcome);
    outcome
}

fn never(life: &Life) -> String {
    match life {
        Life::Endless => "it goes round in circles: it neither ends nor waits for a person".to_owned(),
        Life::Failed(why) => format!("nobody can go on with it: {why}"),
        Life::Rests(EndingKind::Waiting(question)) => format!("it asks again and again: {}", question.message),
        Life::Rests(_) | Life::Killed => "it stopped although nobody asked for that".to_owned(),
    }
}

/// Follows the answers that are not the safe one, each in a world of its own.
async fn branch(
    stand: &Stand,
    reference: &Reference,
    journal: &MemoryJournal,
    question: &Question,
    main: &mut Outcome,
) {
    let safe = safe_answer(question, &[]);
    let scene = stand.keep(journal);
    let answers = question.kind.answers().iter().copied();
    let others: Vec<Answer> =
        answers.filter(|answer| Some(*answer) != safe && is_true(stand, &question.task, *answer)).collect();
    for answer in others {
        let own = stand.enter(&scene);
        let life = reply(stand, &own, question, Some(answer)).await;
        let outcome = Box::pin(follow(stand, reference, &own, life, false)).await;
        let said = outcome.findings.iter().map(|finding| format!("answered {}: {finding}", word(answer)));
        main.findings.extend(said);
        main.branches.push(Branch { answer, end: outcome.end, world: outcome.world });
    }
    stand.stage.restore(&scene.world);
}

/// What is answered where nobody can be asked: undo where that leads somewhere, else let the undo try again once, else
/// leave it as it is. A question with a deadline is left unanswered.
fn safe_answer(question: &Question, asked: &[Asked]) -> Option<Answer> {
    if question.deadline.is_some() {
        return None;
    }
    let again = asked.iter().any(|asked| asked.kind == question.kind);
    Some(match question.kind {
        QuestionKind::UndoFailed if !again => Answer::Retry,
        _ if !again && question.kind.answers().contains(&Answer::Undo) => Answer::Undo,
        _ => Answer::Abandon,
    })
}

/// Whether somebody who looked at the world would say this.
fn is_true(stand: &Stand, task: &Task, answer: Answer) -> bool {
    let stands = stand.stage.ledger().stands(&task.to_string());
    let effect = stand.playbook().step(&task.step).map_or(Effect::Once, |step| step.effect);
    match answer {
        Answer::TookEffect => stands,
        Answer::DidNot => !stands,
        Answer::Retry => !stands || matches!(effect, Effect::Read | Effect::Idempotent | Effect::Keyed),
        Answer::Undo | Answer::Abandon | Answer::GoOn => true,
    }
}

/// Answers, having mended what was wrong; or lets the deadline pass.
async fn reply(stand: &Stand, journal: &MemoryJournal, question: &Question, answer: Option<Answer>) -> Life {
    match (answer, question.deadline) {
        // Nobody approves, and there is no deadline: a person ends it.
        (Some(_), None) if question.kind == QuestionKind::Approval => stand.request(journal, RequestKind::Abort).await,
        (Some(answer), _) => {
            stand.stage.mend();
            stand.request(journal, RequestKind::Resolve { task: question.task.clone(), answer }).await
        }
        (None, Some(deadline)) => {
            stand.let_pass(deadline).await;
            stand.resume(journal, None).await
        }
        (None, None) => Life::Failed("nobody answers, and there is no deadline".to_owned()),
    }
}

/// The word for an answer.
fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::TookEffect => "that it took effect",
        Answer::DidNot => "that it did not",
        Answer::Retry => "to try again",
        Answer::Undo => "to undo",
        Answer::Abandon => "to leave it",
        Answer::GoOn => "to go on",
    }
}

/// Holds what is said against the world.
fn judge(stand: &Stand, reference: &Reference, journal: &MemoryJournal, outcome: &mut Outcome) {
    let (moved, standing) = (stand.stage.moved(), stand.stage.ledger().standing());
    outcome.world = if moved.is_empty() && standing.is_empty() {
        World::AsBefore
    } else if from_success(&moved, &standing, reference).is_empty() {
        World::AsAfter
    } else if matches!(outcome.end, End::Ended(verdict) if is_success(verdict)) {
        World::Differs(from_success(&moved, &standing, reference))
    } else {
        let facts = moved.iter().map(told);
        World::Differs(standing.iter().map(|step| format!("{step} stands")).chain(facts).collect())
    };
    let state = match stand.state(journal) {
        Ok(Some(state)) => state,
        Ok(None) => {
            if outcome.world != World::AsBefore {
                outcome.findings.push("nothing began, and the world is not as it was".to_owned());
            }
            return;
        }
        Err(why) => return outcome.findings.push(format!("an illegal journal: {why}")),
    };
    outcome.summary = state.ended.as_ref().map(|(_, _, summary)| summary.clone()).unwrap_or_default();
    outcome.findings.extend(doubled(stand, &state));
    outcome.findings.extend(tasks(&state).into_iter().filter_map(|(step, task)| lost(stand, &state, step, &task)));
    if let End::Ended(verdict) = outcome.end {
        outcome.findings.extend(lie(stand, reference, verdict, &outcome.world));
        outcome.findings.extend(more_than_left(stand, &state, verdict));
    }
}

/// What is another thing than after a success.
fn from_success(moved: &BTreeSet<Moved>, standing: &BTreeSet<String>, reference: &Reference) -> Vec<String> {
    let missing = reference.standing.difference(standing).map(|step| format!("{step} is missing"));
    let beyond = standing.difference(&reference.standing).map(|step| format!("{step} stands"));
    let same = |fact: &&Moved| !reference.moved.iter().any(|other| other.of() == fact.of() && other.is == fact.is);
    let facts = moved.iter().filter(same).map(told);
    let unmoved = reference.moved.iter().filter(|fact| !moved.iter().any(|other| other.of() == fact.of()));
    let unmoved = unmoved.map(|fact| format!("{} is {}, is {} after a success", subject(fact), fact.was, fact.is));
    missing.chain(beyond).chain(facts).chain(unmoved).collect()
}

fn subject(moved: &Moved) -> String {
    let of = if moved.target == "*" { moved.action.clone() } else { format!("{} ({})", moved.action, moved.target) };
    format!("{} of {of}", moved.fact)
}

fn told(moved: &Moved) -> String {
    format!("{} is {}, was {}", subject(moved), moved.is, moved.was)
}

/// Effects that came twice although the step's effect promises that they do not.
fn doubled(stand: &Stand, state: &RunState) -> Vec<String> {
    let ledger = stand.stage.ledger();
    let twice = ledger.repeated().iter().filter_map(|(name, times)| {
        let task: Task = name.parse().ok()?;
        let effect = state.step_of(&task)?.effect;
        let promised = matches!(effect, Effect::Keyed | Effect::Probed | Effect::Once) && !state.is_own_undo(&task);
        promised.then(|| format!("{name} took effect {times} times"))
    });
    twice.collect()
}

/// Every step, for each item of which something is known.
fn tasks(state: &RunState) -> Vec<(&Step, Task)> {
    let of = |step| match state.doings(step).map(|(task, _)| task.clone()).collect::<Vec<_>>() {
        known if known.is_empty() => vec![Task::of(step)],
        known => known,
    };
    state.playbook().steps.iter().flat_map(|step| of(&step.id).into_iter().map(move |task| (step, task))).collect()
}

/// What the journal says of a step and the world does not show, or the reverse.
fn lost(stand: &Stand, state: &RunState, step: &Step, id: &Task) -> Option<String> {
    if !step.effect.changes() {
        return None;
    }
    let stands = stand.stage.ledger().stands(&id.to_string());
    let doing = state.doing(id);
    let undone = state.is_undone(id);
    // A part that was not needed has no arguments: then nobody says what it left.
    let not_needed = (0..RunState::undo_parts(step)).any(|part| {
        let part = state.tasks.get(&id.undo(part));
        part.is_some_and(|part| part.intent.as_ref().is_some_and(|intent| intent.arguments.is_null()))
    });
    // An undo that began and did not come to its end may have taken it away.
    let undoing =
        state.tasks.iter().any(|(task, part)| task.is_undo() && &task.doing() == id && part.may_have_effect());
    match doing {
        Some(_) if undone && stands && !not_needed => {
            Some(format!("{id} is undone, says the journal; its effect stands"))
        }
        Some(_) if undone => None,
        Some(task) if task.word() == "done" && !stands && !undoing => {
            Some(format!("{id} is done, says the journal; the world does not have its effect"))
        }
        Some(task) if !task.may_have_effect() && stands => {
            Some(format!("{id} changed nothing, says the journal; the world has its effect"))
        }
        None if stands => Some(format!("{id} was never begun, says the journal; the world has its effect")),
        _ => None,
    }
}

/// An end at which items that failed were left as they are, while something else stands too.
fn more_than_left(stand: &Stand, state: &RunState, verdict: Verdict) -> Option<String> {
    if verdict != Verdict::Incomplete || state.point_of_no_return().is_some() {
        return None;
    }
    let kept = |task: &Task| {
        let step = stand.playbook().step(&task.step);
        step.is_some_and(|step| matches!(step.rollback, Rollback::None { .. })) || state.is_left(task)
    };
    let standing = stand.stage.ledger().standing();
    let more = standing.iter().filter(|name| !name.parse::<Task>().is_ok_and(|task| kept(&task)));
    let list: Vec<&str> = more.map(String::as_str).collect();
    (!list.is_empty()).then(|| format!("it says that only what failed is left, and so stands {}", list.join(", ")))
}

/// A verdict that says another thing than the world.
fn lie(stand: &Stand, reference: &Reference, verdict: Verdict, world: &World) -> Option<String> {
    let (moved, standing) = (stand.stage.moved(), stand.stage.ledger().standing());
    match verdict {
        Verdict::Succeeded if *world != World::AsAfter => {
            let list = from_success(&moved, &standing, reference);
            (!list.is_empty())
                .then(|| format!("it says succeeded, and the world is not as after a success: {}", list.join("; ")))
        }
        Verdict::RolledBack | Verdict::Failed if *world != World::AsBefore => {
            // What the playbook leaves on purpose may stand.
            let kept = |step: &&Step| matches!(step.rollback, Rollback::None { .. }) && verdict == Verdict::RolledBack;
            let kept: Vec<&str> = stand.playbook().steps.iter().filter(kept).map(|step| step.id.as_str()).collect();
            // Of a step that runs for each item: all of them.
            let of_step = |task: &str| task.split('@').next().unwrap_or(task).to_owned();
            let facts = moved.iter().filter(|moved| !kept.contains(&of_step(&moved.by).as_str())).map(told);
            let steps = standing
                .iter()
                .filter(|step| !kept.contains(&of_step(step).as_str()))
                .map(|step| format!("{step} stands"));
            let list: Vec<String> = facts.chain(steps).collect();
            let said = if verdict == Verdict::Failed { "that nothing was changed" } else { "rolled_back" };
            (!list.is_empty()).then(|| format!("it says {said}, and the world is not as it was: {}", list.join("; ")))
        }
        _ => None,
    }
}
