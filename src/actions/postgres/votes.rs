//! Whether a primary is really gone, asked from several places: one place that hears nothing may itself be cut off. Reads
//! only.

use super::cluster::View;
use super::connect::{database, member};
use super::conninfo::Conninfo;
use super::member::inspect;
use super::observe::Seen;
use crate::actions::{Context, haproxy};

/// A message this recent means that the sender lives; an idle primary sends one every half `wal_sender_timeout`.
const RECENT_SECONDS: f64 = 5.0;

/// What the places say, a sentence each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Votes {
    /// Who says that it is gone.
    pub(super) dead: Vec<String>,
    /// Who says that it serves.
    pub(super) alive: Vec<String>,
    /// Who cannot say.
    pub(super) unclear: Vec<String>,
}

/// The member that is the primary, or was it as far as anybody here knows.
pub(super) fn presumed_primary(context: &Context, view: &View) -> Option<String> {
    if let Some(name) = view.primary() {
        return Some(name.to_owned());
    }
    let database = database(&context.inventory, &view.cluster).ok()?;
    let gone = |name: &str| !matches!(view.members.get(name), Some(Seen::Here(_) | Seen::Foreign(_)));
    let followed = view.best_standby().and_then(|standby| view.facts(standby)).and_then(|facts| {
        let source = Conninfo::parse(&facts.primary_conninfo);
        let (host, port) = (source.get("host")?.to_owned(), source.get("port").unwrap_or("5432").to_owned());
        let is = |member: &crate::inventory::Member| member.address == host && member.port.to_string() == port;
        database.members.iter().find(|(_, member)| is(member)).map(|(name, _)| name.clone())
    });
    followed.filter(|name| gone(name)).or_else(|| {
        let mut silent = view.members.keys().filter(|name| gone(name));
        // With two silent members nobody can say which of them it was.
        silent.next().filter(|_| silent.next().is_none()).cloned()
    })
}

/// Asks every place about the member that is or was the primary.
pub(super) async fn votes(context: &Context, view: &View, name: &str) -> Votes {
    let mut votes = Votes::default();
    match view.members.get(name) {
        Some(Seen::Here(facts)) if !facts.in_recovery => votes.alive.push(format!("direct: {name} answers")),
        Some(Seen::Here(_)) => votes.unclear.push(format!("direct: {name} answers as a standby")),
        Some(Seen::Mute(text)) => votes.alive.push(format!("direct: {text}")),
        Some(Seen::Down(text) | Seen::Silent(text)) => votes.dead.push(format!("direct: {text}")),
        Some(Seen::Foreign(_)) | None => votes.unclear.push(format!("direct: {}", view.trouble(name))),
    }
    let direct = !votes.dead.is_empty();
    by_receivers(view, name, &mut votes);
    let Ok(database) = database(&context.inventory, &view.cluster) else { return votes };
    let Ok(found) = member(database, &view.cluster, name) else { return votes };
    if let Some(proxy) = &database.proxy {
        by_proxy(context, proxy, found.server.as_deref().unwrap_or(name), direct, &mut votes).await;
    }
    match inspect(context, found).await {
        Ok(seen) if seen.processes.is_empty() => {
            votes.dead.push(format!("on its host: no process serves {}", found.data_directory.display()));
        }
        // A server that hangs has processes and serves nobody: this alone says neither.
        Ok(seen) => votes.unclear.push(format!("on its host: {} processes of it run", seen.processes.len())),
        Err(error) => votes.unclear.push(format!("on its host: {error}")),
    }
    votes
}

fn by_receivers(view: &View, primary: &str, votes: &mut Votes) {
    for name in view.standbys().into_iter().filter(|name| *name != primary) {
        let Some(facts) = view.facts(name) else { continue };
        match &facts.receiver {
            Some(receiver) if receiver.status == "streaming" => match receiver.silent_seconds {
                Some(seconds) if seconds < RECENT_SECONDS => {
                    votes.alive.push(format!("{name}'s receiver: heard from it {seconds:.0} s ago"));
                }
                seconds => votes
                    .unclear
                    .push(format!("{name}'s receiver: connected, silent for {:.0} s", seconds.unwrap_or_default())),
            },
            _ => votes.dead.push(format!("{name}'s receiver: not connected")),
        }
    }
}

async fn by_proxy(context: &Context, name: &str, server: &str, direct_is_dead: bool, votes: &mut Votes) {
    let seen = match haproxy::proxy(&context.inventory, name) {
        Ok(proxy) => haproxy::servers(context, proxy).await,
        Err(error) => Err(error),
    };
    match seen.map(|servers| servers.get(server).cloned()) {
        Err(error) => votes.unclear.push(format!("proxy: {error}")),
        Ok(None) => votes.unclear.push(format!("proxy: it has no server {server}")),
        Ok(Some(found)) => match (found.check, found.operational) {
            // An open port is no answer: a server that hangs has one, and so has one that died since the last check.
            (Some(check), "up") if check == "L4OK" && direct_is_dead => {
                votes.unclear.push("proxy: its check says only that the port is open (L4OK)".to_owned());
            }
            (Some(check), "up") if found.state != "maint" => votes.alive.push(format!("proxy: its check says {check}")),
            (Some(check), "down") if found.state != "maint" => {
                votes.dead.push(format!("proxy: its check says {check}"))
            }
            (_, operational) => votes.unclear.push(format!("proxy: {server} is {}, {operational}", found.state)),
        },
    }
}
