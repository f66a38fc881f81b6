//! What is given for an input, and by whom. Whoever writes a text that comes over the network or out of an alert has no
//! business reading files, variables or programs of this machine, so only what a person gives here can be a reference.

/// Who gave a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenBy {
    /// Somebody with a shell on this machine: typed, a file that was named, the environment.
    Person,
    /// A trigger, a request over the network, an alert: its text is never read as a reference.
    Trigger,
}

/// A value as it was given, and by whom. There is no way to bind an input without saying that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    pub(super) text: String,
    pub(super) by: GivenBy,
}

impl Given {
    /// What was given here, by somebody with a shell on this machine.
    pub fn by_person(text: impl Into<String>) -> Self {
        Self { text: text.into(), by: GivenBy::Person }
    }

    /// What came from anywhere else.
    pub fn by_trigger(text: impl Into<String>) -> Self {
        Self { text: text.into(), by: GivenBy::Trigger }
    }

    /// Why this may not be given for a sensitive input, if it may not. The text is not repeated: it may be the secret.
    pub(super) fn is_no_secret(&self) -> Option<&'static str> {
        match self.by {
            GivenBy::Person => super::sensitive::no_reference(&self.text),
            GivenBy::Trigger => Some(
                "what a trigger sends is never read as a reference, and a secret does not belong into one. Let the \
                 inventory or the environment of the runner give it (PLAYBOOK_INPUT_NAME), or the playbook's default",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::{bind_inputs, load};
    use crate::spec::Specs;

    #[test]
    fn what_a_trigger_sends_is_never_a_reference() {
        let text = "name: x\nversion: 1.0.0\ninputs: { pw: { type: string, sensitive: true }, who: { type: string } }\n\
                    steps:\n  - { id: a, run: x, effect: read, env: { PW: \"{{inputs.pw}}\", WHO: \"{{inputs.who}}\" } }\n";
        let book = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs())).playbook.unwrap();
        let bind = |name: &str, given: Given| bind_inputs(&book, &BTreeMap::from([(name.to_owned(), given)]));
        for reference in ["env:HOME", "file:/etc/shadow", "exec:touch /tmp/x", "vault:a/b#c", "age:/x"] {
            assert!(bind("pw", Given::by_person(reference)).is_ok(), "{reference}");
            let errors = bind("pw", Given::by_trigger(reference)).unwrap_err();
            assert!(errors[0].message.contains("never read as a reference"), "{errors:?}");
            assert!(!errors[0].message.contains(reference), "{errors:?}");
            // Elsewhere it is the text that it is.
            assert_eq!(bind("who", Given::by_trigger(reference)).unwrap()["who"], reference);
        }
    }
}
