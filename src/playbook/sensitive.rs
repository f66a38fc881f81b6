//! Lint of what is sensitive. What is given for an input is a reference, and it stays one in plans, records and on screens; an
//! output of a reading step lives in memory, and `***` stands for it. Here is said where the two may stand.

use crate::diagnostic::Span;
use crate::spec::Specs;
use crate::value::{Reference, Type, Value};

use super::faults::Faults;
use super::secret_places::{alone, each_part, each_template, input_of, is_secret, secret_of};
use super::template::{self, Piece};
use super::{Amount, Argument, Expression, GroupKind, InputSpec, Playbook, Step, Template, cel};

/// Where a secret may stand, for whoever put it elsewhere.
const HELP: &str = "it may stand alone, as \"{{NAME}}\", in `env:` of a command or in a field of `with:`";

/// Why a text is no reference to a secret, if it is none. The text itself is not repeated: it may be the secret.
pub(super) fn no_reference(text: &str) -> Option<&'static str> {
    Reference::parse(text).err()
}

/// Why a reference may not stand in a playbook, if it may not. A playbook is shared and looked at in a dry-run; what a dry-run
/// would start to read a secret is for whoever types it, or for the inventory, to say.
pub(super) fn not_written_out(text: &str) -> Option<&'static str> {
    match Reference::parse(text) {
        Ok(Reference::Program(_)) => Some("`exec:` may not stand in a playbook; give it with -i, or in the inventory"),
        Ok(_) => None,
        Err(why) => Some(why),
    }
}

/// Refuses a sensitive input wherever its value would be seen, decide something, or be part of a longer text.
pub(super) fn check(faults: &mut Faults, playbook: &Playbook, specs: &Specs) {
    let looks = || playbook.checks.iter().map(|check| &check.step);
    if !playbook.inputs.iter().any(|input| input.sensitive)
        && !playbook.steps.iter().chain(looks()).any(Step::keeps_secrets)
    {
        return;
    }
    playbook.steps.iter().for_each(|step| outputs(faults, step));
    looks().filter(|look| look.keeps_secrets()).for_each(|look| {
        let message = "what a check reads is written down where it does not hold, so none of it can be sensitive";
        faults.error("sensitive-output", look.span, message, Some("leave out `sensitive`".to_owned()));
    });
    let mut check = Check { faults, book: playbook, specs, own: None };
    for lock in &playbook.locks {
        check.nowhere(lock, "the name of a lock is written down and shown");
    }
    for group in &playbook.groups {
        let approval = group.approval.as_ref().and_then(|approval| approval.condition.as_ref());
        group.condition.iter().chain(approval).for_each(|condition| check.expression(condition));
        match &group.kind {
            GroupKind::Parallel | GroupKind::Forward { .. } => {}
            GroupKind::Each(each) => {
                check.argument(each.list.argument(), Some("items are written down and shown"));
                for (_, amount) in each.amounts() {
                    if let Amount::Given(template) = amount {
                        check.nowhere(template, "how large batches are is written down and shown");
                    }
                }
            }
            // Whether the nested playbook treats it as a secret is known once it is there: `may_be_given`.
            GroupKind::Nested(nested) => nested.given.iter().for_each(|(_, given)| {
                check.argument(given, None);
                each_template(given, &mut |template| {
                    if alone(template).is_some_and(|path| path.root == "steps") {
                        check.nowhere(template, "a nested playbook takes references, and this secret has none");
                    }
                });
            }),
        }
    }
    for step in &playbook.steps {
        each_part(step, &mut |part| check.step(part));
    }
    for looked in &playbook.checks {
        check.step(&looked.step);
        check.expression(&looked.expression);
    }
}

/// An output lives in memory only where it can be had again: after a crash the step runs again, so it must only read.
fn outputs(faults: &mut Faults, step: &Step) {
    if step.keeps_secrets() && step.effect.changes() {
        let message = format!("`sensitive` goes with steps that only read, and `{}` may change something", step.id);
        let help = "a sensitive output is not written down, so after a crash the step would have to run again to have it; read \
                    it in a step of its own with `effect: read`";
        faults.error("sensitive-output", step.span, message, Some(help.to_owned()));
    }
    for output in step.outputs.iter().filter(|output| output.sensitive) {
        if !matches!(output.kind, Type::String | Type::Any) {
            let message =
                format!("the output `{}` is sensitive, so it is a text and not a {}", output.name, output.kind);
            let help = Some("leave out its `type`: nothing of it is looked at".to_owned());
            faults.error("sensitive-output", step.span, message, help);
        }
    }
    each_part(step, &mut |part| {
        if part.id != step.id && part.keeps_secrets() {
            let message =
                format!("`{}` is a part of another step, and nothing can use a secret that it reads", part.id);
            faults.error("sensitive-output", part.span, message, Some("leave out `sensitive`".to_owned()));
        }
    });
}

