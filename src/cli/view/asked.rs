//! What somebody who is asked about a step has to know before they answer: what was sent, where and when, what it printed
//! last, and what was seen when somebody looked. Never the values of an environment.

use serde_json::{Map, Value, json};

use crate::cli::clock;
use crate::cli::text::{Ink, Line, shorten};
use crate::cli::visible;
use crate::outcome::Stream;
use crate::run::{Question, QuestionKind, RunState, TaskState, Time};
use crate::value::format_seconds;

use super::command::Command;
use super::paragraph;
use super::plan::short;

/// How many lines of a script, and of what it printed, are shown.
const LINES: usize = 6;

/// Arguments that may hold what nobody should read over a shoulder.
const HIDDEN: [&str; 3] = ["environment", "headers", "body"];

/// What is known of the attempt that a question is about.
pub struct Sent<'a> {
    own_undo: bool,
    action: &'a str,
    doing: &'a TaskState,
    /// The machine that drives the run: a command without a host ran there.
    here: &'a str,
}

impl<'a> Sent<'a> {
    /// The attempt that a question is about; none where nothing was sent, or where it is not about one.
    pub fn of(state: &'a RunState, question: &'a Question) -> Option<Self> {
        let about_no_attempt =
            [QuestionKind::BehindPointOfNoReturn, QuestionKind::InvariantBroken, QuestionKind::WrongIdentity];
        if about_no_attempt.contains(&question.kind) {
            return None;
        }
        let doing = state.tasks.get(&question.task)?;
        doing.intent.as_ref()?;
        let step = state.step_of(&question.task)?;
        let here = state.holder.as_ref().map_or("this machine", |holder| holder.host.as_str());
        Some(Self { own_undo: state.is_own_undo(&question.task), action: &step.action, doing, here })
    }

    fn command(&self) -> Option<Command> {
        Command::of_arguments(self.action, &self.doing.intent.as_ref()?.arguments)
    }

    /// The arguments that may be shown.
    fn arguments(&self) -> Map<String, Value> {
        let arguments = self.doing.intent.as_ref().and_then(|intent| intent.arguments.as_object().cloned());
        let shown = |(name, value): &(String, Value)| !value.is_null() && !HIDDEN.contains(&name.as_str());
        arguments.unwrap_or_default().into_iter().filter(shown).collect()
    }

    /// What a look at the target afterwards said.
    fn seen(&self) -> Option<&str> {
        Some(self.doing.message()).filter(|text| self.doing.looked && !text.is_empty())
    }

    fn streams(&self) -> Vec<(&'static str, &'static str, Vec<String>)> {
        let Some(output) = self.doing.report.as_ref().and_then(|report| report.printed()) else {
            return Vec::new();
        };
        let all = [("stdout", "| ", &output.stdout), ("stderr", "! ", &output.stderr)];
        all.into_iter().map(|(name, mark, stream)| (name, mark, last_lines(stream))).collect()
    }

