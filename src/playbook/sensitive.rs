//! Sensitive inputs: what is given is a reference, and it stays one in plans, records and on screens. Here is said what a
//! reference looks like, where one may stand, and at which places of a step's arguments its secret is put in. It never
//! sees a secret that it could write down: whoever acts brings what resolves it.

use crate::diagnostic::Span;
use crate::spec::Specs;
use crate::value::{Type, Value};

use super::faults::Faults;
use super::template::{self, Filler, Piece};
use super::{Argument, Expression, GroupKind, InputSpec, Playbook, Rollback, Step, Template, cel};

/// Where a secret may stand, for whoever put it elsewhere.
const HELP: &str = "it may stand alone, as \"{{inputs.NAME}}\", in `env:` of a command or in a field of `with:`";

/// Why a text is no reference to a secret, if it is none. The text itself is not repeated: it may be the secret.
pub(super) fn no_reference(text: &str) -> Option<&'static str> {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match text.split_once(':') {
        Some(("env", name)) if is_name(name) => None,
        Some(("env", _)) => Some("`env:` is followed by the name of an environment variable, such as env:DB_PASSWORD"),
        Some(("file", path)) if path.starts_with('/') => None,
        Some(("file", _)) => Some("`file:` is followed by a whole path, such as file:/run/secrets/db"),
        Some(("vault", _)) => Some("`vault:` is not in this version; write env:NAME or file:/PATH"),
        _ => Some(
            "it takes a reference, env:NAME or file:/PATH, and never the secret itself. What was given is not shown; if \
             it is the secret, it may stand in your shell's history now",
        ),
    }
}

/// The sensitive inputs that a step names: itself, in its probe and in its undo.
pub fn secrets_named<'a>(step: &Step, inputs: &'a [InputSpec]) -> Vec<&'a str> {
    let secret: Vec<&str> = inputs.iter().filter(|input| input.sensitive).map(|input| input.name.as_str()).collect();
    if secret.is_empty() {
        return secret;
    }
    let mut named = Vec::new();
    each_part(step, &mut |part| {
        for (_, argument) in &part.arguments {
            each_template(argument, &mut |template| named.extend(alone(template)));
        }
    });
    secret.into_iter().filter(|name| named.iter().any(|other| other == name)).collect()
}

/// A step's resolved arguments with the secrets in them: only where the step itself names a sensitive input and nothing
/// else, so that no text from a target is ever taken for a reference.
///
/// # Errors
/// What `resolve` says of the first reference that it cannot resolve.
pub fn fill_secrets(
    step: &Step,
    inputs: &[InputSpec],
    arguments: &Value,
    resolve: &mut dyn FnMut(&str) -> Result<Value, String>,
) -> Result<Value, String> {
    let mut filled = arguments.clone();
    if inputs.iter().any(|input| input.sensitive) {
        for (name, argument) in &step.arguments {
            if let Some(value) = filled.get_mut(name) {
                fill(argument, value, inputs, resolve)?;
            }
        }
    }
    Ok(filled)
}

fn fill(
    argument: &Argument,
    value: &mut Value,
    inputs: &[InputSpec],
    resolve: &mut dyn FnMut(&str) -> Result<Value, String>,
) -> Result<(), String> {
    match argument {
        Argument::Literal(_) | Argument::Computed(_) => {}
        Argument::Template(template) => {
            let secret = alone(template).is_some_and(|name| is_secret(inputs, &name));
            if let (true, Value::String(reference)) = (secret, &*value) {
                *value = resolve(reference)?;
            }
        }
        Argument::List(items) => {
            for (place, item) in items.iter().enumerate() {
                if let Some(value) = value.get_mut(place) {
                    fill(item, value, inputs, resolve)?;
                }
            }
        }
        Argument::Map(entries) => {
            for (name, entry) in entries {
                if let Some(value) = value.get_mut(name) {
                    fill(entry, value, inputs, resolve)?;
                }
            }
        }
    }
    Ok(())
}

fn is_secret(inputs: &[InputSpec], name: &str) -> bool {
    inputs.iter().any(|input| input.sensitive && input.name == name)
}

/// The input that a template is, if it is one and nothing else.
fn alone(template: &Template) -> Option<String> {
    let pieces = template::compile(&template.source).ok()?;
    match template::single(&pieces)? {
        Filler::Path(path) if path.root == "inputs" && path.parts.len() == 1 => path.name(0).map(str::to_owned),
        _ => None,
    }
}

fn each_part<'s>(step: &'s Step, visit: &mut dyn FnMut(&'s Step)) {
    visit(step);
    if let Some(probe) = &step.probe {
        each_part(&probe.step, visit);
    }
    if let Rollback::Steps(parts) = &step.rollback {
        parts.iter().for_each(|part| each_part(part, visit));
    }
}

