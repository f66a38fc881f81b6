//! Hours of a receiver that is away, slow or out of its mind, in virtual time; and processes that die with a message in hand.

mod faulty;
mod incidents;
mod processes;
mod receivers;
mod spans;
mod troubles;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::ids::RunId;
use crate::inventory::Masker;
use crate::journal::{Claim, Delivered as _, Journal, Lease, LoggedKind, Outbox, Pace, SqliteJournal, Subject, Turn};
use crate::notify::{Rate, Refusal, Story, Takes, Teller, Then};
use crate::run::samples::started;
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
    fn rate(&self) -> Rate {
        self.rate
    }

    async fn tell(&self, story: &Story<'_>) -> Result<Option<String>, Refusal> {
        let at = self.began.elapsed().as_secs_f64();
        let mood = (self.moods)(at);
        let seqs = story.new.iter().map(|item| item.seq).collect();
        let message = story.message.map(str::to_owned);
        self.seen.lock().unwrap().push(Seen { run: story.about.key(), seqs, mood, at, message });
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
    fn takes(&self, notify: &Notify) -> Takes {
        self.0.get(&notify.name).map_or(Takes::Record, |stub| stub.takes)
    }

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
        journal.begin(&run, started("INC-7"), &holder::this_process(), "ann", self.now()).unwrap().0
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
