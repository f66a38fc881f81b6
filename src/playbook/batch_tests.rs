//! What a playbook may say of how a `for_each` goes over its list.

use serde_json::json;

use super::*;
use crate::actions::Table;
use crate::diagnostic::{Diagnostic, Source};
use crate::spec::Specs;

fn read(batch: &str) -> Loaded {
    let text = format!(
        "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  hosts: {{ type: list, items: identifier, default: [a, b] }}\n  size: {{ type: \
         integer, default: 2 }}\nsteps:\n  - {{ id: use, argv: [echo, \"{{{{json inputs}}}}\"], effect: read }}\n  - id: all\n    \
         for_each: \"{{{{inputs.hosts}}}}\"\n    {batch}\n    steps:\n      - {{ id: one, argv: [echo, \"{{{{item}}}}\"], effect: \
         read }}\n"
    );
    load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()))
}

fn each(batch: &str) -> Each {
    let loaded = read(batch);
    let faults: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new(), "{batch}");
    let book = loaded.playbook.unwrap();
    let text = serde_json::to_string(&book).unwrap();
    assert_eq!(serde_json::from_str::<Playbook>(&text).unwrap(), book, "it is kept in the journal");
    book.groups[0].each().unwrap().clone()
}

fn faults(batch: &str) -> Vec<Diagnostic> {
    read(batch).diagnostics
}

fn codes(batch: &str) -> Vec<&'static str> {
    faults(batch).iter().map(|fault| fault.code).collect()
}

#[test]
fn how_a_list_is_gone_over_is_read() {
    let whole = each(
        "batch: { size: [1, 5, 10%], max_failures: 20%, pause: 30s, min_healthy: 80%, spread: rack, checkpoint: safe }\n    \
         on_item_failure: rollback",
    );
    let sizes: Vec<String> = whole.sizes.iter().map(ToString::to_string).collect();
    assert_eq!(sizes, ["1", "5", "10%"]);
    assert_eq!((whole.max_failures.to_string(), whole.pause), ("20%".to_owned(), 30.0));
    assert_eq!(whole.min_healthy.map(|least| least.to_string()).as_deref(), Some("80%"));
    assert_eq!((whole.spread.as_deref(), whole.checkpoint.as_deref()), (Some("rack"), Some("safe")));
    assert_eq!(whole.on_item_failure, OnItemFailure::Rollback);
    let given = each("batch: { size: \"{{inputs.size}}\" }");
    assert!(matches!(given.sizes.as_slice(), [Amount::Given(template)] if template.source == "{{inputs.size}}"));
    // What holds where nothing is said.
    let plain = each("name: All");
    assert_eq!(plain, Each::of(plain.list.clone()));
    assert!(plain.is_one_by_one() && !given.is_one_by_one() && each("batch: { size: [1, 1] }").is_one_by_one());
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (batch, code) in [
        ("batch: { size: 0 }", "out-of-range"),
        ("batch: { size: 0% }", "out-of-range"),
        ("batch: { size: [1, 0] }", "out-of-range"),
        ("batch: { size: 101% }", "out-of-range"),
        ("batch: { size: ten }", "out-of-range"),
        ("batch: { size: [] }", "wrong-form"),
        ("batch: { size: { a: 1 } }", "wrong-form"),
        ("batch: { size: [[1]] }", "wrong-form"),
        ("batch: { size: }", "wrong-form"),
        ("batch: { size: \"{{inputs.many}}\" }", "unknown-input"),
        ("batch: { size: \"{{item}}\" }", "unknown-name"),
        ("batch: { max_failures: 10.5% }", "out-of-range"),
        ("batch: { pause: 5 }", "wrong-type"),
        ("batch: { pause: -5s }", "wrong-type"),
        ("batch: { spread: \"{{inputs.size}}\" }", "bad-name"),
        ("batch: { spread: [rack] }", "wrong-form"),
        ("batch: { min_healthy: 100% }", "nothing-to-take"),
        ("on_item_failure: undo", "unknown-word"),
    ] {
        assert_eq!(codes(batch), [code], "{batch}");
    }
    assert_eq!(codes("batch: { max_failures: 0%, min_healthy: 0 }"), Vec::<&str>::new());
}

#[test]
fn a_list_that_is_written_out_is_known_to_leave_nothing_to_take() {
    let with = |least: &str| {
        let text = format!(
            "name: x\nversion: 1.0.0\nowner: me\nsteps:\n  - {{ id: all, for_each: [a, b, \"{{{{run.id}}}}\"], batch: {{ \
             min_healthy: {least} }}, argv: [echo, \"{{{{item}}}}\"], effect: read }}\n"
        );
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        loaded.diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>()
    };
    assert_eq!(with("2"), Vec::<&str>::new());
    assert_eq!(with("66%"), Vec::<&str>::new());
    assert_eq!((with("3"), with("67%")), (vec!["nothing-to-take"], vec!["nothing-to-take"]), "2.01 of 3 are 3");
}

#[test]
fn an_item_without_a_for_each_does_not_fail() {
    let text = "name: x\nversion: 1.0.0\nowner: me\nsteps:\n  - { id: one, on_item_failure: leave, argv: [x], effect: read }\n";
    let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
    assert_eq!(loaded.diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["wrong-key"]);
}

#[test]
fn a_list_of_before_is_read_and_written_as_it_was() {
    let before = json!({
        "list": { "template": { "source": "{{inputs.hosts}}", "span": { "start": 1, "end": 2 } } },
        "size": 2, "max_failures": 1, "max_targets": null, "checkpoint": "safe",
    });
    let each: Each = serde_json::from_value(before.clone()).unwrap();
    assert_eq!((&each.sizes, &each.max_failures), (&vec![Amount::Count(2)], &Amount::Count(1)));
    assert_eq!((each.pause, each.on_item_failure), (0.0, OnItemFailure::Leave));
    assert_eq!(serde_json::to_value(&each).unwrap(), before);
}
