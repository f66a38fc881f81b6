//! How lists are cut into batches, and how they are spread.

use serde_json::json;

use super::*;
use crate::playbook::{Argument, Percent, Template};

fn each(sizes: &[&str], least: Option<&str>) -> Each {
    let amount = |text: &&str| Amount::parse(text).unwrap();
    Each {
        sizes: sizes.iter().map(amount).collect(),
        min_healthy: least.as_ref().map(amount),
        ..Each::of(Argument::Literal(json!([])))
    }
}

fn sizes(given: &[&str], least: Option<&str>, items: usize) -> Result<Vec<u32>, NoBatches> {
    batches_of(&each(given, least), items, &Scope::default()).map(|batches| batches.unwrap().sizes)
}

#[test]
fn the_last_size_repeats_and_the_last_batch_takes_what_is_left() {
    assert_eq!(sizes(&["2"], None, 5), Ok(vec![2, 2, 1]));
    assert_eq!(sizes(&["1", "5", "10%"], None, 30), Ok([&[1, 5][..], &[3; 8]].concat()));
    assert_eq!(sizes(&["10"], None, 3), Ok(vec![3]));
    assert_eq!(sizes(&["50%"], None, 5), Ok(vec![2, 2, 1]));
    assert_eq!(sizes(&["100%"], None, 5), Ok(vec![5]));
    assert_eq!(sizes(&["1", "100%"], None, 5), Ok(vec![1, 4]));
    assert_eq!(sizes(&["10%"], None, 3), Ok(vec![1, 1, 1]), "a share of a few is one");
}

#[test]
fn a_batch_is_never_larger_than_what_leaves_enough_others() {
    assert_eq!(sizes(&["4"], Some("3"), 5), Ok(vec![2, 2, 1]));
    assert_eq!(sizes(&["1", "4"], Some("80%"), 9), Ok(vec![1; 9]), "80% of 9 is 7.2, and so 8");
    assert_eq!(sizes(&["4"], Some("0"), 8), Ok(vec![4, 4]));
    let none = sizes(&["1"], Some("5"), 5).unwrap_err();
    assert!(none.to_string().contains("5 of 5 items have to stay healthy (`min_healthy: 5`)"), "{none}");
    assert!(sizes(&["1"], Some("100%"), 5).is_err() && sizes(&["1"], Some("7"), 5).is_err());
    assert!(sizes(&["1"], Some("99%"), 5).is_err(), "a share is rounded up");
}

#[test]
fn what_was_taken_away_is_as_well_as_it_was_and_what_is_silent_is_not() {
    let beside = |items, untouched, silent| {
        let beside = Beside { untouched, silent };
        batches_beside(&each(&["4"], Some("80%")), items, beside, &Scope::default()).map(|batches| batches.unwrap())
    };
    // Eight of ten have to be well. Where a person took eight away, those are, and both of the others may be in hand.
    let narrowed = beside(2, 8, 0).unwrap();
    assert_eq!((narrowed.sizes, narrowed.min_healthy), (vec![2], 0));
    let narrowed = beside(4, 6, 0).unwrap();
    assert_eq!((narrowed.sizes, narrowed.min_healthy), (vec![2, 2], 2));
    // Where one of ten is silent, one of the other nine may be in hand; where two are, none.
    let silent = beside(9, 0, 1).unwrap();
    assert_eq!((silent.sizes, silent.min_healthy), (vec![1; 9], 8));
    assert!(matches!(beside(8, 0, 2), Err(NoBatches::NothingToTake { items: 8, least: 8, .. })));
}

#[test]
fn failures_are_counted_over_the_whole_and_rounded_down() {
    let most = |text: &str, items| {
        let each = Each { max_failures: Amount::parse(text).unwrap(), ..each(&["2"], None) };
        batches_of(&each, items, &Scope::default()).unwrap().unwrap().max_failures
    };
    assert_eq!((most("2", 30), most("10%", 30), most("10%", 29), most("10%", 9)), (2, 3, 2, 0));
}

