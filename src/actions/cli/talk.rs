//! The conversation with a device: type a line, read until its prompt, see whether it took the line. It stops at the first
//! line that was not taken, and types nothing that it was not given, but for the blank that a pager waits for.

use std::time::{Duration, Instant};

use regex::Regex;

use super::patterns::{Patterns, is_question, pager_key};
use super::screen::Screen;
use crate::actions::OutputSink;
use crate::actions::command::{Capture, Cut, Wire};
use crate::outcome::Stream;

/// How long one look at the wire takes.
const BREATH: Duration = Duration::from_millis(100);
/// How long nothing may come behind the first prompt, before that is taken for it: a greeting may hold what looks like one.
const SETTLED: Duration = Duration::from_millis(200);
/// The same where the device does not show what is typed: then nothing else says which line an answer belongs to.
const NO_ECHO: Duration = Duration::from_secs(1);
/// How long a question stands there before it is taken for one.
const ASKED: Duration = Duration::from_secs(2);
/// How long a device that says nothing at all is let be before it gets a return.
const NUDGE: Duration = Duration::from_secs(3);
/// How long the first prompt is waited for: where it does not come by then it never does.
const GREETING: Duration = Duration::from_secs(20);
/// How many lines of a refusal are told.
const TOLD: usize = 3;

/// Why a conversation ended before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The device did not take a line, and what it said.
    Refused(String),
    /// It asks something.
    Asks(String),
    /// No prompt came in time; what stood there last.
    Silent(String),
    /// The terminal is gone.
    Cut(Cut),
}

/// One conversation.
pub(super) struct Talk<'w> {
    wire: &'w mut dyn Wire,
    patterns: &'w Patterns,
    live: OutputSink,
    until: Instant,
    screen: Screen,
    /// The device's name in its first prompt.
    name: Option<String>,
    /// The prompt that stands there.
    prompt: String,
    /// All of it, as on a screen.
    transcript: Capture,
    /// What the device printed, without prompts and what was typed.
    printed: Capture,
}

/// What is looked for in what the device prints.
pub(super) struct Wanted<'p> {
    patterns: &'p [Regex],
    seen: Vec<bool>,
}

impl<'p> Wanted<'p> {
    pub(super) fn of(patterns: &'p [Regex]) -> Self {
        Self { patterns, seen: vec![false; patterns.len()] }
    }

    fn look(&mut self, line: &str) {
        for (pattern, seen) in self.patterns.iter().zip(&mut self.seen) {
            *seen |= pattern.is_match(line);
        }
    }

    /// The first that was not seen.
    pub(super) fn missing(&self) -> Option<&'p Regex> {
        self.patterns.iter().zip(&self.seen).find(|(_, seen)| !**seen).map(|(pattern, _)| pattern)
    }
}

impl<'w> Talk<'w> {
    pub(super) fn new(wire: &'w mut dyn Wire, patterns: &'w Patterns, live: OutputSink, until: Instant) -> Self {
        Self {
            wire,
            patterns,
            live,
            until,
            screen: Screen::default(),
            name: None,
            prompt: String::new(),
            transcript: Capture::default(),
            printed: Capture::default(),
        }
    }

    /// Waits for the first prompt.
    pub(super) fn greet(&mut self) -> Result<(), Stop> {
        let whole = self.until;
        self.until = whole.min(Instant::now() + GREETING);
        let greeted = self.read_until_prompt(None, &mut Wanted::of(&[]));
        self.until = whole;
        greeted?;
        self.name = self.patterns.name(&self.prompt).map(str::to_owned);
        // A greeting is no answer to anything.
        self.printed = Capture::default();
        Ok(())
    }

    /// Types a line and reads what comes back.
    pub(super) fn say(&mut self, line: &str, wanted: &mut Wanted<'_>) -> Result<(), Stop> {
        self.show(&format!("{} {line}", self.prompt));
        self.screen.clear();
        self.wire.send(format!("{line}\n").as_bytes()).map_err(Stop::Cut)?;
        self.read_until_prompt(Some(line), wanted)
    }

    /// The prompt that stands there.
    pub(super) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// What the device printed since the last time that this was asked.
    pub(super) fn take_printed(&mut self) -> Stream {
        std::mem::take(&mut self.printed).finish()
    }

    /// All of it, as on a screen.
    pub(super) fn finish(self) -> (Stream, Stream) {
        (self.printed.finish(), self.transcript.finish())
    }

    fn read_until_prompt(&mut self, sent: Option<&str>, wanted: &mut Wanted<'_>) -> Result<(), Stop> {
        let mut echoed = false;
        let mut refused: Vec<String> = Vec::new();
        let mut last = Instant::now();
        let mut nudged = sent.is_some();
        loop {
            let piece = self.wire.receive(self.until.min(Instant::now() + BREATH)).map_err(Stop::Cut)?;
            if !piece.is_empty() {
                last = Instant::now();
            }
            for line in self.screen.push(&piece) {
                if !echoed && sent.is_some_and(|sent| line.ends_with(sent.trim_end())) {
                    echoed = true;
                    continue;
                }
                if refused.len() < TOLD && (!refused.is_empty() || sent.is_some() && self.patterns.refuses(&line)) {
                    refused.push(line.trim().chars().take(200).collect());
                }
                wanted.look(&line);
                self.keep(&line);
            }
            let (current, quiet) = (self.screen.current(), last.elapsed());
            if let Some(key) = pager_key(&current) {
                self.screen.clear();
                self.wire.send(key.as_bytes()).map_err(Stop::Cut)?;
                continue;
            }
            let settled = if echoed {
                Duration::ZERO
            } else if sent.is_none() {
                SETTLED
            } else {
                NO_ECHO
            };
            if quiet >= settled && self.patterns.is_prompt(&current, self.name.as_deref()) {
                self.prompt = current;
                return if refused.is_empty() { Ok(()) } else { Err(Stop::Refused(refused.join(" "))) };
            }
            if quiet >= ASKED && is_question(&current) {
                self.show(&current);
                return Err(Stop::Asks(current));
            }
            if !nudged && quiet >= NUDGE {
                nudged = true;
                self.wire.send(b"\n").map_err(Stop::Cut)?;
            }
            if Instant::now() >= self.until {
                self.show(&current);
                return Err(Stop::Silent(current));
            }
        }
    }

    /// Keeps a line that the device printed.
    fn keep(&mut self, line: &str) {
        self.printed.push(line.as_bytes());
        self.printed.push(b"\n");
        self.show(line);
    }

    fn show(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.transcript.push(line.as_bytes());
        (self.live)(false, line.as_bytes());
    }
}

#[cfg(test)]
#[path = "talk_tests.rs"]
pub(in crate::actions::cli) mod tests;
