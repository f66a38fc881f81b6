//! Spans that nobody takes: they wait like everything that is told, and are left out at last, with nobody called for it.

use super::*;
use crate::config::NotifyKind;
use crate::notify::span_counts;

fn staged(stub: &Stub) -> Stage {
    let mut stage = Stage::new(&[("traces", stub)]);
    let mut target = target("traces", ", give_up_after: 1h");
    target.kind = NotifyKind::Traces;
    stage.targets = vec![target];
    stage
}

#[tokio::test(start_paused = true)]
async fn they_are_told_once_they_have_ended_and_timelines_say_nothing_of_it() {
    let stub = Stub::new(Takes::Spans, |at| if at < 600.0 { Mood::Down } else { Mood::Well });
    let stage = staged(&stub);
    while_telling(&stage, async {
        let mut journal = stage.journal();
        let lease = stage.begin(&mut journal, "r-1");
        stage.note(&mut journal, &lease, "nothing that ends");
        seconds(300).await;
        assert!(stub.seen().is_empty(), "there is no span yet");
        stage.end(&mut journal, &lease);
        seconds(900).await;
    })
    .await;
    assert_eq!(stub.told("r-1"), [4], "the record with which the run ended");
    assert!(stage.outbox().standings().unwrap().is_empty());
    assert_eq!(stage.outbox().deliveries(&Subject::Run("r-1".parse().unwrap()), 0, 9).unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_took_for_so_long_is_left_out_and_counted_and_the_next_is_tried_again() {
    let stub = Stub::new(Takes::Spans, |at| if at < 5000.0 { Mood::Down } else { Mood::Well });
    let stage = staged(&stub);
    let before = span_counts().dropped;
    while_telling(&stage, async {
        stage.whole_run("r-1", 5);
        seconds(3000).await;
        assert_eq!(stage.outbox().standings().unwrap().len(), 1);
        seconds(1900).await;
        assert_eq!(stage.outbox().standings().unwrap(), [], "it is not given up, it is over");
        seconds(200).await;
        stage.whole_run("r-2", 5);
        seconds(5).await;
    })
    .await;
    assert_eq!(span_counts().dropped - before, 1);
    assert!(stub.told("r-1").is_empty());
    assert_eq!(stub.told("r-2"), [5]);
}
