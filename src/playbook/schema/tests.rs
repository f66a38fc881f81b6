use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::actions::Table;
use crate::diagnostic::Source;
use crate::document::{self, Node, NodeKind};
use crate::value::Type;

fn built() -> Value {
    schema(&Specs::of(Table::builtin().specs()))
}

/// A document as an editor sees it: bare words are typed by YAML's rules.
fn instance(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Scalar(scalar) if scalar.plain => Type::Any.parse(&scalar.text).unwrap(),
        NodeKind::Scalar(scalar) => Value::from(scalar.text.as_str()),
        NodeKind::Sequence(items) => items.iter().map(instance).collect(),
        NodeKind::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.value.clone(), instance(&entry.value))).collect())
        }
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // A lock beside them is none.
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files
}

/// A JSON Schema, compiled: which refuses one that is not valid itself.
struct Validator {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Validator {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.set_default_draft(boon::Draft::V7);
        compiler.add_resource("playbook.schema.json", schema).unwrap();
        let index = compiler.compile("playbook.schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn faults(&self, instance: &Value) -> String {
        self.schemas.validate(instance, self.index).err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn is_valid(&self, instance: &Value) -> bool {
        self.schemas.validate(instance, self.index).is_ok()
    }
}

fn read(path: &Path) -> (String, Option<Value>) {
    let text = std::fs::read_to_string(path).unwrap();
    let node = document::parse(&Source::new(path.display().to_string(), text.as_str()));
    (text, node.ok().map(|node| instance(&node)))
}

#[test]
fn good_playbooks_fit() {
    let validator = Validator::of(built());
    let mut count = 0;
    for path in ["playbooks", "fixtures/good"].into_iter().flat_map(files) {
        let (_, instance) = read(&path);
        assert_eq!(validator.faults(&instance.unwrap()), "", "{}", path.display());
        count += 1;
    }
    assert!(count >= 2);
    let skeleton = crate::playbook::skeleton("x", "x.yaml", jiff::civil::date(2026, 11, 22));
    let node = document::parse(&Source::new("x.yaml", skeleton)).unwrap();
    assert!(validator.is_valid(&instance(&node)));
}

/// A bad document whose first line says `structural` is refused by the schema, and no other one is.
#[test]
fn documents_of_a_bad_form_do_not_fit() {
    let validator = Validator::of(built());
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in files("fixtures/bad") {
        let (text, instance) = read(&path);
        let structural = text.lines().next().unwrap().ends_with(" structural");
        // What is no YAML at all never comes before a schema.
        let Some(instance) = instance else {
            assert!(!structural, "{}", path.display());
            continue;
        };
        if validator.is_valid(&instance) == structural {
            wrong.push(format!("{}: structural {structural}", path.display()));
        }
        count += usize::from(structural);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 20, "{count}");
}

#[test]
fn the_keys_are_those_of_the_reader() {
    let schema = built();
    let keys = |pointer: &str| -> BTreeSet<String> {
        schema.pointer(pointer).and_then(Value::as_object).unwrap().keys().cloned().collect()
    };
    for (pointer, words) in [
        ("/properties", &words::PLAYBOOK),
        ("/properties/objective/properties", &words::OBJECTIVE),
        ("/properties/defaults/properties", &words::DEFAULTS),
        ("/definitions/input/properties", &words::INPUT),
        ("/definitions/retry/properties", &words::RETRY),
        ("/definitions/single_step/properties", &words::STEP),
        ("/definitions/parallel/properties", &words::PARALLEL),
        ("/definitions/block/properties", &words::BLOCK),
        ("/definitions/block/properties/batch/properties", &words::BATCH),
        ("/definitions/nested_playbook/properties", &words::CALL),
        ("/definitions/nested_playbook/properties/with/properties", &words::NESTED),
        ("/definitions/rollback_step/properties", &words::ROLLBACK_STEP),
        ("/definitions/probe/properties", &words::PROBE),
        ("/definitions/verification/anyOf/1/properties", &words::VERIFY),
        ("/definitions/on_failure/anyOf/1/properties", &words::ON_FAILURE),
        ("/definitions/outputs/additionalProperties/properties", &words::OUTPUT),
    ] {
        let known: BTreeSet<String> = words.known.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(keys(pointer), known, "{pointer}");
    }
    fn find_nulls(value: &Value, place: String, found: &mut Vec<String>) {
        match value {
            Value::Null => found.push(place),
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| find_nulls(value, format!("{place}/{key}"), found))
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| find_nulls(item, format!("{place}/{at}"), found));
            }
            _ => {}
        }
    }
    let mut nulls = Vec::new();
    find_nulls(&schema, String::new(), &mut nulls);
    nulls.retain(|place| !place.ends_with("/default"));
    assert!(nulls.is_empty(), "keys that the schema says nothing of: {nulls:?}");
}

#[test]
fn actions_are_known_with_their_arguments() {
    let schema = built();
    let names: BTreeSet<&str> = schema["definitions"]["single_step"]["properties"]["uses"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let table = Table::builtin();
    let all: BTreeSet<&str> = table.specs().map(|spec| spec.name).collect();
    assert_eq!(names, all);
    let validator = Validator::of(schema);
    let fits = |with: Value| {
        let step = json!({ "id": "a", "uses": "postgres.status", "with": with });
        validator.is_valid(&json!({ "name": "x", "version": "1.0", "steps": [step] }))
    };
    assert!(fits(json!({ "cluster": "orders" })));
    assert!(fits(json!({ "cluster": "{{inputs.cluster}}" })));
    assert!(fits(json!({ "cluster": { "expr": "inputs.cluster" } })));
    assert!(!fits(json!({})));
    assert!(!fits(json!({ "cluster": "orders", "clutser": "x" })));
    assert!(!fits(json!({ "cluster": ["x"] })));
}
