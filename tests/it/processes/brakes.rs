//! Approvals, identities, invariants and budgets with the real binary.

use std::process::Output;

use super::{Place, Runner, until};

const STEPS: &str = r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: switch
    name: The traffic is switched
    run: echo switch >> WORLD/log
    approval: APPROVAL
    rollback: [{ run: "sed -i /switch/d WORLD/log", effect: idempotent }]
"#;

/// Who a record names here: the login, where the kernel knows of one.
fn me() -> String {
    playbook::engine::holder::this_process().user
}

/// A playbook that asks for an approval, and a configuration in which this user has these roles, and `daemon` is a dba.
fn place(approval: &str, roles: &[&str]) -> (Place, String) {
    let place = Place::new();
    let me = me();
    let own = roles.iter().map(|role| format!("  {role}: {{ users: [{me}] }}\n"));
    let mut config = format!(
        "page: {{ command: [sh, -c, 'env | grep ^PLAYBOOK_ >> {0}; cat >> {0}'] }}\nroles:\n",
        place.path("paged").display()
    );
    config.extend(own);
    if !roles.contains(&"dba") {
        config.push_str("  dba: { users: [daemon] }\n");
    }
    std::fs::write(place.path("config.yaml"), config).unwrap();
    let book = place.book("switch", &STEPS.replace("APPROVAL", approval));
    (place, book)
}

fn waiting(place: &Place, book: &str, more: &[&str]) -> Runner {
    let runner = place.start(&[&["run", book, "-y"], more].concat());
    until("the approval is asked for", || (place.status()["question"]["kind"] == "approval").then_some(()));
    runner
}

#[test]
pub fn a_run_waits_for_an_approval_of_another_process_and_goes_on() {
    let (place, book) = place("{ roles: [dba], timeout: 10m }", &["dba"]);
    let mut runner = waiting(&place, &book, &[]);
    assert_eq!(place.log(), ["first"]);
    let status = place.expect(0, &["status"]);
    for part in [
        "switch would begin (The traffic is switched)",
        "the yes of one person with the role dba",
        "playbook approve ",
        "playbook reject ",
        "everything is undone",
    ] {
        assert!(status.contains(part), "{part} is not in\n{status}");
    }
    let said = place.expect(0, &["approve", "latest", "switch", "--reason", "the change is announced"]);
    assert!(said.contains("switch is approved and begins"), "{said}");
    runner.expect(0);
    assert_eq!(place.log(), ["first", "switch"]);
    let timeline = place.expect(0, &["timeline"]);
    assert!(timeline.contains("(dba) approved switch: the change is announced"), "{timeline}");
    // Once more is too late, and says so.
    let late = place.expect(77, &["approve", "latest", "switch"]);
    assert!(late.contains("is approved already"), "{late}");
}

/// Whoever finds at night that nobody has the role gives it to somebody, and the run that waits knows it.
#[test]
pub fn a_role_that_is_given_while_the_run_waits_counts() {
    let (place, book) = place("{ roles: [dba], timeout: 10m }", &[]);
    let mut runner = waiting(&place, &book, &[]);
    place.expect(77, &["approve", "latest", "switch"]);
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    std::fs::write(place.path("config.yaml"), config.replace("[daemon]", &format!("[daemon, {}]", me()))).unwrap();
    place.expect(0, &["approve", "latest", "switch"]);
    runner.expect(0);
}

#[test]
pub fn an_approval_outlives_the_runner() {
    let (place, book) = place("{ roles: [dba], timeout: 10m }", &["dba"]);
    waiting(&place, &book, &[]).kill();
    place.expect(0, &["approve", "latest", "switch"]);
    assert_eq!(place.log(), ["first", "switch"], "who approved drove it on");
}

#[test]
pub fn a_no_undoes_what_was_done() {
    let (place, book) = place("{ roles: [dba] }", &["dba"]);
    let mut runner = waiting(&place, &book, &[]);
    place.expect(64, &["reject", "latest", "switch", "--reason", " "]);
    place.expect(0, &["reject", "latest", "switch", "--reason", "not during the sale"]);
    runner.expect(10);
    assert!(place.log().is_empty());
    assert!(runner.said().contains("did not approve it: not during the sale"), "{}", runner.said());
}

