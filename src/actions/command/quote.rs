//! How values become part of a shell program: as single-quoted words, and in no other way. One function quotes; every
//! program that is sent to a host is put together here and in `remote`, from fixed text and quoted words.

use super::{Command, CommandError, Work};

/// A value as one word of a POSIX shell: nothing in it is read by the shell.
///
/// # Errors
/// When the value holds a NUL byte, which no argument and no variable can hold.
pub(crate) fn quote(value: &str) -> Result<String, CommandError> {
    if value.contains('\0') {
        return Err(CommandError::Invalid("a value holds a NUL byte, which no command can be given".to_owned()));
    }
    // Inside single quotes only the single quote itself is special: it is closed, escaped and opened again.
    Ok(format!("'{}'", value.replace('\'', r"'\''")))
}

/// The argument list that a command comes down to, without `become`.
///
/// # Errors
/// When there is nothing to run.
pub(crate) fn argument_list(command: &Command) -> Result<Vec<String>, CommandError> {
    let list = match &command.work {
        Work::Argv(argv) => argv.clone(),
        Work::Script(script) | Work::Fed { script, .. } => {
            let shell = command.shell.as_deref().unwrap_or("/bin/sh");
            let mut list: Vec<String> = shell.split_whitespace().map(str::to_owned).collect();
            list.extend(["-c".to_owned(), script.clone()]);
            list
        }
    };
    match list.first() {
        Some(program) if !program.is_empty() && program != "-c" => Ok(list),
        _ => Err(CommandError::Invalid("there is no program to run: the argument list or the shell is empty".into())),
    }
}

/// A program for `/bin/sh` that sets the environment and becomes the command. It is one function that is called at the
/// end: a shell that gets only a part of it, as the connection broke, finds no call and runs nothing; and the command's
/// standard input is never the program's text.
///
/// # Errors
/// When a value cannot be quoted, or there is nothing to run.
pub(crate) fn program(command: &Command) -> Result<String, CommandError> {
    Ok(function(command)? + "playbook_main\n")
}

/// The function of that program alone. What it is called with stands before the command: a program that starts another one.
///
/// # Errors
/// When a value cannot be quoted, or there is nothing to run.
pub(crate) fn function(command: &Command) -> Result<String, CommandError> {
    let mut text = String::from("playbook_main() {\n");
    for (name, value) in &command.environment {
        text.push_str(&format!("export {name}={}\n", quote(value)?));
    }
    let words: Result<Vec<String>, CommandError> = argument_list(command)?.iter().map(|word| quote(word)).collect();
    let words = words?.join(" ");
    match &command.work {
        // A variable that is not exported, and a `printf` of the shell's own: no other process ever sees it but the script.
        Work::Fed { input, .. } => {
            text.push_str(&format!("playbook_input={}\nprintf '%s' \"$playbook_input\" | {words}\n", quote(input)?));
        }
        Work::Script(_) | Work::Argv(_) => text.push_str(&format!("exec \"$@\" {words} </dev/null\n")),
    }
    text.push_str("}\n");
    Ok(text)
}

/// Refuses what cannot be a command: names that are no variable's, values with NUL bytes, an odd user.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn validate(command: &Command) -> Result<(), CommandError> {
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    if let Some((name, _)) = command.environment.iter().find(|(name, _)| !is_name(name)) {
        return Err(CommandError::Invalid(format!(
            "`{name}` is no name of an environment variable: letters, digits and underscores, not beginning with a digit"
        )));
    }
    if let Some(user) = &command.become_user {
        // sudo would read a leading hyphen as an option and a leading # as a number.
        let fits = user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fits || user.is_empty() || user.starts_with('-') {
            return Err(CommandError::Invalid(format!("`{user}` is no user's name to become")));
        }
    }
    // Quoting everything once finds each NUL byte.
    program(command)?;
    if argument_list(command)?.iter().any(|word| word.len() >= 128 * 1024) {
        return Err(CommandError::Invalid(
            "a script or argument is longer than 128 KiB, which the kernel does not pass on; put it into a file".into(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(words: &[&str]) -> Command {
        Command {
            host: None,
            work: Work::Argv(words.iter().map(|word| (*word).to_owned()).collect()),
            environment: Vec::new(),
            shell: None,
            become_user: None,
        }
    }

    /// Values that hurt where quoting is wrong.
    const HOSTILE: [&str; 9] =
        ["", "'", "''; touch /tmp/x; '", "$(id)", "`id`", "a\nb\\\n", "\"$HOME\"", "−ü 数据库 🚑", "\\'"];

    #[test]
    fn a_shell_reads_quoted_words_back_unchanged() {
        for value in HOSTILE {
            let mut command = argv(&["printf", "%s|%s", value]);
            command.work = Work::Argv(vec![
                "sh".into(),
                "-c".into(),
                "printf '%s|%s' \"$1\" \"$V\"".into(),
                "sh".into(),
                value.into(),
            ]);
            command.environment = vec![("V".to_owned(), value.to_owned())];
            let text = program(&command).unwrap();
            let output = std::process::Command::new("/bin/sh").args(["-c", &text]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{value}|{value}"), "{value:?}");
        }
    }

    #[test]
    fn what_a_script_is_fed_stands_in_no_argument_and_no_variable() {
        let mut command = argv(&[]);
        let secret = "canary-4711' \n$(id)";
        let script = "printf '%s|' \"$(cat)\"; tr '\\0' ' ' </proc/$$/cmdline; tr '\\0' ' ' </proc/$$/environ";
        command.work = Work::Fed { script: script.to_owned(), input: secret.to_owned() };
        let text = program(&command).unwrap();
        let mut shell = std::process::Command::new("/bin/sh");
        shell.arg("-s").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = shell.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        let (fed, seen) = said.split_once('|').unwrap();
        assert_eq!(fed, secret);
        assert!(seen.contains("/bin/sh") && !seen.contains("4711"), "{seen}");
    }

    #[test]
    fn a_part_of_a_program_runs_nothing() {
        let whole = program(&argv(&["echo", "ran"])).unwrap();
        for length in 0..whole.len() - "playbook_main\n".len() {
            let output = std::process::Command::new("/bin/sh").args(["-c", &whole[..length]]).output().unwrap();
            assert!(output.stdout.is_empty(), "{:?}", &whole[..length]);
        }
    }

    #[test]
    fn what_cannot_be_a_command_is_refused() {
        assert!(validate(&argv(&["echo", "a\0b"])).is_err());
        assert!(validate(&argv(&[])).is_err());
        assert!(validate(&argv(&[""])).is_err());
        for name in ["", "1A", "A B", "A=B", "A;id"] {
            let mut command = argv(&["true"]);
            command.environment = vec![(name.to_owned(), "x".to_owned())];
            assert!(validate(&command).is_err(), "{name:?}");
        }
        for user in ["", "-i", "#0", "a b"] {
            let mut command = argv(&["true"]);
            command.become_user = Some(user.to_owned());
            assert!(validate(&command).is_err(), "{user:?}");
        }
    }
}
