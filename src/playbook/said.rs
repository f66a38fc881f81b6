//! What a step's expressions and templates say, as one text: whoever gives them a scope need not bring more than what they
//! name, so that a step costs the same behind ten others and behind ten thousand.

use super::{Amount, Argument, Expression, Rollback, Step};

impl Step {
    /// The sources of all its expressions and templates, those of its probe and its undo too.
    pub fn said(&self) -> String {
        let mut text = String::new();
        self.say(&mut text);
        text
    }

    fn say(&self, text: &mut String) {
        for (_, argument) in &self.arguments {
            argue(argument, text);
        }
        let verify = self.verify.iter().map(|verify| &verify.expression);
        let approval = self.approval.as_ref().and_then(|approval| approval.condition.as_ref());
        let single = [self.condition.as_ref(), self.ok_if.as_ref(), approval];
        for expression in self.require.iter().chain(verify).chain(single.into_iter().flatten()) {
            add(&expression.source, text);
        }
        if let Some(key) = &self.key {
            add(&key.source, text);
        }
        if let Some(probe) = &self.probe {
            probe.step.say(text);
            for Expression { source, .. } in [Some(&probe.took_effect), probe.did_not.as_ref()].into_iter().flatten() {
                add(source, text);
            }
        }
        if let Rollback::Steps(steps) = &self.rollback {
            steps.iter().for_each(|step| step.say(text));
        }
    }
}

/// The sources of these arguments, and so what they may name.
pub fn said_by(arguments: &[(String, Argument)]) -> String {
    let mut text = String::new();
    arguments.iter().for_each(|(_, argument)| argue(argument, &mut text));
    text
}

impl super::Group {
    /// The sources of its condition, its list and how that is gone over.
    pub fn said(&self) -> String {
        let mut text = String::new();
        let approval = self.approval.as_ref().and_then(|approval| approval.condition.as_ref());
        for condition in self.condition.iter().chain(approval) {
            add(&condition.source, &mut text);
        }
        if let Some(each) = self.each() {
            argue(each.list.argument(), &mut text);
            for (_, amount) in each.amounts() {
                if let Amount::Given(template) = amount {
                    add(&template.source, &mut text);
                }
            }
        }
        text
    }
}

fn argue(argument: &Argument, text: &mut String) {
    match argument {
        Argument::Literal(_) => {}
        Argument::Template(template) => add(&template.source, text),
        Argument::Computed(expression) => add(&expression.source, text),
        Argument::List(items) => items.iter().for_each(|item| argue(item, text)),
        Argument::Map(entries) => entries.iter().for_each(|(_, item)| argue(item, text)),
    }
}

fn add(source: &str, text: &mut String) {
    text.push_str(source);
    text.push('\n');
}

/// Which of these steps a text (of `Step::said`) may name; one too many does no harm.
pub fn named_in<'a, T>(said: &str, steps: impl Iterator<Item = (&'a str, T)>) -> Vec<(&'a str, T)> {
    if !said.contains("steps") {
        return Vec::new();
    }
    steps.filter(|(id, _)| said.contains(id)).collect()
}
