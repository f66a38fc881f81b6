//! Who else manages this cluster: Patroni, repmgrd, pg_auto_failover. Two controllers would undo each other's work, or
//! promote two members. Reads only.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cluster::View;
use super::connect::{connect, database};
use super::member::{LOOK, as_owner};
use super::quiet;
use crate::actions::Context;
use crate::actions::command::look;
use crate::inventory::{Inventory, Member};
use crate::value::Value;

/// Where Patroni answers unless somebody moved it.
const PATRONI_PORT: u16 = 8008;

/// Another controller that is not paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    /// What it is and how it was noticed.
    pub(super) what: String,
    /// Its own command that pauses it.
    pub(super) pause: &'static str,
}

const PATRONI: &str = "patronictl pause --wait";
const REPMGR: &str = "repmgr service pause";
const AUTO_FAILOVER: &str = "pg_autoctl stop (on each node), or its own: pg_autoctl perform switchover";

// Only a program's own name counts, not a word in somebody's command line. The database's name of a shared host is not
// told apart here: whoever runs two clusters on one host is told what was seen.
const PROCESSES: &str = r#"
ps -eo args= 2>/dev/null | awk '{ for (i = 1; i <= 2 && i <= NF; i++) { n = split($i, part, "/"); word = part[n];
  if (word == "patroni" || word == "repmgrd" || word == "pg_autoctl") print word } }' | sort -u
"#;

/// Looks for another controller that is not paused.
pub(super) async fn second_controller(context: &Context, view: &View) -> Option<Controller> {
    let database = database(&context.inventory, &view.cluster).ok()?;
    let mut asked = tokio::task::JoinSet::new();
    for (name, member) in &database.members {
        let (name, address, identifier) = (name.clone(), member.address.clone(), view.system_identifier.clone());
        asked.spawn(async move {
            let paused = patroni((&address, PATRONI_PORT), identifier.as_deref()).await;
            (paused, format!("Patroni answers at {address}:{PATRONI_PORT} ({name}) and is not paused"))
        });
    }
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok((Some(true), _)) => return None,
            Ok((Some(false), what)) => return Some(Controller { what, pause: PATRONI }),
            _ => {}
        }
    }
    if let Some(found) = in_the_database(&context.inventory, view).await {
        return found;
    }
    for (name, member) in &database.members {
        if let Some(found) = on_host(context, member).await {
            return Some(Controller { what: format!("{} on {name}'s host", found.what), pause: found.pause });
        }
    }
    None
}

/// What the members' own catalogs and sessions say. `Some(None)`: there is one, and it is paused.
async fn in_the_database(inventory: &Arc<Inventory>, view: &View) -> Option<Option<Controller>> {
    for name in view.members.keys() {
        let Some(facts) = view.facts(name) else { continue };
        if let Some(application) = facts.applications.iter().find(|app| app.to_lowercase().starts_with("patroni")) {
            let what = format!("Patroni has a session on {name} (`{application}`)");
            return Some(Some(Controller { what, pause: PATRONI }));
        }
        if facts.databases.iter().any(|found| found == "repmgr") {
            match repmgrd(inventory, &view.cluster, name).await {
                Some(true) => return Some(None),
                Some(false) => {
                    let what = format!("repmgrd runs on {name} and is not paused");
                    return Some(Some(Controller { what, pause: REPMGR }));
                }
                None => {}
            }
        }
        if facts.managed_by_auto_failover {
            let what = format!("pg_auto_failover manages {name} (its role pgautofailover_replicator is there)");
            return Some(Some(Controller { what, pause: AUTO_FAILOVER }));
        }
    }
    None
}

/// Whether repmgrd runs at a member, and if so whether it is paused.
async fn repmgrd(inventory: &Arc<Inventory>, cluster: &str, member: &str) -> Option<bool> {
    let database = database(inventory, cluster).ok()?;
    let member = database.members.get(member)?;
    let client = connect(database, inventory, (&member.address, member.port), "repmgr", LOOK).await.ok()?;
    let row = client.query_one("select repmgr.repmgrd_is_running(), repmgr.repmgrd_is_paused()", &[]).await.ok()?;
    let (runs, paused): (bool, bool) = (row.try_get(0).ok()?, row.try_get(1).ok()?);
    runs.then_some(paused)
}

/// Whether Patroni answers for this cluster, and if so whether it is paused.
async fn patroni(address: (&str, u16), system_identifier: Option<&str>) -> Option<bool> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET /patroni HTTP/1.0\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.take(1 << 20).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(Duration::from_secs(1), ask).await.ok()??;
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
    body.get("patroni")?;
    let theirs = body.get("database_system_identifier").and_then(Value::as_str);
    if theirs.is_some() && system_identifier.is_some() && theirs != system_identifier {
        return None;
    }
    Some(body.get("pause").and_then(Value::as_bool).unwrap_or(false))
}

async fn on_host(context: &Context, member: &Member) -> Option<Controller> {
    let mut command = as_owner(member, PROCESSES, &[]);
    // Anybody may list processes: no need to become the owner, whose folder may not even be there.
    command.work = crate::actions::command::Work::Script(PROCESSES.to_owned());
    let ended = look(&quiet(context), &command, LOOK).await.ok()?;
    let word = ended.output.stdout.text.lines().next()?.trim().to_owned();
    let pause = match word.as_str() {
        "patroni" => PATRONI,
        "repmgrd" => REPMGR,
        "pg_autoctl" => AUTO_FAILOVER,
        _ => return None,
    };
    Some(Controller { what: format!("a process `{word}` runs"), pause })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for Patroni that answers once.
    async fn answers(body: &'static str, ours: Option<&str>) -> Option<bool> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).await;
        });
        patroni(("127.0.0.1", port), ours).await
    }

    #[tokio::test]
    async fn patroni_is_known_by_its_answer() {
        let unpaused = r#"{"state": "running", "database_system_identifier": "7", "patroni": {"scope": "orders"}}"#;
        let paused = r#"{"pause": true, "database_system_identifier": "7", "patroni": {"scope": "orders"}}"#;
        assert_eq!(answers(unpaused, Some("7")).await, Some(false));
        assert_eq!(answers(paused, Some("7")).await, Some(true));
        assert_eq!(answers(unpaused, Some("8")).await, None, "another cluster's");
        assert_eq!(answers(r#"{"hello": 1}"#, Some("7")).await, None, "something else listens there");
    }
}
