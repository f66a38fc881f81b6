//! `ssh`: a command on a host of the inventory. What it runs is the playbook's affair; how it ended is kept by a recorder
//! on that host.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;

use super::command::{self, CommandError, step};
use super::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// How long the look at a host may take when a plan is made, beyond connecting.
const LOOK: Duration = Duration::from_secs(10);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut inputs = vec![FieldSpec::required(
        "host",
        Type::Reference("host".to_owned()),
        "The host of the inventory to run it on.",
    )];
    inputs.extend(step::inputs());
    ActionSpec {
        name: "ssh",
        summary: "Runs a command on a host of the inventory, over ssh.",
        details: "The host's key must be in the known_hosts file that the inventory names: an unknown or changed key is \
                  refused. Script, variables and arguments are sent over standard input to a fixed `sh`, quoted in one \
                  place, and never stand in a command line. A script ends at the first command that fails (`shell` says \
                  otherwise). The command is done when it exits with 0, or when the step's `ok_if` says so.\n\n\
                  It runs in a session of its own under a recorder on that host, which outlives the connection and keeps \
                  the output for seven days and the exit code for ninety: after a lost connection it is asked, and the \
                  command is never started twice. At its timeout it is left to end, as a tool that is killed half-way is \
                  often the damage, and the outcome is unknown until the recorder is asked; with `kill_on_timeout: true` \
                  its group is killed there and the step is failed. A host that cannot be reached before anything was \
                  sent changed nothing. Output is kept whole on that host while its spool is.",
        inputs,
        outputs: step::outputs(),
        facts: Vec::new(),
        effect: Effect::Once,
        fidelity: Fidelity::Unknown,
        proves: "Nothing of what the command will do; only that the host answers with its pinned key, that it lets us in, \
                 and that the program is there.",
        undo: UndoSpec::Impossible(
            "nobody can tell what a command changed: it is undone by the step's own `rollback:`",
        ),
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 60.0,
        open_inputs: false,
    }
});

/// A command on a host of the inventory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ssh;

#[async_trait]
impl Action for Ssh {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        let host = super::by_hand::value(arguments, "host");
        vec![super::by_hand::on_host(inventory, Some(&host), &super::by_hand::command(arguments))]
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let mut prediction = Prediction::unknown("what a command does is not known before it runs");
        let program = step::check(arguments)?;
        let Some(host) = arguments.get("host").filter(|host| !is_unknown(host)) else { return Ok(prediction) };
        let host = host.as_str().ok_or_else(|| ActionError::Invalid("`host` names no host".to_owned()))?;
        let program = program.unwrap_or_else(|| "sh".to_owned());
        match command::is_there(context, host, &program, LOOK).await {
            Ok(true) => prediction.notes.push(format!("{host} answers")),
            Ok(false) => prediction.notes.push(format!("{host} answers, but `{program}` is not found there now")),
            Err(CommandError::Invalid(why)) => return Err(ActionError::Invalid(why)),
            Err(CommandError::Unreachable(why) | CommandError::Lost(why)) => {
                return Err(ActionError::Unreachable(why));
            }
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        match host_of(&call.arguments) {
            Some(host) => step::run(context, call, Some(host)).await,
            None => Report::no_effect("`host` names no host"),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        match host_of(&call.arguments) {
            Some(host) => step::probe(context, call, Some(host)).await,
            None => Finding::DidNot { evidence: "`host` names no host".to_owned() },
        }
    }

    async fn undo(&self, _context: &Context, _call: &Call) -> Report {
        Report::no_effect("a command has no undo of its own: the step's `rollback:` says how it is undone")
    }
}

fn host_of(arguments: &Value) -> Option<&str> {
    arguments.get("host").and_then(Value::as_str)
}
