//! What the functions of an expression take and give, as a table: the CEL library has no checker of its own. A test holds
//! the table to what the library really does.

use super::check::{Finding, Typed};
use super::names::Kind;
use crate::diagnostic::nearest;

/// One way to call a function.
struct Signature {
    name: &'static str,
    /// What stands before the dot; `None` where nothing does.
    target: Option<&'static [Kind]>,
    /// What stands in the brackets.
    arguments: &'static [&'static [Kind]],
    gives: Kind,
}

const ANYTHING: &[Kind] = &[Kind::Null, Kind::Bool, Kind::Number, Kind::Text, Kind::List, Kind::Map];
const SIZED: &[Kind] = &[Kind::Text, Kind::List, Kind::Map];
const NUMERIC: &[Kind] = &[Kind::Number, Kind::Text];
const PLAIN: &[Kind] = &[Kind::Bool, Kind::Number, Kind::Text];
const TEXT: &[Kind] = &[Kind::Text];

const fn function(name: &'static str, arguments: &'static [&'static [Kind]], gives: Kind) -> Signature {
    Signature { name, target: None, arguments, gives }
}

const fn method(
    target: &'static [Kind],
    name: &'static str,
    arguments: &'static [&'static [Kind]],
    gives: Kind,
) -> Signature {
    Signature { name, target: Some(target), arguments, gives }
}

const SIGNATURES: &[Signature] = &[
    function("size", &[SIZED], Kind::Number),
    method(SIZED, "size", &[], Kind::Number),
    method(TEXT, "contains", &[TEXT], Kind::Bool),
    method(TEXT, "startsWith", &[TEXT], Kind::Bool),
    method(TEXT, "endsWith", &[TEXT], Kind::Bool),
    method(TEXT, "matches", &[TEXT], Kind::Bool),
    function("matches", &[TEXT, TEXT], Kind::Bool),
    function("int", &[NUMERIC], Kind::Number),
    function("uint", &[NUMERIC], Kind::Number),
    function("double", &[NUMERIC], Kind::Number),
    function("string", &[PLAIN], Kind::Text),
    function("bool", &[&[Kind::Bool, Kind::Text]], Kind::Bool),
    function("type", &[ANYTHING], Kind::Any),
    function("dyn", &[ANYTHING], Kind::Any),
];

/// The macros, and how each is written: one that is written otherwise is met as a function.
const MACROS: &[(&str, &str)] = &[
    ("has", "has(outputs.x)"),
    ("all", "LIST.all(x, CONDITION)"),
    ("exists", "LIST.exists(x, CONDITION)"),
    ("exists_one", "LIST.exists_one(x, CONDITION)"),
    ("map", "LIST.map(x, VALUE)"),
    ("filter", "LIST.filter(x, CONDITION)"),
];

/// What people write who know other dialects of CEL, or other languages.
const FOREIGN: &[(&str, &str)] = &[
    ("duration", "a duration is its seconds here: write `inputs.wait > 20`"),
    ("timestamp", "there is no clock in a condition"),
    ("now", "there is no clock in a condition"),
    ("max", "write `a > b ? a : b`"),
    ("min", "write `a < b ? a : b`"),
    ("len", "did you mean `size`?"),
    ("length", "did you mean `size`?"),
    ("count", "did you mean `size`?"),
    ("includes", "write `VALUE in LIST`, or `contains` for a text"),
    ("str", "did you mean `string`?"),
    ("float", "did you mean `double`?"),
];

/// What a call gives, and what is wrong with it.
pub(super) fn check_call(name: &str, target: Option<&Typed>, arguments: &[Typed]) -> (Kind, Option<Finding>) {
    let named = || SIGNATURES.iter().filter(|signature| signature.name == name);
    let Some(first) = named().next() else { return (Kind::Any, Some(unknown(name))) };
    let fits = |signature: &&Signature| {
        signature.target.is_some() == target.is_some() && signature.arguments.len() == arguments.len()
    };
    let Some(signature) = named().find(fits) else {
        let ways: Vec<String> = named().map(written).collect();
        let message = format!("`{name}` is not called so");
        let help = Some(format!("write {}", ways.join(" or ")));
        return (first.gives, Some(mismatch(message, help, Some(name.to_owned()))));
    };
    let wanted = signature.target.into_iter().chain(signature.arguments.iter().copied());
    let wrong = wanted
        .zip(target.into_iter().chain(arguments))
        .find(|(kinds, given)| given.kind != Kind::Any && !kinds.contains(&given.kind));
    let finding = wrong.map(|(kinds, given)| {
        let message = format!("`{name}` takes {}, and this is {}", list(kinds), given.kind.describe());
        let help = match (name, given.kind) {
            ("contains", Kind::List | Kind::Map) => Some("write `VALUE in LIST`".to_owned()),
            (_, Kind::Number | Kind::Bool) if kinds == TEXT => Some("`string(…)` makes a text of it".to_owned()),
            _ => None,
        };
        mismatch(message, help, given.word.clone().or_else(|| Some(name.to_owned())))
    });
    (signature.gives, finding)
}

