//! What holds a run back before it begins: production, freeze windows, run limits, plans that have to be there, roles. Each
//! refusal says what is in the way and the command that passes it; each pass is in the timeline, and none that was no pass.

use crate::processes::{Place, at_a_terminal};

const WRITES: &str =
    "  - id: write\n    run: echo done >> WORLD/log\n    effect: idempotent\n    rollback: none\n    because: a test\n";

const FROZEN: &str = r#"
freeze:
  - name: year-end
    from: 2020-01-01T00:00:00Z
    to: 2120-01-01T00:00:00Z
    environments: [production, staging]
    because: the books are closed
    except: [recovery]
"#;

/// A place with a configuration, and an inventory of each environment.
fn place(config: &str) -> Place {
    let place = Place::new();
    std::fs::write(place.path("config.yaml"), config).unwrap();
    for environment in ["staging", "production", "lab"] {
        std::fs::write(place.path(&format!("{environment}.yaml")), format!("environment: {environment}\n")).unwrap();
    }
    place
}

fn on(place: &Place, environment: &str) -> String {
    place.path(&format!("{environment}.yaml")).to_str().unwrap().to_owned()
}

/// What was said, in one line: the terminal's width breaks it anywhere.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::current()).unwrap().unwrap().name
}

#[test]
fn a_freeze_holds_what_it_does_not_name_and_says_how_it_is_passed() {
    let place = place(FROZEN);
    let book = place.book("deploy", WRITES);
    let recovery = place.book("recovery", WRITES);
    let staging = on(&place, "staging");
    let refused = flat(&place.expect(77, &["run", &book, "-y", "--inventory", &staging]));
    for text in [
        "freeze: `year-end` freezes it from 2020-01-01T00:00:00Z to 2120-01-01T00:00:00Z: the books are closed",
        "exempt are recovery",
        "--override freeze --reason \"…\"",
        "nothing was started or changed",
    ] {
        assert!(refused.contains(text), "{text} is missing:\n{refused}");
    }
    assert!(place.log().is_empty());
    // A look is no start, another environment is not frozen, and what is named is exempt.
    place.expect(0, &["run", &book, "--dry-run", "--inventory", &staging]);
    place.expect(0, &["run", &book, "-y", "--inventory", &on(&place, "lab")]);
    place.expect(0, &["run", &recovery, "-y", "--inventory", &staging]);
    assert_eq!(place.log().len(), 2);

    let pass = ["run", &book, "-y", "--inventory", &staging, "--override", "freeze", "--reason", "the site is down"];
    place.expect(3, &pass);
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    let start = &timeline["records"][0];
    assert_eq!(start["detail"]["overrides"][0]["brake"], "freeze");
    assert_eq!(start["detail"]["overrides"][0]["reason"], "the site is down");
    assert_eq!(start["actor"], user().as_str());
    // A brake that does not bind is not passed.
    place.expect(0, &["run", &recovery, "-y", "--inventory", &staging, "--override", "freeze", "--reason", "x"]);
    let timeline = place.json(&["timeline", "latest", "--output", "json"]);
    assert_eq!(timeline["records"][0]["detail"]["overrides"].as_array().unwrap().len(), 0);
}

#[test]
fn all_that_is_in_the_way_is_said_at_once_with_one_command() {
    let place = place(&format!("{FROZEN}require_plan: {{ environments: [production], max_age: 30m }}\n"));
    let book = place.book("deploy", WRITES);
    let production = on(&place, "production");
    let refused = flat(&place.expect(77, &["run", &book, "-y", "--inventory", &production]));
    for text in [
        "shared-state: it wants",
        "freeze: `year-end`",
        "required-plan: it wants a plan",
        "the playbook's name once more",
    ] {
        assert!(refused.contains(text), "{text} is missing:\n{refused}");
    }
    let command = "--confirm deploy --override shared-state --override freeze --override required-plan --reason \"…\"";
    assert!(refused.contains(command), "{refused}");
    let words = ["run", &book, "--inventory", &production, "--confirm", "deploy", "--reason", "now"];
    let passes = ["--override", "shared-state", "--override", "freeze", "--override", "required-plan"];
    place.expect(3, &[&words[..], &passes].concat());
    assert_eq!(place.log().len(), 1);
    place.expect(77, &[&words[..], &passes[..4]].concat());
}

#[test]
fn a_brake_is_passed_by_those_whose_role_may() {
    let roles = format!(
        "roles: {{ commander: {{ users: [nobody-at-all] }} }}\noverrides: {{ freeze: [commander], halt: [commander] }}\n{FROZEN}"
    );
    let place = place(&roles);
    let book = place.book("deploy", WRITES);
    let staging = on(&place, "staging");
    let pass = ["run", &book, "-y", "--inventory", &staging, "--override", "freeze", "--reason", "the site is down"];
    let refused = flat(&place.expect(77, &pass));
    assert!(
        refused.contains(&format!("freeze may be passed by commander alone, and {} has no role", user())),
        "{refused}"
    );
    assert!(place.log().is_empty());
    std::fs::write(place.path("config.yaml"), roles.replace("nobody-at-all", &user())).unwrap();
    place.expect(3, &pass);
    // Words that mean nothing protect nothing.
    std::fs::write(place.path("config.yaml"), "overrides: { freze: [] }").unwrap();
    assert!(place.expect(65, &["run", &book, "-y"]).contains("freze"));
}

