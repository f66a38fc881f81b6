//! Twenty canaries, each printed in twelve encodings by steps that succeed, fail and undo; then looked for in everything that
//! is kept, shown or seen by others, while the run goes on and after it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{command_lines, holds, telling};
use crate::processes::{Place, said};

const CANARIES: usize = 20;

/// Each has letters that every encoding treats differently.
fn canary(number: usize) -> String {
    format!("cnry{number:02} \"q/{:x}+é%&'?~", 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1))
}

/// By the program of the system, so that nothing of ours tells itself that it is right.
fn base64(bytes: &[u8]) -> String {
    let mut child = Command::new("base64")
        .arg("-w0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("base64 (coreutils)");
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

fn percent(text: &str, upper: bool) -> String {
    let byte = |b: u8| match (b.is_ascii_alphanumeric() || b"-_.~".contains(&b), upper) {
        (true, _) => char::from(b).to_string(),
        (_, true) => format!("%{b:02X}"),
        (_, false) => format!("%{b:02x}"),
    };
    text.bytes().map(byte).collect()
}

/// What is printed, and what of it must be found nowhere.
fn encodings(canary: &str) -> Vec<(String, String)> {
    let standard = base64(canary.as_bytes());
    let addresses = standard.replace('+', "-").replace('/', "_");
    let basic = base64(format!("user:{canary}").as_bytes());
    let hex: String = canary.bytes().map(|b| format!("{b:02x}")).collect();
    let json = serde_json::to_string(canary).unwrap();
    let ascii = json.replace('é', "\\u00e9");
    let all = [
        canary.to_owned(),
        standard.clone(),
        standard.trim_end_matches('=').to_owned(),
        addresses.clone(),
        addresses.trim_end_matches('=').to_owned(),
        percent(canary, true),
        percent(canary, false),
        percent(canary, true).replace("%20", "+"),
        json,
        ascii,
        hex.clone(),
        hex.to_uppercase(),
    ];
    let mut pairs: Vec<_> = all.into_iter().map(|text| (text.clone(), text.trim_matches('"').to_owned())).collect();
    // In the middle of what was encoded, the letters at both ends belong to the neighbours too.
    pairs.push((format!("Authorization: Basic {basic}"), basic[8..basic.len() - 4].to_owned()));
    pairs
}

struct Canaries {
    place: Place,
    book: String,
    needles: Vec<String>,
    inputs: Vec<String>,
}

/// Inputs by reference: of the environment, of files, of a program. The last three are read by a step.
fn plant() -> Canaries {
    let place = Place::new();
    let (mut needles, mut inputs, mut forms) = (Vec::new(), Vec::new(), String::new());
    for number in 0..CANARIES {
        let text = canary(number);
        let file = place.path(&format!("canary-{number}")).display().to_string();
        std::fs::write(&file, &text).unwrap();
        if number < CANARIES - 3 {
            let reference = match number % 3 {
                0 => format!("env:CANARY_{number}"),
                1 => format!("file:{file}"),
                _ => format!("exec:cat {file}"),
            };
            inputs.push(format!("c{number}={reference}"));
        }
        for (printed, needle) in encodings(&text) {
            forms += &format!("[{printed}]\n");
            needles.push(needle);
        }
    }
    std::fs::write(place.path("forms"), forms).unwrap();
    let declared: Vec<String> =
        (0..CANARIES - 3).map(|n| format!("c{n}: {{ type: string, sensitive: true, required: true }}")).collect();
    let mut env: Vec<String> = (0..CANARIES - 3).map(|n| format!("C{n}: \"{{{{inputs.c{n}}}}}\"")).collect();
    let mut steps = String::new();
    for number in CANARIES - 3..CANARIES {
        steps +=
            &format!("  - {{ id: read{number}, run: 'cat WORLD/canary-{number}', effect: read, sensitive: true }}\n");
        env.push(format!("C{number}: \"{{{{steps.read{number}.outputs.stdout}}}}\""));
    }
    let env = env.join(", ");
    let print = "cat WORLD/forms; dd if=WORLD/forms bs=7 status=none >&2; cat WORLD/canary-19 >&2";
    steps += &format!(
        "  - {{ id: look, run: '{print}', effect: read, env: {{ {env} }}, outputs: {{ first: {{ regex: '(.*)' }} }} }}\n\
         \x20 - id: change\n    run: 'test \"$C19\" = \"$(cat WORLD/canary-19)\" && test \"$C0\" = \"$(cat WORLD/canary-0)\" && {print}; touch WORLD/changed'\n    effect: idempotent\n    env: {{ {env} }}\n\
         \x20   rollback: [{{ id: back, run: '{print}; rm WORLD/changed', effect: idempotent }}]\n\
         \x20 - {{ id: gate, run: 'GATE(gate)', effect: idempotent, rollback: none, because: a test }}\n\
         \x20 - {{ id: fail, run: '{print}; exit 3', effect: idempotent, rollback: none, because: a test }}\n"
    );
    let book = place.book_with("canaries", &format!("inputs: {{ {} }}", declared.join(", ")), &steps);
    Canaries { place, book, needles, inputs }
}

impl Canaries {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.place.command(words);
        for number in 0..CANARIES {
            command.env(format!("CANARY_{number}"), canary(number));
        }
        command.env("PLAYBOOK_LOG", "trace");
        command
    }

    fn told_in(&self, bytes: &[u8]) -> Vec<&String> {
        self.needles.iter().filter(|needle| holds(bytes, needle)).collect()
    }

    fn told_below(&self, folder: &str) -> Vec<(&String, Vec<std::path::PathBuf>)> {
        let folder = self.place.path(folder);
        let told = self.needles.iter().map(|needle| (needle, telling(&folder, needle)));
        told.filter(|(_, files)| !files.is_empty()).collect()
    }

    fn with_inputs<'w>(&'w self, words: &[&'w str]) -> Vec<&'w str> {
        let mut all = words.to_vec();
        self.inputs.iter().for_each(|input| all.extend(["-i", input.as_str()]));
        all
    }
}

#[test]
fn twenty_canaries_in_twelve_encodings_are_found_nowhere() {
    let canaries = plant();
    assert!(canaries.needles.len() >= CANARIES * 12);
    // The search finds what is there.
    assert_eq!(canaries.told_in(&std::fs::read(canaries.place.path("forms")).unwrap()).len(), canaries.needles.len());

    std::fs::create_dir(canaries.place.path("exports")).unwrap();
    let export = |name: &str| canaries.place.path(&format!("exports/{name}")).display().to_string();
    let plan = export("plan.json");
    let world = export("world.yaml");
    for words in [["plan", &canaries.book, "-o", &plan], ["plan", &canaries.book, "--save-world", &world]] {
        let output = canaries.command(&canaries.with_inputs(&words)).output().unwrap();
        assert_eq!(canaries.told_in(said(&output).as_bytes()), Vec::<&String>::new(), "{words:?}");
        assert!(output.status.success(), "{}", said(&output));
    }

    let words = canaries.with_inputs(&["run", &canaries.book, "-y", "--output", "jsonl"]);
    let command = canaries.command(&words);
    let mut runner = canaries.place.start_with(&words, |started| {
        started.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    });
    canaries.place.wait_at("gate");
    let lines = command_lines();
    assert!(holds(&lines, "canaries.yaml"), "the search sees the run itself");
    assert_eq!(canaries.told_in(&lines), Vec::<&String>::new(), "the process list");
    assert_eq!(canaries.told_below("state"), [], "the state, the database's WAL and the spool, while it runs");
    assert!(!telling(&canaries.place.path("state"), "look").is_empty(), "the search sees the journal");
    canaries.place.open("gate");
    runner.expect(10);
    let all = runner.said();
    assert!(all.contains("***") && !canaries.place.path("changed").exists(), "{all}");
    assert_eq!(canaries.told_in(all.as_bytes()), Vec::<&String>::new(), "the run's own output and its trace");

    let human = canaries.command(&canaries.with_inputs(&["run", &canaries.book, "-y"])).output().unwrap();
    assert_eq!(canaries.told_in(said(&human).as_bytes()), Vec::<&String>::new(), "the screen");
    for words in [
        &["timeline", "latest"][..],
        &["timeline", "latest", "--output", "json"],
        &["status"],
        &["status", "--output", "json"],
        &["verify"],
        &["verify", "--checkpoint", &export("checkpoint.json")],
        &["watch", "latest"],
        &["show", &canaries.book, "--by-hand"],
    ] {
        let output = canaries.command(words).output().unwrap();
        assert_eq!(canaries.told_in(said(&output).as_bytes()), Vec::<&String>::new(), "{words:?}");
    }
    for folder in ["state", "exports"] {
        assert_eq!(canaries.told_below(folder), [], "{folder}, once all is over");
    }
}

#[test]
fn the_password_of_an_inventory_is_masked_in_whatever_a_run_prints() {
    let place = Place::new();
    let password = "inventory-pw-8841-magpie";
    std::fs::write(place.path("pw"), password).unwrap();
    // Nobody listens there: what matters is that the password was read for the attempt.
    std::fs::write(
        place.path("inventory.yaml"),
        "environment: lab\ndatabases:\n  orders:\n    user: postgres\n    password: file:pw\n    dbname: orders\n    members:\n\
         \x20     pg1: { address: 127.0.0.1, port: 1, data_directory: /d, bin_directory: /b }\n",
    )
    .unwrap();
    let book = place.book(
        "prints",
        "  - { id: ask, uses: postgres.status, with: { cluster: orders }, on_failure: continue }\n\
         \x20 - { id: print, run: 'cat WORLD/pw; echo; base64 WORLD/pw; touch WORLD/printed', effect: idempotent, rollback: none, because: a test }\n",
    );
    let inventory = place.path("inventory.yaml").display().to_string();
    let output = place.run(&["run", &book, "-y", "--inventory", &inventory]);
    let shown = said(&output);
    assert!(place.path("printed").exists() && shown.contains("***"), "{shown}");
    assert!(!shown.contains(password) && !shown.contains(base64(password.as_bytes()).trim_end_matches('=')), "{shown}");
    assert!(telling(&place.path("state"), password).is_empty());
}
