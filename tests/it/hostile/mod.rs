//! Values that hurt where they become code, driven through every action and every place where a value can stand. Each names a
//! canary that it would make if anybody obeyed it: none is ever made, and what arrives is what was sent, or it was refused.

mod actions;
mod addresses;
mod commands;
mod files;
mod paths;
mod screens;
mod servers;

use std::path::{Path, PathBuf};

use playbook::actions::{Call, Context};
use playbook::inventory::Inventory;
use playbook::spec::Effect;
use playbook::value::Value;

/// Values with `CANARY` for the file that they would make. None holds a NUL byte: that has tests of its own.
const CORPUS: &[&str] = &[
    // What a shell reads.
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY #",
    "| touch CANARY",
    "& touch CANARY &",
    "\n touch CANARY\n",
    "'; touch CANARY; '",
    "\"; touch CANARY; \"",
    "'\"`$(touch CANARY)`\"'",
    "\\'; touch CANARY; \\'",
    "${IFS}touch${IFS}CANARY",
    "$IFS$9touch$IFS$9CANARY",
    "{touch,CANARY}",
    "<(touch CANARY)",
    "() { :;}; touch CANARY",
    "a\\\ntouch CANARY",
    "$'\\x60touch CANARY\\x60'",
    "!touch CANARY",
    "~/../..$HOME",
    "*",
    "",
    " ",
    "\t",
    "PLAYBOOK_END\ntouch CANARY",
    // What a program takes for an option.
    "-oProxyCommand=touch CANARY",
    "--checkpoint-action=exec=touch CANARY",
    "-e system('touch CANARY')",
    "--",
    "-",
    "@/etc/passwd",
    // What a database reads.
    "'; copy (select 1) to program 'touch CANARY'; --",
    "' or 1=1 --",
    "$$; drop table precious; $$",
    "\\'; drop table precious; --",
    "Robert'); drop table precious; --",
    "\u{2bc}; drop table precious; --",
    "E'\\047; drop table precious; --",
    "$1",
    // What a template, an expression or YAML reads.
    "{{7*7}}",
    "{{inputs}}",
    "{{{secret}}}",
    "{{#each inputs}}{{this}}{{/each}}",
    "${7*7}",
    "inputs.v0 == 'x' || true",
    "!!python/object/apply:os.system [touch CANARY]",
    "!ruby/object:Gem::Installer {}",
    "&a [*a]",
    "yes",
    "0x10",
    "1e1000",
    "null",
    "- a\n- b",
    "key: value",
    "env:HOME",
    "file:/etc/passwd",
    // What a path, a URL or a header is.
    "../../../../../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/../../b",
    "%2e%2e%2f",
    "@evil.example/",
    "#fragment",
    "?query=1&x=2",
    "//evil.example/",
    "\\\\evil.example\\share",
    "http://evil.example/",
    "javascript:alert(1)",
    "%0d%0aX-Evil: 1",
    "x\r\nX-Evil: 1",
    "x\nX-Evil: 1\n\nbody",
    // What a reader does not see, or a terminal obeys.
    "\u{1b}]52;c;dG91Y2ggQ0FOQVJZ\u{7}",
    "\u{1b}]0;owned\u{7}",
    "\u{1b}[2J\u{1b}[1;1Hall is well",
    "\u{1b}[8mhidden\u{1b}[0m",
    "\u{9b}31mred",
    "\u{90}q\u{9c}",
    "failed\rdone  ",
    "a\u{8}\u{8}b",
    "a\u{b}b\u{c}c\u{85}d",
    "a\u{2028}b\u{2029}c",
    "\u{202e}txet\u{2066}desrever",
    "zero\u{200b}width\u{200d}join\u{feff}",
    "tag\u{e0041}\u{e0042}",
    "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "\u{7f}",
    "\u{fffd}\u{ffff}",
    "数据库 🚑 ünï",
];

/// A folder that stays empty unless somebody obeyed a value.
struct Canary {
    folder: tempfile::TempDir,
}

impl Canary {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// All values, with a canary of each one's own, and one that is very long.
    fn values(&self) -> Vec<String> {
        let file = |number: usize| self.folder.path().join(format!("canary-{number}")).display().to_string();
        let mut values: Vec<String> =
            CORPUS.iter().enumerate().map(|(number, text)| text.replace("CANARY", &file(number))).collect();
        values.push(format!("{}$(touch {})", "long'\" ".repeat(1500), file(9999)));
        values
    }

    /// Nobody obeyed.
    fn is_silent(&self) {
        let made: Vec<PathBuf> = std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(made.is_empty(), "a value was executed: {made:?}");
    }
}

fn context(spool: &Path, inventory: Inventory) -> Context {
    playbook::actions::recorder::use_program(env!("CARGO_BIN_EXE_playbook").into());
    Context {
        inventory: std::sync::Arc::new(inventory),
        spool: spool.to_owned(),
        output: std::sync::Arc::new(|_, _| {}),
    }
}

fn call(attempt: &str, effect: Effect, arguments: Value) -> Call {
    Call {
        key: attempt.to_owned(),
        attempt: attempt.to_owned(),
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: std::time::Duration::from_secs(30),
        kill_on_timeout: false,
        effect,
        age: None,
    }
}

/// The corpus would be noticed: a shell that reads its values as code makes canaries.
#[test]
fn a_shell_that_is_given_the_values_as_code_makes_canaries() {
    let canary = Canary::new();
    for value in canary.values().iter().filter(|value| value.contains("canary-")) {
        let _ = std::process::Command::new("bash").args(["-c", &format!("echo \"{value}\"; echo {value}")]).output();
    }
    let made = std::fs::read_dir(canary.folder.path()).unwrap().count();
    assert!(made >= 10, "only {made} of them bite: this corpus proves little");
}
