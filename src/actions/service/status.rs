//! `service.status`: whether a service runs and does its work, who else would serve in its place, and what the inventory
//! says of it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::act::{health_by_hand, line};
use super::target::{Seen, Target, Verb};
use super::{facts, input};
use crate::actions::{Action, ActionError, Call, Context, by_hand, haproxy};
use crate::inventory::Inventory;
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value, is_unknown};

/// `service.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

/// How soon a service that is waited for is looked at again.
const AGAIN: Duration = Duration::from_millis(300);

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| {
    let mut outputs = facts();
    // What would stand against a change does not stand against a look.
    outputs.iter_mut().for_each(|field| field.identity = false);
    outputs.extend([
        FieldSpec::required("seen", Type::String, "what the look at its health saw").volatile(),
        FieldSpec::optional("problem", Type::String, "who else manages it, or why systemd does not run it"),
        FieldSpec::required("can_reload", Type::Boolean, "whether it can read its files anew without an outage"),
        FieldSpec::optional("host", Type::Reference("host".into()), "the host that it runs on; null for this machine"),
        FieldSpec::optional("become", Type::Identifier, "the user that its commands become"),
        FieldSpec::optional("proxy", Type::Reference("proxy".into()), "the proxy in front of it"),
        FieldSpec::optional("server", Type::Identifier, "its name in that proxy"),
        FieldSpec::optional("server_state", Type::String, "what the proxy was told of it: ready, drain or maint"),
        FieldSpec::required(
            "others_ready",
            Type::List(Box::new(Type::String)),
            "the other servers there that take connections and pass their check",
        ),
        FieldSpec::optional("tls_certificate", Type::String, "the file of its certificate"),
        FieldSpec::optional("tls_key", Type::String, "the file of its private key"),
        FieldSpec::optional("tls_server_name", Type::String, "the name that clients ask for"),
        FieldSpec::optional("tls_ca_file", Type::String, "a file on the runner with the authorities that count"),
    ]);
    ActionSpec {
        name: "service.status",
        summary: "Looks whether a service runs and does its work.",
        details: "By its systemd unit (`systemctl show`), or the process of its pid file, or its own `status` command; then by \
            its `health` look. A service without one counts as healthy while it runs. With `within` it is looked at again until \
            it is healthy or that time is up: it is no failure if it is not, `healthy` says so.\n\nWhere the inventory names \
            its proxy, the servers beside it are looked at too: `others_ready` are those that would serve without it.",
        inputs: vec![
            input(),
            FieldSpec::optional("within", Type::Duration, "how long to wait for it to be healthy").or(json!(0)),
        ],
        outputs,
        facts: facts(),
        effect: Effect::Read,
        fidelity: Fidelity::Probed,
        proves: "What it is at the time of the plan.",
        undo: UndoSpec::Nothing,
        resource: None,
        settle_seconds: 0.0,
        timeout_seconds: 60.0,
        open_inputs: false,
    }
});

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        let name = by_hand::value(arguments, "service");
        let Ok(service) = inventory.service(&name) else { return by_hand::from_spec(&SPEC, arguments) };
        let target = Target { name, service: service.clone() };
        let on_host = |command: &str| by_hand::on_host(inventory, service.host.as_deref(), command);
        let first = match (&service.unit, &service.pid_file, &service.status) {
            (Some(unit), ..) => on_host(&format!("systemctl status -- {}", by_hand::word(unit))),
            (_, _, Some(argv)) => line(inventory, &target, argv),
            (_, Some(path), _) => {
                let file = by_hand::word(&path.display().to_string());
                on_host(&format!("ps -o pid,lstart,args --pid \"$(cat {file})\""))
            }
            _ => by_hand::comment("the inventory does not say how it is seen to run"),
        };
        std::iter::once(first).chain(health_by_hand(inventory, &target)).collect()
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        if arguments.get("service").is_none_or(is_unknown) {
            return Ok(Prediction::unknown("which service is not known yet"));
        }
        let target = Target::find(context, arguments)?;
        let seen = target.look(context).await?;
        let mut prediction = Prediction::probed(seen.facts());
        prediction.outputs = told(context, &target, &seen).await;
        prediction.notes.push(sentence(&target, &seen));
        prediction.notes.extend(seen.refusals.iter().chain(&seen.notes).cloned());
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let target = match Target::find(context, &call.arguments) {
            Ok(target) => target,
            Err(error) => return Report::no_effect(error.to_string()),
        };
        let within = call.arguments.get("within").and_then(Value::as_f64).unwrap_or_default();
        // The last look needs a little of the step's own time.
        let within = Duration::try_from_secs_f64(within.max(0.0)).unwrap_or_default();
        let deadline = Instant::now() + within.min(call.timeout.saturating_sub(Duration::from_secs(5)));
        loop {
            let looked = target.look(context).await;
            let over = Instant::now() + AGAIN >= deadline;
            match looked {
                Ok(seen) if seen.healthy || over => {
                    return Report::done(sentence(&target, &seen), told(context, &target, &seen).await);
                }
                Err(error) if over => return Report::failed(error.to_string()),
                Ok(_) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn probe(&self, _: &Context, _: &Call) -> Finding {
        Finding::DidNot { evidence: "it changes nothing".to_owned() }
    }
}

fn sentence(target: &Target, seen: &Seen) -> String {
    let health = if seen.healthy { "healthy" } else { "NOT HEALTHY" };
    format!("{} is {}, {health}: {}", target.place(), seen.state, seen.health)
}

async fn told(context: &Context, target: &Target, seen: &Seen) -> Value {
    let (service, mut outputs) = (&target.service, seen.facts());
    let tls = service.tls.as_ref();
    let path = |path: &std::path::Path| path.display().to_string();
    let server = service.proxy.as_ref().map(|_| service.server.clone().unwrap_or_else(|| target.name.clone()));
    let (server_state, others) = beside(context, target, server.as_deref()).await;
    let more = json!({
        "seen": seen.health, "problem": seen.refusals.first(),
        "can_reload": target.argv(Verb::Reload).is_some() && (service.unit.is_none() || seen.can_reload),
        "host": service.host, "become": service.become_user, "proxy": service.proxy, "server": server,
        "server_state": server_state, "others_ready": others,
        "tls_certificate": tls.map(|tls| path(&tls.certificate)),
        "tls_key": tls.map(|tls| path(tls.key.as_ref().unwrap_or(&tls.certificate))),
        "tls_server_name": tls.and_then(|tls| tls.server_name.clone()),
        "tls_ca_file": tls.and_then(|tls| tls.ca_file.as_deref()).map(path),
    });
    if let (Some(outputs), Value::Object(more)) = (outputs.as_object_mut(), more) {
        outputs.extend(more);
    }
    outputs
}

/// Its state in its proxy, and the servers beside it that serve. Of a proxy that does not answer nobody is said to.
async fn beside(context: &Context, target: &Target, server: Option<&str>) -> (Option<&'static str>, Vec<String>) {
    let proxy = target.service.proxy.as_ref().and_then(|name| context.inventory.proxies.get(name));
    let (Some(proxy), Some(server)) = (proxy, server) else { return (None, Vec::new()) };
    let Ok(servers) = haproxy::servers(&context.quiet(), proxy).await else { return (None, Vec::new()) };
    let serves = |one: &haproxy::Server| one.state == "ready" && one.operational == "up";
    let others = servers.iter().filter(|(name, one)| name.as_str() != server && serves(one));
    (servers.get(server).map(|one| one.state), others.map(|(name, _)| name.clone()).collect())
}
