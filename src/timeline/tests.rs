//! Every kind of event has a sentence and a name of its own.

use super::*;
use crate::run::{Event, Record};

#[test]
fn the_name_is_the_one_that_the_journal_writes() {
    let events = [
        Event::Note { message: "x".to_owned() },
        Event::Paged { message: "x".to_owned() },
        Event::Resumed { reason: String::new() },
        Event::CheckpointReached { name: "x".to_owned(), step: "a".parse().unwrap() },
        Event::RollbackStarted { to: None, because: "x".to_owned() },
        Event::RunEnded { verdict: crate::run::Verdict::Failed, summary: "x".to_owned() },
    ];
    for event in events {
        let text = serde_json::to_value(&event).unwrap();
        assert_eq!(text["event"], detail::kind(&event));
    }
}

#[test]
fn no_records_make_no_lines() {
    let run: RunId = "r".parse().unwrap();
    let timeline = Timeline::of(&run, &[]);
    assert!(timeline.entries.is_empty() && timeline.broken.is_none() && timeline.state.is_none());
}

#[test]
fn a_first_record_that_is_none_is_said() {
    let run: RunId = "r".parse().unwrap();
    let record = Record {
        seq: 1,
        time: Time(0),
        epoch: 1,
        actor: "a".to_owned(),
        previous: Record::genesis(&run),
        hash: Record::genesis(&run),
        event: Event::Note { message: "x".to_owned() },
    };
    let timeline = Timeline::of(&run, &[record]);
    assert!(timeline.entries.is_empty());
    assert_eq!(timeline.broken.map(|fault| fault.seq), Some(1));
}
