//! What a person types for each of these actions: psql, and pg_ctl on the member's host.

use serde_json::Value;

use crate::actions::by_hand::{comment, from_spec, on_host, secret, value, word};
use crate::inventory::{Database, Inventory, Member};
use crate::spec::ActionSpec;

/// The timeline that is written now: the control file tells the one before until a checkpoint has ended.
const TIMELINE: &str = "case when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint()) else \
                        ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int end as timeline";

/// A cluster of the inventory, to write lines for.
struct Hand<'a> {
    inventory: &'a Inventory,
    database: &'a Database,
}

/// The lines for one of these actions; what its spec says where the cluster is not in the inventory.
pub(super) fn by_hand(spec: &ActionSpec, inventory: &Inventory, arguments: &Value) -> Vec<String> {
    known(inventory, spec.name, arguments).unwrap_or_else(|| from_spec(spec, arguments))
}

fn known(inventory: &Inventory, action: &str, arguments: &Value) -> Option<Vec<String>> {
    let database = inventory.databases.get(arguments.get("cluster")?.as_str()?)?;
    let hand = Hand { inventory, database };
    let name = value(arguments, "member");
    let member = database.members.get(&name);
    Some(match action {
        "postgres.status" => hand.status(),
        "postgres.query" | "postgres.execute" => hand.statement(member, arguments),
        "postgres.fence" => hand.fence(member, &name, arguments),
        "postgres.catch_up" => hand.catch_up(member, arguments),
        "postgres.promote" => hand.promote(member, &name),
        "postgres.canary" => hand.canary(),
        "postgres.read_only" => hand.read_only(),
        "postgres.rejoin" => hand.rejoin(member, &name),
        "postgres.follow" => hand.follow(member, &name),
        _ => return None,
    })
}

