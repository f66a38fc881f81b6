//! What is sent and what comes back, as JSON Schema. What comes back may get more names with time; what is sent has no others.

use serde_json::{Map, Value, json};

/// All of them, by name.
pub fn all() -> Value {
    let mut all = Map::new();
    for group in
        [basic(), sent(), asked_of_a_run(), said_of_incidents(), told(), told_of_runs(), told_of_incidents(), kept()]
    {
        if let Value::Object(group) = group {
            all.extend(group);
        }
    }
    Value::Object(all)
}

/// A text with a character that can be seen.
pub const SEEN: &str = "[^\\s\\u0000-\\u001f\\u007f-\\u009f]";

fn of(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(of_what: Value) -> Value {
    json!({ "type": "array", "items": of_what })
}

/// What is sent: these names, of which some have to be there.
fn exactly(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// The same, which needs a reason where something is true.
fn with_reason_if(name: &str, mut schema: Value) -> Value {
    schema["if"] = json!({ "required": [name], "properties": { name: { "const": true } } });
    schema["then"] = json!({ "required": ["reason"], "properties": { "reason": of("Why") } });
    schema
}

/// What comes back: all of these names are there, and others may be.
fn with(properties: Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": names, "properties": properties })
}

fn basic() -> Value {
    let or_null = |kind: &str| json!({ "type": [kind, "null"] });
    json!({
        "RunId": { "type": "string", "pattern": "^[a-z0-9-]{1,64}$" },
        "IncidentId": { "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" },
        "Line": {
            "type": "string", "maxLength": 1000,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        },
        "Severity": { "enum": ["P0", "P1", "P2", "P3"] },
        "Name": { "type": "string", "pattern": "^[a-z][a-z0-9_-]*$", "maxLength": 64 },
        "TokenName": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$" },
        "Key": { "type": "string", "pattern": "^[!-~][ -~]*$", "minLength": 1, "maxLength": 255 },
        "Task": {
            "type": "string", "maxLength": 500,
            "pattern": "^[a-z][a-z0-9_]{0,63}(/[a-z][a-z0-9_]{0,63})*(@[A-Za-z0-9._:-]{1,64})?(/undo(/[0-9]{1,9})?)?$",
        },
        "Digest": { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" },
        "Reason": { "type": "string" },
        "Why": { "type": "string", "pattern": SEEN },
        "Time": { "type": "string", "format": "date-time" },
        "Problem": {
            "type": "object", "required": ["type", "status", "title", "exit"],
            "properties": {
                "type": { "type": "string" }, "status": { "type": "integer" }, "title": { "type": "string" },
                "detail": or_null("string"), "next": list(json!({ "type": "string" })),
                "exit": { "type": "integer", "description": "What the command line exits with for the same." },
                "retry_after": or_null("integer"),
                "needs": {
                    "description": "What the run needs that was not begun for that.",
                    "type": "object", "required": ["confirm", "overrides"],
                    "properties": { "confirm": { "type": "boolean" }, "overrides": list(json!({ "type": "string" })) },
                },
                "locked": {
                    "description": "The lock that the run did not get, and who holds it.",
                    "type": "object", "required": ["resource", "run"],
                    "properties": { "resource": { "type": "string" }, "run": of("RunId") },
                },
            },
        },
    })
}

fn sent() -> Value {
    let text = json!({ "type": ["string", "null"] });
    json!({
        "Asking": exactly(&["playbook"], json!({
            "playbook": of("Name"), "version": text, "inputs": { "type": "object" },
            "incident": { "type": ["string", "null"], "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" },
            "limit": text, "dry_run": { "type": "boolean" }, "confirm": text,
            "overrides": list(exactly(&["brake", "reason"], json!({ "brake": { "type": "string" }, "reason": of("Why") }))),
            "approved": list(json!({ "type": "string" })),
            "idempotency_key": { "anyOf": [of("Key"), { "type": "null" }] },
            "file": { "type": "boolean", "description": "With `dry_run`: the plan also as the text of a file." },
            "plan": { "type": ["string", "null"], "description": "Such a text: the run is held to it." },
            "looked_at": { "type": ["string", "null"], "description": "The same, of which it is only held that nothing differs." },
            "max_plan_age_seconds": {
                "type": ["number", "null"], "exclusiveMinimum": 0,
                "description": "How old a plan may be: the one in `plan`, else the one that is wanted as a `file`.",
            },
            "over": { "anyOf": [{ "type": "null" }, exactly(&["run", "mode", "reason"], json!({
                "run": of("RunId"), "mode": { "enum": ["take_over", "continue"] }, "reason": of("Why"),
            }))] },
            "again": { "anyOf": [{ "type": "null" }, exactly(&["run", "which"], json!({
                "run": of("RunId"), "which": { "enum": ["failed", "remaining"] },
            }))] },
            "break_glass": { "anyOf": [{ "type": "null" }, of("Why")] },
            "forks": { "type": ["integer", "null"], "minimum": 1, "maximum": 1000 },
        })),
        "Delivery": { "type": "object", "description": "Whatever its source sends; docs/triggers.md." },
        "Plainly": exactly(&[], json!({ "reason": of("Reason") })),
        "Pausing": exactly(&[], json!({ "reason": of("Reason"), "finish_items": { "type": "boolean" } })),
        "Resuming": with_reason_if("take_over", exactly(&[], json!({
            "reason": of("Reason"), "take_over": { "type": "boolean" },
        }))),
        "PuttingBack": exactly(&[], json!({ "target": text, "run": { "anyOf": [of("RunId"), { "type": "null" }] },
            "incident": { "anyOf": [of("IncidentId"), { "type": "null" }] },
        })),
        "Making": exactly(&["name", "digest", "roles", "seconds"], json!({
            "name": of("TokenName"), "digest": of("Digest"),
            "seconds": { "type": "number", "minimum": 1, "maximum": 31_622_400 },
            "roles": {
                "type": "array", "minItems": 1, "maxItems": 5,
                "items": { "enum": ["viewer", "operator", "approver", "trigger", "admin"] },
            },
        })),
    })
}

fn asked_of_a_run() -> Value {
    let flag = json!({ "type": "boolean" });
    json!({
        "Approving": with_reason_if("break_glass", exactly(&["task", "subject"], json!({
            "task": of("Task"), "subject": of("Digest"), "break_glass": flag, "reason": of("Reason"),
        }))),
        "Rejecting": exactly(&["task", "reason"], json!({ "task": of("Task"), "reason": of("Why") })),
        "Resolving": exactly(&["task", "answer", "reason"], json!({
            "task": of("Task"), "reason": of("Why"),
            "answer": { "enum": ["took_effect", "did_not", "retry", "undo", "abandon", "go_on"] },
        })),
        "Skipping": exactly(&["task", "how", "reason"], json!({
            "task": of("Task"), "how": { "enum": ["done_by_hand", "not_needed"] }, "outputs": { "type": "object" },
            "reason": of("Why"),
        })),
        "RollingBack": with_reason_if("despite_halt", exactly(&[], json!({
            "to": { "type": ["string", "null"] }, "despite_halt": flag, "reason": of("Reason"),
        }))),
    })
}

fn said_of_incidents() -> Value {
    let level = json!({ "enum": ["high", "medium", "low", null] });
    json!({
        "Opened": exactly(&["title"], json!({
            "title": of("Line"), "severity": { "enum": ["P0", "P1", "P2", "P3", null] }, "impact": level, "urgency": level,
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "services": list(json!({ "type": "string" })), "owner": { "type": ["string", "null"] },
            "why": { "type": ["string", "null"], "description": "How `severity` was found." },
        })),
        "Noted": exactly(&["text"], json!({ "text": of("Why") })),
        "Assigned": exactly(&["owner"], json!({
            "owner": { "anyOf": [of("Line"), { "type": "null" }], "description": "null takes it from whoever has it." },
            "reason": of("Reason"),
        })),
        "Classified": exactly(&["severity"], json!({ "severity": of("Severity"), "reason": of("Reason") })),
    })
}

fn told_of_incidents() -> Value {
    let text = json!({ "type": "string" });
    let or_null = json!({ "type": ["string", "null"] });
    let brief = json!({
        "incident": of("IncidentId"), "title": text, "severity": of("Severity"),
        "state": { "enum": ["open", "resolved", "closed"] }, "since": of("Time"), "opened": of("Time"),
        "updated": of("Time"), "owner": or_null, "records": { "type": "integer" }, "head": of("Digest"),
    });
    let mut whole = brief.clone();
    whole["runs"] = list(with(json!({ "run": of("RunId"), "playbook": text, "state": text })));
    whole["services"] = list(text.clone());
    whole["labels"] = json!({ "type": "object" });
    json!({
        "Incidents": with(json!({ "incidents": list(with(brief)), "next": or_null })),
        "IncidentRecords": with(json!({
            "incident": of("IncidentId"), "next": { "type": ["integer", "null"] },
            "records": list(with(json!({
                "seq": { "type": "integer" }, "actor": text, "previous": of("Digest"), "hash": of("Digest"),
                "event": { "type": "object" },
            }))),
        })),
        "Incident": with(whole),
        "IncidentTimeline": with(json!({
            "incident": of("IncidentId"),
            "next": { "type": ["integer", "null"], "description": "What `after` has to be for the next page." },
            "entries": list(with(json!({
                "of": { "enum": ["incident", "run", "delivery"] }, "run": or_null, "time": of("Time"), "actor": text,
                "kind": text, "text": text,
            }))),
        })),
    })
}

fn told() -> Value {
    let text = json!({ "type": "string" });
    let or_null = json!({ "type": ["string", "null"] });
    json!({
        "Lives": with(json!({ "status": { "const": "lives" } })),
        "Ready": with(json!({ "status": { "const": "ready" }, "halted": { "type": "boolean" } })),
        "Interface": with(json!({ "openapi": text, "info": { "type": "object" }, "paths": { "type": "object" } })),
        "Playbooks": with(json!({ "playbooks": list(with(json!({
            "playbook": text, "version": text, "title": text, "usable": { "type": "boolean" },
        }))) })),
        "Playbook": with(json!({
            "playbook": text, "version": text, "title": text, "description": text, "owner": or_null, "digest": of("Digest"),
            "inputs": list(with(json!({ "name": text, "type": text, "required": { "type": "boolean" } }))),
            "steps": list(with(json!({ "id": text, "title": text, "action": text, "effect": text }))),
        })),
        "Locks": with(json!({ "locks": list(with(json!({
            "resource": text, "run": of("RunId"), "playbook": text, "incident": or_null, "since": of("Time"),
        }))) })),
        "Halted": with(json!({ "halted": { "anyOf": [{ "type": "null" }, of("Halt")] } })),
        "Halt": with(json!({ "number": { "type": "integer" }, "by": text, "reason": text, "since": of("Time") })),
        "Begun": with(json!({
            "run": of("RunId"), "playbook": text, "version": text,
            "new": { "type": "boolean", "description": "Whether it began by this request." },
        })),
        "Received": with(json!({ "number": { "type": "integer" }, "new": { "type": "boolean" } })),
        "Taken": with(json!({ "run": of("RunId"), "by": text, "became": { "enum": ["taken_up", "driven_on"] } })),
    })
}

fn told_of_runs() -> Value {
    let text = json!({ "type": "string" });
    let or_null = json!({ "type": ["string", "null"] });
    let number = json!({ "type": "integer" });
    let state = json!({
        "enum": ["running", "waiting", "stopped", "interrupted", "stuck", "ended", "damaged"],
    });
    let next = json!({ "type": ["integer", "null"], "description": "What `after` has to be for the next page." });
    json!({
        "Runs": with(json!({
            "runs": list(with(json!({
                "run": of("RunId"), "playbook": text, "version": text, "state": state, "verdict": or_null,
                "waiting": or_null, "started": of("Time"), "updated": of("Time"), "damaged": { "type": "boolean" },
                "stopped": { "type": "boolean" }, "lease": of("Lease"),
            }))),
            "next": or_null,
        })),
        "Run": with(json!({
            "run": of("RunId"), "playbook": text, "version": text, "title": text, "digest": of("Digest"), "state": state,
            "verdict": or_null, "summary": or_null, "incident": or_null, "environment": text, "started": of("Time"),
            "ended": or_null, "records": number, "rolling_back": { "type": "boolean" },
            "halted": { "type": "boolean" }, "locks": list(text.clone()), "exceptions": list(text.clone()),
            "steps": list(with(json!({ "id": text, "title": text, "state": text, "attempts": number }))),
            "question": { "type": ["object", "null"] },
        })),
        "Plan": with(json!({
            "run": or_null, "playbook": text, "version": text, "environment": text, "inputs": { "type": "object" },
            "targets": list(text.clone()), "locks": list(text.clone()), "digest": of("Digest"),
            "facts_digest": of("Digest"), "steps": list(with(json!({ "id": text, "action": text }))),
        })),
        "Records": with(json!({
            "run": of("RunId"), "next": next,
            "records": list(with(json!({
                "seq": number, "time": number, "epoch": number, "actor": text, "previous": of("Digest"),
                "hash": of("Digest"), "event": with(json!({ "event": text })),
            }))),
        })),
        "Timeline": with(json!({
            "run": of("RunId"), "next": next,
            "entries": list(with(json!({
                "seq": number, "time": of("Time"), "actor": text, "step": or_null, "kind": text, "text": text,
                "detail": {},
            }))),
        })),
    })
}

fn kept() -> Value {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer" });
    let or_null = json!({ "type": ["string", "null"] });
    json!({
        "Lease": with(json!({
            "epoch": number, "held": { "type": "boolean" }, "user": text, "host": text, "pid": number,
            "serves": { "type": "boolean" }, "idle_seconds": { "type": ["number", "null"] },
        })),
        "Leased": with(json!({
            "run": of("RunId"), "lease": of("Lease"), "alerts": { "type": ["object", "null"] },
            "requests": list(with(json!({
                "id": number, "request": {}, "by": text, "reason": text, "at": of("Time"),
            }))),
        })),
        "Retries": with(json!({ "run": of("RunId"), "retried_by": list(of("RunId")) })),
        "Outbox": with(json!({
            "targets": list(with(json!({ "target": text, "since": number, "whole": number }))),
            "untold": list(with(json!({ "target": text, "subject": text, "head": number, "cursor": { "type": "object" } }))),
        })),
        "PutBack": with(json!({ "put_back": number })),
        "Deliveries": with(json!({
            "deliveries": list(with(json!({ "number": number, "target": text, "kind": text, "from": number, "to": number }))),
        })),
        "Tokens": with(json!({ "tokens": list(with(json!({
            "number": number, "name": text, "roles": list(text.clone()), "by": text, "at": of("Time"),
            "expires": of("Time"), "used": or_null, "revoked": { "type": ["object", "null"] },
        }))) })),
        "Made": with(json!({ "name": text, "expires": of("Time") })),
        "Revoked": with(json!({ "revoked": text })),
    })
}