/// Whether an input of a nested playbook may be given this. A sensitive one takes a sensitive input of the caller, alone, or
/// a reference that is written out: what comes from a target is never read as a reference. Any other takes no secret.
///
/// # Errors
/// Why not.
pub(super) fn may_be_given(spec: &InputSpec, argument: &Argument, caller: &[InputSpec]) -> Result<(), String> {
    let secret = |template: &Template| {
        alone(template).and_then(|path| input_of(&path)).is_some_and(|name| is_secret(caller, &name))
    };
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
            not_written_out(text).map_or(Ok(()), |why| Err(format!("is sensitive: {why}")))
        }
        _ => Err("is sensitive: it takes a sensitive input, alone, or a reference that is written out".to_owned()),
    }
}

struct Check<'c> {
    faults: &'c mut Faults,
    book: &'c Playbook,
    specs: &'c Specs,
    /// The step whose own outputs are called just `outputs` here.
    own: Option<&'c Step>,
}

impl<'c> Check<'c> {
    fn step(&mut self, step: &'c Step) {
        self.own = Some(step);
        let verify = step.verify.iter().map(|verify| &verify.expression);
        let approval = step.approval.as_ref().and_then(|approval| approval.condition.as_ref());
        let single = [step.condition.as_ref(), step.ok_if.as_ref(), approval];
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
                ("lines" | "look" | "auto_revert", _) if step.action == "cli" => {
                    Some("a device shows and keeps what is typed")
                }
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
                // One that goes on behind the name leads into what is a text at best.
                if alone(template)
                    .is_none_or(|path| path.parts.len() > 1 && path.root == "inputs" || path.parts.len() > 3)
                {
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
        let Some(name) = self.secret(path) else { return };
        let place = self.faults.word(span, text, &path.to_string());
        let message = format!("`{name}` is sensitive and must not stand here: {why}");
        self.faults.error("sensitive-use", place, message, Some(HELP.replace("NAME", &name)));
    }

    /// What a path leads to, if that is sensitive.
    fn secret(&self, path: &cel::Path) -> Option<String> {
        let first = path.name(0);
        match path.root.as_str() {
            "inputs" => first.filter(|name| is_secret(&self.book.inputs, name)).map(|name| format!("inputs.{name}")),
            // The facts of a step that only reads are its outputs.
            root @ ("outputs" | "facts") => match (self.own.filter(|own| own.keeps_secrets())?, first) {
                (own, Some(name)) => own.is_secret_output(name).then(|| format!("{root}.{name}")),
                (_, None) => Some(root.to_owned()),
            },
            _ => {
                let (step, name) = secret_of(path, None, self.book)?;
                name.filter(|name| step.is_secret_output(name)).map(|name| format!("steps.{}.outputs.{name}", step.id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::{Severity, Source};
    use crate::playbook::load;

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

    #[test]
    fn a_check_and_an_approval_are_held_to_the_same() {
        let look = |look: &str, expr: &str| {
            with("{ run: x, effect: read }", &format!("invariants:\n  - {{ name: i, {look}, expr: \"{expr}\" }}\n"))
        };
        let good = "run: x, env: { PW: \"{{inputs.pw}}\" }";
        assert!(look(good, "outputs.stdout == 'x'").is_empty(), "{:?}", look(good, "outputs.stdout == 'x'"));
        for bad in ["argv: [x, \"{{inputs.pw}}\"]", "run: \"x {{inputs.pw}}\"", "run: x, become: \"{{inputs.pw}}\""] {
            assert!(look(bad, "outputs.stdout == 'x'").contains(&"sensitive-use".to_owned()), "{bad}");
        }
        assert!(look("run: x", "outputs.stdout == inputs.pw").contains(&"sensitive-use".to_owned()));
        let read = "run: x, outputs: { token: { json: t, type: string, sensitive: true } }";
        assert!(look(read, "outputs.token == 'x'").contains(&"sensitive-output".to_owned()));
        let asks =
            "{ run: x, effect: idempotent, rollback: none, because: a test, approval: { if: \"inputs.pw == 'x'\" } }";
        assert!(faults(asks).contains(&"sensitive-use".to_owned()), "{:?}", faults(asks));
    }

    fn faults(step: &str) -> Vec<String> {
        with(step, "")
    }

    fn with(step: &str, beside: &str) -> Vec<String> {
        let text = format!(
            "name: x\nversion: 1.0.0\ninputs: {{ pw: {{ type: string, sensitive: true }} }}\n{beside}\
             steps:\n  - {}\n",
            step.replacen("{ ", "{ id: a, ", 1)
        );
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        let errors = loaded.diagnostics.into_iter().filter(|fault| fault.severity == Severity::Error);
        errors.map(|fault| fault.code.to_owned()).collect()
    }

    #[test]
    fn a_reference_has_a_form_and_nothing_else_is_repeated() {
        for good in ["env:DB_PASSWORD", "env:_x1", "file:/run/secrets/db", "vault:kv/db#password", "exec:pass show db"]
        {
            assert_eq!(no_reference(good), None, "{good}");
        }
        assert!(not_written_out("exec:pass show db").is_some() && not_written_out("vault:kv/db#pw").is_none());
        for bad in
            ["hunter2", "", "env:", "env:1", "env:A B", "file:", "file:db", "vault:kv/db", "http://x", "hunter2:x"]
        {
            assert!(no_reference(bad).is_some_and(|why| !why.contains("hunter2")), "{bad}");
        }
    }
}
