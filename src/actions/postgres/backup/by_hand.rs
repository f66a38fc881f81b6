//! What a person types to restore beside, compare and switch in. It looks at nothing.

use serde_json::Value;

use super::names::{beside, quoted};
use super::room::dump;
use crate::actions::by_hand::{comment, from_spec, on_host, secret, value, word};
use crate::inventory::Inventory;
use crate::spec::ActionSpec;

/// The lines for one of these actions; what its spec says where the inventory does not have what it names.
pub(super) fn by_hand(spec: &ActionSpec, inventory: &Inventory, arguments: &Value) -> Vec<String> {
    known(spec.name, inventory, arguments).unwrap_or_else(|| from_spec(spec, arguments))
}

fn known(action: &str, inventory: &Inventory, arguments: &Value) -> Option<Vec<String>> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let database = inventory.databases.get(text("cluster")?)?;
    let backup = text("backup").and_then(|name| inventory.backups.get(name));
    let password = database.password.as_ref();
    let password = password.map_or(String::new(), |reference| format!("PGPASSWORD={} ", secret(reference)));
    let at = format!("-h '<the primary>' -p '<its port>' -U {}", word(&database.user));
    let name = |kind: &str| {
        let label = text("label").and_then(|label| beside(&database.dbname, kind, label).ok());
        label.unwrap_or_else(|| format!("{}_{kind}", database.dbname))
    };
    let psql = |dbname: &str, sql: &str| format!("{password}psql -X {at} -d {} -c {}", word(dbname), word(sql));
    let live = &database.dbname;
    Some(match action {
        "postgres.restore" => {
            let (backup, new) = (backup?, name("restore"));
            let restore =
                format!("pg_restore --exit-on-error --no-subscriptions {at} -d {} {}", word(&new), word(&dump(backup)));
            vec![
                psql("postgres", &format!("create database {} template template0", quoted(&new))),
                comment("on the backup's host:"),
                on_host(inventory, backup.host.as_deref(), &restore),
                comment(&format!("good: it prints nothing. {live} is not touched by it")),
            ]
        }
        "postgres.compare" => {
            let backup = backup?;
            let new = value(arguments, "database");
            let tables = backup.path.join(&backup.tables).display().to_string();
            vec![
                on_host(inventory, backup.host.as_deref(), &format!("cut -c 1-120 {}", word(&tables))),
                psql(&new, "select count(*) from <each table>"),
                psql(live, "select count(*) from <each table>"),
                comment(
                    "good: as many rows as the backup's record says; what only the live one has is lost by a switch",
                ),
            ]
        }
        "postgres.swap" => {
            let (new, kept) = (value(arguments, "database"), name("kept"));
            let end = format!(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname in ('{}', '{}')",
                live.replace('\'', "''"),
                new.replace('\'', "''")
            );
            let rename = |from: &str, to: &str| format!("alter database {} rename to {}", quoted(from), quoted(to));
            vec![
                comment("hold the clients at the proxy first"),
                psql("postgres", &end),
                psql("postgres", &format!("begin; {}; {}; commit", rename(live, &kept), rename(&new, live))),
                comment(&format!(
                    "good: COMMIT; what was live is {kept} now. Back: the same two names the other way round"
                )),
            ]
        }
        _ => return None,
    })
}
