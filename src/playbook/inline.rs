//! Nested playbooks: a playbook that uses others → one with all their steps in it. What they are is asked of a `Library`;
//! this room reads no file. All that is wrong is said at the caller's step, as that is where it can be mended.

use std::collections::HashMap;
use std::sync::Arc;

use crate::diagnostic::{Severity, Source, Span, nearest};
use crate::ids::Digest;
use crate::value::{Value, contains_unknown};

use super::bind::take_nested;
use super::faults::Faults;
use super::level::Level;
use super::load::MAX_STEPS;
use super::sensitive::may_be_given;
use super::splice::{Child, Children, splice};
use super::{Argument, Group, GroupKind, InputSpec, Loaded, Nested, OnFailure, Playbook, brakes, order};

/// How deep playbooks are nested: farther nobody follows at night.
pub(super) const MAX_DEPTH: usize = 8;

/// The longest id of a step: `ids` refuses longer ones when a journal is read again.
const MAX_ID: usize = 400;

/// Where nested playbooks are looked up.
pub trait Library {
    /// The playbook of this name and version (which may be only the beginning of one), read but not inlined.
    ///
    /// # Errors
    /// When it cannot be used.
    fn find(&self, name: &str, version: &str) -> Result<Found, NotFound>;
}

/// A playbook of a library.
#[derive(Debug, Clone)]
pub struct Found {
    /// The playbook.
    pub playbook: Arc<Playbook>,
    /// Whether a lock pins what it is.
    pub pinned: bool,
}

/// Why a nested playbook cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// There is none of this name and version.
    #[error("{0}")]
    Unknown(String),
    /// It has faults of its own.
    #[error("`{name}` {version} has faults of its own: {first}")]
    Broken {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// The first of its faults.
        first: String,
        /// Its file.
        file: String,
    },
    /// It is not what the lock says.
    #[error("{0}")]
    Differs(Box<Differs>),
    /// The lock cannot be read.
    #[error("{0}")]
    Lock(String),
}

/// A nested playbook that is not what its lock says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{lock} pins `{name}` {version} to {}, and what is there now is {}: it was changed since it was pinned",
    .pinned.short(), .there.short()
)]
pub struct Differs {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest that is pinned.
    pub pinned: Digest,
    /// The digest that it has.
    pub there: Digest,
    /// The lock's file.
    pub lock: String,
    /// The folder of the lock.
    pub folder: String,
}

/// What is wrong with a nested playbook.
#[derive(Debug, Clone)]
struct Fault {
    code: &'static str,
    message: String,
    help: Option<String>,
}

/// Puts the nested playbooks of a playbook into it. What cannot be is said at the step that nests it.
pub fn inline(book: &Playbook, source: &Arc<Source>, library: &dyn Library) -> Loaded {
    if !book.groups.iter().any(|group| group.nested().is_some()) {
        return Loaded { playbook: Some(book.clone()), diagnostics: Vec::new() };
    }
    let mut faults = Faults::new(source);
    let mut inliner = Inliner { library, done: HashMap::new(), chain: vec![named(&book.name, &book.version)] };
    let mut children = Children::new();
    for (place, group) in book.groups.iter().enumerate() {
        let Some(nested) = group.nested() else { continue };
        let span = first_line(source, group.span);
        match inliner.child(nested) {
            Ok(child) => {
                for name in &child.loose {
                    let message = format!("nested playbook {name} is pinned by no playbook.lock");
                    let help = Some("pin what it is: `playbook lock`, and commit the file that it writes".to_owned());
                    faults.warn("not-locked", span, message, help);
                }
                for Fault { code, message, help } in given(nested, &child.book, &book.inputs) {
                    faults.error(code, span, message, help);
                }
                children.insert(place, child);
            }
            Err(Fault { code, message, help }) => faults.error(code, span, message, help),
        }
    }
    if faults.has_errors() {
        return Loaded { playbook: None, diagnostics: faults.into_list() };
    }
    let whole = match checked_size(book, &children).map(|()| splice(book, &children)).and_then(short_ids) {
        Ok(whole) => without_halves(whole),
        Err(Fault { code, message, help }) => {
            faults.error(code, Span { start: 0, end: 0 }, message, help);
            return Loaded { playbook: None, diagnostics: faults.into_list() };
        }
    };
    let mut diagnostics = faults.into_list();
    let mut of_whole = Faults::new(source);
    let level = Level::of(&whole, |span| first_line(source, span));
    order::check(&mut of_whole, &level);
    brakes::check_approvals(&mut of_whole, &level);
    brakes::check_nested_budgets(&mut of_whole, &whole, |span| first_line(source, span));
    let wrong = |code: &str| code != NAMED_BEFORE;
    diagnostics.extend(
        of_whole.into_list().into_iter().filter(|fault| fault.severity == Severity::Error && wrong(fault.code)),
    );
    diagnostics.sort_by_key(|fault| (fault.span.start, fault.span.end));
    let playbook = Some(whole).filter(|_| diagnostics.iter().all(|fault| fault.severity != Severity::Error));
    Loaded { playbook, diagnostics }
}

