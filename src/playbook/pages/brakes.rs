//! What holds a run back: approvals, identities, invariants, budgets.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "approval-while-down",
        "A step would wait for a person while the service is not up.",
        "Customers would wait for somebody to wake up. Ask before the step that takes the service down.",
        "- { id: stop, run: stop, service: down, rollback: { run: start, effect: idempotent } }\n- { id: switch, run: switch, approval: { roles: [dba] }, rollback: none, because: a test }\n",
        "- { id: stop, run: stop, service: down, approval: { roles: [dba] }, rollback: { run: start, effect: idempotent } }\n- { id: switch, run: switch, rollback: none, because: a test }\n",
    ),
    page_of(
        "approval-in-group",
        "An approval stands inside of a `parallel` or a `for_each`.",
        "It would be asked while others are under way, or once for each item. On the group one answer lets all of it begin.",
        "- id: all\n  for_each: [a, b]\n  steps:\n    - { id: one, run: go, approval: true, env: { ITEM: \"{{item}}\" }, rollback: none, because: a test }\n",
        "- id: all\n  for_each: [a, b]\n  approval: true\n  steps:\n    - { id: one, run: go, env: { ITEM: \"{{item}}\" }, rollback: none, because: a test }\n",
    ),
    page_of(
        "bad-approval",
        "An approval that nobody can give, or whose default cannot be taken.",
        "Behind the point of no return a run cannot go back, whatever a deadline says.",
        "- { id: go, run: go, point_of_no_return: true }\n- { id: then, run: then, effect: idempotent, rollback: none, because: a test, approval: { on_timeout: rollback } }\n",
        "- { id: go, run: go, point_of_no_return: true }\n- { id: then, run: then, effect: idempotent, rollback: none, because: a test, approval: { on_timeout: page } }\n",
    ),
    page_of(
        "bad-budget",
        "A budget from a later step to an earlier one, or between steps that run more than once.",
        "It bounds the time from the moment at which one step begins until another is done.",
        "steps:\n  - { id: hold, argv: [uptime], effect: read }\n  - { id: free, argv: [uptime], effect: read }\nbudgets: [{ from: free, to: hold, max: 20s }]\n",
        "steps:\n  - { id: hold, argv: [uptime], effect: read }\n  - { id: free, argv: [uptime], effect: read }\nbudgets: [{ from: hold, to: free, max: 20s }]\n",
    ),
    page_of(
        "bad-check",
        "The `broken_by` of a check is not made of values.",
        "It is an example that lint itself tries: nothing of a run is known there.",
        "invariants: [{ name: it runs, run: uptime, expr: outputs.stdout.contains('up'), broken_by: { stdout: \"{{inputs.x}}\" } }]\n",
        "invariants: [{ name: it runs, run: uptime, expr: outputs.stdout.contains('up'), broken_by: { stdout: gone } }]\n",
    ),
    page_of(
        "check-cannot-fail",
        "An identity or an invariant holds whatever its look reads.",
        "It would be a brake that never brakes. Lint looks for outputs that break it; where it finds none, an example shows them: `broken_by`.",
        "invariants: [{ name: one primary, uses: postgres.status, with: { cluster: orders }, expr: outputs.primaries >= 0 || outputs.primaries < 0 || true }]\n",
        "invariants: [{ name: one primary, uses: postgres.status, with: { cluster: orders }, expr: outputs.primaries <= 1 }]\n",
    ),
];