fn each_template<'s>(argument: &'s Argument, visit: &mut dyn FnMut(&'s Template)) {
    match argument {
        Argument::Literal(_) | Argument::Computed(_) => {}
        Argument::Template(template) => visit(template),
        Argument::List(items) => items.iter().for_each(|item| each_template(item, visit)),
        Argument::Map(entries) => entries.iter().for_each(|(_, entry)| each_template(entry, visit)),
    }
}

/// Refuses a sensitive input wherever its value would be seen, decide something, or be part of a longer text.
pub(super) fn check(faults: &mut Faults, playbook: &Playbook, specs: &Specs) {
    if !playbook.inputs.iter().any(|input| input.sensitive) {
        return;
    }
    let mut check = Check { faults, inputs: &playbook.inputs, specs };
    for lock in &playbook.locks {
        check.nowhere(lock, "the name of a lock is written down and shown");
    }
    for group in &playbook.groups {
        group.condition.iter().for_each(|condition| check.expression(condition));
        match &group.kind {
            GroupKind::Parallel | GroupKind::Forward { .. } => {}
            GroupKind::Each(each) => check.argument(&each.list, Some("items are written down and shown")),
            // Whether the nested playbook treats it as a secret is known once it is there: `may_be_given`.
            GroupKind::Nested(nested) => nested.given.iter().for_each(|(_, given)| check.argument(given, None)),
        }
    }
    for step in &playbook.steps {
        each_part(step, &mut |part| check.step(part));
    }
}

/// Whether an input of a nested playbook may be given this. A sensitive one takes a sensitive input of the caller, alone, or
/// a reference that is written out: what comes from a target is never read as a reference. Any other takes no secret.
///
/// # Errors
/// Why not.
pub(super) fn may_be_given(spec: &InputSpec, argument: &Argument, caller: &[InputSpec]) -> Result<(), String> {
    let secret = |template: &Template| alone(template).is_some_and(|name| is_secret(caller, &name));
    if !spec.sensitive {
        let mut names = false;
        each_template(argument, &mut |template| names |= secret(template));
        let why = "is not sensitive there, so what it is given would be treated as a plain text";
        return if names { Err(why.to_owned()) } else { Ok(()) };
    }
    match argument {
        Argument::Template(template) if secret(template) => Ok(()),
        Argument::Literal(Value::Null) => Ok(()),
        Argument::Literal(Value::String(text)) => {
            no_reference(text).map_or(Ok(()), |why| Err(format!("is sensitive: {why}")))
        }
        _ => Err("is sensitive: it takes a sensitive input, alone, or a reference that is written out".to_owned()),
    }
}

struct Check<'c> {
    faults: &'c mut Faults,
    inputs: &'c [InputSpec],
    specs: &'c Specs,
}