#[test]
pub fn nobody_answers_and_the_default_is_taken() {
    for (on_timeout, code, left) in [("rollback", 10, 0), ("abandon", 15, 1)] {
        let (place, book) = place(&format!("{{ timeout: 1s, on_timeout: {on_timeout} }}"), &[]);
        place.expect(code, &["run", &book, "-y"]);
        assert_eq!(place.log().len(), left, "{on_timeout}");
        place.expect(77, &["approve", "latest", "switch"]);
    }
    let (place, book) = place("{ timeout: 1s, on_timeout: page }", &[]);
    place.expect(12, &["run", &book, "-y"]);
    let paged = place.read("paged");
    for part in ["PLAYBOOK_QUESTION=approval", "one person of anybody may let it", "\nplaybook approve "] {
        assert!(paged.contains(part), "{part} is not in\n{paged}");
    }
    place.expect(0, &["approve", "latest", "switch"]);
}

#[test]
pub fn who_has_no_such_role_changes_nothing() {
    let (place, book) = place("{ roles: [dba] }", &[]);
    let early = place.expect(77, &["run", &book, "-y", "--approve", "switch"]);
    assert!(early.contains("wants the approval of dba") && place.log().is_empty(), "{early}");
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    let said = place.expect(77, &["approve", "latest", "switch"]);
    assert!(said.contains("has no role"), "{said}");
    assert_eq!(place.status()["question"]["kind"], "approval");
    place.expect(77, &["approve", "latest", "switch", "--break-glass", "--reason", "nobody is awake"]);
    assert_eq!(place.log(), ["first"]);
}

#[test]
fn a_role_that_nobody_has_is_said_before_the_run_begins() {
    let (place, book) = place("{ roles: [network], timeout: 1s }", &["dba"]);
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(said.contains("asks for the role network, and the configuration gives it to nobody"), "{said}");
}

#[test]
fn doctor_finds_a_role_that_nobody_has() {
    let (place, book) = place("{ roles: [network] }", &["dba"]);
    let said = place.expect(1, &["doctor", &book]);
    assert!(said.contains("asks for the role network") && said.contains("to nobody"), "{said}");
    let (place, book) = self::place("{ roles: [dba] }", &["dba"]);
    let said = place.expect(0, &["doctor", &book]);
    assert!(!said.contains("asks for the role"), "{said}");
}

#[test]
pub fn an_approval_can_be_given_ahead() {
    let (first, book) = place("{ roles: [dba] }", &["dba"]);
    first.expect(0, &["run", &book, "-y", "--approve", "switch"]);
    let wrong = first.expect(64, &["run", &book, "-y", "--approve", "first"]);
    assert!(wrong.contains("asks for no approval; of this playbook switch"), "{wrong}");
    let (other, book) = place("{ roles: [dba], prevent_self_approval: true }", &["dba"]);
    other.expect(77, &["run", &book, "-y", "--approve", "switch"]);
    assert!(other.log().is_empty());
}

#[test]
fn the_glass_breaks_loudly() {
    let (ahead, book) = place("{ roles: [dba], min: 2 }", &["break-glass"]);
    ahead.expect(64, &["run", &book, "-y", "--break-glass"]);
    ahead.expect(3, &["run", &book, "-y", "--break-glass", "--reason", "the site is down"]);
    assert!(ahead.expect(0, &["timeline"]).contains("BREAK-GLASS: "));
    assert!(ahead.read("paged").contains("PLAYBOOK_QUESTION=break_glass"), "{}", ahead.read("paged"));
    let (later, book) = place("{ roles: [dba], min: 2 }", &["break-glass"]);
    later.expect(12, &["run", &book, "-y", "--no-wait"]);
    later.expect(3, &["approve", "latest", "switch", "--break-glass", "--reason", "the site is down"]);
    assert_eq!(later.log(), ["first", "switch"]);
}

/// Another person at the same account, as `sudo` tells. Where the kernel knows who logged in, that is who it is.
#[test]
fn two_people_share_an_account_and_are_two_people() {
    let login = std::fs::read_to_string("/proc/self/loginuid").unwrap_or_default();
    if !["", "4294967295"].contains(&login.trim()) {
        eprintln!("skipped: the kernel knows who logged in here ({login}), so nobody else can be played");
        return;
    }
    let (place, book) = place("{ roles: [dba], min: 2 }", &["dba"]);
    let config = std::fs::read_to_string(place.path("config.yaml")).unwrap();
    std::fs::write(place.path("config.yaml"), config.replace("users: [", "users: [daemon, ")).unwrap();
    let daemon = |arguments: &[&str]| -> Output { place.command(arguments).env("SUDO_UID", "1").output().unwrap() };
    place.expect(12, &["run", &book, "-y", "--no-wait"]);
    place.expect(12, &["approve", "latest", "switch"]);
    let again = place.expect(77, &["approve", "latest", "switch"]);
    assert!(again.contains("has approved switch already"), "{again}");
    let output = daemon(&["approve", "latest", "switch", "--reason", "me too"]);
    assert_eq!(output.status.code(), Some(0), "{}", super::said(&output));
    assert!(place.expect(0, &["timeline"]).contains("daemon (dba) approved switch: me too"));
}

