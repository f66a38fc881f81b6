//! What may stand in groups of steps, and what may be named where.

use super::*;
use crate::actions::Table;
use crate::diagnostic::{Diagnostic, Source};
use crate::spec::Specs;

fn read(text: &str) -> Loaded {
    load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()))
}

/// A playbook of these steps, with some inputs that are all used.
fn book(steps: &str) -> String {
    format!(
        "name: x\nversion: 1.0.0\nowner: me\ninputs:\n  hosts: {{ type: list, items: identifier, default: [a, b] }}\n  \
         names: {{ type: list, items: string, default: [a, b] }}\n  mode: {{ type: choice, options: [p, q], default: p }}\n\
         locks: [\"database/orders\"]\nsteps:\n  - {{ id: use, argv: [echo, \"{{{{json inputs}}}}\"], effect: read }}\n{steps}"
    )
}

fn codes(steps: &str) -> Vec<&'static str> {
    read(&book(steps)).diagnostics.iter().map(|fault| fault.code).collect()
}

fn faults(steps: &str) -> Vec<Diagnostic> {
    read(&book(steps)).diagnostics
}

/// A block over a list, with one step in it, and a line behind it.
fn block(inner: &str, behind: &str) -> String {
    format!("  - id: all\n    for_each: \"{{{{inputs.hosts}}}}\"\n    steps:\n      - {inner}\n{behind}")
}

const ECHO: &str = "{ id: one, argv: [echo, \"{{item}}\"], effect: read }";

#[test]
fn a_level_is_read_with_its_groups() {
    let text = book(
        "  - id: both\n    name: Look at both\n    parallel:\n      - { id: a, run: x, effect: read }\n      - id: rest\n        \
         for_each: \"{{inputs.hosts}}\"\n        batch: { size: 2, max_failures: 1 }\n        max_targets: 9\n        steps:\n          \
         - { id: b, argv: [x, \"{{item}}\"], effect: read }\n          - { id: c, run: x, effect: read }\n  - { id: last, for_each: [x], argv: [\"{{item}}\"], effect: read, checkpoint: done }\n",
    );
    let loaded = read(&text);
    let list: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(list, Vec::<String>::new());
    let book = loaded.playbook.unwrap();
    let inside: Vec<String> =
        book.steps.iter().map(|s| format!("{}:{:?}", s.id, s.group.as_ref().map(|g| g.as_str()))).collect();
    assert_eq!(inside, ["use:None", "a:Some(\"both\")", "b:Some(\"rest\")", "c:Some(\"rest\")", "last:Some(\"last\")"]);
    let group = |id: &str| book.group(&id.parse().unwrap()).unwrap();
    assert_eq!((group("both").range(), group("rest").range(), group("last").range()), (1..4, 2..4, 4..5));
    assert_eq!(group("rest").parent.as_ref().map(|id| id.as_str()), Some("both"));
    let each = group("rest").each().unwrap();
    let (sizes, most) = (vec![Amount::Count(2)], Amount::Count(1));
    assert_eq!((&each.sizes, &each.max_failures, each.max_targets), (&sizes, &most, Some(9)));
    // What belongs to the whole is with the whole.
    assert_eq!(group("last").checkpoint.as_deref(), Some("done"));
    assert_eq!(book.step(&"last".parse().unwrap()).unwrap().checkpoint, None);
    let text = serde_json::to_string(&book).unwrap();
    assert_eq!(serde_json::from_str::<Playbook>(&text).unwrap(), book, "it is kept in the journal");
}

#[test]
fn the_item_is_named_inside_of_its_for_each_alone() {
    assert_eq!(codes(&block(ECHO, "")), Vec::<&str>::new());
    let outside = codes(&block(ECHO, "  - { id: z, argv: [echo, \"{{item}}\"], effect: read }\n"));
    assert_eq!(outside, ["unknown-name"]);
    // The list itself is written outside, and so is what decides about the whole.
    assert_eq!(codes("  - { id: z, for_each: { expr: item }, argv: [echo], effect: read }\n"), ["unknown-name"]);
    let whole = "  - id: z\n    for_each: [a]\n    if: item == 'a'\n    steps: [{ id: y, run: x, effect: read }]\n";
    assert_eq!(codes(whole), ["unknown-name"]);
    // An undo belongs to the step, so it has the item too.
    let undo = "{ id: one, argv: [x, \"{{item}}\"], rollback: [{ argv: [y, \"{{item}}\"], effect: idempotent }] }";
    assert_eq!(codes(&block(undo, "")), Vec::<&str>::new());
}

