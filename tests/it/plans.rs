//! Plans that a run is held to, versions side by side, rehearsals and what a person does by hand: through the binary.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A folder with playbooks, an inventory and a state of its own.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("playbooks")).unwrap();
        let place = Self { dir };
        place.write("inventory.yaml", "environment: lab\n");
        place.write("config.yaml", "");
        place
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_playbook"))
            .current_dir(self.dir.path())
            .env("PLAYBOOK_CONFIG", self.dir.path().join("config.yaml"))
            .env("PLAYBOOK_STATE", self.dir.path().join("state"))
            .env_remove("PLAYBOOK_INVENTORY")
            .env_remove("PLAYBOOK_PATH")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .args(words)
            .output()
            .unwrap()
    }

    /// What it said, with the code it must end with.
    fn expect(&self, code: i32, words: &[&str]) -> String {
        let output = self.run(words);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{said}", words.join(" "));
        said
    }

    fn json(&self, code: i32, words: &[&str]) -> Value {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(code), "playbook {}\n{}", words.join(" "), said(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{}", said(&output)))
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Reads who is primary from a file, and writes down whom it would stop.
const SWITCH: &str = r#"
name: switch
version: 1.4.0
title: Stop whoever is primary
inputs:
  cluster: { type: identifier, default: orders }
steps:
  - id: roles
    argv: [cat, roles.json]
    effect: read
    outputs:
      primary: { json: primary, type: identifier }
      lag: { json: lag, type: integer }
    require: ["outputs.lag < 100"]
  - id: stop
    run: printf '%s %s' "$CLUSTER" "$WHO" > stopped
    env: { CLUSTER: "{{inputs.cluster}}", WHO: "{{steps.roles.outputs.primary}}" }
    effect: idempotent
    rollback: none
    because: it is a test
"#;

fn switch() -> Place {
    let place = Place::new();
    place.write("playbooks/switch.yaml", SWITCH);
    place.write("roles.json", r#"{"primary": "pg1", "lag": 5}"#);
    place
}

#[test]
fn a_run_is_held_to_its_plan() {
    let place = switch();
    place.expect(0, &["plan", "switch", "-o", "switch.plan"]);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(place.path().join("switch.plan")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "a plan tells where everything is");
    // Another primary: an argument that the plan showed is another one now.
    place.write("roles.json", r#"{"primary": "pg2", "lag": 5}"#);
    let said = place.expect(14, &["run", "--plan", "switch.plan", "-y"]);
    for word in ["drifted", "pg1", "pg2", "stop", "Nothing was started"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!place.path().join("stopped").exists());
    assert_eq!(place.json(0, &["list", "--runs", "--output", "json"]), serde_json::json!([]));
    let drift = place.json(14, &["run", "--plan", "switch.plan", "-y", "--output", "json"]);
    assert_eq!(drift["drift"][0]["steps"], serde_json::json!(["stop"]));
    place.expect(14, &["run", "--plan", "switch.plan", "--dry-run"]);
    // A requirement that no longer holds.
    place.write("roles.json", r#"{"primary": "pg1", "lag": 500}"#);
    assert!(place.expect(14, &["run", "--plan", "switch.plan", "-y"]).contains("outputs.lag < 100"));
    // A moved number is no drift, and the content is the plan's, whatever became of the file.
    place.write("roles.json", r#"{"primary": "pg1", "lag": 7}"#);
    std::fs::remove_file(place.path().join("playbooks/switch.yaml")).unwrap();
    let said = place.expect(0, &["run", "--plan", "switch.plan", "-y"]);
    assert!(said.contains("holds: the world is what it was made for"), "{said}");
    assert_eq!(place.read("stopped"), "orders pg1");
}

#[test]
fn a_plan_that_does_not_belong_here_is_refused_with_the_reason() {
    let place = switch();
    place.expect(0, &["plan", "switch", "-o", "p", "--max-plan-age", "2h"]);
    let whole = place.read("p");
    let refused = |words: &[&str], reason: &str| {
        let said = place.expect(65, &[&["run", "--plan", "p", "-y"][..], words].concat());
        assert!(said.contains(reason), "{reason}: {said}");
    };
    place.write("p", &whole.replace("orders", "others"));
    refused(&[], "changed after it was made");
    place.write("p", "{}");
    refused(&[], "no plan");
    place.write("p", &whole);
    refused(&["-i", "cluster=other"], "cluster = orders");
    refused(&["-i", "nothing=1"], "no input `nothing`");
    refused(&["other"], "switch@1.4.0");
    refused(&["switch@1.3"], "switch@1.4.0");
    refused(&["--max-plan-age", "1ms"], "--max-plan-age");
    place.write("config.yaml", "max_plan_age_seconds: 0.001\n");
    refused(&[], "may be used for");
    place.write("config.yaml", "");
    place.write("inventory.yaml", "environment: staging\n");
    refused(&[], "`lab`, and this inventory is `staging`");
    place.write("inventory.yaml", "environment: lab\ncontacts: { dba: Ann }\n");
    refused(&[], "another inventory");
    place.write("inventory.yaml", "environment: lab\n");
    // What makes no sense together is wrong usage; a missing file is missing.
    place.expect(64, &["run", "--plan", "p", "--inputs-file", "x", "-y"]);
    place.expect(64, &["run", "--plan", "p", "./switch.yaml", "-y"]);
    place.expect(64, &["run", "switch", "--max-plan-age", "1h"]);
    place.expect(64, &["run"]);
    place.expect(64, &["plan"]);
    place.expect(64, &["plan", "switch", "-o", "q", "--max-plan-age", "soon"]);
    place.expect(66, &["run", "--plan", "none", "-y"]);
    assert!(!place.path().join("stopped").exists());
    place.expect(0, &["run", "switch@1.4", "--plan", "p", "-i", "cluster=orders", "-y"]);
}

#[test]
fn versions_lie_side_by_side_and_are_compared_by_meaning() {
    let place = switch();
    let old = SWITCH.replace("1.4.0", "1.3.2").replace("outputs.lag < 100", "outputs.lag < 50");
    place.write("playbooks/switch@1.3.2.yaml", &old);
    place.write("playbooks/anything.yaml", &SWITCH.replace("1.4.0", "1.40.0").replace("Stop", "# x\n  Stop"));
    let versions = place.expect(0, &["show", "switch", "--versions"]);
    let order: Vec<usize> = ["1.40.0", "1.4.0", "1.3.2"].iter().map(|v| versions.find(v).unwrap()).collect();
    assert!(order.is_sorted(), "{versions}");
    assert_eq!(place.json(0, &["plan", "switch@1.4", "--output", "json"])["version"], "1.4.0");
    assert_eq!(place.json(0, &["plan", "switch@1.3", "--output", "json"])["version"], "1.3.2");
    assert!(place.expect(66, &["run", "switch@2", "-y"]).contains("1.40.0, 1.4.0, 1.3.2"));
    assert!(place.expect(66, &["show", "swich", "--versions"]).contains("switch"));

    let said = place.expect(1, &["diff", "switch@1.3", "switch@1.4"]);
    for word in ["version: 1.3.2 → 1.4.0", "roles", "outputs.lag < 50 → outputs.lag < 100"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let json = place.json(1, &["diff", "switch@1.3", "playbooks/switch.yaml", "--output", "json"]);
    assert_eq!(json["differences"][1]["name"], "roles");
    place.expect(0, &["diff", "switch@1.4", "playbooks/switch.yaml"]);
    place.write("copy.yaml", &format!("# a comment\n{SWITCH}"));
    assert!(place.expect(0, &["diff", "switch@1.4", "./copy.yaml"]).contains("only their texts differ"));
    place.expect(66, &["diff", "switch@1.4", "./none.yaml"]);
    place.expect(64, &["diff", "switch"]);
}

#[test]
fn a_resumed_run_goes_on_with_the_content_that_it_began_with() {
    for gone in [false, true] {
        let place = switch();
        // It waits for a person at its last step, so that it can be gone on with.
        let waits = SWITCH.replace("    because: it is a test", "    because: it is a test\n    on_failure: pause");
        place.write("playbooks/switch.yaml", &waits.replace("> stopped", "> no/such/folder/stopped"));
        place.expect(12, &["run", "switch", "-y", "--no-wait"]);
        let before = place.json(0, &["status", "--output", "json"]);
        assert!(before["playbook_digest"].as_str().unwrap().starts_with("sha256:"), "{before}");
        let timeline = place.json(0, &["timeline", "--output", "json"]);
        assert_eq!(timeline["playbook_digest"], before["playbook_digest"]);
        if gone {
            std::fs::remove_file(place.path().join("playbooks/switch.yaml")).unwrap();
        } else {
            place.write("playbooks/switch.yaml", &waits);
        }
        std::fs::create_dir_all(place.path().join("no/such/folder")).unwrap();
        place.expect(3, &["resolve", "latest", "stop", "--retry", "--reason", "the folder is there now"]);
        assert_eq!(place.read("no/such/folder/stopped"), "orders pg1");
        assert!(!place.path().join("stopped").exists(), "it ran what the file says now");
        let after = place.json(0, &["status", "--output", "json"]);
        assert_eq!(after["playbook_digest"], before["playbook_digest"]);
    }
}

/// The shipped playbooks, by name.
fn shipped() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml = files.filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    yaml.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The worlds that are shipped: each with its playbook and the inputs that it is for.
fn worlds() -> Vec<(std::path::PathBuf, String, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/worlds");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
            let world: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let inputs = world["inputs"].as_object().into_iter().flatten();
            let words = inputs.flat_map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                ["-i".to_owned(), format!("{name}={text}")]
            });
            (path, name, words.collect())
        })
        .collect()
}

/// The steps of a shipped playbook that have nothing to undo: they look, or their action says so.
fn leave_nothing(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("playbooks/{name}.yaml"));
    let book: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let actions = playbook::actions::Table::builtin();
    let nothing = |step: &&Value| {
        let spec = step["uses"].as_str().and_then(|action| actions.get(action)).map(|action| action.spec());
        let reads = step["effect"] == "read" || spec.is_some_and(|spec| !spec.effect.changes());
        reads || spec.is_some_and(|spec| spec.undo == playbook::spec::UndoSpec::Nothing)
    };
    let steps = all_steps(&book);
    steps.into_iter().filter(nothing).map(|step| step["id"].as_str().unwrap().to_owned()).collect()
}

/// The steps of a playbook, also those inside of a group.
fn all_steps(of: &Value) -> Vec<&Value> {
    let steps = of["steps"].as_array().into_iter().flatten();
    steps.flat_map(|step| [vec![step], all_steps(step)].concat()).collect()
}

#[test]
fn every_shipped_playbook_is_rehearsed_in_each_of_its_worlds_with_a_failure_at_each_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let place = Place::new();
    let playbooks = root.join("playbooks").display().to_string();
    for name in shipped() {
        let world = root.join(format!("fixtures/worlds/{name}.yaml"));
        assert!(world.is_file(), "{name} has no world to be rehearsed in: write {}", world.display());
    }
    for (world, name, inputs) in worlds() {
        assert!(shipped().contains(&name), "{} is the world of no playbook", world.display());
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let rehearse = |more: &[&str]| {
            let words = ["rehearse", &name, "--playbooks", &playbooks, "--output", "json"];
            let begun = std::time::Instant::now();
            let output = place.run(&[&words[..], &inputs, more].concat());
            let took = begun.elapsed();
            let text = said(&output);
            assert!(text.contains("REHEARSAL"), "{text}");
            // The inputs alone lead to it.
            assert!(text.contains(&world.display().to_string()), "{}: {text}", world.display());
            assert!(took < std::time::Duration::from_secs(2), "{name} {more:?} took {took:?}");
            let end: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(end["exit"].as_i64().map(|code| code as i32), output.status.code(), "{text}");
            end
        };
        let whole = rehearse(&[]);
        assert_eq!(whole["verdict"], "succeeded", "{whole}");
        let state = |step: &Value| step["state"].as_str().unwrap_or_default().to_owned();
        for step in whole["steps"].as_array().unwrap().iter().filter(|step| state(step) == "done") {
            let id = step["id"].as_str().unwrap();
            let failed = rehearse(&["--fail", id]);
            let code = failed["exit"].as_i64().unwrap();
            assert!([1, 3, 10, 12].contains(&code), "{name} --fail {id}: {failed}");
            if code == 10 {
                let stands = failed["steps"].as_array().unwrap().iter().filter(|step| state(step) == "done");
                let stands: Vec<&str> = stands.filter_map(|step| step["id"].as_str()).collect();
                let harmless = leave_nothing(&name);
                assert!(
                    stands.iter().all(|id| harmless.iter().any(|one| one == id)),
                    "{name} --fail {id} left {stands:?}"
                );
            }
            let unknown = rehearse(&["--fail", &format!("{id}=unknown")]);
            assert!([0, 1, 3, 10, 12].contains(&unknown["exit"].as_i64().unwrap()), "{name} {id}=unknown: {unknown}");
        }
    }
    assert!(!place.path().join("state").exists(), "a rehearsal left something behind");
}

#[test]
fn a_world_is_found_by_its_inputs_or_by_its_variant() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).display().to_string();
    let playbooks = format!("{root}/playbooks");
    let rehearse = |code: i32, more: &[&str]| {
        place.expect(code, &[&["rehearse", "db-failover", "--playbooks", &playbooks][..], more].concat())
    };
    assert!(rehearse(0, &[]).contains("fixtures/worlds/db-failover.yaml"));
    assert!(rehearse(0, &["-i", "mode=unplanned"]).contains("fixtures/worlds/db-failover.unplanned.yaml"));
    let said = rehearse(0, &["-i", "mode=unplanned", "--world", "unplanned"]);
    assert!(
        said.contains("fixtures/worlds/db-failover.unplanned.yaml") && !said.contains("this world is for"),
        "{said}"
    );
    let file = format!("{root}/fixtures/worlds/db-failover.unplanned.yaml");
    assert!(rehearse(0, &["-i", "mode=unplanned", "--world", &file]).contains("db-failover.unplanned.yaml"));
    // In the wrong world it stops where reality would stop it, and says why that is no wonder.
    let said = rehearse(1, &["--world", "unplanned"]);
    assert!(said.contains("this world is for mode = unplanned, and the rehearsal has mode = planned"), "{said}");
    let said = rehearse(66, &["--world", "unplaned"]);
    assert!(said.contains("there are: unplanned"), "{said}");
}

