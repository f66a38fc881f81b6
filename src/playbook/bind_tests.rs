//! Inputs as they are bound: each by its declared type, and none that anybody could send is too strange.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::load_tests::read;
use super::*;
use crate::diagnostic::Source;
use crate::value::Value;

#[test]
fn inputs_are_bound_by_their_types() {
    let playbook = read(
        "name: x
version: 1.0
inputs:
  cluster: { type: database, required: true, description: which one }
  mode: { type: choice, options: [a, b], default: a }
  lag: { type: size, default: 1MiB, max: 1GiB }
  hosts: { type: list, items: host, default: [h1, h2], min: 1 }
  code: { type: string, pattern: '[A-Z]{3}' }
  fast: { type: boolean, default: no_ }
steps: [{ id: a, run: x, effect: read }]
",
    );
    assert!(playbook.diagnostics.iter().any(|fault| fault.code == "wrong-type"), "`no_` is no boolean");
    let mut playbook = good_inputs();
    let given = |pairs: &[(&str, &str)]| -> BTreeMap<String, Given> {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), Given::by_person(*text))).collect()
    };
    let bound = bind_inputs(&playbook, &given(&[("cluster", "orders"), ("lag", "64KiB"), ("hosts", "x,y")])).unwrap();
    assert_eq!(
        bound,
        json!({"cluster": "orders", "mode": "a", "lag": 65536, "hosts": ["x", "y"], "code": Value::Null})
    );
    let wrong = |pairs: &[(&str, &str)]| -> Vec<String> {
        bind_inputs(&playbook, &given(pairs)).unwrap_err().iter().map(ToString::to_string).collect()
    };
    assert_eq!(wrong(&[]), ["input `cluster` must be given (which one): --input cluster=…"]);
    assert_eq!(wrong(&[("cluster", "x"), ("mod", "a")]), ["`x` has no input `mod`; did you mean `mode`?"]);
    assert_eq!(wrong(&[("cluster", "x"), ("mode", "c")]), ["input `mode`: `c` is no choice of a, b"]);
    assert_eq!(wrong(&[("cluster", "x"), ("lag", "2GiB")]), ["input `lag` is 2 GiB, and the most is 1 GiB"]);
    assert_eq!(
        wrong(&[("cluster", "x"), ("hosts", "")]),
        ["input `hosts` is an empty list, which is never taken for all: name its items (a,b), or leave it out"]
    );
    assert_eq!(wrong(&[("cluster", "x"), ("code", "ABCD")]), ["input `code` is `ABCD`, which does not match [A-Z]{3}"]);
    assert_eq!(wrong(&[("cluster", "a;b"), ("lag", "x")]).len(), 2);
    playbook.inputs.clear();
    assert_eq!(bind_inputs(&playbook, &BTreeMap::new()), Ok(json!({})));
}

fn good_inputs() -> Playbook {
    let loaded = read(
        "name: x
version: 1.0
inputs:
  cluster: { type: database, required: true, description: which one }
  mode: { type: choice, options: [a, b], default: a }
  lag: { type: size, default: 1MiB, max: 1GiB }
  hosts: { type: list, items: host, default: [h1, h2], min: 1 }
  code: { type: string, pattern: '[A-Z]{3}' }
steps: [{ id: a, run: x, effect: read }]
",
    );
    loaded.playbook.unwrap()
}

#[test]
fn a_file_of_inputs_is_read() {
    let given = read_inputs(&Source::new("i.yaml", "a: no\nb: 1.10\nc: [x, y]\nd:\n")).unwrap();
    let pairs: Vec<(&str, &str)> = given.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(pairs, [("a", "no"), ("b", "1.10"), ("c", "x,y")]);
    for bad in ["[1]", "a: {b: c}", "a: ['x,y']", "a: 1\na: 2", "a: [[1]]"] {
        assert!(read_inputs(&Source::new("i.yaml", bad)).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

    #[test]
    fn any_inputs_are_survived(
        names in proptest::collection::vec("[a-z_]{0,3}|cluster|mode|lag|hosts|code", 0..6),
        values in proptest::collection::vec("[ -~ü]{0,12}|[0-9]{1,25}(KiB|TiB)?|[A-Z]{3}|(h[0-9],){0,4}", 6),
    ) {
        let given: BTreeMap<String, Given> = names.into_iter().zip(values.into_iter().map(Given::by_person)).collect();
        if let Ok(bound) = bind_inputs(&good_inputs(), &given) {
            prop_assert_eq!(bound.as_object().map(serde_json::Map::len), Some(5));
        }
    }
}
