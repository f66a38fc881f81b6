//! What a run of a playbook counts as: the recovery of a deployment that failed. Who counts how long such recoveries take
//! (DORA's failed deployment recovery time) finds the figure ready with the run. It says what is counted; `run/recovery.rs`
//! counts.

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::reader::Reader;
use super::words::{self, check_keys};
use super::{InputError, InputSpec, Playbook};
use crate::diagnostic::nearest;
use crate::document::Node;
use crate::value::{Type, Value};

/// What a run of a playbook recovers, and from when on that is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovers {
    /// What.
    pub what: Recovered,
    /// The input that says when the failure began; from the run's start on where there is none, or it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// What is recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovered {
    /// A deployment that failed.
    Deployment,
}

impl Recovered {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Recovered::Deployment => "deployment",
        }
    }
}

const WHAT: &[(&str, Recovered)] = &[("deployment", Recovered::Deployment)];

/// Reads `recovers: deployment`, or `recovers: { what: deployment, since: INPUT }`.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, inputs: &[InputSpec]) -> Option<Recovers> {
    let node = root.get("recovers")?;
    let Some(entries) = node.entries() else {
        return Some(Recovers { what: reader.word(node, "recovers", WHAT)?, since: None });
    };
    check_keys(&mut reader.faults, entries, &words::RECOVERS);
    let Some(what) = node.get("what") else {
        let help = Some("write `recovers: { what: deployment, since: failed_at }`".to_owned());
        reader.faults.error("missing-key", node.span, "`recovers` needs to say `what`", help);
        return None;
    };
    let what = reader.word(what, "what", WHAT)?;
    let since = node.get("since").and_then(|given| Some((reader.text(given, "since")?, given)));
    if let Some((name, given)) = &since {
        check_since(&mut reader.faults, name, given, inputs);
    }
    Some(Recovers { what, since: since.map(|(name, _)| name) })
}

fn check_since(faults: &mut Faults, name: &str, given: &Node, inputs: &[InputSpec]) {
    let Some(input) = inputs.iter().find(|input| input.name == name) else {
        let near = nearest(name, inputs.iter().map(|input| input.name.as_str()));
        let help = near.map(|near| format!("did you mean `{near}`?"));
        faults.error("unknown-input", given.span, format!("there is no input `{name}`"), help);
        return;
    };
    if input.kind != Type::String || input.sensitive {
        let message = format!("input `{name}` says when the failure began: a string such as 2026-11-23T04:05:00Z");
        faults.error("wrong-type", given.span, message, None);
    }
}

/// When a failure began, as it was given: milliseconds since 1970, by the wall clock.
pub fn moment(text: &str) -> Option<i64> {
    text.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// Why the time of the failure that was given is none.
pub(super) fn wrong_since(playbook: &Playbook, inputs: &serde_json::Map<String, Value>) -> Option<InputError> {
    let name = playbook.recovers.as_ref()?.since.as_ref()?;
    let text = inputs.get(name)?.as_str()?;
    if moment(text).is_some() {
        return None;
    }
    let message =
        format!("input `{name}` is `{text}`, and no time: give date, time and zone, such as 2026-11-23T04:05:00Z");
    Some(InputError { name: name.clone(), message })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::{Given, bind_inputs, load};
    use crate::spec::Specs;

    fn specs() -> Specs {
        Specs::of(Table::builtin().specs())
    }

    fn faults(text: &str) -> Vec<&'static str> {
        load(&Source::new("x.yaml", text), &specs()).diagnostics.iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn what_a_run_recovers_is_a_word_or_says_since_when() {
        let with = |recovers: &str, inputs: &str| {
            format!(
                "name: x\nversion: 1.0.0\nrecovers: {recovers}\ninputs: {inputs}\nsteps:\n  - {{ id: a, run: x, effect: read }}\n"
            )
        };
        let good = "{ failed_at: { type: string } }";
        assert_eq!(faults(&with("deployment", "{}")), Vec::<&str>::new());
        assert_eq!(faults(&with("{ what: deployment, since: failed_at }", good)), Vec::<&str>::new());
        let code = |recovers: &str, inputs: &str| faults(&with(recovers, inputs)).join(" ");
        assert!(code("deploiment", "{}").ends_with("unknown-word"));
        assert!(code("{ since: failed_at }", good).contains("missing-key"));
        assert!(code("{ what: deployment, since: faild_at }", good).contains("unknown-input"));
        assert!(
            code("{ what: deployment, since: failed_at }", "{ failed_at: { type: integer } }").contains("wrong-type")
        );
        let text = with("{ what: deployment, since: failed_at }", good);
        let book = load(&Source::new("x.yaml", text), &specs()).playbook.unwrap();
        let bind = |text: &str| {
            let given = Given::by_person(text);
            bind_inputs(&book, &BTreeMap::from([("failed_at".to_owned(), given)]))
        };
        assert!(bind("2026-11-23T04:05:00Z").is_ok() && bind("2026-11-23T06:05:00+02:00").is_ok());
        let errors = bind("this morning").unwrap_err();
        assert!(errors[0].message.contains("give date, time and zone"), "{errors:?}");
    }
}