const CHECKED: &str = r#"
  - id: first
    run: echo first >> WORLD/log
    rollback: [{ run: "sed -i /first/d WORLD/log", effect: idempotent }]
  - id: second
    run: echo second >> WORLD/log; echo 2 > WORLD/writers
    LAST
    rollback: [{ run: "sed -i /second/d WORLD/log; echo 1 > WORLD/writers", effect: idempotent }]
  - id: third
    run: echo third >> WORLD/log
    rollback: [{ run: "sed -i /third/d WORLD/log", effect: idempotent }]
"#;

const INVARIANT: &str = r#"
invariants:
  - name: at most one writer
    run: cat WORLD/writers
    outputs: { writers: { regex: '(\d+)', type: integer } }
    expr: "outputs.writers <= 1"
"#;

#[test]
pub fn a_broken_invariant_takes_the_run_back() {
    let place = Place::new();
    std::fs::write(place.path("writers"), "1\n").unwrap();
    let book = place.book_with("checked", INVARIANT, &CHECKED.replace("    LAST\n", ""));
    let plan = place.expect(0, &["plan", &book]);
    assert!(plan.contains("✓ invariant: at most one writer (before the first change and after each)"), "{plan}");
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(said.contains("invariant `at most one writer` does not hold after second"), "{said}");
    assert!(place.log().is_empty(), "{:?}", place.log());
    assert_eq!(place.read("writers"), "1\n");
}

#[test]
pub fn what_is_broken_already_is_seen_by_the_dry_run_and_changes_nothing() {
    let place = Place::new();
    std::fs::write(place.path("writers"), "2\n").unwrap();
    let book = place.book_with("checked", INVARIANT, &CHECKED.replace("    LAST\n", ""));
    let plan = place.expect(1, &["run", &book, "--dry-run"]);
    assert!(plan.contains("✗ invariant: at most one writer") && plan.contains("does not hold now"), "{plan}");
    place.expect(1, &["run", &book, "-y"]);
    assert!(place.log().is_empty());
    // What nobody can tell does not hold.
    std::fs::remove_file(place.path("writers")).unwrap();
    place.expect(1, &["run", &book, "-y"]);
    assert!(place.log().is_empty());
}

#[test]
pub fn behind_the_point_of_no_return_a_person_decides() {
    let place = Place::new();
    std::fs::write(place.path("writers"), "1\n").unwrap();
    let steps = CHECKED.replace("LAST", "point_of_no_return: true").replace(
        "    rollback: [{ run: \"sed -i /second/d WORLD/log; echo 1 > WORLD/writers\", effect: idempotent }]\n",
        "",
    );
    let steps = steps.replace("  - id: third\n", "  - id: third\n    on_failure: pause\n");
    let book = place.book_with("checked", INVARIANT, &steps);
    let said = place.expect(12, &["run", &book, "-y"]);
    assert!(said.contains("--go-on"), "{said}");
    assert_eq!(place.log(), ["first", "second"]);
    // Still broken; then mended.
    place.expect(12, &["resolve", "latest", "second", "--retry", "--reason", "I looked"]);
    std::fs::write(place.path("writers"), "1\n").unwrap();
    place.expect(3, &["resolve", "latest", "second", "--retry", "--reason", "I stopped the other one"]);
    assert_eq!(place.log(), ["first", "second", "third"]);
}

