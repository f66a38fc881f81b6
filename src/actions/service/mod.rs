//! Services: a systemd unit or a process, looked at, reloaded, restarted, started, stopped. By the commands of the inventory
//! or by systemctl, and never by a signal to a process id, which may be another process's by then.

mod act;
mod reload;
mod restart;
mod start;
mod status;
mod stop;
mod target;
mod way_back;

use std::sync::Arc;

pub use reload::Reload;
pub use restart::Restart;
pub use start::Start;
pub use status::Status;
pub use stop::Stop;
pub use way_back::WayBack;

use super::Action;
use crate::spec::FieldSpec;
use crate::value::{Type, Value};

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Reload), Arc::new(Restart), Arc::new(Start), Arc::new(Status), Arc::new(Stop), Arc::new(WayBack)]
}

fn input() -> FieldSpec {
    FieldSpec::required("service", Type::Reference("service".into()), "the service's name in the inventory")
}

/// What is known of a service before it is acted on.
fn facts() -> Vec<FieldSpec> {
    vec![
        FieldSpec::optional("running", Type::Boolean, "whether it runs; null where nothing can tell"),
        FieldSpec::required(
            "healthy",
            Type::Boolean,
            "whether its health look holds; where it has none, whether it runs",
        ),
        FieldSpec::required("state", Type::String, "what it is, in words, such as active (running)"),
        FieldSpec::optional("pid", Type::Integer, "its main process").volatile(),
        FieldSpec::optional("started", Type::String, "when that began, in its system's own count").volatile(),
        FieldSpec::optional("restarts", Type::Integer, "how often systemd restarted it by itself").volatile(),
        FieldSpec::optional("machine", Type::String, "the machine id of the system that it runs on").identity(),
    ]
}

/// The outputs of what changes a service.
fn outputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::required("running", Type::Boolean, "whether it runs now"),
        FieldSpec::optional("pid", Type::Integer, "its main process").volatile(),
        FieldSpec::optional("previous_pid", Type::Integer, "its main process before").volatile(),
    ]
}

fn text<'a>(arguments: &'a Value, name: &str) -> Option<&'a str> {
    arguments.get(name).and_then(Value::as_str)
}
