//! What a playbook is told, from wherever it was told: typed, a file, the environment. The nearer word wins, and a value
//! that is refused says where it came from. A reference to a secret stays one: it is looked at, and not kept.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::diagnostic::nearest;
use crate::inventory::Inventory;
use crate::plan::{Decided, Plan};
use crate::playbook::{self, InputSpec, Playbook};
use crate::value::{REFERENCE_FORMS, Type, Value};

use super::exit::Exit;
use super::failure::Failure;
use super::files::read;
use super::text::{Ink, Line};
use super::view::faults;

/// What a variable that gives an input begins with.
const PREFIX: &str = "PLAYBOOK_INPUT_";

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Typed,
    Sent,
    File(PathBuf),
    Environment(String),
}

impl Origin {
    fn describe(&self) -> String {
        match self {
            Origin::Typed => "given with -i".to_owned(),
            Origin::Sent => "sent with the request".to_owned(),
            Origin::File(path) => format!("given in {}", path.display()),
            Origin::Environment(variable) => format!("given by the environment variable {variable}"),
        }
    }
}

type Given = BTreeMap<String, (String, Origin)>;

/// The inputs of a playbook, bound, and what is to be said on standard error: those that were typed go before those of the
/// file, these before those of the environment, and the defaults come last. With an inventory, what is missing is named
/// with what that has of it.
///
/// # Errors
/// All inputs that do not fit, each with where it was given.
pub fn bind(
    playbook: &Playbook,
    name: &str,
    (typed, file): (&[String], Option<&Path>),
    inventory: Option<&Inventory>,
) -> Result<(Value, Vec<String>), Failure> {
    let (given, warnings) = all_given(&names(&playbook.inputs), &playbook.name, (typed, file))?;
    let texts =
        given.iter().map(|(name, (text, _))| (name.clone(), playbook::Given::by_person(text.clone()))).collect();
    let inputs = playbook::bind_inputs(playbook, &texts).map_err(|errors| {
        let all: Vec<String> = errors
            .iter()
            .map(|error| match given.get(&error.name) {
                Some((_, origin)) => format!("{error}; {}", origin.describe()),
                None => format!("{error}{}", there_are(playbook, &error.name, inventory)),
            })
            .collect();
        Failure::new(Exit::Invalid, format!("the inputs do not fit {}:\n{}", playbook.name, all.join("\n")))
            .meaning("nothing was started")
            .next(format!("playbook show {}     (what it takes)", super::paste::quote(name)))
    })?;
    Ok((inputs, warnings))
}

/// Inputs on their way to whoever binds them, each as the text that was given.
pub struct Gathered {
    /// By name.
    pub values: serde_json::Map<String, Value>,
    /// What is to be said on standard error.
    pub warnings: Vec<Line>,
}

/// The inputs that were given here to a playbook that lies elsewhere, which takes these names.
///
/// # Errors
/// When one cannot be read.
pub fn gathered(
    names: &[String],
    playbook: &str,
    (typed, file): (&[String], Option<&Path>),
) -> Result<Gathered, Failure> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (given, warnings) = all_given(&names, playbook, (typed, file))?;
    let values = given.into_iter().map(|(name, (text, _))| (name, Value::String(text))).collect();
    let warnings = warnings.into_iter().map(|text| Line::new().with(Ink::Warn, format!("warning: {text}"))).collect();
    Ok(Gathered { values, warnings })
}

/// What was given, the nearest word first: typed, in the file, by the environment.
fn all_given(
    names: &[&str],
    playbook: &str,
    (typed, file): (&[String], Option<&Path>),
) -> Result<(Given, Vec<String>), Failure> {
    let (mut given, warnings) = of_environment(names, std::env::vars_os(), playbook)?;
    if let Some(path) = file {
        let texts = playbook::read_inputs(&read(path, "inputs file")?).map_err(|errors| {
            Failure::of_faults(format!("{} cannot be read: {}", path.display(), faults::count(&errors)), errors)
                .meaning("nothing was started")
        })?;
        given.extend(texts.into_iter().map(|(name, text)| (name, (text, Origin::File(path.to_path_buf())))));
    }
    given.extend(pairs(typed)?.into_iter().map(|(name, text)| (name, (text, Origin::Typed))));
    Ok((given, warnings))
}

