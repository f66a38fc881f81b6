use proptest::prelude::*;

use super::*;

fn set(text: &str) -> String {
    let faults = |faults: Vec<Diagnostic>| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    format(&Source::new("x.yaml", text)).unwrap_or_else(|error| panic!("{}\n{text}", faults(error)))
}

#[test]
fn spaces_are_set_and_comments_stay() {
    let before = "\n\n# top\nname:    x  # tail  \n\n\n\nsteps:\n# about a\n-   id: a\n    run: |\n          echo 'x'\n            # content\n\n          echo y   \n    env: {A:   1,B: [a ,b]}\n    # behind a\n\n- id :   b\n  argv: [\n   x,   # why\n       y\n   ]\n# the end\n\n\n";
    let after = "# top\nname: x  # tail\n\nsteps:\n  # about a\n  - id: a\n    run: |\n      echo 'x'\n        # content\n\n      echo y   \n    env: { A: 1, B: [a, b] }\n    # behind a\n\n  - id: b\n    argv: [\n      x,   # why\n      y\n    ]\n# the end\n";
    assert_eq!(set(before), after);
    assert_eq!(set(after), after);
}

#[test]
fn texts_over_several_lines_keep_what_they_say() {
    for (before, after) in [
        ("a:\n    one\n    two\nb: 1\n", "a:\n  one\n  two\nb: 1\n"),
        ("a: \"x\n\n\n      y \\\n    z\"\n", "a: \"x\n\n\n  y \\\n  z\"\n"),
        ("a:\n   b: >-2\n       f\n     g\n", "a:\n  b: >-2\n      f\n    g\n"),
        ("a: |+\n  x\n\n\nb: 1\n", "a: |+\n  x\n\n\nb: 1\n"),
        ("a: |\n  x\n\n\n\nb: 1\n", "a: |\n  x\n\nb: 1\n"),
        ("a: |\n\n    x\n", "a: |\n\n  x\n"),
        ("a: |\nb: 1\n", "a: |\nb: 1\n"),
        ("- |\n x\n-  - y\n   - z\n-\n- {}\n", "- |\n  x\n- - y\n  - z\n-\n- {}\n"),
        ("a: |  # why\n   x\n", "a: |  # why\n  x\n"),
        ("a:\n  |\n   x\n", "a:\n  |\n  x\n"),
        ("a: |\n  x", "a: |\n  x\n"),
        ("---\na:   1\n...\n", "---\na: 1\n...\n"),
        ("a: 1\r\nb:   2\r\n", "a: 1\nb: 2\n"),
        ("\u{feff}a:  1\n", "a: 1\n"),
        ("a: {b: , \"c\":1, d}\n", "a: { b:, \"c\": 1, d }\n"),
        ("a: { b: }\n", "a: { b: }\n"),
        ("数: [ 据 ]   # 库\n", "数: [据]   # 库\n"),
    ] {
        assert_eq!(set(before), after, "{before:?}");
        assert_eq!(set(after), after, "{before:?}");
    }
}

#[test]
fn lists_of_steps_in_steps_are_set() {
    let before = "steps:\n- id: both\n  parallel:\n  # the left\n  - {id: a,run: x}\n\n\n  -   id: rest # why\n      for_each:   [a ,b]\n      batch: {size:   2}\n      steps:\n           - id: b\n             run: |\n                 one\n                   two\n           # behind b\n- id: last\n  run: y\n";
    let after = "steps:\n  - id: both\n    parallel:\n      # the left\n      - { id: a, run: x }\n\n      - id: rest # why\n        for_each: [a, b]\n        batch: { size: 2 }\n        steps:\n          - id: b\n            run: |\n              one\n                two\n          # behind b\n  - id: last\n    run: y\n";
    assert_eq!(set(before), after);
    assert_eq!(set(after), after);
}

#[test]
fn what_cannot_be_set_is_refused() {
    for (text, code) in [("a: [\n", "not-yaml"), ("", "empty-document"), ("? a\n: b\n", "cannot-format")] {
        let faults = format(&Source::new("x.yaml", text)).unwrap_err();
        assert_eq!(faults[0].code, code, "{text:?}");
    }
}

#[test]
fn what_is_shipped_is_formatted() {
    for folder in ["playbooks", "fixtures/good"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert_eq!(set(&text), text);
        }
    }
}

/// Whatever is given, the answer says the same or there is none; and what was formatted stays as it is.
fn holds(text: &str) -> bool {
    let Ok(once) = format(&Source::new("x.yaml", text)) else { return false };
    let node = |text: &str| document::parse(&Source::new("x.yaml", text)).unwrap();
    assert!(same(&node(text), &node(&once)), "{text:?}\n{once:?}");
    let twice = format(&Source::new("x.yaml", once.as_str()));
    assert_eq!(twice.map_err(|faults| faults[0].to_string()).as_deref(), Ok(once.as_str()), "{text:?}");
    true
}

