//! Everything is halted: behind every record of a run. What is under way ends, nothing begins, whoever takes the run begins
//! nothing either, and once the halt is lifted the run comes to the end to which it comes without one.

use super::judge::follow;
use super::life::{Life, Stand, records_of};
use super::story::Story;
use super::{Column, Point, Proof};
use crate::engine::EndingKind;
use crate::journal::MemoryJournal;
use crate::run::{Event, Record};

/// Halts a story everywhere.
pub(super) async fn everywhere(stand: &Stand, story: &Story, proof: &mut Proof) {
    let plain = {
        let journal = stand.enter(&story.scene(stand));
        let life = story.start(stand, &journal, None).await;
        follow(stand, &story.reference, &journal, life, false).await
    };
    for record in &story.records {
        let journal = stand.enter(&story.scene(stand));
        let life = story.start_halted(stand, &journal, record.seq).await;
        if story.is_undoing() && !super::crash::undoes(stand, &journal) {
            continue;
        }
        let mut findings = begun_after(&journal, record.seq);
        let life = match life {
            // What nobody drives is taken by somebody, who stands still as well; then it is lifted.
            Life::Rests(EndingKind::Halted) => {
                let again = stand.resume(&journal, None).await;
                if !matches!(again, Life::Rests(EndingKind::Halted)) {
                    findings
                        .push(format!("whoever takes it while everything is halted does not stand still: {again:?}"));
                }
                findings.extend(begun_after(&journal, record.seq));
                stand.lift(&journal);
                stand.resume(&journal, None).await
            }
            // Nothing was left to begin, or a person is asked: a halt changes nothing of that.
            other => {
                stand.lift(&journal);
                other
            }
        };
        let outcome = follow(stand, &story.reference, &journal, life, false).await;
        if (outcome.end, &outcome.world) != (plain.end, &plain.world) {
            findings
                .push(format!("it comes to another end than without the halt: {:?}, not {:?}", outcome.end, plain.end));
        }
        findings.extend(outcome.findings);
        let (row, what) = super::crash::about(record);
        proof.points.push(Point {
            row,
            column: Column::Halted,
            story: story.title.clone(),
            place: format!("everything was halted once record {} ({what}) was durable, and lifted later", record.seq),
            first_only: true,
            doubt: story.is_more(&outcome.asked),
            asked: outcome.asked,
            end: outcome.end,
            world: outcome.world,
            branches: outcome.branches,
            findings,
        });
    }
}

/// What began although everything was halted. Intents of what begins side by side are one write, and whoever hears of the
/// first of them comes behind all.
fn begun_after(journal: &MemoryJournal, seq: u64) -> Vec<String> {
    let records = records_of(journal);
    let is_intent = |record: &Record| matches!(record.event, Event::Intent { .. });
    let together =
        |pair: &&[Record]| matches!(pair, [one, next] if is_intent(one) && is_intent(next) && one.time == next.time);
    let written =
        records.windows(2).skip_while(|pair| pair.first().is_none_or(|one| one.seq < seq)).take_while(together);
    let last = seq.saturating_add(u64::try_from(written.count()).unwrap_or(u64::MAX));
    let begun = |record: &Record| match &record.event {
        Event::Intent { task, .. } if record.seq > last => {
            Some(format!("record {} begins {task} while everything is halted", record.seq))
        }
        _ => None,
    };
    records.iter().filter_map(begun).collect()
}
