//! A playbook that changes nothing: the run is the look, and each target is asked once.

use super::Place;

/// What changes nothing is written down here all the same, as that is what is counted.
const LOOK: &str = "
  - id: look
    run: echo looked >> WORLD/log; echo 7
    effect: read
    outputs: { n: { regex: '(.*)', type: integer } }
    require: ['outputs.n == 7']
";

const THEN_CHANGES: &str = "
  - id: change
    run: echo changed >> WORLD/log
    rollback: { none: it is a log }
";

#[test]
pub fn a_run_that_changes_nothing_looks_once() {
    let place = Place::new();
    let book = place.book("look", LOOK);
    let said = place.expect(0, &["run", &book]);
    assert_eq!(place.log(), ["looked"], "{said}");
}

/// The control: what is looked at before something changes is looked at twice, and so is what somebody wants to know ahead.
#[test]
pub fn who_wants_to_know_before_has_it_looked_at_before() {
    let place = Place::new();
    let book = place.book("both", &format!("{LOOK}{THEN_CHANGES}"));
    place.expect(0, &["run", &book, "-y"]);
    assert_eq!(place.log(), ["looked", "looked", "changed"]);

    let place = Place::new();
    let book = place.book("look", LOOK);
    place.expect(0, &["run", &book, "--dry-run"]);
    place.expect(0, &["run", &book, "--min-fidelity", "assumed"]);
    assert_eq!(place.log(), ["looked"; 3]);
}

/// What a step has read may name a lock of a nested playbook, which is taken before the first step: then it is read before.
#[test]
pub fn what_names_a_lock_is_read_before_the_lock_is_taken() {
    let place = Place::new();
    let head = "inputs: { n: { type: integer, required: true } }\nlocks: ['n/{{inputs.n}}']";
    place.book_with("inner", head, "  - { id: see, run: echo saw >> WORLD/log, effect: read }\n");
    let nested = "  - { id: nested, uses: playbook, with: { name: inner, version: '1.0', inputs: { n: '{{steps.look.outputs.n}}' } } }\n";
    let book = place.book("outer", &format!("{LOOK}{nested}"));
    place.expect(0, &["lock", "."]);
    place.expect(0, &["run", &book]);
    let log = place.log();
    let (planned, done) = log.split_at(2);
    // Nothing orders what is looked at for a plan; the run goes by the list.
    assert!(planned.contains(&"looked".into()) && planned.contains(&"saw".into()), "{log:?}");
    assert_eq!(done, ["looked", "saw"]);
}

/// What does not hold is found out by the run, which then has changed nothing.
#[test]
pub fn what_does_not_hold_fails_the_run() {
    let place = Place::new();
    let book = place.book("broken", &LOOK.replace("outputs.n == 7", "outputs.n > 7"));
    let said = place.expect(1, &["run", &book]);
    assert_eq!(place.log(), ["looked"], "{said}");
    assert!(said.contains("outputs.n > 7"), "{said}");
}
