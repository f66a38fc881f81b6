//! Who else manages this cluster: Patroni, repmgrd, pg_auto_failover. Two controllers would undo each other's work, or
//! promote two members, so that a step which changes roles or servers looks for them, and nobody can override what it finds.
//! Reads only. A look that gets no answer is told and refuses nothing: in an outage the dead host never answers.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::PostgresError;
use super::cluster::View;
use super::connect::{connect, database};
use super::member::as_owner;
use crate::actions::Context;
use crate::actions::command::{Work, look};
use crate::inventory::Member;
use crate::spec::Prediction;
use crate::value::Value;

/// Where Patroni answers unless the inventory says otherwise.
const PATRONI_PORT: u16 = 8008;

/// How long a host or a database has to tell: a promotion waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Another controller that is not paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    /// What it is and how it was noticed.
    pub(super) what: String,
    /// Its own command that pauses it.
    pub(super) pause: &'static str,
}

/// What looking for other controllers came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Watch {
    /// The first that is not paused.
    pub(super) unpaused: Option<Controller>,
    /// Where nobody could look, a sentence each.
    pub(super) unseen: Vec<String>,
}

/// The controllers that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Patroni,
    Repmgr,
    AutoFailover,
}

impl Kind {
    fn pause(self) -> &'static str {
        match self {
            Kind::Patroni => "patronictl pause --wait",
            Kind::Repmgr => "repmgr service pause",
            Kind::AutoFailover => {
                "pg_autoctl stop     (on each node; or let it switch itself: pg_autoctl perform switchover)"
            }
        }
    }

    fn of_process(word: &str) -> Option<Self> {
        match word {
            "patroni" => Some(Kind::Patroni),
            "repmgrd" => Some(Kind::Repmgr),
            "pg_autoctl" => Some(Kind::AutoFailover),
            _ => None,
        }
    }
}

/// One thing that was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sign {
    /// It says itself that it acts.
    Acts(String),
    /// It says itself that it is paused.
    Paused,
    /// A trace of it: it acts unless it says that it is paused.
    Trace(String),
    /// It was set up here once; it acts unless it is certain that its process is gone.
    SetUp(String),
}

/// What one look came to.
type Seen = Result<Vec<(Kind, Sign)>, Unseen>;

/// A look that told nothing: at which member, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unseen {
    member: String,
    why: String,
}

// Only a program's own name counts, or that of the script that an interpreter runs, not a word in somebody's command line.
// Clusters that share a host are not told apart here: whoever runs two on one host is told what was seen.
const PROCESSES: &str = r#"
ps -eo args= 2>/dev/null | awk 'function base(path, part, n) { n = split(path, part, "/"); return part[n] }
  { word = base($1)
    if (word ~ /^(python|pypy|perl|sh|bash|dash)[0-9.]*$/) for (i = 2; i <= NF; i++) if ($i !~ /^-/) { word = base($i); break }
    if (word == "patroni" || word == "repmgrd" || word == "pg_autoctl") print word }
  END { print "looked" NR }' | sort -u
"#;

/// Refuses while another controller that is not paused manages the cluster.
///
/// # Errors
/// What was found, with its own command that pauses it.
pub(super) async fn hold_off(context: &Context, view: &View) -> Result<(), PostgresError> {
    match second_controller(context, view).await.unpaused {
        Some(found) => Err(PostgresError::Refused(refusal(view, &found))),
        None => Ok(()),
    }
}

/// The same for a plan: what would be refused, and where nobody could look.
pub(super) async fn foresee(context: &Context, view: &View, prediction: &mut Prediction) {
    let watch = second_controller(context, view).await;
    prediction.refusals.extend(watch.unpaused.map(|found| refusal(view, &found)));
    prediction.notes.extend(watch.unseen);
}

fn refusal(view: &View, found: &Controller) -> String {
    format!(
        "{}: another controller manages {}, and two would undo each other's work or promote two members. Nothing was \
         changed, and no override lifts this. Pause it, then try again: {}",
        found.what, view.cluster, found.pause
    )
}