/// The form of names was looked at where they are written; `switch/safe` is made by us.
const NAMED_BEFORE: &str = "bad-name";

struct Inliner<'l> {
    library: &'l dyn Library,
    /// What was inlined already: a playbook that is nested a hundred times is read once.
    done: HashMap<String, Result<Arc<Child>, Fault>>,
    /// The playbooks around, the outermost first.
    chain: Vec<String>,
}

impl Inliner<'_> {
    fn child(&mut self, nested: &Nested) -> Result<Arc<Child>, Fault> {
        let found = self.library.find(&nested.playbook, &nested.version).map_err(not_found)?;
        let name = named(&found.playbook.name, &found.playbook.version);
        if let Some(first) = self.chain.iter().position(|around| around == &name) {
            let circle: Vec<&str> = self.chain.iter().skip(first).map(String::as_str).chain([name.as_str()]).collect();
            return Err(Fault {
                code: "nested-cycle",
                message: format!("these playbooks nest each other in a circle: {}", circle.join(" → ")),
                help: Some("take one of them out of the circle".to_owned()),
            });
        }
        let around = self.chain.len();
        let inlined = match self.done.get(&name) {
            Some(done) => done.clone(),
            None if around > MAX_DEPTH => Err(self.too_deep(&name)),
            None => {
                self.chain.push(name.clone());
                let inlined = self.inlined(&found).map(Arc::new);
                self.chain.pop();
                self.done.insert(name.clone(), inlined.clone());
                inlined
            }
        }?;
        if around + inlined.depth > MAX_DEPTH {
            return Err(self.too_deep(&name));
        }
        Ok(inlined)
    }

    fn inlined(&mut self, found: &Found) -> Result<Child, Fault> {
        let book = &found.playbook;
        let name = named(&book.name, &book.version);
        let within = |fault: Fault| Fault { message: format!("in nested {name}: {}", fault.message), ..fault };
        let mut children = Children::new();
        let mut depth = 0;
        let mut loose = if found.pinned { Vec::new() } else { vec![name.clone()] };
        for (place, group) in book.groups.iter().enumerate() {
            let Some(nested) = group.nested() else { continue };
            let child = match self.child(nested) {
                Err(fault) if fault.code == "nested-cycle" => return Err(fault),
                other => other.map_err(within)?,
            };
            if let Some(fault) = given(nested, &child.book, &book.inputs).into_iter().next() {
                return Err(within(fault));
            }
            depth = depth.max(child.depth + 1);
            loose.extend(child.loose.iter().filter(|name| !loose.contains(name)).cloned().collect::<Vec<_>>());
            children.insert(place, child);
        }
        checked_size(book, &children).map_err(within)?;
        Ok(Child { book: splice(book, &children), text: book.digest.clone(), depth, loose })
    }

    fn too_deep(&self, name: &str) -> Fault {
        let chain: Vec<&str> = self.chain.iter().map(String::as_str).chain([name]).collect();
        Fault {
            code: "nested-too-deep",
            message: format!("playbooks are nested more than {MAX_DEPTH} deep: {} …", chain.join(" → ")),
            help: Some("nest some of them side by side instead".to_owned()),
        }
    }
}

fn named(name: &str, version: &str) -> String {
    format!("{name}@{version}")
}

fn not_found(error: NotFound) -> Fault {
    let message = error.to_string();
    match error {
        NotFound::Unknown(_) => {
            Fault { code: "unknown-playbook", message, help: Some("`playbook list` shows all".to_owned()) }
        }
        NotFound::Broken { file, .. } => {
            Fault { code: "broken-playbook", message, help: Some(format!("`playbook lint {file}` shows all of them")) }
        }
        NotFound::Differs(differs) => {
            let Differs { name, folder, .. } = *differs;
            let help = format!("look at what was changed in `{name}`, then accept it: `playbook lock {folder}`");
            Fault { code: "lock-differs", message, help: Some(help) }
        }
        NotFound::Lock(_) => {
            Fault { code: "lock-unreadable", message, help: Some("`playbook lock` writes it anew".to_owned()) }
        }
    }
}

