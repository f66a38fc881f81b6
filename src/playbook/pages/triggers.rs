//! What an alert may do with a playbook.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "trigger-input",
        "An input that may come from an alert takes any text, or is a secret.",
        "Whoever can write an alert's labels would choose it. A type with an alphabet of its own, or a pattern, bounds what they can say.",
        "inputs: { who: { type: string, default: a } }\ntriggers: { modes: [ask], inputs: [who] }\nsteps:\n  - { id: look, argv: [id, \"{{inputs.who}}\"], effect: read }\n",
        "inputs: { who: { type: identifier, default: a } }\ntriggers: { modes: [ask], inputs: [who] }\nsteps:\n  - { id: look, argv: [id, \"{{inputs.who}}\"], effect: read }\n",
    ),
    page_of(
        "trigger-no-return",
        "An alert may run the playbook past its point of no return, and nobody is asked before.",
        "An alert can be wrong. Where the switch is right all the same (the service is down already, and every check before it holds), say so.",
        "triggers: { modes: [run] }\nsteps:\n  - { id: go, run: go, point_of_no_return: true }\n",
        "triggers: { modes: [run], because: the service is down by then }\nsteps:\n  - { id: go, run: go, point_of_no_return: true }\n",
    ),
];