#[test]
fn an_item_is_of_the_type_of_its_list() {
    let run =
        |list: &str| codes(&format!("  - {{ id: z, for_each: {list}, run: \"echo {{{{item}}}}\", effect: read }}\n"));
    // Only what a shell cannot misread becomes part of a line.
    for list in ["\"{{inputs.hosts}}\"", "{ expr: inputs.hosts }", "[web1, web2]", "[1, 2]"] {
        assert_eq!(run(list), Vec::<&str>::new(), "{list}");
    }
    for list in ["\"{{inputs.names}}\"", "{ expr: inputs.names }", "[web1, \"a; b\"]", "[web1, { name: b }]"] {
        assert_eq!(run(list), ["spliced-value"], "{list}");
    }
    let named = |item: &str| {
        codes(&format!("  - {{ id: z, for_each: \"{{{{inputs.hosts}}}}\", if: \"{item}\", run: x, effect: read }}\n"))
    };
    assert_eq!(named("item == 'a'"), Vec::<&str>::new());
    assert_eq!(named("item == 1"), ["type-mismatch"]);
    assert_eq!(named("item.name == 'a'"), ["unknown-name"]);
    let map = "  - { id: z, for_each: [{ name: a, port: 1 }], argv: [echo, \"{{item.name}}\"], effect: read }\n";
    assert_eq!(codes(map), Vec::<&str>::new());
}

#[test]
fn an_if_that_names_the_item_is_asked_for_each_and_another_one_once() {
    let condition = |text: &str| {
        let step =
            format!("  - {{ id: z, for_each: [a, b], if: \"{text}\", argv: [\"{{{{item}}}}\"], effect: read }}\n");
        let book = read(&book(&step)).playbook.unwrap();
        let id = "z".parse().unwrap();
        (book.group(&id).unwrap().condition.is_some(), book.step(&id).unwrap().condition.is_some())
    };
    assert_eq!(condition("item == 'a'"), (false, true));
    assert_eq!(condition("inputs.mode == 'p'"), (true, false));
    assert_eq!(condition("inputs.mode == 'p' && item == 'a'"), (false, true));
}

#[test]
fn only_a_list_is_gone_over() {
    for (list, code, says) in [
        ("web1", "wrong-form", "[web1]"),
        ("\"a,b\"", "wrong-form", "[a,b]"),
        ("{ items: [a] }", "wrong-form", "batch: { size: 2 }"),
        ("[]", "wrong-form", ""),
        ("\"{{inputs.mode}}\"", "wrong-type", ""),
        ("\"x{{inputs.mode}}\"", "wrong-type", ""),
        ("{ expr: \"'a'\" }", "wrong-type", ""),
        ("{ expr: size(inputs.hosts) }", "wrong-type", ""),
    ] {
        let found = faults(&format!("  - {{ id: z, for_each: {list}, run: x, effect: read }}\n"));
        assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), [code], "{list}");
        assert!(found[0].help.as_deref().unwrap_or("").contains(says), "{list}: {:?}", found[0].help);
    }
    let batch = |batch: &str| codes(&format!("  - {{ id: z, for_each: [a], {batch}, run: x, effect: read }}\n"));
    assert_eq!(batch("batch: { size: 0 }"), ["out-of-range"]);
    assert_eq!(batch("batch: { size: 2, max_failures: 0 }"), Vec::<&str>::new());
    assert_eq!(batch("batch: { max_failures: -1 }"), ["out-of-range"]);
    assert_eq!(batch("batch: 2"), ["wrong-form"]);
    assert_eq!(batch("max_targets: 0"), ["out-of-range"]);
}

