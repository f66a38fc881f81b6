//! Whether a playbook is started only as it allows, and what an alert says is held to its inputs' types.

use super::*;
use crate::actions::Table;
use crate::diagnostic::Source as Text;
use std::collections::BTreeMap;

use crate::playbook::{Given, Playbook, TriggeredMode, bind_inputs, load};
use crate::spec::Specs;

fn book(triggers: &str) -> Playbook {
    let text = format!(
        "name: x\nversion: 1.0.0\n{triggers}inputs:\n  cluster: {{ type: identifier, default: a }}\n  \
         mode: {{ type: choice, options: [planned, unplanned], default: planned }}\n\
         steps:\n  - {{ id: a, run: x, effect: read, env: {{ A: \"{{{{inputs.cluster}}}}\", B: \"{{{{inputs.mode}}}}\" }} }}\n"
    );
    load(&Text::new("x.yaml", text), &Specs::of(Table::builtin().specs())).playbook.unwrap()
}

fn wanted(inputs: Value) -> Wanted {
    let routes =
        routes(json!([{ "match": { "labels": { "alertname": "PrimaryDown" } }, "playbook": "x", "mode": "run",
        "inputs": inputs }]));
    routes.unwrap().route("m", "d", &alert("firing")).taken.unwrap().wanted.unwrap()
}

#[test]
fn only_what_a_playbook_allows_is_started() {
    let inputs = json!({ "cluster": "{{labels.cluster}}", "mode": "unplanned" });
    let wanted = wanted(inputs);
    let refused = |triggers: &str| admit(&book(triggers), &wanted).unwrap_err().to_string();
    assert!(refused("").contains("people alone"));
    assert!(refused("triggers: { modes: [ask, dry_run], inputs: [cluster] }\n").contains("allow ask, dry_run"));
    assert!(refused("triggers: { modes: [run] }\n").contains("none may"));
    assert!(refused("triggers: { modes: [run], inputs: [mode] }\n").contains("only mode may"));
    let book = book("triggers: { modes: [run], inputs: [cluster] }\n");
    admit(&book, &wanted).unwrap();
    assert_eq!(bind_inputs(&book, &given(&wanted)).unwrap(), json!({ "cluster": "orders", "mode": "unplanned" }));
    assert_eq!(wanted.mode, TriggeredMode::Run);
}

fn given(wanted: &Wanted) -> BTreeMap<String, Given> {
    wanted.inputs.iter().map(|(name, text)| (name.clone(), Given::by_trigger(text.clone()))).collect()
}

#[test]
fn what_an_alert_says_is_held_to_its_type() {
    let book = book("triggers: { modes: [run], inputs: [cluster] }\n");
    for hostile in ["a;reboot", "$(id)", "-rf", "a b", "../x"] {
        let mut alert = alert("firing");
        alert.labels.insert("cluster".to_owned(), hostile.to_owned());
        let routes = routes(json!([{ "match": {}, "playbook": "x", "mode": "ask",
            "inputs": { "cluster": "{{labels.cluster}}" } }]));
        let routed = routes.unwrap().route("m", "d", &alert);
        let wanted = Wanted { mode: TriggeredMode::Run, ..routed.taken.unwrap().wanted.unwrap() };
        admit(&book, &wanted).unwrap();
        assert!(bind_inputs(&book, &given(&wanted)).is_err(), "{hostile}");
    }
}
