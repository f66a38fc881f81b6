use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diagnostic::Span;
use crate::value::{Value, is_unknown, unknown};

fn scope() -> Scope {
    Scope {
        item: Value::Null,
        vars: Value::Null,
        inputs: json!({"mode": "planned", "max_lag": 1_048_576, "wait": 20.0, "none": null, "list": ["a", "b"]}),
        steps: json!({
            "roles": {"outputs": {"primary": "pg1", "timeline": 3}, "outcome": "done"},
            "left": {"outputs": {}, "outcome": "skipped"},
        }),
        outputs: json!({"lag_bytes": 52_428_800, "primaries": 1, "members": [{"name": "pg1", "up": true}],
            "later": unknown("read at the start")}),
        facts: Value::Null,
        run: json!({"id": "r", "playbook": "db", "version": "1", "incident": null}),
    }
}

fn expression(source: &str) -> Expression {
    Expression { source: source.to_owned(), span: Span::default() }
}

fn decide(source: &str) -> Result<Truth, String> {
    decide_condition(&expression(source), &scope()).map_err(|error| error.message)
}

fn rendered(source: &str) -> Result<Value, String> {
    let template = Template { source: source.to_owned(), span: Span::default() };
    render(&template, &scope()).map_err(|error| error.message)
}

#[test]
fn conditions_are_decided() {
    for holds in [
        "inputs.mode == 'planned'",
        "outputs.lag_bytes > inputs.max_lag",
        "inputs.wait == 20 && inputs.wait < 21 && 19 < inputs.wait && inputs.wait * 2 == 40 && 1 == 1.0",
        "inputs.none == null",
        "!has(inputs.none) && has(inputs.mode)",
        "outputs.members.all(m, m.up) && outputs.members[0].name == steps.roles.outputs.primary",
        "outputs.members.exists(m, m.name == steps.roles.outputs.primary)",
        "steps.left.outcome == 'skipped'",
        "'a' in inputs.list && size(inputs.list) == 2",
        "steps.roles.outputs['primary'].matches('^pg[0-9]$')",
        "{'a': 1}.a == 1 && [1, 2][1] == 2 && [1.0] == [1]",
        "(inputs.mode == 'planned' ? 1 : inputs.nothing) == 1",
        "'x' + 'y' == 'xy' && 7 / 2 == 3 && 7 % 2 == 1 && -inputs.wait == -20.0",
        "inputs.list.filter(i, i != 'a') == ['b'] && inputs.list.map(i, i + '!')[0] == 'a!'",
        "inputs.mode == 'planned' || inputs.nothing == 1",
        "inputs.list.all(i, has(steps.left.outputs.x) ? steps.left.outputs.x == i : true)",
    ] {
        assert_eq!(decide(holds), Ok(Truth::True), "{holds}");
    }
    assert_eq!(decide("outputs.lag_bytes <= inputs.max_lag"), Ok(Truth::False));
}

#[test]
fn an_unknown_spreads_no_further_than_it_must() {
    assert_eq!(decide("outputs.later == 1 || inputs.mode == 'planned'"), Ok(Truth::True));
    assert_eq!(decide("outputs.later && false"), Ok(Truth::False));
    assert_eq!(decide("(outputs.later ? 1 : 1) == 1"), Ok(Truth::True));
    assert_eq!(decide("outputs.later == 1 && inputs.nothing == 1"), decide("outputs.later == 1"));
    for open in [
        "outputs.later == 1",
        "!outputs.later",
        "outputs.later ? true : false",
        "outputs == {}",
        "outputs.members.all(m, m.name == outputs.later)",
        "has(outputs.later)",
        "[1].exists(x, outputs == {})",
        "[1].exists(x, outputs[inputs.mode] == 1)",
        "size(outputs.later) > 1",
        "outputs.later.deep.down",
    ] {
        assert!(matches!(decide(open), Ok(Truth::Undecided(_))), "{open}: {:?}", decide(open));
    }
    assert_eq!(decide("outputs.later > 1"), Ok(Truth::Undecided("`outputs.later` (read at the start)".to_owned())));
}

#[test]
fn a_fault_names_what_it_is_about() {
    let fault = |source: &str| decide(source).expect_err(source);
    assert_eq!(fault("steps.roles.outputs.standby == 'x'"), "there is no `steps.roles.outputs.standby`");
    assert!(fault("steps.left.outputs.x == 1").contains("was skipped"));
    assert!(fault("facts.x == 1").contains("no facts here"));
    assert!(fault("inputs.none.deep == 1").contains("`inputs.none` is null"));
    assert!(fault("nothing == 1").contains("can name inputs"));
    assert!(fault("inputs.mode < 1").contains("string"), "{}", fault("inputs.mode < 1"));
    assert_eq!(fault("inputs.none < 1"), "`<` does not go with null and int: `inputs.none` is null");
    assert_eq!(fault("inputs.mode + 1 == 2"), "`add` does not go with string and int");
    assert_eq!(fault("int(inputs.mode) == 1"), "`int`: string parse error: invalid digit found in string");
    assert!(fault("1").contains("true or false"));
    assert!(fault("inputs.mode && true").contains("`&&` needs"));
    assert!(fault("1 / 0 == 1").contains("division by zero"));
    assert!(fault("9223372036854775807 + 1 == 1").contains("too large"), "{}", fault("9223372036854775807 + 1 == 1"));
    assert!(fault("inputs.list[7] == 'a'").contains("inputs.list[7]"));
}

