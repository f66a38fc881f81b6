//! What stands in the way on our own side: a store that fails, a pace that leaves no room, secrets that nobody needs yet.

use std::sync::atomic::AtomicUsize;

use super::super::store::Store;
use super::faulty::disk_full;
use super::*;
use crate::journal::JournalError;

#[tokio::test(start_paused = true)]
async fn what_arrived_is_not_sent_again_where_it_could_not_be_written_down() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let stage = Stage::new(&[("a", &stub)]);
    let mut deliverer = stage.deliverer();
    deliverer.telling.open = stage.faulty_once(|_, _| Err(disk_full()));
    let (stop, stopped) = watch::channel(false);
    let work = async {
        stage.whole_run("r-1", 4);
        seconds(60).await;
        stop.send_replace(true);
    };
    tokio::join!(deliverer.run(stopped), work);
    let seen: Vec<u64> = stub.seen().into_iter().flat_map(|seen| seen.seqs).collect();
    assert_eq!(seen, [1, 2, 3, 4], "each once");
    assert!(stage.outbox().standings().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_written_while_the_store_was_opened_anew_is_seen() {
    let stage = Stage::new(&[]);
    drop(stage.journal());
    let file = stage.file();
    let store = Store::new(Arc::new(move || Ok(Box::new(SqliteJournal::open_for_telling(&file)?))));
    let before = store.version().unwrap();
    assert_eq!(store.version().unwrap(), before);
    let fails = |_: &mut dyn Outbox| Err::<(), _>(JournalError::Unsuitable("a fault".to_owned()));
    store.with(fails).unwrap_err();
    stage.whole_run("r-1", 3);
    assert_ne!(store.version().unwrap(), before);
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_over_while_there_is_no_room_comes_back_by_itself() {
    let mut stub = Stub::new(Takes::Record, |_| Mood::Well);
    stub.rate = Rate { interval: 60_000, burst: 1 };
    let mut stage = Stage::new(&[("a", &stub)]);
    stage.targets = vec![target("a", ", events: [run_ended]")];
    while_telling(&stage, async {
        stage.whole_run("r-1", 3);
        seconds(2).await;
        let mut journal = stage.journal();
        let lease = stage.begin(&mut journal, "r-2");
        stage.note(&mut journal, &lease, "of no interest");
        seconds(2).await;
        assert_eq!(stub.told("r-1"), [3]);
        assert_eq!(stage.outbox().standings().unwrap().len(), 1, "there is no room for a minute");
        seconds(120).await;
        assert!(stage.outbox().standings().unwrap().is_empty(), "nobody has written anything meanwhile");
    })
    .await;
}

/// Tellers that count how often their secrets are read.
struct Counted(Stubs, Arc<AtomicUsize>);

#[async_trait]
impl Tellers for Counted {
    fn takes(&self, notify: &Notify) -> Takes {
        self.0.takes(notify)
    }

    async fn make(&self, notify: &Notify) -> Result<(Arc<dyn Teller>, Masker), String> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.make(notify).await
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_read_before_there_is_something_to_tell() {
    let stub = Stub::new(Takes::Record, |_| Mood::Well);
    let mut stage = Stage::new(&[("a", &stub)]);
    stage.targets = vec![target("a", ", events: [run_ended]")];
    let read = Arc::new(AtomicUsize::new(0));
    let mut deliverer = stage.deliverer();
    deliverer.telling.tellers = Arc::new(Counted(Stubs(stage.stubs.clone()), Arc::clone(&read)));
    let (stop, stopped) = watch::channel(false);
    let work = async {
        let mut journal = stage.journal();
        let lease = stage.begin(&mut journal, "r-1");
        stage.note(&mut journal, &lease, "of no interest");
        seconds(5).await;
        assert_eq!(read.load(Ordering::Relaxed), 0);
        stage.end(&mut journal, &lease);
        seconds(5).await;
        stop.send_replace(true);
    };
    tokio::join!(deliverer.run(stopped), work);
    assert_eq!((read.load(Ordering::Relaxed), stub.told("r-1")), (1, vec![4]));
}
