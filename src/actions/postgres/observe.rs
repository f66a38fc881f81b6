//! One look at one member, read-only: what it is and where it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::connect::{NoConnection, connect_member, explain};
use super::lsn::Lsn;
use crate::inventory::{Database, Inventory, Member};

/// The settings that a standby must not have below its primary's.
pub(super) const SETTINGS: [&str; 5] = [
    "max_connections",
    "max_wal_senders",
    "max_worker_processes",
    "max_locks_per_transaction",
    "max_prepared_transactions",
];

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);

/// What a member says of itself.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Facts {
    pub(super) system_identifier: String,
    pub(super) in_recovery: bool,
    pub(super) timeline: i64,
    pub(super) current: Option<String>,
    pub(super) received: Option<String>,
    pub(super) replayed: Option<String>,
    pub(super) paused: bool,
    pub(super) settings: BTreeMap<String, i64>,
    pub(super) max_replication_slots: i64,
    pub(super) synchronous_standby_names: String,
    pub(super) primary_conninfo: String,
    pub(super) receiver: Option<Receiver>,
    pub(super) senders: Vec<Sender>,
    pub(super) slots: Vec<Slot>,
    pub(super) applications: Vec<String>,
    pub(super) databases: Vec<String>,
    pub(super) managed_by_auto_failover: bool,
}

/// A standby's end of the stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Receiver {
    pub(super) status: String,
    pub(super) sender_port: Option<i64>,
    pub(super) timeline: Option<i64>,
    pub(super) silent_seconds: Option<f64>,
}

/// A primary's end of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sender {
    pub(super) application: Option<String>,
    pub(super) state: Option<String>,
}

/// A replication slot.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) temporary: bool,
}

/// What became of a look.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    /// It answered.
    Here(Box<Facts>),
    /// It answered, and is no member of this cluster.
    Foreign(String),
    /// Nobody listens there.
    Down(String),
    /// Nobody answers.
    Silent(String),
    /// The server lives but tells nothing.
    Mute(String),
}

impl Facts {
    /// The furthest position of the log that this member has.
    pub(super) fn furthest(&self) -> Option<Lsn> {
        let read = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Lsn>().ok());
        [read(&self.current), read(&self.received), read(&self.replayed)].into_iter().flatten().max()
    }

    /// The position up to which changes are visible here.
    pub(super) fn applied(&self) -> Option<Lsn> {
        self.current.as_deref().or(self.replayed.as_deref()).and_then(|text| text.parse().ok())
    }

    /// How much of the log a standby has and has not replayed yet; nothing where it has received none since it was started.
    pub(super) fn to_replay(&self) -> Option<i64> {
        let read = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Lsn>().ok());
        Some(read(&self.received)?.ahead_of(read(&self.replayed)?).max(0))
    }

    /// Whether it streams from a primary.
    pub(super) fn streams(&self) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.status == "streaming")
    }
}

// Every part is a look without any lock. The positions are asked for by case, as each function works on one role only.
const ASK: &str = "
select json_build_object(
  'system_identifier', (select system_identifier::text from pg_catalog.pg_control_system()),
  'in_recovery', pg_catalog.pg_is_in_recovery(),
  'timeline', case when pg_catalog.pg_is_in_recovery()
    then greatest((select timeline_id from pg_catalog.pg_control_checkpoint()),
                  (select min_recovery_end_timeline from pg_catalog.pg_control_recovery()),
                  (select received_tli from pg_catalog.pg_stat_wal_receiver))
    else ('x' || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int end,
  'current', case when pg_catalog.pg_is_in_recovery() then null else pg_catalog.pg_current_wal_lsn()::text end,
  'received', pg_catalog.pg_last_wal_receive_lsn()::text,
  'replayed', case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_last_wal_replay_lsn()::text end,
  'paused', case when pg_catalog.pg_is_in_recovery() then pg_catalog.pg_is_wal_replay_paused() else false end,
  'settings', (select json_object_agg(name, setting::bigint) from pg_catalog.pg_settings where name = any($1)),
  'max_replication_slots', current_setting('max_replication_slots')::bigint,
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'primary_conninfo', coalesce(current_setting('primary_conninfo', true), ''),
  'receiver', (select json_build_object('status', status, 'sender_port', sender_port, 'timeline', received_tli,
      'silent_seconds', extract(epoch from clock_timestamp() - last_msg_receipt_time)::float8)
    from pg_catalog.pg_stat_wal_receiver),
  'senders', (select coalesce(json_agg(json_build_object('application', application_name, 'state', state)), '[]')
    from pg_catalog.pg_stat_replication),
  'slots', (select coalesce(json_agg(json_build_object('name', slot_name, 'kind', slot_type, 'temporary', temporary)), '[]')
    from pg_catalog.pg_replication_slots),
  'applications', (select coalesce(json_agg(distinct application_name), '[]') from pg_catalog.pg_stat_activity
    where application_name ~* '^(patroni|repmgrd|pg_auto_failover|pg_autoctl)'),
  'databases', (select coalesce(json_agg(datname), '[]') from pg_catalog.pg_database where datname in ('repmgr')),
  'managed_by_auto_failover',
    exists (select from pg_catalog.pg_roles where rolname = 'pgautofailover_replicator')
)";

/// Looks at a member.
pub(super) async fn observe(inventory: &Inventory, database: &Database, member: &Member) -> Seen {
    let client = match connect_member(database, inventory, member, LOOK).await {
        Ok(client) => client,
        Err(NoConnection::Down(text)) => return Seen::Down(text),
        Err(NoConnection::Silent(text)) => return Seen::Silent(text),
        Err(NoConnection::Alive(text) | NoConnection::Invalid(text)) => return Seen::Mute(text),
    };
    let settings: Vec<&str> = SETTINGS.to_vec();
    let place = format!("{}:{}", member.address, member.port);
    let answer = match tokio::time::timeout(LOOK, client.query_one(ASK, &[&settings])).await {
        Err(_) => return Seen::Silent(format!("{place} accepts a connection but answers nothing")),
        Ok(Err(error)) if client.is_closed() && error.as_db_error().is_none() => {
            return Seen::Silent(format!("{place} closed the connection"));
        }
        Ok(Err(error)) => return Seen::Mute(format!("{place} answers: {}", explain(&error))),
        Ok(Ok(row)) => row,
    };
    let read = answer.try_get::<_, serde_json::Value>(0).map_err(|error| error.to_string());
    match read.and_then(|value| serde_json::from_value::<Facts>(value).map_err(|error| error.to_string())) {
        Ok(facts) => Seen::Here(Box::new(facts)),
        Err(error) => Seen::Mute(format!("{place} gives an answer that cannot be read: {error}")),
    }
}

/// A member's facts for tests: a standby with the given connections and slots.
#[cfg(test)]
pub(super) fn sample(connections: i64, slots: serde_json::Value) -> Facts {
    serde_json::from_value(serde_json::json!({
        "system_identifier": "1", "in_recovery": true, "timeline": 1, "current": null, "received": null, "replayed": null,
        "paused": false, "settings": { "max_connections": connections }, "max_replication_slots": 2,
        "synchronous_standby_names": "", "primary_conninfo": "", "receiver": null, "senders": [], "slots": slots,
        "applications": [], "databases": [], "managed_by_auto_failover": false,
    }))
    .unwrap()
}
