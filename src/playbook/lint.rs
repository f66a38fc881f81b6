//! What a playbook says of itself as a whole: that all names exist where they are named, that types fit, that the order,
//! the undo and the point of no return make sense. It reports; it never changes the playbook.

mod given;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Span;
use crate::document::Node;
use crate::spec::Language;
use crate::spec::Specs;
use crate::value::Type;

use super::cel;
use super::check::{Checker, Finding};
use super::faults::Faults;
use super::index::Groups;
use super::names::{Around, Fields, Guard, Kind, Names, Seen};
use super::{Amount, Argument, Expression, Group, GroupKind, Playbook, Rollback, Step};
use super::{locks, secrets, sensitive};
use crate::ids::StepId;

/// Reports what is wrong with a playbook whose parts have been read.
pub(super) fn check(faults: &mut Faults, playbook: &Playbook, places: &[Span], root: &Node, specs: &Specs) {
    let used = RefCell::new(BTreeSet::new());
    let fields = |step: &Step| Fields::of_step(step, specs.get(&step.action));
    let seen: Vec<Seen<'_>> = playbook.steps.iter().map(|step| Seen { step, fields: fields(step) }).collect();
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, step) in playbook.steps.iter().enumerate() {
        all.entry(step.id.as_str()).or_insert(place);
    }
    let groups = Groups::of(playbook);
    let mut lint = Lint { faults, specs, book: playbook, groups: &groups, all: &all, used: &used };
    for lock in &playbook.locks {
        lint.template(lock, &lint.names(&[], None, 0, "only inputs are known when locks are taken"), None, Use::Text);
    }
    for check in &playbook.checks {
        lint.check(check);
    }
    for (place, step) in playbook.steps.iter().enumerate() {
        if lint.faults.is_full() {
            return;
        }
        lint.groups(place, seen.get(..place).unwrap_or_default());
        lint.step(step, step, seen.get(..place).unwrap_or_default());
        if let Rollback::Steps(undo) = &step.rollback {
            for part in undo {
                lint.step(part, step, seen.get(..=place).unwrap_or_default());
            }
        }
    }
    // Nested playbooks may stand behind the last step.
    lint.groups(playbook.steps.len(), &seen);
    lint.unused_inputs(root);
    locks::check(faults, playbook, &groups, places, specs);
    secrets::check(faults, playbook, root);
    sensitive::check(faults, playbook, specs);
}

/// Where a template stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Use<'k> {
    /// In a command line: only values that a shell cannot misread.
    Line,
    /// As an argument of a declared type.
    Value(&'k Type),
    /// In what something else reads as its program, of a declared type.
    Code(Language, &'k Type),
    /// In a text.
    Text,
}

struct Lint<'l, 'a> {
    faults: &'l mut Faults,
    specs: &'a Specs,
    book: &'a Playbook,
    groups: &'a Groups<'a>,
    all: &'a BTreeMap<&'a str, usize>,
    used: &'a RefCell<BTreeSet<String>>,
}

/// Who says an expression or template: a step or a group.
#[derive(Clone, Copy)]
struct Owner<'o> {
    id: &'o StepId,
    needs: &'o [StepId],
    condition: Option<&'o Expression>,
    /// The group around it.
    inside: Option<&'o StepId>,
}

impl<'o> Owner<'o> {
    fn step(step: &'o Step) -> Self {
        Self { id: &step.id, needs: &step.needs, condition: step.condition.as_ref(), inside: step.group.as_ref() }
    }

    fn group(group: &'o Group) -> Self {
        let condition = group.condition.as_ref();
        Self { id: &group.id, needs: &group.needs, condition, inside: group.parent.as_ref() }
    }
}

const NOT_YET: &str = "the step has not run yet";

