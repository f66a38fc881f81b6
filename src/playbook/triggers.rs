//! `triggers:`: whether an alert, or another machine, may start a playbook, how far it may go, and which inputs it may fill.
//! A playbook that says nothing is started by people alone. What comes from outside is typed text and never more.

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::reader::Reader;
use super::words::{self, check_keys};
use super::{InputSpec, Playbook};
use crate::diagnostic::{Span, nearest};
use crate::document::Node;
use crate::value::Type;

/// What a trigger may do with a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Triggers {
    /// How far it may go; never empty.
    pub modes: Vec<TriggeredMode>,
    /// The inputs that may come from outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// Why a run may cross the point of no return without anybody's approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// What is done when a trigger asks for a playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggeredMode {
    /// It is looked at what a run would do.
    DryRun,
    /// A person is told the command, and decides.
    Ask,
    /// The run begins by itself.
    Run,
}

impl TriggeredMode {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::DryRun => "dry_run",
            Self::Ask => "ask",
            Self::Run => "run",
        }
    }
}

/// The words of `modes`.
pub(super) const MODES: &[(&str, TriggeredMode)] =
    &[("dry_run", TriggeredMode::DryRun), ("ask", TriggeredMode::Ask), ("run", TriggeredMode::Run)];

impl Triggers {
    /// The modes, for a sentence.
    pub fn modes_said(&self) -> String {
        self.modes.iter().map(|mode| mode.word()).collect::<Vec<_>>().join(", ")
    }
}

/// Reads `triggers: { modes: [ask, run], inputs: [cluster] }`.
pub(super) fn read(reader: &mut Reader<'_>, root: &Node, inputs: &[InputSpec]) -> Option<Triggers> {
    let node = root.get("triggers")?;
    let Some(entries) = node.entries() else {
        reader.wrong_form(node, "triggers", "a mapping such as `{ modes: [dry_run, ask], inputs: [cluster] }`");
        return None;
    };
    check_keys(&mut reader.faults, entries, &words::TRIGGERS);
    let Some(given) = node.get("modes") else {
        let help = Some("write `modes: [dry_run, ask]`, and `run` where it may begin by itself".to_owned());
        reader.faults.error("missing-key", node.span, "`triggers` needs to say `modes`", help);
        return None;
    };
    let items = given.items().map_or_else(|| vec![given], |items| items.iter().collect());
    if items.is_empty() {
        let help = Some("leave `triggers` out where only people may start it".to_owned());
        reader.faults.error("wrong-form", given.span, "`modes` is empty", help);
    }
    let modes = items.into_iter().filter_map(|item| reader.word(item, "modes", MODES)).collect();
    let named = node.get("inputs").map(|node| reader.texts(node, "inputs")).unwrap_or_default();
    for (name, span) in &named {
        check_input(&mut reader.faults, name, *span, inputs);
    }
    let because = node.get("because").and_then(|node| reader.text(node, "because"));
    Some(Triggers { modes, inputs: named.into_iter().map(|(name, _)| name).collect(), because })
}

fn check_input(faults: &mut Faults, name: &str, span: Span, inputs: &[InputSpec]) {
    let Some(input) = inputs.iter().find(|input| input.name == name) else {
        let help = nearest(name, inputs.iter().map(|input| input.name.as_str()));
        let help = help.map(|near| format!("did you mean `{near}`?"));
        faults.error("unknown-input", span, format!("there is no input `{name}`"), help);
        return;
    };
    if input.sensitive {
        let help = Some("let the runner's environment give it (PLAYBOOK_INPUT_NAME), or its default".to_owned());
        faults.error("trigger-input", span, format!("`{name}` is sensitive, and an alert brings no secrets"), help);
    } else if takes_anything(&input.kind) && input.pattern.is_none() {
        let help = "give it the type identifier, choice or one of the inventory, or a `pattern`".to_owned();
        let message = format!("`{name}` takes any text, and whoever writes an alert would choose it");
        faults.error("trigger-input", span, message, Some(help));
    }
}

