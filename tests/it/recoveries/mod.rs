//! The shipped recoveries against real servers: one file a playbook. What they share is here.

mod any_cluster_k8s;
mod aws_credentials;
mod bgp;
mod cert_renew;
mod ec2_power;
mod file_write;
mod links;
mod links_cut_off;
mod nodes_k8s;
mod objects_k8s;
mod pgbouncer;
mod pooled;
mod readonly_standby;
mod restore;
mod rollback_k8s;
mod rollback_release;
mod rollout_k8s;
mod router;
mod router_armed;
mod scale_out_asg;
mod scale_out_ec2;
mod scale_out_k8s;
mod service_restart;
pub mod web;

use std::path::{Path, PathBuf};

/// A shipped playbook in which one step does its work and then fails its `verify`, in a folder: what comes next is the
/// undo of everything until then, that step included. Its version and name stay.
///
/// A step's own `verify` and `on_failure` are put away (each on one line, as the shipped playbooks have them).
pub fn failing_at(folder: &Path, playbook: &str, step: &str) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks").join(format!("{playbook}.yaml"));
    let text = std::fs::read_to_string(shipped).unwrap();
    let mut changed = String::new();
    let (mut inside, mut found) = (false, false);
    for line in text.lines() {
        if let Some(id) = line.trim_start().strip_prefix("- id: ") {
            inside = id.trim() == step;
            found |= inside;
        }
        let own = line.trim_start().starts_with("verify:") || line.trim_start().starts_with("on_failure:");
        if inside && own {
            continue;
        }
        changed.push_str(line);
        changed.push('\n');
        if inside && line.trim_start().starts_with("- id: ") {
            let indent = " ".repeat(line.len() - line.trim_start().len() + 2);
            changed.push_str(&format!("{indent}verify: [{{ expr: \"1 == 2\" }}]\n"));
        }
    }
    assert!(found, "{playbook} has no step {step}");
    let path = folder.join(format!("{playbook}.yaml"));
    std::fs::write(&path, changed).unwrap();
    path
}

#[test]
fn a_spoiled_playbook_is_still_a_playbook() {
    let folder = tempfile::tempdir().unwrap();
    for step in ["hold", "promote"] {
        let path = failing_at(folder.path(), "db-failover", step);
        let lint = std::process::Command::new(env!("CARGO_BIN_EXE_playbook")).arg("lint").arg(&path).output().unwrap();
        assert!(lint.status.success(), "{step}: {}", String::from_utf8_lossy(&lint.stdout));
    }
}
