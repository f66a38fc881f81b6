//! What the tool says of itself to whoever looks for a fault in it: lines on standard error, when `PLAYBOOK_LOG` asks for
//! them (`PLAYBOOK_LOG=debug`, or a filter such as `playbook::engine=trace`). What happens in a run is never told here
//! alone: that is the timeline's.

use tracing_subscriber::EnvFilter;

/// The variable that asks for lines.
pub const VARIABLE: &str = "PLAYBOOK_LOG";

/// Writes lines of what goes wrong, where nobody asked for others: of a server, whose standard error is its log.
pub fn start_of_a_server() {
    let asked = std::env::var(VARIABLE).is_ok_and(|filter| !filter.is_empty());
    if !asked {
        let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("playbook=warn"));
        let _ = lines.with_writer(std::io::stderr).with_ansi(false).try_init();
    }
}

/// Starts writing lines, if they are asked for; says whether they are.
pub fn start() -> bool {
    let Some(filter) = std::env::var(VARIABLE).ok().filter(|filter| !filter.is_empty()) else { return false };
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(std::io::stderr);
    // Somebody who embeds us may have set another subscriber: theirs is as good.
    lines.with_ansi(false).try_init().is_ok()
}