fn takes_anything(kind: &Type) -> bool {
    match kind {
        Type::String | Type::Any => true,
        Type::List(item) => takes_anything(item),
        _ => false,
    }
}

/// Warns of a run that nobody looks at before it crosses the point of no return.
pub(super) fn check(faults: &mut Faults, book: &Playbook, root: &Node) {
    let (Some(triggers), Some(node)) = (&book.triggers, root.get("triggers")) else { return };
    if !triggers.modes.contains(&TriggeredMode::Run) || triggers.because.is_some() {
        return;
    }
    let Some(crossing) = book.steps.iter().position(|step| step.point_of_no_return) else { return };
    let by_step = book.steps.iter().take(crossing + 1).any(|step| step.approval.is_some());
    let by_group = book.groups.iter().any(|group| group.approval.is_some() && group.first <= crossing);
    if by_step || by_group {
        return;
    }
    let step = book.steps.get(crossing).map_or_else(String::new, |step| step.id.to_string());
    let message = format!("an alert may run it past its point of no return (`{step}`) with nobody looking");
    let help = "ask for an `approval` before it, leave `run` out of `modes`, or say why it is right: `because: …`";
    faults.warn("trigger-no-return", node.span, message, Some(help.to_owned()));
}

#[cfg(test)]
mod tests {
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::{Playbook, load};
    use crate::spec::Specs;

    fn read(triggers: &str, step: &str) -> (Option<Playbook>, Vec<&'static str>) {
        let text = format!(
            "name: x\nversion: 1.0.0\ntriggers: {triggers}\ninputs:\n  who: {{ type: identifier, default: a }}\n  \
             text: {{ type: string, default: a }}\n  held: {{ type: string, default: a, pattern: \"[a-z]+\" }}\n  \
             pw: {{ type: string, sensitive: true }}\n  all: {{ type: list, items: string, default: [] }}\n\
             steps:\n  - {{ id: look, run: x, effect: read, env: {{ A: \"{{{{inputs.who}}}}\", B: \"{{{{inputs.text}}}}\", \
             C: \"{{{{inputs.held}}}}\", D: \"{{{{inputs.pw}}}}\", E: \"{{{{json inputs.all}}}}\" }} }}\n{step}"
        );
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        (loaded.playbook, loaded.diagnostics.iter().map(|fault| fault.code).collect())
    }

    #[test]
    fn a_playbook_says_what_a_trigger_may_do_with_it() {
        let (book, faults) = read("{ modes: [dry_run, run], inputs: [who, held] }", "");
        assert_eq!(faults, Vec::<&str>::new());
        let triggers = book.unwrap().triggers.unwrap();
        assert_eq!((triggers.modes_said().as_str(), triggers.inputs.len()), ("dry_run, run", 2));
        for (wrong, code) in [
            ("[]", "wrong-form"),
            ("{}", "missing-key"),
            ("{ modes: [] }", "wrong-form"),
            ("{ modes: [rnu] }", "unknown-word"),
            ("{ modes: [run], input: [who] }", "unknown-key"),
            ("{ modes: [run], inputs: [whom] }", "unknown-input"),
            ("{ modes: [run], inputs: [text] }", "trigger-input"),
            ("{ modes: [run], inputs: [all] }", "trigger-input"),
            ("{ modes: [run], inputs: [pw] }", "trigger-input"),
        ] {
            assert_eq!(read(wrong, "").1, [code], "{wrong}");
        }
    }

    #[test]
    fn nobody_looks_at_a_run_that_cannot_go_back() {
        let step = |approval: &str| format!("  - {{ id: go, run: x, point_of_no_return: true{approval} }}\n");
        assert_eq!(read("{ modes: [run] }", &step("")).1, ["trigger-no-return"]);
        assert_eq!(read("{ modes: [run] }", &step(", approval: true")).1, Vec::<&str>::new());
        assert_eq!(read("{ modes: [ask] }", &step("")).1, Vec::<&str>::new());
        assert_eq!(read("{ modes: [run], because: it heals }", &step("")).1, Vec::<&str>::new());
    }
}
