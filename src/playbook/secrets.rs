//! Finds what looks like a secret in a command line: everybody on the host sees it there, and the journal keeps it. A
//! guess from names, so it warns and never refuses.

use std::sync::LazyLock;

use regex::Regex;

use crate::document::Node;
use crate::value::{Type, Value};

use super::faults::Faults;
use super::template::{self, Piece};
use super::{Argument, InputSpec, Playbook, Rollback, Step};

/// Words of names and descriptions behind which secrets are found.
static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(^|[^a-z])(password|passwd|passphrase|secret|token|api[_ -]?key|private[_ -]?key|credentials?)s?([^a-z]|$)")
        .ok()
});

/// A secret written out: `--password=x`, `PGPASSWORD=x`, `token: x`. What comes from the environment (`$X`) is none.
static WRITTEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?i)[a-z_-]*(password|passwd|secret|token|api[_-]?key)\s*[=:]\s*["']?[a-z0-9+/!%]{3,}"#).ok()
});

/// A reference that only the inventory and sensitive inputs resolve: here it would be handed over as it is.
static REFERENCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(^|[\s=:'\x22])((env|vault):[A-Za-z_]|(file|age):/[A-Za-z0-9_.]|exec:[A-Za-z/\[])[A-Za-z0-9_/.#-]*")
        .ok()
});

/// Parts of words without one of which no name is that of a secret.
const NAME_WORDS: [&str; 6] = ["pass", "secret", "token", "api", "key", "credential"];
/// Words without one of which nothing is written out.
const WRITTEN_WORDS: [&str; 5] = ["password", "passwd", "secret", "token", "api"];
/// The same for a reference.
const REFERENCE_WORDS: [&str; 5] = ["env:", "vault:", "file:", "age:", "exec:"];

const HELP: &str = "give it through the environment: `env: { NAME: \"{{…}}\" }`, and \"$NAME\" in the script, or have the \
                    program read it from a file that only it can read";

/// Looks through the inputs and every command of a playbook.
pub(super) fn check(faults: &mut Faults, playbook: &Playbook, root: &Node) {
    for entry in root.get("inputs").and_then(Node::entries).unwrap_or_default() {
        let plain = playbook.inputs.iter().any(|input| {
            input.name == entry.key.value
                && !input.sensitive
                && matches!(input.kind, Type::String)
                && is_secret(&input.name)
        });
        if plain {
            let message = format!("`{}` looks like a secret, and is kept and shown as it is given", entry.key.value);
            let help =
                "add `sensitive: true`: then it takes a reference (env:NAME, file:/PATH, …) and is never written down";
            faults.warn("plain-secret", entry.key.span, message, Some(help.to_owned()));
        }
    }
    for step in &playbook.steps {
        command(faults, &playbook.inputs, step);
        if let Rollback::Steps(parts) = &step.rollback {
            parts.iter().for_each(|part| command(faults, &playbook.inputs, part));
        }
    }
}

fn command(faults: &mut Faults, inputs: &[InputSpec], step: &Step) {
    if let Some(probe) = &step.probe {
        command(faults, inputs, &probe.step);
    }
    if !matches!(step.action.as_str(), "cli" | "shell" | "ssh") {
        return;
    }
    for (name, argument) in &step.arguments {
        if matches!(name.as_str(), "script" | "argv" | "shell" | "lines") {
            part(faults, inputs, step, argument);
        }
    }
}

fn part(faults: &mut Faults, inputs: &[InputSpec], step: &Step, argument: &Argument) {
    match argument {
        Argument::Literal(Value::String(text)) => written(faults, step, text),
        Argument::Literal(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).for_each(|text| written(faults, step, text));
        }
        Argument::List(items) => items.iter().for_each(|item| part(faults, inputs, step, item)),
        Argument::Template(given) => {
            let Ok(pieces) = template::compile(&given.source) else { return };
            for piece in pieces.iter() {
                match piece {
                    Piece::Text(text) => written(faults, step, text),
                    Piece::Value(filler) => filler.each_path(false, &mut |path, _| {
                        let last = path.parts.len().checked_sub(1).and_then(|place| path.name(place)).unwrap_or("");
                        let described = inputs
                            .iter()
                            .find(|input| path.root == "inputs" && path.name(0) == Some(input.name.as_str()))
                            .is_some_and(|input| is_secret(&input.description));
                        if is_secret(last) || described {
                            let span = faults.word(given.span, &given.source, &path.to_string());
                            let message =
                                format!("`{path}` looks like a secret, and a command line is no secret place");
                            faults.warn("secret-in-command", span, message, Some(HELP.to_owned()));
                        }
                    }),
                }
            }
        }
        Argument::Literal(_) | Argument::Computed(_) | Argument::Map(_) => {}
    }
}

