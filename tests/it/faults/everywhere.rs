//! kill -9 at every write, every flush to the disk and every call that starts or sends something, of the real binary: in
//! the run, and in the resume after it. No record that was told is lost, no effect is doubled, and every run comes to its
//! end or to a question.

use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::scenes::{BACKWARD, FORWARD, Scene};
use super::strace::{FLUSH, Point, killed_at, points};
use super::target::Target;
use crate::processes::{Place, said};

/// How many places are killed at the same time.
const WORKERS: usize = 2;

/// What all kills came to.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    calls: BTreeMap<String, usize>,
    before_the_run: usize,
    ended: usize,
    questions: usize,
    records: usize,
    sent_again: usize,
}

/// What a runner leaves behind for a resume that does not look: nothing, or all but what the recorder kept.
#[derive(Clone, Copy, PartialEq)]
enum Looks {
    Everywhere,
    Nowhere,
}

/// The records that a killed process had told: each of them was acknowledged before.
fn told(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // The last line may be cut.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["type"] == "record").collect()
}

/// Whether all that was told is in the journal, as it was told.
fn assert_none_lost(place: &Place, told: &[Value], context: &str) {
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let kept = timeline["records"].as_array().unwrap();
    for record in told {
        assert!(super::is_kept(record, kept), "{context}: this record was told and is lost: {record}\n{timeline:#}");
    }
}

/// One place, in which a scene is run, killed, perhaps killed again, and brought to its end.
struct Trial<'a> {
    scene: &'a Scene,
    target: &'a Target,
    place: Place,
    looks: Looks,
    tally: &'a Mutex<Tally>,
}

impl<'a> Trial<'a> {
    fn new(scene: &'a Scene, target: &'a Target, tally: &'a Mutex<Tally>, prepare: impl Fn(&Place)) -> Self {
        let place = Place::new();
        prepare(&place);
        Self { scene, target, place, looks: Looks::Everywhere, tally }
    }

    fn killed(&self, arguments: &[&str], point: &Point) -> bool {
        let (killed, output) = killed_at(self.scene.watched, self.place.command(arguments), point);
        assert!(!said(&output).contains("panicked"), "{point:?}\n{}", said(&output));
        let told = told(&output);
        if killed {
            let mut tally = self.tally.lock().unwrap();
            tally.kills += 1;
            *tally.calls.entry(point.0.clone()).or_default() += 1;
            tally.records += told.len();
        }
        if !told.is_empty() {
            assert_none_lost(&self.place, &told, &format!("{} {point:?}", self.scene.name));
        }
        killed
    }

    /// Kills it at a point of the run, and where one is named at a point of the resume; gives back what is wrong at the end.
    fn run(&self, first: &Point, second: Option<&Point>) -> Vec<String> {
        let book = self.scene.book(&self.place, self.target);
        if !self.killed(&["run", &book, "-y", "--output", "jsonl"], first) {
            // It made fewer calls this time and has ended.
            return self.finish();
        }
        let runs = self.place.json(&["list", "--runs", "--output", "json"]);
        if !runs.as_array().unwrap().iter().any(|run| run["playbook"] == self.scene.name) {
            assert!(self.scene.is_untouched(&self.place, self.target), "{first:?}: an effect before the first record");
            self.tally.lock().unwrap().before_the_run += 1;
            // What a kill left half-made of the state is in nobody's way.
            let _ = self.place.run(&["run", &book, "-y"]);
        }
        if self.looks == Looks::Nowhere {
            let _ = std::fs::remove_dir_all(self.place.path("state/spool"));
        }
        if let Some(second) = second {
            self.killed(&["resume", "latest", "--output", "jsonl"], second);
        }
        self.finish()
    }

    /// Goes on until it has ended, as a person would who is asked; it is never without an owner or a question.
    fn finish(&self) -> Vec<String> {
        for _ in 0..6 {
            let status = self.place.status();
            let code = match status["state"].as_str().unwrap() {
                "ended" => {
                    self.tally.lock().unwrap().ended += 1;
                    let code = status["exit"].as_i64().and_then(|code| i32::try_from(code).ok());
                    self.place.expect(0, &["verify", "latest"]);
                    return self.scene.damage(&self.place, self.target, code);
                }
                "interrupted" => self.place.run(&["resume", "latest"]).status.code(),
                "waiting" => {
                    self.tally.lock().unwrap().questions += 1;
                    let answer = self.scene.answer(&self.place, self.target, &status["question"]);
                    let step = status["question"]["task"].as_str().unwrap();
                    self.place.run(&["resolve", "latest", step, answer, "--reason", "looked"]).status.code()
                }
                other => panic!("a run without an owner is {other}: {status:#}"),
            };
            assert!(code != Some(70) && code != Some(65), "{code:?}: {status:#}");
        }
        vec![format!("it never ends: {:#}", self.place.status())]
    }
}

/// A state in which there is an older run already, as a folder to copy.
fn used_state() -> Place {
    let place = Place::new();
    let book = place.book("older", "  - { id: only, effect: read, run: \"true\" }\n");
    place.expect(0, &["run", &book, "-y"]);
    place
}

