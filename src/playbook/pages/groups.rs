//! Groups of steps: what may stand in them, and what may be named of them.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "parallel-sibling",
        "A step needs, or names the outputs of, a step that runs at the same time.",
        "The two begin together, so nothing of the other is known yet. Behind the group all of it is.",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: b, argv: [echo, \"{{steps.a.outputs.stdout}}\"], effect: read }\n",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: b, argv: [date], effect: read }\n- { id: c, argv: [echo, \"{{steps.a.outputs.stdout}}\"], effect: read }\n",
    ),
    page_of(
        "lonely-parallel",
        "A parallel group has only one step.",
        "It runs at the same time as nothing; perhaps another step was meant to be in it.",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: b, argv: [date], effect: read }\n",
    ),
    page_of(
        "parallel-no-return",
        "A point of no return stands inside of a parallel group.",
        "What runs beside it may be done before or after it, so nobody could say what a rollback still reaches.",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: go, run: go, point_of_no_return: true }\n",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: b, argv: [date], effect: read }\n- { id: go, run: go, point_of_no_return: true }\n",
    ),
    page_of(
        "inside-forward",
        "A step of a way forward is named from outside of it.",
        "It runs only if the step before it fails, so mostly there is nothing of it to be named.",
        "- { id: go, run: go, rollback: none, because: x, forward: [{ id: other, run: other-go, rollback: none, because: x }] }\n- { id: tell, argv: [echo, \"{{steps.other.outputs.stdout}}\"], effect: read }\n",
        "- { id: go, run: go, rollback: none, because: x, forward: [{ id: other, run: other-go, rollback: none, because: x }] }\n- { id: tell, argv: [echo, \"{{steps.go.outcome}}\"], effect: read }\n",
    ),
    page_of(
        "inside-for-each",
        "A step inside of a `for_each` is needed or named from outside of it.",
        "It ran once for each item, so there is not one output but many. The whole has `items`, `done` and `failed`.",
        "- { id: look, for_each: [web1, web2], argv: [ping, \"{{item}}\"], effect: read, name: Look }\n- id: rest\n  for_each: [web1, web2]\n  steps:\n    - { id: ask, argv: [ask, \"{{item}}\"], effect: read }\n- { id: sum, argv: [echo, \"{{steps.ask.outputs.stdout}}\"], effect: read }\n",
        "- id: rest\n  for_each: [web1, web2]\n  steps:\n    - { id: ask, argv: [ask, \"{{item}}\"], effect: read }\n- { id: sum, argv: [echo, \"{{json steps.rest.done}}\"], effect: read }\n",
    ),
    page_of(
        "nested-for-each",
        "A `for_each` stands inside of another one.",
        "Which item of which list an undo or an answer is about could not be said in one name.",
        "- id: all\n  for_each: [a, b]\n  steps:\n    - { id: each, for_each: [x, y], argv: [echo, \"{{item}}\"], effect: read }\n",
        "- { id: each, for_each: [a_x, a_y, b_x, b_y], argv: [echo, \"{{item}}\"], effect: read }\n",
    ),
    page_of(
        "nothing-to-take",
        "So many items have to stay healthy that not one could be taken in hand.",
        "`min_healthy` is what must be well beside the batch in hand. Where that is all of them, no batch could ever begin.",
        "- { id: all, for_each: [web1, web2], batch: { min_healthy: 2 }, argv: [ping, \"{{item}}\"], effect: read }\n",
        "- { id: all, for_each: [web1, web2], batch: { min_healthy: 1 }, argv: [ping, \"{{item}}\"], effect: read }\n",
    ),
    page_of(
        "checkpoint-in-group",
        "A checkpoint stands inside of a parallel group or a `for_each`.",
        "A checkpoint is a state to which a rollback can go back. Inside of a group half of the others may be done: that is no state that anybody knows. After the whole group it is one.",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read, checkpoint: safe }\n    - { id: b, argv: [date], effect: read }\n",
        "- id: both\n  parallel:\n    - { id: a, argv: [uptime], effect: read }\n    - { id: b, argv: [date], effect: read }\n  checkpoint: safe\n",
    ),
    page_of(
        "other-group",
        "`on_failure` goes on at a step that stands in another list of steps.",
        "A run does not jump into the middle of a group, nor out of one: what else is in it would be neither done nor skipped.",
        "- { id: a, argv: [uptime], effect: read, on_failure: { step: c } }\n- id: both\n  parallel:\n    - { id: b, argv: [uptime], effect: read }\n    - { id: c, argv: [date], effect: read }\n",
        "- { id: a, argv: [uptime], effect: read, on_failure: { step: both } }\n- id: both\n  parallel:\n    - { id: b, argv: [uptime], effect: read }\n    - { id: c, argv: [date], effect: read }\n",
    ),
];
