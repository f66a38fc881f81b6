//! A receiver that is away, slow, gone or out of its mind; and what it is told, and what not.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_hour_of_a_receiver_out_of_its_mind_loses_nothing_and_keeps_the_order() {
    let mad = |at: f64| match at {
        at if at > 3600.0 => Mood::Well,
        at => [Mood::Down, Mood::Slow, Mood::Garbage, Mood::After(40)][(at / 7.0) as usize % 4],
    };
    let (bad, good) = (Stub::new(Takes::Record, mad), Stub::new(Takes::Record, |_| Mood::Well));
    let stage = Stage::new(&[("bad", &bad), ("good", &good)]);
    while_telling(&stage, async {
        let mut journal = stage.journal();
        let leases: Vec<Lease> = (0..3).map(|n| stage.begin(&mut journal, &format!("r-{n}"))).collect();
        for minute in 0..30 {
            for lease in &leases {
                stage.note(&mut journal, lease, &format!("minute {minute}"));
            }
            seconds(120).await;
        }
        leases.iter().for_each(|lease| stage.end(&mut journal, lease));
        // The other one was told as it came, whatever the first one did.
        seconds(2).await;
        assert!((0..3).all(|n| good.told(&format!("r-{n}")).len() == 33));
        assert!(bad.told("r-0").is_empty());
        seconds(900).await;
    })
    .await;
    for n in 0..3 {
        assert_eq!(bad.told(&format!("r-{n}")), (1..=33).collect::<Vec<_>>());
    }
    // Backoff: it was not hammered.
    let tries = bad.seen().iter().filter(|seen| seen.at < 3600.0).count();
    assert!((9..150).contains(&tries), "{tries}");
    // What was said of a failure holds no secret, and nothing that a terminal obeys.
    let mut outbox = stage.outbox();
    assert!(outbox.standings().unwrap().is_empty());
    let log = outbox.deliveries(&Subject::Run("r-1".parse().unwrap()), 0, 100).unwrap();
    assert!(log.iter().all(|line| line.kind == LoggedKind::Told), "{log:?}");
    assert_eq!(log.iter().filter(|line| line.target == "bad").map(|line| line.to).max(), Some(33));
}

