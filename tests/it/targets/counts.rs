//! How many targets a step, a list, a plan and a run may touch: an empty set is an error, never "all".

use crate::processes::Place;

const TOUCH: &str = "  - { id: touch, for_each: \"{{inputs.hosts}}\", run: echo touched >> WORLD/log, env: { H: \"{{item}}\" }, \
                     rollback: none, because: a test }\n";

fn lists(place: &Place, more: &str) -> String {
    place.book_with("lists", &format!("inputs: {{ hosts: {{ type: list, items: string{more} }} }}"), TOUCH)
}

#[test]
fn an_empty_list_is_refused_wherever_it_is_given() {
    let place = Place::new();
    let book = lists(&place, ", default: [web1, web2]");
    for given in ["hosts=", "hosts=[]", "hosts= [ ] ", "hosts=,", "hosts= , ,"] {
        let said = place.expect(65, &["run", &book, "-y", "-i", given]);
        assert!(said.contains("empty list") && said.contains("never taken for all"), "{given}: {said}");
    }
    for (name, text) in [("empty", "hosts: []\n"), ("blank", "hosts: ''\n"), ("flow", "hosts: '[]'\n")] {
        let file = place.path(&format!("{name}.yaml"));
        std::fs::write(&file, text).unwrap();
        let said = place.expect(65, &["run", &book, "-y", "--inputs-file", file.to_str().unwrap()]);
        assert!(said.contains("never taken for all"), "{name}: {said}");
    }
    let output = place.command(&["run", &book, "-y"]).env("PLAYBOOK_INPUT_HOSTS", "[]").output().unwrap();
    assert_eq!(output.status.code(), Some(65), "{}", crate::processes::said(&output));
    for half in ["hosts=[web1", "hosts=[web1, web2]"] {
        place.expect(65, &["run", &book, "-y", "-i", half]);
    }
    assert!(place.log().is_empty());
    place.expect(0, &["run", &book, "-y", "-i", "hosts=[\"web1\"]"]);
    assert_eq!(place.log().len(), 1);
}

#[test]
fn a_list_that_may_be_empty_says_so_and_is_still_not_gone_over() {
    let place = Place::new();
    let book = lists(&place, ", default: [web1], min: 0");
    let said = place.expect(65, &["run", &book, "-y", "-i", "hosts=[]"]);
    assert!(said.contains("the list of `for_each` is empty"), "{said}");
    assert!(place.log().is_empty());
}

#[test]
fn a_list_that_turns_out_empty_while_it_runs_touches_nothing() {
    let place = Place::new();
    let steps = "  - { id: find, run: \"echo '{ \\\"all\\\": [] }'\", rollback: none, because: a test, outputs: { all: { json: all } } }\n\
                 \x20 - { id: touch, for_each: \"{{steps.find.outputs.all}}\", run: echo touched >> WORLD/log, \
                 rollback: none, because: a test }\n";
    let book = place.book("found", steps);
    let output = place.run(&["run", &book, "-y"]);
    let said = crate::processes::said(&output);
    assert_ne!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("the list of `for_each` is empty"), "{said}");
    assert!(place.log().is_empty());
}

const HOSTS: &str = "hosts:\n  db1: { address: 127.0.0.1, port: 1 }\n  db2: { address: 127.0.0.1, port: 1 }\n";

fn inventory(place: &Place, more: &str) -> String {
    let file = place.path("inventory.yaml");
    std::fs::write(&file, format!("environment: lab\n{HOSTS}{more}")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_group_without_hosts_is_refused_and_a_group_is_no_host() {
    let place = Place::new();
    let book = place.book("one", "  - { id: a, run: \"true\", host: web, rollback: none, because: a test }\n");
    let empty = inventory(&place, "groups: { web: [] }\n");
    let said = place.expect(65, &["plan", &book, "--inventory", &empty]);
    assert!(said.contains("groups.web: it has no hosts"), "{said}");
    let full = inventory(&place, "groups: { web: [db1, db2] }\n");
    let said = place.expect(1, &["plan", &book, "--inventory", &full]);
    assert!(said.contains("`web` is a group of hosts (db1, db2)"), "{said}");
}

#[test]
fn max_targets_holds_for_plans_for_nested_playbooks_and_for_what_is_known_late() {
    let place = Place::new();
    let hosts = inventory(&place, "");
    let two = "  - { id: a, run: \"true\", host: db1, rollback: none, because: a test }\n\
               \x20 - { id: b, run: \"true\", host: db2, rollback: none, because: a test }\n";
    let many = place.book_with("many", "max_targets: 1", two);
    let said = place.expect(77, &["plan", &many, "--inventory", &hosts]);
    assert!(said.contains("touches 2 targets") && said.contains("host/db1, host/db2"), "{said}");

    place.book_with("child", "max_targets: 1", two);
    let parent = place.book("parent", "  - { id: sub, uses: playbook, with: { name: child, version: \"1.0\" } }\n");
    let said = place.expect(77, &["plan", &parent, "--inventory", &hosts]);
    assert!(said.contains("touches 2 targets") && said.contains("allows 1"), "{said}");

    // The second host is known only while it runs: the plan names one, and one may be touched.
    let late = "  - { id: which, run: echo db2, rollback: none, because: a test }\n\
                \x20 - { id: b, argv: [\"true\"], host: \"{{steps.which.outputs.stdout}}\", rollback: none, because: a test }\n\
                \x20 - { id: a, run: \"true\", host: db1, rollback: none, because: a test }\n";
    let capped = place.book_with("late", "max_targets: 1", late);
    let output = place.run(&["run", &capped, "-y", "--inventory", &hosts]);
    let said = crate::processes::said(&output);
    assert!(said.contains("`max_targets` allows 1") && said.contains("host/db1, host/db2"), "{said}");
    // Without the cap the same run gets as far as the host itself.
    let free = place.book("free", late);
    let said = crate::processes::said(&place.run(&["run", &free, "-y", "--inventory", &hosts]));
    assert!(said.contains("127.0.0.1") && !said.contains("max_targets"), "{said}");
}

#[test]
fn a_plan_names_each_of_a_thousand() {
    let place = Place::new();
    let names: Vec<String> = (0..1000).map(|n| format!("web{n:04}")).collect();
    let book = lists(&place, "");
    let given = format!("hosts={}", names.join(","));
    let said = place.expect(0, &["plan", &book, "-i", &given]);
    assert!(said.contains("web[0000-0999]"), "{}", &said[..said.len().min(3000)]);
    // As targets of the inventory they are named once, there.
    let hosts: String = names.iter().map(|name| format!("  {name}: {{ address: 127.0.0.1, port: 1 }}\n")).collect();
    let file = place.path("thousand.yaml");
    std::fs::write(&file, format!("environment: lab\nhosts:\n{hosts}")).unwrap();
    let steps = "  - { id: touch, for_each: \"{{inputs.hosts}}\", run: \"true\", host: \"{{item}}\", rollback: none, because: a test }\n";
    let book = place.book_with("hosts", "inputs: { hosts: { type: list, items: host } }", steps);
    let output = place.run(&["plan", &book, "-i", &given, "--inventory", file.to_str().unwrap()]);
    let said = crate::processes::said(&output);
    assert!(said.contains("web[0000-0999]"), "{}", &said[..said.len().min(3000)]);
}