fn copy_state(from: &Place, to: &Place) {
    std::fs::create_dir(to.path("state")).unwrap();
    for entry in std::fs::read_dir(from.path("state")).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.path("state").join(entry.file_name())).unwrap();
        }
    }
}

/// The points of a scene's run, and of the resume after a kill in its middle.
fn all_points(scene: &Scene, target: &Target, prepare: impl Fn(&Place)) -> (Vec<Point>, Vec<Point>) {
    let place = Place::new();
    prepare(&place);
    let book = scene.book(&place, target);
    let (run, output) = points(scene.watched, place.command(&["run", &book, "-y"]), &place.path(""));
    let damage = scene.damage(&place, target, output.status.code());
    assert!(damage.is_empty(), "{}: not even without a kill: {damage:?}\n{}", scene.name, said(&output));
    let place = Place::new();
    prepare(&place);
    let book = scene.book(&place, target);
    let flushes = run.iter().filter(|(call, _)| call == FLUSH).count();
    let middle = (FLUSH.to_owned(), u32::try_from(flushes * 3 / 4).unwrap());
    assert!(
        killed_at(scene.watched, place.command(&["run", &book, "-y"]), &middle).0,
        "{}: no kill at {middle:?}",
        scene.name
    );
    let (resume, _) = points(scene.watched, place.command(&["resume", "latest"]), &place.path(""));
    (run, resume)
}

/// Kills a scene so often, at points that are spread over all; every third time the resume is killed as well.
fn kill_all_over(scene: &Scene, kills: usize, prepare: impl Fn(&Place) + Sync) -> Tally {
    let target = Target::start();
    let used = used_state();
    // Each tenth place has no state yet: there the making of it is killed as well.
    let in_used = |place: &Place| {
        copy_state(&used, place);
        prepare(place);
    };
    let (of_a_new_state, _) = all_points(scene, &target, &prepare);
    let (run, resume) = all_points(scene, &target, in_used);
    let tally = Mutex::new(Tally::default());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while tally.lock().unwrap().kills < kills {
                    let trial = next.fetch_add(1, Ordering::Relaxed);
                    // More trials than kills: a point that a run does not reach this time is not counted.
                    assert!(trial < kills * 2, "too few of {trial} runs were killed: {:?}", tally.lock().unwrap());
                    let is_new = trial % 10 == 9;
                    let list = if is_new { &of_a_new_state } else { &run };
                    let first = &list[spread(trial, kills, list.len())];
                    let second = (trial % 3 == 2).then(|| &resume[spread(trial, kills, resume.len())]);
                    let place = match is_new {
                        true => Trial::new(scene, &target, &tally, &prepare),
                        false => Trial::new(scene, &target, &tally, in_used),
                    };
                    let damage = place.run(first, second);
                    assert!(
                        damage.is_empty(),
                        "{} killed at {first:?} and {second:?}: {damage:#?}\n{}",
                        scene.name,
                        said(&place.place.run(&["timeline", "latest"]))
                    );
                    let again = scene.requests(&place.place, &target, "keyed").len() > 1;
                    tally.lock().unwrap().sent_again += usize::from(again);
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    eprintln!("{}: {} points in a run, {} in a resume; {tally:?}", scene.name, run.len(), resume.len());
    tally
}

/// The point of a trial, where all trials together go once through all points.
fn spread(trial: usize, trials: usize, points: usize) -> usize {
    (trial % trials * points / trials + trial / trials) % points
}

#[test]
fn killed_at_every_call_on_the_way_forward() {
    let tally = kill_all_over(&FORWARD, super::kills(300), |_| {});
    assert!(tally.questions > 0, "a request that may have been sent was never asked about: {tally:?}");
    assert!(tally.sent_again > 0, "no key was ever needed, so this shows nothing of keys: {tally:?}");
}

#[test]
fn killed_at_every_call_on_the_way_back() {
    kill_all_over(&BACKWARD, super::kills(300) * 3 / 10, |_| {});
}

#[cfg(feature = "ssh")]
#[test]
fn killed_at_every_call_of_a_command_over_ssh() {
    let sshd = crate::command::sshd::Sshd::start();
    kill_all_over(&super::scenes::REMOTE, super::kills(300) / 10, |place| super::with_host(place, &sshd, sshd.port));
}

/// The control: a runner that does not look at what the recorder kept runs things twice, and the count notices.
#[test]
fn a_runner_that_does_not_look_is_noticed() {
    let target = Target::start();
    let (run, _) = all_points(&FORWARD, &target, |_| {});
    let tally = Mutex::new(Tally::default());
    let writes: Vec<&Point> = run.iter().filter(|(call, number)| call == "pwrite64" && number % 4 == 0).collect();
    let damaged = writes.iter().filter(|point| {
        let mut trial = Trial::new(&FORWARD, &target, &tally, |_| {});
        trial.looks = Looks::Nowhere;
        !trial.run(point, None).is_empty()
    });
    let damaged = damaged.count();
    assert!(damaged > 0, "of {} kills without a look none did any damage that was noticed", writes.len());
    eprintln!("without a look at the recorder {damaged} of {} kills did damage", writes.len());
}
