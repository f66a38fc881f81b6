//! What another machine printed, and what a file says, is shown on every screen without anything that a terminal obeys or a
//! reader does not see; and it is kept as it was.

use crate::processes::{Place, said};

/// Everything that a terminal obeys or hides, in one line of YAML's double quotes.
const LOUD: &str = r"\e]52;c;dG91Y2g=\a\e]0;owned\a\e[2J\e[1;1Hall is well\e[8m\u009b31m\u0090q\u009ca\rb\bc\vd\fe\u0085f\u2028g\u2029\u202eh\u2066i\u200bj\ufeff\U000e0041\u3164\u007f";

/// The same as bytes for `printf`.
fn loud() -> String {
    let quoted = LOUD.replace(r"\e", r"\u001b").replace(r"\a", r"\u0007").replace(r"\v", r"\u000b");
    serde_json::from_str(&format!("\"{}\"", quoted.replace(r"\U000e0041", r"\udb40\udc41"))).unwrap()
}

/// No screen of ours holds anything hidden but its line ends.
fn is_clean(what: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    if let Some(at) = text.char_indices().find(|(_, c)| playbook::value::is_hidden(*c) && *c != '\n') {
        let before: String = text[..at.0].chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{what}: {:?} is shown raw behind {before:?}", at.1);
    }
}

fn show(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    is_clean(&format!("{arguments:?} stdout"), &output.stdout);
    is_clean(&format!("{arguments:?} stderr"), &output.stderr);
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    said(&output)
}

