//! Conversations with devices that are played here: each answers in pieces of its own size, as networks cut anywhere.

use std::collections::VecDeque;
use std::sync::Arc;

use super::*;
use crate::actions::cli::patterns::FAIL_ON;

/// A device: what it prints when it is given a line, and whether it shows what is typed.
pub(in crate::actions::cli) struct Device {
    answers: Vec<(&'static str, &'static str)>,
    pending: VecDeque<u8>,
    typed: String,
    pub(in crate::actions::cli) lines: Vec<String>,
    echo: bool,
    piece: usize,
}

impl Device {
    pub(in crate::actions::cli) fn new(greeting: &str, answers: &[(&'static str, &'static str)]) -> Self {
        Self {
            answers: answers.to_vec(),
            pending: greeting.bytes().collect(),
            typed: String::new(),
            lines: Vec::new(),
            echo: true,
            piece: 3,
        }
    }
}

impl Wire for Device {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Cut> {
        for byte in bytes {
            if *byte == b' ' && self.typed.is_empty() {
                // A pager takes one key, and what was held comes.
                self.lines.push("<blank>".to_owned());
                self.pending.extend(b"\r          \r");
                let held =
                    self.answers.iter().position(|(line, _)| *line == "<blank>").map(|at| self.answers.remove(at));
                self.pending.extend(held.map_or("r1# ", |(_, text)| text).bytes());
                continue;
            }
            if *byte != b'\n' {
                self.typed.push(char::from(*byte));
                continue;
            }
            let line = std::mem::take(&mut self.typed);
            if self.echo {
                self.pending.extend(format!("{line}\r\n").bytes());
            }
            let answer = self.answers.iter().position(|(known, _)| *known == line);
            let text = answer.map_or("r1# ", |at| self.answers.remove(at).1);
            self.lines.push(line);
            if text == "<closed>" {
                return Err(Cut::Lost("reset by peer".to_owned()));
            }
            self.pending.extend(text.bytes());
        }
        Ok(())
    }

    fn receive(&mut self, until: Instant) -> Result<Vec<u8>, Cut> {
        if self.pending.is_empty() {
            std::thread::sleep(until.saturating_duration_since(Instant::now()).min(Duration::from_millis(20)));
        }
        let length = self.piece.min(self.pending.len());
        Ok(self.pending.drain(..length).collect())
    }
}

fn usual() -> Patterns {
    Patterns::of(None, &FAIL_ON.map(str::to_owned)).unwrap()
}

/// Says lines until one is not taken: what was printed, and how it ended.
fn talk(device: &mut Device, patterns: &Patterns, lines: &[&str]) -> (String, Result<(), Stop>) {
    let until = Instant::now() + Duration::from_secs(5);
    let mut talk = Talk::new(device, patterns, Arc::new(|_, _| {}), until);
    let ended = talk.greet().and_then(|()| lines.iter().try_for_each(|line| talk.say(line, &mut Wanted::of(&[]))));
    (talk.finish().0.text, ended)
}

#[test]
fn what_is_printed_is_told_from_prompts_and_echoes() {
    let answers = [("show a", "one\r\ntwo\r\nr1# "), ("configure terminal", "r1(config)# "), ("end", "r1# ")];
    for piece in [1, 3, 1000] {
        let mut device = Device::new("Welcome\r\nfake# not yet\r\n\r\nr1# ", &answers);
        device.piece = piece;
        let (printed, ended) = talk(&mut device, &usual(), &["show a", "configure terminal", "end"]);
        assert_eq!((printed.as_str(), ended), ("one\ntwo\n", Ok(())));
        assert_eq!(device.lines, ["show a", "configure terminal", "end"]);
    }
}

#[test]
fn it_stops_at_the_first_line_that_is_not_taken() {
    let refusal = "           ^\r\n% Invalid input detected at '^' marker.\r\nr1(config)# ";
    let answers = [("configure terminal", "r1(config)# "), ("nonsense", refusal)];
    let lines = ["configure terminal", "nonsense", "reload"];
    let mut device = Device::new("r1# ", &answers);
    let (_, ended) = talk(&mut device, &usual(), &lines);
    assert!(matches!(&ended, Err(Stop::Refused(said)) if said.contains("% Invalid input")), "{ended:?}");
    assert_eq!(device.lines, ["configure terminal", "nonsense"]);
    // Without the patterns every line is sent: the device goes on after an error, and nothing else tells.
    let mut device = Device::new("r1# ", &answers);
    let (_, ended) = talk(&mut device, &Patterns::of(None, &[]).unwrap(), &lines);
    assert_eq!((ended, device.lines.len()), (Ok(()), 3));
}

#[test]
fn a_pager_gets_a_blank_and_leaves_nothing() {
    let answers = [("show long", "one\r\n --More-- "), ("<blank>", "two\r\n --More-- "), ("<blank>", "three\r\nr1# ")];
    let mut device = Device::new("r1# ", &answers);
    let (printed, ended) = talk(&mut device, &usual(), &["show long", "show b"]);
    assert_eq!((printed.as_str(), ended), ("one\ntwo\nthree\n", Ok(())));
    assert_eq!(device.lines, ["show long", "<blank>", "<blank>", "show b"]);
}

#[test]
fn a_question_gets_no_answer() {
    let mut device = Device::new("r1# ", &[("reload", "Proceed with reload? [confirm]")]);
    let (_, ended) = talk(&mut device, &usual(), &["reload", "yes"]);
    assert!(matches!(ended, Err(Stop::Asks(_))), "{ended:?}");
    assert_eq!(device.lines, ["reload"]);
}

#[test]
fn a_device_that_shows_nothing_of_what_is_typed_is_understood() {
    let mut device = Device::new("r1# ", &[("show a", "one\r\nr1# "), ("bad", "% Unknown command\r\nr1# ")]);
    device.echo = false;
    let (printed, ended) = talk(&mut device, &usual(), &["show a", "bad", "after"]);
    assert_eq!(printed, "one\n% Unknown command\n");
    assert!(matches!(ended, Err(Stop::Refused(_))));
    assert_eq!(device.lines, ["show a", "bad"]);
}

#[test]
fn a_prompt_that_never_comes_back_is_told_with_what_stands_there() {
    let mut device = Device::new("r1# ", &[("show a", "still at it")]);
    let patterns = usual();
    let mut talk = Talk::new(&mut device, &patterns, Arc::new(|_, _| {}), Instant::now() + Duration::from_millis(600));
    talk.greet().unwrap();
    assert_eq!(talk.say("show a", &mut Wanted::of(&[])), Err(Stop::Silent("still at it".to_owned())));
}

#[test]
fn however_much_is_printed_little_is_kept() {
    let flood = Box::leak(format!("{}r1# ", "a line of a very long table\r\n".repeat(20_000)).into_boxed_str());
    let mut device = Device::new("r1# ", &[("show all", flood)]);
    device.piece = 16 * 1024;
    let (printed, ended) = talk(&mut device, &usual(), &["show all"]);
    assert_eq!(ended, Ok(()));
    assert!(printed.len() < 70_000 && printed.contains("bytes left out"), "{}", printed.len());
}