/// Looks for other controllers, everywhere at once.
pub(super) async fn second_controller(context: &Context, view: &View) -> Watch {
    let Ok(database) = database(&context.inventory, &view.cluster) else { return Watch::default() };
    let mut looks: JoinSet<Seen> = JoinSet::new();
    for (name, member) in &database.members {
        looks.spawn(by_patroni(name.clone(), member.clone(), view.system_identifier.clone()));
        looks.spawn(by_host(context.clone(), name.clone(), member.clone()));
        if view.facts(name).is_some_and(|facts| facts.databases.iter().any(|found| found == "repmgr")) {
            looks.spawn(by_repmgr(context.clone(), view.cluster.clone(), name.clone()));
        }
    }
    let mut signs = in_the_members(view);
    let mut unseen = Vec::new();
    while let Some(seen) = looks.join_next().await {
        match seen {
            Ok(Ok(found)) => signs.extend(found),
            Ok(Err(why)) => unseen.push(why),
            Err(_) => {}
        }
    }
    unseen.sort();
    // A host whose server is gone as well tells nothing to anybody: it does not hold up the others.
    let saw_the_living = unseen.iter().all(|blind| view.facts(&blind.member).is_none());
    Watch { unpaused: judge(&signs, saw_the_living), unseen: unseen.into_iter().map(|blind| blind.why).collect() }
}

/// Which controller acts, by all that was noticed. One's own word that it acts counts more than another's that it is paused:
/// a pause may not have reached every node.
fn judge(signs: &[(Kind, Sign)], saw_the_living: bool) -> Option<Controller> {
    let mut by_kind: BTreeMap<Kind, Vec<&Sign>> = BTreeMap::new();
    for (kind, sign) in signs {
        by_kind.entry(*kind).or_default().push(sign);
    }
    by_kind.into_iter().find_map(|(kind, signs)| {
        let paused = signs.contains(&&Sign::Paused);
        let mut acting: Vec<&String> = signs
            .iter()
            .filter_map(|sign| match sign {
                Sign::Acts(what) => Some((0, what)),
                Sign::Trace(what) if !paused => Some((1, what)),
                Sign::SetUp(what) if !saw_the_living => Some((2, what)),
                _ => None,
            })
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .map(|(_, what)| what)
            .collect();
        (!acting.is_empty()).then(|| Controller { what: acting.swap_remove(0).clone(), pause: kind.pause() })
    })
}

/// What the members' own catalogs and sessions say.
fn in_the_members(view: &View) -> Vec<(Kind, Sign)> {
    let mut signs = Vec::new();
    for name in view.members.keys() {
        let Some(facts) = view.facts(name) else { continue };
        for application in &facts.applications {
            let lower = application.to_lowercase();
            let found = [("patroni", Kind::Patroni), ("repmgrd", Kind::Repmgr), ("pg_auto", Kind::AutoFailover)];
            if let Some((_, kind)) = found.into_iter().find(|(begin, _)| lower.starts_with(begin)) {
                signs.push((kind, Sign::Trace(format!("`{application}` has a session on {name}"))));
            }
        }
        if facts.managed_by_auto_failover {
            let what = format!(
                "pg_auto_failover was set up on {name} (its role pgautofailover_replicator is there), and not every living \
                 host tells whether it runs"
            );
            signs.push((Kind::AutoFailover, Sign::SetUp(what)));
        }
    }
    signs
}

/// Whether repmgrd runs at a member, and whether it is paused.
async fn by_repmgr(context: Context, cluster: String, name: String) -> Seen {
    let ask = async {
        let database = database(&context.inventory, &cluster).ok()?;
        let member = database.members.get(&name)?;
        let place = (member.address.as_str(), member.port);
        let client = connect(database, &context.inventory, place, "repmgr", PATIENCE).await.ok()?;
        let row = client.query_one("select repmgr.repmgrd_is_running(), repmgr.repmgrd_is_paused()", &[]).await.ok()?;
        Some((row.try_get::<_, bool>(0).ok()?, row.try_get::<_, bool>(1).ok()?))
    };
    match tokio::time::timeout(PATIENCE, ask).await.ok().flatten() {
        Some((true, true)) => Ok(vec![(Kind::Repmgr, Sign::Paused)]),
        Some((true, false)) => {
            Ok(vec![(Kind::Repmgr, Sign::Acts(format!("repmgrd runs on {name} and is not paused")))])
        }
        Some((false, _)) => Ok(Vec::new()),
        None => {
            let why = format!("{name} has a database `repmgr` that does not tell whether repmgrd runs and is paused");
            Err(Unseen { member: name, why })
        }
    }
}

/// Whether Patroni answers for this cluster, and whether it is paused.
async fn by_patroni(name: String, member: Member, identifier: Option<String>) -> Seen {
    let place = member.patroni.clone().unwrap_or_else(|| match member.address.contains(':') {
        true => format!("[{}]:{PATRONI_PORT}", member.address),
        false => format!("{}:{PATRONI_PORT}", member.address),
    });
    Ok(match patroni(&place, identifier.as_deref()).await {
        Some(true) => vec![(Kind::Patroni, Sign::Paused)],
        Some(false) => {
            let what = format!("Patroni answers at {place} ({name}) and is not paused");
            vec![(Kind::Patroni, Sign::Acts(what))]
        }
        None => Vec::new(),
    })
}

