//! A run on a terminal: a picture that is drawn again ten times a second, through one bar of indicatif, which knows how to
//! take back what it drew.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::frame::{self, Hint, Scene, Window};
use super::mirror::Told;
use super::{Reporter, interrupt_words};
use crate::cli::clock;
use crate::cli::paste::Paste;
use crate::cli::screen::Screen;
use crate::cli::terminal;
use crate::cli::text::Look;
use crate::engine::Observer;
use crate::ids::StepId;
use crate::run::{Decision, Event, Record, RunState, Task, Time};
use crate::timeline;

/// How much of a line that a command has not ended yet is kept.
const LINE_BYTES: usize = 4096;

/// Shows a run on a terminal.
pub struct Live {
    screen: Screen,
    shared: Arc<Shared>,
}

struct Shared {
    scene: Mutex<Scene>,
    /// What is told and not drawn yet: whoever draws folds it, and the run does not wait for that.
    told: Mutex<Vec<Told>>,
    /// Whether all must be told anew.
    lost: AtomicBool,
    hands: Mutex<Hands>,
    bar: Mutex<Option<ProgressBar>>,
    /// Whether there is a picture: asked at each record, without waiting for a terminal that takes nothing.
    shown: AtomicBool,
    over: AtomicBool,
}

/// What is known of the tasks in hand beyond their records.
#[derive(Default)]
struct Hands {
    current: BTreeMap<Task, Hint>,
    said: BTreeMap<Task, String>,
    partial: BTreeMap<Task, Vec<u8>>,
    /// What is looked at before it begins, since the last picture.
    begins: Vec<(Task, Time)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while drawing must not take the run with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Live {
    /// A picture on stderr.
    pub fn new(screen: Screen, paste: Paste) -> Self {
        let shared = Arc::new(Shared {
            scene: Mutex::new(Scene { paste, ..Scene::default() }),
            told: Mutex::default(),
            lost: AtomicBool::new(true),
            hands: Mutex::default(),
            bar: Mutex::new(None),
            shown: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let live = Self { screen, shared };
        live.draw_on();
        live
    }

    /// Draws until `over` says that it is enough.
    fn draw_on(&self) {
        let (drawn, look) = (Arc::clone(&self.shared), self.screen.err);
        std::thread::spawn(move || {
            while !drawn.over.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(100));
                drawn.draw(&look);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Scene)) {
        self.show();
        change(&mut locked(&self.shared.scene));
    }

    /// There is a picture from now on.
    fn show(&self) {
        if self.shared.shown.load(Ordering::Acquire) {
            return;
        }
        let mut bar = locked(&self.shared.bar);
        if bar.is_none() && !self.shared.over.load(Ordering::Acquire) {
            let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            terminal::silence();
            *bar = Some(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style));
            self.shared.shown.store(true, Ordering::Release);
        }
    }
}

impl Shared {
    /// Folds what was told since the last picture.
    fn catch_up(&self) {
        let told = std::mem::take(&mut *locked(&self.told));
        let mut scene = locked(&self.scene);
        for told in told {
            if !scene.run.take(told) {
                self.lost.store(true, Ordering::Release);
            }
        }
        let mut hands = locked(&self.hands);
        let begins = std::mem::take(&mut hands.begins);
        scene.current.clone_from(&hands.current);
        scene.said.clone_from(&hands.said);
        drop(hands);
        let Scene { run, .. } = &mut *scene;
        let Some(state) = &run.state else { return };
        for (task, at) in begins {
            let crowd = run.crowds.around(state, &task.step);
            if let (Some(crowd), Some(item)) = (crowd, &task.item) {
                crowd.begins(item, at);
            }
        }
    }

    fn draw(&self, look: &Look) {
        let bar = locked(&self.bar);
        let Some(bar) = bar.as_ref() else { return };
        let (rows, columns) =
            console::Term::stderr().size_checked().map_or((24, 80), |(r, c)| (usize::from(r), usize::from(c)));
        self.catch_up();
        let mut scene = locked(&self.scene);
        scene.turn += 1;
        // One column is left free, as some terminals wrap when the last one is written.
        let window = Window { width: columns.saturating_sub(1), rows: rows.saturating_sub(1) };
        let look = Look { width: Some(window.width), ..*look };
        let lines: Vec<String> = scene.lines(clock::now(), window).iter().map(|line| line.render(&look)).collect();
        drop(scene);
        bar.set_message(lines.join("\n") + "\n ");
        bar.tick();
        // The cursor rests at the start of an empty line: what others write there wraps no line of ours.
        let _ = std::io::stderr().write_all(b"\r");
    }

    fn clear(&self) {
        let mut bar = locked(&self.bar);
        self.shown.store(false, Ordering::Release);
        if let Some(bar) = bar.take() {
            bar.finish_and_clear();
            terminal::restore();
        }
    }
}

impl Observer for Live {
    fn planning(&self, step: &StepId) {
        self.change(|scene| {
            scene.planning = Some(step.to_string());
            scene.looks += 1;
        });
    }

    fn record(&self, record: &Record, state: &RunState) {
        self.show();
        let told = if self.shared.lost.swap(false, Ordering::AcqRel) {
            locked(&self.shared.scene).planning = None;
            Told::whole(state)
        } else {
            Told::next(record)
        };
        locked(&self.shared.told).push(told);
        let about = timeline::about(&record.event);
        let mut hands = locked(&self.shared.hands);
        match &record.event {
            Event::Intent { task, .. } | Event::Outcome { task, .. } | Event::Settled { task, .. } => {
                hands.current.remove(task);
                hands.said.remove(task);
                hands.partial.remove(task);
            }
            _ => {
                let is_of =
                    |task: &Task| about.is_none_or(|(step, item)| &task.step == step && task.item.as_ref() == item);
                hands.current.retain(|task, _| !is_of(task));
            }
        }
    }

    fn decision(&self, decision: &Decision, _state: &RunState) {
        let (task, words, wait) = match decision {
            Decision::Prepare { task, wait } if *wait > 0.0 => (task, "tried again", *wait),
            Decision::Prepare { task, wait } => (task, "looking at the target", *wait),
            Decision::Settle { task, wait } => (task, "looking what became of it", *wait),
            Decision::BetweenBatches { task, wait, .. } => (task, "pausing before the next batch", *wait),
            Decision::Verify { task } => (task, "waiting for what must hold after it", 0.0),
            _ => return,
        };
        self.show();
        let now = clock::now();
        let until = (wait > 0.0).then(|| now.plus_seconds(wait));
        let mut hands = locked(&self.shared.hands);
        hands.current.insert(task.clone(), Hint { words, until });
        if task.item.is_some() {
            hands.begins.push((task.clone(), now));
        }
    }

    fn output(&self, task: &Task, _stderr: bool, bytes: &[u8]) {
        let mut hands = locked(&self.shared.hands);
        let partial = hands.partial.entry(task.clone()).or_default();
        partial.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(partial).into_owned();
        if let Some(end) = partial.iter().rposition(|byte| *byte == b'\n') {
            partial.drain(..=end);
        }
        let excess = partial.len().saturating_sub(LINE_BYTES);
        partial.drain(..excess);
        if let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) {
            hands.said.insert(task.clone(), line.chars().take(LINE_BYTES).collect());
        }
    }
}

impl Reporter for Live {
    fn interrupted(&self, times: u32) {
        self.change(|scene| scene.notice = Some(interrupt_words(times)));
    }

    fn finish(&self) {
        if self.shared.over.swap(true, Ordering::AcqRel) {
            return;
        }
        self.shared.catch_up();
        self.shared.clear();
        let mut scene = locked(&self.shared.scene);
        scene.notice = None;
        scene.said.clear();
        if scene.run.state.is_some() {
            self.screen.picture(&frame::last(&scene));
        }
    }

    fn resumed(&self) {
        self.change(|scene| scene.notice = None);
        if self.shared.over.swap(false, Ordering::AcqRel) {
            self.draw_on();
        }
    }

    fn pause(&self) {
        self.shared.clear();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        self.shared.clear();
    }
}