impl Hand<'_> {
    fn psql(&self, address: &str, port: &str, sql: &str) -> String {
        let password = self.database.password.as_ref();
        let password = password.map_or(String::new(), |reference| format!("PGPASSWORD={} ", secret(reference)));
        let Database { user, dbname, .. } = self.database;
        let (address, port) = (word(address), word(port));
        format!("{password}psql -X -h {address} -p {port} -U {} -d {} -c {}", word(user), word(dbname), word(sql))
    }

    fn at(&self, member: Option<&Member>, sql: &str) -> String {
        match member {
            Some(member) => self.psql(&member.address, &member.port.to_string(), sql),
            None => self.psql("<the member's address>", "<port>", sql),
        }
    }

    fn pg(&self, member: Option<&Member>, program: &str, rest: &str) -> String {
        let Some(member) = member else { return comment(&format!("on the member's host: {program} {rest}")) };
        let program = member.bin_directory.join(program).display().to_string();
        let data = member.data_directory.display().to_string();
        let line = format!("{} -D {} {rest}", word(&program), word(&data));
        on_host(self.inventory, member.host.as_deref(), line.trim_end())
    }

    /// The member's own command where the inventory names one, else pg_ctl.
    fn service(&self, member: Option<&Member>, start: bool) -> String {
        let own = member.and_then(|member| if start { member.start.as_ref() } else { member.stop.as_ref() });
        match (own, start) {
            (Some(argv), _) => {
                let line = argv.iter().map(|part| word(part)).collect::<Vec<_>>().join(" ");
                on_host(self.inventory, member.and_then(|member| member.host.as_deref()), &line)
            }
            (None, true) => self.pg(member, "pg_ctl", "-w start"),
            (None, false) => self.pg(member, "pg_ctl", "-m fast -w stop"),
        }
    }

    fn status(&self) -> Vec<String> {
        // In recovery the current position may not be asked for.
        let sql = format!(
            "select pg_is_in_recovery() as standby, (select system_identifier from pg_control_system()) as id, {TIMELINE}, \
             case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end as position"
        );
        let lines = self
            .database
            .members
            .iter()
            .flat_map(|(name, member)| [comment(&format!("member {name}:")), self.at(Some(member), &sql)]);
        let mut lines: Vec<String> = lines.collect();
        let id = self.database.system_identifier.as_deref().unwrap_or("the same everywhere");
        lines.push(comment(&format!("good: exactly one is no standby (the primary), and id is {id}")));
        lines
    }

    fn statement(&self, member: Option<&Member>, arguments: &Value) -> Vec<String> {
        let mut lines = Vec::new();
        if member.is_none() {
            lines.push(comment(&format!("at the {}", value(arguments, "role"))));
        }
        lines.push(self.at(member, &value(arguments, "sql")));
        if arguments.get("parameters").and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            lines.push(comment(&format!("with $1, $2, … = {}", value(arguments, "parameters"))));
        }
        lines
    }

    fn fence(&self, member: Option<&Member>, name: &str, arguments: &Value) -> Vec<String> {
        let control = self.pg(member, "pg_controldata", "");
        if value(arguments, "mode") == "unplanned" {
            let mut lines = vec![self.pg(member, "pg_ctl", "-m immediate -w stop")];
            lines.push(comment(
                "where its host does not answer: switch it off (IPMI, the cloud's console), and see that it is off",
            ));
            lines.push(comment(&format!("good: nothing listens for {name} any more, and nothing can start it again")));
            return lines;
        }
        vec![
            self.at(member, "checkpoint"),
            self.service(member, false),
            control,
            comment(
                "good: the cluster's state is `shut down`; note `Latest checkpoint location`: the standby must get past it",
            ),
        ]
    }

    fn catch_up(&self, member: Option<&Member>, arguments: &Value) -> Vec<String> {
        let position = value(arguments, "position").replace('\'', "''");
        let sql = format!("select pg_last_wal_replay_lsn() > '{position}'::pg_lsn as caught_up");
        vec![self.at(member, &sql), comment("good: t; ask again until it is")]
    }

    fn promote(&self, member: Option<&Member>, name: &str) -> Vec<String> {
        vec![
            self.pg(member, "pg_ctl", "-w promote"),
            self.at(member, &format!("select pg_is_in_recovery() as standby, {TIMELINE}")),
            comment(&format!("good: f, and {name}'s timeline is higher than before")),
        ]
    }

    fn canary(&self) -> Vec<String> {
        let endpoint = self.database.endpoint.clone().unwrap_or_else(|| "<endpoint>:<port>".to_owned());
        let (address, port) = endpoint.rsplit_once(':').unwrap_or((&endpoint, "5432"));
        let sql = "create temporary table by_hand (at timestamptz); insert into by_hand values (now()) returning at, \
                   inet_server_port(), pg_is_in_recovery()";
        vec![
            self.psql(address, port, sql),
            comment("good: one row, and f: the server behind the endpoint takes writes"),
        ]
    }

    fn read_only(&self) -> Vec<String> {
        let endpoint = self.database.endpoint.clone().unwrap_or_else(|| "<endpoint>:<port>".to_owned());
        let (address, port) = endpoint.rsplit_once(':').unwrap_or((&endpoint, "5432"));
        let sql = "select pg_is_in_recovery(), inet_server_port(); begin; create temporary table by_hand (); rollback";
        let good = "good: t, then an error: cannot execute CREATE TABLE in a read-only transaction";
        vec![self.psql(address, port, sql), comment(good)]
    }

    /// Where the primary is that a member is to follow: with two members it can only be the other one.
    fn primary_for(&self, name: &str) -> (String, String) {
        let mut others = self.database.members.iter().filter(|(other, _)| *other != name);
        match (others.next(), others.next(), self.database.members.contains_key(name)) {
            (Some((_, other)), None, true) => (other.address.clone(), other.port.to_string()),
            _ => ("<the new primary>".to_owned(), "<port>".to_owned()),
        }
    }

    /// Without its slot on the primary a standby that names one never streams.
    fn slot(&self, member: Option<&Member>, name: &str) -> Option<String> {
        let slot = member?.slot.as_ref()?.replace('\'', "''");
        let (address, port) = self.primary_for(name);
        let sql = format!(
            "select pg_create_physical_replication_slot('{slot}', true) where not exists (select from \
             pg_replication_slots where slot_name = '{slot}')"
        );
        Some(self.psql(&address, &port, &sql))
    }

    fn rejoin(&self, member: Option<&Member>, name: &str) -> Vec<String> {
        let user = self.database.replication_user.as_ref().unwrap_or(&self.database.user);
        let (address, port) = self.primary_for(name);
        let source = format!("host={address} port={port} user={user} dbname={}", self.database.dbname);
        let rewind = member.map(|member| {
            let program = member.bin_directory.join("pg_rewind").display().to_string();
            let data = member.data_directory.display().to_string();
            let line = format!("{} -D {} --source-server={}", word(&program), word(&data), word(&source));
            on_host(self.inventory, member.host.as_deref(), &line)
        });
        let mut lines = vec![comment(&format!(
            "only if {name} has log that the new primary has not (it was not stopped cleanly):"
        ))];
        lines.extend(rewind.map(|line| comment(&line)));
        if let Some(slot) = self.slot(member, name) {
            lines.extend([comment("at the new primary, or it never streams:"), slot]);
        }
        if let Some(member) = member {
            let signal = member.data_directory.join("standby.signal").display().to_string();
            lines.push(on_host(self.inventory, member.host.as_deref(), &format!("touch {}", word(&signal))));
            let auto = member.data_directory.join("postgresql.auto.conf").display().to_string();
            let conninfo = format!("primary_conninfo = '{source}'");
            let slot = member.slot.as_ref().map(|slot| format!("primary_slot_name = '{slot}'"));
            for setting in std::iter::once(conninfo).chain(slot) {
                let line = format!("echo {} >> {}", word(&setting), word(&auto));
                lines.push(on_host(self.inventory, member.host.as_deref(), &line));
            }
        }
        lines.push(self.service(member, true));
        lines.push(self.at(member, "select status from pg_stat_wal_receiver"));
        lines.push(comment("good: streaming"));
        lines
    }

    fn follow(&self, member: Option<&Member>, name: &str) -> Vec<String> {
        let user = self.database.replication_user.as_ref().unwrap_or(&self.database.user);
        let (address, port) = self.primary_for(name);
        let mut lines = Vec::new();
        if let Some(slot) = self.slot(member, name) {
            lines.extend([comment("at the primary, or it never streams:"), slot]);
        }
        let conninfo = format!("host={address} port={port} user={user}").replace('\'', "''");
        lines.push(self.at(member, &format!("alter system set primary_conninfo = '{conninfo}'")));
        if let Some(slot) = member.and_then(|member| member.slot.as_ref()) {
            let slot = slot.replace('\'', "''");
            lines.push(self.at(member, &format!("alter system set primary_slot_name = '{slot}'")));
        }
        lines.push(self.at(member, "select pg_reload_conf()"));
        lines.push(self.at(member, "select status from pg_stat_wal_receiver"));
        lines.push(comment("good: streaming"));
        lines
    }
}
