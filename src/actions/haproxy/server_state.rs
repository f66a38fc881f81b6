//! `haproxy.server_state`: whether a server of a backend takes connections.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::{HaproxyError, Server, proxy, safe, servers, socket, whose};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::Proxy;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Change, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, unknown};

/// `haproxy.server_state`.
#[derive(Debug, Clone, Copy)]
pub struct ServerState;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "haproxy.server_state",
    summary: "Tells HAProxy whether a server of a backend takes connections.",
    details: "`ready` takes connections, `drain` takes no new ones and keeps those that there are, `maint` takes none and \
        is not checked. It goes over the runtime socket (which needs `level admin`), is read back, and for `ready` waits \
        until the server's health check, if it has one, says up.\n\nWhile no server of a backend is ready, HAProxy closes \
        new connections at once: clients see a refusal and have to try again, unless the frontend makes them wait (docs/\
        db-failover.md says how). They are not held by `set maxconn frontend … 0`: HAProxy releases before the fix of its \
        issue 2726, Debian 12's 2.6 among them, crash when they let them go.\n\nBefore anything is told, the \
        server's address in HAProxy has to be the one that the inventory gives for it: that of the database's member whose \
        server it is (`proxy_address` where the proxy reaches it by another one), or the proxy's own `servers:`. One that \
        nobody names is held to the address that it had when the plan was made.\n\nThe state lives in the running process: after a restart of HAProxy its file decides again.",
    inputs: vec![
        FieldSpec::required("proxy", Type::Reference("proxy".into()), "the proxy's name in the inventory"),
        FieldSpec::required("server", Type::Identifier, "the server's name in the proxy's backend"),
        FieldSpec::required("state", state_type(), "what it is told"),
        FieldSpec::optional("shutdown_sessions", Type::Boolean, "also end the sessions that it has").or(json!(false)),
    ],
    outputs: vec![
        FieldSpec::required("server", Type::Identifier, "the server"),
        FieldSpec::required("state", state_type(), "its state now"),
        FieldSpec::required("previous", state_type(), "its state before"),
    ],
    facts: vec![
        FieldSpec::required("state", state_type(), "what the server was told"),
        FieldSpec::required("operational", Type::String, "what it is: up, down, starting, stopping").volatile(),
        FieldSpec::optional("check", Type::String, "what its health check says, such as L4OK").volatile(),
        FieldSpec::required("sessions", Type::Integer, "its sessions now").volatile(),
        FieldSpec::required("servers", Type::Any, "the state of every server of the backend, by name"),
        FieldSpec::required("ready", Type::List(Box::new(Type::String)), "the servers that take connections"),
        FieldSpec::optional("address", Type::String, "where HAProxy sends the server's connections").identity(),
    ],
    effect: Effect::Idempotent,
    fidelity: Fidelity::Probed,
    proves: "The socket answers, backend and server exist, and their states are read; whether the server would pass its \
        health check once it is ready is not known before.",
    undo: UndoSpec::Restores { how: "It tells the server the state that it had before.", from_observation: true },
    resource: Some("proxy/{proxy}"),
    settle_seconds: 0.0,
    timeout_seconds: 20.0,
    open_inputs: false,
});

fn state_type() -> Type {
    Type::Choice(["ready", "drain", "maint"].map(String::from).to_vec())
}

fn text<'a>(values: &'a Value, name: &str) -> Result<&'a str, HaproxyError> {
    values
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| HaproxyError::Invalid(format!("`{name}` is not known or no text")))
}

impl From<HaproxyError> for ActionError {
    fn from(error: HaproxyError) -> Self {
        match error {
            HaproxyError::Invalid(text) => ActionError::Invalid(text),
            HaproxyError::Unreachable(text) | HaproxyError::Lost(text) => ActionError::Unreachable(text),
        }
    }
}

impl From<HaproxyError> for Report {
    fn from(error: HaproxyError) -> Self {
        match error {
            HaproxyError::Invalid(text) | HaproxyError::Unreachable(text) => Report::no_effect(text),
            HaproxyError::Lost(text) => Report::unknown(text),
        }
    }
}

async fn find(context: &Context, proxy: &Proxy, server: &str) -> Result<Server, HaproxyError> {
    let all = servers(context, proxy).await?;
    all.get(server).cloned().ok_or_else(|| {
        let known: Vec<&str> = all.keys().map(String::as_str).collect();
        let backend = &proxy.backend;
        HaproxyError::Invalid(format!(
            "HAProxy's backend {backend} has no server `{server}`; it has {}",
            known.join(", ")
        ))
    })
}

