//! Where a secret is found. Here is the grammar of a reference, and nothing else: it reads no secret, and it never repeats a
//! text that is no reference, as that may be the secret itself.

/// The forms that there are, for whoever has to write one.
pub const REFERENCE_FORMS: &str = "env:NAME, file:/PATH, exec:COMMAND, age:/PATH or vault:PATH#FIELD";

/// What a shell would do with these letters nobody does here: who writes them expects something else.
const SHELL_LETTERS: &str = "|&;<>()$`*?[]{}~#!";

/// A reference to a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A variable of the runner's environment.
    Environment(String),
    /// A file that holds nothing else.
    File(String),
    /// What a program prints: the program and its arguments. There is no shell.
    Program(Vec<String>),
    /// A file that age has encrypted.
    Age(String),
    /// A field of a secret in HashiCorp Vault or OpenBao.
    Vault {
        /// The mount and the path below it.
        path: String,
        /// The field.
        field: String,
    },
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// Why the text is none, without the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((kind, rest)) = text.split_once(':') else { return Err(NONE) };
        match kind {
            "env" => is_variable(rest)
                .then(|| Self::Environment(rest.to_owned()))
                .ok_or("`env:` is followed by the name of an environment variable, such as env:DB_PASSWORD"),
            "file" => whole_path(rest)
                .map(Self::File)
                .ok_or("`file:` is followed by a whole path, such as file:/run/secrets/db"),
            "age" => whole_path(rest)
                .map(Self::Age)
                .ok_or("`age:` is followed by the whole path of an encrypted file, such as age:/etc/secrets/db.age"),
            "exec" => words(rest).map(Self::Program),
            "vault" => vault(rest),
            _ => Err(NONE),
        }
    }
}

const NONE: &str = "it takes a reference (env:NAME, file:/PATH, exec:COMMAND, age:/PATH or vault:PATH#FIELD), and never the \
                    secret itself. What was given is not shown; if it is the secret, it may stand in your shell's history now";

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn whole_path(path: &str) -> Option<String> {
    (path.starts_with('/') && path.len() > 1 && !path.contains('\0')).then(|| path.to_owned())
}

fn vault(rest: &str) -> Result<Reference, &'static str> {
    const FORM: &str = "`vault:` is followed by mount, path and field, such as vault:secret/orders/db#password";
    let (path, field) = rest.split_once('#').ok_or(FORM)?;
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    // What is not in this alphabet would have to be escaped in an address; a `?` or `%` would lead elsewhere.
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-_.@ +=".contains(&b);
    let is_path = path.split('/').count() >= 2 && path.split('/').all(|p| part(p) && p.bytes().all(letter));
    if !is_path || field.is_empty() || field.contains('#') {
        return Err(FORM);
    }
    Ok(Reference::Vault { path: path.to_owned(), field: field.to_owned() })
}

/// The words of a command: a list as in JSON, or words as a shell splits them, with quotes and without any expansion.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    const FORM: &str = "`exec:` is followed by a program and its arguments, such as exec:pass show db, or by a list, such as \
                        exec:[\"sops\", \"-d\", \"/etc/db.enc\"]";
    let list = if text.trim_start().starts_with('[') {
        serde_json::from_str::<Vec<String>>(text).map_err(|_| FORM)?
    } else {
        split(text)?
    };
    let is_program = list.first().is_some_and(|program| !program.is_empty());
    if !is_program || list.iter().any(|word| word.contains('\0')) {
        return Err(FORM);
    }
    Ok(list)
}

fn split(text: &str) -> Result<Vec<String>, &'static str> {
    let mut list = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("a `\\` at the end of `exec:` escapes nothing"),
            },
            (None, space) if space.is_whitespace() => list.extend(word.take()),
            (None, letter) if SHELL_LETTERS.contains(letter) => {
                return Err(
                    "there is no shell behind `exec:`, so a letter such as | $ * ; does nothing: quote it, or write \
                            exec:[\"sh\", \"-c\", \"…\"]",
                );
            }
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote in `exec:` is not closed");
    }
    list.extend(word);
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &str) -> Vec<String> {
        match Reference::parse(text) {
            Ok(Reference::Program(words)) => words,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(Reference::parse("env:DB_PASSWORD"), Ok(Reference::Environment("DB_PASSWORD".to_owned())));
        assert_eq!(Reference::parse("file:/run/secrets/db"), Ok(Reference::File("/run/secrets/db".to_owned())));
        assert_eq!(Reference::parse("age:/etc/db.age"), Ok(Reference::Age("/etc/db.age".to_owned())));
        let vault = Reference::Vault { path: "secret/orders/db".to_owned(), field: "password".to_owned() };
        assert_eq!(Reference::parse("vault:secret/orders/db#password"), Ok(vault));
    }

    #[test]
    fn a_command_is_split_and_nothing_in_it_is_expanded() {
        assert_eq!(program("exec:pass show  db/orders"), ["pass", "show", "db/orders"]);
        assert_eq!(
            program(r#"exec:op read 'op://x y/$z' "a\"b" c\ d "" "#),
            ["op", "read", "op://x y/$z", "a\"b", "c d", ""]
        );
        assert_eq!(program(r#"exec:["sh", "-c", "echo $X | tr a b"]"#), ["sh", "-c", "echo $X | tr a b"]);
    }

    #[test]
    fn what_is_no_reference_is_refused_and_not_repeated() {
        let bad = [
            "hunter2",
            "",
            "hunter2:x",
            "http://hunter2",
            "env:",
            "env:1",
            "env:A B",
            "file:",
            "file:hunter2",
            "file:/",
            "age:x",
            "exec:",
            "exec:  ",
            "exec:''",
            "exec:[]",
            "exec:[1]",
            "exec:[hunter2",
            "exec:a | hunter2",
            "exec:echo $hunter2",
            "exec:'hunter2",
            "exec:a\\",
            "vault:hunter2",
            "vault:x#y",
            "vault:a/b",
            "vault:a/b#",
            "vault:a/../b#c",
            "vault:a//b#c",
            "vault:a/b?x#c",
            "vault:a/b%2f#c",
            "vault:/a/b#c",
        ];
        for text in bad {
            assert!(Reference::parse(text).is_err_and(|why| !why.contains("hunter2")), "{text}");
        }
    }
}
