//! A plan over a thousand hosts, and a run of it: some say something else than the others, and some fail.

use serde_json::json;

use crate::actions::Table;
use crate::diagnostic::Source;
use crate::ids::Digest;
use crate::outcome::{CommandOutput, Report, Stream};
use crate::plan::{Decided, Plan, PlannedGroup, PlannedStep, items_of};
use crate::playbook::load;
use crate::run::{Event, Task};
use crate::spec::{Fidelity, Specs};

use super::{Story, planned};

const TEXT: &str = "name: restart-web
version: 1.0.0
title: Restart the web tier
owner: team-web
inputs:
  hosts: { type: list, items: identifier, required: true }
steps:
  - id: kernel
    name: Which kernel each runs
    for_each: \"{{inputs.hosts}}\"
    batch: { size: 50, max_failures: 5 }
    argv: [uname, -r]
    effect: read
  - id: restart
    name: Restart them
    for_each: \"{{inputs.hosts}}\"
    batch: { size: 50, max_failures: 10 }
    steps:
      - { id: drain, argv: [drain, \"{{item}}\"], effect: idempotent, rollback: [{ argv: [undrain, \"{{item}}\"], effect: idempotent }] }
      - { id: start, argv: [start, \"{{item}}\"], effect: idempotent, rollback: none, because: it starts as it was }
";

/// The names of so many hosts.
pub fn hosts(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("web{number:04}")).collect()
}

/// The plan for so many hosts.
pub fn crowd_plan(count: usize) -> Plan {
    let loaded = load(&Source::new("restart-web.yaml", TEXT), &Specs::of(Table::builtin().specs()));
    let book = loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let names = hosts(count);
    let items = items_of(&json!(names), None).unwrap();
    let of = |place: usize| {
        let step = &book.steps[place];
        let of_item = |item: &crate::plan::Item| PlannedStep {
            item: Some(item.id.clone()),
            arguments: json!({ "argv": [step.id.local(), item.id.as_str()] }),
            ..planned(step, Fidelity::Unknown, Vec::new())
        };
        items.iter().map(of_item).collect::<Vec<_>>()
    };
    let group = |id: &str| {
        let group = json!({ "id": id, "item": null, "runs": Decided::Yes, "items": items });
        serde_json::from_value::<PlannedGroup>(group).unwrap()
    };
    Plan {
        checks: Vec::new(),
        groups: vec![group("kernel"), group("restart")],
        format: 1,
        inputs: json!({ "hosts": names }),
        environment: "lab".to_owned(),
        targets: Vec::new(),
        narrowing: Default::default(),
        locks: Vec::new(),
        steps: (0..book.steps.len()).flat_map(of).collect(),
        digest: Digest::of(b"plan"),
        facts_digest: Digest::of(b"facts"),
        playbook: book,
    }
}

/// A command's end that printed this.
pub fn printed(text: &str) -> Report {
    let stdout = Stream { text: format!("{text}\n"), bytes: text.len() as u64 + 1, ..Stream::default() };
    Report::done("exit code 0", json!({})).with_output(CommandOutput { stdout, stderr: Stream::default() })
}

impl Story {
    /// A `for_each` begins, over these hosts.
    pub fn enter(&mut self, group: &str, count: usize) -> &mut Self {
        let items = items_of(&json!(hosts(count)), None).unwrap();
        let event = json!({ "event": "group_entered", "task": group, "items": items });
        self.add(0.1, serde_json::from_value::<Event>(event).unwrap())
    }

    /// What an item of it failed by.
    pub fn item_failed(&mut self, group: &str, item: &str, because: &str) -> &mut Self {
        let task: Task = group.parse().unwrap();
        self.add(0.0, Event::ItemFailed { task, item: item.parse().unwrap(), because: because.to_owned() })
    }

    /// A batch of `kernel` from one host to another: all begin, then all end; two of them fail, one says something else.
    pub fn kernels(&mut self, from: usize, to: usize) -> &mut Self {
        let names = &hosts(to)[from - 1..];
        for name in names {
            self.intent(&format!("kernel@{name}"));
        }
        for name in names {
            let task = format!("kernel@{name}");
            match name.as_str() {
                "web0007" | "web0311" => {
                    let message = format!("exit code 255: no route to {name}");
                    self.outcome(&task, 0.01, Report::failed(&message));
                    self.item_failed("kernel", name, &format!("{task} failed: {message}"));
                }
                name => {
                    self.outcome(&task, 0.01, printed(if name == "web0042" { "5.10.0-9" } else { "6.1.0-18" }));
                }
            }
        }
        self
    }
}

/// A run over a thousand hosts in its ninth batch, with most of that in hand.
pub fn crowded() -> Story {
    let mut story = Story::with_plan(crowd_plan(1000));
    story.enter("kernel", 1000);
    for batch in 0..8 {
        story.kernels(batch * 50 + 1, batch * 50 + 50);
    }
    for name in &hosts(450)[400..] {
        story.intent(&format!("kernel@{name}"));
    }
    for name in &hosts(412)[400..] {
        story.outcome(&format!("kernel@{name}"), 0.01, printed("6.1.0-18"));
    }
    story
}
