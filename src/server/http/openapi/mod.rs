//! The document of the interface (OpenAPI 3.1), made from the table of routes: what is not in the table is not in it, and what
//! is in the table cannot be missing.

mod schemas;

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::route::{Access, Gives, Kind, Parameter, Route};
use super::table;

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(make);
    &DOCUMENT
}

fn make() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in table::routes() {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "playbook serve", "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs recovery playbooks, and tells what became of them. Errors are RFC 9457 problem documents.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `playbook token create`." },
            },
            "responses": {
                "Problem": {
                    "description": "What could not be done, what it means now, and what to do next.",
                    "content": { "application/problem+json": { "schema": reference("Problem") } },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "security": match route.access {
            Access::Open => json!([{}, { "token": [] }]),
            Access::Role(_) => json!([{ "token": [] }]),
            // Each source has a proof of its own, over what is sent.
            Access::Proof => json!([]),
        },
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Access::Role(role) = route.access {
        operation["x-role"] = json!(role.word());
    }
    if let Some(body) = route.body {
        operation["requestBody"] = json!({
            "required": true, "content": { "application/json": { "schema": reference(body) } },
        });
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let named = route.names().map(|name| {
        let schema = reference(match name {
            "run" => "RunId",
            "incident" => "IncidentId",
            "token" => "TokenName",
            _ => "Name",
        });
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let mut all: Vec<Value> = named.chain(route.query.iter().map(asked)).collect();
    if route.name == "begin_run" {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same asked again under the same key begins no second run, for at least 24 hours.",
            "schema": reference("Key"),
        }));
    }
    if matches!(route.gives, Gives::JsonOrEvents(_)) {
        all.push(json!({
            "name": "Last-Event-ID", "in": "header", "required": false,
            "description": "Of a stream: the number of the last record that was seen.",
            "schema": { "type": "integer", "minimum": 0, "maximum": i64::MAX },
        }));
    }
    all
}

fn asked(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Number(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Run => reference("RunId"),
        Kind::Text(most) => json!({ "type": "string", "minLength": 1, "maxLength": most, "pattern": schemas::SEEN }),
        Kind::Flag => json!({ "type": "boolean" }),
    };
    json!({
        "name": parameter.name, "in": "query", "required": parameter.required, "description": parameter.about,
        "schema": schema,
    })
}

fn responses(route: &Route) -> Value {
    let json_of = |name: &str| json!({ "application/json": { "schema": reference(name) } });
    let mut responses = Map::new();
    let mut well = |status: u16, content: Value| {
        responses.insert(status.to_string(), json!({ "description": route.summary, "content": content }));
    };
    match route.gives {
        Gives::Json(status, name) => well(status, json_of(name)),
        Gives::Text(kind) => well(200, json!({ kind: { "schema": { "type": "string" } } })),
        Gives::JsonOrEvents(name) => {
            let mut content = json_of(name);
            content["text/event-stream"] = json!({ "schema": { "type": "string" } });
            well(200, content);
            responses.insert("204".to_owned(), json!({ "description": "The run has ended, and all of it was seen." }));
        }
    }
    if route.name == "begin_run" {
        let either = json!({ "anyOf": [reference("Plan"), reference("Begun")] });
        let description = "The plan, with `dry_run`; or the run that began before under the same key.";
        let content = json!({ "application/json": { "schema": either } });
        responses.insert("200".to_owned(), json!({ "description": description, "content": content }));
    }
    let body: &[u16] = if route.body.is_some() { &[408, 413, 415, 422] } else { &[] };
    let all: &[u16] = &[400, 401, 403, 421, 429, 500, 503, 504];
    let mut refusals: Vec<u16> = all.iter().chain(body).chain(route.refuses).copied().collect();
    refusals.sort_unstable();
    refusals.dedup();
    for status in refusals {
        responses.insert(status.to_string(), json!({ "$ref": "#/components/responses/Problem" }));
    }
    Value::Object(responses)
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
