//! Where a step's arguments hold secrets: what is a sensitive input and nothing else, or a sensitive output and nothing else.
//! Plans and records hold its reference there, or `***`. It never sees a secret that it could write down: whoever acts brings
//! what resolves it.

use crate::ids::StepId;
use crate::value::Value;

use super::cel::Path;
use super::template::{self, Filler};
use super::{Argument, InputSpec, Playbook, Rollback, Step, Template};

/// A place where a secret is put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretUse<'a> {
    /// A sensitive input: its reference.
    Reference(&'a str),
    /// A sensitive output of a step before: nobody but the memory of this process has it.
    Output {
        /// Which step.
        step: &'a StepId,
        /// Which output.
        name: &'a str,
    },
}

impl Step {
    /// Whether some of its outputs live in memory alone.
    pub fn keeps_secrets(&self) -> bool {
        self.sensitive || self.outputs.iter().any(|output| output.sensitive)
    }

    /// Whether an output lives in memory alone. What a command printed holds the outputs that were read from it, so it does
    /// too; how it ended is no secret.
    pub fn is_secret_output(&self, name: &str) -> bool {
        let declared = self.outputs.iter().any(|output| output.sensitive && output.name == name);
        declared
            || (self.sensitive && name != "exit_code")
            || (self.keeps_secrets() && ["stdout", "stderr"].contains(&name))
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
            each_template(argument, &mut |template| named.extend(alone(template).and_then(|path| input_of(&path))));
        }
    });
    secret.into_iter().filter(|name| named.iter().any(|other| other == name)).collect()
}

/// The resolved arguments of a step, or of a part of it, with the secrets in them: only where it names a sensitive input or a
/// sensitive output and nothing else, so that no text from a target is ever taken for a reference. `of` is the step of the
/// playbook: what the inputs and the other steps are called is known by where it stands.
///
/// # Errors
/// What `resolve` says of the first place that it cannot resolve.
pub fn fill_secrets(
    part: &Step,
    of: &StepId,
    book: &Playbook,
    arguments: &Value,
    resolve: &mut dyn FnMut(SecretUse<'_>) -> Result<Value, String>,
) -> Result<Value, String> {
    let mut filled = arguments.clone();
    let mut fill = Fill { inputs: book.inputs_of(of), of, book, resolve };
    // Asked at every step: most have no place for a secret, and to go through all others for each would be a square.
    let has_places = || part.arguments.iter().any(|(_, argument)| !matches!(argument, Argument::Literal(_)));
    let has_secrets = || fill.inputs.iter().any(|input| input.sensitive) || book.steps.iter().any(Step::keeps_secrets);
    if has_places() && has_secrets() {
        for (name, argument) in &part.arguments {
            if let Some(value) = filled.get_mut(name) {
                fill.argument(argument, value)?;
            }
        }
    }
    Ok(filled)
}

struct Fill<'f> {
    inputs: &'f [InputSpec],
    of: &'f StepId,
    book: &'f Playbook,
    resolve: &'f mut dyn FnMut(SecretUse<'_>) -> Result<Value, String>,
}