#[test]
fn so_many_runs_begin_on_a_resource_and_no_more() {
    let place = place("limits: [{ playbook: flip, runs: 2, per: 1h }]\n");
    let head = "inputs: { cluster: { type: identifier } }\nlocks: [\"database/{{inputs.cluster}}\"]";
    let look = place.book_with("flip", head, "  - id: look\n    run: echo looked\n    effect: read\n");
    let reads = place.path("reads.yaml");
    std::fs::rename(look, &reads).unwrap();
    let book = place.book_with("flip", head, WRITES);
    for _ in 0..3 {
        place.expect(0, &["run", reads.to_str().unwrap(), "-y", "-i", "cluster=orders"]);
    }
    place.expect(0, &["run", &book, "-y", "-i", "cluster=orders"]);
    place.expect(0, &["run", &book, "-y", "-i", "cluster=orders"]);
    let refused = flat(&place.expect(77, &["run", &book, "-y", "-i", "cluster=orders"]));
    for text in [
        "run-limit: flip was begun 2 times on database/orders within 1 h 00 m, and 2 is the limit:",
        &format!("(flip) by {} at ", user()),
        "--override run-limit --reason \"…\"",
    ] {
        assert!(refused.contains(text), "{text} is missing:\n{refused}");
    }
    // Another resource has its own count; a look changes nothing.
    place.expect(0, &["run", &book, "-y", "-i", "cluster=users"]);
    place.expect(0, &["run", reads.to_str().unwrap(), "-y", "-i", "cluster=orders"]);
    assert_eq!(place.log().len(), 3);
    place.expect(
        3,
        &["run", &book, "-y", "-i", "cluster=orders", "--override", "run-limit", "--reason", "it is the other disk"],
    );
    // The one that was let through counts as well.
    assert!(flat(&place.expect(77, &["run", &book, "-y", "-i", "cluster=orders"])).contains("begun 3 times"));
}

#[test]
fn of_many_that_start_at_once_no_more_begin_than_may() {
    let place = place("limits: [{ playbook: \"*\", runs: 2, per: 1h }]\n");
    let book = place.book("flip", WRITES);
    let mut all: Vec<_> = (0..6).map(|_| place.start(&["run", &book, "-y"])).collect();
    let codes: Vec<Option<i32>> = all.iter_mut().map(|runner| runner.code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 2, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == Some(77)).count(), 4, "{codes:?}");
    assert_eq!(place.log().len(), 2);
}

#[test]
fn a_plan_that_has_to_be_there_is_fresh() {
    let place = place("require_plan: { environments: [staging], max_age: 30m }\n");
    let book = place.book("deploy", WRITES);
    let staging = on(&place, "staging");
    let plan = place.path("deploy.plan");
    let plan = plan.to_str().unwrap();
    let refused = flat(&place.expect(77, &["run", &book, "-y", "--inventory", &staging]));
    assert!(refused.contains("required-plan: it wants a plan that is at most 30 m 00 s old"), "{refused}");
    assert!(refused.contains("playbook run --plan FILE"), "{refused}");
    place.expect(0, &["plan", &book, "--inventory", &staging, "-o", plan]);
    place.expect(0, &["run", "--plan", plan, "-y", "--inventory", &staging]);
    // The same plan is too old where less is allowed.
    std::fs::write(place.path("config.yaml"), "require_plan: { max_age: 1ms }\n").unwrap();
    let refused = flat(&place.expect(77, &["run", "--plan", plan, "-y", "--inventory", &staging]));
    assert!(refused.contains("required-plan: its plan is"), "{refused}");
    place.expect(
        3,
        &["run", "--plan", plan, "-y", "--inventory", &staging, "--override", "required-plan", "--reason", "now"],
    );
    assert_eq!(place.log().len(), 2);
}

#[test]
fn on_a_terminal_production_wants_the_name_typed() {
    let place = place("");
    let book = place.book("deploy", WRITES);
    let production = on(&place, "production");
    let words = ["run", &book, "-y", "--inventory", &production, "--override", "shared-state", "--reason", "alone"];
    for wrong in ["y", "yes", "", "deploi"] {
        let (code, said) = at_a_terminal(place.command(&words), wrong);
        assert_eq!(code, Some(77), "{wrong:?}: {said}");
        assert!(place.log().is_empty(), "{wrong:?}");
    }
    let (code, said) = at_a_terminal(place.command(&words), "deploy");
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(place.log().len(), 1);
    // Off it, the name is a flag, and -y is none.
    assert!(place.expect(77, &words).contains("--confirm deploy"));
    place.expect(3, &[&words[..], &["--confirm", "deploy"]].concat());
    place.expect(77, &[&words[..], &["--confirm", "other"]].concat());
    // Elsewhere a yes is enough.
    let (code, said) = at_a_terminal(place.command(&["run", &book, "--inventory", &on(&place, "staging")]), "y");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_page_says_what_becomes_of_an_approval_that_nobody_gives() {
    for (default, said) in [
        ("abandon", "the run is ended, and what was done stays."),
        ("rollback", "it is rolled back."),
        ("page", "It waits until somebody answers."),
    ] {
        let place = place("page: { command: [sh, -c, 'cat >> page'] }\n");
        let book = place.book(
            "asks",
            &format!(
                "  - {{ id: a, run: touch WORLD/done, effect: idempotent, rollback: none, because: a test, \
                 approval: {{ timeout: 10m, on_timeout: {default} }} }}\n"
            ),
        );
        let output = place.run(&["run", &book, "-y", "--no-wait"]);
        let page = std::fs::read_to_string(place.path("page"))
            .unwrap_or_else(|error| panic!("{error}: {}", crate::processes::said(&output)));
        assert!(page.contains(said) && !place.path("done").exists(), "{default}: {page}");
    }
}
