use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::actions::Table;
use crate::ids::StepId;
use crate::playbook::{Child as Standing, Rollback, load};
use crate::spec::Specs;

/// A library of texts.
#[derive(Default)]
struct Texts {
    books: Vec<(String, String, String)>,
    asked: Cell<usize>,
}

fn read(text: &str) -> (Arc<Source>, Playbook) {
    let source = Source::new("x.yaml", text);
    let loaded = load(&source, &Specs::of(Table::builtin().specs()));
    (source, loaded.playbook.unwrap_or_else(|| panic!("{:?}\n{text}", loaded.diagnostics)))
}

impl Texts {
    fn with(mut self, name: &str, version: &str, rest: &str) -> Self {
        self.books.push((name.to_owned(), version.to_owned(), format!("name: {name}\nversion: \"{version}\"\n{rest}")));
        self
    }

    fn inline(&self, rest: &str) -> Loaded {
        let (source, book) = read(&format!("name: caller\nversion: 1.0.0\n{rest}"));
        inline(&book, &source, self)
    }

    fn whole(&self, rest: &str) -> Playbook {
        let loaded = self.inline(rest);
        loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    /// The codes of what is wrong, and where; and all messages.
    fn refused(&self, rest: &str) -> (Vec<(&'static str, usize)>, String) {
        let loaded = self.inline(rest);
        assert!(loaded.playbook.is_none(), "it was taken");
        let at = |fault: &crate::diagnostic::Diagnostic| (fault.code, fault.source.position(fault.span.start).0);
        let errors = loaded.diagnostics.iter().filter(|fault| fault.severity == Severity::Error);
        (errors.map(at).collect(), loaded.diagnostics.iter().map(|fault| format!("{fault}\n")).collect())
    }

    fn codes(&self, rest: &str) -> Vec<&'static str> {
        self.refused(rest).0.into_iter().map(|(code, _)| code).collect()
    }
}

impl Library for Texts {
    fn find(&self, name: &str, version: &str) -> Result<Found, NotFound> {
        self.asked.set(self.asked.get() + 1);
        let found = self.books.iter().find(|(known, is, _)| known == name && is.starts_with(version));
        let Some((.., text)) = found else { return Err(NotFound::Unknown(format!("there is no playbook `{name}`"))) };
        Ok(Found { playbook: Arc::new(read(text).1), pinned: true })
    }
}

fn nest(id: &str, name: &str) -> String {
    format!("  - {{ id: {id}, uses: playbook, with: {{ name: {name}, version: \"1\" }} }}\n")
}

const LOOK: &str = "  - { id: look, argv: [uptime], effect: read }\n";

const CHILD: &str = r#"
inputs: { cluster: { type: identifier, required: true }, most: { type: size, default: 1MiB } }
locks: ["database/{{inputs.cluster}}"]
max_targets: 3
steps:
  - { id: look, argv: [uptime], effect: read, on_failure: { step: promote } }
  - { id: hold, run: hold, needs: [look], checkpoint: held, rollback: [{ run: let go, effect: idempotent }], service: up }
  - { id: promote, run: "promote $C", env: { C: "{{steps.look.outputs.stdout}}" }, effect: probed, probe: { argv: [see], took_effect: "outputs.exit_code == 0" }, rollback: none, because: a test, on_failure: { rollback_to: held } }
"#;

fn texts() -> Texts {
    Texts::default().with("switch", "1.4.0", CHILD).with("small", "1.0.0", &format!("steps:\n{LOOK}"))
}

const SWITCH: &str =
    "  - { id: switch, uses: playbook, with: { name: switch, version: \"1.4\", inputs: { cluster: orders } } }\n";

#[test]
fn the_steps_of_a_nested_playbook_stand_where_it_stood() {
    let book = texts().whole(&format!(
        "max_targets: 9\nsteps:\n{LOOK}{SWITCH}  - {{ id: after, argv: [uptime], effect: read, needs: [switch] }}\n"
    ));
    let ids: Vec<&str> = book.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["look", "switch/look", "switch/hold", "switch/promote", "after"]);
    let id = |text: &str| text.parse::<StepId>().unwrap();
    let step = |text: &str| book.step(&id(text)).unwrap();
    assert_eq!(step("switch/hold").needs, [id("switch/look")]);
    assert_eq!(step("switch/look").on_failure, Some(OnFailure::Step(id("switch/promote"))));
    assert_eq!(step("switch/promote").on_failure, Some(OnFailure::RollbackTo("switch/held".to_owned())));
    assert_eq!(step("switch/hold").checkpoint.as_deref(), Some("switch/held"));
    assert_eq!(step("switch/promote").probe.as_ref().unwrap().step.id, id("switch/promote_probe"));
    let Rollback::Steps(undo) = &step("switch/hold").rollback else { panic!("it has an undo") };
    assert_eq!(undo[0].id, id("switch/hold_undo_0"));
    assert_eq!(step("switch/hold").group, Some(id("switch")));
    assert_eq!(step("after").needs, [id("switch")]);
    assert_eq!(book.max_targets, Some(3), "the smaller one holds");
    let group = book.group(&id("switch")).unwrap();
    assert_eq!(group.range(), 1..4);
    let nested = group.nested().unwrap();
    assert_eq!((nested.version.as_str(), nested.inputs.len(), nested.locks.len()), ("1.4.0", 2, 1));
    assert_eq!(nested.digest, Some(read(&texts().books[0].2).1.digest), "of its own text");
}