fn names(inputs: &[InputSpec]) -> Vec<&str> {
    inputs.iter().map(|input| input.name.as_str()).collect()
}

/// The inputs of a playbook where they are sent, which go before those of the environment of whoever runs it: each is of its
/// declared type, names what is there, and is never read as a reference to a secret.
///
/// # Errors
/// All inputs that do not fit.
pub fn bind_sent(
    playbook: &Playbook,
    sent: &serde_json::Map<String, Value>,
    inventory: &Inventory,
) -> Result<Value, Failure> {
    let (environment, _) = of_environment(&names(&playbook.inputs), std::env::vars_os(), &playbook.name)?;
    let mut texts: BTreeMap<String, playbook::Given> =
        environment.into_iter().map(|(name, (text, _))| (name, playbook::Given::by_person(text))).collect();
    for (name, value) in sent.iter().filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        texts.insert(name.clone(), playbook::Given::by_trigger(text));
    }
    let inputs = playbook::bind_inputs(playbook, &texts).map_err(|errors| {
        let told = |error: &playbook::InputError| match sent.contains_key(&error.name) {
            true => format!("{error}; {}", Origin::Sent.describe()),
            false => format!("{error}{}", there_are(playbook, &error.name, Some(inventory))),
        };
        let all: Vec<String> = errors.iter().map(told).collect();
        Failure::new(Exit::Invalid, format!("the inputs do not fit {}:\n{}", playbook.name, all.join("\n")))
            .meaning("nothing was started")
            .next(format!("playbook show {}     (what it takes)", super::paste::quote(&playbook.name)))
    })?;
    hold_names(playbook, &inputs, inventory)?;
    Ok(inputs)
}

/// What the inventory has of the kind that an input names, as the end of a sentence.
fn there_are(playbook: &Playbook, input: &str, inventory: Option<&Inventory>) -> String {
    let spec = playbook.inputs.iter().find(|spec| spec.name == input);
    let (Some(inventory), Some(Type::Reference(kind))) = (inventory, spec.map(|spec| &spec.kind)) else {
        return String::new();
    };
    match inventory.names(kind).as_slice() {
        [] => format!("; the inventory has no {kind} at all"),
        names => format!("; the inventory has {}", names.join(", ")),
    }
}

