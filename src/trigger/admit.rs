//! Whether a playbook lets itself be started like this. Who writes it says whether an alert or another machine may, how far that
//! goes, and which inputs it may fill; what the configuration gives by itself is its owner's word and needs no leave.

use super::error::TriggerError;
use super::routes::Wanted;
use crate::playbook::{Playbook, TriggeredMode};

/// Whether the playbook lets itself be started by this alert. Each input is still held to its type when it is bound.
///
/// # Errors
/// `NotAllowed` with what the playbook would have to say.
pub fn admit(book: &Playbook, wanted: &Wanted) -> Result<(), TriggerError> {
    let filled = wanted.from_alert.iter().map(String::as_str);
    admit_from(book, wanted.mode, filled, &format!("the route {}", wanted.route))
}

/// The same for whoever else is no person, and fills these inputs.
///
/// # Errors
/// As `admit`.
pub fn admit_from<'a>(
    book: &Playbook,
    mode: TriggeredMode,
    mut filled: impl Iterator<Item = &'a str>,
    who: &str,
) -> Result<(), TriggerError> {
    let name = &book.name;
    let Some(triggers) = &book.triggers else {
        let what = format!(
            "{name} does not say that an alert may start it, so people alone do; its owner allows it with \
             `triggers: {{ modes: [{}] }}` in the playbook",
            mode.word()
        );
        return Err(TriggerError::NotAllowed(what));
    };
    if !triggers.modes.contains(&mode) {
        let (mode, modes) = (mode.word(), triggers.modes_said());
        let what = format!("{who} wants {name} in the mode `{mode}`, and its `triggers` allow {modes}");
        return Err(TriggerError::NotAllowed(what));
    }
    if let Some(input) = filled.find(|input| !triggers.inputs.iter().any(|allowed| allowed == input)) {
        let allowed = match triggers.inputs.as_slice() {
            [] => "none may".to_owned(),
            inputs => format!("only {} may", inputs.join(", ")),
        };
        let what = format!("{who} fills the input `{input}` of {name} from outside, and by its `triggers` {allowed}");
        return Err(TriggerError::NotAllowed(what));
    }
    Ok(())
}