fn mismatch(message: String, help: Option<String>, word: Option<String>) -> Finding {
    Finding { code: "type-mismatch", message, help, word }
}

fn unknown(name: &str) -> Finding {
    let said =
        |table: &[(&str, &str)]| table.iter().find(|(word, _)| *word == name).map(|(_, text)| (*text).to_owned());
    if let Some(form) = said(MACROS) {
        return mismatch(format!("`{name}` is not called so"), Some(format!("write `{form}`")), Some(name.to_owned()));
    }
    let mut names: Vec<&str> = SIGNATURES.iter().map(|signature| signature.name).collect();
    names.dedup();
    names.extend(MACROS.iter().map(|(name, _)| *name));
    let near = || nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
    let help = said(FOREIGN).or_else(near).unwrap_or_else(|| format!("there are {}", names.join(", ")));
    let message = format!("there is no function `{name}`");
    Finding { code: "unknown-function", message, help: Some(help), word: Some(name.to_owned()) }
}

fn written(signature: &Signature) -> String {
    let places = ["x", "y", "z"];
    let inside = places.iter().take(signature.arguments.len()).copied().collect::<Vec<_>>().join(", ");
    match signature.target {
        Some(_) => format!("`VALUE.{}({inside})`", signature.name),
        None => format!("`{}({inside})`", signature.name),
    }
}

