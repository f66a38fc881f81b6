//! One step: what it does, and how it is undone.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "no-action",
        "The step says nothing of what it does.",
        "It has one of `uses` (an action), `run` (a script) and `argv` (a command).",
        "- { id: look }\n",
        "- { id: look, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "two-actions",
        "The step says twice what it does.",
        "A step is what is recorded, tried again and undone: each thing is a step of its own.",
        "- { id: look, run: uptime, argv: [uptime], effect: read }\n",
        "- { id: look, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "unknown-action",
        "There is no such action.",
        "The nearest name is given. `playbook show --action NAME` shows what an action takes.",
        "- { id: look, uses: htpp, with: { url: \"http://localhost/\" } }\n",
        "- { id: look, uses: http, with: { url: \"http://localhost/\" } }\n",
    ),
    page_of(
        "unknown-argument",
        "The action takes no argument of this name.",
        "It would be ignored in silence.",
        "- { id: look, uses: http, with: { url: \"http://localhost/\", adress: x } }\n",
        "- { id: look, uses: http, with: { url: \"http://localhost/\" } }\n",
    ),
    page_of(
        "missing-argument",
        "The action needs an argument that is not given.",
        "It could not act.",
        "- { id: look, uses: http }\n",
        "- { id: look, uses: http, with: { url: \"http://localhost/\" } }\n",
    ),
    page_of(
        "effect-fixed",
        "`effect` or `probe` is given for an action that knows its own.",
        "Only for commands and HTTP requests the playbook has to say it.",
        "- { id: look, uses: postgres.status, with: { cluster: orders }, effect: read }\n",
        "- { id: look, uses: postgres.status, with: { cluster: orders } }\n",
    ),
    page_of(
        "missing-probe",
        "`effect: probed` without a `probe`.",
        "It says that a look at the target can tell whether the step took effect. That look is the probe.",
        "- { id: mark, run: touch /tmp/x, effect: probed, rollback: none, because: a file more does no harm }\n",
        "- id: mark\n  run: touch /tmp/x\n  probe: { run: test -e /tmp/x, ok_if: outputs.exit_code < 2, took_effect: outputs.exit_code == 0 }\n  rollback: none\n  because: a file more does no harm\n",
    ),
    page_of(
        "unused-probe",
        "A `probe` beside an `effect` that never asks it.",
        "A step that is `read`, `idempotent` or `keyed` is simply run again; a `once` step asks a person.",
        "- id: mark\n  run: touch /tmp/x\n  effect: idempotent\n  probe: { run: test -e /tmp/x, took_effect: outputs.exit_code == 0 }\n  rollback: none\n  because: a file more does no harm\n",
        "- id: mark\n  run: touch /tmp/x\n  effect: idempotent\n  rollback: none\n  because: a file more does no harm\n",
    ),
    page_of(
        "idle-key",
        "A key that does nothing where it stands, or not what it seems to do.",
        "Whoever wrote it believes that it does something, and would find out in the outage.",
        "- { id: look, argv: [uptime], effect: read, kill_on_timeout: true }\n",
        "- { id: look, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "idle-retry",
        "A step that may run only once has a `retry`.",
        "After a failure nobody knows how much of it has happened, so it is not tried again: only where certainly nothing was sent \
         (its host was not reachable).",
        "- { id: mark, run: touch /tmp/x, retry: { attempts: 3 }, rollback: none, because: a file more does no harm }\n",
        "- { id: mark, run: touch /tmp/x, effect: idempotent, retry: { attempts: 3 }, rollback: none, because: a file more does no harm }\n",
    ),
    page_of(
        "template-in-name",
        "`{{…}}` stands in a name, a title or a reason.",
        "These are shown as they are written, everywhere and before any input is known; brackets would be shown too.",
        "- { id: look, name: \"How {{inputs.cluster}} is\", argv: [uptime], effect: read }\n",
        "- { id: look, name: How the cluster is, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "probe-changes",
        "The probe is an action that changes something.",
        "A probe only looks: it runs when nobody knows how things stand.",
        "- id: mark\n  run: touch /tmp/x\n  probe: { uses: postgres.promote, with: { cluster: a, member: b }, took_effect: \"true\" }\n  rollback: none\n  because: a file more does no harm\n",
        "- id: mark\n  run: touch /tmp/x\n  probe: { run: test -e /tmp/x, took_effect: outputs.exit_code == 0 }\n  rollback: none\n  because: a file more does no harm\n",
    ),
    page_of(
        "no-rollback",
        "A step changes something, and nothing says how that is undone.",
        "When a later step fails, this one's change stays. That may be right; then say why, as whoever reads the timeline will ask.",
        "- { id: clear, run: rm -rf /var/cache/app }\n",
        "- { id: clear, run: rm -rf /var/cache/app, rollback: none, because: the application fills it again }\n",
    ),
    page_of(
        "rollback-not-repeatable",
        "A step of a rollback may run only once.",
        "An undo that was interrupted is run again. Twice must be the same as once, or a probe must tell.",
        "- { id: stop, run: stop-app, rollback: [{ run: start-app }] }\n",
        "- { id: stop, run: stop-app, rollback: [{ run: start-app, effect: idempotent }] }\n",
    ),
];
