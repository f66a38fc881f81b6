//! `schema`: the JSON Schema of playbooks, for editors.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::playbook;

/// Prints the schema.
///
/// # Errors
/// Never, as the schema can be written; it has the form of all commands.
pub fn schema(setup: &Setup) -> Result<Exit, Failure> {
    let schema = playbook::schema(&setup.specs());
    let text = serde_json::to_string_pretty(&schema)
        .map_err(|error| Failure::new(Exit::Fault, format!("the schema cannot be written: {error}")))?;
    setup.screen.data(&format!("{text}\n"));
    Ok(Exit::Success)
}
