//! Processes that tell the same target, die with a message in hand, or are to end.

use super::*;

#[tokio::test(start_paused = true)]
async fn two_processes_tell_everything_once() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let stage = Stage::new(&[("a", &stub)]);
    let (stop, stopped) = watch::channel(false);
    let (one, other) = (stage.deliverer().run(stopped.clone()), stage.deliverer().run(stopped));
    let work = async {
        (0..5).for_each(|n| stage.whole_run(&format!("r-{n}"), 9));
        seconds(300).await;
        stop.send_replace(true);
    };
    tokio::join!(one, other, work);
    assert_eq!(stub.seen().len(), 45, "each record once");
    assert!((0..5).all(|n| stub.told(&format!("r-{n}")).len() == 9));
}

fn claim_of(claimant: &str, until: i64) -> Claim {
    Claim {
        target: "a".to_owned(),
        subject: Subject::Run("r-1".parse().unwrap()),
        by: claimant.to_owned(),
        until: Time(until),
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_counts_only_over_the_one_that_was_seen() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let stage = Stage::new(&[("a", &stub)]);
    stage.whole_run("r-1", 3);
    let (mut outbox, now) = (stage.outbox(), stage.now());
    outbox.know("a", Time(BEGINNING)).unwrap();
    let (one, other) = (claim_of("one", BEGINNING), claim_of("other", BEGINNING));
    assert_eq!(outbox.claim(&one, 0, None, Pace::FREE, now).unwrap(), Turn::Now);
    assert_eq!(outbox.claim(&other, 0, None, Pace::FREE, now).unwrap(), Turn::Taken, "both saw it free");
    assert_eq!(outbox.claim(&other, 1, Some("one"), Pace::FREE, now).unwrap(), Turn::Taken, "told further meanwhile");
    assert_eq!(outbox.claim(&other, 0, Some("one"), Pace::FREE, now).unwrap(), Turn::Now);
    assert!(!outbox.told(&one, 1, None, false, now).unwrap());
    assert!(outbox.told(&other, 1, None, false, now).unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_had_in_hand_is_taken_over_and_what_a_living_one_has_is_not() {
    for (alive, first) in [(false, 0.0..5.0), (true, 3600.0..3610.0)] {
        let stub = Stub::new(Takes::Record, |_| Mood::Well);
        let stage = Stage::new(&[("a", &stub)]);
        stage.whole_run("r-1", 3);
        let mut holder = holder::this_process();
        holder.started = if alive { holder.started } else { 1 };
        let claimant = serde_json::to_string(&Claimant { holder, number: 0 }).unwrap();
        let mut outbox = stage.outbox();
        outbox.know("a", Time(BEGINNING)).unwrap();
        let claim = claim_of(&claimant, BEGINNING + 3_600_000);
        assert_eq!(outbox.claim(&claim, 0, None, Pace::FREE, stage.now()).unwrap(), Turn::Now);
        while_telling(&stage, seconds_of(3700)).await;
        assert_eq!(stub.told("r-1"), [1, 2, 3]);
        assert!(first.contains(&stub.seen()[0].at), "{alive}: {}", stub.seen()[0].at);
        // Who lost it moves nothing any more.
        assert!(!outbox.told(&claim, 2, None, false, stage.now()).unwrap());
    }
}

async fn seconds_of(number: u64) {
    seconds(number).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_it_noted_an_answer_has_it_sent_again() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let stage = Stage::new(&[("a", &stub)]);
    stage.whole_run("r-1", 4);
    // The message is on its way when the process ends: the claim is written, the answer is not.
    let dead = Stub::new(Takes::Record, |_| Mood::Slow);
    let dying = stage.deliverer_to(&[("a", &dead)]);
    dying.push(Duration::from_secs(30)).await;
    assert_eq!(dead.seen().len(), 1);
    assert_eq!(dead.seen()[0].seqs, [1]);
    while_telling(&stage, seconds_of(200)).await;
    assert_eq!(stub.told("r-1"), [1, 2, 3, 4], "the first one too");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_process_waits_for_nobody_who_is_away() {
    for (mood, longest) in [(Mood::Down, 0.5), (Mood::Slow, 2.3), (Mood::Well, 0.5)] {
        let stub = Stub::new(Takes::Record, move |_| mood);
        let stage = Stage::new(&[("a", &stub)]);
        let (stop, stopped) = watch::channel(false);
        let work = async {
            seconds(5).await;
            stage.whole_run("r-1", 3);
            stop.send_replace(true);
            Instant::now()
        };
        let ((), stopped) = tokio::join!(stage.deliverer().run(stopped), work);
        assert!(stopped.elapsed().as_secs_f64() <= longest, "{mood:?}: {:?}", stopped.elapsed());
        assert!(!stub.seen().is_empty(), "{mood:?}: what was due was tried");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_a_push_waits_for_the_next_try() {
    let stub = Stub::new(Takes::Record, |at| if at < 10.0 { Mood::Down } else { Mood::Well });
    let stage = Stage::new(&[("a", &stub)]);
    stage.whole_run("r-1", 3);
    stage.deliverer().push(Duration::from_secs(5)).await;
    assert!(stub.told("r-1").is_empty() && stub.seen().len() > 1);
    stage.deliverer().push(Duration::from_secs(60)).await;
    assert_eq!(stub.told("r-1"), [1, 2, 3]);
    assert!(stage.clock.0.elapsed().as_secs() < 40, "it ends when everything is told");
}
