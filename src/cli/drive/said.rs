//! What is said of any run, whoever drives it: where it is kept, and how it stands at the end.

use crate::cli::args::Output;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::runs::Doing;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::end;
use crate::cli::view::run_json::Standing;
use crate::run::RunState;

/// The last screen, or the last object.
pub fn show(setup: &Setup, output: Output, state: &RunState, doing: Doing, exit: Exit) {
    let screen = &setup.screen;
    if output != Output::Human {
        let standing = Standing { state, doing, exit: exit.code(), folder: &setup.state, paste: &setup.paste };
        screen.json(&standing.json("end"));
        return;
    }
    screen.say(&[Line::new()]);
    screen.print_whole(&end::lines(state, doing, clock::now(), &setup.paste, screen.text_width()));
}

/// Where the runs are kept: every run says it.
pub fn say_state(setup: &Setup) {
    if let Ok(Some(client)) = setup.server() {
        let text = format!("state: that of the server at {}; the run lives there", client.address());
        setup.screen.say(&[Line::new().with(Ink::Dim, text)]);
        return;
    }
    setup.screen.say(&[Line::new().with(Ink::Dim, format!("state: {}", setup.state.display()))]);
    if setup.has_moved() {
        setup.screen.say(&[Line::new().with(Ink::Dim, format!("journal: {}", setup.journal_file.display()))]);
    }
}
