//! What is killed: playbooks of all effect classes, how each has to look at the end, and what a person who looked answers.

use serde_json::Value;

use super::strace::Watched;
use super::target::Target;
use crate::processes::Place;

/// One playbook, in all places alike.
pub struct Scene {
    pub name: &'static str,
    steps: &'static str,
    /// What is at the end in the file that local effects append to.
    log: &'static [&'static str],
    /// The names that have had one effect each at the target.
    sent: &'static [&'static str],
    /// What of the runner is watched.
    pub watched: Watched,
    /// The codes with which it may end: another one where a person had to help.
    codes: &'static [i32],
}

/// Everything goes well: each effect class, by a command and by a request.
pub const FORWARD: Scene = Scene {
    name: "forward",
    steps: r#"
  - { id: read, effect: read, run: "cat WORLD/config.yaml" }
  - id: idempotent
    effect: idempotent
    run: grep -qx idempotent WORLD/log || echo idempotent >> WORLD/log
    rollback: none
    because: a test
  - { id: keyed, effect: keyed, run: echo keyed >> WORLD/log, rollback: none, because: a test }
  - id: probed
    run: echo probed >> WORLD/log
    probe: { run: grep -cx probed WORLD/log, ok_if: "true", took_effect: "outputs.exit_code == 0", did_not: "outputs.exit_code == 1" }
    rollback: none
    because: a test
  - { id: once, run: echo once >> WORLD/log, rollback: none, because: a test }
  - id: keyed_request
    uses: http
    effect: keyed
    with: { url: "http://TARGET/keyed-PLACE", method: POST }
    rollback: none
    because: a test
  - id: probed_request
    uses: http
    with: { url: "http://TARGET/probed-PLACE", method: POST }
    probe: { uses: http, with: { url: "http://TARGET/probed-PLACE" }, took_effect: "outputs.body == '1'", did_not: "outputs.body == '0'" }
    rollback: none
    because: a test
  - id: once_request
    uses: http
    with: { url: "http://TARGET/once-PLACE", method: POST }
    rollback: none
    because: a test
"#,
    log: &["idempotent", "keyed", "probed", "once"],
    sent: &["keyed", "probed", "once"],
    watched: Watched::MainThread,
    codes: &[0, 3],
};

/// The last step fails: everything is undone, and each undo has its effect once too.
pub const BACKWARD: Scene = Scene {
    name: "backward",
    steps: r#"
  - id: once
    run: echo once >> WORLD/log
    rollback:
      - run: echo undo_once >> WORLD/log
        probe: { run: grep -cx undo_once WORLD/log, ok_if: "true", took_effect: "outputs.exit_code == 0", did_not: "outputs.exit_code == 1" }
  - id: keyed
    effect: keyed
    run: echo keyed >> WORLD/log
    rollback:
      - run: echo undo_keyed >> WORLD/log
        probe: { run: grep -cx undo_keyed WORLD/log, ok_if: "true", took_effect: "outputs.exit_code == 0", did_not: "outputs.exit_code == 1" }
  - { id: fails, effect: idempotent, run: exit 4, rollback: none, because: a test }
"#,
    log: &["once", "keyed", "undo_keyed", "undo_once"],
    sent: &[],
    watched: Watched::MainThread,
    codes: &[10],
};

/// A command on another host, over ssh, which threads of their own do.
#[cfg(feature = "ssh")]
pub const REMOTE: Scene = Scene {
    name: "remote",
    steps: "  - { id: remote, host: db1, run: echo remote >> WORLD/log, rollback: none, because: a test }\n",
    log: &["remote"],
    sent: &[],
    watched: Watched::AllThreads,
    codes: &[0, 3],
};

impl Scene {
    /// Writes its playbook into a place; what goes to the target carries the place's own name.
    pub fn book(&self, place: &Place, target: &Target) -> String {
        let steps = self.steps.replace("TARGET", &target.address.to_string()).replace("PLACE", &own_name(place));
        place.book(self.name, &steps)
    }

    /// The keys of the requests that this place sent to a name of the target.
    pub fn requests(&self, place: &Place, target: &Target, name: &str) -> Vec<String> {
        target.requests(&format!("{name}-{}", own_name(place)))
    }

    /// Whether nothing of it has happened.
    pub fn is_untouched(&self, place: &Place, target: &Target) -> bool {
        place.log().is_empty() && self.sent.iter().all(|name| self.requests(place, target, name).is_empty())
    }

    /// What a person answers who looks at the target: the question is about what nobody else can tell.
    pub fn answer(&self, place: &Place, target: &Target, question: &Value) -> &'static str {
        let step = question["task"].as_str().unwrap().split('/').next().unwrap();
        let there = match step.strip_suffix("_request") {
            Some(name) => !self.requests(place, target, name).is_empty(),
            None => place.log().iter().any(|line| line == step),
        };
        if there { "--took-effect" } else { "--retry" }
    }

    /// What is wrong with how it came out, if anything.
    pub fn damage(&self, place: &Place, target: &Target, code: Option<i32>) -> Vec<String> {
        let mut wrong = Vec::new();
        if !code.is_some_and(|code| self.codes.contains(&code)) {
            wrong.push(format!("it ended with {code:?}, not {:?}", self.codes));
        }
        if place.log() != self.log {
            wrong.push(format!("the effects are {:?}, not {:?}", place.log(), self.log));
        }
        for name in self.sent {
            let requests = self.requests(place, target, name);
            // The target removes doubles of a key, and of nothing else.
            let effects = match *name {
                "keyed" => target.effects(&format!("{name}-{}", own_name(place))),
                _ => requests.len(),
            };
            if effects != 1 {
                wrong.push(format!("{name} had {effects} effects: {requests:?}"));
            }
        }
        wrong
    }
}

/// The name of a place's folder, which is no other's.
fn own_name(place: &Place) -> String {
    place.path("").file_name().unwrap().to_string_lossy().replace('.', "")
}
