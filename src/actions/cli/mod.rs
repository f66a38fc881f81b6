//! `cli`: lines at the prompt of a device that has neither a shell nor an environment: a router, a switch, a firewall. What
//! the lines do is the playbook's affair; here it is seen whether the device took them.

mod ask;
mod patterns;
mod perform;
mod screen;
mod talk;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use self::ask::Ask;
use self::talk::{Stop, Talk, Wanted};
use super::command::{self, CommandError};
use super::{Action, ActionError, Call, Context};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Language, Prediction, UndoSpec};
use crate::value::{Type, Value, contains_unknown, is_unknown};

/// How long the look at a device may take when a plan is made, beyond connecting.
const LOOK: Duration = Duration::from_secs(20);

fn inputs() -> Vec<FieldSpec> {
    let texts = || Type::List(Box::new(Type::String));
    vec![
        FieldSpec::required("host", Type::Reference("host".to_owned()), "The device, a host of the inventory."),
        FieldSpec::required("lines", texts(), "What is typed, line by line, each when the prompt is back.")
            .read_as(Language::Lines),
        FieldSpec::optional(
            "look",
            texts(),
            "Lines that only read. They are typed when a plan is made, before the step and for its `verify`; what they print is the fact `seen`.",
        )
        .read_as(Language::Lines),
        FieldSpec::optional(
            "expect",
            texts(),
            "Regular expressions; each has to match a line that the device prints, or the step is failed.",
        ),
        FieldSpec::optional(
            "fail_on",
            texts(),
            "Regular expressions for a line by which the device says that it did not take what was typed.",
        )
        .or(json!(patterns::FAIL_ON)),
        FieldSpec::optional(
            "prompt",
            Type::String,
            "A regular expression for the prompt; where absent, those of most makers, with the name that it had first.",
        ),
        FieldSpec::optional("pager_off", texts(), "Lines that turn the pager off; one that the device does not know is let be.")
            .or(json!(["terminal length 0"]))
            .read_as(Language::Lines),
        FieldSpec::optional(
            "auto_revert",
            Type::Any,
            "Where the lines arm a revert (`commit confirmed 1`): `{ after: 60s, confirm: [LINES], check: { lines, expect, \
             within } }`, the time after which the device takes them back by itself, the lines that let them stand, and what \
             has to be seen before.",
        )
        .read_as(Language::Lines),
    ]
}

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "cli",
    summary: "Types lines at the prompt of a router, switch or firewall, over ssh.",
    details: "For devices that have a prompt and no shell. It logs in as `ssh` does (the key must be pinned in known_hosts) with \
        the host's `identity_file`, else with its `password:`, also where that is asked for keyboard-interactive. It asks for a \
        terminal, waits for the prompt, types one line, reads until the prompt is back, and stops at the first line that the \
        device did not take (`fail_on`), as most say so and end well all the same. A pager is turned off (`pager_off`), and where \
        it stops in spite of that it gets a blank. A question gets no answer: the step is failed. When the last line has been \
        taken the terminal is closed, so end with `end` or `exit` where the device keeps what is half done.\n\nA line is \
        literal, or takes values of a safe alphabet (ip, cidr, integer, size, duration, choice, identifier, an entry of the \
        inventory); one that holds a line feed, another control character or a question mark is refused before anything is \
        sent.\n\n`effect: read` lets it run in a dry-run: lines that are known to change something are refused then. What else a \
        line does nobody here knows: `effect: idempotent`, or a `probe:` that looks, spares a question after a lost connection, \
        and `rollback:` says how it is undone.\n\nWith `auto_revert` the confirmation is part of the attempt. While the device \
        counts nobody is asked anything; when its time has passed, what it has then is looked at. An attempt that is not \
        confirmed (its check does not hold, the runner is killed, the change cut us off) is taken back by the device itself.",
    inputs: inputs(),
    outputs: vec![
        FieldSpec::required(
            "stdout",
            Type::String,
            "What the device printed, without prompts and what was typed; of more than 64 KiB the head and the tail.",
        )
        .volatile(),
    ],
    facts: vec![FieldSpec::optional("seen", Type::String, "What the lines of `look` print.").volatile()],
    effect: Effect::Once,
    fidelity: Fidelity::Unknown,
    proves: "Nothing of what the lines will do; that the device answers with its pinned key, lets us in and shows its prompt, \
        and what `look` prints.",
    undo: UndoSpec::Impossible("nobody can tell what lines changed: they are undone by the step's own `rollback:`"),
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 60.0,
    open_inputs: false,
});

/// Lines at a device's prompt.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cli;

