//! Commands, through the real binary: values that are typed, in a file, in the environment, and that one step hands to the
//! next; as variables, as arguments, and in the lines that a person pastes.

use std::path::Path;

use super::Canary;
use crate::processes::{Place, said};

/// A playbook that writes what arrives into `WORLD/out`: each value as a variable, as an argument, and after a step printed it.
fn book(place: &Place, count: usize) -> String {
    let inputs: String = (0..count).map(|n| format!("  v{n}: {{ type: string, required: true }}\n")).collect();
    let env: Vec<String> = (0..count).map(|n| format!("V{n}: \"{{{{inputs.v{n}}}}}\"")).collect();
    let argv: Vec<String> = (0..count).map(|n| format!("\"{{{{inputs.v{n}}}}}\"")).collect();
    let write: String = (0..count).map(|n| format!("      printf '%s' \"$V{n}\" > WORLD/out/env.{n}\n")).collect();
    let steps = format!(
        "  - id: by_env\n    run: |\n{write}    env: {{ {} }}\n    rollback: none\n    because: a test\n\
         \x20 - id: by_argv\n    argv: [sh, -c, 'n=0; for a in \"$@\"; do printf %s \"$a\" > WORLD/out/argv.$n; n=$((n+1)); done', sh, {}]\n\
         \x20   rollback: none\n    because: a test\n",
        env.join(", "),
        argv.join(", ")
    );
    std::fs::create_dir_all(place.path("out")).unwrap();
    place.book_with("values", &format!("inputs:\n{inputs}"), &steps)
}

fn arrived(place: &Place, values: &[String], how: &str) {
    for (number, value) in values.iter().enumerate() {
        for way in ["env", "argv"] {
            let file = place.path(&format!("out/{way}.{number}"));
            let found = std::fs::read(&file).unwrap_or_else(|error| panic!("{how}: {way} of {value:?}: {error}"));
            assert_eq!(String::from_utf8_lossy(&found), *value, "{how}: {way} of {value:?}");
            std::fs::remove_file(file).unwrap();
        }
    }
}

