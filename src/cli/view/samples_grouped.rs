//! A plan with groups of steps, for so many hosts, of which one is patched already and one cannot be.

use serde_json::json;

use crate::actions::Table;
use crate::diagnostic::Source;
use crate::ids::Digest;
use crate::plan::{Decided, Item, Plan, PlannedGroup, PlannedStep, Requirement, items_of};
use crate::playbook::{Group, Playbook, load};
use crate::spec::{Fidelity, Specs};

use super::{change, planned};

const TEXT: &str = "name: patch
version: 2.1.0
title: Patch the web tier
owner: team-web
inputs:
  hosts: { type: list, items: identifier, required: true }
locks: [service/web]
steps:
  - id: look
    name: Look at both sides
    parallel:
      - { id: left, name: What the proxy says, argv: [proxyctl, show], effect: read }
      - { id: right, name: What the monitor says, argv: [monitorctl, show], effect: read, timeout: 5s }
  - id: patch
    name: Patch them
    for_each: \"{{inputs.hosts}}\"
    batch: { size: 2, max_failures: 1 }
    argv: [patch, \"{{item}}\"]
    effect: idempotent
    rollback: [{ argv: [unpatch, \"{{item}}\"], effect: idempotent }]
    checkpoint: patched
  - id: turn
    name: Let each in again
    if: size(steps.patch.failed) == 0
    for_each: \"{{inputs.hosts}}\"
    steps:
      - { id: undrain, name: Let it in, argv: [undrain, \"{{item}}\"], rollback: none, because: it is as it was }
      - { id: greet, name: It answers, argv: [ping, \"{{item}}\"], effect: read, on_failure: continue }
    service: up
  - id: extra
    name: Only in an emergency
    if: run.incident != null
    parallel:
      - { id: note, run: echo, effect: read }
      - { id: call, run: echo, effect: read }
";

fn playbook() -> Playbook {
    let loaded = load(&Source::new("patch.yaml", TEXT), &Specs::of(Table::builtin().specs()));
    loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// What is foreseen of one step for one item.
fn of_item(book: &Playbook, place: usize, item: &Item) -> PlannedStep {
    let step = &book.steps[place];
    let name = item.id.as_str();
    let mut one = match (step.id.as_str(), name) {
        ("patch", "web2") => planned(step, Fidelity::Probed, Vec::new()),
        ("patch", _) => planned(step, Fidelity::Probed, vec![change(&format!("version of {name}"), "1.0", "1.1")]),
        _ => planned(step, Fidelity::Unknown, Vec::new()),
    };
    if (step.id.as_str(), name) == ("patch", "web3") {
        let why = "facts.free = 1 MiB".to_owned();
        one.requirements = vec![Requirement { source: "facts.free > 10".to_owned(), decided: Decided::No { why } }];
    }
    if step.group.as_ref().is_some_and(|group| group.as_str() == "turn") {
        one.runs = Decided::Undecided { why: "what becomes of the items of patch".to_owned() };
    }
    one.arguments = json!({ "argv": [step.id.local(), name] });
    one.item = Some(item.id.clone());
    one
}

/// The plan for web1, web2, …
pub fn grouped_plan(hosts: usize) -> Plan {
    let book = playbook();
    let names: Vec<String> = (1..=hosts).map(|number| format!("web{number}")).collect();
    let items = items_of(&json!(names), None).unwrap();
    let look = |place: usize, program: &str| PlannedStep {
        arguments: json!({ "argv": [program, "show"] }),
        ..planned(&book.steps[place], Fidelity::Probed, Vec::new())
    };
    let group = |id: &str| -> &Group { book.group(&id.parse().unwrap()).unwrap() };
    let mut steps = vec![look(0, "proxyctl"), look(1, "monitorctl")];
    for id in ["patch", "turn"] {
        steps.extend(items.iter().flat_map(|item| group(id).range().map(|place| of_item(&book, place, item))));
    }
    let no = Decided::No { why: "run.incident = null".to_owned() };
    for place in group("extra").range() {
        steps.push(PlannedStep { runs: no.clone(), ..planned(&book.steps[place], Fidelity::Unknown, Vec::new()) });
    }
    let of_group = |id: &str, runs: Decided, items: Option<&Vec<Item>>| PlannedGroup {
        id: id.parse().unwrap(),
        item: None,
        runs,
        items: items.cloned(),
        whole: None,
        excluded: Vec::new(),
        batches: Vec::new(),
        max_failures: 0,
        min_healthy: 0,
    };
    let undecided = Decided::Undecided { why: "what becomes of the items of patch".to_owned() };
    Plan {
        checks: Vec::new(),
        groups: vec![
            of_group("look", Decided::Yes, None),
            of_group("patch", Decided::Yes, Some(&items)),
            of_group("turn", undecided, Some(&items)),
            of_group("extra", no, None),
        ],
        format: 1,
        inputs: json!({ "hosts": names }),
        environment: "lab".to_owned(),
        targets: names.iter().map(|name| format!("host/{name}")).collect(),
        locks: vec!["service/web".parse().unwrap()],
        steps,
        digest: Digest::of(b"plan"),
        narrowing: Default::default(),
        facts_digest: Digest::of(b"facts"),
        playbook: book,
    }
}