impl<'a> Lint<'_, 'a> {
    fn names(
        &self,
        steps: &'a [Seen<'a>],
        inside: Option<&'a StepId>,
        before: usize,
        why_not: &'static str,
    ) -> Names<'a> {
        let around = Around { groups: self.groups, inside, before, earlier: usize::MAX };
        let (inputs, all, used) = (&self.book.inputs[..], self.all, self.used);
        Names { inputs, steps, around, all, outputs: None, facts: None, why_not, alerts: false, used }
    }

    /// Checks the groups that begin with a step: their conditions, lists, and what nested playbooks are given.
    fn groups(&mut self, place: usize, seen: &'a [Seen<'a>]) {
        let groups = self.groups;
        for group in groups.at(place) {
            let owner = Some(Owner::group(group));
            let mut names = self.names(seen, group.parent.as_ref(), place, NOT_YET);
            names.around.earlier = groups.number(group.id.as_str());
            let approval = group.approval.as_ref().and_then(|approval| approval.condition.as_ref());
            for condition in group.condition.iter().chain(approval) {
                self.condition(condition, &names, owner);
            }
            match &group.kind {
                GroupKind::Parallel | GroupKind::Forward { .. } => {}
                GroupKind::Each(each) => {
                    let list = Type::List(Box::new(Type::Any));
                    // A pattern of hosts is a text, or a list of such.
                    let kind = if each.list.is_of_hosts() { &Type::Any } else { &list };
                    self.argument(each.list.argument(), &names, owner, Use::Value(kind));
                    for (_, amount) in each.amounts() {
                        if let Amount::Given(template) = amount {
                            self.template(template, &names, owner, Use::Value(&Type::Any));
                        }
                    }
                }
                GroupKind::Nested(nested) => {
                    for (_, given) in &nested.given {
                        self.argument(given, &names, owner, Use::Value(&Type::Any));
                    }
                }
            }
        }
    }

    /// Checks what looks for an identity or an invariant: it is made at any time, so it may rest on inputs alone.
    fn check(&mut self, check: &'a super::Check) {
        self.step(&check.step, &check.step, &[]);
        let mut names = self.names(&[], None, 0, "a check is judged by its outputs");
        names.outputs = Some(Fields::of_step(&check.step, self.specs.get(&check.step.action)));
        self.condition(&check.expression, &names, None);
    }

    /// Checks one step; `owner` is the step of the playbook that it is, probes or undoes.
    fn step<'s>(&mut self, step: &'s Step, owner: &'s Step, seen: &'s [Seen<'s>])
    where
        'a: 's,
    {
        let used: &'s RefCell<BTreeSet<String>> = self.used;
        let (inside, before) = (owner.group.as_ref(), seen.len());
        let around = Around { groups: self.groups, inside, before, earlier: usize::MAX };
        let names = |outputs, facts, why_not| Names {
            inputs: &self.book.inputs,
            steps: seen,
            around,
            all: self.all,
            outputs,
            facts,
            why_not,
            alerts: false,
            used,
        };
        let spec = self.specs.get(&step.action);
        let outputs = || Some(Fields::of_step(step, spec));
        let facts = || Some(spec.map_or_else(Fields::open, |spec| Fields::of(&spec.facts)));
        let before = names(None, None, NOT_YET);
        let by = Some(Owner::step(owner));
        let approval = step.approval.as_ref().and_then(|approval| approval.condition.as_ref());
        for condition in step.condition.iter().chain(approval) {
            self.condition(condition, &before, by);
        }
        for (name, argument) in &step.arguments {
            let command = matches!(step.action.as_str(), "shell" | "ssh");
            let field = spec.and_then(|spec| spec.input(name));
            let kind = field.map_or(&Type::Any, |field| &field.kind);
            let language = field.and_then(|field| field.language);
            match (name.as_str(), argument) {
                ("script" | "shell", _) if command => self.argument(argument, &before, by, Use::Line),
                ("argv", Argument::List(items)) if command => self.argv(items, &before, by),
                (_, Argument::List(items)) if language == Some(Language::Command) => self.argv(items, &before, by),
                _ if language.is_some_and(|language| language != Language::Command) => {
                    let place = language.map_or(Use::Text, |language| Use::Code(language, kind));
                    self.argument(argument, &before, by, place);
                }
                _ => self.argument(argument, &before, by, Use::Value(kind)),
            }
        }
        step.key.iter().for_each(|key| self.template(key, &before, by, Use::Text));
        // What may be named is put together only where something is: of thousands of steps, few have all of this.
        if !step.require.is_empty() {
            let require = if step.effect.changes() {
                names(None, facts(), "what must hold before a change is asked of `facts`")
            } else {
                names(outputs(), facts(), NOT_YET)
            };
            step.require.iter().for_each(|expression| self.condition(expression, &require, by));
        }
        if !step.verify.is_empty() {
            let after = Names { alerts: true, ..names(outputs(), facts(), NOT_YET) };
            step.verify.iter().for_each(|verify| self.condition(&verify.expression, &after, by));
        }
        if let Some(expression) = &step.ok_if {
            let ended = names(outputs(), None, "`ok_if` looks at what the command printed");
            self.condition(expression, &ended, by);
        }
        if let Some(probe) = &step.probe {
            self.step(&probe.step, owner, seen);
            let fields = Fields::of_step(&probe.step, self.specs.get(&probe.step.action));
            let looked = Names {
                inputs: &self.book.inputs,
                steps: seen,
                around,
                all: self.all,
                outputs: Some(fields),
                facts: None,
                why_not: "a probe is judged by its outputs",
                alerts: false,
                used,
            };
            self.condition(&probe.took_effect, &looked, by);
            probe.did_not.iter().for_each(|expression| self.condition(expression, &looked, by));
        }
    }

    fn condition(&mut self, expression: &Expression, names: &Names<'_>, owner: Option<Owner<'_>>) {
        let kind = self.expression(expression, names, owner);
        if !matches!(kind, Kind::Bool | Kind::Any) {
            let message = format!("a condition is true or false, and this is {}", kind.describe());
            self.faults.error("not-a-condition", expression.span, message, None);
        }
    }

    fn expression(&mut self, expression: &Expression, names: &Names<'_>, owner: Option<Owner<'_>>) -> Kind {
        // One that cannot be compiled is reported already.
        let Ok(tree) = cel::compile(&expression.source) else { return Kind::Any };
        let mut checker = Checker::new(names);
        let kind = checker.kind(&tree);
        let skippable: Vec<(String, Guard<'_>)> =
            checker.skippable.iter().map(|(path, guard)| (path.to_string(), *guard)).collect();
        self.report(checker.findings, expression.span, &expression.source);
        for (path, guard) in skippable {
            self.may_be_skipped(&path, guard, owner, expression.span, &expression.source);
        }
        kind
    }

    fn report(&mut self, findings: Vec<Finding>, span: Span, text: &str) {
        for finding in findings {
            let place = finding.word.map_or(span, |word| self.faults.word(span, text, &word));
            self.faults.error(finding.code, place, finding.message, finding.help);
        }
    }

    fn may_be_skipped(&mut self, path: &str, guard: Guard<'_>, owner: Option<Owner<'_>>, span: Span, text: &str) {
        let id = guard.id;
        let asks = format!("steps.{id}.outcome");
        let has = format!("has(steps.{id}");
        let same_guard = |owner: Owner<'_>| {
            let condition = owner.condition.map(|condition| condition.source.as_str());
            owner.id == id
                || owner.needs.contains(id)
                || condition.is_some_and(|source| source.contains(&asks) || source == guard.condition.source)
        };
        let guarded = |owner: Owner<'_>| {
            same_guard(owner) || self.groups.around(owner.inside).any(|group| same_guard(Owner::group(group)))
        };
        if text.contains(&asks) || text.contains(&has) || owner.is_some_and(guarded) {
            return;
        }
        let place = self.faults.word(span, text, path);
        let message = format!("step `{id}` may be skipped, and `{path}` is not there then");
        let help =
            format!("give this step the same `if`, or `needs: [{id}]`, or in a template {{{{default {path} …}}}}");
        self.faults.warn("may-be-skipped", place, message, Some(help));
    }

    fn unused_inputs(&mut self, root: &Node) {
        let used = self.used.borrow();
        let counted = self.book.recovers.as_ref().and_then(|recovers| recovers.since.as_ref());
        for entry in root.get("inputs").and_then(Node::entries).unwrap_or_default() {
            if !used.contains(&entry.key.value) && counted != Some(&entry.key.value) {
                let message = format!("input `{}` is never used", entry.key.value);
                self.faults.warn("unused-input", entry.key.span, message, None);
            }
        }
    }
}