#[tokio::test(start_paused = true)]
async fn what_a_receiver_says_is_masked_and_harmless() {
    let stub = Stub::new(Takes::Record, |_| Mood::Garbage);
    let stage = Stage::new(&[("a", &stub)]);
    while_telling(&stage, async {
        stage.whole_run("r-1", 4);
        seconds(20).await;
    })
    .await;
    let standings = stage.outbox().standings().unwrap();
    let why = standings[0].cursor.failed.clone().unwrap();
    assert!(why.contains("***") && !why.contains("hunter2") && !why.contains('\u{1b}'), "{why}");
    assert!(standings[0].cursor.attempts >= 2 && standings[0].cursor.dead_at.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_gone_is_left_alone_until_somebody_puts_it_back() {
    let stub = Stub::new(Takes::Record, |at| if at < 5000.0 { Mood::Gone } else { Mood::Well });
    let stage = Stage::new(&[("a", &stub)]);
    while_telling(&stage, async {
        stage.whole_run("r-1", 5);
        seconds(5001).await;
        assert_eq!(stub.seen().len(), 1, "nobody knocks at a door that is gone");
        let mut outbox = stage.outbox();
        let standings = outbox.standings().unwrap();
        assert!(standings[0].cursor.dead_at.is_some());
        assert_eq!(outbox.put_back(Some("a"), None, "ann", stage.now()).unwrap(), 1);
        seconds(2).await;
    })
    .await;
    assert_eq!(stub.told("r-1"), [1, 2, 3, 4, 5]);
    let log = stage.outbox().deliveries(&Subject::Run("r-1".parse().unwrap()), 0, 100).unwrap();
    let kinds: Vec<LoggedKind> = log.iter().map(|line| line.kind).collect();
    assert_eq!(kinds, [LoggedKind::GivenUp, LoggedKind::PutBack, LoggedKind::Told]);
    assert_eq!(log[1].why.as_deref(), Some("ann"));
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_for_as_long_as_the_configuration_says() {
    let stub = Stub::new(Takes::Record, |_| Mood::Down);
    let mut stage = Stage::new(&[("a", &stub)]);
    stage.targets = vec![target("a", ", give_up_after: 1h")];
    while_telling(&stage, async {
        stage.whole_run("r-1", 4);
        seconds(3000).await;
        assert!(stage.outbox().standings().unwrap()[0].cursor.dead_at.is_none());
        seconds(1200).await;
    })
    .await;
    let standings = stage.outbox().standings().unwrap();
    assert!(standings[0].cursor.dead_at.is_some() && standings[0].cursor.told == 0);
    let last = stub.seen().last().unwrap().at;
    assert!((3600.0..3950.0).contains(&last), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_new_target_is_not_told_what_was_before_it() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let stage = Stage::new(&[("a", &stub)]);
    let mut journal = stage.journal();
    let run: RunId = "old".parse().unwrap();
    journal.begin(&run, started("INC-7"), &holder::this_process(), "ann", Time(BEGINNING - 1)).unwrap();
    while_telling(&stage, async {
        stage.whole_run("new", 3);
        seconds(2).await;
    })
    .await;
    assert!(stub.told("old").is_empty() && stub.told("new").len() == 3);
}

#[tokio::test(start_paused = true)]
async fn a_digest_holds_what_came_meanwhile_and_the_rate_is_kept() {
    let mut stub = Stub::new(Takes::Digest, |_| Mood::Well);
    stub.rate = Rate { interval: 4000, burst: 5 };
    let mut stage = Stage::new(&[("a", &stub)]);
    stage.targets = vec![target("a", ", events: all")];
    while_telling(&stage, async {
        let mut journal = stage.journal();
        let lease = stage.begin(&mut journal, "r-1");
        for number in 0..400 {
            stage.note(&mut journal, &lease, &format!("note {number}"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        stage.end(&mut journal, &lease);
        seconds(10).await;
    })
    .await;
    assert_eq!(stub.told("r-1"), (1..=403).collect::<Vec<_>>());
    let at: Vec<f64> = stub.seen().iter().map(|seen| seen.at).collect();
    for from in &at {
        let within = at.iter().filter(|one| (0.0..60.0).contains(&(**one - from))).count();
        assert!(within <= 20, "{within} in a minute from {from}");
    }
    assert!(at.len() > 40, "{}", at.len());
    // Each is told what the service called the one before.
    assert!(stub.seen().iter().skip(1).all(|seen| seen.message.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_quiet_gets_it() {
    let stub = Stub::new(Takes::Record, |at| if at < 10.0 { Mood::After(120) } else { Mood::Well });
    let stage = Stage::new(&[("a", &stub)]);
    while_telling(&stage, async {
        stage.whole_run("r-1", 3);
        stage.whole_run("r-2", 3);
        seconds(200).await;
    })
    .await;
    let at: Vec<f64> = stub.seen().iter().map(|seen| seen.at).collect();
    assert!(at[0] < 10.0 && at[1] >= 120.0, "{at:?}");
    assert!(stub.told("r-1").len() == 3 && stub.told("r-2").len() == 3);
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_ours_at_one_target_is_nobody_else_s() {
    let faulty = Stub::new(Takes::Record, |at| if at < 20.0 { Mood::Faulty } else { Mood::Well });
    let well = Stub::new(Takes::Record, |_| Mood::Well);
    let mut stage = Stage::new(&[("faulty", &faulty), ("well", &well)]);
    stage.targets.push(target("nobody", ""));
    while_telling(&stage, async {
        stage.whole_run("r-1", 3);
        seconds(200).await;
    })
    .await;
    assert_eq!(well.told("r-1"), [1, 2, 3]);
    assert_eq!(faulty.told("r-1"), [1, 2, 3], "it is begun anew");
    let standings = stage.outbox().standings().unwrap();
    assert_eq!(standings[0].cursor.failed.as_deref(), Some("its secret is not there"));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_concerned_hears_nothing_and_nothing_waits_for_them() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let mut stage = Stage::new(&[("elsewhere", &stub), ("ends", &stub)]);
    stage.targets = vec![target("elsewhere", ", environments: [production]"), target("ends", ", events: [run_ended]")];
    while_telling(&stage, async {
        stage.whole_run("r-1", 6);
        seconds(2).await;
    })
    .await;
    assert_eq!(stub.told("r-1"), [6]);
    let mut outbox = stage.outbox();
    assert!(outbox.standings().unwrap().is_empty());
    assert!(outbox.targets().unwrap().iter().all(|known| known.whole == 1));
    let log = outbox.deliveries(&Subject::Run("r-1".parse().unwrap()), 0, 100).unwrap();
    assert!(log.iter().all(|line| line.target == "ends"), "{log:?}");
}