    /// For people.
    pub fn lines(&self, message: &str, now: Time, width: usize) -> Vec<Line> {
        let Some(intent) = &self.doing.intent else { return Vec::new() };
        let mut lines = Vec::new();
        let whole = |text: &str, mark: &str| {
            Line::plain("    ")
                .with(Ink::Plain, shorten(&format!("{mark}{}", visible::line(text)), width.saturating_sub(4)))
        };
        let command = self.command();
        let host = command.as_ref().and_then(|command| command.host.as_deref()).unwrap_or(self.here);
        let (kind, place) = match &command {
            Some(_) => ("the command".to_owned(), format!(" on {host}")),
            None if self.own_undo => (format!("the undo of {}", self.action), String::new()),
            None => (self.action.to_owned(), String::new()),
        };
        let text = format!(
            "What was sent: {kind}{place}, at {} UTC ({} ago), with {} to answer:",
            clock::time_of_day(intent.at),
            format_seconds(now.seconds_since(intent.at).max(0.0)),
            format_seconds(intent.timeout)
        );
        lines.extend(paragraph(&text, 2, width, Ink::Plain));
        match &command {
            Some(command) => {
                // Whole, as what stands at a line's end may be what matters.
                let shown = command.lines().take(LINES).map(|text| format!("$ {}", visible::line(text)));
                lines.extend(shown.flat_map(|text| paragraph(&text, 4, width, Ink::Plain)));
                if command.lines().count() > LINES {
                    lines.push(whole("(more in the playbook)", "… "));
                }
            }
            None => lines
                .extend(self.arguments().iter().map(|(name, value)| whole(&format!("{name} = {}", short(value)), ""))),
        }
        let streams = self.streams();
        if streams.iter().any(|(.., printed)| !printed.is_empty()) {
            lines.push(Line::plain("  What it printed last:"));
            for (_, mark, printed) in &streams {
                lines.extend(printed.iter().map(|text| whole(text, mark)));
            }
        }
        if let Some(seen) = self.seen().filter(|seen| !message.contains(*seen)) {
            lines.extend(paragraph(&format!("What was seen afterwards: {seen}"), 2, width, Ink::Plain));
        }
        lines
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let command = self.command();
        let host = command.as_ref().map(|command| command.host.as_deref().unwrap_or(self.here).to_owned());
        let printed: Map<String, Value> =
            self.streams().into_iter().map(|(name, _, lines)| (name.to_owned(), json!(lines))).collect();
        json!({
            "action": self.action, "host": host, "arguments": self.arguments(),
            "at": self.doing.intent.as_ref().map(|intent| intent.at.rfc3339()),
            "timeout_seconds": self.doing.intent.as_ref().map(|intent| intent.timeout),
            "printed": if printed.is_empty() { Value::Null } else { Value::Object(printed) },
            "seen": self.seen(),
        })
    }
}

fn last_lines(stream: &Stream) -> Vec<String> {
    let all: Vec<&str> = stream.text.lines().filter(|line| !line.trim().is_empty()).collect();
    all.get(all.len().saturating_sub(LINES)..).unwrap_or_default().iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;
    use crate::cli::view::samples::{self, Story};
    use crate::outcome::Report;
    use crate::run::{Event, Settlement, Task};

    fn asked(arguments: Value) -> Story {
        let mut plan = samples::plan();
        plan.playbook.steps[2].action = "shell".to_owned();
        let mut story = Story::with_plan(plan);
        story.done("roles", "").done("hold", "");
        let task: Task = "promote".parse().unwrap();
        let effect = crate::spec::Effect::Once;
        let (key, before) = ("k".to_owned(), json!({}));
        let (task_of, timeout, reverts_after) = (task.clone(), 30.0, None);
        story.add(
            0.1,
            Event::Intent { task: task_of, attempt: 1, arguments, before, key, effect, timeout, reverts_after },
        );
        story.outcome("promote", 30.0, Report::unknown("no answer within 30 s").with_output(samples::hostile()));
        let (settlement, evidence) = (Settlement::CannotTell, "no sign of it on pg2".to_owned());
        story.add(1.0, Event::Settled { task: task.clone(), attempt: 1, settlement, evidence });
        let message = "nobody can tell whether promote took effect".to_owned();
        let kind = QuestionKind::UnknownOutcome;
        story.add(0.0, Event::WaitStarted { question: Question { task, kind, message, deadline: None } });
        story
    }

    fn shown(story: &Story) -> String {
        let question = story.state.question.as_ref().unwrap();
        let look = Look { color: false, unicode: true, width: None };
        let lines = Sent::of(&story.state, question).unwrap().lines(&question.message, story.now(), 80);
        lines.iter().map(|line| line.render(&look) + "\n").collect()
    }

    #[test]
    fn a_question_shows_what_was_sent_what_it_printed_and_what_was_seen() {
        let script: String = (1..9).map(|number| format!("line {number}\n")).collect();
        let story = asked(json!({ "script": script, "environment": { "TOKEN": "s3cret" } }));
        insta::assert_snapshot!(shown(&story));
        let question = story.state.question.as_ref().unwrap();
        let json = Sent::of(&story.state, question).unwrap().json();
        assert_eq!(json["arguments"]["script"], script);
        assert_eq!(json["host"], "ops1");
        assert_eq!(json["seen"], "no sign of it on pg2");
        assert_eq!(json["printed"]["stdout"].as_array().unwrap().len(), 2);
        assert!(!json.to_string().contains("s3cret") && !shown(&story).contains("s3cret"));
    }

    #[test]
    fn words_are_shown_as_a_shell_reads_them() {
        assert!(shown(&asked(json!({ "argv": ["send", "a b"] }))).contains("    $ send 'a b'\n"));
    }
}
