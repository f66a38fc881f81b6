//! What counts as a difference, and what does not.

use super::*;
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Specs, UndoSpec};

fn spec(name: &'static str, effect: Effect, undo: UndoSpec) -> ActionSpec {
    ActionSpec {
        name,
        summary: "",
        details: "",
        inputs: vec![FieldSpec::optional("to", Type::String, "")],
        outputs: Vec::new(),
        facts: Vec::new(),
        effect,
        fidelity: Fidelity::Probed,
        proves: "",
        undo,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 5.0,
        open_inputs: false,
    }
}

fn book(text: &str) -> Playbook {
    let specs = Specs::of(&[
        spec("set", Effect::Idempotent, UndoSpec::Restores { how: "", from_observation: true }),
        ActionSpec {
            outputs: vec![
                FieldSpec::required("mine", Type::Integer, ""),
                FieldSpec::required("count", Type::Integer, ""),
            ],
            ..spec("look", Effect::Read, UndoSpec::Nothing)
        },
        ActionSpec { open_inputs: true, ..spec("shell", Effect::Once, UndoSpec::Impossible("nobody knows it")) },
        spec("end", Effect::Probed, UndoSpec::Impossible("it is over")),
    ]);
    let loaded = crate::playbook::load(&crate::diagnostic::Source::new("p.yaml", text), &specs);
    loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

const ONE: &str = "
name: p
version: 1.3.0
title: t
inputs: { a: { type: size, default: 1MiB } }
locks: [\"thing/{{inputs.a}}\"]
steps:
  - { id: one, uses: set, with: { to: x } }
  - { id: two, uses: set }
  - { id: last, uses: end, point_of_no_return: true, on_failure: pause }
";

fn said(from: &str, to: &str) -> Vec<String> {
    let line = |difference: &Difference| {
        let fields = difference.fields.iter().map(|field| {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
            format!("{}: {} → {}", field.name, text(&field.was), text(&field.is))
        });
        let fields = if difference.how == How::Added { String::new() } else { fields.collect::<Vec<_>>().join("; ") };
        format!("{} {} {} {fields}", word(&difference.part), word(&difference.how), difference.name)
            .trim_end()
            .to_owned()
    };
    differences(&book(from), &book(to)).iter().map(line).collect()
}

#[test]
fn layout_and_comments_are_no_difference() {
    let other = ONE.replace(
        "{ id: one, uses: set, with: { to: x } }",
        "uses: set # the first\n    with:\n      to: x\n    id: one",
    );
    assert_ne!(other, ONE);
    assert_eq!(said(ONE, &other), Vec::<String>::new());
}

#[test]
fn the_head_inputs_and_locks_are_compared() {
    let other = ONE
        .replace("1.3.0", "1.4.0")
        .replace(
            "a: { type: size, default: 1MiB }",
            "a: { type: size, default: 2MiB }, b: { type: string, default: x }",
        )
        .replace("thing/{{inputs.a}}", "thing/{{inputs.b}}");
    assert_eq!(
        said(ONE, &other),
        [
            "head changed version version: 1.3.0 → 1.4.0",
            "input changed a default: 1 MiB → 2 MiB",
            "input added b",
            "lock added thing/{{inputs.b}}",
            "lock removed thing/{{inputs.a}}",
        ]
    );
}

#[test]
fn steps_are_added_removed_moved_and_changed() {
    let other = ONE
        .replace("to: x }", "to: \"y{{inputs.a}}\" }, require: [\"inputs.a > 1\"]")
        .replace("  - { id: two, uses: set }", "  - { id: new, uses: set }");
    assert_eq!(
        said(ONE, &other),
        [
            "step changed one with.to: x → y{{inputs.a}}; require: – → inputs.a > 1",
            "step added new",
            "step removed two",
        ]
    );
    let other = ONE.replace("  - { id: two, uses: set }\n", "").replace(
        "  - { id: one, uses: set, with: { to: x } }",
        "  - { id: two, uses: set }\n  - { id: one, uses: set, with: { to: x } }",
    );
    assert_eq!(said(ONE, &other), ["step moved two place: after one → first"]);
}

#[test]
fn what_becomes_of_the_way_back_is_said() {
    let other =
        ONE.replace("{ id: two, uses: set }", "{ id: two, uses: set, point_of_no_return: true, on_failure: pause }");
    let other = other.replace(
        "{ id: last, uses: end, point_of_no_return: true,",
        "{ id: last, uses: end, rollback: none, because: it is over,",
    );
    let list = said(ONE, &other);
    assert_eq!(
        list.last().map(String::as_str),
        Some(
            "way_back changed  point of no return: last → two; two, when the run fails: is undone by its action → \
             stands: it is at or behind the point of no return"
        )
    );
    let left = ONE.replace("{ id: two, uses: set }", "{ id: two, uses: set, rollback: none, because: it may stay }");
    let list = said(ONE, &left);
    assert!(list[1].contains("two, when the run fails: is undone by its action → is left as it is"), "{list:?}");
}

const GROUPED: &str = "
name: p
version: 1.3.0
title: t
inputs: { a: { type: list, items: identifier, default: [x] } }
steps:
  - id: both
    parallel:
      - { id: one, uses: set, with: { to: x } }
      - { id: two, uses: set }
  - { id: three, uses: set, for_each: \"{{inputs.a}}\", batch: { size: 2 }, with: { to: \"{{item}}\" } }
  - id: all
    for_each: [x]
    steps:
      - { id: four, uses: set }
  - { id: five, uses: set }
";

#[test]
fn groups_are_compared_by_what_they_mean() {
    assert_eq!(
        said(GROUPED, &GROUPED.replace("\n      - { id: two", "\n      # aside\n      - { id: two")),
        Vec::<String>::new()
    );
    let other =
        GROUPED.replace("batch: { size: 2 }", "batch: { size: 3, max_failures: 1 }").replace("[x]\n", "[x, y]\n");
    assert_eq!(
        said(GROUPED, &other),
        [
            "step changed three batch.size: 2 → 3; batch.max_failures: 0 → 1",
            "group changed all for_each: [\"x\"] → [\"x\",\"y\"]",
        ]
    );
    // A step that begins to run for each item is the same step.
    let other = GROUPED.replace("{ id: five, uses: set }", "{ id: five, uses: set, for_each: [z], checkpoint: end }");
    assert_eq!(
        said(GROUPED, &other),
        ["step changed five for_each: – → [\"z\"]; batch.size: – → 1; batch.max_failures: – → 0; checkpoint: – → end"]
    );
}

#[test]
fn steps_that_go_into_a_group_or_out_of_it_are_told() {
    let other = GROUPED.replace("  - { id: five, uses: set }\n", "").replace(
        "      - { id: four, uses: set }\n",
        "      - { id: four, uses: set }\n      - { id: five, uses: set }\n",
    );
    assert_eq!(said(GROUPED, &other), ["step changed five in: – → all"]);
    let apart = GROUPED.replace(
        "  - id: both\n    parallel:\n      - { id: one, uses: set, with: { to: x } }\n      - { id: two, uses: set }\n",
        "  - { id: one, uses: set, with: { to: x } }\n  - { id: two, uses: set }\n",
    );
    assert_eq!(
        said(GROUPED, &apart),
        ["step changed one in: both → –", "step changed two in: both → –", "group removed both"]
    );
    assert_eq!(said(&apart, GROUPED).last().map(String::as_str), Some("group added both"));
}

const BRAKED: &str = "
name: p
version: 1.3.0
identity:
  - { name: it is ours, uses: look, expr: outputs.mine == 1 }
invariants:
  - { name: one at most, uses: look, expr: outputs.count <= 1 }
  - { name: one at most, uses: look, expr: outputs.mine <= 1 }
budgets: [{ from: one, to: two, max: 20s }]
max_targets: 4
steps:
  - { id: one, uses: set, approval: { roles: [dba], min: 2, prevent_self_approval: true } }
  - { id: two, uses: set, with: { to: x } }
  - id: both
    approval: true
    parallel:
      - { id: left, uses: set }
      - { id: right, uses: set }
";

/// A brake that is taken away or loosened is never "only the texts differ".
#[test]
fn every_brake_is_compared() {
    let changed = |was: &str, is: &str| {
        assert!(BRAKED.contains(was), "{was}");
        said(BRAKED, &BRAKED.replacen(was, is, 1))
    };
    assert_eq!(
        changed(", approval: { roles: [dba], min: 2, prevent_self_approval: true }", ""),
        ["step changed one approval: it waits for one → –; approval.roles: dba → –; approval.min: 2 → –; \
          approval.timeout: 15 m 00 s → –; approval.prevent_self_approval: true → –"]
    );
    assert_eq!(changed("min: 2, ", ""), ["step changed one approval.min: 2 → 1"]);
    assert_eq!(
        changed("prevent_self_approval: true", "timeout: 1h, on_timeout: abandon, if: run.playbook == 'p'"),
        ["step changed one approval.timeout: 15 m 00 s → 1 h 00 m; approval.prevent_self_approval: true → –; \
          approval.on_timeout: – → abandon; approval.if: – → run.playbook == 'p'"]
    );
    assert_eq!(
        changed("    approval: true\n", ""),
        ["group changed both approval: it waits for one → –; approval.min: 1 → –; approval.timeout: 15 m 00 s → –"]
    );
    assert_eq!(
        changed("expr: outputs.count <= 1", "expr: outputs.count <= 2, hold: checkpoints, within: 5s"),
        ["check changed invariant: one at most expr: outputs.count <= 1 → outputs.count <= 2; hold: always → \
          checkpoints; within: – → 5.0 s"]
    );
    assert_eq!(
        changed("  - { name: one at most, uses: look, expr: outputs.mine <= 1 }\n", ""),
        ["check removed invariant: one at most #2"]
    );
    assert_eq!(
        changed("identity:\n  - { name: it is ours, uses: look, expr: outputs.mine == 1 }\n", ""),
        ["check removed identity: it is ours"]
    );
    assert_eq!(changed("max: 20s", "max: 2m"), ["budget changed from one to two max: 20 s → 2 m 00 s"]);
    assert_eq!(changed("max_targets: 4\n", ""), ["head removed max_targets max_targets: 4 → –"]);
}

#[test]
fn an_output_that_is_no_secret_any_more_is_a_difference() {
    let sensitive = "
name: p
version: 1.0.0
steps:
  - { id: a, run: get, effect: read, outputs: { token: { json: t, sensitive: true } } }
";
    let open = sensitive.replace(", sensitive: true", "");
    let lines = said(sensitive, &open);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("sensitive"), "{lines:?}");
}
