//! The schema of a step, of a group of steps, of a step of a rollback, and of a probe: they share their keys' meanings.

use serde_json::{Value, json};

use crate::spec::{ActionSpec, Specs};

use super::{about, counted, object, refer, values};
use crate::playbook::command::COMMAND_KEYS;
use crate::playbook::effect::is_open;
use crate::playbook::words::{self, Words};

/// What may stand in a list of steps. One kind is chosen by its keys, so that a fault in it is told as a fault of that kind.
pub(super) fn any() -> Value {
    let has = |keys: &[&str]| json!({ "required": keys });
    let nested = json!({ "properties": { "uses": { "const": "playbook" } }, "required": ["uses"],
        "not": { "required": ["for_each"] } });
    json!({
        "if": has(&["parallel"]), "then": refer("parallel"),
        "else": { "if": has(&["for_each", "steps"]), "then": refer("block"),
            "else": { "if": nested, "then": refer("nested_playbook"), "else": refer("single_step") } },
    })
}

/// A step that does one thing, once or for each item of a list.
pub(super) fn single(specs: &Specs) -> Value {
    let mut single = step(&words::STEP, specs, &["id"]);
    single["not"] = without(&["parallel", "steps"])["not"].clone();
    single["dependencies"] = json!({ "batch": ["for_each"], "max_targets": ["for_each"], "on_item_failure": ["for_each"],
            "unreachable_at_plan": ["for_each"] });
    single
}

/// Steps that belong together.
pub(super) fn group(words: &Words, required: &[&str]) -> Value {
    object(words, key, required)
}

/// A step that is another playbook.
pub(super) fn nested() -> Value {
    let mut nested = object(&words::CALL, key, &["id", "uses", "with"]);
    nested["properties"]["uses"] = json!({ "const": "playbook" });
    nested["properties"]["with"] = object(&words::NESTED, nested_key, &["name", "version"]);
    nested
}

fn nested_key(word: &str) -> Value {
    match word {
        "name" => json!({ "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$",
            "description": "the name of the playbook" }),
        "version" => json!({ "type": ["string", "number"], "pattern": "^[0-9]{1,9}(\\.[0-9]{1,9}){0,3}$",
            "description": "which version: \"1.4\" is the newest that begins so" }),
        "inputs" => json!({ "type": "object", "description": "what it is told" }),
        _ => Value::Null,
    }
}

fn unreachable_key(word: &str) -> Value {
    match word {
        "exclude" => about("boolean", "whether they are left out, by name"),
        "max" => about("amount", "how many of them there may be: with more, no plan is made"),
        _ => Value::Null,
    }
}

fn hosts_key(word: &str) -> Value {
    match word {
        "hosts" => json!({ "description": "a group, a host or a pattern of the inventory",
            "anyOf": [refer("text"), refer("computed"), { "type": "array", "minItems": 1, "items": refer("text") }] }),
        _ => Value::Null,
    }
}

fn batch_key(word: &str) -> Value {
    match word {
        "size" => json!({ "anyOf": [refer("some"), { "type": "array", "minItems": 1, "items": refer("some") }],
            "description": "how many items are under way at the same time: a number, a share of all, or one for each \
                of the first batches, of which the last one repeats" }),
        "max_failures" => about("amount", "how many items may fail, in all batches, before the whole is failed"),
        "pause" => about("duration", "how long to wait between a batch and the next one"),
        "min_healthy" => about("amount", "how many items have to be well beside those of the batch in hand"),
        "spread" => about("text", "a variable of the hosts, or a field of the items: no batch takes all of one value"),
        "checkpoint" => {
            about("identifier", "the name of the safe state that stands after each batch in which nothing failed")
        }
        _ => Value::Null,
    }
}

/// A step with the keys of a word list.
pub(super) fn step(words: &Words, specs: &Specs, required: &[&str]) -> Value {
    step_with(words, key, specs, required)
}