#[test]
fn a_rehearsal_runs_nothing_and_invents_nothing() {
    let place = switch();
    // No world: what the reading command would print is not known, so the rehearsal stops.
    let said = place.expect(1, &["rehearse", "switch"]);
    assert!(said.contains("a world that says nothing"), "{said}");
    assert!(!place.path().join("stopped").exists());
    // A world that was recorded from what is there, and then one step farther.
    place.expect(0, &["plan", "switch", "--save-world", "world.yaml"]);
    let world = place.read("world.yaml");
    assert!(world.contains("primary") && world.contains("pg1"), "{world}");
    let said = place.expect(0, &["rehearse", "switch", "--world", "world.yaml"]);
    assert!(said.contains("That was a rehearsal"), "{said}");
    assert!(!place.path().join("stopped").exists());
    place.expect(1, &["rehearse", "switch", "--world", "world.yaml", "--fail", "roles"]);
    place.expect(64, &["rehearse", "switch", "--fail", "nothing"]);
    place.expect(64, &["rehearse", "switch", "--fail", "stop=sometimes"]);
    place.expect(66, &["rehearse", "switch", "--world", "none.yaml"]);
    place.write("world.yaml", "actoins: {}");
    place.expect(65, &["rehearse", "switch", "--world", "world.yaml"]);
}

#[test]
fn a_person_can_do_it_by_hand() {
    let place = switch();
    let said = place.expect(0, &["show", "switch", "--by-hand", "-i", "cluster=billing"]);
    for word in ["cat roles.json", "CLUSTER=billing", "WHO=pg1", "must hold of what it shows: outputs.lag < 100"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(!place.path().join("stopped").exists());
    place.expect(64, &["show", "switch", "-i", "cluster=billing"]);
}