#[test]
fn what_an_input_says_is_known_when_that_is() {
    let given = |text: &str| Amount::Given(Template { source: text.to_owned(), span: Default::default() });
    let mut each = each(&["1"], None);
    each.sizes.push(given("{{inputs.size}}"));
    each.max_failures = given("{{inputs.most}}");
    let scope = |size| Scope { inputs: json!({ "size": size, "most": "50%" }), ..Scope::default() };
    let found = batches_of(&each, 7, &scope(json!(3))).unwrap().unwrap();
    assert_eq!(found, Batches { sizes: vec![1, 3, 3], max_failures: 3, min_healthy: 0 });
    assert_eq!(batches_of(&each, 7, &scope(crate::value::unknown("later"))), Ok(None));
    assert_eq!(batches_of(&each, 7, &scope(json!(0))), Err(NoBatches::Empty));
    let wrong = batches_of(&each, 7, &scope(json!("all"))).unwrap_err().to_string();
    assert!(wrong.contains("`size`") && wrong.contains("{{inputs.size}}") && wrong.contains("`all`"), "{wrong}");
    // What no record of before could say is gone over with care.
    assert_eq!(batches_written(&each, 3).sizes, [1, 1, 1]);
    assert!(Percent::new(50).is_some());
}

fn racks(given: &str) -> Vec<Item> {
    let items = given.chars().enumerate().map(|(place, rack)| Item {
        vars: serde_json::Value::Null,
        id: format!("web{place}").parse().unwrap(),
        value: match rack {
            '-' => json!({ "name": format!("web{place}") }),
            rack => json!({ "name": format!("web{place}"), "rack": rack.to_string() }),
        },
    });
    items.collect()
}

fn spread_by_rack(given: &str) -> Result<String, NoBatches> {
    let each = Each { spread: Some("rack".to_owned()), ..each(&["2"], None) };
    let rack = |item: &Item| item.value.get("rack").and_then(Value::as_str).unwrap_or("-").to_owned();
    spread(&each, racks(given)).map(|items| items.iter().map(rack).collect())
}

#[test]
fn items_take_turns_by_their_label_in_the_order_in_which_it_is_seen() {
    assert_eq!(spread_by_rack("bbbaaaccc"), Ok("bacbacbac".to_owned()));
    // Four of each batch of four would be the whole of `b`: it is taken from in proportion.
    assert_eq!(spread_by_rack("aaaaaabb"), Ok("aabaaaba".to_owned()));
    assert_eq!(spread_by_rack("aa--"), Ok("a-a-".to_owned()), "what has none is a value of its own");
    assert_eq!(spread_by_rack("aaa"), Ok("aaa".to_owned()));
    let wrong = spread_by_rack("---").unwrap_err();
    assert_eq!(wrong, NoBatches::NoLabel("rack".to_owned()));
    let items = racks("abab");
    assert_eq!(spread(&each(&["2"], None), items.clone()), Ok(items), "nothing is moved where nobody asks for it");
}

#[test]
fn hosts_are_spread_by_a_variable_of_theirs() {
    let each = Each { spread: Some("zone".to_owned()), ..each(&["2"], None) };
    let host =
        |name: &str, zone: &str| Item { id: name.parse().unwrap(), value: json!(name), vars: json!({ "zone": zone }) };
    let given = vec![host("web1", "a"), host("web2", "a"), host("web3", "b"), host("web4", "b")];
    let found = spread(&each, given).unwrap();
    assert_eq!(found.iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), ["web1", "web3", "web2", "web4"]);
}

#[test]
fn no_item_is_lost_and_those_of_one_value_keep_their_order() {
    let each = Each { spread: Some("rack".to_owned()), ..each(&["2"], None) };
    let given = racks("abcaabbc-acb-b");
    let found = spread(&each, given.clone()).unwrap();
    for rack in [Some("a"), Some("b"), Some("c"), None] {
        let of = |items: &[Item]| {
            let mine = items.iter().filter(|item| item.value.get("rack").and_then(Value::as_str) == rack);
            mine.map(|item| item.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&found), of(&given), "{rack:?}");
    }
}
