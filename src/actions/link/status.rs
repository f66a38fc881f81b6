//! `link.status`: looks at both ways of a pair of links. It changes nothing.

use std::sync::LazyLock;

use async_trait::async_trait;
use serde_json::json;

use super::host::{Memory, Seen, remember, see};
use super::path::{How, Path, both_ways, end_to_end, rounded};
use super::{LinkError, link, needed_link, place};
use crate::actions::{Action, ActionError, Call, Context};
use crate::inventory::{Inventory, Link};
use crate::outcome::{Finding, Report};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Prediction, UndoSpec};
use crate::value::{Type, Value};

/// `link.status`.
#[derive(Debug, Clone, Copy)]
pub struct Status;

static SPEC: LazyLock<ActionSpec> = LazyLock::new(|| ActionSpec {
    name: "link.status",
    summary: "Looks at both ways of a pair of links: which one carries the traffic, and what passes over each.",
    details: "Each way is asked by pings that are bound to its device, from the host whose routes are switched and, where the \
        inventory names a `far` host, from there as well: a way that is dead in one direction is dead. A device that has a \
        carrier proves nothing. The largest packet that passes is looked for with the don't-fragment bit. Beside that, an \
        address in the destination is asked over whichever route is preferred (`end_to_end`).\n\nA probe address that has no \
        route over its own way says nothing of it; the step then says which route to add.",
    inputs: vec![
        FieldSpec::required("link", Type::Reference("link".into()), "the pair's name in the inventory"),
        FieldSpec::optional("packets", Type::Integer, "how many pings go to each address, five a second; 1 to 200")
            .or(json!(5)),
        FieldSpec::optional("sizes", Type::Boolean, "whether the largest packet that passes is looked for")
            .or(json!(true)),
    ],
    outputs: fields(),
    facts: fields(),
    effect: Effect::Read,
    fidelity: Fidelity::Probed,
    proves: "Everything: it is the same look.",
    undo: UndoSpec::Nothing,
    resource: None,
    settle_seconds: 0.0,
    timeout_seconds: 90.0,
    open_inputs: false,
});

fn fields() -> Vec<FieldSpec> {
    let percent = "how many percent of the pings over it got no answer, the worse of both directions";
    let trip = "the mean round trip over it, in milliseconds; null where nothing answers";
    let mtu = "the largest packet that passes, in bytes; null where it was not found";
    let alive = "whether it answers, in both directions";
    vec![
        FieldSpec::required("active", Type::String, "what carries the traffic: primary, backup, other, none"),
        FieldSpec::required("routes", Type::List(Box::new(Type::String)), "the routes, the preferred one first"),
        FieldSpec::optional("machine", Type::String, "the host's machine id").identity(),
        FieldSpec::required("primary_alive", Type::Boolean, alive),
        FieldSpec::required("backup_alive", Type::Boolean, alive),
        FieldSpec::required("primary_loss", Type::Number, percent).volatile(),
        FieldSpec::required("backup_loss", Type::Number, percent).volatile(),
        FieldSpec::optional("primary_round_trip", Type::Number, trip).volatile(),
        FieldSpec::optional("backup_round_trip", Type::Number, trip).volatile(),
        FieldSpec::optional("primary_mtu", Type::Integer, mtu).volatile(),
        FieldSpec::optional("backup_mtu", Type::Integer, mtu).volatile(),
        FieldSpec::optional("primary_carrier", Type::Boolean, "whether its device has a carrier, which proves nothing"),
        FieldSpec::optional("backup_carrier", Type::Boolean, "whether its device has a carrier, which proves nothing"),
        FieldSpec::optional("primary_problem", Type::String, "what is wrong with it, in words").volatile(),
        FieldSpec::optional("backup_problem", Type::String, "what is wrong with it, in words").volatile(),
        FieldSpec::required("end_to_end", Type::Boolean, "whether an address in the destination answers now"),
        FieldSpec::required("end_to_end_loss", Type::Number, "how many percent of those pings got no answer")
            .volatile(),
        FieldSpec::optional(
            "switched_ago",
            Type::Duration,
            "how long ago the last switch was; null since the start of the host",
        )
        .volatile(),
        FieldSpec::optional("armed", Type::String, "a timed revert that is armed on the host: whose").volatile(),
    ]
}

#[async_trait]
impl Action for Status {
    fn spec(&self) -> &ActionSpec {
        &SPEC
    }

