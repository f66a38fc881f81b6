//! How a run came out that this process drove: the last screen, what a person wants next, and what it means where it could not go on.

use std::io::BufRead as _;

use super::{Drive, show};
use crate::cli::args::Output;
use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Stranded};
use crate::cli::terminal;
use crate::cli::text::Line;
use crate::cli::view::end;
use crate::engine::{Ending, EndingKind, EngineError, Requested};
use crate::run::{RequestKind, StopKind};

impl Drive<'_> {
    /// Shows how a run came out; after a first Ctrl-C on a terminal it asks what comes next.
    pub(super) fn conclude(&mut self, result: Result<Ending, EngineError>) -> Result<Exit, Failure> {
        let mut result = result;
        loop {
            self.reporter.finish();
            let ending = result.map_err(|error| self.failure(error))?;
            let exit = Exit::of(&ending);
            if self.rehearsal && self.output == Output::Human {
                let (state, screen) = (&ending.state, &self.setup.screen);
                let lines = end::told(state, end::doing(&ending), clock::now(), &self.setup.paste, screen.text_width());
                screen.print_whole(&lines);
                return Ok(exit);
            }
            show(self.setup, self.output, &ending.state, end::doing(&ending), exit);
            let interrupted = matches!(ending.kind, EndingKind::Stopped(StopKind::Interrupted));
            if !interrupted || !self.setup.screen.asks || self.output != Output::Human {
                return Ok(exit);
            }
            let run = ending.state.run.clone();
            match self.ask("What next? [r]esume, [u]ndo and end, or leave it as it is [Enter]: ").as_str() {
                "r" | "resume" => {
                    self.again();
                    result = self.runtime.block_on(self.engine.resume(&run, "go on after Ctrl-C", false));
                }
                "u" | "undo" => {
                    self.again();
                    let asked = self.engine.request(&run, RequestKind::Cancel, "after Ctrl-C");
                    let asked = self.runtime.block_on(asked).map_err(|error| self.failure(error));
                    result = match asked? {
                        Requested::Driven(ending) => Ok(*ending),
                        Requested::TakenUp => return Ok(exit),
                    };
                }
                _ => return Ok(exit),
            }
        }
    }

    /// Why it could not go on, and what that means for the run that had begun, if one had.
    pub(super) fn failure(&self, error: EngineError) -> Failure {
        let failure = Failure::from(error);
        match self.seen.run() {
            Some(run) => failure.in_run(
                &run,
                Stranded {
                    left: &self.seen.left(),
                    journal: &self.setup.journal_file,
                    paste: &self.setup.paste,
                    actions: &self.setup.actions,
                    inventory: &self.inventory,
                },
            ),
            None => failure,
        }
    }

    /// The same run goes on: what was pressed before counts no more.
    fn again(&self) {
        self.interrupts.0.send_replace(0);
        self.reporter.resumed();
    }

    /// Asks on the terminal. Ctrl-C and the end of input answer with nothing.
    pub fn ask(&mut self, question: &str) -> String {
        self.reporter.pause();
        // A `y` that was typed while the targets were looked at is no answer to a plan that nobody had seen.
        terminal::forget_typed();
        self.setup.screen.prompt(question);
        let mut interrupts = self.interrupts.1.clone();
        interrupts.mark_unchanged();
        let answer = self.runtime.block_on(async {
            let read = tokio::task::spawn_blocking(|| {
                let mut line = String::new();
                let _ = std::io::stdin().lock().read_line(&mut line);
                line
            });
            tokio::select! {
                line = read => line.unwrap_or_default(),
                _ = interrupts.changed() => {
                    // What comes next begins on a line of its own, not behind an echoed `^C`.
                    self.setup.screen.warn(&[Line::new()]);
                    String::new()
                }
            }
        });
        answer.trim().to_lowercase()
    }
}