#[test]
fn values_are_computed() {
    let value = |source: &str| compute(&expression(source), &scope()).unwrap();
    assert_eq!(value("{'b': 1, 'a': inputs.list}").to_string(), r#"{"a":["a","b"],"b":1}"#);
    assert!(is_unknown(&value("outputs.later + 1")));
    assert!(compute(&expression("1.0 / 0.0"), &scope()).is_err(), "an infinity is no JSON");
}

#[test]
fn a_single_template_keeps_the_type() {
    assert_eq!(rendered("{{inputs.max_lag}}"), Ok(json!(1_048_576)));
    assert_eq!(rendered("{{ inputs.list }}"), Ok(json!(["a", "b"])));
    assert_eq!(rendered("{{inputs.list.[1]}}"), Ok(json!("b")));
    assert_eq!(rendered("lag {{inputs.max_lag}}, {{inputs.wait}} s"), Ok(json!("lag 1048576, 20 s")));
    assert_eq!(rendered("{{json inputs.list}}"), Ok(json!(r#"["a","b"]"#)));
    assert_eq!(rendered("{{default inputs.none \"x\"}}"), Ok(json!("x")));
    assert_eq!(rendered("{{default steps.left.outputs.x 5}}"), Ok(json!(5)));
    assert_eq!(rendered("a \\{{b}} c"), Ok(json!("a {{b}} c")));
    assert_eq!(rendered("<{{steps.roles.outputs.primary}}> & \"{{inputs.mode}}\""), Ok(json!("<pg1> & \"planned\"")));
}

#[test]
fn a_template_is_strict() {
    assert!(rendered("{{inputs.nothing}}").is_err());
    assert!(rendered("x {{inputs.none}}").unwrap_err().contains("null"));
    assert!(rendered("x {{inputs.list}}").unwrap_err().contains("json"));
    assert!(is_unknown(&rendered("{{outputs.later}}").unwrap()));
    assert!(is_unknown(&rendered("x {{outputs.later}}").unwrap()));
    for bad in
        ["{{#if a}}x{{/if}}", "{{> a}}", "{{{{raw}}}}x{{{{/raw}}}}", "{{upper inputs.mode}}", "{{", "{{@root.x}}"]
    {
        assert!(rendered(bad).is_err(), "{bad}");
    }
    assert!(rendered(&"{{#a}}".repeat(20_000)).is_err());
    assert!(rendered(&format!("{{{{a {}}}}}", "(".repeat(20_000))).is_err());
}

/// Lint refuses values of other types in a script; a target that breaks its own word is stopped here.
#[test]
fn a_value_that_a_shell_would_read_never_gets_into_a_script() {
    let resolve = |value: &str| {
        let scope = Scope { inputs: json!({"x": value}), ..Scope::default() };
        let template = Template { source: "echo {{inputs.x}}".to_owned(), span: Span::default() };
        resolve_arguments(&[("script".to_owned(), Argument::Template(template))], &scope)
    };
    assert_eq!(resolve("pg1.db-2:5432/x"), Ok(json!({"script": "echo pg1.db-2:5432/x"})));
    for bad in ["a;b", "$(x)", "`x`", "a\nb", "a'b", "a\"b", "a|b", "a&b", "a>b", "*", "~x", "#", "a\\b", "ü"] {
        assert!(resolve(bad).unwrap_err().message.contains("env"), "{bad}");
    }
}

#[test]
fn explain_lists_the_values() {
    let text = explain(&expression("outputs.lag_bytes <= inputs.max_lag || outputs.later"), &scope());
    assert_eq!(text, "outputs.lag_bytes = 52428800, inputs.max_lag = 1048576, outputs.later is not known yet");
}

#[test]
fn a_long_list_is_not_looped_over() {
    let mut scope = scope();
    scope.outputs = json!({"many": vec![0; 5000]});
    assert!(decide_condition(&expression("outputs.many.all(a, a == 0)"), &scope).is_err());
}

/// Small conditions over `inputs.a` and `inputs.b` (numbers), `inputs.p` and `inputs.q` (true or false).
fn condition() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("inputs.p".to_owned()),
        Just("inputs.q".to_owned()),
        ("[ab]", prop_oneof![Just("=="), Just("<"), Just(">="), Just("!=")], 0..3_i64)
            .prop_map(|(name, sign, number)| format!("inputs.{name} {sign} {number}")),
        Just("inputs.a + 1 > inputs.b".to_owned()),
        Just("[inputs.a, 1].exists(x, x == inputs.b)".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

    #[test]
    fn an_unknown_never_contradicts_what_it_turns_out_to_be(
        source in condition(), a in 0..3_i64, b in 0..3_i64, p: bool, q: bool, hidden in 0..16_u8,
    ) {
        let known = json!({"a": a, "b": b, "p": p, "q": q});
        let mut partly = known.clone();
        for (bit, name) in ["a", "b", "p", "q"].into_iter().enumerate() {
            if hidden & (1 << bit) != 0 {
                partly[name] = unknown("hidden");
            }
        }
        let whole = decide_condition(&expression(&source), &Scope { inputs: known, ..Scope::default() });
        let part = decide_condition(&expression(&source), &Scope { inputs: partly, ..Scope::default() });
        if let Ok(decided @ (Truth::True | Truth::False)) = part {
            prop_assert_eq!(whole, Ok(decided));
        } else {
            prop_assert!(hidden != 0 && part.is_ok());
        }
    }

    #[test]
    fn any_expression_is_survived(source in "[a-z0-9.()\\[\\]{}?:&|!<>=+*/%'\" ,-]{0,60}") {
        for message in [decide(&source).err(), rendered(&format!("{{{{{source}}}}}")).err()].into_iter().flatten() {
            prop_assert!(!message.contains("(a fault in"), "{}", message);
        }
    }
}
