//! The parse of one file and nothing else: text to document. What a check of it is held against.
//!
//! It must never look at what the document says.

#![allow(clippy::print_stderr, missing_docs)]

use std::process::ExitCode;

use playbook::diagnostic::Source;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("wanted: parse FILE");
        return ExitCode::from(64);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) => {
            eprintln!("{path}: {why}");
            return ExitCode::FAILURE;
        }
    };
    let source = Source::new(path, text);
    match playbook::document::parse(&source) {
        Ok(node) => {
            // Kept to the end of the process, as its taking apart is no part of a parse.
            std::mem::forget(node);
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}