#[async_trait]
impl Action for ServerState {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &crate::inventory::Inventory, arguments: &Value) -> Vec<String> {
        crate::actions::by_hand::server_state(inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Ok(name) = text(arguments, "proxy") else {
            return Ok(Prediction::unknown("which proxy is not known yet"));
        };
        let proxy = proxy(&context.inventory, name)?;
        let all = servers(context, proxy).await?;
        let states: serde_json::Map<_, _> = all.iter().map(|(name, s)| (name.clone(), json!(s.state))).collect();
        let ready: Vec<&String> = all.iter().filter(|(_, s)| s.state == "ready").map(|(name, _)| name).collect();
        let mut prediction = Prediction::probed(json!({ "servers": states, "ready": ready }));
        let Ok(server) = text(arguments, "server") else {
            prediction.notes.push("which server is not known yet".to_owned());
            return Ok(prediction);
        };
        let found = find(context, proxy, safe("server", server)?).await?;
        let wanted = text(arguments, "state").ok();
        prediction.facts = json!({
            "state": found.state, "operational": found.operational, "check": found.check, "sessions": found.sessions,
            "servers": states, "ready": ready, "address": whose::place(&found),
        });
        prediction.refusals.extend(whose::hold(&context.inventory, name, server, &found).await.err());
        let state = wanted.map_or_else(|| unknown("its argument is not known yet"), |state| json!(state));
        prediction.outputs = json!({ "server": server, "state": state, "previous": found.state });
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found.state) {
            prediction.changes.push(Change {
                what: format!("server {}/{server}", proxy.backend),
                before: Some(found.state.to_owned()),
                after: Some(wanted.to_owned()),
            });
            if wanted != "ready" && ready.len() == 1 && ready.iter().any(|name| *name == server) {
                prediction.notes.push(format!(
                    "{server} is the only ready server: the backend takes no new connections from then on"
                ));
            }
        }
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let wanted = text(&call.arguments, "state").map(str::to_owned);
        let end_sessions = call.arguments.get("shutdown_sessions").and_then(Value::as_bool).unwrap_or(false);
        match wanted {
            Ok(wanted) => match set(context, call, &wanted, wanted == "ready", end_sessions).await {
                Ok(report) => report,
                Err(error) => error.into(),
            },
            Err(error) => error.into(),
        }
    }

    async fn probe(&self, context: &Context, call: &Call) -> Finding {
        let look = async {
            let proxy = proxy(&context.inventory, text(&call.arguments, "proxy")?)?;
            let server = safe("server", text(&call.arguments, "server")?)?;
            Ok::<_, HaproxyError>((find(context, proxy, server).await?, text(&call.arguments, "state")?))
        };
        match look.await {
            Ok((found, wanted)) if found.state == wanted => Finding::TookEffect {
                evidence: format!("the server is in state {}", found.state),
                outputs: json!({ "server": call.arguments["server"], "state": found.state, "previous": call.before["state"] }),
            },
            Ok((found, _)) => Finding::DidNot { evidence: format!("the server is in state {}", found.state) },
            Err(error) => Finding::CannotTell { evidence: error.to_string() },
        }
    }

    async fn undo(&self, context: &Context, call: &Call) -> Report {
        let Ok(before) = text(&call.before, "state").map(str::to_owned) else {
            return Report::failed(
                "the server's state before is not recorded: look at it (`show servers state` on HAProxy's socket) and set it by hand",
            );
        };
        // A server that was down when the run began is not waited for.
        let wait = before == "ready" && call.before.get("operational").and_then(Value::as_str) == Some("up");
        match set(context, call, &before, wait, false).await {
            Ok(report) => report,
            Err(error) => Report::failed(error.to_string()),
        }
    }
}

async fn set(
    context: &Context,
    call: &Call,
    wanted: &str,
    wait_for_check: bool,
    end_sessions: bool,
) -> Result<Report, HaproxyError> {
    let deadline = Instant::now() + call.timeout;
    let proxy = proxy(&context.inventory, text(&call.arguments, "proxy")?)?;
    let server = safe("server", text(&call.arguments, "server")?)?;
    let (backend, wanted) = (safe("backend", &proxy.backend)?, safe("state", wanted)?);
    let found = find(context, proxy, server).await?;
    whose::hold(&context.inventory, text(&call.arguments, "proxy")?, server, &found)
        .await
        .map_err(HaproxyError::Invalid)?;
    whose::hold_to_before(server, &found, &call.before).map_err(HaproxyError::Invalid)?;
    let previous = found.state;
    if previous != wanted {
        let line = format!("set server {backend}/{server} state {wanted}");
        let answer = socket::tell(context, proxy, &line, &format!("{}-state", call.attempt)).await?;
        if !answer.trim().is_empty() {
            return Ok(Report::failed(format!("HAProxy answers to `{line}`: {}", answer.trim())));
        }
    }
    if end_sessions {
        let line = format!("shutdown sessions server {backend}/{server}");
        let answer = socket::tell(context, proxy, &line, &format!("{}-sessions", call.attempt)).await?;
        if !answer.trim().is_empty() {
            return Ok(Report::failed(format!("HAProxy answers to `{line}`: {}", answer.trim())));
        }
    }
    let outputs = json!({ "server": server, "state": wanted, "previous": previous });
    loop {
        let now = find(context, proxy, server).await?;
        if now.state == wanted && (!wait_for_check || now.operational == "up") {
            let sessions = if wanted == "ready" { String::new() } else { format!(", {} sessions left", now.sessions) };
            return Ok(Report::done(format!("{backend}/{server} is {wanted} (was {previous}){sessions}"), outputs));
        }
        if Instant::now() >= deadline {
            let check = now.check.map(|check| format!(", its check says {check}")).unwrap_or_default();
            return Ok(Report::failed(format!(
                "{backend}/{server} was told {wanted}; it is {} and {}{check}: it takes no connections until its check \
                 passes; see that the server behind it answers",
                now.state, now.operational
            )));
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_carry_a_second_command() {
        for bad in ["", "pg1;disable server x/y", "pg1 state ready", "a/b", "pg1\n", "pé"] {
            assert!(safe("server", bad).is_err(), "{bad:?}");
        }
        assert_eq!(safe("server", "pg-1.eu_2"), Ok("pg-1.eu_2"));
    }
}
