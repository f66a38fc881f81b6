//! `diff`: what one playbook does differently from another, by meaning. It ends as diff(1) does: 0 the same, 1 different.

use serde_json::json;

use crate::cli::args::{Diff, Format};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::view;
use crate::playbook::differences;

/// Shows what differs.
///
/// # Errors
/// When one of the two cannot be read.
pub fn diff(setup: &Setup, args: &Diff) -> Result<Exit, Failure> {
    let from = setup.playbook(&args.from)?;
    let to = setup.playbook(&args.to)?;
    let list = differences(&from, &to);
    let exit = if list.is_empty() { Exit::Success } else { Exit::Failed };
    if args.output == Format::Json {
        let side = |book: &crate::playbook::Playbook| json!({ "playbook": book.name, "version": book.version, "digest": book.digest });
        setup.screen.json(&json!({
            "v": 1, "type": "diff", "exit": exit.code(), "from": side(&from), "to": side(&to), "differences": list,
        }));
        return Ok(exit);
    }
    setup.screen.print_whole(&view::diff::lines(&from, &to, &list, setup.screen.text_width()));
    Ok(exit)
}
