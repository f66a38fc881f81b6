use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Node, Vec<Diagnostic>> {
    parse(&Source::new("x.yaml", text))
}

fn codes(text: &str) -> Vec<&'static str> {
    read(text).expect_err("it should be refused").iter().map(|fault| fault.code).collect()
}

#[test]
fn scalars_keep_their_source_text() {
    let node = read("a: no\nb: 1.10\nc: 'x'\nd: |\n  one\n  two\ne:\n").unwrap();
    let texts: Vec<(&str, bool)> = node
        .entries()
        .unwrap()
        .iter()
        .map(|entry| (entry.value.scalar().unwrap().text.as_str(), entry.value.scalar().unwrap().plain))
        .collect();
    assert_eq!(texts, [("no", true), ("1.10", true), ("x", false), ("one\ntwo\n", false), ("", true)]);
}

#[test]
fn spans_are_bytes_also_behind_wide_characters() {
    let text = "名: 数据库 # ü\nkey: [ü, 'é', {a: \"二\"}]\n";
    let node = read(text).unwrap();
    let part = |span: Span| &text[span.start..span.end];
    let entries = node.entries().unwrap();
    assert_eq!(part(entries[0].key.span), "名");
    assert_eq!(part(entries[0].value.span), "数据库");
    assert_eq!(part(entries[1].value.span), "[ü, 'é', {a: \"二\"}]");
    let items = entries[1].value.items().unwrap();
    assert_eq!(part(items[0].span), "ü");
    assert_eq!(part(items[1].span), "'é'");
    assert_eq!(part(items[2].get("a").unwrap().span), "\"二\"");
    assert_eq!(part(node.span), text.trim_end());
}

#[test]
fn a_block_ends_where_its_last_line_does() {
    let text = "a:\n  - b: c\n\n\nd: |\n  x\n\ne: f\n";
    let node = read(text).unwrap();
    let part = |key: &str| &text[node.get(key).unwrap().span.start..node.get(key).unwrap().span.end];
    assert_eq!(part("a"), "- b: c");
    assert_eq!(part("d"), "x");
}

#[test]
fn what_is_not_part_of_a_playbook_is_refused() {
    assert_eq!(codes("a: &x 1\n"), ["anchor"]);
    assert_eq!(codes("a: *x\n"), ["alias"]);
    assert_eq!(codes("<<: {a: 1}\n"), ["merge-key"]);
    assert_eq!(codes("a: !!str 1\n"), ["tag"]);
    assert_eq!(codes("a: 1\n---\nb: 2\n"), ["several-documents"]);
    assert_eq!(codes(""), ["empty-document"]);
    assert_eq!(codes("a: [1\n"), ["not-yaml"]);
    assert_eq!(codes("a: {{inputs.x}}\n"), ["unquoted-template"]);
    assert_eq!(codes("? [a]\n: 1\n"), ["complex-key"]);
    assert_eq!(codes(&"x".repeat(MAX_BYTES + 1)), ["too-large"]);
    assert_eq!(codes("%YAML 1.1\n---\na: 1\n"), ["not-yaml"]);
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(codes(&nested(MAX_DEPTH + 1)), ["too-deep"]);
    assert!(read(&nested(5000)).is_err());
    assert!(read(&"- ".repeat(5000)).is_err());
}

#[test]
fn a_text_that_is_all_faults_is_given_up_soon() {
    assert!(codes(&"a:\n".repeat(300_000)).len() <= 60);
    assert!(codes(&format!("[{}]", "*a,".repeat(300_000))).len() <= 60);
}

#[test]
fn a_double_key_is_shown_at_both_places() {
    let faults = read("a: 1\nb: 2\na: 3\n").unwrap_err();
    let lines: Vec<usize> = faults.iter().map(|fault| fault.source.position(fault.span.start).0).collect();
    assert_eq!(lines, [3, 1]);
    assert!(faults.iter().all(|fault| fault.code == "duplicate-key"));
}

const VALID: &str =
    "name: x\nsteps:\n  - id: a\n    run: |\n      echo 'ü'\n    env: {A: \"二\", B: 'c'}\n  - [1, 2]\n";

/// All spans lie within the text, cut no character, and children lie within their parents.
fn spans_hold(node: &Node, text: &str) {
    assert!(text.get(node.span.start..node.span.end).is_some(), "{:?}", node.span);
    match &node.kind {
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(items) => items.iter().for_each(|item| spans_hold(item, text)),
        NodeKind::Mapping(entries) => {
            for entry in entries {
                assert!(text.get(entry.key.span.start..entry.key.span.end).is_some());
                spans_hold(&entry.value, text);
            }
        }
    }
}

fn survives(text: &str) {
    match read(text) {
        Ok(node) => spans_hold(&node, text),
        Err(faults) => {
            assert!(!faults.is_empty());
            for fault in faults {
                assert_ne!(fault.code, "parser-fault", "{text:?}");
                assert!(text.get(fault.span.start..fault.span.end).is_some(), "{fault}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_yaml_like_text_is_survived(text in "([-:?,{}\\[\\]&*!|>'\"%@`# \n\ta-c0-9ü二]|---|<<|: |- |\r\n){0,120}") {
        survives(&text);
    }

    #[test]
    fn a_broken_document_is_survived(at in 0..VALID.len(), cut in 0..8_usize, put in "[-:{}\\[\\]&*!|>'\"#\n ü]{0,3}") {
        let start = floor(at);
        let end = floor((at + cut).min(VALID.len()).max(start));
        survives(&format!("{}{put}{}", &VALID[..start], &VALID[end..]));
    }
}

fn floor(mut byte: usize) -> usize {
    while !VALID.is_char_boundary(byte) {
        byte -= 1;
    }
    byte
}