fn book(place: &Place) -> String {
    std::fs::write(place.path("loud"), format!("{}\nlast {}", loud(), loud())).unwrap();
    let text = format!(
        "name: screens\nversion: 1.0.0\ntitle: \"title {LOUD}\"\ndescription: \"description {LOUD}\"\nowner: \"owner {LOUD}\"\n\
         symptoms: [\"symptom {LOUD}\"]\ninputs:\n  word: {{ type: string, default: \"default {LOUD}\", description: \"input {LOUD}\" }}\n\
         \x20 pass: {{ type: boolean, default: false }}\n\
         steps:\n  - {{ id: read, name: \"name {LOUD}\", argv: [cat, WORLD/loud], effect: read }}\n\
         \x20 - {{ id: take, name: \"take {LOUD}\", run: 'cat WORLD/loud; cat WORLD/loud >&2', env: {{ V: \"{{{{steps.read.outputs.stdout}}}}\", W: \"{{{{inputs.word}}}}\" }}, \
         rollback: none, because: \"because {LOUD}\" }}\n\
         \x20 - {{ id: hold, uses: assert, with: {{ that: {{ expr: inputs.pass }}, message: \"message {LOUD}\" }} }}\n\
         \x20 - {{ id: fail, run: 'cat WORLD/loud >&2; exit 3', rollback: none, because: \"because {LOUD}\", on_failure: pause }}\n"
    );
    let file = place.path("screens.yaml");
    let text = text.replace("WORLD", place.path("").to_str().unwrap().trim_end_matches('/'));
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_run_is_shown_clean_on_every_screen_and_kept_raw() {
    let place = Place::new();
    let book = book(&place);
    for arguments in [
        &["lint", &book][..],
        &["plan", &book],
        &["plan", &book, "--output", "json"],
        &["plan", &book, "-o", "x.plan"],
        &["show", &book],
        &["list", "--playbooks", "."],
        &["list", "--playbooks", ".", "--output", "json"],
        &["rehearse", &book],
        &["diff", &book, &book],
    ] {
        let shown = show(&place, arguments);
        assert!(!shown.is_empty(), "{arguments:?}");
    }
    // A page goes to a command: it is to be read on something else than our screens.
    std::fs::write(
        place.path("config.yaml"),
        format!("page: {{ command: [sh, -c, 'cat > {}'] }}\n", place.path("page").display()),
    )
    .unwrap();
    let failing = show(&place, &["run", &book, "-y"]);
    assert!(failing.contains("message") && failing.contains("<U+202E>"), "{failing}");
    for output in ["human", "json", "jsonl"] {
        show(&place, &["run", &book, "-y", "--no-wait", "--output", output, "-i", "pass=true"]);
    }
    let page = std::fs::read_to_string(place.path("page")).expect("somebody was paged");
    is_clean("the page", page.replace('\t', " ").as_bytes());
    assert!(page.contains("<U+202E>"), "{page}");
    for arguments in [
        &["status", "latest"][..],
        &["status", "latest", "--output", "json"],
        &["timeline", "latest"],
        &["timeline", "latest", "--output", "json"],
        &["timeline", "latest", "--output", "jsonl"],
        &["list", "--runs"],
        &["list", "--runs", "--output", "json"],
        &["verify", "latest"],
        &["resolve", "latest", "nonsense"],
        &["doctor"],
    ] {
        show(&place, arguments);
    }
    // Nothing of it was lost: what a program reads is what was printed.
    let timeline = place.run(&["timeline", "latest", "--output", "json"]);
    let timeline: serde_json::Value = serde_json::from_slice(&timeline.stdout).unwrap();
    assert!(timeline.to_string().contains('\u{202e}'), "it is kept raw");
}

#[test]
fn broken_files_are_shown_clean() {
    let place = Place::new();
    let raw = loud().replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "");
    let broken = place.path("broken.yaml");
    for (number, text) in [
        format!("name: x\nversion: 1.0.0\ntitle: x\nsteps:\n  - {{ id: a, \"{LOUD}\": 1, run: x }}\n"),
        format!("name: \"{LOUD}\"\nversion: 1.0.0\nsteps: []\n"),
        format!("name: x\nversion: \"{LOUD}\"\nsteps:\n  - {{ id: \"{LOUD}\", uses: \"{LOUD}\" }}\n"),
        format!("name: x\nversion: 1.0.0\ntitle: x\nsteps:\n  - {{ id: a, run: x, effect: read, if: \"'{LOUD}' == inputs.{LOUD}\" }}\n"),
        format!("name: x # {raw}\nversion: 1.0.0\n"),
        format!("{raw}: x\n"),
        format!("name: [{raw}\n"),
    ]
    .iter()
    .enumerate()
    {
        std::fs::write(&broken, text).unwrap();
        let path = broken.to_str().unwrap();
        for format in ["human", "json", "github", "junit", "sarif"] {
            let shown = show(&place, &["lint", path, "--output", format]);
            assert!(shown.contains("broken.yaml"), "{number} {format}: {shown}");
        }
        show(&place, &["run", path, "-y"]);
        show(&place, &["fmt", "--check", path]);
        std::fs::write(place.path("inventory.yaml"), text).unwrap();
        show(&place, &["run", path, "--inventory", place.path("inventory.yaml").to_str().unwrap()]);
        show(&place, &["doctor", "--inventory", place.path("inventory.yaml").to_str().unwrap()]);
    }
    for inventory in [
        format!("environment: lab\nhosts: {{ \"{LOUD}\": {{ address: \"{LOUD}\", jump: \"{LOUD}\" }} }}\n"),
        format!("environment: \"{LOUD}\"\ngroups: {{ \"{LOUD}\": [\"{LOUD}\"] }}\n"),
        format!("environment: lab\ncontacts: {{ \"{LOUD}\": \"{LOUD}\" }}\n\"{LOUD}\": 1\n"),
        format!("environment: lab\nhosts: {{ a: {{ address: {raw} }} }}\n"),
    ] {
        let file = place.path("odd.yaml");
        std::fs::write(&file, inventory).unwrap();
        let book = place.book("one", "  - { id: a, run: \"true\", host: b, rollback: none, because: a test }\n");
        show(&place, &["plan", &book, "--inventory", file.to_str().unwrap()]);
        show(&place, &["doctor", "--inventory", file.to_str().unwrap()]);
    }
    std::fs::write(place.path("config.yaml"), format!("\"{LOUD}\": 1\n")).unwrap();
    show(&place, &["list"]);
}

/// Also on a terminal, where we draw ourselves: our own movements are there, and none of theirs.
#[test]
fn the_live_picture_obeys_nobody_else() {
    let place = Place::new();
    let book = book(&place);
    let line =
        format!("stty cols 100 rows 30; '{}' run {book} -y --no-wait -i pass=true", env!("CARGO_BIN_EXE_playbook"));
    let output = std::process::Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm-256color")
        .env("PLAYBOOK_CONFIG", place.path("config.yaml"))
        .env("PLAYBOOK_STATE", place.path("state"))
        .env_remove("PLAYBOOK_INVENTORY")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("script runs (bsdutils)");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("all is well"), "the picture shows what was printed: {shown:?}");
    for theirs in [
        "\u{1b}]",
        "\u{1b}[2J",
        "\u{1b}[1;1H",
        "\u{1b}[8m",
        "\u{9b}",
        "\u{90}",
        "\u{202e}",
        "\u{200b}",
        "\u{8}",
        "\u{b}",
        "\u{85}",
        "\u{2028}",
    ] {
        assert!(!shown.contains(theirs), "{theirs:?} reached the terminal: {shown:?}");
    }
}
