//! What bringing an old primary back does on its host: rewind its data folder where its log went another way, and make it a
//! standby. The scripts are fixed texts; every value reaches them through the environment.

use super::PostgresError;
use super::conninfo::{Conninfo, quoted};
use super::lsn::Lsn;
use super::member::{OnHost, as_owner, before_start};
use crate::actions::Context;
use crate::actions::command::{Ended, change};
use crate::inventory::Member;
use std::time::Duration;

// pg_rewind copies the new primary's configuration files over this server's own (its port among them) and forgets the
// options that it was started with, so these are put aside first, outside of the folder, and back afterwards; a second try must not put aside what the first one copied.
const REWIND: &str = r#"
set -eu
save="${PLAYBOOK_DATA%/}.playbook-conf"
files="postgresql.conf postgresql.auto.conf pg_hba.conf pg_ident.conf postmaster.opts"
if [ ! -d "$save" ]; then
  rm -rf "$save.new"; mkdir -m 700 "$save.new"
  for file in $files; do if [ -f "$PLAYBOOK_DATA/$file" ]; then cp -p "$PLAYBOOK_DATA/$file" "$save.new/$file"; fi; done
  mv "$save.new" "$save"
fi
rm -f "$PLAYBOOK_DATA/postmaster.pid"
"$PLAYBOOK_BIN/pg_rewind" --target-pgdata="$PLAYBOOK_DATA" --source-server="$PLAYBOOK_SOURCE"
for file in $files; do if [ -f "$save/$file" ]; then cp -p "$save/$file" "$PLAYBOOK_DATA/$file"; fi; done
rm -rf "$save"
"#;

// The file is replaced whole, so that a crash leaves the old one or the new one.
const STANDBY: &str = r#"
set -eu
cd "$PLAYBOOK_DATA"
touch postgresql.auto.conf
{ grep -v -E '^[[:space:]]*(primary_conninfo|primary_slot_name)[[:space:]]*=' postgresql.auto.conf || true
  printf '%s\n' "$PLAYBOOK_SETTINGS"; } > postgresql.auto.conf.playbook
chmod 600 postgresql.auto.conf.playbook
mv postgresql.auto.conf.playbook postgresql.auto.conf
: > standby.signal
sync standby.signal postgresql.auto.conf .
"#;

/// Where a timeline was left for the next one, as the new primary's history tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fork(pub(super) Lsn);

/// Reads a timeline history file for the point at which a timeline was left.
pub(super) fn fork(history: &str, timeline: i64) -> Option<Fork> {
    let lines = history.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines
        .filter(|words| words.first().and_then(|word| word.parse::<i64>().ok()) == Some(timeline))
        .find_map(|words| words.get(1)?.parse().ok().map(Fork))
}

/// Whether the old primary's log goes on where the new one's forked off, so that it has to be rewound.
pub(super) fn needs_rewind(seen: &OnHost, primary_timeline: i64, fork: Option<Fork>) -> bool {
    let clean = ["shut down", "shut down in recovery"].contains(&seen.state.as_str());
    if seen.timeline == primary_timeline {
        // It was a standby of this very timeline already; one that crashed as such only replays again.
        return !(clean || seen.standby);
    }
    // Its last record begins at its checkpoint: a fork behind that beginning is behind the record's end too.
    !(clean && fork.is_some_and(|fork| fork.0 > seen.checkpoint))
}

/// Rewinds a stopped server's data folder to the new primary.
pub(super) async fn rewind(
    context: &Context,
    member: &Member,
    key: &str,
    source: &Conninfo,
    limit: Duration,
) -> Result<Ended, PostgresError> {
    let password = source.get("password").map(str::to_owned).unwrap_or_default();
    let mut values = vec![("PLAYBOOK_SOURCE", source.clone().shown().to_string())];
    if !password.is_empty() {
        values.push(("PGPASSWORD", password));
    }
    change(context, &as_owner(member, REWIND, &values), key, limit, false).await.map_err(before_start)
}

/// Makes a stopped server start as a standby of the one that the connection string names.
pub(super) async fn make_standby(
    context: &Context,
    member: &Member,
    key: &str,
    conninfo: &Conninfo,
    limit: Duration,
) -> Result<Ended, PostgresError> {
    let mut settings = format!("primary_conninfo = {}", quoted(&conninfo.to_string()));
    if let Some(slot) = &member.slot {
        settings.push_str(&format!("\nprimary_slot_name = {}", quoted(slot)));
    }
    let values = [("PLAYBOOK_SETTINGS", settings)];
    change(context, &as_owner(member, STANDBY, &values), key, limit, false).await.map_err(before_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: &str, checkpoint: u64, timeline: i64, standby: bool) -> OnHost {
        OnHost {
            processes: vec![],
            system_identifier: "1".into(),
            state: state.into(),
            checkpoint: Lsn(checkpoint),
            timeline,
            standby,
        }
    }

    #[test]
    fn the_fork_of_a_timeline_is_found() {
        let history = "1\t0/3000148\tno recovery target specified\n\n2\t0/5000000\tno recovery target specified\n";
        assert_eq!(fork(history, 1), Some(Fork(Lsn(0x300_0148))));
        assert_eq!(fork(history, 2), Some(Fork(Lsn(0x500_0000))));
        assert_eq!(fork(history, 3), None);
    }

    #[test]
    fn only_a_log_that_went_on_is_rewound() {
        let fork = Some(Fork(Lsn(100)));
        assert!(!needs_rewind(&seen("shut down", 90, 1, false), 2, fork), "all of it was replayed before the fork");
        assert!(needs_rewind(&seen("shut down", 100, 1, false), 2, fork), "its last record begins where the fork is");
        assert!(needs_rewind(&seen("in production", 90, 1, false), 2, fork), "it crashed: its log may go on");
        assert!(needs_rewind(&seen("shut down", 90, 1, false), 2, None), "the fork is not known");
        assert!(!needs_rewind(&seen("in archive recovery", 90, 2, true), 2, fork), "it is a standby already");
    }
}
