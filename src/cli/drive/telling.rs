//! Telling others of a run while this process drives it: beside it, on a thread and a connection of its own. Where nobody is
//! configured there is no thread and nothing is opened.

use super::Drive;
use crate::cli::text::{Ink, Line};
use crate::cli::verbs::outbox::{deliverer, waiting};
use crate::config::NotifyKind;
use crate::engine::deliver::Delivering;

impl Drive<'_> {
    /// Begins to tell others, where somebody is configured; once.
    pub(super) fn tell_others(&mut self) {
        if self.rehearsal || self.setup.config.notify.is_empty() || self.telling.is_some() {
            return;
        }
        let deliverer = deliverer(self.setup, self.inventory.secrets.clone());
        match deliverer.start() {
            Ok(delivering) => self.telling = Some(delivering),
            // The run matters more: what is not told now is told later.
            Err(error) => tracing::warn!(%error, "nobody is told while this run is driven"),
        }
    }

    /// Tells what is due by now, and says what is left.
    pub(super) fn end_telling(&mut self) {
        let Some(delivering): Option<Delivering> = self.telling.take() else { return };
        delivering.end();
        let (mut late, dead) = waiting(self.setup);
        // Where the time went is nothing that a person waits for.
        let is_of_traces = |name: &String| {
            let mut of_it = self.setup.config.notify.iter().filter(|notify| &notify.name == name);
            of_it.any(|notify| notify.kind == NotifyKind::Traces)
        };
        late.retain(|name| !is_of_traces(name));
        let command = |text: &str| self.setup.paste.command(text);
        let mut lines = Vec::new();
        if !late.is_empty() {
            let text = format!(
                "not everybody could be told yet ({}); what is left goes with the next run, or: {}",
                late.join(", "),
                command("outbox flush")
            );
            lines.push(Line::new().with(Ink::Dim, text));
        }
        if !dead.is_empty() {
            let text =
                format!("what {} did not take in time was given up: {}", dead.join(", "), command("outbox list"));
            lines.push(Line::new().with(Ink::Warn, text));
        }
        self.setup.screen.say(&lines);
    }
}
