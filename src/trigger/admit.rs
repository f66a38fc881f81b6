//! Whether a playbook lets itself be started like this. Who writes it says whether an alert may, how far that goes, and which
//! inputs it may fill; what the configuration gives by itself is its owner's word and needs no leave.

use super::error::TriggerError;
use super::routes::Wanted;
use crate::playbook::Playbook;

/// Whether the playbook lets itself be started like this. Each input is still held to its type when it is bound.
///
/// # Errors
/// `NotAllowed` with what the playbook would have to say.
pub fn admit(book: &Playbook, wanted: &Wanted) -> Result<(), TriggerError> {
    let name = &book.name;
    let Some(triggers) = &book.triggers else {
        let what = format!(
            "{name} does not say that an alert may start it, so people alone do; its owner allows it with \
             `triggers: {{ modes: [{}] }}` in the playbook",
            wanted.mode.word()
        );
        return Err(TriggerError::NotAllowed(what));
    };
    if !triggers.modes.contains(&wanted.mode) {
        let (mode, modes) = (wanted.mode.word(), triggers.modes_said());
        let what =
            format!("the route {} wants {name} in the mode `{mode}`, and its `triggers` allow {modes}", wanted.route);
        return Err(TriggerError::NotAllowed(what));
    }
    if let Some(input) = wanted.from_alert.iter().find(|input| !triggers.inputs.contains(input)) {
        let allowed = match triggers.inputs.as_slice() {
            [] => "none may".to_owned(),
            inputs => format!("only {} may", inputs.join(", ")),
        };
        let what = format!(
            "the route {} fills the input `{input}` of {name} from the alert, and by its `triggers` {allowed}",
            wanted.route
        );
        return Err(TriggerError::NotAllowed(what));
    }
    Ok(())
}
