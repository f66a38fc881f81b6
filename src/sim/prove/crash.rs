//! The runner is killed: at every boundary of its journal (before a record is durable, and after it is and before anybody
//! knows), around every effect, and at each of these places once more while it recovers.

use std::collections::BTreeMap;

use super::judge::follow;
use super::life::{Life, Scene, Stand, records_of};
use super::story::Story;
use super::{Column, Point, Proof};
use crate::journal::{Failure, MemoryJournal};
use crate::run::{Event, Record, Task};
use crate::sim::{Fault, Saved};

/// How many writes of a recovery are killed at: taking the lease, what was found, and the intent and the outcome of what is
/// run again. Behind them the run stands where it stood at another point that was tried.
const RECOVERY: u64 = 4;

/// Kills the runner everywhere in a story.
pub(super) async fn everywhere(stand: &Stand, story: &Story, proof: &mut Proof) {
    let mut crashes = Crashes { stand, story, proof, recovered: BTreeMap::new() };
    crashes.at_records().await;
    // Whoever cancels behind a record is told of it later where that waits: that is another story.
    if story.cancelled_after().is_none() {
        crashes.at_merged_records().await;
    }
    crashes.around_effects().await;
}

/// The crashes of one story.
struct Crashes<'a> {
    stand: &'a Stand,
    story: &'a Story,
    proof: &'a mut Proof,
    /// The scenes, by the number of their records, whose recovery was killed already: killed before a record and after the
    /// one before it is the same scene, unless something took effect between.
    recovered: BTreeMap<usize, Vec<Saved>>,
}

/// Where the runner was killed.
struct Place {
    row: String,
    column: Column,
    words: String,
}

