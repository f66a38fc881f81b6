//! A JSON Schema (draft-07) of playbooks, for editors. The keys come from the word lists of the reader and the actions from
//! their specs, so there is no second truth; what a key may hold is written here. It knows the form alone: what steps say
//! about each other is lint's.

mod brakes;
mod step;
#[cfg(test)]
mod tests;
mod values;

use serde_json::{Map, Value, json};

use crate::spec::Specs;

use super::inputs::TYPES;
use super::load::MAX_STEPS;
use super::triggers::MODES;
use super::words::{self, Words};

/// The schema of playbooks that use these actions.
pub fn schema(specs: &Specs) -> Value {
    let mut root = object(&words::PLAYBOOK, head_key, &["name", "version", "steps"]);
    let mut definitions = Map::new();
    for (name, value) in values::definitions().into_iter().chain(step::definitions()) {
        definitions.insert(name.to_owned(), value);
    }
    definitions.insert("input".to_owned(), input());
    definitions.insert("retry".to_owned(), object(&words::RETRY, retry_key, &[]));
    definitions.extend(brakes::definitions(specs).into_iter().map(|(name, value)| (name.to_owned(), value)));
    definitions.insert("step".to_owned(), step::any());
    definitions.insert("single_step".to_owned(), step::single(specs));
    definitions.insert("parallel".to_owned(), step::group(&words::PARALLEL, &["id", "parallel"]));
    definitions.insert("block".to_owned(), step::group(&words::BLOCK, &["id", "for_each", "steps"]));
    definitions.insert("nested_playbook".to_owned(), step::nested());
    definitions.insert("rollback_step".to_owned(), step::step(&words::ROLLBACK_STEP, specs, &[]));
    definitions.insert("probe".to_owned(), step::step(&words::PROBE, specs, &["took_effect"]));
    if let Some(root) = root.as_object_mut() {
        root.insert("definitions".to_owned(), Value::Object(definitions));
        root.shift_insert(0, "$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        root.shift_insert(1, "title".to_owned(), json!("A recovery playbook"));
    }
    root
}

/// A mapping with the keys of a word list, and what each may hold.
fn object(words: &Words, key: fn(&str) -> Value, required: &[&str]) -> Value {
    let properties: Map<String, Value> = words.known.iter().map(|word| ((*word).to_owned(), key(word))).collect();
    let mut object = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A definition by its name.
fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{name}") })
}

/// A definition with a line for whoever points at the key in an editor.
fn about(name: &str, description: &str) -> Value {
    json!({ "description": description, "allOf": [refer(name)] })
}

/// What a key of the playbook itself may hold. Null, which nothing fits, for a word that is not known here: a test finds it.
fn head_key(word: &str) -> Value {
    match word {
        "$schema" => json!({ "type": "string" }),
        "name" => json!({ "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$",
            "description": "what `playbook run NAME` takes" }),
        "version" => json!({ "type": ["string", "number"], "pattern": "^[0-9]{1,9}(\\.[0-9]{1,9}){0,3}$",
            "description": "numbers with dots, such as 1.4.0" }),
        "title" => about("text", "what it does, in a line"),
        "description" => about("text", "more, in prose"),
        "owner" => about("text", "who answers for it"),
        "reviewed" => json!({ "type": "string", "pattern": "^-?[0-9]{4,6}-?[0-9]{2}-?[0-9]{2}$",
            "description": "when somebody last went through it: 2026-11-01" }),
        "review_every" => about("duration", "how often somebody should: 90d"),
        "severity" => about("texts", "the severities that it is meant for"),
        "symptoms" => about("texts", "what people see when it is needed"),
        "services" => about("texts", "the services that it recovers"),
        "objective" => object(&words::OBJECTIVE, |_| about("duration", "how soon the service is to be back"), &[]),
        "recovers" => json!({ "description": "what its runs count as: the recovery of a deployment that failed",
            "anyOf": [{ "enum": ["deployment"] }, object(&words::RECOVERS, recovers_key, &["what"])] }),
        "inputs" => json!({ "type": "object", "description": "what it is to be told",
            "propertyNames": refer("identifier"), "additionalProperties": refer("input") }),
        "locks" => json!({ "type": "array", "items": { "type": "string", "pattern": "/" },
            "description": "the resources that it holds while it runs, as KIND/NAME" }),
        "defaults" => object(&words::DEFAULTS, step::key, &[]),
        "max_targets" => counted("the most hosts, databases and the like that a plan may touch", 1),
        "identity" => json!({ "type": "array", "items": refer("check"),
            "description": "whom the run must talk to: looked at before the first change, and never overridden" }),
        "invariants" => json!({ "type": "array", "items": refer("invariant"),
            "description": "what must hold: looked at before the first change and after each" }),
        "budgets" => json!({ "type": "array", "items": refer("budget"),
            "description": "how long it may take from one step to another" }),
        "triggers" => object(&words::TRIGGERS, triggers_key, &["modes"]),
        "steps" => json!({ "type": "array", "minItems": 1, "maxItems": MAX_STEPS, "items": refer("step") }),
        _ => Value::Null,
    }
}

/// A whole number of things.
fn counted(description: &str, least: u32) -> Value {
    json!({ "description": description, "type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": least,
        "maximum": 10_000 })
}

fn recovers_key(word: &str) -> Value {
    match word {
        "what" => json!({ "enum": ["deployment"] }),
        "since" => about("identifier", "the input that says when the failure began"),
        _ => Value::Null,
    }
}

fn triggers_key(word: &str) -> Value {
    match word {
        "modes" => {
            let modes: Vec<&str> = MODES.iter().map(|(word, _)| *word).collect();
            json!({ "description": "how far an alert may go; people alone start it where `triggers` is absent",
                "anyOf": [{ "enum": modes }, { "type": "array", "minItems": 1, "items": { "enum": modes } }] })
        }
        "inputs" => about("texts", "the inputs that may come from an alert"),
        "because" => about("text", "why a run may cross the point of no return with nobody looking"),
        _ => Value::Null,
    }
}

fn retry_key(word: &str) -> Value {
    match word {
        "attempts" => json!({ "description": "all tries, the first counted in", "type": ["integer", "string"],
            "pattern": "^[0-9]+$", "minimum": 1, "maximum": 1000 }),
        "delay" => about("duration", "the wait before the second try"),
        "backoff" => json!({ "description": "what each wait is multiplied by", "type": ["number", "string"],
            "minimum": 1, "maximum": 100 }),
        "max_delay" => about("duration", "the longest wait"),
        _ => Value::Null,
    }
}

fn input() -> Value {
    let mut input = object(&words::INPUT, input_key, &["type"]);
    let only_with = |kind: &str, key: &str, needed: bool| {
        let mut then = json!({});
        if needed {
            then = json!({ "required": [key] });
        }
        json!({ "if": { "properties": { "type": { "const": kind } }, "required": ["type"] }, "then": then,
            "else": { "not": { "required": [key] } } })
    };
    input["allOf"] = json!([only_with("choice", "options", true), only_with("list", "items", false)]);
    input
}

fn input_key(word: &str) -> Value {
    match word {
        "type" => json!({ "enum": TYPES }),
        "options" => about("texts", "the words of a choice"),
        "items" => json!({ "description": "the type of a list's items",
            "enum": TYPES.iter().filter(|kind| !matches!(**kind, "choice" | "list")).collect::<Vec<_>>() }),
        "required" => about("boolean", "whether it must be given"),
        "sensitive" => about("boolean", "whether it is a secret: it takes a reference, such as env:NAME or file:/PATH"),
        "default" => json!({ "description": "what it is when it is not given",
            "type": ["string", "number", "boolean", "null", "array"] }),
        "pattern" => about("text", "a regular expression that the whole text must match"),
        "min" => about("text", "the least value, or length of a text or list"),
        "max" => about("text", "the greatest value, or length of a text or list"),
        "description" => about("text", "one line for a person"),
        _ => Value::Null,
    }
}