fn written(faults: &mut Faults, step: &Step, text: &str) {
    if may_write(text)
        && let Some(found) = WRITTEN.as_ref().and_then(|regex| regex.find(text))
    {
        let span = faults.within(step.span, found.as_str(), 0, found.len());
        let message = "this looks like a secret that is written out in a command line";
        faults.warn("secret-in-command", span, message, Some(HELP.to_owned()));
    }
    if may_refer(text)
        && let Some(found) = REFERENCE.as_ref().and_then(|regex| regex.find(text))
    {
        let word = found.as_str().trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let span = faults.within(step.span, word, 0, word.len());
        let message = format!("`{word}` is not resolved in a command line: the command gets just these letters");
        faults.warn("secret-in-command", span, message, Some(HELP.to_owned()));
    }
}

/// Whether it is worth making the expression that tells: nearly every command says nothing of the kind, and the expression
/// costs more than reading the rest of a small playbook.
fn may_write(text: &str) -> bool {
    // Letters of other alphabets may stand for ours there (the long s).
    text.contains(['=', ':']) && (!text.is_ascii() || WRITTEN_WORDS.iter().any(|word| has(text, word)))
}

fn may_refer(text: &str) -> bool {
    text.contains(':') && REFERENCE_WORDS.iter().any(|word| text.contains(word))
}

fn has(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

fn may_name(text: &str) -> bool {
    !text.is_ascii() || NAME_WORDS.iter().any(|word| has(text, word))
}

fn is_secret(text: &str) -> bool {
    may_name(text) && NAME.as_ref().is_some_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_others_are_not() {
        for name in ["password", "db_password", "API_KEY", "the token of the proxy", "secrets", "credentials"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["Passwd", "passphrase", "to\u{212a}en", "\u{17f}ecret", "private-key", "api key", "CREDENTIAL"] {
            assert!(NAME.as_ref().unwrap().is_match(name) && may_name(name), "{name}");
        }
        for name in ["tokenizer", "secretary", "cluster", "passwordless", ""] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(!may_name("cluster") && !may_name("which host number 1 is"));
    }

    #[test]
    fn what_is_written_out_is_found_and_what_the_environment_gives_is_not() {
        let regex = WRITTEN.as_ref().unwrap();
        for text in ["mysql --password=hunter2", "PGPASSWORD=abc psql", "curl -H 'X-Token: abcdef'"] {
            assert!(regex.is_match(text), "{text}");
        }
        for text in ["mysql --password=\"$PW\"", "PGPASSWORD=$PW psql", "echo password", "--password-file=/x"] {
            assert!(!regex.is_match(text), "{text}");
        }
        for text in
            ["mysql --PassWord=hunter2", "x-to\u{212a}en: abcdef", "api_key=abc", "passwd:abc", "\u{17f}ecret=abc"]
        {
            assert!(regex.is_match(text) && may_write(text), "{text}");
        }
        assert!(!may_write("echo password") && !may_write("a=b") && !may_refer("http://x"));
        let regex = REFERENCE.as_ref().unwrap();
        for text in ["env:A", "vault:A", "file:/a", "age:/a", "exec:a"] {
            assert!(regex.is_match(text) && may_refer(text), "{text}");
        }
        assert!(regex.is_match("-u admin:env:PW") && regex.is_match("env:PW") && regex.is_match("--key=file:/run/k"));
        assert!(!regex.is_match("/usr/bin/env: x") && !regex.is_match("http://profile:80"));
    }
}
