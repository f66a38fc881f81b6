//! Hours of a receiver that is away, slow or out of its mind, in virtual time; and processes that die with a message in hand.

mod spans;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::ids::{Digest, RunId};
use crate::inventory::Masker;
use crate::journal::{Claim, Journal, Lease, LoggedKind, Outbox, Pace, SqliteJournal, Subject, Turn};
use crate::notify::{Rate, Refusal, Story, Takes, Teller, Then};
use crate::run::{Event, Verdict};

/// The clock of the test: tokio's, from a day in 2026 on.
struct Virtual(Instant);

const BEGINNING: i64 = 1_795_000_000_000;

impl Clock for Virtual {
    fn now(&self) -> Time {
        Time(BEGINNING + i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }
}

/// What a receiver does with a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Down,
    /// It takes it, and nobody ever hears of that.
    Slow,
    Garbage,
    Gone,
    After(u32),
    Faulty,
}

type Moods = Box<dyn Fn(f64) -> Mood + Send + Sync>;

/// A receiver, which notes what it took: the target, the run and the records up to which it was told.
#[derive(Clone)]
struct Stub {
    began: Instant,
    moods: Arc<Moods>,
    takes: Takes,
    rate: Rate,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Debug, Clone)]
struct Seen {
    run: String,
    seqs: Vec<u64>,
    mood: Mood,
    at: f64,
    message: Option<String>,
}

impl Stub {
    fn new(takes: Takes, moods: impl Fn(f64) -> Mood + Send + Sync + 'static) -> Self {
        let rate = Rate { interval: 0, burst: 1 };
        Self { began: Instant::now(), moods: Arc::new(Box::new(moods)), takes, rate, seen: Arc::default() }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The records that a run's messages were taken with, those that it had already only once: they must be in order.
    #[track_caller]
    fn told(&self, run: &str) -> Vec<u64> {
        let mut all: Vec<u64> = Vec::new();
        for seen in self.seen().iter().filter(|seen| seen.run == run && seen.mood == Mood::Well) {
            for seq in &seen.seqs {
                if !all.contains(seq) {
                    assert!(all.last().is_none_or(|last| last < seq), "{seq} of {run} came behind {all:?}");
                    all.push(*seq);
                }
            }
        }
        all
    }
}

#[async_trait]
impl Teller for Stub {
    fn takes(&self) -> Takes {
        self.takes
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let at = self.began.elapsed().as_secs_f64();
        let mood = (self.moods)(at);
        let seqs = story.new.iter().map(|item| item.seq).collect();
        let message = story.message.map(str::to_owned);
        self.seen.lock().unwrap().push(Seen { run: story.state.run.to_string(), seqs, mood, at, message });
        match mood {
            Mood::Well => Ok(Some(format!("message-{}", story.id))),
            Mood::Down => Err(Refusal::later("connection refused")),
            Mood::Slow => {
                tokio::time::sleep(Duration::from_secs(7200)).await;
                Ok(None)
            }
            Mood::Garbage => Err(Refusal::later("\u{1b}[2Jthe password is hunter2secret")),
            Mood::Gone => Err(Refusal { why: "410".to_owned(), then: Then::Gone }),
            Mood::After(seconds) => Err(Refusal { why: "429".to_owned(), then: Then::After(seconds) }),
            Mood::Faulty => panic!("a teller at fault"),
        }
    }
}

struct Stubs(BTreeMap<String, Stub>);

#[async_trait]
impl Tellers for Stubs {
    async fn make(&self, notify: &Notify) -> Result<(Arc<dyn Teller>, Masker), String> {
        let stub = self.0.get(&notify.name).cloned().ok_or("its secret is not there")?;
        Ok((Arc::new(stub), Masker::of_texts(["hunter2secret"])))
    }
}

/// A state, a clock, receivers.
struct Stage {
    folder: tempfile::TempDir,
    clock: Arc<Virtual>,
    stubs: BTreeMap<String, Stub>,
    targets: Vec<Notify>,
}

impl Stage {
    fn new(stubs: &[(&str, &Stub)]) -> Self {
        let stubs: BTreeMap<String, Stub> =
            stubs.iter().map(|(name, stub)| ((*name).to_owned(), (*stub).clone())).collect();
        let targets = stubs.keys().map(|name| target(name, "")).collect();
        let folder = tempfile::tempdir().unwrap();
        Self { folder, clock: Arc::new(Virtual(Instant::now())), stubs, targets }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("j.sqlite3")
    }

    fn journal(&self) -> SqliteJournal {
        SqliteJournal::open_file(&self.file()).unwrap()
    }

