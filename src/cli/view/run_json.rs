//! A run for programs: one object, the same for `status`, `watch`, `run`. `docs/output.md` is its contract: add, never
//! rename.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::paste::Paste;
use crate::cli::runs::Doing;
use crate::outcome::Stream;
use crate::playbook::Step;
use crate::run::{RunState, Status, Task, TaskState, Time};
use crate::timeline::Entry;

use super::asked::Sent;
use super::{answers, approval, end, halted, next};

/// A run as it stands.
pub struct Standing<'a> {
    /// What is known of it.
    pub state: &'a RunState,
    /// What it is doing.
    pub doing: Doing,
    /// What the process returns.
    pub exit: u8,
    /// Where the state is.
    pub folder: &'a Path,
    /// How commands are printed.
    pub paste: &'a Paste,
}

impl Standing<'_> {
    /// The object; `kind` is its `type`.
    pub fn json(&self, kind: &str) -> Value {
        let state = self.state;
        let (verdict, ended, summary) = match &state.ended {
            Some((verdict, at, summary)) => (Some(*verdict), Some(*at), Some(summary.as_str())),
            None => (None, None, None),
        };
        json!({
            "v": 1, "type": kind, "run": state.run, "playbook": state.playbook().name,
            "version": state.playbook().version, "playbook_digest": state.playbook().digest, "digest": state.plan.digest,
            "state": self.doing.word(), "verdict": verdict, "exit": self.exit,
            "summary": summary, "incident": state.incident, "environment": state.plan.environment,
            "started": state.started.rfc3339(), "ended": ended.map(|at| at.rfc3339()),
            "seconds": ended.unwrap_or(state.updated).seconds_since(state.started),
            "service": state.service.map(|(service, since)| json!({ "is": service, "since": since.rfc3339() })),
            "point_of_no_return": state.point_of_no_return(), "rolling_back": state.rollback.is_some(),
            "halted": state.halted.as_ref().map(halted::json),
            "checkpoints": state.checkpoints.iter().map(|point| &point.name).collect::<Vec<_>>(),
            "recovery": state.recovery().map(|recovery| json!({
                "of": recovery.what, "since": recovery.since.rfc3339(), "from_failure": recovery.from_failure,
                "recovered": recovery.until.map(|at| at.rfc3339()), "seconds": recovery.seconds(),
            })),
            "narrowed": super::narrowed::json(&state.plan), "excluded": excluded(state),
            "locks": state.locks, "exceptions": state.exceptions,
            "inherited": state.inherited.as_deref().map(super::inherited::json),
            "steps": self.steps(), "question": self.question(),
            "next": next::next(state, self.doing, self.paste).into_iter().map(|(command, _)| command).collect::<Vec<_>>(),
            "state_folder": self.folder,
        })
    }

    /// One entry a step; one for each item where it runs for several and its list is known.
    fn steps(&self) -> Vec<Value> {
        self.state.whole().into_iter().map(|(step, task)| self.step(step, &task)).collect()
    }

    fn step(&self, step: &Step, task: &Task) -> Value {
        let state = self.state;
        let doing = state.doing(task);
        let word = match doing {
            _ if state.is_undone(task) => "undone",
            // A try that was refused before it was skipped says less than that it is.
            _ if state.skipped.contains_key(task) => "skipped",
            Some(doing) => doing.word(),
            None if state.skipped_around(task) => "skipped",
            None => "pending",
        };
        let seconds = doing.and_then(|doing| {
            let ended = doing.ended.filter(|_| doing.status != Status::InFlight)?;
            Some(ended.seconds_since(doing.started))
        });
        let mut entry = json!({
            "id": step.id, "title": step.title, "state": word, "attempts": doing.map_or(0, |doing| doing.attempt),
            "seconds": seconds, "message": doing.map(|doing| doing.message()),
            "outputs": doing.map(|doing| doing.outputs()), "output": doing.and_then(printed),
        });
        if let Some(item) = &task.item {
            entry["item"] = json!(item);
        }
        entry
    }

    fn question(&self) -> Option<Value> {
        let question = self.state.question.as_ref()?;
        let choices = answers::choices(self.state, question).into_iter().map(|choice| {
            json!({
                "command": end::resolve(self.state, question, choice.flag, self.paste), "leads_to": choice.leads_to,
            })
        });
        Some(json!({
            "task": question.task, "kind": question.kind, "message": question.message,
            "deadline": question.deadline.map(|at| at.rfc3339()),
            "skips": answers::skips(self.state, question).into_iter().map(|choice| json!({
                "command": end::skip(self.state, question, choice.flag, self.paste), "leads_to": choice.leads_to,
            })).chain(answers::giving_up(self.state, question).map(|(item, leads_to)| json!({
                "command": end::give_up(self.state, &item, self.paste), "leads_to": leads_to,
            }))).collect::<Vec<_>>(),
            "approval": approval::json(self.state, question),
            "sent": Sent::of(self.state, question).map(|sent| sent.json()), "answers": choices.collect::<Vec<_>>(),
        }))
    }
}

/// What is left out of the lists of a run, each with its `for_each` and why.
fn excluded(state: &RunState) -> Vec<Value> {
    let of = state.entered.iter().flat_map(|(task, entered)| entered.excluded.iter().map(move |one| (task, one)));
    of.map(|(task, one)| json!({ "group": task.step, "item": one.id, "why": one.why })).collect()
}

/// How much a step's command printed, and the hash of it all: what is kept of the text is in the timeline.
fn printed(task: &TaskState) -> Option<Value> {
    let output = task.report.as_ref()?.output.as_ref()?;
    let sizes =
        |stream: &Stream| json!({ "bytes": stream.bytes, "sha256": stream.sha256, "truncated": stream.truncated });
    Some(json!({ "stdout": sizes(&output.stdout), "stderr": sizes(&output.stderr) }))
}

/// One line of a timeline.
pub fn entry(run: &crate::ids::RunId, entry: &Entry, started: Time) -> Value {
    let mut line = json!({
        "v": 1, "type": "record", "run": run, "seq": entry.seq, "time": entry.time.rfc3339(),
        "seconds": entry.time.seconds_since(started), "actor": entry.actor, "step": entry.step, "kind": entry.kind,
        "text": entry.text, "detail": entry.detail,
    });
    if let Some(item) = &entry.item {
        line["item"] = json!(item);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    #[test]
    fn a_run_for_programs_keeps_its_form() {
        let story = samples::waiting();
        let paste = Paste::default();
        let standing = Standing {
            state: &story.state,
            doing: Doing::Waiting,
            exit: 12,
            folder: Path::new("/state"),
            paste: &paste,
        };
        insta::assert_json_snapshot!(standing.json("end"));
    }
}
