//! The command of a `run:` or `argv:` step as people recognise it: its text, never the values of its environment. What a
//! command prints of a playbook's text is text from outside.

use serde_json::{Value, json};

use crate::cli::paste::quote;
use crate::cli::text::shorten;
use crate::playbook::{Argument, Rollback, Step};

/// How much of a command's first line is shown where only that is shown.
const COLUMNS: usize = 100;

/// What a command is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The script, or the words as a shell reads them.
    pub text: String,
    /// Where it runs; this machine, where absent.
    pub host: Option<String>,
}

impl Command {
    /// The command that an action was given; none for an action that runs none, or where it is not known yet.
    pub fn of_arguments(action: &str, arguments: &Value) -> Option<Self> {
        if !runs_commands(action) {
            return None;
        }
        let text = match (arguments.get("script"), arguments.get("argv")) {
            (Some(Value::String(script)), _) => script.clone(),
            (_, Some(Value::Array(words))) => {
                let words: Option<Vec<String>> = words.iter().map(word).collect();
                words?.join(" ")
            }
            _ => typed(arguments)?,
        };
        let host = arguments.get("host").and_then(Value::as_str).map(str::to_owned);
        Some(Self { text, host })
    }

    /// The command of a step as the playbook has it, its `{{…}}` unfilled.
    pub fn of_step(step: &Step) -> Option<Self> {
        let map = step.arguments.iter().map(|(name, argument)| (name.clone(), source(argument)));
        Self::of_arguments(&step.action, &Value::Object(map.collect()))
    }

    /// The lines that say something.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| !line.trim().is_empty())
    }

    /// It in a line, with a mark where there is more.
    pub fn line(&self) -> String {
        let mut lines = self.lines();
        let first = shorten(lines.next().unwrap_or_default().trim(), COLUMNS);
        let more = if lines.next().is_some() { " …" } else { "" };
        let host = self.host.as_ref().map(|host| format!("     (on {host})")).unwrap_or_default();
        format!("$ {first}{more}{host}")
    }
}

fn runs_commands(action: &str) -> bool {
    matches!(action, "cli" | "shell" | "ssh")
}

/// The lines that are typed at a device's prompt.
fn typed(arguments: &Value) -> Option<String> {
    let lines = arguments.get("lines")?.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?;
    Some(lines.join("; "))
}

fn word(value: &Value) -> Option<String> {
    if crate::value::is_unknown(value) {
        return None;
    }
    Some(value.as_str().map_or_else(|| value.to_string(), quote))
}

/// An argument with what is filled in later as the playbook writes it.
pub(super) fn source(argument: &Argument) -> Value {
    match argument {
        Argument::Literal(value) => value.clone(),
        Argument::Template(template) => json!(template.source),
        Argument::Computed(expression) => json!(format!("{{{{{}}}}}", expression.source)),
        Argument::List(items) => Value::Array(items.iter().map(source).collect()),
        Argument::Map(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), source(value))).collect()),
    }
}

/// What undoes a step, in a line each; none where it is not its own steps that do.
pub fn undo_lines(step: &Step) -> Vec<String> {
    let Rollback::Steps(steps) = &step.rollback else { return Vec::new() };
    steps.iter().map(|undo| undo_line(step, undo)).collect()
}

fn undo_line(step: &Step, undo: &Step) -> String {
    // A step of a rollback that was given no name has one of ours, which tells nobody anything.
    let ours = undo.title == undo.id.as_str() && undo.title.starts_with(&format!("{}_undo_", step.id));
    match (ours, Command::of_step(undo)) {
        (true, Some(command)) => command.line(),
        (false, Some(command)) => format!("{}: {}", undo.title, command.line()),
        (true, None) => undo.action.clone(),
        (false, None) => format!("{} ({})", undo.title, undo.action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;
    use crate::diagnostic::Span;
    use crate::playbook::Template;
    use crate::spec::Effect;
    use crate::value::unknown;

    #[test]
    fn a_command_is_its_first_line_and_a_mark_where_there_is_more() {
        let of = |arguments: Value| Command::of_arguments("shell", &arguments).map(|command| command.line());
        assert_eq!(of(json!({ "script": "\n  drain pg1\n", "argv": null })).unwrap(), "$ drain pg1");
        assert_eq!(of(json!({ "script": "set -e\ndrain pg1\n" })).unwrap(), "$ set -e …");
        assert_eq!(of(json!({ "argv": ["echo", "a b", 5] })).unwrap(), "$ echo 'a b' 5");
        assert_eq!(of(json!({ "script": unknown("later") })), None);
        assert_eq!(of(json!({ "argv": ["echo", unknown("later")] })), None);
        assert_eq!(Command::of_arguments("http", &json!({ "script": "x" })), None);
    }

    #[test]
    fn the_environment_is_never_in_it() {
        let arguments = json!({ "script": "deploy", "host": "web1", "environment": { "TOKEN": "s3cret" } });
        assert_eq!(Command::of_arguments("ssh", &arguments).unwrap().line(), "$ deploy     (on web1)");
    }

    #[test]
    fn an_undo_without_a_name_is_told_by_its_command() {
        let mut step = samples::step("drain", "Drain", "shell", Effect::Once);
        let mut nameless = samples::step("drain_undo_0", "drain_undo_0", "shell", Effect::Idempotent);
        let template = Template { source: "undrain {{inputs.server}}".to_owned(), span: Span::default() };
        nameless.arguments = vec![("script".to_owned(), Argument::Template(template))];
        let named = crate::playbook::Step { title: "Let it in again".to_owned(), ..nameless.clone() };
        step.rollback = Rollback::Steps(vec![nameless, named]);
        assert_eq!(undo_lines(&step), ["$ undrain {{inputs.server}}", "Let it in again: $ undrain {{inputs.server}}"]);
    }
}