#[test]
fn the_outputs_of_a_step_are_known_behind_it_and_where_there_is_one_of_it() {
    let inner = "{ id: one, argv: [echo, \"{{item}}\"], effect: read }\n      - { id: two, argv: [\"{{steps.one.outputs.stdout}}\"], effect: read }";
    assert_eq!(codes(&block(inner, "")), Vec::<&str>::new());
    let behind =
        |text: &str| codes(&block(ECHO, &format!("  - {{ id: z, argv: [\"{{{{{text}}}}}\"], effect: read }}\n")));
    assert_eq!(behind("steps.one.outputs.stdout"), ["inside-for-each"]);
    assert_eq!(behind("steps.one.outcome"), ["inside-for-each"]);
    for good in [
        "steps.all.outcome",
        "json steps.all.items",
        "json steps.all.done",
        "json steps.all.failed",
        "steps.all.items.0.outputs.stdout",
    ] {
        assert_eq!(behind(good), Vec::<&str>::new(), "{good}");
    }
    assert_eq!(behind("steps.all.outputs.stdout"), ["unknown-name"]);
    let single = "  - { id: one, for_each: [a], argv: [\"{{item}}\"], effect: read }\n  - { id: z, argv: [\"{{steps.one.outputs.stdout}}\"], effect: read }\n";
    assert_eq!(codes(single), ["unknown-name"], "of a step that runs for each item there are many outputs");
    // Inside of it, the whole is not over yet.
    assert_eq!(codes(&block("{ id: one, argv: [\"{{json steps.all.done}}\"], effect: read }", "")), ["later-step"]);
    // Another round over the same list is another list.
    let second = "  - id: again\n    for_each: [a]\n    steps: [{ id: z, argv: [\"{{steps.one.outputs.stdout}}\"], effect: read }]\n";
    assert_eq!(codes(&block(ECHO, second)), ["inside-for-each"]);
}

#[test]
fn what_runs_at_the_same_time_is_known_behind_the_group() {
    let both = |second: &str, behind: &str| {
        codes(&format!(
            "  - id: both\n    parallel:\n      - {{ id: a, argv: [x], effect: read }}\n      - {second}\n{behind}"
        ))
    };
    let reads = |id: &str| format!("{{ id: {id}, argv: [\"{{{{steps.a.outputs.stdout}}}}\"], effect: read }}");
    assert_eq!(both(&reads("b"), ""), ["parallel-sibling"]);
    assert_eq!(both("{ id: b, argv: [x], effect: read, needs: [a] }", ""), ["parallel-sibling"]);
    assert_eq!(both("{ id: b, argv: [x], effect: read }", &format!("  - {}\n", reads("z"))), Vec::<&str>::new());
    let deep =
        "id: rest\n        for_each: [x]\n        steps: [{ id: b, argv: [\"{{steps.a.outcome}}\"], effect: read }]";
    assert_eq!(both(deep, ""), ["parallel-sibling"]);
}

#[test]
fn what_a_group_that_may_be_skipped_leaves_needs_the_same_guard() {
    let skipped = |behind: &str| {
        let group = "  - id: both\n    if: inputs.mode == 'p'\n    parallel:\n      - { id: a, argv: [x], effect: read }\n      - { id: b, argv: [\"{{inputs.mode}}\"], effect: read }\n";
        codes(&format!("{group}  - {behind}\n"))
    };
    let reads = "argv: [\"{{steps.a.outputs.stdout}}\"], effect: read";
    assert_eq!(skipped(&format!("{{ id: z, {reads} }}")), ["may-be-skipped"]);
    assert_eq!(skipped(&format!("{{ id: z, {reads}, needs: [both] }}")), Vec::<&str>::new());
    assert_eq!(skipped(&format!("{{ id: z, {reads}, if: inputs.mode == 'p' }}")), Vec::<&str>::new());
    let inside = format!("{{ id: w, if: inputs.mode == 'p', for_each: [v], steps: [{{ id: z, {reads} }}] }}");
    assert_eq!(skipped(&inside), Vec::<&str>::new(), "the guard of the group is the guard of what is in it");
    let list = "{ id: z, for_each: { expr: steps.z0.done }, run: x, effect: read }";
    let first = "  - { id: z0, if: inputs.mode == 'p', for_each: [v], run: x, effect: read }\n";
    assert_eq!(codes(&format!("{first}  - {list}\n")), ["may-be-skipped"]);
    assert_eq!(codes(&format!("{first}  - {}\n", list.replace("run:", "needs: [z0], run:"))), Vec::<&str>::new());
}

