//! What a new playbook begins with: commented, without a fault, and a dry-run of it needs no target.

const TEXT: &str = r#"# @NAME@: say here, in a line or two, what is broken when somebody needs this.
#
#   playbook lint @FILE@           every fault, without looking at any target
#   playbook run @FILE@ -C         a dry-run: what it would do, and how sure that is
#   playbook show --action NAME    what an action takes, gives, and how it is undone
name: @NAME@
version: 0.1.0
title: Say in one line what it recovers
description: |
  What happened when somebody needs this, and what is well again afterwards.
owner: your-team # who is called when it does not work
reviewed: @TODAY@ # when somebody last went through it, step by step
review_every: 90d # lint warns when that is longer ago
severity: [P1]
symptoms: [what people see when it is needed]
objective: { recovery_time: 10m }

# What it has to be told. Types: string, integer, number, boolean, duration, size, choice, list, ip, cidr, identifier, and
# host, database, proxy (names from the inventory).
inputs:
  service: { type: identifier, default: example, description: the service to recover }
  mode: { type: choice, options: [planned, unplanned], default: planned, description: whether it still answers }

# What nobody else may change meanwhile. Two runs with the same lock wait for each other.
locks: ["service/{{inputs.service}}"]

steps:
  # Look first. `effect: read` says that it changes nothing, so a dry-run may run it too. Values reach a script through its
  # environment only, never as a part of the line.
  - id: look
    name: How does the service stand
    run: |
      echo "looking at $SERVICE"
    env: { SERVICE: "{{inputs.service}}" }
    effect: read
    require:
      - "outputs.exit_code == 0"

  # For the same on several hosts: `for_each: "{{inputs.hosts}}"` with `{{item}}`; for things at once: `parallel: [steps]`.
  #
  # Then change. It says how often it may run (idempotent: twice is the same as once), how it is undone, and how one knows
  # that it worked. Add `host: NAME` to run it on a host of the inventory.
  - id: restart
    name: Restart the service
    if: "inputs.mode == 'planned'"
    run: |
      echo "restarting $SERVICE"
    env: { SERVICE: "{{inputs.service}}" }
    effect: idempotent
    timeout: 1m
    retry: { attempts: 2, delay: 2s }
    rollback: none
    because: a restart leaves nothing behind
    verify: [{ expr: "outputs.exit_code == 0" }]

  # A checkpoint is a safe state: a rollback can stop there.
  - id: check
    name: The service answers
    run: |
      echo "$SERVICE answers"
    env: { SERVICE: "{{inputs.service}}" }
    effect: read
    checkpoint: answers
    service: up
"#;

/// The text of a new playbook. `file` is how its author will name it on the command line.
pub fn skeleton(name: &str, file: &str, today: jiff::civil::Date) -> String {
    TEXT.replace("@NAME@", name).replace("@FILE@", file).replace("@TODAY@", &today.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::{format, load_as_of};
    use crate::spec::Specs;

    #[test]
    fn it_has_no_fault_and_is_formatted() {
        let today = jiff::civil::date(2026, 11, 22);
        let source = Source::new("x.yaml", skeleton("disk-full", "playbooks/disk-full.yaml", today));
        let loaded = load_as_of(&source, &Specs::of(Table::builtin().specs()), &|| today);
        let faults: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(format(&source).unwrap(), source.text);
    }
}