#[test]
fn the_digest_covers_what_is_nested_however_deep() {
    let caller = format!("steps:\n{}", nest("a", "middle"));
    let digest = |leaf: &str| {
        let texts = Texts::default().with("middle", "1.0", &format!("steps:\n{}", nest("b", "leaf")));
        texts.with("leaf", "1.0", &format!("steps:\n{leaf}")).whole(&caller).digest
    };
    assert_eq!(digest(LOOK), digest(LOOK));
    assert_ne!(digest(LOOK), digest(&LOOK.replace("uptime", "id")));
}

#[test]
fn what_cannot_be_nested_is_refused_where_it_stands() {
    let texts = texts().with("a", "1.0", &format!("steps:\n{}", nest("b", "b"))).with(
        "b",
        "1.0",
        &format!("steps:\n{}", nest("c", "a")),
    );
    let (found, said) = texts.refused(&format!("steps:\n{LOOK}{}{}", nest("x", "swich"), nest("y", "a")));
    assert_eq!(found, [("unknown-playbook", 5), ("nested-cycle", 6)]);
    assert!(said.contains("a@1.0 → b@1.0 → a@1.0"), "{said}");
    let with = |inputs: &str| {
        format!(
            "steps:\n  - {{ id: s, uses: playbook, with: {{ name: switch, version: \"1.4\", inputs: {inputs} }} }}\n"
        )
    };
    assert_eq!(texts.codes(&with("{ }")), ["missing-input"]);
    assert_eq!(texts.codes(&with("{ cluster: null }")), ["missing-input"]);
    assert_eq!(texts.codes(&with("{ cluster: orders, mots: 1MiB }")), ["unknown-input"]);
    assert_eq!(texts.codes(&with("{ cluster: orders, most: soon }")), ["wrong-type"]);
    assert_eq!(texts.codes(&with("{ cluster: \"no such name\" }")), ["wrong-type"]);
    assert!(texts.inline(&with("{ cluster: orders, most: 2MiB }")).playbook.is_some());
}

#[test]
fn a_caller_that_is_nested_in_itself_is_a_circle() {
    let texts = Texts::default().with("caller", "1.0.0", &format!("steps:\n{}", nest("a", "caller")));
    assert_eq!(texts.codes(&format!("steps:\n{}", nest("a", "caller"))), ["nested-cycle"]);
    let older = Texts::default().with("caller", "1.9.0", &format!("steps:\n{LOOK}"));
    assert!(
        older.inline(&format!("steps:\n{}", nest("a", "caller"))).playbook.is_some(),
        "another version is another one"
    );
}

#[test]
fn nesting_has_an_end() {
    let chain = |length: usize| {
        (1..=length).fold(Texts::default(), |texts, at| {
            let inner = if at == length { LOOK.to_owned() } else { nest("n", &format!("p{}", at + 1)) };
            texts.with(&format!("p{at}"), "1.0", &format!("steps:\n{inner}"))
        })
    };
    let caller = format!("steps:\n{}", nest("n", "p1"));
    assert_eq!(chain(8).whole(&caller).steps[0].id.as_str(), "n/n/n/n/n/n/n/n/look");
    let (found, said) = chain(9).refused(&caller);
    assert_eq!(found, [("nested-too-deep", 4)]);
    assert!(said.contains("p1@1.0 → p2@1.0"), "{said}");
    // Reached by a short way first, by a long one then: what was read before is no excuse.
    let both = format!("steps:\n{}{}", nest("short", "p3"), nest("n", "p1"));
    assert_eq!(chain(9).codes(&both), ["nested-too-deep"]);
    let long = "x".repeat(60);
    let deep = |length: usize| {
        (1..=length).fold(Texts::default(), |texts, at| {
            let inner = if at == length { LOOK.to_owned() } else { nest(&long, &format!("p{}", at + 1)) };
            texts.with(&format!("p{at}"), "1.0", &format!("steps:\n{inner}"))
        })
    };
    assert!(deep(7).inline(&caller).playbook.is_some());
    assert_eq!(deep(8).codes(&caller), ["nested-too-deep"], "a journal could not name the step again");
}