/// What is wrong with what a nested playbook is given, as far as the text tells.
fn given(nested: &Nested, child: &Playbook, caller: &[InputSpec]) -> Vec<Fault> {
    let known = || child.inputs.iter().map(|input| input.name.as_str());
    let mut wrong = Vec::new();
    for (name, argument) in &nested.given {
        let Some(spec) = child.inputs.iter().find(|input| &input.name == name) else {
            let help = match nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if child.inputs.is_empty() => "it takes none".to_owned(),
                None => format!("it takes {}", known().collect::<Vec<_>>().join(", ")),
            };
            let message = format!("`{}` {} has no input `{name}`", child.name, child.version);
            wrong.push(Fault { code: "unknown-input", message, help: Some(help) });
            continue;
        };
        if let Err(why) = may_be_given(spec, argument, caller) {
            let message = format!("input `{name}` of `{}` {why}", child.name);
            wrong.push(Fault { code: "sensitive-use", message, help: None });
            continue;
        }
        let Some(value) = literal(argument).filter(|value| !value.is_null() && !contains_unknown(value)) else {
            continue;
        };
        if let Err(message) = take_nested(spec, &value) {
            let quote = matches!(value, Value::Number(_) | Value::Bool(_));
            let help = quote.then(|| "what is to be a text is written in quotes".to_owned());
            wrong.push(Fault { code: "wrong-type", message: format!("`{}`: {message}", child.name), help });
        }
    }
    let is_null = |argument: &Argument| matches!(argument, Argument::Literal(Value::Null));
    let has = |name: &String| nested.given.iter().any(|(given, argument)| given == name && !is_null(argument));
    for spec in child.inputs.iter().filter(|input| input.required && !has(&input.name)) {
        let message = format!("`{}` {} needs the input `{}`", child.name, child.version, spec.name);
        let help = Some(format!("add `{}: …` to `inputs` ({})", spec.name, spec.kind));
        wrong.push(Fault { code: "missing-input", message, help });
    }
    wrong
}

/// The value of an argument that is what it is.
fn literal(argument: &Argument) -> Option<Value> {
    match argument {
        Argument::Literal(value) => Some(value.clone()),
        Argument::List(items) => items.iter().map(literal).collect::<Option<Vec<_>>>().map(Value::Array),
        _ => None,
    }
}

fn checked_size(book: &Playbook, children: &Children) -> Result<(), Fault> {
    let steps = book.steps.len() + children.values().map(|child| child.book.steps.len()).sum::<usize>();
    if steps <= MAX_STEPS {
        return Ok(());
    }
    let message = format!("with all that is nested in it, it has {steps} steps, and {MAX_STEPS} is the most");
    Err(Fault { code: "too-many-steps", message, help: None })
}

fn short_ids(whole: Playbook) -> Result<Playbook, Fault> {
    let steps = whole.steps.iter().map(|step| &step.id);
    match steps.chain(whole.groups.iter().map(|group| &group.id)).find(|id| id.as_str().len() > MAX_ID) {
        None => Ok(whole),
        Some(id) => Err(Fault {
            code: "nested-too-deep",
            message: format!("a nested step would be called {id}, and an id has at most {MAX_ID} letters"),
            help: Some("give the steps that nest playbooks shorter ids".to_owned()),
        }),
    }
}

/// A checkpoint of a nested playbook is no safe state where others run beside it or the next item is still to come: it is
/// left out there, unless something in the nested one rolls back to it, which order then refuses.
fn without_halves(mut whole: Playbook) -> Playbook {
    let policies = whole.steps.iter().map(|step| step.on_failure.as_ref());
    let policies = policies.chain(whole.groups.iter().map(|group| group.on_failure.as_ref()));
    let named: Vec<String> = policies
        .filter_map(|policy| match policy {
            Some(OnFailure::RollbackTo(name)) => Some(name.clone()),
            _ => None,
        })
        .collect();
    let repeated = |group: &Group| !matches!(group.kind, GroupKind::Nested(_) | GroupKind::Forward { .. });
    let half = |name: &Option<String>, inside| {
        name.as_ref().is_some_and(|name| name.contains('/') && !named.contains(name))
            && whole.around(inside).any(repeated)
    };
    let steps: Vec<bool> = whole.steps.iter().map(|step| half(&step.checkpoint, step.group.as_ref())).collect();
    let groups: Vec<bool> = whole.groups.iter().map(|group| half(&group.checkpoint, group.parent.as_ref())).collect();
    let of_batches = |group: &Group| group.each().and_then(|each| each.checkpoint.clone());
    let batches: Vec<bool> = whole.groups.iter().map(|group| half(&of_batches(group), group.parent.as_ref())).collect();
    for (step, _) in whole.steps.iter_mut().zip(steps).filter(|(_, half)| *half) {
        step.checkpoint = None;
    }
    for (group, _) in whole.groups.iter_mut().zip(groups).filter(|(_, half)| *half) {
        group.checkpoint = None;
    }
    for (group, _) in whole.groups.iter_mut().zip(batches).filter(|(_, half)| *half) {
        if let GroupKind::Each(each) = &mut group.kind {
            each.checkpoint = None;
        }
    }
    whole
}

/// The first line of a place: a whole block under carets says less.
fn first_line(source: &Source, span: Span) -> Span {
    let text = source.text.get(span.start..span.end).unwrap_or("");
    Span { start: span.start, end: span.start + text.lines().next().map_or(0, str::len).max(1) }
}

#[cfg(test)]
#[path = "inline_tests.rs"]
mod tests;