impl Fill<'_> {
    fn argument(&mut self, argument: &Argument, value: &mut Value) -> Result<(), String> {
        match argument {
            Argument::Literal(_) | Argument::Computed(_) => {}
            Argument::Template(template) => self.template(template, value)?,
            Argument::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    if let Some(value) = value.get_mut(place) {
                        self.argument(item, value)?;
                    }
                }
            }
            Argument::Map(entries) => {
                for (name, entry) in entries {
                    if let Some(value) = value.get_mut(name) {
                        self.argument(entry, value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn template(&mut self, template: &Template, value: &mut Value) -> Result<(), String> {
        let (Some(path), Value::String(text)) = (alone(template), &*value) else { return Ok(()) };
        if input_of(&path).is_some_and(|name| is_secret(self.inputs, &name)) {
            *value = (self.resolve)(SecretUse::Reference(text))?;
        } else if let Some((step, name)) = output_of(&path, self.of.frame(), self.book)
            && step.is_secret_output(&name)
        {
            *value = (self.resolve)(SecretUse::Output { step: &step.id, name: &name })?;
        }
        Ok(())
    }
}

pub(super) fn is_secret(inputs: &[InputSpec], name: &str) -> bool {
    inputs.iter().any(|input| input.sensitive && input.name == name)
}

/// The path that a template is, if it is one and nothing else.
pub(super) fn alone(template: &Template) -> Option<Path> {
    let pieces = template::compile(&template.source).ok()?;
    match template::single(&pieces)? {
        Filler::Path(path) => Some(path.clone()),
        _ => None,
    }
}

/// The input that a path names, and nothing in it.
pub(super) fn input_of(path: &Path) -> Option<String> {
    (path.root == "inputs" && path.parts.len() == 1).then(|| path.name(0).map(str::to_owned))?
}

/// The output of a step that a path names, as it is written in one playbook (or in one that is nested in it).
fn output_of<'b>(path: &Path, frame: Option<&str>, book: &'b Playbook) -> Option<(&'b Step, String)> {
    if path.parts.len() != 3 {
        return None;
    }
    let (step, name) = secret_of(path, frame, book)?;
    Some((step, name?))
}

/// The step whose outputs a path leads to, and which of them; all, where it names none.
pub(super) fn secret_of<'b>(
    path: &Path,
    frame: Option<&str>,
    book: &'b Playbook,
) -> Option<(&'b Step, Option<String>)> {
    let named = path.name(0).filter(|_| path.root == "steps" && path.name(1) == Some("outputs"))?;
    let step = book.steps.iter().find(|step| step.id.frame() == frame && step.id.local() == named)?;
    Some((step, path.name(2).map(str::to_owned)))
}

pub(super) fn each_part<'s>(step: &'s Step, visit: &mut dyn FnMut(&'s Step)) {
    visit(step);
    if let Some(probe) = &step.probe {
        each_part(&probe.step, visit);
    }
    if let Rollback::Steps(parts) = &step.rollback {
        parts.iter().for_each(|part| each_part(part, visit));
    }
}

pub(super) fn each_template<'s>(argument: &'s Argument, visit: &mut dyn FnMut(&'s Template)) {
    match argument {
        Argument::Literal(_) | Argument::Computed(_) => {}
        Argument::Template(template) => visit(template),
        Argument::List(items) => items.iter().for_each(|item| each_template(item, visit)),
        Argument::Map(entries) => entries.iter().for_each(|(_, entry)| each_template(entry, visit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::load;
    use crate::spec::Specs;
    use serde_json::json;

    fn book(text: &str) -> Playbook {
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        loaded.playbook.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    #[test]
    fn a_secret_is_put_in_only_where_the_step_names_it() {
        let book = book(
            "name: x\nversion: 1.0.0\ninputs: { pw: { type: string, sensitive: true }, who: { type: string } }\n\
             steps:\n  - { id: a, run: x, effect: read, env: { PW: \"{{inputs.pw}}\", WHO: \"{{inputs.who}}\" } }\n",
        );
        let step = &book.steps[0];
        // A text that only looks like a reference stays the text that it is.
        let arguments = json!({"script": "x", "environment": {"PW": "env:PW", "WHO": "env:PW"}});
        let mut resolve = |place: SecretUse<'_>| Ok(Value::from(format!("{place:?}")));
        let filled = fill_secrets(step, &step.id, &book, &arguments, &mut resolve).unwrap();
        assert_eq!(filled["environment"], json!({"PW": "Reference(\"env:PW\")", "WHO": "env:PW"}));
        assert_eq!(secrets_named(step, &book.inputs), ["pw"]);
        let failed = fill_secrets(step, &step.id, &book, &arguments, &mut |_| Err("no".to_owned()));
        assert_eq!(failed, Err("no".to_owned()));
    }

    #[test]
    fn an_output_is_put_in_where_it_is_named_alone_and_only_a_sensitive_one() {
        let book = book(
            "name: x\nversion: 1.0.0\nsteps:\n\
             \x20 - { id: login, run: x, effect: read, outputs: { token: { json: t, type: string, sensitive: true }, ttl: { json: l, type: string } } }\n\
             \x20 - { id: use, run: y, effect: read, env: { T: \"{{steps.login.outputs.token}}\", L: \"{{steps.login.outputs.ttl}}\" } }\n",
        );
        let step = &book.steps[1];
        let arguments = json!({"script": "y", "environment": {"T": "***", "L": "5"}});
        let mut asked = Vec::new();
        let mut resolve = |place: SecretUse<'_>| {
            asked.push(format!("{place:?}"));
            Ok(Value::from("secret"))
        };
        let filled = fill_secrets(step, &step.id, &book, &arguments, &mut resolve).unwrap();
        assert_eq!(filled["environment"], json!({"T": "secret", "L": "5"}));
        assert!(asked.len() == 1 && asked[0].contains("login") && asked[0].contains("token"), "{asked:?}");
        let login = &book.steps[0];
        let secret = ["token", "stdout", "stderr"].iter().all(|name| login.is_secret_output(name));
        assert!(secret && !login.is_secret_output("ttl") && !login.is_secret_output("exit_code"));
    }
}
