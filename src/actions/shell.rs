//! `shell`: a command on this host. What it runs is the playbook's affair; how it ended is kept by the recorder.

use std::path::Path;
use std::sync::LazyLock;

use async_trait::async_trait;

use super::command::step;
use super::{Action, ActionError, Call, Context, recorder};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, Prediction, UndoSpec};
use crate::value::Value;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "shell",
    summary: "Runs a command on this host.",
    details: "A script gets its values from its environment, an argument list takes them as they are; neither is ever \
              put together from text. A script ends at the first command that fails (`shell` says otherwise). The \
              command is done when it exits with 0, or when the step's `ok_if` says so.\n\n\
              It runs in a process group of its own under a recorder, which outlives the runner and keeps the exit code \
              and the output: a runner that is killed finds out later how it ended, and never starts it twice. At its \
              timeout the whole group gets SIGTERM, two seconds later SIGKILL, and the step is failed. What it leaves \
              running on purpose goes on after it. With `effect: read` it runs without a recorder, and also in a dry-run.",
    inputs: step::inputs(),
    outputs: step::outputs(),
    facts: Vec::new(),
    effect: Effect::Once,
    fidelity: Fidelity::Unknown,
    proves: "Nothing of what the command will do; only that the arguments make a command and that its program is there.",
    undo: UndoSpec::Impossible("nobody can tell what a command changed: it is undone by the step's own `rollback:`"),
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// A command on this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shell;

#[async_trait]
impl Action for Shell {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, _: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        vec![super::by_hand::command(arguments)]
    }

    fn ahead(&self, spool: &Path) {
        recorder::ahead(spool);
    }

    async fn plan(&self, _context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let mut prediction = Prediction::unknown("what a command does is not known before it runs");
        if let Some(program) = step::check(arguments)?.filter(|program| !is_there(program)) {
            prediction.notes.push(format!("`{program}` is not found on this host now"));
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        step::run(context, call, None).await
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        step::probe(context, call, None).await
    }

    async fn undo(&self, _context: &Context, _call: &Call) -> Report {
        Report::no_effect("a command has no undo of its own: the step's `rollback:` says how it is undone")
    }
}

/// Whether a program can be found, as far as that can be seen from here.
fn is_there(program: &str) -> bool {
    let is_executable =
        |path: &Path| path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok();
    if program.contains('/') {
        return is_executable(program.as_ref());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}
