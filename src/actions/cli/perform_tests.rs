//! What an attempt ends in, with devices that are played.

use std::sync::Arc;

use super::*;
use crate::actions::cli::talk::tests::Device;
use crate::value::Value;

fn attempt(device: &mut Device, arguments: Value, reads: bool) -> Report {
    let ask = Ask::of(&arguments).unwrap();
    perform(&ask, device, Arc::new(|_, _| {}), Duration::from_secs(5), reads)
}

fn sends(lines: &[&str]) -> Value {
    json!({ "host": "r1", "lines": lines, "pager_off": ["terminal length 0"] })
}

#[test]
fn lines_that_are_taken_are_done_and_the_pager_is_off_before() {
    let mut device =
        Device::new("r1# ", &[("terminal length 0", "% Unknown command\r\nr1# "), ("show a", "one\r\nr1# ")]);
    let report = attempt(&mut device, sends(&["show a"]), false);
    assert_eq!((report.outcome, report.message.as_str()), (Outcome::Done, "r1 took the line"));
    assert_eq!(report.outputs, json!({ "stdout": "one" }));
    assert_eq!(device.lines, ["terminal length 0", "show a"]);
    assert!(report.output.unwrap().stdout.text.contains("r1# show a\none\n"));
}

#[test]
fn a_line_that_is_not_taken_fails_the_step_and_says_which() {
    let mut device = Device::new("r1# ", &[("b", "% Unknown command: b\r\nr1# ")]);
    let report = attempt(&mut device, sends(&["a", "b", "c", "d"]), false);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(
        report.message,
        "r1: it did not take line 2 of 4 of `lines`, `b`: % Unknown command: b, the 2 behind it were not sent"
    );
    assert_eq!(device.lines, ["terminal length 0", "a", "b"]);
}

#[test]
fn what_was_lost_is_unknown_and_what_was_not_begun_had_no_effect() {
    let mut device = Device::new("r1# ", &[("b", "<closed>")]);
    let report = attempt(&mut device, sends(&["a", "b"]), false);
    assert_eq!(report.outcome, Outcome::Unknown, "{}", report.message);
    let mut device = Device::new("r1# ", &[("a", "<closed>")]);
    assert_eq!(attempt(&mut device, sends(&["a"]), true).outcome, Outcome::Failed);
    let mut device = Device::new("r1# ", &[("terminal length 0", "<closed>")]);
    assert_eq!(attempt(&mut device, sends(&["a"]), false).outcome, Outcome::NoEffect);
    let mut device = Device::new("no prompt here: ", &[]);
    let ask = Ask::of(&sends(&["a"])).unwrap();
    let report = perform(&ask, &mut device, Arc::new(|_, _| {}), Duration::from_millis(500), false);
    assert_eq!(report.outcome, Outcome::NoEffect);
    assert!(report.message.contains("prompt: '^…$'"), "{}", report.message);
}

#[test]
fn what_is_expected_has_to_be_printed() {
    let answers = [("commit", "commit complete\r\nr1# ")];
    let mut arguments = sends(&["commit"]);
    arguments["expect"] = json!(["^commit complete$"]);
    assert_eq!(attempt(&mut Device::new("r1# ", &answers), arguments.clone(), false).outcome, Outcome::Done);
    let report = attempt(&mut Device::new("r1# ", &[]), arguments, false);
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.contains("`^commit complete$`"), "{}", report.message);
}

fn armed(within: &str) -> Value {
    let check = json!({ "lines": ["show it"], "expect": ["^good"], "within": within });
    let mut arguments = sends(&["commit confirmed 1"]);
    arguments["auto_revert"] = json!({ "after": "60s", "confirm": ["commit"], "check": check });
    arguments
}

#[test]
fn what_is_good_in_the_end_is_confirmed() {
    let mut device = Device::new("r1# ", &[("show it", "bad\r\nr1# "), ("show it", "good\r\nr1# ")]);
    let report = attempt(&mut device, armed("2s"), false);
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert!(report.message.contains("confirmed"));
    assert_eq!(device.lines, ["terminal length 0", "commit confirmed 1", "show it", "show it", "commit"]);
}

#[test]
fn what_is_not_good_is_never_confirmed() {
    let mut device = Device::new("r1# ", &[]);
    let report = attempt(&mut device, armed("300ms"), false);
    // While the timer may still run nobody can say what there will be: the run waits for its end, and looks then.
    assert_eq!(report.outcome, Outcome::Unknown);
    assert!(report.message.contains("takes back by itself, 60 s after"), "{}", report.message);
    assert!(!device.lines.contains(&"commit".to_owned()), "{:?}", device.lines);
}

#[test]
fn a_confirmation_is_never_sent_too_late() {
    let mut device = Device::new("r1# ", &[("slow", "one\r\nr1# ")]);
    let mut arguments = sends(&["slow"]);
    arguments["auto_revert"] = json!({ "after": "2s", "confirm": ["commit"], "check": { "lines": ["show it"], "expect": ["never"], "within": "2s" } });
    let report = attempt(&mut device, arguments, false);
    assert_eq!(report.outcome, Outcome::Unknown);
    assert!(!device.lines.contains(&"commit".to_owned()));
}
