//! Playbooks that are nested in others.

use super::{Page, page_of};

pub(super) const PAGES: &[Page] = &[
    page_of(
        "unknown-playbook",
        "A nested playbook is not there, or not in this version.",
        "It is looked for beside the file and in the folders of playbooks. A version may be the beginning of one: `\"1.4\"` is the newest 1.4.x that there is, or the one that playbook.lock pins.",
        "- { id: switch, uses: playbook, with: { name: swich, version: \"1.4\", inputs: { cluster: orders } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "broken-playbook",
        "A nested playbook has faults of its own.",
        "Its steps would run as part of this one. `playbook lint` of its file shows all of them.",
        "- { id: switch, uses: playbook, with: { name: broken, version: \"1.4\", inputs: { cluster: orders } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "nested-cycle",
        "Playbooks nest each other in a circle.",
        "All steps of nested playbooks are put into the one that runs them; a circle would never end.",
        "- { id: switch, uses: playbook, with: { name: circle, version: \"1.0\", inputs: { } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "nested-too-deep",
        "Playbooks are nested more than 8 deep, or the ids on the way down are too long together.",
        "A step is called by the way to it, `switch/promote`; nobody follows a long one at night.",
        "- { id: switch, uses: playbook, with: { name: deep, version: \"1.0\", inputs: { } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "missing-input",
        "A nested playbook is not given an input that it needs.",
        "It would stop the run at its first step.",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "lock-differs",
        "A nested playbook is not what playbook.lock says it is.",
        "Somebody changed it without raising its version, and whoever nests it has not looked at it since. `playbook lock` accepts it.",
        "- { id: switch, uses: playbook, with: { name: changed, version: \"1.4\", inputs: { cluster: orders } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "lock-unreadable",
        "playbook.lock cannot be read.",
        "Nobody could say whether the nested playbooks are those that were looked at. `playbook lock` writes it anew.",
        "- { id: switch, uses: playbook, with: { name: unreadable, version: \"1.4\", inputs: { cluster: orders } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
    page_of(
        "not-locked",
        "No playbook.lock pins a nested playbook.",
        "It runs as it is found, whoever changed it last. `playbook lock` writes the file; commit it beside the playbooks.",
        "- { id: switch, uses: playbook, with: { name: loose, version: \"1.4\", inputs: { cluster: orders } } }\n",
        "- { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n",
    ),
];
