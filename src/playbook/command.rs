//! What a step calls: `uses` with `with`, or `run` and `argv`, which are read as the actions `shell` and `ssh`.

use crate::diagnostic::Span;
use crate::document::{Node, NodeKind};
use crate::ids::is_identifier;
use crate::spec::ActionSpec;
use crate::value::{Type, Value};

use super::inputs::{last_line, simple_type};
use super::reader::Reader;
use super::words::{self, check_keys};
use super::{Argument, OutputSource, OutputSpec};
use crate::diagnostic::nearest;

/// An action and its arguments.
pub(super) struct Call {
    pub action: String,
    pub arguments: Vec<(String, Argument)>,
    /// Where the action is named.
    pub span: Span,
}

/// Stands for the action of a step that has none that can be read. The playbook is refused then.
pub(super) const UNREADABLE: &str = "";

impl Call {
    pub fn unreadable(span: Span) -> Self {
        Self { action: UNREADABLE.to_owned(), arguments: Vec::new(), span }
    }
}

/// The keys that only `run` and `argv` take.
pub(super) const COMMAND_KEYS: &[&str] = &["host", "become", "env", "shell"];

pub(super) fn read_call(reader: &mut Reader<'_>, node: &Node) -> Option<Call> {
    let given: Vec<&str> = ["uses", "run", "argv"].into_iter().filter(|key| node.get(key).is_some()).collect();
    match given.as_slice() {
        [key] => {
            let what = node.get(key)?;
            if *key == "uses" { read_uses(reader, node, what) } else { read_command(reader, node, what, key) }
        }
        [] => {
            let later = words::STEP.later.iter().any(|key| node.get(key).is_some());
            // A step of a kind that this version does not have is refused already.
            if !later {
                let help = Some("give it `uses: ACTION`, `run: SCRIPT` or `argv: [COMMAND, …]`".to_owned());
                reader.faults.error("no-action", node.span, "the step does nothing", help);
            }
            None
        }
        several => {
            let message = format!("a step does one thing, and this has {}", several.join(" and "));
            reader.faults.error("two-actions", node.span, message, Some("make two steps of it".to_owned()));
            None
        }
    }
}

fn read_uses(reader: &mut Reader<'_>, node: &Node, what: &Node) -> Option<Call> {
    for key in COMMAND_KEYS {
        if let Some(extra) = node.get(key) {
            let help = Some(format!("give it in `with:` if the action takes it: `with: {{ {key}: … }}`"));
            reader.faults.error("wrong-key", extra.span, format!("`{key}` goes with `run` and `argv`"), help);
        }
    }
    let action = reader.text(what, "uses")?;
    if action == "playbook" || action.starts_with("playbook/") || action.starts_with("playbook:") {
        reader.faults.error("not-yet", what.span, "nested playbooks are not in this version yet", None);
        return None;
    }
    let specs = reader.specs;
    let Some(spec) = specs.get(&action) else {
        let near = nearest(&action, reader.specs.names());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", reader.specs.names().collect::<Vec<_>>().join(", ")),
        };
        reader.faults.error("unknown-action", what.span, format!("there is no action `{action}`"), Some(help));
        return None;
    };
    let arguments = read_with(reader, node.get("with"), spec, what.span);
    Some(Call { action, arguments, span: what.span })
}

fn read_with(reader: &mut Reader<'_>, with: Option<&Node>, spec: &ActionSpec, place: Span) -> Vec<(String, Argument)> {
    let mut arguments = Vec::new();
    let entries = match with {
        None => &[],
        Some(node) => match node.entries() {
            Some(entries) => entries,
            None => {
                reader.wrong_form(node, "with", "a mapping from names to values");
                return arguments;
            }
        },
    };
    for entry in entries {
        let name = &entry.key.value;
        let kind = match spec.input(name) {
            Some(field) => &field.kind,
            None if spec.open_inputs => &Type::Any,
            None => {
                let names = || spec.inputs.iter().map(|field| field.name);
                let help = match nearest(name, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it takes {}", names().collect::<Vec<_>>().join(", ")),
                };
                let message = format!("`{}` takes no `{name}`", spec.name);
                reader.faults.error("unknown-argument", entry.key.span, message, Some(help));
                continue;
            }
        };
        if let Some(argument) = reader.argument(&entry.value, name, kind) {
            arguments.push((name.clone(), argument));
        }
    }
    for field in spec.inputs.iter().filter(|field| field.required) {
        if !entries.iter().any(|entry| entry.key.value == field.name) {
            let help = Some(format!("{} ({})", field.description, field.kind));
            let message = format!("`{}` needs `{}` in its `with`", spec.name, field.name);
            reader.faults.error("missing-argument", place, message, help);
        }
    }
    arguments
}

