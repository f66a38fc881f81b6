//! Calls a person about an alert: one that asks for a yes, or one for which nothing could be begun. It waits for nobody, and a call
//! that fails stops nothing: the incident has it all.

use super::Alerts;
use super::act::Came;
use crate::ids::IncidentId;
use crate::notify::{self, PageText};

impl Alerts {
    /// Calls whoever the configuration says.
    pub(super) fn call(&self, came: &Came, incident: Option<&IncidentId>, playbook: &str, question: &str) {
        let ways = notify::from_config(self.house.config());
        if ways.is_empty() {
            return;
        }
        let about = incident.map(|incident| format!("\nincident {incident}")).unwrap_or_default();
        let page = PageText {
            run: String::new(),
            playbook: playbook.to_owned(),
            step: String::new(),
            question: question.to_owned(),
            text: format!("{}\n{question}{about}", came.alert.title),
        };
        let call = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            for way in &ways {
                if let Err(error) = runtime.block_on(way.send(&page)) {
                    tracing::warn!(%error, "nobody could be called about an alert");
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("page".to_owned()).spawn(call) {
            tracing::warn!(%error, "nobody could be called about an alert");
        }
    }
}