fn list(kinds: &[Kind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.describe()).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::check::Checker;
    use super::super::index::Groups;
    use super::super::names::{Around, Names};
    use super::super::{Expression, InputSpec, Playbook, Scope, cel, compute};
    use crate::diagnostic::{Source, Span};
    use crate::spec::Specs;
    use crate::value::Type;

    fn inputs() -> Vec<InputSpec> {
        let input = |name: &str, kind: Type| InputSpec {
            name: name.to_owned(),
            kind,
            default: None,
            required: false,
            sensitive: false,
            pattern: None,
            min: None,
            max: None,
            description: String::new(),
        };
        vec![
            input("text", Type::String),
            input("count", Type::Integer),
            input("share", Type::Number),
            input("wait", Type::Duration),
            input("size", Type::Size),
            input("flag", Type::Boolean),
            input("names", Type::List(Box::new(Type::String))),
            input("mode", Type::Choice(vec!["planned".to_owned(), "unplanned".to_owned()])),
        ]
    }

    fn book() -> Playbook {
        let text = "name: x\nversion: 1.0.0\nsteps: [{ id: a, effect: read, run: date }]\n";
        super::super::load(&Source::new("x.yaml", text), &Specs::of(&[])).playbook.unwrap()
    }

    /// The codes of what is wrong with an expression.
    fn faults(source: &str) -> Vec<(&'static str, String)> {
        let (inputs, all, used) = (inputs(), BTreeMap::new(), RefCell::new(BTreeSet::new()));
        let book = book();
        let groups = Groups::of(&book);
        let around = Around { groups: &groups, inside: None, before: 0, earlier: 0 };
        let (outputs, facts, why_not) = (None, None, "");
        let names = Names {
            inputs: &inputs,
            steps: &[],
            around,
            all: &all,
            outputs,
            facts,
            why_not,
            alerts: false,
            used: &used,
        };
        let mut checker = Checker::new(&names);
        checker.kind(&cel::compile(source).unwrap_or_else(|error| panic!("{source}: {}", error.message)));
        checker.findings.into_iter().map(|found| (found.code, format!("{} {:?}", found.message, found.help))).collect()
    }

    #[test]
    fn what_can_never_be_evaluated_is_found() {
        for (bad, says) in [
            ("size(5) > 1", "takes a string, a list or a map, and this is a number"),
            ("size(inputs.count) > 1", "this is a number"),
            ("inputs.flag.size() > 1", "this is true or false"),
            ("size() > 1", "is not called so"),
            ("size(inputs.text, 'x') > 1", "`VALUE.size()`"),
            ("inputs.text.startsWith(1)", "`string(…)` makes a text of it"),
            ("inputs.text.endsWith(inputs.count)", "this is a number"),
            ("inputs.text.contains(['a'])", "this is a list"),
            ("inputs.names.contains('a')", "write `VALUE in LIST`"),
            ("inputs.count.startsWith('1')", "this is a number"),
            ("'a'.matches(1)", "this is a number"),
            ("matches(inputs.text)", "is not called so"),
            ("contains(inputs.text, 'a')", "`VALUE.contains(x)`"),
            ("int(inputs.flag) == 1", "this is true or false"),
            ("int(inputs.names) == 1", "this is a list"),
            ("double(null) > 1.0", "this is null"),
            ("string(inputs.names) == ''", "this is a list"),
            ("bool(inputs.count)", "this is a number"),
            ("all(inputs.names, x)", "LIST.all(x, CONDITION)"),
            ("-inputs.text == 'a'", "this is a string"),
            ("inputs.text - 1 > 0", "cannot be put together"),
            ("inputs.text + 1 == 'a1'", "cannot be put together"),
            ("inputs.names + 'a' == []", "cannot be put together"),
            ("inputs.flag * 2 == 2", "cannot be put together"),
            ("inputs.wait % 2 == 0", "whole numbers"),
            ("inputs.count % 1.5 == 0", "whole numbers"),
            ("inputs.text > 5", "compared with"),
            ("inputs.text == 5", "compared with"),
            ("inputs.flag == 'true'", "compared with"),
            ("inputs.names < ['a']", "compared with"),
            ("inputs.size > '1MiB'", "bytes"),
            ("1 in inputs.text", "needs a list or a map"),
            ("'a' in 'abc'", "needs a list or a map"),
            ("1 in inputs.names", "compared with"),
            ("inputs.text in [1, 2]", "compared with"),
            ("inputs.mode in ['planed', 'unplanned']", "did you mean `planned`?"),
            ("1 in {'a': 1}", "the keys of a map are strings"),
            ("'abc'.all(x, true)", "need a list"),
            ("inputs.names.all(x, x > 3)", "compared with"),
            ("inputs.names.exists(x, size(x + 1) > 3)", "cannot be put together"),
            ("(inputs.text + 'x')[0] == 'a'", "has no parts"),
            ("inputs.names['a'] == 'a'", "no parts"),
        ] {
            let found = faults(bad);
            assert!(found.iter().any(|(_, text)| text.contains(says)), "{bad}: {found:?}");
            assert!(
                found.iter().all(|(code, _)| ["type-mismatch", "not-an-option", "unknown-name"].contains(code)),
                "{bad}: {found:?}"
            );
        }
        for (bad, says) in
            [("duration(3) > 1", "its seconds"), ("len(inputs.text) > 1", "`size`"), ("max(1, 2) > 1", "a > b")]
        {
            let found = faults(bad);
            assert!(
                matches!(found.as_slice(), [("unknown-function", text)] if text.contains(says)),
                "{bad}: {found:?}"
            );
        }
    }

    #[test]
    fn what_can_be_evaluated_is_let_pass() {
        for good in [
            "size(inputs.text) + size(inputs.names) > inputs.count && inputs.text.size() > 1",
            "inputs.text.startsWith(string(inputs.count)) || inputs.text.matches('^a+$') || matches(inputs.text, 'a')",
            "int(inputs.text) > 1 && double(inputs.count) / 2.0 > inputs.share && -inputs.count < 0",
            "'a' in inputs.names && inputs.mode in ['planned'] && 'a' in {'a': 1} && !(null in inputs.names)",
            "inputs.wait / 2 > 1.5 && inputs.size % 2 == 0 && inputs.size > 5 * 1024",
            "inputs.names.all(x, x.startsWith('a') && size(x) > 1) && inputs.names.map(x, size(x))[0] > 1",
            "inputs.names.filter(x, x != 'a').exists_one(x, x == 'b') && inputs.text != null && inputs.names[0] == 'a'",
            "{'a': 1, 'b': 2}.all(key, key.startsWith('a')) && (inputs.flag ? 1 : 2) > 1 && dyn(inputs.text) != 3",
        ] {
            assert_eq!(faults(good), [], "{good}");
        }
    }

    const LITERALS: [&str; 6] = ["true", "5", "'5'", "['5']", "{'5': 1}", "null"];

    fn evaluates(source: &str) -> bool {
        let expression = Expression { source: source.to_owned(), span: Span { start: 0, end: 0 } };
        compute(&expression, &Scope::default()).is_ok()
    }

    /// Whatever lint lets pass the library can do, and what it refuses the library cannot, over every kind of value.
    #[test]
    fn the_table_says_what_the_library_does() {
        let mut sources = Vec::new();
        for one in LITERALS {
            for name in ["size", "int", "uint", "double", "string", "type", "dyn"] {
                sources.push(format!("{name}({one})"));
                sources.push(format!("({one}).{name}()"));
            }
            sources.push(format!("-({one})"));
            for other in LITERALS {
                for name in ["contains", "startsWith", "endsWith", "matches", "size"] {
                    sources.push(format!("({one}).{name}({other})"));
                    sources.push(format!("{name}({one}, {other})"));
                }
                for sign in ["-", "*", "/", "%"] {
                    sources.push(format!("({one}) {sign} ({other})"));
                }
            }
        }
        for source in sources {
            let found = faults(&source);
            assert_eq!(found.is_empty(), evaluates(&source), "{source}: lint says {found:?}");
        }
    }
}