#[test]
fn what_is_changed_for_each_item_is_locked() {
    let step = |list: &str, cluster: &str| {
        let with = format!("{{ cluster: \"{cluster}\", member: pg2 }}");
        codes(&format!("  - {{ id: z, for_each: {list}, uses: postgres.fence, with: {with} }}\n"))
    };
    assert_eq!(step("[orders]", "{{item}}"), Vec::<&str>::new());
    assert_eq!(step("[orders, stock]", "{{ item }}"), ["missing-lock"]);
    assert_eq!(step("[orders, stock]", "orders"), Vec::<&str>::new());
    // Names that nobody knows beforehand: one lock stands for all of them.
    assert_eq!(step("\"{{inputs.hosts}}\"", "{{item}}"), Vec::<&str>::new());
    let text = book(
        "  - { id: z, for_each: \"{{inputs.hosts}}\", uses: postgres.fence, with: { cluster: \"{{item}}\", member: pg2 } }\n",
    );
    let found = read(&text.replace("locks: [\"database/orders\"]\n", "locks: [\"proxy/x\"]\n")).diagnostics;
    assert_eq!(found.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["missing-lock"]);
    assert!(found[0].message.contains("locks no database"), "{}", found[0].message);
}

#[test]
fn the_way_on_and_the_way_back_keep_to_their_lists() {
    let both = "  - id: both\n    parallel:\n      - { id: b, run: x, effect: read }\n      - { id: c, run: x, effect: read }\n";
    let to = |to: &str| codes(&format!("  - {{ id: a, run: x, effect: read, on_failure: {{ step: {to} }} }}\n{both}"));
    assert_eq!(to("both"), Vec::<&str>::new());
    assert_eq!(to("c"), ["other-group"]);
    let need = |id: &str| codes(&block(ECHO, &format!("  - {{ id: z, run: x, effect: read, needs: [{id}] }}\n")));
    assert_eq!(need("all"), Vec::<&str>::new());
    assert_eq!(need("one"), ["inside-for-each"]);
    assert_eq!(need("al"), ["unknown-step"]);
    let behind = |policy: &str| {
        let all = format!(
            "  - {{ id: go, run: x, point_of_no_return: true }}\n  - id: all\n    for_each: [a]\n{policy}    steps: [{{ id: z, run: x, rollback: none, because: y }}]\n"
        );
        codes(&all)
    };
    assert_eq!(behind(""), ["no-forward-way"]);
    assert_eq!(behind("    on_failure: pause\n"), Vec::<&str>::new(), "what the whole says, its steps need not");
}

#[test]
fn steps_are_counted_over_all_levels() {
    let text = |count: usize| {
        let steps: String = (0..count).map(|n| format!("      - {{ id: s{n}, argv: [x], effect: read }}\n")).collect();
        book(&format!("  - id: both\n    parallel:\n{steps}"))
    };
    let codes = |text: &str| read(text).diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>();
    // The first step of the frame counts too.
    assert_eq!(codes(&text(4_999)), Vec::<&str>::new());
    assert_eq!(codes(&text(5_000)), ["too-many-steps"]);
}

#[test]
fn groups_are_nested_as_deep_as_a_document_may_be() {
    let nested = |levels: usize| {
        let mut text = String::new();
        for level in 0..levels {
            let indent = " ".repeat(2 + 4 * level);
            text.push_str(&format!("{indent}- id: g{level}\n{indent}  parallel:\n"));
            text.push_str(&format!("{indent}    - {{ id: s{level}, run: x, effect: read }}\n"));
        }
        book(&format!("{text}{}- {{ id: z, run: x, effect: read }}\n", " ".repeat(2 + 4 * levels)))
    };
    let codes = |loaded: &Loaded| loaded.diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>();
    let found = read(&nested(20));
    assert_eq!(codes(&found), Vec::<&str>::new());
    assert_eq!(found.playbook.unwrap().groups.len(), 20);
    assert_eq!(codes(&read(&nested(40))), ["too-deep"]);
}