fn read_command(reader: &mut Reader<'_>, node: &Node, what: &Node, key: &str) -> Option<Call> {
    if let Some(with) = node.get("with") {
        let help = Some("give values to a script with `env:`".to_owned());
        reader.faults.error("wrong-key", with.span, "`with` goes with `uses`", help);
    }
    let mut arguments = Vec::new();
    if key == "run" {
        arguments.push(("script".to_owned(), reader.text_argument(what, "run")?));
    } else {
        arguments.push(("argv".to_owned(), read_argv(reader, what)?));
    }
    if let (Some(shell), "argv") = (node.get("shell"), key) {
        reader.faults.error("wrong-key", shell.span, "`shell` goes with `run`: `argv` is run without a shell", None);
    }
    if let Some(shell) = node.get("shell").and_then(|node| reader.text_argument(node, "shell")) {
        arguments.push(("shell".to_owned(), shell));
    }
    if let Some(user) = node.get("become").and_then(|node| reader.argument(node, "become", &Type::Identifier)) {
        arguments.push(("become".to_owned(), user));
    }
    if let Some(env) = node.get("env") {
        arguments.push(("environment".to_owned(), read_environment(reader, env)?));
    }
    let mut action = "shell";
    if let Some(host) = node.get("host") {
        action = "ssh";
        let host = reader.argument(host, "host", &Type::Reference("host".to_owned()))?;
        arguments.push(("host".to_owned(), host));
    }
    Some(Call { action: action.to_owned(), arguments, span: what.span })
}

/// Each item is one argument of the command, whatever is in it.
fn read_argv(reader: &mut Reader<'_>, node: &Node) -> Option<Argument> {
    let items = match &node.kind {
        NodeKind::Sequence(items) if !items.is_empty() => items,
        _ => {
            let help = Some("write `argv: [pg_ctl, stop, \"{{inputs.folder}}\"]`, or a script in `run:`".to_owned());
            reader.faults.error("wrong-form", node.span, "`argv` is a list: the command and its arguments", help);
            return None;
        }
    };
    let list: Vec<Argument> = items.iter().filter_map(|item| reader.text_argument(item, "argv")).collect();
    (list.len() == items.len()).then_some(Argument::List(list))
}

fn read_environment(reader: &mut Reader<'_>, node: &Node) -> Option<Argument> {
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "env", "a mapping from names to values");
        return None;
    };
    let mut map = Vec::new();
    for entry in entries {
        let name = &entry.key.value;
        let mut bytes = name.bytes();
        let valid = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !valid {
            let message = format!("`{name}` is no name of an environment variable");
            reader.faults.error("bad-name", entry.key.span, message, None);
        }
        // The environment holds texts: `no` and `1.10` stay what they are. An empty one is allowed.
        let value = match (&entry.value.kind, entry.value.entries()) {
            (NodeKind::Scalar(scalar), _) if scalar.is_null() => Some(Argument::Literal(Value::String(String::new()))),
            (_, Some(_)) => reader.argument(&entry.value, name, &Type::String),
            _ => reader.text_argument(&entry.value, name),
        };
        map.extend(value.map(|value| (name.clone(), value)));
    }
    Some(Argument::Map(map))
}

/// The outputs that a command's step declares.
pub(super) fn read_outputs(reader: &mut Reader<'_>, node: &Node) -> Vec<OutputSpec> {
    let Some(entries) = node.entries() else {
        let help = Some("write `outputs: { lag: { regex: 'lag=(\\d+)', type: integer } }`".to_owned());
        reader.faults.error("wrong-form", node.span, "`outputs` is a mapping from names to sources", help);
        return Vec::new();
    };
    let mut outputs = Vec::new();
    for entry in entries {
        let name = &entry.key.value;
        if !is_identifier(name) || ["stdout", "stderr", "exit_code"].contains(&name.as_str()) {
            let message = format!("`{name}` is no name for an output");
            let help = "lower-case letters, digits and underscores; stdout, stderr and exit_code are there already";
            reader.faults.error("bad-name", entry.key.span, message, Some(help.to_owned()));
            continue;
        }
        let Some(fields) = entry.value.entries() else {
            reader.wrong_form(&entry.value, name, "a mapping with `json` or `regex`");
            continue;
        };
        check_keys(&mut reader.faults, fields, &words::OUTPUT);
        let from = match (entry.value.get("json"), entry.value.get("regex")) {
            (Some(path), None) => reader.text(path, "json").map(OutputSource::Json),
            (None, Some(pattern)) => read_regex(reader, pattern).map(OutputSource::Regex),
            _ => {
                let message = format!("`{name}` needs one of `json` and `regex`");
                reader.faults.error("missing-key", entry.value.span, message, None);
                None
            }
        };
        let default = if matches!(from, Some(OutputSource::Regex(_))) { Type::String } else { Type::Any };
        let kind = entry.value.get("type").and_then(|node| {
            let word = reader.text(node, "type")?;
            let kind = simple_type(&word);
            if kind.is_none() {
                reader.faults.error(
                    "unknown-type",
                    node.span,
                    format!("there is no type `{word}` for an output"),
                    None,
                );
            }
            kind
        });
        let sensitive =
            entry.value.get("sensitive").and_then(|node| reader.boolean(node, "sensitive")).unwrap_or(false);
        let kind = kind.unwrap_or(if sensitive { Type::String } else { default });
        outputs.extend(from.map(|from| OutputSpec { name: name.clone(), from, kind, sensitive }));
    }
    outputs
}

fn read_regex(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let pattern = reader.text(node, "regex")?;
    match super::pattern::groups(&pattern) {
        Ok(groups) if groups >= 1 => Some(pattern),
        Ok(_) => {
            let help = Some("put brackets around the part that is the output: 'lag=(\\d+)'".to_owned());
            reader.faults.error("bad-pattern", node.span, "the regular expression has no group", help);
            None
        }
        Err(error) => {
            let message = format!("this is no regular expression: {}", last_line(&error.to_string()));
            reader.faults.error("bad-pattern", node.span, message, None);
            None
        }
    }
}
