//! Templates as nearly all of them are: text, and in each `{{…}}` one path. They are read in a few steps over their bytes
//! where the grammar takes thousands; whatever is anything more is left to it. It must never read one otherwise than the
//! grammar does: a test compares the two.

use super::cel::{Part, Path};
use super::template::{Filler, Piece};

/// What paths of templates begin with.
const ROOTS: &[&str] = &["inputs", "steps", "outputs", "facts", "run", "item", "vars"];
/// Words that mean something of their own to the grammar.
const WORDS: &[&str] = &["this", "true", "false", "null", "undefined", "else", "as", "lookup"];

/// The pieces of a template; nothing where the grammar has to read it.
pub(super) fn read(source: &str) -> Option<Vec<Piece>> {
    // A backslash escapes what follows it.
    if source.contains('\\') {
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = source;
    while let Some((text, behind)) = rest.split_once("{{") {
        let (inner, after) = behind.split_once("}}")?;
        // `{{{` and `}}}` are written by whoever means something else.
        if text.contains("}}") || after.starts_with('}') {
            return None;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(Piece::Value(Filler::Path(path(inner.trim_matches(' '))?)));
        rest = after;
    }
    if rest.contains("}}") {
        return None;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Some(pieces)
}

fn path(text: &str) -> Option<Path> {
    let mut names = text.split('.');
    let root = names.next().filter(|root| ROOTS.contains(root))?.to_owned();
    let parts = names.map(|name| is_name(name).then(|| Part::Name(name.to_owned()))).collect::<Option<_>>()?;
    Some(Path { root, parts })
}

fn is_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
        && !WORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::playbook::template::by_the_grammar;

    #[test]
    fn what_is_written_every_day_is_read_without_the_grammar() {
        for source in [
            "{{inputs.cluster}}",
            "database/{{ inputs.cluster }}",
            "{{steps.roles.outputs.primary}}:{{item}}\n",
            "${HOME} {x} {{vars.http_port}}} not closed",
        ] {
            let read = read(source);
            assert_eq!(read.is_some(), !source.contains("}}}"), "{source}");
            if let Some(read) = read {
                assert_eq!(Ok(read), by_the_grammar(source), "{source}");
            }
        }
    }

    #[test]
    fn what_is_more_is_left_to_the_grammar() {
        for source in [
            "{{json outputs.x}}",
            "{{{inputs.a}}}",
            "{{~inputs.a}}",
            "{{inputs.a.0}}",
            "{{inputs.[a b]}}",
            "{{../inputs.a}}",
            "{{inputs.this}}",
            "{{other.a}}",
            "{{inputs.a",
            "{{}}",
            "{{inputs.}}",
            "{{inputs.a}} \\{{b}}",
            "{{! a comment }}",
            "{{#if inputs.a}}{{/if}}",
            "a }} b {{item}}",
            "{{\tinputs.a}}",
        ] {
            assert_eq!(read(source), None, "{source}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: crate::fuzz_cases(512), ..ProptestConfig::default() })]

        #[test]
        fn it_reads_what_the_grammar_reads(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("{{"), Just("}}"), Just("{"), Just("}"), Just(" "), Just("\n"), Just("inputs"), Just("item"),
                    Just("."), Just("a"), Just("b_1"), Just("A"), Just("this"), Just("as"), Just("else"), Just("é"),
                    Just("{{inputs.a}}"), Just("{{ item }}"), Just("{{steps.x.outputs.y}}"), Just("'"), Just("#"),
                ],
                0..12,
            )
        ) {
            let source = parts.concat();
            if let Some(read) = read(&source) {
                prop_assert_eq!(Ok(read), by_the_grammar(&source));
            }
        }
    }
}