#[async_trait]
impl Action for Cli {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::at_prompt(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let mut prediction = Prediction::unknown("what lines do at a device is not known before it takes them");
        // What is known is held to its form although other parts are not there yet.
        if !contains_unknown(arguments) {
            Ask::of(arguments).map_err(ActionError::Invalid)?;
        }
        let Some(host) = arguments.get("host").filter(|host| !is_unknown(host)).and_then(Value::as_str) else {
            return Ok(prediction);
        };
        let looks = match arguments.get("look") {
            Some(look) if contains_unknown(look) => Vec::new(),
            _ => ask::look(arguments).map_err(ActionError::Invalid)?,
        };
        let (prompt, seen) = look(context, host, arguments, looks).await?;
        prediction.notes.push(format!("{host} answers, its prompt is {prompt}"));
        if let Some(seen) = seen {
            prediction.facts = json!({ "seen": seen });
        }
        Ok(prediction)
    }

    fn reverts_after(&self, arguments: &Value) -> Option<f64> {
        let ask = Ask::of(arguments).ok()?;
        // The timer may begin with the last of the lines, which may come as late as the attempt lasts: from when it ended on,
        // no more than this can be left.
        ask.revert.map(|revert| revert.after.as_secs_f64())
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let reads = call.effect == Effect::Read;
        let ask = match Ask::of(&call.arguments)
            .and_then(|ask| if reads { ask.only_reads().map(|()| ask) } else { Ok(ask) })
        {
            Ok(ask) => ask,
            Err(why) => return Report::no_effect(why),
        };
        let (host, live, limit) = (ask.host.clone(), context.output.clone(), call.timeout);
        let done =
            command::converse(context, &host, limit, move |wire| perform::perform(&ask, wire, live, limit, reads));
        match done.await {
            Ok(report) => report,
            Err(CommandError::Unreachable(why) | CommandError::Invalid(why) | CommandError::Lost(why)) => {
                Report::no_effect(why)
            }
        }
    }

    async fn probe(&self, _context: &Context, call: &Call) -> Finding {
        if let Err(evidence) = Ask::of(&call.arguments) {
            return Finding::DidNot { evidence };
        }
        Finding::CannotTell { evidence: "a device keeps no account of the lines that it was sent".to_owned() }
    }

    async fn undo(&self, _context: &Context, _call: &Call) -> Report {
        Report::no_effect("lines have no undo of their own: the step's `rollback:` says how they are undone")
    }
}

/// Logs in and looks: the prompt, and what the lines of `look` print.
async fn look(
    context: &Context,
    host: &str,
    arguments: &Value,
    looks: Vec<String>,
) -> Result<(String, Option<String>), ActionError> {
    let ask = to_look(host, arguments).map_err(ActionError::Invalid)?;
    let name = host.to_owned();
    let talked = command::converse(context, host, LOOK, move |wire| {
        // What a look prints is of no interest to whoever watches the step.
        let mut talk = Talk::new(wire, &ask.patterns, Arc::new(|_, _| {}), Instant::now() + LOOK);
        perform::begin(&ask, &mut talk).map_err(|(_, why)| ActionError::Unreachable(why))?;
        for line in &looks {
            talk.say(line, &mut Wanted::of(&[])).map_err(|stop| match stop {
                Stop::Refused(said) => ActionError::Invalid(format!("{name} does not take the look `{line}`: {said}")),
                _ => ActionError::Unreachable(format!("{name} did not answer the look `{line}` in time")),
            })?;
        }
        let prompt = talk.prompt().to_owned();
        let printed = talk.take_printed().text.trim_end_matches('\n').to_owned();
        Ok((prompt, (!looks.is_empty()).then_some(printed)))
    });
    match talked.await {
        Ok(seen) => seen,
        Err(CommandError::Invalid(why)) => Err(ActionError::Invalid(why)),
        Err(CommandError::Unreachable(why) | CommandError::Lost(why)) => Err(ActionError::Unreachable(why)),
    }
}

/// What a look needs of a step's arguments, whatever is not known yet of the others.
fn to_look(host: &str, arguments: &Value) -> Result<Ask, String> {
    let known = |name: &str| arguments.get(name).filter(|value| !contains_unknown(value)).cloned().unwrap_or_default();
    let mut wanted =
        json!({ "host": host, "lines": ["look"], "pager_off": known("pager_off"), "prompt": known("prompt") });
    if let (Some(map), fail_on) = (wanted.as_object_mut(), known("fail_on"))
        && !fail_on.is_null()
    {
        map.insert("fail_on".to_owned(), fail_on);
    }
    Ask::of(&wanted)
}