async fn patroni(place: &str, system_identifier: Option<&str>) -> Option<bool> {
    let ask = async {
        let mut stream = TcpStream::connect(place).await.ok()?;
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

/// The processes on a member's host.
async fn by_host(context: Context, name: String, member: Member) -> Seen {
    let mut command = as_owner(&member, PROCESSES, &[]);
    // Anybody may list processes: no need to become the owner, whose folder may not even be there.
    command.work = Work::Script(PROCESSES.to_owned());
    let asked = tokio::time::timeout(PATIENCE, look(&context.quiet(), &command, PATIENCE)).await;
    let text = asked.ok().and_then(Result::ok).map(|ended| ended.output.stdout.text).unwrap_or_default();
    processes(&name, &text)
}

/// What a host's list of processes says; without its last line, and with an empty list, nothing was listed.
fn processes(name: &str, text: &str) -> Seen {
    if !text.lines().any(|line| line.starts_with("looked") && line != "looked0") {
        let why = format!("{name}'s host does not tell whether Patroni, repmgrd or pg_autoctl run there");
        return Err(Unseen { member: name.to_owned(), why });
    }
    let kinds = text.lines().filter_map(|word| Some((word, Kind::of_process(word.trim())?)));
    Ok(kinds.map(|(word, kind)| (kind, Sign::Trace(format!("a process `{word}` runs on {name}'s host")))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for Patroni that answers once.
    async fn answers(body: &'static str, ours: Option<&str>) -> Option<bool> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{body}").as_bytes()).await;
        });
        patroni(&place, ours).await
    }

    #[tokio::test]
    async fn patroni_is_known_by_its_answer() {
        let unpaused = r#"{"state": "running", "database_system_identifier": "7", "patroni": {"scope": "orders"}}"#;
        let paused = r#"{"pause": true, "database_system_identifier": "7", "patroni": {"scope": "orders"}}"#;
        assert_eq!(answers(unpaused, Some("7")).await, Some(false));
        assert_eq!(answers(paused, Some("7")).await, Some(true));
        assert_eq!(answers(unpaused, Some("8")).await, None, "another cluster's");
        assert_eq!(answers(unpaused, None).await, Some(false), "nobody can say that it is another's");
        assert_eq!(answers(r#"{"hello": 1}"#, Some("7")).await, None, "something else listens there");
    }

    fn acts(signs: &[(Kind, Sign)], saw_all: bool) -> Option<String> {
        judge(signs, saw_all).map(|found| found.what)
    }

    #[test]
    fn a_pause_counts_for_its_own_kind_and_only_where_nobody_contradicts() {
        let trace = |kind, text: &str| (kind, Sign::Trace(text.to_owned()));
        let paused = (Kind::Patroni, Sign::Paused);
        assert_eq!(acts(&[], false), None);
        assert_eq!(acts(&[trace(Kind::Patroni, "a session")], true), Some("a session".to_owned()));
        assert_eq!(acts(&[trace(Kind::Patroni, "a session"), paused.clone()], true), None);
        let loud = (Kind::Patroni, Sign::Acts("pg2 says no".to_owned()));
        for order in [[paused.clone(), loud.clone()], [loud, paused.clone()]] {
            assert_eq!(acts(&order, true), Some("pg2 says no".to_owned()), "a pause has not reached every node");
        }
        assert_eq!(acts(&[paused, trace(Kind::Repmgr, "repmgrd")], true), Some("repmgrd".to_owned()));
    }

    #[test]
    fn what_was_set_up_once_is_stopped_when_every_host_says_so() {
        let signs = [(Kind::AutoFailover, Sign::SetUp("its role".to_owned()))];
        assert_eq!(acts(&signs, true), None, "pg_autoctl was stopped, as the refusal told to do");
        assert_eq!(acts(&signs, false), Some("its role".to_owned()));
    }

    #[test]
    fn a_list_of_processes_is_believed_only_when_it_is_one() {
        assert_eq!(processes("pg1", "looked41\n"), Ok(Vec::new()));
        let found = processes("pg1", "looked41\nrepmgrd\n").unwrap();
        assert_eq!(found, [(Kind::Repmgr, Sign::Trace("a process `repmgrd` runs on pg1's host".to_owned()))]);
        for nothing in ["", "looked0\n", "sh: ps: not found\n"] {
            assert!(processes("pg1", nothing).is_err(), "{nothing:?}");
        }
    }
}