    fn deliverer(&self) -> Deliverer {
        self.deliverer_of(self.stubs.clone())
    }

    /// One that meets other receivers.
    fn deliverer_to(&self, stubs: &[(&str, &Stub)]) -> Deliverer {
        self.deliverer_of(stubs.iter().map(|(name, stub)| ((*name).to_owned(), (*stub).clone())).collect())
    }

    fn deliverer_of(&self, stubs: BTreeMap<String, Stub>) -> Deliverer {
        let file = self.file();
        Deliverer::new(Telling {
            targets: self.targets.clone(),
            tellers: Arc::new(Stubs(stubs)),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            open: Arc::new(move || Ok(Box::new(SqliteJournal::open_for_telling(&file)?))),
            since: Time(BEGINNING),
        })
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn begin(&self, journal: &mut SqliteJournal, name: &str) -> Lease {
        let run: RunId = name.parse().unwrap();
        journal.begin(&run, started(), &holder::this_process(), "ann", self.now()).unwrap().0
    }

    fn note(&self, journal: &mut SqliteJournal, lease: &Lease, text: &str) {
        let event = Event::Note { message: text.to_owned() };
        journal.append(lease, "ann", self.now(), vec![event], &[]).unwrap();
    }

    fn end(&self, journal: &mut SqliteJournal, lease: &Lease) {
        let event = Event::RunEnded { verdict: Verdict::Succeeded, summary: "traffic flows".to_owned() };
        journal.append(lease, "ann", self.now(), vec![event], &[]).unwrap();
    }

    /// A run with so many records.
    fn whole_run(&self, name: &str, records: usize) {
        let mut journal = self.journal();
        let lease = self.begin(&mut journal, name);
        for number in 0..records - 3 {
            self.note(&mut journal, &lease, &format!("note {number}"));
        }
        self.end(&mut journal, &lease);
    }

    fn outbox(&self) -> SqliteJournal {
        SqliteJournal::open_for_telling(&self.file()).unwrap()
    }
}

fn target(name: &str, more: &str) -> Notify {
    serde_saphyr::from_str(&format!("{{name: {name}, kind: command, command: [x]{more}}}")).unwrap()
}

fn started() -> Event {
    let digest = Digest::of(b"");
    let playbook = json!({
        "name": "db-failover", "version": "1.4.0", "title": "t", "description": "", "owner": null, "reviewed": null,
        "review_every": null, "severity": [], "symptoms": [], "services": [], "recovery_time": null, "inputs": [],
        "locks": [], "steps": [], "digest": digest,
    });
    let plan = json!({
        "format": 1, "playbook": playbook, "inputs": {}, "environment": "lab", "targets": [], "locks": [],
        "steps": [], "digest": digest, "facts_digest": digest,
    });
    Event::RunStarted {
        plan: Arc::new(serde_json::from_value(plan).unwrap()),
        locks: Vec::new(),
        incident: Some("INC-7".to_owned()),
        format: 1,
        tool: "0.1.0".to_owned(),
        overrides: Vec::new(),
        approved: Vec::new(),
    }
}

/// Runs a deliverer in the background for so long, and does something meanwhile.
async fn while_telling(stage: &Stage, meanwhile: impl Future<Output = ()>) {
    let (stop, stopped) = watch::channel(false);
    let telling = stage.deliverer().run(stopped);
    let work = async {
        meanwhile.await;
        stop.send_replace(true);
    };
    tokio::join!(telling, work);
}

fn seconds(seconds: u64) -> tokio::time::Sleep {
    tokio::time::sleep(Duration::from_secs(seconds))
}

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
    let log = outbox.deliveries(&Subject::Run("r-1".parse().unwrap())).unwrap();
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
    assert_eq!(stage.outbox().oldest_untold("a").unwrap(), Some(Time(BEGINNING)), "since its first record was written");
    assert_eq!(stage.outbox().oldest_untold("nobody").unwrap(), None);
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
        assert_eq!(outbox.oldest_untold("a").unwrap(), None, "it is not tried any more");
        assert_eq!(outbox.put_back(Some("a"), None, "ann", stage.now()).unwrap(), 1);
        seconds(2).await;
    })
    .await;
    assert_eq!(stub.told("r-1"), [1, 2, 3, 4, 5]);
    let log = stage.outbox().deliveries(&Subject::Run("r-1".parse().unwrap())).unwrap();
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
    journal.begin(&run, started(), &holder::this_process(), "ann", Time(BEGINNING - 1)).unwrap();
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
    let log = outbox.deliveries(&Subject::Run("r-1".parse().unwrap())).unwrap();
    assert!(log.iter().all(|line| line.target == "ends"), "{log:?}");
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
