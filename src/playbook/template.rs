//! Templates: Handlebars' grammar, of which paths, `json` and `default` are taken. They are filled here and not by the
//! library, so that a missing name is always an error, nothing is escaped, and what is not known stays marked.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::rc::Rc;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path as GivenPath, PathSeg};

use super::Scope;
use super::cel::{Part, Path};
use super::plain;
use super::walk::{Found, look};
use crate::value::{Value, contains_unknown, is_unknown, unknown, why_unknown};

/// The longest template, in bytes.
const MAX_LENGTH: usize = 256 * 1024;
/// How many brackets one `{{…}}` may open: the grammar recurses with them.
const MAX_BRACKETS: usize = 8;
/// How many compiled templates are kept: more than any playbook has, as each is asked for again by lint.
const CACHE: usize = 8192;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Rc<Vec<Piece>>>> = RefCell::new(HashMap::new());
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Value(Filler),
}

/// What stands in one `{{…}}`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filler {
    Path(Path),
    Literal(Value),
    Json(Box<Filler>),
    /// The first, or where it is null or not there, the second.
    Default(Box<Filler>, Box<Filler>),
}

impl Filler {
    /// Calls back with each path, and whether a `default` stands in for it.
    pub fn each_path(&self, guarded: bool, visit: &mut dyn FnMut(&Path, bool)) {
        match self {
            Filler::Path(path) => visit(path, guarded),
            Filler::Literal(_) => {}
            Filler::Json(inner) => inner.each_path(guarded, visit),
            Filler::Default(first, second) => {
                first.each_path(true, visit);
                second.each_path(guarded, visit);
            }
        }
    }
}

/// Whether a text has to be compiled at all.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Compiles a template, or takes the one that was compiled before.
pub(super) fn compile(source: &str) -> Result<Rc<Vec<Piece>>, String> {
    if let Some(found) = COMPILED.with_borrow(|cache| cache.get(source).cloned()) {
        return Ok(found);
    }
    let compiled = Rc::new(parse(source)?);
    COMPILED.with_borrow_mut(|cache| {
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert(source.to_owned(), Rc::clone(&compiled));
    });
    Ok(compiled)
}

/// The filler, if the template is one single `{{…}}`: it keeps its value's type.
pub(super) fn single(pieces: &[Piece]) -> Option<&Filler> {
    match pieces {
        [Piece::Value(filler)] => Some(filler),
        _ => None,
    }
}

fn parse(source: &str) -> Result<Vec<Piece>, String> {
    #[cfg(test)]
    super::counts::count("template");
    refuse_early(source)?;
    plain::read(source).map_or_else(|| by_the_grammar(source), Ok)
}

/// The pieces, as the library's grammar reads them.
pub(super) fn by_the_grammar(source: &str) -> Result<Vec<Piece>, String> {
    #[cfg(test)]
    super::counts::count("grammar");
    // The library has asserts of its own; a wrong one must end in a refusal, not in a crash.
    let compiled = catch_unwind(|| handlebars::Template::compile(source))
        .map_err(|_| "the template cannot be read (a fault in the template library)".to_owned())?;
    let template = compiled.map_err(|error| {
        let place = error.pos().filter(|place| place.0 > 1).map(|(line, column)| format!(" (line {line}, column {column} of it)"));
        let place = place.unwrap_or_default();
        format!("the template cannot be read{place}; a value is written {{{{inputs.NAME}}}}, and \\{{{{ stands for {{{{ itself")
    })?;
    let mut pieces: Vec<Piece> = Vec::new();
    for element in &template.elements {
        match element {
            TemplateElement::RawString(text) => match pieces.last_mut() {
                Some(Piece::Text(before)) => before.push_str(text),
                _ => pieces.push(Piece::Text(text.clone())),
            },
            TemplateElement::Expression(inner) | TemplateElement::HtmlExpression(inner) => {
                pieces.push(Piece::Value(filler_of(inner)?));
            }
            TemplateElement::Comment(_) => {}
            _ => return Err(NO_BLOCKS.to_owned()),
        }
    }
    Ok(pieces)
}

const NO_BLOCKS: &str = "blocks and partials are not part of a template; use `if:` on the step, or {expr: …}";

/// Refuses what the grammar would recurse on, before it does.
fn refuse_early(source: &str) -> Result<(), String> {
    if source.len() > MAX_LENGTH {
        return Err(format!("the template is longer than {} KiB", MAX_LENGTH / 1024));
    }
    for (at, _) in source.match_indices("{{") {
        if source.get(..at).is_some_and(|before| before.ends_with('\\')) {
            continue;
        }
        let inner = source.get(at + 2..).unwrap_or("");
        let inner = inner.split("}}").next().unwrap_or(inner);
        let word = inner.trim_start_matches('~').trim_start();
        if word.starts_with(['#', '/', '^', '>', '*']) || word.starts_with("{{") || word == "else" {
            return Err(NO_BLOCKS.to_owned());
        }
        if inner.matches(['(', '[', '{']).count() > MAX_BRACKETS {
            return Err("the template has too many brackets in one {{…}}".to_owned());
        }
    }
    Ok(())
}