    fn by_hand(&self, inventory: &Inventory, arguments: &Value) -> Vec<String> {
        super::by_hand::by_hand(self.spec(), inventory, arguments)
    }

    async fn plan(&self, context: &Context, arguments: &Value) -> Result<Prediction, ActionError> {
        let Some((name, link)) = link(&context.inventory, arguments)? else {
            return Ok(Prediction::unknown("which link is not known yet"));
        };
        // A plan wants to know whether it would do, not to the percent: who waits for it has an outage.
        let how = how(arguments)?;
        let outputs = look_at(context, name, link, How { packets: how.packets.min(4), ..how }).await?;
        let mut prediction = Prediction::probed(outputs.clone());
        prediction.outputs = outputs;
        Ok(prediction)
    }

    async fn run(&self, context: &Context, call: &Call) -> Report {
        let looked = async {
            let (name, link) = needed_link(&context.inventory, &call.arguments)?;
            Ok::<_, LinkError>((link, look_at(context, name, link, how(&call.arguments)?).await?))
        };
        match looked.await {
            Ok((link, outputs)) => Report::done(summary(link, &outputs), outputs),
            Err(error) => Report::failed(error.to_string()),
        }
    }

    async fn probe(&self, _context: &Context, _call: &Call) -> Finding {
        Finding::DidNot { evidence: "it only reads".to_owned() }
    }
}

fn how(arguments: &Value) -> Result<How, LinkError> {
    let packets = arguments.get("packets").and_then(Value::as_u64).unwrap_or(5);
    let packets = u32::try_from(packets).ok().filter(|packets| (1..=200).contains(packets));
    let packets = packets.ok_or_else(|| LinkError::Invalid("`packets` has to be from 1 to 200".to_owned()))?;
    Ok(How { packets, sizes: arguments.get("sizes").and_then(Value::as_bool).unwrap_or(true) })
}

async fn look_at(context: &Context, name: &str, link: &Link, how: How) -> Result<Value, LinkError> {
    let (seen, memory) = tokio::join!(see(context, link), remember(context, name, link));
    let (seen, memory) = (seen?, memory?);
    let far = link.far.as_ref();
    let (primary, backup, whole) = tokio::join!(
        both_ways(context, link, &link.primary, far.map(|far| (far, &far.primary)), how, seen.primary),
        both_ways(context, link, &link.backup, far.map(|far| (far, &far.backup)), how, seen.backup),
        end_to_end(context, link, how.packets),
    );
    Ok(outputs(&seen, &memory, &primary, &backup, &whole))
}

fn outputs(seen: &Seen, memory: &Memory, primary: &Path, backup: &Path, whole: &Path) -> Value {
    let mut all = json!({
        "active": seen.active.word(),
        "routes": super::route::in_words(&seen.routes),
        "machine": seen.machine,
        "end_to_end": whole.alive,
        "end_to_end_loss": rounded(whole.loss),
        "switched_ago": memory.last.as_ref().map(|(ago, _)| *ago as f64),
        "armed": memory.armed.as_ref().map(|(whose, ..)| whose),
    });
    for (way, path, device) in [("primary", primary, seen.primary), ("backup", backup, seen.backup)] {
        let fields = [
            ("alive", json!(path.alive)),
            ("loss", rounded(path.loss)),
            ("round_trip", path.round_trip.map_or(Value::Null, rounded)),
            ("mtu", json!(path.mtu)),
            ("carrier", json!(path.carrier.or(device.map(|device| device.up)))),
            ("problem", json!(path.problem)),
        ];
        for (field, value) in fields {
            if let Some(map) = all.as_object_mut() {
                map.insert(format!("{way}_{field}"), value);
            }
        }
    }
    all
}

fn summary(link: &Link, outputs: &Value) -> String {
    let text = |name: &str| outputs[name].as_str().unwrap_or_default().to_owned();
    let way = |way: &str| {
        if outputs[format!("{way}_alive")] == true {
            let number = |field: &str| outputs[format!("{way}_{field}")].as_f64().unwrap_or_default();
            format!("{way} answers in {} ms, {} % lost", number("round_trip"), number("loss"))
        } else {
            format!("{way} is dead ({})", text(&format!("{way}_problem")))
        }
    };
    let through = if outputs["end_to_end"] == true { "answers" } else { "DOES NOT ANSWER" };
    format!(
        "{} of {} goes over {}, and {through}; {}; {}",
        link.destination,
        place(link),
        text("active"),
        way("primary"),
        way("backup")
    )
}