/// Documents with everything in them that a person may write.
fn documents() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "[a-c]{1,3}",
        Just("\"q  w\"".to_owned()),
        Just("'it''s'".to_owned()),
        Just("\"{{inputs.x}}\"".to_owned()),
        Just(String::new()),
        Just("[a,  b ,{c:  d}]".to_owned()),
        Just("{a:   b, c}".to_owned()),
        Just("[]".to_owned()),
    ];
    let tail = prop_oneof![4 => Just(""), 1 => Just("  # tail"), 1 => Just("   ")];
    let value = prop_oneof![
        6 => (scalar, tail).prop_map(|(scalar, tail)| format!(" {scalar}{tail}\n")),
        1 => Just(" |\n@  one\n@    two\n\n@  # three\n".to_owned()),
        1 => Just(" >-\n@     one\n@     two\n".to_owned()),
        1 => Just(" |+\n@  one\n\n\n".to_owned()),
        1 => Just(" |2\n@    one\n@  two\n".to_owned()),
        1 => Just(" \"one\n\n@   two  \n@ three\"\n".to_owned()),
        1 => Just(" one\n@   two\n".to_owned()),
        1 => Just(" [\n@  a, # why\n@   # whole\n@  {b: c}\n@  ]\n".to_owned()),
    ];
    let comment = prop_oneof![6 => Just(""), 1 => Just("@# c\n"), 1 => Just("\n\n@   # d\n"), 1 => Just("# left\n"), 1 => Just("\n\n\n")];
    let leaf = value.boxed();
    let node = leaf.prop_recursive(4, 40, 4, |inner| {
        let entries = prop::collection::vec((comment_strategy(), inner), 1..4);
        (entries, any::<bool>(), 1..5_usize).prop_map(|(entries, list, step)| {
            let mut text = "\n".to_owned();
            for (number, (comment, value)) in entries.iter().enumerate() {
                let inner = value.replace('@', &format!("@{}", " ".repeat(step)));
                let comment = comment.replace('@', &format!("@{}", " ".repeat(step)));
                let key = if list { "-".to_owned() } else { format!("k{number}:") };
                text.push_str(&format!("{comment}@{}{key}{inner}", " ".repeat(step)));
            }
            text
        })
    });
    (prop::collection::vec((comment, node), 1..4)).prop_map(|entries| {
        let parts = entries.iter().enumerate();
        let text: String = parts.map(|(number, (comment, value))| format!("{comment}t{number}:{value}")).collect();
        text.replace('@', "")
    })
}

fn comment_strategy() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 1 => Just("@# c\n"), 1 => Just("\n@   # d\n"), 1 => Just("\n\n\n")]
}

/// Lists of steps within steps, each as far in as its author liked.
fn step_lists() -> impl Strategy<Value = String> {
    let single = prop_oneof![
        Just("run: |\n@    one\n@      two\n".to_owned()),
        Just("{run:  x, env: {A: b}}\n".to_owned()),
        Just("run: x # why\n@  # inside\n@  effect:   read\n".to_owned()),
    ];
    let lists = single.prop_recursive(4, 24, 3, |inner| {
        let steps = prop::collection::vec((comment_strategy(), inner), 1..4);
        (steps, 0..4_usize, prop_oneof![Just("parallel"), Just("for_each: [a,  b]\n@  steps")]).prop_map(
            |(steps, indent, key)| {
                let place = format!("@  {}", " ".repeat(indent));
                let steps = steps.iter().map(|(comment, step)| {
                    format!("{}{place}- {}", comment.replace('@', &place), step.replace('@', &place))
                });
                format!("{key}:\n{}", steps.collect::<String>())
            },
        )
    });
    lists.prop_map(|list| format!("steps:\n  - {}", list.replace('@', "  ")))
}

const WHOLE: &str = include_str!("../../../playbooks/db-failover.yaml");

fn floor(mut byte: usize) -> usize {
    while !WHOLE.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

    #[test]
    fn generated_documents_keep_what_they_say(text in documents()) {
        holds(&text);
    }

    #[test]
    fn lists_of_steps_keep_what_they_say(text in step_lists()) {
        prop_assert!(holds(&text), "{text}");
    }

    #[test]
    fn any_yaml_like_text_keeps_what_it_says(text in "([-:?,{}\\[\\]|>'\"# \n\ta-c2]|: |- |\n  |  # c\n|\r\n|\n\n){0,60}") {
        holds(&text);
    }

    #[test]
    fn a_broken_playbook_keeps_what_it_says(at in 0..WHOLE.len(), cut in 0..30_usize, put in "[-:{}\\[\\]|>'\"#\n a]{0,4}") {
        let start = floor(at);
        let end = floor((at + cut).min(WHOLE.len()).max(start));
        holds(&format!("{}{put}{}", &WHOLE[..start], &WHOLE[end..]));
    }
}

/// The generator is of use only if most of what it makes is YAML that can be set.
#[test]
fn most_generated_documents_can_be_set() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..200).filter(|_| holds(&documents().new_tree(&mut runner).unwrap().current())).count();
    assert!(good >= 180, "{good} of 200");
}