fn inputs_file(place: &Place, values: &[String]) -> String {
    let map: serde_json::Map<String, serde_json::Value> =
        values.iter().enumerate().map(|(n, value)| (format!("v{n}"), value.as_str().into())).collect();
    let file = place.path("inputs.yaml");
    // YAML holds no control characters but by their numbers.
    let mut text = String::new();
    for c in serde_json::Value::Object(map).to_string().chars() {
        if playbook::value::is_hidden(c) || c > '\u{fffc}' {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn values_arrive_byte_for_byte_wherever_they_are_given() {
    let (place, canary) = (Place::new(), Canary::new());
    let values = canary.values();
    let book = book(&place, values.len());
    let pairs: Vec<String> = values.iter().enumerate().map(|(n, value)| format!("v{n}={value}")).collect();
    let mut typed = vec!["run", &book, "-y"];
    pairs.iter().for_each(|pair| typed.extend(["-i", pair.as_str()]));
    place.expect(0, &typed);
    arrived(&place, &values, "typed");

    let file = inputs_file(&place, &values);
    place.expect(0, &["run", &book, "-y", "--inputs-file", &file]);
    arrived(&place, &values, "in a file");

    // An empty variable gives nothing, as every variable of ours: that one is typed.
    let mut command = place.command(&["run", &book, "-y"]);
    for (number, value) in values.iter().enumerate() {
        match value.as_str() {
            "" => command.args(["-i", &format!("v{number}=")]),
            _ => command.env(format!("PLAYBOOK_INPUT_V{number}"), value),
        };
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    arrived(&place, &values, "in the environment");
    canary.is_silent();
}

/// What a person pastes on the day on which the runner is the casualty does the same, and nothing else.
#[test]
fn the_lines_to_paste_give_a_shell_the_same_values() {
    let (place, canary) = (Place::new(), Canary::new());
    let values = canary.values();
    let book = book(&place, values.len());
    let pairs: Vec<String> = values.iter().enumerate().map(|(n, value)| format!("v{n}={value}")).collect();
    let mut arguments = vec!["show", &book, "--by-hand"];
    pairs.iter().for_each(|pair| arguments.extend(["-i", pair.as_str()]));
    let output = place.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let script = String::from_utf8(output.stdout).unwrap();
    let unseen = script.chars().find(|c| playbook::value::is_hidden(*c) && !matches!(c, '\n' | '\t'));
    assert_eq!(unseen, None, "{script}");
    canary.is_silent();
    std::fs::write(place.path("paste.sh"), &script).unwrap();
    let pasted = std::process::Command::new("bash").arg(place.path("paste.sh")).output().unwrap();
    assert!(pasted.status.success(), "{}", said(&pasted));
    arrived(&place, &values, "pasted");
    canary.is_silent();
}

#[test]
fn what_one_step_prints_is_only_a_value_for_the_next() {
    let (place, canary) = (Place::new(), Canary::new());
    // A step's `stdout` has lost one line end at its end, as `$(…)` in a shell.
    let values: Vec<String> = canary.values().into_iter().filter(|value| !value.ends_with('\n')).collect();
    std::fs::create_dir(place.path("in")).unwrap();
    std::fs::create_dir(place.path("out")).unwrap();
    let mut steps = String::new();
    for (number, value) in values.iter().enumerate() {
        std::fs::write(place.path(&format!("in/{number}")), value).unwrap();
        std::fs::write(place.path(&format!("in/{number}.json")), serde_json::json!({ "v": value }).to_string())
            .unwrap();
        steps.push_str(&format!(
            "  - {{ id: raw{number}, argv: [cat, WORLD/in/{number}], effect: read }}\n\
             \x20 - {{ id: json{number}, argv: [cat, WORLD/in/{number}.json], effect: read, outputs: {{ v: {{ json: v }} }} }}\n"
        ));
    }
    let env: Vec<String> = (0..values.len())
        .map(|n| format!("R{n}: \"{{{{steps.raw{n}.outputs.stdout}}}}\", J{n}: \"{{{{steps.json{n}.outputs.v}}}}\""))
        .collect();
    let write: String = (0..values.len())
        .map(|n| {
            format!("      printf '%s' \"$R{n}\" > WORLD/out/env.{n}; printf '%s' \"$J{n}\" > WORLD/out/argv.{n}\n")
        })
        .collect();
    steps.push_str(&format!(
        "  - id: take\n    run: |\n{write}    env: {{ {} }}\n    rollback: none\n    because: a test\n",
        env.join(", ")
    ));
    let book = place.book("flow", &steps);
    place.expect(0, &["run", &book, "-y"]);
    arrived(&place, &values, "printed by a step");
    canary.is_silent();
}

#[test]
fn a_nul_byte_and_what_is_no_text_is_refused_and_said() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    let book = book(&place, 1);
    let file = place.path("nul.yaml");
    std::fs::write(&file, "v0: \"a\\0b\"\n").unwrap();
    let output = place.run(&["run", &book, "-y", "--inputs-file", file.to_str().unwrap()]);
    assert_ne!(output.status.code(), Some(0));
    assert!(said(&output).to_lowercase().contains("nul"), "{}", said(&output));
    for (name, code) in [("typed", 64), ("environment", 65)] {
        let mut command = place.command(&["run", &book, "-y"]);
        match name {
            "typed" => command.arg("-i").arg(std::ffi::OsStr::from_bytes(b"v0=\xff\xfe")),
            _ => command.env("PLAYBOOK_INPUT_V0", std::ffi::OsStr::from_bytes(b"\xff\xfe")),
        };
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
    }
    assert!(is_empty(&place.path("out")));
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// A name that a value gives to an action, as a host, a user or a file, is looked up and never read.
#[test]
fn names_are_looked_up_and_never_read() {
    let (place, canary) = (Place::new(), Canary::new());
    std::fs::write(place.path("inventory.yaml"), "environment: lab\nhosts: { db1: { address: 127.0.0.1, port: 1 } }\n")
        .unwrap();
    let inventory = place.path("inventory.yaml").display().to_string();
    let steps = "  - { id: a, run: \"true\", host: \"{{inputs.v0}}\", effect: read }\n";
    let host = place.book_with("host", "inputs: { v0: { type: string } }", steps);
    let lock = place.book_with(
        "lock",
        "inputs: { v0: { type: string } }\nlocks: [\"x/{{inputs.v0}}\"]",
        "  - { id: a, run: \"true\", effect: read }\n",
    );
    for value in canary.values().iter().filter(|value| value.contains("canary-") || value.contains("..")).take(30) {
        let given = format!("v0={value}");
        let output = place.run(&["run", &host, "-y", "--inventory", &inventory, "-i", &given]);
        assert_ne!(output.status.code(), Some(0), "{value:?}: {}", said(&output));
        let output = place.run(&["run", &lock, "-y", "-i", &given]);
        assert!(!said(&output).contains("panicked"), "{}", said(&output));
    }
    canary.is_silent();
}