impl Crashes<'_> {
    async fn at_records(&mut self) {
        for write in 0.. {
            let journal = self.stand.enter(&self.story.scene(self.stand));
            let failure = Some(Failure::Unacknowledged(write));
            let Life::Killed = self.story.start(self.stand, &journal, failure).await else { return };
            let records = records_of(&journal);
            if self.story.is_undoing() && !undoes(self.stand, &journal) {
                continue;
            }
            let (row, what) = records.last().map_or_else(|| ("run".to_owned(), String::new()), about);
            let number = records.len();
            let words = format!("once record {number} ({what}) was durable, before that was known");
            self.killed(&journal, &Place { row: row.clone(), column: Column::Record, words }).await;

            let journal = self.stand.enter(&self.story.scene(self.stand));
            let failure = Some(Failure::Before(write));
            let Life::Killed = self.story.start(self.stand, &journal, failure).await else { return };
            let words = if records_of(&journal).len() == number {
                "before the lease was given back".to_owned()
            } else {
                format!("before record {number} ({what}) was written")
            };
            self.killed(&journal, &Place { row, column: Column::Record, words }).await;
        }
    }

    /// The same where an outcome reaches the disk together with the record behind it. Whatever a kill leaves behind then was left
    /// by one of those before; what was not is a place of its own.
    async fn at_merged_records(&mut self) {
        for write in 0.. {
            for failure in [Failure::Unacknowledged(write), Failure::Before(write)] {
                let mut journal = self.stand.enter(&self.story.scene(self.stand));
                journal.postpone_outcomes(true);
                let Life::Killed = self.story.start(self.stand, &journal, Some(failure)).await else { return };
                if self.story.is_undoing() && !undoes(self.stand, &journal) {
                    continue;
                }
                let scene = self.stand.keep(&journal);
                let records = records_of(&journal);
                let known = self.recovered.get(&records.len());
                if records.is_empty() || known.is_some_and(|worlds| worlds.iter().any(|it| it.is_like(&scene.world))) {
                    continue;
                }
                let (row, what) = records.last().map_or_else(|| ("run".to_owned(), String::new()), about);
                let words = format!("behind record {} ({what}), with what was to be written together", records.len());
                self.killed(&journal, &Place { row, column: Column::Record, words }).await;
            }
        }
    }

    async fn around_effects(&mut self) {
        let story = self.story;
        for task in story.tasks().iter().filter(|task| !story.is_undoing() || task.is_undo()) {
            for (column, fault, words) in places(self.stand, task) {
                let journal = self.stand.enter(&story.scene(self.stand));
                self.stand.stage.fail(&task.to_string(), Some(1), fault);
                if let Life::Killed = story.start(self.stand, &journal, None).await {
                    let place = Place { row: task.to_string(), column, words: words.to_owned() };
                    self.killed(&journal, &place).await;
                }
            }
        }
    }

    /// Recovers from a kill, and from the same kill with another one behind it.
    async fn killed(&mut self, journal: &MemoryJournal, place: &Place) {
        let scene = self.stand.keep(journal);
        self.recover(journal, place).await;
        let records = records_of(&scene.journal).len();
        let before = self.recovered.entry(records).or_default();
        if records == 0 || before.iter().any(|world| world.is_like(&scene.world)) {
            return;
        }
        before.push(scene.world.clone());
        for write in 0..RECOVERY {
            for failure in [Failure::Unacknowledged(write), Failure::Before(write)] {
                let journal = self.stand.enter(&scene);
                let Life::Killed = self.stand.resume(&journal, Some(failure)).await else { break };
                let when = match failure {
                    Failure::Unacknowledged(_) => "once",
                    Failure::Before(_) | Failure::Busy(..) => "before",
                };
                let words = format!("{}; again {when} write {} of the recovery was durable", place.words, write + 1);
                self.recover(&journal, &Place { row: place.row.clone(), column: Column::Again, words }).await;
            }
        }
        self.at_effects_again(&scene, place).await;
    }

    /// Killed around the effect of whatever the recovery runs again.
    async fn at_effects_again(&mut self, scene: &Scene, place: &Place) {
        let Ok(Some(state)) = self.stand.state(&scene.journal) else { return };
        for (task, doing) in state.tasks.iter().filter(|(_, doing)| doing.is_in_flight()) {
            let places = places(self.stand, task).into_iter().filter(|(column, ..)| *column == Column::Effect);
            for (_, fault, words) in places {
                let journal = self.stand.enter(scene);
                self.stand.stage.fail(&task.to_string(), Some(doing.attempt + 1), fault);
                if let Life::Killed = self.stand.resume(&journal, None).await {
                    let words = format!("{}; again when {task} is run again, {words}", place.words);
                    self.recover(&journal, &Place { row: place.row.clone(), column: Column::Again, words }).await;
                }
            }
        }
    }

    async fn recover(&mut self, journal: &MemoryJournal, place: &Place) {
        let every_answer = place.column != Column::Again;
        let outcome = follow(self.stand, &self.story.reference, journal, Life::Killed, every_answer).await;
        self.proof.points.push(Point {
            row: place.row.clone(),
            column: place.column,
            story: self.story.title.clone(),
            place: place.words.clone(),
            first_only: true,
            doubt: self.story.is_more(&outcome.asked),
            asked: outcome.asked,
            end: outcome.end,
            world: outcome.world,
            branches: outcome.branches,
            findings: outcome.findings,
        });
    }
}

/// Whether the undo has begun.
pub(super) fn undoes(stand: &Stand, journal: &MemoryJournal) -> bool {
    stand.state(journal).ok().flatten().is_some_and(|state| state.rollback.is_some() || state.asked.is_some())
}

/// Where a runner is killed around the effect of a task, if it has one.
fn places(stand: &Stand, task: &Task) -> Vec<(Column, Fault, &'static str)> {
    let Some(step) = stand.playbook().step(&task.step).filter(|step| step.effect.changes()) else { return Vec::new() };
    let mut places = vec![
        (Column::Effect, Fault::KilledBefore, "just before its effect"),
        (Column::Effect, Fault::KilledAfter, "just after its effect"),
    ];
    if stand.is_command(&step.action) {
        places.push((Column::Machine, Fault::LostBefore, "just before its effect, the recorder with it"));
        places.push((Column::Machine, Fault::LostAfter, "just after its effect, the recorder with it"));
    }
    places
}

/// What a record is about, and its name: read from its own form, so that a new kind of event needs nothing here.
pub(super) fn about(record: &Record) -> (String, String) {
    if matches!(record.event, Event::RunStarted { .. }) {
        return ("run".to_owned(), "run started".to_owned());
    }
    let form = serde_json::to_value(&record.event).unwrap_or_default();
    let text = |name: &str| form.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let asked = || form.get("question")?.get("task")?.as_str().map(str::to_owned);
    let row = text("task").or_else(|| text("step")).or_else(asked).unwrap_or_else(|| "run".to_owned());
    (row, text("event").unwrap_or_default().replace('_', " "))
}