#[test]
fn what_comes_before_and_behind_is_known_before_it_is_inlined() {
    let texts = texts();
    let (a, b) = (nest("a", "small"), nest("b", "small"));
    let with = |text: &str, more: &str| text.replacen(" uses:", &format!(" {more}, uses:"), 1);
    let taken = |steps: &str| {
        let text = format!("name: x\nversion: 1.0.0\nsteps:\n{steps}");
        let read = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        read.playbook.is_some() && texts.inline(&format!("steps:\n{steps}")).playbook.is_some()
    };
    assert!(taken(&format!("{a}{}", with(&b, "needs: [a]"))));
    assert!(!taken(&format!("{}{b}", with(&a, "needs: [b]"))));
    assert!(!taken(&with(&a, "needs: [a]")));
    assert!(taken(&format!("{}{b}", with(&a, "on_failure: { step: b }"))));
    assert!(taken(&format!("{}{LOOK}", with(&a, "on_failure: { step: look }"))));
    assert!(!taken(&format!("{a}{}", with(&b, "on_failure: { step: a }"))));
    let given = |text: &str, of: &str| with(text, &format!("if: \"steps.{of}.outcome == 'done'\""));
    assert!(taken(&format!("{a}{}", given(&b, "a"))));
    assert!(!taken(&format!("{}{b}", given(&a, "b"))));
    let kept = with(&a, "checkpoint: safe, service: up");
    assert!(taken(&format!("{kept}{}", with(&b, "on_failure: { rollback_to: safe }"))));
}

#[test]
fn the_whole_has_at_most_so_many_steps_and_is_counted_soon() {
    // Ten of each, eight deep: nobody waits until a hundred million are put together.
    let ten = |name: &str| (0..10).map(|at| nest(&format!("n{at}"), name)).collect::<String>();
    let texts = (1..=7).fold(Texts::default(), |texts, at| {
        let inner = if at == 7 { LOOK.to_owned() } else { ten(&format!("p{}", at + 1)) };
        texts.with(&format!("p{at}"), "1.0", &format!("steps:\n{inner}"))
    });
    let found = texts.codes(&format!("steps:\n{}", ten("p1")));
    assert!(found.iter().all(|code| *code == "too-many-steps") && !found.is_empty(), "{found:?}");
    assert!(texts.asked.get() < 200, "asked {} times", texts.asked.get());
}

const GATE: &str = "steps:\n  - { id: gate, run: drop, point_of_no_return: true, effect: idempotent }\n";
const ONCE: &str = "  - { id: once, run: x, rollback: none, because: a test }\n";

#[test]
fn the_rules_of_the_order_hold_over_the_whole() {
    let texts = texts()
        .with("gate", "1.0", GATE)
        .with("once", "1.0", &format!("steps:\n{ONCE}"))
        .with("kept", "1.0", &format!("steps:\n{}", LOOK.replace("read", "read, checkpoint: safe")))
        .with("each", "1.0", "steps:\n  - { id: look, for_each: [a, b], argv: [uptime], effect: read }\n");
    // A nested gate, and what follows it in the caller; a gate of the caller, and what follows it in a nested one.
    let (found, said) = texts.refused(&format!("steps:\n{}{ONCE}", nest("g", "gate")));
    assert_eq!(found, [("no-forward-way", 5)], "{said}");
    assert!(said.contains("step `g/gate`"), "{said}");
    let gate = GATE.trim_start_matches("steps:\n");
    assert_eq!(texts.codes(&format!("steps:\n{gate}{}", nest("o", "once"))), ["no-forward-way"]);
    let paused = nest("o", "once").replace("o, uses", "o, on_failure: pause, uses");
    assert!(texts.inline(&format!("steps:\n{gate}{paused}")).playbook.is_some(), "the step that nests it says how");
    // Back over a nested gate.
    let first = LOOK.replace("read", "read, checkpoint: start, service: up");
    let back = ONCE.replace("because: a test", "because: a test, on_failure: { rollback_to: start }");
    assert_eq!(texts.codes(&format!("steps:\n{first}{}{back}", nest("g", "gate")))[0], "crosses-no-return");
    // In groups.
    let beside = |inner: &str| {
        format!(
            "steps:\n  - id: both\n    parallel:\n{}{}",
            LOOK.replace("  -", "      -"),
            inner.replace("  -", "      -")
        )
    };
    assert_eq!(texts.codes(&beside(&nest("g", "gate"))), ["parallel-no-return"]);
    let each = |inner: &str| {
        format!("steps:\n  - id: all\n    for_each: [a, b]\n    steps:\n{}", inner.replace("  -", "      -"))
    };
    assert_eq!(texts.codes(&each(&nest("e", "each"))), ["nested-for-each"]);
    // A checkpoint is left out where half may be done, unless something goes back to it.
    assert!(texts.whole(&each(&nest("k", "kept"))).steps.iter().all(|step| step.checkpoint.is_none()));
    assert!(texts.whole(&format!("steps:\n{}", nest("k", "kept"))).steps[0].checkpoint.is_some());
    assert_eq!(texts.codes(&each(SWITCH)), ["checkpoint-in-group"]);
}