#[test]
fn nobody_else_is_talked_to() {
    let identity = r#"
identity:
  - { name: this is the host that is meant, run: cat WORLD/host, expr: "outputs.stdout.contains('db1')" }
"#;
    let place = Place::new();
    std::fs::write(place.path("host"), "db1\n").unwrap();
    let book = place.book_with(
        "whose",
        identity,
        &CHECKED.replace("    LAST\n", "").replace("echo first", "GATE(first); echo first"),
    );
    let mut runner = place.start(&["run", &book, "-y"]);
    place.wait_at("first");
    runner.kill();
    place.open("first");
    until("the first step", || (place.log() == ["first"]).then_some(()));
    std::fs::write(place.path("host"), "db2\n").unwrap();
    let said = place.expect(12, &["resume", "latest"]);
    assert!(said.contains("this is the host that is meant"), "{said}");
    assert_eq!(place.log(), ["first"], "nothing more was changed there");
    place.expect(12, &["cancel", "latest", "--reason", "enough"]);
    assert_eq!(place.log(), ["first"], "nor by an undo");
    std::fs::write(place.path("host"), "db1\n").unwrap();
    let task = place.status()["question"]["task"].as_str().unwrap().to_owned();
    place.expect(10, &["resolve", "latest", &task, "--retry", "--reason", "it is the right one again"]);
    assert!(place.log().is_empty(), "{:?}", place.log());
    // Nobody passes it by name.
    std::fs::write(place.path("host"), "db2\n").unwrap();
    place.expect(1, &["run", &book, "-y"]);
    place.expect(64, &["run", &book, "-y", "--override", "identity", "--reason", "I know better"]);
    assert!(place.log().is_empty());
}

#[test]
pub fn a_budget_ends_a_look_that_waits_and_takes_the_run_back() {
    let steps = r#"
  - id: hold
    run: echo hold >> WORLD/log
    rollback: [{ run: "sed -i /hold/d WORLD/log", effect: idempotent }]
  - id: settled
    run: "while [ -d WORLD ]; do sleep 0.05; done"
    effect: read
    timeout: 5m
  - id: free
    run: echo free >> WORLD/log
    rollback: [{ run: "sed -i /free/d WORLD/log", effect: idempotent }]
"#;
    let place = Place::new();
    let head = "budgets: [{ from: hold, to: free, max: 2s }]";
    let book = place.book_with("slow", head, steps);
    let begun = std::time::Instant::now();
    let said = place.expect(10, &["run", &book, "-y"]);
    assert!(said.contains("it may take 2"), "{said}");
    assert!(begun.elapsed().as_secs() < 20, "it did not wait for the step's own timeout");
    assert!(place.log().is_empty());
}

/// Every brake is passed by a named person, and what is told then is that it was.
#[test]
fn a_person_passes_invariants_budgets_and_bounds_by_name() {
    let place = Place::new();
    std::fs::write(place.path("writers"), "2\n").unwrap();
    let book = place.book_with("checked", INVARIANT, &CHECKED.replace("    LAST\n", ""));
    let said = place.expect(1, &["run", &book, "-y"]);
    assert!(said.contains("--override invariants --reason"), "{said}");
    place.expect(64, &["run", &book, "-y", "--override", "invariants"]);
    place.expect(3, &["run", &book, "-y", "--override", "invariants", "--reason", "two writers are the outage"]);
    assert_eq!(place.log(), ["first", "second", "third"]);
    let timeline = place.expect(0, &["timeline"]);
    let timeline = timeline.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(timeline.contains("the brake invariants was passed: two writers are the outage"), "{timeline}");
    assert!(timeline.contains("it does NOT hold: at most one writer"), "{timeline}");

    let slow = Place::new();
    let steps = "  - { id: a, run: sleep 0.4, rollback: none, because: a test }\n  \
                 - { id: b, run: 'true', rollback: none, because: a test }\n";
    let book = slow.book_with("slow", "budgets: [{ from: a, to: b, max: 100ms }]", steps);
    slow.expect(10, &["run", &book, "-y"]);
    slow.expect(3, &["run", &book, "-y", "--override", "budgets", "--reason", "slow is fine today"]);

    let many = Place::new();
    let steps = "  - { id: touch, for_each: '{{inputs.names}}', max_targets: 2, run: 'echo \"$ITEM\" >> WORLD/log', \
                 env: { ITEM: '{{item}}' }, rollback: none, because: a test }\n";
    let head = "inputs: { names: { type: list, items: string, default: [a, b, c] } }";
    let book = many.book_with("many", head, steps);
    let said = many.expect(77, &["run", &book, "-y"]);
    assert!(said.contains("has 3 items, and 2 are allowed") && said.contains("--override max-targets"), "{said}");
    assert!(many.log().is_empty());
    many.expect(3, &["run", &book, "-y", "--override", "max-targets", "--reason", "all three are meant"]);
    assert_eq!(many.log(), ["a", "b", "c"]);
    // Whom the configuration does not let, passes nothing.
    std::fs::write(many.path("config.yaml"), "overrides: { max-targets: [] }\n").unwrap();
    many.expect(77, &["run", &book, "-y", "--override", "max-targets", "--reason", "all three are meant"]);
    assert_eq!(many.log().len(), 3);
}
