//! Puts the steps and groups of nested playbooks into the flat list of the playbook that runs them, under `parent/child`.
//! It only places and renames; whether the whole makes sense is looked at afterwards.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Span;
use crate::ids::{Digest, StepId};

use super::{Approval, Budget, Check, Each, Group, GroupKind, OnFailure, Playbook, Probe, Rollback, Step};

/// A playbook that is to be put into another.
pub(super) struct Child {
    /// It, with all that is nested in it.
    pub book: Playbook,
    /// The digest of its own text.
    pub text: Digest,
    /// How deep others are nested in it.
    pub depth: usize,
    /// It and those in it, where no lock pins them.
    pub loose: Vec<String>,
}

/// The nested playbooks of one, by the places of their groups among its groups.
pub(super) type Children = BTreeMap<usize, Arc<Child>>;

/// A playbook with the nested ones in it.
pub(super) fn splice(book: &Playbook, children: &Children) -> Playbook {
    let mut whole = Playbook { steps: Vec::new(), groups: Vec::new(), digest: digest(book, children), ..book.clone() };
    let mut next = 0;
    // Groups stand in the order of the text, so all that is put before one of them has been met by then.
    for (place, group) in book.groups.iter().enumerate() {
        let Some(inner) = children.get(&place) else {
            let inside = inside_of(book, place);
            let grown: usize = children.range(inside).map(|(_, child)| child.book.steps.len()).sum();
            let before: usize = children.range(..place).map(|(_, child)| child.book.steps.len()).sum();
            whole.groups.push(Group { first: group.first + before, count: group.count + grown, ..group.clone() });
            continue;
        };
        let child = &inner.book;
        whole.steps.extend(book.steps.iter().take(group.first).skip(next).cloned());
        next = group.first;
        let first = whole.steps.len();
        let name = Name { parent: &group.id, span: group.span };
        let mut own = Group { first, count: child.steps.len(), ..group.clone() };
        if let GroupKind::Nested(nested) = &mut own.kind {
            nested.version = child.version.clone();
            nested.digest = Some(inner.text.clone());
            nested.inputs = child.inputs.clone();
            nested.locks = child.locks.clone();
        }
        whole.groups.push(own);
        whole.groups.extend(child.groups.iter().map(|inner| name.group(inner, first)));
        whole.steps.extend(child.steps.iter().map(|step| name.step(step)));
        // A brake of any of them holds for the whole: nobody may touch more by nesting.
        whole.checks.extend(child.checks.iter().map(|check| name.check(check)));
        whole.budgets.extend(child.budgets.iter().map(|budget| name.budget(budget)));
        whole.max_targets = whole.max_targets.into_iter().chain(child.max_targets).min();
    }
    whole.steps.extend(book.steps.iter().skip(next).cloned());
    whole
}

/// The places, among the groups, of those that stand inside of one: they follow it in the text.
fn inside_of(book: &Playbook, outer: usize) -> Range<usize> {
    let mut around: Vec<&StepId> = book.groups.get(outer).map(|group| &group.id).into_iter().collect();
    let mut end = outer + 1;
    while let Some(group) = book.groups.get(end)
        && let Some(parent) = &group.parent
        && let Some(depth) = around.iter().rposition(|id| *id == parent)
    {
        around.truncate(depth + 1);
        around.push(&group.id);
        end += 1;
    }
    outer + 1..end
}

/// What the whole is: its own text, and those of all that are nested in it.
fn digest(book: &Playbook, children: &Children) -> Digest {
    if children.is_empty() {
        return book.digest.clone();
    }
    let mut text = book.digest.to_string();
    for child in children.values() {
        text.push('\n');
        text.push_str(child.book.digest.as_str());
    }
    Digest::of(text.as_bytes())
}

/// What the steps of a nested playbook are called in the whole.
struct Name<'a> {
    parent: &'a StepId,
    /// Where the step stands that nests it: its own places are those of another file.
    span: Span,
}

impl Name<'_> {
    fn step(&self, step: &Step) -> Step {
        Step { group: Some(self.inside(step.group.as_ref())), ..self.part(step) }
    }

    /// A step, or a step of its undo or its probe.
    fn part(&self, step: &Step) -> Step {
        let rollback = match &step.rollback {
            Rollback::Steps(parts) => Rollback::Steps(parts.iter().map(|part| self.part(part)).collect()),
            other => other.clone(),
        };
        let probe = step.probe.as_ref().map(|probe| Box::new(Probe { step: self.part(&probe.step), ..*probe.clone() }));
        Step {
            id: step.id.below(self.parent),
            span: self.span,
            needs: self.ids(&step.needs),
            checkpoint: step.checkpoint.as_ref().map(|name| self.checkpoint(name)),
            on_failure: step.on_failure.as_ref().map(|policy| self.on_failure(policy)),
            approval: self.approval(step.approval.as_ref()),
            rollback,
            probe,
            ..step.clone()
        }
    }

    fn group(&self, group: &Group, before: usize) -> Group {
        Group {
            id: group.id.below(self.parent),
            span: self.span,
            parent: Some(self.inside(group.parent.as_ref())),
            needs: self.ids(&group.needs),
            checkpoint: group.checkpoint.as_ref().map(|name| self.checkpoint(name)),
            on_failure: group.on_failure.as_ref().map(|policy| self.on_failure(policy)),
            approval: self.approval(group.approval.as_ref()),
            first: before + group.first,
            kind: match &group.kind {
                GroupKind::Forward { of } => GroupKind::Forward { of: of.below(self.parent) },
                GroupKind::Each(each) => {
                    let checkpoint = each.checkpoint.as_ref().map(|name| self.checkpoint(name));
                    GroupKind::Each(Box::new(Each { checkpoint, ..Each::clone(each) }))
                }
                kind => kind.clone(),
            },
            ..group.clone()
        }
    }

    fn approval(&self, approval: Option<&Approval>) -> Option<Approval> {
        approval.map(|approval| Approval { span: self.span, ..approval.clone() })
    }

    fn check(&self, check: &Check) -> Check {
        let group = Some(self.inside(check.group.as_ref()));
        Check { step: self.part(&check.step), group, ..check.clone() }
    }

    fn budget(&self, budget: &Budget) -> Budget {
        Budget { from: budget.from.below(self.parent), to: budget.to.below(self.parent), max: budget.max }
    }

    fn inside(&self, group: Option<&StepId>) -> StepId {
        group.map_or_else(|| self.parent.clone(), |group| group.below(self.parent))
    }

    fn ids(&self, ids: &[StepId]) -> Vec<StepId> {
        ids.iter().map(|id| id.below(self.parent)).collect()
    }

    fn checkpoint(&self, name: &str) -> String {
        format!("{}/{name}", self.parent)
    }

    fn on_failure(&self, policy: &OnFailure) -> OnFailure {
        match policy {
            OnFailure::Step(id) => OnFailure::Step(id.below(self.parent)),
            OnFailure::RollbackTo(name) => OnFailure::RollbackTo(self.checkpoint(name)),
            OnFailure::Rollback | OnFailure::Pause | OnFailure::Continue => policy.clone(),
        }
    }
}
