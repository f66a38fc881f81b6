//! The `playbook` binary: nothing but the way into the library.

use std::process::ExitCode;

use playbook::actions::recorder;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == recorder::ARGUMENT) {
        return recorder::main(arguments);
    }
    ExitCode::SUCCESS
}