fn filler_of(given: &HelperTemplate) -> Result<Filler, String> {
    if !given.hash.is_empty() || given.block_param.is_some() {
        return Err("a template takes no NAME=VALUE".to_owned());
    }
    if given.params.is_empty() {
        return parameter(&given.name);
    }
    let name = match &given.name {
        Parameter::Name(name) => name.as_str(),
        Parameter::Path(GivenPath::Relative((_, raw))) => raw,
        _ => "",
    };
    match (name, given.params.as_slice()) {
        ("json", [inner]) => Ok(Filler::Json(Box::new(parameter(inner)?))),
        ("default", [first, second]) => Ok(Filler::Default(Box::new(parameter(first)?), Box::new(parameter(second)?))),
        ("json", _) => Err("`json` takes one value: {{json outputs.x}}".to_owned()),
        ("default", _) => Err("`default` takes two values: {{default inputs.x \"y\"}}".to_owned()),
        _ => Err(format!("there is no helper `{name}`; there are `json` and `default`")),
    }
}

fn parameter(given: &Parameter) -> Result<Filler, String> {
    match given {
        Parameter::Name(name) => Ok(Filler::Path(Path { root: name.clone(), parts: Vec::new() })),
        Parameter::Path(GivenPath::Relative((segments, raw))) => {
            let mut names = segments.iter().map(|segment| match segment {
                PathSeg::Named(name) => Ok(name.trim_start_matches('[').trim_end_matches(']')),
                _ => Err(format!("`{raw}`: a path begins with inputs, steps, outputs, facts or run")),
            });
            let root = names.next().ok_or_else(|| format!("`{raw}` names nothing"))??.to_owned();
            let parts = names
                .map(|name| {
                    name.map(|name| match name.parse() {
                        Ok(index) => Part::Index(index),
                        Err(_) => Part::Name(name.to_owned()),
                    })
                })
                .collect::<Result<_, _>>()?;
            Ok(Filler::Path(Path { root, parts }))
        }
        Parameter::Literal(value) => Ok(Filler::Literal(value.clone())),
        Parameter::Subexpression(inner) => match inner.as_element() {
            TemplateElement::Expression(inner) => filler_of(inner),
            _ => Err(NO_BLOCKS.to_owned()),
        },
        _ => Err("the template cannot be read".to_owned()),
    }
}

/// Fills a template in.
pub(super) fn fill(pieces: &[Piece], scope: &Scope) -> Result<Value, String> {
    match single(pieces) {
        Some(filler) => value_of(filler, scope),
        None => fill_text(pieces, scope, &|_, _| Ok(())),
    }
}

/// Fills a template in that a shell will read: what is put in must have nothing in it that a shell reads.
pub(super) fn fill_line(pieces: &[Piece], scope: &Scope) -> Result<Value, String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._-:/,+@%= ".contains(c);
    fill_text(pieces, scope, &|filler, text| match text.chars().find(|c| !harmless(*c)) {
        None => Ok(()),
        Some(found) => Err(format!(
            "{} has {found:?} in it and must not become part of a command line; give it through `env:`",
            name_of(filler)
        )),
    })
}

fn fill_text(
    pieces: &[Piece],
    scope: &Scope,
    check: &dyn Fn(&Filler, &str) -> Result<(), String>,
) -> Result<Value, String> {
    let mut text = String::new();
    let mut missing: Option<String> = None;
    for piece in pieces {
        match piece {
            Piece::Text(part) => text.push_str(part),
            Piece::Value(filler) => {
                let value = value_of(filler, scope)?;
                if contains_unknown(&value) {
                    missing = missing.or_else(|| Some(why_unknown(&value).unwrap_or("a part of it").to_owned()));
                } else {
                    let part = as_text(filler, &value)?;
                    check(filler, &part)?;
                    text.push_str(&part);
                }
            }
        }
    }
    Ok(missing.map_or(Value::String(text), unknown))
}

fn value_of(filler: &Filler, scope: &Scope) -> Result<Value, String> {
    match filler {
        Filler::Literal(value) => Ok(value.clone()),
        Filler::Path(path) => Ok(match look(path, scope)? {
            Found::Known(value) => value.clone(),
            Found::Unknown(why) => unknown(why),
        }),
        Filler::Json(inner) => {
            let value = value_of(inner, scope)?;
            if is_unknown(&value) {
                return Ok(value);
            }
            if contains_unknown(&value) {
                return Ok(unknown("a part of it"));
            }
            serde_json::to_string(&value).map(Value::String).map_err(|error| error.to_string())
        }
        Filler::Default(first, second) => match value_of(first, scope) {
            Ok(value) if !value.is_null() => Ok(value),
            _ => value_of(second, scope),
        },
    }
}

fn as_text(filler: &Filler, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        // A duration of 20 s is the number 20.0; in a text it is `20`.
        Value::Number(number) => Ok(match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        }),
        Value::Null => Err(format!(
            "{} is null and cannot stand in a text; give another: {{{{default … \"…\"}}}}",
            name_of(filler)
        )),
        Value::Array(_) | Value::Object(_) => {
            Err(format!("{} is no single value; {{{{json …}}}} writes it as JSON", name_of(filler)))
        }
    }
}

fn name_of(filler: &Filler) -> String {
    match filler {
        Filler::Path(path) => format!("`{path}`"),
        _ => "the value".to_owned(),
    }
}