fn file(path: &str) -> String {
    std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_good_documents_are_without_a_fault() {
    for name in ["at-the-same-time", "for-each", "for-each-hosts", "nested-playbook"] {
        let loaded = read(&file(&format!("fixtures/good/{name}.yaml")));
        let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}

/// What the manual shows is what was tried.
#[test]
fn the_examples_of_the_manual_are_those_of_the_good_documents() {
    let manual = file("docs/writing-playbooks.md");
    let good = file("fixtures/good/at-the-same-time.yaml")
        + &file("fixtures/good/for-each.yaml")
        + &file("fixtures/good/for-each-hosts.yaml");
    let mut count = 0;
    for section in ["\n## At the same time\n", "\n## For each\n"] {
        let text = manual.split(section).nth(1).unwrap().split("\n## ").next().unwrap();
        for example in text.split("```yaml\n").skip(1) {
            let example = example.split("```").next().unwrap();
            let indented: String = example
                .lines()
                .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") })
                .collect();
            assert!(good.contains(&indented), "{indented}");
            count += 1;
        }
    }
    assert_eq!(count, 5);
}

#[test]
fn the_playbook_of_the_page_about_many_hosts_is_without_a_fault() {
    let page = file("docs/fan-out.md");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let loaded = read(example);
    let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(loaded.playbook.unwrap().groups.len(), 1);
}

mod survival {
    use super::*;
    use proptest::prelude::*;

    const GROUPS: &str = include_str!("../../fixtures/good/for-each.yaml");

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

        /// Whatever is cut out of a playbook with groups and put into it, it is read or refused, and its groups hold together.
        #[test]
        fn broken_groups_are_survived(
            at in 0..GROUPS.len(),
            cut in 0..60_usize,
            put in "(parallel: |for_each: |steps:\n      - |id: drain\n|item|\\{\\{|\\[\\]|[-:{}\\[\\]\n a]){0,4}",
        ) {
            let text = format!("{}{put}{}", &GROUPS[..at], &GROUPS[(at + cut).min(GROUPS.len())..]);
            let loaded = read(&text);
            if let Some(book) = loaded.playbook {
                for group in &book.groups {
                    prop_assert!(group.range().end <= book.steps.len(), "{text}");
                    let inside = book.steps.iter().filter(|step| book.around(step.group.as_ref()).any(|one| one.id == group.id));
                    prop_assert_eq!(inside.count(), group.count, "{}", text);
                }
            }
        }
    }
}

#[test]
fn a_list_that_is_written_out_is_held_to_its_rules_before_any_run() {
    let each = |list: &str, more: &str| {
        faults(&format!("  - {{ id: one, for_each: {list}, {more}argv: [echo, \"{{{{item}}}}\"], effect: read }}\n"))
    };
    assert!(each("[a, b]", "max_targets: 2, ").is_empty());
    assert_eq!(each("[a, b, a]", "")[0].message, "the list of `for_each` names `a` twice");
    let many = "the list of `for_each` has 3 items, and `max_targets` allows 2";
    assert_eq!(each("[a, b, c]", "max_targets: 2, ")[0].message, many);
    // A number and a text are two things.
    assert!(each("[1, \"1\"]", "").is_empty());
}

#[test]
fn a_list_of_items_of_no_type_is_a_list_all_the_same() {
    let text = book("").replace("items: identifier,", "items: { type: identifier },");
    let found = read(&text).diagnostics;
    assert_eq!(
        found.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>(),
        ["`items` must be a text, not a mapping"]
    );
}

#[test]
fn the_checkpoint_of_a_batch_may_be_gone_back_to_from_the_group_itself() {
    let with = |batch: &str, group: &str, behind: &str| {
        let text = format!(
            "  - id: all\n    for_each: \"{{{{inputs.hosts}}}}\"\n    batch: {{ size: 2{batch} }}\n    {group}\n    steps:\n      - {ECHO}\n{behind}"
        );
        faults(&text).iter().map(|fault| fault.code).collect::<Vec<_>>()
    };
    let safe = ", checkpoint: safe";
    let back = "on_failure: { rollback_to: safe }";
    assert_eq!(with(safe, back, ""), Vec::<&str>::new());
    assert_eq!(
        with(safe, "needs: []", &format!("  - {{ id: z, argv: [date], effect: read, {back} }}\n")),
        Vec::<&str>::new()
    );
    assert_eq!(with("", back, ""), ["unknown-checkpoint"]);
    assert_eq!(with(", checkpoint: No", "needs: []", ""), ["bad-name"]);
    assert_eq!(with(safe, "checkpoint: safe", ""), ["duplicate-checkpoint"]);
    assert_eq!(
        with(safe, back, "  - { id: z, argv: [date], effect: read, checkpoint: safe }\n"),
        ["duplicate-checkpoint"]
    );
}
