//! The playbooks: whether each passes lint, and what would stop the one that is named.

use std::path::PathBuf;
use std::sync::Arc;

use super::Look;
use crate::cli::args::Output;
use crate::cli::books::Chosen;
use crate::cli::failure::Failure;
use crate::cli::files::read;
use crate::cli::setup::Setup;
use crate::cli::verbs::ahead::without_people;
use crate::cli::verbs::lint::collect;
use crate::cli::verbs::plan::Looker;
use crate::cli::view;
use crate::diagnostic::Severity;
use crate::inventory::Inventory;

/// Lints every playbook of the catalog.
pub(super) fn looks(setup: &Setup) -> Vec<Look> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in setup.folders().iter().filter(|folder| folder.is_dir()) {
        if let Err(failure) = collect(folder, &mut files) {
            return vec![Look::finding("playbooks", failure.what)];
        }
    }
    let mut looks = Vec::new();
    for file in &files {
        let errors = match read(file, "playbook") {
            Err(failure) => vec![failure.what],
            Ok(source) => {
                let faults = setup.load(&source, None).diagnostics.into_iter();
                faults.filter(|fault| fault.severity == Severity::Error).map(|fault| fault.to_string()).collect()
            }
        };
        if let Some(first) = errors.first() {
            let more = if errors.len() > 1 { format!(" (and {} more)", errors.len() - 1) } else { String::new() };
            looks.push(
                Look::finding("playbook", format!("{first}{more}")).hint(format!("playbook lint {}", file.display())),
            );
        }
    }
    if files.is_empty() {
        let folders: Vec<String> = setup.folders().iter().map(|path| path.display().to_string()).collect();
        return vec![Look::remark("playbooks", format!("there are none in {}", folders.join(", ")))];
    }
    if looks.is_empty() {
        looks.push(Look::well("playbooks", format!("{} pass lint", files.len())));
    }
    looks
}

/// Plans a playbook: what does not hold now would stop it.
pub(super) fn plan(setup: &Setup, name: &str, chosen: Result<Chosen, Failure>, inventory: Arc<Inventory>) -> Vec<Look> {
    let plan = || {
        let chosen = chosen?;
        let looker = Looker::new(setup)?;
        // Its progress would stand between the findings.
        let mut drive = looker.drive(setup, inventory, Output::Json)?;
        let plan = drive.plan(chosen);
        drive.end();
        plan
    };
    let about = format!("run of {name}");
    match plan() {
        Err(failure) => {
            let first = failure.faults.first().map(ToString::to_string);
            vec![Look::finding(about, first.unwrap_or(failure.what))]
        }
        Ok(plan) => {
            // A question that nobody can answer stops a run in the middle, which is worse than before it.
            let nobody = without_people(setup, &plan.playbook).into_iter();
            let mut looks: Vec<Look> = nobody.map(|(what, mend)| Look::finding(&about, what).hint(mend)).collect();
            let violated = view::plan::sum(&plan).violated;
            if violated.is_empty() {
                looks.push(Look::well(about, "every requirement that can be decided now holds"));
                return looks;
            }
            looks.extend(violated.into_iter().map(|text| Look::finding(&about, text)));
            looks
        }
    }
}