impl Check<'_> {
    fn step(&mut self, step: &Step) {
        let verify = step.verify.iter().map(|verify| &verify.expression);
        let single = [step.condition.as_ref(), step.ok_if.as_ref()];
        let probe = step.probe.iter().flat_map(|probe| [Some(&probe.took_effect), probe.did_not.as_ref()]);
        for expression in step.require.iter().chain(verify).chain(single.into_iter().chain(probe).flatten()) {
            self.expression(expression);
        }
        step.key.iter().for_each(|key| self.nowhere(key, "a key is written down and sent along"));
        let command = matches!(step.action.as_str(), "shell" | "ssh");
        for (name, argument) in &step.arguments {
            let kind = self.specs.get(&step.action).and_then(|spec| spec.input(name)).map(|field| field.kind.clone());
            let why = match (name.as_str(), kind) {
                ("script" | "argv" | "shell", _) if command => Some("everybody on the host sees a command line"),
                (_, None | Some(Type::String | Type::Any | Type::List(_))) => None,
                _ => Some("this field is a name that is written down and shown"),
            };
            self.argument(argument, why);
        }
    }

    fn argument(&mut self, argument: &Argument, why: Option<&'static str>) {
        match (argument, why) {
            (Argument::Literal(_), _) => {}
            (Argument::Template(template), Some(why)) => self.nowhere(template, why),
            (Argument::Template(template), None) => {
                if alone(template).is_none() {
                    self.nowhere(template, "it is never put into a longer text, where nothing would take it out again");
                }
            }
            (Argument::Computed(expression), _) => self.expression(expression),
            (Argument::List(items), _) => items.iter().for_each(|item| self.argument(item, why)),
            (Argument::Map(entries), _) => entries.iter().for_each(|(_, entry)| self.argument(entry, why)),
        }
    }

    fn expression(&mut self, expression: &Expression) {
        let Ok(tree) = cel::compile(&expression.source) else { return };
        for path in cel::paths(&tree) {
            self.path(&path, expression.span, &expression.source, "an expression sees its reference, never the secret");
        }
    }

    /// A template in which no secret may stand at all.
    fn nowhere(&mut self, given: &Template, why: &str) {
        let Ok(pieces) = template::compile(&given.source) else { return };
        for piece in pieces.iter() {
            if let Piece::Value(filler) = piece {
                filler.each_path(false, &mut |path, _| self.path(path, given.span, &given.source, why));
            }
        }
    }

    fn path(&mut self, path: &cel::Path, span: Span, text: &str, why: &str) {
        let name = path.name(0).filter(|name| path.root == "inputs" && is_secret(self.inputs, name));
        if let Some(name) = name {
            let place = self.faults.word(span, text, &path.to_string());
            let message = format!("`inputs.{name}` is sensitive and must not stand here: {why}");
            self.faults.error("sensitive-use", place, message, Some(HELP.replace("NAME", name)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::{Severity, Source};
    use crate::playbook::load;
    use serde_json::json;

    #[test]
    fn a_secret_stands_alone_where_an_action_takes_a_text_and_nowhere_else() {
        for good in [
            "{ run: x, effect: read, env: { PW: \"{{inputs.pw}}\" } }",
            "{ uses: http, with: { url: 'http://x', headers: { Authorization: \"{{ inputs.pw }}\" } } }",
            "{ run: x, effect: idempotent, rollback: [{ run: y, effect: idempotent, env: { PW: \"{{inputs.pw}}\" } }] }",
        ] {
            assert!(faults(good).is_empty(), "{good}: {:?}", faults(good));
        }
        for bad in [
            "{ run: x, effect: read, env: { PW: \"x{{inputs.pw}}\" } }",
            "{ run: x, effect: read, env: { PW: \"{{default inputs.pw 'x'}}\" } }",
            "{ run: x, effect: read, env: { PW: \"{{json inputs.pw}}\" } }",
            "{ argv: [x, \"{{inputs.pw}}\"], effect: read }",
            "{ run: \"x {{inputs.pw}}\", effect: read }",
            "{ run: x, effect: read, if: \"inputs.pw == 'x'\" }",
            "{ run: x, effect: read, require: \"size(inputs['pw']) > 3\" }",
            "{ run: x, effect: read, ok_if: \"outputs.stdout == inputs.pw\" }",
            "{ run: x, effect: read, verify: \"inputs.pw != ''\" }",
            "{ run: x, effect: keyed, key: \"{{inputs.pw}}\", rollback: none, because: it is a test }",
            "{ uses: http, with: { url: 'http://x', body: { expr: \"'x' + inputs.pw\" } } }",
            "{ run: x, effect: read, become: \"{{inputs.pw}}\" }",
            "{ run: x, effect: idempotent, rollback: [{ argv: [y, \"{{inputs.pw}}\"], effect: idempotent }] }",
            "{ run: x, probe: { run: y, took_effect: \"outputs.stdout == inputs.pw\" }, rollback: none, because: a test }",
        ] {
            assert!(faults(bad).contains(&"sensitive-use".to_owned()), "{bad}: {:?}", faults(bad));
        }
    }

    fn faults(step: &str) -> Vec<String> {
        let text = format!(
            "name: x\nversion: 1.0.0\ninputs: {{ pw: {{ type: string, sensitive: true }} }}\n\
             steps:\n  - {}\n",
            step.replacen("{ ", "{ id: a, ", 1)
        );
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        let errors = loaded.diagnostics.into_iter().filter(|fault| fault.severity == Severity::Error);
        errors.map(|fault| fault.code.to_owned()).collect()
    }

    #[test]
    fn a_secret_is_put_in_only_where_the_step_names_it() {
        let text = "name: x\nversion: 1.0.0\ninputs: { pw: { type: string, sensitive: true }, who: { type: string } }\n\
                    steps:\n  - { id: a, run: x, effect: read, env: { PW: \"{{inputs.pw}}\", WHO: \"{{inputs.who}}\" } }\n";
        let book = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs())).playbook.unwrap();
        // A text that only looks like a reference stays the text that it is.
        let arguments = json!({"script": "x", "environment": {"PW": "env:PW", "WHO": "env:PW"}});
        let mut resolve = |reference: &str| Ok(Value::from(format!("<{reference}>")));
        let filled = fill_secrets(&book.steps[0], &book.inputs, &arguments, &mut resolve).unwrap();
        assert_eq!(filled["environment"], json!({"PW": "<env:PW>", "WHO": "env:PW"}));
        assert_eq!(secrets_named(&book.steps[0], &book.inputs), ["pw"]);
        let failed = fill_secrets(&book.steps[0], &book.inputs, &arguments, &mut |_| Err("no".to_owned()));
        assert_eq!(failed, Err("no".to_owned()));
    }

    #[test]
    fn a_reference_has_a_form_and_nothing_else_is_repeated() {
        for good in ["env:DB_PASSWORD", "env:_x1", "file:/run/secrets/db"] {
            assert_eq!(no_reference(good), None, "{good}");
        }
        for bad in
            ["hunter2", "", "env:", "env:1", "env:A B", "file:", "file:db", "vault:kv/db", "http://x", "hunter2:x"]
        {
            assert!(no_reference(bad).is_some_and(|why| !why.contains("hunter2")), "{bad}");
        }
    }
}
