//! Spans that nobody takes: they wait like everything that is told, and are left out at last, with nobody called for it.

use std::sync::atomic::AtomicBool;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::faulty::disk_full;
use super::*;
use crate::actions::Table;
use crate::config::NotifyKind;
use crate::diagnostic::Source;
use crate::inventory::Secrets;
use crate::notify::span_counts;
use crate::playbook::load;
use crate::run::{SkipReason, Task};
use crate::spec::Specs;

/// Held by whoever counts what was left out: the count is that of the process.
static COUNTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn staged(stub: &Stub) -> Stage {
    let mut stage = Stage::new(&[("traces", stub)]);
    stage.targets = vec![target("traces", ", give_up_after: 1h")];
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
    let _counting = COUNTING.lock().await;
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

/// Tells for so long over an outbox that is opened like this, and says how many spans were left out.
async fn dropped_by(stage: &Stage, open: Open, long: u64) -> u64 {
    let _counting = COUNTING.lock().await;
    let before = span_counts().dropped;
    let mut deliverer = stage.deliverer();
    deliverer.telling.open = open;
    let (stop, stopped) = watch::channel(false);
    let work = async {
        seconds(long).await;
        stop.send_replace(true);
    };
    tokio::join!(deliverer.run(stopped), work);
    span_counts().dropped - before
}

#[tokio::test(start_paused = true)]
async fn what_another_process_has_in_hand_by_now_is_not_left_out() {
    let stub = Stub::new(Takes::Spans, |_| Mood::Down);
    let stage = staged(&stub);
    stage.whole_run("r-1", 5);
    let claimant = Claimant { holder: holder::this_process(), number: 0 };
    let other = serde_json::to_string(&claimant).unwrap();
    let taken = stage.faulty_once(move |outbox, claim| {
        let theirs = Claim { by: other.clone(), until: Time(claim.until.0 + 7_200_000), ..claim.clone() };
        assert_eq!(outbox.claim(&theirs, 0, Some(&claim.by), Pace::FREE, claim.until)?, Turn::Now);
        Ok(())
    });
    assert_eq!(dropped_by(&stage, taken, 6000).await, 0);
    assert_eq!(stage.outbox().standings().unwrap().len(), 1, "it is theirs to tell");
}

/// A run with so many spans beside its own.
fn run_with_spans(stage: &Stage, name: &str, spans: usize) {
    let specs = Specs::of(Table::builtin().specs());
    let text = "name: x\nversion: 1.0.0\nsteps:\n  - { id: look, run: uptime, effect: read }\n";
    let mut event = started("INC-7");
    if let Event::RunStarted { plan, .. } = &mut event {
        Arc::make_mut(plan).playbook = load(&Source::new("x.yaml", text), &specs).playbook.unwrap();
    }
    let mut journal = stage.journal();
    let run: RunId = name.parse().unwrap();
    let (lease, _) = journal.begin(&run, event, &holder::this_process(), "ann", stage.now()).unwrap();
    let task = Task::of(&"look".parse().unwrap());
    let skipped = Event::StepSkipped { task, reason: SkipReason::Condition { source: "false".to_owned() } };
    journal.append(&lease, "ann", stage.now(), vec![skipped; spans], &[]).unwrap();
    stage.end(&mut journal, &lease);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_left_out_is_told_or_counted_as_a_whole() {
    for (then, dropped, told) in [(Mood::Down, 301, 0), (Mood::Well, 0, 301)] {
        let (tried, is_tried) = (Arc::new(AtomicBool::new(false)), |tried: &AtomicBool| tried.load(Ordering::Relaxed));
        let known = Arc::clone(&tried);
        let stub = Stub::new(Takes::Spans, move |_| if is_tried(&known) { then } else { Mood::Down });
        let stage = staged(&stub);
        run_with_spans(&stage, "r-1", 300);
        let full = stage.faulty_once(move |_, _| {
            tried.store(true, Ordering::Relaxed);
            Err(disk_full())
        });
        assert_eq!(dropped_by(&stage, full, 20_000).await, dropped);
        assert_eq!(stub.told("r-1").len(), told);
        assert!(stage.outbox().standings().unwrap().is_empty());
    }
}

/// A server that refuses everything with this body, for good. It ends with the test.
async fn refusing(body: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 65536]).await;
            let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close", body.len());
            let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await;
        }
    });
    address
}

#[tokio::test]
async fn what_an_endpoint_repeats_of_our_secrets_is_not_logged() {
    let stub = Stub::new(Takes::Spans, |_| Mood::Well);
    let mut stage = staged(&stub);
    let secret = stage.folder.path().join("headers");
    std::fs::write(&secret, "authorization=Bearer%20hunter%2B2").unwrap();
    let address = refusing("no spans for hunter+2 at /0123456789abcdef0123").await;
    stage.targets[0].kind = NotifyKind::Traces;
    stage.targets[0].address = Some(format!("{address}/0123456789abcdef0123"));
    stage.targets[0].secret = vec![format!("file:{}", secret.display())];
    stage.whole_run("r-1", 4);
    let log = stage.folder.path().join("log");
    let written = Arc::new(std::fs::File::create(&log).unwrap());
    let _logging =
        tracing::subscriber::set_default(tracing_subscriber::fmt().with_ansi(false).with_writer(written).finish());
    let _counting = COUNTING.lock().await;
    let mut deliverer = stage.deliverer();
    deliverer.telling.tellers = Arc::new(Receivers::new(Secrets::default()));
    deliverer.push(Duration::from_secs(5)).await;
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("spans were refused") && log.contains("no spans for *** at /***"), "{log}");
    assert!(!log.contains("hunter") && !log.contains("0123456789abcdef"), "{log}");
}