#[test]
fn a_playbook_that_nests_none_is_what_it_was() {
    let (source, book) = read(&format!("name: x\nversion: 1.0.0\nsteps:\n{LOOK}"));
    let texts = Texts::default();
    assert_eq!(inline(&book, &source, &texts).playbook, Some(book));
    assert_eq!(texts.asked.get(), 0);
}

/// One level of a playbook: steps, groups and nested ones, by a word each.
fn level(shape: &[u8], depth: usize, next: &mut usize, each: bool, pad: &str) -> String {
    let mut text = String::new();
    for kind in shape {
        *next += 1;
        let id = format!("s{next}");
        let rest: Vec<u8> = shape.iter().skip(1).copied().collect();
        let inner = format!("{pad}    ");
        match kind {
            1 if depth > 0 && !rest.is_empty() => {
                text += &format!("{pad}- id: {id}\n{pad}  parallel:\n{}", level(&rest, depth - 1, next, each, &inner));
            }
            2 if depth > 0 && !each && !rest.is_empty() => {
                text += &format!(
                    "{pad}- id: {id}\n{pad}  for_each: [a, b]\n{pad}  steps:\n{}",
                    level(&rest, depth - 1, next, true, &inner)
                );
            }
            3 => text += &format!("{pad}- {{ id: {id}, uses: playbook, with: {{ name: leaf, version: \"1\" }} }}\n"),
            4 => text += &format!("{pad}- {{ id: {id}, uses: playbook, with: {{ name: tree, version: \"1\" }} }}\n"),
            _ => text += &format!("{pad}- {{ id: {id}, argv: [uptime], effect: read }}\n"),
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ids_are_one_of_a_kind_and_groups_tile_the_list(
        top in prop::collection::vec(0_u8..5, 1..6), tree in prop::collection::vec(0_u8..4, 1..5),
    ) {
        let texts = Texts::default()
            .with("leaf", "1.0", &format!("steps:\n{LOOK}  - {{ id: b, argv: [x], effect: read, needs: [look] }}\n"))
            // A `for_each` in it could stand in another one.
            .with("tree", "1.0", &format!("steps:\n{}", level(&tree, 2, &mut 0, true, "  ")));
        let book = texts.whole(&format!("steps:\n{}", level(&top, 2, &mut 0, false, "  ")));
        let ids: BTreeSet<&str> = book.steps.iter().map(|step| step.id.as_str()).collect();
        prop_assert_eq!(ids.len(), book.steps.len());
        let groups: BTreeSet<&str> = book.groups.iter().map(|group| group.id.as_str()).collect();
        prop_assert_eq!(groups.len(), book.groups.len());
        for (place, step) in book.steps.iter().enumerate() {
            for needed in &step.needs {
                prop_assert!(book.steps.iter().take(place).any(|other| &other.id == needed), "{} needs {}", step.id, needed);
            }
            // The groups around a step are those whose places hold its own.
            let around: BTreeSet<&str> = book.around(step.group.as_ref()).map(|group| group.id.as_str()).collect();
            let holding: BTreeSet<&str> =
                book.groups.iter().filter(|group| group.range().contains(&place)).map(|group| group.id.as_str()).collect();
            prop_assert_eq!(around, holding);
        }
        let mut levels = vec![None];
        levels.extend(book.groups.iter().map(Some));
        for group in levels {
            let mut place = group.map_or(0, |group| group.first);
            for child in book.level(group) {
                if let Standing::Group(inner) = child {
                    prop_assert_eq!(inner.first, place);
                    prop_assert!(inner.count > 0);
                }
                place += child.count();
            }
            prop_assert_eq!(place, group.map_or(book.steps.len(), |group| group.range().end));
        }
    }
}
