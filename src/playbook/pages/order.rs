//! The order of steps, the way back, the point of no return, and locks.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "duplicate-step",
        "Two steps have the same id.",
        "The timeline, other steps and people name a step by its id.",
        "- { id: look, argv: [uptime], effect: read }\n- { id: look, argv: [uptime], effect: read }\n",
        "- { id: look, argv: [uptime], effect: read }\n- { id: look_again, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "duplicate-checkpoint",
        "Two steps make a checkpoint of the same name.",
        "A rollback that names it would not know where to stop.",
        "- { id: a, argv: [uptime], effect: read, checkpoint: safe }\n- { id: b, argv: [uptime], effect: read, checkpoint: safe }\n",
        "- { id: a, argv: [uptime], effect: read, checkpoint: safe }\n- { id: b, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "unknown-step",
        "No step has this id.",
        "The nearest one is named.",
        "- { id: look, argv: [uptime], effect: read, needs: [lok] }\n",
        "- { id: a, argv: [uptime], effect: read }\n- { id: b, argv: [uptime], effect: read, needs: [a] }\n",
    ),
    page_of(
        "later-step",
        "A step needs itself or one that comes later, or names its outputs.",
        "Steps run in the order in which they are listed; so a circle of steps that need each other is found here too.",
        "- { id: a, argv: [uptime], effect: read, needs: [b] }\n- { id: b, argv: [uptime], effect: read, needs: [a] }\n",
        "- { id: a, argv: [uptime], effect: read }\n- { id: b, argv: [uptime], effect: read, needs: [a] }\n",
    ),
    page_of(
        "earlier-step",
        "`on_failure` goes on at a step that does not come later.",
        "It goes forward only: backwards it could go in circles. To go back there is `rollback_to`, to try again `retry`.",
        "- { id: a, argv: [uptime], effect: read }\n- { id: b, argv: [uptime], effect: read, on_failure: { step: a } }\n",
        "- { id: a, argv: [uptime], effect: read, on_failure: { step: b } }\n- { id: b, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "unknown-checkpoint",
        "No step makes a checkpoint of this name.",
        "The rollback would not know where to stop.",
        "- { id: a, argv: [uptime], effect: read, on_failure: { rollback_to: safe } }\n",
        "- { id: a, argv: [uptime], effect: read, checkpoint: safe }\n- { id: b, argv: [uptime], effect: read, on_failure: { rollback_to: safe } }\n",
    ),
    page_of(
        "later-checkpoint",
        "A rollback goes to a checkpoint that is not reached yet.",
        "A rollback goes back.",
        "- { id: a, argv: [uptime], effect: read, on_failure: { rollback_to: safe } }\n- { id: b, argv: [uptime], effect: read, checkpoint: safe }\n",
        "- { id: a, argv: [uptime], effect: read, checkpoint: safe }\n- { id: b, argv: [uptime], effect: read, on_failure: { rollback_to: safe } }\n",
    ),
    page_of(
        "crosses-no-return",
        "A rollback would go back across the point of no return.",
        "It is never crossed backwards: what lies before it cannot be restored any more, and half of it would be worse.",
        "- { id: a, argv: [uptime], effect: read, checkpoint: safe }\n- { id: b, run: go, point_of_no_return: true }\n- { id: c, argv: [uptime], effect: read, on_failure: { rollback_to: safe } }\n",
        "- { id: b, run: go, point_of_no_return: true, checkpoint: gone }\n- { id: c, argv: [uptime], effect: read, on_failure: { rollback_to: gone } }\n",
    ),
    page_of(
        "undo-of-no-return",
        "A step is a point of no return and has a rollback.",
        "One of the two is not meant: what can be undone is no point of no return.",
        "- { id: go, run: go, point_of_no_return: true, rollback: [{ run: back, effect: idempotent }] }\n",
        "- { id: go, run: go, point_of_no_return: true }\n",
    ),
    page_of(
        "idle-no-return",
        "A point of no return that changes nothing.",
        "From there on nothing is undone by itself, though nothing happened that could not be.",
        "- { id: look, argv: [uptime], effect: read, point_of_no_return: true }\n",
        "- { id: look, argv: [uptime], effect: read }\n",
    ),
    page_of(
        "no-forward-way",
        "A step behind the point of no return may run only once, and does not say what happens when it fails.",
        "There is no way back from there. A step that cannot be tried again needs `on_failure: pause`, `continue` or a step to go on at.",
        "- { id: go, run: go, point_of_no_return: true }\n- { id: then, run: then, rollback: none, because: it only goes on }\n",
        "- { id: go, run: go, point_of_no_return: true }\n- { id: then, run: then, rollback: none, because: it only goes on, on_failure: pause }\n",
    ),
    page_of(
        "may-be-skipped",
        "An output is named of a step that may be skipped.",
        "Where it was skipped there is no such output, and this step fails.",
        "- { id: a, argv: [uptime], effect: read, if: \"run.incident != null\" }\n- { id: b, argv: [echo, \"{{steps.a.outputs.stdout}}\"], effect: read }\n",
        "- { id: a, argv: [uptime], effect: read, if: \"run.incident != null\" }\n- { id: b, argv: [echo, \"{{steps.a.outputs.stdout}}\"], effect: read, needs: [a] }\n",
    ),
    page_of(
        "bad-lock",
        "A lock that names no resource.",
        "A resource is KIND/NAME, as two playbooks must mean the same thing by it.",
        "locks: [orders]\n",
        "locks: [\"database/orders\"]\n",
    ),
    page_of(
        "missing-lock",
        "A step changes a resource that the playbook does not lock.",
        "Two runs could change it at the same time, and undo each other.",
        "- { id: promote, uses: postgres.promote, with: { cluster: orders, member: pg2 }, point_of_no_return: true }\n",
        "locks: [\"database/orders\"]\nsteps:\n  - { id: promote, uses: postgres.promote, with: { cluster: orders, member: pg2 }, point_of_no_return: true }\n",
    ),
];