/// The same, where some keys mean something else.
pub(super) fn step_with(words: &Words, key: fn(&str) -> Value, specs: &Specs, required: &[&str]) -> Value {
    let mut step = object(words, key, required);
    let names: Vec<&str> = specs.names().collect();
    if let Some(uses) = step.pointer_mut("/properties/uses") {
        uses["enum"] = json!(names);
    }
    step["oneOf"] = json!([{ "required": ["uses"] }, { "required": ["run"] }, { "required": ["argv"] }]);
    let mut rules = vec![
        json!({ "if": { "required": ["uses"] }, "then": without(COMMAND_KEYS), "else": without(&["with"]) }),
        json!({ "if": { "required": ["argv"] }, "then": without(&["shell"]) }),
    ];
    if words.known.contains(&"because") {
        rules.push(json!({
            "if": { "properties": { "rollback": { "const": "none" } }, "required": ["rollback"] },
            "then": { "required": ["because"] },
        }));
    }
    rules.extend(names.iter().filter_map(|name| specs.get(name)).map(of_action));
    step["allOf"] = json!(rules);
    step
}

/// None of some keys.
fn without(keys: &[&str]) -> Value {
    json!({ "not": { "anyOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() } })
}

/// What holds where a step uses one action.
fn of_action(spec: &ActionSpec) -> Value {
    let mut then = json!({ "properties": { "with": values::arguments(spec) } });
    if spec.inputs.iter().any(|field| field.required) {
        then["required"] = json!(["with"]);
    }
    let mut not: Vec<&str> = Vec::new();
    if !is_open(spec.name) {
        not.extend(["effect", "probe"]);
    }
    if !matches!(spec.name, "cli" | "shell" | "ssh") {
        not.extend(["ok_if", "outputs"]);
    }
    if !not.is_empty() {
        then["not"] = without(&not)["not"].clone();
    }
    json!({ "if": { "properties": { "uses": { "const": spec.name } }, "required": ["uses"] }, "then": then })
}

/// What a key of a step may hold. Null for a word that is not known here: a test finds it.
pub(super) fn key(word: &str) -> Value {
    match word {
        "id" => about("identifier", "its name in the timeline, and for other steps"),
        "name" => about("text", "what it does, for a person"),
        "uses" => json!({ "description": "an action; `playbook show --action NAME` is its page" }),
        "with" => json!({ "type": "object", "description": "the action's arguments" }),
        "run" => about("text", "a script; values reach it through `env`"),
        "argv" => json!({ "type": "array", "minItems": 1, "items": refer("text"),
            "description": "a command and its arguments, without a shell" }),
        "host" => about("text", "a host of the inventory; this machine where there is none"),
        "become" => about("text", "the user to run it as"),
        "env" => json!({ "type": "object", "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
            "additionalProperties": { "anyOf": [refer("text"), refer("computed"), { "type": "null" }] },
            "description": "the environment of the command" }),
        "shell" => about("text", "what reads the script"),
        "if" => about("condition", "it runs only if this holds"),
        "needs" => about("identifiers", "steps that must be done"),
        "effect" => json!({ "enum": ["read", "idempotent", "keyed", "probed", "once"],
            "description": "how often it may run" }),
        "probe" => about("probe", "a look that says whether it took effect"),
        "settle" => about("duration", "how long to wait before that look"),
        "key" => about("text", "what the target removes doubles by"),
        "covers" => json!({ "enum": ["partial"], "description": "its rollback also covers a half-done attempt" }),
        "require" => about("conditions", "what must hold before it acts"),
        "timeout" => about("duration", "how long one attempt may take"),
        "kill_on_timeout" => about("boolean", "whether a changing remote command is killed then"),
        "retry" => about("retry", "how often and how soon it is tried again"),
        "ok_if" => about("condition", "what decides whether a command did well"),
        "verify" => about("verify", "what must hold after it is done"),
        "rollback" => about("rollback", "how it is undone"),
        "because" => about("text", "why there is no rollback"),
        "checkpoint" => about("identifier", "the name of the safe state that stands after it"),
        "service" => json!({ "enum": ["up", "degraded", "down"], "description": "what the service is after it" }),
        "point_of_no_return" => about("boolean", "the run cannot go back past it by itself"),
        "on_failure" => about("on_failure", "what happens when it fails"),
        "outputs" => about("outputs", "what is read from what the command printed"),
        "sensitive" => {
            about("boolean", "its outputs live in memory alone and are never written down; for steps that only read")
        }
        "for_each" => {
            let mut hosts = object(&words::HOSTS, hosts_key, &["hosts"]);
            hosts["description"] = json!("hosts of the inventory; `vars` are the variables of the one in hand");
            json!({ "description": "a list, or hosts of the inventory; `item` is what is in hand",
                "anyOf": [refer("template"), refer("computed"), { "type": "array", "minItems": 1 }, hosts] })
        }
        "batch" => {
            let mut batch = object(&words::BATCH, batch_key, &[]);
            batch["description"] = json!("how the list is gone over; one item after the other where it is absent");
            batch
        }
        "unreachable_at_plan" => {
            let mut unreachable = object(&words::UNREACHABLE, unreachable_key, &["max"]);
            unreachable["description"] = json!("what is done about hosts that do not answer when the plan is made");
            unreachable
        }
        "on_item_failure" => json!({ "enum": ["leave", "rollback"],
            "description": "what becomes of an item that failed: it stays as it is, or is undone before the next batch" }),
        "max_targets" => counted("the most items that the list may have", 1),
        "forward" => steps("steps that run only if it fails for good: the way on where there is none back"),
        "parallel" => steps("steps that run at the same time; when one fails, the others finish"),
        "steps" => steps("steps that run one after the other, once for each item"),
        "approval" => about("approval", "who has to say that it may begin"),
        "took_effect" => about("condition", "the effect is there"),
        "did_not" => about("condition", "the effect is certainly not there"),
        _ => Value::Null,
    }
}

fn steps(description: &str) -> Value {
    json!({ "type": "array", "minItems": 1, "items": refer("step"), "description": description })
}

/// The parts of steps that have a form of their own.
pub(super) fn definitions() -> Vec<(&'static str, Value)> {
    let verification = object(&words::VERIFY, verify_key, &["expr"]);
    let mut failure = object(&words::ON_FAILURE, |_| refer("identifier"), &[]);
    failure["minProperties"] = json!(1);
    failure["maxProperties"] = json!(1);
    let mut output = object(&words::OUTPUT, output_key, &[]);
    output["oneOf"] = json!([{ "required": ["json"] }, { "required": ["regex"] }]);
    vec![
        ("conditions", json!({ "anyOf": [refer("condition"), { "type": "array", "items": refer("condition") }] })),
        ("verification", json!({ "anyOf": [refer("condition"), verification] })),
        ("verify", json!({ "anyOf": [refer("verification"), { "type": "array", "items": refer("verification") }] })),
        ("on_failure", json!({ "anyOf": [{ "enum": ["rollback", "pause", "continue"] }, failure] })),
        (
            "rollback",
            json!({ "anyOf": [
                { "const": "none" },
                { "type": "object", "properties": { "none": refer("text") }, "required": ["none"],
                    "additionalProperties": false },
                refer("rollback_step"),
                { "type": "array", "minItems": 1, "items": refer("rollback_step") },
            ] }),
        ),
        ("outputs", json!({ "type": "object", "propertyNames": refer("identifier"), "additionalProperties": output })),
    ]
}

fn verify_key(word: &str) -> Value {
    match word {
        "expr" => refer("condition"),
        "within" => about("duration", "how long it may take to come true"),
        _ => Value::Null,
    }
}

fn output_key(word: &str) -> Value {
    match word {
        "json" => about("text", "a path into the JSON that was printed"),
        "regex" => about("text", "a regular expression; the output is its first group"),
        "type" => about("text", "the output's type"),
        "sensitive" => about("boolean", "it lives in memory alone and is never written down; for steps that only read"),
        _ => Value::Null,
    }
}