/// Holds the inputs that name things of the inventory to what it has, before anything begins: a slip of the fingers is no
/// run that failed.
///
/// # Errors
/// All that name nothing.
pub fn hold_names(playbook: &Playbook, inputs: &Value, inventory: &Inventory) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for spec in &playbook.inputs {
        let Some(value) = inputs.get(&spec.name) else { continue };
        let kind = match &spec.kind {
            Type::List(item) => item,
            kind => kind,
        };
        let Type::Reference(kind) = kind else { continue };
        let names: Vec<&str> = match value {
            Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect(),
        };
        let which = if spec.default.as_ref() == Some(value) { ", which is its default" } else { "" };
        let faults = names.into_iter().filter_map(|name| inventory.holds(kind, name).err());
        wrong.extend(faults.map(|error| format!("input `{}`{which}: {error}", spec.name)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let what = format!("the inputs do not fit the inventory:\n{}", wrong.join("\n"));
    Err(Failure::new(Exit::Invalid, what).meaning("nothing was started or changed"))
}

/// The inputs that variables give. One that names no input is another playbook's; one that nearly names an input is most
/// likely a slip, and is said. An empty one gives nothing, as with every variable of ours.
fn of_environment(
    inputs: &[&str],
    variables: impl Iterator<Item = (OsString, OsString)>,
    playbook: &str,
) -> Result<(Given, Vec<String>), Failure> {
    let mut given = Given::new();
    let mut warnings = Vec::new();
    for (variable, value) in variables {
        let Some(variable) = variable.to_str() else { continue };
        let Some(word) = variable.strip_prefix(PREFIX) else { continue };
        let Some(input) = inputs.iter().find(|input| input.to_ascii_uppercase() == word) else {
            if let Some(near) = nearest(&word.to_ascii_lowercase(), inputs.iter().copied()) {
                warnings.push(format!(
                    "the environment variable {variable} names no input of {playbook} and is ignored; did you mean \
                     {PREFIX}{}?",
                    near.to_ascii_uppercase()
                ));
            }
            continue;
        };
        let Some(text) = value.to_str() else {
            let what = format!("the environment variable {variable} is not valid UTF-8, so it gives no input");
            return Err(Failure::new(Exit::Invalid, what)
                .meaning("nothing was started")
                .next(format!("unset {variable}     (or give it another value, or -i {input}=VALUE)")));
        };
        if !text.is_empty() {
            given.insert((*input).to_owned(), (text.to_owned(), Origin::Environment(variable.to_owned())));
        }
    }
    Ok((given, warnings))
}

/// Holds the references of sensitive inputs to leading somewhere before a run begins: in the middle of it, or of its undo,
/// a secret that is not there leaves things half done.
///
/// # Errors
/// The first that leads nowhere.
pub fn hold_secrets(plan: &Plan, mut look: impl FnMut(&str) -> Result<(), String>) -> Result<(), Failure> {
    let steps = plan.playbook.steps.iter().zip(&plan.steps);
    for (step, _) in steps.filter(|(_, planned)| !matches!(planned.runs, Decided::No { .. })) {
        for name in playbook::secrets_named(step, &plan.playbook.inputs) {
            let Some(reference) = plan.inputs.get(name).and_then(Value::as_str) else { continue };
            look(reference).map_err(|error| {
                Failure::new(Exit::Invalid, format!("input `{name}`, which step {} needs: {error}", step.id))
                    .meaning("nothing was started or changed")
                    .next(format!("say where it is: -i {name}=REFERENCE, which is {REFERENCE_FORMS}"))
            })?;
        }
    }
    Ok(())
}

/// `NAME=VALUE` pairs.
///
/// # Errors
/// When one is no such pair, or is given twice.
pub fn pairs(typed: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut given = BTreeMap::new();
    for pair in typed {
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::new(Exit::Usage, format!("`{pair}` is no input: write -i NAME=VALUE")));
        };
        if given.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::new(Exit::Usage, format!("the input `{name}` is given twice")));
        }
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Vec<InputSpec> {
        let input = |name: &str| InputSpec {
            name: name.to_owned(),
            kind: Type::String,
            default: None,
            required: false,
            sensitive: false,
            pattern: None,
            min: None,
            max: None,
            description: String::new(),
        };
        vec![input("cluster"), input("max_lag")]
    }

    fn environment(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let (given, warnings) = of_environment(&names(&inputs()), variables, "switch").unwrap();
        (given.into_iter().map(|(name, (text, _))| (name, text)).collect(), warnings)
    }

    #[test]
    fn variables_give_inputs_by_their_names_in_capitals() {
        let (given, warnings) =
            environment(&[("PLAYBOOK_INPUT_MAX_LAG", "a=b"), ("PLAYBOOK_INPUT_CLUSTER", ""), ("CLUSTER", "x")]);
        assert_eq!(given, [("max_lag".to_owned(), "a=b".to_owned())]);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_near_name_is_said_and_a_far_one_is_another_playbooks() {
        for near in ["PLAYBOOK_INPUT_CLUSTR", "PLAYBOOK_INPUT_cluster", "PLAYBOOK_INPUT_MAXLAG"] {
            let (given, warnings) = environment(&[(near, "x")]);
            assert!(given.is_empty() && warnings.len() == 1, "{near}: {warnings:?}");
            assert!(warnings[0].contains(near) && warnings[0].contains("did you mean PLAYBOOK_INPUT_"), "{warnings:?}");
        }
        let (given, warnings) = environment(&[("PLAYBOOK_INPUT_REPLICAS", "3")]);
        assert!(given.is_empty() && warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn inputs_are_pairs() {
        let typed = |list: &[&str]| pairs(&list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        assert_eq!(typed(&["a=b=c"]).unwrap().get("a").map(String::as_str), Some("b=c"));
        assert_eq!(typed(&["a="]).unwrap().get("a").map(String::as_str), Some(""));
        for bad in [&["a"][..], &["=b"], &["a=1", "a=2"]] {
            assert_eq!(typed(bad).unwrap_err().exit, Exit::Usage, "{bad:?}");
        }
    }
}
